public import FoundationEssentials

/// The users, what went wrong with them, and which digests they have had.
public protocol ContactStore: Sendable {
    /// - Throws: ``ContactError/missing(id:)`` when there is no such contact.
    func find(_ id: String) async throws(ContactError) -> Contact
    /// Adds the contact unless one with its id is there, and returns the one that is there now.
    func add(_ contact: Contact) async throws(ContactError) -> Contact
    /// The contacts with something to report from `start` up to, not including, `end`.
    func active(from start: Date, to end: Date) async throws(ContactError) -> ActiveContacts

    /// Notes on the contact's record that a job has failed for good; the record itself need not exist.
    func markFailed(_ id: String, _ mark: FailureMark) async throws(ContactError)
    /// The notes on a contact's record, by job.
    func failures(of id: String) async throws(ContactError) -> [FailureMark]

    /// Reserves the digest of one week for one message, so that of any number of runs and retries one sends it.
    func claimDigest(of id: String, week: Week, for message: MessageID) async throws(ContactError) -> DigestClaim
    /// Notes that the claimed digest was sent.
    func markDigestSent(_ message: MessageID, to id: String, week: Week) async throws(ContactError)
    /// Gives the claim back, after a failure that left no doubt that nothing was sent.
    func releaseDigest(of id: String, week: Week) async throws(ContactError)
}

/// What ``ContactStore/active(from:to:)`` found.
public struct ActiveContacts: Codable, Hashable, Sendable {
    /// In order of id.
    public var ids: [String]
    /// Records that could not be read, each with the reason. One bad record does not hide the others.
    public var unreadable: [String]

    public init(ids: [String], unreadable: [String] = []) {
        self.ids = ids
        self.unreadable = unreadable
    }
}

/// A job that failed for good for one contact.
public struct FailureMark: Codable, Hashable, Sendable {
    public var job: String
    public var reason: String
    public var at: Date
    /// The run that failed.
    public var run: String

    public init(job: String, reason: String, at: Date, run: String) {
        self.job = job
        self.reason = reason
        self.at = at
        self.run = run
    }
}

public enum DigestClaim: Hashable, Sendable {
    /// Nobody has claimed it: send it.
    case fresh
    /// It was sent, by whichever run.
    case sent
    /// A claim was made, for this message, and never settled: its sender died, or is still at it.
    case unfinished(MessageID)
}
