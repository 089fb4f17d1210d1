import DaybookJournal
import DaybookValues

func repairText(_ report: RepairReport) -> String {
    guard !report.actions.isEmpty else {
        return report.after.isSound ? "Nothing to repair." : "Nothing that a repair could do."
    }
    var lines = report.actions.map { action in
        var text = "\(word(for: action.kind, isDryRun: report.isDryRun))  \(harmless(action.path)): "
        text += harmless(action.message)
        if let kept = action.keptAt, !report.isDryRun { text += "\n            as it was: \(harmless(kept))" }
        return text
    }
    lines.append("")
    if !report.affectedRuns.isEmpty {
        lines.append("runs that lost records: " + report.affectedRuns.map(\.text).joined(separator: ", "))
    }
    if !report.lostRecords.isEmpty {
        lines.append("records lost: " + report.lostRecords.prefix(100).map(String.init).joined(separator: ", "))
    }
    if report.affectedRuns.isEmpty, report.lostRecords.isEmpty, !report.isDryRun { lines.append("No record is lost.") }
    if report.isDryRun {
        lines.append("Nothing was changed: this was a dry run.")
    } else if let folder = report.keptIn {
        lines.append("Everything that was taken away is in \(folder)/, and manifest.jsonl there says what is what.")
    }
    if report.after.isSound { lines.append("ok") }
    return lines.joined(separator: "\n")
}

private func word(for kind: RepairAction.Kind, isDryRun: Bool) -> String {
    switch kind {
    case .restored: isDryRun ? "to restore" : "restored  "
    case .rewritten: isDryRun ? "to rewrite" : "rewritten "
    case .movedAside: isDryRun ? "to move   " : "moved     "
    case .noted: isDryRun ? "to note   " : "noted     "
    }
}

func repairJSON(_ report: RepairReport) -> String {
    var json: [UInt8] = []
    for action in report.actions {
        json.append(json: #"{"action":"#)
        json.append(jsonString: action.kind.rawValue)
        json.append(json: #","path":"#)
        json.append(jsonString: action.path)
        json.append(json: #","message":"#)
        json.append(jsonString: action.message)
        if let kept = action.keptAt, !report.isDryRun {
            json.append(json: #","kept":"#)
            json.append(jsonString: kept)
        }
        json.append(json: "}\n")
    }
    json.append(json: #"{"ok":"#)
    json.append(json: report.after.isSound)
    json.append(json: #","dryRun":"#)
    json.append(json: report.isDryRun)
    json.append(json: #","damagedBefore":"#)
    json.append(json: report.before.count(.damage))
    json.append(json: #","damaged":"#)
    json.append(json: report.after.count(.damage))
    json.append(json: #","runs":["#)
    for (index, run) in report.affectedRuns.enumerated() {
        if index > 0 { json.append(UInt8(ascii: ",")) }
        json.append(jsonString: run.text)
    }
    json.append(json: #"],"lostRecords":["#)
    for (index, q) in report.lostRecords.enumerated() {
        if index > 0 { json.append(UInt8(ascii: ",")) }
        json.append(json: Int(q))
    }
    json.append(json: "]")
    if let folder = report.keptIn, !report.isDryRun {
        json.append(json: #","keptIn":"#)
        json.append(jsonString: folder)
    }
    json.append(UInt8(ascii: "}"))
    return String(decoding: json, as: UTF8.self)
}
