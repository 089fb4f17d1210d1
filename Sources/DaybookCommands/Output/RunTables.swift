import DaybookValues

/// Columns as wide as their widest cell.
struct TextTable {
    private enum Row {
        case cells([String])
        /// A line of its own, as wide as it is.
        case note(String)
    }

    private var rows: [Row] = []

    init(_ header: [String]) {
        rows = [.cells(header)]
    }

    mutating func add(_ cells: [String]) {
        rows.append(.cells(cells))
    }

    mutating func add(note: String) {
        rows.append(.note(note))
    }

    var text: String {
        var widths: [Int] = []
        for case .cells(let cells) in rows {
            for (column, cell) in cells.enumerated() {
                if column == widths.count { widths.append(0) }
                widths[column] = max(widths[column], cell.count)
            }
        }
        return rows.map { row in
            switch row {
            case .note(let note): return note
            case .cells(let cells):
                var line = ""
                for (column, cell) in cells.enumerated() {
                    line += cell
                    if column < cells.count - 1 {
                        line += String(repeating: " ", count: widths[column] - cell.count + 2)
                    }
                }
                return line.trimmedEnd
            }
        }.joined(separator: "\n")
    }
}

extension String {
    fileprivate var trimmedEnd: String {
        var text = self[...]
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}

/// Runs, one a line.
struct RunTable {
    private var table = TextTable(["RUN", "FUNCTION", "STATUS", "QUEUED", "TOOK", "STEPS", "WAITS FOR"])
    private var isEmpty = true

    init() {}

    mutating func add(_ row: JSONView) {
        isEmpty = false
        let queued = row.instant("queuedAt")
        let ended = row.instant("endedAt")
        table.add([
            row.text("id"), row.text("function"), row.text("status"), queued?.shownSeconds ?? "",
            ended.flatMap { end in row.instant("startedAt").map { durationText(microseconds: (end - $0) * 1_000) } }
                ?? "",
            String(row.member("steps")?.integer ?? 0), waits(row),
        ])
    }

    private func waits(_ row: JSONView) -> String {
        var texts: [String] = []
        if let limit = row.member("waitingFor") { texts.append(limitText(limit)) }
        if let retryAt = row.instant("retryAt") {
            let failure = row.member("lastFailure") == nil ? "" : " after '\(row.text("lastFailure").prefix(80))'"
            texts.append("its next attempt at \(retryAt.shownSeconds)\(failure)")
        }
        row.member("waiting")?.forEachElement { wait in
            texts.append(waitText(wait))
            return texts.count < 3
        }
        return texts.joined(separator: ", ")
    }

    var text: String { isEmpty ? "There are no such runs." : table.text }
}

/// What a step waits for.
private func waitText(_ wait: JSONView) -> String {
    let until = wait.instant("until")?.shownSeconds ?? ""
    let step = wait.text("step")
    return switch wait.text("for") {
    case "sleep": "\(step) (until \(until))"
    case "wait": "\(step) (\(wait.text("event")), until \(until))"
    case "signal": "\(step) (signal \(wait.text("signal")), until \(until))"
    case "invoke": "\(step) (run \(wait.text("run")))"
    default: "\(step) (attempt \(wait.member("attempt")?.integer ?? 0) at \(until))"
    }
}

extension JSONView {
    /// A member's text, harmless; empty when there is none.
    func text(_ name: String) -> String { harmless(member(name)?.string ?? "") }

    func instant(_ name: String) -> Timestamp? { member(name)?.string.flatMap { Timestamp(rfc3339: $0) } }
}

extension Timestamp {
    /// `2026-11-21 08:00:00Z`
    var shownSeconds: String {
        let text = Timestamp(milliseconds: milliseconds - ((milliseconds % 1_000) + 1_000) % 1_000).rfc3339Short
        return text.split(separator: "T").joined(separator: " ")
    }
}

/// `12 µs`, `3.4 ms`, `2.35 s`, `4 min 5 s`, `3 h 2 min`, `5 d 3 h`
func durationText(microseconds: Int64) -> String {
    func decimal(_ value: Int64, of unit: Int64, digits: Int) -> String {
        let scale: Int64 = digits == 2 ? 100 : 10
        let scaled = value * scale / unit
        let fraction = String(scaled % scale)
        let padded = String(repeating: "0", count: digits - fraction.count) + fraction
        return "\(scaled / scale).\(padded)"
    }
    let value = max(0, microseconds)
    switch value {
    case ..<1_000: return "\(value) µs"
    case ..<1_000_000: return decimal(value, of: 1_000, digits: 1) + " ms"
    case ..<60_000_000: return decimal(value, of: 1_000_000, digits: 2) + " s"
    default: break
    }
    let seconds = value / 1_000_000
    switch seconds {
    case ..<3_600: return "\(seconds / 60) min \(seconds % 60) s"
    case ..<86_400: return "\(seconds / 3_600) h \(seconds % 3_600 / 60) min"
    default: return "\(seconds / 86_400) d \(seconds % 86_400 / 3_600) h"
    }
}
