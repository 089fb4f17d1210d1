public import Daybook
import MailServices

/// How a welcome ended.
public enum WelcomeResult: String, Codable, Sendable {
    /// The mail was sent and the user confirmed the address within a day.
    case confirmed
    /// The user did not, and was reminded once.
    case reminded
    /// The user did not, and wants no further mail.
    case optedOut
}

extension MailJobs {
    /// Welcomes a user of the research platform at once, waits a day for the address to be confirmed, and reminds once.
    public var welcomeEmail: DurableFunction<Received<UserCreated>, WelcomeResult> {
        DurableFunction("welcome-email", on: UserCreated.self, retries: 3) { event, step in
            let contact = try await step.run("load-contact") {
                try await calling {
                    try await room.recipient(event.userId, email: event.email, name: event.data.name)
                }
            }
            // Begins before the mail is out, so that no confirmation is too fast to be seen.
            async let confirmation = step.waitForEvent(
                "confirmed", UserConfirmed.self, where: .field("userId", equals: event.userId), timeout: .days(1))
            try await step.run("send-welcome-mail") { attempt in
                try await calling {
                    try await room.sendWelcome(to: contact, product: .trovella, key: attempt.idempotencyKey)
                }
            }
            if try await confirmation != nil { return .confirmed }
            let reminder = try await step.run("send-reminder") { attempt in
                try await calling {
                    try await room.sendConfirmationReminder(
                        to: event.userId, product: .trovella, key: attempt.idempotencyKey)
                }
            }
            return reminder == nil ? .optedOut : .reminded
        }
        .onFailure { failure, step in
            try await welcomeFailed(
                job: "welcome-email", userId: failure.input.userId, reason: failure.error.message,
                run: failure.runID, step)
        }
    }

    /// Welcomes a user of the contact manager. Returns the mail's `Message-ID`.
    public var sendWelcome: DurableFunction<Received<UserSignedUp>, String> {
        DurableFunction("send-welcome", on: UserSignedUp.self, retries: 3) { event, step in
            let contact = try await step.run("load-contact") {
                try await calling {
                    try await room.recipient(event.userId, email: event.email, name: event.data.name)
                }
            }
            return try await step.run("send-welcome-mail") { attempt in
                try await calling {
                    try await room.sendWelcome(to: contact, product: .folksbase, key: attempt.idempotencyKey)
                }
            }
        }
        .onFailure { failure, step in
            try await welcomeFailed(
                job: "send-welcome", userId: failure.input.userId, reason: failure.error.message,
                run: failure.runID, step)
        }
    }

    private func welcomeFailed(job: String, userId: String, reason: String, run: String, _ step: Step) async throws {
        try await step.run("mark-failed") {
            try await calling { try await room.markFailed(userId, job: job, reason: reason, run: run) }
        }
        try await notifyOperator(job: job, subject: userId, reason: reason, run: run, step)
    }
}
