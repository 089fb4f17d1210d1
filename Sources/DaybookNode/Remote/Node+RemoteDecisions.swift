import DaybookCEL
import DaybookCore
import DaybookValues
import DaybookWire
import Logging

/// What an answer of an app means for its run, once it is on disk.
struct RemoteUpdate {
    enum Change {
        case settled(key: String, memo: [UInt8])
        case branch(RemoteRun.Branch)
        /// The next attempt of a step comes later; `attempt` counts from 0.
        case pausing(key: String, attempt: Int, isImmediate: Bool)
        case deferred(CallRequest.Deferred)
    }

    /// The call that was answered; nil for steps reported while it goes on.
    var call: ULID?
    var changes: [Change] = []
    var version: Int?
    var sdk: String?
    var forcesPlan = false
    var isRace = false
    /// The code is tried again later.
    var pausesDiscovery = false
    /// The run has ended.
    var isEnd = false
    /// It is over a limit, and is about to be ended for that: nothing more is called.
    var isOver = false
    var reply: (@Sendable () -> Void)?

    /// Whether something got further. That a step is planned, or follows, is only said: it can be said for ever.
    var isProgress: Bool {
        changes.contains { change in
            switch change {
            case .settled, .pausing: true
            case .branch(let branch): !branch.isPlanned
            case .deferred: false
            }
        }
    }
}

// What answers of apps mean: ops become commands of the core, all of one answer in one batch. Writer.
extension Node {
    /// Ops of one answer: 1,000.
    private static let opsMax = 1_000
    /// Answers in a row that bring nothing new, until one counts as a failed attempt.
    private static let emptyRoundsMax = 50
    private static let year: Int64 = 365 * 86_400_000

    func decide(_ outcome: CallOutcome, of call: RemoteRun.Call, _ run: RemoteRun, at time: Instant) -> RemoteUpdate {
        var update = RemoteUpdate(call: call.id)
        update.sdk = outcome.sdk
        if case .failed = outcome.result {
            statistics.calls[run.app, default: NodeStatistics.Calls()].failed += 1
        } else {
            statistics.calls[run.app, default: NodeStatistics.Calls()].answered += 1
        }
        statistics.calls[run.app]?.latency.add(microseconds: (nowNanoseconds &- call.startedAt) / 1_000)
        guard core.hasRun(run.id), !run.hasEnded else {
            update.isEnd = true
            return update
        }
        switch outcome.result {
        case .returned(let output): end(run, .returned(output: compacted(output)), &update, at: time)
        case .failed(let failure): failed(failure, outcome, call, run, &update, at: time)
        case .ops(let ops):
            if ops.count > Self.opsMax {
                let message =
                    "The function run exceeded the step limit of \(Self.opsMax) steps: one answer held \(ops.count) ops."
                let error = AttemptError(name: "InngestErrFunctionOverflowed", message: message, isRetriable: false)
                end(run, .threw(error), &update, at: time)
                break
            }
            if let failure = tooLarge(ops) {
                failed(failure, outcome, call, run, &update, at: time)
                break
            }
            take(ops, outcome, call, run, &update, at: time)
        }
        return update
    }

    // MARK: - Ops

    private func take(
        _ ops: [WireOp], _ outcome: CallOutcome, _ call: RemoteRun.Call, _ run: RemoteRun, _ update: inout RemoteUpdate,
        at time: Instant
    ) {
        let parallel = ops.count { !$0.isLazy }
        update.forcesPlan = parallel > 1
        update.isRace = ops.contains(where: \.isRace)
        if run.version < 0 { update.version = outcome.version }
        let version = update.version ?? run.version
        let staysForced = version < 2 && (run.forcesPlan || update.forcesPlan)
        if update.version != nil || staysForced && !run.forcesPlan {
            decide(.answered(run: run.id, version: version, forcesPlan: staysForced), at: time, releasing: false)
        }
        // Nothing else in the same answer may race them.
        for op in ops where op.comesFirst {
            guard !update.isEnd else { return }
            take(op, outcome, call, run, isAlone: parallel <= 1, &update, at: time)
        }
        for op in ops where !op.comesFirst && !op.isEnd {
            guard !update.isEnd else { return }
            take(op, outcome, call, run, isAlone: parallel <= 1, &update, at: time)
        }
        for op in ops where op.isEnd {
            guard !update.isEnd else { return }
            take(op, outcome, call, run, isAlone: parallel <= 1, &update, at: time)
        }
        guard !update.isEnd, !update.isProgress, run.emptyRounds >= Self.emptyRoundsMax else { return }
        update.changes = []
        let message =
            "the app was called \(run.emptyRounds) times in a row and reported nothing new; each call looked for what comes next in the function"
        failed(
            CallFailure(
                error: callError(message, name: "NoProgress"), output: errorJSON(name: "NoProgress", message: message)),
            outcome, call, run, &update, at: time)
    }

    private func take(
        _ op: WireOp, _ outcome: CallOutcome, _ call: RemoteRun.Call, _ run: RemoteRun, isAlone: Bool,
        _ update: inout RemoteUpdate, at time: Instant
    ) {
        switch op.kind {
        case .stepRun(let data): store(op.key, .run, data, call, run, &update, at: time)
        case .step(let data): store(op.key, .step, data, call, run, &update, at: time)
        case .stepError(let error):
            let failure = AttemptError(
                json: error, isRetriable: !outcome.noRetry, retryAfter: milliseconds(outcome.retryAfter, time))
            fail(op.key, .run, failure, call, run, isAlone: isAlone, &update, at: time)
        case .stepFailed(let error):
            fail(
                op.key, .run, AttemptError(json: error, isRetriable: false), call, run, isAlone: isAlone,
                &update, at: time)
        case .stepPlanned:
            guard !run.decided.contains(op.key) else { return }
            update.changes.append(
                .branch(RemoteRun.Branch(key: op.key, wireID: op.wireID, kind: .planned, state: .ready)))
        case .sleep(let text): sleep(op, text, run, &update, at: time)
        case .waitForEvent(let event, let timeout, let condition):
            wait(op, event, timeout, condition, run, &update, at: time)
        case .waitForSignal(let signal, let timeout, let replacesOther):
            guard let length = timeoutLength(op, timeout, "wait-for-signal", empty: Self.year, run, &update, at: time)
            else { return }
            open(
                op, .signal,
                .waitForSignal(
                    run: run.id, key: op.key, signal: signal, replacesOther: replacesOther, timeout: length),
                run, &update, at: time)
        case .invoke(let function, let data, let user, let version, let timeout):
            guard let length = timeoutLength(op, timeout, "invoke", empty: Self.year, run, &update, at: time) else {
                return
            }
            open(
                op, .invoke,
                .invoke(
                    run: run.id, key: op.key, function: functionID(named: function), data: data,
                    timeout: max(length, 1), user: user, version: version),
                run, &update, at: time)
        case .gateway(let request):
            guard mayRequest(op.key, run) else { return }
            update.changes.append(
                .branch(RemoteRun.Branch(key: op.key, wireID: op.wireID, kind: .fetch(request), state: .ready)))
        case .aiGateway(let request):
            guard mayRequest(op.key, run) else { return }
            update.changes.append(
                .branch(RemoteRun.Branch(key: op.key, wireID: op.wireID, kind: .infer(request), state: .ready)))
        case .runComplete(let data): end(run, .returned(output: data), &update, at: time)
        case .deferAdd(let function, let input):
            decide(
                .addDefer(run: run.id, key: op.key, function: function, input: input), at: time,
                releasing: false)
            run.deferredKeys[op.wireID] = op.key
            update.changes.append(.deferred(CallRequest.Deferred(wireID: op.wireID)))
        case .deferAbort(let target):
            let key = run.deferredKeys[target] ?? target
            decide(.abortDefer(run: run.id, key: key), at: time, releasing: false)
            update.changes.append(.deferred(CallRequest.Deferred(wireID: target, isAbortable: false)))
        case .discoveryRequest, .none: break
        case .malformed(let problem):
            if problem.isIgnored {
                logger.warning("\(problem.message)", metadata: ["run": "\(run.id.text)", "step": "\(op.key)"])
                return
            }
            let error = AttemptError(name: problem.name, message: problem.message, isRetriable: false)
            if problem.failsStep {
                fail(op.key, .run, error, call, run, isAlone: isAlone, &update, at: time)
            } else {
                end(run, .threw(error), &update, at: time)
            }
        }
    }

    /// A step's value. The first one counts.
    private func store(
        _ key: String, _ operation: StepOperation, _ data: [UInt8], _ call: RemoteRun.Call?, _ run: RemoteRun,
        _ update: inout RemoteUpdate, at time: Instant
    ) {
        guard !run.decided.contains(key) else { return }
        let answer = decide(
            .endBody(
                run: run.id, key: key, attempt: (call?.attempt ?? 0) + 1, result: .success(output: data),
                duration: call.map { Int64((nowNanoseconds &- $0.startedAt) / 1_000) } ?? 0, operation: operation),
            at: time, releasing: false)
        switch answer {
        case .recorded:
            run.decided.insert(key)
            update.changes.append(.settled(key: key, memo: StepMemo.completed(operation, data)))
        case .failed(let error):
            run.decided.insert(key)
            update.changes.append(.settled(key: key, memo: StepMemo.failed(error)))
        case .stale: update.isOver = core.hasRun(run.id)
        default: break
        }
    }

    /// An attempt of a step failed.
    private func fail(
        _ key: String, _ operation: StepOperation, _ error: AttemptError, _ call: RemoteRun.Call?, _ run: RemoteRun,
        isAlone: Bool, attempt: Int? = nil, _ update: inout RemoteUpdate, at time: Instant
    ) {
        guard !run.decided.contains(key) else { return }
        let answer = decide(
            .endBody(
                run: run.id, key: key, attempt: attempt ?? (call?.attempt ?? 0) + 1, result: .failure(error),
                duration: call.map { Int64((nowNanoseconds &- $0.startedAt) / 1_000) } ?? 0, operation: operation),
            at: time, releasing: false)
        switch answer {
        case .retrying(let next, _):
            update.changes.append(
                .pausing(key: key, attempt: next - 1, isImmediate: call != nil && call?.target == nil && isAlone))
        case .failed(let json):
            run.decided.insert(key)
            update.changes.append(.settled(key: key, memo: StepMemo.failed(json)))
        default: break
        }
    }

    private func sleep(
        _ op: WireOp, _ text: String, _ run: RemoteRun, _ update: inout RemoteUpdate, at time: Instant
    ) {
        guard mayOpen(op.key, run) else { return }
        let length: WaitLength
        let milliseconds: Int64
        switch WireTime.sleepLength(text, wall: time.wall) {
        case .milliseconds(let duration): (length, milliseconds) = (.duration(duration), duration)
        case .until(let instant): (length, milliseconds) = (.until(instant), instant - time.wall)
        case nil:
            let message =
                "step '\(op.key)': cannot sleep for \"\(text.prefix(200))\": it is neither a duration such as 1h30m nor a date such as 2026-01-31T08:00:00Z"
            end(
                run, .threw(AttemptError(name: "InvalidSleep", message: message, isRetriable: false)), &update, at: time
            )
            return
        }
        guard milliseconds <= configuration.core.waitMax else {
            let problem = WireTime.sleepTooLong(text)
            end(
                run, .threw(AttemptError(name: problem.name, message: problem.message, isRetriable: false)), &update,
                at: time)
            return
        }
        open(op, .sleep, .sleep(run: run.id, key: op.key, length: length), run, &update, at: time)
    }

    private func wait(
        _ op: WireOp, _ event: String, _ timeout: String, _ source: String?, _ run: RemoteRun,
        _ update: inout RemoteUpdate, at time: Instant
    ) {
        guard mayOpen(op.key, run),
            let length = timeoutLength(op, timeout, "wait-for-event", empty: 0, run, &update, at: time)
        else { return }
        var condition: WaitCondition?
        if let source, !source.isEmpty {
            do throws(ExpressionError) {
                let expression = try Expression(source, for: .condition)
                let event = core.expressionEvent(run.id, run.input)
                condition = WaitCondition(source: source, captured: expression.capture(event: event))
            } catch {
                var json: [UInt8] = []
                json.append(
                    json:
                        #"{"name":"InvalidExpression","message":"Wait for event If expression failed to compile","stack":"#
                )
                json.append(jsonString: "step '\(op.key)': \(error)")
                json.append(UInt8(ascii: "}"))
                end(run, .threw(AttemptError(json: json, isRetriable: false)), &update, at: time)
                return
            }
        }
        open(
            op, .wait,
            .wait(run: run.id, key: op.key, event: event, matches: [], condition: condition, timeout: length), run,
            &update, at: time)
    }

    /// Whether the step is neither recorded nor being requested.
    private func mayRequest(_ key: String, _ run: RemoteRun) -> Bool {
        guard !run.decided.contains(key) else { return false }
        return run.branchIndex(key).map { run.branches[$0].isPlanned } ?? true
    }

    /// Whether the step is neither recorded nor waited for.
    private func mayOpen(_ key: String, _ run: RemoteRun) -> Bool {
        guard !run.decided.contains(key) else { return false }
        guard let index = run.branchIndex(key), case .waiting = run.branches[index].kind else { return true }
        // Its result may be on its way already.
        return false
    }

    private func open(
        _ op: WireOp, _ operation: StepOperation, _ command: Command, _ run: RemoteRun, _ update: inout RemoteUpdate,
        at time: Instant
    ) {
        guard mayOpen(op.key, run) else { return }
        switch decide(command, at: time, releasing: false) {
        case .opened:
            update.changes.append(
                .branch(
                    RemoteRun.Branch(key: op.key, wireID: op.wireID, kind: .waiting(operation), state: .pausing)))
        case .completed(let output):
            run.decided.insert(op.key)
            update.changes.append(.settled(key: op.key, memo: StepMemo.completed(operation, output)))
        case .failed(let error):
            run.decided.insert(op.key)
            update.changes.append(.settled(key: op.key, memo: StepMemo.failed(error)))
        case .ended: update.isEnd = true
        case .stale: update.isOver = core.hasRun(run.id)
        default: break
        }
    }

    /// Milliseconds; nil when the text is none and the run has failed for it.
    private func timeoutLength(
        _ op: WireOp, _ text: String, _ what: String, empty: Int64, _ run: RemoteRun, _ update: inout RemoteUpdate,
        at time: Instant
    ) -> Int64? {
        if text.isEmpty { return empty }
        do throws(WireTimeError) {
            let length = try WireTime.timeout(text, wall: time.wall)
            guard length <= configuration.core.waitMax else {
                let message =
                    "The \(what) timeout \"\(text)\" expires more than one year in the future; timeouts may last at most one year."
                let error = AttemptError(name: "InngestErrTimeoutTooLong", message: message, isRetriable: false)
                end(run, .threw(error), &update, at: time)
                return nil
            }
            return length
        } catch {
            let failure = AttemptError(
                name: "InvalidTimeout", message: "step '\(op.key)': \(error)", isRetriable: false)
            end(run, .threw(failure), &update, at: time)
            return nil
        }
    }

    // MARK: - Ends and failures

    private func end(_ run: RemoteRun, _ end: RunEnd, _ update: inout RemoteUpdate, at time: Instant) {
        switch decide(.end(run: run.id, end, input: run.input), at: time, releasing: false) {
        case .retrying: update.pausesDiscovery = true
        default:
            update.isEnd = true
            run.hasEnded = true
        }
    }

    /// A call failed: an attempt of the code, or of the step that was called for.
    private func failed(
        _ failure: CallFailure, _ outcome: CallOutcome, _ call: RemoteRun.Call, _ run: RemoteRun,
        _ update: inout RemoteUpdate, at time: Instant
    ) {
        let retryAfter = milliseconds(outcome.retryAfter, time)
        let attemptsMax = core.function(run.functionID)?.attemptsMax ?? 1
        if let target = call.target, failure.isRetriable, call.attempt + 1 < attemptsMax,
            !run.decided.contains(target)
        {
            let error = AttemptError(json: failure.error, retryAfter: retryAfter)
            return fail(target, .run, error, call, run, isAlone: false, &update, at: time)
        }
        var error = AttemptError(
            json: failure.error, isRetriable: failure.isRetriable && call.target == nil, retryAfter: retryAfter)
        error.output = failure.output
        error.attempt = call.attempt + 1
        end(run, .threw(error), &update, at: time)
    }

    /// A step's output over the limit fails the attempt, as an answer that cannot be used.
    private func tooLarge(_ ops: [WireOp]) -> CallFailure? {
        for op in ops {
            guard case .stepRun(let data) = op.kind, data.count > configuration.core.stepOutputBytesMax else {
                continue
            }
            let message = "error validating generator opcode \(op.key): step output size is greater than the limit"
            return CallFailure(
                error: callError(message, name: "Error"), output: errorJSON(name: "Error", message: message))
        }
        return nil
    }

    // MARK: - Requests of the server's own

    func decide(_ outcome: GatewayOutcome, _ key: String, _ run: RemoteRun, at time: Instant) -> RemoteUpdate {
        var update = RemoteUpdate()
        guard core.hasRun(run.id), !run.hasEnded, let index = run.branchIndex(key) else { return update }
        let branch = run.branches[index]
        let operation: StepOperation
        if case .infer = branch.kind { operation = .infer } else { operation = .fetch }
        switch outcome {
        case .completed(let output):
            let call = RemoteRun.Call(id: run.id, target: key, attempt: branch.attempt, startedAt: branch.startedAt)
            store(key, operation, compacted(output), call, run, &update, at: time)
        case .failed(let error):
            fail(
                key, operation, AttemptError(json: compacted(error)), nil, run, isAlone: false,
                attempt: branch.attempt + 1, &update, at: time)
        }
        return update
    }

    // MARK: - Steps that are reported while a call goes on

    func decideCheckpoint(_ ops: [WireOp], of run: RemoteRun, _ call: RemoteRun.Call, at time: Instant) -> RemoteUpdate
    {
        var update = RemoteUpdate()
        for op in ops {
            switch op.kind {
            case .stepRun(let data): store(op.key, .run, data, call, run, &update, at: time)
            case .step(let data): store(op.key, .step, data, call, run, &update, at: time)
            case .deferAdd, .deferAbort:
                take(op, CallOutcome(.ops([])), call, run, isAlone: true, &update, at: time)
            default: break
            }
        }
        return update
    }

    /// Why the ops cannot be reported while a call goes on; nil when they can.
    func checkpointProblem(_ ops: [WireOp]) -> CheckpointAnswer? {
        for op in ops {
            switch op.kind {
            case .stepRun(let data), .step(let data):
                if data.count > configuration.core.stepOutputBytesMax { return .tooLarge }
            case .stepPlanned, .deferAdd, .deferAbort, .none: break
            case .runComplete: return .unsupported("cannot checkpoint opcode: RunComplete")
            default: return .unsupported("cannot checkpoint async steps")
            }
        }
        return nil
    }

    // MARK: - Small things

    private func milliseconds(_ retryAfter: RetryAfter?, _ time: Instant) -> Int64? {
        switch retryAfter {
        case .after(let milliseconds): milliseconds
        case .at(let instant): instant - time.wall
        case nil: nil
        }
    }

    /// SDKs may name a function by its UUID.
    private func functionID(named name: String) -> String {
        guard core.function(name) == nil, name.utf8.count == 36 else { return name }
        for function in core.functionSummaries
        where WireUUID.function(function.config.id) == name {
            return function.config.id
        }
        return name
    }

    private func callError(_ message: String, name: String) -> [UInt8] {
        var json: [UInt8] = []
        json.append(json: #"{"error":"#)
        json.append(jsonString: message)
        json.append(json: #","name":"#)
        json.append(jsonString: name)
        json.append(json: #","message":"#)
        json.append(jsonString: message)
        json.append(UInt8(ascii: "}"))
        return json
    }
}

/// A record is one line.
private func compacted(_ json: [UInt8]) -> [UInt8] { (try? JSONText.compact(json)) ?? json }

extension WireOp {
    /// Waits and defers are dealt with before everything else of their answer.
    fileprivate var comesFirst: Bool {
        switch kind {
        case .waitForEvent, .waitForSignal, .deferAdd, .deferAbort: true
        default: false
        }
    }

    fileprivate var isEnd: Bool {
        if case .runComplete = kind { true } else { false }
    }
}
