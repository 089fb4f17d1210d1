import DaybookCore
import DaybookValues
import Testing

/// 2026-11-21T08:00:00Z, a Saturday.
let start = Timestamp(milliseconds: 1_795_248_000_000)

let second: Int64 = 1_000
let minute: Int64 = 60_000
let hour: Int64 = 3_600_000
let day: Int64 = 86_400_000

/// A record with its stream, comparable.
struct Line: Equatable, CustomStringConvertible {
    let stream: RecordStream
    let record: Record

    init(_ entry: Core.Entry) {
        stream = entry.stream
        record = entry.record
    }

    /// The record as its journal would have it.
    var payload: [UInt8] {
        var bytes: [UInt8] = []
        record.appendPayload(to: &bytes)
        return bytes
    }

    var kind: String { "\(record.kind)" }
    var description: String { "\(kind) \(String(decoding: payload, as: UTF8.self))" }
}

/// What came of one command.
struct Outcome: Equatable {
    var answer: Answer
    var lines: [Line]
    var effects: [Effect]

    var kinds: [String] { lines.map(\.kind) }
}

/// A core with clocks and seeds of its own. It plays the part of the node: it takes what the core gives and fires timers
/// at their instants.
final class Bench {
    let core: Core
    var now = start
    /// How far the wall clock is from `now`.
    var wallOffset: Int64 = 0
    var seed: UInt64
    private(set) var lines: [Line] = []
    /// When each of `lines` was written.
    private(set) var times: [Timestamp] = []
    private(set) var effects: [Effect] = []
    private var eventCount: UInt64 = 0

    init(
        _ functions: [FunctionConfig] = [], limits: CoreLimits = CoreLimits(), retryPolicy: RetryPolicy = RetryPolicy(),
        seed: UInt64 = 1
    ) {
        core = Core(limits: limits, retryPolicy: retryPolicy)
        self.seed = seed
        open()
        if !functions.isEmpty { register(functions) }
    }

    var time: Instant { Instant(now: now, wall: now + wallOffset) }

    @discardableResult
    func handle(_ command: Command) -> Outcome {
        seed += 1
        let answer = core.handle(command, at: time, seed: seed)
        return take(answer)
    }

    private func take(_ answer: Answer) -> Outcome {
        let outcome = Outcome(answer: answer, lines: core.records.map(Line.init), effects: core.effects)
        core.records.removeAll()
        core.effects.removeAll()
        lines += outcome.lines
        times += outcome.lines.map { _ in now }
        effects += outcome.effects
        return outcome
    }

    /// Fires what is due now.
    @discardableResult
    func fire() -> Outcome {
        seed += 1
        while core.fireTimers(at: time, seed: seed, limit: 1_000) { seed += 1 }
        return take(.done)
    }

    /// Lets time pass, stopping at every deadline on the way.
    @discardableResult
    func advance(by milliseconds: Int64) -> Outcome {
        let end = now + milliseconds
        var all = Outcome(answer: .done, lines: [], effects: [])
        while now < end {
            let due = core.nextDeadlines
            var next = end
            if let due = due.now, due < next { next = due }
            if let due = due.wall, due + -wallOffset < next { next = due + -wallOffset }
            now = max(now, next)
            let fired = fire()
            all.lines += fired.lines
            all.effects += fired.effects
        }
        return all
    }

    @discardableResult
    func open(epoch: UInt32 = 1, interrupted: [InterruptedStep] = []) -> Outcome {
        handle(.open(epoch: epoch, version: "1.0.0", interrupted: interrupted))
    }

    @discardableResult
    func register(_ functions: [FunctionConfig], app: String = "app") -> Outcome {
        handle(.register(app: app, functions: functions))
    }

    func event(
        _ name: String, _ data: String = "{}", key: String? = nil, ts: Timestamp? = nil
    ) -> Event {
        eventCount += 1
        return Event(
            internal: name, id: ULID(at: now, random: (0xE, eventCount)), key: key, at: ts ?? now,
            data: Array(data.utf8))
    }

    /// Publishes one event and gives the runs it started.
    @discardableResult
    func publish(_ name: String, _ data: String = "{}", key: String? = nil, ts: Timestamp? = nil) -> [ULID] {
        let outcome = handle(.publish([event(name, data, key: key, ts: ts)], claim: nil))
        return outcome.lines.compactMap { line in
            if case .runQueued(let run) = line.record, case .event = run.cause, case .run(let id) = line.stream,
                run.eventName == name
            {
                id
            } else {
                nil
            }
        }
    }

    /// A run of that function that has begun; the function must be triggered by `test/go`.
    func startedRun(_ event: String = "test/go", _ data: String = "{}") throws -> ULID {
        let id = try #require(publish(event, data).first)
        handle(.begin(run: id))
        return id
    }

    func end(_ run: ULID, _ output: String = "null") -> Outcome {
        handle(.end(run: run, .returned(output: Array(output.utf8)), input: Array("{\"name\":\"in\"}".utf8)))
    }

    func fail(_ run: ULID, _ error: AttemptError = AttemptError(name: "Error", message: "no", isRetriable: false))
        -> Outcome
    {
        handle(.end(run: run, .threw(error), input: Array("{\"name\":\"in\"}".utf8)))
    }

    func endBody(_ run: ULID, _ key: String, attempt: Int = 1, _ output: String) -> Outcome {
        handle(
            .endBody(run: run, key: key, attempt: attempt, result: .success(output: Array(output.utf8)), duration: 5))
    }

    func failBody(
        _ run: ULID, _ key: String, attempt: Int, isRetriable: Bool = true, retryAfter: Int64? = nil
    ) -> Outcome {
        let error = AttemptError(
            json: Array(#"{"name":"Error","message":"no"}"#.utf8), isRetriable: isRetriable, retryAfter: retryAfter)
        return handle(.endBody(run: run, key: key, attempt: attempt, result: .failure(error), duration: 5))
    }

    func sleep(_ run: ULID, _ key: String, _ milliseconds: Int64) -> Outcome {
        handle(.sleep(run: run, key: key, length: .duration(milliseconds)))
    }

    func wait(
        _ run: ULID, _ key: String, _ event: String, _ matches: [FieldMatch] = [], timeout: Int64 = hour
    ) -> Outcome {
        handle(.wait(run: run, key: key, event: event, matches: matches, timeout: timeout))
    }

    func invoke(_ run: ULID, _ key: String, _ function: String, _ data: String = "{}", timeout: Int64 = hour) -> Outcome
    {
        handle(.invoke(run: run, key: key, function: function, data: Array(data.utf8), timeout: timeout))
    }

    @discardableResult
    func registerApp(_ app: AppConfig, _ functions: [FunctionConfig]) -> Outcome {
        handle(.registerApp(app, functions: functions))
    }

    @discardableResult
    func registerApp(_ functions: [FunctionConfig]) -> Outcome { registerApp(DaybookCoreTests.app(), functions) }

    func waitForSignal(
        _ run: ULID, _ key: String, _ signal: String, replacesOther: Bool = false, timeout: Int64 = hour
    ) -> Outcome {
        handle(
            .waitForSignal(run: run, key: key, signal: signal, replacesOther: replacesOther, timeout: timeout))
    }

    func signal(_ name: String, _ data: String = "1") -> Outcome {
        handle(.signal(name: name, data: Array(data.utf8)))
    }

    func addDefer(_ run: ULID, _ key: String, _ function: String, _ input: String) -> Outcome {
        handle(.addDefer(run: run, key: key, function: function, input: Array(input.utf8)))
    }

    /// A core that has read the journal of this one, as a new process would.
    func replayed() throws -> Bench {
        let other = Bench(replaying: self)
        for (line, time) in zip(lines, times) {
            try other.core.apply(Line.reread(line), stream: line.stream, at: time)
        }
        return other
    }

    /// A core that has taken over a snapshot of this one.
    func restored() throws -> Bench {
        let other = Bench(replaying: self)
        try other.core.restore(snapshot: core.encodedState[...])
        return other
    }

    init(core: Core) {
        self.core = core
        seed = 1
    }

    private init(replaying other: Bench) {
        core = Core(limits: other.core.limits, retryPolicy: other.core.retryPolicy)
        now = other.now
        wallOffset = other.wallOffset
        seed = other.seed
        lines = other.lines
        times = other.times
    }
}

extension Line {
    /// The record, written to text and read back.
    static func reread(_ line: Line) throws -> Record {
        try Array(line.kind.utf8).withUnsafeBufferPointer { kind in
            try line.payload.withUnsafeBufferPointer { try Record(kind: kind, payload: $0) }
        }
    }
}

func function(
    _ id: String = "app-f", on events: [String] = ["test/go"], matches: [FieldMatch] = [], retries: Int = 4,
    startTimeout: Int64? = nil, finishTimeout: Int64? = nil
) -> FunctionConfig {
    FunctionConfig(
        id: id, app: "app", triggers: events.map { .event(name: $0, matches: matches) }, retries: retries,
        startTimeout: startTimeout, finishTimeout: finishTimeout)
}

/// An app behind a URL.
func app(checksum: String = "c1", revision: Int = 0) -> AppConfig {
    AppConfig(
        id: "shop", url: "http://localhost:9000/api/inngest", sdk: "py:v0.5.18", framework: "flask",
        checksum: checksum, revision: revision)
}

/// A function of that app.
func remote(_ id: String = "shop-f", on events: [String] = ["test/go"]) -> FunctionConfig {
    FunctionConfig(
        id: id, app: "shop", triggers: events.map { .event(name: $0, matches: []) }, catchUp: .skip,
        url: "http://localhost:9000/api/inngest?fnId=\(id)&stepId=step")
}

func cronFunction(_ text: String, id: String = "app-cron", catchUp: CatchUp = .latest) -> FunctionConfig {
    FunctionConfig(id: id, app: "app", triggers: [.cron(text: text, zone: .utc)], catchUp: catchUp)
}

func match(_ path: String, _ value: String) -> FieldMatch { FieldMatch(path: path, value: Array(value.utf8)) }

func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

/// The same numbers for the same seed, on every machine.
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed &+ 0x1234_5678_9ABC_DEF1
    }

    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state &* 0x2545_F491_4F6C_DD1D
    }

    mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }
    mutating func pick<T>(_ choices: [T]) -> T { choices[below(choices.count)] }
    mutating func chance(_ percent: Int) -> Bool { below(100) < percent }
}
