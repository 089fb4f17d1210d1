import Daybook
import DaybookCEL
import DaybookCore
import DaybookJournal
import DaybookValues
import Logging

// The in-process host: which runs have their code loaded, and what they are handed. All of it is the writer's.
extension Node {
    // MARK: - What runs ask for

    func command(for call: StepCall, of run: LiveRun, at time: Instant) -> Command {
        let key = call.key.text
        switch call.operation {
        case .sleep(let milliseconds): return .sleep(run: run.id, key: key, length: .duration(milliseconds))
        case .sleepUntil(let instant): return .sleep(run: run.id, key: key, length: .until(instant))
        case .waitForEvent(let name, let matches, let condition, let timeout):
            var bound: WaitCondition?
            if let condition {
                do throws(ExpressionError) {
                    let expression = try Expression(condition, for: .condition)
                    let event = core.expressionEvent(run.id, run.input)
                    bound = WaitCondition(source: condition, captured: expression.capture(event: event))
                } catch {
                    let failure = AttemptError(
                        name: "InvalidExpression",
                        message: "step '\(key)': Wait for event If expression failed to compile: \(error)",
                        isRetriable: false)
                    return .endBody(run: run.id, key: key, attempt: 1, result: .failure(failure), duration: 0)
                }
            }
            return .wait(
                run: run.id, key: key, event: name,
                matches: matches.map { DaybookCore.FieldMatch(path: "data.\($0.path)", value: $0.value) },
                condition: bound, timeout: timeout)
        case .invoke(let target, let data, let timeout):
            let function =
                switch target {
                case .sameApp(let id): "\(core.function(run.functionID)?.app ?? "")-\(id)"
                case .function(let id): id
                }
            return .invoke(run: run.id, key: key, function: function, data: data, timeout: timeout)
        case .sendEvents(let events):
            do throws(EventError) {
                var checked: [DaybookCore.Event] = []
                for event in events { checked.append(try self.event(event, at: time)) }
                return .send(run: run.id, key: key, events: checked)
            } catch {
                let failure = AttemptError(
                    name: "InvalidEvent", message: "step '\(key)': \(error); nothing was sent", isRetriable: false)
                return .endBody(run: run.id, key: key, attempt: 1, result: .failure(failure), duration: 0)
            }
        }
    }

    /// Events from functions meet the same rules as those from outside.
    private func event(_ event: JSONEvent, at time: Instant) throws(EventError) -> DaybookCore.Event {
        var text: [UInt8] = []
        text.append(json: #"{"name":"#)
        text.append(jsonString: event.name)
        if let id = event.id {
            text.append(json: #","id":"#)
            text.append(jsonString: id)
        }
        if let timestamp = event.timestamp {
            text.append(json: #","ts":"#)
            text.append(json: timestamp.milliseconds)
        }
        text.append(json: #","data":"#)
        text.append(contentsOf: event.data)
        text.append(UInt8(ascii: "}"))
        guard let view = JSONView(text) else { throw EventError("the event is not JSON") }
        return try DaybookCore.Event(
            view, id: ULID(at: time.now, random: (nextRandomNumber(), nextRandomNumber())), now: time.wall)
    }

    func end(_ run: LiveRun, _ outcome: RunOutcome, at time: Instant) -> Answer {
        switch outcome {
        case .returned(let output):
            return decide(.end(run: run.id, .returned(output: output), input: run.input), at: time, releasing: false)
        case .threw(let facts):
            return decide(
                .end(run: run.id, .threw(facts.attemptError(at: time)), input: run.input), at: time, releasing: false)
        case .unreadableMemo(let key, let error):
            guard !LoadError(reading: error).isTemporary else { return .stale }
            return decide(
                .quarantine(
                    run: run.id, reason: "the recorded result of step '\(key.text)' cannot be read: \(error)",
                    input: run.input),
                at: time, releasing: false)
        case .closed: return .stale
        }
    }

    // MARK: - What runs are handed

    func release(_ run: LiveRun, _ ended: EndedBody, _ answer: Answer) {
        releaseMark(ended.slot)
        let result: StepResult
        switch answer {
        case .recorded: result = .recorded
        case .failed(let error): result = .failed(ErrorFacts(json: error))
        case .retrying: result = .retryPending
        default: return
        }
        hand(ended.key, result, to: run)
        if case .retrying = answer { return }
        replayIfWanted(run)
    }

    func release(_ run: LiveRun, _ key: StepKey, _ answer: Answer) {
        switch answer {
        case .completed(let output): hand(key, .completed(output), to: run)
        case .failed(let error): hand(key, .failed(ErrorFacts(json: error)), to: run)
        default: return
        }
        replayIfWanted(run)
    }

    /// Loads the run again as soon as none of its bodies runs.
    private func replayIfWanted(_ run: LiveRun) {
        guard configuration.replaysSteps, let execution = run.execution, !run.isClosing else { return }
        run.mustReload = true
        execution.close(.afterBodies)
    }

    func release(_ effect: Effect) {
        switch effect {
        case .run(let id, let input):
            core.noteReleased(id)
            start(id, input: input)
        case .deliver(let id, let key, let delivery):
            core.noteReleased(id)
            deliver(id, StepKey(text: key), delivery)
        case .grantSlot(let id):
            core.noteReleased(id)
            grantSlot(id)
        case .close(let id):
            if waitingRuns.remove(id) { leaveSlot(id) }
            settlePostponed(id)
            if let run = remotes[id] { forget(run) }
            guard let run = live[id] else { break }
            run.isClosing = true
            run.execution?.close(.now)
            if run.execution == nil { forget(run) }
        case .hold(let function): hold(function)
        case .warn(let run, let text):
            logger.warning("\(text)", metadata: run.map { ["run": "\($0.text)"] })
        case .cancel(let id, let reason): end(id, .cancelled(reason: reason)) { _ in }
        case .fail(let id, let error): end(id, .threw(error)) { _ in }
        }
    }

    private func deliver(_ id: ULID, _ key: StepKey, _ delivery: Delivery) {
        guard let run = live[id] else {
            if deliverRemote(id, key.text, delivery) { return }
            // Loading it finds in the record what would be delivered.
            start(id, input: nil)
            return
        }
        if run.hasYielded { giveSlot(to: run) }
        switch delivery {
        case .completed(let output): hand(key, .completed(output), to: run)
        case .failed(let error): hand(key, .failed(ErrorFacts(json: error)), to: run)
        case .retry(let attempt): hand(key, .retry(attempt: attempt), to: run)
        }
    }

    private func hand(_ key: StepKey, _ result: StepResult, to run: LiveRun) {
        guard run.isLive else { return }
        guard let execution = run.execution else {
            run.pending.append((key, result))
            return
        }
        if run.isClosing {
            run.mustReload = true
            return
        }
        if case .retry(let attempt) = result {
            // An attempt that was due already when the run was loaded has begun by itself, and one may be called for
            // twice: by its timer, and when its run has got a place.
            guard attempt > run.attemptsBegun[key] ?? 0 else { return }
            run.attemptsBegun[key] = attempt
        }
        noteAwake(run)
        if execution.deliver(key, result) { turns.append(execution) }
    }

    // MARK: - Loading

    /// Brings the run's code to life, or queues it for a place. A run of a function with limits holds a slot by now.
    func start(_ id: ULID, input: [UInt8]?) {
        guard !isDraining, !waitingRuns.contains(id) else { return }
        if let run = live[id] {
            if run.isClosing {
                run.mustReload = true
            } else if run.hasYielded {
                giveSlot(to: run)
            }
            return
        }
        // A run of a paused function is started by `resume`.
        guard !postponed.isWaiting(id), !core.isPaused(run: id) else { return leaveSlot(id) }
        if let summary = core.summary(of: id), isRemote(summary.function) {
            return startRemote(id, summary: summary, input: input)
        }
        guard activeCount < configuration.liveRunsMax else {
            waitingRuns.append(
                id, score: core.score(of: id), input: input, bytesMax: configuration.waitingInputBytesMax)
            return
        }
        guard let summary = core.summary(of: id) else { return leaveSlot(id) }
        guard let registration = hosted[summary.function] else {
            // A program without its code never clears it of suspicion, and other suspects must not wait for that.
            if core.isFirstSuspect(id) { parkable.append(id) }
            return leaveSlot(id)
        }
        // A result that comes while the function waits for its next attempt is found when that begins.
        if let retryAt = summary.retryAt, retryAt > clock.read().now { return leaveSlot(id) }
        let isGated = core.isGated(id)
        let run = LiveRun(
            id: id, registration: registration, functionID: summary.function, input: input ?? [], isGated: isGated,
            limitsBodies: isGated && core.function(summary.function)?.flow.concurrency.isEmpty == false, node: self)
        live[id] = run
        run.isLive = true
        run.backOff = postponed[id]
        activeCount += 1
        if let input, summary.stepCount == 0, summary.open.isEmpty, summary.startedAt == nil {
            begin(run, LoadedRun(input: input, memo: Memo(), attempt: 1), isFirst: true)
        } else {
            loader.load(
                LoadRequest(journal: journal, summary: summary, upTo: journal.flushedQ) { [mailbox] result in
                    mailbox.post(.loaded(run, result))
                })
        }
    }

    func release(_ run: LiveRun, _ loaded: Result<LoadedRun, LoadError>) {
        guard run.isLive else { return }
        switch loaded {
        case .success(let loaded):
            noteLoaded(run.id)
            begin(run, loaded, isFirst: core.summary(of: run.id)?.startedAt == nil)
        case .failure(let error):
            forget(run)
            if error.isTemporary {
                postpone(run.id, run.backOff, because: error.description)
            } else {
                settlePostponed(run.id)
                mailbox.post(
                    .command(
                        .quarantine(run: run.id, reason: "\(error)", input: inputOfDamaged(run.id)), reply: { _ in }))
            }
        }
    }

    private func begin(_ run: LiveRun, _ loaded: LoadedRun, isFirst: Bool) {
        run.input = loaded.input
        for (key, call) in loaded.memo.openCalls {
            if case .retrying(let attempt, isDue: true) = call { run.attemptsBegun[key] = attempt }
        }
        let execution = RunExecution(
            run.registration,
            input: RunInput(
                runID: run.id.text, functionID: run.functionID, event: loaded.input, attempt: loaded.attempt),
            memo: loaded.memo, driver: run, pool: pool, logger: logger,
            options: RunExecution.Options(
                decodesOwnResults: configuration.decodesOwnResults, stepsMax: configuration.core.stepsPerRunMax,
                limitsBodies: run.limitsBodies, standIn: configuration.standIn))
        run.execution = execution
        // Posted before the code starts, so that it stands before all that the code does.
        if isFirst { mailbox.post(.command(.begin(run: run.id), reply: { _ in })) }
        let pending = run.pending
        run.pending = []
        for (key, result) in pending { hand(key, result, to: run) }
        execution.start()
    }

    func release(_ run: LiveRun, _ outcome: RunOutcome, _ answer: Answer) {
        guard run.isLive else { return }
        forget(run)
        if case .unreadableMemo(_, let error) = outcome, core.hasRun(run.id) {
            postpone(run.id, run.backOff, because: LoadError(reading: error).description)
            return
        }
        settlePostponed(run.id)
        guard case .closed = outcome, core.hasRun(run.id), !isDraining else { return }
        if run.mustReload {
            restart(run.id)
        } else {
            parkable.append(run.id)
        }
    }

    func forget(_ run: LiveRun) {
        live[run.id] = nil
        run.isLive = false
        if run.quietSince == nil { activeCount -= 1 }
        run.execution = nil
        if run.isGated { leaveSlot(run.id) }
        startWaitingRuns()
    }

    /// Loads a run on the node's own account: nothing new has come for it.
    func restart(_ id: ULID) {
        if core.isGated(id) { slotNews.append(.activate(id)) } else { start(id, input: nil) }
    }

    private func startWaitingRuns() {
        while activeCount < configuration.liveRunsMax, let next = waitingRuns.popFirst() {
            start(next.id, input: next.input)
        }
        if isDraining { finishDrainIfEmpty() }
    }

    // MARK: - Going cold

    /// Nothing in the run can move.
    func noteQuiet(_ run: LiveRun) {
        guard run.isLive, !run.isClosing, run.quietSince == nil else { return }
        settlePostponed(run.id)
        // One reading of the clock: the two are compared later.
        let now = nowNanoseconds
        run.quietSince = now
        activeCount -= 1
        quietRuns.append((run, now))
        startWaitingRuns()
    }

    /// Unwinds runs that have waited for long and will wait for long, and more of them when there are too many.
    func unwindQuietRuns(now: UInt64, isCrowded: Bool) {
        let coldNanoseconds = UInt64(configuration.coldAfter) * 1_000_000
        var kept: [(run: LiveRun, since: UInt64)] = []
        while quietHead < quietRuns.count, now &- quietRuns[quietHead].since >= coldNanoseconds {
            let (run, since) = quietRuns[quietHead]
            quietHead += 1
            guard run.quietSince == since, run.isLive else { continue }
            if !dueSoon(run) { unwind(run) }
            if run.quietSince == since, !run.isClosing { kept.append((run, since)) }
        }
        if quietHead * 2 > quietRuns.count {
            quietRuns.removeFirst(quietHead)
            quietHead = 0
        }
        if isCrowded {
            let candidates = quietRuns[quietHead...].filter {
                $0.run.quietSince == $0.since && $0.run.isLive
            }
            // What made the list long may all be out of date.
            if candidates.count > configuration.parkedRunsMax {
                let excess = candidates.count - configuration.parkedRunsMax * 3 / 4
                let byDue = candidates.map { (run: $0.run, due: nextDue($0.run)) }.sorted { $0.due > $1.due }
                for (run, _) in byDue.prefix(excess) { unwind(run) }
            }
            quietRuns.removeSubrange(quietHead...)
            quietRuns.append(contentsOf: candidates.filter { !$0.run.isClosing })
        }
        // Looked at again when they come due or are still here at the next sweep.
        quietRuns.insert(contentsOf: kept, at: quietHead)
    }

    private func nextDue(_ run: LiveRun) -> Timestamp {
        core.summary(of: run.id)?.open.map(\.due).min() ?? .distantFuture
    }

    private func dueSoon(_ run: LiveRun) -> Bool { nextDue(run) - clock.read().now < configuration.coldAfter }

    private func unwind(_ run: LiveRun) {
        guard let execution = run.execution else { return }
        if execution.close(.ifQuiet) {
            run.isClosing = true
        } else if !run.hasYielded {
            // It moves, after all; it will say when it is quiet again.
            noteAwake(run)
        }
        // Else it waits for a slot: it moves when that comes.
    }

    func noteAwake(_ run: LiveRun) {
        guard run.quietSince != nil else { return }
        run.quietSince = nil
        activeCount += 1
    }

    /// Records that runs whose code was unwound wait. The first thing in a batch: nothing has come for them since.
    func park(at time: Instant) {
        guard !parkable.isEmpty else { return }
        let ids = parkable
        parkable.removeAll(keepingCapacity: true)
        // Something has come for a run that was put off. What comes for a paused one tells nobody, so it has to be looked
        // at when that ends.
        for id in ids
        where live[id] == nil && remotes[id] == nil && !waitingRuns.contains(id) && postponed[id] == nil
            && !core.isPaused(run: id)
        {
            decide(.park(run: id), at: time)
        }
    }

    // MARK: - Ending from outside

    /// In place of an event that cannot be read any more.
    private static let noInput = Array("null".utf8)

    /// Ends a run that has not ended by itself. When somebody listens for its end, the event it was given is read first.
    func end(_ id: ULID, _ end: RunEnd, reply: @escaping @Sendable (Answer) -> Void) {
        self.end(id, end, attemptsLeft: 3, reply: reply)
    }

    private func end(
        _ id: ULID, _ end: RunEnd, attemptsLeft: Int, reply: @escaping @Sendable (Answer) -> Void
    ) {
        let isLoaded = live[id]?.execution != nil || remotes[id].map { !$0.isLoading } ?? false
        guard core.needsInput(toEnd: id), !isLoaded, let summary = core.summary(of: id) else {
            let input = live[id]?.input ?? remotes[id]?.input ?? Self.noInput
            mailbox.post(.command(.end(run: id, end, input: input), reply: reply))
            return
        }
        loader.load(
            LoadRequest(journal: journal, summary: summary, upTo: journal.flushedQ) { [mailbox] result in
                if case .failure(let error) = result, error.isTemporary, attemptsLeft > 1 {
                    // The end does not wait for long: it was asked for, and the event is only passed on.
                    mailbox.post(
                        .inspect { node in node.end(id, end, attemptsLeft: attemptsLeft - 1, reply: reply) })
                    return
                }
                let input = (try? result.get().input) ?? Self.noInput
                mailbox.post(.command(.end(run: id, end, input: input), reply: reply))
            })
    }
}

extension ErrorFacts {
    /// Back from a record.
    init(json: [UInt8]) {
        let view = JSONView(json)
        self.init(
            name: view?.member("name")?.string ?? "Error", message: view?.member("message")?.string ?? "",
            stack: view?.member("stack")?.string, cause: view?.member("cause")?.bytes, isRetriable: false)
    }

    func attemptError(at time: Instant) -> AttemptError {
        var json: [UInt8] = []
        json.append(json: #"{"name":"#)
        json.append(jsonString: name)
        json.append(json: #","message":"#)
        json.append(jsonString: message)
        if let stack {
            json.append(json: #","stack":"#)
            json.append(jsonString: stack)
        }
        if let cause {
            json.append(json: #","cause":"#)
            json.append(contentsOf: cause)
        }
        json.append(UInt8(ascii: "}"))
        let retryAfter: Int64? =
            switch retryTime {
            case .after(let milliseconds): milliseconds
            case .at(let instant): instant - time.wall
            case nil: nil
            }
        return AttemptError(json: json, isRetriable: isRetriable, retryAfter: retryAfter)
    }
}
