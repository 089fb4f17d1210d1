internal import DaybookSystem
internal import DaybookValues

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// What a stream's file holds, as far as its lines are right and follow each other.
struct StreamSummary {
    enum Tail: Hashable { case none, unfinished, changed }

    var records: UInt32 = 0
    var checksum: UInt32 = 0
    var q: UInt64 = 0
    var hasEnded = false
    /// Bytes of the lines that are right, and of the file.
    var validBytes = 0
    var fileBytes = 0
    /// Whether what follows them may be half a write, or is a whole line that was changed.
    var tail = Tail.none
    /// The first record that is not what the log or the snapshot has.
    var mismatch: (offset: Int, q: UInt64)?
    /// The stream that its lines name, when it is not the one that its path stands for.
    var foreign: String?
    var firstN: UInt32 = 0
    /// Events and system files: lines lost for good that `Repair` has noted.
    var knownHoles = 0
    /// Nothing can be told from the number of its records: the last of them are in such a hole.
    var endsInHole = false
}

extension StreamSummary {
    /// Whether `Repair` has cut a finished run's file, and put its new size into the list.
    func hasLost(accordingTo listed: ListedRun) -> Bool {
        !hasEnded && tail == .none && mismatch == nil && firstN == 0 && records < listed.records
            && fileBytes == Int(listed.bytes)
    }
}

extension Verifier {
    mutating func verifyStreams() throws(FileError) {
        let days = try StreamPaths.names(disk, "runs", .directory)
        let folders = days.count + 1
        for folder in ["system", "events"] {
            for name in try StreamPaths.names(disk, folder, .file) where name.hasSuffix(".jsonl") {
                guard let stream = StreamID(folder + "/" + name.dropLast(6)) else { continue }
                try verifyStreamFile(stream, folder + "/" + name)
            }
        }
        progress?(VerifyProgress(part: .files, done: 1_000, total: folders * 1_000))
        for (index, day) in days.enumerated() {
            let names = try StreamPaths.names(disk, "runs/" + day, .directory)
            for (place, name) in names.enumerated() {
                guard let hour = RunPath.hour(ofFolder: "runs/\(day)/\(name)") else { continue }
                hours.insert(hour)
                try verifyHour(hour, "runs/\(day)/\(name)") { [progress] part in
                    let done = 1_000 * (index + 1) + (1_000 * place + Int(1_000 * part)) / max(1, names.count)
                    progress?(VerifyProgress(part: .files, done: done, total: folders * 1_000))
                }
            }
        }
        noteMissingFiles()
    }

    /// Events and system files.
    private mutating func verifyStreamFile(_ stream: StreamID, _ path: String) throws(FileError) {
        var tip = tips[stream]
        guard let summary = try summary(of: stream, path, tip) else { return }
        judge(stream, path, summary, tip, listed: nil)
        tip?.wasSeen = true
        if let tip { tips.set(stream, tip) }
    }

    /// Reads and checks a file; nil when it is gone.
    mutating func summary(of stream: StreamID, _ path: String, _ tip: LogTip?) throws(FileError) -> StreamSummary? {
        do throws(FileError) {
            try window.begin(disk.open(path, .read))
        } catch {
            if error.isMissing { return nil }
            throw error
        }
        defer { window.end() }
        report.streamFiles += 1
        var expected = LineStart(stream)
        let tip = tip ?? LogTip()
        var result = StreamSummary()
        var place = 0
        while true {
            guard let lineEnd = BatchScanner.lineEnd(window.base, place, window.count) else {
                if window.isAtEnd { break }
                try window.advance(to: place)
                place = 0
                continue
            }
            guard let line = expected.parse(window.base + place, lineEnd - place), line.q > result.q || result.q == 0,
                result.records == 0 || (line.n == result.records && line.previousChecksum == result.checksum)
            else {
                if let skipped = try skipKnownHole(path, window.start + place) {
                    result.knownHoles += 1
                    // What follows is chained to a line that nobody has any more.
                    place = skipped.place
                    guard let next = skipped.next else {
                        result.endsInHole = true
                        break
                    }
                    result.records = next.n
                    result.checksum = next.previousChecksum
                    continue
                }
                break
            }
            if result.records == 0 { result.firstN = line.n }
            result.records = line.n &+ 1
            result.checksum = line.checksum
            result.q = line.q
            result.hasEnded = line.isFinal
            report.streamRecords += 1
            let isWrong =
                result.records == tip.snapshotN && line.checksum != tip.snapshotChecksum
                || result.records == tip.n && line.checksum != tip.checksum
            if isWrong, result.mismatch == nil { result.mismatch = (window.start + place, line.q) }
            place = lineEnd + 1
        }
        result.validBytes = window.start + place
        try look(at: place, path, stream, &result)
        report.bytes += result.fileBytes
        return result
    }

    /// What stands behind the last line that is right.
    private func look(at place: Int, _ path: String, _ stream: StreamID, _ result: inout StreamSummary)
        throws(FileError)
    {
        guard place < window.count || !window.isAtEnd else {
            result.fileBytes = result.validBytes
            return
        }
        while BatchScanner.lineEnd(window.base, place, window.count) == nil, !window.isAtEnd {
            try window.advance(to: place)
            return try look(at: 0, path, stream, &result)
        }
        result.tail = .unfinished
        if let end = BatchScanner.lineEnd(window.base, place, window.count) {
            // A write that was cut short has no end, and JSON has no zero bytes: those are sectors that a loss of power
            // left out. Whatever else ends with a line feed was whole once.
            let isWhole = memchr(window.base + place, 0, end - place) == nil
            if isWhole { result.tail = .changed }
            if result.records == 0, let record = StreamFile.first(window.base + place, end - place + 1),
                record.stream != stream
            {
                result.foreign = record.stream.text
            }
        }
        result.fileBytes = try disk.stat(path)?.bytes ?? result.validBytes
    }

    private func skipKnownHole(
        _ path: String, _ offset: Int
    ) throws(FileError) -> (place: Int, next: (n: UInt32, previousChecksum: UInt32)?)? {
        guard let hole = known.holes.first(where: { $0.path == path && $0.offset == offset }) else { return nil }
        let place = offset - window.start
        while window.count - place < hole.bytes, !window.isAtEnd {
            // A hole is read whole, since its checksum says that it is still the same.
            try window.advance(to: place)
            return try skipKnownHole(path, offset)
        }
        guard window.count - place >= hole.bytes, checksum(window.base + place, hole.bytes) == hole.checksum else {
            return nil
        }
        let behind = place + hole.bytes
        while BatchScanner.lineEnd(window.base, behind, window.count) == nil, !window.isAtEnd {
            try window.advance(to: place)
            return try skipKnownHole(path, offset)
        }
        guard let end = BatchScanner.lineEnd(window.base, behind, window.count),
            let record = StreamFile.first(window.base + behind, end - behind + 1)
        else { return (behind, nil) }
        return (behind, (record.n, record.previousChecksum))
    }

    // MARK: - Judging

    /// Compares a file with what the log, the snapshot and the list of its hour say.
    mutating func judge(
        _ stream: StreamID, _ path: String, _ file: StreamSummary, _ tip: LogTip?, listed: ListedRun?
    ) {
        func inLog(_ n: UInt32) -> Bool { tip.map { $0.firstN <= n && n < $0.n } ?? false }
        if let foreign = file.foreign {
            add(.damage, path, 0, "it holds the records of \(foreign)", .stray)
            return
        }
        if file.knownHoles > 0 {
            add(.known, path, 0, "lines of it are lost; they are noted in \(DamageNote.directory)")
        }
        if file.endsInHole, file.tail == .none { return }
        // Lost, and on record in the list: `judgeListed` says so.
        if let listed, file.hasLost(accordingTo: listed) { return }
        if case .run(let run) = stream, setAside.contains(run) {
            if file.tail != .none || file.firstN > 0 || file.mismatch != nil {
                add(
                    .known, path, file.mismatch?.offset ?? file.validBytes,
                    "the line that starts here is not right; the run was set aside, and its file is left as it was")
            }
            return
        }
        if file.records > 0, file.firstN > 0 {
            add(.damage, path, 0, "its first record has number \(file.firstN)", .stream(stream))
            return
        }
        if let (offset, q) = file.mismatch, tip?.isBroken != true {
            add(.damage, path, offset, "record \(q) differs from the log", .stream(stream))
            return
        }
        if file.tail == .changed {
            let message =
                inLog(file.records)
                ? "the line that starts here was changed; the log still has the record"
                : "the line that starts here is not right"
            add(.damage, path, file.validBytes, message, .stream(stream))
            return
        }
        guard let tip else { return judgeUnlogged(stream, path, file, listed) }
        if file.records < tip.snapshotN {
            if isCopy, inLog(file.records) {
                waitingFiles += 1
            } else {
                let have = inLog(file.records) ? "; the log still has them" : ""
                add(
                    .damage, path, file.validBytes,
                    "its records \(file.records) to \(tip.snapshotN - 1) are missing\(have)", .stream(stream))
            }
            return
        }
        if file.records == tip.n, file.tail == .none { return }
        if file.records > tip.n, lost.contains(where: { $0.contains(file.q) }), file.tail == .none { return }
        // Either it is behind the log, or the log has moved on since: both are looked up at the end.
        pending[stream] = PendingFile(
            path: path, n: file.records, q: file.q, checksum: file.checksum,
            tailOffset: file.tail == .none ? nil : file.validBytes)
    }

    /// A file of which neither the log nor the snapshot knows: that of a run that ended before the log begins, or one
    /// that is younger than what was read of the log.
    private mutating func judgeUnlogged(
        _ stream: StreamID, _ path: String, _ file: StreamSummary, _ listed: ListedRun?
    ) {
        if file.q >= position.expectedQ || file.records == 0 && listed == nil {
            pending[stream] = PendingFile(
                path: path, n: file.records, q: file.q, checksum: file.checksum,
                tailOffset: file.tail == .none ? nil : file.validBytes)
            return
        }
        if file.tail != .none {
            add(.damage, path, file.validBytes, "the line that starts here is not right", .stream(stream))
        } else if !file.hasEnded, listed == nil {
            let isLost = lost.contains { $0.contains(file.q) || $0.lowerBound > file.q }
            guard case .run = stream, !isLost else { return }
            add(
                .note, path, file.validBytes,
                "neither the log nor the snapshot knows of this run, and no list has its end")
        }
    }

    /// Streams that the log or the snapshot knows and that no file was found for.
    private mutating func noteMissingFiles() {
        var missing: [(StreamID, LogTip)] = []
        tips.forEach { stream, tip in
            if !tip.wasSeen, tip.n > 0 { missing.append((stream, tip)) }
        }
        for (stream, tip) in missing {
            let path = stream.path
            if case .run(let run) = stream, setAside.contains(run) { continue }
            if tip.snapshotN == 0 || isCopy && tip.firstN == 0 {
                waitingFiles += 1
                continue
            }
            switch stream {
            case .run(let run):
                // Whole days may be removed by hand once their runs have ended.
                if tip.hasEnded, !hours.contains(RunPath.hour(of: run)) { continue }
            case .events(let day):
                if let newestTime, day < newestTime.day {
                    add(.note, path, 0, "the events of that day are gone; that is fine if somebody removed them")
                    continue
                }
            case .system: break
            }
            add(.damage, path, 0, "the file is missing; \(tip.snapshotN) records were in it", .stream(stream))
        }
    }

    // MARK: - Looking up once more

    /// Brings the view of the log up to now, and settles what could not be judged before.
    mutating func settlePending() throws(FileError) {
        guard !pending.isEmpty else { return }
        chain = try reloadedChain()
        var wasOvertaken = false
        if let first = chain.firstQ, first > position.expectedQ {
            // A server has trimmed the log beyond what was read of it: what stood between cannot be looked up.
            wasOvertaken = true
            lost.append(position.expectedQ...first - 1)
            position = LogPosition()
        }
        try readLog()
        let lastQ = position.expectedQ - 1
        try lookUp(from: pending.values.reduce(lastQ + 1) { min($0, $1.q) })
        for (stream, file) in pending {
            let tip = tips[stream]
            let logN = tip?.n ?? 0
            if file.isRefuted, tip?.isBroken != true {
                add(.damage, file.path, 0, "record \(file.q) differs from the log", .stream(stream))
            } else if file.q > lastQ || file.n > logN && !file.isConfirmed {
                if file.n == 0, file.tailOffset == nil {
                    // Made, and nothing written to it yet.
                    waitingFiles += 1
                } else if lost.contains(where: { $0.contains(file.q) }) {
                    continue
                } else if isCopy {
                    add(.note, file.path, 0, "record \(file.q) is younger than the copy of the log")
                } else if file.n == 0 {
                    add(.damage, file.path, 0, "the line that starts here is not right", .stream(stream))
                } else {
                    add(
                        .damage, file.path, 0,
                        file.q > lastQ
                            ? "record \(file.q) lies beyond the end of the log"
                            : "record \(file.q) is not in the log",
                        file.q > lastQ ? .beyond(stream) : .stream(stream))
                }
            } else if let offset = file.tailOffset, file.n >= logN, !wasOvertaken {
                add(.damage, file.path, offset, "the line that starts here is not right", .stream(stream))
            } else if file.n < logN || file.tailOffset != nil {
                waitingFiles += 1
            }
        }
    }

    /// Looks for the last record of every pending file in the log.
    private mutating func lookUp(from q: UInt64) throws(FileError) {
        for (index, link) in chain.links.enumerated() {
            if index + 1 < chain.links.count, chain.links[index + 1].name.firstQ <= q { continue }
            guard let content = try disk.contents(of: link.name.path) else { continue }
            var scanner = BatchScanner(
                bytes: content, from: link.dataStart, limit: link.limit, expectedQ: link.name.firstQ,
                previousCommit: nil)
            scan: while true {
                switch scanner.next() {
                case .batch:
                    for record in scanner.records { compare(record) }
                case .end: break scan
                case .irregular:
                    let salvage = scanner.salvage()
                    for record in salvage.records { compare(record) }
                    guard let commit = salvage.commit else { break scan }
                    scanner.expectedQ = commit.lastQ + 1
                }
            }
        }
    }

    private mutating func compare(_ record: ParsedRecord) {
        guard let file = pending[record.stream], file.n == record.n &+ 1 else { return }
        if file.checksum == record.checksum {
            pending[record.stream]?.isConfirmed = true
        } else {
            pending[record.stream]?.isRefuted = true
        }
    }
}

/// Reads lines of one stream: what is the same in all of them is compared, not parsed.
struct LineStart {
    struct Line {
        var q: UInt64
        var n: UInt32
        var previousChecksum: UInt32
        var checksum: UInt32
        var isFinal: Bool
    }

    /// `","s":"run/…","n":`
    private let middle: [UInt8]

    init(_ stream: StreamID) {
        middle = Array("\",\"s\":\"\(stream.text)\",\"n\":".utf8)
    }

    /// Nil unless the line, given without its line feed, is a record of this stream and agrees with its checksum.
    @inline(__always)
    mutating func parse(_ line: UnsafePointer<UInt8>, _ count: Int) -> Line? {
        guard let sum = Self.verifiedChecksum(line, count) else { return nil }
        var cursor = LineCursor(start: line, count: count - lineEndBytes)
        // The time is covered by the checksum; its shape was checked in the log.
        guard cursor.take("{\"q\":"), let q = cursor.number(), cursor.take(",\"t\":\""), cursor.raw(24) != nil,
            let found = cursor.raw(middle.count),
            middle.withUnsafeBufferPointer({ memcmp(found, $0.baseAddress!, $0.count) == 0 }),
            let n = cursor.number(), n <= UInt64(UInt32.max), cursor.take(",\"p\":\""), let previous = cursor.hex(),
            cursor.take("\",")
        else { return nil }
        return Line(
            q: q, n: UInt32(n), previousChecksum: previous, checksum: sum,
            isFinal: Self.isFinal(line, count - lineEndBytes))
    }

    /// As `LineParser` does it, in few instructions: the checksum is written out and compared as text.
    @inline(__always)
    private static func verifiedChecksum(_ line: UnsafePointer<UInt8>, _ count: Int) -> UInt32? {
        guard count > lineEndBytes else { return nil }
        let end = UnsafeRawPointer(line + (count - lineEndBytes))
        // `,"crc":"` and `"}`
        guard end.loadUnaligned(as: UInt64.self).bigEndian == 0x2C22_6372_6322_3A22,
            end.loadUnaligned(fromByteOffset: 16, as: UInt16.self).bigEndian == 0x227D
        else { return nil }
        let sum = checksum(line, count - lineEndBytes)
        var text: UInt64 = 0
        withUnsafeMutableBytes(of: &text) { bytes in
            if let base = bytes.baseAddress { writeHex(sum, to: base.assumingMemoryBound(to: UInt8.self)) }
        }
        return text == end.loadUnaligned(fromByteOffset: 8, as: UInt64.self) ? sum : nil
    }

    /// Whether `,"end":N` stands at the end.
    @inline(__always)
    private static func isFinal(_ line: UnsafePointer<UInt8>, _ count: Int) -> Bool {
        var position = count
        while position > 8, line[position - 1] &- UInt8(ascii: "0") < 10 { position -= 1 }
        guard position < count, line[position - 1] == UInt8(ascii: ":"), line[position - 2] == UInt8(ascii: "\"") else {
            return false
        }
        // `,"end":` in one comparison, with the first digit taken off.
        let key = UnsafeRawPointer(line + position - 8).loadUnaligned(as: UInt64.self).bigEndian
        return key & 0x00FF_FFFF_FFFF_FFFF == 0x2C22_656E_6422_3A
    }
}

extension StreamFile {
    /// The first record of some bytes, if it is right.
    static func first(_ base: UnsafePointer<UInt8>, _ count: Int) -> ParsedRecord? {
        guard let end = BatchScanner.lineEnd(base, 0, count) else { return nil }
        var parser = LineParser()
        return parser.record(base, 0..<end)
    }
}

extension RunPath {
    /// Reads `runs/2026-11-21/08`.
    static func hour(ofFolder path: String) -> Int? {
        let parts = path.split(separator: "/")
        guard parts.count == 3, parts[2].utf8.count == 2, let midnight = Timestamp(rfc3339: parts[1] + "T00:00:00Z"),
            let hour = Int(parts[2]), (0..<24).contains(hour)
        else { return nil }
        return Int(midnight.day) * 24 + hour
    }
}
