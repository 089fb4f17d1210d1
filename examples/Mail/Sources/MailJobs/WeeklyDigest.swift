public import Daybook
import FoundationEssentials
import MailServices

/// What one run of the weekly digest came to, in users.
public struct DigestSummary: Codable, Hashable, Sendable {
    /// The Monday that names the week.
    public var week: String
    public var sent = 0
    /// Opted out, nothing to report, or had it before.
    public var skipped = 0
    /// Records that could not be read.
    public var unreadable = 0
}

extension MailJobs {
    /// So many mails are under way at once: enough to hide the waiting, few enough for any mail server.
    private static let digestsAtOnce = 4

    /// Mails every user with activity in the seven days before the tick a summary of it.
    ///
    /// The week is that of the scheduled tick, however late the run. One user's digest is one step: a bad address is
    /// marked, the others get theirs, and then the run fails, naming the users.
    public var weeklyDigest: DurableFunction<CronTick, DigestSummary> {
        DurableFunction("weekly-digest", cron: "0 8 * * 1", retries: 3) { tick, step in
            let end = tick.scheduledAt
            let start = end.addingTimeInterval(-7 * 86_400)
            let active = try await step.run("list-active-users") {
                try await calling { try await room.contacts.active(from: start, to: end) }
            }
            for problem in active.unreadable { step.log.warning("left out of the digest: \(problem)") }

            var summary = DigestSummary(week: Week(containing: end).description, unreadable: active.unreadable.count)
            var failed: [String] = []
            try await withThrowingTaskGroup(of: (id: String, outcome: DigestOutcome?).self) { group in
                var waiting = active.ids[...]
                func startNext() {
                    guard let id = waiting.popFirst() else { return }
                    group.addTask { (id, try await sendDigest(to: id, from: start, to: end, run: step.runID, step)) }
                }
                for _ in 0..<Self.digestsAtOnce { startNext() }
                for try await (id, outcome) in group {
                    switch outcome {
                    case .sent: summary.sent += 1
                    case .skipped: summary.skipped += 1
                    case nil: failed.append(id)
                    }
                    startNext()
                }
            }
            guard failed.isEmpty else {
                throw NonRetriableError(
                    "\(failed.count) of \(active.ids.count) digests could not be sent, to: "
                        + failed.sorted().prefix(20).joined(separator: ", "))
            }
            return summary
        }
        .onFailure { failure, step in
            try await notifyOperator(
                job: "weekly-digest", subject: "the week of \(Week(containing: failure.input.scheduledAt))",
                reason: failure.error.message, run: failure.runID, step)
        }
    }

    /// - Returns: nil when it failed for good, which is then marked on the contact.
    private func sendDigest(to id: String, from start: Date, to end: Date, run: String, _ step: Step) async throws
        -> DigestOutcome?
    {
        // Ids come from outside; a step id must not end in a colon and digits.
        let name = SafeName.encode(id)
        do {
            return try await step.run("digest-\(name)") { attempt in
                try await calling {
                    try await room.sendDigest(to: id, from: start, to: end, key: attempt.idempotencyKey)
                }
            }
        } catch let error as StepError {
            try await step.run("mark-failed-\(name)") {
                try await calling {
                    try await room.markFailed(id, job: "weekly-digest", reason: error.message, run: run)
                }
            }
            return nil
        }
    }
}
