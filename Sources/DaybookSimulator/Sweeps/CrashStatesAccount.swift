import DaybookCore
import DaybookJournal
import DaybookValues

/// What has been promised to the outside at some moment: every line of the journal that was flushed, and the answers
/// that were given.
struct CrashAccount {
    /// The lines of each stream, one after the other, as its file has to have them.
    private(set) var streams: [String: [UInt8]] = [:]
    private(set) var lastQ: UInt64 = 0
    /// Steps that have their result, as `run key`; and runs that have ended.
    private(set) var finishedSteps: Set<String> = []
    private(set) var endedRuns: Set<String> = []
    private(set) var eventIDs: Set<ULID> = []
    /// Steps that got two results, runs with two ends, and other things that must not be.
    private(set) var violations: [String] = []

    /// Takes in whole lines of the log.
    mutating func take(_ lines: [UInt8]) {
        let taken = JournalLine.forEach(lines) { add($0) }
        if taken != lines.count { violations.append("a flushed batch has a line that is not right, at byte \(taken)") }
    }

    private mutating func add(_ line: JournalLine) {
        if line.q != lastQ + 1 { violations.append("record \(line.q) came after record \(lastQ)") }
        lastQ = line.q
        streams[line.stream, default: []].append(contentsOf: line.text)
        guard let record = Self.record(of: line) else {
            violations.append("record \(line.q) cannot be read")
            return
        }
        let run = String(line.stream.dropFirst(4))
        switch record {
        case .stepCompleted(let step): finish("\(run) \(step.key)")
        case .stepFailed(let step) where step.retryAt == nil: finish("\(run) \(step.key)")
        case .eventReceived(let event, _):
            if !eventIDs.insert(event.id).inserted {
                violations.append("event \(event.id.text) is in the journal twice")
            }
        default: break
        }
        if record.endsRun, !endedRuns.insert(run).inserted { violations.append("run \(run) ended twice") }
    }

    private mutating func finish(_ step: String) {
        if !finishedSteps.insert(step).inserted { violations.append("step \(step) has two results") }
    }

    static func record(of line: JournalLine) -> Record? {
        line.kind.withUnsafeBufferPointer { kind in
            line.payload.withUnsafeBufferPointer { payload in try? Record(kind: kind, payload: payload) }
        }
    }
}

/// Which bodies run, compared with what is on record. Bodies reach it from code that must be `Sendable`.
final class CrashBodies: @unchecked Sendable {
    // Everything of one sweep happens on one thread.

    /// What is on record at this moment; nil while nobody looks.
    var account: CrashAccount?
    private(set) var violations: [String] = []
    private(set) var count = 0

    func begin(run: String, step: String) {
        guard let account else { return }
        count += 1
        if account.finishedSteps.contains("\(run) \(step)") {
            violations.append("step '\(step)' of run \(run) ran again after its result was on disk")
        }
        if account.endedRuns.contains(run) { violations.append("step '\(step)' of run \(run) ran after its end") }
    }

    func takeViolations() -> [String] {
        defer { violations = [] }
        return violations
    }
}
