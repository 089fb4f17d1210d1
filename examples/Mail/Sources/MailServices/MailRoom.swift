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

    /// Everything as the environment says, see ``MailConfiguration``, with contacts and, when there is no SMTP server, the
    /// maildir in the data directory: `contacts` and `outbox`.
    /// - Throws: ``MailConfigurationError``; ``MailError`` or ``ContactError`` when a directory cannot be made.
    public init(environment: [String: String], dataDirectory: String) throws {
        let configuration = try MailConfiguration(environment: environment)
        self.init(
            mailer: try configuration.makeMailer(maildir: "\(dataDirectory)/outbox"),
            contacts: try FileContacts(directory: "\(dataDirectory)/contacts"), from: configuration.from,
            notify: configuration.notify)
    }

    /// The contact that mail goes to, without its activity; added to the store when it is new there.
    /// - Parameters:
    ///   - email: for a new contact; nil when the event did not say.
    /// - Throws: ``ContactError``; a permanent one when there is no record and no address, or no usable address.
    public func recipient(_ id: String, email: String?, name: String?) async throws(ContactError) -> Contact {
        var contact: Contact
        do {
            contact = try await contacts.find(id)
        } catch .missing {
            guard let email else { throw .missing(id: id) }
            let new = Contact(id: id, email: email, name: name)
            _ = try new.mailbox()  // a record that is bad from the start is not stored
            contact = try await contacts.add(new)
        }
        _ = try contact.mailbox()
        contact.activity = []
        return contact
    }

    /// Marks the contact's record: a job has failed for good.
    public func markFailed(_ id: String, job: String, reason: String, run: String) async throws(ContactError) {
        try await contacts.markFailed(id, FailureMark(job: job, reason: reason, at: now(), run: run))
    }

    /// - Parameter key: the idempotency key of the step.
    /// - Returns: the `Message-ID`.
    public func sendWelcome(to contact: Contact, product: Product, key: String) async throws -> String {
        try await send(MailTemplates.welcome(contact, to: product), to: contact.mailbox(), key: key)
    }

    /// - Returns: the `Message-ID`, nil when the user has opted out in the meantime.
    public func sendConfirmationReminder(to id: String, product: Product, key: String) async throws -> String? {
        let contact = try await contacts.find(id)
        if contact.optedOut { return nil }
        return try await send(
            MailTemplates.confirmationReminder(contact, to: product), to: contact.mailbox(), key: key)
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
        if contact.optedOut { return .skipped(reason: "opted out") }
        let entries = contact.activity(from: start, to: end)
        if entries.isEmpty { return .skipped(reason: "nothing to report") }
        let to = try contact.mailbox()
        let week = Week(containing: end)

        var messageID = MessageID(key: key, domain: from.address.domain)
        switch try await contacts.claimDigest(of: id, week: week, for: messageID) {
        case .fresh: break
        case .sent: return .skipped(reason: "had the digest of \(week) before")
        case .unfinished(let earlier):
            guard mailer.recognisesRepeats else {
                return .skipped(reason: "may have had the digest of \(week) before, as \(earlier)")
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
        return .sent(messageID: messageID.description)
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
    case sent(messageID: String)
    case skipped(reason: String)
}
