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
        var startedAt: Timestamp?
        var isCancelling = false

        var isStarted: Bool { startedAt != nil }
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
        /// Of the event that the run's keys come from, and the settings when that came.
        var values: EventValues
        var flow: ProgramFlow
        var maxSize: Int
        var isFull = false
        var wasCut = false
    }

    struct FunctionFacts {
        var flow: ProgramFlow
        var version: Int
        var isPaused = false
        /// At any time.
        var wasPaused = false
        /// Its runs have had the time to notice.
        var isAtRest = false
        /// All that were in force in this process.
        var recent: [ProgramFlow]
    }

    /// Milliseconds, by function.
    var startTimeouts: [String: Int64] = [:]
    var runs: [ULID: RunFacts] = [:]
    var holds: [ULID: Hold] = [:]
    private(set) var counts: [FlowKind: Int] = [:]
    /// Runs that flow control has cancelled, or asked to.
    var cancelled: Set<ULID> = []
    /// Runs that began, or passed a throttle, since the last look.
    var started: [ULID] = []
    var admitted: [ULID] = []
    /// Runs of functions with limits that have not begun.
    var unstartedRuns: Set<ULID> = []
    var functions: [String: FunctionFacts] = [:]
    var rates: [String: Int64] = [:]
    var throttles: [String: Int64] = [:]
    var singletons: [String: [ULID]] = [:]
    var listening: Set<ULID> = []
    var runCounts: [Pool: Int] = [:]
    /// To be cancelled in the same batch.
    var doomed: Set<ULID> = []
    /// Runs that made way in this batch, by function and key.
    var replaced: [String: [ULID]] = [:]
    /// A process has just begun, and says which functions there are.
    var isOpening = false
    /// By whole id of the function.
    private let programs: [String: ProgramFlow]
    let violate: (String) -> Void

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
        if isPaused { functions[id]?.wasPaused = true }
        count(isPaused ? .functionsPaused : .functionsResumed)
    }

    func isPaused(_ id: String) -> Bool { functions[id]?.isPaused ?? false }

    func wasPaused(_ id: String) -> Bool { functions[id]?.wasPaused ?? false }

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
                timestamp: event.timestamp, values: values, flow: flow ?? ProgramFlow(), maxSize: maxSize)
        hold.due = held.due
        hold.maxSize = max(hold.maxSize, maxSize)
        if held.caller != nil { count(.invokesHeld) }
        switch held.kind {
        case .debounce:
            count(.eventsDebounced)
            hold.events = [event.json]
            hold.timestamp = event.timestamp
            hold.values = values
            hold.flow = flow ?? ProgramFlow()
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
        guard reason == .singleton, functions[function]?.flow.singleton?.isCancelling == false,
            let key = singletonKey(hold.flow, hold.values), !(singletons[function + " " + key] ?? []).isEmpty
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
}
