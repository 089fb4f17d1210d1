public import FoundationEssentials

/// An event of any name, its payload not decoded yet. Sendable.
///
/// What functions with several triggers get, and what a wait by name returns.
public struct AnyEvent: Sendable {
    /// The event's id: the one its sender gave, else the one it got when it was accepted.
    public let id: String
    /// The name it was sent under.
    public let name: String
    /// When it happened, by its sender's clock, else when it was accepted; milliseconds.
    public let timestamp: Date
    /// The whole event as JSON text in UTF-8.
    public let raw: [UInt8]

    init(raw: [UInt8]) throws(EventDecodingError) {
        let envelope = try EventEnvelope(raw)
        self.id = envelope.id
        self.name = envelope.name
        self.timestamp = envelope.timestamp
        self.raw = raw
    }

    /// The payload as a value of any type.
    /// - Throws: `EventDecodingError`, which names the field that does not fit.
    public func data<Data: Decodable>(as type: Data.Type = Data.self) throws -> Data {
        try EventEnvelope(raw).decodeData(type)
    }

    /// The event with its typed payload, or nil when it has another name than `E`.
    /// - Throws: `EventDecodingError` when the name fits and the payload does not.
    public func received<E: Event>(as type: E.Type = E.self) throws -> Received<E>? {
        name == E.name ? try Received<E>(raw: raw) : nil
    }
}
