import Daybook
import DaybookCore
import DaybookFakes
import DaybookJournal
import DaybookNode
import DaybookSystem
import DaybookTesting
import DaybookValues
import Testing

struct StoppingTests {
    private let log = BodyLog()

    /// Stops the node as a server does, with the test in place of its writer thread.
    private func stop(_ world: NodeWorld, drain: Int64 = 600_000, leaving: Int64 = 600_000, while body: () -> Void = {})
        async
    {
        let node = world.machine.node
        let stopped = Shared(false)
        let stopping = Task {
            await node.stop(drain: drain, leaving: leaving)
            stopped.set(true)
        }
        while !node.hasWork { await Task.yield() }
        _ = world.machine.settle()
        body()
        while !stopped.current {
            _ = world.machine.settle()
            await Task.yield()
        }
        await stopping.value
    }

    @Test func `a stop that may take for ever ends once nothing runs`() async throws {
        let world = try NodeWorld([], log)
        await stop(world, drain: .max, leaving: .max)
        #expect(!world.machine.node.hasActiveRuns)
    }

    @Test func `execution rule 15: a body under way is finished and journaled, and nothing new begins`() async throws {
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
        let late = Shared<ULID?>(nil)
        await stop(world) {
            // An event that such a body may send is taken, and what it starts begins later.
            late.set(try? world.send("start").last)
            gate.open()
        }
        #expect(log.names == ["a#1"])
        #expect(try world.records(run).last?.record.kind.description == "step.completed")
        #expect(try world.records(try #require(late.current)).map(\.record.kind.description) == ["run.queued"])
        try world.restart([function])
        #expect(try world.status(run) == .completed)
        #expect(log.names == ["a#1", "b#1", "a#1", "b#1"] || log.names == ["a#1", "a#1", "b#1", "b#1"])
    }

    @Test func `execution rule 15: bodies that wait for a slot do not begin, and are made at the next start`()
        async throws
    {
        let gate = Gate()
        let log = self.log
        let function = DurableFunction("f", on: [.event("start")], .concurrency(1)) { _, step in
            async let a: Void = step.run("a") { attempt in
                log.note(attempt)
                await gate.wait()
            }
            async let b: Void = step.run("b") { attempt in log.note(attempt) }
            _ = try await (a, b)
        }
        let world = try NodeWorld([function], log)
        let runs = try (0..<2).map { _ in try ULID.last(try world.send("start")) }
        await stop(world) { gate.open() }
        #expect(log.names == ["a#1"])
        try world.restart([function])
        for run in runs { #expect(try world.status(run) == .completed) }
        #expect(log.names == ["a#1", "b#1", "a#1", "b#1"])
    }

    @Test func `execution rule 15: a body that outlasts the drain is cancelled and its attempt is not counted`()
        async throws
    {
        let log = self.log
        let isFirst = Shared(true)
        let function = DurableFunction("f", on: [.event("start")], retries: 0) { _, step in
            try await step.run("a") { attempt in
                log.note(attempt)
                // Gives up when it is told to, but only after a while.
                if isFirst.current { try await untilCancelled() }
            }
        }
        let world = try NodeWorld([function], log)
        let run = try ULID.last(try world.send("start"))
        await stop(world, drain: 0)
        isFirst.set(false)
        try world.restart([function])
        #expect(try world.status(run) == .completed)
        #expect(log.names == ["a#1", "a#1"])
    }

    @Test func `journal rule 19: a graceful stop charges nobody, not even a body that ignores its cancellation`()
        async throws
    {
        let gate = Gate()
        let log = self.log
        let isFirst = Shared(true)
        let function = DurableFunction("f", on: [.event("start")], retries: 0) { _, step in
            try await step.run("a") { attempt in
                log.note(attempt)
                if isFirst.current { await gate.wait() }
            }
        }
        let world = try NodeWorld([function], log)
        let run = try ULID.last(try world.send("start"))
        await stop(world, drain: 0, leaving: 0)
        isFirst.set(false)
        try world.restart([function])
        #expect(try world.status(run) == .completed)
        #expect(log.names == ["a#1", "a#1"])
        gate.open()
    }

    @Test func `a stop with nothing under way ends at once, and runs that wait go on after the next start`()
        async throws
    {
        let log = self.log
        let function = DurableFunction("f", on: [.event("start")]) { _, step in
            try await step.sleep("nap", for: .hours(1))
            try await step.run("a") { attempt in log.note(attempt) }
        }
        let world = try NodeWorld([function], log)
        let run = try ULID.last(try world.send("start"))
        await stop(world)
        try world.restart([function])
        #expect(try world.status(run) == .running)
        world.advance(.hours(1))
        #expect(try world.status(run) == .completed)
        #expect(log.names == ["a#1"])
    }

    @Test func `a stop after the disk failed comes to an end`() async throws {
        let world = try NodeWorld([], log)
        world.disk.fail(.sync, path: "journal/")
        _ = try? world.send("x")
        #expect(world.machine.node.hasFailed)
        await world.machine.node.stop(drain: 60_000)
    }
}

/// Waits until the task is cancelled, then throws.
func untilCancelled() async throws {
    let gate = Gate()
    await withTaskCancellationHandler {
        await gate.wait()
    } onCancel: {
        gate.open()
    }
    throw CancellationError()
}
