import DaybookValues

extension FlowConfig {
    /// Appends the settings as a JSON object; what is not set is left out.
    func append(to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "{"))
        if !concurrency.isEmpty {
            bytes.begin("concurrency")
            bytes.append(UInt8(ascii: "["))
            for limit in concurrency {
                bytes.beginElement()
                limit.append(to: &bytes)
            }
            bytes.append(UInt8(ascii: "]"))
        }
        if let runConcurrency {
            bytes.begin("runConcurrency")
            runConcurrency.append(to: &bytes)
        }
        if let throttle {
            bytes.begin("throttle")
            bytes.append(UInt8(ascii: "{"))
            bytes.add("limit", Int64(throttle.limit))
            bytes.add("period", throttle.period)
            if throttle.burst != 0 { bytes.add("burst", Int64(throttle.burst)) }
            bytes.add("key", throttle.key)
            bytes.append(UInt8(ascii: "}"))
        }
        if let rateLimit {
            bytes.begin("rateLimit")
            bytes.append(UInt8(ascii: "{"))
            bytes.add("limit", Int64(rateLimit.limit))
            bytes.add("period", rateLimit.period)
            bytes.add("key", rateLimit.key)
            bytes.append(UInt8(ascii: "}"))
        }
        bytes.add("idempotency", idempotency)
        if let debounce {
            bytes.begin("debounce")
            bytes.append(UInt8(ascii: "{"))
            bytes.add("period", debounce.period)
            bytes.add("timeout", debounce.timeout)
            bytes.add("key", debounce.key)
            bytes.append(UInt8(ascii: "}"))
        }
        if let batch {
            bytes.begin("batch")
            bytes.append(UInt8(ascii: "{"))
            bytes.add("maxSize", Int64(batch.maxSize))
            bytes.add("timeout", batch.timeout)
            bytes.add("key", batch.key)
            bytes.add("if", batch.condition)
            bytes.append(UInt8(ascii: "}"))
        }
        bytes.add("priority", priority)
        if let singleton {
            bytes.begin("singleton")
            bytes.append(UInt8(ascii: "{"))
            bytes.add("mode", singleton.mode.rawValue)
            bytes.add("key", singleton.key)
            bytes.append(UInt8(ascii: "}"))
        }
        if !cancelOn.isEmpty {
            bytes.begin("cancelOn")
            bytes.append(UInt8(ascii: "["))
            for cancel in cancelOn {
                bytes.beginElement()
                bytes.append(UInt8(ascii: "{"))
                bytes.add("event", cancel.event)
                bytes.add("if", cancel.condition)
                bytes.add("timeout", cancel.timeout)
                bytes.append(UInt8(ascii: "}"))
            }
            bytes.append(UInt8(ascii: "]"))
        }
        bytes.append(UInt8(ascii: "}"))
    }

    /// Reads what `append` wrote; nil when something essential is missing or makes no sense.
    init?(_ members: JSONFields) {
        self.init()
        var fields = members
        var isReadable = true
        func take<Value>(_ value: Value?) -> Value? {
            if value == nil { isReadable = false }
            return value
        }
        while let field = fields.next() {
            if field.isNamed("concurrency") {
                field.forEachElement { element in
                    if let limit = take(ConcurrencyLimit(Settings(JSONFields.Field(value: element).fields))) {
                        concurrency.append(limit)
                    }
                }
            } else if field.isNamed("runConcurrency") {
                runConcurrency = take(ConcurrencyLimit(Settings(field.fields)))
            } else if field.isNamed("throttle") {
                let settings = Settings(field.fields)
                guard let limit = settings.limit, let period = settings.period else { return nil }
                throttle = Throttle(limit: limit, period: period, burst: settings.burst, key: settings.key)
            } else if field.isNamed("rateLimit") {
                let settings = Settings(field.fields)
                guard let limit = settings.limit, let period = settings.period else { return nil }
                rateLimit = RateLimit(limit: limit, period: period, key: settings.key)
            } else if field.isNamed("idempotency") {
                idempotency = field.string
            } else if field.isNamed("debounce") {
                let settings = Settings(field.fields)
                guard let period = settings.period else { return nil }
                debounce = Debounce(period: period, timeout: settings.timeout, key: settings.key)
            } else if field.isNamed("batch") {
                let settings = Settings(field.fields)
                guard let size = settings.limit, let timeout = settings.timeout else { return nil }
                batch = Batch(maxSize: size, timeout: timeout, key: settings.key, condition: settings.condition)
            } else if field.isNamed("priority") {
                priority = field.string
            } else if field.isNamed("singleton") {
                let settings = Settings(field.fields)
                guard let mode = settings.mode.flatMap(Singleton.Mode.init(rawValue:)) else { return nil }
                singleton = Singleton(mode: mode, key: settings.key)
            } else if field.isNamed("cancelOn") {
                field.forEachElement { element in
                    let settings = Settings(JSONFields.Field(value: element).fields)
                    if let event = take(settings.event) {
                        cancelOn.append(
                            CancelOn(event: event, condition: settings.condition, timeout: settings.timeout))
                    }
                }
            }
        }
        guard isReadable else { return nil }
    }
}

extension ConcurrencyLimit {
    fileprivate func append(to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "{"))
        bytes.add("limit", Int64(limit))
        bytes.add("key", key)
        if scope != .function { bytes.add("scope", scope.rawValue) }
        bytes.append(UInt8(ascii: "}"))
    }

    fileprivate init?(_ settings: Settings) {
        guard let limit = settings.limit else { return nil }
        let scope = settings.scope ?? Scope.function.rawValue
        guard let scope = Scope(rawValue: scope) else { return nil }
        self.init(limit: limit, key: settings.key, scope: scope)
    }
}

/// The members that settings have in common. Numbers that no registration allows are as good as missing.
private struct Settings {
    var limit: Int?
    var period: Int64?
    var timeout: Int64?
    var burst = 0
    var key: String?
    var scope: String?
    var condition: String?
    var mode: String?
    var event: String?

    init(_ members: JSONFields) {
        var fields = members
        while let field = fields.next() {
            if field.isNamed("limit") || field.isNamed("maxSize") {
                limit = field.integer.flatMap { (1...FlowConfig.limitMax).contains($0) ? Int($0) : nil }
            } else if field.isNamed("period") {
                period = field.integer.flatMap { (1...FlowConfig.periodMax).contains($0) ? $0 : nil }
            } else if field.isNamed("timeout") {
                timeout = field.integer.flatMap { (1...FlowConfig.periodMax).contains($0) ? $0 : nil }
            } else if field.isNamed("burst") {
                burst = field.integer.flatMap { (0...FlowConfig.limitMax).contains($0) ? Int($0) : nil } ?? 0
            } else if field.isNamed("key") {
                key = field.string
            } else if field.isNamed("scope") {
                scope = field.string
            } else if field.isNamed("if") {
                condition = field.string
            } else if field.isNamed("mode") {
                mode = field.string
            } else if field.isNamed("event") {
                event = field.string
            }
        }
    }
}
