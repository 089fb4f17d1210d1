import ArgumentParser
import DaybookSimulator
import Synchronization

struct SimulateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate", abstract: "Play simulated worlds, one for each seed.")

    @Option(help: "How many worlds.") var seeds: UInt64 = 1_000
    @Option(help: "The first seed.") var first: UInt64 = 1
    @Option(help: "Threads; the default is one for each core.") var threads: Int = 2

    func run() throws {
        var counts = SimulationCounts()
        for seed in first..<first + seeds {
            let result = Simulation(seed: seed).run()
            counts.merge(result.counts)
            if !result.violations.isEmpty {
                print("seed \(seed): \(result.violations[0])")
            }
        }
        print(counts)
    }
}

struct ReplayCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay", abstract: "Play one world again and tell its history.")
    @Argument(help: "The seed.") var seed: UInt64

    func run() throws {
        let result = Simulation(seed: seed).run { print($0) }
        print(result.counts, result.digest)
    }
}
