import Daybook
import DaybookCore
import DaybookFakes
import DaybookJournal
import DaybookNode
import DaybookSystem
import DaybookTesting
import DaybookValues
import Testing

struct RetryingTests {
    private let log = BodyLog()

    @Test func `a step that fails is tried again after its pause, and siblings are not disturbed`() throws {
        let log = self.log
        let function = DurableFunction("f", on: [.event("start")]) { _, step in
            async let flaky = step.run("flaky") { attempt in
                log.note(attempt)
                if attempt.number < 3 { throw Boom() }
                return attempt.number
            }
            let other = try await step.run("other") { attempt in
                log.note(attempt)
                return 1
            }
            return try await flaky + other
        }
        let world = try NodeWorld([function], log)
        let run = try ULID.last(try world.send("start"))
        #expect(log.names == ["other#1", "flaky#1"])
        // 15 to 45 seconds, then 30 to 60.
        world.advance(.seconds(46))
        #expect(log.names == ["other#1", "flaky#1", "flaky#2"])
        world.advance(.seconds(61))
        #expect(try world.output(run) == "4")
        #expect(log.names == ["other#1", "flaky#1", "flaky#2", "flaky#3"])
    }

    @Test func `execution rule 8: code that fails between steps starts from the top with recorded results`() throws {
        let log = self.log
        let passes = Shared(0)
        let function = DurableFunction("f", on: [.event("start")]) { _, step in
            let a = try await step.run("a") { attempt in
                log.note(attempt)
                return 1
            }
            if passes.change({ passes in
                passes += 1
                return passes < 3
            }) {
                throw Boom()
            }
            return a
                + (try await step.run("b") { attempt in
                    log.note(attempt)
                    return 1
                })
        }
        let world = try NodeWorld([function], log)
        let run = try ULID.last(try world.send("start"))
        #expect(passes.current == 1)
        try world.restart([function])
        #expect(passes.current == 1)
        world.advance(.seconds(46))
        #expect(passes.current == 2)
        world.advance(.seconds(61))
        #expect(try world.output(run) == "2")
        #expect(log.names == ["a#1", "b#1"])
        #expect(try world.machine.detail(of: run).attempts.count == 2)
    }

    @Test func `execution rule 20: onFailure is a run of its own, with the failed run's event, and survives a crash`()
        throws
    {
        let log = self.log
        let told = Shared<[String]>([])
        let function = DurableFunction("f", on: Start.self, retries: 0) { event, step in
            try await step.run("a") { throw Boom("no such user \(event.userId)") }
        }
        .onFailure { failure, step in
            try await step.sleep("later", for: .hours(1))
            try await step.run("tell") { attempt in
                log.note(attempt)
                told.change { $0.append("\(failure.input.userId): \(failure.error.message) in \(failure.runID)") }
            }
        }
        let world = try NodeWorld([function], log)
        let run = try #require(try world.send("start", #"{"userId":"u1"}"#).first)
        #expect(try world.status(run) == .failed)
        try world.restart([function])
        world.advance(.hours(1))
        #expect(told.current == ["u1: no such user u1 in \(run.text)"])
        let handler = try #require(try world.runs().first { $0.function == "t-f-failure" })
        #expect(handler.status == .completed)
        #expect(log.names == ["tell#1"])
    }

    @Test func `onFailure hears of a run that grew over a limit and of one whose last attempt died, with the event`()
        throws
    {
        let told = Shared<[String]>([])
        let function = DurableFunction("f", on: Start.self, retries: 0) { event, step in
            for number in 0..<5 { try await step.run("s-\(number)") { String(repeating: "x", count: 1_000) } }
        }
        .onFailure { failure, step in told.change { $0.append("\(failure.input.userId) \(failure.error.name)") } }
        let world = try NodeWorld([function], log) { $0.core.runStateBytesMax = 3_500 }
        let run = try #require(try world.send("start", #"{"userId":"u1"}"#).first)
        #expect(try world.status(run) == .failed)
        #expect(told.current == ["u1 InngestErrStateOverflowed"])
        #expect(!world.machine.node.hasActiveRuns)
    }

    @Test func `a run with more steps than the limit fails, also over replays`() throws {
        let function = DurableFunction("f", on: [.event("start")], retries: 0) { _, step in
            for _ in 0..<20 { try await step.run("s") {} }
        }
        let world = try NodeWorld([function], log) {
            $0.core.stepsPerRunMax = 10
            $0.replaysSteps = true
        }
        let run = try ULID.last(try world.send("start"))
        #expect(try world.status(run) == .failed)
        #expect(!world.machine.node.hasActiveRuns)
    }

    @Test func `retry makes a new run from the same event; from a step on, the results before it are kept`() throws {
        let log = self.log
        let isBroken = Shared(true)
        let function = DurableFunction("f", on: Start.self, retries: 0) { event, step in
            let a = try await step.run("a") { attempt in
                log.note(attempt)
                return event.userId
            }
            try await step.sleep("nap", for: .minutes(1))
            return try await step.run("b") { attempt in
                log.note(attempt)
                if isBroken.current { throw Boom() }
                return a + "!"
            }
        }
        let world = try NodeWorld([function], log)
        let run = try ULID.last(try world.send("start", #"{"userId":"u1"}"#))
        world.advance(.minutes(2))
        #expect(try world.status(run) == .failed)
        isBroken.set(false)

        let whole = try world.machine.readModel().retryCommand(of: run, from: nil)
        guard case .queued(let again)? = world.machine.submit(whole) else {
            Issue.record("it was not queued")
            return
        }
        world.advance(.minutes(2))
        #expect(try world.output(again) == #""u1!""#)
        #expect(log.names == ["a#1", "b#1", "a#1", "b#1"])

        let rest = try world.machine.readModel().retryCommand(of: run, from: "b")
        guard case .queued(let third)? = world.machine.submit(rest) else {
            Issue.record("it was not queued")
            return
        }
        // Neither the step nor the sleep happens again.
        #expect(try world.output(third) == #""u1!""#)
        #expect(log.names == ["a#1", "b#1", "a#1", "b#1", "b#1"])
        #expect(try world.machine.detail(of: third).steps.first?.copiedFrom == run)
    }

    @Test func `a cancelled run whose event cannot be read any more still makes a readable event of its end`() throws {
        let names = Shared<[String]>([])
        let function = DurableFunction("f", on: [.event("start")]) { _, step in
            try await step.sleep("nap", for: .hours(1))
        }
        let listener = DurableFunction("listener", on: [.event("inngest/function.cancelled")]) { event, step in
            names.change { $0.append(event.name) }
        }
        let world = try NodeWorld([function, listener], log)
        let run = try ULID.last(try world.send("start"))
        world.advance(.minutes(1))
        world.disk.damage(StreamID.run(run).path, at: 40)
        world.machine.cancel(run, reason: "a person")
        _ = world.machine.settle()
        #expect(names.current == ["inngest/function.cancelled"])
    }

    struct Start: Daybook.Event {
        static let name = "start"
        var userId: String
    }
}

extension Boom {
    init(_ message: String) { self.init(description: message) }
}
