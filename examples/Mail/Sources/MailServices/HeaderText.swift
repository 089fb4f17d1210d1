import FoundationEssentials

/// Header lines by RFC 5322 and RFC 2047.
enum HeaderText {
    /// Lines are folded so that they stay within this where white space allows it.
    private static let lineBytesWanted = 78
    /// 39 bytes make an encoded word of 64, which leaves room for the header's name on a line of at most 76.
    private static let encodedWordBytesMax = 39

    /// Free text, such as a subject: as it is when it is plain ASCII, else as encoded words.
    static func unstructured(_ text: String) -> String {
        isPlain(text) ? text : encodedWords(text)
    }

    /// `"Ada L." <ada@example.com>`
    static func mailbox(_ mailbox: Mailbox) -> String {
        guard let name = mailbox.name, !name.isEmpty else { return mailbox.address.description }
        let phrase: String
        if !isPlain(name) {
            phrase = encodedWords(name)
        } else if name.utf8.allSatisfy({ isAlphanumeric($0) || $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "-") }) {
            phrase = name
        } else {
            phrase = "\"" + name.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : "\($0)" }.joined() + "\""
        }
        return "\(phrase) <\(mailbox.address)>"
    }

    /// `Name: value`, folded at spaces, with CRLF at the end.
    static func line(_ name: String, _ value: String) -> String {
        var output = "\(name):"
        var column = output.utf8.count
        for word in value.split(separator: " ", omittingEmptySubsequences: false) {
            if column + 1 + word.utf8.count > lineBytesWanted, column > name.utf8.count + 1, !word.isEmpty {
                output += "\r\n"
                column = 0
            }
            output += " \(word)"
            column += 1 + word.utf8.count
        }
        return output + "\r\n"
    }

    /// True for text without control characters and line breaks, which would start a header of the writer's choice.
    static func isSafe(_ text: String) -> Bool {
        text.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
    }

    /// Printable ASCII that nobody takes for an encoded word, without spaces at the ends or in a row (folding would
    /// lose them), and short enough in its longest word for a line.
    private static func isPlain(_ text: String) -> Bool {
        text.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7f } && !text.contains("=?") && !text.contains("  ")
            && text.first != " " && text.last != " "
            && text.split(separator: " ").allSatisfy { $0.utf8.count < 900 }
    }

    private static func encodedWords(_ text: String) -> String {
        var words: [String] = []
        var bytes: [UInt8] = []
        func flush() {
            words.append("=?UTF-8?B?\(Data(bytes).base64EncodedString())?=")
            bytes.removeAll()
        }
        for scalar in text.unicodeScalars {  // a word holds whole characters, so that each can be decoded alone
            let encoded = Array(String(scalar).utf8)
            if bytes.count + encoded.count > encodedWordBytesMax { flush() }
            bytes += encoded
        }
        if !bytes.isEmpty { flush() }
        return words.joined(separator: " ")
    }
}
