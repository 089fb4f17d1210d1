package import DaybookValues

/// A step that has begun and has no result yet, as far as the journal knows.
struct OpenStep {
    enum Kind {
        case sleep(isUntil: Bool)
        indirect case wait(event: String, matches: [FieldMatch], condition: WaitCondition?)
        /// `isReplaced` when another step has taken the signal: only its timeout is left.
        case signal(name: String, isReplaced: Bool)
        case invoke(child: ULID)
        /// Waits for its next attempt. A suspect was under way when the process died.
        case retry(isSuspect: Bool)
    }

    let key: String
    var kind: Kind
    /// Tells this opening of the step from every other, and orders waits on one event.
    let number: UInt64
    var due: Timestamp
    /// The attempt that is next, from 1.
    var attempt: Int
}

/// One unfinished run: what its records say, without the outputs of its steps, which stay on disk.
final class Run {
    let id: ULID
    /// Index of the function in the core's table.
    let function: Int
    let cause: QueuedRun.Cause
    /// Runs that a lifecycle event started make no lifecycle events themselves: no recursion.
    let isLifecycleHandler: Bool
    let queuedAt: Timestamp
    /// When to start; nil for at once.
    let startAt: Timestamp?
    var startedAt: Timestamp?
    /// When the timeout that is running passes: until the start the start timeout, from then on the finish timeout.
    /// As the function's configuration was at that moment.
    var timeoutAt: Timestamp?
    /// The current attempt of the code between steps, from 1.
    var attempt = 1
    /// When the code between steps is tried again, after a failure.
    var retryAt: Timestamp?
    /// Tells one setting of `retryAt` from the next.
    var retryNumber: UInt64 = 0
    /// Steps that have a result.
    var stepCount = 0
    /// Bytes of all their outputs.
    var stateBytes = 0
    /// Its code is not loaded, and nothing is to be done until one of its open steps has a result or is due.
    var isParked = false
    /// What only runs under flow control have; nil for most.
    var extras: RunExtras?
    /// The last time a condition of it failed on an event; not part of the state.
    var matchProblem: String?
    /// What only runs of apps behind a URL have; nil for the others.
    var remote: RunRemote?
    /// What the last failed attempt said, of a step or of the code between them; not part of the state.
    var lastFailure: String?
    /// Few; in the order in which they were opened.
    var open: [OpenStep] = []
    /// The snapshot that has this run's state already; see `Core+Snapshot.swift`.
    var snapshotted: UInt32 = 0

    init(
        id: ULID, function: Int, cause: QueuedRun.Cause, isLifecycleHandler: Bool, queuedAt: Timestamp,
        startAt: Timestamp?
    ) {
        self.id = id
        self.function = function
        self.cause = cause
        self.isLifecycleHandler = isLifecycleHandler
        self.queuedAt = queuedAt
        self.startAt = startAt
    }

    func openIndex(_ key: String) -> Int? {
        for index in open.indices where open[index].key == key { return index }
        return nil
    }

    func openStep(number: UInt64) -> OpenStep? { open.first { $0.number == number } }
}

/// What most runs do without.
final class RunExtras {
    let flow: RunFlow
    /// Events of a batch; 0 for a run that is given one by itself.
    let eventCount: Int
    /// Steps that invoked the function with one of its events.
    let callers: [HeldEvent.Caller]
    /// Tell the listeners of `flow.cancelOn` apart, in the same order.
    let cancelNumbers: [UInt64]
    /// The throttle has let it pass.
    var isAdmitted = false
    /// It is being cancelled.
    var cancelReason: String?

    init(flow: RunFlow, eventCount: Int, callers: [HeldEvent.Caller], cancelNumbers: [UInt64]) {
        self.flow = flow
        self.eventCount = eventCount
        self.callers = callers
        self.cancelNumbers = cancelNumbers
    }
}

/// What the app that runs a function behind a URL has said about a run.
final class RunRemote {
    struct Deferred {
        let key: String
        let function: String
        /// A JSON object; empty once it is aborted.
        var input: [UInt8]
        var isAborted: Bool
    }

    /// 1 or 2; nil until the first answer told it.
    var requestVersion: Int?
    /// Calls ask for plans: the app is to report new steps and to run none.
    var forcesPlan = false
    /// What starts when the run has ended, in the order in which it was asked for.
    var deferred: [Deferred] = []
}

/// What others may see of an unfinished run.
package struct RunSummary: Sendable, Equatable {
    package enum Status: String, Sendable {
        case queued
        case running
    }

    package struct Open: Sendable, Equatable {
        package enum Kind: String, Sendable {
            case sleep
            case wait
            case signal
            case invoke
            case retry
        }

        package var key: String
        package var kind: Kind
        package var due: Timestamp
        /// For a retry, the attempt that is next.
        package var attempt: Int
        /// For a retry: it may begin now.
        package var isReady: Bool
        /// For an invoke: the run it waits for. For a wait: the event's name. For a signal: its name.
        package var detail: String?
    }

    package var id: ULID
    package var function: String
    package var status: Status
    package var queuedAt: Timestamp
    package var startAt: Timestamp?
    package var startedAt: Timestamp?
    package var attempt: Int
    package var retryAt: Timestamp?
    package var stepCount: Int
    package var isParked: Bool
    /// Events of a batch; 0 for a run that was given one by itself.
    package var eventCount: Int
    /// Seconds by which it comes before others.
    package var priority: Int64
    /// What could not be evaluated for it.
    package var problems: [String]
    /// Why it does not execute although it has something to do.
    package var waiting: Waiting?
    /// What the app that runs it said last: 1 or 2; nil until it did, and for functions of this program.
    package var requestVersion: Int?
    package var forcesPlan: Bool
    /// What starts when the run has ended, in the order in which it was asked for.
    package var deferred: [Deferred]
    /// The message of the last failed attempt that this process knows of, of a step or of the code between steps.
    package var lastFailure: String?
    package var open: [Open]

    /// A follow-up.
    package struct Deferred: Sendable, Equatable {
        package var key: String
        package var function: String
        package var isAborted: Bool

        package init(key: String, function: String, isAborted: Bool = false) {
            self.key = key
            self.function = function
            self.isAborted = isAborted
        }
    }

    package enum Waiting: Sendable, Equatable {
        /// A limit on what executes at the same time; `key` is the value of its key.
        case concurrency(key: String?, scope: ConcurrencyLimit.Scope, used: Int, limit: Int)
        /// A limit on runs that are under way at the same time.
        case runs(key: String?, used: Int, limit: Int)
        /// When it may start at the earliest, if nobody comes before it.
        case throttle(key: String?, until: Timestamp)
        /// That run is not over.
        case singleton(run: ULID)
        case paused
    }
}
