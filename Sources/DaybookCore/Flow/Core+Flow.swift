package import DaybookValues

// Singletons, cancellation by events and by people, pausing.
extension Core {
    // MARK: - Singletons

    /// Asks the unfinished runs of the same key to end, where the function wants that.
    func cancelOlderSingletons(_ function: Int, _ flow: RunFlow) {
        guard functions[function].config.flow.singleton?.mode == .cancel, let key = flow.singletonKey else { return }
        let name = dedupKey(functions[function].config.id, key)
        // One by one: a follow-up of the run that is cancelled may be one of them too.
        while let older = singletons[name]?.first(where: { runs[$0]?.extras?.cancelReason == nil }) {
            cancel(older, reason: "a newer run of this singleton takes its place")
        }
    }

    /// The next of the same key may start.
    func startNextSingleton(after run: Run) {
        guard let key = run.extras?.flow.singletonKey,
            let next = singletons[dedupKey(functions[run.function].config.id, key)]?.first, let waiting = runs[next],
            waiting.startedAt == nil, waiting.startAt.map({ $0 <= time.wall }) ?? true
        else { return }
        activate(waiting, .run(next, input: nil))
    }

    // MARK: - Cancelling

    /// Cancels a run for a reason that is on record already: nothing but the cancellation can come of it.
    func cancel(_ id: ULID, reason: String) {
        guard let run = runs[id], run.extras?.cancelReason == nil else { return }
        if needsInput(toEnd: id) {
            // Its event has to be read first, and the process may die over it.
            emit(.run(id), .runCancelling(reason: reason))
            effects.append(.cancel(run: id, reason: reason))
        } else {
            finish(id, .runCancelled(reason: reason), status: .cancelled, input: nil)
            effects.append(.close(run: id))
        }
    }

    func cancel(_ ids: [ULID], reason: String) -> Answer {
        var count = 0
        for id in ids where runs[id] != nil {
            cancel(id, reason: reason)
            count += 1
        }
        return .cancelled(count)
    }

    /// Ids of unfinished runs, oldest first.
    package func unfinishedRuns(
        of function: String, queuedAfter: Timestamp? = nil, queuedBefore: Timestamp? = nil
    ) -> [ULID] {
        guard let index = functionIndex[function] else { return [] }
        return runs.values.filter { run in
            run.function == index && queuedAfter.map { run.queuedAt > $0 } ?? true
                && queuedBefore.map { run.queuedAt < $0 } ?? true
        }
        .map(\.id).sorted()
    }

    // MARK: - Pausing

    func pause(_ id: String) -> Answer {
        guard let index = functionIndex[id] else { return .refused(.unknownFunction(id)) }
        guard !functions[index].isPaused else { return .done }
        emit(.system, .functionPaused(id: id))
        effects.append(.hold(function: id))
        return .done
    }

    func resume(_ id: String) -> Answer {
        guard let index = functionIndex[id] else { return .refused(.unknownFunction(id)) }
        guard functions[index].isPaused else { return .done }
        emit(.system, .functionResumed(id: id))
        for run in unfinishedRuns(of: id).compactMap({ runs[$0] }) {
            if run.startedAt == nil, let startAt = run.startAt, startAt > time.wall { continue }
            if let retryAt = run.retryAt, retryAt > time.now { continue }
            if run.isParked {
                // What came due while nothing was told to the host.
                for step in run.open where step.due <= time.now {
                    if case .retry(isSuspect: false) = step.kind {
                        activate(run, .deliver(run: run.id, key: step.key, .retry(attempt: step.attempt)))
                    }
                }
            } else {
                activate(run, .run(run.id, input: nil))
            }
        }
        if let first = suspects.first, runs[first.run]?.function == index { releaseSuspect() }
        return .done
    }

    // MARK: - Runs that repeat others

    /// The rate does not count, whatever it is: a person asked for the run.
    func flow(ofRepeated input: QueuedRun.Input, _ index: Int) -> RunFlow {
        var flow = RunFlow()
        guard !functions[index].plan.isEmpty, case .inline(let json) = input else { return flow }
        complete(&flow, for: Self.firstEvent(json), index)
        return flow
    }

    /// What expressions call `event`: what the run was given, and of a batch the first.
    package func expressionEvent(_ id: ULID, _ input: [UInt8]) -> [UInt8] {
        guard let extras = runs[id]?.extras, extras.eventCount > 0 else { return input }
        return Self.firstEvent(input)
    }

    private static func firstEvent(_ json: [UInt8]) -> [UInt8] {
        guard let view = JSONView(json), view.kind == .array else { return json }
        return view.element(0)?.bytes ?? json
    }
}
