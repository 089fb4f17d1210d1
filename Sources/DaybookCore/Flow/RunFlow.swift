package import DaybookValues

/// What flow control has worked out about a run from its trigger event when it was queued; it stays, whatever becomes of
/// the function's settings. Empty for most runs.
package struct RunFlow: Sendable, Equatable {
    /// The value of the key of a concurrency limit.
    package struct PoolKey: Sendable, Hashable {
        package var scope: ConcurrencyLimit.Scope
        /// The expression; the limit of a key is looked up by it.
        package var expression: String
        package var value: String

        package init(scope: ConcurrencyLimit.Scope, expression: String, value: String) {
            self.scope = scope
            self.expression = expression
            self.value = value
        }
    }

    /// What cancels the run.
    package struct Cancel: Sendable, Equatable {
        package var event: String
        package var condition: String?
        /// What the condition needs of the run's own event; see `Expression.capture`.
        package var captured: [UInt8]?
        /// From then on it does not.
        package var until: Timestamp?

        package init(event: String, condition: String? = nil, captured: [UInt8]? = nil, until: Timestamp? = nil) {
            self.event = event
            self.condition = condition
            self.captured = captured
            self.until = until
        }
    }

    /// Of limits with a key.
    package var keys: [PoolKey] = []
    /// Of the limit on runs, if that has a key.
    package var runKey: PoolKey?
    package var throttleKey: String?
    /// The key under which the run counts against the function's rate limit or idempotency.
    package var rateKey: String?
    package var singletonKey: String?
    /// Seconds, clamped.
    package var priority: Int64 = 0
    package var cancelOn: [Cancel] = []
    /// What could not be evaluated, in words: it took the value that the rules give it then.
    package var problems: [String] = []

    package init() {}

    package var isEmpty: Bool {
        keys.isEmpty && runKey == nil && throttleKey == nil && rateKey == nil && singletonKey == nil && priority == 0
            && cancelOn.isEmpty && problems.isEmpty
    }
}

extension RunFlow {
    /// Appends it as a JSON object.
    func append(to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "{"))
        if !keys.isEmpty {
            bytes.begin("keys")
            bytes.append(UInt8(ascii: "["))
            for key in keys {
                bytes.beginElement()
                key.append(to: &bytes)
            }
            bytes.append(UInt8(ascii: "]"))
        }
        if let runKey {
            bytes.begin("runKey")
            runKey.append(to: &bytes)
        }
        bytes.add("throttle", throttleKey)
        bytes.add("rate", rateKey)
        bytes.add("singleton", singletonKey)
        if priority != 0 { bytes.add("priority", priority) }
        if !cancelOn.isEmpty {
            bytes.begin("cancelOn")
            bytes.append(UInt8(ascii: "["))
            for cancel in cancelOn {
                bytes.beginElement()
                bytes.append(UInt8(ascii: "{"))
                bytes.add("event", cancel.event)
                bytes.add("if", cancel.condition)
                bytes.add("captured", json: cancel.captured)
                bytes.add("until", cancel.until?.milliseconds)
                bytes.append(UInt8(ascii: "}"))
            }
            bytes.append(UInt8(ascii: "]"))
        }
        if !problems.isEmpty {
            bytes.begin("problems")
            bytes.append(UInt8(ascii: "["))
            for problem in problems {
                bytes.beginElement()
                bytes.append(jsonString: problem)
            }
            bytes.append(UInt8(ascii: "]"))
        }
        bytes.append(UInt8(ascii: "}"))
    }

    init(_ members: JSONFields) {
        self.init()
        var fields = members
        while let field = fields.next() {
            if field.isNamed("keys") {
                field.forEachElement { element in
                    if let key = PoolKey(JSONFields.Field(value: element).fields) { keys.append(key) }
                }
            } else if field.isNamed("runKey") {
                runKey = PoolKey(field.fields)
            } else if field.isNamed("throttle") {
                throttleKey = field.string
            } else if field.isNamed("rate") {
                rateKey = field.string
            } else if field.isNamed("singleton") {
                singletonKey = field.string
            } else if field.isNamed("priority") {
                priority = min(max(field.integer ?? 0, -Self.priorityMax), Self.priorityMax)
            } else if field.isNamed("cancelOn") {
                field.forEachElement { element in
                    var members = JSONFields.Field(value: element).fields
                    var cancel = Cancel(event: "")
                    while let member = members.next() {
                        if member.isNamed("event") { cancel.event = member.string ?? "" }
                        if member.isNamed("if") { cancel.condition = member.string }
                        if member.isNamed("captured") { cancel.captured = member.bytes }
                        if member.isNamed("until") { cancel.until = member.timestamp }
                    }
                    cancelOn.append(cancel)
                }
            } else if field.isNamed("problems") {
                field.forEachElement { element in
                    if let problem = JSONFields.Field(value: element).string { problems.append(problem) }
                }
            }
        }
    }

    /// Seconds: 12 hours.
    package static let priorityMax: Int64 = 43_200
}

extension RunFlow.PoolKey {
    func append(to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "{"))
        if scope != .function { bytes.add("scope", scope.rawValue) }
        bytes.add("key", expression)
        bytes.add("value", value)
        bytes.append(UInt8(ascii: "}"))
    }

    init?(_ members: JSONFields) {
        var fields = members
        var scope: String?
        var expression: String?
        var value: String?
        while let field = fields.next() {
            if field.isNamed("scope") { scope = field.string }
            if field.isNamed("key") { expression = field.string }
            if field.isNamed("value") { value = field.string }
        }
        guard let known = ConcurrencyLimit.Scope(rawValue: scope ?? ConcurrencyLimit.Scope.function.rawValue),
            let expression, let value
        else { return nil }
        self.init(scope: known, expression: expression, value: value)
    }
}
