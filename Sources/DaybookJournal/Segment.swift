internal import DaybookValues
internal import Synchronization

/// The name of a log segment: the number of its first record, and the epoch of the process that wrote it, because a
/// start after a crash may open a new segment at the very record at which the dead process's segment begins.
package struct SegmentName: Hashable, Comparable, Sendable, CustomStringConvertible {
    package var firstQ: UInt64
    package var epoch: UInt32

    /// Nothing is ever numbered as high; names that say so are not ours.
    static let firstQMax: UInt64 = 1_000_000_000_000_000_000
    static let epochMax: UInt32 = 1_000_000_000

    /// `00000000000000001042-000003`; from the millionth epoch on with as many digits as it takes.
    package var description: String {
        var bytes: [UInt8] = []
        bytes.appendDigits(Int(firstQ), width: 19)
        // Nineteen digits hold every number we can reach; the format says twenty.
        bytes.insert(UInt8(ascii: "0"), at: 0)
        bytes.append(UInt8(ascii: "-"))
        bytes.appendDigits(Int(epoch), width: max(6, String(epoch).utf8.count))
        return String(decoding: bytes, as: UTF8.self)
    }

    package var path: String { "journal/\(description).jsonl" }

    package init(firstQ: UInt64, epoch: UInt32) {
        self.firstQ = firstQ
        self.epoch = epoch
    }

    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, let first = UInt64(parts[0]), let epoch = UInt32(parts[1]), epoch <= Self.epochMax,
            (1...Self.firstQMax).contains(first)
        else { return nil }
        self.init(firstQ: first, epoch: epoch)
        // One name for one segment: no signs, no other number of zeros.
        guard description == text else { return nil }
    }

    init?(fileName: String) {
        guard fileName.hasSuffix(".jsonl") else { return nil }
        self.init(fileName.dropLast(6))
    }

    package static func < (a: SegmentName, b: SegmentName) -> Bool {
        a.firstQ == b.firstQ ? a.epoch < b.epoch : a.firstQ < b.firstQ
    }
}

/// The first line of a segment.
struct SegmentHeader {
    var name: SegmentName
    /// Every record up to this one was flushed before the segment got its name.
    var proven: UInt64
    /// The checksum of the last commit line before the segment; 0 in the very first.
    var previousChecksum: UInt32
    /// The segment before it, and how many of its bytes count.
    var after: (segment: SegmentName, bytes: Int)?

    /// The line, with its line feed.
    func encoded() -> [UInt8] {
        var line: [UInt8] = []
        line.append("{\"log\":")
        line.appendDecimal(UInt64(journalFormatVersion))
        line.append(",\"segment\":\"")
        line.append(contentsOf: name.description.utf8)
        line.append("\",\"epoch\":")
        line.appendDecimal(UInt64(name.epoch))
        line.append(",\"first\":")
        line.appendDecimal(name.firstQ)
        line.append(",\"proven\":")
        line.appendDecimal(proven)
        line.append(",\"prev\":\"")
        line.appendHex(previousChecksum)
        line.append("\",\"after\":")
        if let after {
            line.append("{\"segment\":\"")
            line.append(contentsOf: after.segment.description.utf8)
            line.append("\",\"bytes\":")
            line.appendDecimal(UInt64(after.bytes))
            line.append("}")
        } else {
            line.append("null")
        }
        line.closeLine(from: 0)
        return line
    }

    /// Reads the line at the start of a segment.
    /// - Returns: nil when it is damaged; `format` is nil then, or says which newer format the segment has.
    static func parse(_ bytes: [UInt8]) -> (header: SegmentHeader?, format: UInt64?, bytes: Int) {
        guard let lineEnd = bytes.firstIndex(of: UInt8(ascii: "\n")) else { return (nil, nil, bytes.count) }
        return bytes.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress, LineParser.verifiedChecksum(base, lineEnd) != nil else {
                return (nil, nil, lineEnd + 1)
            }
            var cursor = LineCursor(start: base, count: lineEnd - lineEndBytes)
            guard cursor.take("{\"log\":"), let format = cursor.number() else { return (nil, nil, lineEnd + 1) }
            guard format == UInt64(journalFormatVersion) else { return (nil, format, lineEnd + 1) }
            guard cursor.take(",\"segment\":\""), let nameText = cursor.upToQuote(),
                let name = SegmentName(String(decoding: nameText, as: UTF8.self)), cursor.take("\",\"epoch\":"),
                cursor.number() != nil, cursor.take(",\"first\":"), cursor.number() == name.firstQ,
                cursor.take(",\"proven\":"), let proven = cursor.number(), cursor.take(",\"prev\":\""),
                let previous = cursor.hex(), cursor.take("\",\"after\":")
            else { return (nil, nil, lineEnd + 1) }
            var header = SegmentHeader(name: name, proven: proven, previousChecksum: previous, after: nil)
            if !cursor.take("null") {
                guard cursor.take("{\"segment\":\""), let afterText = cursor.upToQuote(),
                    let after = SegmentName(String(decoding: afterText, as: UTF8.self)), cursor.take("\",\"bytes\":"),
                    let count = cursor.number(), count < UInt64(Int.max), cursor.take("}")
                else { return (nil, nil, lineEnd + 1) }
                header.after = (after, Int(count))
            }
            return (header, format, lineEnd + 1)
        }
    }
}

/// What the writer tells everybody else about the log. The writer changes it after each flush; any thread reads it.
final class LogState: Sendable {
    struct Segment: Sendable {
        var name: SegmentName
        /// The last record in it that is flushed; one less than its first number while it is empty.
        var lastQ: UInt64
        /// Where its first batch begins.
        var dataStart: Int
        /// Where the flushed part ends.
        var end: Int
    }

    struct Contents: Sendable {
        /// In the order of their records; the last one is being written.
        var segments: [Segment]
        var flushedQ: UInt64
        /// Bytes that the newest segment still has space for.
        var roomBytes: Int
    }

    let contents: Mutex<Contents>

    init(segments: [Segment], flushedQ: UInt64, roomBytes: Int) {
        contents = Mutex(Contents(segments: segments, flushedQ: flushedQ, roomBytes: roomBytes))
    }

    var flushedQ: UInt64 { contents.withLock { $0.flushedQ } }
}
