/// How to reach and trust one SMTP server. Made from the environment by ``MailConfiguration``.
public struct SMTPSettings: Sendable {
    public enum Security: String, Sendable, CaseIterable {
        /// Plain connection, then STARTTLS; a server that does not offer it gets no mail. Port 587 by default.
        case startTLS = "starttls"
        /// STARTTLS when the server offers it, else plain text. Port 25 by default.
        case startTLSIfOffered = "starttls-if-offered"
        /// TLS from the first byte. Port 465 by default.
        case implicitTLS = "implicit"
        /// Plain text. Port 25 by default.
        case none = "none"

        /// True when the password could travel, or be tricked into travelling, in plain text.
        var canBePlain: Bool { self == .none || self == .startTLSIfOffered }

        var defaultPort: Int {
            switch self {
            case .startTLS: 587
            case .implicitTLS: 465
            case .startTLSIfOffered, .none: 25
            }
        }
    }

    /// A user name and password for AUTH. Prints as the user name alone.
    public struct Credentials: Sendable, CustomStringConvertible, CustomDebugStringConvertible {
        public var user: String
        public var password: String

        public init(user: String, password: String) {
            self.user = user
            self.password = password
        }

        public var description: String { user }
        public var debugDescription: String { user }
    }

    public var host: String
    public var port: Int
    public var security: Security
    public var credentials: Credentials?
    /// A PEM file with the certificates to trust instead of the system's; nil trusts the system's.
    public var caFile: String?
    /// For the whole conversation, from connecting to the last reply.
    public var timeoutSeconds: Int

    public init(
        host: String, port: Int? = nil, security: Security = .startTLS, credentials: Credentials? = nil,
        caFile: String? = nil, timeoutSeconds: Int = 60
    ) {
        self.host = host
        self.port = port ?? security.defaultPort
        self.security = security
        self.credentials = credentials
        self.caFile = caFile
        self.timeoutSeconds = timeoutSeconds
    }

    var isLoopback: Bool { ["localhost", "127.0.0.1", "::1", "[::1]"].contains(host.lowercased()) }
}
