package import DaybookCore
package import DaybookValues

/// An event that was received, and what came of it.
package struct EventDetail: Sendable, Equatable {
    package var event: Event
    package var outcome: EventOutcome
    package var receivedAt: Timestamp

    /// Appends everything as an object of one line.
    package func append(to json: inout [UInt8]) {
        json.appendObject { json in
            json.append(member: "id", event.id.text)
            json.append(member: "key", event.key)
            json.append(member: "name", event.name)
            json.append(member: "receivedAt", receivedAt)
            json.append(member: "ts", event.timestamp)
            outcome.appendMembers(to: &json)
            json.begin(member: "event")
            json.append(contentsOf: event.json)
        }
    }
}

extension EventOutcome {
    /// Appends what came of an event as members of an object: `"runs":[…]` always, the rest where there is some.
    package func appendMembers(to json: inout [UInt8]) {
        json.append(member: "runs", list: started) { $1.append(jsonString: $0.text) }
        json.append(member: "resumed", resumed.map(\.text))
        json.append(member: "cancelled", cancelled.map(\.text))
        if !held.isEmpty {
            json.append(member: "held", list: held) { event, json in
                json.appendObject { json in
                    json.append(member: "function", event.function)
                    json.append(member: "for", event.kind.rawValue)
                    if !event.key.isEmpty { json.append(member: "key", event.key) }
                    json.append(member: "due", event.due)
                }
            }
        }
        if !dropped.isEmpty {
            json.append(member: "dropped", list: dropped) { dropped, json in
                json.appendObject { json in
                    json.append(member: "function", dropped.function)
                    json.append(member: "why", dropped.reason.rawValue)
                    if !dropped.detail.isEmpty { json.append(member: "detail", dropped.detail) }
                }
            }
        }
    }
}
