/// A setting of a function that most do without. Sendable.
///
/// Each is given once, but for `concurrency` (twice at most) and `cancelOn` (five times at most). Values that cannot be
/// used, settings that exclude each other and expressions with mistakes are found when the function is registered: the
/// program says which function and which setting, and does not start.
///
/// **How an event meets them.** First the trigger's condition; then whether the function is paused; then batch, rate limit or
/// idempotency, debounce, singleton. What is left is a run, which waits for the throttle and then for concurrency.
/// A failure handler has none of them.
public struct FunctionOption: Sendable {
    enum Kind: Sendable {
        case name(String)
        case timeouts(start: Duration?, finish: Duration?)
        case concurrency(limit: Int, key: FlowKey?, scope: ConcurrencyScope)
        case runConcurrency(limit: Int, key: FlowKey?)
        case throttle(limit: Int, period: Duration, burst: Int, key: FlowKey?)
        case rateLimit(limit: Int, period: Duration, key: FlowKey?)
        case idempotency(FlowKey)
        case debounce(period: Duration, timeout: Duration?, key: FlowKey?)
        case priority(String)
        case singleton(SingletonMode, key: FlowKey?)
        case cancelOn(event: String, CancelCondition, timeout: Duration?)
    }
    enum CancelCondition: Sendable {
        case any
        case expression(String)
        case match(path: String)
    }
    let kind: Kind

    /// What people are shown in place of the id.
    public static func name(_ name: String) -> FunctionOption { FunctionOption(kind: .name(name)) }

    /// Cancels runs that take too long.
    ///
    /// - Parameters:
    ///   - start: from the creation of the run to the start of its first step, what it waits for a throttle or for
    ///     concurrency included. The default is no limit.
    ///   - finish: from there to the end of the run, sleeps and waits included. The default is no limit.
    public static func timeouts(start: Duration? = nil, finish: Duration? = nil) -> FunctionOption {
        FunctionOption(kind: .timeouts(start: start, finish: finish))
    }

    /// At most so many at the same time execute code; the others wait their turn and nothing is dropped.
    ///
    /// A run whose code can move holds one place, and each closure of `step.run` that runs beside its first one holds one
    /// more. A run that sleeps, waits for an event or another function, or pauses between two attempts holds none, so
    /// more runs than `limit` can be under way at once: see `runConcurrency` for a limit on those. Places are given in the
    /// order in which runs were queued, moved by `priority`. With two limits a run needs a place of each. Places are not
    /// remembered: after a crash nobody holds any.
    ///
    /// - Parameters:
    ///   - limit: 1…1,000,000.
    ///   - key: each value is limited on its own. The default is one count for all; scopes other than `.function` need a
    ///     key.
    ///   - scope: who shares the count. The default is the runs of this function.
    public static func concurrency(
        _ limit: Int, key: FlowKey? = nil, scope: ConcurrencyScope = .function
    ) -> FunctionOption {
        FunctionOption(kind: .concurrency(limit: limit, key: key, scope: scope))
    }

    /// At most so many runs of the function are under way at the same time, from the start of a run to its end, sleeps
    /// and waits included. The others wait queued; nothing is dropped. It is so after a crash, too.
    ///
    /// - Parameters:
    ///   - limit: 1…1,000,000.
    ///   - key: each value is limited on its own. The default is one count for all.
    public static func runConcurrency(_ limit: Int, key: FlowKey? = nil) -> FunctionOption {
        FunctionOption(kind: .runConcurrency(limit: limit, key: key))
    }

    /// Spreads the starts of runs: when none has started for a while, `limit + burst` start at once, then one each
    /// `period / limit`. The others wait queued, in order; nothing is dropped, and a crash forgets nothing of it.
    ///
    /// Only starts count: later steps and attempts of a run are free.
    ///
    /// - Parameters:
    ///   - limit: runs in a period: 1…1,000,000.
    ///   - period: whole seconds, 1 second…3,650 days.
    ///   - burst: how many more may start at once: 0…1,000,000. The default is none.
    ///   - key: each value is spread on its own. The default is one count for all.
    public static func throttle(
        _ limit: Int, per period: Duration, burst: Int = 0, key: FlowKey? = nil
    ) -> FunctionOption {
        FunctionOption(kind: .throttle(limit: limit, period: period, burst: burst, key: key))
    }

    /// Drops events that come too fast: when none has come for a while, `limit / 10 + 1` of them start runs at once, then
    /// one each `period / limit`. An event in between starts no run of this function, ever; it is recorded all the same,
    /// with the reason.
    ///
    /// The reference counts in this way, so `.rateLimit(5, per: .minutes(1))` lets one event pass each 12 seconds. To put
    /// runs off and lose none, use `throttle`.
    ///
    /// - Parameters:
    ///   - limit: runs in a period: 1…1,000,000.
    ///   - period: 1 second…24 hours.
    ///   - key: each value is limited on its own; events for which it is missing or false pass. The default is one count
    ///     for all.
    public static func rateLimit(_ limit: Int, per period: Duration, key: FlowKey? = nil) -> FunctionOption {
        FunctionOption(kind: .rateLimit(limit: limit, period: period, key: key))
    }

    /// One run in 24 hours for each value of the key; further events with that value start none. They are recorded, with
    /// the reason. Events for which the key is missing or false are not held back.
    ///
    /// It is a rate limit of one in 24 hours, so the two exclude each other. The id of an event does the same for all
    /// functions at once: two events with one id within 24 hours start a function once.
    public static func idempotency(_ key: FlowKey) -> FunctionOption { FunctionOption(kind: .idempotency(key)) }

    /// One run for the last of several events, once none has come for a while; the others start none. An event is the
    /// last by its own timestamp: one that is older than the one that is held is left out and puts nothing off. What is
    /// held survives a crash.
    ///
    /// - Parameters:
    ///   - period: how long after the last event the run starts: 1 second…7 days.
    ///   - timeout: the latest start, counted from the first event: at least 1 second. The default is none: as long as
    ///     events keep coming, no run starts.
    ///   - key: each value on its own. The default is one for all.
    public static func debounce(
        for period: Duration, timeout: Duration? = nil, key: FlowKey? = nil
    ) -> FunctionOption {
        FunctionOption(kind: .debounce(period: period, timeout: timeout, key: key))
    }

    /// Puts runs before or behind others of the function that wait for a place under a limit. A run that has begun is not
    /// interrupted.
    ///
    /// - Parameter seconds: an expression with a whole number: a run with 120 comes before those that were queued in the
    ///   120 seconds before it. −43,200…43,200; what lies beyond counts as that. JSON numbers are no whole numbers: write
    ///   `int(event.data.urgency)`, or choose with `event.data.vip ? 120 : 0`. What cannot be worked out counts as 0.
    public static func priority(_ seconds: String) -> FunctionOption { FunctionOption(kind: .priority(seconds)) }

    /// One unfinished run at a time, sleeping and waiting ones included.
    ///
    /// - Parameters:
    ///   - mode: what becomes of an event that comes while there is one. The default, `.skip`, drops the event;
    ///     `.cancel` cancels the run.
    ///   - key: each value on its own; events for which it is missing or false are not held back. The default is one for
    ///     all.
    public static func singleton(_ mode: SingletonMode = .skip, key: FlowKey? = nil) -> FunctionOption {
        FunctionOption(kind: .singleton(mode, key: key))
    }

    /// Cancels a run when an event comes whose field equals that of the run's own event.
    ///
    /// The run ends at once, whether it is queued, works or sleeps; its failure handler does not run. Its own event never
    /// cancels it. A field that both events lack counts as equal. Five at most for a function.
    ///
    /// - Parameters:
    ///   - event: the type; its name is the event's, without wildcards.
    ///   - path: the field of both, relative to `data`: `orderId`.
    ///   - timeout: how long after it was queued the run can be cancelled by this. The default is to its end.
    public static func cancelOn<E: Event>(
        _ event: E.Type, match path: String, timeout: Duration? = nil
    ) -> FunctionOption {
        cancelOn(E.name, match: path, timeout: timeout)
    }

    /// Cancels a run when an event comes for which a condition is true.
    ///
    /// The run ends at once, whether it is queued, works or sleeps; its failure handler does not run. Its own event never
    /// cancels it. Five at most for a function.
    ///
    /// - Parameters:
    ///   - event: the type; its name is the event's, without wildcards.
    ///   - condition: an expression; `event` is the run's own event, `async` the one that came:
    ///     `async.data.orderId == event.data.id`. It compares and combines, with no functions but `int`, `uint` and
    ///     `double`. The default takes every event of the name.
    ///   - timeout: how long after it was queued the run can be cancelled by this. The default is to its end.
    public static func cancelOn<E: Event>(
        _ event: E.Type, if condition: String? = nil, timeout: Duration? = nil
    ) -> FunctionOption {
        cancelOn(E.name, if: condition, timeout: timeout)
    }

    /// Cancels a run when an event of that name comes whose field equals that of the run's own event. See the form with
    /// a type.
    public static func cancelOn(_ name: String, match path: String, timeout: Duration? = nil) -> FunctionOption {
        FunctionOption(kind: .cancelOn(event: name, .match(path: path), timeout: timeout))
    }

    /// Cancels a run when an event of that name comes for which a condition is true. See the form with a type.
    public static func cancelOn(
        _ name: String, if condition: String? = nil, timeout: Duration? = nil
    ) -> FunctionOption {
        FunctionOption(kind: .cancelOn(event: name, condition.map { .expression($0) } ?? .any, timeout: timeout))
    }
}

/// Who shares a concurrency limit's count. Sendable.
public enum ConcurrencyScope: Sendable, Hashable {
    /// The runs of the function.
    case function
    /// All functions whose limits have this scope and the same key. Each checks the count against its own limit.
    case environment
    /// The same, as a count of its own: one server is one environment of one account.
    case account
}

/// What becomes of an event for a singleton that has an unfinished run. Sendable.
public enum SingletonMode: Sendable, Hashable {
    /// It starts no run.
    case skip
    /// It cancels the run and starts one of its own.
    case cancel
}
