import DaybookJournal
import DaybookValues

func verifyText(_ report: VerifyReport) -> String {
    var lines = report.findings.map { finding in
        "\(finding.severity == .damage ? "damage" : "note  ")  \(harmless(finding.description))"
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

func verifyJSON(_ report: VerifyReport) -> String {
    var json: [UInt8] = []
    for finding in report.findings {
        json.append(json: #"{"severity":"#)
        json.append(jsonString: finding.severity == .damage ? "damage" : "note")
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
        ("snapshots", report.snapshots), ("bytes", report.bytes),
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
