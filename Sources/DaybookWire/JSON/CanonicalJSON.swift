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
        try JSONText.check(text, depthMax: depthMax)
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
                try writer.write()
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }
}

/// Reads a text once and writes its canonical form behind what is there already.
///
/// The text has been checked as a rule. Of one that has not, only what would make the writer lose its way is noticed; it
/// never reads beyond the end.
private struct CanonicalWriter {
    private struct Member {
        /// Where in `bytes` the member begins, where its name ends and where its value does.
        var start: Int
        var nameEnd: Int
        var end: Int
        /// The name is ASCII without escapes, so that its bytes sort as its UTF-16 units do.
        var isPlain: Bool
    }

    private let text: UnsafeBufferPointer<UInt8>
    private var position = 0
    private(set) var bytes: [UInt8]
    /// Of all objects that are being written, the innermost last.
    private var members: [Member] = []

    init(_ text: UnsafeBufferPointer<UInt8>, bytes: [UInt8]) {
        self.text = text
        self.bytes = bytes
    }

    mutating func write() throws(JSONError) {
        try writeValue(depth: 0)
        skipWhitespace()
        guard position == text.count else { throw error("text after the end of the value") }
    }

    private func error(_ message: String) -> JSONError {
        JSONScanner(text).error(message, at: position)
    }

    /// The byte at the position, 0 at the end.
    @inline(__always)
    private var current: UInt8 { position < text.count ? text[position] : 0 }

    @inline(__always)
    private mutating func skipWhitespace() {
        while position < text.count, text[position] <= 0x20 { position += 1 }
    }

    @inline(__always)
    private mutating func take(_ byte: UInt8) -> Bool {
        skipWhitespace()
        guard current == byte else { return false }
        position += 1
        return true
    }

    private mutating func writeValue(depth: Int) throws(JSONError) {
        skipWhitespace()
        switch current {
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            guard depth < CanonicalJSON.depthMax else {
                throw error("more than \(CanonicalJSON.depthMax) arrays and objects inside one another")
            }
            if current == UInt8(ascii: "{") {
                try writeObject(depth: depth)
            } else {
                try writeArray(depth: depth)
            }
        case UInt8(ascii: "\""):
            _ = try writeString()
        default:
            // A number or a literal.
            let start = position
            while position < text.count, isPartOfScalar(text[position]) { position += 1 }
            let scalar = UnsafeBufferPointer(rebasing: text[start..<position])
            switch scalar.first {
            case nil: throw error("a value is missing")
            case UInt8(ascii: "t"), UInt8(ascii: "f"), UInt8(ascii: "n"): bytes.append(contentsOf: scalar)
            default: bytes.append(canonicalNumber: scalar)
            }
        }
    }

    @inline(__always)
    private func isPartOfScalar(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
            UInt8(ascii: "+"), UInt8(ascii: "."), UInt8(ascii: "E"):
            true
        default: false
        }
    }

    private mutating func writeArray(depth: Int) throws(JSONError) {
        position += 1
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
            guard take(UInt8(ascii: "]")) else { throw error("an array needs ',' or ']' here") }
            bytes.append(UInt8(ascii: "]"))
            return
        }
    }

    private mutating func writeObject(depth: Int) throws(JSONError) {
        position += 1
        bytes.append(UInt8(ascii: "{"))
        if take(UInt8(ascii: "}")) {
            bytes.append(UInt8(ascii: "}"))
            return
        }
        let first = members.count
        var isSorted = true
        while true {
            skipWhitespace()
            guard current == UInt8(ascii: "\"") else { throw error("an object needs a member name here") }
            let start = bytes.count
            let isPlain = try writeString()
            let nameEnd = bytes.count
            guard take(UInt8(ascii: ":")) else { throw error("a member name needs ':' behind it") }
            bytes.append(UInt8(ascii: ":"))
            try writeValue(depth: depth + 1)
            let member = Member(start: start, nameEnd: nameEnd, end: bytes.count, isPlain: isPlain)
            if isSorted, members.count > first, compare(members[members.count - 1], member) >= 0 { isSorted = false }
            members.append(member)
            if take(UInt8(ascii: ",")) {
                bytes.append(UInt8(ascii: ","))
                continue
            }
            guard take(UInt8(ascii: "}")) else { throw error("an object needs ',' or '}' here") }
            break
        }
        if !isSorted { sort(Array(members[first...])) }
        members.removeSubrange(first...)
        bytes.append(UInt8(ascii: "}"))
    }

    /// - Returns: whether the string is ASCII without escapes.
    private mutating func writeString() throws(JSONError) -> Bool {
        let start = position
        var isEscaped = false
        var union: UInt8 = 0
        position += 1
        while true {
            guard position < text.count else { throw error("the text ends inside a string") }
            let byte = text[position]
            if byte == UInt8(ascii: "\"") { break }
            union |= byte
            if byte == UInt8(ascii: "\\") {
                isEscaped = true
                position += 1
            }
            position += 1
        }
        position += 1
        let written = UnsafeBufferPointer(rebasing: text[start..<position])
        if isEscaped {
            bytes.append(canonical: unescape(Array(written.dropFirst().dropLast())[...]))
        } else {
            bytes.append(contentsOf: written)
        }
        return !isEscaped && union < 0x80
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
        guard a.isPlain, b.isPlain else { return compareUnits(a, b) }
        return bytes.withUnsafeBufferPointer { bytes in
            var (x, y) = (a.start + 1, b.start + 1)
            let (xEnd, yEnd) = (a.nameEnd - 1, b.nameEnd - 1)
            while x < xEnd, y < yEnd {
                if bytes[x] != bytes[y] { return bytes[x] < bytes[y] ? -1 : 1 }
                x += 1
                y += 1
            }
            return (xEnd - x) - (yEnd - y)
        }
    }

    private func compareUnits(_ a: Member, _ b: Member) -> Int {
        var aUnits = unescape(bytes[a.start + 1..<a.nameEnd - 1]).utf16.makeIterator()
        var bUnits = unescape(bytes[b.start + 1..<b.nameEnd - 1]).utf16.makeIterator()
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
            var start = 0
            for index in 0..<utf8.count {
                let byte = utf8[index]
                guard byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") else { continue }
                append(contentsOf: UnsafeBufferPointer(rebasing: utf8[start..<index]))
                start = index + 1
                switch byte {
                case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                    append(UInt8(ascii: "\\"))
                    append(byte)
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
            append(contentsOf: UnsafeBufferPointer(rebasing: utf8[start...]))
            append(UInt8(ascii: "\""))
        }
    }

    /// Appends a number, given as JSON text, as ECMAScript writes its double.
    fileprivate mutating func append(canonicalNumber text: UnsafeBufferPointer<UInt8>) {
        if isCanonical(number: text) {
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

/// Whether a number is surely written as ECMAScript writes it: up to 15 digits, which every double keeps, no exponent, no 0
/// at the end of a fraction, nothing near enough to 0 to need an exponent.
private func isCanonical(number text: UnsafeBufferPointer<UInt8>) -> Bool {
    let first = text.first == UInt8(ascii: "-") ? 1 : 0
    guard text.count > first, text.count - first <= 16 else { return false }
    var digits = 0
    var point: Int?
    for index in first..<text.count {
        switch text[index] {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digits += 1
        case UInt8(ascii: ".") where point == nil: point = index
        default: return false
        }
    }
    guard digits <= 15 else { return false }
    let isBelowOne = text[first] == UInt8(ascii: "0")
    guard let point else { return !isBelowOne || text.count == 1 }
    guard text[text.count - 1] != UInt8(ascii: "0"), text.count > point + 1 else { return false }
    return !isBelowOne || text[point...].dropFirst().prefix(6).contains { $0 != UInt8(ascii: "0") }
}
