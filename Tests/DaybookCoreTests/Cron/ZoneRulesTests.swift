import DaybookCore
import DaybookValues
import Testing

struct ZoneRulesTests {
    // MARK: - POSIX rules

    @Test(arguments: [
        ("CET-1CEST,M3.5.0,M10.5.0/3", "2026-03-29T00:59:59Z", 3_600),
        ("CET-1CEST,M3.5.0,M10.5.0/3", "2026-03-29T01:00:00Z", 7_200),
        ("CET-1CEST,M3.5.0,M10.5.0/3", "2026-10-25T00:59:59Z", 7_200),
        ("CET-1CEST,M3.5.0,M10.5.0/3", "2026-10-25T01:00:00Z", 3_600),
        ("CET-1CEST,M3.5.0,M10.5.0/3", "8026-07-01T00:00:00Z", 7_200),
        // South of the equator summer spans the new year.
        ("NZST-12NZDT,M9.5.0,M4.1.0/3", "2026-01-01T00:00:00Z", 46_800),
        ("NZST-12NZDT,M9.5.0,M4.1.0/3", "2026-07-01T00:00:00Z", 43_200),
        // Winter is the exception: one hour less than standard.
        ("IST-1GMT0,M10.5.0,M3.5.0/1", "2026-01-01T00:00:00Z", 0),
        ("IST-1GMT0,M10.5.0,M3.5.0/1", "2026-07-01T00:00:00Z", 3_600),
        ("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "2026-01-01T00:00:00Z", 39_600),
        ("<+0545>-5:45", "2026-01-01T00:00:00Z", 20_700), ("XXX12:34:56", "2026-01-01T00:00:00Z", -45_296),
        // Hours before the day and beyond it, RFC 9636, section 3.3.1: Saturday at 22 and 23, written from Sunday.
        ("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-03-29T00:59:59Z", -7_200),
        ("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-03-29T01:00:00Z", -3_600),
        ("EET-2EEST,M3.4.4/50,M10.4.4/50", "2026-03-27T23:59:59Z", 7_200),
        ("EET-2EEST,M3.4.4/50,M10.4.4/50", "2026-03-28T00:00:00Z", 10_800),
        // Days by number, with and without 29 February: both are 1 March 2028.
        ("AAA0BBB,J60/0,J300", "2028-02-29T23:59:59Z", 0), ("AAA0BBB,J60/0,J300", "2028-03-01T00:00:00Z", 3_600),
        ("AAA0BBB,60/0,300", "2028-02-29T23:59:59Z", 0), ("AAA0BBB,60/0,300", "2028-03-01T00:00:00Z", 3_600),
        // Summer all year round, the example of RFC 9636, section 3.3.1.
        ("XXX3EDT4,0/0,J365/23", "2026-01-01T04:00:00Z", -14_400),
        ("XXX3EDT4,0/0,J365/23", "2026-07-01T00:00:00Z", -14_400),
        ("XXX3EDT4,0/0,J365/23", "2026-12-31T23:30:00Z", -14_400),
        ("XXX3EDT4,0/0,J365/23", "2027-01-01T03:00:00Z", -14_400),
    ])
    func `a POSIX rule gives the offset of any instant`(posix: String, instant: String, offset: Int) throws {
        let zone = try ZoneRules(name: "Test", posix: posix)
        #expect(try zone.utcOffsetSeconds(at: CronFixtures.at(instant)) == offset)
    }

    @Test(arguments: [
        "", "CET", "C-1", "CET-25", "CET-1CEST", "CET-1CEST,M3.5.0", "CET-1CEST,M13.5.0,M10.5.0",
        "CET-1CEST,M3.6.0,M10.5.0",
        "CET-1CEST,M3.5.7,M10.5.0", "CET-1CEST,M3.5.0/168,M10.5.0", "CET-1CEST,J0,J300", "CET-1CEST,366,3", "<CET-1",
        "CET-1:60",
        "CET-1 ", "CET-1CEST,M3.5.0,M10.5.0/3x", ":Europe/Paris", String(repeating: "A", count: 300) + "0",
    ])
    func `a broken POSIX rule is refused`(posix: String) {
        #expect(throws: ZoneError.self) { try PosixZone(posix) }
    }

    // MARK: - Local time

    @Test func `a local time comes once, twice or never`() throws {
        let paris = try CronFixtures.zone("Europe/Paris")
        let spring = CivilDate(year: 2025, month: 3, day: 30)
        let autumn = CivilDate(year: 2025, month: 10, day: 26)
        let at = CronFixtures.at
        #expect(try paris.resolve(spring, secondOfDay: 7_199) == .once(at("2025-03-30T00:59:59Z")))
        #expect(try paris.resolve(spring, secondOfDay: 7_200) == .skipped(gapEnd: at("2025-03-30T01:00:00Z")))
        #expect(try paris.resolve(spring, secondOfDay: 10_799) == .skipped(gapEnd: at("2025-03-30T01:00:00Z")))
        #expect(try paris.resolve(spring, secondOfDay: 10_800) == .once(at("2025-03-30T01:00:00Z")))
        #expect(try paris.resolve(autumn, secondOfDay: 7_199) == .once(at("2025-10-25T23:59:59Z")))
        #expect(
            try paris.resolve(autumn, secondOfDay: 7_200)
                == .repeated(first: at("2025-10-26T00:00:00Z"), second: at("2025-10-26T01:00:00Z")))
        #expect(
            try paris.resolve(autumn, secondOfDay: 10_799)
                == .repeated(first: at("2025-10-26T00:59:59Z"), second: at("2025-10-26T01:59:59Z")))
        #expect(try paris.resolve(autumn, secondOfDay: 10_800) == .once(at("2025-10-26T02:00:00Z")))
        let apia = try CronFixtures.zone("Pacific/Apia")
        #expect(
            try apia.resolve(CivilDate(year: 2011, month: 12, day: 30), secondOfDay: 43_200)
                == .skipped(gapEnd: at("2011-12-30T10:00:00Z")))
    }

    // MARK: - TZif

    @Test(arguments: [0, UInt8(ascii: "2"), UInt8(ascii: "3"), UInt8(ascii: "4")])
    func `all versions of zone files are read`(version: UInt8) throws {
        let fixture = try #require(CronFixtures.zones.first { $0.name == "Europe/Paris" })
        let bytes = CronFixtures.tzif(version: version, firstOffset: fixture.firstOffset, changes: fixture.changes)
        let zone = try ZoneRules(name: "Europe/Paris", tzif: bytes)
        for change in fixture.changes {
            for second in [change.at - 1, change.at] {
                #expect(
                    zone.utcOffsetSeconds(at: Timestamp(milliseconds: second * 1_000)) == fixture.offset(at: second))
            }
        }
        // After the table the footer counts, which the first version does not have.
        let summer = try CronFixtures.at("2035-07-01T00:00:00Z")
        #expect(zone.utcOffsetSeconds(at: summer) == (version == 0 ? 3_600 : 7_200))
        #expect(zone.posix == (version == 0 ? nil : try PosixZone("CET-1CEST,M3.5.0,M10.5.0/3")))
    }

    @Test func `a file without changes follows its footer at all times`() throws {
        let zone = try ZoneRules(name: "Europe/Paris", tzif: CronFixtures.tzif(firstOffset: 561))
        #expect(try zone.utcOffsetSeconds(at: CronFixtures.at("1970-07-01T00:00:00Z")) == 7_200)
    }

    @Test func `a file without a rule keeps its last offset`() throws {
        let zone = try ZoneRules(name: "Test", tzif: CronFixtures.tzif(changes: [(at: 0, offset: 1_800)], posix: ""))
        #expect(zone.utcOffsetSeconds(at: .distantFuture) == 1_800)
        #expect(zone.utcOffsetSeconds(at: Timestamp(milliseconds: -1)) == 3_600)
    }

    @Test func `a zone file cut at any byte is refused`() throws {
        let fixture = try #require(CronFixtures.zones.first { $0.name == "Europe/Paris" })
        for version in [0, UInt8(ascii: "2")] {
            let bytes = CronFixtures.tzif(version: version, changes: fixture.changes)
            for count in 0..<bytes.count {
                #expect(throws: ZoneError.self) { try ZoneRules(name: "Europe/Paris", tzif: Array(bytes[..<count])) }
            }
        }
    }

    @Test func `a hostile zone file is refused with its reason`() throws {
        func reason(_ change: (inout [UInt8]) -> Void, of bytes: [UInt8]) -> ZoneError? {
            var bytes = bytes
            change(&bytes)
            return #expect(throws: ZoneError.self) { try ZoneRules(name: "Test", tzif: bytes) }
        }
        let first = CronFixtures.tzif(version: 0, changes: [(at: 5, offset: 0), (at: 9, offset: 1)])
        #expect(reason({ $0[0] = 0 }, of: first) == .badFile("it does not start with TZif"))
        #expect(reason({ $0[4] = 1 }, of: first) == .badFile("it has an unknown version"))
        #expect(reason({ $0[32] = 0xFF }, of: first) == .badFile("it ends inside its table"))
        #expect(reason({ $0[39] = 0 }, of: first) == .badFile("it has no offsets"))
        #expect(reason({ $0[47] = 10 }, of: first) == .badFile("change 2 is out of order"))
        #expect(reason({ $0[52] = 9 }, of: first) == .badFile("it names a type that it does not have"))
        #expect(reason({ $0[55] = 0x7F }, of: first) == .badFile("it has an offset of 8326672 seconds"))
        #expect(
            reason({ $0 = CronFixtures.tzif(leapSeconds: 27) }, of: []) == .badFile("it counts leap seconds"))
        #expect(
            reason({ $0 = CronFixtures.tzif(changes: [(at: .min, offset: 0)]) }, of: [])
                == .badFile("change 1 is out of order"))
        #expect(reason({ $0 = CronFixtures.tzif(posix: "nonsense!") }, of: []) == .badPosixText("nonsense!"))
        #expect(
            reason({ $0 += [UInt8](repeating: 0, count: ZoneRules.fileBytesMax) }, of: first)
                == .badFile("it has \(first.count + ZoneRules.fileBytesMax) bytes"))
    }

    // MARK: - JSON

    private func json(_ zone: ZoneRules) -> String {
        var bytes: [UInt8] = []
        zone.append(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    private func zone(json: String) throws -> ZoneRules {
        try ZoneRules(json: #require(JSONView(Array(json.utf8))))
    }

    @Test func `a zone that follows its rule is recorded as the rule alone`() throws {
        let fixture = try #require(CronFixtures.zones.first { $0.name == "Europe/Paris" })
        let file = try ZoneRules(
            name: "Europe/Paris", tzif: CronFixtures.tzif(firstOffset: 3_600, changes: fixture.changes))
        let from = try CronFixtures.at("2025-11-22T00:00:00Z")
        #expect(json(file.trimmed(from: from)) == #"{"name":"Europe/Paris","posix":"CET-1CEST,M3.5.0,M10.5.0/3"}"#)
        #expect(json(.utc) == #"{"name":"UTC","first":0}"#)
    }

    @Test func `a zone with a table is recorded with what is left of it`() throws {
        let fixture = try #require(CronFixtures.zones.first { $0.name == "Africa/Casablanca" })
        let file = try ZoneRules(
            name: "Africa/Casablanca",
            tzif: CronFixtures.tzif(firstOffset: 3_600, changes: fixture.changes, posix: "<+01>-1"))
        let from = try CronFixtures.at("2025-03-01T00:00:00Z")
        #expect(
            json(file.trimmed(from: from))
                == #"{"name":"Africa/Casablanca","posix":"<+01>-1","first":0,"changes":[1743904800,3600,1771120800,0,1774144800,3600]}"#
        )
    }

    @Test(arguments: CronFixtures.zones)
    func `recorded rules read back equal, and trimmed ones agree from their instant on`(fixture: CronFixtures.Zone)
        throws
    {
        let whole = try fixture.rules()
        #expect(try zone(json: json(whole)) == whole)
        for change in fixture.changes {
            let trimmed = whole.trimmed(from: Timestamp(milliseconds: change.at * 1_000 - 1))
            #expect(try zone(json: json(trimmed)) == trimmed)
            for other in fixture.changes where other.at >= change.at {
                for milliseconds in [other.at * 1_000 - 1, other.at * 1_000] {
                    let instant = Timestamp(milliseconds: milliseconds)
                    #expect(trimmed.utcOffsetSeconds(at: instant) == whole.utcOffsetSeconds(at: instant))
                }
            }
        }
    }

    @Test(arguments: [
        "{}", "[]", "3", #"{"name":"A"}"#, #"{"name":3,"first":0}"#, #"{"name":"../x","first":0}"#,
        #"{"name":"A","posix":"x"}"#,
        #"{"name":"A","posix":5}"#, #"{"name":"A","first":93600}"#, #"{"name":"A","first":-9223372036854775808}"#,
        #"{"name":"A","first":0,"changes":[1]}"#, #"{"name":"A","first":0,"changes":[1,0,1,0]}"#,
        #"{"name":"A","first":0,"changes":[1,"x"]}"#, #"{"name":"A","first":0,"changes":[9223372036854775807,0]}"#,
    ])
    func `recorded rules that break a limit are refused`(text: String) {
        #expect(throws: ZoneError.self) { try zone(json: text) }
    }

    // MARK: - The embedded table

    @Test func `every embedded zone has rules that can be read`() throws {
        let names = EmbeddedZones.names
        #expect(names.count == 597)
        for name in names {
            let zone = try #require(EmbeddedZones.rules(named: name), "\(name)")
            #expect(zone.name == name)
            #expect(zone.posix != nil)
        }
        for name in [
            "UTC", "Etc/UTC", "GMT", "Etc/GMT+12", "Europe/Paris", "Asia/Calcutta", "America/Argentina/Ushuaia",
        ] {
            #expect(names.contains(name))
        }
        #expect(EmbeddedZones.rules(named: "Europe/Atlantis") == nil)
        #expect(EmbeddedZones.rules(named: "europe/paris") == nil)
        #expect(EmbeddedZones.rules(named: "") == nil)
        #expect(EmbeddedZones.rules(named: "CET-1CEST,M3.5.0,M10.5.0/3") == nil)
    }

    @Test func `embedded zones have the offsets of today`() throws {
        let at = try CronFixtures.at("2025-11-22T00:00:00Z")
        for (name, offset) in [
            ("Europe/Paris", 3_600), ("America/New_York", -18_000), ("America/Sao_Paulo", -10_800),
            ("Asia/Kathmandu", 20_700),
            ("Australia/Lord_Howe", 39_600), ("Pacific/Apia", 46_800), ("Africa/Casablanca", 3_600),
            ("Europe/Dublin", 0),
            ("Asia/Tehran", 12_600), ("UTC", 0), ("Pacific/Kiritimati", 50_400),
        ] {
            #expect(EmbeddedZones.rules(named: name)?.utcOffsetSeconds(at: at) == offset, "\(name)")
        }
    }
}
