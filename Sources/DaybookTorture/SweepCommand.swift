import ArgumentParser
import DaybookSimulator
import Synchronization

struct SweepCommand: ParsableCommand {
    enum Name: String, CaseIterable, ExpressibleByArgument {
        case crashStates = "crash-states"
        case storeOperations = "store-operations"
        case recoveryCrashes = "recovery-crashes"
        case failingCalls = "failing-calls"
        case corpus
    }

    static let configuration = CommandConfiguration(
        commandName: "sweep", abstract: "Go through every case of a finite set.",
        discussion: """
              crash-states       every state in which a loss of power could leave the core scenario, at every operation
              store-operations   every sequence of up to three operations of the journal, in every such state
              recovery-crashes   a crash at every operation of a start, and at every operation of the start after that
              failing-calls      every call of the core scenario failing, with every error it can have
              corpus             every byte cut and every bit flipped of a small data directory
            """)

    @Argument(help: "Which sweeps; the default is all of them.") var names: [Name] = []
    @Option(help: "Try only every how manieth case of corpus and failing-calls.") var stride: Int = 1
    @Option(help: "Put every how manieth case of the corpus to verify as well.") var verifyStride: Int = 16
    @OptionGroup var shared: SharedOptions

    func validate() throws {
        guard stride >= 1, verifyStride >= 1 else { throw ValidationError("strides must be at least 1") }
    }

    func run() throws {
        let chosen = names.isEmpty ? Name.allCases : names
        var isBroken = false
        for name in chosen {
            for sweep in try sweeps(name) {
                let progress = ProgressLine(sweep.name, of: 0)
                let report = try sweep.run(threads: shared.threads) { progress.show($0) }
                progress.end()
                Output.print(
                    shared.json
                        ? SweepText.json(report, seconds: progress.seconds)
                        : SweepText.text(report, seconds: progress.seconds))
                isBroken = isBroken || !report.violations.isEmpty
            }
        }
        if isBroken { throw ExitCode(1) }
    }

    /// A sweep that several threads share.
    private struct Sweep: Sendable {
        let name: String
        let part: @Sendable (_ part: Int, _ parts: Int, _ progress: @escaping (Int) -> Void) throws -> SweepReport

        func run(threads: Int, _ progress: @escaping @Sendable (Int) -> Void) throws -> SweepReport {
            let result = Mutex((report: SweepReport(name: name), failure: String?.none))
            let done = Mutex([Int](repeating: 0, count: threads))
            Parallel(0..<threads).run(threads: threads) { part in
                do {
                    let report = try self.part(part, threads) { cases in
                        progress(
                            done.withLock { done in
                                done[part] = cases
                                return done.reduce(0, +)
                            })
                    }
                    result.withLock { $0.report.merge(report) }
                } catch {
                    result.withLock { $0.failure = "\(error)" }
                }
            }
            let (report, failure) = result.withLock { $0 }
            if let failure { throw ValidationError("the sweep \(name) could not be done: \(failure)") }
            return report
        }
    }

    private func sweeps(_ name: Name) throws -> [Sweep] {
        let (stride, verifyStride) = (stride, verifyStride)
        switch name {
        case .crashStates:
            return [
                Sweep(name: CrashStateSweep.name) { part, parts, progress in
                    var sweep = CrashStateSweep()
                    (sweep.slice, sweep.sliceCount) = (part, parts)
                    return try sweep.run(progress: progress)
                }
            ]
        case .storeOperations:
            return [
                Sweep(name: JournalSequenceSweep.name) { part, parts, progress in
                    var sweep = JournalSequenceSweep()
                    (sweep.slice, sweep.sliceCount) = (part, parts)
                    return try sweep.run(progress: progress)
                }
            ]
        case .recoveryCrashes:
            return [
                Sweep(name: RecoveryCrashSweep.name) { part, parts, progress in
                    var sweep = RecoveryCrashSweep()
                    (sweep.slice, sweep.sliceCount) = (part, parts)
                    return try sweep.run(progress: progress)
                }
            ]
        case .failingCalls:
            let sweep = try FailingCallSweep()
            return [
                Sweep(name: FailingCallSweep.name) { part, parts, progress in
                    sweep.run(part: part, of: parts, stride: stride, progress: progress)
                }
            ]
        case .corpus:
            let first = try CorpusSweep(.log, .everything)
            var all: [Sweep] = []
            for target in CorpusSweep.Target.allCases {
                for situation in CorpusSweep.Situation.allCases {
                    let sweep = try CorpusSweep(target, situation, sharing: first)
                    all.append(
                        Sweep(name: "corpus: \(target.rawValue), \(situation.rawValue)") { part, parts, progress in
                            sweep.run(
                                part: part, of: parts, stride: stride, verifyStride: verifyStride, progress: progress)
                        })
                }
            }
            return all
        }
    }
}

/// What a sweep found, for people and for programs.
enum SweepText {
    static func text(_ report: SweepReport, seconds: Double) -> String {
        var lines = ["\(report.name): \(Output.number(report.cases)) cases in \(Int(seconds)) s"]
        for (name, count) in report.counts.sorted(by: { $0.key < $1.key }) {
            lines.append("  " + name.padding(to: 60) + " " + Output.number(count))
        }
        lines.append("violations: \(report.violations.count)")
        for violation in report.violations.prefix(20) { lines.append("  " + violation) }
        return lines.joined(separator: "\n")
    }

    static func json(_ report: SweepReport, seconds: Double) -> String {
        let counts = report.counts.sorted { $0.key < $1.key }.map { "\(quoted($0.key)):\($0.value)" }
        return "{\"sweep\":\(quoted(report.name)),\"cases\":\(report.cases),\"seconds\":\(Int(seconds)),\"counts\":{"
            + counts.joined(separator: ",") + "},\"violations\":["
            + report.violations.map(quoted).joined(separator: ",") + "]}"
    }
}
