import DaybookCore
import DaybookValues

/// Makes commands at random, that a node could send: for runs that are there, for runs that are gone, for steps that are
/// open and for steps that are not.
struct RandomWorld {
    enum Move: Sendable {
        case command(Command)
        /// Milliseconds that pass, and the wall clock's jump.
        case time(Int64, wallJump: Int64)
    }

    private var random: SeededRandom
    private var known: [ULID] = []
    private var serial: UInt64 = 0
    private var claims: [String] = []
    private var epoch: UInt32 = 1

    init(seed: UInt64) {
        random = SeededRandom(seed: seed)
    }

    private static let keys = ["a", "b", "b:1", "c\"\\\n", "dé"]
    private static let names = ["test/go", "test/other", "order.paid", "inngest/function.failed", "nobody/listens"]
    private static let values = ["1", "1.0", "\"1\"", "true", "null", "\"x\"", "[1]", "{\"a\":1}", "2"]

    static func functions(variant: Int) -> [FunctionConfig] {
        var all = [
            FunctionConfig(
                id: "app-go", app: "app", triggers: [.event(name: "test/go", matches: [])], retries: variant % 3,
                startTimeout: variant % 2 == 0 ? 90_000 : nil, finishTimeout: variant % 4 == 1 ? 600_000 : nil),
            FunctionConfig(
                id: "app-any", app: "app",
                triggers: [
                    .event(name: "test/*", matches: []), .event(name: "order.*", matches: [match("data.v", "1")]),
                ], retries: 1, finishTimeout: 7_200_000),
            FunctionConfig(
                id: "app-failed", app: "app",
                triggers: [
                    .event(name: "inngest/function.failed", matches: [match("data.function_id", "\"app-go\"")])
                ], retries: 0),
            FunctionConfig(
                id: "app-minutely", app: "app",
                triggers: [
                    .cron(text: "* * * * *", zone: .utc, jitter: variant % 5 == 0 ? 0 : Int64(variant) * 25_000),
                    .cron(text: "*/7 * * * *", zone: .utc),
                ], retries: 0,
                catchUp: [.latest, .skip, .all(limit: 3)][variant % 3]),
        ]
        if variant % 3 != 2 {
            all.append(
                FunctionConfig(
                    id: "app-ends", app: "app",
                    triggers: [
                        .event(name: "inngest/function.finished", matches: []),
                        .event(name: "inngest/function.cancelled", matches: []),
                        .event(name: "inngest/scheduled.timer", matches: []),
                        .event(name: "inngest/function.invoked", matches: []),
                    ]))
        }
        return all
    }

    static func appFunctions(variant: Int) -> [FunctionConfig] {
        var first = remote("shop-f")
        first.retries = variant % 3
        first.triggers = [.event(name: "test/go", matches: []), .cron(text: "*/5 * * * *", zone: .utc, jitter: 9_000)]
        return variant % 4 == 0 ? [first] : [first, remote("shop-g", on: ["order.*"])]
    }

    mutating func next(_ core: Core, _ time: Instant) -> Move {
        let runs = core.runSummaries
        if random.chance(18) { return passTime(core, time) }
        guard let run = runs.isEmpty ? nil : random.pick(Array(runs.prefix(12))), random.chance(80) else {
            return .command(outside(runs, time))
        }
        if known.count < 40 { known.append(run.id) }
        return .command(inside(run, known.isEmpty || random.chance(95) ? run.id : random.pick(known), time))
    }

    private mutating func passTime(_ core: Core, _ time: Instant) -> Move {
        let due = core.nextDeadlines
        var jump: Int64 = 0
        if random.chance(6) { jump = random.pick([-day, -hour, hour, day, 40 * day, -40 * day]) }
        switch random.below(5) {
        case 0: return .time(1 + Int64(random.below(500)), wallJump: jump)
        case 1: return .time(1 + Int64(random.below(60_000)), wallJump: jump)
        case 2: return .time(Int64(random.below(3 * 3_600_000)), wallJump: jump)
        default:
            // To the next deadline, so that timers due at the same instant are met together.
            let now = due.now.map { max(0, $0 - time.now) } ?? 1_000
            let wall = due.wall.map { max(0, $0 - time.wall) } ?? 1_000
            return .time(min(now, wall, day), wallJump: jump)
        }
    }

    private mutating func outside(_ runs: [RunSummary], _ time: Instant) -> Command {
        switch random.below(25) {
        case 20:
            return .registerApp(
                DaybookCoreTests.app(checksum: "c\(random.below(3))"),
                functions: Self.appFunctions(variant: random.below(12)))
        case 21: return random.chance(30) ? .removeApp("shop") : .signal(name: signal(), data: Array("[1]".utf8))
        case 22, 23: return .signal(name: signal(), data: Array(random.pick(Self.values).utf8))
        case 24: return .invokeFunction(function: random.pick(Self.targets), event: event(time))
        case 0: return .register(app: "app", functions: Self.functions(variant: random.below(12)))
        case 1: return .alignCrons
        case 2: return .moveClock(offset: Int64(random.below(100_000)))
        case 3, 4:
            epoch += 1
            var interrupted: [InterruptedStep] = []
            for run in runs.prefix(5) where random.chance(60) {
                interrupted.append(
                    InterruptedStep(run: run.id, key: random.pick(Self.keys), attempt: 1 + random.below(2)))
            }
            if random.chance(20) {
                interrupted.append(InterruptedStep(run: ULID(high: 1, low: 1), key: "a", attempt: 1))
            }
            return .open(epoch: epoch, version: "1", interrupted: interrupted)
        case 5:
            guard !claims.isEmpty else { return .tick }
            return .inboxRemoved(claim: claims.remove(at: random.below(claims.count)))
        case 6:
            return .retry(
                origin: ULID(high: 7, low: 7), function: random.pick(["app-go", "app-any", "app-none"]),
                input: random.chance(50)
                    ? .inline(Array(#"{"name":"x"}"#.utf8)) : .received(day: 20_000, id: ULID(high: 8, low: 8)),
                eventName: "test/go",
                copied: random.chance(50)
                    ? [
                        .completed(StepOutcome(key: "a", output: Array("1".utf8))),
                        .failed(StepFailure(key: "b", attempt: 2, error: errorJSON(name: "E", message: "\"m\\"))),
                    ] : [])
        default:
            var events: [Event] = []
            for _ in 0...random.below(3) { events.append(event(time)) }
            var claim: ClaimProgress?
            if random.chance(15) {
                let name = "file-\(random.below(4)).json"
                if !claims.contains(name) { claims.append(name) }
                claim = ClaimProgress(name: name, offset: random.below(9_999), isWhole: random.chance(50))
            }
            return .publish(events, claim: claim)
        }
    }

    private static let targets = ["app-go", "app-any", "app-none", "app-ends", "shop-f", "shop-g"]

    private mutating func signal() -> String { random.pick(["s1", "s2", "s\"3"]) }

    private mutating func event(_ time: Instant) -> Event {
        serial += 1
        let ts = random.chance(10) ? time.wall + Int64(random.below(100_000)) : time.wall
        let data = #"{"v":\#(random.pick(Self.values)),"w":\#(random.pick(Self.values))}"#
        return Event(
            internal: random.pick(Self.names), id: ULID(at: time.now, random: (0, serial)),
            key: random.chance(25) ? "key-\(random.below(20))" : nil, at: ts, data: Array(data.utf8))
    }

    private mutating func matches() -> [FieldMatch] {
        (0..<random.below(3)).map { _ in match(random.pick(["data.v", "data.w", "name"]), random.pick(Self.values)) }
    }

    private mutating func inside(_ run: RunSummary, _ id: ULID, _ time: Instant) -> Command {
        let key = random.pick(Self.keys)
        switch random.below(30) {
        case 24, 25:
            return .waitForSignal(
                run: id, key: key, signal: signal(), replacesOther: random.chance(50),
                timeout: Int64(random.below(5) * 30_000))
        case 26:
            return .addDefer(run: id, key: key, function: random.pick(Self.targets), input: Array("{\"d\":1}".utf8))
        case 27:
            let known = run.deferred.map(\.key)
            return known.isEmpty
                ? .addDefer(run: id, key: key, function: random.pick(Self.targets), input: Array("{}".utf8))
                : random.chance(50)
                    ? .abortDefer(run: id, key: random.pick(known))
                    : .end(run: id, .cancelled(reason: "asked for"), input: Array("{}".utf8))
        case 28: return .answered(run: id, version: 1 + random.below(2), forcesPlan: random.chance(50))
        case 0, 1, 2: return .begin(run: id)
        case 3, 4: return .park(run: id)
        case 5, 6, 7:
            return .endBody(
                run: id, key: key, attempt: 1 + random.below(2),
                result: .success(output: Array(random.pick(Self.values).utf8)), duration: Int64(random.below(1_000)),
                operation: random.pick([.run, .fetch, .step]))
        case 8, 9, 10:
            return .endBody(
                run: id, key: key, attempt: 1 + random.below(3),
                result: .failure(
                    AttemptError(
                        json: errorJSON(name: "E", message: "no"), isRetriable: random.chance(80),
                        retryAfter: random.chance(30) ? Int64(random.below(5_000)) : nil)), duration: 0)
        case 11, 12: return .sleep(run: id, key: key, length: .duration(Int64(random.below(5) * 1_000)))
        case 13: return .sleep(run: id, key: key, length: .until(time.wall + Int64(random.below(100_000) - 10_000)))
        case 14, 15, 16:
            return .wait(
                run: id, key: key, event: random.pick(Self.names), matches: matches(),
                timeout: Int64(random.below(5) * 30_000))
        case 17, 18:
            return .invoke(
                run: id, key: key, function: random.pick(Self.targets),
                data: Array(random.pick(["{}", #"{"v":1}"#]).utf8), timeout: Int64(random.below(4) * 60_000))
        case 19: return .send(run: id, key: key, events: (0..<random.below(3)).map { _ in event(time) })
        case 20:
            return .end(run: id, .returned(output: Array("{\"ok\":1}".utf8)), input: Array("{\"name\":\"i\"}".utf8))
        case 21, 22:
            return .end(
                run: id,
                .threw(
                    AttemptError(
                        json: errorJSON(name: "E", message: "thrown"), isRetriable: random.chance(60),
                        output: random.chance(50) ? Array("\"raw\"".utf8) : nil,
                        attempt: random.chance(50) ? 1 + random.below(3) : nil)),
                input: Array("{\"name\":\"i\"}".utf8))
        default:
            if random.chance(15) { return .quarantine(run: id, reason: "line 3 is damaged") }
            if random.chance(30) { return .end(run: id, .cancelled(reason: "asked for"), input: Array("{}".utf8)) }
            return .begin(run: id)
        }
    }
}
