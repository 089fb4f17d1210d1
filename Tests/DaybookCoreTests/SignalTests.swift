import DaybookCore
import DaybookValues
import Testing

struct SignalTests {
    private func waitingRun(_ bench: Bench, _ signal: String = "go", timeout: Int64 = hour) throws -> ULID {
        let run = try bench.startedRun()
        #expect(bench.waitForSignal(run, "s", signal, timeout: timeout).answer == .opened)
        return run
    }

    @Test func `a signal gives the step that waits for it its data, once`() throws {
        let bench = Bench([function()])
        let run = try waitingRun(bench)
        #expect(bench.core.summary(of: run)?.open.map(\.kind) == [.signal])
        #expect(bench.core.summary(of: run)?.open.map(\.detail) == ["go"])
        let outcome = bench.signal("go", #"{ "ok" : true }"#)
        let output = Array(#"{"signal":"go","data":{"ok":true}}"#.utf8)
        #expect(outcome.answer == .signalled(run: run))
        #expect(
            outcome.lines.map(\.record) == [
                .stepCompleted(StepOutcome(key: "s", operation: .signal, output: output))
            ])
        #expect(outcome.effects == [.deliver(run: run, key: "s", .completed(output))])
        #expect(bench.signal("go").answer == .refused(.unknownSignal("go")))
        #expect(bench.advance(by: day).lines.isEmpty)
    }

    @Test func `a signal nobody waits for is refused and leaves nothing`() throws {
        let bench = Bench([function()])
        _ = try waitingRun(bench)
        let outcome = bench.signal("stop")
        #expect(outcome.answer == .refused(.unknownSignal("stop")))
        #expect(outcome.lines.isEmpty && outcome.effects.isEmpty)
    }

    @Test func `a signal without data gives null`() throws {
        let bench = Bench([function()])
        let run = try waitingRun(bench)
        let outcome = bench.handle(.signal(name: "go", data: []))
        #expect(
            outcome.effects == [
                .deliver(run: run, key: "s", .completed(Array(#"{"signal":"go","data":null}"#.utf8)))
            ])
    }

    @Test func `a signal that does not come in time gives null`() throws {
        let bench = Bench([function()])
        let run = try waitingRun(bench, timeout: minute)
        let outcome = bench.advance(by: minute)
        #expect(outcome.effects == [.deliver(run: run, key: "s", .completed(Array("null".utf8)))])
        #expect(bench.signal("go").answer == .refused(.unknownSignal("go")))
    }

    @Test(arguments: [0, -5] as [Int64])
    func `a wait of no length gives null at once`(timeout: Int64) throws {
        let bench = Bench([function()])
        let run = try bench.startedRun()
        let outcome = bench.waitForSignal(run, "s", "go", timeout: timeout)
        #expect(outcome.answer == .completed(Array("null".utf8)))
        #expect(outcome.kinds == ["step.completed"])
    }

    @Test func `a wait that is too long fails its step`() throws {
        let bench = Bench([function()])
        let run = try bench.startedRun()
        guard case .failed(let error) = bench.waitForSignal(run, "s", "go", timeout: 367 * day).answer else {
            Issue.record("it waits")
            return
        }
        #expect(text(error).contains("InngestErrTimeoutTooLong"))
    }

    @Test func `the code that comes to its wait again goes on waiting`() throws {
        let bench = Bench([function()])
        let run = try waitingRun(bench)
        for other in [bench, try bench.replayed(), try bench.restored()] {
            let outcome = other.waitForSignal(run, "s", "go")
            #expect(outcome.answer == .opened)
            #expect(outcome.lines.isEmpty)
            #expect(other.signal("go").answer == .signalled(run: run))
        }
    }

    @Test func `the run that comes second to a signal fails, the first one goes on waiting`() throws {
        let bench = Bench([function()])
        let first = try waitingRun(bench)
        let second = try bench.startedRun()
        let outcome = bench.waitForSignal(second, "s", "go")
        #expect(outcome.answer == .ended)
        let error = errorJSON(
            name: "Error", message: "Signal conflict; signal wait already exists for another run")
        #expect(outcome.lines.map(\.record) == [.runFailed(error: error)])
        #expect(outcome.effects == [.close(run: second)])
        #expect(bench.signal("go").answer == .signalled(run: first))
    }

    @Test func `a conflict is told to those who listen for failures, with the event`() throws {
        let bench = Bench([function(), function("app-l", on: ["inngest/function.failed"])])
        _ = try waitingRun(bench)
        let second = try bench.startedRun()
        let outcome = bench.waitForSignal(second, "s", "go")
        #expect(outcome.answer == .ended)
        #expect(outcome.lines.isEmpty)
        guard case .fail(second, let error)? = outcome.effects.first else {
            Issue.record("not to be failed: \(outcome.effects)")
            return
        }
        #expect(!error.isRetriable)
        #expect(bench.fail(second, error).kinds == ["run.failed", "event.received", "run.queued"])
    }

    @Test func `with replace the newer wait has the signal, and the older one only times out`() throws {
        let bench = Bench([function()])
        let older = try waitingRun(bench)
        let newer = try bench.startedRun()
        let outcome = bench.waitForSignal(newer, "n", "go", replacesOther: true, timeout: 2 * hour)
        #expect(outcome.answer == .opened)
        #expect(outcome.kinds == ["signal.started"])
        for other in [try bench.replayed(), try bench.restored(), bench] {
            #expect(other.core.encodedState == bench.core.encodedState)
            #expect(other.signal("go").answer == .signalled(run: newer))
            // It does not get the name back.
            #expect(other.signal("go").answer == .refused(.unknownSignal("go")))
            #expect(
                other.advance(by: hour).effects == [.deliver(run: older, key: "s", .completed(Array("null".utf8)))])
        }
    }

    @Test func `the end of a run that was replaced leaves the signal to the other`() throws {
        let bench = Bench([function()])
        let older = try waitingRun(bench)
        let newer = try bench.startedRun()
        _ = bench.waitForSignal(newer, "n", "go", replacesOther: true)
        _ = bench.end(older)
        #expect(bench.signal("go").answer == .signalled(run: newer))
    }

    @Test func `a snapshot under way has the older wait as it was when it began`() throws {
        let bench = Bench([function()])
        _ = try waitingRun(bench)
        let newer = try bench.startedRun()
        let wanted = bench.core.encodedState
        var taken = bench.core.beginSnapshot()
        _ = bench.waitForSignal(newer, "n", "go", replacesOther: true)
        while let slice = bench.core.nextSnapshotSlice(runsMax: 1) { taken += slice }
        #expect(taken == wanted)
    }

    @Test func `a run that ends gives its signal up`() throws {
        let bench = Bench([function()])
        let run = try waitingRun(bench)
        _ = bench.handle(.end(run: run, .cancelled(reason: "r"), input: []))
        #expect(bench.signal("go").answer == .refused(.unknownSignal("go")))
        _ = try waitingRun(bench)
        #expect(bench.signal("go").kinds == ["step.completed"])
    }

    @Test func `a signal outlives restarts`() throws {
        let bench = Bench([function()])
        let run = try waitingRun(bench)
        bench.handle(.park(run: run))
        for other in [try bench.replayed(), try bench.restored()] {
            other.open(epoch: 2)
            #expect(other.core.outstandingEffects(at: other.time).isEmpty)
            #expect(other.signal("go").effects.count == 1)
        }
    }

    @Test func `one step too many fails the run instead of waiting`() throws {
        var limits = CoreLimits()
        limits.stepsPerRunMax = 1
        let bench = Bench([function()], limits: limits)
        let run = try bench.startedRun()
        _ = bench.endBody(run, "a", "1")
        let outcome = bench.waitForSignal(run, "s", "go")
        #expect(outcome.answer == .stale)
        guard case .fail(run, _)? = outcome.effects.first else {
            Issue.record("it waits")
            return
        }
    }
}
