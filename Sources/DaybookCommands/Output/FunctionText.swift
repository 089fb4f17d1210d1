import DaybookValues

/// Functions, one a line; what is particular about one stands below it.
struct FunctionTable {
    private var table = TextTable(["FUNCTION", "TRIGGERS", "RETRIES", "UNFINISHED", "NEXT TICK"])

    init() {}

    mutating func add(_ function: JSONView) {
        var mark = ""
        if function.member("paused")?.bool == true { mark += " (paused)" }
        if function.member("removed")?.bool == true { mark += " (removed)" }
        table.add([
            function.text("id") + mark, triggerTexts(function).joined(separator: ", "),
            String(function.member("retries")?.integer ?? 0),
            String(function.member("unfinishedRuns")?.integer ?? 0), function.instant("nextTick")?.shownSeconds ?? "",
        ])
        let settings = flowTexts(function)
        if !settings.isEmpty { table.add(note: "  " + settings.joined(separator: " · ")) }
        if let queue = queueText(function) { table.add(note: "  " + queue) }
    }

    var text: String { table.text }
}

/// One function for people, from an object that `functions --json` prints.
func functionText(_ function: JSONView) -> String {
    var state: [String] = []
    if function.member("paused")?.bool == true { state.append("paused") }
    if function.member("removed")?.bool == true { state.append("removed") }
    var lines = ["Function  " + ([function.text("id")] + state).joined(separator: "  ")]
    if function.text("name") != function.text("id") { lines.append("Name      \(function.text("name"))") }
    for (index, trigger) in triggerTexts(function).enumerated() {
        lines.append((index == 0 ? "Triggers  " : "          ") + trigger)
    }
    if function.member("url") != nil { lines.append("URL       \(function.text("url"))") }
    if let next = function.instant("nextTick") { lines.append("Next tick \(next.shownSeconds)") }
    lines.append("Retries   \(function.member("retries")?.integer ?? 0)")
    for (index, setting) in flowTexts(function).enumerated() {
        lines.append((index == 0 ? "Flow      " : "          ") + setting)
    }
    let unfinished = function.member("unfinishedRuns")?.integer ?? 0
    lines.append("Runs      \(unfinished) unfinished" + (queueText(function).map { " · \($0)" } ?? ""))
    if function.member("paused")?.bool == true {
        lines.append("")
        lines.append("It is paused: runs under way are held, and events start no run. `resume` lets it go on.")
    }
    var table = TextTable(["HELD FOR", "KEY", "EVENTS", "SINCE", "DUE"])
    var count = 0
    function.member("holds")?.forEachElement { hold in
        count += 1
        table.add([
            hold.text("for"), hold.member("key") == nil ? "–" : hold.text("key"),
            String(hold.member("events")?.integer ?? 0), hold.instant("firstAt")?.shownSeconds ?? "",
            hold.instant("due")?.shownSeconds ?? "",
        ])
        return true
    }
    if count > 0 {
        lines.append("")
        lines.append(table.text)
        let all = function.member("holdCount")?.integer ?? 0
        if all > count { lines.append("… and \(all - Int64(count)) more") }
    }
    return lines.joined(separator: "\n")
}

/// `7 runs waiting · 3 events held`; nil when there is neither.
private func queueText(_ function: JSONView) -> String? {
    var facts: [String] = []
    if let waiting = function.member("waitingRuns")?.integer, waiting > 0 {
        facts.append("\(waiting) \(waiting == 1 ? "run" : "runs") waiting")
    }
    if let held = function.member("heldEvents")?.integer, held > 0 {
        facts.append("\(held) \(held == 1 ? "event" : "events") held")
    }
    return facts.isEmpty ? nil : facts.joined(separator: " · ")
}

private func triggerTexts(_ function: JSONView) -> [String] {
    var triggers: [String] = []
    function.member("triggers")?.forEachElement { trigger in
        if let cron = trigger.member("cron")?.string {
            let jitter = trigger.member("jitterMilliseconds")?.integer
            let later = jitter.map { ", up to \(durationText(microseconds: $0 * 1_000)) later" } ?? ""
            triggers.append("cron '\(harmless(cron))'\(later)")
        } else {
            let condition = trigger.member("if") == nil ? "" : " if \(trigger.text("if"))"
            triggers.append(trigger.text("event") + condition)
        }
        return true
    }
    return triggers
}
