import DaybookCEL
import DaybookCore
import DaybookValues

/// What flow control costs the writer: finding the one wait among many that an event fulfils, and keeping runs in order
/// behind the places they need. The core alone, without journal and disk, by processor time.
func flowFigures() throws -> [Figure] {
    try waitFigures() + queueFigures()
}

/// A core and its clock, without anything around it.
private final class Driver {
    let core = Core()
    private var now = Timestamp(milliseconds: 1_795_248_000_000)
    private var seed: UInt64 = 1
    private(set) var records = 0

    init(_ function: FunctionConfig) {
        handle(.open(epoch: 1, version: "bench", interrupted: []))
        let answer = handle(.register(app: "bench", functions: [function]))
        guard case .done = answer else { fatal("the function was refused: \(answer)") }
    }

    @discardableResult
    func handle(_ command: Command) -> Answer {
        seed &+= 1
        let answer = core.handle(command, at: Instant(now), seed: seed)
        records += core.records.count
        core.records.removeAll(keepingCapacity: true)
        return answer
    }

    /// The runs that the host is told to execute; it has been told.
    func takeActivated() -> [ULID] {
        var runs: [ULID] = []
        for effect in core.effects {
            guard case .run(let id, _) = effect else { continue }
            runs.append(id)
            core.noteReleased(id)
        }
        core.effects.removeAll(keepingCapacity: true)
        return runs
    }

    func passMilliseconds(_ count: Int64) { now = now + count }

    func event(_ name: String, _ number: Int, user: Int) -> Event {
        Event(
            internal: name, id: ULID(at: now, random: (7, UInt64(number))), at: now,
            data: Array(#"{"user":"user-\#(user)","order":\#(number),"plan":"pro","seats":25,"total":99.5}"#.utf8))
    }
}

private func function(_ set: (inout FlowConfig) -> Void = { _ in }) -> FunctionConfig {
    var flow = FlowConfig()
    set(&flow)
    return FunctionConfig(
        id: "bench-fn", app: "bench", triggers: [.event(name: "go", matches: [])], flow: flow)
}

private func waitFigures() throws -> [Figure] {
    let count = 100_000
    let driver = Driver(function())
    let source = "async.data.user == event.data.user && async.data.seats > 10"
    let expression = try Expression(source, for: .condition)
    for number in 0..<count {
        let event = driver.event("go", number, user: number)
        driver.handle(.publish([event], claim: nil))
        guard let run = driver.takeActivated().first else { fatal("an event started no run") }
        driver.handle(
            .wait(
                run: run, key: "answer", event: "answer", matches: [],
                condition: WaitCondition(source: source, captured: expression.capture(event: event.json)),
                timeout: 86_400_000))
    }
    let answers = (0..<1_000).map { driver.event("answer", count + $0, user: $0 * 97) }
    let before = driver.records
    let start = processorSeconds()
    for answer in answers { driver.handle(.publish([answer], claim: nil)) }
    let microseconds = (processorSeconds() - start) * 1e6 / Double(answers.count)
    // The event's record and the result of one step each.
    guard driver.records - before == 2 * answers.count else { fatal("not every event resumed one run") }
    return [
        Figure(
            name: "100,000 waits on one name: an event that resumes one", value: microseconds, unit: "µs", most: 1_000,
            detail: "found by the equality in '\(source)'")
    ]
}

private func queueFigures() throws -> [Figure] {
    let count = 100_000
    let keys = 1_000
    let plain = try queueMeasurement(function(), count, keys)
    let limited = try queueMeasurement(
        function { $0.concurrency = [ConcurrencyLimit(limit: 1, key: "event.data.user")] }, count, keys)
    return [
        Figure(
            name: "100,000 runs behind 1,000 keys: enqueue", value: limited.enqueue - plain.enqueue, unit: "µs",
            most: 5,
            detail:
                "beyond that of a function without limits; event, key and run in all: \(number(limited.enqueue)) µs"),
        Figure(
            name: "100,000 runs behind 1,000 keys: dequeue", value: limited.dequeue - plain.dequeue, unit: "µs",
            most: 5,
            detail: "beyond the same; the end of a run and the start of the next: \(number(limited.dequeue)) µs"),
    ]
}

private func queueMeasurement(
    _ function: FunctionConfig, _ count: Int, _ keys: Int
) throws -> (enqueue: Double, dequeue: Double) {
    let driver = Driver(function)
    let events = (0..<count).map { driver.event("go", $0, user: $0 % keys) }
    var active: [ULID] = []
    let start = processorSeconds()
    for (number, event) in events.enumerated() {
        if number % 10 == 0 { driver.passMilliseconds(1) }
        driver.handle(.publish([event], claim: nil))
        active.append(contentsOf: driver.takeActivated())
    }
    let enqueue = (processorSeconds() - start) * 1e6 / Double(count)
    let output = Array("null".utf8)
    var ended = 0
    let middle = processorSeconds()
    while ended < active.count {
        driver.handle(.end(run: active[ended], .returned(output: output), input: []))
        driver.handle(.yield(run: active[ended]))
        active.append(contentsOf: driver.takeActivated())
        ended += 1
    }
    let dequeue = (processorSeconds() - middle) * 1e6 / Double(count)
    guard ended == count else { fatal("\(count - ended) runs never started") }
    return (enqueue, dequeue)
}
