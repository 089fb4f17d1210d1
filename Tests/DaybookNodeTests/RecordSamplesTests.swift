import DaybookCore
import DaybookFakes
import DaybookJournal
import DaybookNode
import DaybookSystem
import DaybookValues
import Testing

/// `docs/RECORDS.md` shows one line of every kind; these are the lines.
struct RecordSamplesTests {
    private static let noon = Timestamp(milliseconds: 1_795_248_000_000)
    private static let run = ULID("01KAJS9V00A1B2C3D4E5F6G7H8") ?? ULID(high: 0, low: 0)
    private static let child = ULID("01KAJS9V00C1B2C3D4E5F6G7H8") ?? ULID(high: 0, low: 0)
    private static let event = ULID("01KAJS9TZZ0000000000000000") ?? ULID(high: 0, low: 0)

    private static func json(_ text: String) -> [UInt8] { Array(text.utf8) }

    private static func received() -> Event {
        Event(
            id: event, key: "user-1", name: "auth/user.created", timestamp: noon,
            json: json(#"{"name":"auth/user.created","data":{"userId":"u1"},"id":"user-1","ts":1795248000000}"#))
    }

    private static func outcome() -> EventOutcome {
        EventOutcome(
            started: [run],
            held: [
                HeldEvent(
                    function: "mail-index-content", hold: child, kind: .debounce, key: "u1", due: noon + 5_000,
                    flow: RunFlow())
            ],
            dropped: [Dropped(function: "mail-send-welcome", reason: .rateLimited, detail: "rate limit, key u1")])
    }

    private static func flow() -> RunFlow {
        var flow = RunFlow()
        flow.keys = [RunFlow.PoolKey(scope: .function, expression: "event.data.userId", value: "u1")]
        flow.throttleKey = ""
        flow.priority = 120
        flow.cancelOn = [
            RunFlow.Cancel(
                event: "auth/user.deleted", condition: "event.data.userId == async.data.userId",
                captured: json(#"["u1"]"#))
        ]
        return flow
    }

    private static func config() -> FunctionConfig {
        FunctionConfig(
            id: "mail-weekly-digest", app: "mail", name: "Weekly digest",
            triggers: [
                .event(
                    name: "inngest/function.failed",
                    matches: [FieldMatch(path: "data.function_id", value: json(#""mail-x""#))]),
                .cron(text: "0 8 * * 1", zone: .utc),
            ], retries: 3, startTimeout: 60_000, finishTimeout: 3_600_000, catchUp: .all(limit: 3),
            flow: flowConfig())
    }

    private static func flowConfig() -> FlowConfig {
        var flow = FlowConfig()
        flow.concurrency = [ConcurrencyLimit(limit: 5, key: "event.data.userId")]
        flow.throttle = Throttle(limit: 10, period: 60_000)
        flow.priority = "event.data.vip ? 120 : 0"
        return flow
    }

    private static func state() -> SystemState {
        var text: [UInt8] = []
        text.append(json: #"{"clockOffset":0,"functions":[{"config":"#)
        config().append(to: &text)
        text.append(json: #","removed":false,"crons":[{"trigger":1,"next":1795334400000,"#)
        text.append(json: #""handled":[1795248000000,1795248000000]}]}],"#)
        text.append(json: #""claims":[{"claim":"01KAJS9V00-created.json","offset":52,"whole":true}]}"#)
        return text.withUnsafeBufferPointer { SystemState(JSONFields.Field(value: $0).fields) } ?? SystemState()
    }

    /// One of each, as the format page has them.
    private static let samples: [(stream: StreamID, record: Record)] = [
        (.system(month: noon.month), .epochOpened(epoch: 1, version: "0.1.0")),
        (.system(month: noon.month), .monthOpened(state())),
        (.system(month: noon.month), .functionRegistered(config())),
        (.system(month: noon.month), .functionRemoved(id: "mail-old")),
        (.system(month: noon.month), .functionPaused(id: "mail-weekly-digest")),
        (.system(month: noon.month), .functionResumed(id: "mail-weekly-digest")),
        (
            .system(month: noon.month),
            .appRegistered(
                AppConfig(
                    id: "shop", url: "http://localhost:9000/api/inngest", sdk: "py:v0.5.18", framework: "flask",
                    checksum: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", revision: 2))
        ),
        (.system(month: noon.month), .appRemoved(id: "shop")),
        (
            .system(month: noon.month),
            .holdDropped(
                hold: child, function: "mail-index-content", reason: .singleton,
                detail: "run 01KAJS9V00AAAAAAAAAAAAAAAA is unfinished")
        ),
        (
            .system(month: noon.month),
            .cronScheduled(function: "mail-weekly-digest", trigger: 1, tick: noon + 86_400_000)
        ),
        (
            .system(month: noon.month),
            .cronTicked(
                function: "mail-weekly-digest", trigger: 1, tick: noon, run: run, next: noon + 604_800_000)
        ),
        (.system(month: noon.month), .clockMoved(offset: 604_800_000)),
        (.system(month: noon.month), .inboxCommitted(claim: "01KAJS9V00-created.json", offset: 52, isWhole: true)),
        (.system(month: noon.month), .inboxRemoved(claim: "01KAJS9V00-created.json")),
        (.events(day: noon.day), .eventReceived(received(), outcome())),
        (
            .run(run),
            .runQueued(
                QueuedRun(
                    function: "mail-welcome-email", cause: .event, input: .inline(received().json),
                    eventName: "auth/user.created", key: "user-1", flow: flow()))
        ),
        (.run(run), .runAdmitted),
        (.run(run), .runStarted),
        (
            .run(run),
            .stepCompleted(StepOutcome(key: "load-contact", output: json(#"{"id":"u1"}"#), duration: 412))
        ),
        (
            .run(run),
            .stepFailed(
                StepFailure(
                    key: "send", attempt: 1, error: json(#"{"name":"SMTPError","message":"450 busy"}"#),
                    duration: 2_100, retryAt: noon + 17_000))
        ),
        (.run(run), .stepInterrupted(key: "send", attempt: 2, isCharged: true)),
        (.run(run), .sleepStarted(key: "pause", due: noon + 3_600_000, length: 3_600_000, isUntil: false)),
        (
            .run(run),
            .waitStarted(
                key: "confirmed", event: "auth/user.confirmed",
                matches: [FieldMatch(path: "data.userId", value: json(#""u1""#))],
                condition: WaitCondition(source: "async.data.plan == event.data.plan", captured: json(#"["pro"]"#)),
                due: noon + 86_400_000, length: 86_400_000)
        ),
        (
            .run(run),
            .invokeStarted(
                key: "ask", function: "mail-survey", child: child, due: noon + 86_400_000, length: 86_400_000)
        ),
        (
            .run(run),
            .signalStarted(key: "approved", signal: "approve-o1", due: noon + 86_400_000, length: 86_400_000)
        ),
        (
            .run(run),
            .deferAdded(key: "tidy", function: "mail-tidy-up", input: json(#"{"userId":"u1"}"#))
        ),
        (.run(run), .deferAborted(key: "tidy")),
        (.run(run), .runAnswered(version: 2, forcesPlan: true)),
        (.run(run), .runParked),
        (
            .run(run),
            .attemptFailed(
                attempt: 1, error: json(#"{"name":"Oops","message":"between steps"}"#), retryAt: noon + 20_000)
        ),
        (.run(run), .runCompleted(output: json(#""sent""#))),
        (
            .run(child),
            .runFailed(
                error: json(#"{"error":"NonRetriableError","name":"NonRetriableError","message":"no such user"}"#),
                output: json(#"{"name":"NonRetriableError","message":"no such user","code":"user"}"#))
        ),
        (.run(child), .runCancelling(reason: "by event 'auth/user.deleted'")),
        (.run(child), .runCancelled(reason: "somebody asked for it")),
        (.run(child), .runQuarantined(reason: "its journal is damaged")),
    ]

    private struct Collector: JournalReplay {
        var records: [Record] = []
        var lines: [String] = []

        mutating func reset() { records = [] }
        mutating func restore(_ snapshot: inout SnapshotReader) throws {}
        mutating func apply(_ view: RecordView) throws { records.append(try view.decoded()) }
        mutating func quarantine(_ run: ULID, because reason: QuarantineReason) {}
    }

    /// The lines a journal writes for the samples.
    private func writtenLines() throws -> (lines: [String], records: [Record]) {
        var records: [Record] = []
        var lines: [String] = []
        for sample in Self.samples {
            // Each in a journal of its own, so that its line does not depend on the others.
            let disk = MemoryDisk()
            var nobody = Collector()
            let journal = try Journal.open(disk: disk, clock: ManualClock(now: Self.noon), replay: &nobody)
            journal.log.begin(sample.stream, sample.record.kind, at: Self.noon)
            sample.record.appendPayload(to: &journal.log.bytes)
            journal.log.end(final: sample.record.endsRun)
            let line = String(decoding: journal.log.bytes, as: UTF8.self).split(separator: "\n")[0]
            lines.append(String(line))
            try journal.log.commit()
            var collector = Collector()
            _ = try Journal.read(disk: disk, replay: &collector)
            records += collector.records
        }
        return (lines, records)
    }

    @Test func `every kind of record has one sample line in the docs, and it is what a journal writes and reads back`()
        throws
    {
        let (lines, records) = try writtenLines()
        #expect(records == Self.samples.map(\.record))
        #expect(Set(Self.samples.map { "\($0.record.kind)" }).count == Self.samples.count)
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let page = try #require(try RealDisk(root: "/" + root + "/docs").contents(of: "RECORDS.md"))
        let documented = String(decoding: page, as: UTF8.self).split(separator: "\n").map(String.init).filter {
            $0.hasPrefix("{\"q\":")
        }
        #expect(documented == lines, "the lines are:\n\(lines.joined(separator: "\n"))")
    }

    @Test func `the samples leave out no kind`() {
        // A new case does not compile here until it is thought of, and then the page needs its line too.
        for (_, record) in Self.samples {
            switch record {
            case .epochOpened, .monthOpened, .functionRegistered, .functionRemoved, .cronScheduled, .cronTicked,
                .clockMoved, .inboxCommitted, .inboxRemoved, .eventReceived, .runQueued, .runStarted, .runParked,
                .stepCompleted, .stepFailed, .stepInterrupted, .sleepStarted, .waitStarted, .invokeStarted,
                .attemptFailed, .runCompleted, .runFailed, .runCancelled, .runQuarantined, .functionPaused,
                .functionResumed, .holdDropped, .runAdmitted, .runCancelling, .appRegistered, .appRemoved,
                .signalStarted, .deferAdded, .deferAborted, .runAnswered:
                break
            }
        }
        #expect(Self.samples.count == 35)
    }
}
