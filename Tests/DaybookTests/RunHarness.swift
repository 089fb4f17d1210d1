import Daybook
import DaybookValues
import Logging
import Synchronization

/// A driver in memory: its journal is a list, and a test decides what happens when.
final class MemoryDriver: RunDriver {
    enum Record: Equatable {
        case output(StepKey, String)
        case failed(StepKey, String)
        case attemptFailed(StepKey, attempt: Int, String)
    }

    struct State {
        /// In the order in which results were handed to the run.
        var journal: [Record] = []
        var finals: [Memo.Entry] = []
        var open: [StepKey: StepOperation] = [:]
        var opened: [StepKey] = []
        var retrying: [StepKey: Int] = [:]
        var bodiesStarted: [String] = []
        var bodiesEnded: [String] = []
        var bodiesRunning: Set<StepKey> = []
        var cancelledBodies: [StepKey] = []
        var abandoned: [StepKey] = []
        var quietCount = 0
        var outcomes: [RunOutcome] = []
        var progress: [(Progress, StepKey?)] = []
        /// Results of bodies that wait for `flush`.
        var unflushed: [(RunExecution, StepKey, Int, BodyResult)] = []
        var failures: [(StepKey, ErrorFacts)] = []
        var quietReport = 0
        var slotsAskedFor = 0
        var slotsGivenBack = 0
    }

    /// What a driver does by itself.
    struct Habits {
        /// Bodies' results are journaled and handed back at once.
        var flushesAtOnce = true
        /// Failed attempts with retries left are tried again at once.
        var retriesAtOnce = true
        /// Sleeps are over, waits time out, and sent events have ids at once.
        var completesAtOnce = true
        /// Unwinds the run each time it is quiet.
        var goesColdWhenQuiet = false
    }

    let state = Mutex(State())
    let habits: Habits
    let ended = Signal()

    init(_ habits: Habits = Habits()) {
        self.habits = habits
    }

    func open(_ call: StepCall, of run: RunExecution) {
        state.withLock {
            $0.open[call.key] = call.operation
            $0.opened.append(call.key)
        }
        guard habits.completesAtOnce else { return }
        switch call.operation {
        case .sendEvents(let events):
            complete(call.key, "[" + events.indices.map { "\"id-\($0)\"" }.joined(separator: ",") + "]", of: run)
        default: complete(call.key, "null", of: run)
        }
    }

    func bodyWillStart(_ key: StepKey, attempt: Int, of run: RunExecution) -> BodyStart {
        state.withLock {
            $0.bodiesStarted.append("\(key)#\(attempt)")
            $0.bodiesRunning.insert(key)
        }
        return BodyStart(startedAtNanoseconds: 7, slot: attempt)
    }

    func bodyDidEnd(
        _ key: StepKey, attempt: Int, _ start: BodyStart, _ result: BodyResult, of run: RunExecution
    ) {
        precondition(start.startedAtNanoseconds == 7 && start.slot == attempt)
        state.withLock {
            $0.bodiesEnded.append("\(key)#\(attempt)")
            $0.bodiesRunning.remove(key)
            if case .cancelled = result {
                $0.cancelledBodies.append(key)
            } else {
                $0.unflushed.append((run, key, attempt, result))
            }
        }
        if habits.flushesAtOnce { flush() }
    }

    func didAbandon(_ key: StepKey, of run: RunExecution) {
        state.withLock { $0.abandoned.append(key) }
    }

    func wantsSlots(_ count: Int, of run: RunExecution) {
        precondition(count > 0)
        state.withLock { $0.slotsAskedFor += count }
    }

    func returnsSlots(_ count: Int, of run: RunExecution) {
        precondition(count > 0)
        state.withLock { $0.slotsGivenBack += count }
    }

    func didBecomeQuiet(_ run: RunExecution, report: Int) {
        state.withLock {
            $0.quietCount += 1
            $0.quietReport = report
        }
        if habits.goesColdWhenQuiet { run.close(.ifQuiet) }
    }

    func didEnd(_ run: RunExecution, _ outcome: RunOutcome) {
        state.withLock { $0.outcomes.append(outcome) }
        ended.send()
    }

    func didReport(_ progress: Progress, step: StepKey?, of run: RunExecution) {
        state.withLock { $0.progress.append((progress, step)) }
    }

    // MARK: - What a test does

    /// Journals up to that many body results, oldest first.
    func flush(_ count: Int = .max) {
        var toSubmit: [RunExecution] = []
        state.withLock { state in
            for _ in 0..<min(count, state.unflushed.count) {
                let (run, key, attempt, result) = state.unflushed.removeFirst()
                var delivered = false
                switch result {
                case .success(let bytes):
                    state.journal.append(.output(key, String(decoding: bytes, as: UTF8.self)))
                    state.finals.append(Memo.Entry(key, .output(bytes)))
                    state.retrying[key] = nil
                    delivered = run.deliver(key, .recorded)
                case .failure(let facts):
                    state.failures.append((key, facts))
                    if facts.isRetriable, attempt < run.function.retries + 1 {
                        state.journal.append(.attemptFailed(key, attempt: attempt, facts.message))
                        state.retrying[key] = attempt + 1
                        delivered = run.deliver(key, .retryPending)
                        if habits.retriesAtOnce {
                            delivered = run.deliver(key, .retry(attempt: attempt + 1)) || delivered
                        }
                    } else {
                        state.journal.append(.failed(key, facts.message))
                        state.finals.append(Memo.Entry(key, .failed(facts)))
                        state.retrying[key] = nil
                        delivered = run.deliver(key, .failed(facts))
                    }
                case .cancelled: break
                }
                if delivered { toSubmit.append(run) }
            }
        }
        submit(toSubmit)
    }

    func complete(_ key: StepKey, _ json: String, of run: RunExecution) {
        let submits = state.withLock { state -> Bool in
            state.open[key] = nil
            state.journal.append(.output(key, json))
            state.finals.append(Memo.Entry(key, .output(Array(json.utf8))))
            return run.deliver(key, .completed(Array(json.utf8)))
        }
        if submits { submit([run]) }
    }

    func fail(_ key: StepKey, _ facts: ErrorFacts, of run: RunExecution) {
        let submits = state.withLock { state -> Bool in
            state.open[key] = nil
            state.journal.append(.failed(key, facts.message))
            state.finals.append(Memo.Entry(key, .failed(facts)))
            return run.deliver(key, .failed(facts))
        }
        if submits { submit([run]) }
    }

    func retry(_ key: StepKey, of run: RunExecution) {
        let submits = state.withLock { run.deliver(key, .retry(attempt: $0.retrying[key] ?? 1)) }
        if submits { submit([run]) }
    }

    func grantSlots(_ count: Int = 1, to run: RunExecution) {
        for _ in 0..<count where run.grantSlot() { submit([run]) }
    }

    private func submit(_ runs: [RunExecution]) {
        runs.first?.pool.submit(contentsOf: runs)
    }

    /// What a restart finds: final results in order, and the calls under way.
    func memo(retriesAreDue: Bool = true) -> Memo {
        state.withLock { state in
            var open: [StepKey: Memo.OpenCall] = [:]
            for key in state.open.keys { open[key] = .waiting }
            for (key, attempt) in state.retrying { open[key] = .retrying(nextAttempt: attempt, isDue: retriesAreDue) }
            return Memo(entries: state.finals, openCalls: open)
        }
    }

    var journal: [Record] { state.withLock { $0.journal } }
    var bodiesStarted: [String] { state.withLock { $0.bodiesStarted } }
    var quietCount: Int { state.withLock { $0.quietCount } }
    /// The number of the newest.
    var quietReport: Int { state.withLock { $0.quietReport } }
    var slotsAskedFor: Int { state.withLock { $0.slotsAskedFor } }
    var slotsGivenBack: Int { state.withLock { $0.slotsGivenBack } }
    var outcomes: [String] {
        state.withLock { state in
            state.outcomes.map {
                switch $0 {
                case .returned(let bytes): String(decoding: bytes, as: UTF8.self)
                case .threw(let facts): "threw \(facts.name): \(facts.message)"
                case .unreadableMemo(let key, _): "unreadable \(key)"
                case .closed: "closed"
                }
            }
        }
    }
    var failure: ErrorFacts? {
        state.withLock { state in
            if case .threw(let facts) = state.outcomes.last { facts } else { nil }
        }
    }
}

/// Lets a test wait until something has happened a number of times.
final class Signal: Sendable {
    private struct State {
        var count = 0
        var waiters: [(Int, CheckedContinuation<Void, Never>)] = []
    }
    private let state = Mutex(State())

    func send() {
        let ready = state.withLock { state -> [CheckedContinuation<Void, Never>] in
            state.count += 1
            let count = state.count
            let ready = state.waiters.filter { $0.0 <= count }.map(\.1)
            state.waiters.removeAll { $0.0 <= count }
            return ready
        }
        for waiter in ready { waiter.resume() }
    }

    func wait(_ count: Int = 1) async {
        await withCheckedContinuation { continuation in
            let isReady = state.withLock { state -> Bool in
                if state.count >= count { return true }
                state.waiters.append((count, continuation))
                return false
            }
            if isReady { continuation.resume() }
        }
    }
}

/// Counts from 1, for several threads.
final class Counter: Sendable {
    private let count = Atomic(0)
    func next() -> Int { count.wrappingAdd(1, ordering: .relaxed).newValue }
    var value: Int { count.load(ordering: .relaxed) }
}

/// A list several threads append to.
final class Notes: Sendable {
    private let notes = Mutex<[String]>([])
    func add(_ note: String) { notes.withLock { $0.append(note) } }
    var all: [String] { notes.withLock { $0 } }
}

struct Ping: Event, Equatable {
    static let name = "test/ping"
    var n = 1
    var user = "ada"
}

enum Fixture {
    static let event = Array(
        #"{"id":"ev1","name":"test/ping","ts":1772438400000,"data":{"n":1,"user":"ada"}}"#.utf8)

    static func function<Output: Sendable>(
        retries: Int = 4, _ run: @escaping @Sendable (Received<Ping>, Step) async throws -> Output
    ) -> FunctionRegistration {
        DurableFunction("test", on: Ping.self, retries: retries, run: run).registrations[0]
    }

    static func run(
        _ function: FunctionRegistration, memo: Memo = Memo(), driver: MemoryDriver, pool: any RunPool,
        event: [UInt8] = event, options: RunExecution.Options = .init(),
        logger: Logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    ) -> RunExecution {
        RunExecution(
            function, input: RunInput(runID: "01RUN", functionID: "app-test", event: event), memo: memo,
            driver: driver, pool: pool, logger: logger, options: options)
    }
}

/// One run on a pool without threads: `go()` moves it as far as it can.
struct ManualRun {
    let pool: ManualPool
    let driver: MemoryDriver
    let run: RunExecution

    init<Output: Sendable>(
        _ habits: MemoryDriver.Habits = .init(), memo: Memo = Memo(), retries: Int = 4,
        options: RunExecution.Options = .init(), event: [UInt8] = Fixture.event, pool: ManualPool = ManualPool(),
        logger: Logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
        code: @escaping @Sendable (Received<Ping>, Step) async throws -> Output
    ) {
        self.pool = pool
        driver = MemoryDriver(habits)
        run = Fixture.run(
            Fixture.function(retries: retries, code), memo: memo, driver: driver, pool: pool, event: event,
            options: options, logger: logger)
        run.start()
        go()
    }

    func go() { pool.runUntilIdle() }

    var outcome: String? { driver.outcomes.last }
}
