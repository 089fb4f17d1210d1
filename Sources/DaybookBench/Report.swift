#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// One line of the table.
struct Figure {
    var name: String
    var value: Double
    var unit: String
    /// The goal, if there is one.
    var least: Double?
    var most: Double?
    var detail: String = ""

    var meetsGoal: Bool { least.map { value >= $0 } ?? true && most.map { value <= $0 } ?? true }

    var goal: String {
        if let least { return "≥ \(number(least))" }
        if let most { return "≤ \(number(most))" }
        return ""
    }
}

/// Prints figures as they come and keeps them for the JSON file.
struct Report {
    private var figures: [Figure] = []

    var isComplete: Bool { figures.allSatisfy(\.meetsGoal) }

    func printHead() {
        printLine(pad("what", 52), pad("measured", 20), pad("goal", 12), "beside it")
    }

    mutating func add(_ figure: Figure) {
        figures.append(figure)
        let value = "\(number(figure.value)) \(figure.unit)"
        let mark = figure.meetsGoal ? "" : "  MISSED"
        printLine(pad(figure.name, 52), pad(value, 20), pad(figure.goal, 12), figure.detail + mark)
    }

    /// The same as one JSON object.
    func write(json path: String) throws {
        var text = "{\"figures\":["
        for (index, figure) in figures.enumerated() {
            if index > 0 { text += "," }
            text += "{\"name\":\"\(figure.name)\",\"value\":\(figure.value),\"unit\":\"\(figure.unit)\""
            if let least = figure.least { text += ",\"least\":\(least)" }
            if let most = figure.most { text += ",\"most\":\(most)" }
            text += ",\"met\":\(figure.meetsGoal),\"detail\":\"\(figure.detail)\"}"
        }
        text += "]}\n"
        guard let file = fopen(path, "w") else { fatal("\(path) cannot be written") }
        defer { fclose(file) }
        fputs(text, file)
    }
}

/// Three or more digits that count, and thousands apart.
func number(_ value: Double) -> String {
    if value >= 100 || value == value.rounded() {
        var digits = String(Int(value.rounded()))
        var index = digits.count - 3
        while index > (value < 0 ? 1 : 0) {
            digits.insert(",", at: digits.index(digits.startIndex, offsetBy: index))
            index -= 3
        }
        return digits
    }
    let scaled = Int((value * 100).rounded())
    let fraction = String(abs(scaled % 100))
    return "\(scaled / 100).\(fraction.count == 1 ? "0" : "")\(fraction)"
}

/// At once, also into a pipe: a row that is there should be seen even if the next one fails.
private func printLine(_ columns: String...) {
    let line = Array((columns.joined(separator: " ") + "\n").utf8)
    _ = line.withUnsafeBytes { write(1, $0.baseAddress, $0.count) }
}

private func pad(_ text: String, _ width: Int) -> String {
    text.count >= width ? text : text + String(repeating: " ", count: width - text.count)
}
