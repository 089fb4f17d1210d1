import DaybookCore
import DaybookFakes
import DaybookValues
import Synchronization

/// The world outside: it sees which bodies run and what functions are told, and compares with the ledger.
///
/// Used on one thread; bodies reach it from code that must be `Sendable`.
final class Witness: @unchecked Sendable {
    let ledger: Ledger
    private let disk: MemoryDisk
    /// Attempts that began in this process.
    private var begun: Set<String> = []
    private(set) var bodyCount = 0
    private(set) var killCount = 0
    /// Whether the ledger knows all that there is: not after damage, and of what a dead process does nobody knows.
    var isWatching = true
    private var sees: Bool { isWatching && !disk.isDead }
    var trace: ((String) -> Void)?

    init(ledger: Ledger, disk: MemoryDisk) {
        self.ledger = ledger
        self.disk = disk
    }

    /// Another process takes over.
    func processBegins() {
        begun = []
    }

    func bodyBegins(run: String, step: String, attempt: Int) {
        guard sees else { return }
        bodyCount += 1
        trace?("    body of '\(step)' of \(run), attempt \(attempt)")
        guard let id = ULID(run) else { return }
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
