package import DaybookSystem
internal import DaybookValues

/// Something that is not as it was written.
package struct VerifyFinding: Hashable, Sendable, CustomStringConvertible {
    package enum Severity: Hashable, Sendable {
        /// To be expected after a crash, or while a server is writing.
        case note
        /// Bytes are not what was written, or are missing.
        case damage
    }

    package var severity: Severity
    /// Relative to the data directory.
    package var path: String
    package var offset: Int
    package var message: String

    package var description: String { "\(path), byte \(offset): \(message)" }
}

/// What was checked, and what was found.
package struct VerifyReport: Sendable {
    package var segments = 0
    package var batches = 0
    package var logRecords: UInt64 = 0
    package var firstQ: UInt64 = 0
    package var lastQ: UInt64 = 0
    package var streamFiles = 0
    package var streamRecords: UInt64 = 0
    package var indexLines = 0
    package var snapshots = 0
    package var bytes = 0
    package var findings: [VerifyFinding] = []

    package var isSound: Bool { !findings.contains { $0.severity == .damage } }
}

/// Checks a data directory without changing it: the order and the checksums of the log, its commit lines and their
/// chain, every stream file and its chain, stream files against the log, the lists of finished runs, the snapshots.
///
/// It finds accidents: flipped bits, lost and torn writes, missing and exchanged files. It does not find forgery:
/// whoever can write the files can write their checksums too.
package struct Verifier {
    private struct LogLine {
        var checksum: UInt32
        var bytes: Int
    }

    private let disk: any Disk
    private var report = VerifyReport()
    /// Lines of the log by stream and number, to compare stream files with.
    private var logLines: [StreamID: [UInt32: LogLine]] = [:]

    package init(disk: any Disk) {
        self.disk = disk
    }

    /// - Parameter progress: called now and then with the bytes done and, as far as it is known, the bytes in all.
    package static func verify(
        _ disk: any Disk, progress: ((_ bytesDone: Int, _ bytesTotal: Int) -> Void)? = nil
    ) throws(JournalOpenError) -> VerifyReport {
        var verifier = Verifier(disk: disk)
        try verifier.run(progress)
        return verifier.report
    }

    private mutating func run(_ progress: ((Int, Int) -> Void)?) throws(JournalOpenError) {
        let chain = try LogChain.load(disk)
        do throws(FileError) {
            let paths = try StreamPaths.all(disk)
            var total = 0
            for link in chain.links { total += try disk.stat(link.name.path)?.bytes ?? 0 }
            for path in paths { total += try disk.stat(path)?.bytes ?? 0 }
            for (index, link) in chain.links.enumerated() {
                try verifySegment(link, next: index + 1 < chain.links.count ? chain.links[index + 1] : nil)
                progress?(report.bytes, total)
            }
            for path in paths {
                try verifyStreamFile(path)
                progress?(report.bytes, total)
            }
            try verifyIndexes()
            for q in try SnapshotFile.list(disk) { verifySnapshot(q) }
        } catch {
            throw .file(error)
        }
    }

    private mutating func add(_ severity: VerifyFinding.Severity, _ path: String, _ offset: Int, _ message: String) {
        report.findings.append(VerifyFinding(severity: severity, path: path, offset: offset, message: message))
    }

    // MARK: - Log

    private mutating func verifySegment(_ link: LogChain.Link, next: LogChain.Link?) throws(FileError) {
        let path = link.name.path
        guard let content = try disk.contents(of: path) else { return }
        report.segments += 1
        report.bytes += content.count
        if link.headerIsDamaged { add(.damage, path, 0, "the segment's header is damaged") }
        if report.lastQ == 0 {
            report.firstQ = link.name.firstQ
        } else if link.name.firstQ != report.lastQ + 1 {
            add(.damage, path, 0, "it begins with record \(link.name.firstQ), but \(report.lastQ + 1) is due")
        }
        var scanner = BatchScanner(
            bytes: content, from: link.dataStart, limit: link.limit, expectedQ: link.name.firstQ,
            previousCommit: link.headerIsDamaged ? nil : link.header.previousChecksum)
        scan: while true {
            switch scanner.next() {
            case .batch(let commit):
                report.batches += 1
                report.logRecords += UInt64(commit.count)
                for record in scanner.records { note(record) }
            case .end:
                if let next, next.name.firstQ != scanner.expectedQ {
                    add(
                        .damage, path, scanner.offset,
                        "records \(scanner.expectedQ) to \(next.name.firstQ - 1) are gone")
                    scanner.expectedQ = next.name.firstQ
                }
                break scan
            case .irregular:
                let proven = max(scanner.provenLater(from: scanner.offset), next?.header.proven ?? 0)
                guard proven >= scanner.expectedQ else {
                    add(.note, path, scanner.offset, "a batch that was never finished; a start drops it")
                    break scan
                }
                let first = scanner.expectedQ
                let salvage = scanner.salvage()
                let last = salvage.commit?.lastQ ?? proven
                let have = Set(salvage.records.map(\.q))
                let lost = first <= last ? (first...last).filter { !have.contains($0) } : []
                let what = lost.isEmpty ? "a commit line" : "record \(lost.map(String.init).joined(separator: ", "))"
                add(.damage, path, salvage.badLines.first?.lowerBound ?? salvage.start, "\(what) is damaged")
                for record in salvage.records where record.q <= last { note(record) }
                report.logRecords += UInt64(salvage.records.count)
                scanner.expectedQ = last + 1
                if salvage.commit == nil { break scan }
            }
        }
        report.lastQ = scanner.expectedQ - 1
    }

    private mutating func note(_ record: ParsedRecord) {
        logLines[record.stream, default: [:]][record.n] = LogLine(checksum: record.checksum, bytes: record.line.count)
    }

    // MARK: - Stream files

    /// Whether the first line of the text is there to its end, whatever it says.
    private static func isWhole(_ text: ArraySlice<UInt8>) -> Bool {
        guard let end = text.firstIndex(of: 10) else { return false }
        return text[..<end].suffix(2).elementsEqual("\"}".utf8)
    }

    private mutating func verifyStreamFile(_ path: String) throws(FileError) {
        guard let content = try disk.contents(of: path) else { return }
        report.streamFiles += 1
        report.bytes += content.count
        var count: UInt32 = 0
        var stream: StreamID?
        var hasEnded = false
        var mismatch: (Int, String)?
        let log = logLines
        let lastQ = report.lastQ
        let valid = StreamFile.forEach(content) { record in
            if count == 0, record.n != 0 { mismatch = (0, "its first record has number \(record.n)") }
            if let known = log[record.stream]?[record.n], known.checksum != record.checksum {
                mismatch = mismatch ?? (record.line.lowerBound, "record \(record.q) differs from the log")
            }
            if record.q > lastQ {
                mismatch = mismatch ?? (record.line.lowerBound, "record \(record.q) lies beyond the end of the log")
            }
            stream = record.stream
            hasEnded = record.isFinal
            count += 1
        }
        report.streamRecords += UInt64(count)
        if let (offset, message) = mismatch { add(.damage, path, offset, message) }
        if valid < content.count {
            // The next lines may still be on their way, or be what a loss of power left; the log has them. A line that is
            // whole was right once.
            let inLog = stream.map { log[$0]?[count] != nil } ?? true
            let isWhole = Self.isWhole(content[valid...])
            let message =
                isWhole && inLog
                ? "the line that starts here was changed; the log still has the record"
                : "the line that starts here is not right"
            add(inLog && !isWhole ? .note : .damage, path, valid, message)
        }
        if let stream, stream.path != path { add(.damage, path, 0, "it holds the records of \(stream.text)") }
        guard let stream, !hasEnded, let next = log[stream]?.keys.filter({ $0 >= count }).min() else { return }
        if next == count {
            add(.note, path, content.count, "its records from number \(count) on are in the log only, for now")
        } else {
            add(.damage, path, content.count, "its records \(count) to \(next - 1) are missing")
        }
    }

    private mutating func verifyIndexes() throws(FileError) {
        for day in try StreamPaths.names(disk, "runs", .directory) {
            for hour in try StreamPaths.names(disk, "runs/" + day, .directory) {
                let path = "runs/\(day)/\(hour)/index.jsonl"
                guard let content = try disk.contents(of: path) else { continue }
                var end = 0
                var lines = 0
                var files: [ULID] = []
                RunIndex.forEach(content) { run, offset in
                    end = offset
                    lines += 1
                    // A run that was set aside before anything was written to its file has none.
                    let hadNone = run.fileBytes == 0 && run.kind.elementsEqual("run.quarantined".utf8)
                    if !hadNone { files.append(run.id) }
                }
                report.indexLines += lines
                report.bytes += content.count
                if end < content.count { add(.damage, path, end, "the line that starts here is not right") }
                for id in files where try disk.stat(StreamID.run(id).path) == nil {
                    add(.damage, path, 0, "the file of finished run \(id.text) is missing")
                }
            }
        }
    }

    private mutating func verifySnapshot(_ q: UInt64) {
        report.snapshots += 1
        do throws(SnapshotError) {
            report.bytes += try SnapshotReader(disk, q: q).fileBytes
        } catch {
            add(.damage, SnapshotFile.path(q: q), 0, "\(error); it is a cache, so a start uses another one or the log")
        }
    }
}
