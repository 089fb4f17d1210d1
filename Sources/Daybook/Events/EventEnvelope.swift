internal import DaybookValues
internal import FoundationEssentials

/// An event that does not fit the type a function asks for. Sendable.
///
/// Thrown before any of the function's code runs; the run fails at once, without further attempts.
public struct EventDecodingError: Error, Sendable, CustomStringConvertible {
    /// The event's name, empty when it could not be read.
    public let eventName: String
    /// The path of the field at fault, such as `data.userId`; in a batch `events.3.data.userId`.
    public let field: String
    /// What is wrong with it.
    public let reason: String

    public var description: String {
        eventName.isEmpty
            ? "an event does not decode: \(field) \(reason)"
            : "event '\(eventName)' does not decode: \(field) \(reason)"
    }
}

/// What every event has around its payload.
struct EventEnvelope {
    let view: JSONView
    let id: String
    let name: String
    let timestamp: Date

    init(_ raw: [UInt8]) throws(EventDecodingError) {
        guard let view = JSONView(raw), view.kind == .object else {
            throw EventDecodingError(eventName: "", field: "the event", reason: "is not a JSON object")
        }
        guard let name = view.member("name")?.string else {
            throw EventDecodingError(eventName: "", field: "name", reason: "is missing or not a string")
        }
        self.view = view
        self.name = name
        self.id = view.member("id")?.string ?? ""
        self.timestamp = Date(Timestamp(milliseconds: view.member("ts")?.integer ?? 0))
    }

    /// Decodes each event of a batch; a single event is a batch of one.
    static func decodeBatch<Event>(
        _ raw: [UInt8], _ decode: ([UInt8]) throws(EventDecodingError) -> Event
    ) throws(EventDecodingError) -> [Event] {
        guard let view = JSONView(raw), view.kind == .array else { return [try decode(raw)] }
        var texts: [[UInt8]] = []
        view.forEachElement { event in
            texts.append(event.bytes)
            return true
        }
        var events: [Event] = []
        for (index, text) in texts.enumerated() {
            do throws(EventDecodingError) {
                events.append(try decode(text))
            } catch {
                throw EventDecodingError(
                    eventName: error.eventName, field: "events.\(index).\(error.field)", reason: error.reason)
            }
        }
        return events
    }

    func error(field: String, _ reason: String) -> EventDecodingError {
        EventDecodingError(eventName: name, field: field, reason: reason)
    }

    func decodeData<Value: Decodable>(_ type: Value.Type) throws(EventDecodingError) -> Value {
        let bytes = view.member("data")?.bytes ?? Array("{}".utf8)
        do {
            return try ValueCoding.decode(type, from: bytes)
        } catch let error as ValueDecodingError {
            let field = error.path.isEmpty ? "data" : "data.\(error.path)"
            throw self.error(field: field, error.reason)
        } catch {
            throw self.error(field: "data", String(describing: error))
        }
    }
}

extension Date {
    init(_ timestamp: Timestamp) {
        self.init(timeIntervalSince1970: Double(timestamp.milliseconds) / 1_000)
    }

    /// Milliseconds since 1970, to the nearest; instants beyond the range of `Int64` become its ends.
    var asTimestamp: Timestamp {
        let milliseconds = (timeIntervalSince1970 * 1_000).rounded()
        return Timestamp(milliseconds: Int64(exactly: milliseconds) ?? (milliseconds < 0 ? .min : .max))
    }
}
