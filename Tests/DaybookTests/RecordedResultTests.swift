import Daybook
import DaybookValues
import FoundationEssentials
import Logging
import Synchronization
import Testing

struct RecordedResultTests {
    private func memo(_ json: String, _ id: String = "load") -> Memo {
        Memo(entries: [.init(StepKey(id), .output(Array(json.utf8)))])
    }

    @Test
    func `rule 21: an event that does not decode fails the run at once and names the field`() {
        let cases = [
            (#"{"id":"e","name":"test/ping","ts":1,"data":{"n":"x","user":"a"}}"#, "data.n is not Int"),
            (#"{"id":"e","name":"test/ping","ts":1,"data":{"n":1}}"#, "data.user is missing"),
            (#"{"id":"e","name":"test/ping","ts":1,"data":{"n":1,"user":null}}"#, "data.user is null, not String"),
            (#"{"id":"e","ts":1}"#, "name is missing"),
            ("[]", "is not a JSON object"),
        ]
        for (event, reason) in cases {
            let run = ManualRun(event: Array(event.utf8)) { _, step in try await step.run("never") {} }
            #expect(run.outcome?.hasPrefix("threw EventDecodingError") == true)
            #expect(run.outcome?.contains(reason) == true, "\(run.outcome ?? "") lacks '\(reason)'")
            #expect(run.driver.failure?.isRetriable == false)
            #expect(run.driver.bodiesStarted.isEmpty)
        }
    }

    struct Contact: Codable { var email: String }

    @Test
    func `rule 21: a recorded result that does not decode is a failed attempt that says what was recorded`() {
        let long = #"{"mail":""# + String(repeating: "x", count: 500) + #""}"#
        let run = ManualRun(memo: memo(long)) { _, step in
            try await step.run("load") { Contact(email: "") }.email
        }
        let outcome = run.outcome ?? ""
        #expect(outcome.contains("the recorded result of step 'load' does not decode as Contact: email is missing"))
        #expect(outcome.contains(String(long.prefix(200))))
        #expect(!outcome.contains(String(long.prefix(201))))
        #expect(run.driver.failure?.isRetriable == true, "a fixed deploy within the retries saves the run")
        #expect(run.driver.bodiesStarted.isEmpty)
    }

    @Test
    func `rule 21: code that swallows it does not go on with a wrong branch`() {
        let run = ManualRun(memo: memo(#""text""#)) { _, step in
            async let nap: Void = step.sleep("nap", for: .days(1))
            let value = try? await step.run("load") { 1 }
            if value == nil { try? await step.run("other") {} }
            try? await nap
            return "went on"
        }
        #expect(run.outcome?.hasPrefix("threw RecordedResultError") == true)
        #expect(run.driver.bodiesStarted.isEmpty)
    }

    @Test
    func `a step that became another kind of step is a failed attempt`() {
        let waiting = Memo(openCalls: [StepKey("x"): .waiting])
        #expect(
            ManualRun(memo: waiting) { _, step in try await step.run("x") {} }
                .outcome?.contains("a wait under way") == true)
        let retrying = Memo(openCalls: [StepKey("x"): .retrying(nextAttempt: 2, isDue: true)])
        #expect(
            ManualRun(memo: retrying) { _, step in try await step.sleep("x", for: .days(1)) }
                .outcome?.contains("an attempt of a step's body") == true)
    }

    struct Unreadable: Error {}

    @Test
    func `a recorded output that cannot be read sets the run aside`() {
        let memo = Memo(entries: [.init(StepKey("load"), .stored { throw Unreadable() })])
        let run = ManualRun(memo: memo) { _, step in
            try? await step.run("load") { 1 }
        }
        #expect(run.outcome == "unreadable load")
    }

    @Test
    func `a stored output is read when the code asks for it`() {
        let reads = Counter()
        let stored = Memo.Result.stored {
            _ = reads.next()
            return Array("7".utf8)
        }
        let memo = Memo(entries: [.init(StepKey("load"), stored), .init(StepKey("unused"), stored)])
        let run = ManualRun(memo: memo) { _, step in try await step.run("load") { 1 } }
        #expect(run.outcome == "7")
        #expect(reads.value == 1)
    }

    @Test
    func `rule 21: a step output that cannot be encoded fails the step for good, with the reason`() {
        let run = ManualRun { _, step in try await step.run("odd") { Double.infinity } }
        #expect(run.outcome == "threw EncodingError: Double cannot be encoded as JSON: inf is no JSON number")
        #expect(run.driver.bodiesStarted == ["odd#1"])
    }

    @Test
    func `rule 21: a function whose output cannot be encoded is refused when it is made`() async {
        await #expect(processExitsWith: .failure) {
            struct Plain: Sendable {}
            _ = DurableFunction("f", on: Ping.self) { _, _ in Plain() }
        }
    }

    @Test
    func `retries outside 0 to 20 and bad function ids are refused when the function is made`() async {
        await #expect(processExitsWith: .failure) {
            _ = DurableFunction("f", on: Ping.self, retries: 21) { _, _ in }
        }
        await #expect(processExitsWith: .failure) {
            _ = DurableFunction("f/g", on: Ping.self) { _, _ in }
        }
    }

    @Test
    func `rule 22: the run's log is silent during replay and a step's log names its step and attempt`() {
        let lines = Notes()
        let logger = Logger(label: "test") { _ in NotingLogHandler(notes: lines) }
        let code: @Sendable (Received<Ping>, Step) async throws -> Void = { _, step in
            step.log.info("begin")
            try await step.run("a") { $0.log.info("in a") }
            step.log.info("after a")
            try await step.sleep("nap", for: .days(1))
            step.log.info("after nap")
            step.progress(1, of: 2)
        }
        let first = ManualRun(.init(completesAtOnce: false), logger: logger, code: code)
        #expect(
            lines.all == [
                "begin function=app-test run=01RUN", "in a attempt=1 function=app-test run=01RUN step=a",
                "after a function=app-test run=01RUN",
            ])
        let again = ManualRun(.init(completesAtOnce: false), memo: first.driver.memo(), logger: logger, code: code)
        #expect(lines.all.count == 3)
        again.driver.complete(StepKey("nap"), "null", of: again.run)
        again.go()
        #expect(lines.all.last == "after nap function=app-test run=01RUN")
        #expect(lines.all.count == 4)
        #expect(again.driver.state.withLock { $0.progress.map(\.0) } == [Progress(done: 1, total: 2)])
    }

    @Test
    func `rule 22: progress is reported for the run or for a step, and not during replay`() {
        let code: @Sendable (Received<Ping>, Step) async throws -> Void = { _, step in
            step.progress(0, of: 3, "start")
            try await step.run("a") { $0.progress(1, of: 2) }
        }
        let run = ManualRun(code: code)
        let keys = run.driver.state.withLock { $0.progress.map(\.1) }
        #expect(keys == [nil, StepKey("a")])
        let again = ManualRun(memo: run.driver.memo(), code: code)
        #expect(again.driver.state.withLock { $0.progress.isEmpty })
    }
}

private struct NotingLogHandler: LogHandler {
    var notes: Notes
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?
    var logLevel = Logger.Level.trace

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let fields = metadata.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        notes.add(([event.message.description] + fields).joined(separator: " "))
    }
}
