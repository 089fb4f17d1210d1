import DaybookCore
import DaybookValues

extension RunDetail {
    /// Appends everything as an object of one line.
    package func append(to json: inout [UInt8]) {
        json.append(json: #"{"id":"#)
        json.append(jsonString: id.text)
        json.append(json: #","function":"#)
        json.append(jsonString: function)
        json.append(json: #","status":"#)
        json.append(jsonString: status.rawValue)
        if let queued { appendCause(queued, to: &json) }
        json.append(member: "queuedAt", queuedAt)
        json.append(member: "startAt", queued?.startAt)
        json.append(member: "startedAt", startedAt)
        json.append(member: "endedAt", endedAt)
        if let waitingFor { waitingFor.append(asMemberTo: &json) }
        if let priority = queued?.flow.priority, priority != 0 { json.append(member: "priority", priority) }
        json.append(member: "problems", problems)
        appendEvent(to: &json)
        if !attempts.isEmpty {
            json.append(json: #","failedAttempts":"#)
            Self.append(attempts, to: &json)
        }
        if !progress.isEmpty {
            json.append(json: #","progress":["#)
            for (index, report) in progress.enumerated() {
                if index > 0 { json.append(UInt8(ascii: ",")) }
                report.append(to: &json)
            }
            json.append(UInt8(ascii: "]"))
        }
        json.append(json: #","steps":["#)
        for (index, step) in steps.enumerated() {
            if index > 0 { json.append(UInt8(ascii: ",")) }
            step.append(to: &json)
        }
        json.append(UInt8(ascii: "]"))
        if !deferred.isEmpty {
            json.append(member: "deferred", list: deferred) { deferred, json in
                json.appendObject { json in
                    json.append(member: "step", deferred.key)
                    json.append(member: "function", deferred.function)
                    if deferred.isAborted { json.append(json: #","aborted":true"#) }
                }
            }
        }
        if let output {
            json.append(json: #","output":"#)
            json.append(contentsOf: output)
        }
        if let error {
            json.append(json: #","error":"#)
            json.append(contentsOf: error)
        }
        json.append(member: "reason", reason)
        json.append(member: "postponed", postponed)
        json.append(member: "damage", damage)
        json.append(UInt8(ascii: "}"))
    }

    /// The event; of a batch, the first one and then all of them.
    private func appendEvent(to json: inout [UInt8]) {
        guard let event else { return }
        json.append(json: #","event":"#)
        guard let queued, queued.eventCount > 0 else {
            json.append(contentsOf: event)
            return
        }
        if let first = JSONView(event)?.element(0) {
            json.append(contentsOf: first.slice)
        } else {
            json.append(json: "null")
        }
        json.append(member: "eventCount", queued.eventCount)
        json.append(json: #","events":"#)
        json.append(contentsOf: event)
    }

    private func appendCause(_ queued: QueuedRun, to json: inout [UInt8]) {
        switch queued.cause {
        case .event: json.append(json: #","cause":"event""#)
        case .cron: json.append(json: #","cause":"cron""#)
        case .invoke(let parent, let key):
            json.append(json: #","cause":"invoke","parent":"#)
            json.append(jsonString: parent.text)
            json.append(json: #","parentStep":"#)
            json.append(jsonString: key)
        case .retry(let origin):
            json.append(json: #","cause":"retry","retryOf":"#)
            json.append(jsonString: origin.text)
        }
        json.append(json: #","eventName":"#)
        json.append(jsonString: queued.eventName)
    }

    fileprivate static func append(_ attempts: [AttemptDetail], to json: inout [UInt8]) {
        json.append(UInt8(ascii: "["))
        for (index, attempt) in attempts.enumerated() {
            if index > 0 { json.append(UInt8(ascii: ",")) }
            json.append(json: #"{"attempt":"#)
            json.append(json: attempt.attempt)
            json.append(json: #","status":"#)
            json.append(jsonString: attempt.outcome.rawValue)
            json.append(member: "endedAt", attempt.endedAt)
            if let duration = attempt.duration {
                json.append(json: #","durationMicroseconds":"#)
                json.append(json: duration)
            }
            if let error = attempt.error {
                json.append(json: #","error":"#)
                json.append(contentsOf: error)
            }
            json.append(member: "retryAt", attempt.retryAt)
            json.append(UInt8(ascii: "}"))
        }
        json.append(UInt8(ascii: "]"))
    }
}

extension StepDetail {
    fileprivate func append(to json: inout [UInt8]) {
        json.append(json: #"{"id":"#)
        json.append(jsonString: key)
        json.append(json: #","operation":"#)
        json.append(jsonString: operation.rawValue)
        json.append(json: #","status":"#)
        json.append(jsonString: status.rawValue)
        json.append(member: "startedAt", startedAt)
        json.append(member: "endedAt", endedAt)
        json.append(member: "until", due)
        json.append(member: "event", event)
        json.append(member: "signal", signal)
        if let child {
            json.append(json: #","run":"#)
            json.append(jsonString: child.id.text)
            json.append(json: #","function":"#)
            json.append(jsonString: child.function)
        }
        if let copiedFrom {
            json.append(json: #","copiedFrom":"#)
            json.append(jsonString: copiedFrom.text)
        }
        if !attempts.isEmpty {
            json.append(json: #","attempts":"#)
            RunDetail.append(attempts, to: &json)
        }
        if let output {
            json.append(json: #","output":"#)
            json.append(contentsOf: output)
        }
        if status != .completed, let error {
            json.append(json: #","error":"#)
            json.append(contentsOf: error)
        }
        json.append(UInt8(ascii: "}"))
    }
}

extension ReportedProgress {
    fileprivate func append(to json: inout [UInt8]) {
        json.append(json: #"{"#)
        if let step {
            json.append(json: #""step":"#)
            json.append(jsonString: step)
            json.append(UInt8(ascii: ","))
        }
        json.append(json: #""done":"#)
        json.append(json: done)
        json.append(json: #","total":"#)
        json.append(json: total)
        if let message {
            json.append(json: #","message":"#)
            json.append(jsonString: message)
        }
        json.append(UInt8(ascii: "}"))
    }
}
