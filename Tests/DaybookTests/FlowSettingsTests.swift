import DaybookPlainModule
import Testing

@testable import Daybook

struct FlowSettingsTests {
    private func registered(_ options: FunctionOption...) -> FunctionRegistration {
        registered(options)
    }

    private func registered(_ options: [FunctionOption]) -> FunctionRegistration {
        switch options.count {
        case 0: DurableFunction("f", on: Ping.self) { _, _ in }.registrations[0]
        case 1: DurableFunction("f", on: Ping.self, options[0]) { _, _ in }.registrations[0]
        default: DurableFunction("f", on: Ping.self, options[0], options[1]) { _, _ in }.registrations[0]
        }
    }

    @Test
    func `a function without options has no flow control`() {
        #expect(registered().flow == FlowSettings())
        #expect(registered().problem == nil)
    }

    @Test
    func `every setting is registered as it was written`() {
        let function = DurableFunction(
            "f", on: Ping.self,
            .concurrency(5, key: .field("userId")), .concurrency(100, key: .constant("openai"), scope: .account),
            .runConcurrency(2, key: "event.data.team"),
            .throttle(10, per: .minutes(1), burst: 2, key: "event.data.region"),
            .rateLimit(20, per: .hours(1), key: .expression("event.data.plan")),
            .debounce(for: .seconds(5), timeout: .minutes(1), key: .field("doc")),
            .priority("event.data.vip ? 120 : 0"), .singleton(.cancel, key: .field("account")),
            .cancelOn(Ping.self, match: "orderId", timeout: .days(1)),
            .cancelOn("order/cancelled", if: "async.data.id == event.data.id"), .cancelOn("order/all-cancelled")
        ) { _, _ in }
        let flow = function.registrations[0].flow
        #expect(
            flow.concurrency == [
                FlowSettings.Concurrency(limit: 5, key: "event.data.userId", scope: .function),
                FlowSettings.Concurrency(limit: 100, key: "'openai'", scope: .account),
            ])
        #expect(flow.runConcurrency == FlowSettings.Concurrency(limit: 2, key: "event.data.team"))
        #expect(
            flow.throttle
                == FlowSettings.Throttle(limit: 10, period: .seconds(60), burst: 2, key: "event.data.region"))
        #expect(flow.rateLimit == FlowSettings.RateLimit(limit: 20, period: .seconds(3_600), key: "event.data.plan"))
        #expect(
            flow.debounce
                == FlowSettings.Debounce(period: .seconds(5), timeout: .seconds(60), key: "event.data.doc"))
        #expect(flow.priority == "event.data.vip ? 120 : 0")
        #expect(flow.singleton == FlowSettings.Singleton(mode: .cancel, key: "event.data.account"))
        #expect(
            flow.cancelOn == [
                FlowSettings.CancelOn(
                    event: "test/ping", condition: "event.data.orderId == async.data.orderId", timeout: .days(1)),
                FlowSettings.CancelOn(event: "order/cancelled", condition: "async.data.id == event.data.id"),
                FlowSettings.CancelOn(event: "order/all-cancelled"),
            ])
        #expect(flow.batch == nil)
        #expect(function.registrations[0].problem == nil)
    }

    @Test
    func `a plain Swift 6 module has every setting, and nothing is wrong with them`() throws {
        let registrations = FlowJobs.all.flatMap(\.registrations)
        #expect(registrations.map(\.id) == ["fulfil", "index", "index-failure", "remind", "bill"])
        #expect(registrations.compactMap(\.problem).isEmpty)
        let fulfil = try #require(registrations.first)
        #expect(fulfil.triggers == [.event("shop/order.placed", if: "event.data.userId != ''")])
        #expect(fulfil.retries == 2)
        #expect(fulfil.flow.concurrency.map(\.limit) == [5, 50])
        #expect(fulfil.flow.cancelOn.map(\.event) == ["shop/order.cancelled", "shop/closed"])
    }

    @Test
    func `an idempotency key, and a singleton that skips, are registered`() {
        #expect(registered(.idempotency(.field("orderId"))).flow.idempotency == "event.data.orderId")
        #expect(registered(.singleton()).flow.singleton == FlowSettings.Singleton(mode: .skip))
    }

    @Test
    func `a trigger has the condition it was given`() {
        let one = DurableFunction("f", on: Ping.self, if: "event.data.n > 1") { _, _ in }
        #expect(one.registrations[0].triggers == [.event("test/ping", if: "event.data.n > 1")])
        let several: [Trigger] = [.event(Ping.self, if: "event.data.n > 1"), .event("test/*")]
        #expect(several[0].kind == .event(name: "test/ping", condition: "event.data.n > 1"))
        #expect(several[1].kind == .event(name: "test/*", condition: nil))
    }

    @Test
    func `a failure handler has no flow control of its own`() throws {
        let function = DurableFunction("f", on: Ping.self, .concurrency(1), .singleton(), .priority("1")) { _, _ in }
            .onFailure { _, _ in }
        let handler = try #require(function.registrations.last)
        #expect(handler.handlesFailuresOf == "f")
        #expect(handler.flow == FlowSettings())
        #expect(function.registrations[0].flow != FlowSettings())
    }

    @Test(arguments: [
        ("userId", "event.data.userId"), ("user.id", "event.data.user.id"), ("_a1", "event.data._a1"),
        ("items.0.sku", "event.data.items[0].sku"), ("user-id", "event.data['user-id']"),
        ("a.it's", #"event.data.a["it's"]"#), ("if", "event.data['if']"), ("größe", "event.data['größe']"),
        ("1st", "event.data['1st']"), ("data", "event.data.data"), ("event.id", "event.data.event.id"),
        ("-1", "event.data['-1']"), ("99999999999", "event.data['99999999999']"),
    ])
    func `a field is named as an expression names it`(path: String, expression: String) {
        let key = FlowKey.field(path)
        #expect(key.expression == expression)
        #expect(key.problem == nil)
    }

    @Test(arguments: [
        ("", "is empty"), ("a..b", "'a..b' has an empty part"), (".a", "empty part"), ("a.", "empty part"),
        (#"a\b"#, #"'a\b' cannot be written"#), (#"'""#, "cannot be written"), ("a\nb", "cannot be written"),
        ("data.userId", "write 'userId'"), ("event.data.user.id", "write 'user.id'"), ("async.data.id", "write 'id'"),
    ])
    func `a path that names no field is a problem of the function, naming option and path`(
        path: String, reason: String
    ) throws {
        for (what, option) in [
            ("concurrency", FunctionOption.concurrency(1, key: .field(path))),
            ("runConcurrency", .runConcurrency(1, key: .field(path))),
            ("throttle", .throttle(1, per: .seconds(1), key: .field(path))),
            ("rateLimit", .rateLimit(1, per: .seconds(1), key: .field(path))),
            ("idempotency", .idempotency(.field(path))),
            ("debounce", .debounce(for: .seconds(1), key: .field(path))),
            ("singleton", .singleton(key: .field(path))),
            ("cancelOn 'x': match", .cancelOn("x", match: path)),
        ] {
            let problem = try #require(registered(option).problem)
            #expect(problem.hasPrefix("\(what): "), "\(problem)")
            #expect(problem.contains(reason), "\(problem)")
        }
        let batch = DurableFunction("f", batchesOf: Ping.self, max: 2, within: .seconds(1), key: .field(path)) { _, _ in
        }
        #expect(try #require(batch.registrations[0].problem).hasPrefix("batch: "))
    }

    @Test(arguments: [("openai", "'openai'"), ("it's", #""it's""#), ("", "''"), (#"say "hi""#, #"'say "hi"'"#)])
    func `a constant key is a string of the expression`(text: String, expression: String) {
        #expect(FlowKey.constant(text).expression == expression)
        #expect(FlowKey.constant(text).problem == nil)
    }

    @Test(arguments: [#"it's "so""#, #"a\b"#, "a\nb"])
    func `a constant key that no expression can hold is a problem of the function`(text: String) throws {
        let problem = try #require(registered(.concurrency(1, key: .constant(text), scope: .account)).problem)
        #expect(problem.hasPrefix("concurrency: the constant key"))
    }

    @Test
    func `an option that is given twice is a problem of the function, naming it`() {
        let options: [(String, FunctionOption, FunctionOption)] = [
            ("name", .name("a"), .name("b")),
            ("timeouts(start:)", .timeouts(start: .seconds(1)), .timeouts(start: .seconds(2))),
            ("timeouts(finish:)", .timeouts(finish: .seconds(1)), .timeouts(finish: .seconds(1))),
            ("runConcurrency", .runConcurrency(1), .runConcurrency(2)),
            ("throttle", .throttle(1, per: .seconds(1)), .throttle(2, per: .seconds(1))),
            ("rateLimit", .rateLimit(1, per: .seconds(1)), .rateLimit(2, per: .seconds(1))),
            ("idempotency", .idempotency("event.data.a"), .idempotency("event.data.b")),
            ("debounce", .debounce(for: .seconds(1)), .debounce(for: .seconds(2))),
            ("priority", .priority("1"), .priority("2")),
            ("singleton", .singleton(.skip), .singleton(.cancel)),
        ]
        for (what, first, second) in options {
            #expect(registered(first, second).problem == "\(what): it is given twice")
        }
        #expect(registered(.cancelOn("a"), .cancelOn("a")).problem == "cancelOn 'a': the same is given twice")
        #expect(registered(.timeouts(start: .seconds(1)), .timeouts(finish: .seconds(1))).problem == nil)
        #expect(registered(.concurrency(1), .concurrency(1)).problem == nil)
        #expect(registered(.cancelOn("a"), .cancelOn("a", match: "id")).problem == nil)
    }

    @Test
    func `settings that exclude each other are a problem of the function`() throws {
        let both = registered(.rateLimit(1, per: .seconds(1)), .idempotency("event.data.a"))
        #expect(try #require(both.problem).contains("excludes rateLimit"))
        func batched(_ option: FunctionOption) -> String? {
            DurableFunction("f", batchesOf: Ping.self, max: 2, within: .seconds(1), option) { _, _ in }
                .registrations[0].problem
        }
        #expect(batched(.rateLimit(1, per: .seconds(1))) == "batch: batching and rateLimit are mutually exclusive")
        #expect(batched(.idempotency("event.data.a")) == "batch: batching and idempotency are mutually exclusive")
        #expect(batched(.concurrency(1)) == nil)
        #expect(batched(.throttle(1, per: .seconds(1))) == nil)
    }
}
