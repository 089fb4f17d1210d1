public import FoundationEssentials

/// A user as the mail jobs see one.
public struct Contact: Codable, Hashable, Sendable {
    public struct Activity: Codable, Hashable, Sendable {
        public var at: Date
        /// What the user did, as one line for the digest: `imported 12 contacts`. Blank: not worth reporting.
        public var what: String

        public init(at: Date, what: String) {
            self.at = at
            self.what = what
        }
    }

    public var id: String
    /// Checked when mail is sent, not when the record is read: see ``mailbox()``.
    public var email: String
    public var name: String?
    /// True: no mail but what the user asked for by signing up.
    public var optedOut: Bool
    public var activity: [Activity]

    public init(
        id: String, email: String, name: String? = nil, optedOut: Bool = false, activity: [Activity] = []
    ) {
        self.id = id
        self.email = email
        self.name = name
        self.optedOut = optedOut
        self.activity = activity
    }

    private enum CodingKeys: CodingKey { case id, email, name, optedOut, activity }

    /// Records may leave out `name`, `optedOut` and `activity`.
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        id = try fields.decode(String.self, forKey: .id)
        email = try fields.decode(String.self, forKey: .email)
        name = try fields.decodeIfPresent(String.self, forKey: .name)
        optedOut = try fields.decodeIfPresent(Bool.self, forKey: .optedOut) ?? false
        activity = try fields.decodeIfPresent([Activity].self, forKey: .activity) ?? []
    }

    /// Where mail to this user goes.
    /// - Throws: ``ContactError/bad(id:reason:)`` when the address cannot be used.
    public func mailbox() throws(ContactError) -> Mailbox {
        do {
            return Mailbox(name: name, address: try EmailAddress(email))
        } catch {
            throw .bad(id: id, reason: error.description)
        }
    }

    /// The name to greet with.
    var greeting: String { name?.trimmed.split(separator: " ").first.map(String.init) ?? "there" }

    /// What there is to report from `start` up to, not including, `end`; oldest first.
    public func activity(from start: Date, to end: Date) -> [Activity] {
        activity.filter { start <= $0.at && $0.at < end && !$0.what.trimmed.isEmpty }
            .sorted { ($0.at, $0.what) < ($1.at, $1.what) }
    }
}

/// Why a contact could not be had.
public enum ContactError: ServiceError, Hashable, Sendable, CustomStringConvertible {
    case missing(id: String)
    /// There is a record, but it cannot be used: it needs a person to put it right.
    case bad(id: String, reason: String)
    /// The store failed; trying again may help.
    case unavailable(String)

    public var isPermanent: Bool {
        if case .unavailable = self { return false }
        return true
    }

    public var description: String {
        switch self {
        case .missing(let id): "there is no contact \"\(id)\""
        case .bad(let id, let reason): "contact \"\(id)\" is bad: \(reason)"
        case .unavailable(let reason): "the contact store failed: \(reason)"
        }
    }
}
