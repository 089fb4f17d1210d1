package import DaybookCore
import DaybookJournal
package import DaybookValues

/// One attempt: of a step's body, or of the code between steps.
package struct AttemptDetail: Sendable, Equatable {
    package enum Outcome: String, Sendable {
        case completed
        case failed
        /// The process died, or was stopped, while it ran.
        case interrupted
    }

    /// From 1.
    package var attempt: Int
    package var outcome: Outcome
    package var endedAt: Timestamp
    /// Microseconds; nil when it is not known.
    package var duration: Int64?
    /// A JSON object.
    package var error: [UInt8]?
    package var retryAt: Timestamp?
}

/// A step of a run, as its records tell it.
package struct StepDetail: Sendable, Equatable {
    package enum Status: String, Sendable {
        /// Sleeps, or waits for an event or for another run.
        case waiting
        /// An attempt failed, another one follows.
        case retrying
        case completed
        case failed
        /// The run ended before the step did.
        case abandoned
    }

    package var key: String
    package var operation: StepOperation
    package var status: Status
    package var startedAt: Timestamp?
    package var endedAt: Timestamp?
    package var attempts: [AttemptDetail] = []
    /// JSON; nil while there is none.
    package var output: [UInt8]?
    package var error: [UInt8]?
    /// When a sleep or a wait is over at the latest.
    package var due: Timestamp?
    /// The event that a wait is for.
    package var event: String?
    /// The signal that a wait is for.
    package var signal: String?
    /// The run that an invoke started, and its function.
    package var child: (id: ULID, function: String)?
    package var copiedFrom: ULID?

    init(key: String, operation: StepOperation, status: Status) {
        self.key = key
        self.operation = operation
        self.status = status
    }

    package static func == (a: StepDetail, b: StepDetail) -> Bool {
        a.key == b.key && a.operation == b.operation && a.status == b.status && a.startedAt == b.startedAt
            && a.endedAt == b.endedAt && a.attempts == b.attempts && a.output == b.output && a.error == b.error
            && a.due == b.due && a.event == b.event && a.signal == b.signal && a.child?.id == b.child?.id
            && a.child?.function == b.child?.function && a.copiedFrom == b.copiedFrom
    }
}

/// How far a run, or one of its steps, is by its author's word.
package struct ReportedProgress: Sendable, Equatable {
    /// Nil for the run as a whole.
    package var step: String?
    package var done: Int
    package var total: Int
    package var message: String?
}

/// All that the records of one run say, in the shape people look at it.
package struct RunDetail: Sendable {
    package let id: ULID
    package private(set) var queued: QueuedRun?
    package private(set) var status = RunStatus.queued
    package private(set) var queuedAt: Timestamp
    package private(set) var startedAt: Timestamp?
    package private(set) var endedAt: Timestamp?
    /// Failed attempts of the code between steps.
    package private(set) var attempts: [AttemptDetail] = []
    /// In the order in which they began.
    package private(set) var steps: [StepDetail] = []
    /// Of a failed run what an app answered, where that is something else than `error`.
    package private(set) var output: [UInt8]?
    package private(set) var error: [UInt8]?
    /// What starts, or has started, when it has ended, in the order in which it was asked for.
    package private(set) var deferred: [RunSummary.Deferred] = []
    /// Why it was cancelled or set aside.
    package private(set) var reason: String?
    /// The event it was given, when it is at hand or was read; of a batch, an array of all its events.
    package var event: [UInt8]?
    /// What its code, while it is loaded, last said of its progress. Not on record.
    package var progress: [ReportedProgress] = []
    /// Why flow control does not let it run although it has something to do.
    package var waitingFor: RunSummary.Waiting?
    /// Expressions of flow control that have failed on the run's event, or, as long as the run is unfinished and the
    /// process the same, on one that was compared with it.
    package var problems: [String] = []
    /// What could not be read.
    package var damage: String?
    /// Why it stands still although it has something to do: its record cannot be read just now.
    package var postponed: String?
    /// What the list of finished runs has of it, where its own file lacks the end.
    private var listed: RunRow?
    /// The whole id of its function; empty when it is nowhere to be read.
    package var function: String { queued?.function ?? listed?.function ?? "" }
    /// Results of steps in journal order, for `retry --from`.
    private var results: [CopiedResult] = []
    /// Where each step begins: how many results there were before its first record.
    private var resultsBefore: [String: Int] = [:]
    private var positions: [String: Int] = [:]

    package init(id: ULID) {
        self.id = id
        queuedAt = id.time
    }

    package mutating func take(_ record: Record, at time: Timestamp) {
        switch record {
        case .runQueued(let run):
            queued = run
            queuedAt = time
            problems = run.flow.problems
            if case .inline(let event) = run.input { self.event = event }
        case .runStarted:
            status = .running
            startedAt = time
        case .stepCompleted(let outcome): complete(outcome, at: time)
        case .stepFailed(let failure): fail(failure, at: time)
        case .stepInterrupted(let key, let attempt, _):
            let index = position(of: key, .run)
            steps[index].status = .retrying
            steps[index].attempts.append(
                AttemptDetail(attempt: attempt, outcome: .interrupted, endedAt: time, duration: nil))
        case .sleepStarted(let key, let due, _, _):
            let index = position(of: key, .sleep)
            steps[index].startedAt = time
            steps[index].due = due
        case .waitStarted(let key, let event, _, _, let due, _):
            let index = position(of: key, .wait)
            steps[index].startedAt = time
            steps[index].due = due
            steps[index].event = event
        case .signalStarted(let key, let signal, let due, _):
            let index = position(of: key, .signal)
            steps[index].startedAt = time
            steps[index].due = due
            steps[index].signal = signal
        case .deferAdded(let key, let function, _):
            deferred.append(RunSummary.Deferred(key: key, function: function))
        case .deferAborted(let key):
            for index in deferred.indices where deferred[index].key == key { deferred[index].isAborted = true }
        case .invokeStarted(let key, let function, let child, let due, _):
            let index = position(of: key, .invoke)
            steps[index].startedAt = time
            steps[index].due = due
            steps[index].child = (child, function)
        case .attemptFailed(let attempt, let error, let retryAt):
            attempts.append(
                AttemptDetail(
                    attempt: attempt, outcome: .failed, endedAt: time, duration: nil, error: error, retryAt: retryAt))
        case .runCompleted(let output): end(.completed, at: time, output: output)
        case .runFailed(let error, let output): end(.failed, at: time, output: output, error: error)
        case .runCancelled(let reason): end(.cancelled, at: time, reason: reason)
        case .runCancelling(let reason): self.reason = reason
        case .runQuarantined(let reason): end(.quarantined, at: time, reason: reason)
        default: break
        }
    }

    /// Takes the end from the list of finished runs.
    mutating func take(_ row: RunRow) {
        listed = row
        if queued == nil { queuedAt = row.queuedAt }
        if startedAt == nil { startedAt = row.startedAt }
        guard row.status.isFinal, let endedAt = row.endedAt else { return }
        end(row.status, at: endedAt, reason: row.reason)
    }

    private mutating func complete(_ outcome: StepOutcome, at time: Timestamp) {
        let index = position(of: outcome.key, outcome.operation)
        results.append(.completed(outcome))
        steps[index].operation = outcome.operation
        steps[index].status = .completed
        steps[index].output = outcome.output
        steps[index].endedAt = time
        steps[index].copiedFrom = outcome.copiedFrom
        if outcome.operation.hasAttempts, outcome.copiedFrom == nil {
            add(
                AttemptDetail(
                    attempt: outcome.attempt, outcome: .completed, endedAt: time, duration: outcome.duration),
                to: index)
        }
    }

    private mutating func fail(_ failure: StepFailure, at time: Timestamp) {
        let index = position(of: failure.key, failure.operation)
        if failure.retryAt == nil { results.append(.failed(failure)) }
        steps[index].operation = failure.operation
        steps[index].status = failure.retryAt == nil ? .failed : .retrying
        steps[index].error = failure.error
        steps[index].endedAt = failure.retryAt == nil ? time : nil
        steps[index].copiedFrom = failure.copiedFrom
        if failure.operation.hasAttempts, failure.copiedFrom == nil {
            // The last attempt of a step that took its process down has ended with the process.
            if let last = steps[index].attempts.last, last.attempt == failure.attempt, last.outcome == .interrupted {
                steps[index].attempts[steps[index].attempts.count - 1].error = failure.error
                return
            }
            add(
                AttemptDetail(
                    attempt: failure.attempt, outcome: .failed, endedAt: time, duration: failure.duration,
                    error: failure.error, retryAt: failure.retryAt),
                to: index)
        }
    }

    private mutating func add(_ attempt: AttemptDetail, to index: Int) {
        steps[index].attempts.append(attempt)
        guard steps[index].startedAt == nil, let duration = attempt.duration else { return }
        // Only the end of a body is recorded, with how long it took.
        steps[index].startedAt = attempt.endedAt + -(duration / 1_000)
    }

    private mutating func end(
        _ status: RunStatus, at time: Timestamp, output: [UInt8]? = nil, error: [UInt8]? = nil, reason: String? = nil
    ) {
        self.status = status
        self.output = output
        self.error = error
        self.reason = reason
        endedAt = time
        for index in steps.indices where steps[index].status == .waiting || steps[index].status == .retrying {
            steps[index].status = .abandoned
        }
    }

    private mutating func position(of key: String, _ operation: StepOperation) -> Int {
        if let index = positions[key] { return index }
        positions[key] = steps.count
        resultsBefore[key] = results.count
        steps.append(StepDetail(key: key, operation: operation, status: .waiting))
        return steps.count - 1
    }

    /// The results that came before anything was recorded of a step; nil when the run has no such step.
    package func results(before step: String) -> [CopiedResult]? {
        resultsBefore[step].map { Array(results[..<$0]) }
    }
}
