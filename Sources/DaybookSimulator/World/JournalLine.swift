import DaybookValues

/// One line of the journal, read by other code than the product's: the checker must not share its mistakes.
struct JournalLine {
    var q: UInt64
    /// `run/<ULID>`, `events/<date>`, `system/<month>`.
    var stream: String
    var n: Int
    var previous: ArraySlice<UInt8>
    var checksum: ArraySlice<UInt8>
    var time: Timestamp
    var kind: ArraySlice<UInt8>
    /// The record's own fields, with their leading comma.
    var payload: ArraySlice<UInt8>
    var isFinal: Bool
    /// With the line feed.
    var text: ArraySlice<UInt8>

    /// - Parameter text: a whole line with its line feed.
    /// - Returns: nil when the line is not one of the format, or its checksum is wrong.
    init?(_ text: ArraySlice<UInt8>) {
        let end = text.endIndex - 1
        guard text.count > 60, text[end] == UInt8(ascii: "\n") else { return nil }
        let sumStart = end - 10
        guard text[sumStart - 8..<sumStart].elementsEqual(",\"crc\":\"".utf8),
            text[end - 2..<end].elementsEqual("\"}".utf8)
        else { return nil }
        checksum = text[sumStart..<sumStart + 8]
        guard Self.hex(CRC32.of(text[text.startIndex..<sumStart - 8])).elementsEqual(checksum) else { return nil }

        var position = text.startIndex
        func take(_ expected: StaticString) -> Bool {
            let count = expected.utf8CodeUnitCount
            guard end - position >= count else { return false }
            for index in 0..<count where text[position + index] != expected.utf8Start[index] { return false }
            position += count
            return true
        }
        func number() -> UInt64? {
            var value: UInt64 = 0
            let first = position
            while position < end, case let digit = text[position] &- UInt8(ascii: "0"), digit < 10 {
                value = value * 10 + UInt64(digit)
                position += 1
            }
            return position > first ? value : nil
        }
        func upToQuote() -> ArraySlice<UInt8> {
            let first = position
            while position < end, text[position] != UInt8(ascii: "\"") { position += 1 }
            return text[first..<position]
        }
        guard take("{\"q\":"), let q = number(), take(",\"t\":\"") else { return nil }
        guard let time = Timestamp(rfc3339: String(decoding: upToQuote(), as: UTF8.self)), take("\",\"s\":\"") else {
            return nil
        }
        let stream = upToQuote()
        guard take("\",\"n\":"), let n = number(), take(",\"p\":\"") else { return nil }
        let previous = upToQuote()
        guard take("\",") else { return nil }
        if n == 0 {
            guard take("\"v\":1,") else { return nil }
        }
        guard take("\"k\":\"") else { return nil }
        let kind = upToQuote()
        guard take("\"") else { return nil }
        let payloadStart = position
        var payloadEnd = sumStart - 8

        // The last field of a stream's last record: how long the index before it is.
        var digits = payloadEnd
        while digits > payloadStart, text[digits - 1] &- UInt8(ascii: "0") < 10 { digits -= 1 }
        isFinal = false
        if digits < payloadEnd, digits - payloadStart >= 7, text[digits - 7..<digits].elementsEqual(",\"end\":".utf8) {
            isFinal = true
            let length = Int(String(decoding: text[digits..<payloadEnd], as: UTF8.self)) ?? 0
            payloadEnd = digits - 7
            if length > 0 {
                payloadEnd -= length + 9
                guard payloadEnd >= payloadStart, text[payloadEnd..<payloadEnd + 9].elementsEqual(",\"index\":".utf8)
                else { return nil }
            }
        }
        self.q = q
        self.time = time
        self.stream = String(decoding: stream, as: UTF8.self)
        self.n = Int(n)
        self.previous = previous
        self.kind = kind
        self.payload = text[payloadStart..<payloadEnd]
        self.text = text
    }

    /// The lines in a piece of the log or a stream's file; what is no line of the format ends it.
    /// - Returns: how many bytes were whole lines.
    static func forEach(_ bytes: [UInt8], _ body: (JournalLine) -> Void) -> Int {
        var start = 0
        while start < bytes.count, let feed = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
            guard let line = JournalLine(bytes[start...feed]) else { return start }
            body(line)
            start = feed + 1
        }
        return start
    }

    static func hex(_ value: UInt32) -> [UInt8] {
        (0..<8).map { Array("0123456789abcdef".utf8)[Int(value >> UInt32(28 - 4 * $0) & 15)] }
    }
}

/// CRC-32 as zlib, PNG and Ethernet have it: reflected, polynomial 0x04C11DB7.
enum CRC32 {
    private static let table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { sum, _ in sum & 1 == 1 ? sum >> 1 ^ 0xEDB8_8320 : sum >> 1 }
    }

    static func of(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        table.withUnsafeBufferPointer { table in
            bytes.withUnsafeBufferPointer { bytes in
                var sum: UInt32 = 0xFFFF_FFFF
                for byte in bytes { sum = sum >> 8 ^ table[Int((sum ^ UInt32(byte)) & 255)] }
                return ~sum
            }
        }
    }
}
