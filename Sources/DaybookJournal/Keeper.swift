package import DaybookSystem
internal import DaybookValues
internal import Synchronization

/// How much room there is for work.
package enum Pressure: Int, Hashable, Sendable, Comparable {
    case normal
    /// New events and runs are refused; work that was accepted goes on.
    case refuseNewWork
    /// Hosts hold their results back until there is room again.
    case paused

    package static func < (a: Pressure, b: Pressure) -> Bool { a.rawValue < b.rawValue }
}

/// Looks after the disk: spare segments, ballast, free space, snapshots, and segments that have served. One thread
/// calls `step`; the rest may be called from any.
package final class Keeper: Sendable {
    let disk: any Disk
    let clock: any WallClock
    let options: JournalOptions
    let state: LogState
    let spares: SpareShelf
    let follower: Follower
    private let work: Mutex<KeeperWork>
    let snapshots: Mutex<SnapshotFacts>
    let current = Mutex<Pressure>(.normal)
    let shortage = Mutex(Shortage())
    private let isStillOurs: @Sendable () -> Bool
    var wake: Wake { spares.wake }

    init(
        disk: any Disk, clock: any WallClock, options: JournalOptions, state: LogState, spares: SpareShelf,
        follower: Follower, superseded: [SegmentName], recovery: Recovery, lockNoteOfCopy: [UInt8]?,
        isStillOurs: @escaping @Sendable () -> Bool
    ) {
        self.disk = disk
        self.clock = clock
        self.options = options
        self.state = state
        self.spares = spares
        self.follower = follower
        self.isStillOurs = isStillOurs
        work = Mutex(
            KeeperWork(
                superseded: superseded, supersededAfter: recovery.report.lastQ, lockNoteOfCopy: lockNoteOfCopy))
        snapshots = Mutex(SnapshotFacts(at: clock.now, q: recovery.report.snapshotQ))
    }

    /// For the node to look at before it takes work in.
    package var pressure: Pressure { current.withLock { $0 } }

    /// Bytes that have to become free before new work is taken in again, as far as that is known: at least 1 while the
    /// pressure is not normal for want of room; 0 when what is missing is something else, or nothing.
    package var bytesToFree: Int { shortage.withLock { $0.bytesToFree } }

    /// Log segments that somebody removed although a start would need them, since the last call. A snapshot makes up for
    /// them, and one is due at once.
    package func takeLostSegments() -> [String] {
        snapshots.withLock { facts in
            defer { facts.lost = [] }
            return facts.lost
        }
    }

    /// Whether a snapshot is due: enough log since the last one, or enough time.
    package var shouldSnapshot: Bool {
        let facts = snapshots.withLock { $0 }
        guard facts.writer == nil else { return false }
        let (bytes, flushedQ) = state.contents.withLock { contents in
            (contents.bytes(after: facts.q), contents.flushedQ)
        }
        guard flushedQ > facts.q else { return false }
        let now = clock.now
        // A wall clock that was set back must not put a snapshot off.
        if let failedAt = facts.failedAt, now >= failedAt, now - failedAt < facts.pause { return false }
        return facts.isUrgent || now < facts.at || bytes >= max(options.snapshotLogBytes, facts.bytes)
            || now - facts.at >= options.snapshotIntervalMilliseconds
    }

    func beginSnapshot(q: UInt64) -> SnapshotWriter {
        let writer = SnapshotWriter(q: q, wake: wake)
        follower.capture(at: q)
        snapshots.withLock { facts in
            precondition(facts.writer == nil, "A snapshot was begun while another was being written")
            facts.writer = writer
        }
        return writer
    }

    /// Does what is due.
    /// - Returns: whether there is more to do at once.
    @discardableResult
    package func step() throws(FileError) -> Bool {
        let result: Result<Bool, FileError> = work.withLock { work in
            do throws(FileError) {
                return .success(try stepLocked(&work))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private func stepLocked(_ work: inout KeeperWork) throws(FileError) -> Bool {
        try lookAfterNames()
        try lookAfterRoom(&work)
        if try lookAfterSnapshot(&work) { return true }
        try lookAfterSegments(&work)
        return false
    }

    /// What an operator removed or exchanged by hand. A directory that was moved as a whole is still ours.
    private func lookAfterNames() throws(FileError) {
        guard isStillOurs(), try disk.stat(DirectoryOpening.lockPath) != nil else {
            // Another process could hold a lock of that name by now.
            throw .damaged(DirectoryOpening.lockPath)
        }
        let segments = state.contents.withLock { $0.segments }
        guard let newest = segments.last else { return }
        guard try disk.stat(newest.name.path) != nil else { throw .damaged(newest.name.path) }
        let snapshotQ = snapshots.withLock { $0.q }
        var lost: [SegmentName] = []
        for segment in segments.dropLast() where segment.lastQ > snapshotQ {
            if try disk.stat(segment.name.path) == nil { lost.append(segment.name) }
        }
        guard !lost.isEmpty else { return }
        snapshots.withLock { facts in
            for name in lost where facts.lostNames.insert(name).inserted { facts.lost.append(name.path) }
            facts.isUrgent = true
        }
    }
}

/// What room there is too little of.
struct Shortage: Sendable {
    var bytesToFree = 0
}

/// The newest snapshot, and the one being made. Apart from the keeper's other state, because the writer thread looks at
/// it and must never wait for the keeper's work.
struct SnapshotFacts: Sendable {
    var at: Timestamp
    var q: UInt64
    var bytes = 0
    var writer: SnapshotWriter?
    /// The last one was given up for want of room: when, and for how long no other is begun, in milliseconds.
    var failedAt: Timestamp?
    var pause: Int64 = 0
    var backOff = BackOff(limit: 60_000)
    /// Part of the log is gone, and only a snapshot can take its place.
    var isUrgent = false
    var lostNames: Set<SegmentName> = []
    var lost: [String] = []
}

/// The keeper's own state.
struct KeeperWork {
    /// Segments that are not part of the log any more, and the record that newer files must reach before they go.
    var superseded: [SegmentName]
    var supersededAfter: UInt64
    /// In a copied directory: what the lock file is to say once every file has been checked.
    var lockNoteOfCopy: [UInt8]?
    var file: (any DiskFile)?
    var fileBytes = 0
    var chunks: UInt64 = 0
    var ballastIsThere = false
}

extension LogState.Contents {
    /// Bytes of log in segments that reach beyond a record; the first is counted whole.
    func bytes(after q: UInt64) -> Int {
        segments.reduce(0) { $1.lastQ > q ? $0 + $1.end : $0 }
    }
}
