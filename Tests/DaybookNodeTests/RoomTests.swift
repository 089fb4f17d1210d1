import Daybook
import DaybookCore
import DaybookFakes
import DaybookJournal
import DaybookNode
import DaybookSystem
import DaybookTesting
import DaybookValues
import Testing

struct RoomTests {
    private let log = BodyLog()

    @Test func `journal rule 6: on a full disk new events are refused while accepted work goes on`() throws {
        let log = self.log
        let function = DurableFunction("f", on: [.event("start")]) { _, step in
            try await step.sleep("nap", for: .hours(1))
            try await step.run("a") { attempt in log.note(attempt) }
        }
        let world = try NodeWorld([function], log) { $0.journal.freeBytesMin = 1_000_000 }
        let run = try ULID.last(try world.send("start"))
        world.disk.setCapacity(bytes: 1_500_000)
        try world.machine.node.journal.keeper.step()
        guard
            case .refused(.storageFull(let bytes))? = world.machine.submit(
                .publish([try world.event("start")], claim: nil))
        else {
            Issue.record("the event was not refused for want of room")
            return
        }
        #expect(bytes > 0)
        world.advance(.hours(1))
        #expect(try world.status(run) == .completed)
        #expect(log.names == ["a#1"])
        world.disk.setCapacity(bytes: .max)
        try world.machine.node.journal.keeper.step()
        #expect(try world.send("start").count == 1)
    }

    @Test func `journal rule 6: with no room left results are held, and are recorded once there is room`() throws {
        let log = self.log
        let gate = Gate()
        let function = DurableFunction("f", on: [.event("start")]) { _, step in
            try await step.run("a") { attempt in
                log.note(attempt)
                await gate.wait()
            }
            try await step.run("b") { attempt in log.note(attempt) }
        }
        let world = try NodeWorld([function], log) {
            $0.journal.freeBytesMin = 1_000_000
            $0.journal.roomBytesMin = 100_000_000
        }
        world.disk.setCapacity(bytes: .max)
        try world.machine.node.journal.keeper.step()
        let run = try ULID.last(try world.send("start"))
        world.disk.setCapacity(bytes: 1_500_000)
        try world.machine.node.journal.keeper.step()
        gate.open()
        _ = world.machine.settle()
        #expect(log.names == ["a#1"])
        guard
            case .refused(.storageFull(let bytes))? = world.machine.submit(
                .publish([try world.event("start")], claim: nil))
        else {
            Issue.record("the event was not refused for want of room")
            return
        }
        #expect(bytes > 0)
        #expect(world.machine.failureMessages.isEmpty)
        world.disk.setCapacity(bytes: .max)
        try world.machine.node.journal.keeper.step()
        _ = world.machine.settle()
        #expect(try world.status(run) == .completed)
        #expect(log.names == ["a#1", "b#1"])
    }

    private func sleeper() -> DurableFunction<AnyEvent, Void> {
        DurableFunction("sleeper", on: [.event("start")]) { [log] _, step in
            try await step.sleep("nap", for: .hours(1))
            try await step.run("a") { attempt in log.note(attempt) }
        }
    }

    @Test func `journal rule 6: a cold run that wakes on a full disk waits until its file can be written`() throws {
        let world = try NodeWorld([sleeper()], log)
        let run = try ULID.last(try world.send("start"))
        world.advance(.minutes(1))
        #expect(world.core().summary(of: run)?.isParked == true)
        world.disk.setCapacity(bytes: 0)
        world.advance(.hours(2))
        #expect(world.core().hasRun(run))
        #expect(log.names == [])
        world.disk.setCapacity(bytes: .max)
        world.advance(.seconds(5))
        #expect(try world.status(run) == .completed)
        #expect(log.names == ["a#1"])
    }

    @Test func `journal rule 6: with no room left no timer is waited for, and a snapshot is still taken`() throws {
        let world = try NodeWorld([sleeper()], log) {
            $0.journal.freeBytesMin = 1_000_000
            $0.journal.roomBytesMin = 100_000_000
            $0.journal.snapshotIntervalMilliseconds = 3_600_000
        }
        try world.send("start")
        world.disk.setCapacity(bytes: 1_500_000)
        try world.machine.node.journal.keeper.step()
        world.clock.advance(milliseconds: 7_200_000)
        for _ in 0..<3 { _ = world.machine.node.step() }
        #expect(world.machine.node.nanosecondsToNextDeadline == nil)
        while try world.machine.node.journal.keeper.step() {}
        #expect(try world.disk.list("snapshot").count == 1)
    }

    @Test(arguments: [28, 122, 24])
    func `journal rule 6: a batch that cannot be written for now is held, and all goes on by itself`(errno: Int32)
        throws
    {
        let world = try NodeWorld([sleeper()], log)
        world.disk.fail(.write, errno: errno, path: "journal/", times: 2)
        let answer = world.machine.post(.publish([try world.event("start")], claim: nil))
        _ = world.machine.settle()
        #expect(answer() == nil)
        #expect(world.machine.failureMessages.isEmpty)
        // Nobody sees what is not flushed, and nothing new is taken in.
        let looked = Shared(false)
        world.machine.node.look { _ in looked.set(true) }
        let later = world.machine.submit(.publish([try world.event("start")], claim: nil))
        guard case .refused(.storageFull)? = later else {
            Issue.record("new work was taken in: \(String(describing: later))")
            return
        }
        #expect(!looked.current)
        _ = world.machine.settle()
        guard case .published? = answer() else {
            Issue.record("the event was not published: \(String(describing: answer()))")
            return
        }
        #expect(looked.current)
        #expect(world.lines.count("the commit log cannot be written for now") == 1)
        #expect(world.lines.count("the commit log can be written again") == 1)
        world.advance(.hours(1))
        #expect(log.names == ["a#1"])
        try world.restart([sleeper()])
        #expect(try world.runs().map(\.status) == [.completed])
    }

    @Test func `journal rule 6: a first batch that cannot be written for now is made up for`() throws {
        let world = try NodeWorld([sleeper()], log)
        let run = try ULID.last(try world.send("start"))
        world.advance(.minutes(30))
        world.disk.fail(.write, after: 1, errno: 28, path: "journal/")
        try world.restart([sleeper()])
        #expect(world.lines.count("the commit log cannot be written for now") == 1)
        _ = world.machine.settle()
        world.advance(.minutes(30))
        #expect(try world.status(run) == .completed)
    }

    @Test func `journal rule 6: a stop does not wait for a log that cannot be written`() async throws {
        let world = try NodeWorld([sleeper()], log)
        world.disk.fail(.write, errno: 28, path: "journal/", times: 1_000)
        _ = world.machine.post(.publish([try world.event("start")], claim: nil))
        _ = world.machine.settle()
        await world.machine.node.stop(drain: 1, leaving: 1)
        #expect(world.machine.failureMessages.isEmpty)
    }
}
