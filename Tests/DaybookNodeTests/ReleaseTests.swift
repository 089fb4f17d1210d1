import Daybook
import DaybookCore
import DaybookFakes
import DaybookJournal
import DaybookNode
import DaybookSystem
import DaybookTesting
import DaybookValues
import Testing

struct ReleaseTests {
    private let log = BodyLog()

    private func twoSteps(_ id: String = "two") -> DurableFunction<AnyEvent, String> {
        DurableFunction(id, on: [.event("start")]) { [log] _, step in
            let a = try await step.run("a") { attempt in
                log.note(attempt)
                return "A"
            }
            return try await step.run("b") { attempt in
                log.note(attempt)
                return a + "B"
            }
        }
    }

    @Test func `one event makes one run, whose records follow each other`() throws {
        let world = try NodeWorld([twoSteps()], log)
        let run = try ULID.last(try world.send("start"))
        #expect(try world.status(run) == .completed)
        #expect(try world.output(run) == #""AB""#)
        #expect(
            try world.records(run).map { "\($0.record.kind)" } == [
                "run.queued", "run.started", "step.completed", "step.completed", "run.completed",
            ])
        #expect(!world.machine.node.hasActiveRuns)
        #expect(world.core().runCount == 0)
    }

    @Test func `journal rule 3: everything that came meanwhile shares one flush`() throws {
        let world = try NodeWorld([twoSteps()], log)
        let before = world.disk.callCount(.sync)
        let batches = world.machine.node.statistics.batches
        let answers = try (0..<100).map { _ in world.machine.post(.publish([try world.event("start")], claim: nil)) }
        _ = world.machine.node.step()
        #expect(world.disk.callCount(.sync) - before == 1)
        #expect(answers.allSatisfy { $0() != nil })
        _ = world.machine.settle()
        // Queued; begun; a; b; ended: a hundred runs in as many flushes as one would take.
        #expect(world.machine.node.statistics.batches - batches <= 6)
        #expect(try world.runs().allSatisfy { $0.status == .completed })
        #expect(log.count("a") == 100 && log.count("b") == 100)
    }

    @Test func `journal rule 1: a full batch is flushed and the rest waits for the next`() throws {
        let world = try NodeWorld([]) { $0.batchBytesMax = 1_000 }
        let batches = world.machine.node.statistics.batches
        let answers = try (0..<50).map { number in
            world.machine.post(.publish([try world.event("x", #"{"n":\#(number)}"#)], claim: nil))
        }
        #expect(world.machine.node.step())
        #expect(answers.contains { $0() == nil })
        _ = world.machine.settle()
        #expect(answers.allSatisfy { $0() != nil })
        #expect(world.machine.node.statistics.batches - batches > 5)
    }

    @Test func `journal rule 4: nothing is answered and nothing starts when the flush fails, which is final`() throws {
        let world = try NodeWorld([twoSteps()], log)
        world.disk.fail(.sync, path: "journal/")
        let answer = world.machine.post(.publish([try world.event("start")], claim: nil))
        _ = world.machine.settle()
        #expect(answer() == nil)
        #expect(log.entries.isEmpty)
        #expect(world.machine.failureMessages.count == 1)
        // The disk works again, and still nothing is written.
        world.disk.clearFailures()
        let writes = world.disk.callCount(.write)
        let second = world.machine.post(.publish([try world.event("start")], claim: nil))
        _ = world.machine.settle()
        #expect(second() == nil)
        #expect(world.disk.callCount(.write) == writes)
        #expect(world.machine.failureMessages.count == 1)
    }

    @Test func `journal rule 4: a step begins only when what it depends on is on disk`() throws {
        let world = try NodeWorld([twoSteps()], log)
        let run = try ULID.last(try world.send("start"))
        let recorded = try world.records(run).first { $0.record.kind.description == "step.completed" }
        let b = try #require(log.entries.first { $0.step == "b" })
        #expect(try #require(recorded).q <= b.flushedQ)
    }

    @Test func `a failed flush in the middle of a run loses nothing that was recorded`() throws {
        let world = try NodeWorld([twoSteps()], log)
        world.disk.fail(.sync, after: 2, path: "journal/", losesUnflushed: false)
        _ = try? world.send("start")
        #expect(world.machine.node.hasFailed)
        try world.restart([twoSteps()])
        let run = try #require(try world.runs().last)
        #expect(run.status == .completed)
        #expect(try world.output(run.id) == #""AB""#)
    }

    @Test func `who looks at the state sees only what is flushed`() throws {
        let world = try NodeWorld([twoSteps()], log)
        let node = world.machine.node
        let seen = Shared<[(runs: Int, nextQ: UInt64, flushedQ: UInt64)]>([])
        _ = world.machine.post(.publish([try world.event("start")], claim: nil))
        node.look { node in
            seen.change { $0.append((node.core.runCount, node.journal.log.nextQ, node.journal.flushedQ)) }
        }
        _ = node.step()
        let look = try #require(seen.current.first)
        #expect(look.runs == 1)
        #expect(look.nextQ == look.flushedQ + 1)
    }
}
