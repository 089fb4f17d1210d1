internal import Logging
internal import Synchronization

/// What `Step` does: from a call to its result. On the run's own thread, but for bodies.
extension RunExecution {
    private static let callsAfterStopMax = 10_000

    /// Checks a call and gives it its key. Throws what the caller is to throw; nil when the caller is never to go on.
    private func begin(_ id: String, on actor: (any Actor)?) throws -> CallTicket? {
        guard isOnOwnThread, actor == nil, !own.pointee.hasEnded else {
            throw StepMisuseError(
                "step '\(id)' was called outside its function's own code: inside another step's body, from a Task "
                    + "{ … }, from code that belongs to an actor, or after the function returned. Call steps in the "
                    + "function itself, its async lets and its task groups.")
        }
        if let stop = own.pointee.stop {
            own.pointee.callsAfterStop += 1
            if own.pointee.callsAfterStop > Self.callsAfterStopMax { return nil }
            throw stop.error
        }
        if Task.isCancelled { throw CancellationError() }
        try checkStepID(id)
        guard own.pointee.calls.begunCount < options.stepsMax else {
            throw fail(
                ErrorFacts(
                    name: "StepLimitError",
                    message: "the run exceeded the limit of \(options.stepsMax) steps, at step '\(id)'",
                    isRetriable: false))
        }
        return own.pointee.calls.begin(id)
    }

    /// A loop that swallows every error would keep a thread for ever. It is left where it is, with its memory.
    private nonisolated(nonsending) func leaveForEver() async -> CancellationError {
        logger.error("the function goes on calling steps although its run was put aside; its task is abandoned")
        // Bodies of other branches may run, and they hold slots.
        if options.limitsBodies { own.pointee.isAbandoned = true } else { end(.closed) }
        // Nobody holds the continuation: this never returns.
        await withUnsafeContinuation { (_: UnsafeContinuation<Void, Never>) in }
        return CancellationError()
    }

    private func checkStepID(_ id: String) throws(StepMisuseError) {
        let utf8 = id.utf8
        guard (1...200).contains(utf8.count) else {
            throw StepMisuseError("a step id has 1…200 bytes; this one has \(utf8.count): '\(id)'")
        }
        func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }
        guard let last = utf8.last, isDigit(last) else { return }
        if let end = utf8.lastIndex(where: { !isDigit($0) }), utf8[end] == UInt8(ascii: ":") {
            throw StepMisuseError(
                "the step id '\(id)' ends in ':' and digits, which is how repeated ids are told apart; choose another")
        }
    }

    /// Waits for what comes of a call. A result that is next in order comes without a suspension (rule 3).
    private nonisolated(nonsending) func park(_ ticket: CallTicket) async -> Resumption {
        if own.pointee.stop != nil { return .stopped }
        if own.pointee.jobs.isEmpty, !own.pointee.isClosingAfterBodies,
            let resumption = own.pointee.calls.takeIfNext(ticket)
        {
            noteReplayEnd()
            return resumption
        }
        return await withUnsafeContinuation {
            own.pointee.calls.park(ticket, $0, holdsRetries: own.pointee.isClosingAfterBodies)
        }
    }

    /// The same, and gives up at once when the branch is cancelled by the run's own code (rule 12).
    private nonisolated(nonsending) func parkInterruptibly(_ ticket: CallTicket) async -> Resumption {
        await withTaskCancellationHandler {
            own.pointee.calls.isInterrupted(ticket) ? .interrupted : await park(ticket)
        } onCancel: {
            interrupt(ticket)
        }
    }

    private func interrupt(_ ticket: CallTicket) {
        if isOnOwnThread {
            // A stopped run unwinds its calls one by one.
            if own.pointee.stop == nil { own.pointee.calls.interrupt(ticket) }
            return
        }
        let submits = shared.withLock { shared -> Bool in
            shared.interrupts.append(ticket)
            guard shared.phase == .idle else { return false }
            shared.phase = .submitted
            return true
        }
        if submits { pool.submit(self) }
    }

    /// The error for a call whose wait ended without a result.
    private func endWithoutResult(_ resumption: Resumption, _ ticket: CallTicket) -> any Error {
        if let stop = own.pointee.stop { return stop.error }
        if own.pointee.calls.abandon(ticket) { driver.didAbandon(own.pointee.calls.key(ticket), of: self) }
        return CancellationError()
    }

    /// A call that is not a body.
    nonisolated(nonsending) func call(
        _ id: String, interruptible: Bool, _ operation: () -> StepOperation
    ) async throws -> CallResult {
        guard let ticket = try begin(id, on: #isolation) else { throw await leaveForEver() }
        defer { own.pointee.calls.release(ticket) }
        let key = own.pointee.calls.key(ticket)
        let start = own.pointee.calls.start(
            ticket, as: interruptible ? .wait : .send, defersNew: isReplaying || own.pointee.isClosingAfterBodies)
        noteReplayEnd()
        switch start {
        case .recorded, .open: break
        case .changed(let recorded):
            throw fail(changed(key, recorded: recorded, wanted: "a sleep, wait, invoke or send"))
        case .deferred, .new:
            if case .deferred = start {
                let resumption = await parkInterruptibly(ticket)
                guard case .begin = resumption else { throw endWithoutResult(resumption, ticket) }
            }
            own.pointee.calls.willOpen(ticket, isBusy: !interruptible)
            driver.open(StepCall(key: key, operation: operation()), of: self)
        case .retryPause: preconditionFailure("only bodies have attempts")
        }
        let resumption = interruptible ? await parkInterruptibly(ticket) : await park(ticket)
        guard case .handed(let result) = resumption else { throw endWithoutResult(resumption, ticket) }
        return CallResult(key: key, bytes: try load(result, key))
    }

    /// A call whose work is a body.
    nonisolated(nonsending) func runStep<Coding: ResultCoding>(
        _ id: String, _ coding: Coding.Type, _ body: nonisolated(nonsending) (Attempt) async throws -> Coding.Value
    ) async throws -> Coding.Value {
        guard let ticket = try begin(id, on: #isolation) else { throw await leaveForEver() }
        defer { own.pointee.calls.release(ticket) }
        let key = own.pointee.calls.key(ticket)
        var attempt = 1
        let start = own.pointee.calls.start(
            ticket, as: .body, defersNew: isReplaying || own.pointee.isClosingAfterBodies)
        noteReplayEnd()
        switch start {
        case .recorded:
            return try value(await park(ticket), of: ticket, key, coding)
        case .open: preconditionFailure("a body is never open as a wait")
        case .new(let nextAttempt):
            attempt = nextAttempt
        case .deferred(let nextAttempt):
            attempt = nextAttempt
            let resumption = await parkInterruptibly(ticket)
            guard case .begin = resumption else { throw endWithoutResult(resumption, ticket) }
        case .retryPause:
            let resumption = await parkInterruptibly(ticket)
            guard case .retry(let nextAttempt) = resumption else {
                return try value(resumption, of: ticket, key, coding)
            }
            attempt = nextAttempt
        case .changed(let recorded):
            throw fail(changed(key, recorded: recorded, wanted: "the body of a step"))
        }
        while true {
            if options.limitsBodies, isShortOfSlots {
                own.pointee.calls.queueBody(ticket)
                let resumption = await parkInterruptibly(ticket)
                guard case .begin = resumption else { return try value(resumption, of: ticket, key, coding) }
            }
            if Task.isCancelled { throw endWithoutResult(.interrupted, ticket) }
            own.pointee.calls.willRunBody(ticket)
            let end = await withTaskExecutorPreference(pool) {
                await perform(key, attempt, coding, body)
            }
            let resumption: Resumption
            switch end {
            case .value(let own, let bytes):
                resumption = await park(ticket)
                if case .handed(.own) = resumption {
                    return options.decodesOwnResults ? try decoded(CallResult(key: key, bytes: bytes), coding) : own
                }
            case .failed:
                resumption = await parkInterruptibly(ticket)
            case .cancelled:
                own.pointee.calls.didCancelBody(ticket)
                throw own.pointee.stop?.error ?? CancellationError()
            }
            guard case .retry(let nextAttempt) = resumption else {
                return try value(resumption, of: ticket, key, coding)
            }
            attempt = nextAttempt
        }
    }

    private enum BodyEnd<Value> {
        case value(Value, [UInt8])
        case failed
        case cancelled
    }

    /// On a thread of the pool, in the caller's task.
    private nonisolated(nonsending) func perform<Coding: ResultCoding>(
        _ key: StepKey, _ attempt: Int, _ coding: Coding.Type,
        _ body: nonisolated(nonsending) (Attempt) async throws -> Coding.Value
    ) async -> BodyEnd<Coding.Value> {
        // The run may have ended while the body waited for its thread.
        if shared.withLock({ $0.closing == .now }) {
            cancelTask()
            return .cancelled
        }
        let start = driver.bodyWillStart(key, attempt: attempt, of: self)
        do {
            let value: Coding.Value
            switch options.standIn?(key, attempt) {
            case nil: value = try await body(Attempt(number: attempt, key: key, execution: self))
            case .fails(let error): throw error
            case .returns(let json): value = try Coding.decode(json)
            }
            let bytes = try Coding.encode(value)
            driver.bodyDidEnd(key, attempt: attempt, start, .success(bytes), of: self)
            hopBackThread.store(currentThreadID(), ordering: .relaxed)
            return .value(value, bytes)
        } catch {
            if Task.isCancelled {
                driver.bodyDidEnd(key, attempt: attempt, start, .cancelled, of: self)
                return .cancelled
            }
            driver.bodyDidEnd(key, attempt: attempt, start, .failure(ErrorFacts(error)), of: self)
            return .failed
        }
    }

    private func value<Coding: ResultCoding>(
        _ resumption: Resumption, of ticket: CallTicket, _ key: StepKey, _ coding: Coding.Type
    ) throws -> Coding.Value {
        guard case .handed(let result) = resumption else { throw endWithoutResult(resumption, ticket) }
        return try decoded(CallResult(key: key, bytes: try load(result, key)), coding)
    }

    private func load(_ result: HandedResult, _ key: StepKey) throws -> [UInt8] {
        switch result {
        case .output(let bytes): return bytes
        case .failed(let facts): throw StepError(key: key, facts: facts)
        case .own: preconditionFailure("'recorded' was delivered for step '\(key)', which had no value of its own")
        case .stored(let read):
            do {
                return try read()
            } catch {
                throw fail(error, .unreadableMemo(key, error))
            }
        }
    }

    private func decoded<Coding: ResultCoding>(_ result: CallResult, _ coding: Coding.Type) throws -> Coding.Value {
        try decoded(result, Coding.Value.self, Coding.decode)
    }

    /// A recorded result as a value; what does not fit ends the attempt of the function (rule 21).
    func decoded<Value>(
        _ result: CallResult, _ wanted: Value.Type, _ decode: ([UInt8]) throws -> Value
    ) throws -> Value {
        do {
            return try decode(result.bytes)
        } catch {
            let difference = error as? ValueDecodingError
            let reason =
                difference.map { $0.path.isEmpty ? $0.reason : "\($0.path) \($0.reason)" } ?? String(describing: error)
            throw fail(
                RecordedResultError(
                    step: result.key.text, recorded: String(decoding: result.bytes.prefix(200), as: UTF8.self),
                    wanted: String(describing: wanted), reason: reason))
        }
    }

    private func changed(_ key: StepKey, recorded: String, wanted: String) -> RecordedResultError {
        RecordedResultError(
            step: key.text, recorded: recorded, wanted: wanted,
            reason: "the code calls another kind of step by that id now")
    }
}

/// What a call that is not a body came to.
struct CallResult {
    var key: StepKey
    var bytes: [UInt8]
}
