import DaybookCore
import DaybookValues
import Testing

/// What a run asks for to start once it has ended.
struct DeferTests {
    private let functions = [function(), function("app-tidy", on: [])]

    private func deferred(_ bench: Bench, _ input: String = #"{"user":"u1"}"#) throws -> ULID {
        let run = try bench.startedRun()
        let outcome = bench.addDefer(run, "d", "app-tidy", input)
        #expect(outcome.answer == .done)
        #expect(
            outcome.lines.map(\.record) == [
                .deferAdded(key: "d", function: "app-tidy", input: Array(input.utf8))
            ])
        #expect(outcome.effects.isEmpty)
        return run
    }

    /// Nothing but what the follow-up came to.
    private func started(_ outcome: Outcome, of run: ULID) throws -> (event: Event, outcome: EventOutcome)? {
        for line in outcome.lines {
            guard case .eventReceived(let event, let came) = line.record, event.name == "inngest/deferred.schedule"
            else { continue }
            try JSONText.check(event.json)
            let view = try #require(JSONView(event.json))
            #expect(view.at(path: "data.user")?.string == "u1")
            #expect(view.at(path: "data._inngest.fn_slug")?.string == "app-tidy")
            #expect(view.at(path: "data._inngest.parent_fn_slug")?.string == "app-f")
            #expect(view.at(path: "data._inngest.parent_run_id")?.string == run.text)
            #expect(view.member("id")?.string == "\(run.text).d")
            return (event, came)
        }
        return nil
    }

    enum End: CaseIterable {
        case completed
        case failed
        case cancelled
        case cancelledByEvent
        case quarantined
        case finishTimeout
        case overLimit
    }

    @Test(arguments: End.allCases)
    func `a follow-up starts at every kind of end, and only then`(end: End) throws {
        var limits = CoreLimits()
        limits.stepsPerRunMax = 1
        var parent = limited("app-f") { $0.cancelOn = [CancelOn(event: "test/stop")] }
        parent.finishTimeout = minute
        let bench = Bench([parent, functions[1]], limits: limits)
        let run = try deferred(bench)
        let outcome: Outcome
        switch end {
        case .completed: outcome = bench.end(run)
        case .failed: outcome = bench.fail(run)
        case .cancelled: outcome = bench.handle(.end(run: run, .cancelled(reason: "r"), input: []))
        case .cancelledByEvent: outcome = bench.handle(.publish([bench.event("test/stop")], claim: nil))
        case .quarantined: outcome = bench.handle(.quarantine(run: run, reason: "damaged"))
        case .finishTimeout: outcome = bench.advance(by: minute)
        case .overLimit:
            _ = bench.endBody(run, "a", "1")
            guard case .fail(_, let error)? = bench.endBody(run, "b", "1").effects.first else {
                Issue.record("not over the limit")
                return
            }
            outcome = bench.fail(run, error)
        }
        #expect(!bench.core.hasRun(run))
        let found = try #require(try started(outcome, of: run))
        #expect(found.outcome.started.count == 1)
        #expect(bench.core.summary(of: found.outcome.started[0])?.function == "app-tidy")
        #expect(outcome.activated == found.outcome.started)
    }

    @Test func `a failed attempt is no end`() throws {
        let bench = Bench(functions)
        let run = try deferred(bench)
        let outcome = bench.fail(run, AttemptError(name: "E", message: "m"))
        #expect(outcome.kinds == ["attempt.failed"])
    }

    @Test func `a follow-up that is aborted does not start`() throws {
        let bench = Bench(functions)
        let run = try deferred(bench)
        #expect(bench.handle(.abortDefer(run: run, key: "d")).lines.map(\.record) == [.deferAborted(key: "d")])
        #expect(bench.handle(.abortDefer(run: run, key: "d")).lines.isEmpty)
        #expect(bench.handle(.abortDefer(run: run, key: "none")).lines.isEmpty)
        #expect(
            bench.core.summary(of: run)?.deferred == [
                RunSummary.Deferred(key: "d", function: "app-tidy", isAborted: true)
            ])
        for other in [try bench.replayed(), try bench.restored(), bench] {
            #expect(other.end(run).kinds == ["run.completed"])
        }
    }

    @Test func `a follow-up that is asked for again is the same one, also after it was aborted`() throws {
        let bench = Bench(functions)
        let run = try deferred(bench)
        #expect(bench.addDefer(run, "d", "app-f", "{}").lines.isEmpty)
        bench.handle(.abortDefer(run: run, key: "d"))
        #expect(bench.addDefer(run, "d", "app-tidy", "{}").lines.isEmpty)
        #expect(bench.end(run).kinds == ["run.completed"])
    }

    @Test func `follow-ups outlive a crash at any point, and start once`() throws {
        let bench = Bench(functions + [function("app-l", on: ["inngest/function.cancelled"])])
        let run = try deferred(bench)
        for other in [try bench.replayed(), try bench.restored()] {
            other.open(epoch: 2)
            #expect(try started(other.end(run), of: run) != nil)
        }
        // Cancelled, and the process dies before its event was read.
        bench.handle(.cancelRuns([run], reason: "r"))
        let dead = try bench.replayed()
        dead.open(epoch: 2)
        #expect(dead.core.outstandingEffects(at: dead.time) == [.cancel(run: run, reason: "r")])
        let outcome = dead.handle(.end(run: run, .cancelled(reason: "r"), input: Array("{}".utf8)))
        #expect(try started(outcome, of: run) != nil)
        // On record is on record.
        let again = try dead.replayed()
        again.open(epoch: 3)
        #expect(again.core.runSummaries.filter { $0.function == "app-tidy" }.count == 1)
        #expect(again.core.encodedState == (try again.replayed()).core.encodedState)
    }

    @Test func `several follow-ups start in the order in which they were asked for`() throws {
        let bench = Bench(functions + [function("app-mail", on: [])])
        let run = try bench.startedRun()
        _ = bench.addDefer(run, "b", "app-tidy", "{}")
        _ = bench.addDefer(run, "a", "app-mail", "{}")
        _ = bench.addDefer(run, "c", "app-tidy", "{}")
        #expect(bench.end(run).queued.map(\.function) == ["app-tidy", "app-mail", "app-tidy"])
    }

    @Test func `more than twenty follow-ups are ignored, with a warning`() throws {
        let bench = Bench(functions)
        let run = try bench.startedRun()
        for index in 0..<20 { #expect(bench.addDefer(run, "d\(index)", "app-tidy", "{}").lines.count == 1) }
        let outcome = bench.addDefer(run, "d20", "app-tidy", "{}")
        #expect(outcome.answer == .done)
        #expect(outcome.lines.isEmpty)
        guard case .warn(run, let text)? = outcome.effects.first else {
            Issue.record("no warning")
            return
        }
        #expect(text.contains("20"))
        #expect(bench.end(run).queued.count == 20)
    }

    @Test func `follow-ups whose input is too large together are ignored, with a warning`() throws {
        var limits = CoreLimits()
        limits.deferBytesMax = 20
        let bench = Bench(functions, limits: limits)
        let run = try bench.startedRun()
        #expect(bench.addDefer(run, "a", "app-tidy", #"{"n":1234}"#).lines.count == 1)
        #expect(bench.addDefer(run, "b", "app-tidy", #"{"n":12345}"#).lines.isEmpty)
        #expect(bench.addDefer(run, "c", "app-tidy", #"{"n":1234}"#).lines.count == 1)
        #expect(bench.addDefer(run, "d", "app-tidy", "{}").effects.count == 1)
    }

    @Test func `input with white space stays on one line`() throws {
        let bench = Bench(functions)
        let run = try bench.startedRun()
        let outcome = bench.addDefer(run, "d", "app-tidy", "{\n  \"user\": \"u1\"\n}")
        let payload = try #require(outcome.lines.first).payload
        #expect(!payload.contains(0x0A))
        #expect(try started(bench.end(run), of: run) != nil)
        let empty = try bench.startedRun()
        _ = bench.addDefer(empty, "d", "app-tidy", "{ }")
        for case .eventReceived(let event, _) in bench.end(empty).lines.map(\.record) {
            try JSONText.check(event.json)
        }
    }

    @Test func `a follow-up of a function that does not exist leaves its event and a warning`() throws {
        let bench = Bench(functions)
        let run = try bench.startedRun()
        _ = bench.addDefer(run, "d", "app-none", "{}")
        let outcome = bench.end(run)
        #expect(outcome.kinds == ["run.completed", "event.received"])
        guard case .warn(run, let text)? = outcome.effects.first else {
            Issue.record("no warning: \(outcome.effects)")
            return
        }
        #expect(text.contains("app-none"))
    }

    @Test func `a follow-up meets the flow control of its function`() throws {
        var tidy = limited("app-tidy") { $0.debounce = Debounce(period: minute) }
        tidy.triggers = []
        let bench = Bench([function(), tidy])
        let run = try deferred(bench)
        let held = try #require(try started(bench.end(run), of: run))
        #expect(held.outcome.started.isEmpty)
        #expect(held.outcome.held.map(\.function) == ["app-tidy"])
        #expect(bench.advance(by: minute).queued.map(\.function) == ["app-tidy"])
        bench.handle(.pause(function: "app-tidy"))
        let second = try deferred(bench)
        #expect(try started(bench.end(second), of: second)?.outcome.dropped.map(\.reason) == [.paused])
    }

    @Test func `the run that follows is told of its own failures, and asks for follow-ups of its own`() throws {
        let bench = Bench(functions)
        let run = try deferred(bench)
        let child = try #require(try started(bench.end(run), of: run)?.outcome.started.first)
        bench.handle(.begin(run: child))
        #expect(bench.addDefer(child, "d", "app-f", "{}").lines.count == 1)
        #expect(bench.end(child).queued.map(\.function) == ["app-f"])
    }

    @Test func `a follow-up of the same singleton as a run that takes its place makes way too`() throws {
        let bench = Bench([limited("app-f") { $0.singleton = Singleton(mode: .cancel) }])
        let run = try bench.startedRun()
        _ = bench.addDefer(run, "d", "app-f", "{}")
        let newer = try #require(bench.publish("test/go").first)
        #expect(bench.core.runSummaries.map(\.id) == [newer])
        #expect(try bench.replayed().core.encodedState == bench.core.encodedState)
    }

    @Test func `a run that is gone takes no follow-up`() throws {
        let bench = Bench(functions)
        let run = try bench.startedRun()
        _ = bench.end(run)
        #expect(bench.addDefer(run, "d", "app-tidy", "{}").answer == .stale)
        #expect(bench.handle(.abortDefer(run: run, key: "d")).answer == .stale)
    }
}
