import DaybookCore
import DaybookValues
import Testing

struct ConcurrencyTests {
    private func bench(_ limits: ConcurrencyLimit...) -> Bench {
        Bench([limited { $0.concurrency = limits }])
    }

    @Test func `as many runs execute as the limit says, the others wait in order and say so`() throws {
        let bench = bench(ConcurrencyLimit(limit: 2))
        let runs = (0..<5).map { _ in bench.send() }
        let ids = runs.flatMap { $0.lines.compactMap { if case .run(let id) = $0.stream { id } else { nil } } }
        #expect(runs.flatMap(\.activated) == Array(ids.prefix(2)))
        #expect(bench.waiting(ids[2]) == .concurrency(key: nil, scope: .function, used: 2, limit: 2))
        #expect(bench.finish(ids[1]).activated == [ids[2]])
        #expect(bench.finish(ids[0]).activated == [ids[3]])
        #expect(bench.waiting(ids[3]) == nil)
        try bench.expectSameAfterCrash()
    }

    @Test func `a run that waits in a step frees its place, and needs one to go on`() throws {
        let bench = bench(ConcurrencyLimit(limit: 1))
        let first = try #require(bench.send().activated.first)
        bench.handle(.begin(run: first))
        _ = bench.send()
        bench.released(bench.sleep(first, "nap", minute))
        let second = try #require(bench.yield(first).activated.first)
        // The sleep is over, its result is on record; the code waits for the place.
        #expect(bench.wait(until: 2 * minute).delivered.isEmpty)
        #expect(bench.waiting(first) == .concurrency(key: nil, scope: .function, used: 1, limit: 1))
        #expect(bench.finish(second).delivered == [first])
    }

    @Test func `steps of old runs come before new runs`() throws {
        let bench = bench(ConcurrencyLimit(limit: 1))
        let old = try #require(bench.send().activated.first)
        bench.released(bench.sleep(old, "nap", second))
        bench.yield(old)
        bench.wait(until: 10)
        let middle = try #require(bench.send().activated.first)
        bench.wait(until: 10)
        bench.send()
        bench.wait(until: 2 * second)
        #expect(bench.finish(middle).delivered == [old])
    }

    @Test func `each value of a key has its own places, and runs without the field share those of false`() throws {
        let bench = bench(ConcurrencyLimit(limit: 1, key: "event.data.user"))
        let a = bench.send(#"{"user":"a"}"#).activated
        let b = bench.send(#"{"user":"b"}"#).activated
        #expect(a.count == 1 && b.count == 1)
        #expect(bench.send(#"{"user":"a"}"#).activated.isEmpty)
        #expect(bench.send().activated.count == 1)
        #expect(bench.send().activated.isEmpty)
        let waiting = try #require(bench.core.runSummaries.first)
        #expect(waiting.waiting == .concurrency(key: "false", scope: .function, used: 1, limit: 1))
        // Numbers are as Go prints them.
        let queued = bench.send(#"{"user":1000000}"#).queued
        #expect(queued.first?.flow.keys.first?.value == "1e+06")
        try bench.expectSameAfterCrash()
    }

    @Test func `a key that cannot be evaluated has a bucket of its own, and the run says why`() throws {
        let bench = bench(ConcurrencyLimit(limit: 1, key: "date(event.data.d)"))
        let outcome = bench.send(#"{"d":"never"}"#)
        #expect(outcome.queued.first?.flow.keys.first?.value == "<nil>")
        let run = try #require(outcome.activated.first)
        #expect(bench.core.summary(of: run)?.problems.count == 1)
        #expect(outcome.effects.contains { if case .warn(run, _) = $0 { true } else { false } })
    }

    @Test func `two limits hold at the same time, and one busy key does not hold up the others`() throws {
        let bench = bench(ConcurrencyLimit(limit: 1, key: "event.data.user"), ConcurrencyLimit(limit: 2))
        let a = try #require(bench.send(#"{"user":"a"}"#).activated.first)
        for _ in 0..<3 { #expect(bench.send(#"{"user":"a"}"#).activated.isEmpty) }
        // The three that wait for a keep nothing from b.
        let b = try #require(bench.send(#"{"user":"b"}"#).activated.first)
        #expect(bench.send(#"{"user":"c"}"#).activated.isEmpty)
        let next = bench.finish(b).activated
        #expect(next.count == 1)
        #expect(bench.finish(a).activated.count == 1)
    }

    @Test func `functions with the same scope and key share their places`() throws {
        func config(_ id: String, _ event: String, _ limit: Int) -> FunctionConfig {
            limited(id, on: event) {
                $0.concurrency = [ConcurrencyLimit(limit: limit, key: "'openai'", scope: .account)]
            }
        }
        let bench = Bench([config("app-x", "x", 2), config("app-y", "y", 2)])
        let x = try #require(bench.send("{}", "x").activated.first)
        #expect(bench.send("{}", "y").activated.count == 1)
        #expect(bench.send("{}", "y").activated.isEmpty)
        #expect(bench.finish(x).activated.count == 1)
    }

    @Test func `bodies beside the first need places of their own`() throws {
        let bench = bench(ConcurrencyLimit(limit: 3))
        let run = try #require(bench.send().activated.first)
        let wanted = bench.released(bench.handle(.wantSlots(run: run, count: 4)))
        #expect(wanted.granted == [run, run])
        #expect(bench.send().activated.isEmpty)
        // One body fewer: the next of the oldest run comes before the new run.
        #expect(bench.released(bench.handle(.returnSlots(run: run, count: 1))).granted == [run])
        #expect(bench.finish(run).activated.count == 1)
    }

    @Test func `a run that has lost its place has none to give back`() throws {
        let bench = bench(ConcurrencyLimit(limit: 1))
        let first = try #require(bench.send().activated.first)
        bench.handle(.begin(run: first))
        bench.released(bench.sleep(first, "nap", minute))
        _ = bench.send()
        let second = try #require(bench.yield(first).activated.first)
        bench.wait(until: 2 * minute)
        // It waits for its place, and what it gave back before comes late.
        #expect(bench.released(bench.handle(.returnSlots(run: first, count: 1))).granted.isEmpty)
        #expect(bench.finish(second).delivered == [first])
    }

    @Test func `a cancelled run keeps its place until its code is gone`() throws {
        let bench = bench(ConcurrencyLimit(limit: 1))
        let first = try #require(bench.send().activated.first)
        bench.send()
        let cancelled = bench.released(bench.handle(.cancelRuns([first], reason: "no more")))
        #expect(cancelled.answer == .cancelled(1))
        #expect(cancelled.activated.isEmpty)
        #expect(bench.yield(first).activated.count == 1)
    }

    @Test func `a run that is cancelled while it waits leaves the queue`() throws {
        let bench = bench(ConcurrencyLimit(limit: 1))
        let first = try #require(bench.send().activated.first)
        bench.send()
        bench.send()
        let second = bench.core.runSummaries[1].id
        bench.handle(.cancelRuns([second], reason: "no more"))
        let third = bench.core.runSummaries[0].id
        #expect(bench.finish(first).activated == [third])
    }

    @Test func `a place is not given up while something is on its way to the run`() throws {
        let bench = bench(ConcurrencyLimit(limit: 1))
        let run = try #require(bench.send().activated.first)
        bench.released(bench.sleep(run, "nap", second))
        bench.send()
        // The sleep ends in the same batch in which the host says that the run is quiet.
        let woken = bench.advance(by: 2 * second)
        #expect(woken.delivered == [run])
        #expect(bench.handle(.yield(run: run)).activated.isEmpty)
        bench.released(woken)
        #expect(bench.yield(run).activated.count == 1)
    }

    @Test func `a limit on runs counts from the start to the end, sleeping included, also after a crash`() throws {
        let config = limited { $0.runConcurrency = ConcurrencyLimit(limit: 1) }
        let bench = Bench([config])
        let first = try #require(bench.send().activated.first)
        bench.handle(.begin(run: first))
        bench.released(bench.sleep(first, "nap", minute))
        #expect(bench.send().activated.isEmpty)
        #expect(bench.yield(first).activated.isEmpty)
        bench.handle(.park(run: first))
        let second = bench.core.runSummaries[0].id
        #expect(bench.waiting(second) == .runs(key: nil, used: 1, limit: 1))

        let later = try bench.replayed()
        #expect(later.core.outstandingEffects(at: later.time) == [])
        #expect(later.waiting(second) == .runs(key: nil, used: 1, limit: 1))
        #expect(later.wait(until: 2 * minute).delivered == [first])
        #expect(later.finish(first).activated == [second])
    }

    @Test func `suspects of a crash do not wait for one that waits for a place of theirs`() throws {
        let bench = Bench([limited { $0.runConcurrency = ConcurrencyLimit(limit: 1, key: "event.data.k") }])
        let holder = try #require(bench.send(#"{"k":"b"}"#).activated.first)
        bench.handle(.begin(run: holder))
        bench.send(#"{"k":"b"}"#)
        let waiting = bench.core.runSummaries[0].id
        // Both were under way when the process died; the one that waits now is the first suspect.
        let later = try bench.replayed()
        later.open(
            epoch: 2,
            interrupted: [
                InterruptedStep(run: waiting, key: "a", attempt: 1), InterruptedStep(run: holder, key: "a", attempt: 1),
            ])
        let found = later.core.outstandingEffects(at: later.time)
        #expect(!found.contains(.run(waiting, input: nil)))
        let passed = later.wait(until: 1)
        #expect(passed.kinds == ["run.parked"])
        #expect(passed.delivered == [holder])
        later.finish(holder)
        let woken = later.wait(until: 1)
        #expect(later.core.summary(of: waiting)?.waiting == nil)
        #expect(woken.delivered.count { $0 == waiting } <= 1)
        try later.expectSameAfterCrash()
    }

    @Test func `a new limit on runs counts those that began without it`() throws {
        let bench = Bench([limited()])
        let run = try #require(bench.send().activated.first)
        bench.handle(.begin(run: run))
        bench.register([limited { $0.runConcurrency = ConcurrencyLimit(limit: 1) }])
        #expect(bench.send().activated.isEmpty)
        #expect(bench.finish(run).activated.count == 1)
    }

    @Test func `a new limit counts for those that wait`() throws {
        let bench = bench(ConcurrencyLimit(limit: 1))
        for _ in 0..<4 { bench.send() }
        let raised = bench.released(
            bench.register([limited { $0.concurrency = [ConcurrencyLimit(limit: 3)] }]))
        #expect(raised.activated.count == 2)
        let lifted = bench.released(bench.register([limited()]))
        #expect(lifted.activated.count == 1)
    }

    @Test func `after a crash those that had places wait like all others, oldest first`() throws {
        let bench = bench(ConcurrencyLimit(limit: 2))
        for _ in 0..<4 { bench.send() }
        let ids = bench.core.runSummaries.map(\.id).sorted()
        let later = try bench.replayed()
        let found = later.core.outstandingEffects(at: later.time)
        #expect(found == ids.prefix(2).map { .run($0, input: nil) })
    }

    @Test func `a run that needs two pools is not passed over for ever`() throws {
        let bench = Bench([
            limited("app-both", on: "both") {
                $0.concurrency = [
                    ConcurrencyLimit(limit: 1, key: "'p'", scope: .environment),
                    ConcurrencyLimit(limit: 1, key: "'q'", scope: .account),
                ]
            },
            limited("app-p", on: "p") {
                $0.concurrency = [ConcurrencyLimit(limit: 1, key: "'p'", scope: .environment)]
            },
            limited("app-q", on: "q") {
                $0.concurrency = [ConcurrencyLimit(limit: 1, key: "'q'", scope: .account)]
            },
        ])
        var p = try #require(bench.send("{}", "p").activated.first)
        var q = try #require(bench.send("{}", "q").activated.first)
        bench.wait(until: 1)
        bench.send("{}", "both")
        let both = try #require(bench.core.runSummaries.first).id
        var isStarted = false
        // The others never leave both pools free at the same moment.
        for _ in 0..<20 where !isStarted {
            bench.wait(until: 1)
            bench.send("{}", "p")
            bench.send("{}", "q")
            for (old, isP) in [(p, true), (q, false)] where !isStarted {
                let next = bench.finish(old).activated
                if next.contains(both) { isStarted = true }
                if let id = next.first { if isP { p = id } else { q = id } }
            }
        }
        #expect(isStarted)
    }
}

struct PriorityTests {
    private func bench() -> Bench {
        Bench([
            limited {
                $0.concurrency = [ConcurrencyLimit(limit: 1)]
                $0.priority = "event.data.vip ? 120 : event.data.n"
            }
        ])
    }

    @Test func `a run with a higher priority overtakes those that wait`() throws {
        let bench = bench()
        let first = try #require(bench.send().activated.first)
        bench.wait(until: 1)
        bench.send()
        bench.wait(until: minute)
        bench.send(#"{"vip":true}"#)
        let vip = try #require(bench.core.runSummaries.first { $0.priority == 120 }).id
        #expect(bench.finish(first).activated == [vip])
        try bench.expectSameAfterCrash()
    }

    @Test func `after a crash a run with a higher priority comes first again`() throws {
        let bench = bench()
        for _ in 0..<2 {
            bench.send()
            bench.wait(until: 1)
        }
        bench.send(#"{"vip":true}"#)
        let vip = try #require(bench.core.runSummaries.first { $0.priority == 120 }).id
        let later = try bench.replayed()
        #expect(later.core.outstandingEffects(at: later.time) == [.run(vip, input: nil)])
    }

    @Test func `a priority is an advance in seconds, not a rank`() throws {
        let bench = bench()
        let first = try #require(bench.send().activated.first)
        bench.wait(until: 1)
        bench.send()
        let early = bench.core.runSummaries[0].id
        bench.wait(until: 121 * second)
        bench.send(#"{"vip":true}"#)
        #expect(bench.finish(first).activated == [early])
    }

    @Test(arguments: [("5", 0, 1), ("\"x\"", 0, 1), ("null", 0, 1)])
    func `what is no int counts as 0, and the run says so`(n: String, priority: Int64, problems: Int) throws {
        let outcome = bench().send(#"{"n":\#(n)}"#)
        #expect(outcome.queued.first?.flow.priority == priority)
        #expect(outcome.queued.first?.flow.problems.count == problems)
    }

    @Test func `a priority stays within twelve hours`() throws {
        let bench = Bench([limited { $0.priority = "int(event.data.n)" }])
        #expect(bench.send(#"{"n":1000000}"#).queued.first?.flow.priority == 43_200)
        #expect(bench.send(#"{"n":-1000000}"#).queued.first?.flow.priority == -43_200)
        #expect(bench.send().queued.first?.flow.priority == 0)
    }
}
