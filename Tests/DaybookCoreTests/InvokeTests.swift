import DaybookCore
import DaybookValues
import Testing

struct InvokeTests {
    private let functions = [function(), function("app-child", on: [])]

    private func invoked(_ bench: Bench, timeout: Int64 = hour, data: String = "{}") throws -> (
        parent: ULID, child: ULID
    ) {
        let parent = try bench.startedRun()
        let outcome = bench.invoke(parent, "call", "app-child", data, timeout: timeout)
        #expect(outcome.answer == .opened)
        let child: ULID? = outcome.lines.compactMap { line in
            if case .invokeStarted(_, _, let child, _, _) = line.record { child } else { nil }
        }.first
        return (parent, try #require(child))
    }

    @Test func `a call starts a run of the function with its data, in one batch`() throws {
        let bench = Bench(functions)
        let parent = try bench.startedRun()
        let outcome = bench.invoke(parent, "call", "app-child", #"{"n":1}"#)
        #expect(outcome.kinds == ["invoke.started", "run.queued"])
        guard case .run(let child, let input?)? = outcome.effects.first,
            case .runQueued(let queued)? = outcome.lines.last?.record
        else {
            Issue.record("no run")
            return
        }
        #expect(queued.function == "app-child")
        #expect(queued.cause == .invoke(parent: parent, key: "call"))
        #expect(outcome.lines.last?.stream == .run(child))
        let event = try #require(JSONView(input))
        try JSONText.check(input)
        #expect(event.member("name")?.string == "inngest/function.invoked")
        #expect(event.at(path: "data.n")?.integer == 1)
        #expect(event.at(path: "data._inngest.fn_id")?.string == "app-child")
        #expect(event.at(path: "data._inngest.correlation_id")?.string == "\(parent.text).call")
    }

    @Test func `what the function returned is the result of the call`() throws {
        let bench = Bench(functions)
        let (parent, child) = try invoked(bench)
        let outcome = bench.end(child, "[1]")
        #expect(outcome.kinds == ["run.completed", "step.completed"])
        #expect(outcome.effects == [.deliver(run: parent, key: "call", .completed(Array("[1]".utf8)))])
        #expect(bench.advance(by: day).effects.isEmpty)
    }

    @Test func `the error of the function is the error of the call, after its retries`() throws {
        let bench = Bench(functions, retryPolicy: RetryPolicy(fixedWait: 1_000))
        let (parent, child) = try invoked(bench)
        let error = AttemptError(name: "Oops", message: "no")
        for _ in 1...4 {
            #expect(bench.fail(child, error).effects.isEmpty)
            bench.advance(by: 1_000)
        }
        let outcome = bench.fail(child, error)
        #expect(outcome.effects == [.deliver(run: parent, key: "call", .failed(error.json)), .close(run: child)])
        #expect(bench.core.summary(of: parent)?.open.isEmpty == true)
    }

    @Test func `a call of an unknown or removed function fails at once and names it`() throws {
        let bench = Bench(functions + [function("app-old", on: [])])
        bench.register(functions)
        let parent = try bench.startedRun()
        for (key, name) in [("a", "app-none"), ("b", "app-old")] {
            guard case .failed(let error) = bench.invoke(parent, key, name).answer else {
                Issue.record("\(name) was found")
                continue
            }
            #expect(JSONView(error)?.member("message")?.string == "could not find function with ID: \(name)")
        }
    }

    @Test func `a call that lasts too long fails, and the called run goes on`() throws {
        let bench = Bench(functions)
        let (parent, child) = try invoked(bench, timeout: minute)
        let effects = bench.advance(by: minute).effects
        guard effects.count == 1, case .deliver(parent, "call", .failed(let error))? = effects.first else {
            Issue.record("no timeout: \(effects)")
            return
        }
        #expect(JSONView(error)?.member("name")?.string == "InngestInvokeTimeoutError")
        #expect(bench.core.hasRun(child))
        #expect(bench.end(child).effects.isEmpty)
    }

    @Test func `a called run that is cancelled or damaged fails the call and says why`() throws {
        for (command, name) in [
            ({ Command.end(run: $0, .cancelled(reason: "asked for"), input: []) }, "InvokedRunCancelled"),
            ({ Command.quarantine(run: $0, reason: "line 3") }, "InvokedRunQuarantined"),
        ] {
            let bench = Bench(functions)
            let (parent, child) = try invoked(bench)
            let outcome = bench.handle(command(child))
            let failure: [UInt8]? = outcome.effects.compactMap {
                if case .deliver(parent, "call", .failed(let error)) = $0 { error } else { nil }
            }.first
            let view = try #require(JSONView(failure ?? []))
            #expect(view.member("name")?.string == name)
            #expect(view.member("message")?.string?.contains(child.text) == true)
            #expect(outcome.effects.contains(.close(run: child)))
        }
    }

    @Test func `a run that the state does not know is put on record as set aside only if the log has records of it`()
        throws
    {
        let bench = Bench(functions)
        let lost = ULID(at: start, random: (1, 2))
        let refused = bench.handle(.quarantine(run: lost, reason: "record 3 is damaged"))
        #expect(refused.answer == .refused(.unknownRun(lost)))
        #expect(refused.lines.isEmpty)
        _ = bench.handle(.quarantine(run: lost, reason: "record 3 is damaged", isUnfinishedInLog: true))
        #expect(bench.lines.last?.stream == .run(lost))
        #expect(bench.lines.last?.record == .runQuarantined(reason: "record 3 is damaged"))
        #expect(try bench.replayed().core.encodedState == bench.core.encodedState)
    }

    @Test func `a call of a run whose first record is lost fails and says why`() throws {
        let bench = Bench(functions)
        let (parent, child) = try invoked(bench)
        // A process that never saw the run's first record.
        let other = Bench()
        other.now = bench.now
        for (line, time) in zip(bench.lines, bench.times) where line.stream != .run(child) {
            try other.core.apply(line.record, stream: line.stream, at: time)
        }
        let outcome = other.handle(.quarantine(run: child, reason: "r", isUnfinishedInLog: true))
        #expect(outcome.kinds == ["run.quarantined", "step.failed"])
        #expect(outcome.lines.last?.stream == .run(parent))
        let failure: [UInt8]? = outcome.effects.compactMap {
            if case .deliver(parent, "call", .failed(let error)) = $0 { error } else { nil }
        }.first
        let view = try #require(JSONView(failure ?? []))
        #expect(view.member("name")?.string == "InvokedRunQuarantined")
        #expect(view.member("message")?.string == "the journal of the invoked run \(child.text) is damaged")
    }

    @Test func `a called run ends quietly when its caller is gone`() throws {
        let bench = Bench(functions)
        let (parent, child) = try invoked(bench)
        bench.handle(.end(run: parent, .cancelled(reason: "asked for"), input: []))
        #expect(bench.core.hasRun(child))
        let outcome = bench.end(child)
        #expect(outcome.kinds == ["run.completed"])
        #expect(outcome.effects.isEmpty)
    }

    @Test func `the same call made again while it waits starts no second run`() throws {
        let bench = Bench(functions)
        let (parent, child) = try invoked(bench)
        let again = bench.invoke(parent, "call", "app-child")
        #expect(again.answer == .opened)
        #expect(again.lines.isEmpty)
        #expect(bench.end(child).effects.count == 1)
    }

    @Test func `a parked caller is woken, also when the process died between`() throws {
        let bench = Bench(functions)
        let (parent, child) = try invoked(bench)
        bench.handle(.begin(run: child))
        #expect(bench.handle(.park(run: parent)).answer == .done)
        _ = bench.end(child, "5")
        for other in [try bench.restored(), try bench.replayed()] {
            #expect(other.core.outstandingEffects(at: other.time) == [.run(parent, input: nil)])
        }
    }

    @Test func `an event of the call is published where somebody listens for it`() throws {
        let bench = Bench(functions + [function("app-spy", on: ["inngest/function.invoked"])])
        let parent = try bench.startedRun()
        let outcome = bench.invoke(parent, "call", "app-child")
        #expect(outcome.kinds == ["invoke.started", "event.received", "run.queued", "run.queued"])
    }
}
