import DaybookFakes
import DaybookSystem

/// What happens in one simulated world, in order, all of it decided before it begins: so a part of it can be played
/// again alone.
struct Agenda: Sendable {
    struct SentEvent: Sendable {
        var number: Int
        var name: String
        var key: Int
        var id: String?
        /// Milliseconds from now to the event's own time.
        var ahead: Int64
        var padding: Int
        /// Further members of its data, as JSON.
        var values = ""
    }

    enum FileKind: Sendable { case object, array, lines, linesWithBadOne, torn, notJSON, empty }

    enum Happening: Sendable {
        case send([SentEvent])
        case drop(name: String, kind: FileKind, [SentEvent])
        case pass(milliseconds: Int64)
        /// Some steps of whoever is next, and no more.
        case linger(steps: Int)
        case cancel(nth: Int)
        case kill(afterOperations: Int, tearingAt: Int?, isPowerLoss: Bool)
        case fail(FileError.Operation, errno: Int32, after: Int, times: Int)
        case interrupt(every: Int)
        case cutShort(every: Int)
        case fill(bytesLeft: Int)
        case setClock(milliseconds: Int64)
        case suspend(milliseconds: Int64)
        case openTwice
        case copy(opens: Bool)
        case stop
        case redeploy(without: Int?, retries: Int)
        /// The process dies, and the next has functions with other limits.
        case changeLimits(variant: Int)
        /// The same functions are registered again, with other limits, while the process is up.
        case changeLimitsWhileUp(variant: Int)
        case pause(function: Int)
        case resume(function: Int)
        /// Runs of a function that were queued before now.
        case cancelAll(function: Int)
        /// Events come, and soon the runs are cancelled whose bodies execute under a limit.
        case cancelBusy([SentEvent])
        /// A run asks for a function to start once it has ended.
        case addFollowUp(nth: Int, function: Int, key: Int)
        case abortFollowUp(nth: Int, key: Int)
        /// Somebody starts a function by its name.
        case invoke(function: Int, SentEvent)
        case verify
        case damage(FaultKind, file: Int, place: Int, bit: Int)
    }

    var programs: [Program]
    var happenings: [Happening]
    /// Whether functions have limits.
    var hasFlow = false
    /// Whether files are changed behind the back of the server: what is lost then is lost, but nothing else.
    var hasDamage: Bool
    /// How often, in percent, the threads behind the writer get to work.
    var followerDiligence: Int
    var segmentBytes: Int
    var snapshotLogBytes: Int
    var liveRunsMax: Int
    var parkedRunsMax: Int
    var coldAfter: Int64

    init(seed: UInt64) {
        let random = SeededRandom(seed: seed ^ 0xA6E4_DA00)
        programs = Program.makeAll(random)
        hasDamage = random.chance(percent: 15)
        followerDiligence = [2, 10, 40][random.below(3)]
        segmentBytes = [4, 8, 16, 64][random.below(4)] << 10
        snapshotLogBytes = [2, 8, 32][random.below(3)] << 10
        liveRunsMax = [2, 8, 1_000][random.below(3)]
        parkedRunsMax = [1, 8, 4_096][random.below(3)]
        coldAfter = [0, 1_000, 10_000][random.below(3)]
        happenings = []
        var number = World.firstEventNumber
        // Mostly short: many short histories find more than few long ones in the same time.
        let count = random.chance(percent: 5) ? 50 : 4 + random.below(12)
        for position in 0..<count {
            happenings.append(Self.happening(position, &number, programs.count, hasDamage, random))
        }
        // From numbers of its own, so that all else of the world stays as it is.
        let flowRandom = SeededRandom(seed: seed ^ 0xF10A_1138)
        if flowRandom.chance(percent: 50) { addFlow(&number, flowRandom) }
        let followUpRandom = SeededRandom(seed: seed ^ 0xDEFE_0220)
        if followUpRandom.chance(percent: 40) { addFollowUps(&number, followUpRandom) }
    }

    // MARK: - Follow-ups, and functions started by name

    private mutating func addFollowUps(_ number: inout Int, _ random: SeededRandom) {
        var mixed: [Happening] = []
        for happening in happenings {
            mixed.append(happening)
            guard random.chance(percent: 30) else { continue }
            let isCrowd = random.chance(percent: 10)
            for _ in 0..<(isCrowd ? 24 : 1 + random.below(3)) {
                // One beyond the last: no such function.
                let function = random.below(programs.count + 1)
                switch isCrowd ? 0 : random.below(8) {
                case 0..<4:
                    // A crowd is more than one run may have.
                    mixed.append(
                        .addFollowUp(
                            nth: isCrowd ? 0 : random.below(6), function: function, key: random.below(isCrowd ? 99 : 4))
                    )
                case 4: mixed.append(.abortFollowUp(nth: random.below(6), key: random.below(4)))
                default:
                    let event = Self.events(1, &number, programs.count, random)[0]
                    mixed.append(.invoke(function: function, hasFlow ? Self.withValues(event, random) : event))
                }
            }
        }
        happenings = mixed
    }

    // MARK: - Flow control

    private mutating func addFlow(_ number: inout Int, _ random: SeededRandom) {
        hasFlow = true
        // Most of what happens in one place makes a crowd there.
        let events = programs.filter { if case .events = $0.start { true } else { false } }.map(\.index)
        let focus = events.isEmpty ? nil : events[random.below(events.count)]
        Program.addFlow(to: &programs, focus: focus, random)
        var mixed: [Happening] = []
        for happening in happenings {
            switch happening {
            case .send(let events): mixed.append(.send(events.map { Self.withValues($0, random) }))
            case .drop(let name, let kind, let events):
                mixed.append(.drop(name: name, kind: kind, events.map { Self.withValues($0, random) }))
            default: mixed.append(happening)
            }
            if random.chance(percent: 24) { mixed.append(flowHappening(&number, focus, random)) }
        }
        happenings = mixed
    }

    private func flowHappening(_ number: inout Int, _ focus: Int?, _ random: SeededRandom) -> Happening {
        switch random.below(20) {
        case 0..<6: return .send(crowd(&number, focus, random))
        case 6, 7: return .cancelBusy(crowd(&number, focus, random))
        case 8..<13: return .pass(milliseconds: [500, 1_000, 2_500, 5_000, 12_000, 30_000][random.below(6)])
        case 13: return .pause(function: random.below(programs.count))
        case 14: return .resume(function: random.below(programs.count))
        case 15: return .cancelAll(function: random.below(programs.count))
        case 16, 17: return .linger(steps: 5 + random.below(40))
        case 18: return .changeLimits(variant: random.below(ProgramFlow.variants))
        default: return .changeLimitsWhileUp(variant: random.below(ProgramFlow.variants))
        }
    }

    /// Many of one kind at once: that is what limits are for.
    private func crowd(_ number: inout Int, _ focus: Int?, _ random: SeededRandom) -> [SentEvent] {
        var name = Program.triggerName(random.below(programs.count))
        if let focus, random.chance(percent: 70) { name = Program.triggerName(focus) }
        if random.chance(percent: 10) { name = Program.waitName(random.below(Program.waitNames)) }
        return (0..<(3 + random.below(6))).map { _ in
            number += 1
            let event = SentEvent(
                number: number, name: name, key: random.below(Program.waitKeys),
                id: random.chance(percent: 10) ? "k\(random.below(8))" : nil, ahead: 0, padding: random.below(20))
            return Self.withValues(event, random)
        }
    }

    private static func withValues(_ event: SentEvent, _ random: SeededRandom) -> SentEvent {
        var event = event
        // Mostly letters; now and then what expressions can make nothing of.
        let group = ["\"a\"", "\"a\"", "\"b\"", "\"b\"", "\"c\"", nil, "7", "false", "true", "null"][random.below(10)]
        if let group { event.values += ",\"g\":\(group)" }
        switch random.below(6) {
        case 0: event.values += ",\"w\":\(random.below(600) - 300)"
        case 1: event.values += ",\"w\":\"x\""
        case 2: event.values += ",\"w\":\([100_000, -100_000, 0][random.below(3)])"
        default: break
        }
        // For debounces: it came later than others and is older.
        if event.ahead == 0, random.chance(percent: 8) { event.ahead = -Int64(random.below(4_000)) }
        return event
    }

    private static func events(_ count: Int, _ number: inout Int, _ functions: Int, _ random: SeededRandom)
        -> [SentEvent]
    {
        (0..<count).map { _ in
            number += 1
            return SentEvent(
                number: number,
                name: random.chance(percent: 70)
                    ? Program.triggerName(random.below(functions)) : Program.waitName(random.below(Program.waitNames)),
                key: random.below(Program.waitKeys), id: random.chance(percent: 20) ? "k\(random.below(8))" : nil,
                ahead: random.chance(percent: 4) ? Int64(random.below(4_000_000)) : 0,
                padding: random.chance(percent: 1) ? 70_000 : random.below(60))
        }
    }

    private static func happening(
        _ position: Int, _ number: inout Int, _ functions: Int, _ hasDamage: Bool, _ random: SeededRandom
    ) -> Happening {
        if hasDamage, random.chance(percent: 4) {
            return .damage(
                [.bitFlipped, .bitFlipped, .fileTruncated, .fileDeleted, .filesSwapped][random.below(5)],
                file: random.below(1_000), place: random.below(1 << 20), bit: random.below(8))
        }
        switch random.below(100) {
        case 0..<32: return .send(events(1 + random.below(4), &number, functions, random))
        case 32..<40:
            let kind: FileKind =
                [.object, .array, .lines, .lines, .linesWithBadOne, .torn, .notJSON, .empty][random.below(8)]
            let name = "file-\(position)" + (kind == .lines || kind == .linesWithBadOne ? ".jsonl" : ".json")
            return .drop(
                name: name, kind: kind,
                events(kind == .object ? 1 : 1 + random.below(5), &number, functions, random))
        case 40..<58:
            return .pass(
                milliseconds: [10, 900, 15_000, 60_000, 600_000, 7_300_000, 90_000_000][random.below(7)])
        case 58..<66: return .linger(steps: 1 + random.below(30))
        case 66..<69: return .cancel(nth: random.below(40))
        case 69..<77:
            return .kill(
                afterOperations: random.below(60), tearingAt: random.chance(percent: 50) ? random.below(2_000) : nil,
                isPowerLoss: random.chance(percent: 60))
        case 77..<83: return failure(random)
        case 83: return .interrupt(every: 2 + random.below(5))
        case 84: return .cutShort(every: 2 + random.below(5))
        case 85: return .fill(bytesLeft: random.below(40_000))
        case 86..<88:
            return .setClock(milliseconds: [-100_000_000, -3_600_000, -30_000, 30_000, 3_600_000][random.below(5)])
        case 88: return .suspend(milliseconds: [5_000, 4_000_000, 200_000_000][random.below(3)])
        case 89: return .openTwice
        case 90..<92: return .copy(opens: random.chance(percent: 50))
        case 92..<94: return .stop
        case 94..<96:
            return .redeploy(
                without: random.chance(percent: 50) ? random.below(functions) : nil, retries: random.below(4))
        default: return .verify
        }
    }

    private static func failure(_ random: SeededRandom) -> Happening {
        // What each call can answer: EIO 5, ENOMEM 12, ENFILE 23, EMFILE 24, ENOSPC 28, EROFS 30, EDQUOT 122.
        let failures: [(FileError.Operation, [Int32])] = [
            (.write, [5, 28, 122]), (.write, [5, 28, 122]), (.sync, [5, 28, 122]), (.sync, [5]), (.read, [5]),
            (.read, [5]), (.open, [5, 12, 23, 24, 28, 122]), (.open, [23, 24]), (.rename, [5, 28, 30, 122]),
            (.unlink, [5, 30]), (.list, [5, 12, 23, 24]), (.stat, [5, 12]), (.truncate, [5, 28, 122]),
            (.makeDirectory, [5, 28, 30, 122]), (.syncDirectory, [5, 24]), (.map, [12, 24, 28]), (.lock, [5, 12, 24]),
        ]
        let (operation, errors) = failures[random.below(failures.count)]
        let isShort = random.chance(percent: 70)
        return .fail(
            operation, errno: errors[random.below(errors.count)], after: random.below(20),
            times: isShort ? 1 : 1 + random.below(20))
    }
}
