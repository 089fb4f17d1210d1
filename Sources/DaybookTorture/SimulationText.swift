import DaybookSimulator
import DaybookValues

/// What simulated worlds came to, for people and for programs.
enum SimulationText {
    static func text(
        _ counts: SimulationCounts, _ broken: [Simulation.Result], seconds: Double, threads: Int
    ) -> String {
        func line(_ name: String, _ value: Int, _ rest: String = "") -> String {
            "  " + name.padding(to: 34) + Output.number(value) + rest
        }
        let rate = Int(Double(counts.seeds) / max(seconds, 0.001))
        var lines = [
            "simulated worlds: \(Output.number(counts.seeds)) in \(Int(seconds)) s on \(threads) threads (\(Output.number(rate)) a second)",
            line("things that happened", counts.happenings, ", \(counts.happenings / max(1, counts.seeds)) a world"),
            line("crashes", counts.crashes, " in \(Output.number(counts.starts)) starts"),
            line("clean stops", counts.cleanStops),
            line("disk operations", counts.diskOperations),
            line("events acknowledged", counts.eventsAcknowledged),
            line("  found in the journal, once", counts.eventsFound),
            line("events of inbox files found, once", counts.fileEventsFound),
            line("records", counts.records),
            line("runs", counts.runs),
            line("  compared with their programs", counts.runsChecked),
            line("step results", counts.steps),
            line("bodies that ran", counts.bodies),
            line("ticks", counts.ticks),
            line("recovered states compared", counts.statesCompared, ", byte for byte"),
            line("verifications", counts.verifications),
            line("starts after damage", counts.damagedStarts, ", \(counts.damagedRefusals) refused"),
            line("runs set aside after two deaths", counts.setAsideAfterTwoDeaths, " at one record of theirs"),
            "faults:",
        ]
        for kind in FaultKind.allCases { lines.append(line(kind.name, counts.faults[kind] ?? 0)) }
        lines.append("flow control:")
        for kind in FlowKind.allCases { lines.append(line(kind.name, counts.flow[kind] ?? 0)) }
        lines.append("violations: \(broken.count)")
        for result in broken.prefix(20) { lines.append("  seed \(result.seed): \(result.violations[0])") }
        return lines.joined(separator: "\n")
    }

    static func json(_ counts: SimulationCounts, _ broken: [Simulation.Result], seconds: Double) -> String {
        let numbers = [
            ("seeds", counts.seeds), ("seconds", Int(seconds)), ("happenings", counts.happenings),
            ("crashes", counts.crashes), ("starts", counts.starts), ("cleanStops", counts.cleanStops),
            ("diskOperations", counts.diskOperations), ("eventsAcknowledged", counts.eventsAcknowledged),
            ("eventsFound", counts.eventsFound), ("fileEventsFound", counts.fileEventsFound),
            ("records", counts.records), ("runs", counts.runs), ("runsChecked", counts.runsChecked),
            ("steps", counts.steps), ("bodies", counts.bodies), ("ticks", counts.ticks),
            ("statesCompared", counts.statesCompared), ("verifications", counts.verifications),
            ("damagedStarts", counts.damagedStarts), ("damagedRefusals", counts.damagedRefusals),
            ("setAsideAfterTwoDeaths", counts.setAsideAfterTwoDeaths),
        ].map { "\"\($0.0)\":\($0.1)" }
        let faults = FaultKind.allCases.map { "\"\($0.rawValue)\":\(counts.faults[$0] ?? 0)" }
        let flow = FlowKind.allCases.map { "\"\($0.rawValue)\":\(counts.flow[$0] ?? 0)" }
        let violations = broken.map { "{\"seed\":\($0.seed),\"violation\":\(quoted($0.violations[0]))}" }
        return "{" + numbers.joined(separator: ",") + ",\"faults\":{" + faults.joined(separator: ",")
            + "},\"flow\":{" + flow.joined(separator: ",") + "},\"violations\":[" + violations.joined(separator: ",")
            + "]}"
    }
}

/// As a JSON string.
func quoted(_ text: String) -> String {
    var bytes: [UInt8] = []
    bytes.append(jsonString: text)
    return String(decoding: bytes, as: UTF8.self)
}
