import DaybookValues

/// One run for people, from the object that `show --json` prints.
func runText(_ run: JSONView) -> String {
    var lines = ["Run       \(run.text("id"))  \(run.text("status"))"]
    if let limit = run.member("waitingFor") { lines.append("          \(limitText(limit))") }
    lines.append("Function  \(run.text("function"))")
    switch run.text("cause") {
    case "cron": lines.append("Cause     cron")
    case "invoke": lines.append("Cause     invoked by step \(run.text("parentStep")) of run \(run.text("parent"))")
    case "retry": lines.append("Cause     retry of run \(run.text("retryOf"))")
    default: break
    }
    lines += eventLines(run)
    if let priority = run.member("priority")?.integer { lines.append("Priority  \(priority)") }
    run.member("problems")?.forEachElement { problem in
        lines.append("Problem   \(harmless(problem.string ?? ""))")
        return true
    }
    for (title, name) in [("Queued", "queuedAt"), ("Starts", "startAt"), ("Started", "startedAt")] {
        guard name != "startAt" || run.member("startedAt") == nil, let instant = run.instant(name) else { continue }
        lines.append(padded(title, 10) + instant.rfc3339)
    }
    if let ended = run.instant("endedAt") {
        let took = run.instant("startedAt").map { "  (took \(durationText(microseconds: (ended - $0) * 1_000)))" } ?? ""
        lines.append("Ended     \(ended.rfc3339)\(took)")
    }
    run.member("progress")?.forEachElement { report in
        lines.append("Progress  \(progressText(report))")
        return true
    }
    var steps: [JSONView] = []
    run.member("steps")?.forEachElement { step in
        steps.append(step)
        return true
    }
    if !steps.isEmpty {
        lines.append("")
        lines.append("Steps")
        let width = min(40, steps.map { $0.text("id").count }.max() ?? 0)
        for step in steps { lines += stepLines(step, width: width) }
    }
    if let attempts = run.member("failedAttempts") {
        lines.append("")
        lines.append("Failed attempts of the code between steps")
        attempts.forEachElement { attempt in
            lines.append("  " + attemptText(attempt))
            return true
        }
    }
    if let deferred = run.member("deferred") {
        lines.append("")
        lines.append(run.member("endedAt") == nil ? "To follow when it has ended" : "Followed when it had ended")
        deferred.forEachElement { deferred in
            let isAborted = deferred.member("aborted")?.bool ?? false
            lines.append("  \(deferred.text("step"))  \(deferred.text("function"))\(isAborted ? "  aborted" : "")")
            return true
        }
    }
    let ends = [
        ("Output", "output"), ("Error", "error"), ("Reason", "reason"), ("Postponed", "postponed"),
        ("Damage", "damage"),
    ]
    for (title, name) in ends {
        guard let value = run.member(name) else { continue }
        if lines.last?.isEmpty == false, title == ends.first(where: { run.member($0.1) != nil })?.0 { lines.append("") }
        lines.append(padded(title, 10) + (name == "error" ? errorText(value) : valueText(value, name)))
        if name == "error", let stack = value.member("stack")?.string {
            for line in stack.split(separator: "\n").prefix(20) {
                lines.append("            \(harmless(String(line)))")
            }
        }
    }
    return lines.joined(separator: "\n")
}

/// The event a run was given; of a batch, how many there are and which.
private func eventLines(_ run: JSONView) -> [String] {
    guard run.member("eventName") != nil else { return [] }
    guard let events = run.member("events") else {
        let data = run.member("event")?.member("data").map { ["          \(jsonText($0))"] } ?? []
        return ["Event     \(run.text("eventName"))"] + data
    }
    var ids: [String] = []
    events.forEachElement { event in
        ids.append(event.text("id"))
        return true
    }
    let shown = ids.prefix(batchIDsMax).map { "          \($0)" }
    let rest =
        ids.count > shown.count ? ["          … and \(ids.count - shown.count) more; --json shows all of them"] : []
    return ["Events    \(ids.count), first \(run.text("eventName"))"] + shown + rest
}

/// Ids of a batch's events that are shown.
private let batchIDsMax = 20

/// `12 of 200  importing`, for a step with its name.
private func progressText(_ report: JSONView) -> String {
    let count = "\(report.member("done")?.integer ?? 0) of \(report.member("total")?.integer ?? 0)"
    return ["step", "message"].reduce(into: count) { text, name in
        if report.member(name) != nil { text += "  " + (name == "step" ? "in step " : "") + report.text(name) }
    }
}

private func valueText(_ value: JSONView, _ name: String) -> String {
    name == "output" ? jsonText(value) : harmless(value.string ?? "")
}

private func stepLines(_ step: JSONView, width: Int) -> [String] {
    var facts: [String] = []
    let operation = step.text("operation")
    var attempts: [JSONView] = []
    step.member("attempts")?.forEachElement { attempt in
        attempts.append(attempt)
        return true
    }
    if let duration = attempts.last?.member("durationMicroseconds")?.integer {
        facts.append(durationText(microseconds: duration))
    } else if operation != "run", let start = step.instant("startedAt"), let end = step.instant("endedAt") {
        facts.append(durationText(microseconds: (end - start) * 1_000))
    }
    if attempts.count > 1 { facts.append("\(attempts.count) attempts") }
    if step.member("signal") != nil { facts.append("for signal \(step.text("signal"))") }
    if step.member("event") != nil { facts.append("for \(step.text("event"))") }
    if step.member("run") != nil { facts.append("run \(step.text("run"))") }
    if step.text("status") == "waiting", let until = step.instant("until") {
        facts.append("until \(until.shownSeconds)")
    }
    if step.member("copiedFrom") != nil { facts.append("kept from run \(step.text("copiedFrom"))") }
    var line = "  \(padded(step.text("id"), width))  \(padded(operation, 6))  \(padded(step.text("status"), 9))"
    if !facts.isEmpty { line += "  " + facts.joined(separator: ", ") }
    while line.last == " " { line.removeLast() }
    var lines = [line]
    if attempts.count > 1 || attempts.last?.member("error") != nil {
        for attempt in attempts { lines.append("      " + attemptText(attempt)) }
    } else if let error = step.member("error") {
        lines.append("      error  \(errorText(error))")
    }
    if let output = step.member("output"), operation != "sleep" { lines.append("      output \(jsonText(output))") }
    return lines
}

private func attemptText(_ attempt: JSONView) -> String {
    var text = "attempt \(attempt.member("attempt")?.integer ?? 0) \(attempt.text("status"))"
    if let duration = attempt.member("durationMicroseconds")?.integer {
        text += " after \(durationText(microseconds: duration))"
    }
    if let error = attempt.member("error") { text += ": \(errorText(error))" }
    if let retryAt = attempt.instant("retryAt") { text += "; again at \(retryAt.shownSeconds)" }
    return text
}

private func errorText(_ error: JSONView) -> String {
    let (name, message) = (error.text("name"), error.text("message"))
    if name.isEmpty, message.isEmpty { return jsonText(error) }
    return name.isEmpty ? message : message.isEmpty ? name : "\(name): \(message)"
}

/// Raw JSON of at most 2,000 characters.
func jsonText(_ value: JSONView) -> String {
    let text = harmless(String(decoding: value.slice, as: UTF8.self))
    guard text.count > 2_000 else { return text }
    return "\(text.prefix(2_000))… (\(value.range.count) bytes; --json shows all of it)"
}

func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
}
