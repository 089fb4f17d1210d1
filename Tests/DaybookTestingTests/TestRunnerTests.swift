import Daybook
import DaybookTesting
import Dispatch
import FoundationEssentials
import Synchronization
import Testing

struct UserCreated: Event {
    static let name = "user/created"
    var userId: String
}

struct UserConfirmed: Event {
    static let name = "user/confirmed"
    var userId: String
}

struct TestRunnerTests {
    private let calls = Calls()

    private var welcome: DurableFunction<Received<UserCreated>, String> {
        DurableFunction("welcome", on: UserCreated.self, retries: 2) { [calls] event, step in
            calls.note("pass")
            let name = try await step.run("load") {
                calls.note("load")
                return event.userId.uppercased()
            }
            let confirmed = try await step.waitForEvent(
                "confirmed", UserConfirmed.self, where: .field("userId", equals: event.userId), timeout: .days(1))
            try await step.run("send") { attempt in
                calls.note("send")
                if name == "FLAKY", attempt.number < 3 { throw Flaky() }
            }
            return "\(name) \(confirmed == nil ? "reminded" : "confirmed")"
        }
    }

    @Test func `a function waits, wakes by its event and returns`() async throws {
        let runner = try await TestRunner(welcome)
        let sent = try await runner.send(UserCreated(userId: "ada"))
        #expect(sent.status == .running)
        #expect(sent.run.functionID == "welcome")
        #expect(sent.run.waits.map(\.id) == ["confirmed"])
        #expect(sent.run.waits.first?.event == "user/confirmed")
        #expect(try sent.run.step("load")?.output(as: String.self) == "ADA")
        #expect(try await runner.send(UserConfirmed(userId: "bob")).runs.isEmpty)
        try await runner.send(UserConfirmed(userId: "ada"))
        let run = await runner.run(sent.id)
        #expect(run.status == .completed)
        #expect(try run.output(as: String.self) == "ADA confirmed")
        #expect(await runner.executions(of: sent.id) == ["load": 1, "send": 1])
        #expect(try await runner.events.map(\.name) == ["user/created", "user/confirmed", "user/confirmed"])
    }

    @Test func `a timeout passes at its instant, and a crash in between changes nothing`() async throws {
        let runner = try await TestRunner(welcome)
        let sent = try await runner.send(UserCreated(userId: "ada"))
        try await runner.advance(by: .hours(23))
        try await runner.crash()
        try await runner.powerLoss()
        #expect(await runner.run(sent.id).status == .running)
        try await runner.advance(by: .minutes(59))
        #expect(await runner.run(sent.id).status == .running)
        try await runner.advance(by: .minutes(1))
        #expect(try await runner.run(sent.id).output(as: String.self) == "ADA reminded")
        #expect(calls.count("load") == 1 && calls.count("send") == 1)
    }

    @Test func `a failing step is tried again as time passes`() async throws {
        let runner = try await TestRunner(welcome)
        let sent = try await runner.send(UserCreated(userId: "flaky"))
        try await runner.send(UserConfirmed(userId: "flaky"))
        let waiting = await runner.run(sent.id)
        #expect(waiting.waits.map(\.status) == [.retrying])
        #expect(waiting.step("send")?.error?.name == "Flaky")
        try await runner.advance(by: .minutes(2))
        #expect(await runner.run(sent.id).status == .completed)
        #expect(await runner.executions(of: sent.id)["send"] == 3)
    }

    @Test func `execution rule 16: a step that is made to fail does not run, and is tried again`() async throws {
        let runner = try await TestRunner(welcome)
        await runner.failStep("load", times: 2, with: CancellationError())
        let sent = try await runner.send(UserCreated(userId: "ada"))
        #expect(sent.run.step("load")?.error?.name == "CancellationError")
        #expect(calls.count("load") == 0)
        try await runner.advance(by: .minutes(5))
        #expect(calls.count("load") == 1)
        #expect(await runner.executions(of: sent.id) == ["load": 3])
        await runner.failStep("load", times: 3, with: Flaky())
        let second = try await runner.send(UserCreated(userId: "bob"))
        try await runner.advance(by: .minutes(5))
        #expect(await runner.run(second.id).status == .failed)
    }

    @Test func `a step that is given its value does not run`() async throws {
        let runner = try await TestRunner(welcome)
        try await runner.succeedStep("load", with: "EVE")
        await runner.succeedStep("send")
        let sent = try await runner.send(UserCreated(userId: "ada"))
        try await runner.crash()
        try await runner.send(UserConfirmed(userId: "ada"))
        #expect(try await runner.run(sent.id).output(as: String.self) == "EVE confirmed")
        #expect(calls.count("load") == 0 && calls.count("send") == 0)
    }

    @Test func `every step is followed by a replay, unless that is turned off`() async throws {
        let function = DurableFunction("f", on: UserCreated.self) { [calls] _, step in
            calls.note("pass")
            for number in ["a", "b", "c"] { try await step.run(number) { calls.note(number) } }
            try await step.sleep("nap", for: .hours(1))
        }
        let strict = try await TestRunner(function)
        try await strict.send(UserCreated(userId: "x"))
        try await strict.advance(by: .hours(1))
        // One pass for each of three steps, one that sleeps, one that wakes.
        #expect(calls.count("pass") == 5)
        #expect(calls.count("a") == 1 && calls.count("b") == 1 && calls.count("c") == 1)
        let plain = try await TestRunner(function, goesCold: false, replaysSteps: false)
        try await plain.send(UserCreated(userId: "x"))
        try await plain.advance(by: .seconds(1))
        #expect(calls.count("pass") == 6)
    }

    @Test func `parallel steps run once each although siblings are replayed`() async throws {
        let function = DurableFunction("f", on: UserCreated.self) { [calls] _, step in
            try await withThrowingTaskGroup(of: Int.self) { group in
                for number in 0..<20 {
                    group.addTask {
                        try await step.run("same") {
                            calls.note("body")
                            return number
                        }
                    }
                }
                var found: [Int] = []
                for try await number in group { found.append(number) }
                return found.sorted()
            }
        }
        let runner = try await TestRunner(function)
        let sent = try await runner.send(UserCreated(userId: "x"))
        #expect(try sent.run.output(as: [Int].self) == Array(0..<20))
        #expect(calls.count("body") == 20)
    }

    @Test func `values are decoded from the record, so a type that does not survive coding shows`() async throws {
        struct Lossy: Codable {
            var kept = 1
            var lost = 2
            enum CodingKeys: String, CodingKey { case kept }
        }
        let function = DurableFunction("f", on: UserCreated.self) { _, step in
            try await step.run("make") { Lossy(kept: 5, lost: 7) }.lost
        }
        let runner = try await TestRunner(function, replaysSteps: false)
        #expect(try await runner.send(UserCreated(userId: "x")).run.output(as: Int.self) == 2)
    }

    @Test func `a body that waits for another thread is waited for`() async throws {
        let function = DurableFunction("f", on: UserCreated.self) { _, step in
            try await step.run("outside") {
                await withCheckedContinuation { (done: CheckedContinuation<Int, Never>) in
                    DispatchQueue.global().async { done.resume(returning: 41) }
                }
            } + step.run("main actor") { await onMainActor() }
        }
        let runner = try await TestRunner(function)
        #expect(try await runner.send(UserCreated(userId: "x")).run.output(as: Int.self) == 42)
    }

    @Test func `ticks come as time passes or when asked for`() async throws {
        let function = DurableFunction("hourly", cron: "0 * * * *") { [calls] tick, step in
            try await step.run("t") { calls.note("t") }
            return tick.scheduledAt
        }
        let start = Date(timeIntervalSince1970: 1_795_248_600)  // 2026-11-21T08:10:00Z
        let runner = try await TestRunner(function, start: start)
        let run = try await runner.tick("hourly")
        #expect(try run.output(as: Date.self) == start.addingTimeInterval(50 * 60))
        #expect(await runner.now == start.addingTimeInterval(50 * 60))
        try await runner.advance(by: .hours(3))
        #expect(calls.count("t") == 4)
        try await runner.advance(to: start.addingTimeInterval(86_400))
        #expect(try await runner.runs(of: "hourly").count == 24)
    }

    @Test func `functions of one app call each other, and what they send is seen`() async throws {
        let child = DurableFunction("child", on: [], retries: 0) { event, step in 21 }
        let parent = DurableFunction("parent", on: UserCreated.self) { event, step in
            let half = try await step.invoke("call", functionID: "shop-child", data: event.data, as: Int.self)
            try await step.sendEvent("tell", UserConfirmed(userId: event.userId))
            return half * 2
        }
        let runner = try await TestRunner([child, parent], app: "shop")
        let sent = try await runner.send(UserCreated(userId: "x"))
        #expect(try sent.run.output(as: Int.self) == 42)
        #expect(sent.run.step("call")?.kind == .invoke)
        #expect(try await runner.runs(of: "child").count == 1)
        let told = try await runner.events.last
        #expect(try told?.data(as: UserConfirmed.self).userId == "x")
    }

    @Test func `a run can be cancelled, and failures are told`() async throws {
        let runner = try await TestRunner(welcome)
        let sent = try await runner.send(UserCreated(userId: "ada"))
        try await runner.cancel(sent.id)
        let run = await runner.run(sent.id)
        #expect(run.status == .cancelled)
        #expect(throws: TestRunnerError.self) { try run.output(as: String.self) }
        await #expect(throws: TestRunnerError.self) { try await runner.cancel(sent.id) }
        await #expect(throws: TestRunnerError.self) { try await runner.send("inngest/x", ["a": 1]) }
        await #expect(throws: TestRunnerError.self) { try await runner.send("x", [1, 2]) }
        await #expect(throws: TestRunnerError.self) {
            _ = try await TestRunner(DurableFunction("bad", cron: "61 * * * *") { _, _ in })
        }
    }

    @Test func `an event id counts once, and an event of the future waits for its time`() async throws {
        let runner = try await TestRunner(DurableFunction("f", on: UserCreated.self) { _, _ in })
        #expect(try await runner.send(UserCreated(userId: "x"), id: "1").runs.count == 1)
        #expect(try await runner.send(UserCreated(userId: "x"), id: "1").runs.isEmpty)
        let later = try await runner.send(
            UserCreated(userId: "y"), timestamp: await runner.now.addingTimeInterval(3_600))
        #expect(later.status == .queued)
        try await runner.advance(by: .hours(1))
        #expect(await runner.run(later.id).status == .completed)
    }
}

struct Flaky: Error {}

@MainActor private func onMainActor() -> Int { 1 }

/// What bodies did, counted.
final class Calls: Sendable {
    private let counts = Mutex<[String: Int]>([:])

    func note(_ what: String) { counts.withLock { $0[what, default: 0] += 1 } }
    func count(_ what: String) -> Int { counts.withLock { $0[what] ?? 0 } }
}
