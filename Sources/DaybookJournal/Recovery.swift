internal import DaybookSystem
internal import DaybookValues

/// Builds the state up again from a snapshot and the log, and finds out where the log ends. Writes nothing but notes
/// about damage, so it can be stopped anywhere and run again.
struct Recovery {
    struct BatchStart {
        var firstQ: UInt64
        var offset: Int
        /// The checksum of the commit line before it.
        var previousChecksum: UInt32
    }

    let disk: any Disk
    /// Nil when nothing may be written: then no notes are taken.
    let marks: MarkTable?
    var report = RecoveryReport()
    var chain: LogChain
    /// Streams at the tip of the log.
    var tips = StreamTable<StreamTip>(filler: StreamTip(n: 0, checksum: 0))
    /// Stream files as of the snapshot.
    var files = StreamTable<StreamFileState>(filler: StreamFileState(bytes: 0, n: 0, checksum: 0))
    /// Runs that were set aside, by this start or an earlier process.
    var quarantined: [ULID: QuarantinedRun] = [:]
    /// Those whose records cannot be trusted: set aside by this start.
    private var untrusted: Set<ULID> = []
    var segments: [LogState.Segment] = []
    /// Batches of the newest segment that the replay went through.
    var batchStarts: [BatchStart] = []
    /// Content of the newest segment, and where its valid part ends.
    var newest: (bytes: [UInt8], end: Int) = ([], 0)
    var previousCommit: UInt32 = 0
    /// Every record up to here is known to be on disk.
    var proven: UInt64 = 0
    /// Records whose line in the log is damaged but whose stream file has it.
    var healed: [UInt64: [UInt8]] = [:]
    /// What the files of streams have of records that the log has lost; nil until that was needed.
    var linesOnDisk: [UInt64: LineOnDisk]?
    /// The record at which the last start died, if it did; and the one at which two did.
    var suspect: UInt64 = 0
    var recordToSetAside: UInt64 = 0

    init(disk: any Disk, marks: MarkTable?, chain: LogChain) {
        self.disk = disk
        self.marks = marks
        self.chain = chain
    }

    mutating func run(
        _ replay: inout some JournalReplay, progress: ((ReplayProgress) -> Void)?
    ) throws(JournalOpenError) {
        if let marks {
            let note = marks.recoveryNote()
            if note.applying != 0, note.applying == note.suspect { recordToSetAside = note.applying }
            suspect = note.applying != 0 ? note.applying : note.suspect
            marks.noteRecovery(applying: 0, suspect: suspect)
        }
        // An orderly end, good or bad, is no death at a record.
        defer { marks?.noteRecovery(applying: 0, suspect: 0) }
        try restoreSnapshot(&replay)
        try replayLog(&replay, progress: progress)
        try setNotedRunsAside(&replay)
        // An earlier process may have died between setting a run aside for its file's sake and putting that on record.
        for run in quarantined.keys.sorted() where !untrusted.contains(run) && tips[.run(run)] != nil {
            let path = StreamID.run(run).path
            report.quarantined.append(
                (run, .streamFileFailed(path: path, message: "a process before this one gave it up")))
        }
    }

    // MARK: - Snapshot

    /// Rule 15: the newest snapshot that verifies and from which the log goes on without a gap; else the older; else
    /// nothing, when the log is whole; else the stream files.
    private mutating func restoreSnapshot(_ replay: inout some JournalReplay) throws(JournalOpenError) {
        let numbers: [UInt64]
        do throws(FileError) { numbers = try SnapshotFile.list(disk) } catch { throw .file(error) }
        for q in numbers {
            if let first = chain.firstQ, first > q + 1 {
                report.snapshotsRefused.append((SnapshotFile.path(q: q), "the log begins only at record \(first)"))
                continue
            }
            if let last = chain.copyLastQ, last < q {
                // Files were copied before it was made, and the log was too, so nothing has what they lack.
                report.snapshotsRefused.append(
                    (SnapshotFile.path(q: q), "the log of this copy ends at record \(last), before it"))
                continue
            }
            do {
                var reader = try SnapshotReader(disk, q: q)
                replay.reset()
                try replay.restore(&reader)
                for (stream, state) in reader.streams {
                    files.set(stream, state)
                    tips.set(stream, StreamTip(n: state.n, checksum: state.checksum))
                }
                for run in reader.quarantined { quarantined[run.run] = run }
                report.snapshotQ = q
                report.lastQ = q
                proven = q
                return
            } catch {
                report.snapshotsRefused.append((SnapshotFile.path(q: q), "\(error)"))
            }
        }
        replay.reset()
        if let first = chain.firstQ, first > 1 {
            try rebuildFromStreams(&replay, before: first)
        } else if chain.links.isEmpty, !report.snapshotsRefused.isEmpty {
            throw .gap(from: 1, to: numbers.first ?? 1)
        }
    }

    // MARK: - Log

    private mutating func replayLog(
        _ replay: inout some JournalReplay, progress: ((ReplayProgress) -> Void)?
    ) throws(JournalOpenError) {
        var position = ReplayProgress(records: 0, bytesDone: 0, bytesTotal: 0)
        let needed = chain.links.indices.filter { index in
            index + 1 == chain.links.count || chain.links[index + 1].name.firstQ > report.snapshotQ + 1
        }
        for index in chain.links.indices where !needed.contains(index) {
            let link = chain.links[index]
            segments.append(
                LogState.Segment(
                    name: link.name, lastQ: chain.links[index + 1].name.firstQ - 1, dataStart: link.dataStart,
                    end: link.limit ?? link.dataStart))
        }
        if progress != nil {
            for index in needed {
                let size = try? disk.stat(chain.links[index].name.path)?.bytes
                position.bytesTotal += chain.links[index].limit ?? size ?? 0
            }
        }
        for index in needed {
            let link = chain.links[index]
            let content: [UInt8]
            do throws(FileError) {
                content = try disk.open(link.name.path, .read).readAll()
            } catch {
                throw .file(error)
            }
            if link.headerIsDamaged {
                try noteDamage(
                    Damage(
                        path: link.name.path, offset: 0, q: nil, stream: nil, line: Array(content[..<link.dataStart])),
                    in: link.name, &replay)
            }
            let expected = index == needed.first ? link.name.firstQ : report.lastQ + 1
            if link.name.firstQ > expected { throw .gap(from: expected, to: link.name.firstQ - 1) }
            var scanner = BatchScanner(
                bytes: content, from: link.dataStart, limit: link.limit, expectedQ: link.name.firstQ,
                previousCommit: link.headerIsDamaged ? nil : link.header.previousChecksum)
            previousCommit = link.header.previousChecksum
            proven = max(proven, link.header.proven)
            batchStarts.removeAll(keepingCapacity: true)
            let isLast = index + 1 == chain.links.count
            let nextFirstQ = isLast ? nil : chain.links[index + 1].name.firstQ
            try replaySegment(
                &scanner, link, nextFirstQ: nextFirstQ, laterProven: isLast ? 0 : chain.links[index + 1].header.proven,
                &replay)
            segments.append(
                LogState.Segment(
                    name: link.name, lastQ: scanner.expectedQ - 1, dataStart: link.dataStart, end: newest.end))
            position.bytesDone += newest.end
            position.records = report.recordsReplayed
            progress?(position)
        }
    }

    private mutating func replaySegment(
        _ scanner: inout BatchScanner, _ link: LogChain.Link, nextFirstQ: UInt64?, laterProven: UInt64,
        _ replay: inout some JournalReplay
    ) throws(JournalOpenError) {
        // What the next segment has again is read there.
        let lastQ = nextFirstQ.map { $0 - 1 } ?? .max
        while scanner.expectedQ <= lastQ {
            let start = scanner.offset
            let firstQ = scanner.expectedQ
            switch scanner.next() {
            case .batch(let commit):
                batchStarts.append(
                    BatchStart(firstQ: firstQ, offset: start, previousChecksum: commit.previousChecksum))
                proven = max(proven, commit.proven)
                previousCommit = commit.checksum
                for record in scanner.records { try apply(record, scanner.bytes, &replay) }
                report.lastQ = max(report.lastQ, commit.lastQ)
                newest = (scanner.bytes, scanner.offset)
                continue
            case .end:
                newest = (scanner.bytes, scanner.offset)
                // Whole batches may have turned into line feeds, or be cut off, which is damage like any other.
                let lostQ = nextFirstQ == nil ? try provenBeyondCut(scanner, of: link.name) : lastQ
                if lostQ >= scanner.expectedQ {
                    try replayDamaged(&scanner, link, proven: lostQ, upTo: lastQ, &replay)
                    newest = (scanner.bytes, scanner.offset)
                }
                return
            case .irregular:
                var provenHere = max(scanner.provenLater(from: scanner.offset), laterProven, proven)
                if nextFirstQ == nil {
                    let beyond = try provenBeyondCut(scanner, of: link.name)
                    if max(provenHere, beyond) < scanner.expectedQ { provenHere = provenByStreamFiles(scanner) }
                    provenHere = max(provenHere, beyond)
                }
                guard provenHere >= scanner.expectedQ else {
                    report.tornBytes = tornBytes(scanner)
                    newest = (scanner.bytes, scanner.offset)
                    return
                }
                let goesOn = try replayDamaged(&scanner, link, proven: min(provenHere, lastQ), upTo: lastQ, &replay)
                newest = (scanner.bytes, scanner.offset)
                if !goesOn { return }
            }
        }
    }

    /// Up to the last byte that is not a line feed.
    private func tornBytes(_ scanner: BatchScanner) -> Int {
        let last = scanner.bytes[scanner.offset..<scanner.limit].lastIndex { $0 != UInt8(ascii: "\n") }
        return (last ?? scanner.offset - 1) + 1 - scanner.offset
    }

    mutating func apply(
        _ record: ParsedRecord, _ buffer: [UInt8], _ replay: inout some JournalReplay
    ) throws(JournalOpenError) {
        guard record.q > report.snapshotQ else { return }
        let tipBefore = tips[record.stream]
        report.recordsReplayed += 1
        report.newestTime = record.time
        let view = record.view(of: buffer)
        let isQuarantine = view.kind.elementsEqual("run.quarantined".utf8)
        // A run whose last record is not applied has not ended: that it is set aside is still to be put on record.
        tips.set(record.stream, StreamTip(n: record.n &+ 1, checksum: record.checksum))
        var hasEnded = record.isFinal && isQuarantine
        defer { if hasEnded { tips.remove(record.stream) } }
        if !untrusted.isEmpty, case .run(let run) = record.stream, untrusted.contains(run) {
            // The state still learns that an earlier start has put the quarantine on record.
            guard isQuarantine else { return }
            report.quarantined.removeAll { $0.run == run }
        }
        if record.q == recordToSetAside, case .run(let run) = record.stream {
            quarantine(run, because: .recordKillsStart(q: record.q), &replay)
            return
        }
        if case .run(let run) = record.stream, let hole = Self.hole(before: record, after: tipBefore), !isQuarantine {
            quarantine(run, because: .recordRefused(q: record.q, message: hole), &replay)
            return
        }
        marks?.noteRecovery(applying: record.q, suspect: suspect)
        do {
            try replay.apply(view)
            hasEnded = record.isFinal
        } catch let unknown as UnknownRecordKind {
            throw .newerVersion(path: "Record \(record.q)", what: "record kind \(unknown.kind)")
        } catch {
            guard case .run(let run) = record.stream else {
                throw .recordRefused(q: record.q, stream: record.stream, message: "\(error)")
            }
            quarantine(run, because: .recordRefused(q: record.q, message: "\(error)"), &replay)
        }
    }

    mutating func quarantine(_ run: ULID, because reason: QuarantineReason, _ replay: inout some JournalReplay) {
        guard untrusted.insert(run).inserted else { return }
        quarantined[run] = QuarantinedRun(run: run, neededFrom: report.snapshotQ + 1, neededTo: .max)
        report.quarantined.append((run, reason))
        replay.quarantine(run, because: reason)
    }

    mutating func noteDamage(
        _ damage: Damage, in segment: SegmentName, _ replay: inout some JournalReplay
    ) throws(JournalOpenError) {
        report.damage.append(damage)
        guard marks != nil else { return }
        do throws(FileError) {
            try DamageNote.write(disk, damage, segment: segment)
        } catch {
            throw .file(error)
        }
    }
}

/// A file beside the log that says what was found damaged. While it is there, retention keeps the segment.
enum DamageNote {
    static let directory = "journal/damaged"

    static func write(_ disk: any Disk, _ damage: Damage, segment: SegmentName) throws(FileError) {
        try disk.makeDirectory(directory)
        try disk.replace(
            "\(directory)/\(segment)-\(damage.offset).txt", with: Array((damage.description + "\n").utf8) + damage.line)
        try disk.syncDirectory("journal")
    }

    /// Segments with damage, by the notes about them.
    static func segments(_ disk: any Disk) throws(FileError) -> Set<SegmentName> {
        guard try disk.stat(directory) != nil else { return [] }
        return Set(
            try disk.list(directory).compactMap { entry in
                // Behind the segment's name stands the offset of the damage.
                entry.name.lastIndex(of: "-").flatMap { SegmentName(entry.name[..<$0]) }
            })
    }
}
