package import DaybookValues

/// An event as the core takes it: checked, named, with an id of its own.
package struct Event: Sendable, Equatable {
    /// The id Daybook gave it.
    package let id: ULID
    /// The id its sender gave it, which makes it start a function at most once in 24 hours; nil when it has none.
    package let key: String?
    package let name: String
    /// When it happened, by its sender's word; in the future, the functions it triggers start then.
    package let timestamp: Timestamp
    /// What functions see: an object with `name`, `data`, `id`, `ts` and, if the sender gave them, `user` and `v`,
    /// without white space.
    package let json: [UInt8]

    package init(id: ULID, key: String?, name: String, timestamp: Timestamp, json: [UInt8]) {
        self.id = id
        self.key = key
        self.name = name
        self.timestamp = timestamp
        self.json = json
    }

    /// An event of the server's own making. `data`, and `user` if there is one, must be JSON objects.
    package init(
        internal name: String, id: ULID, key: String? = nil, at timestamp: Timestamp, data: [UInt8],
        user: [UInt8]? = nil, version: String? = nil
    ) {
        self.init(
            id: id, key: key, name: name, timestamp: timestamp,
            json: Self.json(
                name: name, data: data[...], id: key ?? id.text, timestamp: timestamp, user: user?[...],
                version: version))
    }

    static func json(
        name: String, data: ArraySlice<UInt8>, id: String, timestamp: Timestamp, user: ArraySlice<UInt8>?,
        version: String?
    ) -> [UInt8] {
        var json: [UInt8] = []
        json.reserveCapacity(data.count + name.utf8.count + 96)
        json.append(json: #"{"name":"#)
        json.append(jsonString: name)
        json.append(json: #","data":"#)
        json.append(contentsOf: data)
        json.append(json: #","id":"#)
        json.append(jsonString: id)
        json.append(json: #","ts":"#)
        json.append(json: timestamp.milliseconds)
        if let user {
            json.append(json: #","user":"#)
            json.append(contentsOf: user)
        }
        if let version {
            json.append(json: #","v":"#)
            json.append(jsonString: version)
        }
        json.append(UInt8(ascii: "}"))
        return json
    }
}

/// Why something that was sent is not an event.
package struct EventError: Error, Equatable, Sendable, CustomStringConvertible {
    package let message: String
    package var description: String { message }

    package init(_ message: String) {
        self.message = message
    }
}

/// The limits of one event.
package struct EventLimits: Sendable {
    /// Bytes of one event as JSON: 3 MiB.
    package var bytesMax = 3 * 1_048_576
    /// Events in one request, array or file chunk: 5,000.
    package var countMax = 5_000
    /// UTF-8 bytes of a name: 512.
    package var nameBytesMax = 512

    package init() {}
}

extension Event {
    /// Reads an event as people and SDKs send it: an object with `name` and, if wanted, `data`, `id`, `ts`, `user`, `v`.
    /// Other members are ignored; `data._inngest`, which the server keeps for itself, is taken out.
    ///
    /// - Parameters:
    ///   - value: checked JSON.
    ///   - id: the id to give it.
    ///   - now: its `ts` when it has none, or 0.
    /// - Throws: `EventError` naming the member that is wrong.
    package init(_ value: JSONView, id: ULID, now: Timestamp, limits: EventLimits = EventLimits()) throws(EventError) {
        guard value.kind == .object else {
            throw EventError("an event is a JSON object with a \"name\", but this is \(Self.describe(value))")
        }
        guard value.range.count <= limits.bytesMax else {
            throw EventError(
                "Event is over the max size: Max \(limits.bytesMax) bytes / Size \(value.range.count) bytes")
        }
        guard let nameValue = value.member("name"), !nameValue.isNull else { throw EventError("event name is empty") }
        guard let name = nameValue.string else {
            throw EventError("event \"name\" must be a string, but is \(Self.describe(nameValue))")
        }
        guard !name.isEmpty else { throw EventError("event name is empty") }
        guard name.utf8.count <= limits.nameBytesMax else {
            throw EventError("event name is longer than \(limits.nameBytesMax) bytes")
        }
        guard !name.lowercased().hasPrefix("inngest/") else {
            throw EventError("event name is reserved for internal use: \(name)")
        }
        var timestamp = now
        if let ts = value.member("ts"), !ts.isNull {
            guard let milliseconds = ts.integer else {
                throw EventError(
                    "event \"ts\" must be a whole number of milliseconds since 1970, but is \(Self.describe(ts))")
            }
            if milliseconds != 0 { timestamp = Timestamp(milliseconds: milliseconds) }
            guard timestamp.milliseconds >= 315_532_800_000 else { throw EventError("timestamp is before Jan 1, 1980") }
            guard timestamp.milliseconds < 4_102_444_800_000 else { throw EventError("timestamp is after Jan 1, 2100") }
        }
        var key: String?
        if let idValue = value.member("id"), !idValue.isNull {
            guard let text = idValue.string else {
                throw EventError("event \"id\" must be a string, but is \(Self.describe(idValue))")
            }
            if !text.isEmpty { key = text }
        }
        var version: String?
        if let versionValue = value.member("v"), !versionValue.isNull {
            guard let text = versionValue.string else {
                throw EventError("event \"v\" must be a string, but is \(Self.describe(versionValue))")
            }
            version = text
        }
        var user: ArraySlice<UInt8>?
        if let userValue = value.member("user"), !userValue.isNull {
            guard userValue.kind == .object else {
                throw EventError("event \"user\" must be an object, but is \(Self.describe(userValue))")
            }
            user = Self.compacted(userValue)[...]
        }
        var data: ArraySlice<UInt8> = Array("{}".utf8)[...]
        if let dataValue = value.member("data"), !dataValue.isNull {
            guard dataValue.kind == .object else {
                throw EventError("event \"data\" must be an object, but is \(Self.describe(dataValue))")
            }
            data = Self.withoutReserved(dataValue)[...]
        }
        self.init(
            id: id, key: key, name: name, timestamp: timestamp,
            json: Self.json(
                name: name, data: data, id: key ?? id.text, timestamp: timestamp, user: user, version: version))
    }

    private static func compacted(_ value: JSONView) -> [UInt8] {
        // The text was checked when it came in; what cannot be compacted now is kept as it is.
        (try? JSONText.compact(value.bytes)) ?? value.bytes
    }

    private static func withoutReserved(_ data: JSONView) -> [UInt8] {
        guard data.member("_inngest") != nil else { return compacted(data) }
        var kept: [UInt8] = [UInt8(ascii: "{")]
        data.forEachMember { rawName, value in
            guard unescape(rawName) != "_inngest" else { return true }
            if kept.count > 1 { kept.append(UInt8(ascii: ",")) }
            kept.append(UInt8(ascii: "\""))
            kept.append(contentsOf: rawName)
            kept.append(json: "\":")
            kept.append(contentsOf: compacted(value))
            return true
        }
        kept.append(UInt8(ascii: "}"))
        return kept
    }

    private static func describe(_ value: JSONView) -> String {
        switch value.kind {
        case .object: "an object"
        case .array: "an array"
        case .string: "a string"
        case .number: "the number \(String(decoding: value.slice.prefix(40), as: UTF8.self))"
        case .bool: value.bool == true ? "true" : "false"
        case .null: "null"
        case nil: "not JSON"
        }
    }
}
