import DaybookValues

// Flow control in words, from the objects that `--json` prints.

/// Why a run that has something to do does not run: `waiting: concurrency key user-42 (5 of 5)`.
func limitText(_ limit: JSONView) -> String {
    var text = "waiting: "
    let key = limit.member("key") == nil ? "" : " key \(limit.text("key"))"
    switch limit.text("limit") {
    case "concurrency": text += "concurrency\(key)\(scopeText(limit)) (\(countText(limit)))"
    case "runConcurrency": text += "run concurrency\(key)\(scopeText(limit)) (\(countText(limit)))"
    case "throttle":
        text += "throttle\(key)"
        if let until = limit.instant("until") { text += ", next start \(until.shownSeconds)" }
    case "singleton": text += "singleton, run \(limit.text("run")) is not over"
    case "pause": text += "function is paused"
    case let other: text += other
    }
    return text
}

private func countText(_ limit: JSONView) -> String {
    "\(limit.member("used")?.integer ?? 0) of \(limit.member("max")?.integer ?? 0)"
}

/// Who shares a limit, where that is not the function alone.
private func scopeText(_ limit: JSONView) -> String {
    limit.member("scope") == nil ? "" : " in scope \(limit.text("scope"))"
}

/// How a function's runs are limited, put off, merged, ordered and cancelled, each setting in a few words; from the
/// function's object.
func flowTexts(_ function: JSONView) -> [String] {
    var texts: [String] = []
    if let flow = function.member("flow") {
        flow.member("concurrency")?.forEachElement { limit in
            texts.append("concurrency \(number(limit, "limit"))\(by(limit))\(scopeText(limit))")
            return true
        }
        if let limit = flow.member("runConcurrency") {
            texts.append("run concurrency \(number(limit, "limit"))\(by(limit))\(scopeText(limit))")
        }
        if let throttle = flow.member("throttle") {
            let burst = throttle.member("burst") == nil ? "" : ", burst \(number(throttle, "burst"))"
            texts.append("throttle \(number(throttle, "limit")) per \(period(throttle))\(by(throttle))\(burst)")
        }
        if let limit = flow.member("rateLimit") {
            texts.append("rate limit \(number(limit, "limit")) per \(period(limit))\(by(limit))")
        }
        if flow.member("idempotency") != nil { texts.append("idempotency \(flow.text("idempotency"))") }
        if let debounce = flow.member("debounce") {
            let timeout = timeout(debounce).map { ", at most \($0)" } ?? ""
            texts.append("debounce \(period(debounce))\(by(debounce))\(timeout)")
        }
        if let batch = flow.member("batch") {
            let within = timeout(batch).map { " within \($0)" } ?? ""
            texts.append("batch of \(number(batch, "maxSize"))\(within)\(by(batch))\(condition(batch))")
        }
        if flow.member("priority") != nil { texts.append("priority \(flow.text("priority"))") }
        if let singleton = flow.member("singleton") {
            texts.append("singleton (\(singleton.text("mode")))\(by(singleton))")
        }
        flow.member("cancelOn")?.forEachElement { cancel in
            let within = timeout(cancel).map { " within \($0)" } ?? ""
            texts.append("cancel on \(cancel.text("event"))\(within)\(condition(cancel))")
            return true
        }
    }
    for (title, name) in [("start", "startTimeoutMilliseconds"), ("finish", "finishTimeoutMilliseconds")] {
        if let milliseconds = function.member(name)?.integer {
            texts.append("\(title) timeout \(settingText(milliseconds: milliseconds))")
        }
    }
    return texts
}

private func number(_ setting: JSONView, _ name: String) -> String { String(setting.member(name)?.integer ?? 0) }

private func by(_ setting: JSONView) -> String { setting.member("key") == nil ? "" : " by \(setting.text("key"))" }

private func condition(_ setting: JSONView) -> String {
    setting.member("if") == nil ? "" : " if \(setting.text("if"))"
}

private func period(_ setting: JSONView) -> String {
    settingText(milliseconds: setting.member("periodMilliseconds")?.integer ?? 0)
}

private func timeout(_ setting: JSONView) -> String? {
    setting.member("timeoutMilliseconds")?.integer.map { settingText(milliseconds: $0) }
}

/// A length of time as it is written on a command line: `1h30m`, `10s`, `500ms`.
func settingText(milliseconds: Int64) -> String {
    var rest = milliseconds
    var text = ""
    for (unit, length) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)]
        as [(
            String, Int64
        )] where rest >= length
    {
        text += "\(rest / length)\(unit)"
        rest %= length
    }
    return text.isEmpty ? "0s" : text
}
