import DaybookFakes
import DaybookJournal
import DaybookSystem
import DaybookValues

/// Crashes inside of a start, at each of its operations, and crashes inside of the start after that.
///
/// For a sample of the boundaries of the scenario: the process dies there, or the power is lost; the start on what is
/// left dies at each of its operations in turn, in several ways; the start after that dies at some of its own; and the
/// last one lives. What must hold then is what `CrashStateSweep` asks for. Two starts in a row that die while they apply
/// the same record set its run aside: that is how a record that kills is told from others, and counts as right here.
package struct RecoveryCrashSweep: Sendable {
    package static let name = "crashes inside of starts"

    /// One of `sliceCount` parts of the first crashes, for several threads.
    package var slice = 0
    package var sliceCount = 1
    /// Of how many boundaries of the scenario one is the first crash.
    package var firstEvery = 40
    /// Of how many operations of the first start one is the second crash.
    package var secondEvery = 1
    /// Of how many second crashes one is followed by a third.
    package var thirdEvery = 6
    /// Of how many states one is played to the end of the scenario.
    package var finishEvery = 40

    package init() {}

    /// How a process ends.
    enum Death: CustomStringConvertible {
        /// With nothing of what is not flushed decided yet: the next loss of power may still take it.
        case process
        /// In the middle of a write, of which so many bytes are done.
        case withinWrite(bytes: Int)
        case power(PowerLossPolicy)

        var description: String {
            switch self {
            case .process: "killed"
            case .withinWrite(let bytes): "killed \(bytes) bytes into a write"
            case .power(let policy): "power lost, \(policy)"
            }
        }

        func apply(_ disk: MemoryDisk) {
            if case .power(let policy) = self { disk.powerLoss(policy) } else { disk.crash() }
        }

        var tearingWrite: Int? {
            if case .withinWrite(let bytes) = self { bytes } else { nil }
        }
    }

    private static func deaths(_ number: Int) -> [Death] {
        [
            .process, .withinWrite(bytes: 20 + number * 37 % 300), .power(.noneKept), .power(.allKept),
            .power(.random(seed: UInt64(number))),
        ]
    }

    /// - Parameter progress: called after each first crash with the states so far.
    package func run(progress: ((_ states: Int) -> Void)? = nil) throws -> SweepReport {
        var report = SweepReport(name: Self.name)
        var seen: Set<CrashStateKey> = []
        let scenario = CrashScenario { $0 % firstEvery == 0 && $0 / firstEvery % sliceCount == slice }
        let problems = try scenario.play { boundary in
            for first in Self.deaths(boundary.number) where first.tearingWrite == nil {
                let disk = boundary.disk.fork()
                first.apply(disk)
                report.count("first crashes")
                crashStarts(on: disk, boundary, "\(boundary.description), \(first)", &report, &seen)
            }
            progress?(report.cases)
        }
        for problem in problems { report.violation("without any crash: \(problem)") }
        return report
    }

    private func crashStarts(
        on left: MemoryDisk, _ boundary: CrashBoundary, _ what: String, _ report: inout SweepReport,
        _ seen: inout Set<CrashStateKey>
    ) {
        let count = operations(of: left, boundary)
        for second in stride(from: 0, to: count, by: secondEvery) {
            for death in Self.deaths(boundary.number + second) {
                let disk = left.fork()
                guard let account = start(on: disk, boundary, boundary.account, dyingAfter: second, death) else {
                    continue
                }
                report.count("second crashes")
                let what = "\(what); the start after it dies after \(second) operations, \(death)"
                judge(disk, boundary, account, what, &report, &seen)
                guard (second + boundary.number) % thirdEvery == 0 else { continue }
                let moreCount = operations(of: disk, boundary)
                for third in Set([moreCount / 5, moreCount / 2, moreCount - 2]).sorted() where third >= 0 {
                    for death in Self.deaths(boundary.number + second + third) {
                        let disk = disk.fork()
                        guard let account = start(on: disk, boundary, account, dyingAfter: third, death) else {
                            continue
                        }
                        report.count("third crashes")
                        judge(
                            disk, boundary, account, "\(what); the next dies after \(third), \(death)", &report, &seen)
                    }
                }
            }
        }
    }

    private func judge(
        _ left: MemoryDisk, _ boundary: CrashBoundary, _ account: CrashAccount, _ what: String,
        _ report: inout SweepReport, _ seen: inout Set<CrashStateKey>
    ) {
        report.cases += 1
        guard seen.insert(CrashStateKey(disk: left.fingerprint, lastQ: account.lastQ)).inserted else { return }
        report.count("distinct states")
        let clock = ManualClock(now: boundary.now)
        var judge = CrashJudge(account: account, acknowledged: boundary.acknowledged)
        judge.start(left.fork(clock: clock), clock)
        if report.counts["distinct states", default: 0] % finishEvery == 0 {
            judge.finish(from: boundary.act)
            report.count("played to the end")
        }
        report.count("recoveries", by: judge.starts)
        if judge.killedAtOneRecord { report.count("runs set aside because two starts died at one record") }
        for problem in judge.end() { report.violation("\(what): \(problem)") }
    }

    /// How many operations a start on a disk takes until it has come to rest.
    private func operations(of disk: MemoryDisk, _ boundary: CrashBoundary) -> Int {
        let clock = ManualClock(now: boundary.now)
        let rehearsal = disk.fork(clock: clock)
        guard
            let server = try? CrashServer(disk: rehearsal, clock: clock, seed: 11, bodies: CrashBodies(), tap: { _ in })
        else { return rehearsal.operations }
        server.settle()
        defer { server.abandon() }
        return rehearsal.operations
    }

    /// Starts and dies.
    /// - Returns: what was promised until then; nil when the start came to rest before it died.
    private func start(
        on disk: MemoryDisk, _ boundary: CrashBoundary, _ before: CrashAccount, dyingAfter count: Int, _ death: Death
    ) -> CrashAccount? {
        // What is there without anybody having been told is promised once the start has flushed something after it.
        var found = FoundRecords(knownQ: before.lastQ)
        _ = try? Journal.read(disk: disk.fork(), replay: &found)
        let clock = ManualClock(now: boundary.now)
        let flushed = FlushedLines()
        disk.die(after: count, tearingWrite: death.tearingWrite)
        let server = try? CrashServer(
            disk: disk, clock: clock, seed: 13, bodies: CrashBodies(), tap: { flushed.batches.append($0) })
        server?.settle()
        let hasDied = disk.isDead
        server?.abandon()
        death.apply(disk)
        guard hasDied else { return nil }
        var account = before
        guard !flushed.batches.isEmpty else { return account }
        account.take(found.records.filter { $0.q > before.lastQ }.flatMap(\.text))
        for batch in flushed.batches { account.take(batch) }
        return account
    }

    private final class FlushedLines: @unchecked Sendable {
        // Everything of one sweep happens on one thread.
        var batches: [[UInt8]] = []
    }
}
