package import DaybookValues

/// What is true in Daybook and what follows from it: commands in, journal records and effects out.
///
/// Not safe for concurrent use: one writer owns it. It has no clock, no disk, no randomness and no tasks; time, ids and
/// chance arrive with each command. Handling a command decides and applies record by record: `emit` puts a record into
/// `records` and applies it to the state, and applying records is the only way the state changes. Recovery applies the
/// records of the journal through the same function, so that the state is a pure function of the journal.
package final class Core {
    package struct Entry {
        package let stream: RecordStream
        package let record: Record
        /// For the record that ends a run: what lists show of the run, a JSON object.
        package let index: [UInt8]
    }

    package let limits: CoreLimits
    package let retryPolicy: RetryPolicy

    /// Records decided and applied, not yet taken by the node.
    package var records: [Entry] = []
    /// Effects to be released once those records are flushed.
    package var effects: [Effect] = []

    // The state. Everything here follows from the journal.
    var functions: [FunctionState] = []
    var functionIndex: [String: Int] = [:]
    var runs: [ULID: Run] = [:]
    var dedup = DedupTable()
    /// Apps behind a URL, in the order in which they were first registered; also those that were removed.
    var appStates: [AppState] = []
    var claims: [SystemState.Claim] = []
    var clockOffset: Int64 = 0
    /// The month of the newest system record; its file has been opened.
    var systemMonth: Int32?
    /// The time of the newest record.
    package internal(set) var newestRecordTime = Timestamp.zero
    /// The run with the highest id.
    var newestRun = ULID(high: 0, low: 0)
    /// Numbers openings of steps and settings of retries.
    var lastNumber: UInt64 = 0
    /// Steps that were under way at a crash, oldest first: only the first of them may run.
    var suspects: [Suspect] = []
    /// Debounces and batches.
    var holds = Holds()
    /// How far rate limits and idempotency keys are used up.
    var rates = RateTable()
    /// How far throttles are used up.
    var throttleRates = RateTable()

    // What is derived from the state, to find things quickly.
    var routes = Routes()
    var waits = WaitIndex()
    /// What cancels runs.
    var cancels = WaitIndex()
    /// The step that waits for each signal.
    var signals: [String: SignalWaiter] = [:]
    /// Unfinished runs of functions that are singletons, by function and key, oldest first.
    var singletons: [DedupTable.Key: [ULID]] = [:]
    /// Expressions of waits, by source.
    var expressions = ExpressionTable()
    /// Sleeps, timeouts and retries, by `Instant.now`.
    var durationTimers = TimerHeap()
    /// Schedules and dates, by `Instant.wall`.
    var wallTimers = TimerHeap()
    /// Timers that were left when those of what has ended were last dropped.
    var timersAfterCompaction = 0
    var snapshot: SnapshotInProgress?
    var snapshotNumber: UInt32 = 0

    // Who executes, and who waits for that: volatile, see `Gate`.
    var gate = Gate()
    var gateLimits: [LimitName: Gate.Limit] = [:]
    var throttles: [DedupTable.Key: ThrottleQueue] = [:]
    /// A process looks at what there is to do; nothing may be recorded.
    var isStarting = false

    // The command under way.
    var time = Instant(.zero)
    private var seed: UInt64 = 0
    /// The last id that was made, or that of the newest run.
    private var lastID = ULID(high: 0, low: 0)

    struct Suspect: Equatable {
        let run: ULID
        let key: String
    }

    package init(limits: CoreLimits = CoreLimits(), retryPolicy: RetryPolicy = RetryPolicy()) {
        self.limits = limits
        self.retryPolicy = retryPolicy
    }

    /// Decides what a command means and applies it. The records it caused are appended to `records`, what must happen
    /// once they are flushed to `effects`.
    ///
    /// - Parameters:
    ///   - time: neither of its times is checked; `now` must not be before that of an earlier command.
    ///   - seed: any number; ids of runs and jitter are made from it.
    package func handle(_ command: Command, at time: Instant, seed: UInt64) -> Answer {
        self.time = time
        self.seed = seed
        lastID = newestRun
        let suspect = suspects.first
        let answer = decide(command)
        compactTimers()
        // One is cleared, so that the next may run. At the start of a process, `outstandingEffects` says so.
        if case .open = command { return answer }
        settleSuspects(since: suspect)
        return answer
    }

    private func decide(_ command: Command) -> Answer {
        switch command {
        case .endBody(let run, let key, let attempt, let result, let duration, let operation):
            return endBody(
                run, key: key, attempt: attempt, result: result, duration: duration, operation: operation)
        case .sleep(let run, let key, let length): return sleep(run, key: key, length: length)
        case .wait(let run, let key, let event, let matches, let condition, let timeout):
            return wait(run, key: key, event: event, matches: matches, condition: condition, timeout: timeout)
        case .waitForSignal(let run, let key, let signal, let replacesOther, let timeout):
            return waitForSignal(run, key: key, signal: signal, replacesOther: replacesOther, timeout: timeout)
        case .invoke(let run, let key, let function, let data, let timeout, let user, let version):
            return invoke(
                run, key: key, function: function, data: data, timeout: timeout, user: user, version: version)
        case .addDefer(let run, let key, let function, let input):
            return addDefer(run, key: key, function: function, input: input)
        case .abortDefer(let run, let key): return abortDefer(run, key: key)
        case .answered(let run, let version, let forcesPlan):
            return answered(run, version: version, forcesPlan: forcesPlan)
        case .send(let run, let key, let events): return send(run, key: key, events: events)
        case .begin(let id):
            guard let run = runs[id], run.startedAt == nil, run.extras?.cancelReason == nil else { return .stale }
            emit(.run(id), .runStarted)
            return .done
        case .park(let id):
            // Only what will be woken may park; what waits for a place has been, and a crash forgets that it waits.
            guard let run = runs[id], !run.isParked || isFirstSuspect(id), gate.holdings[id]?.ticket == nil,
                !run.open.isEmpty || run.retryAt.map({ $0 > time.now }) ?? false
            else { return .stale }
            emit(.run(id), .runParked)
            return .done
        case .end(let id, let end, let input): return self.end(id, end, input: input)
        case .publish(let events, let claim): return publish(events, claim: claim)
        case .invokeFunction(let function, let event): return invokeFunction(function, event)
        case .signal(let name, let data): return signal(name, data: data)
        case .inboxRemoved(let claim):
            if claims.contains(where: { $0.name == claim }) { emit(.system, .inboxRemoved(claim: claim)) }
            return .done
        case .register(let app, let functions): return register(app: app, functions)
        case .registerApp(let app, let functions): return register(app, functions)
        case .removeApp(let id): return removeApp(id)
        case .retry(let origin, let function, let input, let eventName, let eventCount, let copied):
            return retry(
                origin: origin, function: function, input: input, eventName: eventName, eventCount: eventCount,
                copied: copied)
        case .yield(let id):
            yield(id)
            return .done
        case .activate(let id):
            guard let run = runs[id] else { return .stale }
            activate(run, .run(id, input: nil))
            return .done
        case .wantSlots(let id, let count):
            wantSlots(id, count)
            return .done
        case .returnSlots(let id, let count):
            returnSlots(id, count)
            return .done
        case .pause(let function): return pause(function)
        case .resume(let function): return resume(function)
        case .cancelRuns(let ids, let reason): return cancel(ids, reason: reason)
        case .quarantine(let id, let reason, let input, let isUnfinishedInLog):
            guard runs[id] != nil else {
                guard isUnfinishedInLog else { return .refused(.unknownRun(id)) }
                quarantineUnknown(id, reason: reason)
                return .ended
            }
            finish(id, .runQuarantined(reason: reason), status: .failed, input: input)
            effects.append(.close(run: id))
            return .ended
        case .open(let epoch, let version, let interrupted):
            return open(epoch: epoch, version: version, interrupted: interrupted)
        case .moveClock(let offset):
            emit(.system, .clockMoved(offset: offset))
            return .done
        case .alignCrons:
            alignCrons()
            return .done
        case .tick: return .done
        }
    }

    /// Puts a record into the journal-to-be and applies it.
    func emit(_ stream: RecordStream, _ record: Record, index: [UInt8] = []) {
        if case .system = stream, systemMonth != time.now.month {
            // The head of a new month's file repeats what is alive, so that older files are not needed to rebuild it.
            let state = systemState
            systemMonth = time.now.month
            append(.system, .monthOpened(state))
        }
        append(stream, record, index: index)
    }

    private func append(_ stream: RecordStream, _ record: Record, index: [UInt8] = []) {
        records.append(Entry(stream: stream, record: record, index: index))
        // A record that the core has just decided always fits the state it was decided on.
        do throws(RecordError) {
            try applyRecord(record, stream: stream, at: time.now)
        } catch {
            preconditionFailure("the core decided a record it cannot apply: \(error)")
        }
    }

    func nextRandom() -> UInt64 {
        seed &+= 0x9E37_79B9_7F4A_7C15
        var value = seed
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }

    /// Ids of one millisecond are in the order in which they were made, so that the order of ids is that of runs.
    func makeID() -> ULID {
        var id = ULID(at: time.now, random: (nextRandom(), nextRandom()))
        if id.high >> 16 == lastID.high >> 16 {
            let (low, overflow) = lastID.low.addingReportingOverflow(id.low >> 24 + 1)
            // Past the end of its millisecond by chance once in 2⁴⁰ ids of it; it stays an id of its own.
            id = ULID(high: overflow ? lastID.high &+ 1 : lastID.high, low: low)
        }
        lastID = id
        return id
    }

    // MARK: - What others may see

    package var systemState: SystemState {
        SystemState(
            functions: functions.map(\.systemState),
            apps: appStates.map { SystemState.App(config: $0.config, isRemoved: $0.isRemoved) },
            claims: claims, clockOffset: clockOffset)
    }

    /// Milliseconds that the movable clock stands ahead.
    package var movedClockOffset: Int64 { clockOffset }

    package var openClaims: [SystemState.Claim] { claims }

    package var runCount: Int { runs.count }

    package func hasRun(_ id: ULID) -> Bool { runs[id] != nil }

    package var functionSummaries: [FunctionSummary] {
        var summaries = functions.map { function in
            FunctionSummary(
                config: function.config, isRemoved: function.isRemoved, isPaused: function.isPaused,
                unfinishedRuns: function.runCount, waitingRuns: 0, heldEvents: 0,
                nextTicks: function.crons.compactMap(\.next))
        }
        for hold in holds.byID.values { summaries[hold.function].heldEvents += hold.events.count }
        for (id, holding) in gate.holdings where holding.ticket != nil {
            if let run = runs[id] { summaries[run.function].waitingRuns += 1 }
        }
        return summaries
    }

    package func function(_ id: String) -> FunctionConfig? { functionIndex[id].map { functions[$0].config } }

    package func summary(of id: ULID) -> RunSummary? { runs[id].map(summary) }

    /// All unfinished runs, newest first.
    package var runSummaries: [RunSummary] { runs.keys.sorted(by: >).compactMap { summary(of: $0) } }

    /// The newest unfinished runs, newest first.
    /// - Parameters:
    ///   - cursor: only runs before this one; nil for all.
    ///   - isWanted: by the function's id, and whether the run has started.
    package func newestRuns(
        before cursor: ULID?, limit: Int, where isWanted: (_ function: String, _ hasStarted: Bool) -> Bool
    ) -> [RunSummary] {
        // Only ids are looked at until the few that are shown are known: there may be a million of the others.
        let chosen = functions.map { function in
            (queued: isWanted(function.config.id, false), started: isWanted(function.config.id, true))
        }
        var ids: [ULID] = []
        for (id, run) in runs where cursor.map({ id < $0 }) ?? true {
            if run.startedAt == nil ? chosen[run.function].queued : chosen[run.function].started { ids.append(id) }
        }
        ids.sort(by: >)
        return ids.prefix(limit).compactMap { summary(of: $0) }
    }

    private func summary(_ run: Run) -> RunSummary {
        RunSummary(
            id: run.id, function: functions[run.function].config.id,
            status: run.startedAt == nil ? .queued : .running, queuedAt: run.queuedAt, startAt: run.startAt,
            startedAt: run.startedAt, attempt: run.attempt, retryAt: run.retryAt, stepCount: run.stepCount,
            isParked: run.isParked, eventCount: run.extras?.eventCount ?? 0,
            priority: run.extras?.flow.priority ?? 0,
            problems: (run.extras?.flow.problems ?? []) + (run.matchProblem.map { [$0] } ?? []),
            waiting: waiting(run), requestVersion: run.remote?.requestVersion,
            forcesPlan: run.remote?.forcesPlan ?? false,
            deferred: (run.remote?.deferred ?? []).map {
                RunSummary.Deferred(key: $0.key, function: $0.function, isAborted: $0.isAborted)
            },
            lastFailure: run.lastFailure,
            open: run.open.map { open in
                var shown = RunSummary.Open(
                    key: open.key, kind: .sleep, due: open.due, attempt: open.attempt, isReady: false, detail: nil)
                switch open.kind {
                case .sleep: break
                case .wait(let event, _, _):
                    shown.kind = .wait
                    shown.detail = event
                case .signal(let name, _):
                    shown.kind = .signal
                    shown.detail = name
                case .invoke(let child):
                    shown.kind = .invoke
                    shown.detail = child.text
                case .retry(let isSuspect):
                    shown.kind = .retry
                    shown.isReady =
                        isSuspect ? suspects.first == Suspect(run: run.id, key: open.key) : open.due <= time.now
                }
                return shown
            })
    }
}
