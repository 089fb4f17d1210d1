import DaybookCEL
package import DaybookValues

extension Core {
    func publish(_ events: [Event], claim: ClaimProgress?) -> Answer {
        var receipts: [EventReceipt] = []
        receipts.reserveCapacity(events.count)
        for event in events {
            receipts.append(EventReceipt(id: event.id, outcome: publish(event)))
        }
        if let claim {
            emit(.system, .inboxCommitted(claim: claim.name, offset: claim.offset, isWhole: claim.isWhole))
        }
        return .published(receipts)
    }

    /// Records an event, queues the runs it triggers, fulfils the waits and cancels the runs it matches.
    @discardableResult
    func publish(_ event: Event) -> EventOutcome { publish(event, EventOutcome()) }

    /// Records an event of the server's own that was meant for one function, where somebody else listens or where it did
    /// not simply start a run.
    func publish(_ event: Event, for function: String, _ admission: Admission) {
        var outcome = EventOutcome()
        switch admission {
        case .run: guard listens(to: event.name) else { return }
        case .hold(let held): outcome.held = [held]
        case .drop(let reason, let detail):
            outcome.dropped = [Dropped(function: function, reason: reason, detail: detail)]
        }
        publish(event, outcome)
    }

    /// Records an event that starts that function whatever its triggers are, besides those whose triggers it meets.
    @discardableResult
    func publish(_ event: Event, startingAlso function: Int) -> EventOutcome {
        publish(event, EventOutcome(), startingAlso: function)
    }

    @discardableResult
    private func publish(
        _ event: Event, _ before: EventOutcome, startingAlso named: Int? = nil
    ) -> EventOutcome {
        let candidates = routes.candidates(for: event.name)
        let mayResume = waits.hasWaits(on: event.name)
        let mayCancel = cancels.hasWaits(on: event.name)
        let view = candidates.isEmpty && !mayResume && !mayCancel ? nil : JSONView(event.json)

        var outcome = before
        var started: [(function: Int, id: ULID, flow: RunFlow)] = []
        var met = -1
        func start(_ function: Int) {
            switch admit(function, event, from: .event) {
            case .run(let flow): started.append((function, makeID(), flow))
            case .hold(let held): outcome.held.append(held)
            case .drop(let reason, let detail):
                outcome.dropped.append(
                    Dropped(function: functions[function].config.id, reason: reason, detail: detail))
            }
        }
        if let named { start(named) }
        for candidate in candidates where candidate.function != met && candidate.function != named {
            guard let view, meets(candidate, event, view, &outcome) else { continue }
            met = candidate.function
            start(candidate.function)
        }
        var fulfilled: [WaitIndex.Entry] = []
        if let view, mayResume || mayCancel {
            let match = WaitIndex.Incoming(event: event, view: view, moment: moment)
            if mayResume { fulfilled = waits.fulfilled(by: match, onFailure: noteFailure) }
            if mayCancel {
                for entry in cancels.fulfilled(by: match, onFailure: noteFailure) where isInTime(entry) {
                    if !outcome.cancelled.contains(entry.run) { outcome.cancelled.append(entry.run) }
                }
            }
        }

        outcome.started += started.map(\.id)
        outcome.resumed = fulfilled.map(\.run)
        emit(.events, .eventReceived(event, outcome))
        for id in outcome.cancelled { cancel(id, reason: "by event '\(event.name)' (\(event.id.text))") }
        for (function, id, flow) in started {
            if !flow.isEmpty { cancelOlderSingletons(function, flow) }
            queue(id, function, cause: .event, event: event, flow: flow)
        }
        for wait in fulfilled {
            // An earlier one of these may have ended the run.
            guard let run = runs[wait.run], let open = run.openStep(number: wait.number) else { continue }
            emit(.run(wait.run), .stepCompleted(StepOutcome(key: open.key, operation: .wait, output: event.json)))
            deliver(wait.run, open.key, .completed(event.json))
        }
        if !outcome.held.isEmpty { fireFullBatches(outcome.held) }
        return outcome
    }

    /// Whether the event meets that trigger. A condition that fails on it starts nothing, and the event's record says so.
    private func meets(
        _ candidate: (function: Int, trigger: Int), _ event: Event, _ view: JSONView, _ outcome: inout EventOutcome
    ) -> Bool {
        guard case .event(_, let matches, _) = functions[candidate.function].config.triggers[candidate.trigger],
            matches.allSatisfy({ $0.holds(for: view) })
        else { return false }
        guard let condition = functions[candidate.function].plan.triggerConditions[candidate.trigger] else {
            return true
        }
        let id = functions[candidate.function].config.id
        let problem: String
        switch condition.expression {
        case .failure(let error): problem = "\(error)"
        case .success(let expression):
            do throws(EvaluationError) {
                return try expression.isTrue(event: event.json, now: moment)
            } catch {
                problem = "\(error)"
            }
        }
        let detail = "trigger if: \(problem)"
        outcome.dropped.append(Dropped(function: id, reason: .expression, detail: detail))
        effects.append(.warn(run: nil, "event \(event.id.text) starts no run of '\(id)': \(detail)"))
        return false
    }

    private func isInTime(_ entry: WaitIndex.Entry) -> Bool {
        guard let extras = runs[entry.run]?.extras,
            let index = extras.cancelNumbers.firstIndex(of: entry.number)
        else { return false }
        return extras.flow.cancelOn[index].until.map { time.now < $0 } ?? true
    }

    private func noteFailure(_ entry: WaitIndex.Entry, _ event: Event, _ error: EvaluationError) {
        let problem =
            "its condition fails on event \(event.id.text) ('\(event.name)'), which counts as no match: \(error)"
        runs[entry.run]?.matchProblem = problem
        effects.append(.warn(run: entry.run, problem))
    }

    func dedupKey(_ function: String, _ eventKey: String) -> DedupTable.Key {
        DedupTable.Key(function: function, eventKey: eventKey)
    }

    /// Queues a run, to start at once or at the event's own time if that lies ahead.
    func queue(_ id: ULID, _ function: Int, cause: QueuedRun.Cause, event: Event, flow: RunFlow) {
        let isReceived = if case .event = cause { true } else { false }
        let startAt = isReceived && event.timestamp > time.wall ? event.timestamp : nil
        let input: QueuedRun.Input =
            event.json.count > QueuedRun.inlineBytesMax && isReceived
            ? .received(day: time.now.day, id: event.id) : .inline(event.json)
        emit(
            .run(id),
            .runQueued(
                QueuedRun(
                    function: functions[function].config.id, cause: cause, input: input, eventName: event.name,
                    key: isReceived ? event.key : nil, startAt: startAt, flow: flow)))
        for problem in flow.problems { effects.append(.warn(run: id, problem)) }
        if startAt == nil, let run = runs[id] { activate(run, .run(id, input: event.json)) }
    }

    // MARK: - The events of runs themselves

    enum EndStatus: String {
        case completed = "Completed"
        case failed = "Failed"
        case cancelled = "Cancelled"
    }

    /// Publishes `inngest/function.finished` and the event of that kind of end, where somebody listens. Where nobody
    /// does, they are not stored: all that they would say is in the run's own journal.
    func publishEnd(
        of id: ULID, function: String, status: EndStatus, error: [UInt8]?, result: [UInt8]?, input: [UInt8]?,
        isBatch: Bool, parent: String?
    ) {
        let specific =
            switch status {
            case .completed: nil as String?
            case .failed: "inngest/function.failed"
            case .cancelled: "inngest/function.cancelled"
            }
        for name in ["inngest/function.finished", specific].compactMap({ $0 }) {
            guard listens(to: name) else { continue }
            var data: [UInt8] = []
            data.append(json: #"{"_inngest":{"status":"#)
            data.append(jsonString: status.rawValue)
            data.append(json: #"},"function_id":"#)
            data.append(jsonString: function)
            data.append(json: #","run_id":"#)
            data.append(jsonString: id.text)
            // Null where it could not be read.
            let event = input.flatMap { $0.isEmpty ? nil : $0 } ?? Array("null".utf8)
            let first = isBatch ? JSONView(event)?.element(0)?.bytes : nil
            data.append(json: #","event":"#)
            data.append(contentsOf: first ?? event)
            data.append(json: #","events":"#)
            if first == nil { data.append(UInt8(ascii: "[")) }
            data.append(contentsOf: event)
            if first == nil { data.append(UInt8(ascii: "]")) }
            data.add("error", json: error)
            data.add("result", json: result)
            if let parent {
                data.append(json: #","correlation_id":"#)
                data.append(jsonString: parent)
            }
            data.append(UInt8(ascii: "}"))
            let key = status == .completed || name == "inngest/function.finished" ? nil : id.text
            publish(Event(internal: name, id: makeID(), key: key, at: time.now, data: data))
        }
    }

    func listens(to name: String) -> Bool {
        !routes.candidates(for: name).isEmpty || waits.hasWaits(on: name) || cancels.hasWaits(on: name)
    }

    /// Whether the end of that run is of interest to anybody, so that its input must come with the command.
    package func needsInput(toEnd id: ULID) -> Bool {
        guard let run = runs[id], !run.isLifecycleHandler else { return false }
        return listens(to: "inngest/function.finished") || listens(to: "inngest/function.failed")
            || listens(to: "inngest/function.cancelled")
    }
}
