import DaybookCore
import DaybookValues
import Testing

/// Zones, instants and chance for the cron tests; every value has a default where one makes sense.
enum CronFixtures {
    /// A stretch of a zone's history, as the IANA database tells it, written down apart from the code under test.
    struct Zone: Sendable, CustomTestStringConvertible {
        var name: String
        var firstOffset: Int
        /// Seconds since 1970 and the offset from then on.
        var changes: [(at: Int64, offset: Int)]

        var testDescription: String { name }

        /// The same as zone rules made from a table alone.
        func rules() throws -> ZoneRules {
            try ZoneRules(
                name: name, posix: nil, firstOffset: firstOffset, changes: changes.map(\.at),
                offsets: changes.map(\.offset))
        }

        /// The offset by plain search, for the oracle.
        func offset(at second: Int64) -> Int {
            changes.last { $0.at <= second }?.offset ?? firstOffset
        }
    }

    static let zones: [Zone] = [
        Zone(name: "UTC", firstOffset: 0, changes: []),
        Zone(
            name: "Europe/Paris", firstOffset: 3_600,
            changes: [
                (1_711_846_800, 7_200), (1_729_990_800, 3_600), (1_743_296_400, 7_200), (1_761_440_400, 3_600),
                (1_774_746_000, 7_200), (1_792_890_000, 3_600),
            ]),
        Zone(
            name: "America/New_York", firstOffset: -18_000,
            changes: [
                (1_710_054_000, -14_400), (1_730_613_600, -18_000), (1_741_503_600, -14_400),
                (1_762_063_200, -18_000),
            ]),
        // Changed at midnight: days without 00:00, and days with two of 23:00.
        Zone(
            name: "America/Sao_Paulo", firstOffset: -7_200,
            changes: [
                (1_487_469_600, -10_800), (1_508_036_400, -7_200), (1_518_919_200, -10_800), (1_541_300_400, -7_200),
                (1_550_368_800, -10_800),
            ]),
        // One move of 15 minutes, to +05:45.
        Zone(name: "Asia/Kathmandu", firstOffset: 19_800, changes: [(504_901_800, 20_700)]),
        // Half an hour of summer time.
        Zone(
            name: "Australia/Lord_Howe", firstOffset: 39_600,
            changes: [
                (1_712_415_600, 37_800), (1_728_142_200, 39_600), (1_743_865_200, 37_800), (1_759_591_800, 39_600),
            ]),
        // Left out 30 December 2011 altogether.
        Zone(
            name: "Pacific/Apia", firstOffset: -39_600,
            changes: [
                (1_285_498_800, -36_000), (1_301_752_800, -39_600), (1_316_872_800, -36_000), (1_325_239_200, 50_400),
                (1_333_202_400, 46_800), (1_348_927_200, 50_400),
            ]),
        Zone(
            name: "Africa/Casablanca", firstOffset: 3_600,
            changes: [
                (1_710_036_000, 0), (1_713_060_000, 3_600), (1_740_276_000, 0), (1_743_904_800, 3_600),
                (1_771_120_800, 0), (1_774_144_800, 3_600),
            ]),
        Zone(
            name: "Europe/Dublin", firstOffset: 0,
            changes: [(1_711_846_800, 3_600), (1_729_990_800, 0), (1_743_296_400, 3_600), (1_761_440_400, 0)]),
        Zone(
            name: "Asia/Tehran", firstOffset: 12_600,
            changes: [
                (1_616_358_600, 16_200), (1_632_252_600, 12_600), (1_647_894_600, 16_200), (1_663_788_600, 12_600),
            ]
        ),
        // Half an hour back, and forth again three years later.
        Zone(name: "Asia/Pyongyang", firstOffset: 32_400, changes: [(1_439_564_400, 30_600), (1_525_446_000, 32_400)]),
        // Four changes in one year, around Ramadan.
        Zone(
            name: "Africa/Cairo", firstOffset: 7_200,
            changes: [(1_272_578_400, 10_800), (1_281_474_000, 7_200), (1_284_069_600, 10_800), (1_285_880_400, 7_200)]),
        // Two hours of summer time.
        Zone(name: "Antarctica/Troll", firstOffset: 0, changes: [(1_711_846_800, 7_200), (1_729_990_800, 0)]),
        // Changed one minute after midnight.
        Zone(
            name: "America/St_Johns", firstOffset: -12_600,
            changes: [
                (1_143_948_660, -9_000), (1_162_089_060, -12_600), (1_173_583_860, -9_000), (1_194_143_460, -12_600),
            ]
        ),
        // No real zone: forth and back within 70 minutes, so that a skipped time comes after all.
        Zone(name: "Test/Flutter", firstOffset: 0, changes: [(1_700_000_400, 3_600), (1_700_004_600, 0)]),
    ]

    static func zone(_ name: String) throws -> ZoneRules {
        try #require(zones.first { $0.name == name }).rules()
    }

    /// An instant in RFC 3339.
    static func at(_ text: String) throws -> Timestamp {
        try #require(Timestamp(rfc3339: text))
    }

    /// SplitMix64: the same numbers for the same seed, everywhere.
    struct Random: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
            return mixed ^ (mixed >> 31)
        }
    }

    /// One to three bytes changed, left out, doubled or put in.
    static func mutate(_ bytes: inout [UInt8], using random: inout Random) {
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            let index = Int.random(in: 0...bytes.count, using: &random)
            let familiar = Array("*,-/?#LW01234579".utf8).randomElement(using: &random) ?? 0
            switch Int.random(in: 0..<6, using: &random) {
            case 0 where index < bytes.count: bytes[index] = familiar
            case 1 where index < bytes.count: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 2 where index < bytes.count: bytes.remove(at: index)
            case 3 where index < bytes.count: bytes.insert(bytes[index], at: index)
            case 4 where index < bytes.count: bytes[index] = UInt8.random(in: .min ... .max, using: &random)
            default: bytes.insert(familiar, at: index)
            }
        }
    }

    /// The bytes of a compiled zone file.
    static func tzif(
        version: UInt8 = UInt8(ascii: "2"), firstOffset: Int = 3_600, changes: [(at: Int64, offset: Int)] = [],
        posix: String = "CET-1CEST,M3.5.0,M10.5.0/3", leapSeconds: Int = 0
    ) -> [UInt8] {
        func block(timeBytes: Int) -> [UInt8] {
            var bytes = Array("TZif".utf8) + [version] + [UInt8](repeating: 0, count: 15)
            func append(_ value: some FixedWidthInteger) { withUnsafeBytes(of: value.bigEndian) { bytes += Array($0) } }
            for count in [0, 0, leapSeconds, changes.count, changes.count + 1, 4] { append(UInt32(count)) }
            for change in changes {
                if timeBytes == 8 { append(change.at) } else { append(Int32(truncatingIfNeeded: change.at)) }
            }
            for index in changes.indices { append(UInt8(index + 1)) }
            for offset in [firstOffset] + changes.map(\.offset) {
                append(Int32(offset))
                append(UInt16(0))
            }
            bytes += Array("LMT\0".utf8)
            bytes += [UInt8](repeating: 0, count: leapSeconds * (timeBytes + 4))
            return bytes
        }
        guard version != 0 else { return block(timeBytes: 4) }
        return block(timeBytes: 4) + block(timeBytes: 8) + Array("\n\(posix)\n".utf8)
    }
}
