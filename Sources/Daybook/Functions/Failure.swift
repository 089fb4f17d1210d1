internal import DaybookValues

/// A run that failed for good, as its function's failure handler gets it. Sendable.
public struct Failure<Input: Sendable>: Sendable {
    /// The input of the failed run; of a function of batches all its events.
    public let input: Input
    /// Why it failed.
    public let error: FailureError
    /// The failed run.
    public let runID: String
    /// The whole id of its function: `<app id>-<function id>`.
    public let functionID: String
    /// The event `inngest/function.failed` as JSON text in UTF-8.
    public let raw: [UInt8]

    /// - Parameter ofBatch: the input is what `data.events` has; a run that was not started by a batch may have only
    ///   `data.event`.
    init(raw: [UInt8], ofBatch: Bool, decodeInput: (_ event: [UInt8]) throws -> Input) throws {
        let envelope = try EventEnvelope(raw)
        let data = envelope.view.member("data")
        guard let data, let event = (ofBatch ? data.member("events") : nil) ?? data.member("event") else {
            throw envelope.error(field: "data.event", "is missing")
        }
        let error = data.member("error")
        self.input = try decodeInput(event.bytes)
        self.error = FailureError(
            name: error?.member("name")?.string ?? "Error", message: error?.member("message")?.string ?? "",
            stack: error?.member("stack")?.string)
        self.runID = data.member("run_id")?.string ?? ""
        self.functionID = data.member("function_id")?.string ?? ""
        self.raw = raw
    }
}

/// Why a run failed, as it was recorded. Sendable.
public struct FailureError: Sendable, Hashable {
    /// The name of the error's type.
    public let name: String
    /// What it said.
    public let message: String
    /// Where it was thrown, when that is known.
    public let stack: String?
}
