import DaybookCore
import DaybookValues
import Testing

struct RetryTests {
    private static let table: [(attempt: Int, seconds: Int64)] = [
        (1, 15), (2, 30), (3, 60), (4, 120), (5, 300), (6, 600), (7, 1_200), (8, 2_400), (9, 3_600), (10, 7_200),
        (11, 7_200), (20, 7_200),
    ]

    @Test(arguments: table)
    func `the wait after a failed attempt is that of the table, with up to 30 seconds of jitter`(
        attempt: Int, seconds: Int64
    ) {
        let policy = RetryPolicy()
        var random = SeededRandom(seed: 1)
        var (least, most) = (Int64.max, Int64.min)
        for _ in 0..<2_000 {
            let wait = policy.wait(afterAttempt: attempt, random: random.next())
            least = min(least, wait)
            most = max(most, wait)
        }
        #expect((seconds * 1_000...seconds * 1_000 + 500).contains(least))
        #expect((seconds * 1_000 + 29_500...seconds * 1_000 + 29_999).contains(most))
        #expect(policy.wait(afterAttempt: attempt, random: 0) == seconds * 1_000)
        #expect(policy.wait(afterAttempt: attempt, random: 29_999) == seconds * 1_000 + 29_999)
        #expect(RetryPolicy(fixedWait: 7).wait(afterAttempt: attempt, random: 29_999) == 7)
    }

    @Test(arguments: [
        (0, 1_000), (-5, 1_000), (999, 1_000), (1_000, 1_000), (day, day), (day + 1, day), (.max, day), (.min, 1_000),
    ])
    func `a wait that was asked for is kept between one second and one day`(asked: Int64, expected: Int64) {
        #expect(RetryPolicy().clamped(retryAfter: asked) == expected)
    }

    @Test func `a failed step is tried again after its wait, until its attempts are used up`() throws {
        let bench = Bench([function(retries: 2)], retryPolicy: RetryPolicy(fixedWait: 10_000))
        let run = try bench.startedRun()
        for attempt in 1...2 {
            let outcome = bench.failBody(run, "s", attempt: attempt)
            #expect(outcome.answer == .retrying(attempt: attempt + 1, at: bench.now + 10_000))
            #expect(bench.advance(by: 9_999).effects.isEmpty)
            #expect(bench.advance(by: 1).effects == [.deliver(run: run, key: "s", .retry(attempt: attempt + 1))])
        }
        let error = Array(#"{"name":"Error","message":"no"}"#.utf8)
        #expect(bench.failBody(run, "s", attempt: 3).answer == .failed(error))
        #expect(bench.advance(by: 10 * day).effects.isEmpty)
        // The function got the error and goes on; the run has not failed by it.
        #expect(bench.core.summary(of: run)?.stepCount == 1)
        #expect(bench.end(run).answer == .ended)
    }

    @Test func `the default is five attempts, with the waits of the table`() throws {
        let bench = Bench([function()])
        let run = try bench.startedRun()
        for (attempt, seconds) in [(1, 15), (2, 30), (3, 60), (4, 120)] as [(Int, Int64)] {
            guard case .retrying(let next, let at) = bench.failBody(run, "s", attempt: attempt).answer else {
                Issue.record("attempt \(attempt) was the last")
                return
            }
            #expect(next == attempt + 1)
            #expect((seconds * 1_000..<seconds * 1_000 + 30_000).contains(at - bench.now))
            bench.advance(by: at - bench.now)
        }
        guard case .failed = bench.failBody(run, "s", attempt: 5).answer else {
            Issue.record("the fifth attempt was not the last")
            return
        }
    }

    @Test func `an error that says so is not tried again, or later`() throws {
        let bench = Bench([function()])
        let run = try bench.startedRun()
        guard case .failed = bench.failBody(run, "a", attempt: 1, isRetriable: false).answer else {
            Issue.record("tried again")
            return
        }
        #expect(
            bench.failBody(run, "b", attempt: 1, retryAfter: hour).answer == .retrying(attempt: 2, at: bench.now + hour)
        )
        #expect(
            bench.failBody(run, "c", attempt: 1, retryAfter: 0).answer == .retrying(attempt: 2, at: bench.now + second))
        #expect(
            bench.failBody(run, "d", attempt: 1, retryAfter: 9 * day).answer
                == .retrying(attempt: 2, at: bench.now + day))
    }

    @Test func `each step has attempts of its own`() throws {
        let bench = Bench([function(retries: 1)], retryPolicy: RetryPolicy(fixedWait: 1_000))
        let run = try bench.startedRun()
        _ = bench.failBody(run, "a", attempt: 1)
        guard case .retrying(2, _) = bench.failBody(run, "b", attempt: 1).answer else {
            Issue.record("one step used up another's attempts")
            return
        }
        let due = bench.advance(by: 1_000).effects
        #expect(
            due == [.deliver(run: run, key: "a", .retry(attempt: 2)), .deliver(run: run, key: "b", .retry(attempt: 2))])
    }

    @Test func `a function that throws starts again, and fails when its attempts are used up`() throws {
        let bench = Bench([function(retries: 1)], retryPolicy: RetryPolicy(fixedWait: 5_000))
        let run = try bench.startedRun()
        let error = AttemptError(name: "Oops", message: "between steps")
        #expect(bench.fail(run, error).answer == .retrying(attempt: 2, at: bench.now + 5_000))
        #expect(bench.core.outstandingEffects(at: bench.time).isEmpty)
        #expect(bench.advance(by: 5_000).effects == [.run(run, input: nil)])
        let outcome = bench.fail(run, error)
        #expect(outcome.answer == .ended)
        #expect(outcome.lines.map(\.record) == [.runFailed(error: error.json)])
    }

    @Test func `a step that succeeds gives the function its attempts back`() throws {
        let bench = Bench([function(retries: 1)], retryPolicy: RetryPolicy(fixedWait: 5_000))
        let run = try bench.startedRun()
        for round in 0..<5 {
            #expect(
                bench.fail(run, AttemptError(name: "E", message: "m")).answer
                    == .retrying(attempt: 2, at: bench.now + 5_000))
            bench.advance(by: 5_000)
            #expect(bench.core.summary(of: run)?.attempt == 2)
            _ = bench.endBody(run, "s\(round)", "1")
            #expect(bench.core.summary(of: run)?.attempt == 1)
        }
    }

    @Test func `a function error that is not retriable ends the run at once`() throws {
        let bench = Bench([function()])
        let run = try bench.startedRun()
        #expect(bench.fail(run).kinds == ["run.failed"])
        #expect(bench.core.summary(of: run) == nil)
        #expect(bench.fail(run).answer == .stale)
    }

    @Test func `a retry that waits survives a restart`() throws {
        let bench = Bench([function()], retryPolicy: RetryPolicy(fixedWait: hour))
        let first = try bench.startedRun()
        let second = try bench.startedRun()
        _ = bench.failBody(first, "s", attempt: 1)
        _ = bench.fail(second, AttemptError(name: "E", message: "m"))
        for run in [first, second] { bench.handle(.park(run: run)) }
        for other in [try bench.restored(), try bench.replayed()] {
            #expect(other.core.outstandingEffects(at: other.time).isEmpty)
            #expect(
                other.advance(by: hour).effects
                    == [.deliver(run: first, key: "s", .retry(attempt: 2)), .run(second, input: nil)])
        }
    }
}
