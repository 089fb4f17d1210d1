package import DaybookValues

extension Core {
    /// Applies a record of the journal, in recovery.
    /// - Parameter time: the record's own.
    /// - Throws: `RecordError.outOfPlace` when the record does not fit the state; the state is then as it was before.
    package func apply(_ record: Record, stream: RecordStream, at time: Timestamp) throws(RecordError) {
        self.time = Instant(time)
        if case .system = stream { systemMonth = time.month }
        try applyRecord(record, stream: stream, at: time)
    }

    func applyRecord(_ record: Record, stream: RecordStream, at time: Timestamp) throws(RecordError) {
        switch stream {
        case .run(let id):
            if case .runQueued(let queued) = record {
                try applyQueued(queued, id, record, at: time)
            } else if let run = runs[id] {
                if snapshot != nil { keepForSnapshot(run) }
                try apply(record, to: run, at: time)
            } else if case .runQuarantined = record {
                // Its first record is lost, or its end came before: a start could not apply that, and this one can.
            } else {
                throw .outOfPlace(kind: "\(record.kind)", reason: "run \(id.text) is not under way")
            }
        case .events:
            if case .eventReceived(let event, let outcome) = record, !outcome.held.isEmpty {
                for held in outcome.held { apply(held, event, at: time) }
            }
        case .system: try applySystem(record, at: time)
        }
        newestRecordTime = max(newestRecordTime, time)
    }

    private func applyQueued(
        _ queued: QueuedRun, _ id: ULID, _ record: Record, at time: Timestamp
    ) throws(RecordError) {
        guard let function = functionIndex[queued.function] else {
            throw .outOfPlace(kind: "\(record.kind)", reason: "there is no function '\(queued.function)'")
        }
        guard runs[id] == nil else {
            throw .outOfPlace(kind: "\(record.kind)", reason: "run \(id.text) is under way already")
        }
        let name = queued.eventName
        let run = Run(
            id: id, function: function, cause: queued.cause,
            isLifecycleHandler: name == "inngest/function.failed" || name == "inngest/function.finished",
            queuedAt: time, startAt: queued.startAt)
        run.snapshotted = snapshotNumber
        setExtras(of: run, queued)
        runs[id] = run
        newestRun = max(newestRun, id)
        functions[function].runCount += 1
        if let key = queued.key { dedup.insert(dedupKey(queued.function, key), at: time) }
        if let startAt = queued.startAt { wallTimers.add(.delayedStart(run: id), due: startAt) }
        run.timeoutAt = functions[function].config.startTimeout.map { time + $0 }
        setTimeout(of: run)
    }

    /// An event is kept for a run to come.
    private func apply(_ held: HeldEvent, _ event: Event, at time: Timestamp) {
        // The function is gone from a journal of which parts are missing.
        guard let function = functionIndex[held.function] else { return }
        let due = holds.take(held, event, function: function, at: time)
        durationTimers.add(.hold(held.hold), due: due)
        if held.kind == .batch, let key = event.key { dedup.insert(dedupKey(held.function, key), at: time) }
        if let key = held.flow.rateKey, let rate = functions[function].plan.rate {
            rates.use(dedupKey(held.function, key), rate, at: time)
        }
    }

    private func setExtras(of run: Run, _ queued: QueuedRun) {
        let callers = queued.hold.flatMap { holds[$0]?.callers } ?? []
        if let hold = queued.hold { holds.remove(hold) }
        guard !queued.flow.isEmpty || queued.eventCount > 0 || !callers.isEmpty else { return }
        var numbers: [UInt64] = []
        for _ in queued.flow.cancelOn {
            lastNumber += 1
            numbers.append(lastNumber)
        }
        run.extras = RunExtras(
            flow: queued.flow, eventCount: queued.eventCount, callers: callers, cancelNumbers: numbers)
        if let key = queued.flow.rateKey, let rate = functions[run.function].plan.rate {
            rates.use(dedupKey(queued.function, key), rate, at: run.queuedAt)
        }
        listen(for: run)
    }

    /// What follows from a run's extras: who cancels it, and whom it keeps from starting.
    func listen(for run: Run) {
        guard let extras = run.extras else { return }
        for (cancel, number) in zip(extras.flow.cancelOn, extras.cancelNumbers) {
            cancels.add(entry(of: cancel, number, run.id), on: cancel.event)
        }
        if let key = extras.flow.singletonKey {
            let name = dedupKey(functions[run.function].config.id, key)
            var living = singletons[name] ?? []
            // Oldest first, in whatever order a snapshot brings them.
            living.insert(run.id, at: living.firstIndex { $0 > run.id } ?? living.count)
            singletons[name] = living
        }
    }

    private func stopListening(_ run: Run) {
        guard let extras = run.extras else { return }
        for (cancel, number) in zip(extras.flow.cancelOn, extras.cancelNumbers) {
            cancels.remove(entry(of: cancel, number, run.id), on: cancel.event)
        }
        if let key = extras.flow.singletonKey {
            let name = dedupKey(functions[run.function].config.id, key)
            singletons[name]?.removeAll { $0 == run.id }
            if singletons[name]?.isEmpty == true { singletons[name] = nil }
        }
    }

    private func entry(of cancel: RunFlow.Cancel, _ number: UInt64, _ run: ULID) -> WaitIndex.Entry {
        WaitIndex.Entry(
            run: run, number: number,
            condition: cancel.condition.map {
                WaitIndex.Condition(
                    expression: expressions.expression($0), captured: cancel.captured ?? Array("[]".utf8))
            })
    }

    func entry(of step: OpenStep, _ run: ULID) -> WaitIndex.Entry? {
        guard case .wait(_, let matches, let condition) = step.kind else { return nil }
        return WaitIndex.Entry(
            run: run, number: step.number, matches: matches,
            condition: condition.map {
                WaitIndex.Condition(expression: expressions.expression($0.source), captured: $0.captured)
            })
    }

    func setTimeout(of run: Run) {
        guard let timeoutAt = run.timeoutAt else { return }
        durationTimers.add(
            run.startedAt == nil ? .startTimeout(run: run.id) : .finishTimeout(run: run.id), due: timeoutAt)
    }

    private func apply(_ record: Record, to run: Run, at time: Timestamp) throws(RecordError) {
        switch record {
        case .runStarted:
            run.startedAt = time
            run.timeoutAt = functions[run.function].config.finishTimeout.map { time + $0 }
            setTimeout(of: run)
        case .runAdmitted:
            guard let extras = run.extras, !extras.isAdmitted else { break }
            extras.isAdmitted = true
            if let rate = functions[run.function].plan.throttle, let key = extras.flow.throttleKey {
                throttleRates.use(dedupKey(functions[run.function].config.id, key), rate, at: time)
            }
        case .runCancelling(let reason):
            if run.extras == nil {
                run.extras = RunExtras(flow: RunFlow(), eventCount: 0, callers: [], cancelNumbers: [])
            }
            run.extras?.cancelReason = reason
        case .runParked:
            run.isParked = true
            // Its turn as a suspect came, and the code does not get as far as that step (it may have changed): the
            // others must not wait for it.
            if let first = suspects.first, first.run == run.id { clearSuspicion(first, of: run) }
        case .stepCompleted(let step):
            run.stepCount += 1
            run.stateBytes += step.output.count
            settle(step.key, of: run)
        case .stepFailed(let step):
            if step.copiedFrom == nil { run.lastFailure = Self.message(of: step.error) }
            if let retryAt = step.retryAt {
                close(step.key, of: run)
                open(step.key, .retry(isSuspect: false), due: retryAt, attempt: step.attempt + 1, of: run)
            } else {
                run.stepCount += 1
                run.stateBytes += step.error.count
                settle(step.key, of: run)
            }
        case .stepInterrupted(let key, let attempt, let isCharged):
            // Not closed as others are: a suspect keeps its place among the suspects.
            if let index = run.openIndex(key) { forget(run.open.remove(at: index), of: run) }
            let suspect = Suspect(run: run.id, key: key)
            if !suspects.contains(suspect) { suspects.append(suspect) }
            open(key, .retry(isSuspect: true), due: time, attempt: isCharged ? attempt + 1 : attempt, of: run)
            run.isParked = false
        case .sleepStarted(let key, let due, _, let isUntil):
            open(key, .sleep(isUntil: isUntil), due: due, attempt: 1, of: run)
        case .waitStarted(let key, let event, let matches, let condition, let due, _):
            open(key, .wait(event: event, matches: matches, condition: condition), due: due, attempt: 1, of: run)
            if let step = run.open.last, let entry = entry(of: step, run.id) { waits.add(entry, on: event) }
        case .invokeStarted(let key, _, let child, let due, _):
            open(key, .invoke(child: child), due: due, attempt: 1, of: run)
        case .signalStarted(let key, let signal, let due, _):
            replaceWaiter(for: signal)
            open(key, .signal(name: signal, isReplaced: false), due: due, attempt: 1, of: run)
            if let step = run.open.last { signals[signal] = SignalWaiter(run: run.id, number: step.number) }
        case .deferAdded(let key, let function, let input):
            let remote = run.remote ?? RunRemote()
            run.remote = remote
            guard !remote.deferred.contains(where: { $0.key == key }) else { break }
            remote.deferred.append(
                RunRemote.Deferred(key: key, function: function, input: input, isAborted: false))
        case .deferAborted(let key):
            guard let index = run.remote?.deferred.firstIndex(where: { $0.key == key }) else { break }
            run.remote?.deferred[index].isAborted = true
            run.remote?.deferred[index].input = []
        case .runAnswered(let version, let forcesPlan):
            let remote = run.remote ?? RunRemote()
            run.remote = remote
            remote.requestVersion = version
            remote.forcesPlan = forcesPlan
        case .attemptFailed(let attempt, let error, let retryAt):
            run.lastFailure = Self.message(of: error)
            run.attempt = attempt + 1
            run.isParked = false
            scheduleAttempt(of: run, at: retryAt)
            // It may be hours until the code comes to its suspects again: the others must not wait for them.
            for suspect in suspects where suspect.run == run.id { clearSuspicion(suspect, of: run) }
        case .runCompleted, .runFailed, .runCancelled, .runQuarantined:
            for step in run.open { forget(step, of: run) }
            stopListening(run)
            suspects.removeAll { $0.run == run.id }
            functions[run.function].runCount -= 1
            runs[run.id] = nil
        default:
            throw .outOfPlace(kind: "\(record.kind)", reason: "it is in the stream of run \(run.id.text)")
        }
    }

    /// What people read of an error.
    private static func message(of error: [UInt8]) -> String? {
        guard let view = JSONView(error) else { return nil }
        let text = view.member("message")?.string ?? view.member("error")?.string ?? view.member("name")?.string
        return text.map { String($0.unicodeScalars.prefix(1_000)) }
    }

    private func scheduleAttempt(of run: Run, at retryAt: Timestamp) {
        lastNumber += 1
        run.retryAt = retryAt
        run.retryNumber = lastNumber
        durationTimers.add(.attempt(run: run.id, number: lastNumber), due: retryAt)
    }

    /// The step has its result: the run moves on, and the code after it has a fresh budget of attempts.
    private func settle(_ key: String, of run: Run) {
        close(key, of: run)
        run.attempt = 1
        run.isParked = false
    }

    private func open(_ key: String, _ kind: OpenStep.Kind, due: Timestamp, attempt: Int, of run: Run) {
        close(key, of: run)
        lastNumber += 1
        let step = OpenStep(key: key, kind: kind, number: lastNumber, due: due, attempt: attempt)
        run.open.append(step)
        setTimer(step, of: run)
    }

    func setTimer(_ step: OpenStep, of run: Run) {
        switch step.kind {
        case .sleep(isUntil: true): wallTimers.add(.step(run: run.id, number: step.number), due: step.due)
        case .retry(isSuspect: true): break
        default: durationTimers.add(.step(run: run.id, number: step.number), due: step.due)
        }
    }

    private func close(_ key: String, of run: Run) {
        guard let index = run.openIndex(key) else { return }
        let step = run.open.remove(at: index)
        forget(step, of: run)
        if case .retry(isSuspect: true) = step.kind {
            suspects.removeAll { $0 == Suspect(run: run.id, key: key) }
        }
    }

    /// The step is one like any other again; its attempts stay counted.
    private func clearSuspicion(_ suspect: Suspect, of run: Run) {
        suspects.removeAll { $0 == suspect }
        guard let index = run.openIndex(suspect.key), case .retry(isSuspect: true) = run.open[index].kind else {
            return
        }
        run.open[index].kind = .retry(isSuspect: false)
        setTimer(run.open[index], of: run)
    }

    private func forget(_ step: OpenStep, of run: Run) {
        if case .wait(let event, _, _) = step.kind, let entry = entry(of: step, run.id) {
            waits.remove(entry, on: event)
        }
        if case .signal(let name, isReplaced: false) = step.kind, signals[name]?.number == step.number {
            signals[name] = nil
        }
    }

    // MARK: - The system stream

    private func applySystem(_ record: Record, at time: Timestamp) throws(RecordError) {
        switch record {
        case .epochOpened: break
        case .monthOpened(let state):
            // In a full journal this says what is known already; without the older files it says what they said.
            guard functions.isEmpty else { break }
            for function in state.functions {
                var restored = FunctionState(function.config)
                restored.isRemoved = function.isRemoved
                restored.isPaused = function.isPaused
                restored.restore(function.crons)
                functionIndex[function.config.id] = functions.count
                functions.append(restored)
                setCronTimers(functions.count - 1)
            }
            appStates = state.apps.map { AppState(config: $0.config, isRemoved: $0.isRemoved) }
            claims = state.claims
            clockOffset = state.clockOffset
            routes.rebuild(functions)
        case .functionRegistered(let config):
            var function = FunctionState(config)
            if let index = functionIndex[config.id] {
                function.keepTicks(of: functions[index])
                function.runCount = functions[index].runCount
                function.isPaused = functions[index].isPaused
                functions[index] = function
                setCronTimers(index)
                // They waited for the function to come back.
                for hold in holds.byID.values where hold.function == index {
                    durationTimers.add(.hold(hold.id), due: hold.due)
                }
            } else {
                functionIndex[config.id] = functions.count
                functions.append(function)
            }
            routes.rebuild(functions)
        case .functionRemoved(let id):
            guard let index = functionIndex[id] else {
                throw .outOfPlace(kind: "\(record.kind)", reason: "there is no function '\(id)'")
            }
            functions[index].isRemoved = true
            for cron in functions[index].crons.indices { functions[index].crons[cron].next = nil }
            // Its code is gone, so that nobody knows whether its suspects ever run.
            for suspect in suspects {
                guard let run = runs[suspect.run], run.function == index else { continue }
                if snapshot != nil { keepForSnapshot(run) }
                clearSuspicion(suspect, of: run)
            }
            routes.rebuild(functions)
        case .functionPaused(let id): functions[try index(of: id, record)].isPaused = true
        case .functionResumed(let id): functions[try index(of: id, record)].isPaused = false
        case .appRegistered(let config):
            if let index = appStates.firstIndex(where: { $0.config.id == config.id }) {
                appStates[index] = AppState(config: config, isRemoved: false)
            } else {
                appStates.append(AppState(config: config, isRemoved: false))
            }
        case .appRemoved(let id):
            guard let index = appStates.firstIndex(where: { $0.config.id == id }) else {
                throw .outOfPlace(kind: "\(record.kind)", reason: "there is no app '\(id)'")
            }
            appStates[index].isRemoved = true
        case .holdDropped(let id, _, _, _): holds.remove(id)
        case .cronScheduled(let id, let trigger, let tick):
            let (function, cron) = try place(of: record, id, trigger)
            functions[function].crons[cron].next = tick
            setCronTimers(function, only: cron)
        case .cronTicked(let id, let trigger, let tick, _, let next):
            let (function, cron) = try place(of: record, id, trigger)
            // A tick that follows the last one directly lengthens its range. Ticks that were passed over stay free: if
            // they were missed they never come again, and if the clock had jumped ahead they run when it comes back.
            let known = functions[function].crons[cron]
            let last = known.handled.ranges.last { $0.upperBound < tick }?.upperBound
            let follows = last.map { known.schedule.nextTick(after: $0, in: known.zone) == tick } ?? false
            functions[function].crons[cron].handled.insert(tick, from: follows ? last ?? tick : tick)
            functions[function].crons[cron].next = next
            setCronTimers(function, only: cron)
        case .clockMoved(let offset): clockOffset = offset
        case .inboxCommitted(let name, let offset, let isWhole):
            let claim = SystemState.Claim(name: name, offset: offset, isWhole: isWhole)
            if let index = claims.firstIndex(where: { $0.name == name }) {
                claims[index] = claim
            } else {
                claims.append(claim)
            }
        case .inboxRemoved(let name): claims.removeAll { $0.name == name }
        default: throw .outOfPlace(kind: "\(record.kind)", reason: "it is in the system stream")
        }
    }

    private func index(of id: String, _ record: Record) throws(RecordError) -> Int {
        guard let index = functionIndex[id] else {
            throw .outOfPlace(kind: "\(record.kind)", reason: "there is no function '\(id)'")
        }
        return index
    }

    private func place(
        of record: Record, _ id: String, _ trigger: Int
    ) throws(RecordError) -> (function: Int, cron: Int) {
        guard let function = functionIndex[id],
            let cron = functions[function].crons.firstIndex(where: { $0.trigger == trigger })
        else {
            throw .outOfPlace(
                kind: "\(record.kind)", reason: "function '\(id)' has no cron trigger number \(trigger)")
        }
        return (function, cron)
    }

    func setCronTimers(_ function: Int, only: Int? = nil) {
        for (index, cron) in functions[function].crons.enumerated() where only == nil || only == index {
            guard let next = cron.next else { continue }
            wallTimers.add(.cron(function: function, trigger: cron.trigger), due: cron.fireTime(of: next))
        }
    }
}
