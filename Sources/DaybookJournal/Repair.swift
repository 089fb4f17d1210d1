package import DaybookSystem
package import DaybookValues

/// Something that a repair did, or would do.
package struct RepairAction: Hashable, Sendable {
    package enum Kind: String, Hashable, Sendable {
        /// The file has all its bytes again.
        case restored
        /// The file was put together anew from what is left; something of it is lost.
        case rewritten
        /// The file was taken away.
        case movedAside
        /// The damage stays where it is, and is noted, so that the next start goes on without what is lost.
        case noted
    }

    package var kind: Kind
    /// Relative to the data directory.
    package var path: String
    /// What was wrong, and what it cost.
    package var message: String
    /// Where the file as it was is kept; nil when nothing was taken away.
    package var keptAt: String?
    /// Runs that lost records. Those that have not ended are set aside at the next start.
    package var runs: [ULID] = []
    /// Records of the log that are lost and that nobody else has.
    package var lostRecords: [UInt64] = []
}

/// What a repair found, did and left.
package struct RepairReport: Sendable {
    /// What `verify` said before, and says now. After a dry run the two are the same.
    package var before: VerifyReport
    package var after: VerifyReport
    package var actions: [RepairAction] = []
    /// The folder with everything that was taken away; nil when there is nothing.
    package var keptIn: String?
    package var isDryRun: Bool

    /// Runs that lost records, each once.
    package var affectedRuns: [ULID] { Set(actions.flatMap(\.runs)).sorted() }
    package var lostRecords: [UInt64] { Set(actions.flatMap(\.lostRecords)).sorted() }
}

/// Brings a stopped data directory into a state in which a server opens it and `verify` finds nothing new.
///
/// It takes what is damaged out of the way, puts back what another copy still has, and notes what is lost for good, so
/// that the next start sets aside the runs concerned and goes on with all others. Nothing is ever thrown away: before a
/// file is changed, a copy of it is flushed below `journal/damaged/repair-TIME/`, with a line in `manifest.jsonl` that
/// says from where, how many bytes, their checksum, and why. It may be killed anywhere and run again. On a sound
/// directory it changes nothing.
///
/// It works in rounds, each of which sees to everything that `verify` reports, until that reports nothing more.
package struct Repair {
    let disk: any Disk
    let time: Timestamp
    let isDryRun: Bool
    var found: Verifier
    var actions: [RepairAction] = []
    /// The folder for what is taken away, once there is one.
    var folder: String?
    /// What has been dealt with in this round.
    var touched: Set<String> = []
    /// The last record that files have, where that shows that the end of the log is damaged, not torn.
    var provenByFiles: UInt64 = 0
    /// What was tried before and is still wrong.
    var attempts: [VerifyFault: Int] = [:]

    private static let roundsMax = 12

    private init(disk: any Disk, time: Timestamp, isDryRun: Bool, found: Verifier) {
        self.disk = disk
        self.time = time
        self.isDryRun = isDryRun
        self.found = found
    }

    /// - Parameters:
    ///   - now: names the folder for what is taken away.
    ///   - isDryRun: only says what a first round would do. What that brings to light is seen to in further rounds.
    /// - Throws: `locked` while a server runs; `newerVersion`; `file` when the disk fails, after which it can be run
    ///   again.
    package static func run(
        _ disk: any Disk, now: Timestamp, isDryRun: Bool, progress: ((VerifyProgress) -> Void)? = nil
    ) throws(JournalOpenError) -> RepairReport {
        let lock = try takenLock(disk, isDryRun: isDryRun)
        defer { withExtendedLifetime(lock) {} }
        var repair = Repair(
            disk: disk, time: now, isDryRun: isDryRun, found: try Verifier.check(disk, progress: progress))
        let before = repair.found.report
        do throws(FileError) {
            for _ in 0..<Self.roundsMax {
                let done = repair.actions.count
                try repair.round()
                guard repair.actions.count > done, !isDryRun else { break }
                do throws(JournalOpenError) {
                    repair.found = try Verifier.check(disk, progress: progress)
                } catch {
                    if case .file(let error) = error { throw error }
                    break
                }
            }
        } catch {
            throw .file(error)
        }
        return RepairReport(
            before: before, after: repair.found.report, actions: repair.actions, keptIn: repair.folder,
            isDryRun: isDryRun)
    }

    /// - Returns: nil where there is no lock file, so that nobody can have it; then none is made either.
    private static func takenLock(_ disk: any Disk, isDryRun: Bool) throws(JournalOpenError) -> (any DiskLock)? {
        do throws(FileError) {
            guard try disk.stat(DirectoryOpening.lockPath) != nil else { return nil }
            if let lock = try disk.lock(DirectoryOpening.lockPath) { return lock }
        } catch {
            throw .file(error)
        }
        let content = (try? disk.contents(of: DirectoryOpening.lockPath)) ?? []
        throw .locked(holder: LockNote(content).holder)
    }

    private mutating func round() throws(FileError) {
        touched = []
        let faults = found.report.findings.filter { $0.severity == .damage || $0.fault == .stray }
        // First what other repairs read from: snapshots and log, then files, then what is made from files.
        for finding in faults {
            switch finding.fault {
            case .lock: try repairLock(finding)
            case .stray: try moveAside(finding.path, finding.message)
            case .snapshot(let q): try moveAside(SnapshotFile.path(q: q), finding.message)
            default: break
            }
        }
        for finding in faults {
            switch finding.fault {
            case .header(let segment): try repairHeader(segment, finding)
            case .batch(let segment, let offset): try repairBatch(segment, at: offset, finding.message)
            case .gap(let from, let to): try noteGap(from, to, finding)
            default: break
            }
        }
        if faults.contains(where: { if case .beyond = $0.fault { true } else { false } }) { try repairEnd() }
        var streams: [StreamID: String] = [:]
        for finding in faults {
            if case .stream(let stream) = finding.fault { streams[stream] = streams[stream] ?? finding.message }
        }
        if !streams.isEmpty { try repairStreams(streams) }
        for finding in faults {
            if case .index(let hour) = finding.fault { try repairIndex(hour, finding.message) }
        }
    }

    /// What somebody else wrote into the lock file says nothing; the next start writes it anew.
    private mutating func repairLock(_ finding: VerifyFinding) throws(FileError) {
        guard touched.insert(finding.path).inserted else { return }
        let kept = try keep(finding.path, finding.message)
        actions.append(
            RepairAction(
                kind: .rewritten, path: finding.path,
                message: "it did not say who had the directory last; it is empty now, and the next start writes it",
                keptAt: kept))
        guard !isDryRun else { return }
        let file = try disk.open(finding.path, .readWrite)
        try file.truncate(to: 0)
        try file.sync()
    }
}
