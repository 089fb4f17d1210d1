package import DaybookValues

/// Whoever stands behind a run: journals what it does and hands back what came of it.
///
/// Two implementations are meant: the node (in-process) and the side that answers calls of an SDK server.
///
/// **Threads.** Each method says where it is called. None may block for long or call back into user code; all may call
/// `RunExecution.deliver` and `close` on the run they were called for. No lock of the run is held during a call. Calls
/// for one run come in the order in which things happened, except that bodies run at the same time as each other and
/// as the run's own code.
package protocol RunDriver: AnyObject, Sendable {
    /// The code came to a sleep, wait, invoke or send that is neither recorded nor open: journal it. What comes of it
    /// is handed back by `deliver`. On the run's own thread.
    func open(_ call: StepCall, of run: RunExecution)

    /// A body is about to run: leave the mark that outlives the process. On the thread that runs the body; cheap.
    /// What it returns comes back with `bodyDidEnd`.
    func bodyWillStart(_ key: StepKey, attempt: Int, of run: RunExecution) -> BodyStart

    /// A body ended. On the thread that ran it, also when the run was closed meanwhile. Answer a success with
    /// `deliver(.recorded)` once it is journaled; a failure with `.failed` when it is final, else with `.retryPending` once it is journaled and `.retry` when the next attempt is due; nothing is
    /// awaited after `.cancelled`. A closed run may be answered or not.
    func bodyDidEnd(_ key: StepKey, attempt: Int, _ start: BodyStart, _ result: BodyResult, of run: RunExecution)

    /// The code no longer waits for an open call: it cancelled that branch itself. A wait stays recorded until it is
    /// due; a retry that is due need not be made. On the run's own thread.
    func didAbandon(_ key: StepKey, of run: RunExecution)

    /// Nothing can move: calls wait, no body runs, no result is on its way. Reported again whenever that is so anew.
    /// `close(.ifQuiet)` unwinds the run, `yieldIfQuiet` takes its slots. The report may be out of date when it is looked
    /// at; both say so, and another one follows then. On the run's own thread.
    /// - Parameter report: counts the reports of this run from 1.
    func didBecomeQuiet(_ run: RunExecution, report: Int)

    /// So many bodies of the run wait for a slot beside those it has and has asked for before: each comes by `grantSlot`.
    /// Only with `Options.limitsBodies`. On the run's own thread.
    func wantsSlots(_ count: Int, of run: RunExecution)

    /// The run gives back so many of its slots; it has one left at least. Only with `Options.limitsBodies`. On the run's
    /// own thread.
    func returnsSlots(_ count: Int, of run: RunExecution)

    /// The run's code has returned, and with it all its bodies: its slots are free only now. The last call, and exactly
    /// one per started run. On the run's own thread.
    func didEnd(_ run: RunExecution, _ outcome: RunOutcome)

    /// The author reports progress, for the run or for one step. On any thread, at any rate: keep the newest.
    func didReport(_ progress: Progress, step: StepKey?, of run: RunExecution)
}

/// What a driver notes at the start of a body and gets back at its end.
package struct BodyStart: Sendable {
    /// Whatever clock the driver has.
    package var startedAtNanoseconds: UInt64
    /// The mark's slot.
    package var slot: Int

    package init(startedAtNanoseconds: UInt64 = 0, slot: Int = -1) {
        self.startedAtNanoseconds = startedAtNanoseconds
        self.slot = slot
    }
}

/// A step within its run: the id the author gave, and how often that id was used before.
package struct StepKey: Hashable, Sendable, CustomStringConvertible {
    /// 1…200 bytes; never ends in `:<digits>`.
    package var id: String
    /// 0 for the first use of the id.
    package var occurrence: Int

    package init(_ id: String, occurrence: Int = 0) {
        self.id = id
        self.occurrence = occurrence
    }

    /// Reads what `text` writes.
    package init(text: String) {
        if let colon = text.utf8.lastIndex(of: UInt8(ascii: ":")),
            let number = Int(text[text.utf8.index(after: colon)...]), number > 0
        {
            self.init(String(text[..<colon]), occurrence: number)
        } else {
            self.init(text)
        }
    }

    /// `send`, `send:1`, `send:2`…: how steps are called in journals and on screens.
    package var text: String { occurrence == 0 ? id : "\(id):\(occurrence)" }
    package var description: String { text }
}

/// A step that is not a body: something the driver does.
package struct StepCall: Sendable {
    package var key: StepKey
    package var operation: StepOperation

    package init(key: StepKey, operation: StepOperation) {
        self.key = key
        self.operation = operation
    }
}

/// Results: `completed` with JSON, whose meaning is given with each.
package enum StepOperation: Sendable {
    /// May be zero or negative: due at once. → any JSON, not looked at.
    case sleep(milliseconds: Int64)
    /// May lie in the past: due at once. More than 366 days ahead is the driver's to refuse with `failed`. → any JSON.
    case sleepUntil(Timestamp)
    /// Events count for which all matches hold and the condition is true: an expression in which `event` is the run's own
    /// event and `async` the one that came. One that is none is the driver's to refuse with `failed`, not retriable.
    /// → the event as JSON, or `null` when the time is up.
    case waitForEvent(name: String, matches: [JSONFieldMatch], condition: String?, timeoutMilliseconds: Int64)
    /// → what the function returned; `failed` when it failed, was cancelled, does not exist, or the time is up.
    case invoke(InvokeTarget, data: [UInt8], timeoutMilliseconds: Int64)
    /// → the array of their ids.
    case sendEvents([JSONEvent])
}

package enum InvokeTarget: Sendable, Hashable {
    /// A function of the same app, by its id within it.
    case sameApp(String)
    /// By its whole id, `<app id>-<function id>`.
    case function(String)
}

/// A field of an event's data and the scalar it must equal.
package struct JSONFieldMatch: Sendable, Hashable {
    /// Relative to the event's data, without `data.` in front.
    package var path: String
    package var value: [UInt8]

    package init(path: String, value: [UInt8]) {
        self.path = path
        self.value = value
    }
}

/// An event to be sent.
package struct JSONEvent: Sendable, Hashable {
    package var name: String
    package var id: String?
    package var timestamp: Timestamp?
    /// A JSON object.
    package var data: [UInt8]

    package init(name: String, id: String? = nil, timestamp: Timestamp? = nil, data: [UInt8]) {
        self.name = name
        self.id = id
        self.timestamp = timestamp
        self.data = data
    }
}

/// What a driver hands back about one call.
package enum StepResult: Sendable {
    /// The success it was told by `bodyDidEnd` is journaled: the call returns the body's own value.
    case recorded
    /// JSON that is journaled.
    case completed([UInt8])
    /// A failure that is journaled and final.
    case failed(ErrorFacts)
    /// The failure it was told is journaled; a further attempt comes later by `retry`. The run may become quiet.
    case retryPending
    /// Run the same body again now, as this attempt.
    case retry(attempt: Int)
}

package enum BodyResult: Sendable {
    /// The value as JSON.
    case success([UInt8])
    /// The attempt failed.
    case failure(ErrorFacts)
    /// The run was closed, or the run's own code cancelled the branch, and the body gave up: no result, no attempt.
    case cancelled
}

/// An error as it is recorded.
package struct ErrorFacts: Error, Sendable, Hashable {
    /// The name of the error's type.
    package var name: String
    package var message: String
    package var stack: String?
    /// The error itself as JSON, when its type is `Codable`.
    package var cause: [UInt8]?
    package var isRetriable: Bool
    /// When the author wants the next attempt; not yet held between 1 second and 24 hours.
    package var retryTime: RetryTime?

    package init(
        name: String, message: String, stack: String? = nil, cause: [UInt8]? = nil, isRetriable: Bool = true,
        retryTime: RetryTime? = nil
    ) {
        self.name = name
        self.message = message
        self.stack = stack
        self.cause = cause
        self.isRetriable = isRetriable
        self.retryTime = retryTime
    }
}

package enum RetryTime: Sendable, Hashable {
    case after(milliseconds: Int64)
    case at(Timestamp)
}

/// How far something is, by its author's word.
package struct Progress: Sendable, Hashable {
    package var done: Int
    package var total: Int
    package var message: String?

    package init(done: Int, total: Int, message: String? = nil) {
        self.done = done
        self.total = total
        self.message = message
    }
}

/// What a run is started with.
package struct RunInput: Sendable {
    package var runID: String
    /// The whole id: `<app id>-<function id>`.
    package var functionID: String
    /// The trigger event, tick or failure as JSON; of a batch the array of its events.
    package var event: [UInt8]
    /// Of the code between steps, counted from 1.
    package var attempt: Int

    package init(runID: String, functionID: String, event: [UInt8], attempt: Int = 1) {
        self.runID = runID
        self.functionID = functionID
        self.event = event
        self.attempt = attempt
    }
}

/// How a run's code came to its end.
package enum RunOutcome: Sendable {
    /// What the function returned, as JSON.
    case returned([UInt8])
    /// A failed attempt of the function; final when not retriable.
    case threw(ErrorFacts)
    /// A recorded output could not be read back (`Memo.Result.stored` threw): the run must be set aside.
    case unreadableMemo(StepKey, any Error)
    /// Unwound after `close`; whatever the code returned is of no meaning.
    case closed
}
