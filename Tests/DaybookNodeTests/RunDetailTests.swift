import DaybookCore
import DaybookNode
import DaybookValues
import Testing

/// What the records of a run that an app behind a URL runs say of it.
struct RunDetailTests {
    private let noon = Timestamp(milliseconds: 1_795_248_000_000)

    private func detail(_ records: [Record]) throws -> JSONView {
        var detail = RunDetail(id: ULID(high: 1, low: 1))
        for (index, record) in records.enumerated() { detail.take(record, at: noon + Int64(index)) }
        var json: [UInt8] = []
        detail.append(to: &json)
        try JSONText.check(json)
        return try #require(JSONView(json))
    }

    @Test func `a wait for a signal is a step that says which`() throws {
        let started = Record.signalStarted(key: "ok", signal: "go", due: noon + 5_000, length: 5_000)
        let waiting = try #require(try detail([.runStarted, started]).at(path: "steps.0"))
        #expect(waiting.member("operation")?.string == "signal")
        #expect(waiting.member("status")?.string == "waiting")
        #expect(waiting.member("signal")?.string == "go")
        let output = Array(#"{"signal":"go","data":1}"#.utf8)
        let completed = Record.stepCompleted(StepOutcome(key: "ok", operation: .signal, output: output))
        let done = try #require(try detail([.runStarted, started, completed]).at(path: "steps.0"))
        #expect(done.member("status")?.string == "completed")
        #expect(done.member("attempts") == nil)
    }

    @Test func `follow-ups are listed in their order, with those that were aborted`() throws {
        let run = try detail([
            .runStarted, .deferAdded(key: "d", function: "shop-tidy", input: Array("{}".utf8)),
            .deferAdded(key: "e", function: "shop-mail", input: Array("{}".utf8)), .deferAborted(key: "d"),
        ])
        #expect(run.at(path: "deferred.0.function")?.string == "shop-tidy")
        #expect(run.at(path: "deferred.0.aborted")?.bool == true)
        #expect(run.at(path: "deferred.1.step")?.string == "e")
        #expect(run.at(path: "deferred.1.aborted") == nil)
        #expect(try detail([.runStarted]).member("deferred") == nil)
    }

    @Test func `a failed run has its error, and what the app answered where that is something else`() throws {
        let error = errorJSON(name: "Boom", message: "bang")
        let both = try detail([.runStarted, .runFailed(error: error, output: Array(#"{"code":"x"}"#.utf8))])
        #expect(both.at(path: "error.name")?.string == "Boom")
        #expect(both.at(path: "output.code")?.string == "x")
        #expect(try detail([.runStarted, .runFailed(error: error)]).member("output") == nil)
    }

    @Test func `requests that the server made have attempts as bodies do`() throws {
        let failure = StepFailure(
            key: "get", operation: .fetch, attempt: 1, error: errorJSON(name: "GatewayError", message: "m"),
            duration: 5_000, retryAt: noon + 9_000)
        let outcome = StepOutcome(
            key: "get", operation: .fetch, attempt: 2, output: Array("{}".utf8), duration: 7_000)
        let run = try detail([.runStarted, .stepFailed(failure), .stepCompleted(outcome)])
        #expect(run.at(path: "steps.0.operation")?.string == "fetch")
        #expect(run.at(path: "steps.0.attempts.0.status")?.string == "failed")
        #expect(run.at(path: "steps.0.attempts.1.durationMicroseconds")?.integer == 7_000)
    }
}
