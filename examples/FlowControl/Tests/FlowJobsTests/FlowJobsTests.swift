import Daybook
import DaybookTesting
import Testing

@testable import FlowJobs

struct FlowJobsTests {
    private let jobs = FlowJobs(work: { _ in })

    private func outputs(_ runner: TestRunner, _ function: String) async throws -> [String] {
        try await runner.runs(of: function).map { run in
            run.outputJSON.map { String(decoding: $0, as: UTF8.self) } ?? run.status.rawValue
        }
    }

    @Test func `all functions can be registered`() async throws {
        _ = try await TestRunner(jobs.all)
    }

    @Test func `the second migration begins when the first has ended`() async throws {
        let runner = try await TestRunner(jobs.migrate)
        let first = try await runner.send(MigrationRequested(account: "a"))
        let second = try await runner.send(MigrationRequested(account: "b"))
        #expect(await runner.run(first.id).status == .running)
        #expect(await runner.run(second.id).status == .queued)
        try await runner.crash()
        #expect(await runner.run(second.id).status == .queued)
        try await runner.advance(by: .minutes(1))
        #expect(await runner.run(first.id).status == .completed)
        #expect(await runner.run(second.id).status == .running)
    }

    @Test func `the partner is called three times at once, then every five seconds`() async throws {
        let runner = try await TestRunner(jobs.callPartner)
        for n in 1...6 { try await runner.send(PartnerNeeded(question: "\(n)")) }
        var ended: [Int] = []
        for _ in 0..<4 {
            ended.append(try await runner.runs().filter { $0.status == .completed }.count)
            try await runner.advance(by: .seconds(5))
        }
        #expect(ended == [3, 4, 5, 6])
    }

    @Test func `a price is fetched twice at once, then every six seconds, and what is dropped stays dropped`()
        async throws
    {
        let runner = try await TestRunner(jobs.fetchPrice)
        for _ in 0..<5 { try await runner.send(PriceAsked(product: "tea")) }
        try await runner.send(PriceAsked(product: "milk"))
        #expect(try await runner.runs().count == 3)
        try await runner.advance(by: .seconds(6))
        #expect(try await runner.runs().count == 3)
        try await runner.send(PriceAsked(product: "tea"))
        #expect(try await runner.runs().count == 4)
    }

    @Test func `an order is charged once a day, through a crash`() async throws {
        let runner = try await TestRunner(jobs.charge)
        try await runner.send(OrderPlaced(order: "o1"))
        try await runner.crash()
        try await runner.advance(by: .seconds(1))
        for order in ["o1", "o2"] { try await runner.send(OrderPlaced(order: order)) }
        #expect(try await outputs(runner, "charge") == [#""charged o1""#, #""charged o2""#])
        try await runner.advance(by: .hours(25))
        try await runner.send(OrderPlaced(order: "o1"))
        #expect(try await runner.runs().count == 3)
    }

    @Test func `a mailbox is read once at a time`() async throws {
        let runner = try await TestRunner(jobs.sync)
        for mailbox in ["a", "a", "b", "a"] { try await runner.send(MailboxChanged(mailbox: mailbox)) }
        #expect(try await runner.runs().count == 2)
        try await runner.advance(by: .seconds(10))
        try await runner.send(MailboxChanged(mailbox: "a"))
        #expect(try await runner.runs().map(\.status) == [.completed, .completed, .running])
    }

    @Test func `a newer draft ends the preview of the older one`() async throws {
        let runner = try await TestRunner(jobs.preview)
        try await runner.send(DraftSaved(draft: "d", text: "one"))
        try await runner.advance(by: .seconds(1))
        try await runner.send(DraftSaved(draft: "d", text: "two"))
        try await runner.advance(by: .seconds(10))
        #expect(try await outputs(runner, "preview") == ["cancelled", #""two""#])
    }

    @Test func `a document is indexed with its last version once it is left alone, through a crash`() async throws {
        let runner = try await TestRunner(jobs.index)
        for version in 1...3 {
            try await runner.send(DocumentEdited(document: "d", version: version))
            try await runner.advance(by: .seconds(1))
        }
        try await runner.crash()
        #expect(try await runner.runs().isEmpty)
        try await runner.advance(by: .seconds(5))
        #expect(try await outputs(runner, "index") == [#""d, version 3""#])
    }

    @Test func `a document that is edited all the time is indexed after half a minute`() async throws {
        let runner = try await TestRunner(jobs.index)
        for version in 0..<30 {
            try await runner.send(DocumentEdited(document: "d", version: version))
            try await runner.advance(by: .seconds(1))
        }
        #expect(try await outputs(runner, "index") == [#""d, version 29""#])
    }

    @Test func `views are stored five at a time, and the rest after ten seconds, through a crash`() async throws {
        let runner = try await TestRunner(jobs.storeViews)
        for page in 1...8 { try await runner.send(PageViewed(page: "\(page)")) }
        try await runner.advance(by: .seconds(1))
        #expect(try await outputs(runner, "store-views") == [#"["1","2","3","4","5"]"#])
        try await runner.crash()
        try await runner.advance(by: .seconds(10))
        #expect(try await outputs(runner, "store-views") == [#"["1","2","3","4","5"]"#, #"["6","7","8"]"#])
    }

    @Test func `teams with a large plan are welcomed`() async throws {
        let runner = try await TestRunner(jobs.welcomeTeam)
        try await runner.send(TeamCreated(team: "a", plan: "pro", seats: 11))
        try await runner.send(TeamCreated(team: "b", plan: "pro", seats: 10))
        try await runner.send(TeamCreated(team: "c", plan: "free", seats: 99))
        #expect(try await outputs(runner, "welcome-team") == [#""welcome, a""#])
    }

    @Test func `an invoice is collected when it is paid in full`() async throws {
        let runner = try await TestRunner(jobs.collect)
        let run = try await runner.send(InvoiceSent(invoice: "i1", cents: 1_000))
        try await runner.send(InvoicePaid(invoice: "i2", cents: 1_000))
        try await runner.send(InvoicePaid(invoice: "i1", cents: 999))
        #expect(await runner.run(run.id).status == .running)
        try await runner.crash()
        try await runner.send(InvoicePaid(invoice: "i1", cents: 1_000))
        #expect(try await outputs(runner, "collect") == [#""thanks""#])
    }

    @Test func `a parcel that is cancelled does not leave`() async throws {
        let runner = try await TestRunner(jobs.deliver)
        let cancelled = try await runner.send(ParcelOrdered(parcel: "p1"))
        let delivered = try await runner.send(ParcelOrdered(parcel: "p2"))
        try await runner.send(ParcelCancelled(parcel: "p1"))
        try await runner.advance(by: .hours(1))
        #expect(await runner.run(cancelled.id).status == .cancelled)
        #expect(await runner.run(delivered.id).status == .completed)
    }

    @Test func `a quote that takes too long is cancelled`() async throws {
        let runner = try await TestRunner(jobs.quote)
        let late = try await runner.send(QuoteRequested(quote: "q1"))
        let quick = try await runner.send(QuoteRequested(quote: "q2"))
        try await runner.send("quote/approved", ["quote": "q2"])
        try await runner.advance(by: .seconds(20))
        #expect(await runner.run(late.id).status == .cancelled)
        #expect(await runner.run(quick.id).status == .completed)
    }
}
