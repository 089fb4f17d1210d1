import DaybookCore
import DaybookValues

/// The checker's own account of flow control: from the programs and the records alone, by rules written a second time, it
/// tells what must come of each event and which runs may start.
///
/// All times are those of the records. Used on the one thread of its simulation.
final class FlowLedger {
    /// What must come of an event for one function.
    enum Admission: Equatable {
        case run
        case hold(HeldEvent.Kind, key: String, due: Timestamp)
        case drop(Dropped.Reason)
    }

    enum Origin { case event, cron, invoke }

    /// All that share one count.
    struct Pool: Hashable {
        var isOfRuns: Bool
        var scope: ProgramFlow.Scope
        /// Empty where functions share the count.
        var function: String
        var expression: String
        var value: String
    }

    struct Listener {
        var event: String
        var condition: ListenerShape?
        var until: Timestamp?
    }

    struct RunFacts {
        var function: String
        var values: EventValues
        var queuedAt: Timestamp
        var score: Int64
        /// Whether an instant of its own is when it starts.
        var isDelayed: Bool
        /// Of limits with a key, by scope and expression.
        var keys: [(scope: ProgramFlow.Scope, expression: String, value: String)] = []
        var runKey: (expression: String, value: String)?
        var throttleKey: String?
        var singletonKey: String?
        var listeners: [Listener] = []
        /// Of the function's settings when it was queued.
        var version = 0
        var isAdmitted = false
        var isStarted = false
        var isCancelling = false
    }

    struct Hold {
        var function: String
        var kind: HeldEvent.Kind
        var key: String
        var firstAt: Timestamp
        var due: Timestamp
        /// As JSON; of a debounce the one that counts.
        var events: [[UInt8]]
        /// By the sender's word, of the newest.
        var timestamp: Timestamp
        var values: EventValues
        var maxSize: Int
        var isFull = false
        var wasCut = false
    }

    private struct FunctionFacts {
        var flow: ProgramFlow
        var version: Int
        var isPaused = false
        /// Its runs have had the time to notice.
        var isAtRest = false
        /// All that were in force in this process.
        var recent: [ProgramFlow]
    }

    private(set) var runs: [ULID: RunFacts] = [:]
    private(set) var holds: [ULID: Hold] = [:]
    private(set) var counts: [FlowKind: Int] = [:]
    /// Runs that flow control has cancelled, or asked to.
    private(set) var cancelled: Set<ULID> = []
    /// Runs that began, or passed a throttle, since the last look.
    private(set) var started: [ULID] = []
    private(set) var admitted: [ULID] = []
    private var functions: [String: FunctionFacts] = [:]
    private var rates: [String: Int64] = [:]
    private var throttles: [String: Int64] = [:]
    private var singletons: [String: [ULID]] = [:]
    private var listening: Set<ULID> = []
    private var runCounts: [Pool: Int] = [:]
    /// To be cancelled in the same batch.
    private var doomed: Set<ULID> = []
    /// Runs that made way in this batch, by function and key.
    private var replaced: [String: [ULID]] = [:]
    /// A process has just begun, and says which functions there are.
    private var isOpening = false
    /// By whole id of the function.
    private let programs: [String: ProgramFlow]
    private let violate: (String) -> Void

    init(programs: [String: ProgramFlow], violate: @escaping (String) -> Void) {
        self.programs = programs
        self.violate = violate
    }

    func count(_ kind: FlowKind, _ number: Int = 1) { counts[kind, default: 0] += number }

    // MARK: - Functions

    func noteRegistered(_ config: FunctionConfig) {
        // What is registered is what the program says, in one of its variants.
        let program = programs[config.id] ?? ProgramFlow()
        let variants = (0..<ProgramFlow.variants).map { program.variant($0) }
        let conditions = config.triggers.map { trigger in
            if case .event(_, _, let condition) = trigger { condition } else { nil as String? }
        }
        guard let flow = variants.first(where: { $0.config == config.flow }),
            conditions.allSatisfy({ $0 == nil || $0 == flow.condition?.source })
        else {
            violate("\(config.id) is registered with \(config.flow), and is \(program)")
            return
        }
        var facts = functions[config.id] ?? FunctionFacts(flow: flow, version: 0, recent: [])
        facts.flow = flow
        facts.version += 1
        if isOpening { facts.recent = [] }
        facts.recent.append(flow)
        functions[config.id] = facts
    }

    func notePaused(_ id: String, _ isPaused: Bool) {
        functions[id]?.isPaused = isPaused
        functions[id]?.isAtRest = false
        count(isPaused ? .functionsPaused : .functionsResumed)
    }

    func isPaused(_ id: String) -> Bool { functions[id]?.isPaused ?? false }

    /// Nothing is left to be done at once: from now on no body of a paused function may begin.
    func settlePauses() {
        for (id, facts) in functions where facts.isPaused { functions[id]?.isAtRest = true }
    }

    func isAtRest(_ id: String) -> Bool { functions[id]?.isAtRest ?? false }

    /// A process has begun: what was in force before counts no more.
    func noteEpoch() {
        isOpening = true
        for (id, facts) in functions { functions[id]?.recent = [facts.flow] }
    }

    // MARK: - Events

    /// Whether the event meets the condition of the function's triggers; nil when that fails.
    func meets(_ id: String, _ values: EventValues) -> Bool? {
        guard let condition = functions[id]?.flow.condition else { return true }
        let isMet = condition.isTrue(values)
        if isMet == false { count(.triggersNotMet) }
        return isMet
    }

    /// What must come of an event that has met a trigger.
    /// - Parameter isDuplicate: by its sender's id, within so many milliseconds.
    func admission(
        of event: (values: EventValues, timestamp: Timestamp), to id: String, from origin: Origin, at time: Timestamp,
        isDuplicate: (_ within: Int64) -> Bool
    ) -> Admission {
        guard let function = functions[id] else { return .run }
        let (flow, values) = (function.flow, event.values)
        if function.isPaused { return .drop(.paused) }
        if let batch = flow.batch, origin != .cron, batch.condition.map({ $0.isTrue(values) == true }) ?? true {
            if isDuplicate(1_800_000) { return .drop(.duplicate) }
            let key = batch.key.map { KeyShape.bucket($0, values, failed: "<invalid>") } ?? ""
            return .hold(.batch, key: key, due: open(id, .batch, key)?.due ?? time + batch.timeout)
        }
        if flow.debounce == nil, isDuplicate(86_400_000) { return .drop(.duplicate) }
        switch rateKey(flow, values) {
        case .failed: return .drop(.expression)
        case .nothing: break
        case .text(let key):
            if let rate = Self.rate(flow), !rate.allows(rates[id + " " + key], at: time) { return .drop(.rateLimited) }
        }
        if let debounce = flow.debounce {
            let key = debounce.key.map { KeyShape.bucket($0, values, failed: "<invalid>") } ?? ""
            let open = open(id, .debounce, key)
            if let open, event.timestamp < open.timestamp { return .drop(.older) }
            let due = time + debounce.period
            let latest = debounce.timeout.map { (open?.firstAt ?? time) + $0 }
            return .hold(.debounce, key: key, due: min(due, latest ?? due))
        }
        if let singleton = flow.singleton, !singleton.isCancelling, let key = singletonKey(flow, values),
            !(singletons[id + " " + key] ?? []).isEmpty
        {
            return .drop(.singleton)
        }
        return .run
    }

    /// The event is kept for a run to come, as expected.
    func hold(_ held: HeldEvent, _ event: Event, _ values: EventValues, at time: Timestamp) {
        let known = open(held.function, held.kind, held.key)
        if known == nil, holds[held.hold] != nil { violate("hold \(held.hold.text) is used for two keys") }
        let flow = functions[held.function]?.flow
        let maxSize = flow?.batch?.maxSize ?? 0
        var hold =
            holds[held.hold]
            ?? Hold(
                function: held.function, kind: held.kind, key: held.key, firstAt: time, due: held.due, events: [],
                timestamp: event.timestamp, values: values, maxSize: maxSize)
        hold.due = held.due
        hold.maxSize = max(hold.maxSize, maxSize)
        if held.caller != nil { count(.invokesHeld) }
        switch held.kind {
        case .debounce:
            count(.eventsDebounced)
            hold.events = [event.json]
            hold.timestamp = event.timestamp
            hold.values = values
            hold.wasCut = flow?.debounce.map { held.due < time + $0.period } ?? false
            if let flow, case .text(let key) = rateKey(flow, values) { useRate(held.function, key, flow, at: time) }
        case .batch:
            count(.eventsBatched)
            hold.events.append(event.json)
            hold.isFull = hold.events.count >= maxSize
        }
        holds[held.hold] = hold
    }

    private func open(_ function: String, _ kind: HeldEvent.Kind, _ key: String) -> Hold? {
        // One at most: a second one is a violation where it begins.
        holds.values.first { $0.function == function && $0.kind == kind && $0.key == key }
    }

    func openHold(_ function: String, _ kind: HeldEvent.Kind, _ key: String) -> ULID? {
        holds.first { $0.value.function == function && $0.value.kind == kind && $0.value.key == key }?.key
    }

    func noteDropped(_ id: ULID, _ function: String, _ reason: Dropped.Reason) {
        guard let hold = holds.removeValue(forKey: id) else {
            violate("hold \(id.text) of \(function) was dropped, and nothing was held")
            return
        }
        count(.holdsDropped)
        guard reason == .singleton, let flow = functions[function]?.flow, flow.singleton?.isCancelling == false,
            let key = singletonKey(flow, hold.values), !(singletons[function + " " + key] ?? []).isEmpty
        else {
            violate("hold \(id.text) of \(function) was dropped as '\(reason.rawValue)', without cause")
            return
        }
    }

    /// A hold that is past its time although nothing keeps it.
    func overdue(at time: Timestamp, isThere: (String) -> Bool) -> String? {
        for (id, hold) in holds.sorted(by: { $0.key < $1.key })
        where hold.due < time && isThere(hold.function) && !isPaused(hold.function) {
            return "hold \(id.text) of \(hold.function) was due at \(hold.due.rfc3339), and is still there"
        }
        return nil
    }

    /// The runs that an event cancels.
    func cancelled(by name: String, _ values: EventValues, at time: Timestamp) -> Set<ULID> {
        var found: Set<ULID> = []
        for id in listening {
            guard let run = runs[id] else { continue }
            let isMatched = run.listeners.contains { listener in
                listener.event == name && (listener.until.map { time < $0 } ?? true)
                    && (listener.condition.map { $0.matches(run.values, values) } ?? true)
            }
            if isMatched { found.insert(id) }
        }
        let new = found.filter { runs[$0]?.isCancelling == false }
        count(.cancelledByEvent, new.count)
        doomed.formUnion(new)
        cancelled.formUnion(new)
        return found
    }

    // MARK: - Runs

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
            values = hold.values
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
            where flow.singleton?.isCancelling == true && runs[older]?.isCancelling != true {
                violate("run \(older.text) of singleton \(name) goes on although \(id.text) takes its place")
            }
            singletons[name, default: []].append(id)
        }
        if !run.listeners.isEmpty { listening.insert(id) }
        if flow.isGated || flow.singleton != nil { unstartedRuns.insert(id) }
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
            run.isStarted = true
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
                if run.isStarted { violate("run \(id.text) had started, and was cancelled because it had not") }
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

    func facts(of id: ULID) -> RunFacts? { runs[id] }

    /// Runs of functions with limits or priorities that have not begun.
    private(set) var unstartedRuns: Set<ULID> = []
    var unstartedCount: Int { unstartedRuns.count }

    /// Runs that began or were admitted since the last look.
    func takeStarts() -> (started: [ULID], admitted: [ULID]) {
        defer { (started, admitted) = ([], []) }
        return (started, admitted)
    }

    // MARK: - Rates

    /// The generic cell rate algorithm, in microseconds; all the periods that are used divide evenly.
    private struct Rate {
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

    private static func rate(_ flow: ProgramFlow) -> Rate? {
        if flow.idempotency != nil { return Rate(interval: 86_400_000_000, atOnce: 1) }
        return flow.rateLimit.map {
            Rate(interval: Int64($0.seconds) * 1_000_000 / Int64($0.limit), atOnce: $0.limit / 10 + 1)
        }
    }

    private func rateKey(_ flow: ProgramFlow, _ values: EventValues) -> KeyValue {
        if let key = flow.idempotency { return key.value(values) }
        guard let rate = flow.rateLimit else { return .nothing }
        return rate.key?.value(values) ?? .text("")
    }

    private func useRate(_ id: String, _ key: String, _ flow: ProgramFlow, at time: Timestamp) {
        rates[id + " " + key] = Self.rate(flow)?.used(rates[id + " " + key], at: time)
    }

    private func singletonKey(_ flow: ProgramFlow, _ values: EventValues) -> String? {
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
