import DaybookSystem
import DaybookValues
import Logging

/// Writes log messages to standard error, one line each.
struct ConsoleLog: LogHandler {
    let label: String
    let format: LogOptions.Format
    let hasColours: Bool
    let clock: any WallClock
    let write: @Sendable ([UInt8]) -> Void
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?

    init(
        label: String, format: LogOptions.Format, level: Logger.Level, hasColours: Bool,
        clock: any WallClock = SystemWallClock(),
        write: @escaping @Sendable ([UInt8]) -> Void = { Console.write($0, to: 2) }
    ) {
        self.label = label
        self.format = format
        self.hasColours = hasColours
        self.clock = clock
        self.write = write
        logLevel = level
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var all = metadata
        if let provided = metadataProvider?.get() { all.merge(provided) { _, new in new } }
        if let given = event.metadata { all.merge(given) { _, new in new } }
        let facts = all.sorted { $0.key < $1.key }.map { (name: $0.key, value: $0.value.description) }
        var line: [UInt8] = []
        switch format {
        case .text: appendText(event, facts, to: &line)
        case .json: appendJSON(event, facts, to: &line)
        }
        line.append(UInt8(ascii: "\n"))
        write(line)
    }

    private func appendText(_ event: LogEvent, _ facts: [(name: String, value: String)], to line: inout [UInt8]) {
        clock.now.append(to: &line)
        let level = event.level.rawValue
        let padding = String(repeating: " ", count: max(0, 8 - level.utf8.count))
        line.append(UInt8(ascii: " "))
        line.append(contentsOf: (colour(event.level).map { "\u{1B}[\($0)m\(level)\u{1B}[0m" } ?? level).utf8)
        line.append(contentsOf: (padding + " " + harmless(event.message.description)).utf8)
        for (name, value) in facts {
            let shown = harmless(value)
            let isPlain = !shown.isEmpty && !shown.contains { $0 == " " || $0 == "\"" || $0 == "=" }
            line.append(contentsOf: " \(name)=".utf8)
            if isPlain { line.append(contentsOf: shown.utf8) } else { line.append(jsonString: shown) }
        }
    }

    private func appendJSON(_ event: LogEvent, _ facts: [(name: String, value: String)], to line: inout [UInt8]) {
        line.append(json: #"{"time":""#)
        clock.now.append(to: &line)
        line.append(json: #"","level":"#)
        line.append(jsonString: event.level.rawValue)
        line.append(json: #","logger":"#)
        line.append(jsonString: label)
        line.append(json: #","message":"#)
        line.append(jsonString: event.message.description)
        for (name, value) in facts where !["time", "level", "logger", "message"].contains(name) {
            line.append(UInt8(ascii: ","))
            line.append(jsonString: name)
            line.append(UInt8(ascii: ":"))
            line.append(jsonString: value)
        }
        line.append(UInt8(ascii: "}"))
    }

    private func colour(_ level: Logger.Level) -> Int? {
        guard hasColours else { return nil }
        return switch level {
        case .trace, .debug: 2
        case .info: 36
        case .notice: 32
        case .warning: 33
        case .error, .critical: 31
        }
    }
}
