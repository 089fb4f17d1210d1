import Daybook
import DaybookCore
import DaybookFakes
import DaybookJournal
import DaybookNode
import DaybookSystem
import DaybookTesting
import DaybookValues
import Testing

struct DataTests {
    private let log = BodyLog()

    @Test func `events over 64 KiB are carried by reference and read back`() throws {
        let function = DurableFunction("f", on: [.event("start")]) { event, step in
            let before = try event.data(as: [String: String].self)["text"]?.count ?? 0
            try await step.sleep("nap", for: .hours(1))
            return before
        }
        let world = try NodeWorld([function], log)
        let text = String(repeating: "x", count: 100_000)
        let run = try ULID.last(try world.send("start", #"{"text":"\#(text)"}"#))
        guard case .runQueued(let queued)? = try world.records(run).first?.record, case .received = queued.input else {
            Issue.record("the event is in the run's own journal")
            return
        }
        world.advance(.minutes(1))
        try world.restart([function])
        world.advance(.hours(1))
        #expect(try world.output(run) == "100000")
    }

    @Test func `outputs over 4 KiB are read only when the code asks for them`() throws {
        let function = DurableFunction("f", on: [.event("start")]) { event, step in
            let big = try await step.run("big") { String(repeating: "y", count: 20_000) }
            try await step.sleep("nap", for: .hours(1))
            return big.count
        }
        let world = try NodeWorld([function], log)
        let run = try ULID.last(try world.send("start"))
        world.advance(.minutes(1))
        try world.machine.node.journal.follower.catchUp(to: .max)
        let history = try RunHistory(world.machine.node.journal, run, upTo: .max)
        guard case .stored(let read)? = history.memo.first?.result else {
            Issue.record("the output is held in memory")
            return
        }
        #expect(try read().count == 20_002)
        try world.restart([function])
        world.advance(.hours(1))
        #expect(try world.output(run) == "20000")
    }

    @Test func `an output that is gone when the code asks for it sets the run aside and no other`() throws {
        let function = DurableFunction("f", on: [.event("start")]) { event, step in
            let big = try await step.run("big") { String(repeating: "y", count: 20_000) }
            try await step.sleep("nap", for: .hours(1))
            return big.count
        }
        let world = try NodeWorld([function], log)
        let bad = try ULID.last(try world.send("start"))
        let good = try ULID.last(try world.send("start"))
        world.advance(.minutes(1))
        world.disk.damage(StreamID.run(bad).path, at: 10_000)
        world.advance(.hours(1))
        #expect(world.core().summary(of: bad) == nil)
        #expect(try world.output(good) == "20000")
        #expect(try world.runs().first { $0.id == bad }?.status == .quarantined)
        #expect(!world.machine.node.hasActiveRuns)
    }

    @Test func `damage in the log quarantines the run it belongs to and leaves the others alone`() throws {
        let log = self.log
        let function = DurableFunction("f", on: [.event("start")]) { event, step in
            try await step.run("a") { attempt in log.note(attempt) }
            try await step.sleep("nap", for: .hours(1))
            try await step.run("b") { attempt in log.note(attempt) }
        }
        let world = try NodeWorld([function], log)
        let bad = try ULID.last(try world.send("start"))
        let good = try ULID.last(try world.send("start"))
        // The record of the bad run's first step, in the log and in the run's own file.
        var damaged = 0
        for path in world.disk.allPaths where path.hasPrefix("journal/") || path.hasPrefix("runs/") {
            let content = try world.disk.contents(of: path) ?? []
            let text = String(decoding: content, as: UTF8.self)
            for line in text.split(separator: "\n")
            where line.contains("run/\(bad.text)") && line.contains("step.completed") {
                world.disk.damage(path, at: text.utf8.distance(from: text.startIndex, to: line.startIndex) + 30)
                damaged += 1
            }
        }
        #expect(damaged == 2)
        try world.restart([function])
        // The end of it is on record.
        let rows = try StoppedDirectory(disk: world.disk).readModel.runs(RunQuery()).rows
        #expect(rows.first { $0.id == bad }?.status == .quarantined)
        world.advance(.hours(1))
        #expect(world.core().summary(of: bad) == nil)
        #expect(try world.status(good) == .completed)
        #expect(log.count("b") == 1)
        // A further start changes nothing.
        try world.restart([function])
        #expect(world.core().runCount == 0)
        #expect(log.count("b") == 1)
    }

    @Test func `an event under a reserved name is refused where it is sent, and the run fails saying so`() throws {
        let function = DurableFunction("f", on: [.event("start")]) { event, step in
            try await step.sendEvents("say", [OutgoingEvent(name: "Inngest/function.failed", data: ["a": 1])])
        }
        let world = try NodeWorld([function], log)
        let run = try ULID.last(try world.send("start"))
        #expect(try world.status(run) == .failed)
        #expect(try world.output(run).contains("Inngest/function.failed"))
        #expect(try world.machine.events(days: 0...100_000).map(\.name) == ["start"])
        #expect(throws: EventError.self) { try world.send("inngest/x") }
    }

    @Test func `an event id starts a function once in 24 hours, over restarts`() throws {
        let function = DurableFunction("f", on: [.event("start")]) { event, step in }
        let world = try NodeWorld([function], log)
        #expect(try world.send("start", id: "one").count == 1)
        #expect(try world.send("start", id: "one").isEmpty)
        try world.restart([function])
        #expect(try world.send("start", id: "one").isEmpty)
        world.advance(.hours(25))
        #expect(try world.send("start", id: "one").count == 1)
    }

    @Test func `execution rule 21: an event that does not decode fails the run at once and names the field`() throws {
        let function = DurableFunction("f", on: RetryingTests.Start.self) { event, step in }
        let world = try NodeWorld([function], log)
        let run = try ULID.last(try world.send("start", #"{"userId":5}"#))
        #expect(try world.status(run) == .failed)
        #expect(try world.output(run).contains("data.userId"))
    }

    @Test func `a step output over the limit fails the step and names the limit`() throws {
        let function = DurableFunction("f", on: [.event("start")]) { event, step in
            try await step.run("big") { String(repeating: "y", count: 5_000) }
        }
        let world = try NodeWorld([function], log) { $0.core.stepOutputBytesMax = 4_000 }
        let run = try ULID.last(try world.send("start"))
        #expect(try world.status(run) == .failed)
        #expect(try world.output(run).contains("4000"))
    }

    @Test func `journal rule 20: an invoked function's result or error comes back to the step that asked`() throws {
        let child = DurableFunction("child", on: [.event("never")], retries: 0) { event, step in
            struct Numbered: Decodable { var n: Int }
            let number = try event.data(as: Numbered.self).n
            try await step.sleep("nap", for: .hours(1))
            if number < 0 { throw Boom("negative") }
            return number * 2
        }
        let parent = DurableFunction("parent", on: [.event("start")], retries: 0) { event, step in
            let good = try await step.invoke("good", functionID: "t-child", data: ["n": 21], as: Int.self)
            do {
                try await step.invoke("bad", functionID: "t-child", data: ["n": -1], as: Int.self)
                return "unexpected"
            } catch let error as StepError {
                return "\(good) \(error.message)"
            }
        }
        let world = try NodeWorld([child, parent], log)
        let run = try ULID.last(try world.send("start"))
        world.advance(.minutes(30))
        try world.restart([child, parent])
        world.advance(.hours(2))
        let output = try world.output(run)
        #expect(output == #""42 negative""#)
    }

    @Test func `a run's file that is being added to can be read; one that lost bytes cannot`() throws {
        let function = DurableFunction("f", on: [.event("start")]) { _, step in
            try await step.run("a") { 1 }
            try await step.sleep("nap", for: .hours(1))
        }
        let world = try NodeWorld([function], log)
        let run = try ULID.last(try world.send("start"))
        let journal = world.machine.node.journal
        let count = try journal.runRecords(run).entries.count
        let file = try world.disk.open(StreamID.run(run).path, .readWrite)
        let bytes = try file.bytes()
        // Half a line, as a reader meets it while the follower writes.
        try file.write(Array(#"{"q":99,"t":"20"#.utf8)[...], at: bytes)
        #expect(try journal.runRecords(run).entries.count == count)
        #expect(try RunHistory(journal, run, upTo: .max).memo.count == 1)
        try file.truncate(to: bytes - 5)
        #expect(throws: RunRecordsError.self) { try journal.runRecords(run) }
    }
}
