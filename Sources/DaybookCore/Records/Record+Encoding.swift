import DaybookValues

extension Record {
    /// Appends the payload: each member with a comma before it, raw JSON, no spaces.
    package func appendPayload(to bytes: inout [UInt8]) {
        switch self {
        case .stepCompleted(let step):
            bytes.appendStep(step.key, step.operation, attempt: step.attempt, step.duration, step.copiedFrom)
            bytes.append(json: #","out":"#)
            bytes.append(contentsOf: step.output)
        case .stepFailed(let step):
            bytes.appendStep(step.key, step.operation, attempt: step.attempt, step.duration, step.copiedFrom)
            bytes.append(json: #","error":"#)
            bytes.append(contentsOf: step.error)
            if let retryAt = step.retryAt { bytes.append(field: #","retryAt":"#, retryAt) }
        case .stepInterrupted(let key, let attempt, let isCharged):
            bytes.append(json: #","step":"#)
            bytes.append(jsonString: key)
            bytes.append(json: #","attempt":"#)
            bytes.append(json: attempt)
            bytes.append(json: #","charged":"#)
            bytes.append(json: isCharged)
        case .sleepStarted(let key, let due, let length, let isUntil):
            bytes.append(json: #","step":"#)
            bytes.append(jsonString: key)
            bytes.append(field: #","due":"#, due)
            bytes.append(json: #","length":"#)
            bytes.append(json: length)
            if isUntil { bytes.append(json: #","until":true"#) }
        case .waitStarted(let key, let event, let matches, let condition, let due, let length):
            bytes.append(json: #","step":"#)
            bytes.append(jsonString: key)
            bytes.append(json: #","event":"#)
            bytes.append(jsonString: event)
            bytes.append(json: #","match":"#)
            bytes.append(matches)
            if let condition {
                bytes.add("if", condition.source)
                bytes.add("captured", json: condition.captured)
            }
            bytes.append(field: #","due":"#, due)
            bytes.append(json: #","length":"#)
            bytes.append(json: length)
        case .signalStarted(let key, let signal, let due, let length):
            bytes.add("step", key)
            bytes.add("signal", signal)
            bytes.add("due", due.milliseconds)
            bytes.add("length", length)
        case .deferAdded(let key, let function, let input):
            bytes.add("step", key)
            bytes.add("fn", function)
            bytes.add("input", json: input)
        case .deferAborted(let key): bytes.add("step", key)
        case .runAnswered(let version, let forcesPlan):
            bytes.add("version", Int64(version))
            if forcesPlan { bytes.append(json: #","plan":true"#) }
        case .invokeStarted(let key, let function, let child, let due, let length):
            bytes.append(json: #","step":"#)
            bytes.append(jsonString: key)
            bytes.append(json: #","fn":"#)
            bytes.append(jsonString: function)
            bytes.append(field: #","child":"#, child)
            bytes.append(field: #","due":"#, due)
            bytes.append(json: #","length":"#)
            bytes.append(json: length)
        case .attemptFailed(let attempt, let error, let retryAt):
            bytes.append(json: #","attempt":"#)
            bytes.append(json: attempt)
            bytes.append(json: #","error":"#)
            bytes.append(contentsOf: error)
            bytes.append(field: #","retryAt":"#, retryAt)
        case .runStarted, .runParked, .runAdmitted: break
        case .runQueued(let run): appendQueuedRun(run, to: &bytes)
        case .runCompleted(let output):
            bytes.append(json: #","out":"#)
            bytes.append(contentsOf: output)
        case .runFailed(let error, let output):
            bytes.append(json: #","error":"#)
            bytes.append(contentsOf: error)
            bytes.add("out", json: output)
        case .runCancelling(let reason), .runCancelled(let reason), .runQuarantined(let reason):
            bytes.append(json: #","reason":"#)
            bytes.append(jsonString: reason)
        case .eventReceived(let event, let outcome):
            bytes.append(field: #","id":"#, event.id)
            if let key = event.key {
                bytes.append(json: #","key":"#)
                bytes.append(jsonString: key)
            }
            bytes.append(json: #","name":"#)
            bytes.append(jsonString: event.name)
            bytes.append(field: #","ts":"#, event.timestamp)
            bytes.append(json: #","runs":"#)
            bytes.append(outcome.started)
            bytes.append(json: #","resumed":"#)
            bytes.append(outcome.resumed)
            outcome.appendRest(to: &bytes)
            bytes.append(json: #","event":"#)
            bytes.append(contentsOf: event.json)
        case .epochOpened(let epoch, let version):
            bytes.append(json: #","epoch":"#)
            bytes.append(json: epoch)
            bytes.append(json: #","version":"#)
            bytes.append(jsonString: version)
        case .monthOpened(let state):
            bytes.append(json: #","state":"#)
            state.append(to: &bytes)
        case .functionRegistered(let config):
            bytes.append(json: #","config":"#)
            config.append(to: &bytes)
        case .functionRemoved(let id), .functionPaused(let id), .functionResumed(let id):
            bytes.append(json: #","fn":"#)
            bytes.append(jsonString: id)
        case .appRegistered(let app):
            bytes.begin("config")
            app.append(to: &bytes)
        case .appRemoved(let id): bytes.add("app", id)
        case .holdDropped(let hold, let function, let reason, let detail):
            bytes.add("hold", hold)
            bytes.add("fn", function)
            bytes.add("why", reason.rawValue)
            bytes.add("detail", detail)
        case .cronScheduled(let function, let trigger, let tick):
            bytes.append(json: #","fn":"#)
            bytes.append(jsonString: function)
            bytes.append(json: #","trigger":"#)
            bytes.append(json: trigger)
            if let tick { bytes.append(field: #","tick":"#, tick) }
        case .cronTicked(let function, let trigger, let tick, let run, let next):
            bytes.append(json: #","fn":"#)
            bytes.append(jsonString: function)
            bytes.append(json: #","trigger":"#)
            bytes.append(json: trigger)
            bytes.append(field: #","tick":"#, tick)
            if let run { bytes.append(field: #","run":"#, run) }
            if let next { bytes.append(field: #","next":"#, next) }
        case .clockMoved(let offset):
            bytes.append(json: #","offset":"#)
            bytes.append(json: offset)
        case .inboxCommitted(let claim, let offset, let isWhole):
            bytes.append(json: #","claim":"#)
            bytes.append(jsonString: claim)
            bytes.append(json: #","offset":"#)
            bytes.append(json: offset)
            bytes.append(json: #","whole":"#)
            bytes.append(json: isWhole)
        case .inboxRemoved(let claim):
            bytes.append(json: #","claim":"#)
            bytes.append(jsonString: claim)
        }
    }

    private func appendQueuedRun(_ run: QueuedRun, to bytes: inout [UInt8]) {
        bytes.append(json: #","fn":"#)
        bytes.append(jsonString: run.function)
        switch run.cause {
        case .event: bytes.append(json: #","cause":"event""#)
        case .cron: bytes.append(json: #","cause":"cron""#)
        case .invoke(let parent, let key):
            bytes.append(json: #","cause":"invoke""#)
            bytes.append(field: #","parent":"#, parent)
            bytes.append(json: #","step":"#)
            bytes.append(jsonString: key)
        case .retry(let origin):
            bytes.append(json: #","cause":"retry""#)
            bytes.append(field: #","from":"#, origin)
        }
        bytes.append(json: #","name":"#)
        bytes.append(jsonString: run.eventName)
        if let key = run.key {
            bytes.append(json: #","key":"#)
            bytes.append(jsonString: key)
        }
        if let startAt = run.startAt { bytes.append(field: #","startAt":"#, startAt) }
        bytes.add("hold", run.hold)
        if run.eventCount > 0 { bytes.add("events", Int64(run.eventCount)) }
        if !run.flow.isEmpty {
            bytes.begin("flow")
            run.flow.append(to: &bytes)
        }
        switch run.input {
        case .inline(let event):
            bytes.append(json: #","event":"#)
            bytes.append(contentsOf: event)
        case .received(let day, let id):
            bytes.append(json: #","day":"#)
            bytes.append(json: day)
            bytes.append(field: #","ref":"#, id)
        }
    }
}

extension [UInt8] {
    /// What results and failures of steps have in common.
    fileprivate mutating func appendStep(
        _ key: String, _ operation: StepOperation, attempt: Int, _ duration: Int64, _ copiedFrom: ULID?
    ) {
        append(json: #","step":"#)
        append(jsonString: key)
        if operation != .run {
            append(json: #","op":"#)
            append(jsonString: operation.rawValue)
        }
        append(json: #","attempt":"#)
        append(json: attempt)
        if duration > 0 {
            append(json: #","us":"#)
            append(json: duration)
        }
        if let copiedFrom { append(field: #","from":"#, copiedFrom) }
    }

    fileprivate mutating func append(field: StaticString, _ id: ULID) {
        append(json: field)
        append(id)
    }

    fileprivate mutating func append(_ id: ULID) {
        append(UInt8(ascii: "\""))
        id.append(to: &self)
        append(UInt8(ascii: "\""))
    }

    fileprivate mutating func append(field: StaticString, _ instant: Timestamp) {
        append(json: field)
        append(json: instant.milliseconds)
    }

    fileprivate mutating func append(_ ids: [ULID]) {
        append(UInt8(ascii: "["))
        for (index, id) in ids.enumerated() {
            if index > 0 { append(UInt8(ascii: ",")) }
            append(id)
        }
        append(UInt8(ascii: "]"))
    }

    fileprivate mutating func append(_ matches: [FieldMatch]) {
        append(UInt8(ascii: "["))
        for (index, match) in matches.enumerated() {
            if index > 0 { append(UInt8(ascii: ",")) }
            append(UInt8(ascii: "["))
            append(jsonString: match.path)
            append(UInt8(ascii: ","))
            append(contentsOf: match.value)
            append(UInt8(ascii: "]"))
        }
        append(UInt8(ascii: "]"))
    }
}

extension FunctionConfig {
    /// Appends the configuration as a JSON object.
    package func append(to bytes: inout [UInt8]) {
        bytes.append(json: #"{"id":"#)
        bytes.append(jsonString: id)
        bytes.append(json: #","app":"#)
        bytes.append(jsonString: app)
        bytes.append(json: #","name":"#)
        bytes.append(jsonString: name)
        bytes.add("url", url)
        bytes.append(json: #","retries":"#)
        bytes.append(json: retries)
        if let startTimeout {
            bytes.append(json: #","startTimeout":"#)
            bytes.append(json: startTimeout)
        }
        if let finishTimeout {
            bytes.append(json: #","finishTimeout":"#)
            bytes.append(json: finishTimeout)
        }
        switch catchUp {
        case .latest: bytes.append(json: #","catchUp":"latest""#)
        case .skip: bytes.append(json: #","catchUp":"skip""#)
        case .all(let limit):
            bytes.append(json: #","catchUp":"all","catchUpLimit":"#)
            bytes.append(json: limit)
        }
        if !flow.isEmpty {
            bytes.begin("flow")
            flow.append(to: &bytes)
        }
        bytes.append(json: #","triggers":["#)
        for (index, trigger) in triggers.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            switch trigger {
            case .event(let name, let matches, let condition):
                bytes.append(json: #"{"event":"#)
                bytes.append(jsonString: name)
                bytes.add("if", condition)
                if !matches.isEmpty {
                    bytes.append(json: #","match":"#)
                    bytes.append(matches)
                }
            case .cron(let text, let zone, let jitter):
                bytes.append(json: #"{"cron":"#)
                bytes.append(jsonString: text)
                if jitter > 0 { bytes.add("jitter", jitter) }
                bytes.append(json: #","zone":"#)
                zone.append(to: &bytes)
            }
            bytes.append(UInt8(ascii: "}"))
        }
        bytes.append(json: "]}")
    }
}

extension SystemState {
    package func append(to bytes: inout [UInt8]) {
        bytes.append(json: #"{"clockOffset":"#)
        bytes.append(json: clockOffset)
        bytes.append(json: #","functions":["#)
        for (index, function) in functions.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            bytes.append(json: #"{"config":"#)
            function.config.append(to: &bytes)
            bytes.append(json: #","removed":"#)
            bytes.append(json: function.isRemoved)
            if function.isPaused { bytes.append(json: #","paused":true"#) }
            bytes.append(json: #","crons":["#)
            for (index, cron) in function.crons.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                bytes.append(json: #"{"trigger":"#)
                bytes.append(json: cron.trigger)
                if let next = cron.next { bytes.append(field: #","next":"#, next) }
                bytes.append(json: #","handled":["#)
                for (index, range) in cron.handled.ranges.enumerated() {
                    if index > 0 { bytes.append(UInt8(ascii: ",")) }
                    bytes.append(json: range.lowerBound.milliseconds)
                    bytes.append(UInt8(ascii: ","))
                    bytes.append(json: range.upperBound.milliseconds)
                }
                bytes.append(json: "]}")
            }
            bytes.append(json: "]}")
        }
        bytes.append(UInt8(ascii: "]"))
        if !apps.isEmpty {
            bytes.append(json: #","apps":["#)
            for app in apps {
                bytes.beginElement()
                bytes.append(json: #"{"config":"#)
                app.config.append(to: &bytes)
                if app.isRemoved { bytes.append(json: #","removed":true"#) }
                bytes.append(UInt8(ascii: "}"))
            }
            bytes.append(UInt8(ascii: "]"))
        }
        bytes.append(json: #","claims":["#)
        for (index, claim) in claims.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            bytes.append(json: #"{"claim":"#)
            bytes.append(jsonString: claim.name)
            bytes.append(json: #","offset":"#)
            bytes.append(json: claim.offset)
            bytes.append(json: #","whole":"#)
            bytes.append(json: claim.isWhole)
            bytes.append(UInt8(ascii: "}"))
        }
        bytes.append(json: "]}")
    }
}
