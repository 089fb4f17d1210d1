package import DaybookFakes
import DaybookJournal
import DaybookNode
import DaybookSystem
import DaybookValues

/// Plays a scenario that has one of everything once, and looks at every state in which a loss of power could leave the
/// disk on the way.
///
/// A boundary is the moment before an operation that changes something on the disk. At each, the disk is forked and the
/// power lost on the fork in all the ways of `CrashPolicies`; a server starts on what is left. Then must hold:
/// - The directory opens, and nothing in it counts as damaged, set aside or refused.
/// - Every line of the journal that was flushed at the boundary is there, byte for byte, in the log and in the file of
///   its stream; so are all events that were acknowledged.
/// - No step runs again whose result was flushed, and no run that had ended.
/// - `Verifier` finds no damage, once the server has come to rest.
/// - For a sample: the scenario goes on to its end, and every run ends once and as it would have.
///
/// States that are equal in all names and bytes and in what was promised are looked at once.
package struct CrashStateSweep: Sendable {
    /// One of `sliceCount` parts of the boundaries, for several threads.
    package var slice = 0
    package var sliceCount = 1
    /// Of how many states one is played to its end.
    package var finishEvery = 20
    /// How many boundaries are passed over between two that are looked at, plus one.
    package var stride = 1
    var policies = CrashPolicies()

    package init() {}

    package static let name = "crash states"

    /// - Parameter progress: called after each boundary with the states so far.
    package func run(progress: ((_ states: Int) -> Void)? = nil) throws -> SweepReport {
        var play = CrashPlay(sweep: self, progress: progress)
        return try play.run()
    }

    /// Goes through the states of one boundary only.
    package func replay(boundary: Int, policy: PowerLossPolicy? = nil) throws -> SweepReport {
        var play = CrashPlay(sweep: self, progress: nil)
        play.only = (boundary, policy)
        return try play.run()
    }
}

/// The moment before an operation.
struct CrashBoundary {
    var number: Int
    var operation: FileError.Operation
    var path: String
    var disk: MemoryDisk
    var act: CrashAct
    var now: Timestamp
    var account: CrashAccount
    var acknowledged: [ULID]

    var description: String { "boundary \(number) (before \(operation.rawValue) of \(path), in act \(act))" }
}

/// What the hook of a disk writes into.
final class CrashRecorder: @unchecked Sendable {
    // Everything of one sweep happens on one thread.
    var account = CrashAccount()
    var acknowledged: [ULID] = []
    var act = CrashAct.start
    var count = 0
    var waiting: [CrashBoundary] = []
    var problems: [String] = []
    let clock: ManualClock
    let wants: (Int) -> Bool

    init(clock: ManualClock, wants: @escaping (Int) -> Bool) {
        self.clock = clock
        self.wants = wants
    }

    func note(_ disk: MemoryDisk, _ operation: FileError.Operation, _ path: String) {
        // Marks are stored to all the time, and need not survive the machine.
        guard operation != .map, operation != .lock else { return }
        defer { count += 1 }
        guard wants(count) else { return }
        waiting.append(
            CrashBoundary(
                number: count, operation: operation, path: path, disk: disk.fork(), act: act, now: clock.now,
                account: account, acknowledged: acknowledged))
    }
}

/// The scenario, played once, with a callback for each boundary.
struct CrashScenario {
    let clock = ManualClock()
    let disk: MemoryDisk
    let recorder: CrashRecorder
    let bodies = CrashBodies()

    init(wants: @escaping (Int) -> Bool) {
        disk = MemoryDisk(clock: clock)
        recorder = CrashRecorder(clock: clock, wants: wants)
    }

    /// - Parameter visit: called with each boundary soon after it was passed.
    /// - Returns: what did not hold in the scenario itself, in which nothing goes wrong.
    func play(_ visit: (CrashBoundary) throws -> Void) throws -> [String] {
        disk.onOperation = { [recorder] disk, operation, path in recorder.note(disk, operation, path) }
        var failure: (any Error)?
        try withoutActuallyEscaping(visit) { visit in
            func drain() {
                let waiting = recorder.waiting
                recorder.waiting = []
                do {
                    for boundary in waiting where failure == nil { try visit(boundary) }
                } catch {
                    failure = error
                }
            }
            func start() throws -> CrashServer {
                let server = try CrashServer(
                    disk: disk, clock: clock, seed: 7, bodies: bodies,
                    tap: { [recorder, bodies] lines in
                        recorder.account.take(lines)
                        bodies.account = recorder.account
                    })
                server.betweenWork = drain
                return server
            }
            var server = try start()
            server.settle()
            for act in CrashAct.allCases {
                recorder.act = act
                try act.play(
                    on: &server, acknowledged: { recorder.acknowledged.append($0) },
                    restart: { old in
                        old.betweenWork = {}
                        return try start()
                    })
                if failure != nil { break }
            }
            drain()
            server.betweenWork = {}
            if failure == nil {
                for problem in try CrashJudge.problemsAtEnd(server) { recorder.problems.append(problem) }
            }
            server.abandon()
        }
        if let failure { throw failure }
        return recorder.problems + recorder.account.violations + bodies.takeViolations()
    }
}

private struct CrashPlay {
    let sweep: CrashStateSweep
    let progress: ((Int) -> Void)?
    var only: (boundary: Int, policy: PowerLossPolicy?)?
    var report = SweepReport(name: CrashStateSweep.name)
    var seen: Set<CrashStateKey> = []

    init(sweep: CrashStateSweep, progress: ((Int) -> Void)?) {
        self.sweep = sweep
        self.progress = progress
    }

    mutating func run() throws -> SweepReport {
        let (sweep, only) = (sweep, only)
        let scenario = CrashScenario { number in
            if let only { return number == only.boundary }
            return number % sweep.stride == 0 && number / sweep.stride % sweep.sliceCount == sweep.slice
        }
        let problems = try scenario.play { boundary in
            report.count("boundaries")
            let policies =
                only?.policy.map { [$0] } ?? sweep.policies.all(for: boundary.disk, boundary: boundary.number)
            for policy in policies { try look(at: boundary, policy) }
            progress?(report.cases)
        }
        for problem in problems { report.violation("without any crash: \(problem)") }
        return report
    }

    private mutating func look(at boundary: CrashBoundary, _ policy: PowerLossPolicy) throws {
        let clock = ManualClock(now: boundary.now)
        let disk = boundary.disk.fork(clock: clock)
        disk.powerLoss(policy)
        report.cases += 1
        guard
            seen.insert(CrashStateKey(disk: disk.fingerprint, lastQ: boundary.account.lastQ)).inserted || only != nil
        else { return }
        report.count("distinct states")
        var judge = CrashJudge(account: boundary.account, acknowledged: boundary.acknowledged)
        judge.start(disk, clock)
        if judge.killedAtOneRecord {
            report.violation("\(boundary.description), \(policy): a run is set aside, although no start died")
        }
        if report.counts["distinct states", default: 0] % sweep.finishEvery == 0 || only != nil {
            judge.finish(from: boundary.act)
            report.count("played to the end")
        }
        report.count("recoveries", by: judge.starts)
        for problem in judge.end() { report.violation("\(boundary.description), \(policy): \(problem)") }
    }
}

/// What tells two states apart.
struct CrashStateKey: Hashable {
    var disk: UInt64
    var lastQ: UInt64
}
