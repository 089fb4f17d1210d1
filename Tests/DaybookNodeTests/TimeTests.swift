import Daybook
import DaybookCore
import DaybookFakes
import DaybookJournal
import DaybookNode
import DaybookSystem
import DaybookTesting
import DaybookValues
import Testing

struct TimeTests {
    private let log = BodyLog()

    private func hourly(_ catchUp: Daybook.CatchUp = .latest) -> DurableFunction<CronTick, Void> {
        DurableFunction("hourly", cron: "0 * * * *", catchUp: catchUp) { [log] tick, step in
            try await step.run("t") { attempt in log.note(attempt) }
        }
    }

    private var sleeper: DurableFunction<AnyEvent, Void> {
        DurableFunction("s", on: [.event("start")]) { _, step in try await step.sleep("nap", for: .hours(1)) }
    }

    @Test func `ticks come at their instants, once each, over restarts`() throws {
        let world = try NodeWorld([hourly()], log)
        world.advance(.minutes(150))
        #expect(log.count("t") == 2)
        try world.restart([hourly()])
        #expect(log.count("t") == 2)
        world.advance(.minutes(60))
        #expect(log.count("t") == 3)
    }

    @Test(arguments: [(Daybook.CatchUp.latest, 1), (.skip, 0), (.all(limit: 3), 3), (.all(limit: 10), 5)])
    func `ticks missed while nothing ran are caught up with as the function says`(
        catchUp: Daybook.CatchUp, runs: Int
    ) throws {
        let world = try NodeWorld([hourly(catchUp)], log)
        world.clock.advance(milliseconds: 5 * 3_600_000 + 600_000)
        try world.restart([hourly(catchUp)])
        #expect(log.count("t") == runs)
        world.advance(.hours(1))
        #expect(log.count("t") == runs + 1)
    }

    @Test func `a clock set back a day neither stops sleeps nor repeats ticks`() throws {
        let world = try NodeWorld([hourly(), sleeper], log)
        world.advance(.minutes(90))
        #expect(log.count("t") == 1)
        let run = try ULID.last(try world.send("start"))
        world.clock.setWall(world.clock.now + -86_400_000)
        world.advance(.minutes(61))
        #expect(try world.status(run) == .completed)
        // The wall clock shows the day before: ticks that have not been yet come, those that have been do not.
        let ticks = log.count("t")
        #expect(ticks == 2)
        try world.restart([hourly(), sleeper])
        #expect(log.count("t") == ticks)
        let second = try ULID.last(try world.send("start"))
        world.advance(.minutes(61))
        #expect(try world.status(second) == .completed)
        // Up to where the clock was: every hour between, except the one that was.
        world.advance(.hours(22))
        let names = try world.runs().filter { $0.function == "t-hourly" }.map { run in
            try JSONView(world.machine.detail(of: run.id).event ?? [])?.at(path: "data.scheduledAt")?.string
        }
        #expect(Set(names).count == names.count)
    }

    @Test func `a clock set forward a day fires what is due by the calendar, and no sleep early`() throws {
        let world = try NodeWorld([hourly(), sleeper], log)
        let run = try ULID.last(try world.send("start"))
        world.clock.setWall(world.clock.now + 86_400_000)
        _ = world.machine.settle()
        #expect(log.count("t") == 1)
        #expect(try world.status(run) == .running)
        world.advance(.hours(1))
        #expect(try world.status(run) == .completed)
    }

    @Test func `the movable clock goes forward by request, and stays there over a restart`() async throws {
        let world = try NodeWorld([sleeper], log)
        let run = try ULID.last(try world.send("start"))
        let node = world.machine.node
        let moved = Shared<Int64?>(nil)
        let moving = Task { moved.set(await node.advanceClock(by: 2 * 3_600_000)) }
        while moved.current == nil {
            _ = world.machine.settle()
            await Task.yield()
        }
        await moving.value
        _ = world.machine.settle()
        #expect(moved.current == Int64(7_200_000))
        #expect(try world.status(run) == .completed)
        try world.restart([sleeper])
        #expect(world.core().movedClockOffset == 2 * 3_600_000)
        let later = try ULID.last(try world.send("start"))
        #expect(try world.machine.detail(of: later).queuedAt - world.clock.now == 2 * 3_600_000)
    }

    @Test func `execution rule 24: time never goes back over a restart, and a sleep's rest stays what it was`() throws {
        let world = try NodeWorld([sleeper], log)
        let run = try ULID.last(try world.send("start"))
        world.advance(.minutes(30))
        try world.send("other")
        world.clock.setWall(world.clock.now + -86_400_000)
        try world.restart([sleeper])
        world.advance(.minutes(29))
        #expect(try world.status(run) == .running)
        world.advance(.minutes(1))
        #expect(try world.status(run) == .completed)
        #expect(try world.records(run).map(\.q).sorted() == world.records(run).map(\.q))
    }

    @Test func `an event dated in the future starts its run then, also after a restart`() throws {
        let function = DurableFunction("f", on: [.event("start")]) { _, step in }
        let world = try NodeWorld([function], log)
        let run = try ULID.last(try world.send("start", at: world.clock.now + 3_600_000))
        #expect(try world.status(run) == .queued)
        try world.restart([function])
        world.advance(.minutes(59))
        #expect(try world.status(run) == .queued)
        world.advance(.minutes(1))
        #expect(try world.status(run) == .completed)
    }

    @Test func `two moves of the clock at once add up`() throws {
        let world = try NodeWorld([], log)
        let offsets = Shared<[Int64]>([])
        for _ in 0..<2 {
            world.machine.node.requestAdvance(by: 60_000) { offset in offsets.change { $0.append(offset) } }
        }
        _ = world.machine.settle()
        #expect(offsets.current == [60_000, 120_000])
        #expect(world.core().movedClockOffset == 120_000)
    }

    @Test func `a timeout of thousands of years is as good as none`() async throws {
        let gate = Gate()
        let function = DurableFunction("f", on: [.event("start")], .timeouts(finish: .days(1_000_000))) { _, step in
            try await step.run("a") { await gate.wait() }
        }
        let world = try NodeWorld([function], log)
        let run = try ULID.last(try world.send("start"))
        #expect(world.machine.node.nanosecondsToNextDeadline == .max)
        gate.open()
        _ = world.machine.settle()
        #expect(try world.status(run) == .completed)
    }
}
