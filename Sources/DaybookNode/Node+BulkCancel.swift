import DaybookCEL
package import DaybookCore
import DaybookJournal
package import DaybookValues
import Synchronization

/// Runs of one function that are to be cancelled together: those that exist when it begins and have not ended.
package struct BulkCancel: Sendable {
    /// Runs that are looked at, and cancelled, at once: 256. Between two of these, everything else gets its turn.
    package static let pageRunsMax = 256
    /// Runs that a dry run names: 10.
    package static let namedRunsMax = 10

    /// The whole id.
    package let function: String
    /// Only runs that were queued later.
    package let queuedAfter: Timestamp?
    /// Only runs that were queued earlier.
    package let queuedBefore: Timestamp?
    private let condition: Expression?
    /// What the runs' records say of it.
    package let reason: String
    /// Nothing is cancelled, only counted.
    package let isDryRun: Bool

    /// - Parameter condition: an expression that must be true of a run's event, seen as `event`; of a batch, of its first.
    /// - Throws: `BulkCancelError` when the expression cannot be used, with line and column.
    package init(
        function: String, queuedAfter: Timestamp? = nil, queuedBefore: Timestamp? = nil, condition: String? = nil,
        reason: String, isDryRun: Bool = false
    ) throws(BulkCancelError) {
        self.function = function
        self.queuedAfter = queuedAfter
        self.queuedBefore = queuedBefore
        self.reason = reason
        self.isDryRun = isDryRun
        guard let condition else {
            self.condition = nil
            return
        }
        do throws(ExpressionError) {
            self.condition = try Expression(condition, for: .condition)
        } catch {
            throw BulkCancelError(description: "if: \(error)")
        }
    }

    fileprivate var readsEvents: Bool { condition != nil }

    /// Whether the run with that input is meant.
    fileprivate func takes(_ input: [UInt8], at now: Moment) throws(EvaluationError) -> Bool {
        guard let condition else { return true }
        guard let view = JSONView(input), view.kind == .array, let first = view.element(0) else {
            return try condition.isTrue(event: input, now: now)
        }
        return try condition.isTrue(event: first.bytes, now: now)
    }
}

/// Why runs cannot be chosen so. Nothing was cancelled.
package struct BulkCancelError: Error, Sendable, Equatable, CustomStringConvertible {
    package let description: String
}

/// How far a bulk cancel is, and what came of it.
package struct BulkCancelAccount: Sendable, Equatable {
    /// Runs that could not be judged, and are left alone.
    package struct Untold: Sendable, Equatable {
        package var count = 0
        /// The first of them, and why.
        package var run: ULID?
        package var error = ""

        fileprivate mutating func note(_ run: ULID, _ error: String) {
            if count == 0 { (self.run, self.error) = (run, error) }
            count += 1
        }
    }

    /// Only runs that were queued before it were looked at. Given as `queuedBefore`, it leaves out all that came since.
    package var before: Timestamp
    /// Unfinished runs of the function that were queued in that time.
    package var unfinished = 0
    /// How many of these have been looked at.
    package var looked = 0
    /// How many of these are meant.
    package var matched = 0
    package var cancelled = 0
    /// Runs whose event cannot be read.
    package var unreadable = Untold()
    /// Runs for whose event the expression failed.
    package var undecided = Untold()
    /// Of a dry run, the first few that are meant, newest first.
    package var named: [ULID] = []
}

extension BulkCancelAccount {
    /// Appends it as an object of one line.
    package func append(to json: inout [UInt8], of bulk: BulkCancel, isDone: Bool) {
        json.appendObject { json in
            json.append(member: "function", bulk.function)
            json.append(member: "before", before)
            json.append(member: "unfinished", unfinished)
            json.append(member: "looked", looked)
            json.append(member: "matched", matched)
            json.append(member: "cancelled", cancelled)
            if bulk.isDryRun {
                json.append(json: #","dryRun":true"#)
                if isDone { json.append(member: "runs", named.map(\.text)) }
            }
            for (name, untold) in [("unreadable", unreadable), ("undecided", undecided)] as [(StaticString, Untold)]
            where untold.count > 0 {
                json.append(object: name) { json in
                    json.append(member: "count", untold.count)
                    json.append(member: "run", untold.run?.text)
                    json.append(member: "error", untold.error)
                }
            }
            if isDone { json.append(json: #","done":true"#) }
        }
    }
}

/// A bulk cancel under way. It goes page by page, newest runs first: so a place that comes free is not given to a run that
/// is about to be cancelled too. Wherever it is left, what is cancelled stays so, and a new one does the rest.
package struct BulkCancelWork {
    package let bulk: BulkCancel
    package private(set) var account: BulkCancelAccount
    private let node: Node
    /// Newest first.
    private let runs: [ULID]

    package var isDone: Bool { account.looked == runs.count }

    fileprivate init(_ bulk: BulkCancel, runs: [ULID], at now: Timestamp, _ node: Node) {
        self.bulk = bulk
        self.runs = runs
        self.node = node
        account = BulkCancelAccount(before: min(bulk.queuedBefore ?? .distantFuture, now + 1))
        account.unfinished = runs.count
    }

    /// Does the next page, and returns once that is on disk. Nothing is left to do when `isDone`.
    ///
    /// The runs' events are read off the writer's thread, by the loader, and only where there is a condition.
    package mutating func next() async throws(Refusal) {
        let page = Array(runs[account.looked...].prefix(BulkCancel.pageRunsMax))
        guard !page.isEmpty else { return }
        let meant = bulk.readsEvents ? await choose(page) : page
        account.matched += meant.count
        if bulk.isDryRun {
            account.named += meant.prefix(BulkCancel.namedRunsMax - account.named.count)
        } else if !meant.isEmpty {
            guard case .cancelled(let count) = try await node.submit(.cancelRuns(meant, reason: bulk.reason)) else {
                preconditionFailure("a bulk cancel was answered with something else")
            }
            account.cancelled += count
        }
        account.looked += page.count
    }

    /// Reads the events of a page of runs and evaluates the condition.
    private mutating func choose(_ page: [ULID]) async -> [ULID] {
        let now = await node.currentTime().wall
        var meant: [ULID] = []
        for (run, input) in await node.inputs(of: page) {
            switch input {
            case .failure(let error): account.unreadable.note(run, error.description)
            case .success(let input):
                do throws(EvaluationError) {
                    if try bulk.takes(input, at: Moment(milliseconds: now.milliseconds)) { meant.append(run) }
                } catch {
                    account.undecided.note(run, "\(error)")
                }
            }
        }
        return meant
    }
}

extension Node {
    /// Finds the runs that a bulk cancel is about. Nothing is cancelled yet.
    package func begin(_ bulk: BulkCancel) async -> BulkCancelWork {
        let (runs, now) = await withCheckedContinuation {
            (reply: CheckedContinuation<(runs: [ULID], now: Timestamp), Never>) in
            mailbox.post(
                .inspect { node in
                    let runs = node.core.unfinishedRuns(
                        of: bulk.function, queuedAfter: bulk.queuedAfter, queuedBefore: bulk.queuedBefore)
                    reply.resume(returning: (runs, node.clock.read().now))
                })
        }
        return BulkCancelWork(bulk, runs: runs.sorted(by: >), at: now, self)
    }

    /// What the runs were given, in the order of the runs. Those that have ended meanwhile are left out.
    fileprivate func inputs(of runs: [ULID]) async -> [(run: ULID, input: Result<[UInt8], LoadError>)] {
        await withCheckedContinuation { (reply: CheckedContinuation<_, Never>) in
            mailbox.post(
                .inspect { node in
                    let summaries = runs.compactMap { node.core.summary(of: $0) }
                    let collector = InputCollector(summaries.map(\.id)) { reply.resume(returning: $0) }
                    for (index, summary) in summaries.enumerated() {
                        node.loader.load(
                            LoadRequest(journal: node.journal, summary: summary, upTo: node.journal.flushedQ) {
                                collector.take($0.map(\.input), at: index)
                            })
                    }
                })
        }
    }
}

/// Gathers what a loader reads, from whichever thread.
private final class InputCollector: Sendable {
    typealias Found = [(run: ULID, input: Result<[UInt8], LoadError>)]

    private let runs: [ULID]
    private let state: Mutex<(inputs: [Result<[UInt8], LoadError>?], missing: Int)>
    private let completion: @Sendable (Found) -> Void

    init(_ runs: [ULID], completion: @escaping @Sendable (Found) -> Void) {
        self.runs = runs
        self.completion = completion
        state = Mutex((Array(repeating: nil, count: runs.count), runs.count))
        if runs.isEmpty { completion([]) }
    }

    func take(_ input: Result<[UInt8], LoadError>, at index: Int) {
        let inputs = state.withLock { state -> [Result<[UInt8], LoadError>?]? in
            state.inputs[index] = input
            state.missing -= 1
            return state.missing == 0 ? state.inputs : nil
        }
        guard let inputs else { return }
        completion(zip(runs, inputs).compactMap { run, input in input.map { (run, $0) } })
    }
}
