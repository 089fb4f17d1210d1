public import FoundationEssentials

/// Contacts as one JSON file each, for people and programs to read and write.
///
/// ```
/// contacts/u1.json                       {"id": "u1", "email": "ada@example.com", "name": "Ada", "activity": […]}
/// contacts/failed/welcome-email/u1.json  why that job failed for good
/// contacts/digests/2026-11-23/u1.json    who sends, or has sent, the digest of that week
/// ```
///
/// File names are ids by ``SafeName``. Every file is replaced whole and is on disk when the call returns. Failures and
/// digests have files of their own, so the jobs never rewrite a record that another program owns. Times are RFC 3339.
public struct FileContacts: ContactStore {
    public let directory: String

    /// A record this large is refused: it is no contact.
    static let recordBytesMax = 4 << 20

    /// - Parameter directory: made when missing.
    public init(directory: String) throws(ContactError) {
        self.directory = directory
        try storing { () throws(DurableFile.Failure) in try DurableFile.makeDirectory(directory) }
    }

    // MARK: Records

    public func find(_ id: String) async throws(ContactError) -> Contact {
        guard let contact: Contact = try read(recordPath(id), of: id) else { throw .missing(id: id) }
        guard contact.id == id else {
            throw .bad(id: id, reason: "\(recordPath(id)) holds the id \"\(contact.id)\"")
        }
        return contact
    }

    public func add(_ contact: Contact) async throws(ContactError) -> Contact {
        let path = recordPath(contact.id)
        let bytes = try encode(contact)
        try storing { () throws(DurableFile.Failure) in _ = try DurableFile.create(path, with: bytes) }
        return try await find(contact.id)
    }

    /// Puts a contact in place of the one with its id, or adds it.
    public func save(_ contact: Contact) async throws(ContactError) {
        try replace(recordPath(contact.id), with: contact)
    }

    /// Reads every record, one after the other.
    public func active(from start: Date, to end: Date) async throws(ContactError) -> ActiveContacts {
        var found = ActiveContacts(ids: [])
        let directory = directory
        let names = try storing { () throws(DurableFile.Failure) in try DurableFile.names(in: directory) }
        for name in names where name.hasSuffix(".json") && !name.hasPrefix(".") {
            do throws(ContactError) {
                let label = String(name.dropLast(".json".count))
                guard let contact: Contact = try read("\(directory)/\(name)", of: label) else { continue }
                guard SafeName.encode(contact.id) == label else {
                    throw .bad(id: label, reason: "\(directory)/\(name) holds the id \"\(contact.id)\"")
                }
                if !contact.activity(from: start, to: end).isEmpty { found.ids.append(contact.id) }
            } catch {
                found.unreadable.append(error.description)
            }
        }
        found.ids.sort()
        return found
    }

    // MARK: Failures

    public func markFailed(_ id: String, _ mark: FailureMark) async throws(ContactError) {
        try replace(failurePath(id, job: mark.job), with: mark)
    }

    public func failures(of id: String) async throws(ContactError) -> [FailureMark] {
        let folder = "\(directory)/failed"
        let jobs = try storing { () throws(DurableFile.Failure) in try DurableFile.names(in: folder) }
        var marks: [FailureMark] = []
        for job in jobs {
            if let mark: FailureMark = try read("\(folder)/\(job)/\(SafeName.encode(id)).json", of: id) {
                marks.append(mark)
            }
        }
        return marks
    }

    // MARK: Digests

    private struct DigestRecord: Codable {
        enum State: String, Codable { case claimed, sent }
        var state: State
        var messageID: String
    }

    public func claimDigest(of id: String, week: Week, for message: MessageID) async throws(ContactError) -> DigestClaim
    {
        let path = digestPath(id, week)
        let bytes = try encode(DigestRecord(state: .claimed, messageID: message.text))
        let isNew = try storing { () throws(DurableFile.Failure) in
            try DurableFile.makeDirectory("\(directory)/digests/\(week)")
            return try DurableFile.create(path, with: bytes)
        }
        guard !isNew else { return .fresh }
        guard let record: DigestRecord = try read(path, of: id) else {
            // Given back between the two looks at it.
            throw .unavailable("the digest of \(week) for \"\(id)\" changed hands; try again")
        }
        if record.state == .sent { return .sent }
        guard let message = MessageID(recorded: record.messageID) else {
            throw .bad(id: id, reason: "\(path) holds no Message-ID")
        }
        return .unfinished(message)
    }

    public func markDigestSent(_ message: MessageID, to id: String, week: Week) async throws(ContactError) {
        try replace(digestPath(id, week), with: DigestRecord(state: .sent, messageID: message.text))
    }

    public func releaseDigest(of id: String, week: Week) async throws(ContactError) {
        let path = digestPath(id, week)
        try storing { () throws(DurableFile.Failure) in try DurableFile.remove(path) }
    }

    // MARK: Files

    private func recordPath(_ id: String) -> String { "\(directory)/\(SafeName.encode(id)).json" }

    private func failurePath(_ id: String, job: String) -> String {
        "\(directory)/failed/\(SafeName.encode(job))/\(SafeName.encode(id)).json"
    }

    private func digestPath(_ id: String, _ week: Week) -> String {
        "\(directory)/digests/\(week)/\(SafeName.encode(id)).json"
    }

    private func read<T: Decodable>(_ path: String, of id: String) throws(ContactError) -> T? {
        let bytes = try storing { () throws(DurableFile.Failure) in
            try DurableFile.read(path, bytesMax: Self.recordBytesMax)
        }
        guard let bytes else { return nil }
        do {
            return try decoder.decode(T.self, from: Data(bytes))
        } catch {
            throw .bad(id: id, reason: "\(path) cannot be read: \(reason(for: error))")
        }
    }

    private func replace(_ path: String, with value: some Encodable) throws(ContactError) {
        let bytes = try encode(value)
        try storing { () throws(DurableFile.Failure) in
            if let slash = path.lastIndex(of: "/") { try DurableFile.makeDirectory(String(path[..<slash])) }
            try DurableFile.replace(path, with: bytes)
        }
    }

    private func encode(_ value: some Encodable) throws(ContactError) -> [UInt8] {
        do {
            return try Array(encoder.encode(value)) + [UInt8(ascii: "\n")]
        } catch {
            throw .unavailable("a value could not be written as JSON: \(error)")
        }
    }
}

private func storing<T>(_ body: () throws(DurableFile.Failure) -> T) throws(ContactError) -> T {
    do {
        return try body()
    } catch {
        throw .unavailable(error.description)
    }
}

private func reason(for error: any Error) -> String {
    func place(_ path: [any CodingKey]) -> String {
        path.isEmpty ? "" : " at \(path.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }.joined(separator: "."))"
    }
    return switch error {
    case DecodingError.keyNotFound(let key, let context): "\(key.stringValue) is missing\(place(context.codingPath))"
    case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
        "a value of the wrong kind\(place(context.codingPath))"
    case DecodingError.dataCorrupted(let context) where !context.codingPath.isEmpty:
        "\(context.debugDescription)\(place(context.codingPath))"
    default: "it is not valid JSON"
    }
}

// Made anew for each use: neither is Sendable, and a contact is read too rarely for it to matter.

private var encoder: JSONEncoder {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.dateEncodingStrategy = .iso8601
    return encoder
}

private var decoder: JSONDecoder {
    let decoder = JSONDecoder()
    decoder.dateDecodingStrategy = .custom { decoder in
        let value = try decoder.singleValueContainer()
        let text = try value.decode(String.self)
        let styles = [Date.ISO8601FormatStyle(), Date.ISO8601FormatStyle(includingFractionalSeconds: true)]
        for style in styles {
            if let date = try? style.parse(text) { return date }
        }
        throw DecodingError.dataCorruptedError(
            in: value, debugDescription: "\"\(text)\" is not a time such as 2026-11-21T08:00:00Z")
    }
    return decoder
}
