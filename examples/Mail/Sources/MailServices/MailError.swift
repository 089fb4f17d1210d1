/// What every service here throws: an error that knows whether another attempt can end differently.
public protocol ServiceError: Error, CustomStringConvertible {
    /// True when trying again changes nothing.
    var isPermanent: Bool { get }
}

/// Why a message could not be made or handed over, and whether it makes sense to try again.
public struct MailError: ServiceError, Hashable, Sendable, CustomStringConvertible {
    public enum Kind: String, Hashable, Sendable {
        /// The mail system is away, busy or said "later" (a 4xx reply, no connection, a full disk). Try again.
        case temporary
        /// The message was refused for good (a 5xx reply), or cannot be sent as it is. Trying again changes nothing.
        case permanent
        /// The connection was lost after the whole message had been handed over and before the server answered: it may
        /// have been delivered or not. A repeat has the same `Message-ID`.
        case unclear
    }

    public let kind: Kind
    /// What was attempted and what came back, for people. Never holds a password.
    public let message: String
    /// The server's last reply, such as `550 5.1.1 no such user`; nil when there was none.
    public let reply: String?

    public var isPermanent: Bool { kind == .permanent }

    public init(_ kind: Kind, _ message: String, reply: String? = nil) {
        self.kind = kind
        self.message = message
        self.reply = reply
    }

    public var description: String {
        guard let reply else { return message }
        return "\(message): \(reply)"
    }
}
