package import DaybookSystem
package import DaybookValues

/// The state that a start builds up again. The journal drives it: `reset`, then at most one snapshot, then every record
/// after it in the order of the log.
package protocol JournalReplay {
    /// Back to nothing, before the first record or before another snapshot is tried.
    mutating func reset()
    /// Takes over the state in a snapshot. The bytes are checked already.
    /// - Throws: when the snapshot is of a version it does not know; another is tried then.
    mutating func restore(_ snapshot: inout SnapshotReader) throws
    /// Takes one record in. The view, and slices of it, must not be kept.
    /// - Throws: `UnknownRecordKind` when a newer version wrote it, which ends the start. Any other error sets the
    ///   record's run aside, or ends the start where the record is of no run.
    mutating func apply(_ record: RecordView) throws
    /// A run whose records can no longer be trusted: it gets no more of them.
    mutating func quarantine(_ run: ULID, because reason: QuarantineReason)
    /// A damaged line of a stream that is no run, or of which nobody knows whose it was. For the state to judge.
    mutating func noteDamage(_ damage: Damage)
}

extension JournalReplay {
    package mutating func noteDamage(_ damage: Damage) {}
}

/// A record of a kind that this version does not know.
package struct UnknownRecordKind: Error, Hashable, Sendable {
    package var kind: String

    package init(_ kind: some Sequence<UInt8>) {
        self.kind = String(decoding: Array(kind), as: UTF8.self)
    }
}

/// Why a run was set aside.
package enum QuarantineReason: Hashable, Sendable, CustomStringConvertible {
    /// A line of its own in the log is damaged.
    case damagedRecord(Damage)
    /// Two starts in a row died while this record was being applied.
    case recordKillsStart(q: UInt64)
    /// The record could not be applied.
    case recordRefused(q: UInt64, message: String)
    /// Its file could not be written, twice.
    case streamFileFailed(path: String, message: String)
    /// `Repair` found that records are lost which only its file had.
    case repairFoundLoss(path: String)

    package var description: String {
        switch self {
        case .damagedRecord(let damage): damage.description
        case .recordKillsStart(let q): "Two starts in a row died while record \(q) was being applied."
        case .recordRefused(let q, let message): "Record \(q) could not be applied: \(message)"
        case .streamFileFailed(let path, let message): "\(path) could not be written: \(message)"
        case .repairFoundLoss(let path): "Records are lost that only \(path) had, as `daybook repair` found."
        }
    }
}

/// Bytes of the log, proven to have been on disk, that are no longer what was written.
package struct Damage: Hashable, Sendable, CustomStringConvertible {
    /// Relative to the data directory.
    package var path: String
    package var offset: Int
    /// The record that is missing because of it; nil when only a commit line or a header is damaged.
    package var q: UInt64?
    /// Whose record it was; nil when nobody knows.
    package var stream: StreamID?
    /// What stands there now.
    package var line: [UInt8]

    package init(path: String, offset: Int, q: UInt64?, stream: StreamID?, line: [UInt8]) {
        self.path = path
        self.offset = offset
        self.q = q
        self.stream = stream
        self.line = line
    }

    package var description: String {
        let what = q.map { "Record \($0)" } ?? "A line that closes or opens a batch"
        let owner = stream.map { " of \($0.text)" } ?? ""
        return "\(what)\(owner) is damaged: \(path), byte \(offset)."
    }
}

/// How far a start has come.
package struct ReplayProgress: Hashable, Sendable {
    package var records: UInt64
    package var bytesDone: Int
    package var bytesTotal: Int
}

/// What a start found, for the log and for the first records of the new epoch.
package struct RecoveryReport: Sendable {
    /// How often this directory has been opened, from 1.
    package var epoch: UInt32 = 0
    /// The last record that is on disk; 0 in a new directory.
    package var lastQ: UInt64 = 0
    /// The time of the newest record that was applied; nil when there was none after the snapshot.
    package var newestTime: Timestamp?
    /// The record up to which a snapshot was used; 0 without one.
    package var snapshotQ: UInt64 = 0
    package var recordsReplayed: UInt64 = 0
    /// Bytes of a batch that was being written when the last process died. It was never answered and is gone.
    package var tornBytes = 0
    package var damage: [Damage] = []
    /// Runs set aside by this start, in the order found. Runs set aside earlier are the state's own knowledge.
    package var quarantined: [(run: ULID, reason: QuarantineReason)] = []
    /// The directory was copied or moved to another file system: timers fire here too now.
    package var wasCopied = false
    /// No snapshot and no log went back far enough: the state was put together from the stream files.
    package var wasRebuilt = false
    /// Snapshots that could not be used, and why.
    package var snapshotsRefused: [(path: String, reason: String)] = []
    package var warnings: [String] = []
}

/// Why a data directory could not be opened.
package enum JournalOpenError: Error, Sendable, CustomStringConvertible {
    /// Another process has it. What that process wrote about itself, for people.
    case locked(holder: String)
    case networkFileSystem(name: String)
    /// A damaged record that cannot be given to a run.
    case damaged(Damage)
    /// A newer version of Daybook wrote this.
    case newerVersion(path: String, what: String)
    /// Records are missing between what is known and where the log begins.
    case gap(from: UInt64, to: UInt64)
    /// A record of no run could not be applied.
    case recordRefused(q: UInt64, stream: StreamID, message: String)
    /// The disk is too full to start a log. Reading still works.
    case noRoom(FileError)
    case file(FileError)

    package var description: String {
        switch self {
        case .locked(let holder):
            "This data directory is in use: \(holder). Stop that process first, or use another directory."
        case .networkFileSystem(let name):
            """
            This data directory is on a network file system (\(name)), where locks and flushes cannot be relied on. \
            Use a local disk, or allow it explicitly.
            """
        case .damaged(let damage):
            """
            \(damage.description) Nobody can tell which run it belongs to, so nothing was started and nothing was \
            changed. `daybook verify` says what else is wrong; `daybook repair` lets everything else go on without that \
            record, or restore a backup.
            """
        case .newerVersion(let path, let what):
            "\(path) was written by a newer version of Daybook (\(what)). Install that version; nothing was changed."
        case .gap(let from, let to):
            """
            The log has no records \(from) to \(to), and no snapshot or stream file makes up for them. Nothing was \
            changed. Restore the missing files of journal/, or a backup; else `daybook repair` puts together what the \
            other files still have.
            """
        case .recordRefused(let q, let stream, let message):
            """
            Record \(q) of \(stream.text) could not be applied: \(message). It belongs to no run, so it cannot be set \
            aside. Nothing was changed. `daybook verify` says what else is wrong; then restore a backup.
            """
        case .noRoom(let error):
            """
            There is no room to start: \(error). `runs`, `show`, `verify` and retention still work. Free some space \
            and start again.
            """
        case .file(let error):
            "\(error). Nothing was started."
        }
    }
}
