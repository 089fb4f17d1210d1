internal import DaybookValues
public import FoundationEssentials

/// An event about to be sent by `Step.sendEvents`. Sendable.
public struct OutgoingEvent: Sendable {
    /// The event's name.
    public let name: String
    /// Two events with one id within 24 hours start a function once; nil lets the server choose.
    public let id: String?
    /// When it happened; nil means now, a later time starts its functions then.
    public let timestamp: Date?
    /// The payload as JSON, or why it has none; told when the event is sent.
    let data: Result<[UInt8], StepMisuseError>

    /// - Parameters:
    ///   - event: the payload; its type gives the name.
    ///   - id: two events with one id within 24 hours start a function once. The default lets the server choose.
    ///   - timestamp: when it happened. The default is now.
    public init<E: Event>(_ event: E, id: String? = nil, timestamp: Date? = nil) {
        self.init(name: E.name, data: event, id: id, timestamp: timestamp)
    }

    /// - Parameters:
    ///   - name: the event's name; not empty, and `inngest/…` is kept for the server's own.
    ///   - data: any value that is encoded as a JSON object.
    ///   - id: two events with one id within 24 hours start a function once. The default lets the server choose.
    ///   - timestamp: when it happened. The default is now.
    public init(name: String, data: some Encodable, id: String? = nil, timestamp: Date? = nil) {
        self.name = name
        self.id = id
        self.timestamp = timestamp
        self.data = Self.encode(name: name, data)
    }

    private static func encode(name: String, _ data: some Encodable) -> Result<[UInt8], StepMisuseError> {
        guard !name.isEmpty else { return .failure(StepMisuseError("an event needs a name")) }
        guard !name.lowercased().hasPrefix("inngest/") else {
            return .failure(StepMisuseError("the event name '\(name)' is kept for the server's own events"))
        }
        do {
            let bytes = try ValueCoding.encode(data)
            guard bytes.first == UInt8(ascii: "{") else {
                return .failure(StepMisuseError("the data of event '\(name)' is not encoded as a JSON object"))
            }
            return .success(bytes)
        } catch {
            return .failure(StepMisuseError("the data of event '\(name)' cannot be encoded: \(error)"))
        }
    }
}
