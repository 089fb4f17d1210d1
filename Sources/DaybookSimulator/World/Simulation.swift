import DaybookFakes
import DaybookNode
import DaybookSystem
import DaybookValues

/// What happened in simulated worlds.
package struct SimulationCounts: Sendable {
    package var seeds = 0
    /// Steps of whoever was next.
    package var happenings = 0
    package var starts = 0
    package var cleanStops = 0
    package var eventsSent = 0
    package var eventsRefused = 0
    package var eventsAcknowledged = 0
    /// Of those acknowledged, how many were in the journal in the end, once.
    package var eventsFound = 0
    package var filesDropped = 0
    package var fileEventsFound = 0
    package var records = 0
    package var runs = 0
    package var runsChecked = 0
    package var steps = 0
    package var bodies = 0
    package var ticks = 0
    /// States built up from files that were compared, byte by byte, with the one that was lived.
    package var statesCompared = 0
    package var verifications = 0
    package var damagedStarts = 0
    package var damagedRefusals = 0
    /// Worlds that ended because two starts in a row had died at one record, so that its run was set aside.
    package var setAsideAfterTwoDeaths = 0
    package var diskOperations = 0
    package var killsByStep = 0
    package var faults: [FaultKind: Int] = [:]
    /// What flow control did.
    package var flow: [FlowKind: Int] = [:]

    package init() {}

    mutating func add(_ kind: FaultKind, _ count: Int = 1) {
        faults[kind, default: 0] += count
    }

    /// Times that a process ended without being asked.
    package var crashes: Int {
        [.processKilled, .killedByStep, .powerLost, .powerLostWithinStart, .killedWithinStart].reduce(0) {
            $0 + (faults[$1] ?? 0)
        }
    }

    package mutating func merge(_ other: SimulationCounts) {
        seeds += other.seeds
        happenings += other.happenings
        starts += other.starts
        cleanStops += other.cleanStops
        eventsSent += other.eventsSent
        eventsRefused += other.eventsRefused
        eventsAcknowledged += other.eventsAcknowledged
        eventsFound += other.eventsFound
        filesDropped += other.filesDropped
        fileEventsFound += other.fileEventsFound
        records += other.records
        runs += other.runs
        runsChecked += other.runsChecked
        steps += other.steps
        bodies += other.bodies
        ticks += other.ticks
        statesCompared += other.statesCompared
        verifications += other.verifications
        damagedStarts += other.damagedStarts
        damagedRefusals += other.damagedRefusals
        setAsideAfterTwoDeaths += other.setAsideAfterTwoDeaths
        diskOperations += other.diskOperations
        killsByStep += other.killsByStep
        faults.merge(other.faults, uniquingKeysWith: +)
        flow.merge(other.flow, uniquingKeysWith: +)
    }
}

/// One simulated world, from its seed to its end.
package struct Simulation: Sendable {
    package struct Result: Sendable {
        package var seed: UInt64
        package var counts: SimulationCounts
        /// What was promised and did not hold; empty when all is well.
        package var violations: [String]
        /// Of everything that is on the disk in the end: the same seed gives the same. Empty unless asked for.
        package var digest: String
        /// All files in the end, by path; empty unless asked for.
        package var files: [String: [UInt8]] = [:]
    }

    package let seed: UInt64
    /// Entries of the agenda to play, counted from 0; nil for all.
    package var only: [Int]?

    /// Changes the product's configuration: see `DeliberateBug`.
    var spoil: (@Sendable (inout NodeConfiguration) -> Void)?

    package init(seed: UInt64, only: [Int]? = nil) {
        self.seed = seed
        self.only = only
    }

    /// How many entries the agenda of the seed has.
    package var length: Int { Agenda(seed: seed).happenings.count }

    /// Plays the world.
    /// - Parameters:
    ///   - trace: called with every line of its history.
    ///   - wantsDigest: whether the result has the digest of the disk.
    ///   - wantsFiles: whether it has the files themselves.
    package func run(wantsDigest: Bool = false, wantsFiles: Bool = false, trace: ((String) -> Void)? = nil) -> Result {
        var agenda = Agenda(seed: seed)
        if let only {
            agenda.happenings = only.filter(agenda.happenings.indices.contains).map { agenda.happenings[$0] }
        }
        let world = World(seed: seed, agenda: agenda, spoil: spoil, trace: trace)
        world.start()
        for (position, happening) in agenda.happenings.enumerated() {
            guard world.isSound, !world.hasEndedEarly else { break }
            if let only, trace != nil { world.note("entry \(only[position])") }
            world.play(happening)
            world.restartIfDead()
        }
        if world.isSound, !world.hasEndedEarly { world.finish() }
        for violation in world.ledger.violations { trace?("VIOLATION  \(violation)") }
        var result = Result(
            seed: seed, counts: world.total(), violations: world.ledger.violations,
            digest: wantsDigest ? world.digest() : "")
        if wantsFiles {
            for path in world.disk.allPaths { result.files[path] = world.disk.snapshotOfFile(path) }
        }
        // Its memory comes back only when nothing is loaded any more.
        world.endProcess(nil)
        return result
    }
}

extension World {
    fileprivate func total() -> SimulationCounts {
        var total = counts
        total.seeds = 1
        total.records = Int(ledger.lastQ)
        total.runs = ledger.runsInOrder.count
        total.steps = ledger.stepCount
        total.bodies = witness.bodyCount
        total.ticks = ledger.tickCount
        total.diskOperations = disk.operations
        total.flow = ledger.flow.counts
        if agenda.hasFlow { total.flow[.worldsWithFlow] = 1 }
        for (failure, count) in disk.failureCounts {
            total.add(Self.kind(failure.operation, failure.errno), count)
        }
        return total
    }

    private static func kind(_ operation: FileError.Operation, _ errno: Int32) -> FaultKind {
        switch errno {
        case 28: return .diskFull
        case 122: return .quotaReached
        case 30: return .readOnly
        case 23, 24: return .outOfDescriptors
        default: break
        }
        return switch operation {
        case .write: .writeFailed
        case .sync: .flushFailed
        case .syncDirectory, .syncFileSystem: .directoryFlushFailed
        case .read: .readFailed
        case .open: .openFailed
        case .rename: .renameFailed
        case .unlink: .unlinkFailed
        default: .otherCallFailed
        }
    }

    fileprivate func digest() -> String {
        var digest = Digest()
        for path in disk.allPaths {
            digest.mix(path)
            digest.mix(disk.snapshotOfFile(path) ?? [])
        }
        return digest.text
    }
}
