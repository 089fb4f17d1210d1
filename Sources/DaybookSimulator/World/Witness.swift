import DaybookCore
import DaybookFakes
import DaybookSystem
import DaybookValues
import Synchronization

/// The world outside: it sees which bodies run and what functions are told, and compares with the ledger.
///
/// Used on one thread; bodies reach it from code that must be `Sendable`.
final class Witness: @unchecked Sendable {
    let ledger: Ledger
    private let disk: MemoryDisk
    private let clock: ManualClock
    /// Attempts that began in this process.
    private var begun: Set<String> = []
    private(set) var bodyCount = 0
    private(set) var killCount = 0
    /// Whether the ledger knows all that there is: not after damage, and of what a dead process does nobody knows.
    var isWatching = true
    private var sees: Bool { isWatching && !disk.isDead }
    var trace: ((String) -> Void)?
    /// Bodies of this process that run, by the places they take.
    private var busy: [FlowLedger.Pool: [Place]] = [:]
    private var lastBody = 0
    /// Bodies that take their time, in the order in which they began to.
    private var slow: [(due: UInt64, body: UnsafeContinuation<Void, Never>)] = []
    /// Nothing takes its time any more: the process is to end.
    private var isHurried = false

    /// A place that a body takes.
    private struct Place {
        var body: Int
        var run: ULID
        var limit: Int
    }

    init(ledger: Ledger, disk: MemoryDisk, clock: ManualClock) {
        self.ledger = ledger
        self.disk = disk
        self.clock = clock
    }

    /// Another process takes over.
    func processBegins() {
        begun = []
        busy = [:]
        isHurried = false
    }

    /// - Returns: what `bodyEnds` is given.

    func bodyBegins(run: String, step: String, attempt: Int) -> Int {
        guard sees else { return 0 }
        bodyCount += 1
        trace?("    body of '\(step)' of \(run), attempt \(attempt)")
        guard let id = ULID(run) else { return 0 }
        if ledger.hasResult(step, of: id) {
            ledger.violate(
                "step '\(step)' of run \(run) ran again, as attempt \(attempt), after its result was on disk")
        }
        if ledger.runs[id]?.end != nil {
            ledger.violate("step '\(step)' of run \(run) ran after the run had ended")
        }
        if !begun.insert("\(run) \(step) \(attempt)").inserted {
            ledger.violate("attempt \(attempt) of step '\(step)' of run \(run) ran twice in one process")
        }
        if let function = ledger.runs[id]?.function, ledger.flow.isAtRest(function) {
            ledger.violate("step '\(step)' of run \(run) ran although \(function) is paused")
        }
        return takePlaces(of: id, step)
    }

    /// Counts the body where its function's limits do.
    private func takePlaces(of id: ULID, _ step: String) -> Int {
        lastBody += 1
        for (pool, limit) in ledger.flow.places(of: id) {
            busy[pool, default: []].append(Place(body: lastBody, run: id, limit: limit))
            let places = busy[pool] ?? []
            // Whoever got in last under a limit of so many was one of at most so many; others with higher ones may follow.
            for most in Set(places.map(\.limit)).sorted() where most < .max {
                let count = places.count { $0.limit <= most }
                if count > most {
                    ledger.violate(
                        "step '\(step)' of run \(id.text) is number \(count) that executes under \(pool); the limit is \(most)"
                    )
                }
            }
            if places.count == limit { ledger.flow.count(.limitsReached) }
        }
        return lastBody
    }

    /// However it ended.
    func bodyEnds(_ body: Int) {
        var hasOutlivedItsRun = false
        for (pool, places) in busy {
            guard let index = places.firstIndex(where: { $0.body == body }) else { continue }
            hasOutlivedItsRun = hasOutlivedItsRun || ledger.runs[places[index].run]?.end != nil
            busy[pool]?.remove(at: index)
        }
        if hasOutlivedItsRun { ledger.flow.count(.bodiesThatOutlivedTheirRuns) }
    }

    /// Runs whose bodies execute under a limit.
    var busyRuns: Set<ULID> { Set(busy.values.joined().map(\.run)) }

    /// The body takes its time.
    func wait(milliseconds: Int64) async {
        guard !isHurried, !disk.isDead else { return }
        await withUnsafeContinuation { body in
            slow.append((clock.nowNanoseconds + UInt64(milliseconds) * 1_000_000, body))
        }
    }

    /// When the next of the slow bodies goes on, by the monotonic clock.
    var nextWake: UInt64? { slow.lazy.map(\.due).min() }

    /// Lets slow bodies go on whose time has come, or all of them for good.
    func wakeBodies(all: Bool = false) {
        if all { isHurried = true }
        guard !slow.isEmpty else { return }
        let now = clock.nowNanoseconds
        let ready = slow.filter { all || $0.due <= now }
        slow.removeAll { all || $0.due <= now }
        for body in ready { body.body.resume() }
    }

    func bodyReturns(run: String, step: String, attempt: Int, value: String) {
        guard sees else { return }
        ledger.returned["\(run) \(step) \(attempt)"] = value
    }

    /// A function was handed a step's value.
    func sees(run: String, value: String) {
        guard sees, let id = ULID(run), let mark = value.lastIndex(of: "#") else { return }
        let key = String(value[..<mark])
        guard let step = ledger.runs[id]?.completed[key], JSONView(step.output)?.string == value else {
            ledger.violate("run \(run) was told the result of step '\(key)' before it was on disk, or another one")
            return
        }
    }

    /// The body that runs takes the process down.
    func killProcess() {
        guard !disk.isDead else { return }
        killCount += 1
        disk.die()
    }
}
