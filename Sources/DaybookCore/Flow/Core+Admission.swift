import DaybookCEL
import DaybookValues

// What becomes of an event that has met a function's trigger. Everything is worked out once, from the event, when it
// comes; it stands in the records from then on.
extension Core {
    enum Admission {
        case run(RunFlow)
        case hold(HeldEvent)
        case drop(Dropped.Reason, detail: String)
    }

    /// Where an event that starts a function comes from.
    enum Origin {
        case event
        case cron
        /// A step waits for what comes of it; `child` stands for the run.
        case invoke(HeldEvent.Caller)
    }

    /// Takes an event that has met a trigger of the function through its settings.
    func admit(_ index: Int, _ event: Event, from origin: Origin) -> Admission {
        if functions[index].isPaused { return .drop(.paused, detail: "the function is paused") }
        let plan = functions[index].plan
        if plan.isEmpty { return duplicate(of: event, index, origin) ?? .run(RunFlow()) }
        let function = functions[index]
        let settings = function.config.flow

        if let batch = settings.batch, belongsToBatch(event, plan, origin) {
            if let key = event.key, case .event = origin,
                dedup.contains(dedupKey(function.config.id, key), at: time.now, within: Self.batchDedupWindow)
            {
                return .drop(.duplicate, detail: "event id \(key)")
            }
            return .hold(hold(event, index, batch, origin))
        }
        if settings.debounce == nil, let duplicate = duplicate(of: event, index, origin) { return duplicate }

        var flow = RunFlow()
        if let rate = plan.rate {
            switch evaluate(plan.rateKey, event.json) {
            case .none: flow.rateKey = ""
            case .text(let key): flow.rateKey = key
            case .missing, .isFalse: break
            case .failed(let problem):
                return .drop(.expression, detail: "could not evaluate rate limit: \(problem)")
            }
            if let key = flow.rateKey,
                rates.nextTime(dedupKey(function.config.id, key), rate, at: time.now) > time.now
            {
                let name = settings.idempotency == nil ? "rate limit" : "idempotency"
                return .drop(.rateLimited, detail: key.isEmpty ? name : "\(name), key \(key)")
            }
        }
        complete(&flow, for: event.json, index)
        if let debounce = settings.debounce { return self.debounce(event, index, debounce, flow, origin) }
        if let blocked = singletonSkip(index, flow) { return blocked }
        return .run(flow)
    }

    private func duplicate(of event: Event, _ index: Int, _ origin: Origin) -> Admission? {
        guard case .event = origin, let key = event.key,
            dedup.contains(dedupKey(functions[index].config.id, key), at: time.now)
        else { return nil }
        return .drop(.duplicate, detail: "event id \(key)")
    }

    /// A run of the same key is unfinished, and new ones are to start none.
    func singletonSkip(_ index: Int, _ flow: RunFlow) -> Admission? {
        guard functions[index].config.flow.singleton?.mode == .skip, let key = flow.singletonKey,
            let living = singletons[dedupKey(functions[index].config.id, key)]?.first
        else { return nil }
        return .drop(.singleton, detail: "run \(living.text) is unfinished")
    }

    // MARK: - Keys

    private enum Key {
        /// There is no expression.
        case none
        case missing
        case isFalse
        case text(String)
        case failed(String)
    }

    var moment: Moment { Moment(milliseconds: time.wall.milliseconds) }

    private func evaluate(_ compiled: FlowPlan.Compiled?, _ event: [UInt8]) -> Key {
        guard let compiled else { return .none }
        switch compiled.expression {
        case .failure(let error): return .failed("\(error)")
        case .success(let expression):
            do throws(EvaluationError) {
                switch try expression.key(event: event, now: moment) {
                case .missing: return .missing
                case .isFalse: return .isFalse
                case .text(let text): return .text(text)
                }
            } catch {
                return .failed("\(error)")
            }
        }
    }

    /// The bucket of a key: what cannot be told has one too, so that it is limited rather than not.
    private func bucket(
        _ compiled: FlowPlan.Compiled?, _ event: [UInt8], _ what: String, failed: String, _ flow: inout RunFlow
    ) -> String? {
        switch evaluate(compiled, event) {
        case .none: return nil
        case .text(let key): return key
        case .missing, .isFalse: return "false"
        case .failed(let problem):
            flow.problems.append("\(what) key: \(problem)")
            return failed
        }
    }

    /// What is worked out for a run besides its rate.
    func complete(_ flow: inout RunFlow, for event: [UInt8], _ index: Int) {
        let function = functions[index]
        let settings = function.config.flow
        let plan = function.plan
        for (limit, key) in zip(settings.concurrency, plan.concurrencyKeys) {
            if let value = bucket(key, event, "concurrency", failed: "<nil>", &flow) {
                flow.keys.append(RunFlow.PoolKey(scope: limit.scope, expression: limit.key ?? "", value: value))
            }
        }
        if let limit = settings.runConcurrency,
            let value = bucket(plan.runKey, event, "concurrency of runs", failed: "<nil>", &flow)
        {
            flow.runKey = RunFlow.PoolKey(scope: .function, expression: limit.key ?? "", value: value)
        }
        if settings.throttle != nil {
            flow.throttleKey = bucket(plan.throttleKey, event, "throttle", failed: "<nil>", &flow) ?? ""
        }
        if settings.singleton != nil {
            switch evaluate(plan.singletonKey, event) {
            case .none: flow.singletonKey = ""
            case .text(let key): flow.singletonKey = key
            case .missing, .isFalse: break
            case .failed(let problem): flow.problems.append("singleton key: \(problem)")
            }
        }
        if let priority = plan.priority { flow.priority = value(of: priority, event, &flow) }
        for (cancel, condition) in zip(settings.cancelOn, plan.cancelConditions) {
            var listener = RunFlow.Cancel(event: cancel.event)
            listener.until = cancel.timeout.map { time.now + $0 }
            if let condition {
                listener.condition = condition.source
                switch condition.expression {
                case .success(let expression): listener.captured = expression.capture(event: event)
                case .failure(let error):
                    flow.problems.append("cancelOn '\(cancel.event)': \(error)")
                    continue
                }
            }
            flow.cancelOn.append(listener)
        }
    }

    private func value(of priority: FlowPlan.Compiled, _ event: [UInt8], _ flow: inout RunFlow) -> Int64 {
        switch priority.expression {
        case .failure(let error):
            flow.problems.append("priority: \(error)")
            return 0
        case .success(let expression):
            do throws(EvaluationError) {
                let seconds = try expression.integer(event: event, now: moment)
                return min(max(seconds, -RunFlow.priorityMax), RunFlow.priorityMax)
            } catch {
                flow.problems.append("priority: \(error)")
                return 0
            }
        }
    }

    // MARK: - Debounces and batches

    /// How long a batch remembers the ids of its events.
    private static let batchDedupWindow: Int64 = 30 * 60_000
    /// Bytes of events at which a batch is full: 10 MiB.
    static let batchBytesMax = 10 * 1_048_576

    private func belongsToBatch(_ event: Event, _ plan: FlowPlan, _ origin: Origin) -> Bool {
        if case .cron = origin { return false }
        guard let condition = plan.batchCondition else { return true }
        guard case .success(let expression) = condition.expression else { return false }
        return (try? expression.isTrue(event: event.json, now: moment)) ?? false
    }

    private func hold(_ event: Event, _ index: Int, _ batch: Batch, _ origin: Origin) -> HeldEvent {
        var flow = RunFlow()
        let key = bucket(functions[index].plan.batchKey, event.json, "batch", failed: "<invalid>", &flow) ?? ""
        let open = holds.open(Holds.Name(function: index, kind: .batch, key: key))
        // Those of the first event count for the run.
        if open == nil { complete(&flow, for: event.json, index) }
        return HeldEvent(
            function: functions[index].config.id, hold: open?.id ?? makeID(), kind: .batch, key: key,
            due: open?.due ?? time.now + batch.timeout, flow: open == nil ? flow : RunFlow(), caller: origin.caller)
    }

    private func debounce(
        _ event: Event, _ index: Int, _ debounce: Debounce, _ flow: RunFlow, _ origin: Origin
    ) -> Admission {
        var flow = flow
        let key = bucket(functions[index].plan.debounceKey, event.json, "debounce", failed: "<invalid>", &flow) ?? ""
        let open = holds.open(Holds.Name(function: index, kind: .debounce, key: key))
        if let held = open?.events.last, event.timestamp < held.timestamp {
            return .drop(.older, detail: "event \(held.id.text) is newer")
        }
        var due = time.now + debounce.period
        if let timeout = debounce.timeout { due = min(due, (open?.firstAt ?? time.now) + timeout) }
        return .hold(
            HeldEvent(
                function: functions[index].config.id, hold: open?.id ?? makeID(), kind: .debounce, key: key, due: due,
                flow: flow, caller: origin.caller))
    }

    /// Starts the run of batches that the event has filled.
    func fireFullBatches(_ held: [HeldEvent]) {
        for event in held where event.kind == .batch {
            guard let hold = holds[event.hold] else { continue }
            let size = functions[hold.function].config.flow.batch?.maxSize ?? 0
            if hold.events.count >= size || hold.bytes >= Self.batchBytesMax { fire(hold) }
        }
    }

    /// Starts the run of a hold.
    func fire(_ hold: Hold) {
        // Without its code nothing could be done with them; they wait until it is back.
        guard !functions[hold.function].isRemoved, let first = hold.events.first else { return }
        let function = functions[hold.function].config.id
        if case .drop(let reason, let detail)? = singletonSkip(hold.function, hold.flow) {
            emit(.system, .holdDropped(hold: hold.id, function: function, reason: reason, detail: detail))
            for caller in hold.callers { refuse(caller, function, reason, detail) }
            return
        }
        var flow = hold.flow
        // It has counted when the event came.
        flow.rateKey = nil
        // Its listeners' time begins with the run.
        for index in flow.cancelOn.indices {
            flow.cancelOn[index].until = flow.cancelOn[index].until.map { $0 + (time.now - hold.lastAt) }
        }
        let id = makeID()
        var json = first.json
        if hold.kind == .batch {
            json = [UInt8(ascii: "[")]
            json.reserveCapacity(hold.bytes + hold.events.count + 2)
            for (position, event) in hold.events.enumerated() {
                if position > 0 { json.append(UInt8(ascii: ",")) }
                json.append(contentsOf: event.json)
            }
            json.append(UInt8(ascii: "]"))
        }
        cancelOlderSingletons(hold.function, flow)
        emit(
            .run(id),
            .runQueued(
                QueuedRun(
                    function: function, cause: .event, input: .inline(json), eventName: first.name, hold: hold.id,
                    eventCount: hold.kind == .batch ? hold.events.count : 0, flow: flow)))
        if let run = runs[id] { activate(run, .run(id, input: json)) }
    }

    /// The step that invoked the function gets an error at once: nothing will ever come of it.
    func refuse(_ caller: HeldEvent.Caller, _ function: String, _ reason: Dropped.Reason, _ detail: String) {
        guard let run = runs[caller.run], let index = run.openIndex(caller.key),
            case .invoke(caller.child) = run.open[index].kind
        else { return }
        let error = refusalOfInvoke(function, reason, detail, to: run)
        emit(
            .run(caller.run),
            .stepFailed(StepFailure(key: caller.key, operation: .invoke, attempt: 1, error: error)))
        deliver(caller.run, caller.key, .failed(error))
    }

    func refusalOfInvoke(
        _ function: String, _ reason: Dropped.Reason, _ detail: String, to caller: Run
    ) -> [UInt8] {
        let message =
            switch reason {
            case .rateLimited: "invoked function is rate limited"
            case .singleton: "invoked function was skipped: it is a singleton, and \(detail)"
            case .paused: "invoked function was skipped: it is paused"
            default: "invoked function was not started: \(detail)"
            }
        // Code of other SDKs may compare it with what it knows.
        let isRemote = functions[caller.function].config.isRemote
        return errorJSON(name: "Error", message: isRemote ? message : "\(message) ('\(function)')")
    }

    package func holds(of function: String? = nil) -> [HoldSummary] {
        holds.byID.values.filter { hold in function.map { functions[hold.function].config.id == $0 } ?? true }
            .sorted { $0.id < $1.id }
            .map { hold in
                HoldSummary(
                    id: hold.id, function: functions[hold.function].config.id, kind: hold.kind, key: hold.key,
                    eventCount: hold.events.count, bytes: hold.bytes, firstAt: hold.firstAt, due: hold.due,
                    eventIDs: hold.events.prefix(100).map(\.id))
            }
    }
}

extension Core.Origin {
    var caller: HeldEvent.Caller? { if case .invoke(let caller) = self { caller } else { nil } }
}
