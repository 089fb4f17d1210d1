package import DaybookValues

/// JSON in its one canonical form (RFC 8785): members sorted by the UTF-16 units of their names, no white space, numbers
/// as ECMAScript writes them, strings with as few escapes as possible.
///
/// SDKs check the signature of a call over that form of its body, so bodies are sent in it. Every number becomes a double
/// on the way: whole numbers beyond 2^53 are rounded, as they are by every reader that uses doubles. Where RFC 8785 has
/// no answer this has one: of members with the same name the last one counts, a number too large for a double becomes
/// the largest, half a surrogate pair becomes U+FFFD.
package enum CanonicalJSON {
    /// Arrays and objects inside one another: a few more than checked text may have, because memos wrap it.
    package static let depthMax = JSONScanner.depthMaxDefault + 8

    /// The canonical form of a value that was checked when it came in; of anything else the text as it is.
    package static func encode(_ value: JSONView) -> [UInt8] {
        var bytes: [UInt8] = []
        append(value, to: &bytes)
        return bytes
    }

    /// The canonical form of a text that nobody has checked.
    ///
    /// - Throws: `JSONError` when it is not one JSON value.
    package static func encode(_ text: [UInt8]) throws(JSONError) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count)
        try append(text, in: 0..<text.count, to: &bytes)
        return bytes
    }

    /// Appends what `encode` of the value answers.
    package static func append(_ value: JSONView, to bytes: inout [UInt8]) {
        let start = bytes.count
        do throws(JSONError) {
            try append(value.text, in: value.range, to: &bytes)
        } catch {
            bytes.removeSubrange(start...)
            bytes.append(contentsOf: value.slice)
        }
    }

    private static func append(_ text: [UInt8], in range: Range<Int>, to bytes: inout [UInt8]) throws(JSONError) {
        let result = text.withUnsafeBufferPointer { buffer -> Result<Void, JSONError> in
            var writer = CanonicalWriter(UnsafeBufferPointer(rebasing: buffer[range]), bytes: bytes)
            bytes = []
            defer { bytes = writer.bytes }
            do throws(JSONError) {
                try writer.writeValue(depth: 0)
                try writer.finish()
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }
}

/// Reads a text once and writes its canonical form behind what is there already.
private struct CanonicalWriter {
    private struct Member {
        /// Where in `bytes` the name begins, with its quotes, and where name and value end.
        var start: Int
        var nameEnd: Int
        var end: Int
        /// The name is ASCII without escapes, so that its bytes sort as its UTF-16 units do.
        var isPlain: Bool
    }

    private let text: UnsafeBufferPointer<UInt8>
    private var scanner: JSONScanner
    private(set) var bytes: [UInt8]

    init(_ text: UnsafeBufferPointer<UInt8>, bytes: [UInt8]) {
        self.text = text
        self.scanner = JSONScanner(text, depthMax: CanonicalJSON.depthMax)
        self.bytes = bytes
    }

    mutating func finish() throws(JSONError) {
        scanner.skipWhitespace()
        guard scanner.isAtEnd else { throw scanner.error("text after the end of the value") }
    }

    mutating func writeValue(depth: Int) throws(JSONError) {
        scanner.skipWhitespace()
        switch scanner.current {
        case UInt8(ascii: "{"):
            try writeObject(depth: depth)
        case UInt8(ascii: "["):
            try writeArray(depth: depth)
        case UInt8(ascii: "\""):
            _ = try writeString()
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            let start = scanner.position
            try scanner.skipValue()
            bytes.append(canonicalNumber: UnsafeBufferPointer(rebasing: text[start..<scanner.position]))
        default:
            // A literal, or no JSON at all.
            let start = scanner.position
            try scanner.skipValue()
            bytes.append(contentsOf: text[start..<scanner.position])
        }
    }

    private mutating func writeArray(depth: Int) throws(JSONError) {
        try enter(depth)
        bytes.append(UInt8(ascii: "["))
        if take(UInt8(ascii: "]")) {
            bytes.append(UInt8(ascii: "]"))
            return
        }
        while true {
            try writeValue(depth: depth + 1)
            if take(UInt8(ascii: ",")) {
                bytes.append(UInt8(ascii: ","))
                continue
            }
            guard take(UInt8(ascii: "]")) else { throw scanner.error("an array needs ',' or ']' here") }
            bytes.append(UInt8(ascii: "]"))
            return
        }
    }

    private mutating func writeObject(depth: Int) throws(JSONError) {
        try enter(depth)
        bytes.append(UInt8(ascii: "{"))
        if take(UInt8(ascii: "}")) {
            bytes.append(UInt8(ascii: "}"))
            return
        }
        var members: [Member] = []
        var isSorted = true
        while true {
            scanner.skipWhitespace()
            guard scanner.current == UInt8(ascii: "\"") else {
                throw scanner.error("an object needs a member name in double quotes here")
            }
            let start = bytes.count
            let isPlain = try writeString()
            let nameEnd = bytes.count
            guard take(UInt8(ascii: ":")) else { throw scanner.error("a member name needs ':' behind it") }
            bytes.append(UInt8(ascii: ":"))
            try writeValue(depth: depth + 1)
            let member = Member(start: start, nameEnd: nameEnd, end: bytes.count, isPlain: isPlain)
            if isSorted, let last = members.last, compare(last, member) >= 0 { isSorted = false }
            members.append(member)
            if take(UInt8(ascii: ",")) {
                bytes.append(UInt8(ascii: ","))
                continue
            }
            guard take(UInt8(ascii: "}")) else { throw scanner.error("an object needs ',' or '}' here") }
            break
        }
        if !isSorted { sort(members) }
        bytes.append(UInt8(ascii: "}"))
    }

    /// Passes over an opening bracket.
    private mutating func enter(_ depth: Int) throws(JSONError) {
        guard depth < CanonicalJSON.depthMax else {
            throw scanner.error("more than \(CanonicalJSON.depthMax) arrays and objects inside one another")
        }
        scanner.position += 1
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        scanner.skipWhitespace()
        guard scanner.current == byte else { return false }
        scanner.position += 1
        return true
    }

    /// - Returns: whether the string is ASCII without escapes.
    private mutating func writeString() throws(JSONError) -> Bool {
        let start = scanner.position
        try scanner.skipString()
        let written = UnsafeBufferPointer(rebasing: text[start..<scanner.position])
        var isEscaped = false
        var isASCII = true
        for byte in written {
            if byte == UInt8(ascii: "\\") { isEscaped = true }
            if byte >= 0x80 { isASCII = false }
        }
        if isEscaped {
            bytes.append(canonical: unescape(Array(written.dropFirst().dropLast())[...]))
        } else {
            bytes.append(contentsOf: written)
        }
        return isASCII && !isEscaped
    }

    // MARK: - Order

    /// Puts the members of the object that has just been written, and is not closed yet, in order.
    private mutating func sort(_ members: [Member]) {
        var members = members
        let first = members[0].start
        // The sort is stable: of members with the same name the last one stays last.
        members.sort { compare($0, $1) < 0 }
        var sorted: [UInt8] = []
        sorted.reserveCapacity(bytes.count - first)
        for (index, member) in members.enumerated() {
            if index + 1 < members.count, compare(member, members[index + 1]) == 0 { continue }
            if !sorted.isEmpty { sorted.append(UInt8(ascii: ",")) }
            sorted.append(contentsOf: bytes[member.start..<member.end])
        }
        bytes.replaceSubrange(first..., with: sorted)
    }

    /// Negative when the name of `a` comes first, 0 when the names are the same.
    private func compare(_ a: Member, _ b: Member) -> Int {
        let aName = bytes[a.start + 1..<a.nameEnd - 1]
        let bName = bytes[b.start + 1..<b.nameEnd - 1]
        if a.isPlain, b.isPlain {
            for (x, y) in zip(aName, bName) where x != y { return x < y ? -1 : 1 }
            return aName.count - bName.count
        }
        var aUnits = unescape(aName).utf16.makeIterator()
        var bUnits = unescape(bName).utf16.makeIterator()
        while true {
            switch (aUnits.next(), bUnits.next()) {
            case (nil, nil): return 0
            case (nil, _): return -1
            case (_, nil): return 1
            case (let x?, let y?): if x != y { return x < y ? -1 : 1 }
            }
        }
    }
}

extension [UInt8] {
    /// Appends a string in quotes as canonical JSON has it.
    package mutating func append(canonical string: String) {
        var string = string
        string.withUTF8 { utf8 in
            append(UInt8(ascii: "\""))
            for byte in utf8 {
                switch byte {
                case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                    append(UInt8(ascii: "\\"))
                    append(byte)
                case 0x20...: append(byte)
                case 0x08: append(json: "\\b")
                case 0x09: append(json: "\\t")
                case 0x0A: append(json: "\\n")
                case 0x0C: append(json: "\\f")
                case 0x0D: append(json: "\\r")
                default:
                    append(json: "\\u00")
                    append(hexDigit(byte >> 4))
                    append(hexDigit(byte & 15))
                }
            }
            append(UInt8(ascii: "\""))
        }
    }

    /// Appends a number, given as JSON text, as ECMAScript writes its double.
    fileprivate mutating func append(canonicalNumber text: UnsafeBufferPointer<UInt8>) {
        // 15 digits are exact in every double; most numbers are such.
        if text.count <= 15, text.allSatisfy({ $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }) {
            append(contentsOf: text)
            return
        }
        guard let value = Double(String(decoding: text, as: UTF8.self)) else {
            append(contentsOf: text)
            return
        }
        append(canonical: value)
    }

    /// Appends a number as ECMAScript writes it; an infinity as the largest finite number, not-a-number as `null`.
    package mutating func append(canonical value: Double) {
        if value.isNaN { return append(json: "null") }
        if value == 0 { return append(UInt8(ascii: "0")) }
        if value < 0 { append(UInt8(ascii: "-")) }
        let magnitude = Swift.min(value.magnitude, Double.greatestFiniteMagnitude)
        // The shortest digits that read back as the same double, as both Swift and ECMAScript want them; only where the
        // point and the exponent go differs.
        var digits: [UInt8] = []
        var exponent = 0
        var wholeDigits: Int?
        var description = Array<UInt8>(magnitude.description.utf8)[...]
        while let byte = description.popFirst() {
            if byte == UInt8(ascii: ".") {
                wholeDigits = digits.count
            } else if byte == UInt8(ascii: "e") {
                exponent = Int(String(decoding: description, as: UTF8.self)) ?? 0
                break
            } else {
                digits.append(byte)
            }
        }
        // The value is 0.d1d2d3… × 10^pointAt.
        var pointAt = (wholeDigits ?? digits.count) + exponent
        while digits.last == UInt8(ascii: "0") { digits.removeLast() }
        let zeros = digits.prefix { $0 == UInt8(ascii: "0") }.count
        digits.removeFirst(zeros)
        pointAt -= zeros
        let count = digits.count
        if pointAt >= count, pointAt <= 21 {
            append(contentsOf: digits)
            append(contentsOf: repeatElement(UInt8(ascii: "0"), count: pointAt - count))
        } else if pointAt > 0, pointAt <= 21 {
            append(contentsOf: digits[..<pointAt])
            append(UInt8(ascii: "."))
            append(contentsOf: digits[pointAt...])
        } else if pointAt > -6, pointAt <= 0 {
            append(json: "0.")
            append(contentsOf: repeatElement(UInt8(ascii: "0"), count: -pointAt))
            append(contentsOf: digits)
        } else {
            append(digits[0])
            if count > 1 {
                append(UInt8(ascii: "."))
                append(contentsOf: digits[1...])
            }
            append(UInt8(ascii: "e"))
            append(UInt8(ascii: pointAt > 0 ? "+" : "-"))
            append(json: (pointAt - 1).magnitude)
        }
    }
}
