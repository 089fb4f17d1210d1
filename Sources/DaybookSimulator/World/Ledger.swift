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
    }

    struct RunFacts {
        var function: String
        var cause: QueuedRun.Cause
        var isLifecycleHandler: Bool
        var completed: [String: StepOutcome] = [:]
        var failed: [String: StepFailure] = [:]
        var openWaits: [String: (event: String, matches: [FieldMatch])] = [:]
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
    private var waitingRuns: Set<ULID> = []
    private var ticks: Set<String> = []
    private var newestTick: [String: Timestamp] = [:]
    private let configuration: (CoreLimits, RetryPolicy)

    init(limits: CoreLimits, retryPolicy: RetryPolicy) {
        configuration = (limits, retryPolicy)
        shadow = Core(limits: limits, retryPolicy: retryPolicy)
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
        awaited = [:]
        promised = []
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
        case (.eventReceived(let event, let outcome), _):
            let (started, resumed) = (outcome.started, outcome.resumed)
            note(event, started, resumed, at: time)
        case (.functionRegistered(let config), _):
            functions[config.id] = FunctionFacts(config: config, isRemoved: false, registeredAt: time)
        case (.functionRemoved(let id), _): functions[id]?.isRemoved = true
        case (.cronTicked(let function, let trigger, let tick, let run, _), _):
            tickCount += 1
            newestTick[function] = max(newestTick[function] ?? .zero, tick)
            guard let run else { return }
            if !ticks.insert("\(function) \(trigger) \(tick.milliseconds)").inserted {
                violate("tick \(tick.rfc3339) of \(function) ran twice, the second time as \(run.text)")
            }
            promise([run], [function])
        case (.runQueued(let queued), .run(let id)): note(queued, id, q)
        case (_, .run(let id)): note(record, of: id, q)
        default: break
        }
    }

    private func note(_ event: Event, _ started: [ULID], _ resumed: [ULID], at time: Timestamp) {
        if events[event.id] != nil { violate("event \(event.id.text) is in the journal twice") }
        events[event.id] = EventFacts(name: event.name, key: event.key, started: started)
        let view = JSONView(event.json)
        if let number = view?.at(path: "data.n")?.integer, number >= World.firstEventNumber {
            timesReceived[Int(number), default: 0] += 1
        }
        var expected: Set<String> = []
        for (id, function) in functions where !function.isRemoved {
            let isTriggered = function.config.triggers.contains {
                if case .event(let name, _, _) = $0 { Self.matches(name, event.name) } else { false }
            }
            guard isTriggered else { continue }
            if let key = event.key {
                if let last = startedByKey[id + " " + key], time - last < 86_400_000 { continue }
                startedByKey[id + " " + key] = time
            }
            expected.insert(id)
        }
        if started.count != expected.count {
            violate(
                "event \(event.id.text) '\(event.name)' started \(started.count) runs; it triggers \(expected.sorted())"
            )
        }
        promise(started, expected)
        let waiting = waitingRuns.filter { run in
            runs[run]?.openWaits.values.contains { wait in
                wait.event == event.name
                    && wait.matches.allSatisfy { match in
                        view?.at(path: match.path)?.slice.elementsEqual(match.value) ?? false
                    }
            } ?? false
        }
        if Set(resumed) != waiting {
            violate(
                "event \(event.id.text) resumed \(resumed.map(\.text)); \(waiting.map(\.text).sorted()) wait for it")
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

    private func note(_ queued: QueuedRun, _ id: ULID, _ q: UInt64) {
        if let promise = awaited.removeValue(forKey: id) {
            // Each of them once.
            if promised[promise].remove(queued.function) == nil {
                violate(
                    "run \(id.text) is of \(queued.function); what is left to start is \(promised[promise].sorted())")
            }
        } else if queued.cause == .event || queued.cause == .cron {
            violate("run \(id.text) began without an event or a tick, at record \(q)")
        }
        if runs[id] != nil { violate("run \(id.text) was queued twice") }
        runs[id] = RunFacts(
            function: queued.function, cause: queued.cause,
            isLifecycleHandler: queued.eventName.hasPrefix("inngest/function."))
        runsInOrder.append(id)
        unfinishedRunCount += 1
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
        case .waitStarted(let key, let event, let matches, _, _, _): facts.openWaits[key] = (event, matches)
        case .runQuarantined:
            quarantinedRuns.insert(id)
            fallthrough
        case .runCompleted, .runFailed, .runCancelled:
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
            for case .cron(let text, _) in function.config.triggers {
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

/// Records as a reader of the files is given them.
struct FoundRecords: JournalReplay {
    struct Found {
        var q: UInt64
        var stream: String
        var checksum: [UInt8]
        var text: [UInt8]
    }

    private(set) var records: [Found] = []
    private(set) var lastQ: UInt64 = 0
    private(set) var quarantined: [ULID] = []
    /// Lines up to here are known, so their text is not wanted.
    let knownQ: UInt64

    init(knownQ: UInt64) {
        self.knownQ = knownQ
    }

    mutating func reset() {
        records = []
        quarantined = []
    }

    mutating func restore(_ snapshot: inout SnapshotReader) throws {
        while snapshot.next() != nil {}
    }

    mutating func apply(_ record: RecordView) throws {
        records.append(
            Found(
                q: record.q, stream: record.stream.text, checksum: JournalLine.hex(record.checksum),
                text: record.q > knownQ ? Self.text(record) : []))
    }

    mutating func quarantine(_ run: ULID, because reason: QuarantineReason) {
        quarantined.append(run)
    }

    mutating func finish(_ report: RecoveryReport) {
        lastQ = report.lastQ
    }

    /// The line once more; its checksum tells whether it came out right.
    private static func text(_ record: RecordView) -> [UInt8] {
        var line =
            "{\"q\":\(record.q),\"t\":\"\(record.time.rfc3339)\",\"s\":\"\(record.stream.text)\",\"n\":\(record.n)"
        line += ",\"p\":\"" + String(decoding: JournalLine.hex(record.previousChecksum), as: UTF8.self) + "\""
        if record.n == 0 { line += ",\"v\":1" }
        line += ",\"k\":\"" + String(decoding: record.kind, as: UTF8.self) + "\""
        var bytes = Array(line.utf8)
        bytes += record.payload
        if record.isFinal {
            if !record.index.isEmpty {
                bytes += Array(",\"index\":".utf8)
                bytes += record.index
            }
            bytes += Array(",\"end\":\(record.index.count)".utf8)
        }
        bytes += Array(",\"crc\":\"".utf8)
        bytes += JournalLine.hex(record.checksum)
        bytes += Array("\"}\n".utf8)
        return bytes
    }
}
