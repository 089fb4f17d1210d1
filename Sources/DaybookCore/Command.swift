package import DaybookValues

/// The two times a command comes with.
package struct Instant: Sendable, Equatable {
    /// Never goes back, not even over a restart; what durations are measured by and records carry.
    package var now: Timestamp
    /// The wall clock, as it stands; what schedules are measured by.
    package var wall: Timestamp

    package init(now: Timestamp, wall: Timestamp) {
        self.now = now
        self.wall = wall
    }

    /// Both times the same.
    package init(_ time: Timestamp) {
        self.init(now: time, wall: time)
    }
}

/// How long a step is to wait: a length, or an instant of the wall clock.
package enum WaitLength: Sendable, Equatable {
    /// Milliseconds.
    case duration(Int64)
    case until(Timestamp)
}

/// How an attempt of a step's body ended.
package enum BodyResult: Sendable, Equatable {
    case success(output: [UInt8])
    case failure(AttemptError)
}

/// What user code threw.
package struct AttemptError: Sendable, Equatable {
    /// A JSON object with `name`, `message` and, if known, `stack` and `cause`.
    package var json: [UInt8]
    package var isRetriable: Bool
    /// Milliseconds to wait before the next attempt, if the error asked for that.
    package var retryAfter: Int64?
    /// The raw output, where it is something else than `json`: what an app behind HTTP answered.
    package var output: [UInt8]?
    /// The attempt that failed, from 1, where the host counts attempts itself: that of a call of an app.
    package var attempt: Int?

    package init(
        json: [UInt8], isRetriable: Bool = true, retryAfter: Int64? = nil, output: [UInt8]? = nil, attempt: Int? = nil
    ) {
        self.json = json
        self.isRetriable = isRetriable
        self.retryAfter = retryAfter
        self.output = output
        self.attempt = attempt
    }

    package init(name: String, message: String, isRetriable: Bool = true) {
        self.init(json: errorJSON(name: name, message: message), isRetriable: isRetriable)
    }
}

/// An error as records and outputs carry it.
package func errorJSON(name: String, message: String) -> [UInt8] {
    var json: [UInt8] = []
    json.append(json: #"{"name":"#)
    json.append(jsonString: name)
    json.append(json: #","message":"#)
    json.append(jsonString: message)
    json.append(UInt8(ascii: "}"))
    return json
}

/// How a run's function ended.
package enum RunEnd: Sendable, Equatable {
    case returned(output: [UInt8])
    case threw(AttemptError)
    case cancelled(reason: String)
}

/// Where the events of a command come from, if from a claimed inbox file.
package struct ClaimProgress: Sendable, Equatable {
    package var name: String
    /// Bytes of the file that are dealt with once this command is in the journal.
    package var offset: Int
    /// Whether that is all of it.
    package var isWhole: Bool

    package init(name: String, offset: Int, isWhole: Bool) {
        self.name = name
        self.offset = offset
        self.isWhole = isWhole
    }
}

/// A step attempt that was under way when the last process died.
package struct InterruptedStep: Sendable, Equatable {
    package var run: ULID
    package var key: String
    package var attempt: Int

    package init(run: ULID, key: String, attempt: Int) {
        self.run = run
        self.key = key
        self.attempt = attempt
    }
}

/// A result that a new run is given from an old one.
package enum CopiedResult: Sendable, Equatable {
    case completed(StepOutcome)
    case failed(StepFailure)
}

/// What the core can be told. Everything that happens in Daybook is one of these.
package enum Command: Sendable {
    /// A process took over; the first command of every epoch.
    case open(epoch: UInt32, version: String, interrupted: [InterruptedStep])
    /// An app states all its functions; those of the app that are not named start no more runs.
    /// Functions of an app of that name behind a URL are left alone.
    case register(app: String, functions: [FunctionConfig])
    /// An app behind a URL states all its functions; those of it behind a URL that are not named start no more runs. Nothing
    /// is recorded when it says what it said the last time, by checksum and URL.
    case registerApp(AppConfig, functions: [FunctionConfig])
    /// The app's functions start no more runs; those under way go on, at the last URL that is known.
    case removeApp(String)
    case publish([Event], claim: ClaimProgress?)
    /// Starts the function with that event, whatever its triggers are.
    case invokeFunction(function: String, event: Event)
    /// Brings the step that waits for that signal its result. `data` is any JSON.
    case signal(name: String, data: [UInt8])
    case inboxRemoved(claim: String)
    /// A host began to run the function.
    case begin(run: ULID)
    /// The run's code has been unwound: nothing in it can move until one of its open steps does.
    /// Only for runs that have been given all their results: what came meanwhile would wake nobody after a crash.
    case park(run: ULID)
    case endBody(
        run: ULID, key: String, attempt: Int, result: BodyResult, duration: Int64, operation: StepOperation = .run)
    case sleep(run: ULID, key: String, length: WaitLength)
    case wait(
        run: ULID, key: String, event: String, matches: [FieldMatch], condition: WaitCondition? = nil, timeout: Int64)
    /// One step waits for a signal at a time. With `replacesOther` a new one takes the place of the old, which then only
    /// times out; else the new one's run fails. Milliseconds.
    case waitForSignal(run: ULID, key: String, signal: String, replacesOther: Bool, timeout: Int64)
    /// `data` and `user` are JSON objects.
    case invoke(
        run: ULID, key: String, function: String, data: [UInt8], timeout: Int64, user: [UInt8]? = nil,
        version: String? = nil)
    /// A function is to start with `input`, a JSON object, once the run has ended.
    case addDefer(run: ULID, key: String, function: String, input: [UInt8])
    case abortDefer(run: ULID, key: String)
    /// What the app that runs the function said about how it is to be called.
    case answered(run: ULID, version: Int, forcesPlan: Bool)
    case send(run: ULID, key: String, events: [Event])
    /// `input` is the event the run was given; only looked at when somebody listens for the run's end.
    case end(run: ULID, RunEnd, input: [UInt8])
    /// `eventCount` is that of the run it repeats.
    case retry(
        origin: ULID, function: String, input: QueuedRun.Input, eventName: String, eventCount: Int = 0,
        copied: [CopiedResult])
    /// No code of the run can move: its places are free. Ignored while effects for an unfinished run are decided and not
    /// released yet; see `Core.noteReleased`.
    case yield(run: ULID)
    /// The host wants to load the run on its own account; `Effect.run` follows once the run has its places.
    case activate(run: ULID)
    /// So many further bodies of the run want to execute beside the first; each that may is an `Effect.grantSlot`.
    case wantSlots(run: ULID, count: Int)
    /// So many bodies fewer than were granted.
    case returnSlots(run: ULID, count: Int)
    /// New events start no run of the function, and its runs stand still.
    case pause(function: String)
    case resume(function: String)
    /// Cancels those of the runs that are unfinished.
    case cancelRuns([ULID], reason: String)
    /// The run's journal is damaged. `isUnfinishedInLog`: the log has records of it and no end, so that it is put on record
    /// even if the state does not know the run, because its first record is lost.
    case quarantine(run: ULID, reason: String, input: [UInt8]? = nil, isUnfinishedInLog: Bool = false)
    case moveClock(offset: Int64)
    /// The wall clock was set back: schedules follow it.
    case alignCrons
    /// Time passed.
    case tick
}

/// What became of a command. Nothing of it may be told to anyone before the records are flushed.
package enum Answer: Sendable, Equatable {
    case done
    /// The body's output is in the journal.
    case recorded
    /// The step has a result that no body made.
    case completed([UInt8])
    /// The attempt failed and the step is tried again at that instant, by an effect.
    case retrying(attempt: Int, at: Timestamp)
    /// The step has failed for good, with that error.
    case failed([UInt8])
    /// The step waits; an effect brings its result.
    case opened
    /// The run has ended.
    case ended
    /// The run, or the step, is not there any more: the result is dropped.
    case stale
    /// The events are in the journal.
    case published([EventReceipt])
    /// `isModified` is false when nothing is new.
    case registered(isModified: Bool)
    /// The step of that run that waited for the signal has it.
    case signalled(run: ULID)
    case queued(run: ULID)
    /// So many runs were cancelled.
    case cancelled(Int)
    case refused(Refusal)

    package static func == (a: Answer, b: Answer) -> Bool {
        switch (a, b) {
        case (.done, .done), (.recorded, .recorded), (.opened, .opened), (.ended, .ended), (.stale, .stale): true
        case (.completed(let a), .completed(let b)), (.failed(let a), .failed(let b)): a == b
        case (.retrying(let a, let b), .retrying(let c, let d)): a == c && b == d
        case (.published(let a), .published(let b)): a == b
        case (.registered(let a), .registered(let b)): a == b
        case (.signalled(let a), .signalled(let b)): a == b
        case (.queued(let a), .queued(let b)): a == b
        case (.cancelled(let a), .cancelled(let b)): a == b
        case (.refused(let a), .refused(let b)): a == b
        default: false
        }
    }
}

/// Why the core turned a command down; nothing was written.
package enum Refusal: Error, Sendable, Equatable, CustomStringConvertible {
    case unknownRun(ULID)
    case runEnded(ULID)
    case unknownFunction(String)
    case invalidFunction(String)
    case unknownApp(String)
    case unknownSignal(String)
    /// The disk is too full for new work; what was accepted goes on.
    ///
    /// `bytesToFree` is what has to become free on the disk, in bytes; 0 when it is something else that is missing.
    case storageFull(bytesToFree: Int)
    /// The server is shutting down.
    case stopping

    package var description: String {
        switch self {
        case .unknownRun(let id): "there is no unfinished run \(id.text)"
        case .runEnded(let id): "run \(id.text) has ended already"
        case .unknownFunction(let id): "there is no function '\(id)'"
        case .invalidFunction(let problem): problem
        case .unknownApp(let id): "there is no app '\(id)'"
        case .unknownSignal(let name): "no run waits for the signal '\(name)'"
        case .storageFull(0):
            """
            the server cannot write just now, for want of descriptors, memory or room; it tries again by itself, so \
            send it again later
            """
        case .storageFull(let bytes):
            """
            the disk is too full to accept new work; free at least \((bytes + 1_048_575) / 1_048_576) MiB, then send \
            it again
            """
        case .stopping: "the server is shutting down; send it again once it is back"
        }
    }
}

/// What the world must do because of what is now in the journal.
package enum Effect: Sendable, Equatable {
    /// The run's function has something to do. `input` is at hand when the run is new.
    case run(ULID, input: [UInt8]?)
    /// A step of the run has a result, or its next attempt is due.
    case deliver(run: ULID, key: String, Delivery)
    /// The run has ended: its code is to stop.
    case close(run: ULID)
    /// A timeout of the run has passed: cancel it, for this reason.
    case cancel(run: ULID, reason: String)
    /// The run is over a limit: end it with this error.
    case fail(run: ULID, AttemptError)
    /// One further body of the run may execute.
    case grantSlot(run: ULID)
    /// The function was paused: unwind its runs once their bodies have ended, and charge nobody.
    case hold(function: String)
    /// Something for the log, about that run if there is one.
    case warn(run: ULID?, String)
}

package enum Delivery: Sendable, Equatable {
    case completed([UInt8])
    case failed([UInt8])
    case retry(attempt: Int)
}

/// The limits of runs.
package struct CoreLimits: Sendable {
    /// Steps of one run that may have a result: 10,000.
    package var stepsPerRunMax = 10_000
    /// The same for functions that an app behind a URL runs: 1,000. Every call carries them all.
    package var stepsPerRemoteRunMax = 1_000
    /// Follow-ups of one run: 20.
    package var defersPerRunMax = 20
    /// Bytes of what all follow-ups of a run are given: 4 MiB.
    package var deferBytesMax = 4 * 1_048_576
    /// Bytes of one step's output: 4 MiB.
    package var stepOutputBytesMax = 4 * 1_048_576
    /// Bytes of all outputs of a run: 32 MiB.
    package var runStateBytesMax = 32 * 1_048_576
    /// The longest sleep, wait or invoke: 366 days, in milliseconds.
    package var waitMax: Int64 = 366 * 86_400_000
    #if DELIBERATE_BUGS
        package var bug: DeliberateBug?
    #endif

    package init() {}
}
