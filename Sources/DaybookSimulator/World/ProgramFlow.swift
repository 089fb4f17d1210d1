import Daybook
import DaybookCore
import DaybookFakes

/// How the runs of a program are limited, put off, merged, ordered and cancelled, as data.
struct ProgramFlow: Sendable, Equatable {
    enum Scope: String, Sendable {
        case function
        case environment
        case account
    }

    struct Limit: Sendable, Equatable {
        var limit: Int
        var key: KeyShape?
        var scope = Scope.function
    }

    struct Rate: Sendable, Equatable {
        var limit: Int
        var seconds: Int
        var burst = 0
        var key: KeyShape?
    }

    struct Debounce: Sendable, Equatable {
        /// Milliseconds.
        var period: Int64
        var timeout: Int64?
        var key: KeyShape?
    }

    struct Batch: Sendable, Equatable {
        var maxSize: Int
        /// Milliseconds.
        var timeout: Int64
        var key: KeyShape?
        var condition: ConditionShape?
    }

    struct Singleton: Sendable, Equatable {
        var isCancelling: Bool
        var key: KeyShape?
    }

    struct CancelOn: Sendable, Equatable {
        var event: String
        var condition: ListenerShape?
        /// Milliseconds.
        var timeout: Int64?
    }

    var condition: ConditionShape?
    var concurrency: [Limit] = []
    var runConcurrency: Limit?
    var throttle: Rate?
    var rateLimit: Rate?
    var idempotency: KeyShape?
    var debounce: Debounce?
    var batch: Batch?
    var priority: PriorityShape?
    var singleton: Singleton?
    var cancelOn: [CancelOn] = []

    var isGated: Bool { !concurrency.isEmpty || runConcurrency != nil || throttle != nil }

    /// How many variants there are of one.
    static let variants = 4

    /// The same function in another version of the program: with higher numbers, with lower ones, or without any of it.
    func variant(_ number: Int) -> ProgramFlow {
        func changed(_ value: Int) -> Int { number == 1 ? value + 2 : max(1, value / 2) }
        var other = self
        switch number {
        case 0: return self
        case 3:
            other = ProgramFlow()
            other.condition = condition
            // A run that was given several events could make nothing of a function that takes one.
            other.batch = batch
        default:
            for index in concurrency.indices { other.concurrency[index].limit = changed(concurrency[index].limit) }
            if let limit = runConcurrency?.limit { other.runConcurrency?.limit = changed(limit) }
            // Numbers by which a second can be divided: the checker's sums are exact.
            if throttle != nil { other.throttle?.limit = number == 1 ? 4 : 1 }
            if rateLimit != nil { other.rateLimit?.limit = number == 1 ? 20 : 1 }
            if let debounce { other.debounce?.period = Int64(changed(Int(debounce.period / 1_000))) * 1_000 }
            if let batch { other.batch?.maxSize = max(2, changed(batch.maxSize)) }
        }
        return other
    }
}

extension ProgramFlow {
    /// - Parameter names: of events that are sent.
    static func make(_ random: SeededRandom, names: [String]) -> ProgramFlow {
        var flow = ProgramFlow()
        if random.chance(percent: 20) { flow.condition = condition(random) }
        guard random.chance(percent: 85) else { return flow }
        let isBatch = random.chance(percent: 18)
        if random.chance(percent: 45) {
            flow.concurrency.append(limit(random))
            if random.chance(percent: 25) {
                let second = limit(random)
                if second.key != flow.concurrency[0].key || second.scope != flow.concurrency[0].scope {
                    flow.concurrency.append(second)
                }
            }
        }
        if random.chance(percent: 15) {
            flow.runConcurrency = Limit(limit: 1 + random.below(3), key: key(random, percent: 40))
        }
        if random.chance(percent: 20) {
            flow.throttle = Rate(
                limit: [1, 2, 4][random.below(3)], seconds: [1, 2, 10, 60][random.below(4)],
                burst: random.chance(percent: 40) ? 1 + random.below(2) : 0, key: key(random, percent: 50))
        }
        if isBatch {
            flow.batch = Batch(
                maxSize: 2 + random.below(4), timeout: Int64(1 + random.below(20)) * 1_000,
                key: key(random, percent: 40), condition: random.chance(percent: 30) ? condition(random) : nil)
            return flow
        }
        switch random.below(10) {
        case 0, 1:
            flow.rateLimit = Rate(
                limit: [1, 2, 5, 10, 20][random.below(5)], seconds: [4, 20, 60, 600][random.below(4)],
                key: key(random, percent: 60))
        case 2: flow.idempotency = key(random, percent: 100)
        default: break
        }
        if random.chance(percent: 15) {
            flow.debounce = Debounce(
                period: Int64(1 + random.below(12)) * 1_000,
                timeout: random.chance(percent: 50) ? Int64(1 + random.below(20)) * 1_000 : nil,
                key: key(random, percent: 60))
        }
        if random.chance(percent: 30) { flow.priority = PriorityShape.allCases[random.below(3)] }
        if random.chance(percent: flow.debounce == nil ? 13 : 40) {
            flow.singleton = Singleton(isCancelling: random.chance(percent: 50), key: key(random, percent: 60))
        }
        for _ in 0..<(random.chance(percent: 30) ? 1 + random.below(2) : 0) {
            let cancel = CancelOn(
                event: names[random.below(names.count)],
                condition: random.chance(percent: 80) ? ListenerShape.allCases[random.below(5)] : nil,
                timeout: random.chance(percent: 30) ? [1_000, 60_000, 4_000_000][random.below(3)] : nil)
            if !flow.cancelOn.contains(cancel) { flow.cancelOn.append(cancel) }
        }
        return flow
    }

    private static func limit(_ random: SeededRandom) -> Limit {
        let scope: Scope = [.function, .function, .environment, .account][random.below(4)]
        // Functions share what has the same expression.
        let key: KeyShape? =
            scope == .function
            ? self.key(random, percent: 40) : [.constant("all"), .field("k"), .field("g")][random.below(3)]
        return Limit(limit: 1 + random.below(3), key: key, scope: scope)
    }

    private static func key(_ random: SeededRandom, percent: Int) -> KeyShape? {
        guard random.chance(percent: percent) else { return nil }
        return [.field("k"), .field("g"), .field("g"), .constant("one"), .after("a")][random.below(5)]
    }

    private static func condition(_ random: SeededRandom) -> ConditionShape {
        [.above(0), .above(1), .isGroup("a"), .after("a")][random.below(4)]
    }
}

extension ProgramFlow {
    /// As the author of a function says it; a batch is said otherwise.
    var options: [FunctionOption] {
        var options: [FunctionOption] = []
        for limit in concurrency {
            let scope: ConcurrencyScope =
                switch limit.scope {
                case .function: .function
                case .environment: .environment
                case .account: .account
                }
            options.append(.concurrency(limit.limit, key: limit.key?.flowKey, scope: scope))
        }
        if let runConcurrency {
            options.append(.runConcurrency(runConcurrency.limit, key: runConcurrency.key?.flowKey))
        }
        if let throttle {
            options.append(
                .throttle(
                    throttle.limit, per: .seconds(throttle.seconds), burst: throttle.burst,
                    key: throttle.key?.flowKey))
        }
        if let rateLimit {
            options.append(
                .rateLimit(rateLimit.limit, per: .seconds(rateLimit.seconds), key: rateLimit.key?.flowKey))
        }
        if let idempotency { options.append(.idempotency(idempotency.flowKey)) }
        if let debounce {
            options.append(
                .debounce(
                    for: .milliseconds(debounce.period), timeout: debounce.timeout.map { .milliseconds($0) },
                    key: debounce.key?.flowKey))
        }
        if let priority { options.append(.priority(priority.source)) }
        if let singleton {
            options.append(.singleton(singleton.isCancelling ? .cancel : .skip, key: singleton.key?.flowKey))
        }
        for cancel in cancelOn {
            options.append(
                .cancelOn(
                    cancel.event, if: cancel.condition?.source, timeout: cancel.timeout.map { .milliseconds($0) }))
        }
        return options
    }
}

extension KeyShape {
    var flowKey: FlowKey {
        switch self {
        case .field(let name): .field(name)
        case .constant(let text): .constant(text)
        case .after: .expression(source)
        }
    }
}

extension ProgramFlow {
    /// As it must be registered.
    var config: FlowConfig {
        func limit(_ limit: Limit) -> ConcurrencyLimit {
            let scope: ConcurrencyLimit.Scope =
                switch limit.scope {
                case .function: .function
                case .environment: .environment
                case .account: .account
                }
            return ConcurrencyLimit(limit: limit.limit, key: limit.key?.source, scope: scope)
        }
        var config = FlowConfig()
        config.concurrency = concurrency.map(limit)
        config.runConcurrency = runConcurrency.map(limit)
        config.throttle = throttle.map {
            DaybookCore.Throttle(
                limit: $0.limit, period: Int64($0.seconds) * 1_000, burst: $0.burst, key: $0.key?.source)
        }
        config.rateLimit = rateLimit.map {
            DaybookCore.RateLimit(limit: $0.limit, period: Int64($0.seconds) * 1_000, key: $0.key?.source)
        }
        config.idempotency = idempotency?.source
        config.debounce = debounce.map {
            DaybookCore.Debounce(period: $0.period, timeout: $0.timeout, key: $0.key?.source)
        }
        config.batch = batch.map {
            DaybookCore.Batch(
                maxSize: $0.maxSize, timeout: $0.timeout, key: $0.key?.source, condition: $0.condition?.source)
        }
        config.priority = priority?.source
        config.singleton = singleton.map {
            DaybookCore.Singleton(mode: $0.isCancelling ? .cancel : .skip, key: $0.key?.source)
        }
        config.cancelOn = cancelOn.map {
            DaybookCore.CancelOn(event: $0.event, condition: $0.condition?.source, timeout: $0.timeout)
        }
        return config
    }
}
