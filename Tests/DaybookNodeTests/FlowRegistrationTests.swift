import Daybook
import DaybookCore
import DaybookNode
import Testing

struct FlowRegistrationTests {
    private struct Placed: Daybook.Event {
        static let name = "order/placed"
        var id: String
    }

    private func configured(_ function: any FunctionDefinition) throws -> FunctionConfig {
        try #require(try AppFunctions(app: "app", functions: [function]).configs.first)
    }

    private func refusal(_ functions: any FunctionDefinition...) -> String? {
        do {
            _ = try NodeWorld(functions)
            return nil
        } catch {
            return "\(error)"
        }
    }

    private func refusal(_ option: FunctionOption, _ second: FunctionOption...) -> String? {
        switch second.first {
        case nil: refusal(DurableFunction("f", on: Placed.self, option) { _, _ in })
        case let second?: refusal(DurableFunction("f", on: Placed.self, option, second) { _, _ in })
        }
    }

    @Test func `a function without options has no flow control in the core`() throws {
        #expect(try configured(DurableFunction("f", on: Placed.self) { _, _ in }).flow.isEmpty)
    }

    @Test func `every option reaches the core, in milliseconds`() throws {
        let function = DurableFunction(
            "f", on: Placed.self, if: "event.data.total > 5.0", .concurrency(5, key: .field("user")),
            .concurrency(9, key: .constant("db"), scope: .account), .runConcurrency(2),
            .throttle(10, per: .minutes(1), burst: 3, key: .field("region")),
            .rateLimit(7, per: .hours(1), key: .field("plan")),
            .debounce(for: .seconds(5), timeout: .minutes(2), key: .field("doc")),
            .priority("event.data.vip ? 120 : 0"), .singleton(.cancel, key: .field("account")),
            .cancelOn("order/cancelled", match: "id", timeout: .days(1)), .cancelOn("order/stopped")
        ) { _, _ in }
        var flow = FlowConfig()
        flow.concurrency = [
            ConcurrencyLimit(limit: 5, key: "event.data.user"),
            ConcurrencyLimit(limit: 9, key: "'db'", scope: .account),
        ]
        flow.runConcurrency = ConcurrencyLimit(limit: 2)
        flow.throttle = Throttle(limit: 10, period: 60_000, burst: 3, key: "event.data.region")
        flow.rateLimit = RateLimit(limit: 7, period: 3_600_000, key: "event.data.plan")
        flow.debounce = Debounce(period: 5_000, timeout: 120_000, key: "event.data.doc")
        flow.priority = "event.data.vip ? 120 : 0"
        flow.singleton = Singleton(mode: .cancel, key: "event.data.account")
        flow.cancelOn = [
            CancelOn(event: "order/cancelled", condition: "event.data.id == async.data.id", timeout: 86_400_000),
            CancelOn(event: "order/stopped"),
        ]
        let config = try configured(function)
        #expect(config.flow == flow)
        #expect(
            config.triggers == [.event(name: "order/placed", matches: [], condition: "event.data.total > 5.0")])
        #expect(config.problem == nil)
    }

    @Test func `a batch, an idempotency key, a singleton that skips and a shared scope reach the core`() throws {
        let batched = try configured(
            DurableFunction(
                "f", batchesOf: Placed.self, max: 50, within: .seconds(10), key: .field("user"),
                if: "event.data.total < 5.0"
            ) { _, _ in })
        #expect(
            batched.flow.batch
                == Batch(maxSize: 50, timeout: 10_000, key: "event.data.user", condition: "event.data.total < 5.0"))
        #expect(batched.problem == nil)
        let other = try configured(
            DurableFunction(
                "f", on: Placed.self, .idempotency(.field("id")), .singleton(),
                .concurrency(1, key: "event.data.a", scope: .environment)
            ) { _, _ in })
        #expect(other.flow.idempotency == "event.data.id")
        #expect(other.flow.singleton == Singleton(mode: .skip))
        #expect(other.flow.concurrency.first?.scope == .environment)
    }

    @Test func `durations that are no whole milliseconds are rounded up`() throws {
        let config = try configured(
            DurableFunction(
                "f", on: Placed.self, .debounce(for: .seconds(1) + .nanoseconds(1), timeout: .nanoseconds(1)),
                .timeouts(
                    finish: Duration(secondsComponent: .max / 1_000, attosecondsComponent: 999_999_999_999_999_999))
            ) { _, _ in })
        #expect(config.flow.debounce == Debounce(period: 1_001, timeout: 1))
        #expect(config.finishTimeout == .max)
    }

    @Test func `a failure handler has no flow control, and still its own trigger`() throws {
        let function = DurableFunction("f", on: Placed.self, .concurrency(1), .priority("1")) { _, _ in }
            .onFailure { _, _ in }
        let handler = try #require(try AppFunctions(app: "app", functions: [function]).configs.last)
        #expect(handler.id == "app-f-failure")
        #expect(handler.flow.isEmpty)
        guard case .event("inngest/function.failed", let matches, nil) = handler.triggers.first else {
            Issue.record("\(handler.triggers)")
            return
        }
        #expect(matches.count == 1)
    }

    @Test func `a limit or time that cannot be used is refused, naming function and setting`() throws {
        let options: [(String, FunctionOption)] = [
            ("concurrency", .concurrency(0)), ("concurrency", .concurrency(-1)),
            ("concurrency", .concurrency(2_000_000)),
            ("concurrency of runs", .runConcurrency(0)),
            ("throttle", .throttle(0, per: .seconds(1))), ("throttle", .throttle(1, per: .milliseconds(1_500))),
            ("throttle", .throttle(1, per: .zero)), ("throttle", .throttle(1, per: .seconds(1), burst: -1)),
            ("throttle", .throttle(1, per: .seconds(Int64.max))),
            ("rateLimit", .rateLimit(0, per: .seconds(1))), ("rateLimit", .rateLimit(1, per: .hours(25))),
            ("debounce", .debounce(for: .milliseconds(500))), ("debounce", .debounce(for: .days(8))),
            ("debounce", .debounce(for: .seconds(1), timeout: .milliseconds(999))),
            ("cancelOn 'x'", .cancelOn("x", timeout: .zero)), ("cancelOn", .cancelOn("")),
            ("concurrency", .concurrency(1, scope: .account)),
        ]
        for (what, option) in options {
            let message = try #require(refusal(option), "\(what)")
            #expect(message.contains("f': \(what)"), "\(message)")
        }
    }

    @Test func `an expression with a mistake is refused, with setting, line and column`() throws {
        let options: [(String, FunctionOption)] = [
            ("concurrency", .concurrency(1, key: "event.data.")),
            ("throttle", .throttle(1, per: .seconds(1), key: "a b")),
            ("rateLimit", .rateLimit(1, per: .seconds(1), key: "user")), ("idempotency", .idempotency("")),
            ("debounce", .debounce(for: .seconds(1), key: "event.data.x +")),
            ("priority", .priority("event.data.vip ? 120 :")),
            ("singleton", .singleton(key: "(event.data.x")), ("cancelOn 'x'", .cancelOn("x", if: "async.data.x ==")),
        ]
        for (what, option) in options {
            let message = try #require(refusal(option), "\(what)")
            #expect(message.contains("f': \(what)"), "\(message)")
            #expect(message.contains("line 1, column "), "\(message)")
        }
        let trigger = try #require(refusal(DurableFunction("f", on: Placed.self, if: "event.plan = 1") { _, _ in }))
        #expect(trigger.contains("f': trigger 'order/placed': if: line 1, column 12"), "\(trigger)")
    }

    @Test func `settings that exclude each other or come twice are refused, naming function and setting`() throws {
        let twice = try #require(refusal(.debounce(for: .seconds(1)), .debounce(for: .seconds(2))))
        #expect(twice.contains("function 'f': debounce: it is given twice"))
        let path = try #require(refusal(.singleton(key: .field("data.id"))))
        #expect(path.contains("function 'f': singleton: the path 'data.id' begins above"))
        for option: FunctionOption in [
            .debounce(for: .seconds(1)), .singleton(), .priority("1"), .cancelOn("x"), .rateLimit(1, per: .seconds(1)),
            .idempotency("event.data.id"),
        ] {
            let batch = DurableFunction("f", batchesOf: Placed.self, max: 2, within: .seconds(1), option) { _, _ in }
            #expect(try #require(refusal(batch)).contains("f': batch"))
        }
        let sizes = [1, 100_001]
        for size in sizes {
            let batch = DurableFunction("f", batchesOf: Placed.self, max: size, within: .seconds(1)) { _, _ in }
            #expect(try #require(refusal(batch)).contains("f': batch"))
        }
        let short = DurableFunction("f", batchesOf: Placed.self, max: 2, within: .milliseconds(999)) { _, _ in }
        #expect(try #require(refusal(short)).contains("f': batch"))
        let three = DurableFunction("f", on: Placed.self, .concurrency(1), .concurrency(2), .concurrency(3)) { _, _ in }
        #expect(try #require(refusal(three)).contains("f': concurrency"))
    }
}
