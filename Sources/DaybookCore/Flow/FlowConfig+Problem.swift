import DaybookCEL

extension FlowConfig {
    /// The highest limit, burst or batch size.
    static let limitMax: Int64 = 1_000_000
    /// The longest period or timeout, in milliseconds: ten years, so that nothing that is added up overflows.
    static let periodMax: Int64 = 3_650 * 86_400_000

    /// Why the settings cannot be used, or nil. Names the setting, and in an expression line and column.
    var problem: String? {
        var checker = FlowChecker()
        if concurrency.count > 2 {
            checker.note(
                "concurrency: there are more limits specified than the allowed max of 2: \(concurrency.count)")
        }
        for limit in concurrency { checker.check(limit, "concurrency") }
        if let runConcurrency { checker.check(runConcurrency, "concurrency of runs") }
        if let throttle {
            checker.check(limit: throttle.limit, "throttle")
            if !(0...Int(Self.limitMax)).contains(throttle.burst) {
                checker.note("throttle: burst must be 0…\(Self.limitMax), not \(throttle.burst)")
            }
            if throttle.period < 1_000 || throttle.period % 1_000 != 0 {
                checker.note("throttle: the period must be whole seconds, at least 1 s, not \(throttle.period) ms")
            }
            checker.check(longest: throttle.period, "throttle")
            checker.check(key: throttle.key, "throttle")
        }
        if let rateLimit {
            checker.check(limit: rateLimit.limit, "rateLimit")
            if !(1_000...86_400_000).contains(rateLimit.period) {
                checker.note("rateLimit: the period must be between 1 s and 24 h, not \(rateLimit.period) ms")
            }
            checker.check(key: rateLimit.key, "rateLimit")
        }
        checker.check(key: idempotency, "idempotency")
        if let debounce {
            if !(1_000...604_800_000).contains(debounce.period) {
                checker.note("debounce: the period must be between 1 s and 7 days, not \(debounce.period) ms")
            }
            if let timeout = debounce.timeout, timeout < 1_000 {
                checker.note("debounce: the timeout must be at least 1 s, not \(timeout) ms")
            }
            checker.check(longest: debounce.timeout ?? 0, "debounce")
            checker.check(key: debounce.key, "debounce")
        }
        if let batch { check(batch, &checker) }
        if let priority { checker.check(priority, for: .priority, "priority") }
        if let singleton { checker.check(key: singleton.key, "singleton") }
        if cancelOn.count > 5 {
            checker.note(
                "cancelOn: This function exceeds the max number of cancellation events: 5, not \(cancelOn.count)")
        }
        for cancel in cancelOn {
            if cancel.event.isEmpty { checker.note("cancelOn: an event name is empty") }
            if cancel.event.utf8.count > 255 {
                checker.note("cancelOn: event name '\(cancel.event)' is longer than 255 bytes")
            }
            if let condition = cancel.condition {
                checker.check(condition, for: .cancelCondition, "cancelOn '\(cancel.event)': if")
            }
            if let timeout = cancel.timeout, timeout <= 0 {
                checker.note("cancelOn '\(cancel.event)': the timeout must be longer than 0")
            }
            checker.check(longest: cancel.timeout ?? 0, "cancelOn '\(cancel.event)'")
        }
        return checker.problem
    }

    private func check(_ batch: Batch, _ checker: inout FlowChecker) {
        if batch.maxSize < 2 { checker.note("batch: batch size cannot be smaller than 2: \(batch.maxSize)") }
        if batch.maxSize > 100_000 { checker.note("batch: the size must be at most 100,000, not \(batch.maxSize)") }
        if batch.timeout < 1_000 {
            checker.note("batch: batch timeout should be more than 1s, not \(batch.timeout) ms")
        }
        checker.check(longest: batch.timeout, "batch")
        checker.check(key: batch.key, "batch")
        if let condition = batch.condition { checker.check(condition, for: .condition, "batch: if") }
        if !cancelOn.isEmpty { checker.note("batch: Batching and cancellation are mutually exclusive") }
        if debounce != nil { checker.note("batch: Batching and debouncing are mutually exclusive") }
        if singleton != nil { checker.note("batch: Batching and singletons are mutually exclusive") }
        if priority != nil { checker.note("batch: A function cannot specify Priority.Run and Batch together") }
    }
}

/// Keeps the first thing that is wrong.
private struct FlowChecker {
    private(set) var problem: String?

    mutating func note(_ problem: String) {
        if self.problem == nil { self.problem = problem }
    }

    mutating func check(_ limit: ConcurrencyLimit, _ what: String) {
        check(limit: limit.limit, what)
        check(key: limit.key, what)
        if limit.scope != .function, limit.key == nil {
            note(
                "\(what): scope \(limit.scope.rawValue) needs a key, such as \"'openai'\" for one that is always the same"
            )
        }
    }

    mutating func check(limit: Int, _ what: String) {
        guard !(1...Int(FlowConfig.limitMax)).contains(limit) else { return }
        note(
            limit < 1
                ? "\(what): limit must be greater than 0, not \(limit)"
                : "\(what): limit must be at most \(FlowConfig.limitMax), not \(limit)")
    }

    mutating func check(longest milliseconds: Int64, _ what: String) {
        if milliseconds > FlowConfig.periodMax { note("\(what): a period or timeout may last at most 3,650 days") }
    }

    mutating func check(key: String?, _ what: String) {
        if let key { check(key, for: .key, "\(what): key is invalid") }
    }

    mutating func check(_ source: String, for use: Expression.Use, _ what: String) {
        do throws(ExpressionError) {
            _ = try Expression(source, for: use)
        } catch {
            note("\(what): \(error)")
        }
    }
}
