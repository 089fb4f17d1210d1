import DaybookSimulator
import DaybookSystem

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Runs fuzz targets: `scripts/fuzz` is what people call.
@main struct DaybookFuzz {
    private static let usage = """
        usage: DaybookFuzz list                          the targets
               DaybookFuzz replay TARGET FILE…           runs a target on the content of files
               DaybookFuzz mutate TARGET DIRECTORY FROM TO [SECONDS]
                                                         runs a target on the inputs of a range of seeds, made from
                                                         Tests/Fuzz in DIRECTORY
               DaybookFuzz input TARGET DIRECTORY SEED   writes the input of a seed to standard output
               DaybookFuzz guided TARGET OPTION…         libFuzzer, with its own options, where it was built in

        """

    static func main() {
        let arguments = Array(CommandLine.arguments.dropFirst())
        do {
            switch arguments.first {
            case "list" where arguments.count == 1: listTargets()
            case "replay" where arguments.count >= 3: try replay(target(arguments[1]), arguments[2...])
            case "mutate" where arguments.count >= 5:
                guard let from = UInt64(arguments[3]), let to = UInt64(arguments[4]), from <= to else { fail(usage) }
                let seconds = arguments.count > 5 ? UInt64(arguments[5]) : nil
                try mutate(target(arguments[1]), arguments[2], from..<to, seconds: seconds)
            case "input" where arguments.count == 4:
                guard let seed = UInt64(arguments[3]) else { fail(usage) }
                let target = target(arguments[1])
                let corpus = try FuzzCorpus(directory: arguments[2]).inputs(of: target).map(\.bytes)
                let input = Fuzzer.input(seed, for: target, corpus: corpus)
                input.withUnsafeBufferPointer { TrapNote.put($0, to: STDOUT_FILENO) }
            case "guided" where arguments.count >= 2: Guided.run(target(arguments[1]))
            default: fail(usage)
            }
        } catch {
            fail("\(error)\n")
        }
    }

    private static func listTargets() {
        for target in FuzzTargets.all { print(target.name, target.corpus) }
    }

    private static func target(_ name: String) -> FuzzTarget {
        guard let target = FuzzTargets.named(name) else {
            fail("there is no target '\(name)'; there are \(FuzzTargets.all.map(\.name).joined(separator: ", "))\n")
        }
        return target
    }

    private static func replay(_ target: FuzzTarget, _ paths: ArraySlice<String>) throws {
        for path in paths {
            let parent = parentPath(path)
            let disk = try RealDisk(root: path.hasPrefix("/") && parent.isEmpty ? "/" : parent.isEmpty ? "." : parent)
            let name = String(path[(path.lastIndex(of: "/").map(path.index(after:)) ?? path.startIndex)...])
            guard let bytes = try disk.contents(of: name) else { fail("there is no file \(path)\n") }
            try target.run(bytes)
            print("held:", path)
        }
    }

    /// Runs seed after seed, in pieces, so that it can say how far it came.
    private static func mutate(
        _ target: FuzzTarget, _ directory: String, _ seeds: Range<UInt64>, seconds: UInt64?
    ) throws {
        let corpus = try FuzzCorpus(directory: directory).inputs(of: target).map(\.bytes)
        TrapNote.install(target.name)
        let clock = ContinuousClock()
        let start = clock.now
        var report = SweepReport(name: target.name)
        var next = seeds.lowerBound
        while next < seeds.upperBound {
            if let seconds, clock.now - start > .seconds(Int64(clamping: seconds)) { break }
            let end = min(next + 64, seeds.upperBound)
            report.merge(
                Fuzzer.run(target, corpus: corpus, seeds: next..<end) { TrapNote.note(seed: $0) })
            next = end
        }
        for violation in report.violations.prefix(20) { print(violation) }
        let took = clock.now - start
        let milliseconds = max(1, took.components.seconds * 1_000 + took.components.attoseconds / 1_000_000_000_000_000)
        print(
            "\(target.name): \(report.cases) inputs, \(Int64(report.cases) * 1_000 / milliseconds) a second,",
            "\(report.counts["violated"] ?? 0) violations")
        if report.counts["violated"] != nil { exit(1) }
    }

    static func fail(_ message: String) -> Never {
        say(message)
        exit(64)
    }

    /// To standard error.
    static func say(_ message: String) {
        var message = message
        message.withUTF8 { TrapNote.put($0) }
    }
}
