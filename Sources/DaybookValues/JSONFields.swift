/// Reads the members of a record's payload one after the other: `,"step":"a","attempt":1`. The leading comma may be
/// missing, so that the inside of any object can be read too.
///
/// Meant for text written by Daybook and checked by its CRC; on anything else `next` ends early and never traps.
package struct JSONFields {
    package struct Field {
        package let name: UnsafeBufferPointer<UInt8>
        /// The raw JSON of the value.
        package let value: UnsafeBufferPointer<UInt8>

        @inline(__always)
        package func isNamed(_ wanted: StaticString) -> Bool {
            guard name.count == wanted.utf8CodeUnitCount else { return false }
            for index in 0..<name.count where name[index] != wanted.utf8Start[index] { return false }
            return true
        }

        /// The value's text, copied.
        package var bytes: [UInt8] { Array(value) }

        package var string: String? {
            guard value.count >= 2, value[0] == UInt8(ascii: "\"") else { return nil }
            let body = UnsafeBufferPointer(rebasing: value[1..<value.count - 1])
            guard body.contains(UInt8(ascii: "\\")) else { return String(decoding: body, as: UTF8.self) }
            return unescape(Array(body)[...])
        }

        /// The value of a number written without point and exponent, if it fits.
        package var integer: Int64? {
            let negative = value.first == UInt8(ascii: "-")
            guard value.count > (negative ? 1 : 0) else { return nil }
            var result: Int64 = 0
            for byte in value[(negative ? 1 : 0)...] {
                let digit = Int64(byte) - 48
                guard digit >= 0, digit <= 9 else { return nil }
                let (scaled, overflow) = result.multipliedReportingOverflow(by: 10)
                // Downwards for a negative number: the least one has no positive counterpart.
                let (sum, overflow2) =
                    negative ? scaled.subtractingReportingOverflow(digit) : scaled.addingReportingOverflow(digit)
                guard !overflow, !overflow2 else { return nil }
                result = sum
            }
            return result
        }

        package var bool: Bool { value.first == UInt8(ascii: "t") }

        package var ulid: ULID? {
            guard value.count == 28 else { return nil }
            return ULID(utf8: UnsafeBufferPointer(rebasing: value[1..<27]))
        }

        /// Milliseconds since 1970, as records write instants inside their payload.
        package var timestamp: Timestamp? { integer.map(Timestamp.init(milliseconds:)) }

        /// The members of the value, when it is an object.
        package var fields: JSONFields {
            guard value.count >= 2, value[0] == UInt8(ascii: "{") else {
                return JSONFields(UnsafeBufferPointer(start: nil, count: 0))
            }
            return JSONFields(UnsafeBufferPointer(rebasing: value[1..<value.count - 1]))
        }

        /// Calls `body` with every element of the value, when it is an array.
        package func forEachElement(_ body: (UnsafeBufferPointer<UInt8>) -> Void) {
            guard value.count >= 2, value[0] == UInt8(ascii: "[") else { return }
            var position = 1
            while position < value.count - 1 {
                if value[position] == UInt8(ascii: ",") {
                    position += 1
                    continue
                }
                let start = position
                position = endOfValue(value, from: position)
                guard position > start else { return }
                body(UnsafeBufferPointer(rebasing: value[start..<min(position, value.count - 1)]))
            }
        }

        init(name: UnsafeBufferPointer<UInt8>, value: UnsafeBufferPointer<UInt8>) {
            self.name = name
            self.value = value
        }

        /// A bare value, to be read with the accessors above.
        package init(value: UnsafeBufferPointer<UInt8>) {
            self.init(name: UnsafeBufferPointer(start: nil, count: 0), value: value)
        }
    }

    let text: UnsafeBufferPointer<UInt8>
    var position = 0

    package init(_ text: UnsafeBufferPointer<UInt8>) {
        self.text = text
    }

    package mutating func next() -> Field? {
        if position < text.count, text[position] == UInt8(ascii: ",") { position += 1 }
        guard position < text.count, text[position] == UInt8(ascii: "\"") else { return nil }
        let nameEnd = endOfValue(text, from: position)
        guard nameEnd - position >= 2, nameEnd < text.count, text[nameEnd] == UInt8(ascii: ":") else { return nil }
        let name = UnsafeBufferPointer(rebasing: text[position + 1..<nameEnd - 1])
        let valueEnd = endOfValue(text, from: nameEnd + 1)
        guard valueEnd > nameEnd + 1 else { return nil }
        position = valueEnd
        return Field(name: name, value: UnsafeBufferPointer(rebasing: text[nameEnd + 1..<valueEnd]))
    }
}

/// The position behind the value that starts at `start`; `text` has no white space outside strings.
private func endOfValue(_ text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
    var position = start
    var depth = 0
    while position < text.count {
        switch text[position] {
        case UInt8(ascii: "\""):
            position += 1
            while position < text.count, text[position] != UInt8(ascii: "\"") {
                position += text[position] == UInt8(ascii: "\\") ? 2 : 1
            }
            position += 1
            if depth == 0 { return min(position, text.count) }
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            depth += 1
            position += 1
        case UInt8(ascii: "}"), UInt8(ascii: "]"):
            if depth == 0 { return position }
            depth -= 1
            position += 1
            if depth == 0 { return position }
        case UInt8(ascii: ","):
            if depth == 0 { return position }
            position += 1
        default:
            position += 1
        }
    }
    return text.count
}
