import DaybookSystem

/// Whole-system measurements, each beside what the disk does with the same bytes.
///
/// `daybook-bench [--json FILE] [--directory DIR] [--only ROW] [--binary FILE] [--megabytes N]`: the last is the size of
/// the directory that the row `verify` makes, 256 unless said otherwise.
@main
struct Bench {
    static func main() async throws {
        var arguments = Array(CommandLine.arguments.dropFirst())
        func option(_ name: String) -> String? {
            guard let index = arguments.firstIndex(of: name), index + 1 < arguments.count else { return nil }
            defer { arguments.removeSubrange(index...index + 1) }
            return arguments[index + 1]
        }
        let json = option("--json")
        let root = option("--directory") ?? ".build/bench"
        let only = option("--only")
        let binary = option("--binary")
        let megabytes = option("--megabytes").map { Int($0) ?? 0 } ?? 256
        guard megabytes > 0 else { fatal("--megabytes wants a whole number from 1 on") }
        guard arguments.isEmpty else {
            fatal(
                "unknown argument '\(arguments[0])'; known are --json FILE, --directory DIR, --only ROW, --binary FILE, --megabytes N"
            )
        }
        /// The program that the rows over HTTP start.
        func server() -> String {
            guard let binary else { fatal("this row needs --binary FILE, the daybook program") }
            return binary
        }
        var report = Report()
        let rows: [(name: String, measure: (String) async throws -> [Figure])] = [
            ("sequential", { try await stepFigures($0, "sequential", runs: 1, steps: 10_000, goal: .rawShare(0.6)) }),
            ("concurrent", { try await stepFigures($0, "concurrent", runs: 1_000, steps: 100, goal: .steps(150_000)) }),
            ("inbox", { try await inboxFigures($0) }),
            ("sleeping", { try await sleepFigures($0) }),
            ("verify", { try verifyFigures($0, bytes: megabytes << 20) }),
            ("expression", { _ in try expressionFigures() }),
            ("flow", { _ in try flowFigures() }),
            ("http", { try httpFigures($0, binary: server()) }),
            ("app", { try appFigures($0, binary: server()) }),
            ("idle", { try idleFigures($0, binary: server()) }),
        ]
        if let only, !rows.contains(where: { $0.name == only }) {
            fatal("there is no row '\(only)'; the rows are \(rows.map(\.name).joined(separator: ", "))")
        }
        report.printHead()
        for row in rows where only == nil || only == row.name {
            let directory = "\(root)/\(row.name)"
            try removeTree(directory)
            for figure in try await row.measure(directory) { report.add(figure) }
            try removeTree(directory)
        }
        if let binary { report.add(try sizeFigure(of: binary)) }
        if let json { try report.write(json: json) }
        if !report.isComplete { fatal("a goal was missed") }
    }

    enum StepGoal {
        case rawShare(Double)
        case steps(Double)
    }

    private static func stepFigures(
        _ directory: String, _ name: String, runs: Int, steps: Int, goal: StepGoal
    ) async throws -> [Figure] {
        let m = try await measureSteps(directory: directory, runs: runs, steps: steps)
        let raw = try measureRaw(directory: directory, flushes: m.flushes, bytes: m.bytes)
        let rate = Double(m.steps) / m.seconds
        let share = raw / m.seconds
        let detail =
            "\(m.flushes) flushes of \(m.bytes / max(1, m.flushes)) B; the disk alone: \(number(Double(m.steps) / raw)) steps/s"
        let cpu = Figure(
            name: "\(name): processor time", value: m.processorSeconds * 1e6 / Double(m.steps), unit: "µs/step")
        let what =
            runs == 1 ? "one run of \(number(Double(steps))) steps" : "\(number(Double(runs))) runs of \(steps) steps"
        switch goal {
        case .rawShare(let least):
            return [
                Figure(name: "\(name): \(what)", value: rate, unit: "steps/s", detail: detail),
                Figure(name: "\(name): share of the raw flush rate", value: share, unit: "", least: least), cpu,
            ]
        case .steps(let least):
            return [
                Figure(name: "\(name): \(what)", value: rate, unit: "steps/s", least: least, detail: detail), cpu,
            ]
        }
    }

    private static func sleepFigures(_ directory: String) async throws -> [Figure] {
        let m = try await measureSleeping(directory: directory, runs: 100_000)
        return [
            Figure(
                name: "sleeping: 100,000 runs, memory each", value: m.bytesPerRun, unit: "B", most: 1_024,
                detail:
                    "the process: \(number(Double(m.residentBytes) / 1e6)) MB; all asleep after \(number(m.seconds)) s"),
            Figure(
                name: "recovery of 100,000 unfinished runs", value: m.recoverySeconds, unit: "s", most: 2,
                detail: "\(number(Double(m.recoveredRecords))) records replayed"),
        ]
    }
}
