package import DaybookSystem
package import DaybookValues

/// The records of a stream's file from a place backwards, newest first, a block at a time: for lists that want the last
/// few of a file that may be large.
package struct StreamBackwards {
    /// Bytes that are read at once: 256 KiB.
    private static let blockBytes = 262_144

    private let file: any DiskFile
    /// Bytes of the file from `start` on that are not given out yet, as far as they are read.
    private var buffer: [UInt8] = []
    /// Where `buffer` begins in the file.
    private var start: Int
    private var parser = LineParser()
    /// Bytes read so far.
    package private(set) var bytesRead = 0

    /// - Parameters:
    ///   - end: only records that end there or before; nil for all of the file.
    /// - Returns: nil when there is no such file.
    package init?(disk: any Disk, stream: StreamID, end: Int? = nil) throws(FileError) {
        do throws(FileError) {
            file = try disk.open(stream.path, .read)
        } catch {
            if error.isMissing { return nil }
            throw error
        }
        start = min(try file.bytes(), end ?? .max)
    }

    /// The next older record, and where it begins; nil at the beginning of the file. Lines that are damaged, or are being
    /// appended just now, are passed over.
    package mutating func next() throws(FileError) -> (record: RecordView, offset: Int)? {
        while true {
            // The line's own feed is at the end; what lies behind the last feed is not complete.
            guard let feed = buffer.lastIndex(of: UInt8(ascii: "\n")) else {
                guard try readBlock() else { return nil }
                continue
            }
            var lineStart: Int?
            if let previous = buffer[..<feed].lastIndex(of: UInt8(ascii: "\n")) {
                lineStart = previous + 1
            } else if start == 0 {
                lineStart = 0
            }
            guard let lineStart else {
                guard try readBlock() else { return nil }
                continue
            }
            let line = Array(buffer[lineStart..<feed])
            buffer.removeSubrange(lineStart...)
            let record = line.withUnsafeBufferPointer { bytes in
                bytes.baseAddress.flatMap { parser.record($0, 0..<line.count) }
            }
            if let record { return (record.view(of: line), start + lineStart) }
        }
    }

    /// Puts an older block in front.
    /// - Returns: false when there is none.
    private mutating func readBlock() throws(FileError) -> Bool {
        guard start > 0 else { return false }
        // Larger and larger, so that a line of megabytes is not moved again and again.
        let count = min(start, max(Self.blockBytes, buffer.count))
        let block = try file.read(at: start - count, count: count)
        guard block.count == count else { return false }
        bytesRead += count
        start -= count
        buffer = block + buffer
        return true
    }

    /// The smallest offset at which a record begins that was decided at `instant` or later; the end of the file when there
    /// is none. Only a few blocks of the file are read.
    package static func offset(
        of instant: Timestamp, disk: any Disk, stream: StreamID
    ) throws(FileError) -> Int? {
        guard let whole = try StreamBackwards(disk: disk, stream: stream) else { return nil }
        // Records before `low` are older; the last record that ends at `high` or before is not.
        var (low, high) = (0, whole.start)
        while high - low > blockBytes {
            let middle = low + (high - low) / 2
            guard var part = try StreamBackwards(disk: disk, stream: stream, end: middle),
                let found = try part.next(), found.offset >= low
            else {
                // One line reaches from before `low` over the middle, or the middle is in the first line.
                break
            }
            if found.record.time < instant { low = middle } else { high = found.offset }
        }
        guard var rest = try StreamBackwards(disk: disk, stream: stream, end: high) else { return nil }
        var offset = high
        while let found = try rest.next(), found.record.time >= instant { offset = found.offset }
        return offset
    }
}
