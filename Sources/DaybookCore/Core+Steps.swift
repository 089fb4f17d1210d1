package import DaybookValues

extension Core {
    func endBody(
        _ id: ULID, key: String, attempt: Int, result: BodyResult, duration: Int64, operation: StepOperation
    ) -> Answer {
        guard let run = runs[id] else { return .stale }
        switch result {
        case .success(let output):
            guard output.count <= limits.stepOutputBytesMax else {
                if functions[run.function].config.isRemote {
                    // The app may answer less the next time.
                    let message = "error validating generator opcode \(key): step output size is greater than the limit"
                    return failStep(
                        run, key: key, attempt: attempt, error: AttemptError(name: "Error", message: message),
                        duration: duration, operation: operation)
                }
                let message =
                    "step '\(key)' returned \(output.count) bytes; the limit of a step's output is \(limits.stepOutputBytesMax) bytes. Store the data elsewhere and return a reference to it."
                return failStep(
                    run, key: key, attempt: attempt,
                    error: AttemptError(name: "StepOutputTooLarge", message: message, isRetriable: false),
                    duration: duration, operation: operation)
            }
            if let problem = overflow(run, adding: output.count) { return overflowed(run, problem) }
            emit(
                .run(id),
                .stepCompleted(
                    StepOutcome(
                        key: key, operation: operation, attempt: attempt, output: output, duration: duration)))
            return .recorded
        case .failure(let error):
            return failStep(
                run, key: key, attempt: attempt, error: error, duration: duration, operation: operation)
        }
    }

    private func failStep(
        _ run: Run, key: String, attempt: Int, error: AttemptError, duration: Int64, operation: StepOperation
    ) -> Answer {
        let retryAt = nextAttempt(after: attempt, of: run, error)
        emit(
            .run(run.id),
            .stepFailed(
                StepFailure(
                    key: key, operation: operation, attempt: attempt, error: error.json, duration: duration,
                    retryAt: retryAt)))
        if let retryAt { return .retrying(attempt: attempt + 1, at: retryAt) }
        return .failed(error.json)
    }

    private func nextAttempt(after attempt: Int, of run: Run, _ error: AttemptError) -> Timestamp? {
        guard error.isRetriable, attempt < functions[run.function].config.attemptsMax else { return nil }
        let wait =
            error.retryAfter.map(retryPolicy.clamped)
            ?? retryPolicy.wait(afterAttempt: attempt, random: nextRandom())
        return time.now + wait
    }

    func overflow(_ run: Run, adding bytes: Int) -> AttemptError? {
        let isRemote = functions[run.function].config.isRemote
        let stepsMax = isRemote ? limits.stepsPerRemoteRunMax : limits.stepsPerRunMax
        if run.stepCount >= stepsMax {
            let message = "The function run exceeded the step limit of \(stepsMax) steps."
            return isRemote
                ? .ofServer("function has too many steps", name: "InngestErrFunctionOverflowed", message: message)
                : AttemptError(name: "InngestErrFunctionOverflowed", message: message, isRetriable: false)
        }
        if run.stateBytes + bytes > limits.runStateBytesMax {
            let message = "The function run exceeded the state size limit of \(limits.runStateBytesMax) bytes."
            return isRemote
                ? .ofServer("state size limit exceeded", name: "InngestErrStateOverflowed", message: message)
                : AttemptError(name: "InngestErrStateOverflowed", message: message, isRetriable: false)
        }
        return nil
    }

    /// A run that grows over a limit fails; what its step did is not recorded.
    func overflowed(_ run: Run, _ overflow: AttemptError) -> Answer {
        effects.append(.fail(run: run.id, overflow))
        return .stale
    }

    // MARK: - Steps that wait

    func sleep(_ id: ULID, key: String, length: WaitLength) -> Answer {
        guard let run = runs[id] else { return .stale }
        if isOpen(key, of: run, .sleep) { return .opened }
        if let problem = overflow(run, adding: 4) { return overflowed(run, problem) }
        let milliseconds: Int64
        let due: Timestamp
        let isUntil: Bool
        switch length {
        case .duration(let duration):
            (milliseconds, due, isUntil) = (duration, time.now + duration, false)
        case .until(let instant):
            (milliseconds, due, isUntil) = (instant - time.wall, instant, true)
        }
        guard milliseconds > 0 else { return completeAtOnce(run, key: key, .sleep) }
        guard milliseconds <= limits.waitMax else { return refuseTooLong(run, key: key, .sleep, "sleep") }
        emit(.run(id), .sleepStarted(key: key, due: due, length: milliseconds, isUntil: isUntil))
        return .opened
    }

    func wait(
        _ id: ULID, key: String, event: String, matches: [FieldMatch], condition: WaitCondition?, timeout: Int64
    ) -> Answer {
        guard let run = runs[id] else { return .stale }
        if isOpen(key, of: run, .wait) { return .opened }
        if let problem = overflow(run, adding: 4) { return overflowed(run, problem) }
        guard timeout > 0 else { return completeAtOnce(run, key: key, .wait) }
        guard timeout <= limits.waitMax else { return refuseTooLong(run, key: key, .wait, "wait for an event") }
        emit(
            .run(id),
            .waitStarted(
                key: key, event: event, matches: matches, condition: condition, due: time.now + timeout,
                length: timeout))
        return .opened
    }

    func invoke(
        _ id: ULID, key: String, function: String, data: [UInt8], timeout: Int64, user: [UInt8]?, version: String?
    ) -> Answer {
        guard let run = runs[id] else { return .stale }
        if isOpen(key, of: run, .invoke) { return .opened }
        if let problem = overflow(run, adding: 4) { return overflowed(run, problem) }
        guard timeout <= limits.waitMax else { return refuseTooLong(run, key: key, .invoke, "invoke") }
        guard let index = functionIndex[function], !functions[index].isRemoved else {
            return failAtOnce(
                run, key: key, .invoke,
                errorJSON(name: "Error", message: "could not find function with ID: \(function)"))
        }
        let child = makeID()
        var payload: [UInt8] = []
        payload.append(contentsOf: data.count > 2 ? data.dropLast() : [UInt8(ascii: "{")][...])
        if data.count > 2 { payload.append(UInt8(ascii: ",")) }
        payload.append(json: #""_inngest":{"fn_id":"#)
        payload.append(jsonString: function)
        payload.append(json: #","correlation_id":"#)
        payload.append(jsonString: "\(id.text).\(key)")
        payload.append(json: "}}")
        let event = Event(
            internal: "inngest/function.invoked", id: makeID(), at: time.now, data: payload, user: user,
            version: version)
        let admission = admit(index, event, from: .invoke(HeldEvent.Caller(run: id, key: key, child: child)))
        if case .drop(let reason, let detail) = admission {
            publish(event, for: function, admission)
            return failAtOnce(run, key: key, .invoke, refusalOfInvoke(function, reason, detail, to: run))
        }
        emit(
            .run(id),
            .invokeStarted(key: key, function: function, child: child, due: time.now + timeout, length: timeout))
        publish(event, for: function, admission)
        if case .run(let flow) = admission {
            cancelOlderSingletons(index, flow)
            queue(child, index, cause: .invoke(parent: id, key: key), event: event, flow: flow)
        }
        return .opened
    }

    func send(_ id: ULID, key: String, events: [Event]) -> Answer {
        guard let run = runs[id] else { return .stale }
        if let problem = overflow(run, adding: 4) { return overflowed(run, problem) }
        var output: [UInt8] = []
        output.append(UInt8(ascii: "["))
        for (index, event) in events.enumerated() {
            if index > 0 { output.append(UInt8(ascii: ",")) }
            output.append(jsonString: event.id.text)
        }
        output.append(UInt8(ascii: "]"))
        // The step's record comes first: an event it sends may end or resume this very run.
        emit(.run(id), .stepCompleted(StepOutcome(key: key, operation: .send, output: output)))
        for event in events { publish(event) }
        return .completed(output)
    }

    func completeAtOnce(_ run: Run, key: String, _ operation: StepOperation) -> Answer {
        let null = Array("null".utf8)
        emit(.run(run.id), .stepCompleted(StepOutcome(key: key, operation: operation, output: null)))
        return .completed(null)
    }

    private func failAtOnce(_ run: Run, key: String, _ operation: StepOperation, _ error: [UInt8]) -> Answer {
        emit(.run(run.id), .stepFailed(StepFailure(key: key, operation: operation, attempt: 1, error: error)))
        return .failed(error)
    }

    func refuseTooLong(_ run: Run, key: String, _ operation: StepOperation, _ what: String) -> Answer {
        let days = limits.waitMax / 86_400_000
        return failAtOnce(
            run, key: key, operation,
            errorJSON(
                name: "InngestErrTimeoutTooLong", message: "step '\(key)': a \(what) may last at most \(days) days"))
    }

    /// Whether the step waits already: the code came to it again, after a failure between steps or in a new process.
    func isOpen(_ key: String, of run: Run, _ operation: StepOperation) -> Bool {
        guard let index = run.openIndex(key) else { return false }
        switch (run.open[index].kind, operation) {
        case (.sleep, .sleep), (.wait, .wait), (.signal, .signal), (.invoke, .invoke): return true
        default: return false
        }
    }

    // MARK: - Suspects

    /// Whether the suspect whose turn it is belongs to that run.
    package func isFirstSuspect(_ id: ULID) -> Bool { suspects.first?.run == id }

    /// The first suspect cannot run: its function is paused, or it waits for a place, perhaps one that another suspect has.
    var isFirstSuspectHeldUp: Bool {
        guard let first = suspects.first, let run = runs[first.run] else { return false }
        return isHeldUp(run)
    }

    /// The others must not wait for it: its step becomes one like any other, and it is a suspect no more.
    func passHeldUpSuspects() {
        while isFirstSuspectHeldUp, let first = suspects.first {
            emit(.run(first.run), .runParked)
            releaseSuspect()
        }
    }

    /// Lets the next suspect run if it is another one than before.
    func settleSuspects(since before: Suspect?) {
        if let first = suspects.first, first != before { releaseSuspect() }
        passHeldUpSuspects()
    }

    /// Lets the first suspect run.
    func releaseSuspect() {
        guard let first = suspects.first, let run = runs[first.run], let index = run.openIndex(first.key) else {
            return
        }
        deliver(first.run, first.key, .retry(attempt: run.open[index].attempt))
    }
}
