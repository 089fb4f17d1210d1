package import DaybookValues

/// Events that wait together for one run: a debounce or a batch.
struct Hold {
    struct Held {
        let id: ULID
        let key: String?
        let name: String
        let timestamp: Timestamp
        let json: [UInt8]
    }

    let id: ULID
    let function: Int
    let kind: HeldEvent.Kind
    let key: String
    let firstAt: Timestamp
    /// When the newest event came.
    var lastAt: Timestamp
    var due: Timestamp
    /// For a debounce the one that counts; for a batch all, in the order in which they came.
    var events: [Held]
    var bytes: Int
    var flow: RunFlow
    var callers: [HeldEvent.Caller]
}

/// All holds, by id and by what new events join.
struct Holds {
    struct Name: Hashable {
        let function: Int
        let kind: HeldEvent.Kind
        let key: String
    }

    private(set) var byID: [ULID: Hold] = [:]
    private var byName: [Name: ULID] = [:]

    subscript(id: ULID) -> Hold? { byID[id] }

    func open(_ name: Name) -> Hold? { byName[name].flatMap { byID[$0] } }

    var count: Int { byID.count }

    mutating func add(_ hold: Hold) {
        byID[hold.id] = hold
        byName[Name(function: hold.function, kind: hold.kind, key: hold.key)] = hold.id
    }

    /// Adds an event to a hold, or begins one.
    /// - Returns: when it is due.
    mutating func take(_ held: HeldEvent, _ event: Event, function: Int, at time: Timestamp) -> Timestamp {
        let new = Hold.Held(
            id: event.id, key: event.key, name: event.name, timestamp: event.timestamp, json: event.json)
        var hold =
            byID[held.hold]
            ?? Hold(
                id: held.hold, function: function, kind: held.kind, key: held.key, firstAt: time, lastAt: time,
                due: held.due, events: [], bytes: 0, flow: held.flow, callers: [])
        // Not copied when it grows: nobody else has it for the moment.
        byID[held.hold] = nil
        switch held.kind {
        case .debounce:
            hold.events = [new]
            hold.bytes = event.json.count
            hold.flow = held.flow
        case .batch:
            hold.events.append(new)
            hold.bytes += event.json.count
        }
        hold.due = held.due
        hold.lastAt = time
        if let caller = held.caller { hold.callers.append(caller) }
        add(hold)
        return hold.due
    }

    mutating func remove(_ id: ULID) {
        guard let hold = byID.removeValue(forKey: id) else { return }
        let name = Name(function: hold.function, kind: hold.kind, key: hold.key)
        if byName[name] == id { byName[name] = nil }
    }
}

/// What anybody may see of a hold.
package struct HoldSummary: Sendable, Equatable {
    package var id: ULID
    package var function: String
    package var kind: HeldEvent.Kind
    /// Empty without one.
    package var key: String
    package var eventCount: Int
    package var bytes: Int
    package var firstAt: Timestamp
    package var due: Timestamp
    /// The events' ids, oldest first, at most 100.
    package var eventIDs: [ULID]
}
