package import DaybookValues

extension Core {
    func publish(_ events: [Event], claim: ClaimProgress?) -> Answer {
        var receipts: [(id: ULID, started: Int)] = []
        receipts.reserveCapacity(events.count)
        for event in events {
            receipts.append((event.id, publish(event)))
        }
        if let claim {
            emit(.system, .inboxCommitted(claim: claim.name, offset: claim.offset, isWhole: claim.isWhole))
        }
        return .published(receipts)
    }

    /// Records an event, queues the runs it triggers and fulfils the waits it matches.
    /// - Returns: how many runs it started.
    @discardableResult
    func publish(_ event: Event) -> Int {
        let candidates = routes.candidates(for: event.name)
        let mayResume = waits.hasWaits(on: event.name)
        let view = candidates.isEmpty && !mayResume ? nil : JSONView(event.json)

        var started: [(function: Int, id: ULID)] = []
        for candidate in candidates where started.last?.function != candidate.function {
            guard case .event(_, let matches) = functions[candidate.function].config.triggers[candidate.trigger],
                matches.isEmpty || view.map({ view in matches.allSatisfy { $0.holds(for: view) } }) ?? false
            else { continue }
            if let key = event.key,
                dedup.contains(dedupKey(functions[candidate.function].config.id, key), at: time.now)
            {
                continue
            }
            started.append((candidate.function, makeID()))
        }
        let fulfilled = mayResume ? view.map { waits.fulfilled(by: $0, named: event.name) } ?? [] : []

        emit(.events, .eventReceived(event, started: started.map(\.id), resumed: fulfilled.map(\.run)))
        for (function, id) in started {
            queue(id, functions[function].config.id, cause: .event, event: event)
        }
        for wait in fulfilled {
            // An earlier one of these may have ended the run.
            guard let run = runs[wait.run], let open = run.openStep(number: wait.number) else { continue }
            emit(.run(wait.run), .stepCompleted(StepOutcome(key: open.key, operation: .wait, output: event.json)))
            effects.append(.deliver(run: wait.run, key: open.key, .completed(event.json)))
        }
        return started.count
    }

    func dedupKey(_ function: String, _ eventKey: String) -> DedupTable.Key {
        DedupTable.Key(function: function, eventKey: eventKey)
    }

    /// Queues a run, to start at once or at the event's own time if that lies ahead.
    func queue(_ id: ULID, _ function: String, cause: QueuedRun.Cause, event: Event) {
        let isReceived = if case .event = cause { true } else { false }
        let startAt = isReceived && event.timestamp > time.wall ? event.timestamp : nil
        let input: QueuedRun.Input =
            event.json.count > QueuedRun.inlineBytesMax && isReceived
            ? .received(day: time.now.day, id: event.id) : .inline(event.json)
        emit(
            .run(id),
            .runQueued(
                QueuedRun(
                    function: function, cause: cause, input: input, eventName: event.name,
                    key: isReceived ? event.key : nil, startAt: startAt)))
        if startAt == nil { effects.append(.run(id, input: event.json)) }
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
        of id: ULID, function: String, status: EndStatus, result: [UInt8]?, input: [UInt8]?, parent: String?
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
            data.append(json: #","event":"#)
            data.append(contentsOf: event)
            data.append(json: #","events":["#)
            data.append(contentsOf: event)
            data.append(UInt8(ascii: "]"))
            if let result, status != .cancelled {
                if status == .failed {
                    data.append(json: #","error":"#)
                    data.append(contentsOf: result)
                }
                data.append(json: #","result":"#)
                data.append(contentsOf: result)
            }
            if let parent {
                data.append(json: #","correlation_id":"#)
                data.append(jsonString: parent)
            }
            data.append(UInt8(ascii: "}"))
            let key = status == .completed || name == "inngest/function.finished" ? nil : id.text
            publish(Event(internal: name, id: makeID(), key: key, at: time.now, data: data))
        }
    }

    func listens(to name: String) -> Bool { !routes.candidates(for: name).isEmpty || waits.hasWaits(on: name) }

    /// Whether the end of that run is of interest to anybody, so that its input must come with the command.
    package func needsInput(toEnd id: ULID) -> Bool {
        guard let run = runs[id], !run.isLifecycleHandler else { return false }
        return listens(to: "inngest/function.finished") || listens(to: "inngest/function.failed")
            || listens(to: "inngest/function.cancelled")
    }
}
