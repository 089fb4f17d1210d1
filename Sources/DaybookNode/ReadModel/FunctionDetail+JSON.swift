import DaybookCore
import DaybookValues

extension FunctionDetail {
    /// Appends the function as an object of one line.
    package func append(to json: inout [UInt8], holdsMax: Int = holdsInListsMax) {
        let config = summary.config
        json.appendObject { json in
            json.append(member: "id", config.id)
            json.append(member: "app", config.app)
            json.append(member: "name", config.name)
            json.append(member: "url", config.url)
            json.append(member: "triggers", list: config.triggers) { $0.append(to: &$1) }
            json.append(member: "retries", config.retries)
            json.append(member: "startTimeoutMilliseconds", config.startTimeout)
            json.append(member: "finishTimeoutMilliseconds", config.finishTimeout)
            if !config.flow.isEmpty { json.append(object: "flow", config.flow.appendMembers) }
            json.append(member: "unfinishedRuns", summary.unfinishedRuns)
            if summary.waitingRuns > 0 { json.append(member: "waitingRuns", summary.waitingRuns) }
            if !holds.isEmpty {
                json.append(member: "heldEvents", summary.heldEvents)
                json.append(member: "holdCount", holds.count)
                let namesEvents = holdsMax > Self.holdsInListsMax
                json.append(member: "holds", list: holds.prefix(holdsMax)) { hold, json in
                    hold.append(to: &json, namesEvents: namesEvents)
                }
            }
            json.append(member: "nextTick", summary.nextTicks.min())
            if summary.isPaused { json.append(json: #","paused":true"#) }
            if summary.isRemoved { json.append(json: #","removed":true"#) }
        }
    }
}

extension Trigger {
    fileprivate func append(to json: inout [UInt8]) {
        json.appendObject { json in
            switch self {
            case .event(let name, _, let condition):
                json.append(member: "event", name)
                json.append(member: "if", condition)
            case .cron(let text, _, let jitter):
                json.append(member: "cron", text)
                if jitter > 0 { json.append(member: "jitterMilliseconds", jitter) }
            }
        }
    }
}

extension HoldSummary {
    fileprivate func append(to json: inout [UInt8], namesEvents: Bool) {
        json.appendObject { json in
            json.append(member: "id", id.text)
            json.append(member: "for", kind.rawValue)
            if !key.isEmpty { json.append(member: "key", key) }
            json.append(member: "events", eventCount)
            if namesEvents { json.append(member: "eventIDs", eventIDs.map(\.text)) }
            json.append(member: "bytes", bytes)
            json.append(member: "firstAt", firstAt)
            json.append(member: "due", due)
        }
    }
}

extension FlowConfig {
    /// Appends the settings; what is not set is left out.
    ///
    /// Not the form in which the journal has them: here the unit stands in the name, as in all that people read.
    fileprivate func appendMembers(to json: inout [UInt8]) {
        if !concurrency.isEmpty {
            json.append(member: "concurrency", list: concurrency) { limit, json in
                json.appendObject(limit.appendMembers)
            }
        }
        if let runConcurrency { json.append(object: "runConcurrency", runConcurrency.appendMembers) }
        if let throttle {
            json.append(object: "throttle") { json in
                json.append(member: "limit", throttle.limit)
                json.append(member: "periodMilliseconds", throttle.period)
                if throttle.burst > 0 { json.append(member: "burst", throttle.burst) }
                json.append(member: "key", throttle.key)
            }
        }
        if let rateLimit {
            json.append(object: "rateLimit") { json in
                json.append(member: "limit", rateLimit.limit)
                json.append(member: "periodMilliseconds", rateLimit.period)
                json.append(member: "key", rateLimit.key)
            }
        }
        json.append(member: "idempotency", idempotency)
        if let debounce {
            json.append(object: "debounce") { json in
                json.append(member: "periodMilliseconds", debounce.period)
                json.append(member: "timeoutMilliseconds", debounce.timeout)
                json.append(member: "key", debounce.key)
            }
        }
        if let batch {
            json.append(object: "batch") { json in
                json.append(member: "maxSize", batch.maxSize)
                json.append(member: "timeoutMilliseconds", batch.timeout)
                json.append(member: "key", batch.key)
                json.append(member: "if", batch.condition)
            }
        }
        json.append(member: "priority", priority)
        if let singleton {
            json.append(object: "singleton") { json in
                json.append(member: "mode", singleton.mode.rawValue)
                json.append(member: "key", singleton.key)
            }
        }
        if !cancelOn.isEmpty {
            json.append(member: "cancelOn", list: cancelOn) { cancel, json in
                json.appendObject { json in
                    json.append(member: "event", cancel.event)
                    json.append(member: "if", cancel.condition)
                    json.append(member: "timeoutMilliseconds", cancel.timeout)
                }
            }
        }
    }
}

extension ConcurrencyLimit {
    fileprivate func appendMembers(to json: inout [UInt8]) {
        json.append(member: "limit", limit)
        json.append(member: "key", key)
        if scope != .function { json.append(member: "scope", scope.rawValue) }
    }
}
