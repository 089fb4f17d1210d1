import DaybookValues
import DaybookWire
import Testing

struct WireTimeTests {
    @Test(
        arguments: [
            ("1d30m", 88_200_000), ("2h", 7_200_000), ("1.5h", 5_400_000), ("1h0m0s", 3_600_000), ("90s", 90_000),
            ("1d12h", 129_600_000), ("2w", 1_209_600_000), ("0", 0), ("-5s", -5_000), ("+5s", 5_000), ("100ms", 100),
            ("1500us", 1), ("1µs", 0), ("1μs", 0), ("999999ns", 0), (".5s", 500), ("1.s", 1_000),
            ("", nil), ("5", nil), ("1 day", nil), ("xyz", nil), ("s", nil), ("1y", nil), ("-", nil), ("1h ", nil),
            ("99999999h", nil),
        ] as [(String, Int64?)])
    func `a duration is numbers with units`(text: String, milliseconds: Int64?) {
        #expect(WireTime.duration(text) == milliseconds)
    }

    @Test(
        arguments: [
            ("24h", 86_400_000), ("1h30m", 5_400_000), ("500ms", 500), ("1d", nil), ("1w", nil), ("", nil),
        ] as [(String, Int64?)])
    func `the timeout of a batch knows no days`(text: String, milliseconds: Int64?) {
        #expect(WireTime.goDuration(text) == milliseconds)
    }

    @Test(arguments: [
        "2023-11-14T22:13:20Z", "2023-11-14T23:13:20+01:00", "2023-11-14T22:13:20.000Z", "2023-11-14T22:13:20",
        "Tue, 14 Nov 2023 22:13:20 GMT", "Tuesday, 14-Nov-23 22:13:20 UTC", "Tue Nov 14 22:13:20 +0000 2023",
        "Tue Nov 14 22:13:20 UTC 2023", "Tue Nov 14 22:13:20 2023", "2023-11-14 22:13:20 +0000 UTC",
    ])
    func `a date may have many forms`(text: String) {
        #expect(WireTime.date(text) == now)
    }

    @Test(
        arguments: [
            ("14 Nov 23 22:13 UTC", -20_000), ("14 Nov 23 22:13 +0000", -20_000), ("2023-11-14", -80_000_000),
            ("2023-11-14T22:13:20.123456789Z", 123), ("2023-11-14 22:13:20.5 +0000 UTC", 500),
        ] as [(String, Int64)])
    func `some dates are rough and some are fine`(text: String, milliseconds: Int64) {
        #expect(WireTime.date(text) == now + milliseconds)
    }

    @Test(arguments: ["", "now", "2023-11-32", "2023-13-01T00:00:00Z", "14.11.2023", "1700000000"])
    func `other texts are no dates`(text: String) {
        #expect(WireTime.date(text) == nil)
    }

    @Test(
        arguments: [
            ("1s", .milliseconds(1_000)), ("1h30m", .milliseconds(5_400_000)), ("0s", .milliseconds(0)),
            ("-5s", .milliseconds(0)), ("", .milliseconds(0)), ("367d", .milliseconds(31_708_800_000)),
            ("1h30m15s500ms", .milliseconds(5_415_500)), ("2023-11-14T22:13:22Z", .until(now + 2_000)),
            ("2023-11-14T22:13:20Z", .milliseconds(0)), ("2023-11-14", .milliseconds(0)),
            ("2023-11-15", .until(now + 6_400_000)), ("2023-11-14T22:13:20.400Z", .until(now + 400)),
            ("xyz", nil), ("tomorrow at noon", nil), ("5", nil),
        ] as [(String, WireTime.SleepLength?)])
    func `a sleep has a duration or an end`(text: String, length: WireTime.SleepLength?) {
        #expect(WireTime.sleepLength(text, wall: now) == length)
    }

    @Test(
        arguments: [
            ("20s", 20_000), ("", 0), ("0s", 0), ("-1s", -1_000), ("400d", 34_560_000_000),
            ("2023-11-14T22:13:25Z", 5_000), ("2023-11-14T22:13:15Z", -5_000),
        ] as [(String, Int64)])
    func `a timeout has a duration or an end`(text: String, milliseconds: Int64) throws {
        #expect(try WireTime.timeout(text, wall: now) == milliseconds)
    }

    @Test(arguments: [
        ("soon", #"invalid duration "soon""#), ("5", #"invalid duration "5""#),
        ("Tomorrow", #"invalid RFC 3339 timestamp "Tomorrow""#),
        ("2023-11-14T22:13", #"invalid RFC 3339 timestamp "2023-11-14T22:13""#),
        ("2023-11-14", #"invalid duration "2023-11-14""#),
    ])
    func `a timeout that is neither is refused in words`(text: String, message: String) {
        #expect(throws: WireTimeError(message: message)) { try WireTime.timeout(text, wall: now) }
    }

    @Test func `more than a year is too long`() {
        #expect(WireTime.lengthMax == 31_622_400_000)
        let sleep = WireTime.sleepTooLong("367d")
        #expect(sleep.name == "InngestErrTimeoutTooLong")
        #expect(
            sleep.message
                == #"The sleep "367d" ends more than one year in the future; sleeps may last at most one year."#)
        #expect(
            WireTime.waitTooLong("400d").message
                == #"The wait-for-event timeout "400d" expires more than one year in the future; timeouts may last at "#
                + "most one year.")
        #expect(!sleep.failsStep)
    }
}
