public import Daybook
import DaybookCore
import DaybookFakes
import DaybookNode
import DaybookSystem
import DaybookValues
public import FoundationEssentials
public import Logging

/// Runs functions as a server does, in memory and with a clock that stands still until it is moved.
///
/// ```swift
/// let runner = try await TestRunner(jobs.welcomeEmail)
/// let run = try await runner.send(UserCreated(userId: "u1", email: "ada@example.com"))
/// try await runner.advance(by: .hours(1))
/// try await runner.crash()
/// try await runner.advance(by: .days(1))
/// #expect(await runner.run(run.id).status == .completed)
/// ```
///
/// Every method returns once nothing can move any more without an event or the passing of time. Everything is
/// journaled on a disk in memory. To find what only a restart would show, each wait unwinds the run's code and each
/// finished step is followed by another pass through the function, with recorded results; values of steps are decoded
/// from the record. So code between steps runs many times in a test, as it may in production.
///
/// The runner has no threads of its own: functions run while one of its methods does. A body that waits for something
/// outside is waited for, however long that takes, so it must not wait for what the test does only afterwards, nor call
/// the runner.
public actor TestRunner {
    /// The app's id, which stands before the functions' own: `test` unless said otherwise.
    public nonisolated let app: String
    private let functions: AppFunctions
    private let configuration: NodeConfiguration
    private let disk: MemoryDisk
    private let clock: ManualClock
    private let random: SeededRandom
    private let surroundings: ManualNode.Surroundings
    private var machine: ManualNode
    private let firstDay: Int32
    private let standIns = StepStandIns()

    /// - Parameters:
    ///   - function: the only function there is, with its failure handler.
    ///   - app: the app's id. The default is `test`.
    ///   - start: what the clock says at first. The default is 2026-11-21T08:00:00Z, a Saturday.
    ///   - goesCold: unwinds a run's code each time it waits. The default is true.
    ///   - replaysSteps: passes through the function again after every finished step. The default is true; the time it
    ///     takes grows with the square of the number of steps.
    ///   - logger: what functions log to. The default drops everything.
    /// - Throws: `TestRunnerError` when a function cannot be registered, such as one with a cron text that is none.
    public init(
        _ function: any FunctionDefinition, app: String = "test", start: Date? = nil, goesCold: Bool = true,
        replaysSteps: Bool = true, logger: Logger? = nil
    ) async throws {
        try await self.init(
            [function], app: app, start: start, goesCold: goesCold, replaysSteps: replaysSteps, logger: logger)
    }

    /// - Parameters:
    ///   - functions: all functions there are. See the other form for the rest.
    public init(
        _ functions: [any FunctionDefinition], app: String = "test", start: Date? = nil, goesCold: Bool = true,
        replaysSteps: Bool = true, logger: Logger? = nil
    ) async throws {
        self.app = app
        let clock = start.map { ManualClock(now: TestValueCoding.timestamp($0)) } ?? ManualClock()
        var configuration = ManualNode.configuration()
        configuration.decodesOwnResults = true
        configuration.replaysSteps = replaysSteps
        configuration.standIn = { [standIns] key, _ in standIns.next(for: key) }
        if goesCold {
            configuration.coldAfter = 0
            configuration.parkedRunsMax = 0
        }
        let random = SeededRandom(seed: 1)
        let disk = MemoryDisk(clock: clock)
        var surroundings = ManualNode.Surroundings(disk: disk, clock: clock, random: random)
        if let logger { surroundings.logger = logger }
        self.disk = disk
        self.clock = clock
        self.random = random
        self.surroundings = surroundings
        self.configuration = configuration
        firstDay = clock.now.day
        do throws(RegistrationError) {
            self.functions = try AppFunctions(app: app, functions: functions, now: clock.now)
        } catch {
            throw TestRunnerError(error.description)
        }
        machine = try Self.start(surroundings, configuration, self.functions)
        try await settle()
    }

    private static func start(
        _ surroundings: ManualNode.Surroundings, _ configuration: NodeConfiguration, _ functions: AppFunctions
    ) throws -> ManualNode {
        let machine = try ManualNode(surroundings, configuration)
        do throws(RegistrationError) {
            try machine.launch(functions)
        } catch {
            throw TestRunnerError(error.description)
        }
        return machine
    }

    /// Until nothing can move any more; a body that waits for another thread is waited for.
    private func settle() async throws {
        while true {
            let machine = self.machine
            if machine.settle() { break }
            await machine.pool.waitForWork()
        }
        if let failure = machine.failureMessages.first { throw TestRunnerError(failure) }
    }

    // MARK: - Events

    /// Sends an event and lets everything happen that follows from it at once.
    ///
    /// - Parameters:
    ///   - event: the payload; its type gives the name.
    ///   - id: two events with one id within 24 hours start a function once. The default is none.
    ///   - timestamp: when it happened; the default is now. Its functions start then, if that is later.
    /// - Returns: the event, and the runs it started.
    /// - Throws: `TestRunnerError` when it is refused.
    @discardableResult
    public func send<E: Daybook.Event>(
        _ event: E, id: String? = nil, timestamp: Date? = nil
    ) async throws -> SentEvent {
        try await send(E.name, event, id: id, timestamp: timestamp)
    }

    /// Sends an event by name, with any payload that is encoded as a JSON object.
    @discardableResult
    public func send(
        _ name: String, _ data: some Encodable, id: String? = nil, timestamp: Date? = nil
    ) async throws -> SentEvent {
        var json: [UInt8] = []
        json.append(json: #"{"name":"#)
        json.append(jsonString: name)
        json.append(json: #","data":"#)
        json.append(contentsOf: try TestValueCoding.encode(data))
        if let id {
            json.append(json: #","id":"#)
            json.append(jsonString: id)
        }
        if let timestamp {
            json.append(json: #","ts":"#)
            json.append(json: TestValueCoding.timestamp(timestamp).milliseconds)
        }
        json.append(UInt8(ascii: "}"))
        return try await send(json: json)
    }

    /// Sends an event as JSON text: an object with `name` and, if wanted, `data`, `id`, `ts`.
    @discardableResult
    public func send(json: [UInt8]) async throws -> SentEvent {
        let event: DaybookCore.Event
        do {
            let compact = try JSONText.compact(json)
            guard let view = JSONView(compact) else { throw TestRunnerError("it is not JSON") }
            event = try DaybookCore.Event(
                view, id: ULID(at: clock.now, random: (random.next(), random.next())), now: clock.now)
        } catch {
            throw TestRunnerError("the event is refused: \(error)")
        }
        let before = Set(try runIDs())
        let answer = machine.post(.publish([event], claim: nil))
        try await settle()
        switch answer() {
        case .published: break
        case .refused(let refusal): throw TestRunnerError("the event is refused: \(refusal)")
        default: throw TestRunnerError("the event was not taken")
        }
        let started = try startedRuns(by: event.id).filter { !before.contains($0) }
        return SentEvent(eventID: event.id.text, runs: try started.map { try detail($0) })
    }

    private func startedRuns(by event: ULID) throws -> [ULID] {
        try machine.startedRuns(by: event, day: clock.now.day)
    }

    /// Every event in the journal, in order, also those that functions sent and those of the server's own making that
    /// some function listens for.
    public var events: [TestEvent] {
        get throws {
            try machine.events(days: firstDay...max(firstDay, clock.now.day)).map {
                TestEvent(name: $0.name, id: $0.key ?? $0.id.text, raw: $0.json)
            }
        }
    }

    // MARK: - Time

    /// What the clock says.
    public var now: Date { TestValueCoding.date(clock.now) }

    /// Moves the clock forward, and lets everything happen at the instant it is due: sleeps, timeouts, retries, ticks.
    public func advance(by duration: Duration) async throws {
        let length = milliseconds(duration)
        precondition(length >= 0, "time does not pass backwards")
        let end = clock.nowNanoseconds + UInt64(length) * 1_000_000
        try await settle()
        while clock.nowNanoseconds < end {
            clock.advance(milliseconds: machine.nextHop(to: end))
            try await settle()
        }
    }

    /// Moves the clock forward to an instant; see `advance(by:)`.
    public func advance(to instant: Date) async throws {
        try await advance(by: .milliseconds(TestValueCoding.timestamp(instant) - clock.now))
    }

    /// Moves the clock forward to the next tick of a function's schedule.
    /// - Parameter function: its id within the app.
    /// - Returns: the run of that tick.
    /// - Throws: `TestRunnerError` when the function has no schedule.
    @discardableResult
    public func tick(_ function: String) async throws -> TestRun {
        let summary = machine.node.core.functionSummaries.first { $0.config.id == "\(app)-\(function)" }
        guard let next = summary?.nextTicks.min() else {
            throw TestRunnerError("there is no function '\(function)' with a schedule")
        }
        let before = Set(try runIDs())
        try await advance(to: TestValueCoding.date(next))
        for id in try runIDs() where !before.contains(id) {
            let run = try detail(id)
            if run.functionID == function { return run }
        }
        throw TestRunnerError("the tick of '\(function)' started no run")
    }

    // MARK: - Steps

    /// Makes the next attempts of a step fail without running its body.
    ///
    /// - Parameters:
    ///   - id: the step's id, in every run and for each of its uses; with `:1`, `:2`… at its end, for that use alone.
    ///   - times: how many attempts. The default is one.
    ///   - error: what the body throws, in appearance.
    public func failStep(_ id: String, times: Int = 1, with error: any Error) {
        standIns.fail(id, times: times, with: error)
    }

    /// Makes a step succeed with a value from now on, without running its body; attempts that are to fail come first.
    /// - Throws: when the value cannot be encoded.
    public func succeedStep(_ id: String, with value: some Encodable) throws {
        standIns.succeed(id, with: try TestValueCoding.encode(value))
    }

    /// The same for a step without a result.
    public func succeedStep(_ id: String) {
        standIns.succeed(id, with: Array("null".utf8))
    }

    // MARK: - Failures

    /// The process dies and another one takes over: what was journaled is all that is left. What the dead one wrote to
    /// the disk without a flush is still there.
    public func crash() async throws {
        disk.crash()
        try await restart()
    }

    /// The power fails and comes back: of what was written without a flush, anything may be gone.
    public func powerLoss() async throws {
        disk.powerLoss(random: random)
        try await restart()
    }

    private func restart() async throws {
        machine = try Self.start(surroundings, configuration, functions)
        try await settle()
    }

    // MARK: - Runs

    /// A run as it stands. Asking for one that there is not stops the test.
    public func run(_ id: String) -> TestRun {
        do {
            guard let id = ULID(id) else { throw TestRunnerError("'\(id)' is not the id of a run") }
            return try detail(id)
        } catch {
            preconditionFailure("\(error)")
        }
    }

    /// All runs of a function, or of all functions, oldest first.
    /// - Parameter function: its id within the app.
    public func runs(of function: String? = nil) throws -> [TestRun] {
        try runIDs().map { try detail($0) }.filter { function == nil || $0.functionID == function }
    }

    /// How often the body of each step of a run was executed, by step id. Steps without a body are not among them.
    public func executions(of id: String) -> [String: Int] {
        var counts: [String: Int] = [:]
        for step in run(id).steps where step.kind == .run { counts[step.id] = step.executions }
        return counts
    }

    /// Cancels a run.
    /// - Throws: `TestRunnerError` when it has ended.
    public func cancel(_ id: String, reason: String = "the test cancelled it") async throws {
        guard let runID = ULID(id), machine.node.core.hasRun(runID) else {
            throw TestRunnerError("there is no unfinished run '\(id)'")
        }
        machine.cancel(runID, reason: reason)
        try await settle()
    }

    private func runIDs() throws -> [ULID] {
        var query = RunQuery()
        query.limit = .max
        return try machine.readModel().runs(query).rows.map(\.id).reversed()
    }

    private func detail(_ id: ULID) throws -> TestRun {
        TestRun(try machine.detail(of: id), appPrefix: app + "-")
    }
}
