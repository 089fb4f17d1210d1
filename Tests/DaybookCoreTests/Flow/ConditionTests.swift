import DaybookCore
import DaybookValues
import Testing

struct ConditionTests {
    @Test func `a trigger's condition decides, and one that fails on the event is on record`() throws {
        let bench = Bench([limited(condition: "event.data.plan == 'pro' && event.data.seats > 10")])
        #expect(bench.send(#"{"plan":"pro","seats":11}"#).activated.count == 1)
        #expect(bench.send(#"{"plan":"pro","seats":10}"#).activated.isEmpty)
        #expect(bench.send().activated.isEmpty)
        let failing = bench.send(#"{"plan":"pro","seats":"many"}"#)
        #expect(failing.dropped == [.expression])
        #expect(failing.effects.contains { if case .warn(nil, _) = $0 { true } else { false } })
    }

    @Test func `of several triggers the first that passes starts one run`() throws {
        let config = FunctionConfig(
            id: "app-fn", app: "app",
            triggers: [
                .event(name: "test/go", matches: [], condition: "event.data.n > 'x'"),
                .event(name: "test/*", matches: [], condition: "event.data.n == 1.0"),
            ])
        let bench = Bench([config])
        #expect(bench.send(#"{"n":1}"#).queued.count == 1)
        #expect(bench.send(#"{"n":2}"#).queued.isEmpty)
    }

    private func wait(_ bench: Bench, _ run: ULID, _ key: String, _ source: String, _ captured: String) -> Outcome {
        bench.handle(
            .wait(
                run: run, key: key, event: "answer", matches: [],
                condition: WaitCondition(source: source, captured: Array(captured.utf8)), timeout: hour))
    }

    @Test func `a wait's condition is asked with what was captured, after a crash and a snapshot too`() throws {
        let bench = Bench([limited()])
        let run = try #require(bench.send().activated.first)
        _ = wait(bench, run, "w", "async.data.id == event.data.id && async.data.n > 5", #"["a"]"#)
        try bench.expectSameAfterCrash()
        for later in [try bench.replayed(), try bench.restored()] {
            #expect(later.send(#"{"id":"b","n":9}"#, "answer").eventOutcome?.resumed == [])
            #expect(later.send(#"{"id":"a","n":5}"#, "answer").eventOutcome?.resumed == [])
            #expect(later.send(#"{"id":"a","n":6}"#, "answer").eventOutcome?.resumed == [run])
            #expect(later.send(#"{"id":"a","n":6}"#, "answer").eventOutcome?.resumed == [])
        }
    }

    @Test func `waits are found the same whether they are looked up by a value or one by one`() throws {
        var random = SeededRandom(seed: 3)
        let values = [#""a""#, #""b""#, "1", "1.0", "0", "-0", "null", "true", "[1]", #"{"a":1}"#, "1e6"]
        let sources = [
            "async.data.v == event.data.v", "event.data.v == async.data.v && async.data.n > 1",
            "async.data.v == event.data.v || async.data.n == 3.0", "async.data.n > 1",
        ]
        for _ in 0..<40 {
            let bench = Bench([limited()])
            var waits: [(ULID, String, String)] = []
            for _ in 0..<8 {
                let run = try #require(bench.send().activated.first)
                waits.append((run, random.pick(sources), random.pick(values)))
                _ = wait(bench, run, "w", waits[waits.count - 1].1, "[\(waits[waits.count - 1].2)]")
            }
            let incoming = random.chance(20) ? #"{"n":3}"# : #"{"v":\#(random.pick(values)),"n":\#(random.below(4))}"#
            let resumed = bench.send(incoming, "answer").eventOutcome?.resumed ?? []
            // Alone, each of them is looked at by itself.
            for (run, source, value) in waits {
                let alone = Bench([limited()])
                let only = try #require(alone.send().activated.first)
                _ = wait(alone, only, "w", "(\(source)) && (true || async.data.x == 1)", "[\(value)]")
                #expect(
                    (alone.send(incoming, "answer").eventOutcome?.resumed.isEmpty == false) == resumed.contains(run),
                    "\(source) with \(value), event \(incoming)")
            }
        }
    }
}
