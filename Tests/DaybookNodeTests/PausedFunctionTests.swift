import Daybook
import DaybookCore
import DaybookFakes
import DaybookJournal
import DaybookNode
import DaybookSystem
import DaybookTesting
import DaybookValues
import Testing

struct PausedFunctionTests {
    private let meter = Meter()

    private static let limits = [FunctionOption.name("free"), .concurrency(1), .runConcurrency(1)]

    private func function(_ limit: FunctionOption, retries: Int = 0) -> DurableFunction<AnyEvent, String> {
        let meter = self.meter
        return DurableFunction("f", on: [.event("start")], retries: retries, limit) { _, step in
            let first = try await step.run("first") { attempt in
                await meter.work("first#\(attempt.number)")
                return "done"
            }
            try await step.sleep("nap", for: .minutes(1))
            try await step.run("second") { attempt in await meter.work("second#\(attempt.number)") }
            return first
        }
    }

    private func pause(_ world: NodeWorld) { #expect(world.machine.submit(.pause(function: "t-f")) == .done) }
    private func resume(_ world: NodeWorld) { #expect(world.machine.submit(.resume(function: "t-f")) == .done) }

    private func endOne(_ world: NodeWorld) {
        meter.endOne()
        _ = world.machine.settle()
    }

    @Test(arguments: limits)
    func `a body under way is finished and recorded; then the run stands still until the function is resumed`(
        limit: FunctionOption
    ) throws {
        let world = try NodeWorld([function(limit)])
        let run = try ULID.last(try world.send("start"))
        pause(world)
        #expect(meter.inside == ["first#1"])
        endOne(world)
        #expect(try world.records(run).last?.record.kind.description == "step.completed")
        #expect(!world.machine.node.hasLoadedRuns)
        world.advance(.hours(1))
        #expect(try world.records(run).last?.record.kind.description == "step.completed", "the nap has not begun")
        resume(world)
        world.advance(.minutes(2))
        #expect(meter.inside == ["second#1"])
        endOne(world)
        #expect(try world.status(run) == .completed)
        #expect(meter.names == ["first#1", "second#1"], "nobody is charged")
    }

    @Test(arguments: limits) func `a sleep that ends during the pause is seen when the function is resumed`(
        limit: FunctionOption
    ) throws {
        // Unwound before the pause, or by it.
        for isParked in [false, true] {
            let world = try NodeWorld([function(limit)])
            let run = try ULID.last(try world.send("start"))
            endOne(world)
            if isParked { world.advance(.seconds(15)) }
            #expect(world.core().summary(of: run)?.isParked == isParked)
            pause(world)
            #expect(!world.machine.node.hasLoadedRuns)
            world.advance(.hours(1))
            #expect(meter.inside.isEmpty)
            resume(world)
            #expect(meter.inside == ["second#1"])
            endOne(world)
            #expect(try world.status(run) == .completed)
        }
    }

    @Test(arguments: limits) func `a pause outlasts the process`(limit: FunctionOption) throws {
        let functions = [function(limit)]
        let world = try NodeWorld(functions)
        let run = try ULID.last(try world.send("start"))
        endOne(world)
        pause(world)
        world.advance(.hours(1))
        try world.restart(functions)
        world.advance(.hours(1))
        #expect(!world.machine.node.hasLoadedRuns)
        #expect(try world.status(run) == .running)
        resume(world)
        #expect(meter.inside == ["second#1"])
        endOne(world)
        #expect(try world.status(run) == .completed)
    }

    @Test(arguments: limits) func `a function that is paused and resumed at once goes on as if nothing had been`(
        limit: FunctionOption
    ) throws {
        let world = try NodeWorld([function(limit)])
        let run = try ULID.last(try world.send("start"))
        let answers = [world.machine.post(.pause(function: "t-f")), world.machine.post(.resume(function: "t-f"))]
        _ = world.machine.settle()
        #expect(answers.allSatisfy { $0() == .done })
        #expect(meter.inside == ["first#1"])
        endOne(world)
        let more = [world.machine.post(.pause(function: "t-f")), world.machine.post(.resume(function: "t-f"))]
        world.advance(.minutes(2))
        #expect(more.allSatisfy { $0() == .done })
        #expect(meter.inside == ["second#1"])
        endOne(world)
        #expect(try world.status(run) == .completed)
        #expect(meter.names == ["first#1", "second#1"])
    }

    @Test(arguments: limits) func `a failed attempt that ends during the pause is made again after it`(
        limit: FunctionOption
    ) throws {
        let meter = self.meter
        let function = DurableFunction("f", on: [.event("start")], retries: 1, limit) { _, step in
            try await step.run("flaky") { attempt in
                await meter.work("flaky#\(attempt.number)")
                if attempt.number == 1 { throw Boom() }
            }
        }
        let world = try NodeWorld([function])
        let run = try ULID.last(try world.send("start"))
        pause(world)
        endOne(world)
        world.advance(.hours(1))
        #expect(meter.names == ["flaky#1"])
        resume(world)
        #expect(meter.inside == ["flaky#2"])
        endOne(world)
        #expect(try world.status(run) == .completed)
    }

    @Test func `the slots of a paused function's runs are free for others`() throws {
        let meter = self.meter
        let shared = FunctionOption.concurrency(1, key: "'x'", scope: .account)
        let other = DurableFunction("other", on: [.event("other")], shared) { _, step in
            try await step.run("work") { await meter.work("other") }
        }
        let world = try NodeWorld([function(shared), other])
        let run = try ULID.last(try world.send("start"))
        world.advance(.milliseconds(1))
        let second = try ULID.last(try world.send("start"))
        world.advance(.milliseconds(1))
        try world.send("other")
        #expect(meter.inside == ["first#1"])
        pause(world)
        #expect(meter.inside == ["first#1"], "its body still runs")
        endOne(world)
        #expect(meter.inside == ["other"])
        resume(world)
        #expect(meter.inside == ["other"])
        endOne(world)
        #expect(meter.inside == ["first#1"])
        for _ in 0..<3 {
            endOne(world)
            world.advance(.minutes(2))
        }
        #expect(try world.status(run) == .completed)
        #expect(try world.status(second) == .completed)
        #expect(meter.most == 1)
    }

    @Test func `the slot of a paused run that waits for a place is free for others too`() throws {
        let meter = self.meter
        let shared = FunctionOption.concurrency(1, key: "'x'", scope: .account)
        let sleeper = DurableFunction("sleeper", on: [.event("sleep")], shared) { _, step in
            try await step.sleep("nap", for: .seconds(5))
            try await step.run("work") { await meter.work("sleeper") }
        }
        let other = DurableFunction("other", on: [.event("other")]) { _, step in
            try await step.run("work") { await meter.work("other") }
        }
        let world = try NodeWorld([function(shared), sleeper, other]) { $0.liveRunsMax = 1 }
        try world.send("sleep")
        try world.send("other")
        try world.send("start")
        world.advance(.seconds(6))
        #expect(meter.inside == ["other"], "the sleeper is awake, and its slot is with a run that waits for a place")
        pause(world)
        #expect(meter.inside == ["other", "sleeper"])
    }

    @Test(arguments: limits) func `runs that wait for a place are let go by a pause`(limit: FunctionOption) throws {
        let meter = self.meter
        let other = DurableFunction("other", on: [.event("other")]) { _, step in
            try await step.run("work") { await meter.work("other") }
        }
        let world = try NodeWorld([function(limit), other]) { $0.liveRunsMax = 1 }
        try world.send("other")
        let run = try ULID.last(try world.send("start"))
        try world.send("other")
        pause(world)
        for _ in 0..<2 { endOne(world) }
        #expect(meter.names == ["other", "other"])
        #expect(meter.inside.isEmpty)
        resume(world)
        #expect(meter.inside == ["first#1"])
        endOne(world)
        world.advance(.minutes(2))
        endOne(world)
        #expect(try world.status(run) == .completed)
    }

    @Test func `a paused run can be cancelled`() throws {
        let world = try NodeWorld([function(.concurrency(1))])
        let run = try ULID.last(try world.send("start"))
        let waiting = try ULID.last(try world.send("start"))
        endOne(world)
        endOne(world)
        pause(world)
        for run in [run, waiting] { world.machine.cancel(run, reason: "test") }
        _ = world.machine.settle()
        #expect(try world.status(run) == .cancelled)
        #expect(try world.status(waiting) == .cancelled)
        resume(world)
        #expect(world.core().runCount == 0)
    }
}
