internal import DaybookSystem
internal import DaybookValues

/// Files that somebody else removed, shortened or exchanged while the server ran, or that could not be written: they are
/// made anew from what is left of them and from the log, as far back as it goes.
extension FollowerWork {
    /// What is there of a stream's records up to where its file should be.
    struct Remains {
        var bytes: [UInt8] = []
        /// They are all the records there should be.
        var isWhole = false
        /// Records that are nowhere.
        var missing = 0
        var wasFound = false
    }

    static let lossText = "it is gone or has lost bytes, and the log no longer has all of what was in it"

    /// The lines of some streams that the log has.
    /// - Parameter lastQ: the last record that counts; nil, the default, for how far the follower has come.
    func loggedLines(
        _ disk: any Disk, of streams: Set<StreamID>, _ segments: [LogState.Segment], upTo lastQ: UInt64? = nil
    ) throws(FileError) -> [StreamID: [UInt32: [UInt8]]] {
        let q = lastQ ?? q
        var found: [StreamID: [UInt32: [UInt8]]] = [:]
        var parser = LineParser()
        func scan(_ bytes: [UInt8]) {
            bytes.withUnsafeBufferPointer { buffer in
                guard let base = buffer.baseAddress else { return }
                var position = 0
                while let lineEnd = BatchScanner.lineEnd(base, position, bytes.count) {
                    if let record = parser.record(base, position..<lineEnd), record.q <= q,
                        streams.contains(record.stream)
                    {
                        found[record.stream, default: [:]][record.n] = Array(buffer[record.line])
                    }
                    position = lineEnd + 1
                }
            }
        }
        for segment in segments where segment.name.firstQ <= q && segment.end > segment.dataStart {
            do throws(FileError) {
                let file = try disk.open(segment.name.path, .read)
                scan(try file.read(at: segment.dataStart, count: segment.end - segment.dataStart))
            } catch {
                // What cannot be read may not be needed.
                guard error.isMissing || error.isDeviceFailure else { throw error }
            }
        }
        for line in healed.values { scan(line) }
        return found
    }

    /// Puts together what a file should hold: what it has from its beginning, then what the log has.
    /// - Parameter state: where the file should stand; nil for a stream that has ended.
    func remains(
        _ disk: any Disk, _ stream: StreamID, _ logged: [UInt32: [UInt8]], _ state: StreamFileState?
    ) throws(FileError) -> Remains {
        var remains = Remains()
        var content: [UInt8] = []
        do throws(FileError) {
            if let found = try disk.contents(of: stream.path) {
                remains.wasFound = true
                content = found
            }
        } catch {
            // Of a run that costs the run at most. A file that many share is not made anew without what it may still
            // have: that is waited out.
            guard error.isDeviceFailure, !stream.isShared else { throw error }
        }
        let limit = state?.n ?? .max
        var lines = logged.filter { $0.key < limit }
        var isIntact = true
        for record in StreamFile.records(content).records
        where record.stream == stream && record.n < limit && lines[record.n] == nil {
            lines[record.n] = Array(content[record.line])
        }
        var next: UInt32 = 0
        for n in lines.keys.sorted() {
            guard let line = lines[n] else { continue }
            if n != next { isIntact = false }
            remains.missing += Int(n - next)
            remains.bytes += line
            next = n &+ 1
        }
        let records = StreamFile.records(remains.bytes)
        isIntact = isIntact && records.validBytes == remains.bytes.count
        if let state {
            remains.missing += Int(state.n - min(next, state.n))
            remains.isWhole =
                isIntact && next == state.n && remains.bytes.count == Int(state.bytes)
                && records.records.last.map { $0.checksum == state.checksum } ?? true
        } else {
            remains.isWhole = isIntact && records.records.last?.isFinal ?? false
        }
        return remains
    }

    /// Makes a stream's file whole, when that can be done.
    /// - Parameter replacing: also when nothing is missing from it, because it could not be flushed.
    /// - Returns: whether the file has all its records.
    mutating func makeWhole(
        _ disk: any Disk, _ stream: StreamID, _ segments: [LogState.Segment], replacing: Bool = false
    ) throws(FileError) -> Bool {
        let state = files[stream]
        let lines = try loggedLines(disk, of: [stream], segments)
        let remains = try remains(disk, stream, lines[stream] ?? [:], state)
        guard remains.isWhole else { return false }
        let size = try disk.stat(stream.path)?.bytes
        let hasLost = size.map { $0 < remains.bytes.count } ?? true
        // Bytes that are wrong are damage, and are kept as they are.
        guard hasLost || replacing else { return false }
        try publish(disk, stream.path, remains.bytes)
        touched.insert(stream)
        if hasLost { noteRemade(stream, remains, fileWasFound: size != nil) }
        return true
    }

    mutating func noteRemade(_ stream: StreamID, _ remains: Remains, fileWasFound: Bool) {
        let what = fileWasFound ? "had lost bytes or could not be written" : "was gone"
        let outcome =
            remains.isWhole
            ? "it was made again from the log, and nothing is lost"
            : "\(remains.missing) of its records are in no file and in no log segment any more"
        notes.append("\(stream.path) \(what) while the server ran; \(outcome)")
    }

    // MARK: - Lists of finished runs

    /// The list of an hour, from the files of its runs.
    mutating func remakeIndex(_ disk: any Disk, _ hour: Int) throws(FileError) {
        var lines: [(q: UInt64, line: [UInt8])] = []
        for run in try RunIndex.runIDs(disk, hour: hour) {
            guard let content = try disk.contents(of: StreamID.run(run).path),
                let final = StreamFile.records(content).records.last, final.isFinal, final.stream == .run(run),
                final.q <= q
            else { continue }
            lines.append(
                (final.q, Self.indexLine(run, final, content, fileBytes: UInt64(final.line.upperBound))))
        }
        let content = lines.sorted { $0.q < $1.q }.flatMap(\.line)
        try publish(disk, RunPath.index(hour: hour), content)
        indexes[hour] = IndexFile(bytes: content.count)
        notes.append(
            "\(RunPath.index(hour: hour)) was gone or had lost bytes while the server ran; it was made again from the files of the runs"
        )
    }
}

extension StreamID {
    /// It belongs to no run, so that nobody can be set aside for it.
    var isShared: Bool {
        if case .run = self { false } else { true }
    }
}
