import DaybookSystem

@main
struct Bench {
    static func main() async throws {
        let arguments = CommandLine.arguments
        let root = arguments.count > 1 ? arguments[1] : ".build/bench"
        for (runs, steps) in arguments.count > 2
            ? [(Int(arguments[2]) ?? 1, Int(arguments[3]) ?? 1)] : [(1, 10_000), (1_000, 100)]
        {
            let directory = "\(root)/steps-\(runs)"
            let m = try await measureSteps(directory: directory, runs: runs, steps: steps)
            let raw = try measureRaw(directory: directory, flushes: m.flushes, bytes: m.bytes)
            print(
                runs, steps, Int(Double(m.steps) / m.seconds), "steps/s; cpu us/step",
                m.processorSeconds * 1e6 / Double(m.steps), "flushes", m.flushes, "bytes", m.bytes, "raw ratio",
                raw / m.seconds)
        }
    }
}
