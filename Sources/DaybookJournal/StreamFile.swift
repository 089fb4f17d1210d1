internal import DaybookValues

/// A stream's file as bytes: complete lines, each checked on its own and chained to the one before.
enum StreamFile {
    /// The records of a file up to the first line that is not right.
    /// - Returns: the records, the bytes they take, and whether the rest is empty.
    static func records(_ bytes: [UInt8]) -> (records: [ParsedRecord], validBytes: Int, isWhole: Bool) {
        var records: [ParsedRecord] = []
        let validBytes = forEach(bytes) { records.append($0) }
        return (records, validBytes, validBytes == bytes.count)
    }

    /// Gives out records as long as each follows the one before it in the same stream.
    /// - Returns: the bytes of the lines given out.
    static func forEach(_ bytes: [UInt8], _ body: (ParsedRecord) -> Void) -> Int {
        bytes.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return 0 }
            var parser = LineParser()
            var position = 0
            var last: ParsedRecord?
            while let lineEnd = BatchScanner.lineEnd(base, position, bytes.count) {
                guard let record = parser.record(base, position..<lineEnd) else { break }
                if let last {
                    guard record.n == last.n &+ 1, record.previousChecksum == last.checksum,
                        record.stream == last.stream, record.q > last.q
                    else { break }
                }
                body(record)
                last = record
                position = lineEnd + 1
            }
            return position
        }
    }
}
