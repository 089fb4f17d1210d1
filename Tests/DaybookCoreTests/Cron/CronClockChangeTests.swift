import DaybookCore
import DaybookValues
import Testing

/// The written policy, case by case; the oracle tests check the same in bulk.
struct CronClockChangeTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var what: String
        var text: String
        var zone: String
        var after: String
        var ticks: [String]

        var testDescription: String { what }
    }

    static let cases: [Case] = [
        Case(
            what: "a skipped time runs right after the gap", text: "30 2 * * *", zone: "Europe/Paris",
            after: "2025-03-29T12:00:00Z",
            ticks: ["2025-03-30T01:00:00Z", "2025-03-31T00:30:00Z"]),
        Case(
            what: "all times of a gap run as one tick, also together with one due at its end", text: "*/20 2,3 * * *",
            zone: "Europe/Paris", after: "2025-03-29T12:00:00Z",
            ticks: ["2025-03-30T01:00:00Z", "2025-03-30T01:20:00Z", "2025-03-30T01:40:00Z", "2025-03-31T00:00:00Z"]),
        Case(
            what: "a repeated time runs at its first occurrence only", text: "30 2 * * *", zone: "Europe/Paris",
            after: "2025-10-25T12:00:00Z",
            ticks: ["2025-10-26T00:30:00Z", "2025-10-27T01:30:00Z"]),
        Case(
            what: "after the first occurrence the second is not a tick", text: "0,30 1,2 * * *",
            zone: "America/New_York",
            after: "2024-11-03T05:15:00Z",
            ticks: ["2024-11-03T05:30:00Z", "2024-11-03T07:00:00Z", "2024-11-03T07:30:00Z"]),
        Case(
            what: "from within the second occurrence the time is not due again", text: "30 2 * * *",
            zone: "Europe/Paris",
            after: "2025-10-26T01:15:00Z",
            ticks: ["2025-10-27T01:30:00Z"]),
        Case(
            what: "an hourly schedule keeps real hours in spring", text: "30 * * * *", zone: "Europe/Paris",
            after: "2025-03-29T23:45:00Z",
            ticks: ["2025-03-30T00:30:00Z", "2025-03-30T01:30:00Z", "2025-03-30T02:30:00Z"]),
        Case(
            what: "an hourly schedule runs in both repeated hours", text: "0 * * * *", zone: "Europe/Paris",
            after: "2025-10-25T23:30:00Z",
            ticks: ["2025-10-26T00:00:00Z", "2025-10-26T01:00:00Z", "2025-10-26T02:00:00Z"]),
        Case(
            what: "every 15 minutes stays every 15 real minutes", text: "*/15 * * * *", zone: "America/New_York",
            after: "2024-11-03T05:40:00Z",
            ticks: ["2024-11-03T05:45:00Z", "2024-11-03T06:00:00Z", "2024-11-03T06:15:00Z"]),
        Case(
            what: "midnight runs at one o'clock on a day without midnight", text: "@daily", zone: "America/Sao_Paulo",
            after: "2018-11-03T12:00:00Z",
            ticks: ["2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"]),
        Case(
            what: "midnight runs once when the hour before it comes twice", text: "0 0,23 * * *",
            zone: "America/Sao_Paulo", after: "2018-02-17T12:00:00Z",
            ticks: ["2018-02-18T01:00:00Z", "2018-02-18T03:00:00Z", "2018-02-19T02:00:00Z"]),
        Case(
            what: "a gap of half an hour", text: "15 2 * * *", zone: "Australia/Lord_Howe",
            after: "2024-10-05T00:00:00Z",
            ticks: ["2024-10-05T15:30:00Z", "2024-10-06T15:15:00Z"]),
        Case(
            what: "a repeat of half an hour", text: "45 1 * * *", zone: "Australia/Lord_Howe",
            after: "2024-04-05T20:00:00Z",
            ticks: ["2024-04-06T14:45:00Z", "2024-04-07T15:15:00Z"]),
        Case(
            what: "a date that was left out runs when it would have been over", text: "0 9,17 * * *",
            zone: "Pacific/Apia",
            after: "2011-12-30T00:00:00Z",
            ticks: ["2011-12-30T03:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T19:00:00Z", "2011-12-31T03:00:00Z"]),
        Case(
            what: "a date that was left out runs even when it is the only one", text: "0 0 30 12 *",
            zone: "Pacific/Apia",
            after: "2011-01-01T00:00:00Z",
            ticks: ["2011-12-30T10:00:00Z"]),
        Case(
            what: "summer time below standard time changes nothing", text: "30 1 * * *", zone: "Europe/Dublin",
            after: "2025-03-29T12:00:00Z",
            ticks: ["2025-03-30T01:00:00Z", "2025-03-31T00:30:00Z"]),
        Case(
            what: "seconds are skipped and made up for like minutes", text: "*/25 59 1,2 * * *", zone: "Europe/Paris",
            after: "2025-03-30T00:59:00Z",
            ticks: [
                "2025-03-30T00:59:25Z", "2025-03-30T00:59:50Z", "2025-03-30T01:00:00Z", "2025-03-30T23:59:00Z",
            ]),
        Case(
            what: "a time skipped and then shown after all runs once", text: "30 23 * * *", zone: "Test/Flutter",
            after: "2023-11-14T12:00:00Z",
            ticks: ["2023-11-14T22:30:00Z", "2023-11-15T23:30:00Z"]),
    ]

    @Test(arguments: cases)
    func `a clock change keeps the written policy`(test: Case) throws {
        let zone = try CronFixtures.zone(test.zone)
        let schedule = try CronSchedule(test.text)
        var instant = try CronFixtures.at(test.after)
        for expected in test.ticks {
            instant = try #require(schedule.nextTick(after: instant, in: zone))
            #expect(instant.rfc3339Short == expected)
        }
    }

    @Test func `milliseconds are rounded up to the next whole second`() throws {
        let everySecond = try CronSchedule("* * * * * *")
        let at = Timestamp(milliseconds: 1_000_000_000_001)
        #expect(everySecond.nextTick(after: at, in: .utc) == Timestamp(milliseconds: 1_000_000_001_000))
        #expect(everySecond.nextTick(after: at + -1, in: .utc) == Timestamp(milliseconds: 1_000_000_001_000))
        #expect(everySecond.nextTick(after: at + -2, in: .utc) == Timestamp(milliseconds: 1_000_000_000_000))
        let before1970 = Timestamp(milliseconds: -1)
        #expect(everySecond.nextTick(after: before1970, in: .utc) == .zero)
        #expect(
            everySecond.latestTick(atOrBefore: before1970, notBefore: before1970 + -999, in: .utc)?.milliseconds
                == -1_000)
    }

    @Test func `the calendar ends with the year 9999`() throws {
        let schedule = try CronSchedule("0 0 29 2 *")
        let last = try CronFixtures.at("9996-02-29T00:00:00Z")
        #expect(schedule.nextTick(after: last + -1, in: .utc) == last)
        #expect(schedule.nextTick(after: last, in: .utc) == nil)
        let all = try CronSchedule("* * * * * *")
        for extreme in [
            Int64.min, .max, Timestamp.distantFuture.milliseconds, Timestamp.distantFuture.milliseconds - 1,
        ] {
            let instant = Timestamp(milliseconds: extreme)
            if let next = all.nextTick(after: instant, in: .utc) { #expect(next > instant) }
            for zone in CronFixtures.zones {
                _ = schedule.nextTick(after: instant, in: try zone.rules())
                _ = schedule.latestTick(
                    atOrBefore: instant, notBefore: Timestamp(milliseconds: .min), in: try zone.rules())
            }
        }
    }

    // MARK: - Catching up

    @Test func `the newest of 31 million missed ticks is found at once`() throws {
        let everySecond = try CronSchedule("* * * * * *")
        let (stopped, started) = (
            try CronFixtures.at("2024-11-22T08:00:00Z"), try CronFixtures.at("2025-11-22T08:00:00.250Z")
        )
        let zone = try CronFixtures.zone("Europe/Paris")
        #expect(
            everySecond.latestTick(atOrBefore: started, notBefore: stopped, in: zone)?.rfc3339Short
                == "2025-11-22T08:00:00Z")
        let newest = everySecond.ticks(from: stopped, through: started, limit: 3, in: zone)
        #expect(newest.map(\.rfc3339Short) == ["2025-11-22T07:59:58Z", "2025-11-22T07:59:59Z", "2025-11-22T08:00:00Z"])
    }

    @Test func `both ends of a time span belong to it`() throws {
        let daily = try CronSchedule("@daily")
        let (first, last) = (try CronFixtures.at("2025-11-20T00:00:00Z"), try CronFixtures.at("2025-11-22T00:00:00Z"))
        #expect(daily.ticks(from: first, through: last, limit: 10, in: .utc).count == 3)
        #expect(daily.ticks(from: first + 1, through: last + -1, limit: 10, in: .utc).count == 1)
        #expect(daily.ticks(from: first, through: last, limit: 2, in: .utc).first == first + 86_400_000)
        #expect(daily.ticks(from: first, through: last, limit: 0, in: .utc).isEmpty)
        #expect(daily.ticks(from: last, through: first, limit: 10, in: .utc).isEmpty)
        #expect(daily.latestTick(atOrBefore: last + -1, notBefore: first + 86_400_001, in: .utc) == nil)
        #expect(daily.latestTick(atOrBefore: last, notBefore: last, in: .utc) == last)
    }
}
