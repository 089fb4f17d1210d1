/// Walks raw JSON, skipping what nobody asked for at several bytes a step.
///
/// It trusts nothing: on text that is not JSON it ends early or finds odd values, but it never reads beyond the end, and
/// nesting of any depth is skipped without recursion.
struct JSONCursor {
    private(set) var position: UnsafePointer<UInt8>
    let end: UnsafePointer<UInt8>

    /// Nil for no bytes at all.
    @inline(__always)
    init?(_ bytes: UnsafeBufferPointer<UInt8>) {
        guard let base = bytes.baseAddress, !bytes.isEmpty else { return nil }
        position = base
        end = base + bytes.count
    }

    /// The byte at the position; nil at the end.
    @inline(__always)
    var byte: UInt8? { position < end ? position.pointee : nil }

    @inline(__always)
    mutating func advance() { position += 1 }

    @inline(__always)
    mutating func move(to other: UnsafePointer<UInt8>) { position = other }

    @inline(__always)
    mutating func stop() { position = end }

    @inline(__always)
    mutating func skipBlanks() {
        while position < end, position.pointee <= 0x20 { position += 1 }
    }

    /// The text between the quotes of a string that starts at the position, which moves behind it.
    @inline(__always)
    mutating func string() -> (body: UnsafeBufferPointer<UInt8>, hasEscapes: Bool) {
        position += 1
        let start = position
        var hasEscapes = false
        while true {
            skipToQuoteOrBackslash()
            guard position < end else { return (UnsafeBufferPointer(start: start, count: end - start), hasEscapes) }
            if position.pointee == UInt8(ascii: "\"") { break }
            hasEscapes = true
            position += end - position >= 2 ? 2 : 1
        }
        let body = UnsafeBufferPointer(start: start, count: position - start)
        position += 1
        return (body, hasEscapes)
    }

    /// Moves behind the value at the position.
    @inline(__always)
    mutating func skipValue() {
        guard position < end else { return }
        switch position.pointee {
        case UInt8(ascii: "\""): _ = string()
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            position += 1
            skipContainer()
        default: skipScalar()
        }
    }

    /// Moves behind the bracket that closes the object or array which the position is in.
    ///
    /// Eight bytes at a time, without a branch for each of their strings: a byte is inside of a string if the number of
    /// quotes up to it is odd. Only where there is a backslash the bytes are looked at one by one.
    mutating func skipContainer() {
        var depth = 1
        // One in each byte while the position is inside of a string.
        var inside: UInt64 = 0
        while end - position >= 8 {
            let word = Self.word(at: position)
            if Self.zeroBytes(word ^ Self.repeated(0x5C)) != 0 {
                if skipBytes(8, &depth, &inside) { return }
                continue
            }
            let quotes = Self.exactZeroBytes(word ^ Self.repeated(0x22)) >> 7
            let insideEach = ((quotes &* Self.repeated(1)) & Self.repeated(1)) ^ inside
            let outside = ~(insideEach << 7)
            // `[` and `{` differ in one bit, as do `]` and `}`.
            let folded = word | Self.repeated(0x20)
            let opening = Self.exactZeroBytes(folded ^ Self.repeated(0x7B)) & outside
            let closing = Self.exactZeroBytes(folded ^ Self.repeated(0x7D)) & outside
            let closingCount = Self.count(closing)
            if closingCount < depth {
                depth += Self.count(opening) - closingCount
            } else {
                var hits = opening | closing
                while hits != 0 {
                    depth += closing & hits & (0 &- hits) == 0 ? 1 : -1
                    if depth == 0 {
                        position += hits.trailingZeroBitCount >> 3 + 1
                        return
                    }
                    hits &= hits - 1
                }
            }
            inside = (insideEach >> 56) &* Self.repeated(1)
            position += 8
        }
        _ = skipBytes(7, &depth, &inside)
    }

    /// The same for so many bytes, or one more where a backslash is the last of them.
    ///
    /// - Returns: Whether the bracket was among them; the position is behind it then, or at the end of the text.
    @inline(never)
    private mutating func skipBytes(_ count: Int, _ depth: inout Int, _ inside: inout UInt64) -> Bool {
        var left = count
        while left > 0, position < end {
            let byte = position.pointee
            position += 1
            left -= 1
            if byte == UInt8(ascii: "\"") {
                inside ^= Self.repeated(1)
            } else if inside != 0 {
                guard byte == UInt8(ascii: "\\"), position < end else { continue }
                position += 1
                left -= 1
            } else if byte | 0x20 == UInt8(ascii: "{") {
                depth += 1
            } else if byte | 0x20 == UInt8(ascii: "}") {
                depth -= 1
                if depth == 0 { return true }
            }
        }
        return false
    }

    /// The next member of the object whose `{` or last value the position is behind; nil at its end, with the position
    /// behind the `}`. The position moves to the value, which the caller must skip or read.
    @inline(__always)
    mutating func nextName() -> (body: UnsafeBufferPointer<UInt8>, hasEscapes: Bool)? {
        while position < end {
            switch position.pointee {
            case UInt8(ascii: "\""):
                let name = string()
                skipBlanks()
                guard byte == UInt8(ascii: ":") else {
                    stop()
                    return nil
                }
                position += 1
                skipBlanks()
                return position < end ? name : nil
            case UInt8(ascii: ","), 0...0x20: position += 1
            case UInt8(ascii: "}"):
                position += 1
                return nil
            default:
                stop()
                return nil
            }
        }
        return nil
    }

    /// Moves to the next element of the array whose `[` or last element the position is behind.
    ///
    /// - Returns: Whether there is one; if not, the position is behind the `]`.
    @inline(__always)
    mutating func nextElement() -> Bool {
        while position < end {
            switch position.pointee {
            case UInt8(ascii: ","), 0...0x20: position += 1
            case UInt8(ascii: "]"):
                position += 1
                return false
            case UInt8(ascii: "}"), UInt8(ascii: ":"):
                stop()
                return false
            default: return true
            }
        }
        return false
    }

    /// The text of the value at the position, which moves behind it.
    @inline(__always)
    mutating func valueText() -> UnsafeBufferPointer<UInt8> {
        let start = position
        skipValue()
        return UnsafeBufferPointer(start: start, count: position - start)
    }

    // MARK: Eight bytes at a time

    private mutating func skipScalar() {
        while position < end {
            switch position.pointee {
            case UInt8(ascii: ","), UInt8(ascii: "}"), UInt8(ascii: "]"), UInt8(ascii: ":"), 0...0x20: return
            default: position += 1
            }
        }
    }

    @inline(__always)
    private mutating func skipToQuoteOrBackslash() {
        while end - position >= 8 {
            let word = Self.word(at: position)
            let hits = Self.zeroBytes(word ^ Self.repeated(0x22)) | Self.zeroBytes(word ^ Self.repeated(0x5C))
            if hits != 0 {
                position += hits.trailingZeroBitCount >> 3
                return
            }
            position += 8
        }
        while position < end, position.pointee != UInt8(ascii: "\""), position.pointee != UInt8(ascii: "\\") {
            position += 1
        }
    }

    @inline(__always)
    private static func word(at position: UnsafePointer<UInt8>) -> UInt64 {
        UInt64(littleEndian: UnsafeRawPointer(position).loadUnaligned(as: UInt64.self))
    }

    @inline(__always)
    private static func repeated(_ byte: UInt64) -> UInt64 { byte &* 0x0101_0101_0101_0101 }

    /// The top bit of each byte that is zero; above the lowest such byte there may be others, which nobody looks at.
    @inline(__always)
    private static func zeroBytes(_ word: UInt64) -> UInt64 {
        (word &- 0x0101_0101_0101_0101) & ~word & 0x8080_8080_8080_8080
    }

    /// The top bit of each byte that is zero, and no other bit.
    @inline(__always)
    private static func exactZeroBytes(_ word: UInt64) -> UInt64 {
        let low: UInt64 = 0x7F7F_7F7F_7F7F_7F7F
        return ~(((word & low) &+ low) | word | low)
    }

    /// How many bytes have their top bit set, where no other bits are.
    @inline(__always)
    private static func count(_ tops: UInt64) -> Int {
        Int(truncatingIfNeeded: ((tops >> 7) &* 0x0101_0101_0101_0101) >> 56)
    }
}

/// Values of JSON text.
enum JSONText {
    /// The value of one JSON text without blanks around it. Lists and maps stay text; a string with escapes is decoded;
    /// what is not JSON is missing.
    @inline(__always)
    static func value(of text: UnsafeBufferPointer<UInt8>) -> Value {
        guard let first = text.first else { return .missing }
        switch first {
        case UInt8(ascii: "\""): return string(text)
        case UInt8(ascii: "{"): return .jsonMap(text)
        case UInt8(ascii: "["): return .jsonList(text)
        case UInt8(ascii: "t"): return isEqual(text, "true") ? .bool(true) : .missing
        case UInt8(ascii: "f"): return isEqual(text, "false") ? .bool(false) : .missing
        case UInt8(ascii: "n"): return isEqual(text, "null") ? .null : .missing
        default: return number(text).map(Value.double) ?? .missing
        }
    }

    private static func string(_ text: UnsafeBufferPointer<UInt8>) -> Value {
        guard text.count >= 2 else { return .missing }
        let body = UnsafeBufferPointer(rebasing: text[1..<text.count - 1])
        return body.contains(UInt8(ascii: "\\")) ? .ownText(decoded(body)) : .text(body)
    }

    /// Every number of JSON is a double. Short ones are exact in integer arithmetic, the rest is left to the standard
    /// library.
    static func number(_ text: UnsafeBufferPointer<UInt8>) -> Double? {
        var index = 0
        let isNegative = text.first == UInt8(ascii: "-")
        if isNegative { index = 1 }
        var mantissa: UInt64 = 0
        var decimals = 0
        var digits = 0
        var isInFraction = false
        while index < text.count {
            let byte = text[index]
            if byte == UInt8(ascii: "."), !isInFraction, digits > 0 {
                isInFraction = true
            } else if UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte, digits < 18 {
                mantissa = mantissa &* 10 &+ UInt64(byte &- UInt8(ascii: "0"))
                digits += 1
                if isInFraction { decimals += 1 }
            } else {
                return slowNumber(text)
            }
            index += 1
        }
        guard digits > 0, mantissa < 1 << 53 else { return slowNumber(text) }
        // Both are exact, so the quotient is the nearest double to the text.
        let size = decimals == 0 ? Double(mantissa) : Double(mantissa) / powersOfTen(decimals)
        return isNegative ? -size : size
    }

    /// 10 to the power of 0…22, all of which doubles hold exactly.
    private static func powersOfTen(_ exponent: Int) -> Double {
        var power = 1.0
        for _ in 0..<exponent { power *= 10 }
        return power
    }

    private static func slowNumber(_ text: UnsafeBufferPointer<UInt8>) -> Double? {
        // The standard library also reads `nan`, `0x1p3` and `+1`, which JSON does not have.
        guard text.allSatisfy({ "0123456789+-.eE".utf8.contains($0) }), text.first != UInt8(ascii: "+") else {
            return nil
        }
        return Double(String(decoding: text, as: UTF8.self))
    }

    /// The text of a string's body with its escapes replaced; a half of a surrogate pair becomes U+FFFD.
    static func decoded(_ body: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(body.count)
        var index = 0
        while index < body.count {
            let byte = body[index]
            guard byte == UInt8(ascii: "\\"), index + 1 < body.count else {
                result.append(byte)
                index += 1
                continue
            }
            let escape = body[index + 1]
            index += 2
            switch escape {
            case UInt8(ascii: "b"): result.append(8)
            case UInt8(ascii: "f"): result.append(12)
            case UInt8(ascii: "n"): result.append(10)
            case UInt8(ascii: "r"): result.append(13)
            case UInt8(ascii: "t"): result.append(9)
            case UInt8(ascii: "u"):
                var unit = codeUnit(body, at: index) ?? 0xFFFD
                index += 4
                if 0xD800...0xDBFF ~= unit, index + 1 < body.count, body[index] == UInt8(ascii: "\\"),
                    body[index + 1] == UInt8(ascii: "u"), let low = codeUnit(body, at: index + 2),
                    0xDC00...0xDFFF ~= low
                {
                    unit = 0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00)
                    index += 6
                }
                result += Array((UnicodeScalar(unit) ?? "\u{FFFD}").utf8)
            default: result.append(escape)
            }
        }
        return result
    }

    private static func codeUnit(_ body: UnsafeBufferPointer<UInt8>, at index: Int) -> UInt32? {
        guard index + 4 <= body.count else { return nil }
        var unit: UInt32 = 0
        for offset in 0..<4 {
            guard let digit = hexValue(body[index + offset]) else { return nil }
            unit = unit << 4 | digit
        }
        return unit
    }

    @inline(__always)
    static func isEqual(_ text: UnsafeBufferPointer<UInt8>, _ wanted: StaticString) -> Bool {
        guard text.count == wanted.utf8CodeUnitCount else { return false }
        for index in 0..<text.count where text[index] != wanted.utf8Start[index] { return false }
        return true
    }

    @inline(__always)
    static func isEqual(_ a: UnsafeBufferPointer<UInt8>, _ b: UnsafeBufferPointer<UInt8>) -> Bool {
        guard a.count == b.count else { return false }
        for index in 0..<a.count where a[index] != b[index] { return false }
        return true
    }

    /// Appends a JSON text without the blanks between its parts.
    static func appendCompact(_ text: UnsafeBufferPointer<UInt8>, to output: inout [UInt8]) {
        var isInString = false
        var isEscaped = false
        for byte in text {
            if isInString {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isInString = false
                }
            } else if byte <= 0x20 {
                continue
            } else if byte == UInt8(ascii: "\"") {
                isInString = true
            }
            output.append(byte)
        }
    }

    /// Appends a string with its quotes and escapes.
    static func appendString(_ text: some Sequence<UInt8>, to output: inout [UInt8]) {
        output.append(UInt8(ascii: "\""))
        for byte in text {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): output += [UInt8(ascii: "\\"), byte]
            case 10: output += Array("\\n".utf8)
            case 13: output += Array("\\r".utf8)
            case 9: output += Array("\\t".utf8)
            case 0..<0x20:
                let digits = Array("0123456789abcdef".utf8)
                output += Array("\\u00".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            default: output.append(byte)
            }
        }
        output.append(UInt8(ascii: "\""))
    }
}

extension JSONCursor {
    /// The text of a member of the object at the position; nil if there is none of that name, or no object.
    mutating func member(named wanted: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8>? {
        guard byte == UInt8(ascii: "{") else { return nil }
        advance()
        while let name = nextName() {
            let isWanted =
                name.hasEscapes
                ? JSONText.decoded(name.body).withUnsafeBufferPointer { JSONText.isEqual($0, wanted) }
                : JSONText.isEqual(name.body, wanted)
            if isWanted { return valueText() }
            skipValue()
        }
        return nil
    }
}
