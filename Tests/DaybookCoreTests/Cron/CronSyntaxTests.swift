import DaybookCore
import DaybookValues
import Testing

struct CronSyntaxTests {
    /// Each with its first ticks after Saturday 2025-11-22T00:00:00Z, in UTC.
    static let accepted: [(text: String, ticks: [String])] = [
        ("* * * * *", ["2025-11-22T00:01:00Z", "2025-11-22T00:02:00Z"]),
        ("*/15 * * * *", ["2025-11-22T00:15:00Z", "2025-11-22T00:30:00Z"]),
        ("1-30/5 * * * *", ["2025-11-22T00:01:00Z", "2025-11-22T00:06:00Z"]),
        ("50/5 * * * *", ["2025-11-22T00:50:00Z", "2025-11-22T00:55:00Z", "2025-11-22T01:50:00Z"]),
        ("5/10 0 * * *", ["2025-11-22T00:05:00Z", "2025-11-22T00:15:00Z"]),
        ("*/90 * * * *", ["2025-11-22T01:00:00Z", "2025-11-22T02:00:00Z"]),
        ("0,30 8 * * *", ["2025-11-22T08:00:00Z", "2025-11-22T08:30:00Z", "2025-11-23T08:00:00Z"]),
        ("  0\t9  *  *\n* ", ["2025-11-22T09:00:00Z"]),
        ("? ? ? ? ?", ["2025-11-22T00:01:00Z"]),
        ("0 0 1 JAN *", ["2026-01-01T00:00:00Z"]),
        ("0 0 1 jan-Mar/2 *", ["2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z", "2027-01-01T00:00:00Z"]),
        ("0 9 * * mon-fri", ["2025-11-24T09:00:00Z"]),
        ("0 9 * * 7", ["2025-11-23T09:00:00Z", "2025-11-30T09:00:00Z"]),
        ("0 9 * * 0", ["2025-11-23T09:00:00Z"]),
        ("0 9 * * 5-7", ["2025-11-22T09:00:00Z", "2025-11-23T09:00:00Z", "2025-11-28T09:00:00Z"]),
        ("0 9 * * SAT-SUN", ["2025-11-22T09:00:00Z", "2025-11-23T09:00:00Z", "2025-11-29T09:00:00Z"]),
        ("0 9 * * MON/2", ["2025-11-24T09:00:00Z", "2025-11-26T09:00:00Z", "2025-11-28T09:00:00Z"]),
        ("30 0 0 * * *", ["2025-11-22T00:00:30Z", "2025-11-23T00:00:30Z"]),
        ("*/20 * * * * *", ["2025-11-22T00:00:20Z", "2025-11-22T00:00:40Z", "2025-11-22T00:01:00Z"]),
        ("@hourly", ["2025-11-22T01:00:00Z"]),
        ("@daily", ["2025-11-23T00:00:00Z"]),
        ("@Midnight", ["2025-11-23T00:00:00Z"]),
        ("@weekly", ["2025-11-23T00:00:00Z", "2025-11-30T00:00:00Z"]),
        ("@monthly", ["2025-12-01T00:00:00Z"]),
        ("@yearly", ["2026-01-01T00:00:00Z"]),
        ("@annually", ["2026-01-01T00:00:00Z"]),
        (
            "0 0 L * *",
            ["2025-11-30T00:00:00Z", "2025-12-31T00:00:00Z", "2026-01-31T00:00:00Z", "2026-02-28T00:00:00Z"]
        ),
        ("0 0 L-3 * ?", ["2025-11-27T00:00:00Z", "2025-12-28T00:00:00Z"]),
        ("0 0 1,L * *", ["2025-11-30T00:00:00Z", "2025-12-01T00:00:00Z"]),
        ("0 0 L-30 * *", ["2025-12-01T00:00:00Z", "2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z"]),
        ("0 0 L-28 2 *", ["2028-02-01T00:00:00Z", "2032-02-01T00:00:00Z"]),
        // 30 November 2025 is a Sunday, 31 January 2026 a Saturday.
        ("0 0 LW * *", ["2025-11-28T00:00:00Z", "2025-12-31T00:00:00Z", "2026-01-30T00:00:00Z"]),
        // 15 February and 15 March 2026 are Sundays, 15 August a Saturday; 1 February is a Sunday, 1 August a Saturday.
        ("0 0 15W 2,3,8 *", ["2026-02-16T00:00:00Z", "2026-03-16T00:00:00Z", "2026-08-14T00:00:00Z"]),
        ("0 0 1W 2,8 *", ["2026-02-02T00:00:00Z", "2026-08-03T00:00:00Z"]),
        ("0 0 31w 1,5 *", ["2026-01-30T00:00:00Z", "2026-05-29T00:00:00Z"]),
        ("0 0 * * 5L", ["2025-11-28T00:00:00Z", "2025-12-26T00:00:00Z"]),
        ("0 0 * * friL,7l", ["2025-11-28T00:00:00Z", "2025-11-30T00:00:00Z", "2025-12-26T00:00:00Z"]),
        ("0 0 * * 5#3", ["2025-12-19T00:00:00Z", "2026-01-16T00:00:00Z"]),
        ("0 0 * * SAT#5", ["2025-11-29T00:00:00Z", "2026-01-31T00:00:00Z"]),
        (
            "0 0 * 2 0#5",
            ["2032-02-29T00:00:00Z", "2060-02-29T00:00:00Z", "2088-02-29T00:00:00Z", "2128-02-29T00:00:00Z"]
        ),
        // Both day fields: either is enough, unless one is a star. A step makes a star a restriction, a step of 1 does not.
        (
            "0 0 13 * 5",
            ["2025-11-28T00:00:00Z", "2025-12-05T00:00:00Z", "2025-12-12T00:00:00Z", "2025-12-13T00:00:00Z"]
        ),
        (
            "0 0 */10 * 1",
            ["2025-11-24T00:00:00Z", "2025-12-01T00:00:00Z", "2025-12-08T00:00:00Z", "2025-12-11T00:00:00Z"]
        ),
        ("0 0 */1 * 1", ["2025-11-24T00:00:00Z", "2025-12-01T00:00:00Z", "2025-12-08T00:00:00Z"]),
        ("0 0 *,13 * 1", ["2025-11-24T00:00:00Z", "2025-12-01T00:00:00Z", "2025-12-08T00:00:00Z"]),
        ("0 0 ? * 1", ["2025-11-24T00:00:00Z", "2025-12-01T00:00:00Z"]),
        ("0 0 31 2 MON", ["2026-02-02T00:00:00Z"]),
        ("0 0 29 2 *", ["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]),
        ("0 0 31 * *", ["2025-12-31T00:00:00Z", "2026-01-31T00:00:00Z", "2026-03-31T00:00:00Z"]),
    ]

    @Test(arguments: accepted)
    func `an accepted schedule runs at these instants`(text: String, ticks: [String]) throws {
        let schedule = try CronSchedule(text)
        var instant = try CronFixtures.at("2025-11-22T00:00:00Z")
        for expected in ticks {
            instant = try #require(schedule.nextTick(after: instant, in: .utc))
            #expect(instant.rfc3339Short == expected)
        }
        #expect(schedule.text == text)
        #expect(schedule.zoneName == nil)
    }

    static let refused: [(text: String, message: String)] = [
        ("", "the schedule has \"\" at position 1: it is empty; write five fields, such as 0 9 * * MON, or @daily"),
        (
            "0 9 * *",
            "the schedule has \"0 9 * *\" at position 1: it has 4 fields; write five (minute hour day-of-month month "
                + "day-of-week), or six with the seconds first"
        ),
        (
            "0 0 9 * * * 2026",
            "the schedule has \"0 0 9 * * * 2026\" at position 1: it has 7 fields; write five (minute hour day-of-month "
                + "month day-of-week), or six with the seconds first; there is no field for the year"
        ),
        ("75 * * * *", "the minute field has \"75\" at position 1: 75 is out of range; allowed is 0-59"),
        ("0 24 * * *", "the hour field has \"24\" at position 3: 24 is out of range; allowed is 0-23"),
        ("60 0 0 * * *", "the second field has \"60\" at position 1: 60 is out of range; allowed is 0-59"),
        (
            "0 0 0 * *",
            "the day-of-month field has \"0\" at position 5: 0 is out of range; allowed is 1-31, L, L-1 to L-30, LW or 1W "
                + "to 31W"
        ),
        ("0 0 1 13 *", "the month field has \"13\" at position 7: 13 is out of range; allowed is 1-12 or JAN-DEC"),
        (
            "0 0 * * 8",
            "the day-of-week field has \"8\" at position 9: 8 is out of range; allowed is 0-7 (0 and 7 are Sunday) or "
                + "SUN-SAT, also 5L and 5#3"
        ),
        ("0 0 1 FOO *", "the month field has \"FOO\" at position 7: this is not a value; allowed is 1-12 or JAN-DEC"),
        ("x * * * *", "the minute field has \"x\" at position 1: this is not a value; allowed is 0-59"),
        ("-5 * * * *", "the minute field has \"-5\" at position 1: this is not a value; allowed is 0-59"),
        ("1,,2 * * * *", "the minute field has \"1,,2\" at position 3: the list has an empty item"),
        ("1, * * * *", "the minute field has \"1,\" at position 3: the list has an empty item"),
        ("*/0 * * * *", "the minute field has \"*/0\" at position 3: after / stands the step, a number of 1-9999"),
        ("*/ * * * *", "the minute field has \"*/\" at position 3: after / stands the step, a number of 1-9999"),
        ("*/5/5 * * * *", "the minute field has \"*/5/5\" at position 3: after / stands the step, a number of 1-9999"),
        (
            "0 22-2 * * *",
            "the hour field has \"22-2\" at position 3: the range runs backwards; write the part up to 23 and the part "
                + "from 0 as a list"
        ),
        ("0 1- * * *", "the hour field has \"1-\" at position 5: this is not a value; allowed is 0-23"),
        (
            "0 9am * * *",
            "the hour field has \"9am\" at position 4: \"am\" is not understood here; allowed is 0-23, with ranges 1-5, "
                + "steps */5 and lists 1,5"
        ),
        (
            "99999999999999999999 * * * *",
            "the minute field has \"99999999999999999999\" at position 1: 99999999999999999999 is out of range; allowed "
                + "is 0-59"
        ),
        (
            "0 0 L-31 * *",
            "the day-of-month field has \"L-31\" at position 5: L stands for the last day; write L, LW, or L-1 to L-30"
        ),
        (
            "0 0 * * L",
            "the day-of-week field has \"L\" at position 9: L needs the weekday in front of it: 5L is the last Friday of "
                + "the month"
        ),
        (
            "0 0 * * 1#6",
            "the day-of-week field has \"1#6\" at position 9: after # stands which one of the month, 1-5, as in 5#3"
        ),
        (
            "0 0 1-5W * *",
            "the day-of-month field has \"1-5W\" at position 8: \"W\" is not understood here; allowed is 1-31, L, L-1 to "
                + "L-30, LW or 1W to 31W, with ranges 1-5, steps */5 and lists 1,5"
        ),
        (
            "0 0 30 2 *",
            "the day-of-month field has \"30 2 *\" at position 5: no date ever matches these days in these months, so it "
                + "would never run"
        ),
        (
            "0 0 31 4,6 ?",
            "the day-of-month field has \"31 4,6 ?\" at position 5: no date ever matches these days in these months, so "
                + "it would never run"
        ),
        (
            "@fortnightly",
            "the schedule has \"@fortnightly\" at position 1: there is no such short form; there are @yearly, @annually, "
                + "@monthly, @weekly, @daily, @midnight and @hourly"
        ),
        ("@daily 5", "the schedule has \"5\" at position 8: nothing may follow a short form such as @daily"),
        (
            "TZ=../../etc/passwd 0 9 * * *",
            "the schedule has \"../../etc/passwd\" at position 4: this is not the name of a time zone; write one such as "
                + "Europe/Paris"
        ),
        (
            "\u{1B}[2J * * * *",
            "the minute field has \"\\u{1b}[2J\" at position 1: this is not a value; allowed is 0-59"
        ),
        ("é * * * *", "the minute field has \"\\u{e9}\" at position 1: this is not a value; allowed is 0-59"),
    ]

    @Test(arguments: refused)
    func `a refused schedule says where and why`(text: String, message: String) throws {
        let error = try #require(throws: CronError.self) { try CronSchedule(text) }
        #expect(error.message == message)
    }

    @Test(arguments: ["@every 5m", "@EVERY 1h30m", "@every"])
    func `an interval is refused with what to write instead`(text: String) throws {
        let error = try #require(throws: CronError.self) { try CronSchedule(text) }
        #expect(error.reason.hasPrefix("intervals are not schedules"))
        #expect(error.reason.contains("*/5 * * * *"))
    }

    @Test(arguments: [
        "0 0 30 2 *", "0 0 30,31 feb *", "0 0 31 2,4,6,9,11 *", "0 0 L-29 2 *", "0 0 30W 2 *", "0 0 0 31 4 ?",
    ])
    func `a date that no year has is refused`(text: String) throws {
        #expect(throws: CronError.self) { try CronSchedule(text) }
    }

    @Test(arguments: [
        ("TZ=Europe/Paris 0 9 * * *", "Europe/Paris"),
        ("CRON_TZ=America/Argentina/Buenos_Aires @daily", "America/Argentina/Buenos_Aires"),
        ("  TZ=Etc/GMT+5\t0 9 * * *", "Etc/GMT+5"), ("TZ=Local 0 9 * * *", "Local"), ("TZ= 0 9 * * *", "UTC"),
    ])
    func `a prefix names the zone and stays part of the text`(text: String, zone: String) throws {
        let schedule = try CronSchedule(text)
        #expect(schedule.zoneName == zone)
        #expect(schedule.text == text)
    }

    @Test(arguments: [
        "/etc/passwd", "Europe//Paris", "Europe/", "..", "Europe/Par.is", "a b", String(repeating: "A", count: 65),
    ])
    func `a zone name that could leave the zone folder is refused`(name: String) throws {
        #expect(throws: CronError.self) { try CronSchedule("TZ=\(name) 0 9 * * *") }
        #expect(throws: ZoneError.self) { try ZoneRules(name: name, posix: "UTC0") }
    }

    @Test func `255 bytes are read and 256 are refused`() throws {
        let text = "0 9 * * " + String(repeating: "1,", count: 123)
        #expect(try CronSchedule(text + "1").text.utf8.count == 255)
        let error = try #require(throws: CronError.self) { try CronSchedule(text + "01") }
        #expect(error.reason == "it is 256 bytes long; 255 are the limit")
        #expect(throws: CronError.self) { try CronSchedule(String(repeating: "é ", count: 100_000)) }
    }

    @Test func `it is the hours that decide whether a schedule follows elapsed time`() throws {
        for text in ["* * * * *", "0 * * * 1", "*/15 0-23 * * *", "@hourly", "5 */1 * * *", "0 0/1 * * *"] {
            #expect(try CronSchedule(text).followsElapsedTime, "\(text)")
        }
        for text in ["* 0-22 * * *", "0 */2 * * *", "*/10 2 * * *", "@daily"] {
            #expect(try !CronSchedule(text).followsElapsedTime, "\(text)")
        }
    }
}
