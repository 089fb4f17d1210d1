import DaybookCore
import DaybookFakes
import DaybookJournal
import DaybookNode
import DaybookSystem
import DaybookTesting
import DaybookValues

/// Starts a server on what a crash left, and says what does not hold.
struct CrashJudge {
    private final class Progress: @unchecked Sendable {
        // Everything of one sweep happens on one thread.
        var account: CrashAccount
        init(_ account: CrashAccount) { self.account = account }
    }

    private let promised: CrashAccount
    private let acknowledged: [ULID]
    private let bodies = CrashBodies()
    private let progress: Progress
    private var server: CrashServer?
    private var problems: [String] = []
    private(set) var starts = 0
    /// Two starts in a row died while one record was being applied, so its run was set aside.
    private(set) var killedAtOneRecord = false

    init(account: CrashAccount, acknowledged: [ULID]) {
        promised = account
        self.acknowledged = acknowledged
        progress = Progress(account)
    }

    /// A start and all that follows from it at once.
    mutating func start(_ disk: MemoryDisk, _ clock: ManualClock) {
        starts += 1
        guard takeInWhatIsThere(disk) else { return }
        bodies.account = progress.account
        do {
            let server = try open(disk, clock)
            self.server = server
            let report = server.node.journal.report
            for damage in report.damage { problems.append("the start calls something damaged: \(damage)") }
            for (run, reason) in report.quarantined {
                if case .recordKillsStart = reason {
                    killedAtOneRecord = true
                } else {
                    problems.append("run \(run.text) is set aside: \(reason)")
                }
            }
            for (path, reason) in report.snapshotsRefused { problems.append("\(path) is refused: \(reason)") }
            if report.wasRebuilt { problems.append("the log had to be rebuilt from the files of streams") }
            if report.wasCopied { problems.append("the directory is taken for a copy") }
            settle()
        } catch {
            problems.append("the directory does not open: \(error)")
        }
    }

    /// The rest of the scenario, from the act on in which the crash was.
    mutating func finish(from act: CrashAct) {
        guard problems.isEmpty, !killedAtOneRecord, var server else { return }
        do {
            for act in CrashAct.allCases[act.rawValue...] {
                let (clock, disk) = (server.clock, server.disk)
                var more = 0
                try act.play(
                    on: &server, acknowledged: { _ in },
                    restart: { _ in
                        more += 1
                        return try open(disk, clock)
                    })
                starts += more
            }
            self.server = server
            problems += try Self.problemsAtEnd(server)
            settle()
        } catch {
            self.server = server
            problems.append("the scenario cannot be played to its end: \(error)")
        }
    }

    /// Ends the process.
    /// - Returns: what did not hold.
    mutating func end() -> [String] {
        bodies.account = nil
        server?.abandon()
        server = nil
        // A run that was set aside may be told to end a second time, and its file does not grow any more.
        return problems + (killedAtOneRecord ? [] : progress.account.violations) + bodies.takeViolations()
    }

    /// Runs as they have to be at the end of the scenario.
    static func problemsAtEnd(_ server: CrashServer) throws -> [String] {
        var problems: [String] = []
        var rows: [String: [RunRow]] = [:]
        for row in try server.runs() { rows[row.function, default: []].append(row) }
        func check(_ function: String, _ counts: ClosedRange<Int>, _ status: RunStatus) {
            let found = rows[function] ?? []
            if !counts.contains(found.count) {
                problems.append("\(found.count) runs of \(function) instead of \(counts)")
            }
            for row in found where row.status != status {
                problems.append("run \(row.id.text) of \(function) is \(row.status)")
            }
        }
        check("t-main", 1...1, .completed)
        check("t-child", 1...1, .completed)
        check("t-pong", 3...3, .completed)
        check("t-hourly", 1...1, .completed)
        check("t-waiting", 1...1, .cancelled)
        // Whoever asked for the retry and got no answer asked again.
        check("t-failing", 2...3, .failed)
        if let main = rows["t-main"]?.first {
            let detail = try server.machine.detail(of: main.id)
            let output = String(decoding: detail.output ?? detail.error ?? [], as: UTF8.self)
            if output != CrashFunctions.mainOutput { problems.append("main returned \(output)") }
        }
        if server.node.core.runCount != 0 { problems.append("\(server.node.core.runCount) runs have not ended") }
        if server.disk.hasUndoneFiles { problems.append("files lie in the inbox") }
        return problems
    }

    // MARK: - Parts

    private func open(_ disk: MemoryDisk, _ clock: ManualClock) throws -> CrashServer {
        try CrashServer(
            disk: disk, clock: clock, seed: 11, bodies: bodies,
            tap: { [progress, bodies] lines in
                progress.account.take(lines)
                bodies.account = progress.account
            })
    }

    /// Reads the log as `runs` and `show` do, and takes in what was flushed although nobody was told.
    private mutating func takeInWhatIsThere(_ disk: MemoryDisk) -> Bool {
        guard promised.lastQ > 0 || disk.fileBytes("daybook.lock") != nil else { return true }
        var found = FoundRecords(knownQ: promised.lastQ)
        do throws(JournalOpenError) {
            let report = try Journal.read(disk: disk.fork(), replay: &found)
            found.finish(report)
        } catch {
            problems.append("the directory cannot be read: \(error)")
            return false
        }
        if found.lastQ < promised.lastQ {
            problems.append("records \(found.lastQ + 1) to \(promised.lastQ) were flushed, and are gone")
            return false
        }
        progress.account.take(found.records.filter { $0.q > promised.lastQ }.flatMap(\.text))
        return true
    }

    private mutating func settle() {
        guard let server else { return }
        server.settle()
        if server.hasFailed {
            problems.append("the server gave up: \(server.machine.failureMessages)")
            return
        }
        let disk = server.disk
        for (name, promised) in progress.account.streams where !killedAtOneRecord {
            let path = StreamID(name)?.path ?? name
            let found = disk.snapshotOfFile(path) ?? []
            if found != promised {
                problems.append(
                    "\(path) has \(found.count) bytes that are not the \(promised.count) that were flushed")
            }
        }
        for event in acknowledged where !progress.account.eventIDs.contains(event) {
            problems.append("event \(event.text) was acknowledged and is not on record")
        }
        do throws(JournalOpenError) {
            let report = try Verifier.verify(disk.fork())
            for finding in report.findings where finding.severity == .damage {
                problems.append("verify: \(finding)")
            }
        } catch {
            problems.append("verify: \(error)")
        }
    }
}
