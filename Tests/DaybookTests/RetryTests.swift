import Daybook
import DaybookValues
import FoundationEssentials
import Logging
import Synchronization
import Testing

struct RetryTests {
    struct Broken: Error, Codable, Equatable {
        var code: Int
    }

    @Test
    func `rule 7: a retry runs the same body in place, and siblings go on meanwhile`() {
        let notes = Notes()
        let run = ManualRun(.init(retriesAtOnce: false)) { _, step in
            async let flaky = step.run("flaky") { (attempt: Attempt) in
                if attempt.number == 1 { throw Broken(code: 1) }
                return attempt.number
            }
            for lap in 1...3 {
                try await step.run("sibling") {}
                notes.add("lap \(lap)")
            }
            return try await flaky
        }
        #expect(notes.all == ["lap 1", "lap 2", "lap 3"])
        #expect(run.outcome == nil)
        #expect(run.driver.quietCount == 1, "a retry pause lets the run become quiet")
        run.driver.retry(StepKey("flaky"), of: run.run)
        run.go()
        #expect(run.outcome == "2")
        #expect(run.driver.bodiesStarted.filter { $0.hasPrefix("flaky") } == ["flaky#1", "flaky#2"])
    }

    @Test
    func `rule 7: a retry that is due before its call is back from the body is not lost`() {
        let run = ManualRun { _, step in
            @Sendable func flaky(_ id: String) async throws -> Int {
                try await step.run(id) { attempt in
                    if attempt.number == 1 { throw Broken(code: 1) }
                    return attempt.number
                }
            }
            async let a = flaky("a")
            async let b = flaky("b")
            async let c = flaky("c")
            return try await [a, b, c]
        }
        #expect(run.outcome == "[2,2,2]")
    }

    @Test
    func `rule 7: a pause survives a restart, due or not`() {
        let code: @Sendable (Received<Ping>, Step) async throws -> Int = { _, step in
            try await step.run("flaky") { $0.number }
        }
        let due = ManualRun(
            memo: Memo(openCalls: [StepKey("flaky"): .retrying(nextAttempt: 3, isDue: true)]), code: code)
        #expect(due.outcome == "3")
        let paused = ManualRun(
            memo: Memo(openCalls: [StepKey("flaky"): .retrying(nextAttempt: 3, isDue: false)]), code: code)
        #expect(paused.outcome == nil)
        #expect(paused.driver.quietCount == 1)
        let submits = paused.run.deliver(StepKey("flaky"), .retry(attempt: 3))
        #expect(submits)
        paused.pool.submit(paused.run)
        paused.go()
        #expect(paused.outcome == "3")
    }

    @Test
    func `the last failed attempt is final, and its error can be caught`() {
        let run = ManualRun(retries: 2) { _, step in
            do {
                try await step.run("broken") { throw Broken(code: 7) }
                return "no error"
            } catch let error as StepError {
                return "\(error.step) \(error.name) \(error.cause(as: Broken.self)?.code ?? 0)"
            }
        }
        #expect(run.outcome == #""broken Broken 7""#)
        #expect(run.driver.bodiesStarted == ["broken#1", "broken#2", "broken#3"])
    }

    @Test
    func `an error that another attempt cannot help is final at once`() {
        let run = ManualRun { _, step in
            try await step.run("broken") { throw NonRetriableError("bad record") }
        }
        #expect(run.outcome == "threw NonRetriableError: bad record")
        #expect(run.driver.failure?.isRetriable == false)
        #expect(run.driver.bodiesStarted == ["broken#1"])
    }

    @Test
    func `an error says when it wants the next attempt`() {
        let instant = Date(timeIntervalSince1970: 1_772_438_400)
        let run = ManualRun(retries: 2) { _, step in
            try await step.run("slow") { attempt in
                if attempt.number == 1 { throw RetryAfterError("busy", after: .minutes(2)) }
                if attempt.number == 2 { throw RetryAfterError("busy", at: instant) }
            }
        }
        #expect(run.outcome == "null")
        let times = run.driver.state.withLock { $0.failures.map(\.1.retryTime) }
        #expect(
            times == [
                .after(milliseconds: 120_000), .at(Timestamp(milliseconds: 1_772_438_400_000)),
            ])
    }

    @Test
    func `rule 8: an error between steps ends the generation, and the next one starts with what is recorded`() {
        let code: @Sendable (Received<Ping>, Step) async throws -> Int = { _, step in
            let value = try await step.run("a") { 5 }
            if step.attempt == 1 { throw Broken(code: 1) }
            return value
        }
        let first = ManualRun(code: code)
        #expect(first.outcome == "threw Broken: Broken(code: 1)")
        #expect(first.driver.failure?.isRetriable == true)
        let pool = ManualPool()
        let driver = MemoryDriver()
        let second = RunExecution(
            Fixture.function(code),
            input: RunInput(runID: "01RUN", functionID: "app-test", event: Fixture.event, attempt: 2),
            memo: first.driver.memo(), driver: driver, pool: pool, logger: .init(label: "test"))
        second.start()
        pool.runUntilIdle()
        #expect(driver.outcomes == ["5"])
        #expect(driver.bodiesStarted.isEmpty)
    }

    @Test
    func `rule 16: a body that throws CancellationError in a live run is a failed attempt`() {
        let run = ManualRun { _, step in
            try await step.run("odd") { attempt in
                if attempt.number < 3 { throw CancellationError() }
                return attempt.number
            }
        }
        #expect(run.outcome == "3")
        #expect(
            run.driver.journal.first
                == .attemptFailed(StepKey("odd"), attempt: 1, "\(CancellationError())"))
    }

    @Test
    func `rule 19: a failed step throws the same error hot and cold`() {
        let code: @Sendable (Received<Ping>, Step) async throws -> String = { _, step in
            do {
                return try await step.run("broken") { throw Broken(code: 7) }
            } catch {
                return "\(type(of: error)): \(error)"
            }
        }
        let hot = ManualRun(retries: 0, code: code)
        #expect(hot.outcome?.hasPrefix(#""StepError: step 'broken' failed: Broken"#) == true)
        let cold = ManualRun(memo: hot.driver.memo(), code: code)
        #expect(cold.outcome == hot.outcome)
    }

    @Test
    func `rule 19: an uncaught step error fails the run, with no further attempt of the function`() {
        let run = ManualRun(retries: 0) { _, step in
            try await step.run("broken") { throw Broken(code: 7) }
        }
        #expect(run.outcome == "threw Broken: Broken(code: 7)")
        #expect(run.driver.failure?.isRetriable == false)
    }

    /// Loses what it holds when it is coded.
    struct Forgetful: Codable, Equatable {
        var kept = 1
        var lost = 0
        enum CodingKeys: CodingKey { case kept }
    }

    @Test
    func `rule 19: a hot run returns the body's own value; dev and tests return the decoded one`() {
        let code: @Sendable (Received<Ping>, Step) async throws -> Int = { _, step in
            try await step.run("value") { Forgetful(lost: 9) }.lost
        }
        #expect(ManualRun(code: code).outcome == "9")
        #expect(ManualRun(options: .init(decodesOwnResults: true), code: code).outcome == "0")
    }

    @Test
    func `rule 22: attempts count from 1, and one key stands for all of them`() {
        let notes = Notes()
        _ = ManualRun(retries: 2) { _, step in
            for _ in 1...2 {
                try await step.run("mail") { attempt in
                    notes.add("\(attempt.number)/\(attempt.max) \(attempt.idempotencyKey)")
                    if attempt.number == 1 { throw Broken(code: 1) }
                }
            }
        }
        #expect(notes.all == ["1/3 01RUN.mail", "2/3 01RUN.mail", "1/3 01RUN.mail:1", "2/3 01RUN.mail:1"])
    }
}
