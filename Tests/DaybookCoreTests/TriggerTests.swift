import DaybookCore
import DaybookValues
import Testing

struct TriggerTests {
    /// The functions that one event starts, in order.
    private func started(_ bench: Bench, _ name: String, _ data: String = "{}") -> [String] {
        let event = bench.event(name, data)
        return bench.handle(.publish([event], claim: nil)).lines.compactMap { line in
            if case .runQueued(let run) = line.record { run.function } else { nil }
        }
    }

    @Test(arguments: [
        ("app/user.created", ["app/user.created", "app/*", "app/user.*"]),
        ("app/user.updated", ["app/*", "app/user.*"]),
        ("app/x", ["app/*"]), ("a/b/c", ["a/*", "a/b/*"]), ("a/b", ["a/*"]), ("a.b.c", ["a.*"]), ("a", []), ("app", []),
        ("app/", ["app/*"]), ("*", ["*"]), ("x", []), ("App/x", []), ("", []),
    ])
    func `an event starts the functions of its name and of every wildcard above it`(name: String, expected: [String]) {
        let patterns = ["app/user.created", "app/*", "app/user.*", "a/*", "a/b/*", "a.*", "*"]
        let bench = Bench(patterns.map { function($0, on: [$0]) })
        #expect(started(bench, name) == expected)
    }

    @Test func `several triggers that match start one run`() {
        let bench = Bench([function(on: ["a/*", "a/b", "a/b*"]), function("app-g", on: ["a/b"])])
        #expect(started(bench, "a/b") == ["app-f", "app-g"])
    }

    @Test func `a trigger whose conditions do not hold leaves the next one its chance`() {
        let config = FunctionConfig(
            id: "app-f", app: "app",
            triggers: [
                .event(name: "e", matches: [match("data.kind", "\"a\"")]),
                .event(name: "e", matches: [match("data.kind", "\"b\""), match("data.n", "1")]),
            ])
        let bench = Bench([config])
        #expect(started(bench, "e", #"{"kind":"a"}"#) == ["app-f"])
        #expect(started(bench, "e", #"{"kind":"b","n":1.0}"#) == ["app-f"])
        #expect(started(bench, "e", #"{"kind":"b","n":2}"#).isEmpty)
        #expect(started(bench, "e", #"{"kind":"c"}"#).isEmpty)
        #expect(started(bench, "e", "{}").isEmpty)
    }

    @Test func `an event that nobody listens to is recorded all the same`() {
        let bench = Bench([function()])
        let event = bench.event("nobody")
        let outcome = bench.handle(.publish([event], claim: nil))
        #expect(outcome.lines.map(\.record) == [.eventReceived(event, EventOutcome())])
        #expect(outcome.answer == .published([EventReceipt(id: event.id, outcome: EventOutcome())]))
    }

    @Test func `a large event is carried by reference, and the start has it at hand`() {
        let bench = Bench([function()])
        let event = bench.event("test/go", "{\"x\":\"\(String(repeating: "x", count: 70_000))\"}")
        let outcome = bench.handle(.publish([event], claim: nil))
        guard case .runQueued(let run)? = outcome.lines.last?.record else {
            Issue.record("no run")
            return
        }
        #expect(run.input == .received(day: start.day, id: event.id))
        guard case .run(_, let input)? = outcome.effects.first else {
            Issue.record("no effect")
            return
        }
        #expect(input == event.json)
    }

    // MARK: - The id of an event

    @Test func `the id of an event starts each function once in 24 hours`() {
        let bench = Bench([function(), function("app-g", on: ["test/*"])])
        #expect(bench.publish("test/go", key: "k").count == 2)
        #expect(bench.publish("test/go", key: "k").isEmpty)
        #expect(bench.publish("test/other", key: "k").isEmpty)
        #expect(bench.publish("test/go", key: "other").count == 2)
        #expect(bench.publish("test/go").count == 2)
        #expect(bench.publish("test/go").count == 2)
    }

    @Test func `an id is free for a function that it has not started`() {
        let bench = Bench([function(on: ["a"]), function("app-g", on: ["b"])])
        #expect(bench.publish("a", key: "k").count == 1)
        #expect(bench.publish("b", key: "k").count == 1)
    }

    @Test func `two events with one id in one request start one run`() {
        let bench = Bench([function()])
        let events = [bench.event("test/go", key: "k"), bench.event("test/go", key: "k")]
        let outcome = bench.handle(.publish(events, claim: nil))
        guard case .published(let receipts) = outcome.answer else {
            Issue.record("\(outcome.answer)")
            return
        }
        #expect(receipts.map(\.id) == events.map(\.id))
        #expect(receipts.map(\.started) == [1, 0])
        #expect(outcome.kinds == ["event.received", "run.queued", "event.received"])
    }

    @Test func `an id is forgotten after 24 hours, and not one millisecond before`() throws {
        let bench = Bench([function()])
        let run = try #require(bench.publish("test/go", key: "k").first)
        _ = bench.end(run)
        bench.advance(by: day - 1)
        #expect(bench.publish("test/go", key: "k").isEmpty)
        bench.advance(by: 1)
        #expect(bench.publish("test/go", key: "k").count == 1)
        #expect(bench.publish("test/go", key: "k").isEmpty)
    }

    @Test func `ids outlive a restart`() throws {
        let bench = Bench([function()])
        for index in 0..<3_000 { bench.publish("test/go", key: "k\(index)") }
        bench.advance(by: day / 2)
        for index in 3_000..<3_100 { bench.publish("test/go", key: "k\(index)") }
        bench.advance(by: day / 2 + 1)
        for other in [try bench.restored(), try bench.replayed()] {
            #expect(other.publish("test/go", key: "k3050").isEmpty)
            #expect(other.publish("test/go", key: "k1").count == 1)
        }
    }

    // MARK: - An event of the future

    @Test func `an event of the future is queued at once and starts when its time comes`() throws {
        let bench = Bench([function()])
        let event = bench.event("test/go", ts: start + hour)
        let outcome = bench.handle(.publish([event], claim: nil))
        #expect(outcome.kinds == ["event.received", "run.queued"])
        #expect(outcome.effects.isEmpty)
        let run = try #require(bench.core.runSummaries.first)
        #expect(run.status == .queued)
        #expect(bench.core.outstandingEffects(at: bench.time).isEmpty)
        #expect(bench.advance(by: hour - 1).effects.isEmpty)
        #expect(bench.advance(by: 1).effects == [.run(run.id, input: nil)])
        #expect(bench.core.outstandingEffects(at: bench.time) == [.run(run.id, input: nil)])
    }

    @Test func `an event of the future fulfils a wait at once`() throws {
        let bench = Bench([function()])
        let run = try bench.startedRun()
        _ = bench.wait(run, "w", "e")
        let outcome = bench.handle(.publish([bench.event("e", ts: start + day)], claim: nil))
        #expect(outcome.effects.count == 1)
    }

    @Test func `an event of the past starts at once`() {
        let bench = Bench([function()])
        let outcome = bench.handle(.publish([bench.event("test/go", ts: start + -day)], claim: nil))
        #expect(outcome.effects.count == 1)
    }

    @Test func `a start that waits survives a restart`() throws {
        let bench = Bench([function()])
        bench.handle(.publish([bench.event("test/go", ts: start + hour)], claim: nil))
        for other in [try bench.restored(), try bench.replayed()] {
            #expect(other.advance(by: hour).effects.count == 1)
        }
    }
}
