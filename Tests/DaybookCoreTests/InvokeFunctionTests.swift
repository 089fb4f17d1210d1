import DaybookCore
import DaybookValues
import Testing

/// Functions started by name, from outside.
struct InvokeFunctionTests {
    private func invoke(
        _ bench: Bench, _ function: String, _ data: String = #"{"n":1}"#, key: String? = nil, ts: Timestamp? = nil
    ) -> Outcome {
        bench.handle(
            .invokeFunction(
                function: function, event: bench.event("inngest/function.invoked", data, key: key, ts: ts)))
    }

    private func receipt(_ outcome: Outcome) throws -> EventReceipt {
        guard case .published(let receipts) = outcome.answer else {
            throw UnexpectedAnswer(answer: "\(outcome.answer)")
        }
        return try #require(receipts.first)
    }

    private struct UnexpectedAnswer: Error {
        let answer: String
    }

    @Test func `a function starts whatever its triggers are, and its run is found by the event`() throws {
        let bench = Bench([function(on: ["never"])])
        let outcome = invoke(bench, "app-f")
        let receipt = try self.receipt(outcome)
        #expect(outcome.kinds == ["event.received", "run.queued"])
        #expect(outcome.activated == receipt.outcome.started)
        #expect(receipt.started == 1)
        #expect(outcome.queued.map(\.eventName) == ["inngest/function.invoked"])
        #expect(outcome.eventOutcome?.started == receipt.outcome.started)
    }

    @Test func `an unknown or removed function is refused, and nothing is written`() {
        let bench = Bench([function(), function("app-old")])
        bench.register([function()])
        for id in ["app-none", "app-old"] {
            let outcome = invoke(bench, id)
            #expect(outcome.answer == .refused(.unknownFunction(id)))
            #expect(outcome.lines.isEmpty)
        }
    }

    @Test func `one that also listens for calls runs once, others that listen run too`() throws {
        let bench = Bench([
            function(on: ["inngest/function.invoked"]), function("app-spy", on: ["inngest/function.invoked"]),
        ])
        let outcome = invoke(bench, "app-f")
        #expect(outcome.queued.map(\.function) == ["app-f", "app-spy"])
        #expect(try receipt(outcome).started == 2)
    }

    @Test func `a batch keeps it, and a full one starts`() throws {
        let bench = Bench([limited("app-f") { $0.batch = Batch(maxSize: 2, timeout: minute) }])
        let first = invoke(bench, "app-f")
        #expect(try receipt(first).outcome.held.map(\.kind) == [.batch])
        #expect(first.queued.isEmpty)
        #expect(invoke(bench, "app-f").queued.map(\.eventCount) == [2])
    }

    @Test func `a rate limit, a pause and an id that is known drop it and say so`() throws {
        let bench = Bench([limited("app-f") { $0.rateLimit = RateLimit(limit: 1, period: hour) }, function("app-g")])
        _ = invoke(bench, "app-f")
        #expect(try receipt(invoke(bench, "app-f")).outcome.dropped.map(\.reason) == [.rateLimited])
        _ = invoke(bench, "app-g", key: "k")
        #expect(try receipt(invoke(bench, "app-g", key: "k")).outcome.dropped.map(\.reason) == [.duplicate])
        bench.handle(.pause(function: "app-g"))
        #expect(try receipt(invoke(bench, "app-g")).outcome.dropped.map(\.reason) == [.paused])
    }

    @Test func `an event of the future starts the function then`() throws {
        let bench = Bench([function()])
        let outcome = invoke(bench, "app-f", ts: start + hour)
        #expect(outcome.effects.isEmpty)
        #expect(bench.advance(by: hour).activated == (try receipt(outcome)).outcome.started)
    }

    @Test func `the end of such a run tells nobody but those who listen`() throws {
        let bench = Bench([function()])
        let run = try #require(try receipt(invoke(bench, "app-f")).outcome.started.first)
        #expect(bench.end(run).kinds == ["run.completed"])
    }
}
