package import DaybookValues

extension Core {
    /// The next instants at which time alone makes something happen.
    package var nextDeadlines: (now: Timestamp?, wall: Timestamp?) { (durationTimers.nextDue, wallTimers.nextDue) }

    /// Handles timers that are due, at most `limit` of them.
    /// - Returns: whether there may be more.
    package func fireTimers(at time: Instant, seed: UInt64, limit: Int) -> Bool {
        _ = handle(.tick, at: time, seed: seed)
        let suspect = suspects.first
        // A timeout may have ended its run.
        defer { settleSuspects(since: suspect) }
        for _ in 0..<limit {
            guard let timer = durationTimers.pop(dueBy: time.now) ?? wallTimers.pop(dueBy: time.wall) else {
                return false
            }
            fire(timer)
        }
        return true
    }

    private func fire(_ timer: Timer) {
        switch timer.target {
        case .step(let id, let number):
            guard let run = runs[id], let step = run.openStep(number: number) else { return }
            fire(step, of: run)
        case .delayedStart(let id):
            guard let run = runs[id], run.startedAt == nil else { return }
            activate(run, .run(id, input: nil))
        case .startTimeout(let id):
            guard let run = runs[id], run.startedAt == nil, run.timeoutAt == timer.due else { return }
            // At once, so that it does not start meanwhile.
            cancel(id, reason: "it had not started within its start timeout")
        case .finishTimeout(let id):
            guard let run = runs[id], run.startedAt != nil, run.timeoutAt == timer.due else { return }
            cancel(id, reason: "it had not ended within its finish timeout")
        case .attempt(let id, let number):
            guard let run = runs[id], run.retryNumber == number, run.retryAt != nil else { return }
            activate(run, .run(id, input: nil))
        case .cron(let function, let trigger):
            fireCron(function: function, trigger: trigger, due: timer.due)
        case .hold(let id):
            guard let hold = holds[id], hold.due == timer.due else { return }
            fire(hold)
        case .throttle(let name): drainThrottle(name)
        }
    }

    private func fire(_ step: OpenStep, of run: Run) {
        let null = Array("null".utf8)
        switch step.kind {
        case .sleep:
            emit(.run(run.id), .stepCompleted(StepOutcome(key: step.key, operation: .sleep, output: null)))
            deliver(run.id, step.key, .completed(null))
        case .wait:
            emit(.run(run.id), .stepCompleted(StepOutcome(key: step.key, operation: .wait, output: null)))
            deliver(run.id, step.key, .completed(null))
        case .signal:
            emit(.run(run.id), .stepCompleted(StepOutcome(key: step.key, operation: .signal, output: null)))
            deliver(run.id, step.key, .completed(null))
        case .invoke:
            let error = Array(
                #"""
                {"error":"InngestInvokeTimeoutError: Timed out waiting for invoked function to complete",\#
                "name":"InngestInvokeTimeoutError","message":"Timed out waiting for invoked function to complete"}
                """#.utf8)
            emit(
                .run(run.id), .stepFailed(StepFailure(key: step.key, operation: .invoke, attempt: 1, error: error)))
            deliver(run.id, step.key, .failed(error))
        case .retry:
            deliver(run.id, step.key, .retry(attempt: step.attempt))
        }
    }

    /// Timers of what has ended are dropped once there are twice as many as were left the last time, so that what it
    /// costs is spread over the timers that were set meanwhile.
    func compactTimers() {
        let count = durationTimers.items.count + wallTimers.items.count
        guard count > 4_096, count > 2 * timersAfterCompaction else { return }
        durationTimers.compact(isStale: isStale)
        wallTimers.compact(isStale: isStale)
        timersAfterCompaction = durationTimers.items.count + wallTimers.items.count
    }

    private func isStale(_ target: TimerTarget) -> Bool {
        switch target {
        case .step(let id, let number): runs[id]?.openStep(number: number) == nil
        case .delayedStart(let id), .startTimeout(let id): runs[id].map { $0.startedAt != nil } ?? true
        case .finishTimeout(let id): runs[id] == nil
        case .attempt(let id, let number): runs[id]?.retryNumber != number
        case .cron: false
        case .hold(let id): holds[id] == nil
        case .throttle(let name): throttles[name] == nil
        }
    }

    // MARK: - Cron

    /// A tick that comes later than this was missed: the process was down or the machine asleep. Milliseconds.
    private static let latenessMax: Int64 = 60_000

    private func fireCron(function index: Int, trigger: Int, due: Timestamp) {
        guard !functions[index].isRemoved,
            let cron = functions[index].crons.first(where: { $0.trigger == trigger }), let first = cron.next,
            cron.fireTime(of: first) == due
        else { return }
        fire(cron, from: first, of: index, isMissed: time.wall - due > Self.latenessMax)
    }

    /// Lets those ticks fire at once that only a jitter has kept back which the function does not have any more: they are
    /// late, and nobody has missed them.
    private func fireReleased(of index: Int, _ before: FunctionState) {
        for cron in functions[index].crons where !before.isRemoved {
            guard let next = cron.next, next <= time.wall, cron.fireTime(of: next) <= time.wall,
                let old = before.crons.first(where: { $0.text == cron.text }), old.jitter > cron.jitter,
                time.wall - old.fireTime(of: next) <= Self.latenessMax
            else { continue }
            fire(cron, from: next, of: index, isMissed: false)
        }
    }

    /// Fires the ticks from `first` on whose time has come.
    private func fire(_ cron: FunctionState.Cron, from first: Timestamp, of index: Int, isMissed: Bool) {
        let config = functions[index].config
        let trigger = cron.trigger
        let wall = time.wall
        let end = cron.horizon(from: first, at: wall)
        var ticks: [Timestamp]
        switch config.catchUp {
        case _ where !isMissed: ticks = cron.schedule.ticks(from: first, through: end, limit: 1_000, in: cron.zone)
        case .latest, .skip:
            ticks = cron.schedule.latestTick(atOrBefore: end, notBefore: first, in: cron.zone).map { [$0] } ?? []
        case .all(let limit): ticks = cron.schedule.ticks(from: first, through: end, limit: limit, in: cron.zone)
        }
        ticks.removeAll { cron.handled.contains($0) }
        guard !ticks.isEmpty else {
            emit(.system, .cronScheduled(function: config.id, trigger: trigger, tick: cron.nextFree(after: end)))
            return
        }
        for (position, tick) in ticks.enumerated() {
            let fireAt = cron.fireTime(of: tick)
            let isSkipped = config.catchUp == .skip && isMissed && wall - fireAt > Self.latenessMax
            let isLast = position == ticks.count - 1
            let next = isLast ? cron.nextFree(after: max(end, tick)) : ticks[position + 1]
            guard !isSkipped else {
                emit(.system, .cronTicked(function: config.id, trigger: trigger, tick: tick, run: nil, next: next))
                continue
            }
            let event = tickEvent(cron.text, tick, fireAt: fireAt)
            let admission = admit(index, event, from: .cron)
            guard case .run(let flow) = admission else {
                emit(.system, .cronTicked(function: config.id, trigger: trigger, tick: tick, run: nil, next: next))
                publish(event, for: config.id, admission)
                continue
            }
            let run = makeID()
            emit(.system, .cronTicked(function: config.id, trigger: trigger, tick: tick, run: run, next: next))
            publish(event, for: config.id, admission)
            cancelOlderSingletons(index, flow)
            queue(run, index, cause: .cron, event: event, flow: flow)
        }
    }

    private func tickEvent(_ text: String, _ tick: Timestamp, fireAt: Timestamp) -> Event {
        var data: [UInt8] = []
        data.append(json: #"{"cron":"#)
        data.append(jsonString: text)
        data.append(json: #","scheduledAt":"#)
        data.append(jsonString: tick.rfc3339Short)
        data.append(json: #","fireAt":"#)
        data.append(jsonString: fireAt.rfc3339Short)
        data.append(UInt8(ascii: "}"))
        return Event(
            internal: "inngest/scheduled.timer", id: makeID(), key: tick.rfc3339Short, at: fireAt, data: data)
    }

    /// Sets every schedule to its next tick by the wall clock as it stands: after a registration, at the start of a
    /// process, and when the wall clock was set back. A tick that is overdue stays, to be caught up with.
    func alignCrons() {
        for function in functions where !function.isRemoved {
            for cron in function.crons {
                guard let wanted = cron.nextFree(after: time.wall) else { continue }
                if let next = cron.next, next <= wanted { continue }
                emit(.system, .cronScheduled(function: function.config.id, trigger: cron.trigger, tick: wanted))
            }
        }
    }

    // MARK: - Registration

    func register(app: String, _ configs: [FunctionConfig]) -> Answer {
        if let problem = problem(of: configs) { return .refused(.invalidFunction(problem)) }
        take(configs, app: app, isRemote: false)
        return .done
    }

    /// Why the functions cannot be registered, or nil.
    func problem(of configs: [FunctionConfig]) -> String? {
        var ids: Set<String> = []
        for config in configs {
            if let problem = config.problem { return problem }
            guard ids.insert(config.id).inserted else {
                return "two functions have the id '\(config.id)'; each needs its own"
            }
            if let index = functionIndex[config.id], !functions[index].isRemoved,
                functions[index].config.app != config.app
            {
                return "function '\(config.id)' belongs to app '\(functions[index].config.app)' already"
            }
            for trigger in config.triggers {
                guard case .cron(let text, let zone, _) = trigger, let schedule = try? CronSchedule(text) else {
                    continue
                }
                guard schedule.nextTick(after: time.wall, in: zone) != nil else {
                    return "function '\(config.id)': cron '\(text)' never comes again"
                }
            }
        }
        return nil
    }

    /// Registers what is new among the functions and removes those of the app that are not among them.
    /// - Parameter isRemote: whether the functions behind a URL are meant or those of this program: an app may have both.
    func take(_ configs: [FunctionConfig], app: String, isRemote: Bool) {
        for config in configs {
            let index = functionIndex[config.id]
            if let index, !functions[index].isRemoved, functions[index].config == config { continue }
            let before = index.map { functions[$0] }
            emit(.system, .functionRegistered(config))
            guard let index = functionIndex[config.id] else { continue }
            followLimits(of: index)
            if let before { fireReleased(of: index, before) }
        }
        let ids = Set(configs.map(\.id))
        for function in functions
        where function.config.app == app && function.config.isRemote == isRemote && !function.isRemoved
            && !ids.contains(function.config.id)
        {
            emit(.system, .functionRemoved(id: function.config.id))
        }
        alignCrons()
    }
}
