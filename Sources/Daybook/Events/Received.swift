public import FoundationEssentials

/// An event as a function gets it: the typed payload and what was recorded with it. Sendable.
///
/// The fields of the payload are read as if they were the event's own: `event.userId`. A payload field called `id`,
/// `name`, `timestamp`, `raw` or `data` is reached through `data`.
@dynamicMemberLookup
public struct Received<E: Event>: Sendable {
    /// The decoded payload.
    public let data: E
    /// The event's id: the one its sender gave, else the one it got when it was accepted.
    public let id: String
    /// The name it was sent under.
    public let name: String
    /// When it happened, by its sender's clock, else when it was accepted; milliseconds.
    public let timestamp: Date
    /// The whole event as JSON text in UTF-8, fields that `E` does not know included.
    public let raw: [UInt8]

    public subscript<Value>(dynamicMember keyPath: KeyPath<E, Value>) -> Value { data[keyPath: keyPath] }

    init(raw: [UInt8]) throws(EventDecodingError) {
        let envelope = try EventEnvelope(raw)
        self.data = try envelope.decodeData(E.self)
        self.id = envelope.id
        self.name = envelope.name
        self.timestamp = envelope.timestamp
        self.raw = raw
    }
}
