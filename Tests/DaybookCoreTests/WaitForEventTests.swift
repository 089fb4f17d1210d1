import DaybookCore
import DaybookValues
import Testing

struct WaitForEventTests {
    @Test func `a matching event is the result of the wait, whole`() throws {
        let bench = Bench([function()])
        let run = try bench.startedRun()
        #expect(bench.wait(run, "w", "user/confirmed", [match("data.id", "7")]).answer == .opened)
        #expect(bench.handle(.publish([bench.event("user/confirmed", #"{"id":8}"#)], claim: nil)).effects.isEmpty)
        let event = bench.event("user/confirmed", #"{"id":7.0,"x":[1]}"#)
        let outcome = bench.handle(.publish([event], claim: nil))
        #expect(outcome.kinds == ["event.received", "step.completed"])
        #expect(outcome.effects == [.deliver(run: run, key: "w", .completed(event.json))])
        #expect(outcome.lines.first?.record == .eventReceived(event, EventOutcome(resumed: [run])))
        // Fulfilled once: neither a second event nor the timeout does anything more.
        #expect(
            bench.handle(.publish([bench.event("user/confirmed", #"{"id":7}"#)], claim: nil)).kinds == [
                "event.received"
            ])
        #expect(bench.advance(by: 2 * hour).lines.isEmpty)
    }

    @Test func `a timeout gives null, at its instant and not before`() throws {
        let bench = Bench([function()])
        let run = try bench.startedRun()
        _ = bench.wait(run, "w", "user/confirmed", timeout: hour)
        #expect(bench.advance(by: hour - 1).effects.isEmpty)
        let outcome = bench.advance(by: 1)
        #expect(outcome.effects == [.deliver(run: run, key: "w", .completed(Array("null".utf8)))])
        #expect(bench.handle(.publish([bench.event("user/confirmed")], claim: nil)).kinds == ["event.received"])
    }

    @Test(arguments: [0, -5] as [Int64])
    func `a timeout that is not positive gives null at once`(timeout: Int64) throws {
        let bench = Bench([function()])
        let run = try bench.startedRun()
        #expect(bench.wait(run, "w", "e", timeout: timeout).answer == .completed(Array("null".utf8)))
    }

    @Test func `a timeout of more than 366 days fails the step and names the limit`() throws {
        let bench = Bench([function()])
        let run = try bench.startedRun()
        #expect(bench.wait(run, "w", "e", timeout: 366 * day).answer == .opened)
        guard case .failed(let error) = bench.wait(run, "x", "e", timeout: 366 * day + 1).answer else {
            Issue.record("not failed")
            return
        }
        #expect(text(error).contains("366 days"))
    }

    @Test func `an event before the wait never counts, not even in the same instant`() throws {
        let bench = Bench([function()])
        let run = try bench.startedRun()
        bench.publish("user/confirmed")
        #expect(bench.wait(run, "w", "user/confirmed").answer == .opened)
        #expect(bench.fire().effects.isEmpty)
        #expect(bench.core.summary(of: run)?.open.count == 1)
        // One after it does, whether its batch is the same or not: only the order of the records tells.
        #expect(!bench.handle(.publish([bench.event("user/confirmed")], claim: nil)).effects.isEmpty)
    }

    @Test func `the event that started the run does not fulfil its wait`() throws {
        let bench = Bench([function()])
        let run = try bench.startedRun("test/go")
        _ = bench.wait(run, "w", "test/go")
        #expect(bench.core.summary(of: run)?.open.count == 1)
    }

    @Test func `one event resumes all runs that wait for it, in the order of their waits`() throws {
        let bench = Bench([function()])
        var random = SeededRandom(seed: 5)
        let runs = try (0..<50).map { _ in try bench.startedRun() }.shuffled(using: &random)
        for run in runs { _ = bench.wait(run, "w", "all") }
        let outcome = bench.handle(.publish([bench.event("all")], claim: nil))
        let resumed = outcome.effects.compactMap {
            if case .deliver(let run, "w", .completed) = $0 { run } else { nil }
        }
        #expect(resumed == runs)
    }

    @Test func `one event fulfils two waits of one run`() throws {
        let bench = Bench([function()])
        let run = try bench.startedRun()
        _ = bench.wait(run, "a", "e")
        _ = bench.wait(run, "b", "e", [match("name", "\"e\"")])
        #expect(bench.handle(.publish([bench.event("e")], claim: nil)).effects.count == 2)
    }

    @Test func `event names are exact: a wait has no wildcards`() throws {
        let bench = Bench([function()])
        let run = try bench.startedRun()
        _ = bench.wait(run, "w", "order/*")
        #expect(bench.handle(.publish([bench.event("order/paid")], claim: nil)).effects.isEmpty)
    }

    @Test func `the waits of a run that has ended are gone`() throws {
        let bench = Bench([function()])
        let run = try bench.startedRun()
        _ = bench.wait(run, "w", "e")
        _ = bench.end(run)
        #expect(bench.handle(.publish([bench.event("e")], claim: nil)).kinds == ["event.received"])
        #expect(bench.advance(by: day).lines.isEmpty)
    }

    @Test func `a wait that is opened again while it is open stays the one it was`() throws {
        let bench = Bench([function()])
        let run = try bench.startedRun()
        _ = bench.wait(run, "w", "e", timeout: minute)
        let again = bench.wait(run, "w", "e", timeout: minute)
        #expect(again.answer == .opened)
        #expect(again.lines.isEmpty)
        #expect(bench.handle(.publish([bench.event("e")], claim: nil)).effects.count == 1)
        #expect(bench.advance(by: hour).lines.isEmpty)
    }

    private static let values = [
        "1", "1.0", "10e-1", "2", "-0.0", "0", "9007199254740993", "9007199254740992", "9223372036854775808",
        "9223372036854775807", "\"1\"", "\"a\"", #""\u0061""#, "\"é\"", "true", "false", "null", "[1]", "[1.0]", "{}",
        #"{"a":1,"b":2}"#, #"{"b":2,"a":1.0}"#,
    ]

    @Test(arguments: 0..<30)
    func `the index finds the same waits as looking at each of them`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let bench = Bench([function()])
        let run = try bench.startedRun()
        var waits: [(key: String, event: String, matches: [FieldMatch])] = []
        for index in 0..<120 {
            let matches = (0..<random.below(3)).map { _ in
                match(random.pick(["data.a", "data.b", "data.c.0", "name", "data"]), random.pick(Self.values))
            }
            let wait = (key: "w\(index)", event: random.pick(["e", "f"]), matches: matches)
            waits.append(wait)
            _ = bench.wait(run, wait.key, wait.event, wait.matches)
        }
        for round in 0..<60 {
            let data =
                #"{"a":\#(random.pick(Self.values)),"b":\#(random.pick(Self.values)),"c":[\#(random.pick(Self.values))]}"#
            let event = bench.event(random.pick(["e", "f"]), data)
            let view = try #require(JSONView(event.json))
            let expected = waits.filter { wait in
                wait.event == event.name && wait.matches.allSatisfy { $0.holds(for: view) }
            }
            let found = bench.handle(.publish([event], claim: nil)).effects.compactMap {
                if case .deliver(_, let key, .completed) = $0 { key } else { nil }
            }
            #expect(found == expected.map(\.key), "seed \(seed), round \(round): \(data)")
            waits.removeAll { wait in expected.contains { $0.key == wait.key } }
            // Put as many back, so that the index is met in all sizes.
            for _ in expected.prefix(random.below(4)) {
                let wait = (
                    key: "r\(round)-\(waits.count)", event: "e", matches: [match("data.a", random.pick(Self.values))]
                )
                waits.append(wait)
                _ = bench.wait(run, wait.key, wait.event, wait.matches)
            }
        }
    }

    @Test func `timeouts of waits that are over are not kept for long`() throws {
        let bench = Bench([function()])
        let run = try bench.startedRun()
        for index in 0..<9_000 {
            _ = bench.wait(run, "w\(index)", "e", timeout: 300 * day)
            bench.publish("e")
            bench.now = bench.now + 1
        }
        // Some may be left, but not the first ones.
        if let due = bench.core.nextDeadlines.now { #expect(due > start + 300 * day + 4_000) }
    }
}
