import ArgumentParser
import DaybookSimulator
import DaybookSystem
import DaybookValues
import Synchronization

struct SimulateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate", abstract: "Play simulated worlds, one for each seed, and check every promise in each.")

    @Option(help: "How many worlds.") var seeds: Int = 1_000
    @Option(help: "The first seed; the others follow it.") var first: Int = 1
    @OptionGroup var shared: SharedOptions

    func validate() throws {
        guard seeds >= 1 else { throw ValidationError("--seeds must be at least 1") }
        guard first >= 0 else { throw ValidationError("--first must be 0 or more") }
    }

    func run() throws {
        let work = Parallel(first..<first + seeds)
        let progress = ProgressLine("simulated worlds", of: seeds)
        let results = Mutex((counts: SimulationCounts(), broken: [Simulation.Result]()))
        work.run(threads: shared.threads) { seed in
            let result = Simulation(seed: UInt64(seed)).run()
            let brokenCount = results.withLock { results in
                results.counts.merge(result.counts)
                if !result.violations.isEmpty { results.broken.append(result) }
                return results.broken.count
            }
            // A bug that shows everywhere needs no further proof.
            if brokenCount >= shared.violationsMax { work.stop() }
            progress.show(work.doneCount)
        }
        progress.end()
        let (counts, broken) = results.withLock { ($0.counts, $0.broken.sorted { $0.seed < $1.seed }) }
        if shared.json {
            Output.print(SimulationText.json(counts, broken, seconds: progress.seconds))
        } else {
            Output.print(SimulationText.text(counts, broken, seconds: progress.seconds, threads: shared.threads))
        }
        guard broken.isEmpty else {
            let seed = broken[0].seed
            Output.error("Looking for the shortest history that shows seed \(seed) …")
            let short = Simulation(seed: seed).shortened()
            let entries = (short.only ?? []).map(String.init).joined(separator: ",")
            Output.error("See it again: daybook-torture replay \(seed) --only \(entries.isEmpty ? "none" : entries)")
            throw ExitCode(1)
        }
    }
}

struct SharedOptions: ParsableArguments {
    @Option(help: "Threads.") var threads: Int = 2
    @Flag(help: "One JSON object in place of the text.") var json = false
    @Option(name: .customLong("violations"), help: "Stop after this many cases that break a promise.")
    var violationsMax: Int = 20

    func validate() throws {
        guard (1...256).contains(threads) else { throw ValidationError("--threads must be 1…256") }
        guard violationsMax >= 1 else { throw ValidationError("--violations must be at least 1") }
    }
}

struct ReplayCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay", abstract: "Play one simulated world again and tell its history.")

    @Argument(help: "The seed.") var seed: UInt64
    @Option(help: "Entries of its agenda, by number, with commas between them; the default is all, `none` is none.")
    var only: String?
    @Flag(help: "First look for the shortest history that breaks a promise.") var shortest = false

    @Option(help: "Leave the data directory, as it is in the end, in this directory.") var disk: String?

    func run() throws {
        var simulation = Simulation(seed: seed)
        if let only {
            let numbers = only == "none" ? [] : only.split(separator: ",").map { Int($0) }
            guard !numbers.contains(nil) else {
                throw ValidationError("--only takes numbers with commas between them, such as 3,7,12")
            }
            simulation.only = numbers.compactMap { $0 }
        }
        if shortest { simulation = simulation.shortened() }
        let result = simulation.run(wantsDigest: true, wantsFiles: disk != nil) { Output.print($0) }
        if let disk {
            let directory = try RealDisk(root: disk)
            for (path, bytes) in result.files {
                try directory.makeDirectory(parentPath(path))
                try directory.replace(path, with: bytes)
            }
        }
        Output.print("digest of the disk in the end: \(result.digest)")
        if let only = simulation.only, shortest {
            Output.print("entries: \(only.map(String.init).joined(separator: ","))")
        }
        Output.print(result.violations.isEmpty ? "every promise held" : "\(result.violations.count) violations")
        if !result.violations.isEmpty { throw ExitCode(1) }
    }
}

struct BrokenCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "broken", abstract: "Put bugs in on purpose, and see how many worlds it takes to find each.",
        discussion: "The bugs are only in debug builds.")

    @Option(help: "Worlds to play for each bug, at most.") var seeds: Int = 2_000

    func run() throws {
        #if DELIBERATE_BUGS
            var isMissed = false
            for bug in DeliberateBug.allCases {
                let found = BrokenBuild.hunt(bug, seedsMax: seeds)
                let name = bug.rawValue.padding(to: 24)
                if let needed = found.seedsNeeded, let violation = found.violation {
                    Output.print("\(name) found, seeds needed: \(needed)\n    \(violation)")
                } else {
                    Output.print("\(name) NOT FOUND in \(seeds) seeds")
                    isMissed = true
                }
            }
            if isMissed { throw ExitCode(1) }
        #else
            throw ValidationError("this is a build for release, which has no deliberate bugs; use the debug build")
        #endif
    }
}

extension String {
    /// With spaces behind it.
    func padding(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
