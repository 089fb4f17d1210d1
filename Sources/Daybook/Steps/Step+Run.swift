extension Step {
    /// Does a piece of work once: its result is recorded, and given back whenever the function runs again.
    ///
    /// A body that throws is tried again after a pause, up to the function's retries; other branches go on meanwhile.
    /// It may run more than once (a crash before its result was recorded counts as an attempt), so it should be safe
    /// to repeat: hand `Attempt.idempotencyKey` to the services it calls.
    ///
    /// A body whose value is not `Codable` takes the form without a result: the value is dropped silently.
    ///
    /// - Parameters:
    ///   - id: what names the step: 1…200 bytes, not ending in `:` and digits.
    ///   - body: the work. It runs on the server's pool of threads, and may block one.
    /// - Returns: the body's value; the recorded one when the step was done before.
    /// - Throws: `StepError` when the step failed for good, `StepMisuseError`, `CancellationError`.
    @discardableResult
    public nonisolated(nonsending) func run<T: Codable>(
        _ id: String, _ body: nonisolated(nonsending) () async throws -> T
    ) async throws -> T {
        try await execution.runStep(id, CodableResult<T>.self) { _ in try await body() }
    }

    /// Does a piece of work once, with the attempt at hand. See the form without it.
    @discardableResult
    public nonisolated(nonsending) func run<T: Codable>(
        _ id: String, _ body: nonisolated(nonsending) (Attempt) async throws -> T
    ) async throws -> T {
        try await execution.runStep(id, CodableResult<T>.self, body)
    }

    /// Does a piece of work once, without a result. See the form with one.
    public nonisolated(nonsending) func run(
        _ id: String, _ body: nonisolated(nonsending) () async throws -> Void
    ) async throws {
        try await execution.runStep(id, NoResult.self) { _ in try await body() }
    }

    /// Does a piece of work once, without a result and with the attempt at hand. See the form with a result.
    public nonisolated(nonsending) func run(
        _ id: String, _ body: nonisolated(nonsending) (Attempt) async throws -> Void
    ) async throws {
        try await execution.runStep(id, NoResult.self, body)
    }
}
