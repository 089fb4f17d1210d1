import Foundation
import MailServices
import Testing

struct MaildirMailerTests {
    private let directory: TemporaryDirectory
    private let mailer: MaildirMailer

    init() throws {
        directory = try TemporaryDirectory()
        mailer = try MaildirMailer(directory: directory.path + "/data/outbox")
    }

    private func new() throws -> [String] { try directory.files("data/outbox/new") }

    @Test func `a message becomes one file with lines as files have them`() async throws {
        try await mailer.send(MailMessage.test(text: "A line.\n"))
        let names = try new()
        try #require(names == ["01RUN=3Asend@example.com"])
        let text = try directory.read("data/outbox/new/\(names[0])")
        #expect(text.hasSuffix("\n\nA line.\n"))
        #expect(!text.contains("\r"))
        #expect(try directory.files("data/outbox/tmp").isEmpty)
    }

    @Test func `a message that is there already is not delivered again`() async throws {
        try await mailer.send(MailMessage.test(text: "first"))
        try await mailer.send(MailMessage.test(text: "again"))
        #expect(try new().count == 1)
        #expect(try directory.read("data/outbox/new/\(new()[0])").contains("first"))
    }

    @Test(arguments: ["", ":2,", ":2,RS"])
    func `a message that was read or moved by a mail program is not delivered again`(flags: String) async throws {
        try await mailer.send(MailMessage.test())
        let name = try new()[0]
        let outbox = directory.path + "/data/outbox"
        try FileManager.default.moveItem(atPath: "\(outbox)/new/\(name)", toPath: "\(outbox)/cur/\(name)\(flags)")
        try await mailer.send(MailMessage.test())
        #expect(try new().isEmpty)
        try await mailer.send(MailMessage.test(key: "another"))
        #expect(try new().count == 1)
    }

    @Test func `of many deliveries of one message at once one file remains`() async throws {
        let mailer = mailer
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 1...50 { group.addTask { try await mailer.send(MailMessage.test()) } }
            try await group.waitForAll()
        }
        #expect(try new().count == 1)
        #expect(try directory.files("data/outbox/tmp").isEmpty)
    }

    @Test func `a program that knows maildirs reads the mail`() async throws {
        try await mailer.send(
            MailMessage.test(subject: "Grüße aus dem Süden", text: "Käse\n", html: "<p>Käse</p>\n"))
        let program = """
            import email, mailbox, sys
            box = mailbox.Maildir(sys.argv[1], create=False)
            for raw in (box.get_bytes(key) for key in box.keys()):
                message = email.message_from_bytes(raw, policy=email.policy.default)
                print(message["subject"], message.get_body(("plain",)).get_content(), sep="|", end="")
            """
        #expect(try Python.run("import email.policy\n" + program, mailer.directory) == "Grüße aus dem Süden|Käse\n")
    }

    @Test func `a maildir that cannot be written is a temporary failure that names it`() async throws {
        try FileManager.default.removeItem(atPath: mailer.directory + "/tmp")
        let message = try MailMessage.test()
        let error = try await #require(throws: MailError.self) { try await mailer.send(message) }
        #expect(error.kind == .temporary)
        #expect(error.description.contains(mailer.directory))
        #expect(try new().isEmpty)
    }

    @Test func `a file in the place of the maildir is reported`() throws {
        try directory.write("file", "")
        #expect(throws: MailError.self) { try MaildirMailer(directory: directory.path + "/file") }
    }
}
