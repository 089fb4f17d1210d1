package import DaybookCore
package import DaybookSystem
internal import DaybookValues
package import Logging
internal import Synchronization

/// The inbox folder: takes event files, brings their events to the journal, and refuses what is not an event.
///
/// The path of one file: it is found (a hint of the watch, or a scan), claimed by a rename into `.claimed` under a
/// unique name, and both directories are flushed, once for all files of a round. Then it is read and checked whole, and
/// its events are committed in chunks; each says how far into the file it reaches, in the same record of the journal.
/// After the last one the file moves to `.done`, and when that is flushed the journal forgets the claim. A process that
/// dies anywhere leaves either the file where the next one finds it, or a claim that says what is left to do.
///
/// `step()` is all there is to it. It touches the disk and otherwise never waits: a thread calls it in a loop
/// (`startThread`), a simulator from its own. Only one thread at a time may.
package final class Inbox: @unchecked Sendable {
    // All but `signals`, `wake`, `thread` and what never changes is touched only inside of `step`, which checks that
    // it is alone.
    let disk: any Disk
    let sink: any EventSink
    let wallClock: any WallClock
    let eventClock: any WallClock
    let monotonicClock: any MonotonicClock
    let watch: (any InboxWatch)?
    let options: InboxOptions
    let logger: Logger
    private let onFailure: @Sendable (String) -> Void

    // Other threads leave their news here.
    private let signals = Mutex(Signals())
    private let wake = Wake()
    private let thread = Mutex<DedicatedThread?>(nil)
    private let isStepping = Atomic<Bool>(false)

    /// What the journal knew of claimed files when this process began; empty once that has been dealt with.
    var openClaims: [ClaimProgress]
    var isOpen = false
    package private(set) var hasFailed = false
    /// This step's time.
    var now: UInt64 = 0
    /// Something was done, so there may be more.
    var hasWorked = false

    // Finding.
    var isWatching = false
    var watchRetryAt: UInt64 = 0
    var scanAt: UInt64 = 0
    var isFirstScan = true
    /// Files that may still change, by name.
    var candidates: [String: Candidate] = [:]
    /// No candidate is due before.
    var candidatesDueAt = UInt64.max
    /// Names to be claimed, in order, and the same as a set.
    var ready: [String] = []
    var readyNames: Set<String> = []
    /// Names that somebody was told about and that are still there.
    var reported: Set<String> = []
    /// What was in `.claimed` when the process began, by the name it came from: see `isHalfRenamed`.
    var recoveredFiles: [String: [FileStatus]] = [:]

    // Taking.
    var ids: IDSource
    var lastClaimID = ULID(high: 0, low: 0)
    /// Claimed, to be read.
    var claimed: [ClaimedFile] = []
    /// The sink has their events.
    var inFlight: [String: ClaimedFile] = [:]
    var bytesInFlight = 0
    /// Changed while they were read, or could not be read just now.
    var postponed: [ClaimedFile] = []
    /// What the sink refused, and why; nothing is claimed while this is set.
    var refusal: Refusal?
    var refused: [ClaimedFile] = []
    var refusedUntil: UInt64 = 0

    // Ending.
    var finished: [ClaimedFile] = []
    var finishAt: UInt64 = 0
    var rejections: [Rejection] = []
    var rejectAt: UInt64 = 0
    var done: [DoneFile] = []
    var doneHead = 0
    var accepted: [AcceptedFile] = []
    /// The last trouble of each kind that was logged, so that it is logged once.
    private var troubles: [Trouble: String] = [:]

    private struct Signals {
        var replies: [(claim: String, result: Result<Int, Refusal>)] = []
        var events: [InboxWatchEvent] = []
        var shouldStop = false
    }

    enum Trouble { case opening, scanning, claiming, finishing, rejecting, deleting }

    /// - Parameters:
    ///   - disk: the data directory; `inbox` lies in it.
    ///   - eventClock: the `ts` of events that have none; `wallClock` unless given.
    ///   - watch: nil where files are found by scanning alone.
    ///   - openClaims: what the journal knows of files that were claimed: `Core.openClaims`, before the first step.
    ///   - onFailure: called at most once, when a directory could not be flushed: the process must end, as after any
    ///     failed flush. Nothing is taken after it.
    package init(
        disk: any Disk, sink: any EventSink, wallClock: any WallClock = SystemWallClock(),
        eventClock: (any WallClock)? = nil, monotonicClock: any MonotonicClock = SystemMonotonicClock(),
        random: any RandomSource = SystemRandomSource(), watch: (any InboxWatch)?, openClaims: [ClaimProgress],
        options: InboxOptions = InboxOptions(), logger: Logger, onFailure: @escaping @Sendable (String) -> Void
    ) {
        self.disk = disk
        self.sink = sink
        self.wallClock = wallClock
        self.eventClock = eventClock ?? wallClock
        self.monotonicClock = monotonicClock
        ids = IDSource(random)
        self.watch = watch
        self.openClaims = openClaims
        self.options = options
        self.logger = logger
        self.onFailure = onFailure
    }

    // MARK: - The loop

    /// Does what can be done now, at most one round of each kind of work.
    /// - Returns: whether there may be more to do at once.
    package func step() -> Bool {
        let wasStepping = isStepping.exchange(true, ordering: .acquiring)
        precondition(!wasStepping, "Two threads step one inbox")
        defer { isStepping.store(false, ordering: .releasing) }
        guard !hasFailed else { return false }
        now = monotonicClock.nowNanoseconds
        hasWorked = false
        if !isOpen {
            guard now >= scanAt else { return false }
            open()
            guard isOpen, !hasFailed else { return false }
        }
        let (replies, events) = signals.withLock { signals in
            defer {
                signals.replies = []
                signals.events = []
            }
            return (signals.replies, signals.events)
        }
        hasWorked = !replies.isEmpty || !events.isEmpty
        for (claim, result) in replies { take(result, of: claim) }
        for event in events { take(event) }
        if now >= scanAt { scan() }
        if now >= candidatesDueAt { checkCandidates() }
        for work in [claimReady, readClaimed, moveFinished, moveRejected, deleteDone] {
            work()
            if hasFailed { return false }
        }
        logAccepted()
        return hasWorked
    }

    /// How long nothing is to be done unless something happens; nil when `step` has nothing to wait for.
    package var nanosecondsToNextDeadline: UInt64? {
        guard !hasFailed else { return nil }
        var next = scanAt
        if isOpen {
            next = min(next, candidatesDueAt)
            if refusal != nil, inFlight.isEmpty { next = min(next, refusedUntil) }
            if let due = postponed.lazy.map(\.retryAt).min() { next = min(next, due) }
            if !finished.isEmpty { next = min(next, finishAt) }
            if !rejections.isEmpty { next = min(next, rejectAt) }
            if doneHead < done.count { next = min(next, done[doneHead].due) }
        }
        let time = monotonicClock.nowNanoseconds
        return next > time ? next - time : 0
    }

    /// Starts a thread that steps until `stop`. Once. The folders are there when it returns, unless they cannot be made.
    package func startThread() {
        _ = step()
        thread.withLock { thread in
            precondition(thread == nil, "The inbox has its thread already")
            thread = DedicatedThread(name: "inbox") { [self] in
                while !signals.withLock({ $0.shouldStop }) {
                    if step() { continue }
                    wake.wait(timeoutNanoseconds: nanosecondsToNextDeadline)
                }
            }
        }
    }

    /// Takes no more files, and returns when nothing is under way on the disk. Files that are claimed by then are gone
    /// on with at the next start.
    package func stop() {
        signals.withLock { $0.shouldStop = true }
        wake.signal()
        let thread = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        thread?.join()
        watch?.stop()
    }

    // MARK: - News from other threads

    func publish(_ chunk: EventChunk, of file: ClaimedFile) {
        let claim = file.name
        sink.publish(
            chunk.events, claim: ClaimProgress(name: claim, offset: chunk.offset, isWhole: chunk.isWhole)
        ) { [weak self] result in
            guard let self else { return }
            signals.withLock { $0.replies.append((claim, result)) }
            wake.signal()
        }
    }

    func startWatch() {
        guard let watch, !isWatching, now >= watchRetryAt else { return }
        do throws(InboxWatchError) {
            try watch.start { [weak self] events in
                guard let self else { return }
                signals.withLock { $0.events.append(contentsOf: events) }
                wake.signal()
            }
            isWatching = true
            scanAt = now
        } catch {
            watchRetryAt = now + options.watchedScanNanoseconds
            logger.notice("the inbox is scanned every second: it cannot be watched", metadata: ["reason": "\(error)"])
        }
    }

    // MARK: - Trouble

    /// A failed flush is final: the kernel may have dropped what it was to write.
    func fail(_ error: FileError) {
        guard !hasFailed else { return }
        hasFailed = true
        onFailure("the inbox could not be flushed: \(error)")
    }

    /// Flushes directories in that order.
    /// - Returns: whether all went well; after a failure nothing more may be done.
    func flush(_ directories: String...) -> Bool {
        for directory in directories {
            do throws(FileError) {
                try disk.syncDirectory(directory)
            } catch {
                fail(error)
                return false
            }
        }
        return true
    }

    /// Logs trouble when it begins and when it changes.
    func report(_ trouble: Trouble, _ description: String) {
        guard troubles[trouble] != description else { return }
        troubles[trouble] = description
        logger.error("the inbox has trouble and tries again", metadata: ["reason": "\(description)"])
    }

    func noteWorking(_ trouble: Trouble) {
        guard troubles.removeValue(forKey: trouble) != nil else { return }
        logger.notice("the inbox goes on: the trouble is over")
    }
}
