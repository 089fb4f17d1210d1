internal import Synchronization

/// The threads of a process that run step bodies and the turns of runs: one pool for both.
///
/// It starts with as many threads as there are processors. When something has waited for 2 ms and no thread took
/// anything in that time, all of them are busy with bodies that block: the pool doubles, up to `threadsMax`. Threads
/// beyond the first ones end after ten idle seconds. A thread takes one piece of work at a time, oldest first.
package final class WorkerPool: RunPool {
    private struct State: ~Copyable {
        var items = RingQueue<PoolItem>(capacity: 256)
        /// Idle threads, the last to fall asleep first: its caches are warm.
        var sleepers: [Parker] = []
        var threads = 0
        /// Pieces of work taken so far; the monitor looks whether it moves.
        var taken = 0
        var isMonitorAwake = false
        var isStopping = false
    }

    private let state = Mutex(State())
    private let threadsMin: Int
    private let threadsMax: Int
    private let monitorParker = Parker()

    private static let idleMillisecondsMax = 10_000
    private static let stallMilliseconds = 2
    /// Looks at an empty queue before the monitor sleeps without a limit.
    private static let quietLooksMax = 5

    /// Starts the threads. They hold the pool: it lives until `stop`.
    ///
    /// - Parameters:
    ///   - threads: kept always. The default is one per processor.
    ///   - threadsMax: when bodies block. The default is 64.
    package init(threads: Int? = nil, threadsMax: Int = 64) {
        let threads = threads ?? processorCount()
        precondition(threads >= 1, "a pool needs at least one thread")
        threadsMin = threads
        self.threadsMax = max(threads, threadsMax)
        grow(by: threads)
        startThread { [self] in monitor() }
    }

    /// Threads there are now.
    package var threadCount: Int { state.withLock { $0.threads } }

    /// Ends the threads once nothing waits; work that arrives later is not run.
    package func stop() {
        let sleepers = state.withLock { state -> [Parker] in
            state.isStopping = true
            defer { state.sleepers = [] }
            return state.sleepers
        }
        for sleeper in sleepers { sleeper.wake() }
        monitorParker.wake()
    }

    // MARK: - Handing in

    package func submit(_ run: RunExecution) { submit(.turn(run)) }

    package func enqueue(_ job: consuming ExecutorJob) { submit(.job(UnownedJob(job))) }

    private func submit(_ item: PoolItem) {
        let (sleeper, wakesMonitor) = state.withLock { state -> (Parker?, Bool) in
            state.items.append(item)
            return (state.sleepers.popLast(), Self.needsMonitor(&state))
        }
        sleeper?.wake()
        if wakesMonitor { monitorParker.wake() }
    }

    package func submit(contentsOf runs: [RunExecution]) {
        guard !runs.isEmpty else { return }
        let (sleepers, wakesMonitor) = state.withLock { state -> (ArraySlice<Parker>, Bool) in
            for run in runs { state.items.append(.turn(run)) }
            let sleepers = state.sleepers.suffix(runs.count)
            state.sleepers.removeLast(sleepers.count)
            return (sleepers, Self.needsMonitor(&state))
        }
        for sleeper in sleepers { sleeper.wake() }
        if wakesMonitor { monitorParker.wake() }
    }

    /// The monitor is needed when work waits and no thread sleeps: then all may be blocked.
    private static func needsMonitor(_ state: inout State) -> Bool {
        guard !state.isMonitorAwake, state.sleepers.isEmpty else { return false }
        state.isMonitorAwake = true
        return true
    }

    // MARK: - Taking out

    private func grow(by count: Int) {
        state.withLock { $0.threads += count }
        for _ in 0..<count { startThread { [self] in work() } }
    }

    private func work() {
        let parker = Parker()
        let executor = asUnownedTaskExecutor()
        while true {
            enum Next { case item(PoolItem), sleep(isExtra: Bool), end }
            let next = state.withLock { state -> Next in
                if let item = state.items.popFirst() {
                    state.taken &+= 1
                    return .item(item)
                }
                if state.isStopping {
                    state.threads -= 1
                    return .end
                }
                state.sleepers.append(parker)
                return .sleep(isExtra: state.threads > threadsMin)
            }
            switch next {
            case .item(.turn(let run)): run.takeTurn()
            case .item(.job(let job)): job.runSynchronously(on: executor)
            case .end: return
            case .sleep(isExtra: false): parker.wait()
            case .sleep(isExtra: true):
                guard !parker.wait(milliseconds: Self.idleMillisecondsMax) else { continue }
                let ends = state.withLock { state -> Bool in
                    // Somebody may have taken the parker to wake it just now; then the wake is on its way.
                    guard let index = state.sleepers.firstIndex(where: { $0 === parker }) else { return false }
                    state.sleepers.remove(at: index)
                    guard state.threads > threadsMin else { return false }
                    state.threads -= 1
                    return true
                }
                if ends { return }
            }
        }
    }

    // MARK: - Growing

    private func monitor() {
        var takenBefore = -1
        var quietLooks = 0
        while true {
            enum Look { case stop, sleep, again, grow(Int) }
            let look = state.withLock { state -> Look in
                if state.isStopping { return .stop }
                guard !state.items.isEmpty else {
                    quietLooks += 1
                    takenBefore = -1
                    guard quietLooks > Self.quietLooksMax else { return .again }
                    quietLooks = 0
                    state.isMonitorAwake = false
                    return .sleep
                }
                quietLooks = 0
                defer { takenBefore = state.taken }
                guard state.taken == takenBefore, state.sleepers.isEmpty, state.threads < threadsMax else {
                    return .again
                }
                return .grow(min(state.threads, threadsMax - state.threads))
            }
            switch look {
            case .stop: return
            case .sleep: monitorParker.wait()
            case .again: _ = monitorParker.wait(milliseconds: Self.stallMilliseconds)
            case .grow(let count):
                grow(by: count)
                _ = monitorParker.wait(milliseconds: Self.stallMilliseconds)
            }
        }
    }
}
