import DaybookCore
import DaybookValues
import Testing

struct ParkTests {
    @Test func `a run whose steps wait may park, and sleeps on through a restart`() throws {
        let bench = Bench([function()])
        let run = try bench.startedRun()
        _ = bench.sleep(run, "nap", day)
        #expect(bench.handle(.park(run: run)).lines.map(\.record) == [.runParked])
        #expect(bench.core.summary(of: run)?.isParked == true)
        #expect(bench.handle(.park(run: run)).answer == .stale)
        for other in [try bench.restored(), try bench.replayed()] {
            #expect(other.core.outstandingEffects(at: other.time).isEmpty)
            #expect(other.advance(by: day).effects == [.deliver(run: run, key: "nap", .completed(Array("null".utf8)))])
            #expect(other.core.summary(of: run)?.isParked == false)
            // A crash before it goes on: it is to be loaded.
            #expect(other.core.outstandingEffects(at: other.time) == [.run(run, input: nil)])
        }
    }

    @Test func `a run that nothing would wake may not park`() throws {
        let bench = Bench([function()], retryPolicy: RetryPolicy(fixedWait: minute))
        let run = try bench.startedRun()
        #expect(bench.handle(.park(run: run)).answer == .stale)
        _ = bench.fail(run, AttemptError(name: "E", message: "m"))
        bench.advance(by: minute)
        // Its attempt has come: the pause that would have woken it is over.
        #expect(bench.handle(.park(run: run)).answer == .stale)
        #expect(bench.core.outstandingEffects(at: bench.time) == [.run(run, input: nil)])
    }

    @Test func `a run may park while its next attempt waits, and is woken for it`() throws {
        let bench = Bench([function()], retryPolicy: RetryPolicy(fixedWait: hour))
        let run = try bench.startedRun()
        _ = bench.fail(run, AttemptError(name: "E", message: "m"))
        #expect(bench.handle(.park(run: run)).answer == .done)
        #expect(try bench.restored().advance(by: hour).effects == [.run(run, input: nil)])
        #expect(bench.advance(by: hour).effects == [.run(run, input: nil)])
        // Killed before it did anything: it is woken again.
        #expect(try bench.restored().fire().effects == [.run(run, input: nil)])
    }

    @Test func `an event wakes a parked run`() throws {
        let bench = Bench([function()])
        let run = try bench.startedRun()
        _ = bench.wait(run, "w", "e")
        bench.handle(.park(run: run))
        for other in [try bench.restored(), try bench.replayed()] {
            #expect(other.handle(.publish([bench.event("e")], claim: nil)).effects.count == 1)
            #expect(other.core.outstandingEffects(at: other.time) == [.run(run, input: nil)])
        }
    }

    @Test func `a run begins once`() throws {
        let bench = Bench([function()])
        let run = try #require(bench.publish("test/go").first)
        #expect(bench.core.summary(of: run)?.status == .queued)
        #expect(bench.handle(.begin(run: run)).kinds == ["run.started"])
        #expect(bench.core.summary(of: run)?.status == .running)
        #expect(bench.handle(.begin(run: run)).answer == .stale)
        #expect(bench.handle(.begin(run: ULID(high: 1, low: 1))).answer == .stale)
    }

    @Test func `a damaged run is set aside and the others go on`() throws {
        let bench = Bench([function()])
        let (bad, good) = (try bench.startedRun(), try bench.startedRun())
        _ = bench.wait(bad, "w", "e")
        _ = bench.wait(good, "w", "e")
        let outcome = bench.handle(.quarantine(run: bad, reason: "line 3 is damaged"))
        #expect(outcome.lines.map(\.record) == [.runQuarantined(reason: "line 3 is damaged")])
        #expect(outcome.effects == [.close(run: bad)])
        #expect(bench.handle(.publish([bench.event("e")], claim: nil)).effects.count == 1)
        #expect(bench.handle(.quarantine(run: bad, reason: "again")).answer == .refused(.unknownRun(bad)))
    }

    // MARK: - Retrying a whole run

    @Test func `a retry is a new run of the same input with the results it was given`() throws {
        let bench = Bench([function()])
        let origin = ULID(high: 5, low: 5)
        let copied: [CopiedResult] = [
            .completed(StepOutcome(key: "a", output: Array("1".utf8))),
            .failed(StepFailure(key: "b", attempt: 5, error: errorJSON(name: "E", message: "m"))),
        ]
        let outcome = bench.handle(
            .retry(
                origin: origin, function: "app-f", input: .inline(Array("{}".utf8)), eventName: "test/go",
                copied: copied))
        guard case .queued(let run) = outcome.answer else {
            Issue.record("not queued")
            return
        }
        #expect(outcome.kinds == ["run.queued", "step.completed", "step.failed"])
        #expect(outcome.effects == [.run(run, input: nil)])
        guard case .runQueued(let queued) = outcome.lines[0].record,
            case .stepCompleted(let step) = outcome.lines[1].record,
            case .stepFailed(let failure) = outcome.lines[2].record
        else { return }
        #expect(queued.cause == .retry(of: origin))
        #expect(step.copiedFrom == origin)
        #expect(failure.copiedFrom == origin)
        #expect(bench.core.summary(of: run)?.stepCount == 2)
    }

    @Test func `a retry of a function that is gone is refused and changes nothing`() {
        let bench = Bench([function(), function("app-old")])
        bench.register([function()])
        for name in ["app-none", "app-old"] {
            let outcome = bench.handle(
                .retry(origin: ULID(high: 5, low: 5), function: name, input: .inline([]), eventName: "e", copied: []))
            #expect(outcome.answer == .refused(.unknownFunction(name)))
            #expect(outcome.lines.isEmpty)
        }
    }

    @Test func `a retry is not held back by the id of its event`() throws {
        let bench = Bench([function()])
        _ = bench.end(try #require(bench.publish("test/go", key: "k").first))
        let outcome = bench.handle(
            .retry(
                origin: ULID(high: 5, low: 5), function: "app-f", input: .inline(Array("{}".utf8)),
                eventName: "test/go", copied: []))
        #expect(outcome.effects.count == 1)
    }
}
