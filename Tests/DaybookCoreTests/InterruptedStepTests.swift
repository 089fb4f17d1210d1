import DaybookCore
import DaybookValues
import Testing

struct InterruptedStepTests {
    /// Runs, each with a step `s` that was under way at its first attempt.
    private func runs(_ count: Int, _ bench: Bench) throws -> [ULID] {
        try (0..<count).map { _ in try bench.startedRun() }
    }

    private func crash(_ bench: Bench, _ runs: [ULID], attempt: Int = 1) throws -> Bench {
        let other = try bench.replayed()
        other.open(epoch: 2, interrupted: runs.map { InterruptedStep(run: $0, key: "s", attempt: attempt) })
        return other
    }

    /// The steps that may run now.
    private func ready(_ bench: Bench) -> [ULID] {
        bench.core.runSummaries.filter { $0.open.contains { $0.isReady } }.map(\.id)
    }

    @Test func `a step that ran alone is charged with the crash`() throws {
        let bench = Bench([function()])
        let run = try bench.startedRun()
        let other = try bench.replayed()
        let outcome = other.open(epoch: 2, interrupted: [InterruptedStep(run: run, key: "s", attempt: 1)])
        #expect(outcome.lines.last?.record == .stepInterrupted(key: "s", attempt: 1, isCharged: true))
        let open = try #require(other.core.summary(of: run)?.open.first)
        #expect(open.attempt == 2)
        #expect(open.isReady)
        #expect(other.core.outstandingEffects(at: other.time) == [.run(run, input: nil)])
    }

    @Test func `the last attempt of a step that kills the process fails it, and the run goes on to its end`() throws {
        var bench = Bench([function(retries: 2)])
        let run = try bench.startedRun()
        for attempt in 1...2 {
            bench = try crash(bench, [run], attempt: attempt)
            #expect(bench.core.summary(of: run)?.open.first?.attempt == attempt + 1)
        }
        bench = try bench.replayed()
        let outcome = bench.open(epoch: 9, interrupted: [InterruptedStep(run: run, key: "s", attempt: 3)])
        #expect(outcome.kinds == ["epoch.opened", "step.interrupted", "step.failed"])
        #expect("\(outcome.lines)".contains("ProcessDied"))
        #expect(bench.core.summary(of: run)?.open.isEmpty == true)
        #expect(bench.core.outstandingEffects(at: bench.time) == [.run(run, input: nil)])
    }

    @Test func `several steps under way are not charged, and run one at a time`() throws {
        let bench = Bench([function()])
        let all = try runs(3, bench)
        let other = try crash(bench, all)
        #expect(other.lines.filter { $0.record == .stepInterrupted(key: "s", attempt: 1, isCharged: false) }.count == 3)
        #expect(ready(other) == [all[0]])
        let next = other.endBody(all[0], "s", "1")
        #expect(next.effects == [.deliver(run: all[1], key: "s", .retry(attempt: 1))])
        #expect(ready(other) == [all[1]])
        // A failure clears it as well: it did not kill the process.
        let failed = other.failBody(all[1], "s", attempt: 1)
        #expect(failed.effects == [.deliver(run: all[2], key: "s", .retry(attempt: 1))])
        #expect(other.endBody(all[2], "s", "1").effects.isEmpty)
        #expect(ready(other).isEmpty)
    }

    @Test func `a further crash is charged to the one that was running`() throws {
        var bench = Bench([function(retries: 1)])
        let all = try runs(3, bench)
        bench = try crash(bench, all)
        // The first suspect runs beside a step that was never suspected, and the process dies.
        let fresh = try bench.startedRun()
        bench = try crash(bench, [all[0], fresh])
        #expect(bench.core.summary(of: all[0])?.open.first?.attempt == 2)
        #expect(bench.core.summary(of: fresh)?.open.first?.attempt == 1)
        #expect(ready(bench) == [all[0]])
        // And once more: that was its last attempt, and the next one may run.
        bench = try crash(bench, [all[0]], attempt: 2)
        #expect(bench.core.summary(of: all[0])?.open.isEmpty == true)
        #expect(ready(bench) == [all[1]])
        _ = bench.endBody(all[1], "s", "1")
        _ = bench.endBody(all[2], "s", "1")
        #expect(ready(bench) == [fresh])
    }

    @Test(arguments: ["end", "cancel", "quarantine"])
    func `a suspect whose run ends lets the next one run`(how: String) throws {
        let bench = Bench([function()])
        let all = try runs(2, bench)
        let other = try crash(bench, all)
        let outcome =
            switch how {
            case "end": other.end(all[0])
            case "cancel": other.handle(.end(run: all[0], .cancelled(reason: "r"), input: []))
            default: other.handle(.quarantine(run: all[0], reason: "r"))
            }
        #expect(outcome.effects.contains(.deliver(run: all[1], key: "s", .retry(attempt: 1))))
        #expect(ready(other) == [all[1]])
    }

    @Test func `a suspect that is not first may end without letting anybody run`() throws {
        let bench = Bench([function()])
        let all = try runs(3, bench)
        let other = try crash(bench, all)
        #expect(other.end(all[1]).effects.isEmpty)
        #expect(other.endBody(all[0], "s", "1").effects == [.deliver(run: all[2], key: "s", .retry(attempt: 1))])
    }

    @Test func `suspects that were cleared stay cleared after a restart`() throws {
        let bench = Bench([function()])
        let all = try runs(3, bench)
        let other = try crash(bench, all)
        _ = other.endBody(all[0], "s", "1")
        for again in [try other.replayed(), try other.restored()] { #expect(ready(again) == [all[1]]) }
    }

    @Test func `a parked suspect is loaded when its turn comes, also when the process dies right then`() throws {
        let bench = Bench([function()])
        let all = try runs(2, bench)
        let other = try crash(bench, all)
        #expect(other.handle(.park(run: all[1])).answer == .done)
        #expect(other.endBody(all[0], "s", "1").effects == [.deliver(run: all[1], key: "s", .retry(attempt: 1))])
        let again = try other.restored()
        #expect(again.core.outstandingEffects(at: again.time).contains(.run(all[1], input: nil)))
    }

    @Test func `a suspect that its code no longer reaches does not hold up the others`() throws {
        let bench = Bench([function()])
        let all = try runs(2, bench)
        let other = try crash(bench, all)
        // A new version of the code sleeps first, and the run parks although its suspect may run.
        _ = other.sleep(all[0], "new sleep", 30 * day)
        let outcome = other.handle(.park(run: all[0]))
        #expect(outcome.effects == [.deliver(run: all[1], key: "s", .retry(attempt: 1))])
        #expect(ready(other).contains(all[1]))
        // Its attempts stay counted, should the code come to it after all.
        #expect(other.core.summary(of: all[0])?.open.first { $0.key == "s" }?.kind == .retry)
    }

    @Test func `suspects of a function that was removed do not hold up the others`() throws {
        let functions = [function(), function("app-g", on: ["g"])]
        let bench = Bench(functions)
        let first = try bench.startedRun()
        let second = try #require(bench.publish("g").first)
        bench.handle(.begin(run: second))
        let other = try crash(bench, [first, second])
        #expect(ready(other) == [first])
        let outcome = other.register([functions[1]])
        #expect(outcome.effects.contains(.deliver(run: second, key: "s", .retry(attempt: 1))))
        #expect(ready(other).contains(second))
    }

    @Test func `a mark of a run that is gone means nothing`() throws {
        let bench = Bench([function()])
        let run = try bench.startedRun()
        let gone = ULID(high: 1, low: 1)
        let other = try bench.replayed()
        let outcome = other.open(
            epoch: 2,
            interrupted: [
                InterruptedStep(run: gone, key: "s", attempt: 1), InterruptedStep(run: run, key: "s", attempt: 1),
            ])
        // The other one was alone, then.
        #expect(outcome.lines.last?.record == .stepInterrupted(key: "s", attempt: 1, isCharged: true))
    }

    @Test func `a stop that interrupted nothing charges nobody`() throws {
        let bench = Bench([function()])
        let run = try bench.startedRun()
        let other = try bench.replayed()
        #expect(other.open(epoch: 2).kinds == ["epoch.opened"])
        #expect(other.core.outstandingEffects(at: other.time) == [.run(run, input: nil)])
    }
}
