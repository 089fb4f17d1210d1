package import Daybook
import Synchronization

/// A pool without threads for runs whose bodies may wait for something outside: it runs what it is told to run, and
/// says when work arrives from elsewhere.
///
/// Work may arrive from any thread; `step` is called by one at a time.
package final class TestPool: RunPool {
    private enum Item {
        /// The next turn of `turns`.
        case turn
        case job(UnownedJob)
    }

    private struct State {
        var items: [Item] = []
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())
    private let turns = ManualPool()
    private let choose: @Sendable (_ count: Int) -> Int

    /// - Parameter choose: which of `count` waiting pieces comes next, counted from 0 in order of arrival. The default
    ///   takes the oldest.
    package init(choose: @escaping @Sendable (_ count: Int) -> Int = { _ in 0 }) {
        self.choose = choose
    }

    package var isEmpty: Bool { state.withLock { $0.items.isEmpty } }

    /// Runs one piece of work; false when there is none.
    package func step() -> Bool {
        let choose = self.choose
        let item = state.withLock { state -> Item? in
            state.items.isEmpty ? nil : state.items.remove(at: choose(state.items.count))
        }
        switch item {
        case .turn: _ = turns.step()
        case .job(let job): job.runSynchronously(on: asUnownedTaskExecutor())
        case nil: return false
        }
        return true
    }

    /// Returns once there is work.
    package func waitForWork() async {
        await withCheckedContinuation { (waiter: CheckedContinuation<Void, Never>) in
            let isThere = state.withLock { state -> Bool in
                if state.items.isEmpty { state.waiters.append(waiter) }
                return !state.items.isEmpty
            }
            if isThere { waiter.resume() }
        }
    }

    // MARK: - RunPool

    package func submit(_ run: RunExecution) {
        turns.submit(run)
        append(CollectionOfOne(.turn))
    }

    package func submit(contentsOf runs: [RunExecution]) {
        turns.submit(contentsOf: runs)
        append(runs.map { _ in .turn })
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        append(CollectionOfOne(.job(UnownedJob(job))))
    }

    private func append(_ items: some Sequence<Item> & Sendable) {
        let waiters = state.withLock { state in
            state.items.append(contentsOf: items)
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }
}
