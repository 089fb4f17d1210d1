import Daybook
import DaybookPlainModule
import DaybookValues
import FoundationEssentials
import Logging
import Synchronization
import Testing

private struct FakeMailer: Mailer {
    let notes: Notes
    func quotaLeft() async throws -> Int { 1 }
    func send(_ subject: String, to: String, reminder: Bool, key: String) async throws -> String {
        notes.add("\(subject) to \(to) reminder=\(reminder) key=\(key)")
        return "sent"
    }
}

private struct FakeContacts: ContactStore {
    let notes: Notes
    func find(_ id: String) async throws -> Contact { Contact(id: id, email: "\(id)@example.com") }
    func markFailed(_ id: String, _ reason: String) async throws { notes.add("\(id) failed: \(reason)") }
    func active(secondsBefore1970: Double) async throws -> [Contact] {
        notes.add("active before \(Int(-secondsBefore1970))")
        return [Contact(id: "a", email: "a@example.com"), Contact(id: "b", email: "b@example.com")]
    }
}

struct FunctionTests {
    private let notes = Notes()
    private var registrations: [String: FunctionRegistration] {
        let jobs = MailJobs(mailer: FakeMailer(notes: notes), contacts: FakeContacts(notes: notes))
        return Dictionary(uniqueKeysWithValues: jobs.all.flatMap(\.registrations).map { ($0.id, $0) })
    }

    private func run(_ id: String, event: String) throws -> MemoryDriver {
        let pool = ManualPool()
        let driver = MemoryDriver()
        let function = try #require(registrations[id])
        Fixture.run(function, driver: driver, pool: pool, event: Array(event.utf8)).start()
        pool.runUntilIdle()
        return driver
    }

    @Test
    func `a job of a plain Swift 6 module runs`() throws {
        let driver = try run(
            "welcome-email",
            event: #"{"id":"e1","name":"auth/user.created","ts":1,"data":{"userId":"u1","email":"ada@example.com"}}"#)
        #expect(driver.outcomes == [#""sent""#])
        #expect(notes.all == ["Welcome to u1@example.com reminder=true key=01RUN.send"])
        #expect(
            driver.memo().entries.map(\.key.text) == [
                "load-contact", "check-quota", "let-them-look-around", "confirmed", "send",
            ])
    }

    @Test
    func `a function that runs by the clock gets its tick`() throws {
        let driver = try run(
            "weekly-digest",
            event: #"{"id":"t","name":"inngest/scheduled.timer","ts":1772438400000,"data":{"cron":"0 8 * * 1","#
                + #""scheduledAt":"2026-03-02T08:00:00Z","fireAt":"2026-03-02T08:00:00.250Z"}}"#)
        #expect(driver.outcomes == ["2"])
        #expect(notes.all.first == "active before 1772438400")
        #expect(notes.all.count == 3)
    }

    @Test(arguments: ["cron", "scheduledAt", "fireAt"])
    func `a tick without one of its fields names it`(missing: String) throws {
        let fields = ["cron": "* * * * *", "scheduledAt": "2026-03-02T08:00:00Z", "fireAt": "2026-03-02T08:00:00Z"]
        let data = fields.filter { $0.key != missing }.map { #""\#($0.key)":"\#($0.value)""# }.joined(separator: ",")
        let driver = try run("weekly-digest", event: #"{"name":"inngest/scheduled.timer","data":{\#(data)}}"#)
        #expect(driver.outcomes.first?.contains("data.\(missing)") == true)
    }

    @Test
    func `what is registered has ids, names, triggers, retries and limits`() throws {
        let all = registrations
        #expect(all.keys.sorted() == ["audit", "weekly-digest", "welcome-email", "welcome-email-failure"])
        let welcome = try #require(all["welcome-email"])
        #expect(welcome.name == "Welcome")
        #expect(welcome.triggers == [.event("auth/user.created")])
        #expect(welcome.retries == 3)
        #expect(welcome.handlesFailuresOf == nil)
        let digest = try #require(all["weekly-digest"])
        #expect(digest.triggers == [.cron("0 8 * * 1")])
        #expect(digest.catchUp == .all(limit: 3))
        let audit = try #require(all["audit"])
        #expect(audit.triggers == [.event("auth/*"), .event("auth/user.created"), .cron("@daily")])
        #expect(audit.finishTimeout == .days(30))
        #expect(audit.startTimeout == nil)
        #expect(audit.name == "audit")
    }

    @Test
    func `rule 20: a failure handler is a function of its own, with the input and the error of the failed run`() throws
    {
        let handler = try #require(registrations["welcome-email-failure"])
        #expect(handler.name == "Welcome (failure)")
        #expect(handler.triggers == [.event("inngest/function.failed")])
        #expect(handler.handlesFailuresOf == "welcome-email")
        let driver = try run(
            "welcome-email-failure",
            event: #"{"name":"inngest/function.failed","id":"01F","ts":1,"data":{"function_id":"app-welcome-email","#
                + #""run_id":"01F","error":{"error":"Broken","name":"Broken","message":"oh no"},"event":{"id":"e1","#
                + #""name":"auth/user.created","ts":1,"data":{"userId":"u1","email":"x"}}}}"#)
        #expect(driver.outcomes == ["null"])
        #expect(notes.all == ["u1 failed: oh no"])
    }

    @Test
    func `a failure names its run and function`() async throws {
        let seen = Mutex<Failure<AnyEvent>?>(nil)
        let function = DurableFunction("f", on: []) { _, _ in }
            .onFailure(retries: 1) { failure, _ in seen.withLock { $0 = failure } }
        let handler = try #require(function.registrations.last)
        #expect(handler.retries == 1)
        let driver = MemoryDriver()
        let pool = ManualPool()
        let event =
            #"{"name":"inngest/function.failed","data":{"function_id":"app-f","run_id":"01F","error":{"name":"N","#
            + #""message":"m","stack":"s"},"event":{"name":"x/y","data":{"k":1}}}}"#
        Fixture.run(handler, driver: driver, pool: pool, event: Array(event.utf8)).start()
        pool.runUntilIdle()
        let failure = try #require(seen.withLock { $0 })
        #expect(failure.runID == "01F")
        #expect(failure.functionID == "app-f")
        #expect([failure.error.name, failure.error.message, failure.error.stack] == ["N", "m", "s"])
        #expect(failure.input.name == "x/y")
        #expect(try failure.input.data(as: [String: Int].self) == ["k": 1])
    }

    @Test
    func `an event of any name is decoded when it is asked for`() {
        let run = ManualRun { _, step in
            let found = try await step.waitForEvent("w", name: "test/ping", timeout: .days(1))
            return found == nil
        }
        #expect(run.outcome == "true")
        let function = DurableFunction("any", on: [.event("test/*")]) { event, _ in
            let ping = try event.received(as: Ping.self)
            return
                "\(event.id) \(event.name) \(ping?.user ?? "") \(String(decoding: event.raw.prefix(5), as: UTF8.self))"
        }
        let pool = ManualPool()
        let driver = MemoryDriver()
        Fixture.run(function.registrations[0], driver: driver, pool: pool).start()
        pool.runUntilIdle()
        #expect(driver.outcomes == [#""ev1 test/ping ada {\"id\"""#])
    }

    struct Dated: Event, Equatable {
        static let name = "dated"
        var at: Date
    }

    @Test
    func `dates are RFC 3339 text with milliseconds, in events, results and inputs`() {
        let event = Array(#"{"id":"e","name":"dated","ts":7,"data":{"at":"2026-03-02T09:00:00.123+01:00"}}"#.utf8)
        let function = DurableFunction("dates", on: Dated.self) { event, step in
            try await step.run("date") { event.at }
        }
        let pool = ManualPool()
        let driver = MemoryDriver()
        Fixture.run(
            function.registrations[0], driver: driver, pool: pool, event: event,
            options: .init(decodesOwnResults: true)
        ).start()
        pool.runUntilIdle()
        #expect(driver.outcomes == [#""2026-03-02T08:00:00.123Z""#])
        #expect(driver.journal == [.output(StepKey("date"), #""2026-03-02T08:00:00.123Z""#)])
    }
}
