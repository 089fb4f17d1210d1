internal import DaybookSystem
internal import DaybookValues

/// Where a record that the log has lost stands among the files of streams.
struct LineOnDisk {
    var stream: StreamID
    var offset: Int
    var bytes: Int
}

extension Recovery {
    /// The highest record behind the end of the log that was on disk all the same, where the newest segment was cut
    /// off; 0 when nothing says that there was one.
    ///
    /// The end of the log proves itself only up to its last batch but one, so a cut would pass for an orderly end. But a
    /// segment is prefilled with line feeds, so one that ends without them shows it, and the files of streams have
    /// whatever was followed. Not in a copy: there they may be ahead of the log.
    mutating func provenBeyondCut(
        _ scanner: BatchScanner, of segment: SegmentName
    ) throws(JournalOpenError) -> UInt64 {
        guard !chain.isCopy, !scanner.bytes.suffix(2).elementsEqual("\n\n".utf8) else { return 0 }
        report.warnings.append(
            """
            \(segment.path) ends at byte \(scanner.bytes.count), without the empty lines that it was made with: it was \
            cut off, or its one batch is larger than a segment. What was lost with a cut is taken from the files of runs \
            and events, as far as they have it.
            """)
        try findLines(from: scanner.expectedQ)
        return linesOnDisk?.keys.max() ?? 0
    }

    // MARK: - Lines in the files of streams

    /// Reads every file of a stream for records from a number on. That takes its time, and is done at most once: when
    /// the log has lost records that nothing else tells the owner of.
    mutating func findLines(from q: UInt64) throws(JournalOpenError) {
        guard linesOnDisk == nil else { return }
        var lines: [UInt64: LineOnDisk] = [:]
        do throws(FileError) {
            for path in try StreamPaths.all(disk) {
                guard let content = try disk.contents(of: path) else { continue }
                _ = StreamFile.forEach(content) { record in
                    guard record.q >= q, record.stream.path == path else { return }
                    lines[record.q] = LineOnDisk(
                        stream: record.stream, offset: record.line.lowerBound, bytes: record.line.count)
                }
            }
        } catch {
            throw .file(error)
        }
        linesOnDisk = lines
    }

    /// A record that the log has lost, from where a start has put it aside, or from the file of its stream.
    func intactCopy(
        of q: UInt64, in stream: StreamID
    ) throws(JournalOpenError) -> (buffer: [UInt8], record: ParsedRecord)? {
        func found(_ content: [UInt8]) -> (buffer: [UInt8], record: ParsedRecord)? {
            StreamFile.records(content).records.first { $0.q == q && $0.stream == stream }.map { (content, $0) }
        }
        do throws(FileError) {
            if let kept = try disk.contents(of: Self.keptPath(q)), let copy = found(kept) { return copy }
            if let line = linesOnDisk?[q], line.stream == stream {
                return found(try disk.open(stream.path, .read).read(at: line.offset, count: line.bytes))
            }
            return try disk.contents(of: stream.path).flatMap(found)
        } catch {
            // What cannot be read just now is not lost: only a start that can read it may say so.
            throw .file(error)
        }
    }

    static func keptPath(_ q: UInt64) -> String { "\(DamageNote.directory)/record-\(q).jsonl" }
}
