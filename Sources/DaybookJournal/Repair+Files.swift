internal import DaybookSystem
internal import DaybookValues

extension Repair {
    /// Everything there is of a stream, wherever it is.
    private struct Pieces {
        /// The line that counts for each number, from the best source that has it.
        var lines: [UInt32: (checksum: UInt32, previous: UInt32, bytes: [UInt8], isFinal: Bool)] = [:]

        mutating func take(_ record: ParsedRecord, _ buffer: [UInt8]) {
            guard lines[record.n] == nil else { return }
            lines[record.n] = (
                record.checksum, record.previousChecksum, Array(buffer[record.line]), record.isFinal
            )
        }

        /// The lines from the first on that follow each other.
        func chained() -> (bytes: [UInt8], records: UInt32, hasEnded: Bool) {
            var (bytes, n, last, hasEnded): ([UInt8], UInt32, UInt32, Bool) = ([], 0, 0, false)
            while let line = lines[n], line.previous == last {
                bytes += line.bytes
                (last, hasEnded) = (line.checksum, line.isFinal)
                n += 1
            }
            return (bytes, n, hasEnded)
        }
    }

    /// Puts files together from the log, from what they have themselves, and from what earlier repairs kept.
    mutating func repairStreams(_ streams: [StreamID: String]) throws(FileError) {
        var pieces: [StreamID: Pieces] = [:]
        for stream in streams.keys { pieces[stream] = Pieces() }
        for line in found.chain.links.map(\.name) + found.chain.superseded {
            guard let content = try disk.contents(of: line.path) else { continue }
            Self.forEachRecord(content) { record in
                if record.q < found.position.expectedQ { pieces[record.stream]?.take(record, content) }
            }
        }
        for name in try StreamPaths.names(disk, DamageNote.directory, .file) where name.hasPrefix("record-") {
            let content = try disk.contents(of: "\(DamageNote.directory)/\(name)") ?? []
            Self.forEachRecord(content) { pieces[$0.stream]?.take($0, content) }
        }
        for stream in streams.keys {
            let content = try disk.contents(of: stream.path) ?? []
            Self.forEachRecord(content) { record in
                if record.stream == stream { pieces[stream]?.take(record, content) }
            }
        }
        for path in try keptFiles() {
            let content = try disk.contents(of: path) ?? []
            Self.forEachRecord(content) { pieces[$0.stream]?.take($0, content) }
        }
        for stream in streams.keys.sorted(by: { $0.path < $1.path }) {
            try repairStream(stream, pieces[stream] ?? Pieces(), streams[stream] ?? "")
        }
    }

    private mutating func repairStream(
        _ stream: StreamID, _ pieces: Pieces, _ why: String
    ) throws(FileError) {
        guard touched.insert(stream.path).inserted else { return }
        let whole = pieces.chained()
        let tip = found.tips[stream]
        let listed = try listedRecords(stream)
        // At least what was durable must be there; what the log alone has would be copied anyway.
        let wanted = max(tip?.snapshotN ?? 0, tip.map { $0.hasEnded ? $0.n : 0 } ?? 0, listed ?? 0)
        let before = try disk.contents(of: stream.path)
        let isWhole = whole.records >= max(wanted, 1) && (whole.hasEnded || tip.map { !$0.hasEnded } ?? false)
        if isWhole, before != whole.bytes, attempt(.stream(stream)) <= 2 {
            let kept = try replace(stream.path, with: whole.bytes, why)
            actions.append(
                RepairAction(
                    kind: .restored, path: stream.path,
                    message: "\(why); it was made again from the log, nothing is lost", keptAt: kept))
            return
        }
        switch stream {
        case .run(let run):
            if tip.map({ !$0.hasEnded }) ?? (listed == nil) {
                // It would go on with results missing, and do steps again.
                guard !found.setAside.contains(run) else { return }
                try write(KnownDamage.setAsidePath(run), Array((why + "\n").utf8))
                actions.append(
                    RepairAction(
                        kind: .noted, path: stream.path,
                        message:
                            "\(why), and nothing else has it; the next start sets the run aside and leaves the file",
                        runs: [run]))
            } else {
                try cut(run, whole.bytes, records: whole.records, of: max(wanted, tip?.n ?? 0), why)
            }
        case .events, .system: try noteHole(stream, before ?? [], why)
        }
    }

    /// A run that has ended, and of whose file something is lost for good: what comes before that stays readable.
    private mutating func cut(
        _ run: ULID, _ bytes: [UInt8], records: UInt32, of wanted: UInt32, _ why: String
    ) throws(FileError) {
        let path = StreamID.run(run).path
        let kept: String?
        if bytes.isEmpty {
            kept = try keep(path, why)
            if !isDryRun, try disk.stat(path) != nil {
                try disk.unlink(path)
                try disk.syncDirectory(parentPath(path))
            }
        } else {
            kept = try replace(path, with: bytes, why)
        }
        actions.append(
            RepairAction(
                kind: .rewritten, path: path,
                message:
                    "\(why); records \(records) to \(max(wanted, records + 1) - 1) of this finished run are lost, what comes before them was left",
                keptAt: kept, runs: [run]))
        try repairIndex(RunPath.hour(of: run), "what is left of run \(run.text)")
    }

    /// Lines of an events or system file that are lost for good. Later ones are added behind them, so the file keeps its
    /// length, and what is lost is noted.
    private mutating func noteHole(_ stream: StreamID, _ content: [UInt8], _ why: String) throws(FileError) {
        let path = stream.path
        var content = content
        let state = try snapshotState(of: stream)
        if let state, content.count < Int(state.bytes) {
            content += [UInt8](repeating: 10, count: Int(state.bytes) - content.count)
            let kept = try replace(path, with: content, why)
            actions.append(
                RepairAction(
                    kind: .rewritten, path: path,
                    message: "\(why); empty lines stand where they were", keptAt: kept))
        }
        // From the first line that is not right to the next that is.
        var start = 0
        var offset = 0
        var last: ParsedRecord?
        while offset < content.count {
            if let hole = found.known.holes.first(where: { $0.path == path && $0.offset == offset }) {
                offset += hole.bytes
                (start, last) = (offset, nil)
                continue
            }
            guard let record = Self.record(content, at: offset), record.stream == stream,
                last.map({ record.n == $0.n &+ 1 && record.previousChecksum == $0.checksum }) ?? true,
                last != nil || record.n == 0 || start > 0
            else { break }
            last = record
            offset = record.line.upperBound
        }
        guard offset < content.count || content.isEmpty else { return }
        start = offset
        while offset < content.count {
            offset = (content[offset...].firstIndex(of: 10) ?? content.count - 1) + 1
            if let record = Self.record(content, at: offset), record.stream == stream { break }
        }
        let hole = KnownDamage.Hole(
            path: path, offset: start, bytes: offset - start, checksum: checksum(content[start..<offset]))
        try write(KnownDamage.holePath(hole), KnownDamage.encode(hole))
        actions.append(
            RepairAction(
                kind: .noted, path: path,
                message: "\(why); bytes \(start) to \(offset) are lost, and stay as they are"))
    }

    private func snapshotState(of stream: StreamID) throws(FileError) -> StreamFileState? {
        guard found.snapshotQ > 0 else { return nil }
        do throws(SnapshotCheckError) {
            return try SnapshotCheck(disk, q: found.snapshotQ).streams.first { $0.stream == stream }?.state
        } catch {
            if case .file(let error) = error { throw error }
            return nil
        }
    }

    private func listedRecords(_ stream: StreamID) throws(FileError) -> UInt32? {
        guard case .run(let run) = stream else { return nil }
        var records: UInt32?
        let content = try disk.contents(of: RunPath.index(hour: RunPath.hour(of: run))) ?? []
        Self.forEachListed(content) { if $0.id == run { records = $0.records } }
        return records
    }

    // MARK: - Lists

    /// The list of an hour again: from the files of runs that have ended, and, for those whose files do not say it, from
    /// what is left of the list.
    mutating func repairIndex(_ hour: Int, _ why: String) throws(FileError) {
        let path = RunPath.index(hour: hour)
        guard touched.insert(path).inserted else { return }
        let before = try disk.contents(of: path)
        var lines: [ULID: (q: UInt64, line: [UInt8])] = [:]
        var old: [FinishedRun] = []
        Self.forEachListed(before ?? []) { if RunPath.hour(of: $0.id) == hour { old.append($0) } }
        for run in old {
            let bytes = try disk.stat(StreamID.run(run.id).path)?.bytes ?? 0
            lines[run.id] = (
                run.q,
                Self.indexLine(
                    run.id, q: run.q, run.finishedAt, records: run.records, bytes: UInt64(bytes), Array(run.kind),
                    Array(run.index))
            )
        }
        for run in try RunIndex.runIDs(disk, hour: hour) {
            let content = try disk.contents(of: StreamID.run(run).path) ?? []
            let file = StreamFile.records(content)
            guard file.isWhole, let final = file.records.last, final.isFinal, final.stream == .run(run) else {
                continue
            }
            lines[run] = (
                final.q,
                Self.indexLine(
                    run, q: final.q, final.time, records: final.n &+ 1, bytes: UInt64(content.count),
                    Array(content[final.kind]), Array(content[final.index]))
            )
        }
        let content = lines.values.sorted { $0.q < $1.q }.flatMap(\.line)
        guard content != before ?? [] else { return }
        let kept = try replace(path, with: content, why)
        actions.append(
            RepairAction(
                kind: .rewritten, path: path,
                message: "\(why); the list was made again: \(lines.count) finished runs", keptAt: kept))
    }

    private static func indexLine(
        _ run: ULID, q: UInt64, _ time: Timestamp, records: UInt32, bytes: UInt64, _ kind: [UInt8], _ index: [UInt8]
    ) -> [UInt8] {
        var line: [UInt8] = []
        line.append("{\"id\":\"")
        run.append(to: &line)
        line.append("\",\"q\":")
        line.appendDecimal(q)
        line.append(",\"t\":\"")
        time.append(to: &line)
        line.append("\",\"n\":")
        line.appendDecimal(UInt64(records))
        line.append(",\"bytes\":")
        line.appendDecimal(bytes)
        line.append(",\"k\":\"")
        line += kind
        line.append("\"")
        if !index.isEmpty {
            line.append(",\"index\":")
            line += index
        }
        line.closeLine(from: 0)
        return line
    }

    // MARK: - Reading what is left

    /// Every line that is a record, whatever stands between.
    private static func forEachRecord(_ content: [UInt8], _ body: (ParsedRecord) -> Void) {
        content.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            var parser = LineParser()
            var position = 0
            while let end = BatchScanner.lineEnd(base, position, buffer.count) {
                if let record = parser.record(base, position..<end) { body(record) }
                position = end + 1
            }
        }
    }

    private static func forEachListed(_ content: [UInt8], _ body: (FinishedRun) -> Void) {
        for line in content.split(separator: 10) {
            RunIndex.forEach(Array(line) + [10]) { run, _ in body(run) }
        }
    }

    private static func record(_ content: [UInt8], at offset: Int) -> ParsedRecord? {
        content.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress, let end = BatchScanner.lineEnd(base, offset, buffer.count) else {
                return nil
            }
            var parser = LineParser()
            return parser.record(base, offset..<end)
        }
    }

    /// Files of streams that repairs took away, this one included: one that stood in the place of another is wanted in
    /// its own.
    func keptFiles() throws(FileError) -> [String] {
        var paths: [String] = []
        func walk(_ folder: String) throws(FileError) {
            for entry in try disk.list(folder).sorted(by: { $0.name < $1.name }) {
                let path = folder + "/" + entry.name
                if entry.kind == .directory {
                    try walk(path)
                } else if entry.kind == .file, entry.name.contains(".jsonl"), entry.name != "manifest.jsonl",
                    !entry.name.hasPrefix("index.jsonl")
                {
                    paths.append(path)
                }
            }
        }
        for name in try StreamPaths.names(disk, DamageNote.directory, .directory) where name.hasPrefix(Self.prefix) {
            for part in ["runs", "events", "system"] {
                let folder = "\(DamageNote.directory)/\(name)/\(part)"
                if try disk.stat(folder) != nil { try walk(folder) }
            }
        }
        return paths
    }
}
