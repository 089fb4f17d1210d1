internal import Synchronization

/// A pool without threads: whoever holds it runs one piece of work after another. For tests and the simulator.
///
/// Work may arrive from any thread; `step` and `runUntilIdle` are called from one thread at a time.
package final class ManualPool: RunPool {
    private let items = Mutex(RingQueue<PoolItem>())
    private let choose: @Sendable (_ count: Int) -> Int

    /// - Parameter choose: which of `count` waiting pieces comes next, counted from 0 in order of arrival. The default
    ///   takes the oldest; a seeded choice explores other orders.
    package init(choose: @escaping @Sendable (_ count: Int) -> Int = { _ in 0 }) {
        self.choose = choose
    }

    /// Pieces of work that wait.
    package var count: Int { items.withLock { $0.count } }

    /// Runs one piece of work; false when there is none.
    package func step() -> Bool {
        let choose = self.choose
        let item = items.withLock { items -> PoolItem? in
            items.isEmpty ? nil : items.remove(at: choose(items.count))
        }
        switch item {
        case .turn(let run): run.takeTurn()
        case .job(let job): job.runSynchronously(on: asUnownedTaskExecutor())
        case nil: return false
        }
        return true
    }

    /// Runs all there is, and what comes of it, up to a limit.
    /// - Returns: how many pieces were run.
    @discardableResult
    package func runUntilIdle(limit: Int = .max) -> Int {
        var ran = 0
        while ran < limit, step() { ran += 1 }
        return ran
    }

    package func submit(_ run: RunExecution) {
        items.withLock { $0.append(.turn(run)) }
    }

    package func submit(contentsOf runs: [RunExecution]) {
        items.withLock { items in
            for run in runs { items.append(.turn(run)) }
        }
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        items.withLock { $0.append(.job(job)) }
    }
}
