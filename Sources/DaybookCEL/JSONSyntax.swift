/// Whether a text is JSON, for `json_parse`, whose argument nobody has checked before.
struct JSONSyntax {
    private var bytes: UnsafeBufferPointer<UInt8>
    private var index = 0

    /// The object that the text is, without the blanks around it; nil if it is anything else, no JSON, or nested deeper
    /// than `Limits.valueDepth`.
    static func object(in text: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8>? {
        var syntax = JSONSyntax(bytes: text)
        syntax.skipBlanks()
        let start = syntax.index
        guard syntax.peek == UInt8(ascii: "{"), syntax.readValue() else { return nil }
        let end = syntax.index
        syntax.skipBlanks()
        return syntax.index == text.count ? UnsafeBufferPointer(rebasing: text[start..<end]) : nil
    }

    private init(bytes: UnsafeBufferPointer<UInt8>) {
        self.bytes = bytes
    }

    private var peek: UInt8? { index < bytes.count ? bytes[index] : nil }

    private mutating func skipBlanks() {
        while let byte = peek, byte == 0x20 || byte == 9 || byte == 10 || byte == 13 { index += 1 }
    }

    /// Reads a value with all that is in it, keeping the open brackets in an array.
    private mutating func readValue() -> Bool {
        var open: [UInt8] = []
        while true {
            skipBlanks()
            switch peek {
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                if open.count == Limits.valueDepth { return false }
                let bracket = bytes[index]
                index += 1
                skipBlanks()
                if peek == bracket + 2 {
                    index += 1
                } else {
                    open.append(bracket)
                    if bracket == UInt8(ascii: "{"), !readName() { return false }
                    continue
                }
            case UInt8(ascii: "\""):
                if !readString() { return false }
            default:
                if !readScalar() { return false }
            }
            // A value has ended; so may what it is in.
            while let bracket = open.last {
                skipBlanks()
                if peek == UInt8(ascii: ",") {
                    index += 1
                    skipBlanks()
                    if bracket == UInt8(ascii: "{"), !readName() { return false }
                    break
                }
                guard peek == bracket + 2 else { return false }
                index += 1
                open.removeLast()
            }
            if open.isEmpty { return true }
        }
    }

    private mutating func readName() -> Bool {
        guard peek == UInt8(ascii: "\""), readString() else { return false }
        skipBlanks()
        guard peek == UInt8(ascii: ":") else { return false }
        index += 1
        return true
    }

    private mutating func readString() -> Bool {
        index += 1
        while let byte = peek {
            switch byte {
            case UInt8(ascii: "\""):
                index += 1
                return true
            case UInt8(ascii: "\\"):
                guard index + 1 < bytes.count else { return false }
                let escape = bytes[index + 1]
                guard "\"\\/bfnrtu".utf8.contains(escape) else { return false }
                index += 2
                if escape == UInt8(ascii: "u") {
                    for _ in 0..<4 {
                        guard let digit = peek, hexValue(digit) != nil else { return false }
                        index += 1
                    }
                }
            case 0..<0x20: return false
            default: index += 1
            }
        }
        return false
    }

    private mutating func readScalar() -> Bool {
        let start = index
        while let byte = peek, byte > 0x20, !",:]}[{\"".utf8.contains(byte) { index += 1 }
        let text = UnsafeBufferPointer(rebasing: bytes[start..<index])
        return JSONText.isEqual(text, "true") || JSONText.isEqual(text, "false") || JSONText.isEqual(text, "null")
            || Self.isNumber(text)
    }

    private static func isNumber(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        var rest = text[...]
        if rest.first == UInt8(ascii: "-") { rest.removeFirst() }
        let whole = digits(&rest)
        guard whole > 0, whole == 1 || text[rest.startIndex - whole] != UInt8(ascii: "0") else { return false }
        if rest.first == UInt8(ascii: ".") {
            rest.removeFirst()
            if digits(&rest) == 0 { return false }
        }
        if let byte = rest.first, byte | 0x20 == UInt8(ascii: "e") {
            rest.removeFirst()
            if rest.first == UInt8(ascii: "+") || rest.first == UInt8(ascii: "-") { rest.removeFirst() }
            if digits(&rest) == 0 { return false }
        }
        return rest.isEmpty
    }

    private static func digits(_ rest: inout Slice<UnsafeBufferPointer<UInt8>>) -> Int {
        var count = 0
        while let byte = rest.first, UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte {
            rest.removeFirst()
            count += 1
        }
        return count
    }
}
