import DaybookJournal
import DaybookValues

func verifyText(_ report: VerifyReport) -> String {
    var lines: [String] = []
    for severity in [VerifyFinding.Severity.damage, .known, .note] {
        let findings = report.findings.filter { $0.severity == severity }
        lines += findings.map { "\(padded(name(of: severity)))  \(harmless($0.description))" }
        let others = report.count(severity) - findings.count
        if others > 0 { lines.append("\(padded(name(of: severity)))  and \(others) more") }
    }
    if !lines.isEmpty { lines.append("") }
    let range = report.logRecords > 0 ? " (\(report.firstQ) to \(report.lastQ))" : ""
    lines.append(
        "log        \(report.logRecords) records\(range) in \(report.batches) batches, \(report.segments) segments")
    lines.append("streams    \(report.streamRecords) records in \(report.streamFiles) files")
    lines.append("lists      \(report.indexLines) finished runs")
    lines.append("snapshots  \(report.snapshots)")
    lines.append("bytes      \(report.bytes)")
    if report.isSound { lines.append("ok") }
    return lines.joined(separator: "\n")
}

private func name(of severity: VerifyFinding.Severity) -> String {
    switch severity {
    case .damage: "damage"
    case .known: "known"
    case .note: "note"
    }
}

private func padded(_ text: String) -> String {
    text + String(repeating: " ", count: max(0, 6 - text.count))
}

func verifyJSON(_ report: VerifyReport) -> String {
    var json: [UInt8] = []
    for finding in report.findings {
        json.append(json: #"{"severity":"#)
        json.append(jsonString: name(of: finding.severity))
        json.append(json: #","path":"#)
        json.append(jsonString: finding.path)
        json.append(json: #","offset":"#)
        json.append(json: finding.offset)
        json.append(json: #","message":"#)
        json.append(jsonString: finding.message)
        json.append(json: "}\n")
    }
    json.append(json: #"{"ok":"#)
    json.append(json: report.isSound)
    let numbers: [(StaticString, Int)] = [
        ("logRecords", Int(report.logRecords)), ("firstRecord", Int(report.firstQ)), ("lastRecord", Int(report.lastQ)),
        ("batches", report.batches), ("segments", report.segments), ("streamFiles", report.streamFiles),
        ("streamRecords", Int(report.streamRecords)), ("finishedRuns", report.indexLines),
        ("snapshots", report.snapshots), ("bytes", report.bytes), ("damaged", report.count(.damage)),
        ("known", report.count(.known)),
    ]
    for (name, number) in numbers {
        json.append(json: #",""#)
        json.append(json: name)
        json.append(json: #"":"#)
        json.append(json: number)
    }
    json.append(UInt8(ascii: "}"))
    return String(decoding: json, as: UTF8.self)
}
