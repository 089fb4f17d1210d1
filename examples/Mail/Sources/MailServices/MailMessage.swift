public import FoundationEssentials

/// One message to one person, as RFC 5322 text when it is sent.
public struct MailMessage: Sendable {
    public let id: MessageID
    public let from: Mailbox
    public let to: Mailbox
    public let subject: String
    public let text: String
    public let html: String?
    public let date: Date
    public let headers: [(name: String, value: String)]

    /// Checks everything that ends up in a header.
    ///
    /// - Parameters:
    ///   - text: the plain form, with any line ends.
    ///   - html: the same content as HTML, for programs that show it; nil sends the plain form alone.
    ///   - date: the `Date:` header, kept to the second.
    ///   - headers: further ones, such as `List-Unsubscribe`. Names that the message writes itself are refused.
    /// - Throws: a permanent ``MailError`` when a header would hold a line break or another control character: text from
    ///   outside must not be able to add headers.
    public init(
        id: MessageID, from: Mailbox, to: Mailbox, subject: String, text: String, html: String? = nil, date: Date,
        headers: [(name: String, value: String)] = []
    ) throws(MailError) {
        func check(_ what: String, _ value: String) throws(MailError) {
            guard HeaderText.isSafe(value) else {
                throw MailError(.permanent, "the \(what) of message \(id) has a line break or control character in it")
            }
        }
        try check("Message-ID", id.text)
        try check("subject", subject)
        try check("sender's name", from.name ?? "")
        try check("recipient's name", to.name ?? "")
        for (name, value) in headers {
            let isName = !name.isEmpty && name.utf8.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "-") }
            guard isName, !Self.ownHeaders.contains(name.lowercased()) else {
                throw MailError(.permanent, "message \(id) cannot have a further header named \"\(name)\"")
            }
            try check(name, value)
        }
        self.id = id
        self.from = from
        self.to = to
        self.subject = subject
        self.text = text
        self.html = html
        self.date = date
        self.headers = headers
    }

    private static let ownHeaders: Set<String> = [
        "date", "from", "to", "subject", "message-id", "mime-version", "auto-submitted", "content-type",
        "content-transfer-encoding", "bcc", "cc", "sender", "return-path",
    ]

    /// The whole message, lines ended by CRLF.
    public var rfc5322: [UInt8] {
        var header = HeaderText.line("Date", MailDate.rfc5322(date))
        header += HeaderText.line("From", HeaderText.mailbox(from))
        header += HeaderText.line("To", HeaderText.mailbox(to))
        header += HeaderText.line("Subject", HeaderText.unstructured(subject))
        header += HeaderText.line("Message-ID", id.description)
        header += HeaderText.line("MIME-Version", "1.0")
        header += HeaderText.line("Auto-Submitted", "auto-generated")  // asks holiday responders not to answer
        for (name, value) in headers { header += HeaderText.line(name, HeaderText.unstructured(value)) }

        var bytes: [UInt8] = Array(header.utf8)
        guard let html else {
            append(part: "text/plain", text, to: &bytes)
            return bytes
        }
        // "=_" cannot occur in quoted-printable text, so no part can hold the boundary.
        let boundary = "=_alternative_of_\(id.text.utf8.count)_\(text.utf8.count)_\(html.utf8.count)"
        bytes += Array("Content-Type: multipart/alternative;\r\n boundary=\"\(boundary)\"\r\n\r\n".utf8)
        for (type, content) in [("text/plain", text), ("text/html", html)] {
            bytes += Array("--\(boundary)\r\n".utf8)
            append(part: type, content, to: &bytes)
            bytes += Array("\r\n".utf8)  // belongs to the boundary: without it the part would lose its last line end
        }
        bytes += Array("--\(boundary)--\r\n".utf8)
        return bytes
    }

    private func append(part type: String, _ content: String, to bytes: inout [UInt8]) {
        bytes += Array("Content-Type: \(type); charset=utf-8\r\n".utf8)
        bytes += Array("Content-Transfer-Encoding: quoted-printable\r\n\r\n".utf8)
        bytes += QuotedPrintable.encode(content)
    }
}
