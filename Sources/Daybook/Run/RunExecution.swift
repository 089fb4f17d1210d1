internal import DaybookValues
package import Logging
internal import Synchronization

/// One run while its code is loaded: the serial executor the code lives on, the results it is handed, and the calls
/// that wait for them.
///
/// **Order.** Everything the code does happens in *turns* on a thread of the pool, one at a time. A turn runs jobs
/// while there are any; then, with nothing else of the run able to move, hands the lowest result that somebody waits
/// for to its call; then starts calls that are not recorded; then reports quiet. Recorded results and new ones are
/// handed over by the same rule, so a run that is started again takes the same course.
///
/// **Slots.** With `Options.limitsBodies` no more bodies run than the run has slots: one to begin with, more as `grantSlot`
/// brings them, none after `yieldIfQuiet` until the next grant. A body without one waits, which the code does not see.
///
/// **State.** `shared` is what other threads leave; `own` is touched only during a turn.
/// `isOnOwnThread` says whether the caller is in one, and every step call checks it.
package final class RunExecution: TaskExecutor, @unchecked Sendable {
    package struct Options: Sendable {
        /// Calls return what was recorded in place of the body's own value, so that a type that does not survive
        /// coding shows at once. For `dev` and tests.
        package var decodesOwnResults: Bool
        /// Step calls in one run before it fails.
        package var stepsMax: Int
        /// Bodies wait for a slot; the driver hands them out.
        package var limitsBodies: Bool
        /// Asked before every body what takes its place, if anything does. For tests.
        package var standIn: (@Sendable (_ key: StepKey, _ attempt: Int) -> StandIn?)?

        package init(
            decodesOwnResults: Bool = false, stepsMax: Int = 10_000, limitsBodies: Bool = false,
            standIn: (@Sendable (_ key: StepKey, _ attempt: Int) -> StandIn?)? = nil
        ) {
            self.decodesOwnResults = decodesOwnResults
            self.stepsMax = stepsMax
            self.limitsBodies = limitsBodies
            self.standIn = standIn
        }
    }

    /// What a test puts in the place of a body.
    package enum StandIn: Sendable {
        case fails(any Error)
        /// The value as JSON.
        case returns([UInt8])
    }

    package enum CloseMode: Sendable {
        /// At once: waiting calls throw; bodies that run are cancelled, cooperatively.
        case now
        /// When no body runs and no result is on its way; until then no body starts and nothing is handed over.
        case afterBodies
        /// At once if nothing can move, else not at all.
        case ifQuiet
    }

    package let function: FunctionRegistration
    package let input: RunInput
    package let options: Options
    let driver: any RunDriver
    package let pool: any RunPool
    /// With the run and the function attached.
    let logger: Logger
    private let replay: ReplayState

    /// What other threads leave for the next turn.
    struct Shared: ~Copyable {
        enum Phase { case idle, submitted, running }
        var phase = Phase.idle
        var jobs = RingQueue<UnownedJob>()
        var deliveries: [Delivery] = []
        var interrupts: [CallTicket] = []
        /// Slots that were granted.
        var grants = 0
        /// All slots, and what was asked for, were taken away while the run was quiet.
        var hasYielded = false
        var closing: CloseMode?
        /// The next turn has not seen `closing` yet.
        var isClosingNew = false
        var isQuiet = false
        /// How often the run became quiet.
        var quietReports = 0
        /// The last turn ended with a result whose call was still on its way back from its body.
        var awaitsHopBack = false
        var task: Task<Void, Never>?
        var isTaskCancelled = false
    }
    struct Delivery {
        var key: StepKey
        var result: StepResult
    }
    let shared = Mutex(Shared())
    /// The thread that runs the current turn, 0 between turns. Only that thread finds its own id here.
    private let turnThread = Atomic<UInt>(0)

    /// A thread of the pool whose next job for this run is a call on its way back from its body: such a job waits
    /// for its result anyway, so it needs no turn of its own. Two at once may hide each other, which costs a turn.
    let hopBackThread = Atomic<UInt>(0)

    /// What only a turn touches. Behind a pointer, because the checks the compiler adds to a class's own variables
    /// would be a sixth of what a step costs; `isOnOwnThread` is the check that is needed, once per call.
    struct Confined: ~Copyable {
        var jobs = RingQueue<UnownedJob>()
        var spareDeliveries: [Delivery] = []
        var calls: CallTable
        var stop: Stop?
        var isClosingAfterBodies = false
        var callsAfterStop = 0
        var hasEnded = false
        var hasReportedQuiet = false
        var quietReports = 0
        /// Bodies that may run at a time; of no meaning without `limitsBodies`.
        var slots = 1
        /// Slots asked for and not granted yet.
        var slotsWanted = 0
        /// The code is left behind; the run ends once none of its bodies runs.
        var isAbandoned = false
    }
    let own: UnsafeMutablePointer<Confined>

    /// Why no call is answered any more.
    enum Stop {
        case closed
        /// The run's own code cannot go on, whatever it catches.
        case fault(any Error, RunOutcome)

        var error: any Error {
            switch self {
            case .closed: CancellationError()
            case .fault(let error, _): error
            }
        }
    }

    package init(
        _ function: FunctionRegistration, input: RunInput, memo: Memo = Memo(), driver: any RunDriver,
        pool: any RunPool, logger: Logger, options: Options = Options()
    ) {
        self.function = function
        self.input = input
        self.options = options
        self.driver = driver
        self.pool = pool
        var logger = logger
        logger[metadataKey: "run"] = .string(input.runID)
        logger[metadataKey: "function"] = .string(input.functionID)
        self.logger = logger
        self.own = .allocate(capacity: 1)
        self.own.initialize(to: Confined(calls: CallTable(memo)))
        self.replay = ReplayState(isReplaying: !memo.entries.isEmpty || !memo.openCalls.isEmpty)
    }

    deinit {
        own.deinitialize(count: 1)
        own.deallocate()
    }

    var attemptsMax: Int { function.attemptsMax }

    /// While the code goes through what is recorded. Any thread may ask.
    var isReplaying: Bool { replay.isReplaying.load(ordering: .relaxed) }

    var replayLogger: Logger {
        guard isReplaying else { return logger }
        var logger = logger
        logger.handler = ReplaySilencedHandler(logger.handler, replay)
        return logger
    }

    /// Whether the caller is this run's code, in one of its turns.
    var isOnOwnThread: Bool { turnThread.load(ordering: .relaxed) == currentThreadID() }

    // MARK: - For the driver

    /// Starts the code. Once, from any thread; the first turn is submitted to the pool.
    package func start() {
        let task = Task.detached(executorPreference: self) { await self.main() }
        let cancelsNow = shared.withLock { shared -> Bool in
            precondition(shared.task == nil, "a run is started once")
            shared.task = task
            return shared.isTaskCancelled
        }
        if cancelsNow { task.cancel() }
    }

    /// Hands in what came of a call. From any thread; short, and without a call to anybody.
    ///
    /// Results that are journaled (`recorded`, `completed`, `failed`) must be handed in in journal order. A result
    /// for a call that the code has not come to yet is kept for it.
    /// - Returns: true when the run must be given to its pool, alone or with others, by the caller.
    package func deliver(_ key: StepKey, _ result: StepResult) -> Bool {
        shared.withLock { shared in
            shared.deliveries.append(Delivery(key: key, result: result))
            guard shared.phase == .idle else { return false }
            shared.phase = .submitted
            return true
        }
    }

    /// Ends this loading of the run: its calls throw `CancellationError`, its task is cancelled, `didEnd(.closed)`
    /// follows. From any thread. A stronger mode replaces a weaker one; a run that ended stays ended.
    /// - Returns: false only for `ifQuiet`, when something can move.
    @discardableResult
    package func close(_ mode: CloseMode) -> Bool {
        let submits = shared.withLock { shared -> Bool? in
            switch mode {
            case .ifQuiet:
                guard shared.closing == nil, shared.isQuiet, shared.jobs.isEmpty, shared.deliveries.isEmpty,
                    shared.interrupts.isEmpty
                else { return nil }
                shared.closing = .now
            case .now:
                shared.closing = .now
            case .afterBodies:
                if shared.closing == nil { shared.closing = .afterBodies }
            }
            shared.isClosingNew = true
            // Also during a turn, on another thread: the code of a long turn learns of it by its cancelled task.
            guard shared.phase != .submitted else { return false }
            if shared.phase == .idle { shared.phase = .submitted }
            return true
        }
        if submits == true { pool.submit(self) }
        return submits != nil
    }

    // MARK: - Executor

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        if isOnOwnThread {
            own.pointee.jobs.append(job)
            return
        }
        let isHopBack = hopBackThread.load(ordering: .relaxed) == currentThreadID()
        if isHopBack { hopBackThread.store(0, ordering: .relaxed) }
        let submits = shared.withLock { shared -> Bool in
            shared.jobs.append(job)
            guard shared.phase == .idle else { return false }
            guard !isHopBack || shared.awaitsHopBack || shared.closing != nil else { return false }
            shared.phase = .submitted
            return true
        }
        if submits { pool.submit(self) }
    }

    /// One turn: everything that can move, until nothing can. For the pool.
    func takeTurn() {
        let begins = shared.withLock { shared -> Bool in
            guard shared.phase != .running else { return false }
            shared.phase = .running
            return true
        }
        guard begins else {
            if shared.withLock({ $0.closing == .now }) { cancelTask() }
            return
        }
        turnThread.store(currentThreadID(), ordering: .relaxed)
        let executor = asUnownedTaskExecutor()
        while true {
            while let job = own.pointee.jobs.popFirst() {
                own.pointee.hasReportedQuiet = false
                job.runSynchronously(on: executor)
            }
            switch lookAround() {
            case .again: continue
            case .moveConfined: moveConfined()
            case .settleSlots: settleSlots()
            case .reportQuiet: driver.didBecomeQuiet(self, report: own.pointee.quietReports)
            case .pause: return
            }
        }
    }

    private enum Next { case again, moveConfined, settleSlots, reportQuiet, pause }

    /// With no job left: takes what others left, else says what the run itself can do next.
    private func lookAround() -> Next {
        let canMove = canMoveConfined
        let isQuiet = !canMove && isWaiting && !own.pointee.hasReportedQuiet
        let awaitsHopBack = !canMove && own.pointee.calls.hasReady
        // Before the run is quiet: then its slots may be gone.
        let settlesSlots = options.limitsBodies && !canMove && slotsToAskFor != 0
        // Two arrays change places for ever, so that a delivery allocates nothing.
        var deliveries = own.pointee.spareDeliveries
        own.pointee.spareDeliveries = []
        var interrupts: [CallTicket] = []
        var closing: CloseMode?
        let next = shared.withLock { shared -> Next in
            if !shared.jobs.isEmpty || !shared.deliveries.isEmpty || !shared.interrupts.isEmpty
                || shared.isClosingNew || shared.grants > 0
            {
                if shared.hasYielded {
                    own.pointee.slots = 0
                    own.pointee.slotsWanted = 0
                    shared.hasYielded = false
                }
                if shared.grants > 0 {
                    own.pointee.slots += shared.grants
                    own.pointee.slotsWanted = max(0, own.pointee.slotsWanted - shared.grants)
                    shared.grants = 0
                }
                while let job = shared.jobs.popFirst() { own.pointee.jobs.append(job) }
                swap(&deliveries, &shared.deliveries)
                swap(&interrupts, &shared.interrupts)
                if shared.isClosingNew { closing = shared.closing }
                shared.isClosingNew = false
                shared.isQuiet = false
                return .again
            }
            if canMove {
                shared.isQuiet = false
                return .moveConfined
            }
            if settlesSlots { return .settleSlots }
            if isQuiet {
                shared.isQuiet = true
                own.pointee.quietReports += 1
                shared.quietReports = own.pointee.quietReports
                return .reportQuiet
            }
            swap(&deliveries, &own.pointee.spareDeliveries)
            turnThread.store(0, ordering: .relaxed)
            shared.awaitsHopBack = awaitsHopBack
            shared.phase = .idle
            return .pause
        }
        switch next {
        case .again:
            own.pointee.hasReportedQuiet = false
            if let closing { takeClosing(closing) }
            for ticket in interrupts { own.pointee.calls.interrupt(ticket) }
            if own.pointee.stop == nil {
                for delivery in deliveries {
                    own.pointee.calls.take(
                        delivery.key, delivery.result, holdsRetries: own.pointee.isClosingAfterBodies)
                }
            }
        case .reportQuiet: own.pointee.hasReportedQuiet = true
        case .moveConfined, .settleSlots: break
        case .pause:
            // Another thread may be in the next turn by now: nothing confined is touched any more.
            return next
        }
        deliveries.removeAll(keepingCapacity: true)
        own.pointee.spareDeliveries = deliveries
        return next
    }
}

// MARK: - What a turn does

extension RunExecution {
    private func takeClosing(_ mode: CloseMode) {
        if case .closed = own.pointee.stop { return }
        switch mode {
        case .afterBodies: own.pointee.isClosingAfterBodies = true
        case .now, .ifQuiet: closeNow()
        }
    }

    private func closeNow() {
        own.pointee.stop = .closed
        cancelTask()
    }

    /// User code may hang handlers on the cancellation: they run here, on a thread of the pool, never in the driver's.
    func cancelTask() {
        let task = shared.withLock { shared -> Task<Void, Never>? in
            guard !shared.isTaskCancelled else { return nil }
            shared.isTaskCancelled = true
            return shared.task
        }
        task?.cancel()
    }

    private var canMoveConfined: Bool {
        if own.pointee.stop != nil { return own.pointee.calls.hasParked || isToBeLeft }
        if own.pointee.isClosingAfterBodies { return own.pointee.calls.busyCount == 0 }
        return own.pointee.calls.canHandOver || own.pointee.calls.canBeginDeferred || canBeginQueuedBody
    }

    private var isToBeLeft: Bool {
        own.pointee.isAbandoned && !own.pointee.hasEnded && own.pointee.calls.bodyCount == 0
    }

    private var isWaiting: Bool {
        own.pointee.stop == nil && !own.pointee.isClosingAfterBodies && own.pointee.calls.openCount > 0
            && own.pointee.calls.busyCount == 0 && own.pointee.calls.queuedBodyCount == 0
            && !own.pointee.calls.hasReady
    }

    /// One step of rule 2, with no job queued.
    private func moveConfined() {
        own.pointee.hasReportedQuiet = false
        if own.pointee.stop != nil {
            if own.pointee.calls.hasParked {
                own.pointee.calls.resumeNextParked(with: .stopped)
            } else {
                end(.closed)
            }
        } else if own.pointee.isClosingAfterBodies {
            closeNow()
        } else if own.pointee.calls.canHandOver {
            own.pointee.calls.handOver()
            noteReplayEnd()
        } else if !own.pointee.calls.canBeginDeferred {
            own.pointee.calls.beginNextQueuedBody()
        } else {
            own.pointee.calls.beginNextDeferred()
            replay.isReplaying.store(false, ordering: .relaxed)
        }
    }

    func noteReplayEnd() {
        if own.pointee.calls.replayRemaining == 0, isReplaying { replay.isReplaying.store(false, ordering: .relaxed) }
    }

    // MARK: - The code

    private func main() async {
        let outcome: RunOutcome
        do {
            outcome = .returned(try await function.run(input, Step(self)))
        } catch {
            outcome = .threw(ErrorFacts(error))
        }
        end(outcome)
    }

    func end(_ outcome: RunOutcome) {
        guard !own.pointee.hasEnded else { return }
        own.pointee.hasEnded = true
        // Code that held its thread learnt of the closing by its cancelled task, before the turn did.
        if own.pointee.stop == nil, shared.withLock({ $0.closing == .now }) { own.pointee.stop = .closed }
        switch own.pointee.stop {
        case .closed: driver.didEnd(self, .closed)
        case .fault(_, let fault): driver.didEnd(self, fault)
        case nil:
            // Whatever still holds the step finds a closed door.
            own.pointee.stop = .closed
            driver.didEnd(self, outcome)
        }
    }

    /// The run's code cannot go on: no call is answered from here on, whatever the code catches.
    func fail(_ error: any Error, _ outcome: RunOutcome? = nil) -> any Error {
        if own.pointee.stop == nil { own.pointee.stop = .fault(error, outcome ?? .threw(ErrorFacts(error))) }
        return error
    }

    func report(_ progress: Progress, step: StepKey?) {
        driver.didReport(progress, step: step, of: self)
    }
}
