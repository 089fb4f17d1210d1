import Daybook
import DaybookCore
import DaybookFakes
import DaybookInbox
import DaybookJournal
import DaybookNode
import DaybookSystem
import DaybookTesting
import DaybookValues
import Logging

/// One simulated world: a disk, a clock, and one process after another on them, made of the product's own node, journal
/// and inbox. Everything that happens follows from the agenda and one number.
///
/// Who is next is drawn: a piece of some run's code, the writer, the inbox, the follower or the keeper. A process ends
/// when the disk dies under it, when the disk fails in a way that must end it, or when it is stopped.
final class World {
    static let firstEventNumber = 1_000

    /// A running server, as far as it matters here.
    final class Process {
        let machine: ManualNode
        let inbox: Inbox
        let startedAt: Timestamp

        init(machine: ManualNode, inbox: Inbox, startedAt: Timestamp) {
            self.machine = machine
            self.inbox = inbox
            self.startedAt = startedAt
        }

        var node: Node { machine.node }
        var hasFailed: Bool { machine.node.hasFailed || inbox.hasFailed || !machine.failureMessages.isEmpty }
    }

    struct DroppedFile {
        var name: String
        var isGood: Bool
        var numbers: [Int]
    }

    let agenda: Agenda
    let disk: MemoryDisk
    let clock = ManualClock()
    let random: SeededRandom
    let ledger: Ledger
    let witness: Witness
    let configuration: NodeConfiguration
    let trace: ((String) -> Void)?

    var process: Process?
    var counts = SimulationCounts()
    var files: [DroppedFile] = []
    /// Events that were acknowledged, by number; and those that were sent without an answer.
    var acknowledged: Set<Int> = []
    var sent: Set<Int> = []
    var changedRetries: Int?
    /// Which variant of their limits the functions have.
    var limitVariant = 0
    /// Runs that had not begun after the last batch, and what for.
    var observed: [ULID: RunSummary.Waiting] = [:]
    /// All that had not begun then.
    var observedRuns: Set<ULID> = []
    var seenWaiting: Set<ULID> = []
    var missingFunction: Int?
    var wasRedeployed = false
    var clockWasSet = false
    var isDiskFull = false
    var requestedCancels: Set<ULID> = []
    /// Once files were changed behind the back of the server, the ledger stands still: see `World+Damage`.
    var damage: [String] = []
    var hasEndedEarly = false
    var isDamageChecked = false
    private var isWithSchedules = true
    private var startsInARow = 0

    init(
        seed: UInt64, agenda: Agenda, spoil: ((inout NodeConfiguration) -> Void)? = nil,
        trace: ((String) -> Void)? = nil
    ) {
        self.agenda = agenda
        self.trace = trace
        random = SeededRandom(seed: seed)
        disk = MemoryDisk(clock: clock)
        var configuration = ManualNode.configuration()
        configuration.journal.segmentBytes = agenda.segmentBytes
        configuration.journal.snapshotLogBytes = agenda.snapshotLogBytes
        configuration.journal.graceMilliseconds = 0
        configuration.journal.followBytesMax = 4 << 10
        configuration.liveRunsMax = agenda.liveRunsMax
        configuration.parkedRunsMax = agenda.parkedRunsMax
        configuration.coldAfter = agenda.coldAfter
        spoil?(&configuration)
        self.configuration = configuration
        var flows: [String: ProgramFlow] = [:]
        for program in agenda.programs { flows[program.wholeID] = program.flow }
        ledger = Ledger(
            limits: configuration.core, retryPolicy: configuration.retryPolicy, programs: flows)
        for program in agenda.programs { ledger.flow.startTimeouts[program.wholeID] = program.startTimeout }
        witness = Witness(ledger: ledger, disk: disk, clock: clock)
        ledger.trace = trace
        witness.trace = trace
    }

    func note(_ what: @autoclosure () -> String) {
        trace?("\(clock.now.rfc3339)  \(what())")
    }

    var isSound: Bool { ledger.violations.isEmpty }

    // MARK: - Processes

    /// Starts processes until one lives.
    func start() {
        startsInARow = 0
        while process == nil, isSound, !hasEndedEarly {
            startsInARow += 1
            if startsInARow > 60 {
                ledger.violate("the server does not start any more")
                return
            }
            startOnce()
        }
    }

    private func startOnce() {
        guard let found = readBack() else { return }
        if startsInARow == 1, isWithSchedules, random.chance(percent: 15) {
            // This start dies as well; not when faults are off.
            disk.die(after: random.below(40), tearingWrite: random.chance(percent: 30) ? random.below(600) : nil)
        } else if startsInARow > 3 {
            disk.clearFailures()
        }
        counts.starts += 1
        let machine: ManualNode
        do {
            var surroundings = ManualNode.Surroundings(disk: disk, clock: clock, random: random)
            surroundings.choose = { [random] count in count == 1 ? 0 : random.below(count) }
            machine = try ManualNode(surroundings, configuration)
        } catch {
            note("start refused: \(error)")
            startFailed(error)
            return
        }
        let isSuspected = machine.node.journal.report.quarantined.contains {
            if case .recordKillsStart = $0.reason { true } else { false }
        }
        if isSuspected, damage.isEmpty {
            // Two starts died at one record, by chance and not by its fault: that is how a record that kills is told, and it
            // costs its run. From here on the ledger knows other things than the journal.
            note("a run is set aside because two starts died at one of its records")
            counts.setAsideAfterTwoDeaths += 1
            hasEndedEarly = true
            disk.crash()
            return
        }
        if damage.isEmpty { ledger.adopt(found) }
        let state = machine.node.core.encodedState
        if damage.isEmpty, state != ledger.shadow.encodedState {
            let report = machine.node.journal.report
            ledger.violate(
                "the state after recovery (snapshot \(report.snapshotQ), last record \(report.lastQ), \(report.recordsReplayed) replayed, \(report.warnings)) is not the state before: \(difference(machine.node.core))"
            )
            return
        }
        if damage.isEmpty { counts.statesCompared += 1 }
        checkAfterDamage(machine.node)
        witness.processBegins()
        (observed, observedRuns) = ([:], [])
        if damage.isEmpty {
            let world = UncheckedBox(self)
            machine.node.installTap { [unowned node = machine.node, ledger] batch in
                ledger.take(batch)
                world.value.observeStarts(node.core)
            }
        }
        do {
            try machine.launch(try functions(variant: limitVariant))
        } catch {
            ledger.violate("the functions were refused: \(error)")
            return
        }
        let claims = machine.node.core.openClaims.map {
            ClaimProgress(name: $0.name, offset: $0.offset, isWhole: $0.isWhole)
        }
        let inbox = Inbox(
            disk: disk, sink: machine.node, wallClock: clock, monotonicClock: clock, random: random, watch: nil,
            openClaims: claims, logger: Logger(label: "daybook") { _ in SwiftLogNoOpLogHandler() }
        ) { _ in }
        process = Process(machine: machine, inbox: inbox, startedAt: clock.now)
        note("started, epoch \(machine.node.journal.report.epoch), \(machine.node.core.runCount) unfinished runs")
        if hasDied { endProcess(.killedWithinStart) }
    }

    private func startFailed(_ error: JournalOpenError) {
        if disk.isDead {
            let isPowerLoss = random.chance(percent: 50)
            counts.add(isPowerLoss ? .powerLostWithinStart : .killedWithinStart)
            if isPowerLoss { disk.powerLoss(random: random) } else { disk.crash() }
            return
        }
        disk.crash()
        if !damage.isEmpty {
            refusedAfterDamage(error)
        } else if case .file = error {
            disk.clearFailures()
        } else if case .noRoom = error {
            disk.setCapacity(bytes: .max)
            disk.clearFailures()
        } else {
            ledger.violate("the directory cannot be opened: \(error)")
        }
    }

    /// What the files tell, before anything is started on them.
    /// - Returns: nil when a start makes no sense.
    private func readBack() -> FoundRecords? {
        var found = FoundRecords(knownQ: ledger.lastQ)
        guard ledger.lastQ > 0 || !disk.allPaths.isEmpty else { return found }
        // Nothing that was asked of the disk for the server concerns the checker's own look.
        let reader = disk.fork()
        reader.clearFailures()
        do throws(JournalOpenError) {
            let report = try Journal.read(disk: reader, replay: &found)
            found.finish(report)
        } catch {
            if damage.isEmpty {
                ledger.violate("the directory cannot be read: \(error)")
            }
            return damage.isEmpty ? nil : found
        }
        if damage.isEmpty {
            ledger.compare(with: found)
            if !found.quarantined.isEmpty { ledger.violate("runs are set aside although nothing is damaged") }
        } else {
            compareAfterDamage(found)
        }
        return isSound ? found : nil
    }

    func functions(variant: Int) throws(RegistrationError) -> AppFunctions {
        let chosen = agenda.programs.filter { $0.index != missingFunction }
        return try AppFunctions(
            app: Program.app,
            functions: chosen.map {
                $0.function(
                    witness: witness, withSchedules: isWithSchedules, retries: changedRetries, variant: variant)
            }, now: clock.now)
    }

    var hasDied: Bool { disk.isDead || (process?.hasFailed ?? false) }

    /// The process is gone; what it had in memory with it.
    func endProcess(_ kind: FaultKind?) {
        guard let dead = process else { return }
        process = nil
        let reasons = dead.machine.failureMessages
        if !reasons.isEmpty { note("the server gave up: \(reasons)") }
        let isPowerLoss = kind == .powerLost
        if let kind { counts.add(kind) }
        note("process ends: \(kind?.rawValue ?? "stopped")\(disk.isDead ? ", the disk went first" : "")")
        if !disk.isDead { disk.die() }
        // Its code is unwound, unseen, only so that its memory comes back.
        witness.wakeBodies(all: true)
        dead.node.closeLoadedRuns()
        while dead.machine.pool.step() {}
        dead.node.abandon()
        if isPowerLoss { disk.powerLoss(random: random) } else { disk.crash() }
        disk.clearFailures()
        disk.setCapacity(bytes: .max)
    }

    /// Ends a process that has died, and starts another.
    func restartIfDead() {
        guard process != nil, hasDied else { return }
        let kind: FaultKind
        if disk.isDead {
            kind =
                random.chance(percent: 50)
                ? .powerLost : (witness.killCount > counts.killsByStep ? .killedByStep : .processKilled)
            counts.killsByStep = witness.killCount
        } else {
            kind = random.chance(percent: 30) ? .powerLost : .processKilled
        }
        endProcess(kind)
        start()
    }

    /// The last of them has no schedules, or there would be no end.
    func startLast() {
        isWithSchedules = false
        missingFunction = nil
        endProcess(random.chance(percent: 50) ? .powerLost : .processKilled)
        disk.clearFailures()
        disk.interrupt(every: nil)
        disk.shorten(every: nil)
        start()
        // A death that was planned for a start that has lived through is not to come later.
        disk.die(after: 1 << 40)
    }

    // MARK: - Moving on

    /// One step of whoever is next.
    /// - Returns: whether anything was done.
    private func step(_ process: Process) -> Bool {
        counts.happenings += 1
        let draw = random.below(100)
        if draw < agenda.followerDiligence { return stepBehind(process) }
        if draw < agenda.followerDiligence + 10 { return process.inbox.step() }
        if !process.machine.pool.isEmpty, draw < 80 {
            var left = 1 + random.below(8)
            while left > 0, process.machine.pool.step() { left -= 1 }
            return true
        }
        let hasMore = process.node.step()
        return hasMore || process.node.hasWork || !process.machine.pool.isEmpty
    }

    private func stepBehind(_ process: Process) -> Bool {
        do throws(FileError) {
            if random.chance(percent: 60) { return try process.node.journal.follower.step() }
            return try process.node.journal.keeper.step()
        } catch {
            process.machine.backgroundFailed(error)
            return false
        }
    }

    /// Lets a number of steps happen.
    func linger(_ steps: Int) {
        witness.wakeBodies()
        for _ in 0..<steps {
            guard let process, isSound else { return }
            _ = step(process)
            restartIfDead()
        }
    }

    /// Lets everything happen that needs no time to pass; at most so many steps.
    func settle(limit: Int = 4_000) {
        var idle = 0
        witness.wakeBodies()
        for _ in 0..<limit {
            guard let process, isSound else { return }
            if step(process) { idle = 0 } else { idle += 1 }
            if hasDied {
                restartIfDead()
                idle = 0
            } else if idle >= 3, process.machine.pool.isEmpty, !process.node.hasWork {
                if process.node.step() || process.inbox.step() { continue }
                if !process.machine.pool.isEmpty || process.node.hasWork { continue }
                noteIdle()
                return
            }
        }
    }

    /// Lets time pass, and what is due happen on the way.
    func pass(milliseconds: Int64, hopsMax: Int = 25) {
        let end = clock.nowNanoseconds + UInt64(milliseconds) * 1_000_000
        for _ in 0..<hopsMax {
            guard isSound else { return }
            settle()
            let now = clock.nowNanoseconds
            guard now < end, process != nil else { break }
            clock.advance(milliseconds: hop(limit: Int64((end - now) / 1_000_000)))
        }
        let now = clock.nowNanoseconds
        if now < end { clock.advance(milliseconds: Int64((end - now) / 1_000_000)) }
        settle()
    }

    /// Milliseconds to the next instant at which something is due.
    func hop(limit: Int64) -> Int64 {
        guard let process else { return limit }
        // An empty inbox is looked at every second, which is nothing to stop for.
        let inbox = hasUndoneFiles ? process.inbox.nanosecondsToNextDeadline : nil
        let body = witness.nextWake.map { $0 - min($0, clock.nowNanoseconds) }
        let waits = [process.node.nanosecondsToNextDeadline, inbox, body].compactMap { $0 }
        // With nothing due, what is tried again now and then still is.
        let next = Int64(clamping: (waits.min() ?? 60_000_000_000) / 1_000_000)
        return max(1, min(limit, next + 1))
    }

    /// Whether a file lies in the inbox that was not taken, or not wholly.
    var hasUndoneFiles: Bool { !undoneFiles.isEmpty }

    var undoneFiles: [String] { disk.fileNames(in: "inbox") + disk.fileNames(in: "inbox/.claimed") }

    func difference(_ core: Core) -> String {
        let (a, b) = (core.runSummaries, ledger.shadow.runSummaries)
        let (ids, others) = (Set(a.map(\.id)), Set(b.map(\.id)))
        if let more = ids.subtracting(others).first { return "run \(more.text) is unfinished again" }
        if let lost = others.subtracting(ids).first { return "run \(lost.text) is gone" }
        for (one, other) in zip(a, b) where one != other { return "run \(one.id.text) is \(one), should be \(other)" }
        let (one, other) = (core.systemState, ledger.shadow.systemState)
        if one == other { return "in what is neither a run nor a function" }
        for (a, b) in zip(one.functions, other.functions) where a != b { return "\(a) instead of \(b)" }
        return
            "\(one.functions.count) functions, claims \(one.claims), clock \(one.clockOffset) instead of \(other.functions.count), \(other.claims), \(other.clockOffset)"
    }
}
