public import FoundationEssentials

/// A step that failed for good: its attempts are used up, or its error said that another one is pointless. Sendable.
///
/// Always built from what was recorded, never the body's own error, so that a run behaves the same whether it was
/// interrupted in between or not. Catch it to go on without the step; uncaught it fails the run at once.
public struct StepError: Error, Sendable, CustomStringConvertible {
    /// The step's id, with `:1`, `:2`… when the id was used before in the run.
    public let step: String
    /// The name of the error's type.
    public let name: String
    /// What the error said.
    public let message: String
    /// Where it was thrown, when that is known.
    public let stack: String?
    private let causeJSON: [UInt8]?

    init(key: StepKey, facts: ErrorFacts) {
        self.step = key.text
        self.name = facts.name
        self.message = facts.message
        self.stack = facts.stack
        self.causeJSON = facts.cause
    }

    /// The error the body threw, when its type is `Codable` and can be read as `type`; else nil.
    public func cause<Cause: Error & Decodable>(as type: Cause.Type = Cause.self) -> Cause? {
        causeJSON.flatMap { try? ValueCoding.decode(type, from: $0) }
    }

    public var description: String { "step '\(step)' failed: \(name): \(message)" }

    /// The same failure as the failure of a function.
    var facts: ErrorFacts {
        ErrorFacts(name: name, message: message, stack: stack, cause: causeJSON, isRetriable: false)
    }
}

/// Thrown by a step or a function when another attempt is pointless: it fails at once. Sendable.
public struct NonRetriableError: Error, Sendable, CustomStringConvertible {
    /// What people are shown.
    public let message: String
    /// What led to it; only its text is recorded.
    public let cause: (any Error)?

    public init(_ message: String, cause: (any Error)? = nil) {
        self.message = message
        self.cause = cause
    }

    public var description: String { cause.map { "\(message): \($0)" } ?? message }
}

/// Thrown by a step or a function when the next attempt should come at a certain time. It counts as an attempt; when
/// none is left, the failure is final. Sendable.
public struct RetryAfterError: Error, Sendable, CustomStringConvertible {
    /// What people are shown.
    public let message: String
    let retryTime: RetryTime

    /// - Parameters:
    ///   - message: what people are shown.
    ///   - after: counted from the failure; held between 1 second and 24 hours.
    public init(_ message: String, after: Duration) {
        self.message = message
        self.retryTime = .after(milliseconds: after.wholeMilliseconds)
    }

    /// - Parameters:
    ///   - message: what people are shown.
    ///   - at: not before this instant; held between 1 second and 24 hours from the failure.
    public init(_ message: String, at instant: Date) {
        self.message = message
        self.retryTime = .at(instant.asTimestamp)
    }

    public var description: String { message }
}

/// A step called in a way that cannot work: inside another step, outside its function, with an id that is refused, or
/// for longer than a wait may last. A programming error: not retried. Sendable.
public struct StepMisuseError: Error, Sendable, CustomStringConvertible {
    /// What was wrong, and what to do about it.
    public let message: String

    init(_ message: String) {
        self.message = message
    }

    public var description: String { message }
}

/// A recorded result that does not fit what the code asks for now. Sendable.
///
/// Not a `StepError`: the step did its work. The attempt of the function fails, so that a corrected deploy within the
/// retries saves the run.
public struct RecordedResultError: Error, Sendable, CustomStringConvertible {
    /// The step's id, with `:1`, `:2`… when the id was used before in the run.
    public let step: String
    /// The beginning of what was recorded, at most 200 bytes.
    public let recorded: String
    /// The type the code asked for.
    public let wanted: String
    /// Where they differ.
    public let reason: String

    public var description: String {
        "the recorded result of step '\(step)' does not decode as \(wanted): \(reason); recorded was \(recorded)"
    }
}
