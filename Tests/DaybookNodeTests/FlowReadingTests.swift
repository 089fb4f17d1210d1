import Daybook
import DaybookCore
import DaybookFakes
import DaybookNode
import DaybookTesting
import DaybookValues
import Testing

/// What people see of flow control, with a server and without one.
struct FlowReadingTests {
    private func sleeper(_ option: FunctionOption = .name("sleeper")) -> any FunctionDefinition {
        DurableFunction("f", on: [.event("go")], option) { _, step in
            try await step.sleep("pause", for: .hours(1))
        }
    }

    private func json(_ append: (inout [UInt8]) -> Void) -> String {
        var json: [UInt8] = []
        append(&json)
        return String(decoding: json, as: UTF8.self)
    }

    @Test func `the limit that holds a run back is told in the list and by the run itself`() throws {
        let world = try NodeWorld([sleeper(.runConcurrency(1))])
        let first = try ULID.last(try world.send("go"))
        let second = try ULID.last(try world.send("go"))
        let waiting = RunSummary.Waiting.runs(key: nil, used: 1, limit: 1)
        #expect(try world.runs().map(\.waitingFor) == [nil, waiting])
        #expect(try world.machine.detail(of: first).waitingFor == nil)
        #expect(try world.machine.detail(of: second).waitingFor == waiting)
        let row = try #require(try world.runs().last)
        #expect(json { row.append(to: &$0) }.hasSuffix(#","waitingFor":{"limit":"runConcurrency","used":1,"max":1}}"#))
        world.machine.cancel(first, reason: "x")
        _ = world.machine.settle()
        #expect(try world.machine.detail(of: second).waitingFor == nil)
    }

    @Test(arguments: [
        (
            RunSummary.Waiting.concurrency(key: "user-42", scope: .function, used: 5, limit: 5),
            #"{"limit":"concurrency","key":"user-42","used":5,"max":5}"#
        ),
        (
            .concurrency(key: "openai", scope: .account, used: 7, limit: 5),
            #"{"limit":"concurrency","scope":"account","key":"openai","used":7,"max":5}"#
        ),
        (.runs(key: "a", used: 1, limit: 1), #"{"limit":"runConcurrency","key":"a","used":1,"max":1}"#),
        (
            .throttle(key: nil, until: Timestamp(milliseconds: 1_795_248_000_000)),
            #"{"limit":"throttle","until":"2026-11-21T08:00:00.000Z"}"#
        ),
        (
            .singleton(run: ULID(high: 0, low: 1)),
            #"{"limit":"singleton","run":"00000000000000000000000001"}"#
        ), (.paused, #"{"limit":"pause"}"#),
    ])
    func `every reason to wait has its words`(waiting: RunSummary.Waiting, text: String) throws {
        let world = try NodeWorld([sleeper()])
        try world.send("go")
        var row = try #require(try world.runs().first)
        row.waitingFor = waiting
        #expect(json { row.append(to: &$0) }.contains(#","waitingFor":\#(text),"waiting":["#))
    }

    @Test func `without a server it is still told that a function is paused, and what is held for it`() throws {
        let world = try NodeWorld([sleeper(.debounce(for: .minutes(1)))])
        try world.send("go")
        world.advance(.minutes(2))
        try world.send("go")
        #expect(world.machine.submit(.pause(function: "t-f")) == .done)
        try world.send("go")
        let stopped = try StoppedDirectory(disk: world.disk)
        let function = try #require(stopped.functions.first)
        #expect(function.summary.isPaused)
        #expect(function.holds.map(\.kind) == [.debounce])
        #expect(try stopped.readModel.runs(RunQuery()).rows.map(\.waitingFor) == [.paused])
        let text = json { function.append(to: &$0) }
        #expect(text.contains(#","flow":{"debounce":{"periodMilliseconds":60000}},"unfinishedRuns":1,"#))
        #expect(text.contains(#""heldEvents":1,"holdCount":1,"holds":[{"id":""#))
        #expect(text.hasSuffix(#","paused":true}"#))
        #expect(function == FunctionDetail.one("t-f", in: world.core()))
    }

    @Test func `an event says why it started no run, before and after it has reached its file`() throws {
        let world = try NodeWorld([sleeper(.rateLimit(1, per: .hours(1)))])
        try world.send("go")
        let event = try world.event("go")
        #expect(
            world.machine.submit(.publish([event], claim: nil))
                == .published([
                    EventReceipt(
                        id: event.id,
                        outcome: EventOutcome(dropped: [
                            Dropped(function: "t-f", reason: .rateLimited, detail: "rate limit")
                        ]))
                ]))
        let model = try world.machine.readModel()
        let live = try model.event(event.id.text)
        #expect(live.outcome.dropped.map(\.reason) == [.rateLimited])
        #expect(try model.event(event.id.text.lowercased()) == live)
        // The log has it, even where the file of the day is not there.
        let stopped = try StoppedDirectory(disk: world.disk, runIDPart: event.id.text).readModel
        try world.disk.unlink("events/\(live.receivedAt.rfc3339.prefix(10)).jsonl")
        #expect(try stopped.event(event.id.text) == live)
        #expect(throws: ReadError.unknownEvent("go")) { try stopped.event("go") }
        let other = ULID(at: event.id.time, random: (0, 0)).text
        #expect(throws: ReadError.unknownEvent(other)) { try stopped.event(other) }
    }

    @Test func `a key that cannot be worked out is told with the run`() throws {
        let world = try NodeWorld([sleeper(.priority("event.data.n"))])
        let run = try ULID.last(try world.send("go", #"{"n":1}"#))
        let detail = try world.machine.detail(of: run)
        #expect(json { detail.append(to: &$0) }.contains(#","problems":["priority: "#))
        let row = try #require(try world.runs().first)
        #expect(json { row.append(to: &$0) }.contains(#","problems":["priority: "#))
    }

    @Test func `a condition that fails on an event is told with the run that it could have cancelled`() throws {
        let world = try NodeWorld([sleeper(.cancelOn("stop", if: "async.data.n > event.data.n"))])
        let run = try ULID.last(try world.send("go", #"{"n":1}"#))
        try world.send("stop", #"{"n":"x"}"#)
        let problems = try world.machine.detail(of: run).problems
        #expect(problems.count == 1)
        #expect(problems.first?.contains("'stop'") == true)
    }

    @Test func `a function is found by its whole id, and by that within its app where only one has it`() throws {
        let ids = ["shop-mail", "crm-mail", "crm-big-mail", "mail"]
        #expect(try ReadModel.function("crm-mail", among: ids) == "crm-mail")
        #expect(try ReadModel.function("mail", among: ids) == "mail")
        #expect(try ReadModel.function("big-mail", among: ids) == "crm-big-mail")
        #expect(throws: ReadError.ambiguousFunction("mail", ["shop-mail", "crm-mail"])) {
            try ReadModel.function("mail", among: ids.prefix(2))
        }
        #expect(throws: ReadError.unknownFunction("ail")) { try ReadModel.function("ail", among: ids) }
        #expect(throws: ReadError.unknownFunction("")) { try ReadModel.function("", among: ["a-"]) }
    }
}
