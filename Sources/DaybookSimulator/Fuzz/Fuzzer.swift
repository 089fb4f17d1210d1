/// Runs a target on mutated inputs, each of which follows from the target's corpus and one number.
package enum Fuzzer {
    /// The input of a seed.
    package static func input(_ seed: UInt64, for target: FuzzTarget, corpus: [[UInt8]]) -> [UInt8] {
        var mutator = Mutator(seed: seed)
        return mutator.input(from: corpus, tokens: target.tokens, bytesMax: target.bytesMax)
    }

    /// Runs a target on one input for each seed.
    ///
    /// - Parameters:
    ///   - corpus: the same inputs in the same order bring the same mutations again.
    ///   - willRun: called before each input, with its seed: an input that ends the process is known by it.
    package static func run(
        _ target: FuzzTarget, corpus: [[UInt8]], seeds: Range<UInt64>, willRun: (UInt64) -> Void = { _ in }
    ) -> SweepReport {
        var report = SweepReport(name: "fuzz " + target.name)
        for seed in seeds {
            willRun(seed)
            let input = input(seed, for: target, corpus: corpus)
            report.cases += 1
            do {
                try target.run(input)
                report.count("held")
            } catch {
                report.count("violated")
                report.violation("fuzz target \(target.name), seed \(seed): \(error); the input was \(shown(input))")
            }
        }
        return report
    }
}
