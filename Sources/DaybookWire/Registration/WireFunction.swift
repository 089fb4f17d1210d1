internal import DaybookValues

/// A function as an app registers it. Durations, expressions and dates are the app's texts.
package struct WireFunction: Sendable, Equatable {
    /// The slug, `<app id>-<function id>`.
    package var id: String?
    package var name: String?
    package var triggers: [WireTrigger]
    /// In their order; a function that can be called has exactly one.
    package var steps: [WireStep]
    /// `retries` beside the steps, which counts where a step has none.
    package var retries: Int64?
    package var concurrency: WireConcurrency?
    package var throttle: WireThrottle?
    package var rateLimit: WireRateLimit?
    package var debounce: WireDebounce?
    /// `priority.run`
    package var priority: String?
    /// `batchEvents`
    package var batch: WireBatch?
    package var idempotency: String?
    package var singleton: WireSingleton?
    /// `timeouts.start` and `timeouts.finish`
    package var startTimeout: String?
    package var finishTimeout: String?
    package var cancel: [WireCancel]
    /// An object as it was sent, in canonical form: how the SDK reports steps is its own business.
    package var checkpoint: [UInt8]?

    /// - Parameter number: of the function among those registered, from 1; names it in errors when it has no id.
    init(_ value: JSONView, number: Int) throws(RegisterError) {
        guard value.kind == .object else {
            throw RegisterError("function \(number) must be an object, not \(Ops.name(of: value))")
        }
        let unnamed = FieldReader(value, path: "function \(number): ")
        id = try unnamed.string("id")
        name = try unnamed.string("name")
        let fields = (id ?? name).map { FieldReader(value, path: "function '\($0.prefix(100))': ") } ?? unnamed
        triggers = []
        for trigger in try fields.objects("triggers") { triggers.append(try WireTrigger(trigger)) }
        steps = try Self.steps(fields)
        retries = try fields.integer("retries")
        concurrency = try WireConcurrency(fields)
        throttle = try fields.object("throttle").map(WireThrottle.init)
        rateLimit = try fields.object("rateLimit").map(WireRateLimit.init)
        debounce = try fields.object("debounce").map(WireDebounce.init)
        priority = try fields.object("priority")?.string("run")
        batch = try fields.object("batchEvents").map(WireBatch.init)
        idempotency = try fields.string("idempotency")
        singleton = try fields.object("singleton").map(WireSingleton.init)
        let timeouts = try fields.object("timeouts")
        startTimeout = try timeouts?.string("start")
        finishTimeout = try timeouts?.string("finish")
        cancel = []
        for entry in try fields.objects("cancel") { cancel.append(try WireCancel(entry)) }
        _ = try fields.object("checkpoint")
        checkpoint = fields["checkpoint"].map { CanonicalJSON.encode($0) }
    }

    private static func steps(_ fields: FieldReader) throws(RegisterError) -> [WireStep] {
        guard let value = fields["steps"] else { return [] }
        guard value.kind == .object else { throw fields.wrong("steps", must: "an object", is: value) }
        var entries: [(key: String, value: JSONView)] = []
        value.forEachMember { rawName, step in
            entries.append((unescape(rawName), step))
            return true
        }
        var steps: [WireStep] = []
        for (key, step) in entries {
            guard step.kind == .object else { throw fields.wrong("steps.\(key)", must: "an object", is: step) }
            steps.append(try WireStep(FieldReader(step, path: fields.place(of: "steps.\(key)."))))
        }
        return steps
    }
}

package struct WireTrigger: Sendable, Equatable {
    package var event: String?
    /// `expression`
    package var condition: String?
    package var cron: String?
    package var jitter: String?

    init(_ fields: FieldReader) throws(RegisterError) {
        event = try fields.string("event")
        condition = try fields.string("expression")
        cron = try fields.string("cron")
        jitter = try fields.string("jitter")
    }
}

/// How a function is called.
package struct WireStep: Sendable, Equatable {
    package var id: String?
    package var name: String?
    /// `runtime.type`
    package var type: String?
    /// `runtime.url`
    package var url: String?
    /// `retries.attempts`: after the first attempt.
    package var retries: Int64?

    init(_ fields: FieldReader) throws(RegisterError) {
        id = try fields.string("id")
        name = try fields.string("name")
        let runtime = try fields.object("runtime")
        type = try runtime?.string("type")
        url = try runtime?.string("url")
        if let value = fields["retries"], value.kind == .number {
            retries = try fields.integer("retries")
        } else {
            retries = try fields.object("retries")?.integer("attempts")
        }
    }
}

/// Limits of calls at the same time and of runs at the same time.
package struct WireConcurrency: Sendable, Equatable {
    /// `step`, and what stands alone.
    package var step: [WireLimit] = []
    /// `fn`
    package var run: [WireLimit] = []

    /// A number, one limit, an array of limits, or an object of such arrays; nil for none and for a text.
    init?(_ fields: FieldReader) throws(RegisterError) {
        let name = "concurrency"
        guard let value = fields[name], value.kind != .string else { return nil }
        switch value.kind {
        case .number:
            guard let limit = try fields.integer(name) else { return nil }
            step = [WireLimit(limit: limit)]
        case .array:
            step = try Self.limits(fields, name)
        case .object:
            let inner = FieldReader(value, path: fields.place(of: "\(name)."))
            if inner["step"] == nil, inner["fn"] == nil {
                step = [try WireLimit(inner)]
            } else {
                step = try Self.limits(inner, "step")
                run = try Self.limits(inner, "fn")
            }
        default: throw fields.wrong(name, must: "a number, an object or an array", is: value)
        }
    }

    private static func limits(_ fields: FieldReader, _ name: String) throws(RegisterError) -> [WireLimit] {
        if let value = fields[name], value.kind == .object {
            return [try WireLimit(FieldReader(value, path: fields.place(of: "\(name).")))]
        }
        var limits: [WireLimit] = []
        for limit in try fields.objects(name) { limits.append(try WireLimit(limit)) }
        return limits
    }
}

package struct WireLimit: Sendable, Equatable {
    package enum Scope: String, Sendable, CaseIterable {
        case function = "fn"
        case environment = "env"
        case account
    }

    /// As sent: 0 and less mean no limit, and so does none.
    package var limit: Int64
    package var key: String?
    package var scope = Scope.function

    init(limit: Int64) {
        self.limit = limit
    }

    init(_ fields: FieldReader) throws(RegisterError) {
        limit = try fields.integer("limit") ?? 0
        key = try fields.string("key")
        if let text = try fields.string("scope") {
            guard let scope = Scope(rawValue: text.lowercased()) else {
                throw RegisterError(fields.place(of: "scope must be fn, env or account, not '\(text.prefix(100))'"))
            }
            self.scope = scope
        }
    }
}

package struct WireThrottle: Sendable, Equatable {
    package var limit: Int64
    package var period: String
    package var burst: Int64?
    package var key: String?

    init(_ fields: FieldReader) throws(RegisterError) {
        limit = try fields.integer("limit") ?? 0
        period = try fields.requiredString("period")
        burst = try fields.integer("burst")
        key = try fields.string("key")
    }
}

package struct WireRateLimit: Sendable, Equatable {
    package var limit: Int64
    package var period: String
    package var key: String?

    init(_ fields: FieldReader) throws(RegisterError) {
        limit = try fields.integer("limit") ?? 0
        period = try fields.requiredString("period")
        key = try fields.string("key")
    }
}

package struct WireDebounce: Sendable, Equatable {
    package var period: String
    package var timeout: String?
    package var key: String?

    init(_ fields: FieldReader) throws(RegisterError) {
        period = try fields.requiredString("period")
        timeout = try fields.string("timeout")
        key = try fields.string("key")
    }
}

package struct WireBatch: Sendable, Equatable {
    package var maxSize: Int64
    package var timeout: String?
    package var key: String?
    /// `if`
    package var condition: String?

    init(_ fields: FieldReader) throws(RegisterError) {
        maxSize = try fields.integer("maxSize") ?? 0
        timeout = try fields.string("timeout")
        key = try fields.string("key")
        condition = try fields.string("if")
    }
}

package struct WireSingleton: Sendable, Equatable {
    package enum Mode: String, Sendable, CaseIterable { case skip, cancel }

    package var mode = Mode.skip
    package var key: String?

    init(_ fields: FieldReader) throws(RegisterError) {
        if let text = try fields.string("mode") {
            guard let mode = Mode(rawValue: text.lowercased()) else {
                throw RegisterError(fields.place(of: "mode must be skip or cancel, not '\(text.prefix(100))'"))
            }
            self.mode = mode
        }
        key = try fields.string("key")
    }
}

package struct WireCancel: Sendable, Equatable {
    package var event: String?
    /// `if`
    package var condition: String?
    package var timeout: String?

    init(_ fields: FieldReader) throws(RegisterError) {
        event = try fields.string("event")
        condition = try fields.string("if")
        timeout = try fields.string("timeout")
    }
}
