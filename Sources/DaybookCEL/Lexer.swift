enum Token: Equatable {
    case name(String)
    /// `in`, `true`, `false`, `null`
    case keyword(String)
    case int(UInt64)
    case uint(UInt64)
    case double(Double)
    /// Offset of the first byte between the quotes, for errors inside of it.
    case string([UInt8], contentOffset: Int)
    case rawString
    case bytes([UInt8])
    case symbol(String)
    case end
}

/// Cuts the source into tokens, one at a time.
struct Lexer {
    let source: [UInt8]
    private var position = 0
    /// Bytes before the token that `next` returned last.
    private(set) var offset = 0

    init(_ source: [UInt8]) {
        self.source = source
    }

    mutating func next() throws(ExpressionError) -> Token {
        skipBlanks()
        offset = position
        guard let byte = peek() else { return .end }
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
        case UInt8(ascii: ".") where isDigit(peek(1)): return try number()
        case UInt8(ascii: "\""), UInt8(ascii: "'"):
            let (content, contentOffset) = try quoted(isRaw: false)
            try checkEscapes(content, at: contentOffset)
            return .string(content, contentOffset: contentOffset)
        case _ where isLetter(byte): return try wordOrPrefixedString()
        default: return try symbol(byte)
        }
    }

    func error(_ message: String, at offset: Int, expected: [String] = []) -> ExpressionError {
        ExpressionError(message, at: offset, in: source, expected: expected)
    }

    // MARK: Blanks, words, symbols

    private mutating func skipBlanks() {
        while let byte = peek() {
            if byte == UInt8(ascii: " ") || (9...13).contains(byte) {
                position += 1
            } else if byte == UInt8(ascii: "/"), peek(1) == UInt8(ascii: "/") {
                while let inside = peek(), inside != UInt8(ascii: "\n") { position += 1 }
            } else {
                return
            }
        }
    }

    private mutating func wordOrPrefixedString() throws(ExpressionError) -> Token {
        let start = position
        while let byte = peek(), isLetter(byte) || isDigit(byte) { position += 1 }
        let word = String(decoding: source[start..<position], as: UTF8.self)
        if peek() == UInt8(ascii: "\"") || peek() == UInt8(ascii: "'") {
            switch word.lowercased() {
            case "r":
                _ = try quoted(isRaw: true)
                return .rawString
            case "b":
                let (content, contentOffset) = try quoted(isRaw: false)
                return .bytes(try decodeEscapes(content, at: contentOffset))
            case "rb", "br":
                return .bytes(try quoted(isRaw: true).content)
            default: break
            }
        }
        return ["in", "true", "false", "null"].contains(word) ? .keyword(word) : .name(word)
    }

    private mutating func symbol(_ byte: UInt8) throws(ExpressionError) -> Token {
        let pairs = ["==", "!=", "<=", ">=", "&&", "||", ".?", "[?"]
        if position + 1 < source.count {
            let pair = String(decoding: source[position..<position + 2], as: UTF8.self)
            if pairs.contains(pair) {
                position += 2
                return .symbol(pair)
            }
        }
        if "()[]{}.,:?!<>+-*/%".utf8.contains(byte) {
            position += 1
            return .symbol(String(UnicodeScalar(byte)))
        }
        switch byte {
        case UInt8(ascii: "="): throw error("a single `=` is no operator; write `==` to compare", at: position)
        case UInt8(ascii: "&"): throw error("a single `&` is no operator; write `&&`", at: position)
        case UInt8(ascii: "|"): throw error("a single `|` is no operator; write `||`", at: position)
        default:
            let rest = String(decoding: source[position..<min(position + 4, source.count)], as: UTF8.self)
            let shown = rest.unicodeScalars.first.map { $0.value < 0x20 ? "a control character" : "`\($0)`" } ?? ""
            throw error("\(shown) has no meaning outside of a string", at: position)
        }
    }

    // MARK: Numbers

    private mutating func number() throws(ExpressionError) -> Token {
        let start = position
        if peek() == UInt8(ascii: "0"), peek(1).map({ $0 | 0x20 }) == UInt8(ascii: "x") {
            position += 2
            let digits = position
            while let byte = peek(), hexValue(byte) != nil { position += 1 }
            return try integer(digits: digits, radix: 16, start: start)
        }
        while isDigit(peek()) { position += 1 }
        var isDouble = false
        if peek() == UInt8(ascii: "."), isDigit(peek(1)) {
            isDouble = true
            position += 1
            while isDigit(peek()) { position += 1 }
        }
        if peek().map({ $0 | 0x20 }) == UInt8(ascii: "e") {
            let hasSign = peek(1) == UInt8(ascii: "+") || peek(1) == UInt8(ascii: "-")
            if isDigit(peek(hasSign ? 2 : 1)) {
                isDouble = true
                position += hasSign ? 2 : 1
                while isDigit(peek()) { position += 1 }
            }
        }
        guard isDouble else { return try integer(digits: start, radix: 10, start: start) }
        try checkEndOfNumber(start)
        let text = String(decoding: source[start..<position], as: UTF8.self)
        guard let value = Double(text.hasPrefix(".") ? "0" + text : text), value.isFinite else {
            throw error("the number \(text) is too large for a double", at: start)
        }
        return .double(value)
    }

    private mutating func integer(digits: Int, radix: Int, start: Int) throws(ExpressionError) -> Token {
        let text = String(decoding: source[digits..<position], as: UTF8.self)
        if text.isEmpty { throw error("expected hexadecimal digits after `0x`", at: position, expected: ["0…9, a…f"]) }
        let isUnsigned = peek().map { $0 | 0x20 } == UInt8(ascii: "u")
        if isUnsigned { position += 1 }
        try checkEndOfNumber(start)
        // One more than the largest int is read here: with a minus before it, it is the smallest.
        guard let value = UInt64(text, radix: radix), isUnsigned || value <= UInt64(Int64.max) + 1 else {
            throw error(
                "the number \(String(decoding: source[start..<position], as: UTF8.self)) does not fit into 64 bits",
                at: start)
        }
        return isUnsigned ? .uint(value) : .int(value)
    }

    private func checkEndOfNumber(_ start: Int) throws(ExpressionError) {
        guard let byte = peek(), isLetter(byte) else { return }
        throw error(
            "a number ends before `\(UnicodeScalar(byte))`; names start with a letter", at: position,
            expected: ["an operator", "the end of the expression"])
    }

    // MARK: Strings

    /// The bytes between quotes, with `position` behind the closing ones.
    private mutating func quoted(isRaw: Bool) throws(ExpressionError) -> (content: [UInt8], offset: Int) {
        let opening = position
        let quote = source[position]
        let isTriple = peek(1) == quote && peek(2) == quote
        position += isTriple ? 3 : 1
        let start = position
        while let byte = peek() {
            if byte == quote, !isTriple || (peek(1) == quote && peek(2) == quote) {
                let content = Array(source[start..<position])
                position += isTriple ? 3 : 1
                return (content, start)
            }
            if !isTriple, byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") { break }
            let isEscape = byte == UInt8(ascii: "\\") && !isRaw
            position += isEscape && position + 1 < source.count ? 2 : 1
        }
        let mark = String(repeating: String(UnicodeScalar(quote)), count: isTriple ? 3 : 1)
        throw error("the string that starts here has no end", at: opening, expected: ["a closing \(mark)"])
    }

    /// Escapes stay as they are in strings, but those that the language does not have are refused.
    private func checkEscapes(_ content: [UInt8], at contentOffset: Int) throws(ExpressionError) {
        if content.contains(UInt8(ascii: "\\")) { _ = try decodeEscapes(content, at: contentOffset) }
    }

    private func decodeEscapes(_ content: [UInt8], at contentOffset: Int) throws(ExpressionError) -> [UInt8] {
        var decoded: [UInt8] = []
        var index = 0
        while index < content.count {
            guard content[index] == UInt8(ascii: "\\") else {
                decoded.append(content[index])
                index += 1
                continue
            }
            guard let (bytes, length) = Self.decodeEscape(content[index...]) else {
                let shown = String(decoding: content[index..<min(index + 2, content.count)], as: UTF8.self)
                throw error(
                    "`\(shown)` is no escape of a string; use a class such as [0-9] or [a-z] instead",
                    at: contentOffset + index,
                    expected: [
                        "one of \\n \\r \\t \\a \\b \\f \\v \\\\ \\? \\\" \\' \\` \\xHH \\uHHHH \\UHHHHHHHH \\OOO"
                    ])
            }
            decoded += bytes
            index += length
        }
        return decoded
    }

    /// The bytes that an escape at the start of `text` stands for and the escape's own length.
    private static func decodeEscape(_ text: ArraySlice<UInt8>) -> (bytes: [UInt8], length: Int)? {
        guard text.count >= 2 else { return nil }
        let rest = text.dropFirst(2)
        switch text[text.startIndex + 1] {
        case UInt8(ascii: "a"): return ([7], 2)
        case UInt8(ascii: "b"): return ([8], 2)
        case UInt8(ascii: "f"): return ([12], 2)
        case UInt8(ascii: "n"): return ([10], 2)
        case UInt8(ascii: "r"): return ([13], 2)
        case UInt8(ascii: "t"): return ([9], 2)
        case UInt8(ascii: "v"): return ([11], 2)
        case let byte where "\\?\"'`".utf8.contains(byte): return ([byte], 2)
        case UInt8(ascii: "x"), UInt8(ascii: "X"):
            return digits(rest, count: 2, radix: 16).map { ([UInt8($0)], 4) }
        case UInt8(ascii: "u"):
            return digits(rest, count: 4, radix: 16).flatMap(UnicodeScalar.init).map { (Array($0.utf8), 6) }
        case UInt8(ascii: "U"):
            return digits(rest, count: 8, radix: 16).flatMap(UnicodeScalar.init).map { (Array($0.utf8), 10) }
        case UInt8(ascii: "0")...UInt8(ascii: "3"):
            return digits(text.dropFirst(), count: 3, radix: 8).map { ([UInt8($0)], 4) }
        default: return nil
        }
    }

    private static func digits(_ text: ArraySlice<UInt8>, count: Int, radix: UInt32) -> UInt32? {
        guard text.count >= count else { return nil }
        var value: UInt32 = 0
        for byte in text.prefix(count) {
            guard let digit = hexValue(byte), digit < radix else { return nil }
            let (scaled, overflow) = value.multipliedReportingOverflow(by: radix)
            if overflow { return nil }
            value = scaled + digit
        }
        return value
    }

    private func peek(_ ahead: Int = 0) -> UInt8? {
        position + ahead < source.count ? source[position + ahead] : nil
    }
}

private func isDigit(_ byte: UInt8?) -> Bool {
    guard let byte else { return false }
    return UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
}

private func isLetter(_ byte: UInt8) -> Bool {
    UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte | 0x20 || byte == UInt8(ascii: "_")
}

func hexValue(_ byte: UInt8) -> UInt32? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0"))
    case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt32(byte - UInt8(ascii: "a")) + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt32(byte - UInt8(ascii: "A")) + 10
    default: nil
    }
}
