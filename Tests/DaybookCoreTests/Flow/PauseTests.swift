import DaybookCore
import DaybookValues
import Testing

struct PauseTests {
    @Test func `a paused function starts no runs, its runs stand still, and resuming goes on`() throws {
        let bench = Bench([limited()])
        let run = try #require(bench.send().activated.first)
        bench.handle(.begin(run: run))
        bench.released(bench.sleep(run, "nap", second))
        let paused = bench.handle(.pause(function: "app-fn"))
        #expect(paused.effects == [.hold(function: "app-fn")])
        #expect(bench.send().dropped == [.paused])
        // The sleep ends, and nobody is told.
        let woken = bench.wait(until: minute)
        #expect(woken.kinds == ["step.completed"])
        #expect(woken.effects.isEmpty)
        #expect(bench.waiting(run) == .paused)
        try bench.expectSameAfterCrash()
        let later = try bench.replayed()
        #expect(later.core.outstandingEffects(at: later.time) == [])
        #expect(later.released(later.handle(.resume(function: "app-fn"))).activated == [run])
        #expect(later.send().activated.count == 1)
    }

    @Test func `a retry that comes due while the function is paused is made once it is resumed`() throws {
        let bench = Bench([limited()], retryPolicy: RetryPolicy())
        let run = try #require(bench.send().activated.first)
        bench.handle(.begin(run: run))
        bench.released(bench.failBody(run, "step", attempt: 1))
        bench.handle(.park(run: run))
        bench.handle(.pause(function: "app-fn"))
        bench.wait(until: hour)
        #expect(bench.released(bench.handle(.resume(function: "app-fn"))).delivered == [run])
    }

    @Test func `a function that does not exist cannot be paused`() {
        let bench = Bench([limited()])
        #expect(bench.handle(.pause(function: "app-x")).answer == .refused(.unknownFunction("app-x")))
        #expect(bench.handle(.resume(function: "app-fn")).lines.isEmpty)
    }

    @Test func `many runs are cancelled at once, those that have ended are left out`() throws {
        let bench = Bench([limited()])
        let runs = (0..<3).flatMap { _ in bench.send().activated }
        bench.finish(runs[1])
        let outcome = bench.handle(.cancelRuns(runs, reason: "wrong price"))
        #expect(outcome.answer == .cancelled(2))
        #expect(bench.core.unfinishedRuns(of: "app-fn").isEmpty)
    }
}
