/// How a function's runs are limited, put off, merged, ordered and cancelled, as its author wrote it. Keys and conditions
/// are expressions. Nothing here is checked but what `FunctionSettings` checks.
package struct FlowSettings: Sendable, Equatable {
    package struct Concurrency: Sendable, Equatable {
        package var limit: Int
        package var key: String?
        package var scope: ConcurrencyScope = .function
    }
    package struct Throttle: Sendable, Equatable {
        package var limit: Int
        package var period: Duration
        package var burst: Int
        package var key: String?
    }
    package struct RateLimit: Sendable, Equatable {
        package var limit: Int
        package var period: Duration
        package var key: String?
    }
    package struct Debounce: Sendable, Equatable {
        package var period: Duration
        package var timeout: Duration?
        package var key: String?
    }
    package struct Batch: Sendable, Equatable {
        package var maxSize: Int
        package var timeout: Duration
        package var key: String?
        package var condition: String?
    }
    package struct Singleton: Sendable, Equatable {
        package var mode: SingletonMode
        package var key: String?
    }
    package struct CancelOn: Sendable, Equatable {
        package var event: String
        package var condition: String?
        package var timeout: Duration?
    }

    package var concurrency: [Concurrency] = []
    package var runConcurrency: Concurrency?
    package var throttle: Throttle?
    package var rateLimit: RateLimit?
    package var idempotency: String?
    package var debounce: Debounce?
    package var batch: Batch?
    package var priority: String?
    package var singleton: Singleton?
    package var cancelOn: [CancelOn] = []
}

/// What a function's options say all together, and the first thing that is wrong with them: an option given twice, two that
/// exclude each other, a path that is none. Limits and expressions are checked where functions are registered.
struct FunctionSettings {
    private(set) var name: String?
    private(set) var startTimeout: Duration?
    private(set) var finishTimeout: Duration?
    private(set) var flow = FlowSettings()
    private(set) var problem: String?

    init(_ options: [FunctionOption], batch: BatchSettings? = nil) {
        if let batch {
            flow.batch = FlowSettings.Batch(
                maxSize: batch.maxSize, timeout: batch.timeout, key: expression(of: batch.key, "batch"),
                condition: batch.condition)
        }
        for option in options { take(option) }
        if flow.idempotency != nil, flow.rateLimit != nil {
            note("idempotency: it is a rate limit of one in 24 h and excludes rateLimit; give one of them")
        }
        if flow.batch != nil {
            if flow.rateLimit != nil { note("batch: batching and rateLimit are mutually exclusive") }
            if flow.idempotency != nil { note("batch: batching and idempotency are mutually exclusive") }
        }
    }

    private mutating func take(_ option: FunctionOption) {
        switch option.kind {
        case .name(let name): set(\.name, name, "name")
        case .timeouts(let start, let finish):
            if let start { set(\.startTimeout, start, "timeouts(start:)") }
            if let finish { set(\.finishTimeout, finish, "timeouts(finish:)") }
        case .concurrency(let limit, let key, let scope):
            flow.concurrency.append(
                FlowSettings.Concurrency(limit: limit, key: expression(of: key, "concurrency"), scope: scope))
        case .runConcurrency(let limit, let key):
            let key = expression(of: key, "runConcurrency")
            set(\.flow.runConcurrency, FlowSettings.Concurrency(limit: limit, key: key), "runConcurrency")
        case .throttle(let limit, let period, let burst, let key):
            let key = expression(of: key, "throttle")
            set(
                \.flow.throttle, FlowSettings.Throttle(limit: limit, period: period, burst: burst, key: key),
                "throttle")
        case .rateLimit(let limit, let period, let key):
            let key = expression(of: key, "rateLimit")
            set(\.flow.rateLimit, FlowSettings.RateLimit(limit: limit, period: period, key: key), "rateLimit")
        case .idempotency(let key):
            set(\.flow.idempotency, expression(of: key, "idempotency") ?? "", "idempotency")
        case .debounce(let period, let timeout, let key):
            let key = expression(of: key, "debounce")
            set(\.flow.debounce, FlowSettings.Debounce(period: period, timeout: timeout, key: key), "debounce")
        case .priority(let seconds): set(\.flow.priority, seconds, "priority")
        case .singleton(let mode, let key):
            let key = expression(of: key, "singleton")
            set(\.flow.singleton, FlowSettings.Singleton(mode: mode, key: key), "singleton")
        case .cancelOn(let event, let condition, let timeout):
            let what = "cancelOn '\(event)'"
            let cancel = FlowSettings.CancelOn(event: event, condition: text(of: condition, what), timeout: timeout)
            if flow.cancelOn.contains(cancel) { note("\(what): the same is given twice") }
            flow.cancelOn.append(cancel)
        }
    }

    private mutating func set<Value>(
        _ setting: WritableKeyPath<FunctionSettings, Value?>, _ value: Value, _ what: String
    ) {
        if self[keyPath: setting] != nil { note("\(what): it is given twice") }
        self[keyPath: setting] = value
    }

    private mutating func expression(of key: FlowKey?, _ what: String) -> String? {
        if let problem = key?.problem { note("\(what): \(problem)") }
        return key?.expression
    }

    private mutating func text(of condition: FunctionOption.CancelCondition, _ what: String) -> String? {
        switch condition {
        case .any: return nil
        case .expression(let text): return text
        case .match(let path):
            do throws(FieldPath.Problem) {
                return try FieldPath(path).matchExpression
            } catch {
                note("\(what): match: \(error)")
                return nil
            }
        }
    }

    private mutating func note(_ problem: String) {
        if self.problem == nil { self.problem = problem }
    }
}

/// What makes a function one of batches.
struct BatchSettings {
    var maxSize: Int
    var timeout: Duration
    var key: FlowKey?
    var condition: String?
}
