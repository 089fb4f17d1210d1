package import DaybookValues

/// One record as it lies in a buffer: nothing is copied, so a slice that is kept keeps the whole buffer alive.
package struct RecordView: Sendable {
    /// Number in the log, from 1, without gaps.
    package var q: UInt64
    package var time: Timestamp
    package var stream: StreamID
    /// Number in the stream, from 0.
    package var n: UInt32
    /// The checksum of the stream's previous record; 0 for the first.
    package var previousChecksum: UInt32
    package var checksum: UInt32
    /// For example `step.completed`.
    package var kind: ArraySlice<UInt8>
    /// The fields between `"k":"…"` and the end of the record, raw: `,"key":value,"key":value`, or nothing.
    package var payload: ArraySlice<UInt8>
    /// The stream has no record after this one.
    package var isFinal: Bool
    /// The JSON object that a final record carries for lists of runs; empty when it has none.
    package var index: ArraySlice<UInt8>
}

/// Where the parts of a record lie in a line. Offsets count from the start of the buffer that was parsed.
struct ParsedRecord {
    var q: UInt64
    var time: Timestamp
    var stream: StreamID
    var n: UInt32
    var previousChecksum: UInt32
    var checksum: UInt32
    var kind: Range<Int>
    var payload: Range<Int>
    var index: Range<Int>
    var isFinal: Bool
    /// With the line feed.
    var line: Range<Int>

    func view(of buffer: [UInt8]) -> RecordView {
        RecordView(
            q: q, time: time, stream: stream, n: n, previousChecksum: previousChecksum, checksum: checksum,
            kind: buffer[kind], payload: buffer[payload], isFinal: isFinal, index: buffer[index])
    }
}

/// The line that closes a batch.
struct ParsedCommit {
    /// Number of the batch's last record.
    var lastQ: UInt64
    var count: Int
    var bytes: Int
    /// The last record whose flush had returned when this batch was written.
    var proven: UInt64
    /// Where the owner tags lie, eight characters a record.
    var owners: Range<Int>
    var sum: UInt32
    var previousChecksum: UInt32
    var checksum: UInt32
    var line: Range<Int>

    var firstQ: UInt64 { lastQ + 1 - UInt64(count) }
}

/// The format of records, carried by the first record of every stream and by segment headers.
package let journalFormatVersion = 1

/// The shortest record there can be is longer than this; the fixed end of every line is `,"crc":"xxxxxxxx"}`.
let lineEndBytes = 18

/// No record's line is shorter, with its line feed.
let shortestRecordBytes = 100

/// Reads lines of the log. A parser keeps the last date it saw, so use one for a whole replay.
struct LineParser {
    private var lastDate: (UInt64, UInt16) = (0, 0)
    private var lastDateMilliseconds: Int64 = 0

    /// The checksum at the end of a line if it agrees with the line.
    /// - Parameter count: without the line feed.
    @inline(__always)
    static func verifiedChecksum(_ line: UnsafePointer<UInt8>, _ count: Int) -> UInt32? {
        guard count > lineEndBytes else { return nil }
        let end = line + (count - lineEndBytes)
        guard end[0] == UInt8(ascii: ","), end[1] == UInt8(ascii: "\""), end[2] == UInt8(ascii: "c"),
            end[3] == UInt8(ascii: "r"), end[4] == UInt8(ascii: "c"), end[5] == UInt8(ascii: "\""),
            end[6] == UInt8(ascii: ":"), end[7] == UInt8(ascii: "\""), end[16] == UInt8(ascii: "\""),
            end[17] == UInt8(ascii: "}"), let stated = readHex(end + 8),
            stated == DaybookJournal.checksum(line, count - lineEndBytes)
        else { return nil }
        return stated
    }

    /// Reads a record whose line, without line feed, is `base[line]`; nil unless its checksum and its shape are right.
    @inline(__always)
    mutating func record(_ base: UnsafePointer<UInt8>, _ line: Range<Int>) -> ParsedRecord? {
        let start = base + line.lowerBound
        guard let sum = Self.verifiedChecksum(start, line.count) else { return nil }
        var cursor = LineCursor(start: start, count: line.count - lineEndBytes)
        guard cursor.take("{\"q\":"), let q = cursor.number(), cursor.take(",\"t\":\""), let time = time(&cursor),
            cursor.take("\",\"s\":\""), let streamText = cursor.upToQuote(), let stream = StreamID(utf8: streamText),
            cursor.take("\",\"n\":"), let n = cursor.number(), n <= UInt64(UInt32.max), cursor.take(",\"p\":\""),
            let previous = cursor.hex(), cursor.take("\",")
        else { return nil }
        if n == 0 {
            guard cursor.take("\"v\":"), let version = cursor.number(), version == UInt64(journalFormatVersion),
                cursor.take(",")
            else { return nil }
        }
        guard cursor.take("\"k\":\"") else { return nil }
        let kindStart = line.lowerBound + cursor.position
        guard let kind = cursor.upToQuote(), cursor.take("\"") else { return nil }
        let payloadStart = line.lowerBound + cursor.position
        var payloadEnd = line.upperBound - lineEndBytes
        var index = payloadEnd..<payloadEnd
        var isFinal = false
        // `,"end":N` as the very last field: the stream ends here, and the N bytes before it are the index object.
        var digits = 0
        while digits < 9, payloadEnd - digits - 1 > payloadStart,
            base[payloadEnd - digits - 1] &- UInt8(ascii: "0") < 10
        {
            digits += 1
        }
        let fieldStart = payloadEnd - digits - 7
        if digits > 0, fieldStart >= payloadStart,
            UnsafeBufferPointer(start: base + fieldStart, count: 7).elementsEqual(",\"end\":".utf8)
        {
            isFinal = true
            var length = 0
            for position in payloadEnd - digits..<payloadEnd {
                length = length * 10 + Int(base[position] &- UInt8(ascii: "0"))
            }
            payloadEnd = fieldStart
            index = payloadEnd..<payloadEnd
            if length > 0 {
                let objectStart = fieldStart - length
                let keyStart = objectStart - 9
                guard keyStart >= payloadStart,
                    UnsafeBufferPointer(start: base + keyStart, count: 9).elementsEqual(",\"index\":".utf8)
                else { return nil }
                index = objectStart..<fieldStart
                payloadEnd = keyStart
            }
        }
        return ParsedRecord(
            q: q, time: time, stream: stream, n: UInt32(n), previousChecksum: previous, checksum: sum,
            kind: kindStart..<kindStart + kind.count, payload: payloadStart..<payloadEnd, index: index,
            isFinal: isFinal, line: line.lowerBound..<line.upperBound + 1)
    }

    /// Reads a commit line; nil unless its checksum and its shape are right.
    static func commit(_ base: UnsafePointer<UInt8>, _ line: Range<Int>) -> ParsedCommit? {
        let start = base + line.lowerBound
        guard isCommit(base, line), let sum = verifiedChecksum(start, line.count) else { return nil }
        var cursor = LineCursor(start: start, count: line.count - lineEndBytes)
        guard cursor.take("{\"c\":"), let lastQ = cursor.number(), cursor.take(",\"count\":"),
            let count = cursor.number(), cursor.take(",\"bytes\":"), let bytes = cursor.number(),
            cursor.take(",\"proven\":"), let proven = cursor.number(), cursor.take(",\"own\":\"")
        else { return nil }
        let ownersStart = line.lowerBound + cursor.position
        guard let owners = cursor.upToQuote(), cursor.take("\",\"sum\":\""), let total = cursor.hex(),
            cursor.take("\",\"prev\":\""), let previous = cursor.hex(), cursor.take("\""), cursor.isAtEnd,
            count > 0, count <= lastQ, owners.count == 8 * Int(clamping: count), bytes < UInt64(Int.max)
        else { return nil }
        return ParsedCommit(
            lastQ: lastQ, count: Int(count), bytes: Int(bytes), proven: proven,
            owners: ownersStart..<ownersStart + owners.count, sum: total, previousChecksum: previous, checksum: sum,
            line: line.lowerBound..<line.upperBound + 1)
    }

    @inline(__always)
    static func isCommit(_ base: UnsafePointer<UInt8>, _ line: Range<Int>) -> Bool {
        line.count > 5 && base[line.lowerBound + 2] == UInt8(ascii: "c")
            && base[line.lowerBound + 1] == UInt8(ascii: "\"") && base[line.lowerBound] == UInt8(ascii: "{")
    }

    /// Reads `2026-11-21T08:00:00.123Z`.
    @inline(__always)
    private mutating func time(_ cursor: inout LineCursor) -> Timestamp? {
        guard let text = cursor.raw(24) else { return nil }
        let raw = UnsafeRawPointer(text)
        let date = (raw.loadUnaligned(as: UInt64.self), raw.loadUnaligned(fromByteOffset: 8, as: UInt16.self))
        if date != lastDate {
            guard let year = two(text), let yearEnd = two(text + 2), let month = two(text + 5), let day = two(text + 8),
                text[4] == UInt8(ascii: "-"), text[7] == UInt8(ascii: "-")
            else { return nil }
            let civil = CivilDate(year: year * 100 + yearEnd, month: month, day: day)
            let days = civil.daysSince1970
            guard CivilDate(day: days) == civil else { return nil }
            lastDate = date
            lastDateMilliseconds = Int64(days) * 86_400_000
        }
        guard text[10] == UInt8(ascii: "T"), text[13] == UInt8(ascii: ":"), text[16] == UInt8(ascii: ":"),
            text[19] == UInt8(ascii: "."), text[23] == UInt8(ascii: "Z"), let hour = two(text + 11), hour < 24,
            let minute = two(text + 14), minute < 60, let second = two(text + 17), second < 60,
            let hundredths = two(text + 20), text[22] &- UInt8(ascii: "0") < 10
        else { return nil }
        let ofDay =
            hour * 3_600_000 + minute * 60_000 + second * 1_000 + hundredths * 10 + Int(text[22] &- UInt8(ascii: "0"))
        return Timestamp(milliseconds: lastDateMilliseconds + Int64(ofDay))
    }

    @inline(__always)
    private func two(_ text: UnsafePointer<UInt8>) -> Int? {
        let (tens, ones) = (text[0] &- UInt8(ascii: "0"), text[1] &- UInt8(ascii: "0"))
        return tens < 10 && ones < 10 ? Int(tens) * 10 + Int(ones) : nil
    }
}

/// Walks over the fixed parts of a line. Never reads beyond `count`.
struct LineCursor {
    let start: UnsafePointer<UInt8>
    let count: Int
    var position = 0

    init(start: UnsafePointer<UInt8>, count: Int) {
        self.start = start
        self.count = count
    }

    var isAtEnd: Bool { position == count }

    @inline(__always)
    mutating func take(_ text: StaticString) -> Bool {
        let length = text.utf8CodeUnitCount
        guard count - position >= length else { return false }
        let expected = text.utf8Start
        for index in 0..<length where start[position + index] != expected[index] { return false }
        position += length
        return true
    }

    @inline(__always)
    mutating func number() -> UInt64? {
        var value: UInt64 = 0
        let first = position
        while position < count {
            let digit = start[position] &- UInt8(ascii: "0")
            guard digit < 10 else { break }
            value = value &* 10 &+ UInt64(digit)
            position += 1
        }
        // Nineteen digits always fit; no number of ours is longer.
        return position > first && position - first <= 19 ? value : nil
    }

    @inline(__always)
    mutating func hex() -> UInt32? {
        guard count - position >= 8, let value = readHex(start + position) else { return nil }
        position += 8
        return value
    }

    @inline(__always)
    mutating func raw(_ length: Int) -> UnsafePointer<UInt8>? {
        guard count - position >= length else { return nil }
        defer { position += length }
        return start + position
    }

    /// The bytes up to the next quotation mark, which is not taken. Only for text that has no escapes.
    @inline(__always)
    mutating func upToQuote() -> UnsafeBufferPointer<UInt8>? {
        let first = position
        while position < count, start[position] != UInt8(ascii: "\"") { position += 1 }
        guard position < count else { return nil }
        return UnsafeBufferPointer(start: start + first, count: position - first)
    }
}
