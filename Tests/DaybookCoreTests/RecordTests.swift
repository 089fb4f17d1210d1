import DaybookCore
import DaybookValues
import Testing

/// Makes records of every kind, with texts that are hard to write.
struct RandomRecords {
    var random: SeededRandom

    static let texts = [
        "a", "", "step:1", "quote\"", "back\\slash", "new\nline\r\t", "nul\u{0}\u{1F}\u{7F}", "é e\u{301} 😀 \u{2028}",
        "\\u0041",
        "}]{[,:", "\",\"q\":1,\"crc\":\"00000000\"}", "\\", "\\\\\"", "日本語", String(repeating: "x", count: 300),
    ]

    static let values = [
        "null", "true", "0", "-1.5e10", "\"\"", #""a\"b\\c\n\u00e9""#, "[]", "{}", #"[1,[2,{"a":"]}"}],"x"]"#,
        #"{"out":1,"step":"no","error":{"name":"\"}"},"attempt":9}"#, "\"é😀\"",
    ]

    mutating func text() -> String { random.pick(Self.texts) }
    mutating func value() -> [UInt8] { Array(random.pick(Self.values).utf8) }
    mutating func id() -> ULID { ULID(high: random.next(), low: random.next()) }
    mutating func instant() -> Timestamp {
        Timestamp(milliseconds: random.pick([0, 1, -1, 1_795_248_000_123, .max, .min, 253_402_300_799_999]))
    }
    mutating func number() -> Int64 { random.pick([0, 1, -1, 5, 86_400_000, .max, .min]) }
    mutating func count() -> Int { random.pick([0, 1, 2, 17, .max]) }
    mutating func attempt() -> Int { random.pick([1, 2, 5, Int(Int32.max)]) }
    mutating func optional<T>(_ make: (inout Self) -> T) -> T? { random.chance(50) ? make(&self) : nil }
    mutating func matches() -> [FieldMatch] {
        (0..<random.below(4)).map { _ in FieldMatch(path: text(), value: value()) }
    }
    mutating func ids() -> [ULID] { (0..<random.below(4)).map { _ in id() } }

    mutating func config() -> FunctionConfig {
        let zones = [ZoneRules.utc, try? ZoneRules(name: "Europe/Paris", posix: "CET-1CEST,M3.5.0,M10.5.0/3")]
        var triggers: [Trigger] = []
        for _ in 0..<random.below(4) {
            if random.chance(50) {
                triggers.append(.event(name: text(), matches: matches(), condition: optional { $0.text() }))
            } else {
                let zone: ZoneRules = random.pick(zones) ?? .utc
                triggers.append(
                    .cron(
                        text: random.pick(["0 8 * * 1", "30 */5 * * * *", "TZ=Europe/Paris @daily"]), zone: zone,
                        jitter: random.pick([0, 0, 1_000, 300_000])))
            }
        }
        return FunctionConfig(
            id: "f" + text(), app: text(), name: text(), triggers: triggers, retries: random.below(21),
            startTimeout: optional { _ in 5 }, finishTimeout: optional { _ in .max },
            catchUp: random.pick([.latest, .skip, .all(limit: 1), .all(limit: 100)]), flow: flowConfig(),
            url: optional { $0.text() })
    }

    mutating func app() -> AppConfig {
        AppConfig(
            id: "a" + text(), url: text(), sdk: text(), framework: optional { $0.text() },
            appVersion: optional { $0.text() }, checksum: text(), revision: random.pick([0, 1, Int(Int32.max)]))
    }

    mutating func flowConfig() -> FlowConfig {
        var flow = FlowConfig()
        for _ in 0..<random.below(3) {
            flow.concurrency.append(
                ConcurrencyLimit(
                    limit: 1 + random.below(9), key: optional { $0.text() },
                    scope: random.pick(ConcurrencyLimit.Scope.allCases)))
        }
        flow.runConcurrency = optional { ConcurrencyLimit(limit: 1, key: $0.text()) }
        flow.throttle = optional { Throttle(limit: 2, period: 60_000, burst: $0.random.below(3), key: $0.text()) }
        flow.rateLimit = optional { RateLimit(limit: 2, period: 60_000, key: $0.text()) }
        flow.idempotency = optional { $0.text() }
        flow.debounce = optional { Debounce(period: 1_000, timeout: $0.optional { _ in 9_000 }, key: $0.text()) }
        flow.batch = optional { Batch(maxSize: 2, timeout: 1_000, key: $0.text(), condition: $0.text()) }
        flow.priority = optional { $0.text() }
        flow.singleton = optional { Singleton(mode: $0.random.pick(Singleton.Mode.allCases), key: $0.text()) }
        for _ in 0..<random.below(3) {
            flow.cancelOn.append(
                CancelOn(event: text(), condition: optional { $0.text() }, timeout: optional { _ in 5_000 }))
        }
        return flow
    }

    mutating func runFlow() -> RunFlow {
        var flow = RunFlow()
        func key(_ self: inout Self) -> RunFlow.PoolKey {
            RunFlow.PoolKey(
                scope: self.random.pick(ConcurrencyLimit.Scope.allCases), expression: self.text(), value: self.text())
        }
        for _ in 0..<random.below(3) { flow.keys.append(key(&self)) }
        flow.runKey = optional { key(&$0) }
        flow.throttleKey = optional { $0.text() }
        flow.rateKey = optional { $0.text() }
        flow.singletonKey = optional { $0.text() }
        flow.priority = random.pick([0, 1, -1, RunFlow.priorityMax, -RunFlow.priorityMax])
        for _ in 0..<random.below(3) {
            flow.cancelOn.append(
                RunFlow.Cancel(
                    event: text(), condition: optional { $0.text() }, captured: optional { $0.value() },
                    until: optional { $0.instant() }))
        }
        for _ in 0..<random.below(3) { flow.problems.append(text()) }
        return flow
    }

    mutating func outcome() -> EventOutcome {
        var outcome = EventOutcome(started: ids(), resumed: ids(), cancelled: ids())
        for _ in 0..<random.below(3) {
            outcome.held.append(
                HeldEvent(
                    function: text(), hold: id(), kind: random.pick(HeldEvent.Kind.allCases), key: text(),
                    due: instant(), flow: runFlow(),
                    caller: optional { HeldEvent.Caller(run: $0.id(), key: $0.text(), child: $0.id()) }))
            outcome.dropped.append(
                Dropped(function: text(), reason: random.pick(Dropped.Reason.allCases), detail: text()))
        }
        return outcome
    }

    /// The state of a core that has lived.
    mutating func systemState() throws -> SystemState {
        let bench = Bench()
        bench.register((0..<3).map { _ in config() }.filter { $0.problem == nil }, app: "app")
        let apps = (0..<random.below(3)).map { _ in app() }
        for app in apps { bench.handle(.registerApp(app, functions: [])) }
        if let first = apps.first, random.chance(50) { bench.handle(.removeApp(first.id)) }
        for _ in 0..<random.below(3) {
            let claim = ClaimProgress(name: text(), offset: random.below(1_000), isWhole: random.chance(50))
            bench.handle(.publish([], claim: claim))
        }
        bench.advance(by: Int64(random.below(3)) * 20 * minute)
        if random.chance(30) { bench.register([]) }
        bench.handle(.moveClock(offset: number()))
        return bench.core.systemState
    }

    static let kinds = 35

    mutating func record(_ kind: Int) throws -> Record {
        switch kind {
        case 0: return .epochOpened(epoch: random.pick([0, 1, .max]), version: text())
        case 1: return .monthOpened(try systemState())
        case 2: return .functionRegistered(config())
        case 3: return .functionRemoved(id: text())
        case 4: return .cronScheduled(function: text(), trigger: count(), tick: optional { $0.instant() })
        case 5:
            return .cronTicked(
                function: text(), trigger: count(), tick: instant(), run: optional { $0.id() },
                next: optional { $0.instant() })
        case 6: return .clockMoved(offset: number())
        case 7: return .inboxCommitted(claim: text(), offset: count(), isWhole: random.chance(50))
        case 8: return .inboxRemoved(claim: text())
        case 9:
            return .eventReceived(
                Event(id: id(), key: optional { $0.text() }, name: text(), timestamp: instant(), json: value()),
                outcome())
        case 10:
            let causes: [QueuedRun.Cause] = [.event, .cron, .invoke(parent: id(), key: text()), .retry(of: id())]
            return .runQueued(
                QueuedRun(
                    function: text(), cause: random.pick(causes),
                    input: random.chance(50) ? .inline(value()) : .received(day: random.pick([0, -1, .max]), id: id()),
                    eventName: text(), key: optional { $0.text() }, startAt: optional { $0.instant() },
                    hold: optional { $0.id() }, eventCount: random.below(3), flow: runFlow()))
        case 11: return .runStarted
        case 12: return .runParked
        case 13:
            return .stepCompleted(
                StepOutcome(
                    key: text(), operation: random.pick(StepOperation.allCases), attempt: attempt(), output: value(),
                    duration: random.pick([0, 1, .max]), copiedFrom: optional { $0.id() }))
        case 14:
            return .stepFailed(
                StepFailure(
                    key: text(), operation: random.pick(StepOperation.allCases), attempt: attempt(), error: value(),
                    duration: random.pick([0, 1, .max]), retryAt: optional { $0.instant() },
                    copiedFrom: optional { $0.id() }))
        case 15: return .stepInterrupted(key: text(), attempt: attempt(), isCharged: random.chance(50))
        case 16: return .sleepStarted(key: text(), due: instant(), length: number(), isUntil: random.chance(50))
        case 17:
            return .waitStarted(
                key: text(), event: text(), matches: matches(),
                condition: optional { WaitCondition(source: $0.text(), captured: $0.value()) }, due: instant(),
                length: number())
        case 18: return .invokeStarted(key: text(), function: text(), child: id(), due: instant(), length: number())
        case 19: return .attemptFailed(attempt: attempt(), error: value(), retryAt: instant())
        case 20: return .runCompleted(output: value())
        case 21: return .runFailed(error: value(), output: optional { $0.value() })
        case 22: return .runCancelled(reason: text())
        case 23: return .functionPaused(id: text())
        case 24: return .functionResumed(id: text())
        case 25:
            return .holdDropped(
                hold: id(), function: text(), reason: random.pick(Dropped.Reason.allCases), detail: text())
        case 26: return .runAdmitted
        case 27: return .runCancelling(reason: text())
        case 28: return .appRegistered(app())
        case 29: return .appRemoved(id: text())
        case 30: return .signalStarted(key: text(), signal: text(), due: instant(), length: number())
        case 31: return .deferAdded(key: text(), function: text(), input: value())
        case 32: return .deferAborted(key: text())
        case 33: return .runAnswered(version: random.pick([0, 1, 2, 1_000]), forcesPlan: random.chance(50))
        default: return .runQuarantined(reason: text())
        }
    }
}

struct RecordTests {
    private func decode(_ kind: String, _ payload: [UInt8]) throws -> Record {
        try Array(kind.utf8).withUnsafeBufferPointer { kind in
            try payload.withUnsafeBufferPointer { try Record(kind: kind, payload: $0) }
        }
    }

    private func payload(_ record: Record) -> [UInt8] {
        var bytes: [UInt8] = []
        record.appendPayload(to: &bytes)
        return bytes
    }

    @Test func `the records under test are of every kind there is`() throws {
        var random = RandomRecords(random: SeededRandom(seed: 0))
        let kinds = try Set((0..<RandomRecords.kinds).map { "\(try random.record($0).kind)" })
        #expect(kinds.count == RandomRecords.kinds)
    }

    @Test(arguments: 0..<RandomRecords.kinds)
    func `a record comes back from its text as it was`(kind: Int) throws {
        var random = RandomRecords(random: SeededRandom(seed: UInt64(kind)))
        for round in 0..<150 {
            let record = try random.record(kind)
            let bytes = payload(record)
            let shown = "round \(round): \(text(bytes))"
            #expect(try decode("\(record.kind)", bytes) == record, "\(shown)")
            // In its line it is JSON, and stays on one line.
            try JSONText.check(Array("{\"k\":1".utf8) + bytes + Array("}".utf8))
            #expect(!bytes.contains(0x0A))
            #expect(bytes.isEmpty || bytes[0] == UInt8(ascii: ","))
        }
    }

    @Test func `a record of an unknown kind is a sign of a newer version`() {
        #expect(throws: RecordError.unknownKind("step.teleported")) {
            try decode("step.teleported", Array(",\"a\":1".utf8))
        }
        #expect(throws: RecordError.unknownKind("")) { try decode("", []) }
        #expect(RecordError.unknownKind("x").description.contains("newer"))
    }

    @Test func `members that a newer version adds are left alone`() throws {
        let bytes = Array(#","new":{"step":"no"},"step":"a","more":[1],"attempt":2,"out":5,"last":"out""#.utf8)
        #expect(
            try decode("step.completed", bytes) == .stepCompleted(StepOutcome(key: "a", attempt: 2, output: [0x35])))
    }

    private static let required: [(kind: String, fields: [String])] = [
        ("step.completed", ["step", "out"]), ("step.failed", ["step", "attempt", "error"]),
        ("run.completed", ["out"]), ("run.failed", ["error"]), ("run.cancelled", ["reason"]),
        ("run.quarantined", ["reason"]), ("run.queued", ["fn", "cause", "name"]),
        ("event.received", ["id", "name", "ts", "event"]), ("sleep.started", ["step", "due", "length"]),
        ("wait.started", ["step", "event", "match", "due", "length"]),
        ("invoke.started", ["step", "fn", "child", "due", "length"]),
        ("attempt.failed", ["attempt", "error", "retryAt"]),
        ("step.interrupted", ["step", "attempt"]), ("epoch.opened", ["epoch", "version"]), ("month.opened", ["state"]),
        ("function.registered", ["config"]), ("function.removed", ["fn"]), ("cron.scheduled", ["fn", "trigger"]),
        ("cron.ticked", ["fn", "trigger", "tick"]), ("clock.moved", ["offset"]),
        ("inbox.committed", ["claim", "offset"]),
        ("inbox.removed", ["claim"]), ("app.registered", ["config"]), ("app.removed", ["app"]),
        ("signal.started", ["step", "signal", "due", "length"]), ("defer.added", ["step", "fn", "input"]),
        ("defer.aborted", ["step"]), ("run.answered", ["version"]),
    ]

    @Test(arguments: required)
    func `a record that lacks a member is refused and says which`(kind: String, fields: [String]) throws {
        var random = RandomRecords(random: SeededRandom(seed: 3))
        let index = try #require(try (0..<RandomRecords.kinds).first { "\(try random.record($0).kind)" == kind })
        let bytes = payload(try random.record(index))
        for missing in fields {
            var kept: [UInt8] = []
            bytes.withUnsafeBufferPointer { bytes in
                var members = JSONFields(bytes)
                while let member = members.next() {
                    if String(decoding: member.name, as: UTF8.self) == missing { continue }
                    kept += Array(",\"".utf8) + Array(member.name) + Array("\":".utf8) + member.bytes
                }
            }
            #expect(throws: RecordError.missingField(kind: kind, field: missing)) { try decode(kind, kept) }
        }
    }

    @Test(arguments: 0..<20)
    func `a payload that is cut or changed never traps, alone or applied to a core`(seed: UInt64) throws {
        var random = RandomRecords(random: SeededRandom(seed: seed))
        let bench = Bench([function(), cronFunction("* * * * *")])
        let run = try bench.startedRun()
        _ = bench.sleep(run, "a", hour)
        for _ in 0..<200 {
            let record = try random.record(random.random.below(RandomRecords.kinds))
            var bytes = payload(record)
            for _ in 0..<random.random.below(3) where !bytes.isEmpty {
                switch random.random.below(3) {
                case 0: bytes[random.random.below(bytes.count)] = random.random.pick(Array("{}[]\",:\\-0a".utf8))
                case 1: bytes.removeLast(random.random.below(bytes.count))
                default: bytes.remove(at: random.random.below(bytes.count))
                }
            }
            guard let reread = try? decode("\(record.kind)", bytes), !reread.endsRun else { continue }
            let stream: RecordStream = random.random.pick([.run(run), .system, .run(ULID(high: 3, low: 3)), .events])
            let state = bench.core.encodedState
            do throws(RecordError) {
                try bench.core.apply(reread, stream: stream, at: bench.now)
            } catch {
                guard case .outOfPlace = error else {
                    Issue.record("seed \(seed): \(error)")
                    return
                }
                #expect(bench.core.encodedState == state, "seed \(seed): \(reread)")
            }
        }
        _ = bench.core.encodedState
    }
}
