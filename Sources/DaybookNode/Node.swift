package import Daybook
package import DaybookCore
package import DaybookJournal
package import DaybookSystem
import DaybookValues
import DaybookWire
package import Logging
import Synchronization

/// The one writer: drains the mailbox, lets the core decide and apply command by command, appends the records of the
/// whole batch, flushes once, and only then releases what follows from it.
///
/// The path of one step: its body ends on a thread of the pool, `LiveRun` posts it; `step()` takes it from the mailbox
/// with everything else that came meanwhile, the core makes a record of it, the commit log writes and flushes all records
/// together, `release` hands the result back to the run and the run to the pool.
///
/// `step()` is all there is to it and never waits: a thread calls it in a loop (`startThread`), a simulator from its own.
/// Everything marked *writer* is touched only inside of it.
package final class Node: @unchecked Sendable {
    package let configuration: NodeConfiguration
    package let journal: Journal
    package let logger: Logger
    let mailbox = Mailbox()
    let marks: MarkTable
    /// Slots of the bodies that run.
    private let slotsInUse = Mutex<Set<Int>>([])
    let pool: any RunPool
    let loader: any RunLoading
    private let monotonicClock: any MonotonicClock

    // Writer.
    package let core: Core
    let clock: NodeClock
    /// Where the movable clock is going to stand once all that was asked for is on disk.
    var wantedOffset: Int64
    var random: UInt64
    /// Functions of this process, by whole id.
    var hosted: [String: FunctionRegistration] = [:]
    var live: [ULID: LiveRun] = [:]
    /// Live runs that are not quiet.
    var activeCount = 0
    /// Runs that wait for a place among the live ones.
    var waitingRuns = WaitingRuns()
    /// Quiet runs, by when they became so; entries may be out of date.
    var quietRuns: [(run: LiveRun, since: UInt64)] = []
    var quietHead = 0
    /// Who calls apps.
    var callDriver: (any CallDriver)?
    /// Loaded runs of functions behind a URL.
    var remotes: [ULID: RemoteRun] = [:]
    /// Calls under way of runs with limits that are not loaded any more.
    var remotesLeaving: [ULID: Int] = [:]
    var remoteCalls = RemoteCalls()
    /// Those that only wait, by when that began; entries may be out of date.
    var quietRemotes: [(run: RemoteRun, since: UInt64)] = []
    /// Runs whose code was unwound since the last batch.
    var parkable: [ULID] = []
    /// What has become known of slots since the last batch.
    var slotNews: [SlotNews] = []
    /// Runs whose record could not be read because a call failed.
    var postponed = PostponedRuns()
    /// The same for readers, with the reason.
    let postponedReasons = Mutex<[ULID: String]>([:])
    /// The batch is decided, and could not be written yet.
    private var isStalled = false
    /// What of it goes to the taps, and its bytes.
    private var batch = (lines: [UInt8](), bytes: 0)
    /// The first batch of this process has not been flushed yet.
    private var isLaunching = false
    /// Nothing new is started; set once.
    var isDraining = false
    private var isPaused = false
    private var pressure = Pressure.normal
    private var taken: [Submission] = []
    private var takenIndex = 0
    private var releases: [Release] = []
    var turns: [RunExecution] = []
    private var lastWall = Timestamp.zero
    private var lastSweep: UInt64 = 0
    private var snapshotWriter: SnapshotWriter?
    /// Of the last process whose first batch is in the journal.
    private let lastEpoch: UInt32
    var taps: [(id: UInt64, tap: @Sendable ([UInt8]) -> Void)] = []
    var lastTapID: UInt64 = 0

    private let failure = Mutex<String?>(nil)
    private let onFailure: @Sendable (String) -> Void
    /// What was done since the start. Writer.
    package internal(set) var statistics = NodeStatistics()
    let drained = Mutex<[@Sendable () -> Void]>([])
    let writerThread = Mutex<DedicatedThread?>(nil)
    let drainThread = Mutex<DedicatedThread?>(nil)
    let drainWake = Wake()
    let shouldStop = Mutex(false)

    /// What is to happen after the flush, in order.
    enum Release {
        case body(LiveRun, EndedBody, Answer)
        case open(LiveRun, StepKey, Answer)
        case end(LiveRun, RunOutcome, Answer)
        case loaded(LiveRun, Result<LoadedRun, LoadError>)
        case remoteLoaded(ULID, Result<LoadedRun, LoadError>)
        case remote(ULID, RemoteUpdate)
        case callEnded(app: String)
        case lateAnswer(ULID)
        case reply(@Sendable (Answer) -> Void, Answer)
        case effect(Effect)
    }

    private init(
        configuration: NodeConfiguration, journal: Journal, replay: CoreReplay, clock: NodeClock,
        monotonicClock: any MonotonicClock, random: any RandomSource, pool: any RunPool, loader: any RunLoading,
        logger: Logger, onFailure: @escaping @Sendable (String) -> Void
    ) {
        self.configuration = configuration
        self.journal = journal
        self.marks = journal.marks
        self.core = replay.core
        self.lastEpoch = replay.lastEpoch
        self.clock = clock
        self.wantedOffset = clock.offset
        self.monotonicClock = monotonicClock
        self.random = random.next()
        self.pool = pool
        self.loader = loader
        self.logger = logger
        self.onFailure = onFailure
        lastWall = clock.read().wall
    }

    /// What a node is given of the outside.
    package struct Surroundings: Sendable {
        package var disk: any Disk
        package var wallClock: any WallClock
        package var monotonicClock: any MonotonicClock
        package var random: any RandomSource
        package var pool: any RunPool
        package var loader: any RunLoading
        package var identity: ProcessIdentity
        package var logger: Logger

        package init(
            disk: any Disk, wallClock: any WallClock = SystemWallClock(),
            monotonicClock: any MonotonicClock = SystemMonotonicClock(),
            random: any RandomSource = SystemRandomSource(), pool: any RunPool, loader: any RunLoading,
            identity: ProcessIdentity = .current(), logger: Logger
        ) {
            self.disk = disk
            self.wallClock = wallClock
            self.monotonicClock = monotonicClock
            self.random = random
            self.pool = pool
            self.loader = loader
            self.identity = identity
            self.logger = logger
        }
    }

    /// Opens a data directory and brings the state up to the last durable record. Nothing runs yet: call `launch`.
    ///
    /// - Parameter onFailure: called at most once, on whichever thread noticed, when the disk failed in a way that must
    ///   end the process; nothing is acknowledged after it.
    /// - Throws: `JournalOpenError`.
    package static func open(
        _ surroundings: Surroundings, configuration: NodeConfiguration = NodeConfiguration(),
        progress: ((ReplayProgress) -> Void)? = nil, onFailure: @escaping @Sendable (String) -> Void
    ) throws(JournalOpenError) -> Node {
        var replay = CoreReplay(limits: configuration.core, retryPolicy: configuration.retryPolicy)
        let journal = try Journal.open(
            disk: surroundings.disk, clock: surroundings.wallClock, options: configuration.journal,
            identity: surroundings.identity, replay: &replay, progress: progress)
        let clock = NodeClock(
            wallClock: surroundings.wallClock, monotonicClock: surroundings.monotonicClock,
            newestRecord: replay.core.newestRecordTime, offset: replay.core.movedClockOffset)
        return Node(
            configuration: configuration, journal: journal, replay: replay, clock: clock,
            monotonicClock: surroundings.monotonicClock, random: surroundings.random, pool: surroundings.pool,
            loader: surroundings.loader, logger: surroundings.logger, onFailure: onFailure)
    }

    /// Any thread.
    var nowNanoseconds: UInt64 { monotonicClock.nowNanoseconds }

    /// A slot for the mark of one body. When the file of marks cannot grow, the process must end: a body without its
    /// mark would not be counted if it brings the process down.
    func claimMark() -> Int {
        do throws(FileError) {
            let slot = try marks.claim()
            slotsInUse.withLock { _ = $0.insert(slot) }
            return slot
        } catch {
            fail("the file of step marks cannot grow: \(error)")
            return 0
        }
    }

    /// The body has ended, and what came of it is on disk if it counts.
    func releaseMark(_ slot: Int) {
        guard slotsInUse.withLock({ $0.remove(slot) }) != nil else { return }
        marks.release(slot)
    }

    /// Of bodies that are left behind by a stop: nobody is charged for them.
    func releaseAllMarks() {
        let slots = slotsInUse.withLock { slots in
            defer { slots = [] }
            return slots
        }
        for slot in slots { marks.release(slot) }
    }

    // MARK: - Start

    /// The first batches of a new epoch: what was interrupted, what is damaged, which functions there are. Then
    /// everything that is outstanding begins. Writer.
    ///
    /// - Throws: `RegistrationError`, when the core refuses a function; nothing has been started then.
    package func launch(_ app: AppFunctions?, version: String) throws(RegistrationError) {
        for (run, reason) in journal.report.quarantined {
            logger.error(
                "run set aside: its journal is damaged", metadata: ["run": "\(run.text)", "reason": "\(reason)"])
            decide(
                .quarantine(
                    run: run, reason: "\(reason)", input: inputOfDamaged(run),
                    isUnfinishedInLog: journal.log.streamRecordCount(.run(run)) != nil), at: clock.read(),
                releasing: false)
        }
        let answer = decide(
            .open(epoch: journal.report.epoch, version: version, interrupted: interruptedSteps()), at: clock.read(),
            releasing: false)
        assert(answer == .done)
        if let app {
            let answer = decide(
                .register(app: app.app, functions: app.configs), at: clock.read(), releasing: false)
            if case .refused(let refusal) = answer { throw RegistrationError(refusal.description) }
            hosted = app.registrations
        }
        // What these cause is found again by `outstandingEffects`, with all the rest.
        core.effects.removeAll()
        isLaunching = true
        if commit() { finishLaunch() }
    }

    private func finishLaunch() {
        isLaunching = false
        marks.clearDeadMarks()
        for effect in core.outstandingEffects(at: clock.read()) { release(effect) }
        handOverTurns()
    }

    /// The steps that were under way when the last process died: those whose mark has no result in the journal. Older
    /// marks are left by a start that died after it had recorded them, or a loss of power has brought them back.
    private func interruptedSteps() -> [InterruptedStep] {
        var found: [InterruptedStep] = []
        // A start from a snapshot may meet no record of an epoch. No body runs before its own epoch is on record.
        let epoch = marks.deadMarks.reduce(lastEpoch) { max($0, $1.epoch) }
        for mark in marks.deadMarks
        where mark.epoch >= epoch && core.hasRun(mark.run) && mark.stepIDBytes == mark.stepIDStart.count {
            let key = String(decoding: mark.stepIDStart, as: UTF8.self)
            if !hasEnded(mark, key) {
                found.append(InterruptedStep(run: mark.run, key: key, attempt: Int(mark.attempt)))
            }
        }
        return found
    }

    /// Whether that attempt has its end on record. When the run's file cannot be read the log is asked: an end that was
    /// recorded while the mark stood is among its newest records. What is in neither was interrupted, and counts: a step
    /// that takes the process down each time must not go uncounted because of its file.
    private func hasEnded(_ mark: StepMark, _ key: String) -> Bool {
        let attempt = Int(mark.attempt)
        do {
            return try RunHistory(journal, mark.run, upTo: .max).hasEnded(step: key, attempt: attempt)
        } catch {
            logger.warning(
                "the file of an interrupted run cannot be read; what the log has of it decides",
                metadata: ["run": "\(mark.run.text)", "step": "\(key)", "error": "\(error)"])
            return (try? RunHistory(logged: journal, mark.run))?.hasEnded(step: key, attempt: attempt) ?? false
        }
    }

    /// The event of a run that is to be set aside, when somebody listens for its end; nil when it cannot be read.
    func inputOfDamaged(_ run: ULID) -> [UInt8]? {
        guard core.needsInput(toEnd: run) else { return nil }
        return RunHistory.inputOfDamaged(run, in: journal)
    }

    // MARK: - The loop

    /// Handles everything that has come, as one batch, and releases what follows from it. Never waits.
    /// - Returns: whether there may be more to do at once.
    package func step() -> Bool {
        guard !hasFailed else { return false }
        pressure = journal.keeper.pressure
        if isStalled {
            // The batch that was decided before anything else.
            guard commit() else { return hasFailed ? false : stepWithoutRoom() }
            if isLaunching { finishLaunch() }
            releaseAll()
        }
        guard pressure != .paused else { return stepWithoutRoom() }
        if isPaused {
            isPaused = false
            logger.notice("there is room for the journal again: work goes on")
        }
        let time = clock.read()
        if time.wall < lastWall + -60_000 {
            logger.warning(
                "the wall clock was set back", metadata: ["from": "\(lastWall.rfc3339)", "to": "\(time.wall.rfc3339)"])
            decide(.alignCrons, at: time)
        }
        lastWall = time.wall
        // Before anything else may change them: these runs wait, and nothing has come for them.
        park(at: time)
        settleSlots(at: time)
        if takenIndex == taken.count {
            taken.removeAll(keepingCapacity: true)
            takenIndex = 0
            mailbox.take(into: &taken)
        }
        var hasMore = false
        let deadlines = core.nextDeadlines
        if deadlines.now.map({ $0 <= time.now }) ?? false || deadlines.wall.map({ $0 <= time.wall }) ?? false {
            hasMore = core.fireTimers(at: time, seed: nextSeed(), limit: configuration.timersPerBatchMax)
            append(at: time)
        }
        while takenIndex < taken.count, journal.log.batchBytes < configuration.batchBytesMax {
            handle(taken[takenIndex], at: time)
            takenIndex += 1
        }
        hasMore = hasMore || takenIndex < taken.count
        #if DELIBERATE_BUGS
            if configuration.journal.bug == .answerBeforeFlush { releaseAll() }
        #endif
        guard commit() else { return false }
        releaseAll()
        startPostponed()
        sweep()
        continueSnapshot()
        return hasMore || !parkable.isEmpty || !slotNews.isEmpty
    }

    /// There is no room for a single record more. Results are held back, looking at the state still works, and new work is
    /// refused; the process stays up.
    private func stepWithoutRoom() -> Bool {
        if !isPaused {
            isPaused = true
            logger.error(
                "work stands still until the journal can be written again: the disk is full, or descriptors are missing",
                metadata: ["bytes-to-free": "\(journal.keeper.bytesToFree)"])
        }
        var new: [Submission] = []
        mailbox.take(into: &new)
        for submission in new {
            switch submission {
            case .inspect(let look) where !isStalled: look(self)
            case .command(let command, let reply):
                if let refusal = refusal(of: command) { reply(.refused(refusal)) } else { taken.append(submission) }
            default: taken.append(submission)
            }
        }
        // Part of the state is in no flushed record yet.
        guard !isStalled else { return false }
        // With a snapshot, old segments can go: the way to more room.
        let now = nowNanoseconds
        if now &- lastSweep >= 1_000_000_000 {
            lastSweep = now
            beginSnapshotIfDue()
        }
        continueSnapshot()
        return false
    }

    /// Whether a further `step` would find something to do, timers aside. Writer.
    package var hasWork: Bool {
        !mailbox.isEmpty || !isPaused && (takenIndex < taken.count || !parkable.isEmpty || !slotNews.isEmpty)
    }

    /// Whether some run's code is loaded and can move: when nothing else is to be done, a body of it waits for something
    /// outside. Writer.
    package var hasActiveRuns: Bool { activeCount > 0 || remoteCalls.inFlight > 0 }

    /// How long nothing is to be done unless something is posted; nil for ever. Writer.
    package var nanosecondsToNextDeadline: UInt64? {
        // Timers wait too while there is no room.
        if isPaused || isStalled { return nil }
        let time = clock.read()
        let deadlines = core.nextDeadlines
        let waits = [deadlines.now.map { $0 - time.now }, deadlines.wall.map { $0 - time.wall }].compactMap { $0 }
        let wait = waits.min().map(nanoseconds)
        guard postponed.due != .max else { return wait }
        let now = nowNanoseconds
        return min(wait ?? .max, postponed.due > now ? postponed.due - now : 0)
    }

    private func handle(_ submission: Submission, at time: Instant) {
        switch submission {
        case .body(let run, let ended):
            let result: DaybookCore.BodyResult
            switch ended.result {
            case .success(let output): result = .success(output: output)
            case .failure(let facts): result = .failure(facts.attemptError(at: time))
            case .cancelled:
                releases.append(.body(run, ended, .stale))
                return
            }
            let answer = decide(
                .endBody(
                    run: run.id, key: ended.key.text, attempt: ended.attempt, result: result,
                    duration: ended.microseconds), at: time, releasing: false)
            releases.append(.body(run, ended, answer))
        case .open(let run, let call):
            let answer = decide(command(for: call, of: run, at: time), at: time, releasing: false)
            releases.append(.open(run, call.key, answer))
        case .quiet(let run, let report):
            if run.limitsBodies { slotNews.append(.quiet(run, report: report)) } else { noteQuiet(run) }
        case .wantsSlots(let run, let count): slotNews.append(.wanted(run, count))
        case .returnsSlots(let run, let count): slotNews.append(.returned(run, count))
        case .end(let run, let outcome):
            releases.append(.end(run, outcome, end(run, outcome, at: time)))
            run.hasEnded = true
            // All its bodies have returned.
            if run.isGated, !isDraining { decide(.yield(run: run.id), at: time, releasing: false) }
        case .loaded(let run, let loaded): releases.append(.loaded(run, loaded))
        case .remoteLoaded(let id, let loaded): releases.append(.remoteLoaded(id, loaded))
        case .called(let id, let app, let call, let outcome):
            if let run = remotes[id], let index = run.callIndex(call) {
                releases.append(.remote(id, decide(outcome, of: run.calls[index], run, at: time)))
            } else {
                releases.append(.lateAnswer(id))
            }
            releases.append(.callEnded(app: app))
        case .requested(let id, let key, let outcome):
            if let run = remotes[id] { releases.append(.remote(id, decide(outcome, key, run, at: time))) }
            releases.append(.callEnded(app: RemoteCalls.gateway))
        case .checkpoint(let id, let call, let ops, let reply):
            releases.append(.remote(id, handleCheckpoint(id, call, ops, at: time, reply: reply)))
        case .command(let command, let reply):
            if isDraining || pressure != .normal, let refusal = refusal(of: command) {
                releases.append(.reply(reply, .refused(refusal)))
                return
            }
            if case .begin(let id) = command, live[id] == nil, remotes[id] == nil { return }
            let answer = decide(command, at: time, releasing: false)
            releases.append(.reply(reply, answer))
        case .inspect(let look):
            // All that was decided before it in this batch must be on disk before anybody sees it.
            releases.append(.reply({ [unowned self] _ in look(self) }, .done))
            return
        }
        releaseEffects()
    }

    private func refusal(of command: Command) -> Refusal? {
        switch command {
        case .retry, .invokeFunction: isDraining ? .stopping : .storageFull(bytesToFree: journal.keeper.bytesToFree)
        // Steps that still run at a stop may send events; what these start begins at the next start.
        case .publish: pressure == .normal && !isPaused ? nil : .storageFull(bytesToFree: journal.keeper.bytesToFree)
        default: nil
        }
    }

    /// Lets the core decide a command and appends what it says to the batch.
    @discardableResult
    func decide(_ command: Command, at time: Instant, releasing: Bool = true) -> Answer {
        let answer = core.handle(command, at: time, seed: nextSeed())
        append(at: time, releasing: releasing)
        return answer
    }

    func append(at time: Instant, releasing: Bool = true) {
        for entry in core.records {
            statistics.count(entry.record)
            let stream: StreamID =
                switch entry.stream {
                case .run(let id): .run(id)
                case .events: .events(day: time.now.day)
                case .system: .system(month: time.now.month)
                }
            journal.log.begin(stream, entry.record.kind, at: time.now)
            entry.record.appendPayload(to: &journal.log.bytes)
            journal.log.end(final: entry.record.endsRun, index: entry.index)
        }
        core.records.removeAll(keepingCapacity: true)
        if releasing { releaseEffects() }
    }

    /// Puts what the core has decided among what is to happen after the flush.
    func releaseEffects() {
        for effect in core.effects { releases.append(.effect(effect)) }
        core.effects.removeAll(keepingCapacity: true)
    }

    /// Flushes the batch. A failed flush is final: the kernel may have dropped the pages. A batch that could not be
    /// written at all, for want of room or descriptors, is kept, and nothing else is decided before it is on disk.
    private func commit() -> Bool {
        guard journal.log.batchCount > 0 else { return true }
        if !isStalled { batch = (taps.isEmpty ? [] : journal.log.bytes, journal.log.batchBytes) }
        let began = nowNanoseconds
        do throws(FileError) {
            try journal.log.commit()
        } catch {
            if journal.log.hasFailed {
                fail("the commit log could not be flushed: \(error)")
            } else if !isStalled {
                isStalled = true
                logger.error(
                    "the commit log cannot be written for now; nothing is lost, and it is tried again every second",
                    metadata: ["error": "\(error)", "bytes-to-free": "\(journal.keeper.bytesToFree)"])
            }
            return false
        }
        if isStalled {
            isStalled = false
            logger.notice("the commit log can be written again: work goes on")
        }
        statistics.flushes.add(microseconds: (nowNanoseconds &- began) / 1_000)
        statistics.batches += 1
        statistics.batchBytes += batch.bytes
        for tap in taps { tap.tap(batch.lines) }
        batch.lines = []
        return true
    }

    func nextRandomNumber() -> UInt64 { nextSeed() }

    private func nextSeed() -> UInt64 {
        // xorshift64*: enough for ids and jitter, and it needs no system call.
        random ^= random >> 12
        random ^= random << 25
        random ^= random >> 27
        return random &* 0x2545_F491_4F6C_DD1D
    }

    // MARK: - Release

    private func releaseAll() {
        var index = 0
        // What is released may add to the list, at its end.
        while index < releases.count {
            switch releases[index] {
            case .body(let run, let ended, let answer): release(run, ended, answer)
            case .open(let run, let key, let answer): release(run, key, answer)
            case .end(let run, let outcome, let answer): release(run, outcome, answer)
            case .loaded(let run, let loaded): release(run, loaded)
            case .remoteLoaded(let id, let loaded): release(id, loaded)
            case .remote(let id, let update): release(id, update)
            case .callEnded(let app): endCall(of: app)
            case .lateAnswer(let id): noteLateAnswer(id)
            case .reply(let reply, let answer): reply(answer)
            case .effect(let effect): release(effect)
            }
            index += 1
        }
        releases.removeAll(keepingCapacity: true)
        handOverTurns()
    }

    func handOverTurns() {
        guard !turns.isEmpty else { return }
        pool.submit(contentsOf: turns)
        turns.removeAll(keepingCapacity: true)
    }

    // MARK: - Housekeeping

    private func sweep() {
        let now = nowNanoseconds
        let isCrowded = quietRuns.count - quietHead > configuration.parkedRunsMax
        let isRemoteCrowded = quietRemotes.count > 2 * configuration.parkedRunsMax
        guard isCrowded || isRemoteCrowded || now &- lastSweep >= 1_000_000_000 else { return }
        lastSweep = now
        unwindQuietRuns(now: now, isCrowded: isCrowded)
        unloadQuietRemotes(now: now)
        for note in journal.follower.takeNotes() { logger.error("\(note)") }
        for path in journal.keeper.takeLostSegments() {
            logger.critical(
                "somebody removed a segment of the commit log that the next start would need; a snapshot is taken in its place",
                metadata: ["path": "\(path)"])
        }
        for (run, reason) in journal.follower.takeQuarantined() {
            logger.error(
                "run set aside: its file cannot be written", metadata: ["run": "\(run.text)", "reason": "\(reason)"])
            mailbox.post(
                .command(
                    .quarantine(run: run, reason: "\(reason)", input: inputOfDamaged(run)), reply: { _ in }))
        }
        beginSnapshotIfDue()
    }

    private func beginSnapshotIfDue() {
        guard snapshotWriter == nil, journal.keeper.shouldSnapshot, !isDraining else { return }
        let writer = journal.beginSnapshot()
        writer.append(core.beginSnapshot())
        snapshotWriter = writer
    }

    /// A slice of about a millisecond, between batches.
    private func continueSnapshot() {
        guard let writer = snapshotWriter else { return }
        if let slice = core.nextSnapshotSlice(runsMax: 2_000) {
            writer.append(slice)
        } else {
            writer.finish()
            snapshotWriter = nil
        }
    }

    var isSnapshotting: Bool { snapshotWriter != nil }

    // MARK: - Failure

    /// Lets go of everything that holds this node in turn. For a simulator, whose processes die by the thousand: the node
    /// must not be used after it.
    package func abandon() {
        mailbox.take(into: &taken)
        taken = []
        releases = []
        turns = []
        taps = []
        for run in live.values { run.execution = nil }
        live = [:]
        remotes = [:]
        quietRemotes = []
        callDriver = nil
        quietRuns = []
        slotNews = []
        waitingRuns = WaitingRuns()
    }

    package var hasFailed: Bool { failure.withLock { $0 != nil } }

    /// The process must end. Any thread.
    func fail(_ message: String) {
        let isFirst = failure.withLock { failure -> Bool in
            guard failure == nil else { return false }
            failure = message
            return true
        }
        guard isFirst else { return }
        logger.critical("the journal failed; nothing more is acknowledged", metadata: ["reason": "\(message)"])
        endDrain()
        onFailure(message)
    }
}
