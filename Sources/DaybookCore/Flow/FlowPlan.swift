import DaybookCEL
import DaybookValues

/// The settings of a function made ready for use: its expressions compiled, its limits where waiting runs can see them
/// change.
final class FlowPlan {
    /// An expression of the settings. One that cannot be compiled was registered by a version that knew more; it counts as
    /// one that fails on every event.
    struct Compiled {
        let source: String
        let expression: Result<Expression, ExpressionError>

        init(_ source: String, for use: Expression.Use) {
            self.source = source
            do throws(ExpressionError) {
                expression = .success(try Expression(source, for: use))
            } catch {
                expression = .failure(error)
            }
        }
    }

    /// By trigger; nil for one without a condition.
    let triggerConditions: [Compiled?]
    /// Of the concurrency limits, in order; nil for one without a key.
    let concurrencyKeys: [Compiled?]
    let runKey: Compiled?
    let throttleKey: Compiled?
    /// Of the rate limit, or of the idempotency in its place.
    let rateKey: Compiled?
    let debounceKey: Compiled?
    let batchKey: Compiled?
    let batchCondition: Compiled?
    let priority: Compiled?
    let singletonKey: Compiled?
    let cancelConditions: [Compiled?]
    /// What counts an event against the rate limit; nil for none.
    let rate: Rate?
    /// What the throttle lets pass; nil for none.
    let throttle: Rate?
    /// Runs need a place, or the throttle's leave, before they execute.
    let isGated: Bool
    /// Nothing of flow control is set.
    let isEmpty: Bool

    init(_ config: FunctionConfig) {
        let flow = config.flow
        triggerConditions = config.triggers.map { trigger in
            guard case .event(_, _, let condition?) = trigger else { return nil }
            return Compiled(condition, for: .condition)
        }
        func key(_ source: String?) -> Compiled? { source.map { Compiled($0, for: .key) } }
        concurrencyKeys = flow.concurrency.map { key($0.key) }
        runKey = key(flow.runConcurrency?.key)
        throttleKey = key(flow.throttle?.key)
        rateKey = key(flow.idempotency ?? flow.rateLimit?.key)
        debounceKey = key(flow.debounce?.key)
        batchKey = key(flow.batch?.key)
        batchCondition = flow.batch?.condition.map { Compiled($0, for: .condition) }
        priority = flow.priority.map { Compiled($0, for: .priority) }
        singletonKey = key(flow.singleton?.key)
        cancelConditions = flow.cancelOn.map { $0.condition.map { Compiled($0, for: .cancelCondition) } }
        rate =
            flow.idempotency != nil
            ? Rate(idempotencyWindow: 86_400_000) : flow.rateLimit.map { Rate(limit: $0.limit, period: $0.period) }
        throttle = flow.throttle.map { Rate(limit: $0.limit, period: $0.period, burst: $0.burst) }
        isGated = !flow.concurrency.isEmpty || flow.runConcurrency != nil || flow.throttle != nil
        isEmpty = flow.isEmpty
    }
}

/// A generic cell rate: how many may come at once, and how far apart after that.
struct Rate {
    /// Microseconds between two when it is used to the full.
    let interval: Int64
    /// How many may come at once after a long rest.
    let capacity: Int64

    /// A rate limit: `limit / 10 + 1` at once. (The rule of the server that this is compatible with.)
    init(limit: Int, period: Int64) {
        interval = max(1, period &* 1_000 / Int64(max(1, limit)))
        capacity = Int64(limit / 10 + 1)
    }

    /// A throttle: `limit + burst` at once.
    init(limit: Int, period: Int64, burst: Int) {
        interval = max(1, period &* 1_000 / Int64(max(1, limit)))
        capacity = Int64(limit + burst)
    }

    /// One in that time, in milliseconds.
    init(idempotencyWindow: Int64) {
        interval = idempotencyWindow * 1_000
        capacity = 1
    }
}

/// How far each key has used up its rate: the theoretical arrival time of the next one, in microseconds.
///
/// Keys are kept as 128-bit hashes of function and key; see `DedupTable`.
struct RateTable {
    private(set) var arrivals: [DedupTable.Key: Int64] = [:]
    private var countAfterCleaning = 0

    /// When the next one may come: an instant that is not after `now` when it may come at once.
    func nextTime(_ key: DedupTable.Key, _ rate: Rate, at now: Timestamp) -> Timestamp {
        let time = now.milliseconds * 1_000
        let arrival = max(arrivals[key] ?? 0, time) + rate.interval
        let allowed = arrival - rate.interval * rate.capacity
        return allowed <= time ? now : Timestamp(milliseconds: floorDivide(allowed + 999, 1_000))
    }

    mutating func use(_ key: DedupTable.Key, _ rate: Rate, at now: Timestamp) {
        let time = now.milliseconds * 1_000
        arrivals[key] = max(arrivals[key] ?? 0, time) + rate.interval
        guard arrivals.count > 1_024, arrivals.count > 2 * countAfterCleaning else { return }
        // What lies behind makes no difference any more. Whether it is still here is seen by nobody: see `kept`.
        arrivals = arrivals.filter { $0.value > time }
        countAfterCleaning = arrivals.count
    }

    mutating func restore(_ key: DedupTable.Key, _ arrival: Int64) { arrivals[key] = arrival }

    /// What still makes a difference after that instant, in order.
    func kept(after instant: Timestamp) -> [(key: DedupTable.Key, arrival: Int64)] {
        arrivals.filter { $0.value > instant.milliseconds * 1_000 }.sorted { $0.key < $1.key }
            .map { ($0.key, $0.value) }
    }
}
