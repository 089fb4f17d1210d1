/// How a function's runs are limited, put off, merged, ordered and cancelled, as registered. All of it is optional.
///
/// The order in which an event meets it: trigger condition, pause, batch, rate limit, debounce, singleton, event
/// idempotency; then, for the run: throttle, concurrency. Expressions see the trigger event as `event`.
package struct FlowConfig: Sendable, Equatable {
    /// Bodies and code of runs that may execute at the same time: 0…2 limits, all of which hold.
    package var concurrency: [ConcurrencyLimit] = []
    /// Runs that may be under way at the same time, from their start to their end, sleeps and waits included.
    package var runConcurrency: ConcurrencyLimit?
    package var throttle: Throttle?
    package var rateLimit: RateLimit?
    /// A key that may start one run in 24 hours; takes the place of `rateLimit`.
    package var idempotency: String?
    package var debounce: Debounce?
    package var batch: Batch?
    /// Seconds by which a run is put before others, −43,200…43,200 after clamping; an expression.
    package var priority: String?
    package var singleton: Singleton?
    /// 0…5.
    package var cancelOn: [CancelOn] = []

    package init() {}

    package var isEmpty: Bool { self == FlowConfig() }
}

/// At most so many at the same time.
package struct ConcurrencyLimit: Sendable, Equatable {
    /// Who shares the count.
    package enum Scope: String, Sendable, CaseIterable {
        /// The runs of this function.
        case function = "fn"
        /// All functions with the same scope and key.
        case environment = "env"
        case account
    }

    /// 1 or more.
    package var limit: Int
    /// One count for each value; nil for one count.
    package var key: String?
    /// Others than `function` need a key.
    package var scope: Scope

    package init(limit: Int, key: String? = nil, scope: Scope = .function) {
        self.limit = limit
        self.key = key
        self.scope = scope
    }
}

/// Spreads the starts of runs: `limit + burst` at once, then one each `period / limit`. The others wait.
package struct Throttle: Sendable, Equatable {
    /// 1 or more.
    package var limit: Int
    /// Milliseconds, whole seconds, at least 1,000.
    package var period: Int64
    /// 0 or more.
    package var burst: Int
    package var key: String?

    package init(limit: Int, period: Int64, burst: Int = 0, key: String? = nil) {
        self.limit = limit
        self.period = period
        self.burst = burst
        self.key = key
    }
}

/// Drops events: `limit / 10 + 1` start runs at once, then one each `period / limit`.
package struct RateLimit: Sendable, Equatable {
    /// 1 or more.
    package var limit: Int
    /// Milliseconds: 1 second…24 hours.
    package var period: Int64
    package var key: String?

    package init(limit: Int, period: Int64, key: String? = nil) {
        self.limit = limit
        self.period = period
        self.key = key
    }
}

/// Starts one run for the last of several events, once none has come for `period`.
package struct Debounce: Sendable, Equatable {
    /// Milliseconds: 1 second…7 days.
    package var period: Int64
    /// The latest start, counted from the first event. Milliseconds, at least 1,000; nil for none.
    package var timeout: Int64?
    package var key: String?

    package init(period: Int64, timeout: Int64? = nil, key: String? = nil) {
        self.period = period
        self.timeout = timeout
        self.key = key
    }
}

/// Starts one run for several events: when there are `maxSize`, or 10 MiB of them, or `timeout` after the first.
package struct Batch: Sendable, Equatable {
    /// 2 or more.
    package var maxSize: Int
    /// Milliseconds, at least 1,000.
    package var timeout: Int64
    package var key: String?
    /// Events for which it is not true start runs of their own at once.
    package var condition: String?

    package init(maxSize: Int, timeout: Int64, key: String? = nil, condition: String? = nil) {
        self.maxSize = maxSize
        self.timeout = timeout
        self.key = key
        self.condition = condition
    }
}

/// One run at a time, for each value of the key.
package struct Singleton: Sendable, Equatable {
    package enum Mode: String, Sendable, CaseIterable {
        /// An event that comes while a run is unfinished starts none.
        case skip
        /// The unfinished run is cancelled.
        case cancel
    }

    package var mode: Mode
    package var key: String?

    package init(mode: Mode = .skip, key: String? = nil) {
        self.mode = mode
        self.key = key
    }
}

/// An event that cancels runs.
package struct CancelOn: Sendable, Equatable {
    /// The exact name.
    package var event: String
    /// `event` is the run's own event, `async` the one that came.
    package var condition: String?
    /// How long after the run was queued it can be cancelled by this. Milliseconds; nil for ever.
    package var timeout: Int64?

    package init(event: String, condition: String? = nil, timeout: Int64? = nil) {
        self.event = event
        self.condition = condition
        self.timeout = timeout
    }
}
