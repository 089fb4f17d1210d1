package import DaybookSystem
package import DaybookValues

/// A finished run as the index of its hour has it.
package struct FinishedRun: Sendable {
    package var id: ULID
    /// Number of its last record in the log.
    package var q: UInt64
    package var finishedAt: Timestamp
    package var records: UInt32
    /// Size of its file.
    package var fileBytes: UInt64
    /// Kind of the final record.
    package var kind: ArraySlice<UInt8>
    /// The JSON object that the final record carried; empty when it had none.
    package var index: ArraySlice<UInt8>
}

/// Finished runs by the hour of their id, newest hour first. It reads one index file at a time, and no run file.
package struct RunIndex {
    private let disk: any Disk
    private var hours: [Int]

    package init(disk: any Disk) throws(FileError) {
        self.disk = disk
        var hours: [Int] = []
        for day in try StreamPaths.names(disk, "runs", .directory) {
            guard let midnight = Timestamp(rfc3339: day + "T00:00:00Z") else { continue }
            for name in try StreamPaths.names(disk, "runs/" + day, .directory) {
                if let hour = Int(name), hour < 24 { hours.append(Int(midnight.day) * 24 + hour) }
            }
        }
        self.hours = hours.sorted()
    }

    /// The finished runs of the next hour that has any, newest id first; nil after the last.
    package mutating func nextHour() throws(FileError) -> [FinishedRun]? {
        while let hour = hours.popLast() {
            guard let content = try disk.contents(of: RunPath.index(hour: hour)) else { continue }
            var runs: [ULID: FinishedRun] = [:]
            Self.forEach(content) { run, _ in runs[run.id] = run }
            if !runs.isEmpty { return runs.values.sorted { $0.id > $1.id } }
        }
        return nil
    }

    /// Runs that have a file in the next hour but need not have finished, newest first. For lists without a server.
    package static func runIDs(_ disk: any Disk, hour: Int) throws(FileError) -> [ULID] {
        try StreamPaths.names(disk, RunPath.directory(hour: hour), .file)
            .compactMap { $0.hasSuffix(".jsonl") ? ULID($0.dropLast(6)) : nil }.sorted(by: >)
    }

    /// A finished run in the content of its hour's list; nil when it is not there.
    package static func run(_ id: ULID, in content: [UInt8]) -> FinishedRun? {
        var found: FinishedRun?
        forEach(content) { run, _ in
            if run.id == id { found = run }
        }
        return found
    }

    /// Bytes of the leading lines that are right and belong to records up to `q`.
    static func length(of content: [UInt8], upTo q: UInt64) -> Int {
        var length = 0
        forEach(content) { run, end in
            if run.q <= q { length = end }
        }
        return length
    }

    /// Gives out the leading lines that are right, with the offset behind each.
    static func forEach(_ content: [UInt8], _ body: (FinishedRun, Int) -> Void) {
        content.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            var position = 0
            while let lineEnd = BatchScanner.lineEnd(base, position, content.count) {
                guard let run = parse(base, position..<lineEnd, content) else { return }
                position = lineEnd + 1
                body(run, position)
            }
        }
    }

    private static func parse(_ base: UnsafePointer<UInt8>, _ line: Range<Int>, _ content: [UInt8]) -> FinishedRun? {
        let start = base + line.lowerBound
        guard LineParser.verifiedChecksum(start, line.count) != nil else { return nil }
        var cursor = LineCursor(start: start, count: line.count - lineEndBytes)
        guard cursor.take("{\"id\":\""), let idText = cursor.upToQuote(), let id = ULID(utf8: idText),
            cursor.take("\",\"q\":"), let q = cursor.number(), cursor.take(",\"t\":\""),
            let timeText = cursor.upToQuote(), let time = Timestamp(rfc3339: Array(timeText)[...]),
            cursor.take("\",\"n\":"), let records = cursor.number(), records <= UInt64(UInt32.max),
            cursor.take(",\"bytes\":"), let bytes = cursor.number(), cursor.take(",\"k\":\"")
        else { return nil }
        let kindStart = line.lowerBound + cursor.position
        guard let kind = cursor.upToQuote(), cursor.take("\"") else { return nil }
        var index = content[line.upperBound - lineEndBytes..<line.upperBound - lineEndBytes]
        if cursor.take(",\"index\":") {
            index = content[line.lowerBound + cursor.position..<line.upperBound - lineEndBytes]
        }
        return FinishedRun(
            id: id, q: q, finishedAt: time, records: UInt32(records), fileBytes: bytes,
            kind: content[kindStart..<kindStart + kind.count], index: index)
    }
}
