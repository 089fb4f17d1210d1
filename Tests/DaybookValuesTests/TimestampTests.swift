import DaybookValues
import Testing

struct TimestampTests {
    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (1, "1970-01-01T00:00:00.001Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_248_000_123, "2026-11-21T08:00:00.123Z"), (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"), (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ] as [(Int64, String)])
    func `an instant is written in UTC with three decimals`(milliseconds: Int64, text: String) {
        #expect(Timestamp(milliseconds: milliseconds).rfc3339 == text)
        #expect(Timestamp(rfc3339: text) == Timestamp(milliseconds: milliseconds))
    }

    @Test func `every day from 1970 to 9999 comes back from its text and follows the day before`() throws {
        var expected = CivilDate(year: 1970, month: 1, day: 1)
        for day in Int32(0)...2_932_896 {
            let date = CivilDate(day: day)
            guard date == expected, date.daysSince1970 == day else {
                Issue.record("day \(day) is \(date), expected \(expected)")
                return
            }
            let isLeap = date.year % 4 == 0 && (date.year % 100 != 0 || date.year % 400 == 0)
            let lengths = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
            if date.day < lengths[date.month - 1] {
                expected.day += 1
            } else if date.month < 12 {
                expected = CivilDate(year: date.year, month: date.month + 1, day: 1)
            } else {
                expected = CivilDate(year: date.year + 1, month: 1, day: 1)
            }
        }
        #expect(expected == CivilDate(year: 10_000, month: 1, day: 1))
    }

    @Test(arguments: 0..<4)
    func `any instant from 1970 to 9999 comes back from its text, and texts sort like instants`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var last: (instant: Timestamp, text: String)?
        for _ in 0..<2_000 {
            let instant = Timestamp(milliseconds: Int64(random.next() % 253_402_300_800_000))
            let text = instant.rfc3339
            #expect(Timestamp(rfc3339: text) == instant)
            #expect(Timestamp(rfc3339: instant.rfc3339Short) == instant)
            if let last { #expect((last.instant < instant) == (last.text < text)) }
            last = (instant, text)
        }
    }

    @Test(
        arguments: [
            ("2026-11-21T08:00:00Z", 1_795_248_000_000), ("2026-11-21t08:00:00z", 1_795_248_000_000),
            ("2026-11-21 08:00:00Z", 1_795_248_000_000), ("2026-11-21T09:00:00+01:00", 1_795_248_000_000),
            ("2026-11-21T00:00:00-08:00", 1_795_248_000_000), ("2026-11-21T13:30:00+05:30", 1_795_248_000_000),
            ("2026-11-21T08:00:00.5Z", 1_795_248_000_500), ("2026-11-21T08:00:00.1239999Z", 1_795_248_000_123),
            ("2026-11-21T08:00:00.000000001Z", 1_795_248_000_000), ("2016-12-31T23:59:60Z", 1_483_228_800_000),
            ("1969-12-31T23:59:59.999Z", -1), ("1970-01-01T00:00:00-00:00", 0),
        ] as [(String, Int64)])
    func `RFC 3339 is read in all its forms`(text: String, milliseconds: Int64) {
        #expect(Timestamp(rfc3339: text) == Timestamp(milliseconds: milliseconds))
    }

    @Test(arguments: [
        "", "2026", "2026-11-21", "2026-11-21T08:00:00", "2026-11-21T08:00Z", "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z", "2026-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "2026-04-31T00:00:00Z",
        "2026-01-00T00:00:00Z", "2026-01-32T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:61Z", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00+1:00", "2026-01-01T00:00:00+0100",
        "2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00+00:60", "2026-01-01T00:00:00Zx", " 2026-01-01T00:00:00Z",
        "26-01-01T00:00:00Z", "-026-01-01T00:00:00Z", "2026-01-01T00:00:00", "2026-1-1T0:0:0Z", "２026-01-01T00:00:00Z",
    ])
    func `what is not RFC 3339 is not read`(text: String) {
        #expect(Timestamp(rfc3339: text) == nil)
    }

    @Test func `arithmetic stops at the ends instead of trapping`() {
        let (first, last) = (Timestamp(milliseconds: .min), Timestamp(milliseconds: .max))
        #expect(last + 1 == last)
        #expect(first + -1 == first)
        #expect(last - first == .max)
        #expect(first - last == .min)
        #expect(Timestamp(milliseconds: 5) - Timestamp(milliseconds: 7) == -2)
        #expect(first.rfc3339 == "0000-01-01T00:00:00.000Z")
        #expect(last.rfc3339 == "9999-12-31T23:59:59.999Z")
    }

    @Test(
        arguments: [
            (0, 0, 0, 0), (-1, -1, 23, -1), (86_400_000, 1, 0, 0), (2_678_399_999, 30, 23, 0),
            (2_678_400_000, 31, 0, 1),
            (1_795_248_000_123, 20_778, 8, 682),
        ] as [(Int64, Int32, Int, Int32)])
    func `day, hour and month are those of UTC`(milliseconds: Int64, day: Int32, hour: Int, month: Int32) {
        let instant = Timestamp(milliseconds: milliseconds)
        #expect(instant.day == day)
        #expect(instant.hour == hour)
        #expect(instant.month == month)
    }
}

struct ULIDTests {
    @Test(arguments: 0..<4)
    func `an id comes back from its text, and texts sort like ids`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var ids: [ULID] = []
        for _ in 0..<1_000 {
            let time = Timestamp(milliseconds: Int64(random.next() % (1 << 48)))
            let id = ULID(at: time, random: (random.next(), random.next()))
            #expect(id.time == time)
            #expect(id.text.utf8.count == 26)
            #expect(ULID(id.text) == id)
            #expect(ULID(id.text.lowercased()) == id)
            ids.append(id)
        }
        #expect(ids.sorted().map(\.text) == ids.map(\.text).sorted())
    }

    @Test func `the smallest and the largest id have the known texts`() {
        #expect(ULID(high: 0, low: 0).text == "00000000000000000000000000")
        #expect(ULID(high: .max, low: .max).text == "7ZZZZZZZZZZZZZZZZZZZZZZZZZ")
        #expect(ULID("7ZZZZZZZZZZZZZZZZZZZZZZZZZ") == ULID(high: .max, low: .max))
        #expect(ULID("01ARZ3NDEKTSV4RRFFQ69G5FAV")?.time == Timestamp(milliseconds: 1_469_922_850_259))
        #expect(ULID(at: Timestamp(milliseconds: -5), random: (0, 0)).time == .zero)
    }

    @Test(arguments: [
        "", "01ARZ3NDEKTSV4RRFFQ69G5FA", "01ARZ3NDEKTSV4RRFFQ69G5FAVV", "80000000000000000000000000",
        "01ARZ3NDEKTSV4RRFFQ69G5FAI", "01ARZ3NDEKTSV4RRFFQ69G5FAL", "01ARZ3NDEKTSV4RRFFQ69G5FAO",
        "01ARZ3NDEKTSV4RRFFQ69G5FAU", "01ARZ3NDEKTSV4RRFFQ69G5FA ", "01ARZ3NDEKTSV4RRFFQ69G5Fé",
    ])
    func `what is not an id is not read`(text: String) {
        #expect(ULID(text) == nil)
    }
}
