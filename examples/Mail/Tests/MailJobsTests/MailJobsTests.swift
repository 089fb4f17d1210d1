import Daybook
import DaybookTesting
import FoundationEssentials
import MailJobs
import MailServices
import Testing

struct WelcomeEmailTests {
    private let world: MailWorld

    init() throws { world = try MailWorld() }

    private let ada = UserCreated(userId: "u1", email: "ada@example.com", name: "Ada Lovelace")

    @Test func `the welcome mail goes out at once and a confirmed user is not reminded`() async throws {
        let runner = try await TestRunner(world.jobs.welcomeEmail)
        let run = try await runner.send(ada)
        #expect(world.mailer.subjects == ["Welcome to Trovella"])
        try await runner.advance(by: .hours(23))
        try await runner.send(UserConfirmed(userId: "u2"))
        #expect(await runner.run(run.id).status != .completed)
        try await runner.send(UserConfirmed(userId: "u1"))
        #expect(await runner.run(run.id).status == .completed)
        try await runner.advance(by: .days(2))
        #expect(world.mailer.subjects.count == 1)
    }

    @Test func `a user who does not confirm within a day is reminded once, also after a crash`() async throws {
        let runner = try await TestRunner(world.jobs.welcomeEmail)
        let run = try await runner.send(ada)
        try await runner.advance(by: .hours(12))
        try await runner.crash()
        #expect(world.mailer.subjects == ["Welcome to Trovella"])
        try await runner.advance(by: .hours(12))
        #expect(await runner.run(run.id).status == .completed)
        #expect(world.mailer.subjects == ["Welcome to Trovella", "Please confirm your address for Trovella"])
    }

    @Test func `a user who opted out in the meantime is not reminded`() async throws {
        let runner = try await TestRunner(world.jobs.welcomeEmail)
        _ = try await runner.send(ada)
        try await world.contacts.save(Contact(id: "u1", email: "ada@example.com", optedOut: true))
        try await runner.advance(by: .days(1))
        #expect(world.mailer.subjects.count == 1)
    }

    @Test func `the record in the store counts, not the event`() async throws {
        try await world.contacts.save(Contact(id: "u1", email: "countess@example.com"))
        let runner = try await TestRunner(world.jobs.welcomeEmail)
        _ = try await runner.send(ada)
        #expect(world.mailer.recipients == ["countess@example.com"])
    }

    @Test func `a user new to the store is added from the event`() async throws {
        let runner = try await TestRunner(world.jobs.welcomeEmail)
        _ = try await runner.send(ada)
        let contact = Contact(id: "u1", email: "ada@example.com", name: "Ada Lovelace")
        #expect(try await world.contacts.find("u1") == contact)
    }

    @Test func `a mail server that is busy is asked again with the same Message-ID`() async throws {
        world.mailer.fail(times: 2, with: MailError(.temporary, "busy"))
        let runner = try await TestRunner(world.jobs.welcomeEmail)
        _ = try await runner.send(ada)
        try await runner.advance(by: .hours(1))
        #expect(world.mailer.subjects == ["Welcome to Trovella"])
        #expect(Set(world.mailer.attemptedIDs).count == 1)
        #expect(world.mailer.attemptedIDs.count == 3)
    }

    @Test func `a bad record fails at once, is marked, and the operator hears of it`() async throws {
        let runner = try await TestRunner(world.jobs.welcomeEmail)
        let run = try await runner.send(UserCreated(userId: "u1", email: "ada at example"))
        #expect(await runner.run(run.id).status == .failed)
        let marks = try await world.contacts.failures(of: "u1")
        #expect(marks.map(\.job) == ["welcome-email"])
        #expect(marks.first?.reason.contains("ada at example") == true)
        #expect(world.mailer.subjects == ["welcome-email failed for u1"])
    }

    @Test func `an unknown user without an address in the event fails at once`() async throws {
        let runner = try await TestRunner(world.jobs.welcomeEmail)
        let run = try await runner.send(UserCreated(userId: "u9"))
        #expect(await runner.run(run.id).status == .failed)
    }

    @Test func `a refused mail is not tried again, and a notice that fails too fails nothing`() async throws {
        world.mailer.fail(times: 10, with: MailError(.permanent, "refused", reply: "550 no such user"))
        let runner = try await TestRunner(world.jobs.welcomeEmail)
        let run = try await runner.send(ada)
        #expect(await runner.run(run.id).status == .failed)
        #expect(world.mailer.attemptedIDs.count == 2)  // the mail and the notice
        #expect(try await world.contacts.failures(of: "u1").first?.reason.contains("550 no such user") == true)
    }
}

struct SendWelcomeTests {
    @Test func `a user who signs up is welcomed`() async throws {
        let world = try MailWorld()
        let runner = try await TestRunner(world.jobs.sendWelcome)
        let run = try await runner.send(UserSignedUp(userId: "u2", email: "grace@example.com", name: "Grace Hopper"))
        #expect(await runner.run(run.id).status == .completed)
        #expect(world.mailer.subjects == ["Welcome to Folksbase"])
        #expect(try await world.contacts.find("u2").name == "Grace Hopper")
    }
}
