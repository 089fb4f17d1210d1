import Daybook
import DaybookCore
import DaybookFakes
import DaybookJournal
import DaybookNode
import DaybookSystem
import DaybookTesting
import DaybookValues
import Testing

struct RegistrationTests {
    private func refusal(_ functions: [any FunctionDefinition]) -> String? {
        do {
            _ = try NodeWorld(functions)
            return nil
        } catch {
            return "\(error)"
        }
    }

    private func cron(_ text: String) -> DurableFunction<CronTick, Void> {
        DurableFunction("c", cron: text) { _, _ in }
    }

    @Test func `two functions with one id are refused, naming it`() throws {
        let f = DurableFunction("same", on: [.event("x")]) { _, _ in }
        #expect(try #require(refusal([f, f])).contains("'same'"))
    }

    @Test(arguments: ["61 * * * *", "* * *", "TZ=Mars/Olympus 0 8 * * *", "0 8 30 2 *", "nonsense"])
    func `a schedule that is none, is nowhere or never comes is refused, naming function and text`(text: String) throws
    {
        let message = try #require(refusal([cron(text)]))
        #expect(message.contains("'c'"))
        #expect(message.contains(text) || message.contains("Mars/Olympus"))
    }

    @Test func `a refused registration starts nothing and changes nothing`() throws {
        let log = BodyLog()
        let good = DurableFunction("f", on: [.event("start")]) { _, step in
            try await step.sleep("nap", for: .hours(1))
            try await step.run("a") { attempt in log.note(attempt) }
        }
        let world = try NodeWorld([good], log)
        let run = try ULID.last(try world.send("start"))
        let before = world.machine.node.journal.flushedQ
        #expect(throws: RegistrationError.self) { try world.restart([good, cron("0 8 30 2 *")]) }
        try world.restart([good])
        #expect(world.machine.node.journal.report.lastQ == before)
        world.advance(.hours(1))
        #expect(try world.status(run) == .completed)
    }

    @Test func `a function that is gone starts no more runs; its unfinished ones wait until it is back`() throws {
        let log = BodyLog()
        let f = DurableFunction("f", on: [.event("start")]) { _, step in
            try await step.sleep("nap", for: .hours(1))
            try await step.run("a") { attempt in log.note(attempt) }
        }
        let world = try NodeWorld([f], log)
        let run = try ULID.last(try world.send("start"))
        try world.restart([])
        #expect(try world.send("start").isEmpty)
        world.advance(.hours(2))
        #expect(try world.status(run) == .running)
        #expect(!world.machine.node.hasActiveRuns)
        try world.restart([f])
        #expect(try world.status(run) == .completed)
        #expect(log.names == ["a#1"])
    }
}
