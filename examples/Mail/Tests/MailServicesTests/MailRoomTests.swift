import Foundation
import MailServices
import Synchronization
import Testing

/// Keeps what it is given; fails as told, once per entry.
private final class RecordingMailer: Mailer {
    let recognisesRepeats: Bool
    let destination = "a test"
    private let state: Mutex<(sent: [MailMessage], failures: [MailError])>

    init(recognisesRepeats: Bool = true, failures: [MailError] = []) {
        self.recognisesRepeats = recognisesRepeats
        state = Mutex(([], failures))
    }

    var sent: [MailMessage] { state.withLock { $0.sent } }

    func send(_ message: MailMessage) async throws(MailError) {
        let failure = state.withLock { state -> MailError? in
            if !state.failures.isEmpty { return state.failures.removeFirst() }
            state.sent.append(message)
            return nil
        }
        if let failure { throw failure }
    }
}

struct MailRoomTests {
    private let directory: TemporaryDirectory
    private let contacts: FileContacts
    private let monday = noon.addingTimeInterval(20 * 3_600)  // 2026-11-23 08:00 UTC
    private var weekBefore: Date { monday.addingTimeInterval(-7 * 86_400) }

    init() throws {
        directory = try TemporaryDirectory()
        contacts = try FileContacts(directory: directory.path)
    }

    private func room(_ mailer: some Mailer, notify: String? = nil) throws -> MailRoom {
        MailRoom(
            mailer: mailer, contacts: contacts, from: try Mailbox("jobs@example.com"),
            notify: try notify.map { try Mailbox($0) }, now: { noon })
    }

    private func save(_ id: String = "u1", optedOut: Bool = false, email: String = "ada@example.com", at: Date = noon)
        async throws
    {
        let activity = [Contact.Activity(at: at, what: "imported 12 <contacts>")]
        try await contacts.save(
            Contact(id: id, email: email, name: "Ada Lovelace", optedOut: optedOut, activity: activity))
    }

    private func digest(_ room: MailRoom, key: String = "run1") async throws -> DigestOutcome {
        try await room.sendDigest(to: "u1", from: weekBefore, to: monday, key: key)
    }

    @Test func `a digest says what the user did`() async throws {
        try await save()
        let mailer = RecordingMailer()
        #expect(try await digest(room(mailer)) == .sent(messageID: "<run1@example.com>"))
        let message = try #require(mailer.sent.first)
        #expect(message.subject == "Your week: 1 thing, 16 Nov 2026 to 23 Nov 2026")
        #expect(message.text.contains("Sun 22 Nov 12:00  imported 12 <contacts>"))
        #expect(message.html?.contains("imported 12 &lt;contacts&gt;") == true)
    }

    @Test func `no run sends the digest of one week a second time`() async throws {
        try await save()
        let mailer = RecordingMailer(recognisesRepeats: false)
        let room = try room(mailer)
        _ = try await digest(room, key: "run1")
        #expect(try await digest(room, key: "run1") == .skipped(reason: "had the digest of 2026-11-23 before"))
        #expect(try await digest(room, key: "run2") == .skipped(reason: "had the digest of 2026-11-23 before"))
        #expect(mailer.sent.count == 1)
    }

    @Test func `a user who opted out or did nothing gets no digest`() async throws {
        let mailer = RecordingMailer()
        try await save(optedOut: true)
        #expect(try await digest(room(mailer)) == .skipped(reason: "opted out"))
        try await save(at: monday)
        #expect(try await digest(room(mailer)) == .skipped(reason: "nothing to report"))
        #expect(mailer.sent.isEmpty)
    }

    @Test(arguments: [MailError.Kind.temporary, .permanent])
    func `a digest that was clearly not sent can be sent by the next attempt`(kind: MailError.Kind) async throws {
        try await save()
        let mailer = RecordingMailer(recognisesRepeats: false, failures: [MailError(kind, "no")])
        let room = try room(mailer)
        await #expect(throws: MailError.self) { try await digest(room) }
        #expect(try await digest(room) == .sent(messageID: "<run1@example.com>"))
    }

    @Test func `after an unclear failure a mailer that forgets does not send again`() async throws {
        try await save()
        let mailer = RecordingMailer(recognisesRepeats: false, failures: [MailError(.unclear, "lost")])
        let room = try room(mailer)
        await #expect(throws: MailError.self) { try await digest(room) }
        let reason = "may have had the digest of 2026-11-23 before, as <run1@example.com>"
        #expect(try await digest(room) == .skipped(reason: reason))
        #expect(mailer.sent.isEmpty)
    }

    @Test func `after an unclear failure a mailer that recognises repeats gets the same message`() async throws {
        try await save()
        let mailer = RecordingMailer(failures: [MailError(.unclear, "lost")])
        let room = try room(mailer)
        await #expect(throws: MailError.self) { try await digest(room, key: "run1") }
        #expect(try await digest(room, key: "run2") == .sent(messageID: "<run1@example.com>"))
        #expect(try await digest(room, key: "run3") == .skipped(reason: "had the digest of 2026-11-23 before"))
    }

    @Test func `a long week is cut to a readable length`() async throws {
        let activity = (0..<60).map { Contact.Activity(at: noon.addingTimeInterval(Double($0)), what: "thing \($0)") }
        try await contacts.save(Contact(id: "u1", email: "ada@example.com", activity: activity))
        let mailer = RecordingMailer()
        _ = try await digest(room(mailer))
        #expect(mailer.sent.first?.text.contains("and 10 more") == true)
    }

    @Test func `welcome mails greet by first name and carry the key`() async throws {
        let mailer = RecordingMailer()
        let ada = Contact(id: "u1", email: "ada@example.com", name: "Ada Lovelace")
        let id = try await room(mailer).sendWelcome(to: ada, product: .trovella, key: "run.send")
        #expect(id == "<run.send@example.com>")
        #expect(mailer.sent.first?.subject == "Welcome to Trovella")
        #expect(mailer.sent.first?.text.hasPrefix("Hello Ada,") == true)
    }

    @Test func `a bad address is the record's fault, not the mailer's`() async throws {
        let bad = Contact(id: "u1", email: "ada at example")
        let room = try room(RecordingMailer())
        let error = try await #require(throws: ContactError.self) {
            try await room.sendWelcome(to: bad, product: .folksbase, key: "k")
        }
        #expect(error.isPermanent)
    }

    @Test func `without settings everything is in the data directory`() async throws {
        let room = try MailRoom(environment: [:], dataDirectory: directory.path + "/var")
        let ada = try await room.recipient("u1", email: "ada@example.com", name: "Ada")
        _ = try await room.sendWelcome(to: ada, product: .folksbase, key: "01RUN.send")
        #expect(try directory.files("var") == ["contacts", "outbox"])
        #expect(try directory.files("var/outbox/new") == ["01RUN.send@localhost"])
    }

    @Test func `mail goes to the address in the store, else to that of the event, which is stored`() async throws {
        let room = try room(RecordingMailer())
        try await save("u1")
        #expect(try await room.recipient("u1", email: "other@example.com", name: nil).email == "ada@example.com")
        #expect(try await room.recipient("u2", email: "grace@example.com", name: "Grace").name == "Grace")
        #expect(try await contacts.find("u2").email == "grace@example.com")
        await #expect(throws: ContactError.missing(id: "u3")) {
            try await room.recipient("u3", email: nil, name: nil)
        }
        await #expect(throws: ContactError.self) { try await room.recipient("u3", email: "grace", name: nil) }
        await #expect(throws: ContactError.missing(id: "u3")) { try await contacts.find("u3") }
    }

    @Test func `the reminder is not for those who opted out in the meantime`() async throws {
        let mailer = RecordingMailer()
        let room = try room(mailer)
        try await save("u1")
        try await save("u2", optedOut: true)
        #expect(try await room.sendConfirmationReminder(to: "u1", product: .trovella, key: "k") != nil)
        #expect(try await room.sendConfirmationReminder(to: "u2", product: .trovella, key: "k") == nil)
        #expect(mailer.sent.count == 1)
    }

    @Test func `a failure notice goes to the operator, if there is one`() async throws {
        let mailer = RecordingMailer()
        let notice = { (room: MailRoom) in
            try await room.sendFailureNotice(
                job: "welcome-email", subject: "u1\nBcc: eve", reason: "550 gone", run: "01RUN", key: "k")
        }
        #expect(try await notice(room(mailer)) == nil)
        #expect(try await notice(room(mailer, notify: "ops@example.com")) != nil)
        #expect(mailer.sent.map(\.to.address.description) == ["ops@example.com"])
    }
}
