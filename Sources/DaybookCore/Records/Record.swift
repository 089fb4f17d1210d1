package import DaybookValues

/// Which stream of the journal a record belongs to; the node adds the day or month.
package enum RecordStream: Hashable, Sendable {
    case run(ULID)
    case events
    case system
}

/// One fact of the journal. Everything the core knows follows from these, in order. Large and rarer cases are indirect, so
/// that results of steps, which are most of all, are handed on cheaply.
package enum Record: Equatable, Sendable {
    // What belongs to no run
    /// A process began to own the data directory.
    case epochOpened(epoch: UInt32, version: String)
    /// The live system state, at the head of each month's file, so that the streams alone can rebuild it.
    case monthOpened(SystemState)
    indirect case functionRegistered(FunctionConfig)
    /// The function starts no more runs; those under way go on.
    case functionRemoved(id: String)
    /// New events start no run of it, and its runs stand still until it is resumed.
    case functionPaused(id: String)
    case functionResumed(id: String)
    /// An app behind a URL was registered, or said something new.
    indirect case appRegistered(AppConfig)
    case appRemoved(id: String)
    /// A debounce or batch came due and starts no run after all; its events stand in the journal as they came.
    case holdDropped(hold: ULID, function: String, reason: Dropped.Reason, detail: String)
    /// The next tick of a trigger; nil when its schedule has none.
    case cronScheduled(function: String, trigger: Int, tick: Timestamp?)
    /// A tick fired. `run` is nil for one that was skipped.
    case cronTicked(function: String, trigger: Int, tick: Timestamp, run: ULID?, next: Timestamp?)
    /// The movable clock of `dev` mode stands that many milliseconds ahead.
    case clockMoved(offset: Int64)
    /// The events of a claimed inbox file are in the journal up to that byte.
    case inboxCommitted(claim: String, offset: Int, isWhole: Bool)
    /// The claimed file is gone from `.claimed`, durably.
    case inboxRemoved(claim: String)

    // Events
    indirect case eventReceived(Event, EventOutcome)

    // Runs
    indirect case runQueued(QueuedRun)
    /// The function's throttle has let the run pass.
    case runAdmitted
    /// The function's code began for the first time.
    case runStarted
    /// All that the run does is wait, for long: its code was unwound.
    case runParked
    case stepCompleted(StepOutcome)
    /// An attempt failed; `retryAt` is nil when it was the last one, and the error is what the function gets.
    case stepFailed(StepFailure)
    /// The process died while the attempt ran. `isCharged` tells whether that counts as a failed attempt.
    case stepInterrupted(key: String, attempt: Int, isCharged: Bool)
    case sleepStarted(key: String, due: Timestamp, length: Int64, isUntil: Bool)
    indirect case waitStarted(
        key: String, event: String, matches: [FieldMatch], condition: WaitCondition?, due: Timestamp, length: Int64)
    /// Who waited for the same signal before does not any more.
    case signalStarted(key: String, signal: String, due: Timestamp, length: Int64)
    case invokeStarted(key: String, function: String, child: ULID, due: Timestamp, length: Int64)
    /// A function starts with that input once the run has ended.
    indirect case deferAdded(key: String, function: String, input: [UInt8])
    case deferAborted(key: String)
    /// How the app that runs the function wants to be called from now on.
    case runAnswered(version: Int, forcesPlan: Bool)
    /// The code between steps failed and will be tried again.
    case attemptFailed(attempt: Int, error: [UInt8], retryAt: Timestamp)
    case runCompleted(output: [UInt8])
    /// `output` is what an app answered, where that is something else than the error.
    case runFailed(error: [UInt8], output: [UInt8]? = nil)
    /// The run is being cancelled; somebody listens for its end, so that its event is read first.
    case runCancelling(reason: String)
    case runCancelled(reason: String)
    /// Its journal is damaged: the run is set aside, whole, for a person to look at.
    case runQuarantined(reason: String)

    package var kind: StaticString {
        switch self {
        case .epochOpened: "epoch.opened"
        case .monthOpened: "month.opened"
        case .functionRegistered: "function.registered"
        case .functionRemoved: "function.removed"
        case .functionPaused: "function.paused"
        case .functionResumed: "function.resumed"
        case .appRegistered: "app.registered"
        case .appRemoved: "app.removed"
        case .holdDropped: "hold.dropped"
        case .cronScheduled: "cron.scheduled"
        case .cronTicked: "cron.ticked"
        case .clockMoved: "clock.moved"
        case .inboxCommitted: "inbox.committed"
        case .inboxRemoved: "inbox.removed"
        case .eventReceived: "event.received"
        case .runQueued: "run.queued"
        case .runAdmitted: "run.admitted"
        case .runStarted: "run.started"
        case .runParked: "run.parked"
        case .stepCompleted: "step.completed"
        case .stepFailed: "step.failed"
        case .stepInterrupted: "step.interrupted"
        case .sleepStarted: "sleep.started"
        case .waitStarted: "wait.started"
        case .signalStarted: "signal.started"
        case .invokeStarted: "invoke.started"
        case .deferAdded: "defer.added"
        case .deferAborted: "defer.aborted"
        case .runAnswered: "run.answered"
        case .attemptFailed: "attempt.failed"
        case .runCompleted: "run.completed"
        case .runFailed: "run.failed"
        case .runCancelling: "run.cancelling"
        case .runCancelled: "run.cancelled"
        case .runQuarantined: "run.quarantined"
        }
    }

    /// Whether the run's journal ends with this record.
    package var endsRun: Bool {
        switch self {
        case .runCompleted, .runFailed, .runCancelled, .runQuarantined: true
        default: false
        }
    }
}

/// What kind of step call a result belongs to.
package enum StepOperation: String, Sendable, Equatable, CaseIterable {
    case run
    case sleep
    case wait
    case invoke
    case send
    /// A wait for a signal.
    case signal
    /// A request that the server made in the function's place.
    case fetch
    /// The same, to a language model.
    case infer
    /// An older form of `run`, whose result stands in calls as it is.
    case step

    /// Whether something is executed for it, which may fail and be tried again.
    package var hasAttempts: Bool {
        switch self {
        case .run, .step, .fetch, .infer: true
        case .sleep, .wait, .signal, .invoke, .send: false
        }
    }
}

package struct StepOutcome: Equatable, Sendable {
    package var key: String
    package var operation: StepOperation
    /// Counts from 1.
    package var attempt: Int
    /// Raw JSON; `null` for a sleep, and for a wait that timed out.
    package var output: [UInt8]
    /// How long the body ran, in microseconds; 0 when nothing ran.
    package var duration: Int64
    /// The run it was copied from, by `retry --from`.
    package var copiedFrom: ULID?

    package init(
        key: String, operation: StepOperation = .run, attempt: Int = 1, output: [UInt8], duration: Int64 = 0,
        copiedFrom: ULID? = nil
    ) {
        self.key = key
        self.operation = operation
        self.attempt = attempt
        self.output = output
        self.duration = duration
        self.copiedFrom = copiedFrom
    }
}

package struct StepFailure: Equatable, Sendable {
    package var key: String
    package var operation: StepOperation
    package var attempt: Int
    /// A JSON object with `name`, `message` and, if known, `stack` and `cause`.
    package var error: [UInt8]
    package var duration: Int64
    package var retryAt: Timestamp?
    package var copiedFrom: ULID?

    package init(
        key: String, operation: StepOperation = .run, attempt: Int, error: [UInt8], duration: Int64 = 0,
        retryAt: Timestamp? = nil, copiedFrom: ULID? = nil
    ) {
        self.key = key
        self.operation = operation
        self.attempt = attempt
        self.error = error
        self.duration = duration
        self.retryAt = retryAt
        self.copiedFrom = copiedFrom
    }
}

/// The first record of a run.
package struct QueuedRun: Equatable, Sendable {
    package enum Cause: Equatable, Sendable {
        case event
        case cron
        /// Another run's step waits for the result.
        case invoke(parent: ULID, key: String)
        /// A person asked for it again.
        case retry(of: ULID)
    }

    /// The event a run is given.
    package enum Input: Equatable, Sendable {
        case inline([UInt8])
        /// Too large to be carried twice: the record of that event, received on that day, has it.
        case received(day: Int32, id: ULID)
    }

    /// Larger events are carried by reference.
    package static let inlineBytesMax = 65_536

    package var function: String
    package var cause: Cause
    package var input: Input
    package var eventName: String
    /// The sender's event id, which no second run of this function may have for 24 hours.
    package var key: String?
    /// When to start, if not at once.
    package var startAt: Timestamp?
    /// The hold whose events these are; it is over.
    package var hold: ULID?
    /// How many events a batch has; 0 for a run that is given one event by itself.
    package var eventCount: Int
    package var flow: RunFlow

    package init(
        function: String, cause: Cause, input: Input, eventName: String, key: String? = nil, startAt: Timestamp? = nil,
        hold: ULID? = nil, eventCount: Int = 0, flow: RunFlow = RunFlow()
    ) {
        self.function = function
        self.cause = cause
        self.input = input
        self.eventName = eventName
        self.key = key
        self.startAt = startAt
        self.hold = hold
        self.eventCount = eventCount
        self.flow = flow
    }
}

/// What the system stream is about, at one moment.
package struct SystemState: Equatable, Sendable {
    package struct CronState: Equatable, Sendable {
        package var trigger: Int
        package var next: Timestamp?
        /// The names that are taken.
        package var handled: TickNames
    }

    package struct Function: Equatable, Sendable {
        package var config: FunctionConfig
        package var isRemoved: Bool
        package var isPaused: Bool
        package var crons: [CronState]
    }

    package struct Claim: Equatable, Sendable {
        package var name: String
        package var offset: Int
        package var isWhole: Bool
    }

    package struct App: Equatable, Sendable {
        package var config: AppConfig
        package var isRemoved: Bool
    }

    package var functions: [Function]
    package var apps: [App]
    package var claims: [Claim]
    package var clockOffset: Int64

    package init(functions: [Function] = [], apps: [App] = [], claims: [Claim] = [], clockOffset: Int64 = 0) {
        self.functions = functions
        self.apps = apps
        self.claims = claims
        self.clockOffset = clockOffset
    }
}

/// Why a record of the journal cannot be understood.
package enum RecordError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A kind this version does not know: a newer version wrote it.
    case unknownKind(String)
    case missingField(kind: String, field: String)
    /// It speaks of something that the records before it do not have.
    case outOfPlace(kind: String, reason: String)

    package var description: String {
        switch self {
        case .unknownKind(let kind):
            "record kind '\(kind)' is not known to this version: a newer Daybook wrote this journal"
        case .missingField(let kind, let field): "a '\(kind)' record has no readable \"\(field)\""
        case .outOfPlace(let kind, let reason): "a '\(kind)' record does not fit what came before it: \(reason)"
        }
    }
}
