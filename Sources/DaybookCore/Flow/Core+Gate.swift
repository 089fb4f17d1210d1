package import DaybookValues

// Which runs may execute. `activate` stands before every effect that makes a run's code move; for a function without
// limits it is one comparison.
extension Core {
    /// The run has something to do: says so to the host, at once or when the run has its places.
    func activate(_ run: Run, _ effect: Effect) {
        guard mayMove(run) else { return }
        let holding: Gate.Holding
        if !gate.holdings.isEmpty, let known = gate.holdings[run.id] {
            holding = known
        } else {
            guard functions[run.function].plan.isGated else {
                effects.append(effect)
                return
            }
            holding = gate.makeHolding(run.id)
        }
        if !holding.slots.isEmpty {
            holding.unreleased += 1
            effects.append(effect)
            return
        }
        // A timer of the step it waits with may say it again.
        guard !holding.effects.contains(effect) else { return }
        holding.effects.append(effect)
        request(run, holding)
        // A run that waits reads its event when its turn comes.
        if holding.slots.isEmpty, case .run(let id, input: .some) = effect {
            holding.effects[holding.effects.count - 1] = .run(id, input: nil)
        }
    }

    func deliver(_ id: ULID, _ key: String, _ delivery: Delivery) {
        guard let run = runs[id] else { return }
        activate(run, .deliver(run: id, key: key, delivery))
    }

    /// Whether anything but a place is missing. What is dropped here is found again when that ends: by `resume`, by the
    /// end of the other run, or by the cancellation itself.
    func mayMove(_ run: Run) -> Bool {
        if functions[run.function].isPaused { return false }
        guard let extras = run.extras else { return true }
        return extras.cancelReason == nil && singletonBlocker(of: run) == nil
    }

    /// Something is to be done for the run, and flow control does not let it.
    func isHeldUp(_ run: Run) -> Bool {
        guard mayMove(run) else { return true }
        guard !gate.holdings.isEmpty, let holding = gate.holdings[run.id] else { return false }
        return holding.ticket != nil && holding.slots.isEmpty
    }

    /// An older run of the same key that is not over yet.
    func singletonBlocker(of run: Run) -> ULID? {
        guard run.startedAt == nil, let key = run.extras?.flow.singletonKey,
            functions[run.function].config.flow.singleton != nil,
            let first = singletons[dedupKey(functions[run.function].config.id, key)]?.first, first != run.id
        else { return nil }
        return first
    }

    private func request(_ run: Run, _ holding: Gate.Holding) {
        guard holding.ticket == nil else { return }
        if run.startedAt == nil, let extras = run.extras, !extras.isAdmitted, let key = extras.flow.throttleKey,
            functions[run.function].plan.throttle != nil
        {
            let name = dedupKey(functions[run.function].config.id, key)
            let ticket = Gate.Ticket(run: run.id, isBody: false, score: score(of: run), places: [])
            holding.ticket = ticket
            holding.throttle = name
            throttles[name, default: ThrottleQueue(function: run.function)].waiting.push(ticket)
            drainThrottle(name)
            return
        }
        let ticket = Gate.Ticket(
            run: run.id, isBody: false, score: score(of: run), places: places(of: run, holding, forBody: false))
        holding.ticket = ticket
        gate.ask(ticket)
        settleGrants()
    }

    /// Milliseconds: when the run was queued, less its priority. Lower comes first.
    func score(of run: Run) -> Int64 {
        run.id.time.milliseconds - (run.extras?.flow.priority ?? 0) * 1_000
    }

    /// Where a run stands among those that wait: lower comes first.
    package func score(of id: ULID) -> Int64 { runs[id].map(score) ?? id.time.milliseconds }

    private func places(of run: Run, _ holding: Gate.Holding, forBody: Bool) -> [Gate.Place] {
        let settings = functions[run.function].config.flow
        let flow = run.extras?.flow
        var places: [Gate.Place] = []
        func add(_ kind: Gate.Pool.Name.Kind, _ limit: ConcurrencyLimit, _ key: RunFlow.PoolKey?) {
            // Runs that were queued before the limit had this key are not counted.
            if limit.key != nil, key == nil { return }
            let name = Gate.Pool.Name(
                kind: kind, scope: limit.scope, function: limit.scope == .function ? run.function : -1,
                expression: limit.key ?? "", value: key?.value ?? "")
            places.append((gate.pool(name), self.limit(run.function, kind, limit)))
        }
        if !forBody, holding.runPlace == nil, let limit = settings.runConcurrency {
            add(.runs, limit, flow?.runKey.flatMap { $0.expression == limit.key ? $0 : nil })
        }
        for limit in settings.concurrency {
            add(.steps, limit, flow?.keys.first { $0.scope == limit.scope && $0.expression == limit.key })
        }
        places.sort { $0.pool.name < $1.pool.name }
        return places
    }

    private func limit(_ function: Int, _ kind: Gate.Pool.Name.Kind, _ limit: ConcurrencyLimit) -> Gate.Limit {
        let name = LimitName(function: function, kind: kind, scope: limit.scope, expression: limit.key ?? "")
        if let known = gateLimits[name] { return known }
        let new = Gate.Limit(limit.limit)
        gateLimits[name] = new
        return new
    }

    /// The function's settings have changed: those that wait follow the new limits.
    func followLimits(of function: Int) {
        let settings = functions[function].config.flow
        // Runs that began without such a limit count for it too.
        if settings.runConcurrency != nil { restoreRunPlaces(of: function) }
        var changed = false
        for (name, known) in gateLimits where name.function == function {
            let now =
                name.kind == .runs
                ? settings.runConcurrency.flatMap { ($0.key ?? "") == name.expression ? $0.limit : nil }
                : settings.concurrency.first { $0.scope == name.scope && ($0.key ?? "") == name.expression }?.limit
            let value = now ?? .max
            if known.value != value {
                known.value = value
                changed = true
            }
        }
        if changed {
            gate.drainAll()
            settleGrants()
        }
        if functions[function].plan.throttle == nil {
            for name in throttles.keys.sorted() where throttles[name]?.function == function { drainThrottle(name) }
        }
    }

    /// Tells the host of everybody who has got a place.
    private func settleGrants() {
        for ticket in gate.takeGranted() {
            guard let holding = gate.holdings[ticket.run] else {
                gate.free(ticket.places)
                continue
            }
            if ticket.isBody {
                holding.bodyTickets.removeAll { $0 === ticket }
                holding.slots.append(ticket.places)
                holding.unreleased += 1
                effects.append(.grantSlot(run: ticket.run))
            } else {
                holding.ticket = nil
                var places = ticket.places
                if let index = places.firstIndex(where: { $0.pool.name.kind == .runs }) {
                    holding.runPlace = places.remove(at: index)
                }
                holding.slots.append(places)
                holding.unreleased += holding.effects.count
                effects.append(contentsOf: holding.effects)
                holding.effects = []
            }
        }
    }

    // MARK: - What the host says

    /// Whether the run needs a place to execute.
    package func isGated(_ id: ULID) -> Bool {
        let isHolding = !gate.holdings.isEmpty && gate.holdings[id] != nil
        guard !isHolding, let run = runs[id] else { return isHolding }
        return functions[run.function].plan.isGated
    }

    package func isPaused(run id: ULID) -> Bool { runs[id].map { functions[$0.function].isPaused } ?? false }

    /// The host has been told of one effect of the run.
    package func noteReleased(_ id: ULID) {
        guard !gate.holdings.isEmpty, let holding = gate.holdings[id], holding.unreleased > 0 else { return }
        holding.unreleased -= 1
    }

    func yield(_ id: ULID) {
        guard let holding = gate.holdings[id] else { return }
        // It is about to be told of something, and goes on.
        if runs[id] != nil, holding.unreleased > 0 { return }
        let slots = holding.slots
        holding.slots = []
        for ticket in holding.bodyTickets { gate.cancel(ticket) }
        holding.bodyTickets = []
        for places in slots { gate.free(places) }
        if runs[id] == nil, let place = holding.runPlace {
            holding.runPlace = nil
            gate.free([place])
        }
        if holding.ticket == nil, holding.runPlace == nil { gate.holdings[id] = nil }
        settleGrants()
    }

    func wantSlots(_ id: ULID, _ count: Int) {
        guard let run = runs[id], let holding = gate.holdings[id], !holding.slots.isEmpty else { return }
        for _ in 0..<count {
            let ticket = Gate.Ticket(
                run: id, isBody: true, score: score(of: run), places: places(of: run, holding, forBody: true))
            holding.bodyTickets.append(ticket)
            gate.ask(ticket)
        }
        settleGrants()
    }

    func returnSlots(_ id: ULID, _ count: Int) {
        guard let holding = gate.holdings[id] else { return }
        // The first is the run's own; it may be gone too.
        for _ in 0..<max(0, min(count, holding.slots.count - 1)) { gate.free(holding.slots.removeLast()) }
        settleGrants()
    }

    /// The run has ended: it waits for nothing any more, and gives up its places as soon as no code of it executes.
    func leaveGate(_ id: ULID) {
        guard let holding = gate.holdings[id] else { return }
        if let ticket = holding.ticket {
            holding.ticket = nil
            if let name = holding.throttle {
                ticket.isCancelled = true
                throttles[name]?.waiting.noteCancelled()
            } else {
                gate.cancel(ticket)
            }
        }
        holding.throttle = nil
        holding.effects = []
        for ticket in holding.bodyTickets { gate.cancel(ticket) }
        holding.bodyTickets = []
        #if DELIBERATE_BUGS
            if limits.bug == .placeFreedAtCancel { return yield(id) }
        #endif
        if holding.slots.isEmpty { yield(id) } else { settleGrants() }
    }

    /// The runs that have started have their places under limits on runs: nothing else of the gate outlives a process.
    /// - Parameter function: only that one's; nil for all.
    func restoreRunPlaces(of function: Int? = nil) {
        for id in runs.keys.sorted() {
            guard let run = runs[id], run.startedAt != nil, function == nil || run.function == function,
                functions[run.function].config.flow.runConcurrency != nil
            else { continue }
            let holding = gate.makeHolding(id)
            guard holding.runPlace == nil else { continue }
            let places = places(of: run, holding, forBody: false)
            for place in places {
                if place.pool.name.kind == .runs {
                    place.pool.used += 1
                    holding.runPlace = place
                } else {
                    gate.forget(place)
                }
            }
            if holding.runPlace == nil, holding.ticket == nil, holding.slots.isEmpty { gate.holdings[id] = nil }
        }
    }

    /// How many places of limits on what executes are taken, in all; for checks.
    package var placesTaken: Int {
        gate.pools.values.reduce(0) { $1.name.kind == .steps ? $0 + $1.used : $0 }
    }

    // MARK: - Throttle

    /// Runs that wait for a throttle, under one key.
    struct ThrottleQueue {
        let function: Int
        var waiting = TicketHeap()
        /// When the timer that is set fires.
        var timerDue: Timestamp?
    }

    /// Lets those start whose time has come.
    func drainThrottle(_ name: DedupTable.Key) {
        while let ticket = throttles[name]?.waiting.firstLive(), let function = throttles[name]?.function {
            if let rate = functions[function].plan.throttle {
                let next = throttleRates.nextTime(name, rate, at: time.now)
                // Nothing may be recorded while the state is only looked at.
                guard next <= time.now, !isStarting else {
                    if throttles[name]?.timerDue != next {
                        throttles[name]?.timerDue = next
                        durationTimers.add(.throttle(name), due: next)
                    }
                    return
                }
            }
            throttles[name]?.waiting.popFirst()
            guard let run = runs[ticket.run], let holding = gate.holdings[ticket.run] else { continue }
            holding.ticket = nil
            holding.throttle = nil
            emit(.run(ticket.run), .runAdmitted)
            request(run, holding)
        }
        throttles[name] = nil
    }

    // MARK: - Why a run waits

    func waiting(_ run: Run) -> RunSummary.Waiting? {
        if functions[run.function].isPaused { return .paused }
        if let other = singletonBlocker(of: run) { return .singleton(run: other) }
        guard !gate.holdings.isEmpty, let holding = gate.holdings[run.id],
            let ticket = holding.ticket ?? holding.bodyTickets.first
        else { return nil }
        if let name = holding.throttle, let rate = functions[run.function].plan.throttle {
            let key = run.extras?.flow.throttleKey ?? ""
            return .throttle(
                key: key.isEmpty ? nil : key, until: throttleRates.nextTime(name, rate, at: newestRecordTime))
        }
        guard ticket.blockedAt >= 0 else { return nil }
        let (pool, limit) = ticket.places[ticket.blockedAt]
        let key = pool.name.expression.isEmpty ? nil : pool.name.value
        return pool.name.kind == .runs
            ? .runs(key: key, used: pool.used, limit: limit.value)
            : .concurrency(key: key, scope: pool.name.scope, used: pool.used, limit: limit.value)
    }
}

/// What tells a limit from every other.
struct LimitName: Hashable {
    let function: Int
    let kind: Gate.Pool.Name.Kind
    let scope: ConcurrencyLimit.Scope
    let expression: String
}
