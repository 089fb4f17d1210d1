import DaybookCore
import DaybookValues
import Testing

@testable import DaybookSDK

@Suite struct `Functions of apps` {
    /// The function as it is stored; nil with the reason when it is refused.
    private func register(_ function: String) async throws -> (config: FunctionConfig?, reason: String) {
        try await HostHarness.run { harness in
            let answer = await harness.register(wireApp(function))
            if answer.status == 200 { return (harness.store.functions.first, "") }
            #expect(answer.status == 400)
            #expect(answer.string("error") == "At least one function is invalid", "\(answer.text)")
            #expect(harness.store.functions.isEmpty)
            return (nil, answer.string("data.message") ?? "")
        }
    }

    private func config(_ fields: String) async throws -> FunctionConfig {
        let (config, reason) = try await register(wireFunction(fields))
        return try #require(config, "\(reason)")
    }

    private func expectRefusal(_ function: String, _ reason: String) async throws {
        let (config, text) = try await register(function)
        #expect(config == nil)
        #expect(text.contains(reason), "\(text)")
    }

    // MARK: - Id, name, entry point, retries

    @Test func `a function without an id gets one of its name`() async throws {
        let (config, _) = try await register(wireFunction(id: "", name: "Send  a Mail!", url: "http://localhost/x"))
        #expect(config?.id == "send-a-mail")
    }

    @Test(arguments: [
        (#""steps":{}"#, "there must be one"), (#""steps":null"#, "there must be one"),
        (
            #""steps":{"a":{"name":"a","runtime":{"url":"http://a/"}},"b":{"name":"b","runtime":{"url":"http://a/"}}}"#,
            "exactly one"
        ),
        (#""steps":{"a":{"name":"a"}}"#, "runtime.url is missing"),
        (#""steps":{"a":{"name":"a","runtime":{"type":"http"}}}"#, "runtime.url is missing"),
        (#""steps":{"a":{"name":"a","runtime":{"url":"ftp://a/"}}}"#, "not ftp"),
        (#""steps":{"a":{"name":"a","runtime":{"url":"a/b"}}}"#, "no address"),
        (#""steps":{"a":{"name":"","runtime":{"url":"http://a/"}}}"#, "a name is required"),
    ])
    func `an entry point that cannot be used is refused`(steps: String, reason: String) async throws {
        try await expectRefusal(#"{"id":"f","name":"f","triggers":[{"event":"a"}],\#(steps)}"#, reason)
    }

    @Test func `a name is required`() async throws {
        try await expectRefusal(wireFunction(name: ""), "a name is required")
    }

    @Test(arguments: [
        (#"{"attempts":0}"#, 0), (#"{"attempts":3}"#, 3), (#"{"attempts":99}"#, 20), (#"{"attempts":-1}"#, 0),
        ("null", 4),
        ("{}", 4),
    ])
    func `retries are held between 0 and 20`(retries: String, expected: Int) async throws {
        let function = wireFunction().replacing(#""name":"step","#, with: #""name":"step","retries":\#(retries),"#)
        #expect(try await register(function).config?.retries == expected)
    }

    // MARK: - Triggers

    @Test func `ten triggers are taken, and none at all`() async throws {
        let ten = (0..<10).map { #"{"event":"e\#($0)"}"# }.joined(separator: ",")
        #expect(try await register(wireFunction(triggers: "[\(ten)]")).config?.triggers.count == 10)
        #expect(try await register(wireFunction(triggers: "[]")).config?.triggers == [])
        #expect(try await register(wireFunction(triggers: "null")).config?.triggers == [])
        try await expectRefusal(wireFunction(triggers: #"[\#(ten),{"event":"x"}]"#), "at most 10 triggers")
    }

    @Test(arguments: [
        (#"[{}]"#, "has neither"), (#"[{"event":""}]"#, "has neither"),
        (#"[{"event":"a","cron":"* * * * *"}]"#, "either"),
        (#"[{"event":"a"},{"event":"a"}]"#, "twice"), (#"[{"cron":"1 * * * *"},{"cron":"1 * * * *"}]"#, "twice"),
        (#"[{"event":"a","expression":"event.data.x === 1"}]"#, "trigger 'a': if"),
        (#"[{"event":"a","expression":"foo.x == 1"}]"#, "trigger 'a': if"),
        (#"[{"cron":"* * * * * *"}]"#, "five fields"), (#"[{"cron":"@daily"}]"#, "five fields"),
        (#"[{"cron":"TZ=UTC @daily"}]"#, "five fields"), (#"[{"cron":"@every 5m"}]"#, "isn't a valid cron schedule"),
        (#"[{"cron":"TZ=UTC"}]"#, "isn't a valid cron schedule"),
        (#"[{"cron":"61 * * * *"}]"#, "isn't a valid cron schedule"),
        (#"[{"cron":"TZ=Europe/Atlantis 0 9 * * *"}]"#, "no time zone 'Europe/Atlantis'"),
        (#"[{"cron":"* * * * *","jitter":"500ms"}]"#, "at least 1s"),
        (#"[{"cron":"* * * * *","jitter":"6m"}]"#, "less than or equal to 5m0s"),
        (#"[{"cron":"* * * * *","jitter":"soon"}]"#, "no duration"),
    ])
    func `a trigger that cannot be used is refused with the reason`(triggers: String, reason: String) async throws {
        try await expectRefusal(wireFunction(triggers: triggers), reason)
    }

    @Test func `a name of more than 255 bytes is refused`() async throws {
        let name = String(repeating: "x", count: 256)
        try await expectRefusal(wireFunction(triggers: #"[{"event":"\#(name)"}]"#), "longer than 255 bytes")
    }

    @Test func `a cron has the rules of its zone and its jitter`() async throws {
        let triggers = #"[{"cron":"TZ=Europe/Paris 0 12 * * 5","jitter":"30s"},{"cron":"CRON_TZ=UTC 0 9 * * 1"}]"#
        let (config, reason) = try await register(wireFunction(triggers: triggers))
        let found = try #require(config, "\(reason)").triggers
        guard case .cron(let text, let zone, let jitter) = found[0], case .cron(_, let second, 0) = found[1] else {
            Issue.record("\(found)")
            return
        }
        #expect(text == "TZ=Europe/Paris 0 12 * * 5")
        #expect(zone.name == "Europe/Paris")
        #expect(jitter == 30_000)
        #expect(second.name == "UTC")
    }

    @Test func `a cron on a day that never comes is left out`() async throws {
        let (config, reason) = try await register(wireFunction(triggers: #"[{"cron":"0 0 30 2 *"}]"#))
        #expect(try #require(config, "\(reason)").triggers == [])
    }

    // MARK: - Flow control

    @Test func `every field has its place`() async throws {
        let config = try await config(
            #"""
            "concurrency":[{"limit":5},{"limit":1,"key":"event.data.user","scope":"Account"}],
            "throttle":{"limit":10,"period":"1m","burst":2,"key":"event.data.user"},
            "rateLimit":{"limit":1,"period":"10s","key":"event.data.user"},
            "debounce":{"period":"5s","timeout":"1m","key":"event.data.user"},
            "priority":{"run":"event.data.vip ? 100 : 0"},
            "idempotency":"event.data.orderId",
            "singleton":{"mode":"skip","key":"event.data.user"},
            "timeouts":{"start":"10m","finish":"1h"},
            "cancel":[{"event":"shop/void","if":"event.data.orderId == async.data.orderId","timeout":"1h"}],
            "checkpoint":{"max_runtime":5000000000}
            """#)
        var flow = FlowConfig()
        flow.concurrency = [
            ConcurrencyLimit(limit: 5), ConcurrencyLimit(limit: 1, key: "event.data.user", scope: .account),
        ]
        flow.throttle = Throttle(limit: 10, period: 60_000, burst: 2, key: "event.data.user")
        flow.rateLimit = RateLimit(limit: 1, period: 10_000, key: "event.data.user")
        flow.debounce = Debounce(period: 5_000, timeout: 60_000, key: "event.data.user")
        flow.priority = "event.data.vip ? 100 : 0"
        flow.idempotency = "event.data.orderId"
        flow.singleton = Singleton(mode: .skip, key: "event.data.user")
        flow.cancelOn = [
            CancelOn(
                event: "shop/void", condition: "event.data.orderId == async.data.orderId", timeout: 3_600_000)
        ]
        #expect(config.flow == flow)
        #expect(config.startTimeout == 600_000)
        #expect(config.finishTimeout == 3_600_000)
    }

    @Test func `a batch has its place`() async throws {
        let config = try await config(
            #""batchEvents":{"maxSize":50,"timeout":"10s","key":"event.data.shop","if":"event.data.bulk == true"}"#)
        #expect(
            config.flow.batch
                == Batch(
                    maxSize: 50, timeout: 10_000, key: "event.data.shop", condition: "event.data.bulk == true"))
    }

    @Test(arguments: [
        ("5", 1), (#"{"limit":2}"#, 1), (#"[{"limit":2},{"limit":3,"key":"event.data.a"}]"#, 2), ("0", 0), ("-1", 0),
        (#"[{"limit":0}]"#, 0), (#""5""#, 0), ("null", 0), (#"{"step":[{"limit":4}]}"#, 1),
    ])
    func `concurrency is written in many ways`(json: String, limits: Int) async throws {
        let config = try await config(#""concurrency":\#(json)"#)
        #expect(config.flow.concurrency.count == limits)
        #expect(config.flow.runConcurrency == nil)
    }

    @Test func `limits of whole runs stand beside those of steps`() async throws {
        let config = try await config(#""concurrency":{"fn":[{"limit":3,"key":"event.data.a"}],"step":[{"limit":9}]}"#)
        #expect(config.flow.concurrency == [ConcurrencyLimit(limit: 9)])
        #expect(config.flow.runConcurrency == ConcurrencyLimit(limit: 3, key: "event.data.a"))
    }

    @Test(arguments: [
        (#""concurrency":[{"limit":1},{"limit":2},{"limit":3}]"#, "allowed max of: 2"),
        (#""concurrency":{"limit":1,"scope":"account"}"#, "needs a key"),
        (#""concurrency":{"limit":1,"scope":"env"}"#, "needs a key"),
        (#""concurrency":{"limit":1,"key":"event.data."}"#, "concurrency: key is invalid"),
        (#""concurrency":{"fn":[{"limit":1},{"limit":2}]}"#, "one limit only"),
        (#""concurrency":{"fn":[{"limit":0}]}"#, "greater than 0"),
        (#""throttle":{"limit":1,"period":"soon"}"#, "no duration"),
        (#""throttle":{"limit":1,"period":"1m","key":"event.data."}"#, "throttle: key is invalid"),
        (#""rateLimit":{"limit":0,"period":"1m"}"#, "greater than 0"),
        (#""rateLimit":{"limit":1,"period":"25h"}"#, "between 1 s and 24 h"),
        (#""rateLimit":{"limit":1,"period":"1m","key":"event."}"#, "rateLimit: key is invalid"),
        (#""debounce":{"period":"8d"}"#, "between 1 s and 7 days"), (#""debounce":{"period":"500ms"}"#, "between 1 s"),
        (#""debounce":{"period":"0"}"#, "between 1 s"),
        (#""idempotency":"event.data."}"#.replacing("}", with: ""), "idempotency"),
        (#""priority":{"run":"event.data.x +"}"#, "priority"),
        (#""batchEvents":{"maxSize":1,"timeout":"10s"}"#, "batch size cannot be smaller than 2: 1"),
        (#""batchEvents":{"maxSize":2,"timeout":"1d"}"#, "a day is 24h"),
        (#""batchEvents":{"maxSize":2,"timeout":"500ms"}"#, "more than 1s"),
        (#""batchEvents":{"maxSize":2}"#, "timeout is required"),
        (#""batchEvents":{"maxSize":2,"timeout":"10s","if":"event.data.x =="}"#, "batch: if"),
        (#""batchEvents":{"maxSize":2,"timeout":"10s"},"cancel":[{"event":"a"}]"#, "mutually exclusive"),
        (#""batchEvents":{"maxSize":2,"timeout":"10s"},"debounce":{"period":"5s"}"#, "mutually exclusive"),
        (#""batchEvents":{"maxSize":2,"timeout":"10s"},"singleton":{}"#, "mutually exclusive"),
        (
            #""batchEvents":{"maxSize":2,"timeout":"10s"},"priority":{"run":"1"}"#,
            "cannot specify Priority.Run and Batch"
        ),
        (#""timeouts":{"start":"soon"}"#, "timeouts.start: 'soon' is no duration"),
        (#""timeouts":{"finish":"1 day"}"#, "timeouts.finish: '1 day' is no duration"),
        (
            #""cancel":[{"event":"a"},{"event":"b"},{"event":"c"},{"event":"d"},{"event":"e"},{"event":"f"}]"#,
            "max number of cancellation events: 5"
        ),
        (#""cancel":[{"event":"a","if":"event.data.x =="}]"#, "cancelOn 'a': if"),
        (#""cancel":[{"event":"a","timeout":"soon"}]"#, "neither a duration nor a date"),
    ])
    func `what cannot be used is refused with function and reason`(fields: String, reason: String) async throws {
        let (config, text) = try await register(wireFunction(fields))
        #expect(config == nil)
        #expect(text.contains(reason), "\(text)")
        #expect(text.hasPrefix("function 'shop-charge'"), "\(text)")
    }

    @Test func `what apps may write without harm is passed over`() async throws {
        let config = try await config(
            #"""
            "throttle":{"limit":0,"period":"1500ms"},"debounce":{"period":"5s","timeout":"soon"},
            "cancel":[{"event":""},{"event":"a","timeout":""}],"timeouts":{"start":"0s","finish":""},
            "somethingNew":{"a":[1,2]},"priority":null,"singleton":null,"idempotency":""
            """#)
        #expect(config.flow.throttle == Throttle(limit: 1, period: 2_000))
        #expect(config.flow.debounce == Debounce(period: 5_000))
        #expect(config.flow.cancelOn == [CancelOn(event: "a")])
        #expect(config.startTimeout == nil)
        #expect(config.finishTimeout == nil)
        #expect(config.flow.priority == nil)
        #expect(config.flow.singleton == nil)
        #expect(config.flow.idempotency == nil)
    }

    @Test func `a batch goes with a rate limit and with idempotency`() async throws {
        let config = try await config(
            #""batchEvents":{"maxSize":2,"timeout":"24h"},"rateLimit":{"limit":1,"period":"1m"},"idempotency":"event.data.a""#
        )
        #expect(config.flow.batch?.timeout == 86_400_000)
    }

    @Test func `limits beyond all measure are as good as the highest`() async throws {
        let config = try await config(
            #"""
            "concurrency":99999999999,"throttle":{"limit":99999999999,"period":"100000d","burst":99999999999}
            """#)
        #expect(config.flow.concurrency == [ConcurrencyLimit(limit: 1_000_000)])
        #expect(config.flow.throttle == Throttle(limit: 1_000_000, period: 3_650 * 86_400_000, burst: 1_000_000))
    }
}
