import Foundation
import MailServices
import Testing

/// Against a real server: aiosmtpd, another implementation in another language.
struct SMTPMailerTests {
    private let ada = SMTPSettings.Credentials(user: "ada", password: "p%40ss wörd")

    private func mailer(
        _ server: SMTPServer, _ security: SMTPSettings.Security = .none,
        credentials: SMTPSettings.Credentials? = nil, trusted: Bool = true
    ) throws -> SMTPMailer {
        SMTPMailer(
            SMTPSettings(
                host: "localhost", port: server.port, security: security, credentials: credentials,
                caFile: security == .none || !trusted ? nil : try Certificate.shared.certificate, timeoutSeconds: 20))
    }

    private func failure(_ mailer: SMTPMailer, to address: String) async throws -> MailError {
        let message = try MailMessage.test(to: address)
        return try await #require(throws: MailError.self) { try await mailer.send(message) }
    }

    @Test func `a message arrives as it was written`() async throws {
        let server = try SMTPServer()
        let text = """
            Grüße, Ada — “quoted” 𝛑 = 3.14159

            .
            ..two dots
            From here on a line that is longer than the seventy-six bytes that quoted-printable has room for in one line
            trailing space\u{20}
            """ + "\n"
        let html = "<p>Grüße &amp; “π”</p>\n"
        let subject = "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich, und das an jedem einzelnen Tag"
        try await mailer(server).send(
            MailMessage.test(
                from: "Jörg \"J\" Müller <jobs@example.com>", to: "\"Lovelace, Ada\" <ada@example.com>",
                subject: subject, text: text, html: html))
        let messages = try server.messages()
        try #require(messages.count == 1)
        #expect(messages[0].sender == "jobs@example.com")
        #expect(messages[0].recipients == ["ada@example.com"])
        #expect(messages[0].from == "Jörg \"J\" Müller")
        #expect(messages[0].to == "Lovelace, Ada")
        #expect(messages[0].subject == subject)
        #expect(messages[0].text == text)
        #expect(messages[0].html == html)
        #expect(messages[0].messageID == "<01RUN=3Asend@example.com>")
        #expect(messages[0].date == "2026-11-22T12:00:00+00:00")
        #expect(messages[0].defects == [])
        #expect(!messages[0].tls)
    }

    @Test(arguments: [SMTPSettings.Security.startTLS, .implicitTLS])
    func `mail goes through TLS with user name and password`(security: SMTPSettings.Security) async throws {
        let server = try SMTPServer(tls: security, credentials: ada)
        try await mailer(server, security, credentials: ada).send(MailMessage.test())
        let messages = try server.messages()
        #expect(messages.map(\.tls) == [true])
        #expect(messages.map(\.user) == ["ada"])
    }

    @Test(arguments: [SMTPSettings.Security.startTLS, .implicitTLS])
    func `a server with a certificate nobody vouches for gets neither password nor mail`(
        security: SMTPSettings.Security
    ) async throws {
        let server = try SMTPServer(tls: security, credentials: ada)
        let error = try await failure(mailer(server, security, credentials: ada, trusted: false), to: "ada@example.com")
        #expect(error.kind == .temporary)
        #expect(error.description.contains("certificate"))
        #expect(try server.messages().isEmpty)
    }

    @Test func `required STARTTLS sends nothing to a server that does not offer it`() async throws {
        let server = try SMTPServer()
        let error = try await failure(mailer(server, .startTLS), to: "ada@example.com")
        #expect(error.kind == .temporary)
        #expect(try server.messages().isEmpty)
    }

    @Test func `STARTTLS if offered sends to a server with it and to one without`() async throws {
        for security in [SMTPSettings.Security.startTLS, .none] {
            let server = try SMTPServer(tls: security)
            try await mailer(server, .startTLSIfOffered).send(MailMessage.test())
            #expect(try server.messages().map(\.tls) == [security == .startTLS])
        }
    }

    @Test func `a wrong password is a permanent failure that does not repeat it`() async throws {
        let server = try SMTPServer(tls: .startTLS, credentials: ada)
        let wrong = SMTPSettings.Credentials(user: "ada", password: "hunter2")
        let error = try await failure(mailer(server, .startTLS, credentials: wrong), to: "ada@example.com")
        #expect(error.kind == .permanent)
        #expect(error.reply?.hasPrefix("535") == true)
        #expect(!error.description.contains("hunter2"))
        #expect(try server.messages().isEmpty)
    }

    @Test(arguments: [
        ("busy@example.com", MailError.Kind.temporary, "450 4.2.1 mailbox busy, try later"),
        ("gone@example.com", .permanent, "550-5.1.1 no such user 5.1.1 nor was there ever"),
        ("full@example.com", .temporary, "452 4.3.1 no room"),
        ("spam@example.com", .permanent, "554 5.7.1 not wanted"),
    ])
    func `the server's refusal decides whether trying again makes sense`(
        address: String, kind: MailError.Kind, reply: String
    ) async throws {
        let server = try SMTPServer()
        let error = try await failure(mailer(server), to: address)
        #expect(error.kind == kind)
        #expect(error.reply == reply)
        #expect(error.description.contains(address))
        #expect(try server.messages().isEmpty)
    }

    @Test func `a connection lost after the message leaves it unclear whether it arrived`() async throws {
        let server = try SMTPServer()
        let error = try await failure(mailer(server), to: "vanish@example.com")
        #expect(error.kind == .unclear)
        #expect(try server.messages().count == 1)
    }

    @Test func `a server that is away is a temporary failure`() async throws {
        var server: SMTPServer? = try SMTPServer()
        let mailer = try mailer(#require(server))
        server = nil
        let error = try await failure(mailer, to: "ada@example.com")
        #expect(error.kind == .temporary)
        #expect(error.reply == nil)
    }

    @Test func `many messages at once arrive once each`() async throws {
        let server = try SMTPServer()
        let mailer = try mailer(server)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 1...20 {
                group.addTask { try await mailer.send(MailMessage.test(key: "run:\(number)")) }
            }
            try await group.waitForAll()
        }
        let messages = try server.messages()
        #expect(messages.count == 20)
        #expect(Set(messages.map(\.messageID)).count == 20)
    }
}
