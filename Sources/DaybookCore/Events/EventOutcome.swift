package import DaybookValues

/// What came of an event.
package struct EventOutcome: Sendable, Equatable {
    /// The runs it started.
    package var started: [ULID]
    /// The runs in which it fulfilled a wait.
    package var resumed: [ULID]
    /// The runs it cancelled.
    package var cancelled: [ULID]
    /// Functions that keep it for a later run.
    package var held: [HeldEvent]
    /// Functions whose trigger it met and that it started no run of, with the reason.
    package var dropped: [Dropped]

    package init(
        started: [ULID] = [], resumed: [ULID] = [], cancelled: [ULID] = [], held: [HeldEvent] = [],
        dropped: [Dropped] = []
    ) {
        self.started = started
        self.resumed = resumed
        self.cancelled = cancelled
        self.held = held
        self.dropped = dropped
    }
}

/// An event that is in the journal, and what came of it.
package struct EventReceipt: Sendable, Equatable {
    package var id: ULID
    package var outcome: EventOutcome

    /// How many runs it started.
    package var started: Int { outcome.started.count }

    package init(id: ULID, outcome: EventOutcome) {
        self.id = id
        self.outcome = outcome
    }
}

/// Why an event started no run of a function.
package struct Dropped: Sendable, Equatable {
    package enum Reason: String, Sendable, CaseIterable {
        /// A run of the last 24 hours was started by an event with this id.
        case duplicate
        case rateLimited = "rate-limited"
        /// A run with the same key is unfinished.
        case singleton
        case paused
        /// The debounce holds an event that is newer by its `ts`.
        case older
        /// An expression of the function could not be evaluated.
        case expression
        /// A reason that a newer version knows.
        case other
    }

    package var function: String
    package var reason: Reason
    /// For people: the key, the run, the error.
    package var detail: String

    package init(function: String, reason: Reason, detail: String) {
        self.function = function
        self.reason = reason
        self.detail = detail
    }
}

/// An event that is kept for a run to come.
package struct HeldEvent: Sendable, Equatable {
    package enum Kind: String, Sendable, CaseIterable {
        case debounce
        case batch
    }

    /// A step that invoked the function with this event and waits for what comes of it.
    package struct Caller: Sendable, Equatable {
        package var run: ULID
        package var key: String
        /// Stands in that step for the run that does not exist yet.
        package var child: ULID

        package init(run: ULID, key: String, child: ULID) {
            self.run = run
            self.key = key
            self.child = child
        }
    }

    package var function: String
    /// Tells this debounce or batch from every other one.
    package var hold: ULID
    package var kind: Kind
    /// The value of its key; empty without one.
    package var key: String
    /// When its run starts, if nothing changes that.
    package var due: Timestamp
    package var flow: RunFlow
    package var caller: Caller?

    package init(
        function: String, hold: ULID, kind: Kind, key: String, due: Timestamp, flow: RunFlow, caller: Caller? = nil
    ) {
        self.function = function
        self.hold = hold
        self.kind = kind
        self.key = key
        self.due = due
        self.flow = flow
        self.caller = caller
    }
}

/// An expression of a wait, with what it needs of the run's own event.
package struct WaitCondition: Sendable, Equatable {
    package var source: String
    /// See `Expression.capture`.
    package var captured: [UInt8]

    package init(source: String, captured: [UInt8]) {
        self.source = source
        self.captured = captured
    }
}

extension EventOutcome {
    /// What is rare comes only where there is some.
    func appendRest(to bytes: inout [UInt8]) {
        if !cancelled.isEmpty {
            bytes.begin("cancelled")
            bytes.append(UInt8(ascii: "["))
            for id in cancelled {
                bytes.beginElement()
                bytes.append(UInt8(ascii: "\""))
                id.append(to: &bytes)
                bytes.append(UInt8(ascii: "\""))
            }
            bytes.append(UInt8(ascii: "]"))
        }
        if !held.isEmpty {
            bytes.begin("held")
            bytes.append(UInt8(ascii: "["))
            for event in held {
                bytes.beginElement()
                event.append(to: &bytes)
            }
            bytes.append(UInt8(ascii: "]"))
        }
        if !dropped.isEmpty {
            bytes.begin("dropped")
            bytes.append(UInt8(ascii: "["))
            for dropped in dropped {
                bytes.beginElement()
                bytes.append(UInt8(ascii: "{"))
                bytes.add("fn", dropped.function)
                bytes.add("why", dropped.reason.rawValue)
                if !dropped.detail.isEmpty { bytes.add("detail", dropped.detail) }
                bytes.append(UInt8(ascii: "}"))
            }
            bytes.append(UInt8(ascii: "]"))
        }
    }

    /// Reads the members of an `event.received` record that say what came of it.
    init(_ members: JSONFields) {
        self.init()
        var fields = members
        while let field = fields.next() {
            if field.isNamed("runs") {
                started = [ULID](field)
            } else if field.isNamed("resumed") {
                resumed = [ULID](field)
            } else if field.isNamed("cancelled") {
                cancelled = [ULID](field)
            } else if field.isNamed("held") {
                field.forEachElement { element in
                    if let event = HeldEvent(JSONFields.Field(value: element).fields) { held.append(event) }
                }
            } else if field.isNamed("dropped") {
                field.forEachElement { element in
                    var members = JSONFields.Field(value: element).fields
                    var found = Dropped(function: "", reason: .other, detail: "")
                    while let member = members.next() {
                        if member.isNamed("fn") { found.function = member.string ?? "" }
                        if member.isNamed("why") {
                            found.reason = member.string.flatMap(Dropped.Reason.init(rawValue:)) ?? .other
                        }
                        if member.isNamed("detail") { found.detail = member.string ?? "" }
                    }
                    dropped.append(found)
                }
            } else if field.isNamed("event") {
                // The last member, and by far the largest.
                break
            }
        }
    }
}

extension HeldEvent {
    fileprivate func append(to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "{"))
        bytes.add("fn", function)
        bytes.add("hold", hold)
        bytes.add("for", kind.rawValue)
        if !key.isEmpty { bytes.add("key", key) }
        bytes.add("due", due.milliseconds)
        if !flow.isEmpty {
            bytes.begin("flow")
            flow.append(to: &bytes)
        }
        if let caller {
            bytes.add("parent", caller.run)
            bytes.add("step", caller.key)
            bytes.add("child", caller.child)
        }
        bytes.append(UInt8(ascii: "}"))
    }

    fileprivate init?(_ members: JSONFields) {
        var fields = members
        var function: String?
        var hold: ULID?
        var kind: Kind?
        var key = ""
        var due: Timestamp?
        var flow = RunFlow()
        var parent: ULID?
        var step: String?
        var child: ULID?
        while let field = fields.next() {
            if field.isNamed("fn") { function = field.string }
            if field.isNamed("hold") { hold = field.ulid }
            if field.isNamed("for") { kind = field.string.flatMap(Kind.init(rawValue:)) }
            if field.isNamed("key") { key = field.string ?? "" }
            if field.isNamed("due") { due = field.timestamp }
            if field.isNamed("flow") { flow = RunFlow(field.fields) }
            if field.isNamed("parent") { parent = field.ulid }
            if field.isNamed("step") { step = field.string }
            if field.isNamed("child") { child = field.ulid }
        }
        guard let function, let hold, let kind, let due else { return nil }
        self.init(function: function, hold: hold, kind: kind, key: key, due: due, flow: flow)
        if let parent, let step, let child { caller = Caller(run: parent, key: step, child: child) }
    }
}
