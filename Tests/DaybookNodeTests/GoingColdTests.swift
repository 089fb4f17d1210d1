import Daybook
import DaybookCore
import DaybookFakes
import DaybookJournal
import DaybookNode
import DaybookSystem
import DaybookTesting
import DaybookValues
import Testing

struct GoingColdTests {
    private let log = BodyLog()

    /// Counts how many passes through the code hold it.
    private final class Witness: Sendable {
        private let alive: Shared<Int>
        init(_ alive: Shared<Int>) {
            self.alive = alive
            alive.change { $0 += 1 }
        }
        deinit { alive.change { $0 -= 1 } }
    }

    private func sleeper(_ length: Duration = .hours(1), alive: Shared<Int> = Shared(0)) -> DurableFunction<
        AnyEvent, String
    > {
        DurableFunction("sleeper", on: [.event("start")]) { [log] event, step in
            let witness = Witness(alive)
            defer { withExtendedLifetime(witness) {} }
            try await step.run("a") { attempt in log.note(attempt) }
            try await step.sleep("nap", for: length)
            try await step.run("b") { attempt in log.note(attempt) }
            return "slept"
        }
    }

    private func waiter() -> DurableFunction<AnyEvent, String> {
        DurableFunction("waiter", on: [.event("start")]) { [log] event, step in
            let go = try await step.waitForEvent("go", name: "go", timeout: .days(3))
            try await step.run("b") { attempt in log.note(attempt) }
            return go == nil ? "timeout" : "go"
        }
    }

    private func isParked(_ world: NodeWorld, _ run: ULID) -> Bool {
        world.core().summary(of: run)?.isParked ?? false
    }

    @Test func `execution rule 10: a run that waits for long is unwound after coldAfter, and its memory freed`() throws
    {
        let alive = Shared(0)
        let world = try NodeWorld([sleeper(alive: alive)], log)
        let run = try ULID.last(try world.send("start"))
        #expect(alive.current == 1)
        world.advance(.seconds(9))
        #expect(!isParked(world, run))
        world.advance(.seconds(3))
        #expect(isParked(world, run))
        #expect(alive.current == 0)
        world.advance(.hours(1))
        #expect(try world.output(run) == #""slept""#)
        #expect(log.names == ["a#1", "b#1"])
        world.advance(.seconds(20))
        #expect(alive.current == 0)
    }

    @Test func `execution rule 10: a wait that is due within coldAfter is waited for with the code loaded`() throws {
        let world = try NodeWorld([sleeper(.seconds(15))], log)
        let run = try ULID.last(try world.send("start"))
        world.advance(.seconds(14))
        #expect(!isParked(world, run))
        #expect(try !world.records(run).contains { $0.record == .runParked })
        world.advance(.seconds(1))
        #expect(try world.status(run) == .completed)
    }

    @Test func `a cold run is woken by its event, also after a crash, and goes on where it was`() throws {
        let world = try NodeWorld([waiter()], log)
        let run = try ULID.last(try world.send("start"))
        world.advance(.minutes(1))
        #expect(isParked(world, run))
        try world.restart([waiter()])
        #expect(isParked(world, run))
        #expect(!world.machine.node.hasActiveRuns)
        try world.send("go")
        #expect(try world.output(run) == #""go""#)
        #expect(log.names == ["b#1"])
    }

    @Test func `a cold run is woken by its timer, also when that passed while nothing ran`() throws {
        let world = try NodeWorld([sleeper()], log)
        let run = try ULID.last(try world.send("start"))
        world.advance(.minutes(1))
        world.clock.advance(milliseconds: 86_400_000)
        try world.restart([sleeper()])
        #expect(try world.output(run) == #""slept""#)
    }

    @Test func `an event that comes while the code is being unwound wakes the run`() throws {
        let world = try NodeWorld([waiter()], log) { $0.coldAfter = 0 }
        let run = try ULID.last(try world.send("start"))
        world.clock.advance(milliseconds: 2_000)
        // One step closes the code; its end and the event are then taken in one batch, in this order and the other.
        _ = world.machine.node.step()
        let answer = world.machine.post(.publish([try world.event("go")], claim: nil))
        while world.machine.pool.step() {}
        _ = world.machine.settle()
        #expect(answer() != nil)
        #expect(try world.output(run) == #""go""#)
        #expect(!world.machine.node.hasActiveRuns)
    }

    @Test func `execution rule 10: with more than parkedRunsMax parked, those that are due last are unwound first`()
        throws
    {
        let sleeper = DurableFunction("s", on: [.event("start")]) { event, step in
            let minutes = try event.data(as: [String: Int].self)["n"] ?? 0
            try await step.sleep("nap", for: .minutes(minutes))
        }
        let world = try NodeWorld([sleeper], log) { $0.parkedRunsMax = 8 }
        var runs: [ULID] = []
        for minutes in [50, 10, 40, 20, 30, 60, 70, 80] {
            runs += try world.send("start", #"{"n":\#(minutes)}"#)
        }
        #expect(runs.allSatisfy { !isParked(world, $0) })
        runs += try world.send("start", #"{"n":90}"#)
        // Down to three quarters: six of nine stay.
        #expect(runs.filter { isParked(world, $0) }.count == 3)
        #expect(isParked(world, runs[6]) && isParked(world, runs[7]) && isParked(world, runs[8]))
        world.advance(.hours(2))
        #expect(try runs.allSatisfy { try world.status($0) == .completed })
    }

    @Test func `runs that were quiet once and have ended do not count as parked`() throws {
        let short = DurableFunction("short", on: [.event("hold")]) { _, step in
            _ = try await step.waitForEvent("go", name: "go", timeout: .days(3))
        }
        let world = try NodeWorld([sleeper(), short], log) { $0.parkedRunsMax = 4 }
        for _ in 0..<3 { try world.send("start") }
        try world.send("hold")
        try world.send("go")
        // Three sleepers and this one are parked; the one before it was.
        try world.send("hold")
        let rows = try world.runs()
        #expect(rows.count == 5)
        #expect(rows.allSatisfy { !isParked(world, $0.id) })
    }

    @Test func `execution rule 10: beyond liveRunsMax runs wait as data, first come first served`() throws {
        let order = Shared<[Int]>([])
        let gate = DurableFunction("g", on: [.event("start")]) { event, step in
            let number = try event.data(as: [String: Int].self)["n"] ?? 0
            try await step.run("a") { order.change { $0.append(number) } }
            try await step.run("b") {}
        }
        let world = try NodeWorld([gate], log) { $0.liveRunsMax = 3 }
        for number in 0..<20 {
            _ = world.machine.post(.publish([try world.event("start", #"{"n":\#(number)}"#)], claim: nil))
        }
        _ = world.machine.node.step()
        #expect(try world.runs().count == 20)
        _ = world.machine.settle()
        #expect(order.current == Array(0..<20))
        #expect(try world.runs().allSatisfy { $0.status == .completed })
        #expect(!world.machine.node.hasActiveRuns)
    }

    @Test func `quiet runs give their places to others`() throws {
        let world = try NodeWorld([waiter(), sleeper()], log) { $0.liveRunsMax = 1 }
        let runs = try (0..<5).flatMap { _ in try world.send("start") }
        #expect(runs.count == 10)
        try world.send("go")
        world.advance(.hours(2))
        #expect(try runs.allSatisfy { try world.status($0) == .completed })
        #expect(!world.machine.node.hasActiveRuns)
    }

    @Test func `a run that moves on its own when it is to be unwound goes cold later`() throws {
        let gate = Gate()
        let function = DurableFunction("f", on: [.event("start")]) { _, step in
            async let long: Void = step.sleep("long", for: .days(1))
            // A plain wait beside the durable one: the run counts as quiet meanwhile.
            await gate.wait()
            try await step.sleep("second", for: .hours(5))
            try await long
        }
        let world = try NodeWorld([function], log)
        let run = try ULID.last(try world.send("start"))
        world.clock.advance(milliseconds: 11_000)
        gate.open()
        _ = world.machine.node.step()
        _ = world.machine.settle()
        #expect(try world.machine.detail(of: run).steps.map(\.key) == ["long", "second"])
        world.advance(.minutes(1))
        #expect(isParked(world, run))
    }

    @Test func `many runs that were retrying when the process went down make each attempt once`() throws {
        let flaky = DurableFunction("f", on: [.event("start")]) { [log] _, step in
            // The other step is due as well, so that its delivery loads the run before the retry's timer fires.
            async let nap: Void = step.sleep("nap", for: .seconds(20))
            try await step.run("a") { attempt in
                log.note(attempt)
                if attempt.number == 1 { throw RetryAfterError("later", after: .seconds(20)) }
            }
            try await nap
        }
        let world = try NodeWorld([flaky], log) { $0.timersPerBatchMax = 1 }
        for _ in 0..<5 { try world.send("start") }
        world.clock.advance(milliseconds: 60_000)
        try world.restart([flaky])
        #expect(try world.runs().allSatisfy { $0.status == .completed })
        #expect(log.names.filter { $0 == "a#2" }.count == 5)
    }
}

/// A plain wait that a test ends, outside of everything durable.
final class Gate: Sendable {
    private let state = Shared<(isOpen: Bool, waiters: [CheckedContinuation<Void, Never>])>((false, []))

    func wait() async {
        await withCheckedContinuation { (waiter: CheckedContinuation<Void, Never>) in
            let isOpen = state.change { state -> Bool in
                if !state.isOpen { state.waiters.append(waiter) }
                return state.isOpen
            }
            if isOpen { waiter.resume() }
        }
    }

    func open() {
        let waiters = state.change { state in
            state.isOpen = true
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }
}
