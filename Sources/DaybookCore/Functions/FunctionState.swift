package import DaybookValues

/// A function as the core knows it.
struct FunctionState {
    struct Cron {
        let trigger: Int
        let text: String
        let schedule: CronSchedule
        let zone: ZoneRules
        /// Milliseconds.
        let jitter: Int64
        /// Of the function, for the delays of its ticks.
        let function: String
        var next: Timestamp?
        var handled = TickNames()

        /// The first tick after `instant` whose name is free.
        func nextFree(after instant: Timestamp) -> Timestamp? {
            var candidate = schedule.nextTick(after: instant, in: zone)
            while let tick = candidate, let end = handled.end(ofRangeHolding: tick) {
                candidate = schedule.nextTick(after: end, in: zone)
            }
            return candidate
        }

        /// When a tick fires: itself, or with jitter a little later, each always by the same delay.
        func fireTime(of tick: Timestamp) -> Timestamp {
            guard jitter > 0 else { return tick }
            let spread = UInt64(max(jitter - Trigger.jitterMin, 1))
            let hash = DedupTable.Key(function: function, eventKey: "\(tick.milliseconds)").low
            return tick + Trigger.jitterMin + Int64(hash % spread)
        }

        /// The newest tick that may fire at `wall`, if all from `first` on fire in their order: nil for all up to `wall`.
        func horizon(from first: Timestamp, at wall: Timestamp) -> Timestamp {
            guard jitter > 0 else { return wall }
            let recent = max(first, wall + -jitter)
            let pending = schedule.ticks(from: recent, through: wall, limit: 1_000, in: zone)
                .first { fireTime(of: $0) > wall && !handled.contains($0) }
            return pending.map { $0 + -1 } ?? wall
        }
    }

    var config: FunctionConfig
    var isRemoved = false
    var isPaused = false
    let plan: FlowPlan
    var crons: [Cron] = []
    /// Unfinished runs.
    var runCount = 0

    init(_ config: FunctionConfig) {
        self.config = config
        plan = FlowPlan(config)
        if case .all(let limit) = config.catchUp {
            // Earlier versions took any limit.
            self.config.catchUp = .all(limit: min(max(limit, 1), CatchUp.limitMax))
        }
        for (index, trigger) in config.triggers.enumerated() {
            guard case .cron(let text, let zone, let jitter) = trigger, let schedule = try? CronSchedule(text) else {
                continue
            }
            crons.append(
                Cron(trigger: index, text: text, schedule: schedule, zone: zone, jitter: jitter, function: config.id))
        }
    }

    /// Takes over what was known of triggers that are still there.
    mutating func keepTicks(of old: FunctionState) {
        for index in crons.indices {
            guard let same = old.crons.first(where: { $0.text == crons[index].text }) else { continue }
            crons[index].next = same.next
            crons[index].handled = same.handled
        }
    }

    var systemState: SystemState.Function {
        SystemState.Function(
            config: config, isRemoved: isRemoved, isPaused: isPaused,
            crons: crons.map { SystemState.CronState(trigger: $0.trigger, next: $0.next, handled: $0.handled) })
    }

    mutating func restore(_ crons: [SystemState.CronState]) {
        for state in crons {
            guard let index = self.crons.firstIndex(where: { $0.trigger == state.trigger }) else { continue }
            self.crons[index].next = state.next
            self.crons[index].handled = state.handled
        }
    }
}

/// What anybody may see of a function.
package struct FunctionSummary: Sendable, Equatable {
    package var config: FunctionConfig
    package var isRemoved: Bool
    package var isPaused: Bool
    package var unfinishedRuns: Int
    /// Those of them that have something to do and wait for a place, a start or another run.
    package var waitingRuns: Int
    /// Events in debounces and batches.
    package var heldEvents: Int
    /// The next instant of each cron trigger.
    package var nextTicks: [Timestamp]
}
