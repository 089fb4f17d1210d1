package import DaybookSystem
package import DaybookValues
internal import Synchronization

/// A data directory's journal, open for writing by this process alone.
///
/// `log` belongs to the writer thread. `follower` and `keeper` do the work behind it: a production server runs them on
/// threads of their own (`startThreads`), a simulator calls their `step` itself. Everything else may be used from any
/// thread.
package final class Journal: Sendable {
    package let disk: any Disk
    package let options: JournalOptions
    package let log: CommitLog
    package let follower: Follower
    package let keeper: Keeper
    package let marks: MarkTable
    package let report: RecoveryReport
    private let lock: Mutex<(any DiskLock)?>
    private let state: LogState
    private let threads = JournalThreads()

    /// Opens or makes a data directory: takes the lock, brings `replay` up to the last durable record, and leaves the
    /// log ready for appending.
    ///
    /// It can be killed at any point and done again. Nothing is written to the files of an earlier process.
    package static func open(
        disk: any Disk, clock: any WallClock, options: JournalOptions = JournalOptions(),
        identity: ProcessIdentity = .current(), replay: inout some JournalReplay,
        progress: ((ReplayProgress) -> Void)? = nil
    ) throws(JournalOpenError) -> Journal {
        let opening = try DirectoryOpening(disk: disk, clock: clock, options: options, identity: identity)
        var recovery = Recovery(disk: disk, marks: opening.marks, chain: opening.chain)
        recovery.report.epoch = opening.epoch
        recovery.report.wasCopied = opening.wasCopied
        recovery.report.warnings = opening.warnings
        try recovery.run(&replay, progress: progress)
        if opening.wasCopied { try recovery.cutFilesAheadOfLog() } else { try recovery.checkEnd() }
        return try Journal(opening: opening, recovery: recovery, clock: clock)
    }

    private init(
        opening: DirectoryOpening, recovery: Recovery, clock: any WallClock
    ) throws(JournalOpenError) {
        disk = opening.disk
        options = opening.options
        lock = Mutex(opening.lock)
        marks = opening.marks
        let opened = try opening.openSegment(after: recovery)
        state = opened.state
        log = opened.log
        #if DELIBERATE_BUGS
            log.bug = opening.options.bug
        #endif
        report = recovery.report
        follower = Follower(
            disk: opening.disk, options: opening.options, state: opened.state, recovery: recovery,
            verifiesFiles: opening.wasCopied)
        keeper = Keeper(
            disk: opening.disk, clock: clock, options: opening.options, state: opened.state, spares: opened.spares,
            follower: follower, superseded: opened.superseded, recovery: recovery,
            lockNoteOfCopy: opening.lockNoteOfCopy,
            isStillOurs: { [weak lock = opening.lock] in lock?.isNamed ?? false })
    }

    /// The last record that is on disk.
    package var flushedQ: UInt64 { state.flushedQ }

    /// Starts the follower's and the keeper's thread.
    /// - Parameters:
    ///   - onTrouble: called on one of these threads when calls begin to fail that are tried again, and with nil when
    ///     they go through.
    ///   - onFailure: called once, on one of these threads, when the disk fails in a way that must end the process.
    package func startThreads(
        onTrouble: @escaping @Sendable (FileError?) -> Void = { _ in },
        onFailure: @escaping @Sendable (FileError) -> Void
    ) {
        threads.start(follower: follower, keeper: keeper, onTrouble: onTrouble, onFailure: onFailure)
    }

    /// Ends the threads after what they are doing.
    package func stopThreads() {
        threads.stop(follower: follower, keeper: keeper)
    }

    /// Gives the directory back, so that it can be opened again; otherwise that happens when the journal is released.
    /// Nothing may be written after it.
    package func unlock() {
        lock.withLock { $0 = nil }
    }

    /// Begins a snapshot of the state as it is after the last commit. For the writer thread, between two batches; the
    /// slices may follow later, as long as they describe this moment.
    package func beginSnapshot() -> SnapshotWriter {
        keeper.beginSnapshot(q: log.flushedQ)
    }

    /// Every record of a run so far, the newest included.
    package func runRecords(_ id: ULID) throws(RunRecordsError) -> RunRecords {
        try follower.catchUpOrThrow(to: flushedQ)
        return try records(of: .run(id)) { _ in }
    }

    /// The records that a stream's file has, while the follower may be adding to it.
    @discardableResult
    package func records(
        of stream: StreamID, _ body: (RecordView) -> Void
    ) throws(RunRecordsError) -> RunRecords {
        try RunRecords(disk: disk, stream: stream, settledBytes: { follower.fileState(of: stream)?.bytes }, body)
    }
}
