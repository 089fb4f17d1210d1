import Testing

@testable import DaybookCEL

struct DateTests {
    @Test(arguments: dateTextRows)
    func `a date text is read as one of the layouts`(text: String, expected: String) throws {
        #expect(try #require(Moment.parse(dateText: text)).rfc3339 == expected)
    }

    @Test(arguments: [
        "", " ", "not a date", "2024", "2024-01", "2024-13-01", "2024-00-01", "2024-01-00", "2024-01-32", "2023-02-29",
        "1900-02-29", "2024-04-31", "2024-01-02T24:00:00Z", "2024-01-02T03:60:00Z", "2024-01-02T03:04:60Z",
        "2024-01-02T03:04Z", "2024-01-02 03:04:05", "2024-01-02T03:04:05z", "2024-01-02t03:04:05Z",
        "2024-01-02T03:04:05+0200", "2024-01-02T03:04:05+02:60", "2024-01-02T03:04:05+25:00", "2024-01-02T03:04:05Z ",
        " 2024-01-02", "2024-01-02x", "24-01-02", "2024-1-2", "Tue, 2 Jan 2024 03:04:05 GMT",
        "Tue, 02 Jan 2024 03:04:05", "Tue, 02 Jan 2024 03:04:05 gmt", "Tue, 02 Jan 2024 03:04:05 ABCD",
        "Tue, 02 Foo 2024 03:04:05 GMT", "Tuesday, 02-Jan-2024 03:04:05 UTC", "Jan  2 03:04:05.", "1704164645",
        "Tue, 02 Jan 2024 03:04:05 GMT+24", "2024-01-02T03:04:05.Z", "2024-01-02T03:04:05é",
    ])
    func `any other text is no date`(text: String) {
        #expect(Moment.parse(dateText: text) == nil)
    }

    @Test func `a timestamp takes RFC 3339 of the years 1 to 9999`() {
        #expect(Moment.parse(rfc3339: "2024-01-02T03:04:05+02:00")?.rfc3339 == "2024-01-02T01:04:05Z")
        #expect(Moment.parse(rfc3339: "0001-01-01T00:00:00Z") == .earliest)
        #expect(Moment.parse(rfc3339: "9999-12-31T23:59:59.999999999Z") == .latest)
        #expect(Moment.parse(rfc3339: "0000-12-31T23:59:59Z") == nil)
        #expect(Moment.parse(rfc3339: "0001-01-01T00:00:00+01:00") == nil)
        #expect(Moment.parse(rfc3339: "9999-12-31T23:59:59-01:00") == nil)
        #expect(Moment.parse(rfc3339: "2024-01-02") == nil)
    }

    @Test(arguments: integerRows)
    func `an integer is a date in the unit its size says`(integer: Int64, expected: String?) {
        #expect(Moment.from(integer: integer)?.rfc3339 == expected)
    }

    @Test func `a moment has the components a clock and a calendar show`() throws {
        let moment = try #require(Moment.parse(rfc3339: "2024-12-31T23:04:05.678Z"))
        let names = [
            "getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getHours",
            "getMinutes", "getSeconds", "getMilliseconds",
        ]
        func components(_ offset: Int) throws -> [Int64] {
            try names.map { moment.component(try #require(CalendarComponent(method: $0)), offsetSeconds: offset) }
        }
        #expect(try components(0) == [2024, 11, 31, 30, 2, 365, 23, 4, 5, 678])
        #expect(try components(2 * 3_600) == [2025, 0, 1, 0, 3, 0, 1, 4, 5, 678])
        #expect(CalendarComponent(method: "getYear") == nil)
        let early = try #require(Moment.parse(rfc3339: "1969-12-31T23:59:59.5Z"))
        #expect(early.component(.dayOfWeek) == 3)
        #expect(early.component(.seconds) == 59)
        #expect(early.component(.milliseconds) == 500)
    }

    @Test(arguments: zoneRows)
    func `a zone is UTC or an offset`(zone: String, expected: Int?) {
        #expect(Moment.zoneOffsetSeconds(zone) == expected)
    }

    @Test func `days and dates agree over all the years there are`() {
        var day = CivilDate(year: 1, month: 1, day: 1).daysSince1970
        #expect(day == -719_162)
        for year in 1...9_999 {
            for month in [1, 2, 3, 12] {
                let date = CivilDate(year: year, month: month, day: CivilDate.days(inMonth: month, of: year))
                #expect(CivilDate(daysSince1970: date.daysSince1970) == date)
            }
            let newYear = CivilDate(year: year, month: 1, day: 1).daysSince1970
            #expect(newYear == day)
            day += CivilDate.isLeap(year) ? 366 : 365
        }
    }

    @Test func `moments are added to and subtracted without a trap at the ends`() {
        let moment = Moment(seconds: 100, nanoseconds: 900_000_000)
        #expect(moment.adding(nanoseconds: 200_000_000) == Moment(seconds: 101, nanoseconds: 100_000_000))
        #expect(moment.adding(nanoseconds: -1_000_000_000) == Moment(seconds: 99, nanoseconds: 900_000_000))
        #expect(Moment.latest.adding(nanoseconds: 1) == nil)
        #expect(Moment.earliest.adding(nanoseconds: -1) == nil)
        #expect(Moment.latest.adding(nanoseconds: .min) != nil)
        #expect(Moment(seconds: .max).adding(nanoseconds: .max) == nil)
        #expect(Moment(seconds: .min).adding(nanoseconds: .min) == nil)
        #expect(Moment(seconds: 1).nanoseconds(since: Moment(seconds: 0, nanoseconds: 1)) == 999_999_999)
        #expect(Moment.latest.nanoseconds(since: .earliest) == nil)
        #expect(Moment(seconds: .min).nanoseconds(since: Moment(seconds: .max)) == nil)
        for extreme in [Int64.min, .min + 1, .max - 1, .max] {
            #expect(Moment(nanoseconds: extreme).nanoseconds(since: Moment(seconds: 0)) == extreme)
        }
        #expect(Moment(seconds: 9_223_372_036, nanoseconds: 854_775_808).nanoseconds(since: Moment(seconds: 0)) == nil)
        #expect(Moment(seconds: -5, nanoseconds: -1) == Moment(seconds: -6, nanoseconds: 999_999_999))
        #expect(Moment(seconds: 1, nanoseconds: 1_500_000_000) == Moment(seconds: 2, nanoseconds: 500_000_000))
        #expect(Moment(milliseconds: -1) == Moment(seconds: -1, nanoseconds: 999_000_000))
        #expect(Moment(seconds: 1, nanoseconds: 5) < Moment(seconds: 1, nanoseconds: 6))
        #expect(Moment(seconds: 1, nanoseconds: 5) < Moment(seconds: 2))
    }

    @Test func `years that have no four digits are written as the nearest`() {
        #expect(Moment(seconds: .min).rfc3339 == "0000-01-01T00:00:00Z")
        #expect(Moment(seconds: .max, nanoseconds: 5).rfc3339 == "9999-12-31T23:59:59Z")
    }
}

struct DurationTests {
    @Test(arguments: goDurationRows)
    func `a Go duration is read to the nanosecond`(text: String, expected: Int64?) {
        #expect(DurationText.go(text) == expected)
    }

    @Test(arguments: extendedDurationRows)
    func `an extended duration has days and weeks`(text: String, expected: Int64?) {
        #expect(DurationText.extended(text) == expected)
    }

    @Test(arguments: durationTextRows)
    func `a duration is written in seconds`(nanoseconds: Int64, expected: String) {
        #expect(DurationText.secondsText(nanoseconds) == expected)
    }
}

private let dateTextRows: [(String, String)] = [
    ("2024-01-02T03:04:05Z", "2024-01-02T03:04:05Z"),
    ("2024-01-02T03:04:05.25Z", "2024-01-02T03:04:05.25Z"),
    ("2024-01-02T03:04:05,25Z", "2024-01-02T03:04:05.25Z"),
    ("2024-01-02T03:04:05.1234567899Z", "2024-01-02T03:04:05.123456789Z"),
    ("2024-01-02T3:04:05Z", "2024-01-02T03:04:05Z"),
    ("2024-01-02T03:04:05+02:30", "2024-01-02T00:34:05Z"),
    ("2024-01-02T03:04:05-08:00", "2024-01-02T11:04:05Z"),
    ("2024-01-02T03:04:05", "2024-01-02T03:04:05Z"),
    ("2024-01-02T03:04:05.5", "2024-01-02T03:04:05.5Z"),
    ("Tue, 02 Jan 2024 03:04:05 GMT", "2024-01-02T03:04:05Z"),
    ("Tue, 02 Jan 2024 03:04:05 UTC", "2024-01-02T03:04:05Z"),
    ("tue, 02 JAN 2024 03:04:05 GMT", "2024-01-02T03:04:05Z"),
    ("Tue, 02 Jan 2024 03:04:05 GMT+3", "2024-01-02T00:04:05Z"),
    ("Tue, 02 Jan 2024 03:04:05 EST", "2024-01-02T03:04:05Z"),
    ("Fri, 02 Jan 2024 03:04:05 GMT", "2024-01-02T03:04:05Z"),
    ("02 Jan 24 03:04 UTC", "2024-01-02T03:04:00Z"),
    ("02 Jan 24 03:04 CEST", "2024-01-02T03:04:00Z"),
    ("02 Jan 70 03:04 UTC", "1970-01-02T03:04:00Z"),
    ("02 Jan 68 03:04 UTC", "2068-01-02T03:04:00Z"),
    ("02 Jan 24 03:04 -0700", "2024-01-02T10:04:00Z"),
    ("Tuesday, 02-Jan-24 03:04:05 UTC", "2024-01-02T03:04:05Z"),
    ("Tue Jan 02 03:04:05 +0100 2024", "2024-01-02T02:04:05Z"),
    ("Tue Jan  2 03:04:05 UTC 2024", "2024-01-02T03:04:05Z"),
    ("Tue Jan 2 03:04:05 UTC 2024", "2024-01-02T03:04:05Z"),
    ("Tue Jan  2 03:04:05 2024", "2024-01-02T03:04:05Z"),
    ("Jan  2 03:04:05", "0000-01-02T03:04:05Z"),
    ("Feb 29 03:04:05", "0000-02-29T03:04:05Z"),
    ("Jan  2 03:04:05.250", "0000-01-02T03:04:05.25Z"),
    ("2024-01-02", "2024-01-02T00:00:00Z"),
    ("2024-01-02 03:04:05 +0000 UTC", "2024-01-02T03:04:05Z"),
    ("2024-01-02 03:04:05.123456789 -0700 MST", "2024-01-02T10:04:05.123456789Z"),
    ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.5Z"),
    ("2024-02-29", "2024-02-29T00:00:00Z"),
    ("2000-02-29", "2000-02-29T00:00:00Z"),
    ("9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999999999Z"),
]

private let integerRows: [(Int64, String?)] = [
    (Int64.min, nil), (-1, nil), (0, nil), (100, nil), (946_684_799, nil),
    (946_684_800, "2000-01-01T00:00:00Z"), (1_704_164_645, "2024-01-02T03:04:05Z"),
    (9_999_999_998, "2286-11-20T17:46:38Z"), (9_999_999_999, "1970-04-26T17:46:39.999Z"),
    (1_704_164_645_123, "2024-01-02T03:04:05.123Z"), (9_999_999_999_998, "2286-11-20T17:46:39.998Z"),
    (9_999_999_999_999, "1970-01-01T02:46:39.999999999Z"),
    (1_704_164_645_123_456_789, "2024-01-02T03:04:05.123456789Z"),
    (Int64.max, "2262-04-11T23:47:16.854775807Z"),
]

private let zoneRows: [(String, Int?)] = [
    ("UTC", 0), ("+02:00", 7_200), ("-02:30", -9_000), ("02:00", 7_200), ("-0:30", -1_800), ("+14:00", 50_400),
    ("Europe/Berlin", nil), ("", nil), ("Z", nil), ("+0200", nil), ("+24:00", nil), ("+02:60", nil), ("+02:0", nil),
    ("++2:00", nil), ("+:00", nil), ("+02:00:00", nil), ("+é2:00", nil),
]

private let goDurationRows: [(String, Int64?)] = [
    ("0", 0), ("+0", 0), ("-0", 0), ("0s", 0), ("1ns", 1), ("1us", 1_000), ("1µs", 1_000), ("1μs", 1_000),
    ("1ms", 1_000_000), ("1s", 1_000_000_000), ("1m", 60_000_000_000), ("1h", 3_600_000_000_000),
    ("1h30m", 5_400_000_000_000),
    ("1.5h", 5_400_000_000_000), ("-1.5h", -5_400_000_000_000), ("+1s", 1_000_000_000), (".5s", 500_000_000),
    ("1.s", 1_000_000_000), ("0.1s", 100_000_000), ("90s", 90_000_000_000), ("1m30s", 90_000_000_000),
    ("1s1h", 3_601_000_000_000), ("0.0000000001s", 0), ("0.33333333333333333333h", 1_200_000_000_000),
    ("2562047h47m16.854775807s", Int64.max), ("-9223372036854775808ns", Int64.min),
    ("", nil), ("5", nil), ("-", nil), ("+", nil), ("s", nil), (".s", nil), (".", nil), ("1 s", nil), ("1 day", nil),
    ("1d", nil), ("1w", nil), ("1S", nil), ("1x", nil), ("1.5.5s", nil), ("--1s", nil), ("1s-1s", nil), ("00", nil),
    ("9223372036854775808ns", nil), ("2562048h", nil), ("99999999999999999999h", nil),
    ("9223372036854775807ns1ns", nil), ("１s", nil), ("1s ", nil),
]

private let extendedDurationRows: [(String, Int64?)] = [
    ("1d", 86_400_000_000_000), ("1w", 604_800_000_000_000), ("1d12h", 129_600_000_000_000),
    ("1.5d", 129_600_000_000_000), ("-1d", -86_400_000_000_000),
    ("90s", 90_000_000_000), ("15000w", 9_072_000_000_000_000_000), ("16000w", nil), ("1y", nil), ("1 day", nil),
    ("", nil), ("5", nil), ("0", 0),
]

private let durationTextRows: [(Int64, String)] = [
    (0, "0s"), (1, "0.000000001s"), (1_500, "0.0000015s"), (2_000_000, "0.002s"),
    (1_500_000_000, "1.5s"), (60_000_000_000, "60s"), (3_600_000_000_000, "3600s"),
    (5_400_000_000_000, "5400s"), (-3_600_000_000_000, "-3600s"),
    (3_600_000_000_000_000, "3600000s"),
    (Int64.min, "-9223372036.854776s"), (-1, "-0.000000001s"),
]
