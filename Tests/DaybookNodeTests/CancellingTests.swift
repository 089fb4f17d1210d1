import Daybook
import DaybookCore
import DaybookFakes
import DaybookJournal
import DaybookNode
import DaybookSystem
import DaybookTesting
import DaybookValues
import Testing

struct CancellingTests {
    private let log = BodyLog()

    private func cancel(_ world: NodeWorld, _ run: ULID) {
        world.machine.cancel(run, reason: "a person")
        _ = world.machine.settle()
    }

    @Test func `execution rule 14: a cancelled run ends at once and the result of its body is dropped`() throws {
        let gate = Gate()
        let log = self.log
        let function = DurableFunction("f", on: [.event("start")]) { _, step in
            try await step.run("a") { attempt in
                log.note(attempt)
                await gate.wait()
            }
            try await step.run("b") { attempt in log.note(attempt) }
        }
        let world = try NodeWorld([function], log)
        let run = try ULID.last(try world.send("start"))
        cancel(world, run)
        #expect(try world.status(run) == .cancelled)
        // Its place is free only once the body has really returned.
        #expect(world.machine.node.hasActiveRuns)
        gate.open()
        _ = world.machine.settle()
        #expect(!world.machine.node.hasActiveRuns)
        #expect(log.names == ["a#1"])
        #expect(try world.records(run).last?.record == .runCancelled(reason: "a person"))
        // The mark is gone with the body: the next start suspects nobody.
        try world.restart([function])
        #expect(world.machine.node.journal.marks.deadMarks.isEmpty)
    }

    @Test func `a run that waits, hot or cold, queued or being tried again, can be cancelled`() throws {
        let function = DurableFunction("f", on: [.event("start")]) { event, step in
            if try event.data(as: [String: Bool].self)["throws"] == true { throw Boom() }
            try await step.sleep("nap", for: .hours(1))
        }
        let ended = Shared<[String]>([])
        let listener = DurableFunction("listener", on: [.event("inngest/function.cancelled")]) { event, step in
            struct Cancelled: Decodable {
                struct Inner: Decodable { var name: String }
                var event: Inner
            }
            let name = try event.data(as: Cancelled.self).event.name
            ended.change { $0.append(name) }
        }
        let world = try NodeWorld([function, listener], log)
        let hot = try ULID.last(try world.send("start"))
        cancel(world, hot)
        let cold = try ULID.last(try world.send("start"))
        world.advance(.minutes(1))
        cancel(world, cold)
        let retried = try ULID.last(try world.send("start", #"{"throws":true}"#))
        cancel(world, retried)
        let later = try ULID.last(try world.send("start", at: world.clock.now + 3_600_000))
        cancel(world, later)
        world.advance(.hours(2))
        for run in [hot, cold, retried, later] { #expect(try world.status(run) == .cancelled) }
        #expect(ended.current == ["start", "start", "start", "start"])
        #expect(!world.machine.node.hasActiveRuns)
    }

    @Test func `execution rule 14: a finish timeout cancels the run, sleeps included`() throws {
        let function = DurableFunction("f", on: [.event("start")], .timeouts(finish: .minutes(10))) { _, step in
            try await step.sleep("nap", for: .hours(1))
        }
        let world = try NodeWorld([function], log)
        let run = try ULID.last(try world.send("start"))
        world.advance(.minutes(9))
        #expect(try world.status(run) == .running)
        try world.restart([function])
        world.advance(.minutes(1))
        #expect(try world.status(run) == .cancelled)
        #expect(try #require(try world.machine.detail(of: run).reason).contains("finish timeout"))
    }

    @Test func `execution rule 14: a start timeout cancels a run that found no place in time`() throws {
        let gate = Gate()
        let busy = DurableFunction("busy", on: [.event("busy")]) { _, step in
            try await step.run("a") { await gate.wait() }
        }
        let function = DurableFunction("f", on: [.event("start")], .timeouts(start: .minutes(1))) { _, step in }
        let world = try NodeWorld([busy, function], log) { $0.liveRunsMax = 1 }
        try world.send("busy")
        let run = try ULID.last(try world.send("start"))
        world.advance(.minutes(2))
        #expect(try world.status(run) == .cancelled)
        gate.open()
        _ = world.machine.settle()
        #expect(try world.status(run) == .cancelled)
        #expect(!world.machine.node.hasActiveRuns)
    }

    @Test func `a run that has ended cannot be cancelled`() throws {
        let world = try NodeWorld([], log)
        let answers = Shared<[Answer]>([])
        world.machine.node.requestCancel(ULID(at: world.clock.now, random: (1, 2)), reason: "x") { answer in
            answers.change { $0.append(answer) }
        }
        _ = world.machine.settle()
        guard case .refused(.unknownRun)? = answers.current.first else {
            Issue.record("it was answered \(answers.current)")
            return
        }
    }
}
