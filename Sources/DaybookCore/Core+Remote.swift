import DaybookValues

// What only functions behind a URL do: they say how they want to be called, and what is to start after them.
extension Core {
    func answered(_ id: ULID, version: Int, forcesPlan: Bool) -> Answer {
        guard let run = runs[id] else { return .stale }
        guard run.remote?.requestVersion != version || run.remote?.forcesPlan != forcesPlan else { return .done }
        emit(.run(id), .runAnswered(version: version, forcesPlan: forcesPlan))
        return .done
    }

    /// Ends a run because of what it asked for. Where somebody listens for its end, its event has to be read first: the host
    /// does that, and the run stands still until then.
    func failRun(_ run: Run, _ error: AttemptError) -> Answer {
        if needsInput(toEnd: run.id) {
            effects.append(.fail(run: run.id, error))
        } else {
            finish(run.id, .runFailed(error: error.json, output: error.output), status: .failed, input: nil)
            effects.append(.close(run: run.id))
        }
        return .ended
    }

    // MARK: - Follow-ups

    func addDefer(_ id: ULID, key: String, function: String, input: [UInt8]) -> Answer {
        guard let run = runs[id] else { return .stale }
        let known = run.remote?.deferred ?? []
        // An app says it again with every answer until it sees that it is known.
        guard !known.contains(where: { $0.key == key }) else { return .done }
        if known.count >= limits.defersPerRunMax {
            effects.append(
                .warn(
                    run: id,
                    "the follow-up '\(key)' of '\(function)' is ignored: a run may have \(limits.defersPerRunMax)"))
            return .done
        }
        guard known.reduce(input.count, { $0 + $1.input.count }) <= limits.deferBytesMax else {
            effects.append(
                .warn(
                    run: id,
                    """
                    the follow-up '\(key)' of '\(function)' is ignored: the input of all of a run may have \
                    \(limits.deferBytesMax) bytes
                    """))
            return .done
        }
        // On one line, whatever the app sent.
        guard let compact = try? JSONText.compact(input), compact.first == UInt8(ascii: "{") else {
            effects.append(
                .warn(
                    run: id, "the follow-up '\(key)' of '\(function)' is ignored: its input is not a JSON object"))
            return .done
        }
        emit(.run(id), .deferAdded(key: key, function: function, input: compact))
        return .done
    }

    func abortDefer(_ id: ULID, key: String) -> Answer {
        guard let run = runs[id] else { return .stale }
        if run.remote?.deferred.contains(where: { $0.key == key && !$0.isAborted }) ?? false {
            emit(.run(id), .deferAborted(key: key))
        }
        return .done
    }

    /// Starts what the run has asked for; it has ended.
    func startDeferred(of run: Run, function: String) {
        for deferred in run.remote?.deferred ?? [] where !deferred.isAborted {
            var data = [UInt8(ascii: "{")]
            if deferred.input.first == data[0], deferred.input.count > 2 { data = deferred.input.dropLast() }
            data.begin("_inngest")
            data.append(UInt8(ascii: "{"))
            data.add("fn_slug", deferred.function)
            data.add("parent_fn_slug", function)
            data.add("parent_run_id", run.id.text)
            data.append(json: "}}")
            let event = Event(
                internal: "inngest/deferred.schedule", id: makeID(), key: "\(run.id.text).\(deferred.key)",
                at: time.now, data: data)
            if let index = functionIndex[deferred.function], !functions[index].isRemoved {
                publish(event, startingAlso: index)
            } else {
                effects.append(
                    .warn(run: run.id, "its follow-up starts nothing: there is no function '\(deferred.function)'"))
                publish(event)
            }
        }
    }

    // MARK: - Functions started by name

    func invokeFunction(_ function: String, _ event: Event) -> Answer {
        guard let index = functionIndex[function], !functions[index].isRemoved else {
            return .refused(.unknownFunction(function))
        }
        return .published([EventReceipt(id: event.id, outcome: publish(event, startingAlso: index))])
    }
}

extension AttemptError {
    /// A failure that the server itself finds, of a function behind a URL: as SDKs and their users know it.
    static func ofServer(_ short: String, name: String, message: String) -> AttemptError {
        var json: [UInt8] = [UInt8(ascii: "{")]
        json.add("error", short)
        json.add("name", name)
        json.add("message", message)
        json.append(UInt8(ascii: "}"))
        var output: [UInt8] = []
        output.append(jsonString: #"{"error":"# + String(decoding: json, as: UTF8.self) + "}")
        return AttemptError(json: json, isRetriable: false, output: output)
    }
}
