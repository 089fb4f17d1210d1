package import DaybookValues

/// A run's events as calls carry them: a canonical JSON array, whose first element is the call's `event`.
///
/// Made once for a run and then used for all its calls.
package struct WireEvents: Sendable {
    /// A JSON array; `[]` for nothing.
    package let array: [UInt8]
    /// Bytes of the first element.
    package let firstCount: Int

    /// The first event.
    package var first: ArraySlice<UInt8> { array[1..<1 + firstCount] }

    /// - Parameters:
    ///   - input: an event as JSON; of a batch the array of its events.
    ///   - run: names events that have no id, and dates those without `ts`.
    package init(input: [UInt8], isBatch: Bool, run: ULID) {
        var array: [UInt8] = [UInt8(ascii: "[")]
        array.reserveCapacity(input.count + 64)
        var firstCount: Int?
        if let input = JSONView(input) {
            if isBatch {
                input.forEachElement { event in
                    if firstCount != nil { array.append(UInt8(ascii: ",")) }
                    let start = array.count
                    Self.append(event, run: run, to: &array)
                    firstCount = firstCount ?? array.count - start
                    return true
                }
            } else {
                Self.append(input, run: run, to: &array)
                firstCount = array.count - 1
            }
        }
        if firstCount == nil {
            // A run that nothing started has an event all the same: SDKs insist on one.
            Self.append(nil, run: run, to: &array)
            firstCount = array.count - 1
        }
        array.append(UInt8(ascii: "]"))
        self.array = array
        self.firstCount = firstCount ?? 0
    }

    /// `data`, `id`, `name`, `ts` and `user` always, `meta` and `v` when they are there; nothing else.
    private static func append(_ event: JSONView?, run: ULID, to bytes: inout [UInt8]) {
        var data: JSONView?
        var id: JSONView?
        var meta: JSONView?
        var name: JSONView?
        var ts: JSONView?
        var user: JSONView?
        var version: JSONView?
        event?.forEachMember { rawName, value in
            switch String(decoding: rawName, as: UTF8.self) {
            case "data": data = value
            case "id": id = value
            case "meta": meta = value
            case "name": name = value
            case "ts": ts = value
            case "user": user = value
            case "v": version = value
            default: break
            }
            return true
        }
        bytes.append(json: #"{"data":"#)
        appendObject(data, to: &bytes)
        bytes.append(json: #","id":"#)
        if let id, id.kind == .string {
            CanonicalJSON.append(id, to: &bytes)
        } else {
            bytes.append(canonical: run.text)
        }
        if let sessions = meta?.member("sessions"), sessions.kind == .object {
            bytes.append(json: #","meta":{"sessions":"#)
            CanonicalJSON.append(sessions, to: &bytes)
            bytes.append(UInt8(ascii: "}"))
        }
        bytes.append(json: #","name":"#)
        if let name, name.kind == .string {
            CanonicalJSON.append(name, to: &bytes)
        } else {
            bytes.append(json: "\"\"")
        }
        bytes.append(json: #","ts":"#)
        bytes.append(json: ts?.integer ?? run.time.milliseconds)
        bytes.append(json: #","user":"#)
        appendObject(user, to: &bytes)
        if let version, version.kind == .string {
            bytes.append(json: #","v":"#)
            CanonicalJSON.append(version, to: &bytes)
        }
        bytes.append(UInt8(ascii: "}"))
    }

    private static func appendObject(_ value: JSONView?, to bytes: inout [UInt8]) {
        if let value, value.kind == .object {
            CanonicalJSON.append(value, to: &bytes)
        } else {
            bytes.append(json: "{}")
        }
    }
}
