import Daybook
import DaybookTesting
import MailServices
import Testing

struct WeeklyDigestTests {
    private let world: MailWorld

    init() throws { world = try MailWorld() }

    @Test func `every active user gets one digest a week`() async throws {
        for id in ["a", "b", "c"] { try await world.addContactActiveEveryWeek(id, optedOut: id == "c") }
        try await world.contacts.save(Contact(id: "idle", email: "idle@example.com"))
        let runner = try await TestRunner(world.jobs.weeklyDigest)
        try await runner.advance(by: .days(7))
        #expect(world.mailer.recipients.sorted() == ["a@example.com", "b@example.com"])
        try await runner.advance(by: .days(7))
        #expect(world.mailer.recipients.count == 4)
        #expect(Set(world.mailer.attemptedIDs).count == 4)
    }

    @Test func `a digest that is tried again does not resend the others`() async throws {
        for id in ["a", "b", "c"] { try await world.addContactActiveEveryWeek(id) }
        world.mailer.fail(times: 2, to: "b@example.com", with: MailError(.temporary, "busy"))
        let runner = try await TestRunner(world.jobs.weeklyDigest)
        try await runner.advance(by: .days(7))
        #expect(world.mailer.recipients.sorted() == ["a@example.com", "b@example.com", "c@example.com"])
    }

    @Test func `a bad address is marked and told, and the others get their digests`() async throws {
        for id in ["a", "c", "d", "e", "f", "g"] { try await world.addContactActiveEveryWeek(id) }
        try await world.addContactActiveEveryWeek("org:1", email: "nowhere")
        let runner = try await TestRunner(world.jobs.weeklyDigest)
        try await runner.advance(by: .days(7))
        #expect(world.mailer.subjects.filter { $0.hasPrefix("Your week") }.count == 6)
        #expect(world.mailer.subjects.filter { $0.hasPrefix("weekly-digest failed") }.count == 1)
        #expect(try await world.contacts.failures(of: "org:1").map(\.job) == ["weekly-digest"])
        #expect(try await world.contacts.failures(of: "a").isEmpty)
    }

    @Test func `a crash between digests sends none of them twice`() async throws {
        for id in ["a", "b", "c"] { try await world.addContactActiveEveryWeek(id) }
        world.mailer.fail(times: 1, to: "b@example.com", with: MailError(.temporary, "busy"))
        let runner = try await TestRunner(world.jobs.weeklyDigest)
        try await runner.advance(by: .days(7))
        try await runner.crash()
        try await runner.advance(by: .hours(1))
        #expect(world.mailer.recipients.sorted() == ["a@example.com", "b@example.com", "c@example.com"])
    }
}
