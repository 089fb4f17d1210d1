import DaybookCore
import DaybookValues

// What becomes of runs under flow control.
extension FlowLedger {
    /// A run was queued.
    func queue(_ id: ULID, _ queued: QueuedRun, _ event: EventValues, at time: Timestamp) {
        guard let function = functions[queued.function] else { return }
        var (flow, values) = (function.flow, event)
        switch queued.cause {
        case .event:
            guard let held = queued.hold else { break }
            guard let hold = holds.removeValue(forKey: held) else {
                violate("run \(id.text) is of hold \(held.text), which is not there")
                return
            }
            (flow, values) = (hold.flow, hold.values)
            check(hold, id, queued, at: time)
        case .cron, .invoke:
            let origin: Origin = queued.cause == .cron ? .cron : .invoke
            let expected = admission(
                of: (values, time), to: queued.function, from: origin, at: time, isDuplicate: { _ in false })
            if expected != .run { violate("run \(id.text) of \(queued.function) was queued; expected was \(expected)") }
        case .retry: break
        }
        var run = RunFacts(
            function: queued.function, values: values, queuedAt: time,
            score: id.time.milliseconds - (flow.priority?.seconds(values) ?? 0) * 1_000,
            isDelayed: queued.startAt != nil)
        run.version = function.version
        func bucket(_ key: KeyShape) -> String {
            if key.value(values) == .failed { count(.keysFailed) }
            return KeyShape.bucket(key, values, failed: "<nil>")
        }
        for limit in flow.concurrency {
            if let key = limit.key { run.keys.append((limit.scope, key.source, bucket(key))) }
        }
        if let key = flow.runConcurrency?.key { run.runKey = (key.source, bucket(key)) }
        if let throttle = flow.throttle { run.throttleKey = throttle.key.map(bucket) ?? "" }
        if queued.hold == nil, case .text(let key) = rateKey(flow, values) {
            useRate(queued.function, key, flow, at: time)
        }
        if flow.batch != nil { flow.cancelOn = [] }
        run.listeners = flow.cancelOn.map { cancel in
            Listener(event: cancel.event, condition: cancel.condition, until: cancel.timeout.map { time + $0 })
        }
        if let key = singletonKey(flow, values) {
            let name = queued.function + " " + key
            run.singletonKey = key
            replaced[name] = nil
            for older in singletons[name] ?? []
            where function.flow.singleton?.isCancelling == true && runs[older]?.isCancelling != true {
                violate("run \(older.text) of singleton \(name) goes on although \(id.text) takes its place")
            }
            singletons[name, default: []].append(id)
        }
        if !run.listeners.isEmpty { listening.insert(id) }
        if function.flow.isGated || flow.isGated || flow.singleton != nil { unstartedRuns.insert(id) }
        runs[id] = run
    }

    private func check(_ hold: Hold, _ id: ULID, _ queued: QueuedRun, at time: Timestamp) {
        if hold.due > time, !hold.isFull {
            violate("run \(id.text) of a hold came at \(time.rfc3339), before \(hold.due.rfc3339)")
        }
        var expected = hold.events[0]
        switch hold.kind {
        case .debounce:
            count(.runsOfDebounces)
            if hold.wasCut { count(.debouncesCutByTimeout) }
        case .batch:
            count(hold.isFull ? .runsOfFullBatches : .runsOfDueBatches)
            expected = [UInt8(ascii: "[")] + Array(hold.events.joined(separator: [UInt8(ascii: ",")]))
            expected.append(UInt8(ascii: "]"))
            if hold.events.count > hold.maxSize {
                violate("run \(id.text) is of \(hold.events.count) events; the most are \(hold.maxSize)")
            }
        }
        if queued.input != .inline(expected) {
            violate("run \(id.text) of \(queued.function) is not given the \(hold.events.count) events that were held")
        }
        if queued.eventCount != (hold.kind == .batch ? hold.events.count : 0) {
            violate("run \(id.text) says that it has \(queued.eventCount) events, and has \(hold.events.count)")
        }
    }

    /// What a record says of an unfinished run.
    func note(_ record: Record, of id: ULID, at time: Timestamp) {
        guard var run = runs[id] else { return }
        switch record {
        case .runAdmitted:
            if run.isAdmitted || run.isStarted { violate("run \(id.text) was admitted twice, or late") }
            run.isAdmitted = true
            admit(id, run, at: time)
            admitted.append(id)
        case .runStarted:
            checkStart(id, run)
            run.startedAt = time
            unstartedRuns.remove(id)
            runCounts[runPool(run), default: 0] += 1
            started.append(id)
        case .runCancelling(let reason):
            run.isCancelling = true
            doomed.remove(id)
            noteReplaced(id, run, reason)
        case .runCompleted, .runFailed, .runCancelled, .runQuarantined:
            end(id, run, record)
            return
        default: return
        }
        runs[id] = run
    }

    private func end(_ id: ULID, _ run: RunFacts, _ record: Record) {
        runs[id] = nil
        listening.remove(id)
        unstartedRuns.remove(id)
        if run.isStarted { runCounts[runPool(run), default: 0] -= 1 }
        if let key = run.singletonKey {
            let name = run.function + " " + key
            singletons[name]?.removeAll { $0 == id }
            if singletons[name]?.isEmpty == true { singletons[name] = nil }
        }
        switch record {
        case .runCancelled(let reason):
            doomed.remove(id)
            noteReplaced(id, run, reason)
            if reason.hasPrefix("it had not started") {
                count(.startTimeouts)
                // One that began too late is cancelled all the same.
                if let startedAt = run.startedAt, startedAt <= run.queuedAt + (startTimeouts[run.function] ?? 0) {
                    violate("run \(id.text) had started in time, and was cancelled because it had not")
                }
            }
            if reason.hasPrefix("it had not ended") { count(.finishTimeouts) }
        case .runQuarantined: doomed.remove(id)
        default:
            if run.isCancelling { violate("run \(id.text) was being cancelled, and ended in another way") }
        }
    }

    /// The run makes way for a newer one, which must be queued in the same batch.
    private func noteReplaced(_ id: ULID, _ run: RunFacts, _ reason: String) {
        guard reason.hasPrefix("a newer run of this singleton"), let key = run.singletonKey,
            functions[run.function]?.flow.singleton?.isCancelling == true, cancelled.insert(id).inserted
        else { return }
        count(.cancelledBySingleton)
        replaced[run.function + " " + key, default: []].append(id)
    }

    /// At the end of a batch.
    func closeBatch() {
        for id in doomed.sorted() { violate("run \(id.text) was cancelled by an event, and goes on") }
        for (name, ids) in replaced.sorted(by: { $0.key < $1.key }) {
            violate("\(ids.map(\.text)) made way for a newer run of singleton \(name), and none came")
        }
        (doomed, replaced) = ([], [:])
        isOpening = false
    }

    private func admit(_ id: ULID, _ run: RunFacts, at time: Timestamp) {
        count(.runsAdmitted)
        guard let key = run.throttleKey, let throttle = functions[run.function]?.flow.throttle else { return }
        let rate = Rate(
            interval: Int64(throttle.seconds) * 1_000_000 / Int64(throttle.limit),
            atOnce: throttle.limit + throttle.burst)
        let name = run.function + " " + key
        if !rate.allows(throttles[name], at: time) {
            violate(
                "run \(id.text) of \(run.function) was let through the throttle of key '\(key)' too early, at \(time.rfc3339)"
            )
        }
        throttles[name] = rate.used(throttles[name], at: time)
    }

    private func checkStart(_ id: ULID, _ run: RunFacts) {
        guard let function = functions[run.function] else { return }
        let flow = function.flow
        if flow.throttle != nil, run.throttleKey != nil, !run.isAdmitted, run.version == function.version {
            violate("run \(id.text) of \(run.function) began without having passed the throttle")
        }
        if flow.singleton != nil, let key = run.singletonKey {
            for other in singletons[run.function + " " + key] ?? [] where runs[other]?.isStarted == true {
                violate("runs \(other.text) and \(id.text) of one singleton, \(run.function), are under way at once")
            }
        }
        if flow.runConcurrency?.key == nil || run.runKey != nil {
            let pool = runPool(run)
            let most = function.recent.map { $0.runConcurrency?.limit ?? .max }.max() ?? .max
            if runCounts[pool, default: 0] >= most {
                violate(
                    "run \(id.text) began as number \(runCounts[pool, default: 0] + 1) of \(run.function) under way; the limit is \(most)"
                )
            }
        }
    }

    /// The runs that share a limit on runs with it.
    private func runPool(_ run: RunFacts) -> Pool {
        Pool(
            isOfRuns: true, scope: .function, function: run.function, expression: run.runKey?.expression ?? "",
            value: run.runKey?.value ?? "")
    }

    /// The places that a body of the run takes, each with the highest limit of its function that may have been in force.
    func places(of id: ULID) -> [(pool: Pool, limit: Int)] {
        guard let run = runs[id], let function = functions[run.function] else { return [] }
        return function.flow.concurrency.compactMap { limit in
            let key = limit.key?.source ?? ""
            var pool = Pool(
                isOfRuns: false, scope: limit.scope, function: limit.scope == .function ? run.function : "",
                expression: key, value: "")
            if !key.isEmpty {
                // One that was queued before the limit had this key is not counted.
                guard let known = run.keys.first(where: { $0.scope == limit.scope && $0.expression == key }) else {
                    return nil
                }
                pool.value = known.value
            }
            let most = function.recent.map { flow in
                flow.concurrency.first { $0.scope == limit.scope && $0.key == limit.key }?.limit ?? .max
            }
            return (pool, most.max() ?? .max)
        }
    }

    /// Runs that are under way and share the limit on runs of that key.
    func startedCount(of function: String, key: String?) -> Int {
        runCounts.reduce(0) { sum, entry in
            entry.key.function == function && (key == nil || entry.key.value == key) ? sum + entry.value : sum
        }
    }

    /// A run whose time to start or to end is up, and that goes on.
    func late(_ function: String, at time: Timestamp, _ startTimeout: Int64?, _ finishTimeout: Int64?) -> String? {
        for (id, run) in runs.sorted(by: { $0.key < $1.key }) where run.function == function {
            if let startedAt = run.startedAt {
                guard let finishTimeout, startedAt + finishTimeout < time else { continue }
                return
                    "run \(id.text) of \(function) is over its finish timeout since \((startedAt + finishTimeout).rfc3339)"
            }
            guard let startTimeout, run.queuedAt + startTimeout < time else { continue }
            return
                "run \(id.text) of \(function) is over its start timeout since \((run.queuedAt + startTimeout).rfc3339)"
        }
        return nil
    }

    func facts(of id: ULID) -> RunFacts? { runs[id] }

    /// Runs that began or were admitted since the last look.
    func takeStarts() -> (started: [ULID], admitted: [ULID]) {
        defer { (started, admitted) = ([], []) }
        return (started, admitted)
    }

    // MARK: - Rates

    /// The generic cell rate algorithm, in microseconds; all the periods that are used divide evenly.
    struct Rate {
        var interval: Int64
        var atOnce: Int

        func allows(_ arrival: Int64?, at time: Timestamp) -> Bool {
            let now = time.milliseconds * 1_000
            return max(arrival ?? 0, now) + interval - interval * Int64(atOnce) <= now
        }

        func used(_ arrival: Int64?, at time: Timestamp) -> Int64 {
            max(arrival ?? 0, time.milliseconds * 1_000) + interval
        }
    }

    static func rate(_ flow: ProgramFlow) -> Rate? {
        if flow.idempotency != nil { return Rate(interval: 86_400_000_000, atOnce: 1) }
        return flow.rateLimit.map {
            Rate(interval: Int64($0.seconds) * 1_000_000 / Int64($0.limit), atOnce: $0.limit / 10 + 1)
        }
    }

    func rateKey(_ flow: ProgramFlow, _ values: EventValues) -> KeyValue {
        if let key = flow.idempotency { return key.value(values) }
        guard let rate = flow.rateLimit else { return .nothing }
        return rate.key?.value(values) ?? .text("")
    }

    func useRate(_ id: String, _ key: String, _ flow: ProgramFlow, at time: Timestamp) {
        rates[id + " " + key] = Self.rate(flow)?.used(rates[id + " " + key], at: time)
    }

    func singletonKey(_ flow: ProgramFlow, _ values: EventValues) -> String? {
        guard let singleton = flow.singleton else { return nil }
        guard let key = singleton.key else { return "" }
        guard case .text(let text) = key.value(values) else { return nil }
        return text
    }
}

extension FlowLedger.RunFacts {
    /// Whether both need the same places, so that one of them comes first.
    func waitsForTheSame(as other: Self, isThrottle: Bool) -> Bool {
        guard function == other.function, version == other.version else { return false }
        if isThrottle { return throttleKey == other.throttleKey }
        return keys.elementsEqual(other.keys, by: ==) && runKey?.value == other.runKey?.value
    }
}
