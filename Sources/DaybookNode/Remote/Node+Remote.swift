import DaybookCore
import DaybookJournal
package import DaybookValues
package import DaybookWire
import Logging

// The host of functions behind a URL: which of their runs are loaded, and which calls are made. All of it is the writer's.
extension Node {
    /// Who calls apps. Before `launch`; without one, runs of functions behind a URL wait.
    package func useCallDriver(_ driver: any CallDriver) { callDriver = driver }

    // MARK: - Coming to life

    /// Whether the function is called over the network.
    func isRemote(_ function: String) -> Bool { core.function(function)?.isRemote ?? false }

    /// The run has something to do, and a slot if it needs one.
    func startRemote(_ id: ULID, summary: RunSummary, input: [UInt8]?) {
        if let run = remotes[id] {
            takeFirstSlot(run)
            if case .pausing = run.discovery, summary.retryAt.map({ $0 <= clock.read().now }) ?? true {
                run.discovery = .wanted
                run.discoveryAttempt = summary.attempt - 1
            }
            return pump(run)
        }
        guard callDriver != nil, let app = core.function(summary.function)?.app else { return leaveSlot(id) }
        // It is looked at again when that is due.
        if let retryAt = summary.retryAt, retryAt > clock.read().now { return leaveSlot(id) }
        guard !remoteCalls.isWaiting(id, app) else { return }
        guard !remoteCalls.isFull(app, max: configuration.callsPerAppMax) else {
            remoteCalls.wait(
                id, app, score: core.score(of: id), input: input, bytesMax: configuration.waitingInputBytesMax)
            return
        }
        let isGated = core.isGated(id)
        let run = RemoteRun(
            id: id, functionID: summary.function, app: app, input: input ?? [], isGated: isGated,
            limitsCalls: isGated && core.function(summary.function)?.flow.concurrency.isEmpty == false)
        remotes[id] = run
        run.isBatch = summary.eventCount > 0
        takeFirstSlot(run)
        if input != nil, summary.stepCount == 0, summary.open.isEmpty, summary.startedAt == nil {
            run.isLoading = false
            run.discovery = .wanted
            pump(run)
        } else {
            run.asked = summary
            loader.load(
                LoadRequest(journal: journal, summary: summary, upTo: journal.flushedQ, keepsResults: true) {
                    [mailbox] result in mailbox.post(.remoteLoaded(id, result))
                })
        }
    }

    private func takeFirstSlot(_ run: RemoteRun) {
        guard run.isGated, run.slots == 0 else { return }
        run.slots = 1
        run.isAsking = false
    }

    /// The run's record was read, or could not be.
    func release(_ id: ULID, _ loaded: Result<LoadedRun, LoadError>) {
        guard let run = remotes[id], run.isLoading, let asked = run.asked else { return }
        guard let summary = core.summary(of: id) else { return forget(run) }
        switch loaded {
        case .success(let loaded):
            noteLoaded(id)
            settlePostponed(id)
            begin(run, loaded, summary, opened: asked.open)
        case .failure(let error):
            let backOff = postponed[id]
            forget(run)
            if error.isTemporary {
                postpone(id, backOff, because: error.description)
            } else {
                settlePostponed(id)
                mailbox.post(
                    .command(
                        .quarantine(run: id, reason: "\(error)", input: inputOfDamaged(id)), reply: { _ in }))
            }
        }
    }

    /// - Parameter opened: the steps that were open when the record was read; what came for them since is in `pending`.
    private func begin(
        _ run: RemoteRun, _ loaded: LoadedRun, _ summary: RunSummary, opened: [RunSummary.Open]
    ) {
        run.isLoading = false
        run.asked = nil
        run.input = loaded.input
        run.hasBegun = summary.startedAt != nil
        run.version = summary.requestVersion ?? -1
        for result in loaded.results { run.settle(result.key, result.memo) }
        for deferred in summary.deferred {
            let wireID = StepID.wireID(key: deferred.key)
            run.deferred.append(CallRequest.Deferred(wireID: wireID, isAbortable: !deferred.isAborted))
            run.deferredKeys[wireID] = deferred.key
        }
        run.hasNews = false
        run.discovery = .wanted
        run.discoveryAttempt = summary.attempt - 1
        let settled = run.decided
        for open in opened where !settled.contains(open.key) {
            var branch = RemoteRun.Branch(
                key: open.key, wireID: StepID.wireID(key: open.key), kind: .planned, state: .pausing)
            switch open.kind {
            case .sleep: branch.kind = .waiting(.sleep)
            case .wait: branch.kind = .waiting(.wait)
            case .invoke: branch.kind = .waiting(.invoke)
            case .signal: branch.kind = .waiting(.signal)
            case .retry:
                branch.attempt = open.attempt - 1
                if open.isReady { branch.state = .ready }
            }
            run.branches.append(branch)
        }
        if run.branches.count == 1, case .ready = run.branches[0].state {
            // As it was found, most likely: by a call that ran it on the spot.
            run.discoveryAttempt = max(run.discoveryAttempt, run.branches[0].attempt)
            run.branches = []
        }
        // What was planned is not on record: a call that plans everything anew finds it.
        run.forcesPlan = summary.forcesPlan || !run.branches.isEmpty
        let pending = run.pending
        run.pending = []
        for (key, delivery) in pending { take(delivery, key, run) }
        pump(run)
    }

    // MARK: - What comes for a run

    /// - Returns: whether the run is one of a function behind a URL.
    func deliverRemote(_ id: ULID, _ key: String, _ delivery: Delivery) -> Bool {
        if let run = remotes[id] {
            takeFirstSlot(run)
            if run.isLoading {
                run.pending.append((key, delivery))
            } else {
                take(delivery, key, run)
                pump(run)
            }
            return true
        }
        guard callDriver != nil, let summary = core.summary(of: id), isRemote(summary.function) else { return false }
        startRemote(id, summary: summary, input: nil)
        return true
    }

    private func take(_ delivery: Delivery, _ key: String, _ run: RemoteRun) {
        switch delivery {
        case .completed(let output):
            guard !run.decided.contains(key), let index = run.branchIndex(key),
                case .waiting(let operation) = run.branches[index].kind
            else { return }
            run.settle(key, StepMemo.completed(operation, output))
        case .failed(let error):
            guard !run.decided.contains(key) else { return }
            run.settle(key, StepMemo.failed(error))
        case .retry(let attempt): run.resume(key, attempt: attempt - 1)
        }
    }

    func grantRemoteSlot(_ run: RemoteRun) {
        run.slots += 1
        run.slotsWanted = max(0, run.slotsWanted - 1)
        pump(run)
    }

    /// An answer is on disk.
    func release(_ id: ULID, _ update: RemoteUpdate) {
        defer { update.reply?() }
        guard let run = remotes[id] else { return }
        if let call = update.call, let index = run.callIndex(call) {
            let ended = run.calls.remove(at: index)
            if ended.target == nil, case .called = run.discovery { run.discovery = .none }
            if let target = ended.target, let branch = run.branchIndex(target),
                case .called = run.branches[branch].state
            {
                let isKnown = update.changes.contains { change in
                    switch change {
                    case .settled(let key, _), .pausing(let key, _, _): key == target
                    case .branch(let branch): branch.key == target && !branch.isPlanned
                    case .deferred: false
                    }
                }
                if !isKnown, !update.isEnd {
                    // The app was called for a step and did something else; what comes next is looked for again.
                    run.branches.remove(at: branch)
                    run.hasNews = true
                }
            }
        }
        if let version = update.version { run.version = version }
        if let sdk = update.sdk { run.sdk = sdk }
        if update.forcesPlan { run.forcesPlan = true }
        if update.isRace { run.isRace = true }
        if update.isProgress || update.pausesDiscovery {
            run.emptyRounds = 0
        } else if update.call != nil {
            run.emptyRounds += 1
            // What it waits for brings the next call.
            if update.changes.isEmpty, run.branches.isEmpty { run.hasNews = true }
        }
        for change in update.changes {
            switch change {
            case .settled(let key, let memo): run.settle(key, memo)
            case .branch(let branch): run.add(branch)
            case .pausing(let key, let attempt, let isImmediate):
                run.pause(key, attempt: attempt, isImmediate: isImmediate)
            case .deferred(let deferred):
                if let index = run.deferred.firstIndex(where: { $0.wireID == deferred.wireID }) {
                    run.deferred[index] = deferred
                } else if deferred.isAbortable {
                    run.deferred.append(deferred)
                }
                run.hasNews = true
            }
        }
        if update.call == nil {
            // Reported while a call goes on: the app knows of it.
            if !run.calls.isEmpty { run.hasNews = false }
        }
        if update.pausesDiscovery { run.discovery = .pausing }
        if update.isEnd { return forget(run) }
        if update.isOver { run.isHeld = true }
        pump(run)
    }

    // MARK: - Calling

    /// Makes the calls that can be made now.
    func pump(_ run: RemoteRun) {
        guard run.isLive, !run.isLoading else { return }
        guard !run.isHeld, !isDraining else {
            if !run.isAwaitingAnswer { forget(run) }
            return
        }
        run.plan()
        if run.branches.isEmpty, run.isIdle, case .none = run.discovery {
            // Nothing would ever wake it.
            run.hasNews = true
            run.plan()
        }
        while let next = run.nextCall() {
            if case .branch(let index) = next, !run.branches[index].isPlanned {
                guard remoteCalls.begin(RemoteCalls.gateway, max: configuration.callsPerAppMax) else {
                    waitToCall(run, RemoteCalls.gateway)
                    break
                }
                request(run, index)
                continue
            }
            if run.isGated, run.slots == 0 || run.limitsCalls && run.calls.count >= run.slots {
                askForSlots(run)
                break
            }
            guard remoteCalls.begin(run.app, max: configuration.callsPerAppMax) else {
                waitToCall(run, run.app)
                break
            }
            call(run, next)
        }
        settleIdle(run)
    }

    private func waitToCall(_ run: RemoteRun, _ app: String) {
        remoteCalls.wait(
            run.id, app, score: core.score(of: run.id), input: nil, bytesMax: configuration.waitingInputBytesMax)
    }

    private func call(_ run: RemoteRun, _ next: RemoteRun.Next) {
        guard let callDriver, let config = core.function(run.functionID), let url = config.url else { return }
        let time = clock.read()
        let id = ULID(at: time.now, random: (nextRandomNumber(), nextRandomNumber()))
        var target: (key: String, wireID: String)?
        let attempt: Int
        switch next {
        case .branch(let index):
            run.branches[index].state = .called
            target = (run.branches[index].key, run.branches[index].wireID)
            attempt = run.branches[index].attempt
        case .discovery:
            run.discovery = .called
            attempt = run.discoveryAttempt
        }
        run.calls.append(
            RemoteRun.Call(id: id, target: target?.key, attempt: attempt, startedAt: nowNanoseconds))
        if !run.hasBegun {
            run.hasBegun = true
            mailbox.post(.command(.begin(run: run.id), reply: { _ in }))
        }
        var request = CallRequest(
            callID: id, run: run.id, function: run.functionID, url: url, target: target?.wireID, attempt: attempt,
            attemptsMax: config.attemptsMax, forcesPlan: run.forcesPlan, version: run.version, input: run.input,
            isBatch: run.isBatch, steps: run.steps, deferred: run.deferred, sdk: run.sdk)
        request.events = run.events
        let (runID, app) = (run.id, run.app)
        callDriver.call(request) { [mailbox] outcome in
            mailbox.post(.called(run: runID, app: app, call: id, outcome))
        }
    }

    /// A request that the server makes itself.
    private func request(_ run: RemoteRun, _ index: Int) {
        guard let callDriver else { return }
        run.branches[index].state = .called
        run.branches[index].startedAt = nowNanoseconds
        let (id, key) = (run.id, run.branches[index].key)
        let reply: @Sendable (GatewayOutcome) -> Void = { [mailbox] outcome in
            mailbox.post(.requested(run: id, key: key, outcome))
        }
        switch run.branches[index].kind {
        case .fetch(let request): callDriver.fetch(request, reply: reply)
        case .infer(let request): callDriver.infer(request, reply: reply)
        case .planned, .waiting: break
        }
    }

    /// A call of the app is over: others may have waited for that.
    func endCall(of app: String) {
        remoteCalls.end(app)
        startWaitingCalls(of: app)
        if isDraining { finishDrainIfEmpty() }
    }

    private func startWaitingCalls(of app: String) {
        guard !isDraining else { return }
        while let next = remoteCalls.popNext(app, max: configuration.callsPerAppMax) {
            if let run = remotes[next.id] {
                pump(run)
            } else if let summary = core.summary(of: next.id), !core.isPaused(run: next.id) {
                startRemote(next.id, summary: summary, input: next.input)
            } else {
                leaveSlot(next.id)
            }
        }
    }

    // MARK: - Slots

    private func askForSlots(_ run: RemoteRun) {
        if run.slots == 0 {
            guard !run.isAsking else { return }
            run.isAsking = true
            slotNews.append(.remoteActivate(run))
            return
        }
        let missing = run.calls.count + run.readyCount - run.slots - run.slotsWanted
        guard missing > 0 else { return }
        run.slotsWanted += missing
        slotNews.append(.remoteWants(run, missing))
    }

    /// The run's slots that it has no use for go back, and a run that only waits may go cold.
    private func settleIdle(_ run: RemoteRun) {
        guard run.isIdle else {
            run.quietSince = nil
            if run.limitsCalls, run.slots > max(1, run.calls.count + run.readyCount) {
                slotNews.append(.remoteSurplus(run))
            }
            return
        }
        if run.limitsCalls, run.slots > 0 { slotNews.append(.remoteIdle(run)) }
        guard run.quietSince == nil, !run.isAwaitingAnswer else { return }
        let now = nowNanoseconds
        run.quietSince = now
        quietRemotes.append((run, now))
    }

    // MARK: - Going cold

    /// Lets go of runs that have waited for long and will wait for long, and of more when there are too many.
    func unloadQuietRemotes(now: UInt64) {
        guard !quietRemotes.isEmpty else { return }
        let cold = UInt64(configuration.coldAfter) * 1_000_000
        quietRemotes.removeAll { !$0.run.isLive || $0.run.quietSince != $0.since }
        let time = clock.read().now
        func due(_ run: RemoteRun) -> Timestamp {
            let summary = core.summary(of: run.id)
            return min(summary?.open.map(\.due).min() ?? .distantFuture, summary?.retryAt ?? .distantFuture)
        }
        var left: [(run: RemoteRun, since: UInt64)] = []
        for (run, since) in quietRemotes {
            if now &- since >= cold, due(run) - time >= configuration.coldAfter {
                unload(run)
            } else {
                left.append((run, since))
            }
        }
        if left.count > configuration.parkedRunsMax {
            let byDue = left.map { (entry: $0, due: due($0.run)) }.sorted { $0.due > $1.due }
            let excess = left.count - configuration.parkedRunsMax * 3 / 4
            for (entry, _) in byDue.prefix(excess) { unload(entry.run) }
            left.removeAll { !$0.run.isLive }
        }
        quietRemotes = left
    }

    private func unload(_ run: RemoteRun) {
        forget(run)
        parkable.append(run.id)
    }

    func forget(_ run: RemoteRun) {
        guard run.isLive else { return }
        remotes[run.id] = nil
        run.isLive = false
        remoteCalls.leave(run.id, run.app)
        remoteCalls.leave(run.id, RemoteCalls.gateway)
        if run.isGated {
            // Code of the app may still run: its slot is free when that has answered.
            if run.calls.isEmpty { leaveSlot(run.id) } else { remotesLeaving[run.id] = run.calls.count }
        }
        if isDraining { finishDrainIfEmpty() }
    }

    /// A call of a run that is not loaded any more has been answered.
    func noteLateAnswer(_ id: ULID) {
        guard let count = remotesLeaving[id] else { return }
        remotesLeaving[id] = count > 1 ? count - 1 : nil
        if count <= 1 { leaveSlot(id) }
    }

    /// The function was paused.
    func holdRemotes(_ function: String) {
        for run in remotes.values.filter({ $0.functionID == function }).sorted(by: { $0.id < $1.id }) {
            run.isHeld = true
            if !run.isAwaitingAnswer { forget(run) }
        }
    }

    // MARK: - What others ask

    /// Steps that an app reports while a call goes on.
    /// - Parameter call: the call's id as the app was given it; nil when it does not say.
    package func checkpoint(run: ULID, callID: ULID?, ops: [WireOp]) async -> CheckpointAnswer {
        await withCheckedContinuation { reply in
            mailbox.post(.checkpoint(run: run, call: callID, ops: ops) { reply.resume(returning: $0) })
        }
    }

    func handleCheckpoint(
        _ id: ULID, _ callID: ULID?, _ ops: [WireOp], at time: Instant,
        reply: @escaping @Sendable (CheckpointAnswer) -> Void
    ) -> RemoteUpdate {
        var update = RemoteUpdate()
        let answer: CheckpointAnswer
        if !core.hasRun(id) {
            answer = .unknownRun
        } else if let problem = checkpointProblem(ops) {
            answer = problem
        } else if let run = remotes[id], !run.hasEnded,
            let index = callID.map({ run.callIndex($0) }) ?? run.calls.indices.last
        {
            update = decideCheckpoint(ops, of: run, run.calls[index], at: time)
            // What failed before counts no more.
            if !update.changes.isEmpty { run.calls[index].attempt = 0 }
            answer = .stored
        } else {
            answer = .stale
        }
        update.reply = { reply(answer) }
        return update
    }

    /// What a run would be called with; nil when it has ended or never was.
    package func remoteState(of id: ULID) async -> RemoteState? {
        await withCheckedContinuation { reply in
            mailbox.post(
                .inspect { node in
                    guard let summary = node.core.summary(of: id) else { return reply.resume(returning: nil) }
                    if let run = node.remotes[id], !run.isLoading {
                        reply.resume(returning: RemoteState(events: run.events.array, steps: run.steps))
                        return
                    }
                    node.loader.load(
                        LoadRequest(
                            journal: node.journal, summary: summary, upTo: node.journal.flushedQ, keepsResults: true
                        ) { result in
                            reply.resume(
                                returning: (try? result.get()).map { loaded in
                                    RemoteState(
                                        events: WireEvents(
                                            input: loaded.input, isBatch: summary.eventCount > 0, run: id
                                        ).array,
                                        steps: loaded.results.map {
                                            CallRequest.Step(
                                                wireID: StepID.wireID(key: $0.key), memo: $0.memo, isCanonical: true)
                                        })
                                })
                        })
                })
        }
    }
}
