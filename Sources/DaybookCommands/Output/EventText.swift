import DaybookValues

/// One event for people, from the object that `show --json` prints.
func eventText(_ event: JSONView) -> String {
    var lines = ["Event     \(event.text("id"))  \(event.text("name"))"]
    if event.member("key") != nil { lines.append("Id        \(event.text("key"))") }
    if let data = event.member("event")?.member("data") { lines.append("Data      \(jsonText(data))") }
    if let received = event.instant("receivedAt") { lines.append("Received  \(received.rfc3339)") }
    if let happened = event.instant("ts"), happened != event.instant("receivedAt") {
        lines.append("Happened  \(happened.rfc3339)")
    }
    for (title, name) in [("Started", "runs"), ("Resumed", "resumed"), ("Cancelled", "cancelled")] {
        for (index, run) in texts(event, name).enumerated() {
            lines.append(padded(index == 0 ? title : "", 10) + "run \(run)")
        }
    }
    event.member("held")?.forEachElement { held in
        lines.append("Held      " + heldText(held))
        return true
    }
    let dropped = droppedTexts(event)
    for text in dropped { lines.append("No run    \(text)") }
    if dropped.isEmpty, texts(event, "runs").isEmpty, event.member("held") == nil {
        lines.append("No run    no function is started by it")
    }
    return lines.joined(separator: "\n")
}

/// What became of an event, in a few words: `2 runs`, `no run: rate-limited (shop-mail, rate limit, key u1)`.
func fateText(_ event: JSONView) -> String {
    var facts: [String] = []
    let started = texts(event, "runs").count
    if started > 0 { facts.append("\(started) \(started == 1 ? "run" : "runs")") }
    let resumed = texts(event, "resumed").count
    if resumed > 0 { facts.append("\(resumed) resumed") }
    let cancelled = texts(event, "cancelled").count
    if cancelled > 0 { facts.append("\(cancelled) cancelled") }
    event.member("held")?.forEachElement { held in
        facts.append("held for a " + heldText(held))
        return true
    }
    let dropped = droppedTexts(event)
    if !dropped.isEmpty { facts.append("no run: " + dropped.joined(separator: "; ")) }
    return facts.isEmpty ? "0 runs" : facts.joined(separator: ", ")
}

/// Why functions did not start: `rate-limited (shop-mail, rate limit, key u1)`.
func droppedTexts(_ event: JSONView) -> [String] {
    var texts: [String] = []
    event.member("dropped")?.forEachElement { dropped in
        texts.append(droppedText(dropped))
        return true
    }
    return texts
}

func droppedText(_ dropped: JSONView) -> String {
    // What it says of a pause is the reason itself.
    let detail = dropped.text("why") == "paused" ? "" : dropped.text("detail")
    return "\(dropped.text("why")) (\(functionName(dropped))\(detail.isEmpty ? "" : ", \(detail)"))"
}

private func heldText(_ held: JSONView) -> String {
    let key = held.member("key") == nil ? "" : ", key \(held.text("key"))"
    let instant =
        held.instant("due") ?? held.member("due")?.integer.map { Timestamp(milliseconds: $0) }
    let due = instant.map { ", due \($0.shownSeconds)" } ?? ""
    return "\(held.text("for")) (\(functionName(held))\(key)\(due))"
}

/// The journal says `fn` where answers say `function`.
private func functionName(_ part: JSONView) -> String {
    part.member("function") == nil ? part.text("fn") : part.text("function")
}

private func texts(_ event: JSONView, _ name: String) -> [String] {
    var texts: [String] = []
    event.member(name)?.forEachElement { element in
        texts.append(harmless(element.string ?? ""))
        return true
    }
    return texts
}
