import DaybookCore
import DaybookValues
import DaybookWire

/// Turns the flow control of a function as apps write it into that of the core. What apps may write and means nothing is
/// passed over; what the core refuses is left for it to refuse.
struct FlowMapping {
    let label: String
    let now: Timestamp
    /// What was passed over, for people.
    var notes: [String] = []

    /// The highest limit; what is above it is no limit either.
    private static let limitMax: Int64 = 1_000_000
    /// The longest period, in milliseconds; what is above it is as long.
    private static let periodMax: Int64 = 3_650 * 86_400_000

    init(label: String, now: Timestamp) {
        self.label = label
        self.now = now
    }

    mutating func config(of function: WireFunction) throws(FieldProblem) -> FlowConfig {
        var flow = FlowConfig()
        if let concurrency = function.concurrency { try set(concurrency, in: &flow) }
        if let throttle = function.throttle {
            let period = try Self.period(throttle.period, "throttle.period")
            flow.throttle = Throttle(
                limit: Self.limit(max(1, throttle.limit)),
                // Whole seconds, and never none.
                period: min(max(1, (period + 999) / 1_000) * 1_000, Self.periodMax),
                burst: Self.limit(max(0, throttle.burst ?? 0)), key: throttle.key)
        }
        if let rateLimit = function.rateLimit {
            if rateLimit.limit < 1 {
                throw FieldProblem("rateLimit: limit must be greater than 0, not \(rateLimit.limit)")
            }
            flow.rateLimit = RateLimit(
                limit: Self.limit(rateLimit.limit), period: try Self.period(rateLimit.period, "rateLimit.period"),
                key: rateLimit.key)
        }
        flow.idempotency = function.idempotency
        if let debounce = function.debounce {
            flow.debounce = Debounce(
                period: try Self.period(debounce.period, "debounce.period"),
                timeout: debounceTimeout(debounce.timeout), key: debounce.key)
        }
        if let batch = function.batch { flow.batch = try Self.batch(batch) }
        flow.priority = function.priority
        if let singleton = function.singleton {
            flow.singleton = Singleton(mode: singleton.mode == .cancel ? .cancel : .skip, key: singleton.key)
        }
        if function.cancel.count > 5 {
            throw FieldProblem(
                "cancel: This function exceeds the max number of cancellation events: 5, not \(function.cancel.count)")
        }
        for cancel in function.cancel {
            if let cancel = try self.cancel(cancel) { flow.cancelOn.append(cancel) }
        }
        // A batch and something to cancel it by exclude each other even where the event has no name.
        if flow.batch != nil, !function.cancel.isEmpty {
            throw FieldProblem("batchEvents: Batching and cancellation are mutually exclusive")
        }
        return flow
    }

    /// Of `timeouts`. One that cannot be read would keep runs from ever ending, so it is refused.
    mutating func timeout(_ text: String?, _ field: String) throws(FieldProblem) -> Int64? {
        guard let text, !text.isEmpty else { return nil }
        guard let length = WireTime.duration(text), length >= 0 else {
            throw FieldProblem("\(field): '\(text)' is no duration; write one such as 10m or 1h30m")
        }
        return length == 0 ? nil : min(length, Self.periodMax)
    }

    // MARK: - One setting each

    private func set(_ concurrency: WireConcurrency, in flow: inout FlowConfig) throws(FieldProblem) {
        if concurrency.step.count > 2 {
            throw FieldProblem(
                "concurrency: There are more concurrency limits specified than the allowed max of: 2, namely \(concurrency.step.count)"
            )
        }
        if concurrency.run.count > 1 {
            throw FieldProblem("concurrency: fn may have one limit only, not \(concurrency.run.count)")
        }
        for limit in concurrency.step + concurrency.run where limit.scope != .function && limit.key == nil {
            throw FieldProblem("concurrency: scope \(limit.scope.rawValue) needs a key")
        }
        // No limit at all is how SDKs write "as many as there are".
        flow.concurrency = concurrency.step.filter { $0.limit > 0 }.map(Self.limit)
        if let limit = concurrency.run.first {
            if limit.limit < 1 {
                throw FieldProblem("concurrency: fn: limit must be greater than 0, not \(limit.limit)")
            }
            flow.runConcurrency = Self.limit(limit)
        }
    }

    private static func limit(_ limit: WireLimit) -> ConcurrencyLimit {
        let scope: ConcurrencyLimit.Scope =
            switch limit.scope {
            case .function: .function
            case .environment: .environment
            case .account: .account
            }
        return ConcurrencyLimit(limit: Self.limit(limit.limit), key: limit.key, scope: scope)
    }

    private static func limit(_ limit: Int64) -> Int { Int(min(limit, limitMax)) }

    private static func period(_ text: String, _ field: String) throws(FieldProblem) -> Int64 {
        guard let period = WireTime.duration(text) else {
            throw FieldProblem("\(field): '\(text)' is no duration; write one such as 10s, 5m or 1d")
        }
        return period
    }

    private mutating func debounceTimeout(_ text: String?) -> Int64? {
        guard let text, !text.isEmpty else { return nil }
        guard let timeout = WireTime.duration(text), timeout >= 1_000 else {
            notes.append("\(label): debounce.timeout '\(text)' is no duration of at least 1s, so it was left out")
            return nil
        }
        return min(timeout, Self.periodMax)
    }

    private static func batch(_ batch: WireBatch) throws(FieldProblem) -> Batch {
        if batch.maxSize < 2 {
            throw FieldProblem("batchEvents: batch size cannot be smaller than 2: \(batch.maxSize)")
        }
        guard let text = batch.timeout, !text.isEmpty else { throw FieldProblem("batchEvents: a timeout is required") }
        guard let timeout = WireTime.goDuration(text) else {
            throw FieldProblem(
                "batchEvents.timeout: '\(text)' is no duration; its units are h, m, s and ms, so that a day is 24h")
        }
        if timeout < 1_000 { throw FieldProblem("batchEvents: batch timeout should be more than 1s, not \(text)") }
        return Batch(
            maxSize: Int(min(batch.maxSize, 100_000)), timeout: min(timeout, periodMax), key: batch.key,
            condition: batch.condition)
    }

    private mutating func cancel(_ cancel: WireCancel) throws(FieldProblem) -> CancelOn? {
        guard let event = cancel.event, !event.isEmpty else {
            notes.append("\(label): an entry of cancel has no event, so that it never cancels anything")
            return nil
        }
        var timeout: Int64?
        if let text = cancel.timeout, !text.isEmpty {
            if let length = WireTime.duration(text) {
                timeout = length
            } else if let date = WireTime.date(text) {
                timeout = date - now
            } else {
                throw FieldProblem("cancel '\(event)': timeout '\(text)' is neither a duration nor a date")
            }
        }
        if let length = timeout, length <= 0 {
            notes.append("\(label): cancel '\(event)' is over before it begins, so it was left out")
            return nil
        }
        return CancelOn(event: event, condition: cancel.condition, timeout: timeout.map { min($0, Self.periodMax) })
    }
}
