/// The identity of one message, the same on every attempt to send it.
///
/// Made from the run and the step that send the message, so that whoever sees it twice (the maildir here, or the
/// receiving mail system) can tell that it is the same one.
public struct MessageID: Hashable, Sendable, CustomStringConvertible {
    /// `local@domain`, without the angle brackets.
    public let text: String

    /// - Parameters:
    ///   - key: the idempotency key of the step that sends; any text, told apart by all of its bytes.
    ///   - domain: the sender's domain.
    public init(key: String, domain: String) {
        text = "\(SafeName.encode(key))@\(SafeName.encode(domain))"
    }

    /// An identity that was written down earlier; nil when the text is no such thing.
    init?(recorded text: String) {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        let isWhole = parts.count == 2 && parts.allSatisfy { !$0.isEmpty && $0.utf8.allSatisfy(SafeName.uses) }
        guard isWhole else { return nil }
        self.text = text
    }

    /// A name for a file that holds the message, the same for the same identity alone.
    var fileName: String { text.utf8.count <= 200 ? text : SafeName.encode(text) }

    /// With angle brackets, as the header has it.
    public var description: String { "<\(text)>" }
}
