public import Logging

/// One attempt of a step, handed to its body. Sendable.
public struct Attempt: Sendable {
    /// Counted from 1, across restarts.
    public let number: Int
    let key: StepKey
    let execution: RunExecution

    /// Attempts in all: the function's retries + 1.
    public var max: Int { execution.attemptsMax }

    /// The same for every attempt of this step and for no other step: hand it to services that recognise repeated
    /// requests. `<run id>.<step id>`, with `:1`, `:2`… when the id was used before in the run.
    public var idempotencyKey: String { "\(execution.input.runID).\(key.text)" }

    /// Writes with the run, the function, the step and the attempt attached.
    public var log: Logger {
        var logger = execution.logger
        logger[metadataKey: "step"] = .string(key.text)
        logger[metadataKey: "attempt"] = .stringConvertible(number)
        return logger
    }

    /// Reports how far this step is. The newest report is shown while the step runs; reports are not recorded.
    ///
    /// - Parameters:
    ///   - done: how much is done, in units of your own.
    ///   - total: how much there is in all.
    ///   - message: a few words for people.
    public func progress(_ done: Int, of total: Int, _ message: String? = nil) {
        execution.report(Progress(done: done, total: total, message: message), step: key)
    }
}
