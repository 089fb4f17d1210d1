/// An address that mail can be sent to, checked when it is made: `local@domain`, plain ASCII.
///
/// Accepted is what mail servers in practice accept: dot-separated words before the `@` (64 bytes at most), a host name
/// with at least one dot, or `localhost`, after it (254 bytes in all). Not supported: quoted local parts, address
/// literals such as `[192.0.2.1]`, and addresses beyond ASCII; write international domains in their `xn--` form.
public struct EmailAddress: Hashable, Sendable, CustomStringConvertible {
    public let local: String
    public let domain: String

    public var description: String { "\(local)@\(domain)" }

    /// - Throws: ``InvalidAddress``, which says what is wrong.
    public init(_ text: String) throws(InvalidAddress) {
        func invalid(_ reason: String) -> InvalidAddress { InvalidAddress(text: text, reason: reason) }

        guard !text.isEmpty else { throw invalid("it is empty") }
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
            throw invalid("it has a space, a control character or a character outside ASCII")
        }
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        guard parts.count == 2 else { throw invalid("it needs exactly one @") }
        let (local, domain) = (parts[0], parts[1])
        guard text.utf8.count <= 254, local.utf8.count <= 64 else { throw invalid("it is too long") }

        let words = local.split(separator: ".", omittingEmptySubsequences: false)
        let wordMarks = Set("!#$%&'*+-/=?^_`{|}~".utf8)
        guard words.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy { isAlphanumeric($0) || wordMarks.contains($0) } })
        else { throw invalid("the part before the @ is not a dot-separated list of words") }

        let labels = domain.split(separator: ".", omittingEmptySubsequences: false)
        let areLabels = labels.allSatisfy { label in
            !label.isEmpty && label.utf8.count <= 63 && label.first != "-" && label.last != "-"
                && label.utf8.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "-") }
        }
        guard areLabels, labels.count > 1 || domain.lowercased() == "localhost" else {
            throw invalid("the part after the @ is not a host name")
        }
        self.local = String(local)
        self.domain = String(domain)
    }
}

/// Why some text is not an address.
public struct InvalidAddress: Error, Hashable, Sendable, CustomStringConvertible {
    public let text: String
    public let reason: String

    public var description: String { "\"\(text)\" is not an e-mail address that can be used: \(reason)" }
}

/// An address with the name of the person behind it: what `From:` and `To:` hold.
public struct Mailbox: Hashable, Sendable {
    public var name: String?
    public var address: EmailAddress

    public init(name: String? = nil, address: EmailAddress) {
        self.name = name
        self.address = address
    }

    /// Reads `ada@example.com` or `Ada Lovelace <ada@example.com>`, with or without quotes around the name.
    public init(_ text: String) throws(InvalidAddress) {
        let trimmed = text.trimmed
        guard trimmed.last == ">", let open = trimmed.lastIndex(of: "<") else {
            self.init(address: try EmailAddress(trimmed))
            return
        }
        let inner = trimmed[trimmed.index(after: open)..<trimmed.index(before: trimmed.endIndex)]
        var name = String(trimmed[..<open]).trimmed
        if name.count >= 2, name.first == "\"", name.last == "\"" { name = String(name.dropFirst().dropLast()) }
        self.init(name: name.isEmpty ? nil : name, address: try EmailAddress(String(inner)))
    }
}

func isAlphanumeric(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        true
    default: false
    }
}

extension String {
    /// Without white space at both ends.
    var trimmed: String {
        guard let first = firstIndex(where: { !$0.isWhitespace }), let last = lastIndex(where: { !$0.isWhitespace })
        else { return "" }
        return String(self[first...last])
    }
}
