package import DaybookSystem
internal import DaybookValues

/// Checks a data directory without changing it, whether a server has it open or not.
///
/// What it proves, and why:
/// - **The log**: every line agrees with its checksum; `q` has no gaps; every batch agrees with its commit line in
///   count, bytes and the sum over the checksums of its lines; commit lines are chained by `prev`, across segments too;
///   every record's `n` and `p` follow the record of its stream before it.
/// - **Stream files against the log**: a record's `p` is the checksum of the one before it, and is itself covered by the
///   record's checksum. So where a file and the log have the same checksum for record *n* of a stream, they have the
///   same bytes for all records before it, as far back as both go: one number for each stream stands for all its
///   lines, and no line has to be kept. Two such numbers are kept: of the last record that the newest snapshot
///   covers, which the file must have, and of the last record in the log, which it may still be waiting for.
///   A file that stands between the two is looked up in the log once more, at the end.
/// - **Snapshots against both**: a snapshot says for every unfinished stream how many records its file has and what
///   the checksum of the last one is. The log and the files must say the same.
/// - **Lists against files**: a finished run is in the list of its hour, with the records and bytes its file has, and
///   nothing is in the list that has no file.
///
/// Memory goes with the streams in the log and with the runs of one hour, not with the records.
///
/// **Beside a running server** nothing is locked; what makes that safe is the order in which things are read. The
/// newest snapshot is read before the log: what it covers was durable in files and lists before it got its name. The
/// log is read before the files, and its end once more after them: a line gets into a file only after it was flushed
/// in the log. A batch that looks torn is read again once something that proves it has been seen, since that was
/// written later. When segments were removed meanwhile, it begins again.
///
/// It finds accidents: flipped bits, lost and torn writes, missing and exchanged files. It does not find forgery:
/// whoever can write the files can write their checksums too.
package struct Verifier {
    let disk: any Disk
    var report = VerifyReport()
    var known = KnownDamage()
    var chain = LogChain()
    /// The newest snapshot that is right; 0 when there is none.
    var snapshotQ: UInt64 = 0
    /// What that snapshot says about the files of unfinished streams.
    var snapshotStreams: [(stream: StreamID, state: StreamFileState)] = []
    var hasComparedSnapshot = false
    /// Runs whose files are left as they were when something was found wrong with them.
    var setAside: Set<ULID> = []
    /// The lock file names another inode than its own, so the directory was copied and never opened since: files may be
    /// older or newer than the log.
    var isCopy = false

    /// The machine has not been started again since the directory was last opened, so nothing that was written can be
    /// gone for want of a flush.
    var isOfThisBoot = false

    /// Where every stream stands in the log.
    var tips = StreamTable<LogTip>(filler: LogTip())
    var position = LogPosition()
    /// Records of the log that are damaged.
    var lost: [ClosedRange<UInt64>] = []
    var newestTime: Timestamp?
    /// Where the log ends within a batch.
    var unfinishedBatch: (path: String, offset: Int)?
    /// Files whose newest record has to be looked up in the log once more.
    var pending: [StreamID: PendingFile] = [:]
    /// Files that still wait for records, or lists for lines, that the log has.
    var waitingFiles = 0
    let window = FileWindow()
    var progress: ((VerifyProgress) -> Void)?
    /// Hours there are folders for.
    var hours: Set<Int> = []

    private static let attemptsMax = 16

    private init(disk: any Disk) {
        self.disk = disk
    }

    /// - Parameter progress: called now and then.
    /// - Throws: when a file cannot be read, or was written by a newer version.
    package static func verify(
        _ disk: any Disk, progress: ((VerifyProgress) -> Void)? = nil
    ) throws(JournalOpenError) -> VerifyReport {
        try check(disk, progress: progress).report
    }

    /// As above, and gives what was learned on the way, for `Repair`.
    static func check(
        _ disk: any Disk, progress: ((VerifyProgress) -> Void)? = nil
    ) throws(JournalOpenError) -> Verifier {
        var attempt = 1
        while true {
            var verifier = Verifier(disk: disk)
            verifier.progress = progress
            verifier.chain = try LogChain.load(disk)
            do throws(FileError) {
                if try verifier.run() { return verifier }
            } catch {
                guard error.isMissing, attempt < attemptsMax else { throw .file(error) }
            }
            attempt += 1
            guard attempt <= attemptsMax else {
                throw .file(FileError(errno: 2, operation: .read, path: "journal"))
            }
        }
    }

    /// - Returns: false when a server removed what was to be read, so that all of it has to be done again.
    private mutating func run() throws(FileError) -> Bool {
        try readLockNote()
        known = try KnownDamage(disk)
        setAside = known.setAside
        try readSnapshots()
        chain = try reloadedChain()
        if let first = chain.firstQ, first > snapshotQ + 1 {
            // Either the records between were never covered, or a newer snapshot has taken the place of this one.
            if try SnapshotFile.list(disk).contains(where: { $0 > snapshotQ && !damagedSnapshots.contains($0) }) {
                return false
            }
            noteMissingBeginning(first)
        }
        try readLog()
        if position.expectedQ <= snapshotQ {
            // The snapshot is younger than the listing of segments.
            chain = try reloadedChain()
            try readLog()
        }
        compareSnapshotOnce()
        noteEndOfLog()
        try verifyStreams()
        try settlePending()
        try findStrays()
        finish()
        return true
    }

    /// Numbers of snapshots that do not verify, or are younger than the log of a copy.
    var damagedSnapshots: Set<UInt64> = []

    func reloadedChain() throws(FileError) -> LogChain {
        do throws(JournalOpenError) {
            return try LogChain.load(disk)
        } catch {
            if case .file(let error) = error { throw error }
            throw FileError(errno: 5, operation: .read, path: "journal")
        }
    }

    private mutating func readLockNote() throws(FileError) {
        guard let status = try disk.stat(DirectoryOpening.lockPath), status.kind == .file,
            let content = try disk.contents(of: DirectoryOpening.lockPath)
        else { return }
        let note = LockNote(content)
        let boot = ProcessIdentity.current().bootID
        isOfThisBoot = !boot.isEmpty && String(decoding: content, as: UTF8.self).contains("\"boot\":\"\(boot)\"")
        isCopy = note.device.map { $0 != status.device || note.inode != status.inode } ?? false
        // Empty for a moment while a first start writes it.
        if note.epoch == 0, !content.isEmpty {
            add(
                .damage, DirectoryOpening.lockPath, 0,
                "it does not say who had the directory; the next start writes it",
                .lock)
        }
    }

    mutating func add(
        _ severity: VerifyFinding.Severity, _ path: String, _ offset: Int, _ message: String,
        _ fault: VerifyFault = .none
    ) {
        report.add(VerifyFinding(severity: severity, path: path, offset: offset, message: message, fault: fault))
    }

    private mutating func finish() {
        if waitingFiles > 0 {
            let what = waitingFiles == 1 ? "1 file waits" : "\(waitingFiles) files wait"
            add(.note, "runs", 0, "\(what) for records that the log has; a start or the running server brings them")
        }
        if let (path, offset) = unfinishedBatch {
            add(.note, path, offset, "a batch that was never finished, or is being written; a start drops it")
        }
        report.lastQ = max(report.lastQ, position.expectedQ - 1)
        report.findings.sort { a, b in
            if a.path != b.path { return a.path < b.path }
            return a.offset == b.offset ? a.message < b.message : a.offset < b.offset
        }
    }
}

/// How far a check has come.
package struct VerifyProgress: Sendable {
    package enum Part: Sendable { case log, files }

    package var part: Part
    /// In units of the part: bytes of the log, or shares of folders.
    package var done: Int
    package var total: Int
}

/// Where a stream stands in the log, and where it stood at the newest snapshot.
struct LogTip: BitwiseCopyable, Sendable {
    /// Number of the first record of the stream that the log has; `UInt32.max` when only the snapshot knows it.
    var firstN: UInt32 = .max
    /// Number of its next record, and the checksum of its last one.
    var n: UInt32 = 0
    var checksum: UInt32 = 0
    /// The same at the snapshot; 0 when the stream began later.
    var snapshotN: UInt32 = 0
    var snapshotChecksum: UInt32 = 0
    private var flags: UInt8 = 0

    var hasEnded: Bool {
        get { flags & 1 != 0 }
        set { flags = newValue ? flags | 1 : flags & ~1 }
    }
    /// Its file, or the line that stands for it, was come across.
    var wasSeen: Bool {
        get { flags & 2 != 0 }
        set { flags = newValue ? flags | 2 : flags & ~2 }
    }
    /// A record of it is damaged in the log, so its lines before `firstN` are not compared.
    var isBroken: Bool {
        get { flags & 4 != 0 }
        set { flags = newValue ? flags | 4 : flags & ~4 }
    }
}

/// How far the log was read.
struct LogPosition {
    var segment: SegmentName?
    var offset = 0
    var expectedQ: UInt64 = 1
    /// Nil when the commit line before is not known, or is damaged.
    var previousCommit: UInt32?
}

/// A file that could not be judged by what was known of the log when it was read.
struct PendingFile {
    var path: String
    /// Records in it, and the number in the log and the checksum of the last one.
    var n: UInt32
    var q: UInt64
    var checksum: UInt32
    /// Where bytes begin that are no whole line; nil when there are none.
    var tailOffset: Int?
    var isConfirmed = false
    var isRefuted = false
}
