/// The quoted-printable encoding of RFC 2045: text that mostly reads as it is, in lines of 76 bytes at most.
enum QuotedPrintable {
    private static let lineBytesMax = 76

    /// `text` with CRLF after every line, including the last. CRLF, LF and CR in `text` all end a line.
    static func encode(_ text: String) -> [UInt8] {
        var output: [UInt8] = []
        var line: [UInt8] = []
        let source = Array(text.utf8)
        var index = 0
        while index < source.count {
            let byte = source[index]
            if byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") {
                appendLine(line, to: &output)
                line.removeAll(keepingCapacity: true)
                if byte == UInt8(ascii: "\r"), index + 1 < source.count, source[index + 1] == UInt8(ascii: "\n") {
                    index += 1
                }
            } else {
                line.append(byte)
            }
            index += 1
        }
        if !line.isEmpty { appendLine(line, to: &output) }
        return output
    }

    /// A line that begins with `From ` is changed by programs that keep mail in one file, so its first letter is
    /// escaped.
    private static func appendLine(_ line: [UInt8], to output: inout [UInt8]) {
        var column = 0
        for (index, byte) in line.enumerated() {
            let isLast = index == line.count - 1
            let beginsOutputLine = column == 0 || column + 1 > lineBytesMax - 1
            var unit: [UInt8] = []
            if needsEscape(byte, isLast: isLast) || beginsOutputLine && line[index...].starts(with: "From ".utf8) {
                unit.append(UInt8(ascii: "="))
                unit.appendHex(byte)
            } else {
                unit.append(byte)
            }
            // One column stays free for the soft line break, which the last unit of a line does not need.
            if column + unit.count > (isLast ? lineBytesMax : lineBytesMax - 1) {
                output.append(contentsOf: "=\r\n".utf8)
                column = 0
            }
            output.append(contentsOf: unit)
            column += unit.count
        }
        output.append(contentsOf: "\r\n".utf8)
    }

    /// White space at the end of a line is lost on the way.
    private static func needsEscape(_ byte: UInt8, isLast: Bool) -> Bool {
        switch byte {
        case UInt8(ascii: "="): true
        case UInt8(ascii: " "), UInt8(ascii: "\t"): isLast
        case 0x21...0x7e: false
        default: true
        }
    }
}
