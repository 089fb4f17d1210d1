/// The threads of a process that run step bodies and the turns of runs: one pool for both.
///
/// It starts with as many threads as there are processors. When something has waited for 2 ms and no thread took
/// anything in that time, all of them are busy with bodies that block: twice as many may run, up to `threadsMax`. When
/// work goes through quickly again, fewer may; threads that are not needed sleep, and end after ten seconds. A thread
/// takes one piece of work at a time, oldest first.
package final class WorkerPool: RunPool, @unchecked Sendable {
    private struct State: ~Copyable {
        var items = RingQueue<PoolItem>(capacity: 256)
        /// Idle threads, the last to fall asleep at the end: its caches are warm.
        var sleepers: [Parker] = []
        var threads = 0
        /// Threads that may run at a time.
        var runningMax: Int
        /// Pieces of work taken so far; the monitor looks how it moves.
        var taken = 0
        var isMonitorAwake = false
        var isStopping = false

        var running: Int { threads - sleepers.count }

        mutating func popSleeper() -> Parker? {
            running < runningMax ? sleepers.popLast() : nil
        }
    }

    /// Read and written only while `lock` is held.
    private let state: UnsafeMutablePointer<State>
    private let lock = BargingLock()
    private let workerMark = ThreadMark()
    private let threadsMin: Int
    private let threadsMax: Int
    private let monitorParker = Parker()

    private static let idleMillisecondsMax = 10_000
    private static let lookMilliseconds = 2
    /// Looks at an empty queue before the monitor sleeps without a limit.
    private static let emptyLooksMax = 5
    /// Pieces of work a running thread takes between two looks when none of them blocks.
    private static let quickPieces = 4

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
        state = .allocate(capacity: 1)
        state.initialize(to: State(runningMax: threads))
        state.pointee.threads = threads
        for _ in 0..<threads { startThread { [self] in work() } }
        startThread { [self] in monitor() }
    }

    deinit {
        state.deinitialize(count: 1)
        state.deallocate()
    }

    private func withLock<Result>(_ body: (inout State) -> Result) -> Result {
        lock.lock()
        defer { lock.unlock() }
        return body(&state.pointee)
    }

    /// Threads there are now.
    package var threadCount: Int { withLock { $0.threads } }

    /// Ends the threads once nothing waits; work that arrives later is not run.
    package func stop() {
        let sleepers = withLock { state -> [Parker] in
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
        let isWorker = workerMark.isSet
        let (sleeper, wakesMonitor) = withLock { state -> (Parker?, Bool) in
            state.items.append(item)
            // A worker that hands in a single piece takes it itself, in a moment; if it does not, the monitor sees.
            let sleeper = isWorker && state.items.count == 1 ? nil : state.popSleeper()
            return (sleeper, sleeper == nil && Self.needsMonitor(&state))
        }
        sleeper?.wake()
        if wakesMonitor { monitorParker.wake() }
    }

    package func submit(contentsOf runs: [RunExecution]) {
        guard runs.count > 1 else {
            if let run = runs.first { submit(.turn(run)) }
            return
        }
        let (sleepers, wakesMonitor) = withLock { state -> (ArraySlice<Parker>, Bool) in
            for run in runs { state.items.append(.turn(run)) }
            let count = min(runs.count, state.sleepers.count, max(0, state.runningMax - state.running))
            let sleepers = state.sleepers.suffix(count)
            state.sleepers.removeLast(count)
            return (sleepers, count < runs.count && Self.needsMonitor(&state))
        }
        for sleeper in sleepers { sleeper.wake() }
        if wakesMonitor { monitorParker.wake() }
    }

    /// The monitor must be awake while work waits that no thread was woken for.
    private static func needsMonitor(_ state: inout State) -> Bool {
        guard !state.isMonitorAwake else { return false }
        state.isMonitorAwake = true
        return true
    }

    // MARK: - Taking out

    private enum Next { case item(PoolItem), sleep(isExtra: Bool), end }

    private func work() {
        workerMark.set()
        let parker = Parker()
        let executor = asUnownedTaskExecutor()
        while true {
            let next = withLock { state -> Next in
                if state.running <= state.runningMax, let item = state.items.popFirst() {
                    state.taken &+= 1
                    return .item(item)
                }
                if state.isStopping, state.items.isEmpty {
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
                guard !parker.wait(milliseconds: Self.idleMillisecondsMax), retire(parker) else { continue }
                return
            }
        }
    }

    /// Whether the thread that slept there may end.
    private func retire(_ parker: Parker) -> Bool {
        withLock { state -> Bool in
            // Somebody may have taken the parker to wake it just now; then the wake is on its way.
            guard state.threads > threadsMin, let index = state.sleepers.firstIndex(where: { $0 === parker }) else {
                return false
            }
            state.sleepers.remove(at: index)
            state.threads -= 1
            return true
        }
    }

    // MARK: - Growing and shrinking

    private enum Look { case stop, sleep, again, grow(woken: ArraySlice<Parker>, started: Int) }

    private func monitor() {
        var takenBefore: Int?
        var emptyLooks = 0
        while true {
            let look = withLock { state in self.look(&state, &takenBefore, &emptyLooks) }
            switch look {
            case .stop: return
            case .sleep: monitorParker.wait()
            case .again: _ = monitorParker.wait(milliseconds: Self.lookMilliseconds)
            case .grow(let woken, let started):
                for sleeper in woken { sleeper.wake() }
                for _ in 0..<started { startThread { [self] in work() } }
                _ = monitorParker.wait(milliseconds: Self.lookMilliseconds)
            }
        }
    }

    private func look(_ state: inout State, _ takenBefore: inout Int?, _ emptyLooks: inout Int) -> Look {
        if state.isStopping { return .stop }
        let takenSince = takenBefore.map { state.taken &- $0 }
        takenBefore = state.taken
        if let takenSince, takenSince >= Self.quickPieces * state.runningMax {
            state.runningMax = max(threadsMin, state.runningMax / 2)
        }
        guard !state.items.isEmpty else {
            emptyLooks += 1
            guard emptyLooks > Self.emptyLooksMax else { return .again }
            emptyLooks = 0
            takenBefore = nil
            state.runningMax = threadsMin
            state.isMonitorAwake = false
            return .sleep
        }
        emptyLooks = 0
        guard takenSince == 0 else { return .again }
        // Nothing was taken although something waits.
        if state.running >= state.runningMax { state.runningMax = min(state.runningMax * 2, threadsMax) }
        let missing = max(0, state.runningMax - state.running)
        let woken = state.sleepers.suffix(missing)
        state.sleepers.removeLast(woken.count)
        let started = min(missing - woken.count, threadsMax - state.threads)
        state.threads += started
        return .grow(woken: woken, started: started)
    }
}
