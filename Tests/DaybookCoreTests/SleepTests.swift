import DaybookCore
import DaybookValues
import Testing

struct SleepTests {
    private let null = Array("null".utf8)

    @Test func `a sleep ends at its instant and not before`() throws {
        let bench = Bench([function()])
        let run = try bench.startedRun()
        let outcome = bench.sleep(run, "nap", hour)
        #expect(outcome.answer == .opened)
        #expect(
            outcome.lines.map(\.record) == [.sleepStarted(key: "nap", due: start + hour, length: hour, isUntil: false)])
        #expect(bench.core.nextDeadlines.now == start + hour)
        #expect(bench.advance(by: hour - 1).effects.isEmpty)
        #expect(bench.advance(by: 1).effects == [.deliver(run: run, key: "nap", .completed(null))])
        #expect(bench.advance(by: day).effects.isEmpty)
    }

    @Test(arguments: [0, -1, .min] as [Int64])
    func `a sleep of no length is over at once`(length: Int64) throws {
        let bench = Bench([function()])
        let run = try bench.startedRun()
        let outcome = bench.sleep(run, "nap", length)
        #expect(outcome.answer == .completed(null))
        #expect(outcome.kinds == ["step.completed"])
        #expect(bench.core.nextDeadlines.now == nil)
    }

    @Test(arguments: [start, start + -1, .zero, Timestamp(milliseconds: .min)])
    func `a sleep until an instant that has passed is over at once`(instant: Timestamp) throws {
        let bench = Bench([function()])
        let run = try bench.startedRun()
        #expect(bench.handle(.sleep(run: run, key: "nap", length: .until(instant))).answer == .completed(null))
    }

    @Test func `a sleep of more than 366 days fails the step and names the limit`() throws {
        let bench = Bench([function()])
        let run = try bench.startedRun()
        #expect(bench.sleep(run, "a", 366 * day).answer == .opened)
        for (key, length) in [
            ("b", .duration(366 * day + 1)), ("c", .duration(.max)), ("d", .until(start + (366 * day + 1))),
            ("e", .until(Timestamp(milliseconds: .max))),
        ] as [(String, WaitLength)] {
            guard case .failed(let error) = bench.handle(.sleep(run: run, key: key, length: length)).answer else {
                Issue.record("\(key) was not refused")
                continue
            }
            #expect(text(error).contains("366 days"))
        }
        #expect(bench.core.hasRun(run))
    }

    @Test func `a sleep until an instant follows the wall clock, a sleep for a time does not`() throws {
        let bench = Bench([function()])
        let run = try bench.startedRun()
        _ = bench.sleep(run, "for", 2 * hour)
        bench.handle(.sleep(run: run, key: "until", length: .until(start + 2 * hour)))
        // The wall clock is set forward by an hour.
        bench.wallOffset = hour
        #expect(bench.advance(by: hour).effects == [.deliver(run: run, key: "until", .completed(null))])
        #expect(bench.advance(by: hour).effects == [.deliver(run: run, key: "for", .completed(null))])
    }

    @Test func `sleeps due at the same instant end in the order in which they began, also after a restart`() throws {
        let bench = Bench([function()])
        let runs = try (0..<20).map { _ in try bench.startedRun() }
        for run in runs.reversed() { _ = bench.sleep(run, "nap", hour) }
        let expected = runs.reversed().map { Effect.deliver(run: $0, key: "nap", .completed(null)) }
        let others = [try bench.restored(), try bench.replayed(), bench]
        for other in others { #expect(other.advance(by: hour).effects == expected) }
    }

    @Test func `sleeps beside each other end one by one`() throws {
        let bench = Bench([function()])
        let run = try bench.startedRun()
        for minutes in [3, 1, 2] as [Int64] { _ = bench.sleep(run, "nap\(minutes)", minutes * minute) }
        let keys = bench.advance(by: hour).effects.compactMap {
            if case .deliver(_, let key, _) = $0 { key } else { nil }
        }
        #expect(keys == ["nap1", "nap2", "nap3"])
    }

    @Test func `a step that became a sleep in a new version of the code is a sleep from then on`() throws {
        let bench = Bench([function()], retryPolicy: RetryPolicy(fixedWait: minute))
        let run = try bench.startedRun()
        _ = bench.failBody(run, "s", attempt: 1)
        #expect(bench.sleep(run, "s", hour).answer == .opened)
        #expect(bench.core.summary(of: run)?.open.map(\.kind) == [.sleep])
        #expect(bench.advance(by: day).effects == [.deliver(run: run, key: "s", .completed(null))])
        #expect(bench.core.summary(of: run)?.stepCount == 1)
    }

    @Test func `thousands of timers of ended runs are dropped, and those of living runs are not`() throws {
        let bench = Bench([function()])
        let alive = try bench.startedRun()
        _ = bench.sleep(alive, "nap", 10 * day)
        for _ in 0..<5_000 {
            let run = try bench.startedRun()
            _ = bench.sleep(run, "nap", day)
            _ = bench.end(run)
        }
        bench.advance(by: 2 * day)
        #expect(bench.advance(by: 8 * day).effects == [.deliver(run: alive, key: "nap", .completed(null))])
    }
}
