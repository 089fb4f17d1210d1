import MailServices
import Testing

struct MailConfigurationTests {
    private func smtp(_ environment: [String: String]) throws -> SMTPSettings {
        let sender = ["MAIL_FROM": "jobs@example.com"]
        return try #require(
            MailConfiguration(environment: environment.merging(sender) { given, _ in given }).smtp)
    }

    private func problem(_ environment: [String: String]) throws -> MailConfigurationError {
        try #require(throws: MailConfigurationError.self) { try smtp(environment) }
    }

    @Test func `without a server mail goes to a maildir`() throws {
        let directory = try TemporaryDirectory()
        let configuration = try MailConfiguration(environment: ["HOME": "/", "SMTP_HOST": ""])
        #expect(configuration.smtp == nil)
        #expect(configuration.from.address.description == "mail-jobs@localhost")
        #expect(configuration.notify == nil)
        #expect(try configuration.makeMailer(maildir: directory.path).destination == "maildir \(directory.path)")
    }

    @Test func `a URL and single keys say the same`() throws {
        let both = [
            try smtp(["SMTP_URL": "smtp://ada%40home:s%3Fc%2Fret@mail.example.com:2525?tls=implicit"]),
            try smtp([
                "SMTP_HOST": "mail.example.com", "SMTP_PORT": "2525", "SMTP_USER": "ada@home",
                "SMTP_PASSWORD": "s?c/ret", "SMTP_TLS": "implicit",
            ]),
        ]
        for settings in both {
            #expect(settings.host == "mail.example.com")
            #expect(settings.port == 2525)
            #expect(settings.security == .implicitTLS)
            #expect(settings.credentials?.user == "ada@home")
            #expect(settings.credentials?.password == "s?c/ret")
        }
    }

    @Test(arguments: [
        ("smtp://h.example", SMTPSettings.Security.startTLS, 587), ("smtps://h.example", .implicitTLS, 465),
        ("smtp://h.example?tls=none", .none, 25), ("smtp://h.example/?tls=starttls-if-offered", .startTLSIfOffered, 25),
        ("smtp://[::1]:2525?tls=none", .none, 2525),
    ])
    func `ports and TLS have sensible defaults`(url: String, security: SMTPSettings.Security, port: Int) throws {
        let settings = try smtp(["SMTP_URL": url])
        #expect(settings.security == security)
        #expect(settings.port == port)
    }

    @Test(arguments: [
        (["SMTP_URL": "http://h"], "SMTP_URL"),
        (["SMTP_URL": "mail.example.com"], "SMTP_URL"),
        (["SMTP_URL": "smtp://h.example/path"], "SMTP_URL"),
        (["SMTP_URL": "smtp://h.example?tsl=none"], "SMTP_URL"),
        (["SMTP_URL": "smtp://h.example?tls=yes"], "SMTP_URL"),
        (["SMTP_URL": "smtp://ada:hunter2@h.example?tls=none"], "SMTP_URL"),
        (["SMTP_URL": "smtp://ada:hunter2@h.example:99999"], "SMTP_URL"),
        (["SMTP_URL": "smtp://ada:hunter2@:25"], "SMTP_URL"),
        (["SMTP_URL": "smtp://h.example", "SMTP_PASSWORD": "hunter2"], "SMTP_PASSWORD"),
        (["SMTP_HOST": "h h"], "SMTP_HOST"),
        (["SMTP_HOST": "h", "SMTP_PORT": "0"], "SMTP_PORT"),
        (["SMTP_HOST": "h", "SMTP_TLS": "maybe"], "SMTP_TLS"),
        (["SMTP_HOST": "h", "SMTP_USER": "ada"], "SMTP_PASSWORD"),
        (["SMTP_HOST": "h", "SMTP_PASSWORD": "hunter2"], "SMTP_USER"),
        (
            ["SMTP_HOST": "h", "SMTP_USER": "ada", "SMTP_PASSWORD": "hunter2", "SMTP_TLS": "starttls-if-offered"],
            "SMTP_TLS"
        ),
        (["SMTP_HOST": "h", "SMTP_CA_FILE": "/nowhere.pem"], "SMTP_CA_FILE"),
        (["SMTP_HOST": "h", "SMTP_TIMEOUT_SECONDS": "soon"], "SMTP_TIMEOUT_SECONDS"),
        (["SMTP_PASSWORD": "hunter2"], "SMTP_PASSWORD"),
        (["SMTP_HOST": "h", "MAIL_FROM": ""], "MAIL_FROM"),
        (["MAIL_FROM": "nobody"], "MAIL_FROM"),
        (["MAIL_NOTIFY": "nobody"], "MAIL_NOTIFY"),
    ])
    func `an error names the bad key and never the password`(environment: [String: String], key: String) throws {
        let error = try problem(environment)
        #expect(error.key == key)
        #expect(error.description.hasPrefix(key))
        #expect(!error.description.contains("hunter2"))
    }

    @Test func `the password is not in the text forms of the settings`() throws {
        let settings = try smtp(["SMTP_URL": "smtp://ada:hunter2@h.example"])
        #expect(SMTPMailer(settings).destination == "SMTP server h.example:587 (TLS: starttls) as ada")
        #expect(!"\(settings)".contains("hunter2"))
        #expect(!String(reflecting: settings).contains("hunter2"))
    }

    @Test func `a password may go in plain text to this machine alone`() throws {
        #expect(try smtp(["SMTP_URL": "smtp://a:b@localhost?tls=none"]).credentials != nil)
    }
}
