import Daybook
import DaybookCore
import DaybookFakes
import DaybookJournal
import DaybookNode
import DaybookSystem
import DaybookTesting
import DaybookValues
import Testing

/// Calls that fail while a run is read: only bytes that were read and are wrong condemn a run.
struct PostponedTests {
    private let log = BodyLog()

    private var sleeper: DurableFunction<AnyEvent, Void> {
        DurableFunction("s", on: [.event("start")]) { [log] _, step in
            try await step.run("a") { attempt in log.note(attempt) }
            try await step.sleep("nap", for: .hours(1))
            try await step.run("b") { attempt in log.note(attempt) }
        }
    }

    private static let failures: [(FileError.Operation, Int32)] = [
        (.open, 24), (.open, 23), (.open, 13), (.read, 24), (.read, 12), (.read, 5),
    ]

    @Test(arguments: failures)
    func `a run that cannot be read for now waits, is said to, and goes on by itself`(
        operation: FileError.Operation, errno: Int32
    ) throws {
        let world = try NodeWorld([sleeper], log)
        let run = try ULID.last(try world.send("start"))
        world.advance(.minutes(1))
        #expect(world.core().summary(of: run)?.isParked == true)
        world.advance(.minutes(58))
        world.disk.fail(operation, errno: errno, path: run.text, times: 1_000)
        world.advance(.minutes(4))
        do throws(ReadError) {
            let rows = try world.machine.readModel().runs(RunQuery()).rows
            #expect(rows.map(\.status) == [.running])
            #expect(rows[0].postponed?.contains("errno \(errno)") == true)
        } catch {
            // Nothing is shown that is not up to date.
            #expect(operation == .open)
            #expect(error.description.contains("errno \(errno)"))
        }
        #expect(world.lines.count("runs cannot be read for now") == 1)
        // One that stays unreadable is named, once.
        #expect(world.lines.count("a run stands still because its record cannot be read") == 1)
        #expect(log.names == ["a#1"])
        world.disk.clearFailures()
        world.advance(.minutes(1))
        #expect(try world.status(run) == .completed)
        #expect(try world.machine.detail(of: run).postponed == nil)
        #expect(log.names == ["a#1", "b#1"])
        #expect(world.lines.count("all runs can be read again") == 1)
        #expect(world.machine.failureMessages.isEmpty)
    }

    @Test func `tries are a second apart at first and a minute at last`() throws {
        let world = try NodeWorld([sleeper], log)
        let run = try ULID.last(try world.send("start"))
        world.advance(.minutes(1))
        world.advance(.minutes(58))
        world.disk.fail(.open, errno: 24, path: run.text, times: 1_000)
        world.advance(.minutes(1))
        // Due at 1, 3, 7, 15, 31, 63, 123, 183 … seconds after the first.
        var waits: [UInt64] = []
        for _ in 0..<8 {
            let wait = (try #require(world.machine.node.nanosecondsToNextDeadline) + 999_999) / 1_000_000
            waits.append(wait)
            world.machine.advance(milliseconds: Int64(wait))
        }
        #expect(waits == [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000])
    }

    @Test func `a run that is put off is not recorded as waiting, so that a start takes it up`() throws {
        let function = DurableFunction("two", on: [.event("start")]) { [log] _, step in
            async let long: Void = step.sleep("long", for: .days(30))
            try await step.sleep("short", for: .hours(1))
            try await step.run("a") { attempt in log.note(attempt) }
            try await long
        }
        let world = try NodeWorld([function], log)
        let run = try ULID.last(try world.send("start"))
        world.advance(.minutes(59))
        world.disk.fail(.open, errno: 24, path: run.text, times: 1_000)
        world.advance(.minutes(2))
        world.disk.clearFailures()
        try world.restart([function])
        #expect(log.names == ["a#1"])
    }

    @Test func `a run that is put off can be cancelled`() throws {
        let world = try NodeWorld([sleeper], log)
        let run = try ULID.last(try world.send("start"))
        world.advance(.minutes(59))
        world.disk.fail(.open, errno: 24, path: run.text, times: 1_000)
        world.advance(.minutes(2))
        world.machine.cancel(run, reason: "enough")
        _ = world.machine.settle()
        #expect(!world.core().hasRun(run))
        world.disk.clearFailures()
        world.advance(.minutes(2))
        #expect(try world.status(run) == .cancelled)
        #expect(log.names == ["a#1"])
    }

    @Test(arguments: [24, 5])
    func `a large output that cannot be read for now unwinds the run, and it goes on later`(errno: Int32) throws {
        let world = Shared<NodeWorld?>(nil)
        let isArmed = Shared(false)
        let function = DurableFunction("f", on: [.event("start")]) { [log] _, step in
            try await step.sleep("nap", for: .hours(1))
            let big = try await step.run("big") { attempt in
                log.note(attempt)
                return String(repeating: "y", count: 20_000)
            }
            try await step.sleep("rest", for: .hours(1))
            if isArmed.current { world.current?.disk.fail(.open, errno: errno, path: "runs/", times: 3) }
            isArmed.set(false)
            return big.count
        }
        let made = try NodeWorld([function], log)
        world.set(made)
        let run = try ULID.last(try made.send("start"))
        made.advance(.minutes(119))
        // The code reads the output again, which is when it fails.
        let reader = DurableFunction("f", on: [.event("start")]) { [log] _, step in
            try await step.sleep("nap", for: .hours(1))
            if isArmed.current { world.current?.disk.fail(.open, errno: errno, path: "runs/", times: 3) }
            isArmed.set(false)
            let big = try await step.run("big") { attempt in
                log.note(attempt)
                return String(repeating: "y", count: 20_000)
            }
            try await step.sleep("rest", for: .hours(1))
            return big.count
        }
        try made.restart([reader])
        isArmed.set(true)
        made.advance(.minutes(5))
        #expect(!isArmed.current)
        #expect(try made.output(run) == "20000")
        #expect(log.names == ["big#1"])
        #expect(made.lines.count("runs cannot be read for now") == 1)
        #expect(made.lines.count("all runs can be read again") == 1)
    }

    // MARK: - Marks

    @Test func `an interrupted attempt counts although the run's file cannot be read at the start`() throws {
        let world = Shared<NodeWorld?>(nil)
        let function = DurableFunction("f", on: [.event("start")], retries: 2) { [log] _, step in
            try await step.run("poison") { attempt in
                log.note(attempt)
                world.current?.disk.die(after: 0)
            }
        }
        let made = try NodeWorld([function], log)
        world.set(made)
        _ = try? made.send("start")
        for _ in 0..<4 {
            guard made.disk.isDead || made.machine.node.hasFailed else { break }
            made.disk.crash()
            made.disk.fail(.read, errno: 5, path: "runs/", times: 1)
            try? made.restart([function])
            made.disk.clearFailures()
            if !made.disk.isDead { made.advance(.seconds(10)) }
        }
        #expect(log.names == ["poison#1", "poison#2", "poison#3"])
        let run = try #require(try made.runs().first)
        #expect(run.status == .failed)
        #expect(try made.output(run.id).contains("died"))
    }

    @Test func `an attempt whose end is on record is not counted, wherever the process died`() throws {
        let function = DurableFunction("f", on: [.event("start")]) { [log] _, step in
            try await step.run("a") { attempt in log.note(attempt) }
            try await step.run("b") { attempt in log.note(attempt) }
        }
        var deaths = 0
        for operations in 0..<40 {
            let world = try NodeWorld([function], log)
            world.disk.die(after: operations)
            _ = try? world.send("start")
            guard world.disk.isDead || world.machine.node.hasFailed else { continue }
            deaths += 1
            world.disk.crash()
            world.disk.fail(.read, errno: 5, path: "runs/", times: 2)
            world.disk.fail(.open, errno: 24, path: "runs/", times: 2)
            try world.restart([function])
            world.disk.clearFailures()
            world.advance(.minutes(1))
            for run in try world.runs() {
                #expect(run.status == .completed)
                var ended: Set<String> = []
                for (_, record) in try world.records(run.id) {
                    switch record {
                    case .stepCompleted(let step): ended.insert(step.key)
                    case .stepInterrupted(let key, _, _): #expect(!ended.contains(key), "death at \(operations)")
                    default: break
                    }
                }
            }
        }
        #expect(deaths > 3)
    }

    // MARK: - Files that somebody removed

    enum Harm: CaseIterable { case removed, shortened, replacedByAnOlderOne }

    @Test(arguments: Harm.allCases, [false, true])
    func `a cold run whose file was harmed wakes from the log, and nothing of it is done twice`(
        harm: Harm, isRestarted: Bool
    ) throws {
        let function = DurableFunction("f", on: [.event("start")]) { [log] _, step in
            try await step.run("a") { attempt in log.note(attempt) }
            try await step.sleep("nap", for: .hours(1))
            try await step.run("b") { attempt in log.note(attempt) }
            try await step.sleep("nap-2", for: .hours(1))
            try await step.run("c") { attempt in log.note(attempt) }
        }
        let world = try NodeWorld([function], log)
        let run = try ULID.last(try world.send("start"))
        world.advance(.minutes(59))
        let path = StreamID.run(run).path
        let older = try #require(try world.disk.contents(of: path))
        world.advance(.minutes(60))
        switch harm {
        case .removed: try world.disk.unlink(path)
        case .shortened: world.disk.truncate(path, to: older.count + 3)
        case .replacedByAnOlderOne: try world.disk.replace(path, with: older)
        }
        if isRestarted { try world.restart([function]) }
        world.advance(.minutes(2))
        #expect(try world.status(run) == .completed)
        #expect(log.names == ["a#1", "b#1", "c#1"])
        if !isRestarted { #expect(world.lines.count("while the server ran") == 1) }
        #expect(try Verifier.verify(world.disk).isSound)
    }

    @Test func `a run whose file was exchanged for that of another is set aside, and nothing of the other is believed`()
        throws
    {
        let world = try NodeWorld([sleeper], log)
        let first = try ULID.last(try world.send("start"))
        let second = try ULID.last(try world.send("start"))
        world.advance(.minutes(59))
        let copy = try #require(try world.disk.contents(of: StreamID.run(second).path))
        try world.disk.replace(StreamID.run(first).path, with: copy)
        world.advance(.minutes(2))
        #expect(try world.status(first) == .quarantined)
        #expect(try world.status(second) == .completed)
        #expect(log.names == ["a#1", "a#1", "b#1"])
    }

    @Test(arguments: ["segment", "lock"])
    func `nothing is answered after somebody removed the segment in use, or the lock`(what: String) throws {
        let world = try NodeWorld([sleeper], log)
        try world.send("start")
        let path =
            what == "lock"
            ? "daybook.lock" : try #require(world.disk.allPaths.last { $0.hasPrefix("journal/0") })
        try world.disk.unlink(path)
        let answer = world.machine.post(.publish([try world.event("start")], claim: nil))
        _ = world.machine.settle()
        #expect(answer() == nil)
        #expect(world.machine.failureMessages.count == 1)
        #expect(world.machine.failureMessages.first?.contains(path) == true)
    }
}
