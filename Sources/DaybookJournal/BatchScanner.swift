#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Reads one segment batch by batch. A batch is given out only when every line of it, its order and its commit line
/// are right.
struct BatchScanner {
    enum Finding {
        /// `records` holds the batch.
        case batch(ParsedCommit)
        /// Nothing but line feeds from here on.
        case end
        /// Something else stands at `offset`: a torn end or damage, which the bytes here alone cannot tell.
        case irregular
    }

    let bytes: [UInt8]
    let limit: Int
    /// Where the next batch begins.
    private(set) var offset: Int
    /// The number of the next record.
    var expectedQ: UInt64
    /// The checksum of the last commit line; nil when that line is not known, which skips the comparison once.
    var previousCommit: UInt32?
    private(set) var records: [ParsedRecord] = []
    private var parser = LineParser()

    init(bytes: [UInt8], from offset: Int, limit: Int?, expectedQ: UInt64, previousCommit: UInt32?) {
        self.bytes = bytes
        self.limit = min(limit ?? bytes.count, bytes.count)
        self.offset = min(offset, self.limit)
        self.expectedQ = expectedQ
        self.previousCommit = previousCommit
    }

    mutating func next() -> Finding {
        records.removeAll(keepingCapacity: true)
        return bytes.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress, offset < limit else { return .end }
            if base[offset] == UInt8(ascii: "\n") {
                return Self.isBlank(base, offset..<limit) ? .end : .irregular
            }
            var position = offset
            var q = expectedQ
            var sum: UInt32 = 0
            while let lineEnd = Self.lineEnd(base, position, limit) {
                let line = position..<lineEnd
                if LineParser.isCommit(base, line) {
                    guard let commit = LineParser.commit(base, line), commit.lastQ + 1 == q,
                        commit.count == records.count, commit.bytes == position - offset, commit.sum == sum,
                        previousCommit == nil || commit.previousChecksum == previousCommit
                    else { return .irregular }
                    offset = lineEnd + 1
                    expectedQ = q
                    previousCommit = commit.checksum
                    return .batch(commit)
                }
                guard let record = parser.record(base, line), record.q == q else { return .irregular }
                sum = checksum(base + (lineEnd - 10), 8, continuing: sum)
                records.append(record)
                q += 1
                position = lineEnd + 1
            }
            return .irregular
        }
    }

    /// What can still be read of the bytes from `offset` on, up to the next commit line that reaches the expected
    /// record, or to the end. Moves behind it.
    mutating func salvage() -> Salvage {
        var result = Salvage(start: offset)
        bytes.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            var position = offset
            while position < limit {
                guard let lineEnd = Self.lineEnd(base, position, limit) else {
                    // Cut off: even if only the line feed is gone, nobody who reads by lines will see it.
                    result.badLines.append(position..<limit)
                    position = limit
                    break
                }
                let line = position..<lineEnd
                position = lineEnd + 1
                if line.isEmpty { continue }
                if let commit = LineParser.commit(base, line) {
                    if commit.lastQ >= expectedQ {
                        result.commit = commit
                        break
                    }
                } else if let record = parser.record(base, line) {
                    result.records.append(record)
                } else if let (record, lost) = recordWithin(base, line) {
                    // The line feed before it is what was damaged.
                    result.badLines.append(lost)
                    result.records.append(record)
                } else {
                    result.badLines.append(line)
                }
            }
            offset = position
        }
        if let commit = result.commit { previousCommit = commit.checksum } else { previousCommit = nil }
        return result
    }

    struct Salvage {
        var start: Int
        var records: [ParsedRecord] = []
        var badLines: [Range<Int>] = []
        var commit: ParsedCommit?
    }

    /// The highest `proven` of any valid commit line from `start` on, where the next record is due; 0 when there is none.
    /// Not more than the bytes before that line can hold: nothing that counts may be larger than that.
    func provenLater(from start: Int) -> UInt64 {
        bytes.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return 0 }
            var proven: UInt64 = 0
            var position = start
            while position < limit {
                let lineEnd = Self.lineEnd(base, position, limit) ?? limit
                if lineEnd > position {
                    let line = position..<lineEnd
                    let commit = LineParser.commit(base, line) ?? commitWithin(base, line)
                    if let commit {
                        let most = expectedQ + UInt64((position - start) / shortestRecordBytes)
                        proven = max(proven, min(commit.proven, most))
                    }
                }
                position = lineEnd + 1
            }
            return proven
        }
    }

    private mutating func recordWithin(_ base: UnsafePointer<UInt8>, _ line: Range<Int>) -> (ParsedRecord, Range<Int>)?
    {
        for start in Self.starts(base, line, of: UInt8(ascii: "q")) {
            if let record = parser.record(base, start..<line.upperBound) { return (record, line.lowerBound..<start) }
        }
        return nil
    }

    private func commitWithin(_ base: UnsafePointer<UInt8>, _ line: Range<Int>) -> ParsedCommit? {
        for start in Self.starts(base, line, of: UInt8(ascii: "c")) {
            if let commit = LineParser.commit(base, start..<line.upperBound) { return commit }
        }
        return nil
    }

    /// The last few places inside a line that look like the start of one.
    private static func starts(_ base: UnsafePointer<UInt8>, _ line: Range<Int>, of key: UInt8) -> [Int] {
        var found: [Int] = []
        guard line.count > 8 else { return found }
        var position = line.upperBound - 5
        while position > line.lowerBound, found.count < 16 {
            if base[position] == UInt8(ascii: "{"), base[position + 1] == UInt8(ascii: "\""),
                base[position + 2] == key, base[position + 3] == UInt8(ascii: "\""),
                base[position + 4] == UInt8(ascii: ":")
            {
                found.append(position)
            }
            position -= 1
        }
        return found
    }

    @inline(__always)
    static func lineEnd(_ base: UnsafePointer<UInt8>, _ start: Int, _ limit: Int) -> Int? {
        guard start < limit, let found = memchr(base + start, 10, limit - start) else { return nil }
        return UnsafePointer(found.assumingMemoryBound(to: UInt8.self)) - base
    }

    static func isBlank(_ base: UnsafePointer<UInt8>, _ range: Range<Int>) -> Bool {
        var position = range.lowerBound
        let raw = UnsafeRawPointer(base)
        while position + 8 <= range.upperBound {
            if raw.loadUnaligned(fromByteOffset: position, as: UInt64.self) != 0x0A0A_0A0A_0A0A_0A0A { return false }
            position += 8
        }
        while position < range.upperBound {
            if base[position] != UInt8(ascii: "\n") { return false }
            position += 1
        }
        return true
    }
}
