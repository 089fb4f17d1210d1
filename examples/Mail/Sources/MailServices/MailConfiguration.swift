import FoundationEssentials

/// Who sends the mail and through what, read from the environment once, at start.
///
/// | key | meaning |
/// |---|---|
/// | `MAIL_FROM` | the sender, `ada@example.com` or `Ada <ada@example.com>`; required with SMTP |
/// | `MAIL_NOTIFY` | who hears of jobs that failed for good; nobody when it is absent |
/// | `SMTP_URL` | `smtp://user:password@host:587?tls=starttls`, user and password percent-encoded |
/// | `SMTP_HOST`, `SMTP_PORT`, `SMTP_USER`, `SMTP_PASSWORD`, `SMTP_TLS` | the same in single keys |
/// | `SMTP_CA_FILE` | a PEM file of certificates to trust instead of the system's |
/// | `SMTP_TIMEOUT_SECONDS` | 1…600 for one message; 60 by default |
///
/// `tls` is `starttls` (the default), `implicit` (the default for `smtps:`), `starttls-if-offered` or `none`. Without
/// `SMTP_URL` and `SMTP_HOST`, mail goes to a maildir.
public struct MailConfiguration: Sendable {
    public var from: Mailbox
    /// Who hears of failed jobs.
    public var notify: Mailbox?
    /// nil: mail goes to a maildir.
    public var smtp: SMTPSettings?

    public static let localSender = "Mail jobs <mail-jobs@localhost>"

    /// - Throws: ``MailConfigurationError``, which names the key. No value of a key that can hold a password is repeated.
    public init(environment: [String: String]) throws(MailConfigurationError) {
        let environment = environment.filter { !$0.value.isEmpty }
        smtp = try SMTPSettings(environment: environment)
        notify = try Self.mailbox("MAIL_NOTIFY", in: environment)
        if let from = try Self.mailbox("MAIL_FROM", in: environment) {
            self.from = from
        } else if smtp == nil {
            from = try Self.mailbox("MAIL_FROM", in: ["MAIL_FROM": Self.localSender])!
        } else {
            throw MailConfigurationError(key: "MAIL_FROM", "is needed to send by SMTP: the sender's address")
        }
    }

    /// The mailer that was configured.
    /// - Parameter maildir: the directory for mail when no SMTP server is configured; made when missing.
    public func makeMailer(maildir: String) throws(MailError) -> any Mailer {
        if let smtp { return SMTPMailer(smtp) }
        return try MaildirMailer(directory: maildir)
    }

    private static func mailbox(_ key: String, in environment: [String: String]) throws(MailConfigurationError)
        -> Mailbox?
    {
        guard let text = environment[key] else { return nil }
        let mailbox: Mailbox
        do { mailbox = try Mailbox(text) } catch { throw MailConfigurationError(key: key, "is unusable: \(error)") }
        guard HeaderText.isSafe(text) else {
            throw MailConfigurationError(key: key, "has a line break or control character in it")
        }
        return mailbox
    }
}

/// Which key of the environment is wrong, and what would be right.
public struct MailConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
    public let key: String
    public let problem: String

    init(key: String, _ problem: String) {
        self.key = key
        self.problem = problem
    }

    public var description: String { "\(key) \(problem)" }
}

extension SMTPSettings {
    private static let hostKeys = ["SMTP_PORT", "SMTP_USER", "SMTP_PASSWORD", "SMTP_TLS"]
    private static let otherKeys = ["SMTP_CA_FILE", "SMTP_TIMEOUT_SECONDS"]

    init?(environment: [String: String]) throws(MailConfigurationError) {
        let settings: SMTPSettings
        if let url = environment["SMTP_URL"] {
            for key in ["SMTP_HOST"] + Self.hostKeys where environment[key] != nil {
                throw MailConfigurationError(key: key, "is set beside SMTP_URL; use one of the two")
            }
            settings = try SMTPSettings(url: url)
        } else if let host = environment["SMTP_HOST"] {
            settings = try SMTPSettings(host: host, environment: environment)
        } else {
            for key in Self.hostKeys + Self.otherKeys where environment[key] != nil {
                throw MailConfigurationError(key: key, "is set, but neither SMTP_URL nor SMTP_HOST is")
            }
            return nil
        }
        self = settings
        if let file = environment["SMTP_CA_FILE"] {
            guard FileManager.default.isReadableFile(atPath: file) else {
                throw MailConfigurationError(key: "SMTP_CA_FILE", "names a file that cannot be read: \(file)")
            }
            caFile = file
        }
        if let text = environment["SMTP_TIMEOUT_SECONDS"] {
            guard let seconds = Int(text), (1...600).contains(seconds) else {
                throw MailConfigurationError(key: "SMTP_TIMEOUT_SECONDS", "must be a whole number from 1 to 600")
            }
            timeoutSeconds = seconds
        }
    }

    private init(url: String) throws(MailConfigurationError) {
        let key = "SMTP_URL"
        guard let parts = URLComponents(string: url), let scheme = parts.scheme, let host = parts.host, !host.isEmpty,
            scheme == "smtp" || scheme == "smtps"
        else {
            throw MailConfigurationError(
                key: key,
                "is not of the form smtp://user:password@host:587?tls=starttls "
                    + "(percent-encode everything but letters and digits in user and password)")
        }
        guard parts.path.isEmpty || parts.path == "/", parts.fragment == nil else {
            throw MailConfigurationError(key: key, "has something between the port and the question mark, or a #")
        }
        var tls: String?
        for item in parts.queryItems ?? [] {
            guard item.name == "tls" else {
                throw MailConfigurationError(key: key, "has the unknown option \"\(item.name)\"; the only one is tls")
            }
            tls = item.value ?? ""
        }
        try self.init(
            host: host, port: parts.port.map { "\($0)" }, tls: tls,
            defaultSecurity: scheme == "smtps" ? .implicitTLS : .startTLS, user: parts.user, password: parts.password,
            keys: (host: key, port: key, tls: key, user: key, password: key))
    }

    private init(host: String, environment: [String: String]) throws(MailConfigurationError) {
        try self.init(
            host: host, port: environment["SMTP_PORT"], tls: environment["SMTP_TLS"], defaultSecurity: .startTLS,
            user: environment["SMTP_USER"], password: environment["SMTP_PASSWORD"],
            keys: (host: "SMTP_HOST", port: "SMTP_PORT", tls: "SMTP_TLS", user: "SMTP_USER", password: "SMTP_PASSWORD"))
    }

    private init(
        host: String, port: String?, tls: String?, defaultSecurity: Security, user: String?, password: String?,
        keys: (host: String, port: String, tls: String, user: String, password: String)
    ) throws(MailConfigurationError) {
        let isName = host.utf8.allSatisfy { isAlphanumeric($0) || ".-_:[]".utf8.contains($0) }
        guard isName else { throw MailConfigurationError(key: keys.host, "does not hold a host name or address") }

        var security = defaultSecurity
        if let tls {
            guard let named = Security(rawValue: tls) else {
                let allowed = Security.allCases.map(\.rawValue).joined(separator: ", ")
                throw MailConfigurationError(key: keys.tls, "asks for an unknown tls mode; it can be one of \(allowed)")
            }
            security = named
        }
        var number = security.defaultPort
        if let port {
            guard let given = Int(port), (1...65_535).contains(given) else {
                throw MailConfigurationError(key: keys.port, "must give a port from 1 to 65535")
            }
            number = given
        }
        var credentials: Credentials?
        switch (user, password) {
        case (nil, nil): break
        case (let user?, let password?): credentials = Credentials(user: user, password: password)
        case (nil, _): throw MailConfigurationError(key: keys.user, "is missing although there is a password")
        case (_, nil): throw MailConfigurationError(key: keys.password, "is missing although there is a user name")
        }
        self.init(host: host, port: number, security: security, credentials: credentials)
        if credentials != nil, security.canBePlain, !isLoopback {
            throw MailConfigurationError(
                key: keys.tls,
                "must be starttls or implicit when there is a password: \(security.rawValue) could send it in plain text"
            )
        }
    }
}
