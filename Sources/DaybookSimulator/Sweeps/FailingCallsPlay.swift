import DaybookCore
import DaybookFakes
import DaybookJournal
import DaybookNode
import DaybookSystem
import DaybookTesting
import DaybookValues

/// The scenario with one failure in it: whoever runs the server starts it again when it has ended, and whoever sends
/// repeats what was not acknowledged.
struct FailingCallsPlay {
    private final class Progress: @unchecked Sendable {
        // Everything of one sweep happens on one thread.
        var account = CrashAccount()
        /// Pieces of work since the last act began.
        var work = 0
    }

    /// More pieces of work than any act takes: the process goes round in circles.
    private static let workMax = 50_000
    /// How often an act is repeated before somebody starts the process anew.
    private static let patience = 3

    let disk: MemoryDisk
    private let failure: FailingCallSweep.Failure?
    private let clock = ManualClock()
    private let bodies = CrashBodies()
    private let progress = Progress()
    private var server: CrashServer?
    private var acknowledged: [ULID] = []
    private var problems: [String] = []
    private(set) var starts = 0
    private var ends = 0
    private var refusals = 0
    private var unanswered = 0
    private var runsSetAside = 0

    init(_ failure: FailingCallSweep.Failure?) {
        self.failure = failure
        disk = MemoryDisk(clock: clock)
        guard let failure else { return }
        disk.fail(
            failure.operation, after: failure.number, errno: failure.errno,
            times: failure.isLasting ? .max : 1)
    }

    /// A short name of what the failure led to.
    var outcome: String {
        if runsSetAside > 0 { return "a run is set aside" }
        if refusals > 0 { return "a start is refused" }
        if ends > 0 { return "the process ends" }
        return unanswered > 0 ? "something is refused and done later" : "the process goes on"
    }

    // MARK: - The scenario

    mutating func play() {
        guard ensureServer() else { return }
        for act in CrashAct.allCases where problems.isEmpty { play(act) }
        guard problems.isEmpty else { return }
        // What is left is what a start finds that nothing is in the way of.
        startAnew()
        guard ensureServer(), let server else { return }
        catchUp(server)
        guard !server.hasFailed else {
            problems.append("a process that nothing is in the way of ends: \(server.machine.failureMessages)")
            return
        }
        checkEnd(server)
    }

    /// What somebody did while the process could not take it in has had no effect: an event that comes before its wait
    /// is lost on it, a retry or a cancel that was not answered did not happen. It is done again.
    private func catchUp(_ server: CrashServer) {
        server.advance(milliseconds: 60_000)
        if !server.unfinished("t-main").isEmpty {
            // Its nap may have begun late.
            server.advance(milliseconds: 21 * 60_000)
            _ = server.send("go", #"{"n":1}"#, id: "go-2")
            server.advance(milliseconds: 180_000)
        }
        var server = server
        do {
            if try server.runs().count(where: { $0.function == "t-failing" }) < 2 {
                try CrashAct.retry.play(on: &server, acknowledged: { _ in }, restart: { $0 })
            }
            try CrashAct.cancel.play(on: &server, acknowledged: { _ in }, restart: { $0 })
        } catch {
            // The check of the end says so.
        }
    }

    /// Until it is done. After some patience the process is started anew, without failures.
    private mutating func play(_ act: CrashAct) {
        for attempt in 0..<12 {
            if attempt > 0, attempt % Self.patience == 0 { startAnew() }
            guard ensureServer(), var server else { return }
            progress.work = 0
            let acknowledgedBefore = acknowledged.count
            var failureOfAct: (any Error)?
            do {
                try act.play(
                    on: &server, acknowledged: { acknowledged.append($0) },
                    restart: { old in
                        self.server = nil
                        disk.crash()
                        _ = old
                        return try open()
                    })
                self.server = server
            } catch {
                failureOfAct = error
            }
            if progress.work > Self.workMax {
                problems.append("the process does not come to rest in act \(act)")
                return
            }
            if let current = self.server, current.hasFailed {
                noteEnd(of: current)
                continue
            }
            if failureOfAct == nil, !act.wantsAnswer || acknowledged.count > acknowledgedBefore { return }
            unanswered += 1
            if let current = self.server { current.advance(milliseconds: 1_000) }
        }
        problems.append("act \(act) is never done")
    }

    /// Has a server that runs, started without failures if it has to be started.
    /// - Returns: false when there is none.
    private mutating func ensureServer() -> Bool {
        if let server, !server.hasFailed { return true }
        if let server { noteEnd(of: server) }
        for attempt in 0..<3 where problems.isEmpty {
            if starts > 0 || attempt > 0 {
                disk.clearFailures()
                disk.crash()
            }
            do {
                let server = try open()
                self.server = server
                progress.work = 0
                server.settle()
                if !server.hasFailed { return true }
                noteEnd(of: server)
            } catch {
                refusals += 1
                check(refusal: error)
            }
        }
        problems.append("the server does not start any more")
        return false
    }

    private mutating func startAnew() {
        server?.abandon()
        server = nil
        disk.clearFailures()
    }

    private mutating func noteEnd(of server: CrashServer) {
        ends += 1
        let messages = server.machine.failureMessages
        if let failure, server.node.hasFailed || !messages.isEmpty {
            let isNamed = messages.contains { $0.contains("(errno \(failure.errno))") }
            if !isNamed { problems.append("the process ends without saying why: \(messages)") }
        }
        if failure == nil { problems.append("the process ends although nothing fails: \(messages)") }
        server.abandon()
        self.server = nil
    }

    private mutating func check(refusal error: any Error) {
        guard let failure else {
            problems.append("a start is refused although nothing fails: \(error)")
            return
        }
        guard error is JournalOpenError || error is RegistrationError else {
            problems.append("a start ends with an error that is not for people: \(error)")
            return
        }
        if !"\(error)".contains("(errno \(failure.errno))") {
            problems.append("a start is refused for another reason than the failure: \(error)")
        }
    }

    private mutating func open() throws -> CrashServer {
        takeInWhatIsThere()
        starts += 1
        bodies.account = progress.account
        let server = try CrashServer(
            disk: disk, clock: clock, seed: UInt64(10 + starts), bodies: bodies,
            tap: { [progress, bodies] lines in
                progress.account.take(lines)
                bodies.account = progress.account
            })
        server.betweenWork = { [progress, disk] in
            progress.work += 1
            // Whoever goes round in circles is stopped.
            if progress.work > Self.workMax { disk.die() }
        }
        let report = server.node.journal.report
        for damage in report.damage { problems.append("a start calls something damaged: \(damage)") }
        for (run, reason) in report.quarantined { problems.append("run \(run.text) is set aside: \(reason)") }
        if report.wasRebuilt { problems.append("the log had to be rebuilt from the files of streams") }
        if report.wasCopied { problems.append("the directory is taken for a copy") }
        return server
    }

    /// Records that are on disk although nobody was told, because the flush said that it failed.
    private mutating func takeInWhatIsThere() {
        guard disk.fileBytes("daybook.lock") ?? 0 > 0 else { return }
        let knownQ = progress.account.lastQ
        var found = FoundRecords(knownQ: knownQ)
        let fork = disk.fork()
        do throws(JournalOpenError) {
            let report = try Journal.read(disk: fork, replay: &found)
            found.finish(report)
        } catch {
            problems.append("the directory cannot be read: \(error)")
            return
        }
        if found.lastQ < knownQ {
            problems.append("records \(found.lastQ + 1) to \(knownQ) were flushed, and are gone")
            return
        }
        progress.account.take(found.records.filter { $0.q > knownQ }.flatMap(\.text))
    }

    // MARK: - The end

    private mutating func checkEnd(_ server: CrashServer) {
        do {
            let found = try CrashJudge.problemsAtEnd(server)
            // The runs that were set aside come first: the rest follows from them.
            let sorted =
                found.filter { $0.contains("is quarantined") } + found.filter { !$0.contains("is quarantined") }
            for problem in sorted where !isExpected(problem) { problems.append(problem) }
        } catch {
            problems.append("the runs cannot be read at the end: \(error)")
        }
        for (name, promised) in progress.account.streams {
            let path = StreamID(name)?.path ?? name
            if (disk.snapshotOfFile(path) ?? []) != promised {
                let problem = "\(path) does not have what was flushed for it"
                if !isExpected(problem) { problems.append(problem) }
            }
        }
        for event in acknowledged where !progress.account.eventIDs.contains(event) {
            problems.append("event \(event.text) was acknowledged and is not on record")
        }
        do throws(JournalOpenError) {
            for finding in try Verifier.verify(disk.fork()).findings where finding.severity == .damage {
                problems.append("verify: \(finding)")
            }
        } catch {
            problems.append("verify: \(error)")
        }
    }

    /// Whether a problem is what the documents say of such a failure.
    ///
    /// - A run's file that the device goes on refusing costs its run, and what the run would have started. The log keeps
    ///   what the file lacks.
    /// - An inbox file that cannot be read, other than for want of descriptors, is moved to the rejected ones.
    private mutating func isExpected(_ problem: String) -> Bool {
        guard let failure else { return false }
        if disk.fileNames(in: "inbox/rejected").contains(where: { $0.hasPrefix("one.json") }),
            problem.contains("2 runs of t-pong")
        {
            return failure.errno == FailingCallSweep.eio || failure.errno == FailingCallSweep.erofs
        }
        guard failure.isLasting, failure.errno == FailingCallSweep.eio else { return false }
        if problem.contains(" is quarantined") || problem.hasPrefix("runs/") { runsSetAside += 1 }
        return runsSetAside > 0
            && ["is quarantined", "runs of t-child", "runs of t-pong", "main returned", "runs/"].contains {
                problem.contains($0)
            }
    }

    /// Ends the process.
    /// - Returns: what did not hold.
    mutating func end() -> [String] {
        bodies.account = nil
        server?.abandon()
        server = nil
        return problems + progress.account.violations + bodies.takeViolations()
    }
}

extension CrashAct {
    /// Whether somebody waits to hear that an event was taken.
    fileprivate var wantsAnswer: Bool {
        switch self {
        case .start, .go, .fail, .wait, .last: true
        default: false
        }
    }
}
