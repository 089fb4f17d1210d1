import DaybookCore
import DaybookValues
import Testing

/// What is different for functions that an app behind a URL runs.
struct RemoteFunctionTests {
    private func bench(_ functions: [FunctionConfig]? = nil, limits: CoreLimits = CoreLimits()) -> Bench {
        let bench = Bench(limits: limits, retryPolicy: RetryPolicy(fixedWait: 1_000))
        bench.registerApp(functions ?? [remote()])
        return bench
    }

    // MARK: - What the app answered

    @Test func `what the app says of its calls is recorded when it is something new`() throws {
        let bench = bench()
        let run = try bench.startedRun()
        #expect(bench.core.summary(of: run)?.requestVersion == nil)
        #expect(bench.core.summary(of: run)?.forcesPlan == false)
        let first = bench.handle(.answered(run: run, version: 2, forcesPlan: false))
        #expect(first.answer == .done)
        #expect(first.lines.map(\.record) == [.runAnswered(version: 2, forcesPlan: false)])
        #expect(bench.handle(.answered(run: run, version: 2, forcesPlan: false)).lines.isEmpty)
        #expect(bench.handle(.answered(run: run, version: 2, forcesPlan: true)).lines.count == 1)
        for other in [try bench.replayed(), try bench.restored(), bench] {
            #expect(other.core.summary(of: run)?.requestVersion == 2)
            #expect(other.core.summary(of: run)?.forcesPlan == true)
            #expect(other.handle(.answered(run: run, version: 2, forcesPlan: true)).lines.isEmpty)
        }
        _ = bench.end(run)
        #expect(bench.handle(.answered(run: run, version: 1, forcesPlan: false)).answer == .stale)
    }

    @Test func `a step's result says what kind of step it was`() throws {
        let bench = bench()
        let run = try bench.startedRun()
        for operation in [StepOperation.run, .fetch, .infer, .step] {
            let result = BodyResult.success(output: Array("1".utf8))
            let outcome = bench.handle(
                .endBody(
                    run: run, key: operation.rawValue, attempt: 1, result: result, duration: 0, operation: operation))
            #expect(
                outcome.lines.map(\.record) == [
                    .stepCompleted(
                        StepOutcome(key: operation.rawValue, operation: operation, output: Array("1".utf8)))
                ])
        }
        let failure = bench.handle(
            .endBody(
                run: run, key: "x", attempt: 1, result: .failure(AttemptError(name: "E", message: "m")), duration: 0,
                operation: .fetch))
        guard case .stepFailed(let step)? = failure.lines.first?.record else {
            Issue.record("no failure")
            return
        }
        #expect(step.operation == .fetch)
    }

    // MARK: - Failures

    @Test func `the attempt that failed is the one the host counted`() throws {
        let bench = bench()
        let run = try bench.startedRun()
        var error = AttemptError(name: "E", message: "m")
        error.attempt = 3
        #expect(bench.fail(run, error).answer == .retrying(attempt: 4, at: bench.now + 1_000))
        #expect(bench.core.summary(of: run)?.attempt == 4)
        // The run's own count is the larger one.
        error.attempt = 1
        #expect(bench.fail(run, error).answer == .retrying(attempt: 5, at: bench.now + 1_000))
        #expect(bench.fail(run, error).answer == .ended)
    }

    @Test func `the last attempt by the host's count ends the run`() throws {
        let bench = bench()
        let run = try bench.startedRun()
        var error = AttemptError(name: "E", message: "m")
        error.attempt = 5
        #expect(bench.fail(run, error).answer == .ended)
    }

    @Test func `a run that failed keeps what the app answered beside the error`() throws {
        let bench = bench()
        bench.register([function("app-l", on: ["inngest/function.failed"])])
        let run = try bench.startedRun()
        let error = Array(#"{"error":"invalid status code: 500","name":"Boom","message":"bang"}"#.utf8)
        let output = Array(#"{"name":"Boom","message":"bang","code":"x"}"#.utf8)
        let outcome = bench.fail(run, AttemptError(json: error, isRetriable: false, output: output))
        #expect(outcome.lines.first?.record == .runFailed(error: error, output: output))
        let event = outcome.lines.compactMap { line in
            if case .eventReceived(let event, _) = line.record { event } else { nil }
        }.first
        let json = try #require(event).json
        let data = try #require(JSONView(json)?.member("data"))
        #expect(data.member("error").map { text($0.bytes) } == text(error))
        #expect(data.member("result").map { text($0.bytes) } == text(output))
    }

    @Test func `an output that is the error itself is not kept twice`() throws {
        let bench = bench()
        let run = try bench.startedRun()
        let json = errorJSON(name: "E", message: "m")
        let outcome = bench.fail(run, AttemptError(json: json, isRetriable: false, output: json))
        #expect(outcome.lines.first?.record == .runFailed(error: json))
    }

    @Test func `the run that invoked a failed one gets the error, not the raw output`() throws {
        let bench = bench([remote(), remote("shop-child", on: [])])
        let parent = try bench.startedRun()
        guard case .run(let child, _)? = bench.invoke(parent, "call", "shop-child").effects.first else {
            Issue.record("not invoked")
            return
        }
        let error = errorJSON(name: "E", message: "m")
        let outcome = bench.fail(child, AttemptError(json: error, isRetriable: false, output: Array("1".utf8)))
        #expect(outcome.effects.first == .deliver(run: parent, key: "call", .failed(error)))
    }

    @Test func `the last failure is told until the run is over, of a step or of the code between`() throws {
        let bench = bench()
        let run = try bench.startedRun()
        #expect(bench.core.summary(of: run)?.lastFailure == nil)
        _ = bench.fail(run, AttemptError(name: "E", message: "Unable to reach SDK URL"))
        #expect(bench.core.summary(of: run)?.lastFailure == "Unable to reach SDK URL")
        _ = bench.failBody(run, "a", attempt: 1)
        #expect(bench.core.summary(of: run)?.lastFailure == "no")
        // It is no part of the state.
        #expect(try bench.restored().core.summary(of: run)?.lastFailure == nil)
        #expect(try bench.restored().core.encodedState == bench.core.encodedState)
        _ = bench.failBody(run, "a", attempt: 2)
        _ = bench.fail(run, AttemptError(json: Array(#"{"error":"short"}"#.utf8)))
        #expect(bench.core.summary(of: run)?.lastFailure == "short")
    }

    // MARK: - Limits

    @Test func `a thousand steps are allowed, and one more fails the run as SDKs know it`() throws {
        let bench = bench()
        let run = try bench.startedRun()
        for index in 0..<1_000 { #expect(bench.endBody(run, "s\(index)", "1").answer == .recorded) }
        let outcome = bench.endBody(run, "more", "1")
        #expect(outcome.answer == .stale)
        guard case .fail(run, let error)? = outcome.effects.first else {
            Issue.record("not failed")
            return
        }
        let json =
            #"{"error":"function has too many steps","name":"InngestErrFunctionOverflowed","message":"The function run exceeded the step limit of 1000 steps."}"#
        #expect(text(error.json) == json)
        #expect(error.output.flatMap { JSONView($0)?.string } == #"{"error":\#(json)}"#)
        #expect(!error.isRetriable)
    }

    @Test func `a function of this program may have more steps`() throws {
        let bench = Bench([function()])
        let run = try bench.startedRun()
        for index in 0..<1_001 { #expect(bench.endBody(run, "s\(index)", "1").answer == .recorded) }
    }

    @Test func `state over the limit fails the run as SDKs know it`() throws {
        var limits = CoreLimits()
        limits.runStateBytesMax = 10
        let bench = bench(limits: limits)
        let run = try bench.startedRun()
        _ = bench.endBody(run, "a", "1234567890")
        guard case .fail(run, let error)? = bench.endBody(run, "b", "1").effects.first else {
            Issue.record("not failed")
            return
        }
        #expect(JSONView(error.json)?.member("name")?.string == "InngestErrStateOverflowed")
    }

    @Test func `an output over the limit is a failed attempt, and tried again`() throws {
        var limits = CoreLimits()
        limits.stepOutputBytesMax = 10
        let bench = bench(limits: limits)
        let run = try bench.startedRun()
        let outcome = bench.endBody(run, "a", "12345678901")
        #expect(outcome.answer == .retrying(attempt: 2, at: bench.now + 1_000))
        #expect(
            bench.core.summary(of: run)?.lastFailure
                == "error validating generator opcode a: step output size is greater than the limit")
    }

    // MARK: - Invoking

    @Test func `an invoked function sees the user and the version of the event`() throws {
        let bench = bench([remote(), remote("shop-child", on: [])])
        let run = try bench.startedRun()
        let outcome = bench.handle(
            .invoke(
                run: run, key: "c", function: "shop-child", data: Array(#"{"a":1}"#.utf8), timeout: hour,
                user: Array(#"{"id":"u1"}"#.utf8), version: "3"))
        guard case .run(_, let input?)? = outcome.effects.first else {
            Issue.record("no run")
            return
        }
        try JSONText.check(input)
        #expect(JSONView(input)?.at(path: "user.id")?.string == "u1")
        #expect(JSONView(input)?.member("v")?.string == "3")
        #expect(JSONView(input)?.at(path: "data._inngest.fn_id")?.string == "shop-child")
    }

    @Test func `an invoked function that is rate limited fails the call in the words SDKs know`() throws {
        var child = remote("shop-child", on: [])
        child.flow.rateLimit = RateLimit(limit: 1, period: hour)
        let bench = bench([remote(), child])
        let run = try bench.startedRun()
        #expect(bench.invoke(run, "a", "shop-child").answer == .opened)
        guard case .failed(let error) = bench.invoke(run, "b", "shop-child").answer else {
            Issue.record("not limited")
            return
        }
        #expect(text(error) == #"{"name":"Error","message":"invoked function is rate limited"}"#)
    }
}
