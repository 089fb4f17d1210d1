internal import DaybookSystem
internal import DaybookValues

/// The follower's own state: how far it has come, the table of files, and what is not flushed yet.
struct FollowerWork: Sendable {
    struct Captured {
        var q: UInt64
        var streams: [UInt8]
        var quarantined: [QuarantinedRun]
    }

    /// One stream's lines within the piece at hand.
    private struct Group {
        var stream: StreamID
        /// Neighbouring lines are joined. Source 0 is the log, others are lines kept aside.
        var pieces: [(source: Int, range: Range<Int>)] = []
        /// Where the file stands before and after.
        var before: StreamFileState
        var after: StreamFileState
        var final: ParsedRecord?
        var finalSource = 0
        /// Of a run that was set aside: its file is left as it is, and only its end is taken note of.
        var isSetAside = false
        /// Nil unless the lines do not fit what the file has.
        var failure: String?
        /// The file is gone, has lost bytes, or could not be written: it has to be made anew.
        var mustBeRemade = false
    }

    /// The last record that is in its stream file.
    private(set) var q: UInt64
    var checkpointQ: UInt64
    var files: StreamTable<StreamFileState>
    var quarantined: [ULID: QuarantinedRun]
    var captured: Captured?

    /// Where in the log to go on.
    private var segment: SegmentName?
    private var offset = 0
    private var file: (any DiskFile)?
    let healed: [UInt64: [UInt8]]
    /// The last record there was at the start: up to here files may hold more than the table says.
    private let lastQAtStart: UInt64
    private var checksFiles = false
    /// Written since the last checkpoint; not complete once it has more than `singleFlushesMax` entries.
    var touched: Set<StreamID> = []
    /// Files whose flush failed: the kernel may have dropped what was written to them.
    var unflushable: Set<StreamID> = []
    var touchedIndexes: Set<Int> = []
    var indexes: [Int: IndexFile] = [:]
    var changedFolders: Set<String> = []
    private var knownFolders: Set<String> = []
    /// What happened to files behind our back, for the log.
    var notes: [String] = []
    var found: [(run: ULID, reason: QuarantineReason)] = []
    var parser = LineParser()
    /// In a copied directory: streams whose file is shorter than the table says, and the records it should have.
    private var short: [StreamID: UInt32] = [:]

    private static let paceBytes = 4 << 20
    /// With more files than this, one flush of the file system is cheaper than one of each.
    static let singleFlushesMax = 64

    init(recovery: Recovery) {
        q = recovery.report.snapshotQ
        checkpointQ = q
        files = recovery.files
        healed = recovery.healed
        lastQAtStart = recovery.report.lastQ
        quarantined = recovery.quarantined
        for run in quarantined.keys where quarantined[run]?.neededTo == .max {
            quarantined[run]?.neededTo = lastQAtStart + 1
        }
    }

    mutating func capture() {
        captured = Captured(
            q: q, streams: SnapshotFile.encode(files),
            quarantined: quarantined.values.sorted { $0.run < $1.run })
    }

    mutating func takeFound() -> [(run: ULID, reason: QuarantineReason)] {
        defer { found = [] }
        return found
    }

    mutating func takeNotes() -> [String] {
        defer { notes = [] }
        return notes
    }

    // MARK: - Copying

    /// Copies records up to `target`, or the first piece of them. When it throws, nothing has changed but the content
    /// of files, and the same piece is copied again next time.
    mutating func step(
        _ disk: any Disk, segments: [LogState.Segment], to target: UInt64, bytesMax: Int
    ) throws(FileError) {
        guard let current = try locate(disk, segments) else { return }
        var sources = [try readPiece(current, bytesMax: bytesMax)]
        var groups: [Group] = []
        var groupOf: [StreamID: Int] = [:]
        var lastQ = q
        var position = 0
        var hasPassedTarget = false
        while let record = nextRecord(sources[0], &position) {
            hasPassedTarget = record.q > target
            if record.q > max(lastQ, lastQAtStart) + 1, !hasPassedTarget {
                // A line that was whole when it was flushed is not any more. The next start finds out whose it was.
                throw .damaged(current.name.path)
            }
            try addHealed(disk, lastQ + 1, before: min(record.q, target + 1), &sources, &groups, &groupOf)
            if hasPassedTarget {
                position = record.line.lowerBound
                break
            }
            guard record.q > lastQ else { continue }
            lastQ = record.q
            try add(disk, record, source: 0, &groups, &groupOf)
        }
        if !hasPassedTarget, offset + position >= current.end {
            let end = min(current.lastQ, target)
            try addHealed(disk, lastQ + 1, before: end + 1, &sources, &groups, &groupOf)
            lastQ = max(lastQ, end)
        }
        if sources[0].isEmpty, offset < current.end { throw .damaged(current.name.path) }
        for index in groups.indices where groups[index].failure == nil && !groups[index].pieces.isEmpty {
            try write(disk, &groups[index], sources)
        }
        try remake(disk, &groups, sources, segments)
        let indexLines = try indexLines(disk, of: groups, sources)
        for (hour, lines) in indexLines.sorted(by: { $0.key < $1.key }) { try appendIndex(disk, hour, lines) }
        for group in groups { settle(group, at: lastQ) }
        for (hour, lines) in indexLines {
            indexes[hour]?.bytes += lines.count
            touchedIndexes.insert(hour)
        }
        q = lastQ
        offset += position
        if offset >= current.end || lastQ >= current.lastQ {
            // What is left of a segment after its last record is commit lines, or damage that is dealt with.
            q = max(q, min(current.lastQ, target))
            if current.name != segments.last?.name, q >= current.lastQ {
                segment = nil
                file = nil
                offset = 0
            }
        } else if position == 0 {
            // A whole piece of the log without one line that can be read.
            offset += sources[0].count
        }
        if checksFiles, q >= lastQAtStart { finishChecking() }
    }

    private mutating func locate(
        _ disk: any Disk, _ segments: [LogState.Segment]
    ) throws(FileError) -> LogState.Segment? {
        let wanted = q + 1
        let current =
            segments.first { $0.name == segment } ?? segments.first { $0.lastQ >= wanted && $0.name.firstQ <= $0.lastQ }
        guard let current else { return nil }
        if file == nil || segment != current.name {
            do throws(FileError) {
                file = try disk.open(current.name.path, .read)
            } catch {
                // Records that were flushed are nowhere any more: only a new start can tell what that means.
                throw error.isMissing ? .damaged(current.name.path) : error
            }
            segment = current.name
            offset = current.dataStart
        }
        return current
    }

    /// Complete lines from `offset` on: at least one, unless the segment ends before.
    private func readPiece(_ current: LogState.Segment, bytesMax: Int) throws(FileError) -> [UInt8] {
        // Of a segment whose header is damaged nothing may be left to read.
        guard let file, offset < current.end else { return [] }
        var size = bytesMax
        while true {
            var bytes = try file.read(at: offset, count: min(size, current.end - offset))
            if let last = bytes.lastIndex(of: UInt8(ascii: "\n")) {
                bytes.removeSubrange((last + 1)...)
                return bytes
            }
            if offset + size >= current.end || bytes.isEmpty { return bytes }
            size *= 2
        }
    }

    /// The next line that is a record. Moves `position` behind lines that are not.
    private mutating func nextRecord(_ bytes: [UInt8], _ position: inout Int) -> ParsedRecord? {
        bytes.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return nil }
            while let lineEnd = BatchScanner.lineEnd(base, position, bytes.count) {
                if let record = parser.record(base, position..<lineEnd) {
                    position = lineEnd + 1
                    return record
                }
                position = lineEnd + 1
            }
            return nil
        }
    }

    /// Records that are damaged in the log but were found elsewhere go in at their place.
    private mutating func addHealed(
        _ disk: any Disk, _ first: UInt64, before end: UInt64, _ sources: inout [[UInt8]], _ groups: inout [Group],
        _ groupOf: inout [StreamID: Int]
    ) throws(FileError) {
        guard !healed.isEmpty, first < end else { return }
        for q in healed.keys.sorted() where q >= first && q < end {
            guard let line = healed[q], let kept = StreamFile.records(line).records.first else { continue }
            sources.append(line)
            try add(disk, kept, source: sources.count - 1, &groups, &groupOf)
        }
    }

    private mutating func add(
        _ disk: any Disk, _ record: ParsedRecord, source: Int, _ groups: inout [Group], _ groupOf: inout [StreamID: Int]
    ) throws(FileError) {
        let index: Int
        if let known = groupOf[record.stream] {
            index = known
        } else {
            var isSetAside = false
            if case .run(let run) = record.stream { isSetAside = quarantined[run] != nil }
            if isSetAside, !record.isFinal {
                // The table goes on saying where the run stands in the log.
                files[record.stream] = StreamFileState(
                    bytes: files[record.stream]?.bytes ?? 0, n: record.n &+ 1, checksum: record.checksum)
                return
            }
            let before: StreamFileState
            if isSetAside {
                before = StreamFileState(bytes: 0, n: 0, checksum: 0)
            } else if let state = files[record.stream] {
                before = state
            } else if record.n == 0 {
                before = StreamFileState(bytes: 0, n: 0, checksum: 0)
            } else {
                before = try stateOfFile(disk, record.stream, below: record.n)
            }
            index = groups.count
            groupOf[record.stream] = index
            groups.append(Group(stream: record.stream, before: before, after: before, isSetAside: isSetAside))
        }
        if record.isFinal {
            // Also where the file fails: the list of finished runs is the only other place for how a run ended.
            groups[index].final = record
            groups[index].finalSource = source
        }
        guard !groups[index].isSetAside, groups[index].failure == nil, record.n >= groups[index].after.n else { return }
        if record.n > groups[index].after.n, case .run = record.stream {
            groups[index].failure = "its record \(groups[index].after.n) is missing before record \(record.n)"
            return
        }
        if let last = groups[index].pieces.last, last.source == source,
            last.range.upperBound == record.line.lowerBound
        {
            groups[index].pieces[groups[index].pieces.count - 1].range = last.range.lowerBound..<record.line.upperBound
        } else {
            groups[index].pieces.append((source, record.line))
        }
        groups[index].after = StreamFileState(
            bytes: groups[index].after.bytes + UInt64(record.line.count), n: record.n &+ 1, checksum: record.checksum)
    }

    /// Where a file stands that the table does not know, by what is in it.
    private func stateOfFile(
        _ disk: any Disk, _ stream: StreamID, below n: UInt32
    ) throws(FileError) -> StreamFileState {
        var state = StreamFileState(bytes: 0, n: 0, checksum: 0)
        guard let content = try disk.contents(of: stream.path) else { return state }
        for record in StreamFile.records(content).records where record.n < n {
            state = StreamFileState(bytes: UInt64(record.line.upperBound), n: record.n &+ 1, checksum: record.checksum)
        }
        return state
    }

    // MARK: - Writing

    /// Rule 8: written at the table's length, then cut to the new one, so that doing it twice gives the same file.
    private mutating func write(
        _ disk: any Disk, _ group: inout Group, _ sources: [[UInt8]]
    ) throws(FileError) {
        do throws(FileError) {
            let file = try open(disk, group)
            let size = try file.bytes()
            guard size >= Int(group.before.bytes) else {
                group.mustBeRemade = true
                return
            }
            var offset = Int(group.before.bytes)
            if group.pieces.count == 1 {
                try writePaced(file, sources[group.pieces[0].source][group.pieces[0].range], at: offset)
                offset += group.pieces[0].range.count
            } else {
                let joined = Self.joined(group, sources)
                try writePaced(file, joined[...], at: offset)
                offset += joined.count
            }
            if size > offset { try file.truncate(to: offset) }
            file.close()
        } catch {
            // What the device says of this file is the file's own trouble, and so is that somebody removed it. All else
            // is waited out, or ends the process: the same piece is then copied again.
            guard error.isDeviceFailure || error.isMissing else { throw error }
            group.mustBeRemade = true
        }
    }

    private mutating func open(_ disk: any Disk, _ group: Group) throws(FileError) -> any DiskFile {
        let path = group.stream.path
        // A file that should be there and is not must not come back empty.
        guard group.before.bytes == 0 else { return try disk.open(path, .readWrite) }
        try ensureFolder(disk, parentPath(path), holdsNewFile: true)
        do throws(FileError) {
            return try disk.open(path, .create)
        } catch {
            // Somebody removed the folder.
            guard error.isMissing else { throw error }
            knownFolders.remove(parentPath(path))
            try ensureFolder(disk, parentPath(path), holdsNewFile: true)
            return try disk.open(path, .create)
        }
    }

    private static func joined(_ group: Group, _ sources: [[UInt8]]) -> [UInt8] {
        var joined: [UInt8] = []
        joined.reserveCapacity(Int(group.after.bytes - group.before.bytes))
        for piece in group.pieces { joined.append(contentsOf: sources[piece.source][piece.range]) }
        return joined
    }

    /// Files that have to be made anew: from what is left of them, from the log, and from the lines at hand.
    private mutating func remake(
        _ disk: any Disk, _ groups: inout [Group], _ sources: [[UInt8]], _ segments: [LogState.Segment]
    ) throws(FileError) {
        let indices = groups.indices.filter { groups[$0].mustBeRemade }
        guard !indices.isEmpty else { return }
        let lines = try loggedLines(disk, of: Set(indices.map { groups[$0].stream }), segments)
        for index in indices {
            let (stream, before) = (groups[index].stream, groups[index].before)
            let remains = try remains(disk, stream, lines[stream] ?? [:], before)
            let joined = Self.joined(groups[index], sources)
            if remains.isWhole || stream.isShared {
                do throws(FileError) {
                    try publish(disk, stream.path, remains.bytes + joined)
                } catch {
                    guard error.isDeviceFailure, !stream.isShared else { throw error }
                    groups[index].failure = error.description
                    continue
                }
                groups[index].after.bytes = UInt64(remains.bytes.count + joined.count)
            } else {
                groups[index].failure = Self.lossText
            }
            noteRemade(stream, remains, fileWasFound: remains.wasFound)
        }
    }

    private mutating func settle(_ group: Group, at q: UInt64) {
        if let failure = group.failure {
            short[group.stream] = nil
            guard case .run(let run) = group.stream else { return }
            quarantined[run] = QuarantinedRun(run: run, neededFrom: checkpointQ + 1, neededTo: q)
            found.append((run, .streamFileFailed(path: group.stream.path, message: failure)))
            files[group.stream] =
                group.final == nil
                ? StreamFileState(bytes: group.before.bytes, n: group.after.n, checksum: group.after.checksum) : nil
            return
        }
        if group.isSetAside {
            short[group.stream] = nil
            files[group.stream] = nil
            return
        }
        guard !group.pieces.isEmpty else { return }
        if touched.count <= Self.singleFlushesMax { touched.insert(group.stream) }
        short[group.stream] = nil
        files[group.stream] = group.final == nil ? group.after : nil
    }

    /// Rule 10: bulk writes go to the device piece by piece, so that the log's own flushes do not wait behind them.
    private func writePaced(_ file: any DiskFile, _ bytes: ArraySlice<UInt8>, at offset: Int) throws(FileError) {
        guard bytes.count > Self.paceBytes else {
            try file.write(bytes, at: offset)
            return
        }
        var done = 0
        while done < bytes.count {
            let start = bytes.startIndex + done
            let piece = bytes[start..<min(start + Self.paceBytes, bytes.endIndex)]
            try file.write(piece, at: offset + done)
            try file.startWriteback(at: offset + done, bytes: piece.count)
            done += piece.count
        }
    }

    /// A file gets one more chance, under a new inode.
    mutating func publish(_ disk: any Disk, _ path: String, _ content: [UInt8]) throws(FileError) {
        knownFolders.remove(parentPath(path))
        try ensureFolder(disk, parentPath(path), holdsNewFile: true)
        do throws(FileError) {
            try disk.replace(path, with: content)
        } catch {
            // Nothing depends on a file that has not got its name yet, so that a flush which found no room is no worse
            // than a write that did.
            guard error.operation == .sync, error.isOutOfSpace else { throw error }
            throw FileError(errno: error.errno, operation: .write, path: error.path)
        }
    }

    private mutating func ensureFolder(_ disk: any Disk, _ folder: String, holdsNewFile: Bool) throws(FileError) {
        if !knownFolders.contains(folder) {
            // Also when it is there: a process that made it may have died before its name was durable.
            var parent = folder
            while !parent.isEmpty {
                parent = parentPath(parent)
                changedFolders.insert(parent)
            }
            try disk.makeDirectory(folder)
            knownFolders.insert(folder)
        }
        if holdsNewFile { changedFolders.insert(folder) }
    }

    // MARK: - Lists of finished runs

    /// The lines for runs that end in the piece at hand, by hour, in the order of the log.
    private func indexLines(
        _ disk: any Disk, of groups: [Group], _ sources: [[UInt8]]
    ) throws(FileError) -> [Int: [UInt8]] {
        var ends: [(run: ULID, final: ParsedRecord, group: Group)] = []
        for group in groups {
            if let final = group.final, case .run(let run) = group.stream { ends.append((run, final, group)) }
        }
        ends.sort { $0.final.q < $1.final.q }
        var lines: [Int: [UInt8]] = [:]
        for (run, final, group) in ends {
            // The file of a run that was set aside has what it has, which may be nothing at all.
            let isWhole = !group.isSetAside && group.failure == nil
            let fileBytes = isWhole ? group.after.bytes : UInt64(try disk.stat(group.stream.path)?.bytes ?? 0)
            lines[RunPath.hour(of: run), default: []] += Self.indexLine(
                run, final, sources[group.finalSource], fileBytes: fileBytes)
        }
        return lines
    }

    /// The line of a finished run.
    /// - Parameter source: where the run's last record stands.
    static func indexLine(
        _ run: ULID, _ final: ParsedRecord, _ source: [UInt8], fileBytes: UInt64
    ) -> [UInt8] {
        var line: [UInt8] = []
        line.append("{\"id\":\"")
        run.append(to: &line)
        line.append("\",\"q\":")
        line.appendDecimal(final.q)
        line.append(",\"t\":\"")
        final.time.append(to: &line)
        line.append("\",\"n\":")
        line.appendDecimal(UInt64(final.n) + 1)
        line.append(",\"bytes\":")
        line.appendDecimal(fileBytes)
        line.append(",\"k\":\"")
        line.append(contentsOf: source[final.kind])
        line.append("\"")
        if !final.index.isEmpty {
            line.append(",\"index\":")
            line.append(contentsOf: source[final.index])
        }
        line.closeLine(from: 0)
        return line
    }

    /// Appends to the index of an hour. Its lines are in the order of the log, so what an earlier process wrote beyond
    /// our position can be told and is cut off.
    private mutating func appendIndex(_ disk: any Disk, _ hour: Int, _ lines: [UInt8]) throws(FileError) {
        let path = RunPath.index(hour: hour)
        // A run that was set aside early may have no file, and its hour no folder.
        try ensureFolder(disk, RunPath.directory(hour: hour), holdsNewFile: false)
        if let index = indexes[hour], try disk.stat(path)?.bytes ?? 0 < index.bytes { try remakeIndex(disk, hour) }
        let file = try disk.open(path, .create)
        if indexes[hour] == nil {
            let content = try file.readAll()
            // New, or made by a process that died before the name was durable.
            changedFolders.insert(RunPath.directory(hour: hour))
            indexes[hour] = IndexFile(bytes: RunIndex.length(of: content, upTo: q))
        }
        guard let index = indexes[hour] else { return }
        try file.write(lines, at: index.bytes)
        if try file.bytes() > index.bytes + lines.count { try file.truncate(to: index.bytes + lines.count) }
        file.close()
    }

    // MARK: - After a copy

    /// Rule 14: in a copied directory the files may be older than the table. Each is checked against it, and what is
    /// missing is taken from the log, from as far back as it goes.
    mutating func startOver(_ disk: any Disk, segments: [LogState.Segment]) {
        guard let first = segments.first else { return }
        for (stream, state) in files.sorted {
            let content = (try? disk.contents(of: stream.path)) ?? []
            var have = StreamFileState(bytes: 0, n: 0, checksum: 0)
            for record in StreamFile.records(content).records where record.n < state.n {
                have = StreamFileState(
                    bytes: UInt64(record.line.upperBound), n: record.n &+ 1, checksum: record.checksum)
            }
            guard have.n < state.n else { continue }
            files[stream] = have
            short[stream] = state.n
        }
        checksFiles = true
        q = first.name.firstQ - 1
    }

    /// Files that the log could not make whole again.
    private mutating func finishChecking() {
        checksFiles = false
        for (stream, n) in short.sorted(by: { $0.key.path < $1.key.path }) {
            guard case .run(let run) = stream else { continue }
            quarantined[run] = QuarantinedRun(run: run, neededFrom: checkpointQ + 1, neededTo: q)
            let message = "the copy has only \(files[stream]?.n ?? 0) of its \(n) records, and the log not the others"
            found.append((run, .streamFileFailed(path: stream.path, message: message)))
        }
        short = [:]
    }
}

/// An index file that this process appends to.
struct IndexFile {
    var bytes: Int
}
