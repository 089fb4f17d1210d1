import DaybookCore
import DaybookValues
import Testing

struct RunEndTests {
    private let onFailure = FunctionConfig(
        id: "app-f-failure", app: "app",
        triggers: [.event(name: "inngest/function.failed", matches: [match("data.function_id", "\"app-f\"")])],
        retries: 0)

    // MARK: - Cancelling and timeouts

    @Test func `cancelling ends a run at once and drops all that it waited for`() throws {
        let bench = Bench([function()])
        let run = try bench.startedRun()
        _ = bench.sleep(run, "a", hour)
        _ = bench.wait(run, "b", "e")
        _ = bench.failBody(run, "c", attempt: 1)
        let outcome = bench.handle(.end(run: run, .cancelled(reason: "asked for"), input: []))
        #expect(outcome.lines.map(\.record) == [.runCancelled(reason: "asked for")])
        #expect(outcome.effects == [.close(run: run)])
        #expect(bench.handle(.publish([bench.event("e")], claim: nil)).effects.isEmpty)
        #expect(bench.advance(by: day).lines.isEmpty)
        #expect(bench.endBody(run, "c", attempt: 2, "1").answer == .stale)
        #expect(bench.sleep(run, "d", hour).answer == .stale)
        #expect(bench.end(run).answer == .stale)
    }

    @Test func `a run that has not begun can be cancelled`() {
        let bench = Bench([function()])
        let run = bench.publish("test/go", ts: start + hour)
        #expect(bench.handle(.end(run: run[0], .cancelled(reason: "asked for"), input: [])).answer == .ended)
        #expect(bench.advance(by: day).effects.isEmpty)
    }

    @Test func `a run that has not begun in time is cancelled, one that has is not`() throws {
        let bench = Bench([function(startTimeout: minute)])
        let begun = try bench.startedRun()
        let late = try #require(bench.publish("test/go").first)
        let outcome = bench.advance(by: minute)
        #expect(outcome.lines.map(\.record) == [.runCancelled(reason: "it had not started within its start timeout")])
        #expect(outcome.effects == [.close(run: late)])
        #expect(bench.core.hasRun(begun))
    }

    @Test func `a run that is too late does not begin while its event is read for those who listen`() throws {
        let bench = Bench([function(startTimeout: minute), function("app-l", on: ["inngest/function.cancelled"])])
        let late = try #require(bench.publish("test/go").first)
        #expect(bench.advance(by: minute).kinds == ["run.cancelling"])
        #expect(bench.handle(.begin(run: late)).answer == .stale)
    }

    @Test func `a run that has not ended in time is cancelled, counted from its start`() throws {
        let bench = Bench([function(finishTimeout: minute)])
        let run = try #require(bench.publish("test/go").first)
        bench.advance(by: hour)
        bench.handle(.begin(run: run))
        _ = bench.sleep(run, "nap", day)
        #expect(bench.advance(by: minute - 1).effects.isEmpty)
        let outcome = bench.advance(by: 1)
        #expect(outcome.lines.map(\.record) == [.runCancelled(reason: "it had not ended within its finish timeout")])
        #expect(outcome.effects == [.close(run: run)])
    }

    @Test func `timeouts outlive a restart and stay what they were when they began`() throws {
        let bench = Bench([function(startTimeout: minute, finishTimeout: hour)])
        let waiting = try #require(bench.publish("test/go").first)
        let running = try bench.startedRun()
        bench.register([function()])
        for other in [try bench.restored(), try bench.replayed(), bench] {
            #expect(other.advance(by: minute).effects == [.close(run: waiting)])
            #expect(other.advance(by: hour).effects == [.close(run: running)])
        }
    }

    // MARK: - The events of an end

    @Test func `nobody listens, nothing is published`() throws {
        let bench = Bench([function()])
        #expect(bench.end(try bench.startedRun()).kinds == ["run.completed"])
        #expect(bench.fail(try bench.startedRun()).kinds == ["run.failed"])
        let run = try bench.startedRun()
        #expect(!bench.core.needsInput(toEnd: run))
    }

    @Test func `a failed run starts its failure handler once, with the error and the event`() throws {
        let bench = Bench([function(), onFailure])
        let run = try bench.startedRun("test/go")
        #expect(bench.core.needsInput(toEnd: run))
        let outcome = bench.fail(run)
        #expect(outcome.kinds == ["run.failed", "event.received", "run.queued"])
        guard case .eventReceived(let event, _) = outcome.lines[1].record else { return }
        try JSONText.check(event.json)
        let view = try #require(JSONView(event.json))
        #expect(event.key == run.text)
        #expect(view.member("id")?.string == run.text)
        #expect(view.at(path: "data.function_id")?.string == "app-f")
        #expect(view.at(path: "data.run_id")?.string == run.text)
        #expect(view.at(path: "data.error.message")?.string == "no")
        #expect(view.at(path: "data.event.name")?.string == "in")
        #expect(view.at(path: "data.events.0.name")?.string == "in")
        #expect(view.at(path: "data._inngest.status")?.string == "Failed")
    }

    @Test func `a run that completes or is cancelled does not start its failure handler`() throws {
        let bench = Bench([function(), onFailure])
        #expect(bench.end(try bench.startedRun()).kinds == ["run.completed"])
        let run = try bench.startedRun()
        #expect(bench.handle(.end(run: run, .cancelled(reason: "r"), input: [])).kinds == ["run.cancelled"])
    }

    @Test func `another function's failure does not start the handler`() throws {
        let bench = Bench([function(), function("app-g", on: ["g"]), onFailure])
        let run = try #require(bench.publish("g").first)
        #expect(bench.fail(run).kinds == ["run.failed", "event.received"])
    }

    @Test func `a handler that fails itself starts no handler`() throws {
        let all = FunctionConfig(
            id: "app-all", app: "app",
            triggers: [
                .event(name: "inngest/function.failed", matches: []),
                .event(name: "inngest/function.finished", matches: []),
            ])
        let bench = Bench([function(), all])
        let run = try bench.startedRun()
        let handlers = bench.fail(run).lines.compactMap { line in
            if case .runQueued = line.record, case .run(let id) = line.stream { id } else { nil }
        }
        #expect(handlers.count == 2)
        for handler in handlers {
            #expect(!bench.core.needsInput(toEnd: handler))
            #expect(bench.fail(handler).kinds == ["run.failed"])
        }
    }

    @Test func `every end says finished, and its own kind`() throws {
        let spy = function("app-spy", on: ["inngest/function.finished", "inngest/function.cancelled"])
        let bench = Bench([function(), spy])
        func events(_ outcome: Outcome) -> [Event] {
            outcome.lines.compactMap { if case .eventReceived(let event, _) = $0.record { event } else { nil } }
        }
        let completed = events(bench.end(try bench.startedRun(), #"{"ok":true}"#))
        #expect(completed.map(\.name) == ["inngest/function.finished"])
        #expect(JSONView(completed[0].json)?.at(path: "data.result.ok")?.bool == true)
        let run = try bench.startedRun()
        let cancelled = events(bench.handle(.end(run: run, .cancelled(reason: "r"), input: Array("{}".utf8))))
        #expect(cancelled.map(\.name) == ["inngest/function.finished", "inngest/function.cancelled"])
        #expect(JSONView(cancelled[1].json)?.at(path: "data.result") == nil)
        #expect(JSONView(cancelled[1].json)?.at(path: "data._inngest.status")?.string == "Cancelled")
    }

    @Test func `the end of a run whose input is not at hand is told with null in its place`() throws {
        let bench = Bench([function(), function("app-spy", on: ["inngest/function.finished"])])
        let run = try bench.startedRun()
        let outcome = bench.handle(.end(run: run, .cancelled(reason: "r"), input: []))
        guard case .eventReceived(let event, _)? = outcome.lines.dropFirst().first?.record else {
            Issue.record("no event")
            return
        }
        try JSONText.check(event.json)
        #expect(
            JSONView(event.json)?.at(path: "data.event").map { String(decoding: $0.bytes, as: UTF8.self) } == "null")
    }

    @Test func `a run may wait for the end of another`() throws {
        let bench = Bench([function()])
        let (waiting, other) = (try bench.startedRun(), try bench.startedRun())
        _ = bench.wait(waiting, "w", "inngest/function.finished", [match("data.run_id", "\"\(other.text)\"")])
        #expect(bench.core.needsInput(toEnd: other))
        let outcome = bench.end(other, "7")
        #expect(outcome.kinds == ["run.completed", "event.received", "step.completed"])
    }

    // MARK: - Limits

    @Test func `one step too many fails the run and names the limit`() throws {
        var limits = CoreLimits()
        limits.stepsPerRunMax = 3
        for command in 0..<5 {
            let bench = Bench([function()], limits: limits)
            let run = try bench.startedRun()
            for index in 0..<3 { #expect(bench.endBody(run, "s\(index)", "1").answer == .recorded) }
            let outcome =
                switch command {
                case 0: bench.endBody(run, "x", "1")
                case 1: bench.sleep(run, "x", hour)
                case 2: bench.wait(run, "x", "e")
                case 3: bench.invoke(run, "x", "app-f")
                default: bench.handle(.send(run: run, key: "x", events: [bench.event("e")]))
                }
            expectFailure(bench, run, outcome, "step limit of 3 steps")
        }
    }

    /// The step is not recorded; the node is to end the run, with the event it was given.
    private func expectFailure(_ bench: Bench, _ run: ULID, _ outcome: Outcome, _ message: String) {
        #expect(outcome.answer == .stale)
        #expect(outcome.kinds == [])
        guard case .fail(run, let error)? = outcome.effects.first else {
            Issue.record("the run is not to be failed: \(outcome.effects)")
            return
        }
        #expect(text(error.json).contains(message))
        let end = bench.fail(run, error)
        #expect(end.kinds == ["run.failed"])
        #expect(end.effects == [.close(run: run)])
    }

    @Test func `ten thousand steps are allowed`() throws {
        let bench = Bench([function()])
        let run = try bench.startedRun()
        for index in 0..<10_000 {
            guard bench.endBody(run, "s:\(index)", "1").answer == .recorded else {
                Issue.record("step \(index) was refused")
                return
            }
        }
        expectFailure(bench, run, bench.endBody(run, "one more", "1"), "step limit of 10000 steps")
    }

    @Test func `an output over the limit fails the step, without retries, and names the limit`() throws {
        var limits = CoreLimits()
        limits.stepOutputBytesMax = 100
        let bench = Bench([function()], limits: limits)
        let run = try bench.startedRun()
        #expect(bench.endBody(run, "a", "\"\(String(repeating: "x", count: 98))\"").answer == .recorded)
        guard case .failed(let error) = bench.endBody(run, "b", "\"\(String(repeating: "x", count: 99))\"").answer
        else {
            Issue.record("not failed")
            return
        }
        #expect(text(error).contains("100 bytes"))
        #expect(bench.core.hasRun(run))
    }

    @Test func `outputs that are too large together fail the run and name the limit`() throws {
        var limits = CoreLimits()
        limits.runStateBytesMax = 10
        let bench = Bench([function()], limits: limits)
        let run = try bench.startedRun()
        #expect(bench.endBody(run, "a", "12345").answer == .recorded)
        #expect(bench.endBody(run, "b", "12345").answer == .recorded)
        expectFailure(bench, run, bench.endBody(run, "c", "1"), "state size limit of 10 bytes")
    }
}
