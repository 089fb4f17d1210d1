import ArgumentParser
import DaybookSimulator
import Synchronization

struct FuzzCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fuzz", abstract: "Feed mutated inputs to everything that reads bytes from outside.",
        discussion: """
            The inputs follow from the corpus and a number, so that each can be made again. scripts/fuzz runs the same \
            targets with libFuzzer.
            """)

    @Argument(help: "Which targets; the default is all of them.") var names: [String] = []
    @Option(help: "Inputs for each target.") var inputs: Int = 10_000
    @Option(help: "The number of the first input.") var first: Int = 1
    @Option(help: "The directory with Corpus and Regressions.") var corpus = "Tests/Fuzz"
    @OptionGroup var shared: SharedOptions

    func validate() throws {
        guard inputs >= 1, first >= 0 else { throw ValidationError("--inputs and --first must be positive") }
        for name in names where FuzzTargets.named(name) == nil {
            throw ValidationError(
                "there is no fuzz target '\(name)'; there are \(FuzzTargets.all.map(\.name).joined(separator: ", "))")
        }
    }

    func run() throws {
        let targets = names.isEmpty ? FuzzTargets.all : names.compactMap(FuzzTargets.named)
        let corpus = try FuzzCorpus(directory: corpus)
        var isBroken = false
        for target in targets {
            let seeds = try corpus.inputs(of: target).map(\.bytes)
            guard !seeds.isEmpty else {
                throw ValidationError(
                    "\(self.corpus) has no inputs for '\(target.name)'; name Tests/Fuzz with --corpus")
            }
            let progress = ProgressLine("fuzz \(target.name)", of: inputs)
            let result = Mutex(SweepReport(name: "fuzz \(target.name)"))
            let pieces = 64
            let piece = (inputs + pieces - 1) / pieces
            let (first, inputs) = (first, inputs)
            let work = Parallel(0..<pieces)
            work.run(threads: shared.threads) { number in
                let start = number * piece
                let end = min(start + piece, inputs)
                guard start < end else { return }
                let report = Fuzzer.run(target, corpus: seeds, seeds: UInt64(first + start)..<UInt64(first + end))
                let done = result.withLock { result in
                    result.merge(report)
                    return result.cases
                }
                progress.show(done)
            }
            progress.end()
            let report = result.withLock { $0 }
            Output.print(
                shared.json
                    ? SweepText.json(report, seconds: progress.seconds)
                    : SweepText.text(report, seconds: progress.seconds))
            isBroken = isBroken || !report.violations.isEmpty
        }
        if isBroken { throw ExitCode(1) }
    }
}
