public import Daybook
public import MailServices

/// The mail jobs of two teams. They hold the order of steps and what to do about failures; the work itself is the
/// ``MailRoom``'s.
public struct MailJobs: Sendable {
    let room: MailRoom

    public init(room: MailRoom) {
        self.room = room
    }

    public var all: [any FunctionDefinition] { [welcomeEmail, sendWelcome, weeklyDigest] }

    /// Tells the operator of a run that failed for good. Best effort: when that fails too, the log says so.
    func notifyOperator(
        job: String, subject: String, reason: String, run: String, _ step: Step
    ) async throws {
        try await step.run("notify-operator") { attempt in
            do {
                _ = try await room.sendFailureNotice(
                    job: job, subject: subject, reason: reason, run: run, key: attempt.idempotencyKey)
            } catch let error as any ServiceError {
                attempt.log.warning("nobody was told that \(job) failed for \(subject): \(error)")
            }
        }
    }
}

/// Calls a service, on the thread of the step that does; an error that it calls permanent ends the step at once
/// instead of being tried again.
nonisolated(nonsending) func calling<T>(
    _ service: nonisolated(nonsending) () async throws -> T
) async throws -> T {
    do {
        return try await service()
    } catch let error as any ServiceError where error.isPermanent {
        throw NonRetriableError(error.description)
    }
}
