import DaybookCore
import DaybookNode
import DaybookValues
public import FoundationEssentials

/// A run as it stood at one moment. Sendable.
public struct TestRun: Sendable, Identifiable {
    /// How far a run has come.
    public enum Status: String, Sendable {
        /// Its function has not begun: the event is dated in the future, or too many runs are under way.
        case queued
        /// From its first step to its end, sleeps and waits included.
        case running
        case completed
        case failed
        case cancelled
        /// A recorded result could not be read back.
        case quarantined
    }

    /// The run's id.
    public let id: String
    /// The id of its function within the app; `<id>-failure` for a failure handler.
    public let functionID: String
    public let status: Status
    /// Its steps, in the order in which they began. Those that nothing has been recorded of yet are not among them.
    public let steps: [TestStep]
    /// Why it failed; nil for a run that has not.
    public let error: TestFailure?
    /// Why it was cancelled or set aside.
    public let reason: String?
    /// What the function returned, as JSON; nil until it has.
    public let outputJSON: [UInt8]?

    /// What the function returned.
    /// - Throws: `TestRunnerError` when the run has not completed, or returned something else.
    public func output<Output: Decodable>(as type: Output.Type = Output.self) throws -> Output {
        guard let outputJSON else {
            throw TestRunnerError(
                "run \(id) of '\(functionID)' has no output, it is \(status.rawValue)"
                    + (error.map { ": \($0)" } ?? reason.map { ": \($0)" } ?? ""))
        }
        return try decoded(type, from: outputJSON, what: "run \(id) of '\(functionID)'")
    }

    /// The step of that id; nil when nothing was recorded of it.
    public func step(_ id: String) -> TestStep? { steps.first { $0.id == id } }

    /// The steps that sleep, wait for an event or another run, or pause between two attempts.
    public var waits: [TestStep] { steps.filter { $0.status == .waiting || $0.status == .retrying } }
}

/// A step of a run, by what was recorded of it. Sendable.
public struct TestStep: Sendable, Identifiable {
    public enum Kind: String, Sendable {
        case run, sleep, wait, invoke, send
    }

    public enum Status: String, Sendable {
        /// Sleeps, or waits for an event or another run.
        case waiting
        /// An attempt failed or was interrupted; another one follows.
        case retrying
        case completed
        case failed
        /// The run ended before the step did.
        case abandoned
    }

    /// The id its author gave it, with `:1`, `:2`… when the id was used before in the run.
    public let id: String
    public let kind: Kind
    public let status: Status
    /// How often its body ran to an end, or was interrupted by a crash; 0 for steps without a body.
    public let executions: Int
    /// Why the last attempt failed.
    public let error: TestFailure?
    /// When a sleep or wait is over at the latest, or the next attempt is due.
    public let due: Date?
    /// The event it waits for.
    public let event: String?
    /// The run it invoked.
    public let invokedRun: String?
    /// What was recorded as its result, as JSON; nil until there is one.
    public let outputJSON: [UInt8]?

    /// What was recorded as its result.
    /// - Throws: `TestRunnerError` when there is none, or it is something else.
    public func output<Output: Decodable>(as type: Output.Type = Output.self) throws -> Output {
        guard let outputJSON else { throw TestRunnerError("step '\(id)' has no result, it is \(status.rawValue)") }
        return try decoded(type, from: outputJSON, what: "step '\(id)'")
    }
}

/// An error as it was recorded. Sendable.
public struct TestFailure: Sendable, Hashable, CustomStringConvertible {
    /// The name of the error's type.
    public let name: String
    public let message: String

    public var description: String { "\(name): \(message)" }

    init?(json: [UInt8]?) {
        guard let json, let view = JSONView(json) else { return nil }
        name = view.member("name")?.string ?? ""
        message = view.member("message")?.string ?? ""
    }
}

/// An event that was sent, and the runs it started, as they stood when nothing could move any more. Sendable.
public struct SentEvent: Sendable {
    /// The id it was given.
    public let eventID: String
    /// The runs it started, in the order of the functions; none when it only woke others up, or was sent before.
    public let runs: [TestRun]

    /// The first run it started. Asking for it when there is none stops the test: look at `runs` in that case.
    public var run: TestRun {
        guard let first = runs.first else { preconditionFailure("the event started no run") }
        return first
    }
    /// The id of the first run it started.
    public var id: String { run.id }
    /// How far that run had come.
    public var status: TestRun.Status { run.status }
}

/// An event in the journal. Sendable.
public struct TestEvent: Sendable {
    public let name: String
    public let id: String
    /// Name, data and all as JSON text in UTF-8.
    public let raw: [UInt8]

    /// Its payload.
    public func data<Payload: Decodable>(as type: Payload.Type = Payload.self) throws -> Payload {
        try decoded(type, from: JSONView(raw)?.member("data")?.bytes ?? [], what: "event '\(name)'")
    }
}

/// Something that a test asked for and that could not be done. Sendable.
public struct TestRunnerError: Error, Sendable, CustomStringConvertible {
    public let description: String

    init(_ description: String) {
        self.description = description
    }
}

private func decoded<Value: Decodable>(_ type: Value.Type, from json: [UInt8], what: String) throws -> Value {
    do {
        return try TestValueCoding.decode(type, from: json)
    } catch {
        throw TestRunnerError(
            "what \(what) holds is not \(type): \(String(decoding: json.prefix(200), as: UTF8.self)) (\(error))")
    }
}

extension TestRun {
    init(_ detail: RunDetail, appPrefix: String) {
        let function = detail.queued?.function ?? ""
        self.init(
            id: detail.id.text,
            functionID: function.hasPrefix(appPrefix) ? String(function.dropFirst(appPrefix.count)) : function,
            status: Status(detail.status), steps: detail.steps.map(TestStep.init),
            error: TestFailure(json: detail.error), reason: detail.reason, outputJSON: detail.output)
    }
}

extension TestRun.Status {
    init(_ status: RunStatus) {
        self =
            switch status {
            case .queued: .queued
            case .running: .running
            case .completed: .completed
            case .failed: .failed
            case .cancelled: .cancelled
            case .quarantined: .quarantined
            }
    }
}

extension TestStep {
    init(_ step: StepDetail) {
        let kind: Kind =
            switch step.operation {
            // Fetches and older forms of steps are those of apps behind a URL; tests run the functions of a program.
            case .run, .fetch, .infer, .step: .run
            case .sleep: .sleep
            case .wait, .signal: .wait
            case .invoke: .invoke
            case .send: .send
            }
        let status: Status =
            switch step.status {
            case .waiting: .waiting
            case .retrying: .retrying
            case .completed: .completed
            case .failed: .failed
            case .abandoned: .abandoned
            }
        let due = status == .retrying ? step.attempts.last?.retryAt : step.due
        self.init(
            id: step.key, kind: kind, status: status, executions: step.attempts.count,
            error: TestFailure(json: step.error ?? step.attempts.last?.error),
            due: due.map(TestValueCoding.date), event: step.event, invokedRun: step.child?.id.text,
            outputJSON: step.output)
    }
}
