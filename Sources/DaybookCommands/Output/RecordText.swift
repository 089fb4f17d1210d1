import DaybookValues

/// One line of the journal for people; nil for one that says nothing to them.
func recordText(_ line: [UInt8], hasColours: Bool) -> String? {
    guard let record = JSONView(line) else { return nil }
    if let dropped = record.member("droppedBatches")?.integer {
        return "… \(dropped) batches left out: this reader is too slow"
    }
    let kind = record.text("k")
    guard !kind.isEmpty, kind != "run.parked", let time = record.instant("t") else { return nil }
    let clock = time.rfc3339.split(separator: "T").last.map(String.init) ?? ""
    let stream = record.text("s")
    // The end of an id tells runs of the same moment apart.
    let run = stream.hasPrefix("run/") ? String(stream.suffix(6)) : ""
    var text = "\(clock)  \(padded(run, 6))  \(padded(kind, 19))\(factsText(kind, record))"
    while text.last == " " { text.removeLast() }
    guard hasColours, let colour = colour(kind) else { return text }
    return "\u{1B}[\(colour)m\(text)\u{1B}[0m"
}

private func colour(_ kind: String) -> Int? {
    switch kind {
    case "run.completed": 32
    case "run.failed", "run.quarantined", "step.failed", "attempt.failed": 31
    case "run.cancelled", "run.cancelling", "step.interrupted", "function.paused": 33
    case "event.received", "cron.ticked", "run.queued": 36
    default: nil
    }
}

private func factsText(_ kind: String, _ record: JSONView) -> String {
    func until(_ name: String = "due") -> String {
        record.member(name)?.integer.map { Timestamp(milliseconds: $0).shownSeconds } ?? "?"
    }
    func took() -> String {
        record.member("us")?.integer.map { "  \(durationText(microseconds: $0))" } ?? ""
    }
    func again() -> String { record.member("retryAt") == nil ? "" : "; again at \(until("retryAt"))" }
    func error() -> String {
        guard let error = record.member("error") else { return "" }
        return "\(error.text("name")): \(error.text("message"))"
    }
    let attempt = record.member("attempt")?.integer ?? 1
    switch kind {
    case "event.received": return "\(record.text("name"))  \(fateText(record))"
    case "run.queued": return "\(record.text("fn"))  by \(record.text("name"))"
    case "step.completed": return "\(record.text("step"))\(took())\(attempt > 1 ? "  attempt \(attempt)" : "")"
    case "step.failed": return "\(record.text("step"))  attempt \(attempt)\(took())  \(error())\(again())"
    case "step.interrupted": return "\(record.text("step"))  attempt \(attempt)"
    case "sleep.started": return "\(record.text("step"))  until \(until())"
    case "wait.started": return "\(record.text("step"))  for \(record.text("event")), until \(until())"
    case "signal.started": return "\(record.text("step"))  for signal \(record.text("signal")), until \(until())"
    case "defer.added": return "\(record.text("step"))  \(record.text("fn")) is to follow"
    case "defer.aborted": return record.text("step")
    case "run.answered":
        let version = "request version \(record.member("version")?.integer ?? 0)"
        return record.member("plan")?.bool == true ? "\(version), steps are planned" : version
    case "invoke.started": return "\(record.text("step"))  \(record.text("fn")), run \(record.text("child"))"
    case "attempt.failed": return "attempt \(attempt)  \(error())\(again())"
    case "run.failed": return error()
    case "run.cancelled", "run.cancelling", "run.quarantined": return record.text("reason")
    case "cron.ticked":
        return "\(record.text("fn"))  \(until("tick"))\(record.member("run") == nil ? "  skipped" : "")"
    case "cron.scheduled": return "\(record.text("fn"))  next \(until("tick"))"
    case "function.registered": return record.member("config")?.text("id") ?? ""
    case "app.registered":
        guard let app = record.member("config") else { return "" }
        return "\(app.text("id"))  \(app.text("url")), revision \(app.member("revision")?.integer ?? 0)"
    case "app.removed": return record.text("app")
    case "hold.dropped": return droppedText(record)
    case "function.removed", "function.paused", "function.resumed": return record.text("fn")
    case "clock.moved": return durationText(microseconds: (record.member("offset")?.integer ?? 0) * 1_000) + " ahead"
    case "inbox.committed", "inbox.removed": return record.text("claim")
    case "epoch.opened": return "epoch \(record.member("epoch")?.integer ?? 0)"
    default: return ""
    }
}
