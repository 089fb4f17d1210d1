import DaybookValues

extension Core {
    func end(_ id: ULID, _ end: RunEnd, input: [UInt8]) -> Answer {
        guard let run = runs[id] else { return .stale }
        if let reason = run.extras?.cancelReason {
            // It was cancelled before its code came to an end.
            finish(id, .runCancelled(reason: reason), status: .cancelled, input: input)
            effects.append(.close(run: id))
            return .ended
        }
        switch end {
        case .returned(let output):
            finish(id, .runCompleted(output: output), status: .completed, input: input)
        case .threw(let error):
            let attemptsMax = functions[run.function].config.attemptsMax
            let attempt = max(run.attempt, error.attempt ?? 1)
            if error.isRetriable, attempt < attemptsMax {
                let wait =
                    error.retryAfter.map(retryPolicy.clamped)
                    ?? retryPolicy.wait(afterAttempt: attempt, random: nextRandom())
                let retryAt = time.now + wait
                emit(.run(id), .attemptFailed(attempt: attempt, error: error.json, retryAt: retryAt))
                return .retrying(attempt: attempt + 1, at: retryAt)
            }
            let output = error.output == error.json ? nil : error.output
            finish(id, .runFailed(error: error.json, output: output), status: .failed, input: input)
            // Its code may still be loaded, when it did not end by itself.
            effects.append(.close(run: id))
        case .cancelled(let reason):
            finish(id, .runCancelled(reason: reason), status: .cancelled, input: input)
            effects.append(.close(run: id))
        }
        return .ended
    }

    /// Ends a run, tells the run that invoked it, and publishes the events of its end.
    func finish(_ id: ULID, _ record: Record, status: EndStatus, input: [UInt8]?) {
        guard let run = runs[id] else { return }
        let function = functions[run.function].config.id
        emit(.run(id), record, index: indexLine(of: id, function: function, run: run, record))
        var correlation: String?
        if case .invoke(let parent, let key) = run.cause {
            correlation = "\(parent.text).\(key)"
            finishInvoke(parent: parent, key: key, child: id, function: function, record)
        }
        for caller in run.extras?.callers ?? [] {
            finishInvoke(parent: caller.run, key: caller.key, child: caller.child, function: function, record)
        }
        var error: [UInt8]?
        var result: [UInt8]?
        switch record {
        case .runCompleted(let output): result = output
        case .runFailed(let failure, let output): (error, result) = (failure, output ?? failure)
        case .runQuarantined(let reason):
            error = errorJSON(name: "RunQuarantined", message: reason)
            result = error
        default: break
        }
        if !run.isLifecycleHandler {
            publishEnd(
                of: id, function: function, status: status, error: error, result: result, input: input,
                isBatch: run.extras.map { $0.eventCount > 0 } ?? false, parent: correlation)
        }
        startDeferred(of: run, function: function)
        leaveGate(id)
        startNextSingleton(after: run)
    }

    /// Puts on record that a run was set aside of which nothing is known but its id.
    func quarantineUnknown(_ id: ULID, reason: String) {
        let record = Record.runQuarantined(reason: reason)
        emit(.run(id), record, index: indexLine(of: id, function: "", run: nil, record))
        for parent in runs.values.sorted(by: { $0.id < $1.id }) {
            for step in parent.open {
                guard case .invoke(id) = step.kind else { continue }
                finishInvoke(parent: parent.id, key: step.key, child: id, function: "", record)
            }
        }
    }

    /// What lists show of an ended run.
    /// - Parameter run: nil when the state does not know it.
    private func indexLine(of id: ULID, function: String, run: Run?, _ record: Record) -> [UInt8] {
        let status =
            switch record {
            case .runCompleted: "completed"
            case .runFailed: "failed"
            case .runCancelled: "cancelled"
            default: "quarantined"
            }
        var line: [UInt8] = []
        line.append(json: #"{"run":"#)
        line.append(jsonString: id.text)
        line.append(json: #","fn":"#)
        line.append(jsonString: function)
        line.append(json: #","status":"#)
        line.append(jsonString: status)
        line.append(json: #","queuedAt":"#)
        line.append(json: (run?.queuedAt ?? id.time).milliseconds)
        if let startedAt = run?.startedAt {
            line.append(json: #","startedAt":"#)
            line.append(json: startedAt.milliseconds)
        }
        line.append(json: #","endedAt":"#)
        line.append(json: time.now.milliseconds)
        line.append(json: #","steps":"#)
        line.append(json: run?.stepCount ?? 0)
        if case .runQuarantined(let reason) = record {
            // The run's own file does not get its last record.
            line.append(json: #","reason":"#)
            line.append(jsonString: String(reason.unicodeScalars.prefix(1_000)))
        }
        line.append(UInt8(ascii: "}"))
        return line
    }

    private func finishInvoke(parent: ULID, key: String, child: ULID, function: String, _ record: Record) {
        guard let run = runs[parent], let index = run.openIndex(key), case .invoke(child) = run.open[index].kind else {
            return
        }
        let failure: [UInt8]
        switch record {
        case .runCompleted(let output):
            emit(.run(parent), .stepCompleted(StepOutcome(key: key, operation: .invoke, output: output)))
            deliver(parent, key, .completed(output))
            return
        case .runFailed(let error, _): failure = error
        case .runCancelled(let reason):
            failure = errorJSON(
                name: "InvokedRunCancelled",
                message: "the invoked run \(child.text) of '\(function)' was cancelled: \(reason)")
        default:
            failure = errorJSON(
                name: "InvokedRunQuarantined",
                message: function.isEmpty
                    ? "the journal of the invoked run \(child.text) is damaged"
                    : "the journal of the invoked run \(child.text) of '\(function)' is damaged")
        }
        emit(.run(parent), .stepFailed(StepFailure(key: key, operation: .invoke, attempt: 1, error: failure)))
        deliver(parent, key, .failed(failure))
    }

    func retry(
        origin: ULID, function: String, input: QueuedRun.Input, eventName: String, eventCount: Int,
        copied: [CopiedResult]
    ) -> Answer {
        guard let index = functionIndex[function], !functions[index].isRemoved else {
            return .refused(.unknownFunction(function))
        }
        let id = makeID()
        emit(
            .run(id),
            .runQueued(
                QueuedRun(
                    function: function, cause: .retry(of: origin), input: input, eventName: eventName,
                    eventCount: eventCount, flow: flow(ofRepeated: input, index))))
        for result in copied {
            switch result {
            case .completed(var step):
                step.copiedFrom = origin
                emit(.run(id), .stepCompleted(step))
            case .failed(var step):
                step.copiedFrom = origin
                emit(.run(id), .stepFailed(step))
            }
        }
        if let run = runs[id] { activate(run, .run(id, input: nil)) }
        return .queued(run: id)
    }

    /// Whether no run's code is loaded, or has to be.
    package var isEveryRunParked: Bool { runs.values.allSatisfy(\.isParked) }

    // MARK: - A new process

    func open(epoch: UInt32, version: String, interrupted: [InterruptedStep]) -> Answer {
        emit(.system, .epochOpened(epoch: epoch, version: version))
        // Who is to blame? A step that ran alone, or the one suspect that was let run. The others were only there.
        let present = interrupted.filter { runs[$0.run] != nil }
        let charged: InterruptedStep? =
            present.count == 1
            ? present.first
            : present.first { step in suspects.first == Suspect(run: step.run, key: step.key) }
        for step in present {
            guard let run = runs[step.run] else { continue }
            let isCharged = step == charged
            emit(.run(step.run), .stepInterrupted(key: step.key, attempt: step.attempt, isCharged: isCharged))
            if isCharged, step.attempt >= functions[run.function].config.attemptsMax {
                let error = errorJSON(
                    name: "ProcessDied",
                    message:
                        "the process died while attempt \(step.attempt) of step '\(step.key)' ran, its last one")
                emit(.run(step.run), .stepFailed(StepFailure(key: step.key, attempt: step.attempt, error: error)))
            }
        }
        alignCrons()
        return .done
    }

    /// The order in which runs are asked what they have to do: that of their scores, oldest first without priorities.
    private var idsInOrder: [ULID] {
        let ids = runs.keys.sorted()
        guard functions.contains(where: { $0.config.flow.priority != nil }) else { return ids }
        return ids.map { (id: $0, score: score(of: $0)) }
            .sorted { $0.score != $1.score ? $0.score < $1.score : $0.id < $1.id }.map(\.id)
    }

    /// All that is to be done as far as the journal knows: what a node does first after recovery.
    package func outstandingEffects(at time: Instant) -> [Effect] {
        self.time = time
        let before = effects
        effects = []
        isStarting = true
        defer { isStarting = false }
        restoreRunPlaces()
        for id in idsInOrder {
            guard let run = runs[id] else { continue }
            if let reason = run.extras?.cancelReason {
                effects.append(.cancel(run: id, reason: reason))
                continue
            }
            if run.startedAt == nil, let startAt = run.startAt, startAt > time.wall { continue }
            if let retryAt = run.retryAt, retryAt > time.now { continue }
            // What wakes a parked run is a timer or an event; both are set already.
            if run.isParked { continue }
            activate(run, .run(id, input: nil))
        }
        if let first = suspects.first, let run = runs[first.run], run.isParked {
            activate(run, .run(first.run, input: nil))
        }
        if isFirstSuspectHeldUp, let first = suspects.first {
            // Whoever is passed over is so on record, which has to wait for the next command: this one calls for it.
            durationTimers.add(.attempt(run: first.run, number: 0), due: time.now)
        }
        let found = effects
        effects = before
        return found
    }
}
