import DaybookCore
import DaybookValues
import Testing

struct SendEventTests {
    @Test func `events that a step sends are one batch with its result and with the runs they start`() throws {
        let bench = Bench([function(), function("app-other", on: ["other"])])
        let run = try bench.startedRun()
        let events = [bench.event("other"), bench.event("nobody")]
        let outcome = bench.handle(.send(run: run, key: "send", events: events))
        #expect(outcome.kinds == ["step.completed", "event.received", "run.queued", "event.received"])
        guard case .completed(let output) = outcome.answer else {
            Issue.record("no result")
            return
        }
        var ids: [String] = []
        JSONView(output)?.forEachElement {
            ids.append($0.string ?? "")
            return true
        }
        #expect(ids == events.map(\.id.text))
    }

    @Test func `a step may send the event that another branch of its run waits for`() throws {
        let bench = Bench([function()])
        let run = try bench.startedRun()
        _ = bench.wait(run, "w", "echo")
        let outcome = bench.handle(.send(run: run, key: "send", events: [bench.event("echo")]))
        #expect(outcome.kinds == ["step.completed", "event.received", "step.completed"])
        #expect(outcome.effects.count == 1)
    }

    @Test func `sending nothing is a step like any other`() throws {
        let bench = Bench([function()])
        let run = try bench.startedRun()
        #expect(bench.handle(.send(run: run, key: "send", events: [])).answer == .completed(Array("[]".utf8)))
    }

    @Test func `a run that is gone sends nothing`() throws {
        let bench = Bench([function()])
        let run = try bench.startedRun()
        _ = bench.end(run)
        let outcome = bench.handle(.send(run: run, key: "send", events: [bench.event("test/go")]))
        #expect(outcome.answer == .stale)
        #expect(outcome.lines.isEmpty)
    }
}
