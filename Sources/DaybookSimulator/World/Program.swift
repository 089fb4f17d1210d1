import DaybookFakes

/// A function made at random: what it does, as data, so that the checker can tell from its records what must come of it.
struct Program: Sendable {
    /// What a step's body does when it is asked.
    enum Body: Sendable, Equatable {
        case succeeds
        /// Throws in the attempts before this one.
        case failsBefore(attempt: Int)
        /// Throws what says when to try again, in the attempts before this one.
        case asksForLater(attempt: Int, milliseconds: Int64)
        /// Throws what says that another attempt is pointless.
        case givesUp
        /// Takes the process down in the attempts before this one.
        case killsBefore(attempt: Int)
    }

    struct StepPlan: Sendable {
        var id: String
        var body: Body
        /// Bytes of the result, beyond what names the attempt.
        var padding: Int
        /// Whether the function goes on when the step fails.
        var isCaught: Bool
        /// How often the body lets others go on before it does anything.
        var yields = 0
        /// How long it takes after that, in milliseconds.
        var takes: Int64 = 0
    }

    enum Action: Sendable {
        case step(StepPlan)
        /// At once, in a task group; joined in order.
        case parallel([StepPlan])
        case sleep(id: String, milliseconds: Int64)
        case wait(id: String, event: String, key: Int?, milliseconds: Int64, condition: ListenerShape? = nil)
        case invoke(id: String, function: Int, milliseconds: Int64, isCaught: Bool)
        case send(id: String, events: [(name: String, id: String?)])
        /// The code between steps throws in the attempts before this one.
        case stumbles(attempt: Int)
    }

    enum Start: Sendable, Equatable {
        case events([String])
        /// Every so many minutes.
        case minutes(Int)
        /// When a run of any function has failed for good.
        case failures
        case invokedOnly
    }

    var index: Int
    var start: Start
    var retries: Int
    var startTimeout: Int64?
    var finishTimeout: Int64?
    var catchUp: Int
    var actions: [Action]
    var flow = ProgramFlow()
    /// Whether what it sends has values for the expressions of others.
    var sendsGroups = false

    var id: String { "f\(index)" }
    static let app = "sim"
    var wholeID: String { "\(Self.app)-\(id)" }

    static func triggerName(_ index: Int) -> String { "t/e\(index)" }
    static func waitName(_ index: Int) -> String { "w/e\(index)" }
    static let waitNames = 3
    static let waitKeys = 4
}

extension Program {
    /// Functions call and trigger only later ones, so that everything comes to an end.
    static func makeAll(_ random: SeededRandom) -> [Program] {
        let count = 3 + random.below(4)
        return (0..<count).map { make($0, of: count, random) }
    }

    private static func make(_ index: Int, of count: Int, _ random: SeededRandom) -> Program {
        let start: Start
        switch random.below(10) {
        case 0: start = .failures
        case 1: start = .minutes([1, 5, 15, 60][random.below(4)])
        case 2 where index == count - 1: start = .events(["t/*"])
        case 3 where index == count - 1: start = .events([triggerName(index), "w/e0"])
        case 4: start = .invokedOnly
        default: start = .events([triggerName(index)])
        }
        var program = Program(
            index: index, start: start, retries: random.below(4), catchUp: random.below(3), actions: [])
        if random.chance(percent: 8) { program.startTimeout = 1_000 * Int64(1 + random.below(120)) }
        if random.chance(percent: 12) { program.finishTimeout = 60_000 * Int64(1 + random.below(600)) }
        // Functions that run often are short.
        let isFrequent = if case .minutes = start { true } else { false }
        let length = isFrequent ? random.below(3) : 1 + random.below(6)
        // What failures start must not cause failures of others, or it would go on for ever.
        let last = start == .failures ? index + 1 : count
        for position in 0..<length { program.actions.append(action(position, index, last, random)) }
        return program
    }

    private static func action(_ position: Int, _ index: Int, _ count: Int, _ random: SeededRandom) -> Action {
        // The same id used twice is another step.
        let id = random.chance(percent: 10) ? "again" : "s\(position)"
        switch random.below(20) {
        case 0..<8: return .step(step(id, random))
        case 8..<11:
            return .parallel((0..<(2 + random.below(3))).map { step("\(id)-p\($0)", random) })
        case 11..<14:
            return .sleep(id: id, milliseconds: [0, 1, 900, 15_000, 600_000, 7_200_000, 100_000_000][random.below(7)])
        case 14..<16:
            return .wait(
                id: id, event: waitName(random.below(waitNames)),
                key: random.chance(percent: 60) ? random.below(waitKeys) : nil,
                milliseconds: [0, 1_000, 60_000, 3_600_000, 90_000_000][random.below(5)])
        case 16..<18 where index + 1 < count:
            return .invoke(
                id: id, function: index + 1 + random.below(count - index - 1),
                milliseconds: [50, 60_000, 3_600_000, 500_000_000][random.below(4)],
                isCaught: random.chance(percent: 70))
        case 18 where index + 1 < count:
            return .send(
                id: id,
                events: (0..<(1 + random.below(3))).map { _ in
                    (
                        name: random.chance(percent: 30)
                            ? waitName(random.below(waitNames))
                            : triggerName(index + 1 + random.below(count - index - 1)),
                        id: random.chance(percent: 20) ? "k\(random.below(8))" : nil
                    )
                })
        default: return .stumbles(attempt: 2 + random.below(3))
        }
    }

    private static func step(_ id: String, _ random: SeededRandom) -> StepPlan {
        let body: Body =
            switch random.below(20) {
            case 0..<13: .succeeds
            case 13..<16: .failsBefore(attempt: 2 + random.below(3))
            case 16: .asksForLater(attempt: 2, milliseconds: [1, 5_000, 4_000_000][random.below(3)])
            case 17: .givesUp
            default: random.chance(percent: 15) ? .killsBefore(attempt: 2 + random.below(2)) : .succeeds
            }
        return StepPlan(
            id: id, body: body, padding: random.chance(percent: 4) ? 3_000 : random.below(40),
            isCaught: random.chance(percent: 60))
    }
}

extension Program {
    /// Puts limits on some of the functions, and gives their bodies time to meet each other.
    /// - Parameter focus: a function that has them in any case.
    static func addFlow(to programs: inout [Program], focus: Int?, _ random: SeededRandom) {
        let names = programs.map { triggerName($0.index) } + (0..<waitNames).map { waitName($0) }
        for index in programs.indices {
            if random.chance(percent: 70) || index == focus { programs[index].flow = .make(random, names: names) }
            programs[index].sendsGroups = true
            if programs[index].start == .failures {
                // Every failure meets it: what would be said of letters makes no sense there.
                programs[index].flow.condition = nil
            }
            let percent = programs[index].flow.concurrency.isEmpty ? 12 : 45
            for action in programs[index].actions.indices {
                switch programs[index].actions[action] {
                case .step(var plan):
                    slowDown(&plan, percent: percent, random)
                    programs[index].actions[action] = .step(plan)
                case .parallel(var plans):
                    for plan in plans.indices { slowDown(&plans[plan], percent: percent, random) }
                    programs[index].actions[action] = .parallel(plans)
                case .wait(let id, let event, let key, let milliseconds, _) where random.chance(percent: 50):
                    programs[index].actions[action] = .wait(
                        id: id, event: event, key: random.chance(percent: 30) ? key : nil, milliseconds: milliseconds,
                        condition: ListenerShape.allCases[random.below(5)])
                default: break
                }
            }
        }
    }

    private static func slowDown(_ plan: inout StepPlan, percent: Int, _ random: SeededRandom) {
        plan.yields = random.below(5)
        if random.chance(percent: percent) { plan.takes = [200, 2_000, 15_000][random.below(3)] }
    }
}
