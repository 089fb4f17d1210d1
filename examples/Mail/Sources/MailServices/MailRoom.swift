public import FoundationEssentials

/// Writes and sends every kind of mail the jobs know; each method is the work of one step and safe to repeat.
public struct MailRoom: Sendable {
    public let mailer: any Mailer
    public let contacts: any ContactStore
    public let from: Mailbox
    /// Who hears of jobs that failed for good; nil: nobody.
    public let notify: Mailbox?
    private let now: @Sendable () -> Date

    /// - Parameter now: the clock for the `Date:` header.
    public init(
        mailer: any Mailer, contacts: any ContactStore, from: Mailbox, notify: Mailbox? = nil,
        now: @escaping @Sendable () -> Date = { Date() }
    ) {
        self.mailer = mailer
        self.contacts = contacts
        self.from = from
        self.notify = notify
        self.now = now
    }

    /// - Parameter key: the idempotency key of the step.
    /// - Returns: the `Message-ID`.
    public func sendWelcome(to contact: Contact, product: Product, key: String) async throws -> String {
        try await send(MailTemplates.welcome(contact, to: product), to: contact.mailbox(), key: key)
    }

    public func sendConfirmationReminder(to contact: Contact, product: Product, key: String) async throws -> String {
        try await send(MailTemplates.confirmationReminder(contact, to: product), to: contact.mailbox(), key: key)
    }

    /// Tells the operator of a failed job.
    /// - Returns: the `Message-ID`, nil when nobody wants to hear of it.
    public func sendFailureNotice(job: String, subject: String, reason: String, run: String, key: String) async throws
        -> String?
    {
        guard let notify else { return nil }
        let content = MailTemplates.failureNotice(job: job, subject: subject, reason: reason, run: run)
        return try await send(content, to: notify, key: key)
    }

    /// Sends one user's digest of the time from `start` up to `end`, unless the user has had one for that week.
    ///
    /// A digest may rather be missing than come twice. It is claimed in the store before it is sent; when a claim was
    /// made and never settled (the process died in between, or the server's last answer was lost), it is sent again
    /// only through a mailer that recognises the repeat.
    public func sendDigest(to id: String, from start: Date, to end: Date, key: String) async throws -> DigestOutcome {
        let contact = try await contacts.find(id)
        if contact.optedOut { return .skipped("opted out") }
        let entries = contact.activity(from: start, to: end)
        if entries.isEmpty { return .skipped("nothing to report") }
        let to = try contact.mailbox()
        let week = Week(containing: end)

        var messageID = MessageID(key: key, domain: from.address.domain)
        switch try await contacts.claimDigest(of: id, week: week, for: messageID) {
        case .fresh: break
        case .sent: return .skipped("had the digest of \(week) before")
        case .unfinished(let earlier):
            guard mailer.recognisesRepeats else {
                return .skipped("may have had the digest of \(week) before, as \(earlier)")
            }
            messageID = earlier
        }
        do throws(MailError) {
            try await mailer.send(
                message(MailTemplates.digest(contact, of: entries, from: start, to: end), to: to, id: messageID))
        } catch {
            if error.kind != .unclear { try await contacts.releaseDigest(of: id, week: week) }
            throw error
        }
        try await contacts.markDigestSent(messageID, to: id, week: week)
        return .sent(messageID.description)
    }

    private func send(_ content: MailContent, to: Mailbox, key: String) async throws(MailError) -> String {
        let id = MessageID(key: key, domain: from.address.domain)
        try await mailer.send(message(content, to: to, id: id))
        return id.description
    }

    private func message(_ content: MailContent, to: Mailbox, id: MessageID) throws(MailError) -> MailMessage {
        try MailMessage(
            id: id, from: from, to: to, subject: content.subject, text: content.text, html: content.html, date: now())
    }
}

/// What became of one user's digest.
public enum DigestOutcome: Codable, Hashable, Sendable {
    /// With its `Message-ID`.
    case sent(String)
    /// With the reason.
    case skipped(String)
}
