/// Why text is not JSON, and where.
package struct JSONError: Error, Hashable, Sendable, CustomStringConvertible {
    package var message: String
    /// Bytes before the fault.
    package var offset: Int
    /// Counted from 1.
    package var line: Int
    /// In bytes, counted from 1.
    package var column: Int

    package init(message: String, offset: Int, line: Int, column: Int) {
        self.message = message
        self.offset = offset
        self.line = line
        self.column = column
    }

    package var description: String { "line \(line), column \(column): \(message)" }
}

/// Walks over JSON text (RFC 8259) and checks every byte of it: grammar, UTF-8, depth.
///
/// The pointer must stay valid while the scanner is used. Nothing is decoded; callers note positions.
package struct JSONScanner {
    /// Arrays and objects inside one another before a text is refused.
    package static let depthMaxDefault = 512

    let base: UnsafePointer<UInt8>?
    package let count: Int
    package var position: Int
    let depthMax: Int
    /// When set, every byte outside strings that is not white space is copied here, and every string whole.
    var copied: [UInt8]?
    private var copiedUpTo: Int

    package init(
        _ bytes: UnsafeBufferPointer<UInt8>, at position: Int = 0, depthMax: Int = JSONScanner.depthMaxDefault
    ) {
        self.base = bytes.baseAddress
        self.count = bytes.count
        self.position = position
        self.depthMax = depthMax
        self.copied = nil
        self.copiedUpTo = position
    }

    /// From here on the text is copied without white space; take it with `takeCompacted`.
    package mutating func startCompacting() {
        copied = []
        copiedUpTo = position
    }

    package mutating func takeCompacted() -> [UInt8] {
        flush(upTo: position)
        defer { copied = nil }
        return copied ?? []
    }

    private mutating func flush(upTo end: Int) {
        if copied != nil, end > copiedUpTo, let base {
            copied?.append(contentsOf: UnsafeBufferPointer(start: base + copiedUpTo, count: end - copiedUpTo))
        }
        copiedUpTo = end
    }

    package var isAtEnd: Bool { position >= count }

    /// The byte at the position, or 0 at the end (0 is never valid outside a string).
    @inline(__always)
    package var current: UInt8 { position < count ? base.unsafelyUnwrapped[position] : 0 }

    @inline(__always)
    package mutating func skipWhitespace() {
        guard position < count, current <= 0x20 else { return }
        flush(upTo: position)
        while position < count {
            switch current {
            case 0x20, 0x0A, 0x0D, 0x09: position += 1
            default:
                copiedUpTo = position
                return
            }
        }
        copiedUpTo = position
    }

    package func error(_ message: String, at offset: Int? = nil) -> JSONError {
        let offset = min(offset ?? position, count)
        var line = 1
        var lineStart = 0
        for index in 0..<offset where base.unsafelyUnwrapped[index] == 0x0A {
            line += 1
            lineStart = index + 1
        }
        return JSONError(message: message, offset: offset, line: line, column: offset - lineStart + 1)
    }

    /// Passes over one value, white space before it included.
    package mutating func skipValue(depth: Int = 0) throws(JSONError) {
        skipWhitespace()
        switch current {
        case UInt8(ascii: "\""):
            try skipString()
        case UInt8(ascii: "{"):
            guard depth < depthMax else { throw error("more than \(depthMax) arrays and objects inside one another") }
            position += 1
            skipWhitespace()
            if current == UInt8(ascii: "}") {
                position += 1
                return
            }
            while true {
                skipWhitespace()
                guard current == UInt8(ascii: "\"") else { throw expected("a member name in double quotes") }
                try skipString()
                skipWhitespace()
                guard current == UInt8(ascii: ":") else { throw expected("':' after a member name") }
                position += 1
                try skipValue(depth: depth + 1)
                skipWhitespace()
                if current == UInt8(ascii: ",") {
                    position += 1
                    continue
                }
                guard current == UInt8(ascii: "}") else { throw expected("',' or '}' in an object") }
                position += 1
                return
            }
        case UInt8(ascii: "["):
            guard depth < depthMax else { throw error("more than \(depthMax) arrays and objects inside one another") }
            position += 1
            skipWhitespace()
            if current == UInt8(ascii: "]") {
                position += 1
                return
            }
            while true {
                try skipValue(depth: depth + 1)
                skipWhitespace()
                if current == UInt8(ascii: ",") {
                    position += 1
                    continue
                }
                guard current == UInt8(ascii: "]") else { throw expected("',' or ']' in an array") }
                position += 1
                return
            }
        case UInt8(ascii: "t"): try skipLiteral("true")
        case UInt8(ascii: "f"): try skipLiteral("false")
        case UInt8(ascii: "n"): try skipLiteral("null")
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): try skipNumber()
        default: throw expected("a JSON value")
        }
    }

    private func expected(_ what: String) -> JSONError {
        guard position < count else { return error("the text ends where \(what) should be") }
        let found = current
        let shown = found > 0x20 && found < 0x7F ? "'\(Character(Unicode.Scalar(found)))'" : "byte \(found)"
        return error("\(shown) where \(what) should be")
    }

    private mutating func skipLiteral(_ literal: StaticString) throws(JSONError) {
        let length = literal.utf8CodeUnitCount
        guard count - position >= length else { throw error("the text ends inside '\(literal)'") }
        for index in 0..<length where base.unsafelyUnwrapped[position + index] != literal.utf8Start[index] {
            throw error("'\(literal)' is misspelt")
        }
        position += length
    }

    private mutating func skipDigits() -> Int {
        let start = position
        while current >= UInt8(ascii: "0"), current <= UInt8(ascii: "9") { position += 1 }
        return position - start
    }

    private mutating func skipNumber() throws(JSONError) {
        let start = position
        if current == UInt8(ascii: "-") { position += 1 }
        if current == UInt8(ascii: "0") {
            position += 1
            if current >= UInt8(ascii: "0"), current <= UInt8(ascii: "9") {
                throw error("a number must not start with 0", at: start)
            }
        } else if skipDigits() == 0 {
            throw error("a number needs a digit here")
        }
        if current == UInt8(ascii: ".") {
            position += 1
            guard skipDigits() > 0 else { throw error("a number needs a digit after its point") }
        }
        if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
            position += 1
            if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { position += 1 }
            guard skipDigits() > 0 else { throw error("a number needs a digit in its exponent") }
        }
    }

    /// Passes over a string, from its opening quote to after its closing one.
    package mutating func skipString() throws(JSONError) {
        let base = base.unsafelyUnwrapped
        let start = position
        position += 1
        while position < count {
            let byte = base[position]
            if byte == UInt8(ascii: "\"") {
                position += 1
                return
            }
            if byte == UInt8(ascii: "\\") {
                try skipEscape()
            } else if byte < 0x20 {
                throw error("a control character (byte \(byte)) in a string must be escaped")
            } else if byte < 0x80 {
                position += 1
            } else {
                let length = utf8Length(base + position, count - position)
                guard length > 0 else { throw error("bytes that are not UTF-8") }
                position += length
            }
        }
        throw error("the text ends inside a string", at: start)
    }

    private mutating func skipEscape() throws(JSONError) {
        let base = base.unsafelyUnwrapped
        guard position + 1 < count else { throw error("the text ends inside a string") }
        switch base[position + 1] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            position += 2
        case UInt8(ascii: "u"):
            guard position + 5 < count, (2...5).allSatisfy({ hexValue(base[position + $0]) < 16 }) else {
                throw error("\\u needs four hexadecimal digits")
            }
            position += 6
        default:
            throw error("an escape that JSON does not have")
        }
    }
}

/// The length of the well-formed UTF-8 sequence at `p` (2…4 bytes), or 0.
private func utf8Length(_ p: UnsafePointer<UInt8>, _ available: Int) -> Int {
    @inline(__always) func isContinuation(_ index: Int) -> Bool { p[index] & 0xC0 == 0x80 }
    let first = p[0]
    switch first {
    case 0xC2...0xDF:
        return available >= 2 && isContinuation(1) ? 2 : 0
    case 0xE0...0xEF:
        guard available >= 3, isContinuation(1), isContinuation(2) else { return 0 }
        if first == 0xE0, p[1] < 0xA0 { return 0 }
        if first == 0xED, p[1] > 0x9F { return 0 }
        return 3
    case 0xF0...0xF4:
        guard available >= 4, isContinuation(1), isContinuation(2), isContinuation(3) else { return 0 }
        if first == 0xF0, p[1] < 0x90 { return 0 }
        if first == 0xF4, p[1] > 0x8F { return 0 }
        return 4
    default:
        return 0
    }
}

@inline(__always)
func hexValue(_ byte: UInt8) -> UInt8 {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte &- UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte &- UInt8(ascii: "a") &+ 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte &- UInt8(ascii: "A") &+ 10
    default: 255
    }
}

/// Checks of whole texts.
package enum JSONText {
    /// Checks that the bytes are one JSON value and nothing else.
    package static func check(
        _ bytes: [UInt8], depthMax: Int = JSONScanner.depthMaxDefault
    ) throws(JSONError) {
        _ = try scan(bytes, depthMax: depthMax, compacting: false)
    }

    /// The one JSON value in `bytes`, checked, without white space outside strings.
    package static func compact(
        _ bytes: [UInt8], depthMax: Int = JSONScanner.depthMaxDefault
    ) throws(JSONError) -> [UInt8] {
        try scan(bytes, depthMax: depthMax, compacting: true)
    }

    private static func scan(_ bytes: [UInt8], depthMax: Int, compacting: Bool) throws(JSONError) -> [UInt8] {
        let result = bytes.withUnsafeBufferPointer { buffer -> Result<[UInt8], JSONError> in
            var scanner = JSONScanner(buffer, depthMax: depthMax)
            do throws(JSONError) {
                if compacting { scanner.startCompacting() }
                try scanner.skipValue()
                let compacted = compacting ? scanner.takeCompacted() : []
                scanner.skipWhitespace()
                guard scanner.isAtEnd else { throw scanner.error("text after the end of the value") }
                return .success(compacted)
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }
}
