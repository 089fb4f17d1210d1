package import DaybookValues

/// A function as the core knows it.
struct FunctionState {
    struct Cron {
        let trigger: Int
        let text: String
        let schedule: CronSchedule
        let zone: ZoneRules
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
            guard case .cron(let text, let zone) = trigger, let schedule = try? CronSchedule(text) else { continue }
            crons.append(Cron(trigger: index, text: text, schedule: schedule, zone: zone))
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
