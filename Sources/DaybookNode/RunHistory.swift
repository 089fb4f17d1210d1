package import Daybook
import DaybookCore
package import DaybookJournal
import DaybookSystem
package import DaybookValues

/// One run as its journal tells it, for those who bring it back to life.
package struct RunHistory: Sendable {
    /// Larger outputs are read when the code asks for them.
    private static let inlineOutputBytesMax = 4_096

    /// Final results of steps, in journal order.
    package private(set) var memo: [Memo.Entry] = []
    /// What a run behind a URL is called with, in journal order; only when they were asked for.
    private(set) var results: [(key: String, memo: [UInt8])] = []
    private var keepsResults = false
    private var queued: QueuedRun?
    private var lastAttempts: [String: Int] = [:]
    private var finished: Set<String> = []

    /// Reads the run's records up to and including `q`, after the follower has brought its file up to date.
    package init(_ journal: Journal, _ id: ULID, upTo q: UInt64, keepsResults: Bool = false) throws {
        try journal.follower.catchUp(to: min(q, journal.flushedQ))
        let large = StoredOutputs(id, journal)
        self = try journal.wholeRecords(of: id) { () throws -> (RunHistory, RunRecords) in
            var history = RunHistory()
            history.keepsResults = keepsResults
            var failure: RecordError?
            let records = try journal.records(of: .run(id)) { view in
                guard view.q <= q, failure == nil else { return }
                do throws(RecordError) {
                    history.take(try view.decoded(), q: view.q, large)
                } catch {
                    failure = error
                }
            }
            if let failure { throw failure }
            return (history, records)
        }
    }

    private init() {}

    /// What the log still has of the run, for when its file cannot be read.
    init(logged journal: Journal, _ id: ULID) throws(FileError) {
        self.init()
        let large = StoredOutputs(id, journal)
        var history = self
        try journal.follower.forEachLogged(.run(id)) { view in
            if let record = try? view.decoded() { history.take(record, q: view.q, large) }
        }
        self = history
    }

    /// The event of a run whose journal is damaged, as far as that can be told; nil when it cannot.
    static func inputOfDamaged(_ id: ULID, in journal: Journal) -> [UInt8]? {
        var history = RunHistory()
        let large = StoredOutputs(id, journal)
        _ = try? journal.follower.catchUp(to: journal.flushedQ)
        // The first record is given out before the damage behind it is met.
        _ = try? journal.records(of: .run(id)) { view in
            if history.queued == nil, let record = try? view.decoded() { history.take(record, q: view.q, large) }
        }
        if history.queued == nil, let logged = try? RunHistory(logged: journal, id) { history = logged }
        return try? history.input(in: journal)
    }

    private mutating func take(_ record: Record, q: UInt64, _ large: StoredOutputs) {
        switch record {
        case .runQueued(let run): queued = run
        case .stepCompleted(let step):
            finished.insert(step.key)
            if keepsResults { results.append((step.key, StepMemo.completed(step.operation, step.output))) }
            let result: Memo.Result =
                step.output.count <= Self.inlineOutputBytesMax ? .output(step.output) : .stored { try large.output(q) }
            memo.append(Memo.Entry(StepKey(text: step.key), result))
        case .stepFailed(let step):
            if step.retryAt == nil {
                finished.insert(step.key)
                if keepsResults { results.append((step.key, StepMemo.failed(step.error))) }
                memo.append(Memo.Entry(StepKey(text: step.key), .failed(ErrorFacts(json: step.error))))
            } else {
                lastAttempts[step.key] = max(lastAttempts[step.key] ?? 0, step.attempt)
            }
        default: break
        }
    }

    /// Whether that attempt of the step has a result.
    func hasEnded(step: String, attempt: Int) -> Bool {
        finished.contains(step) || lastAttempts[step].map { $0 >= attempt } ?? false
    }

    /// The event the run was given.
    func input(in journal: Journal) throws -> [UInt8] {
        switch queued?.input {
        case .inline(let event): return event
        case .received(let day, let id):
            try journal.follower.catchUp(to: journal.flushedQ)
            var found: [UInt8]?
            let failure = Result {
                try journal.records(of: .events(day: day)) { view in
                    guard found == nil, case .eventReceived(let event, _)? = try? view.decoded(), event.id == id
                    else {
                        return
                    }
                    found = event.json
                }
            }
            // What was found was checked by itself, whatever is wrong with the rest of the day.
            if found == nil { _ = try failure.get() }
            guard let found else { throw LoadError("its event \(id.text) is not in \(StreamID.events(day: day).path)") }
            return found
        case nil: throw LoadError("its first record is missing")
        }
    }
}

/// Reads outputs back, one at a time.
private struct StoredOutputs: Sendable {
    private let id: ULID
    private let journal: Journal

    init(_ id: ULID, _ journal: Journal) {
        self.id = id
        self.journal = journal
    }

    func output(_ q: UInt64) throws -> [UInt8] {
        let found = try journal.wholeRecords(of: id) { () throws -> ([UInt8]?, RunRecords) in
            var found: [UInt8]?
            let records = try journal.records(of: .run(id)) { view in
                guard view.q == q, case .stepCompleted(let step)? = try? view.decoded() else { return }
                found = step.output
            }
            return (found, records)
        }
        guard let found else { throw LoadError("record \(q) is not in its file any more") }
        return found
    }
}

extension Journal {
    /// Reads a run's file, and makes it whole first when it is gone or shorter than it was: an older or shorter file is
    /// sound in itself, and what it lacks would be done again.
    fileprivate func wholeRecords<Value>(of run: ULID, _ read: () throws -> (Value, RunRecords)) throws -> Value {
        let stream = StreamID.run(run)
        let expected = follower.fileState(of: stream)?.records ?? 0
        let failure: any Error
        do {
            let (value, records) = try read()
            if records.entries.count >= expected { return value }
            failure = LoadError(
                "\(stream.path) has only \(records.entries.count) of its \(expected) records, and the log not the others"
            )
        } catch let error as RunRecordsError {
            if case .file = error { throw error }
            failure = error
        }
        guard try follower.restore(stream) else { throw failure }
        return try read().0
    }
}
