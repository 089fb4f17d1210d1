import DaybookCore
import DaybookJournal
import DaybookSystem
import DaybookValues

/// The checker's own account of a data directory: every record that was seen to be flushed, what follows from it, and
/// what does not add up.
///
/// Records come from the node's tap, which is called after the flush of each batch, and after a crash from the files: a
/// batch may have become durable although nobody was told. From then on nothing of them may be lost or changed.
///
/// Used on the one thread of its simulation; the closures that reach it must be `Sendable`.
final class Ledger: @unchecked Sendable {
    struct EventFacts {
        var name: String
        var key: String?
        var started: [ULID]
        var values: EventValues
    }

    struct RunFacts {
        var function: String
        var cause: QueuedRun.Cause
        var isLifecycleHandler: Bool
        var completed: [String: StepOutcome] = [:]
        var failed: [String: StepFailure] = [:]
        /// Of the event it was given.
        var values = EventValues()
        var openWaits: [String: (event: String, matches: [FieldMatch], condition: ListenerShape?)] = [:]
        /// What starts when it has ended.
        var followUps: [(key: String, function: String, isAborted: Bool)] = []
        var end: Record?
    }

    private struct StreamFacts {
        var bytes: [UInt8] = []
        var count = 0
        var checksum: [UInt8] = Array("00000000".utf8)
        var hasEnded = false
    }

    private struct FunctionFacts {
        var config: FunctionConfig
        var isRemoved: Bool
        var registeredAt: Timestamp
    }

    /// The number of the last record.
    private(set) var lastQ: UInt64 = 0
    private(set) var runs: [ULID: RunFacts] = [:]
    private(set) var runsInOrder: [ULID] = []
    private(set) var events: [ULID: EventFacts] = [:]
    /// By the number that the world gave the event: how often it is in the journal.
    private(set) var timesReceived: [Int: Int] = [:]
    private(set) var unfinishedRunCount = 0
    private(set) var tickCount = 0
    private(set) var stepCount = 0
    private(set) var quarantinedRuns: Set<ULID> = []
    /// What follows from the records by the product's own rules, applied one by one as they came.
    private(set) var shadow: Core
    private(set) var violations: [String] = []
    /// The part of the account that is about flow control.
    private(set) var flow = FlowLedger(programs: [:]) { _ in }
    /// What bodies returned; `Witness` fills it.
    var returned: [String: String] = [:]
    /// Told of every record, for a history.
    var trace: ((String) -> Void)?

    private var streams: [String: StreamFacts] = [:]
    private var checksums: [(stream: String, checksum: [UInt8])] = []
    private var functions: [String: FunctionFacts] = [:]
    private var startedByKey: [String: Timestamp] = [:]
    /// Runs that an event or a tick has promised and that are not queued yet, and which functions are still to come of
    /// the same event.
    private var awaited: [ULID: Int] = [:]
    private var promised: [Set<String>] = []
    /// Follow-ups of runs that have ended in this batch, by the ids of their events.
    private var scheduled: [String: String] = [:]
    private var waitingRuns: Set<ULID> = []
    private var ticks: Set<String> = []
    private var newestTick: [String: Timestamp] = [:]
    private var lastTicked = ""
    private let configuration: (CoreLimits, RetryPolicy)

    /// - Parameter programs: how each function's runs are limited, by its whole id.
    init(limits: CoreLimits, retryPolicy: RetryPolicy, programs: [String: ProgramFlow]) {
        configuration = (limits, retryPolicy)
        shadow = Core(limits: limits, retryPolicy: retryPolicy)
        flow = FlowLedger(programs: programs) { [unowned self] in violate($0) }
    }

    func violate(_ what: String) {
        // One cause shows in many ways; the first few tell.
        if violations.count < 20 { violations.append(what) }
    }

    // MARK: - Taking records in

    /// Takes in whole lines of the log that were flushed just now.
    func take(_ batch: [UInt8]) {
        let taken = JournalLine.forEach(batch) { add($0) }
        if taken != batch.count { violate("a flushed batch has a line that is not right, at byte \(taken)") }
        for run in awaited.keys { violate("run \(run.text) was promised and is not in the same batch") }
        for (id, function) in scheduled.sorted(by: { $0.key < $1.key }) {
            violate("follow-up \(id) of \(function) is not in the batch in which its run ended")
        }
        awaited = [:]
        promised = []
        scheduled = [:]
        flow.closeBatch()
    }

    private func add(_ line: JournalLine) {
        guard line.q == lastQ + 1 else {
            violate("record \(line.q) came after record \(lastQ)")
            return
        }
        lastQ = line.q
        trace?(
            "    #\(line.q) \(line.stream) \(String(decoding: line.kind, as: UTF8.self))\(String(decoding: line.payload.prefix(120), as: UTF8.self))"
        )
        var stream = streams[line.stream] ?? StreamFacts()
        // A start that could not apply the last record says behind it that the run was set aside.
        if stream.hasEnded, !line.kind.elementsEqual("run.quarantined".utf8) {
            violate("record \(line.q) came after the end of \(line.stream)")
        }
        if line.n != stream.count {
            violate("record \(line.q) of \(line.stream) is number \(line.n), not \(stream.count)")
        }
        if !line.previous.elementsEqual(stream.checksum) {
            violate("record \(line.q) does not follow from the one before")
        }
        // Held in one place only, so that it grows where it lies.
        streams[line.stream] = nil
        stream.bytes.append(contentsOf: line.text)
        stream.count += 1
        stream.checksum = Array(line.checksum)
        stream.hasEnded = line.isFinal
        streams[line.stream] = stream
        checksums.append((line.stream, stream.checksum))
        guard let id = StreamID(line.stream), let record = decode(line) else {
            violate("record \(line.q) cannot be read")
            return
        }
        let owner: RecordStream =
            switch id {
            case .run(let run): .run(run)
            case .events: .events
            case .system: .system
            }
        do throws(RecordError) {
            try shadow.apply(record, stream: owner, at: line.time)
        } catch {
            violate("record \(line.q) does not fit what came before: \(error)")
        }
        note(record, owner, at: line.time, q: line.q)
        if record.endsRun != line.isFinal {
            violate("record \(line.q) does not say rightly whether it is its stream's last")
        }
    }

    private func decode(_ line: JournalLine) -> Record? {
        line.kind.withUnsafeBufferPointer { kind in
            line.payload.withUnsafeBufferPointer { payload in try? Record(kind: kind, payload: payload) }
        }
    }

    // MARK: - What records say

    private func note(_ record: Record, _ stream: RecordStream, at time: Timestamp, q: UInt64) {
        switch (record, stream) {
        case (.eventReceived(let event, let outcome), _): note(event, outcome, at: time)
        case (.epochOpened, _): flow.noteEpoch()
        case (.functionRegistered(let config), _):
            functions[config.id] = FunctionFacts(config: config, isRemoved: false, registeredAt: time)
            flow.noteRegistered(config)
        case (.functionPaused(let id), _): flow.notePaused(id, true)
        case (.functionResumed(let id), _): flow.notePaused(id, false)
        case (.holdDropped(let hold, let function, let reason, _), _): flow.noteDropped(hold, function, reason)
        case (.functionRemoved(let id), _): functions[id]?.isRemoved = true
        case (.cronTicked(let function, let trigger, let tick, let run, _), _):
            tickCount += 1
            newestTick[function] = max(newestTick[function] ?? .zero, tick)
            lastTicked = function
            guard let run else { return }
            if !ticks.insert("\(function) \(trigger) \(tick.milliseconds)").inserted {
                violate("tick \(tick.rfc3339) of \(function) ran twice, the second time as \(run.text)")
            }
            promise([run], [function])
        case (.runQueued(let queued), .run(let id)): note(queued, id, q, at: time)
        case (_, .run(let id)):
            note(record, of: id, q)
            flow.note(record, of: id, at: time)
        default: break
        }
    }

    private func note(_ event: Event, _ outcome: EventOutcome, at time: Timestamp) {
        if events[event.id] != nil { violate("event \(event.id.text) is in the journal twice") }
        let view = JSONView(event.json)
        let values = EventValues(view)
        events[event.id] = EventFacts(name: event.name, key: event.key, started: outcome.started, values: values)
        if let number = view?.at(path: "data.n")?.integer, number >= World.firstEventNumber {
            timesReceived[Int(number), default: 0] += 1
        }
        checkStarts(event, outcome, values, view, at: time)
        let waiting = waitingRuns.filter { run in
            guard let facts = runs[run] else { return false }
            return facts.openWaits.values.contains { wait in
                wait.event == event.name
                    && wait.matches.allSatisfy { match in
                        view?.at(path: match.path)?.slice.elementsEqual(match.value) ?? false
                    } && (wait.condition.map { $0.matches(facts.values, values) } ?? true)
            }
        }
        if Set(outcome.resumed) != waiting {
            violate(
                "event \(event.id.text) resumed \(outcome.resumed.map(\.text)); \(waiting.map(\.text).sorted()) wait for it"
            )
        }
        let cancelled = flow.cancelled(by: event.name, values, at: time)
        if Set(outcome.cancelled) != cancelled || outcome.cancelled.count != cancelled.count {
            violate(
                "event \(event.id.text) cancels \(outcome.cancelled.map(\.text)); it should \(cancelled.map(\.text).sorted())"
            )
        }
    }

    /// Compares what came of an event with what must come of it.
    private func checkStarts(
        _ event: Event, _ outcome: EventOutcome, _ values: EventValues, _ view: JSONView?, at time: Timestamp
    ) {
        var starting: Set<String> = []
        var held: [String: FlowLedger.Admission] = [:]
        var dropped: [String] = []
        func expect(_ id: String, _ origin: FlowLedger.Origin) {
            let last = origin == .event ? event.key.flatMap { startedByKey[id + " " + $0] } : nil
            let admission = flow.admission(of: (values, event.timestamp), to: id, from: origin, at: time) { window in
                last.map { time - $0 < window } ?? false
            }
            switch admission {
            case .run:
                starting.insert(id)
                if let key = event.key { startedByKey[id + " " + key] = time }
            case .hold(let kind, _, _):
                held[id] = admission
                if kind == .batch, let key = event.key { startedByKey[id + " " + key] = time }
            case .drop(let reason): dropped.append("\(id) \(reason.rawValue)")
            }
        }
        switch event.name {
        // Meant for one function, and on record because it did not simply start a run.
        case "inngest/function.invoked":
            let id = view?.at(path: "data._inngest.fn_id")?.string ?? "?"
            // A step waits for what comes of it, or somebody outside asked for it.
            let isStep = view?.at(path: "data._inngest.correlation_id") != nil
            expect(id, isStep ? .invoke : .event)
            if isStep, !dropped.isEmpty { flow.count(.invokesRefused) }
            if !isStep { flow.count(.functionsInvokedByName) }
        case "inngest/deferred.schedule":
            let id = view?.at(path: "data._inngest.fn_slug")?.string ?? "?"
            flow.count(.followUpsScheduled)
            if scheduled.removeValue(forKey: event.key ?? "?") != id {
                violate("event \(event.id.text) starts a follow-up \(event.key ?? "?") that no run has left")
            }
            if let function = functions[id], !function.isRemoved { expect(id, .event) }
        case "inngest/scheduled.timer": expect(lastTicked, .cron)
        default:
            for (id, function) in functions where !function.isRemoved {
                var isMet = false
                for trigger in function.config.triggers where !isMet {
                    guard case .event(let name, _, _) = trigger, Self.matches(name, event.name) else { continue }
                    let meets = flow.meets(id, values)
                    if meets == nil { dropped.append("\(id) \(Dropped.Reason.expression.rawValue)") }
                    isMet = meets == true
                }
                if isMet { expect(id, .event) }
            }
        }
        if outcome.started.count != starting.count {
            violate(
                "event \(event.id.text) '\(event.name)' started \(outcome.started.count) runs; it must start \(starting.sorted())"
            )
        }
        promise(outcome.started, starting)
        let reasons = outcome.dropped.map { "\($0.function) \($0.reason.rawValue)" }.sorted()
        if reasons != dropped.sorted() || outcome.dropped.contains(where: \.detail.isEmpty) {
            violate("event \(event.id.text) was dropped by \(reasons); it must be by \(dropped.sorted())")
        }
        for one in outcome.dropped { flow.count(FlowKind(one.reason)) }
        if Set(outcome.held.map(\.function)) != Set(held.keys) || outcome.held.count != held.count {
            violate(
                "event \(event.id.text) is held for \(outcome.held.map(\.function)); it must be for \(held.keys.sorted())"
            )
        }
        for one in outcome.held {
            let found = FlowLedger.Admission.hold(one.kind, key: one.key, due: one.due)
            if let expected = held[one.function], expected != found {
                violate("event \(event.id.text) is held as \(found); it must be as \(expected)")
            }
            if let open = flow.openHold(one.function, one.kind, one.key), open != one.hold {
                violate("event \(event.id.text) begins hold \(one.hold.text) although \(open.text) is there")
            }
            flow.hold(one, event, values, at: time)
        }
    }

    private func promise(_ runs: [ULID], _ functions: Set<String>) {
        for run in runs { awaited[run] = promised.count }
        promised.append(functions)
    }

    private static func matches(_ pattern: String, _ name: String) -> Bool {
        guard pattern.hasSuffix("/*") || pattern.hasSuffix(".*") else { return pattern == name }
        return name.hasPrefix(pattern.dropLast())
    }

    private func note(_ queued: QueuedRun, _ id: ULID, _ q: UInt64, at time: Timestamp) {
        if let promise = awaited.removeValue(forKey: id) {
            // Each of them once.
            if promised[promise].remove(queued.function) == nil {
                violate(
                    "run \(id.text) is of \(queued.function); what is left to start is \(promised[promise].sorted())")
            }
        } else if queued.cause == .event && queued.hold == nil || queued.cause == .cron {
            violate("run \(id.text) began without an event or a tick, at record \(q)")
        }
        if runs[id] != nil { violate("run \(id.text) was queued twice") }
        let values: EventValues =
            switch queued.input {
            case .inline(let json): EventValues(JSONView(json))
            case .received(_, let event): events[event]?.values ?? EventValues()
            }
        runs[id] = RunFacts(
            function: queued.function, cause: queued.cause,
            isLifecycleHandler: queued.eventName.hasPrefix("inngest/function."), values: values)
        runsInOrder.append(id)
        unfinishedRunCount += 1
        flow.queue(id, queued, values, at: time)
    }

    private func note(_ record: Record, of id: ULID, _ q: UInt64) {
        guard var facts = runs[id] else {
            violate("record \(q) speaks of run \(id.text), which was never queued")
            return
        }
        runs[id] = nil
        defer {
            runs[id] = facts
            if facts.openWaits.isEmpty { waitingRuns.remove(id) } else { waitingRuns.insert(id) }
        }
        if facts.end != nil {
            if case .runQuarantined = record {
                quarantinedRuns.insert(id)
                return
            }
            violate("record \(q) came after the end of run \(id.text)")
        }
        switch record {
        case .stepCompleted(let step):
            if facts.completed[step.key] != nil || facts.failed[step.key] != nil {
                violate("step '\(step.key)' of run \(id.text) has two results, the second at record \(q)")
            }
            stepCount += 1
            facts.completed[step.key] = step
            facts.openWaits[step.key] = nil
            guard step.operation == .run, step.copiedFrom == nil else { return }
            let value = returned["\(id.text) \(step.key) \(step.attempt)"]
            if value == nil || JSONView(step.output)?.string != value {
                violate(
                    "step '\(step.key)' of run \(id.text) has a result that its attempt \(step.attempt) did not return")
            }
        case .stepFailed(let step) where step.retryAt == nil:
            if facts.completed[step.key] != nil || facts.failed[step.key] != nil {
                violate("step '\(step.key)' of run \(id.text) has two results, the second at record \(q)")
            }
            facts.failed[step.key] = step
            facts.openWaits[step.key] = nil
        case .waitStarted(let key, let event, let matches, let condition, _, _):
            if condition != nil { flow.count(.waitsWithCondition) }
            facts.openWaits[key] = (event, matches, condition.flatMap { ListenerShape(source: $0.source) })
        case .deferAdded(let key, let function, _):
            if facts.followUps.contains(where: { $0.key == key }) || facts.followUps.count >= 20 {
                violate("run \(id.text) has follow-up '\(key)' twice or too many of them, at record \(q)")
            }
            flow.count(.followUpsAdded)
            facts.followUps.append((key, function, false))
        case .deferAborted(let key):
            flow.count(.followUpsAborted)
            for index in facts.followUps.indices where facts.followUps[index].key == key {
                facts.followUps[index].isAborted = true
            }
        case .runQuarantined:
            quarantinedRuns.insert(id)
            fallthrough
        case .runCompleted, .runFailed, .runCancelled:
            for followUp in facts.followUps where !followUp.isAborted {
                scheduled["\(id.text).\(followUp.key)"] = followUp.function
            }
            facts.end = record
            facts.openWaits = [:]
            unfinishedRunCount -= 1
        default: break
        }
    }

    /// Whether a step has a result that will never be another.
    func hasResult(_ key: String, of run: ULID) -> Bool {
        guard let facts = runs[run] else { return false }
        return facts.completed[key] != nil || facts.failed[key] != nil
    }

    // MARK: - After a crash

    /// Compares what the files still tell with what was seen.
    func compare(with found: FoundRecords) {
        if found.lastQ < lastQ {
            violate("records \(found.lastQ + 1) to \(lastQ) were flushed, and are gone")
        }
        compareKnown(found)
    }

    /// Takes in what the files tell beyond what was seen. Only after a start: until then a batch whose flush never returned
    /// may still be lost.
    func adopt(_ found: FoundRecords) {
        let new = found.records.filter { $0.q > lastQ }
        guard !new.isEmpty else { return }
        take(new.flatMap(\.text))
    }

    /// Whatever can be read is what was written.
    func compareKnown(_ found: FoundRecords) {
        for record in found.records where record.q <= lastQ {
            let known = checksums[Int(record.q) - 1]
            if known.stream != record.stream || !known.checksum.elementsEqual(record.checksum) {
                violate("record \(record.q) is not what was flushed")
            }
        }
    }

    /// The number of a run's last record; 0 when it has none.
    func lastRecord(of run: ULID) -> UInt64 {
        let stream = StreamID.run(run).text
        return UInt64((checksums.lastIndex { $0.stream == stream } ?? -1) + 1)
    }

    /// The lines of a stream, as its file must be.
    func bytes(of stream: String) -> [UInt8] { streams[stream]?.bytes ?? [] }
    var streamNames: [String] { streams.keys.sorted() }

    /// Functions whose newest tick is not on record, although it was due while the server was up.
    func lateTick(at wall: Timestamp, since start: Timestamp) -> String? {
        for (id, function) in functions.sorted(by: { $0.key < $1.key }) where !function.isRemoved {
            for case .cron(let text, _, _) in function.config.triggers {
                guard let schedule = try? CronSchedule(text),
                    let due = schedule.latestTick(atOrBefore: wall, notBefore: start + 1, in: .utc),
                    due > function.registeredAt + 1_000
                else { continue }
                if (newestTick[id] ?? .zero) < due {
                    return "tick \(due.rfc3339) of \(id) is not on record at \(wall.rfc3339)"
                }
            }
        }
        return nil
    }
}
