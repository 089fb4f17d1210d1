package import DaybookValues

extension Record {
    /// Reads a record back from its kind and payload.
    /// - Throws: `RecordError.unknownKind` for kinds of newer versions; `.missingField` when the payload lacks
    ///   something that every version wrote.
    package init(
        kind: UnsafeBufferPointer<UInt8>, payload: UnsafeBufferPointer<UInt8>
    ) throws(RecordError) {
        let reader = PayloadReader(kind: kind, payload: payload)
        switch true {
        case reader.isKind("step.completed"): self = .stepCompleted(try reader.stepOutcome())
        case reader.isKind("step.failed"): self = .stepFailed(try reader.stepFailure())
        case reader.isKind("run.queued"): self = .runQueued(try reader.queuedRun())
        case reader.isKind("run.started"): self = .runStarted
        case reader.isKind("run.parked"): self = .runParked
        case reader.isKind("run.admitted"): self = .runAdmitted
        case reader.isKind("run.cancelling"): self = .runCancelling(reason: try reader.string("reason"))
        case reader.isKind("run.completed"): self = .runCompleted(output: try reader.bytes("out"))
        case reader.isKind("run.failed"):
            self = .runFailed(error: try reader.bytes("error"), output: reader.field("out")?.bytes)
        case reader.isKind("run.cancelled"): self = .runCancelled(reason: try reader.string("reason"))
        case reader.isKind("run.quarantined"): self = .runQuarantined(reason: try reader.string("reason"))
        case reader.isKind("event.received"): self = try reader.eventReceived()
        case reader.isKind("sleep.started"):
            self = .sleepStarted(
                key: try reader.string("step"), due: try reader.instant("due"), length: try reader.integer("length"),
                isUntil: reader.field("until")?.bool ?? false)
        case reader.isKind("wait.started"):
            self = .waitStarted(
                key: try reader.string("step"), event: try reader.string("event"), matches: try reader.matches(),
                condition: reader.waitCondition(), due: try reader.instant("due"), length: try reader.integer("length"))
        case reader.isKind("signal.started"):
            self = .signalStarted(
                key: try reader.string("step"), signal: try reader.string("signal"), due: try reader.instant("due"),
                length: try reader.integer("length"))
        case reader.isKind("defer.added"):
            self = .deferAdded(
                key: try reader.string("step"), function: try reader.string("fn"), input: try reader.bytes("input"))
        case reader.isKind("defer.aborted"): self = .deferAborted(key: try reader.string("step"))
        case reader.isKind("run.answered"):
            self = .runAnswered(
                version: try reader.version(), forcesPlan: reader.field("plan")?.bool ?? false)
        case reader.isKind("invoke.started"):
            self = .invokeStarted(
                key: try reader.string("step"), function: try reader.string("fn"), child: try reader.ulid("child"),
                due: try reader.instant("due"), length: try reader.integer("length"))
        case reader.isKind("attempt.failed"):
            self = .attemptFailed(
                attempt: try reader.attempt(), error: try reader.bytes("error"),
                retryAt: try reader.instant("retryAt"))
        case reader.isKind("step.interrupted"):
            self = .stepInterrupted(
                key: try reader.string("step"), attempt: try reader.attempt(),
                isCharged: reader.field("charged")?.bool ?? false)
        case reader.isKind("epoch.opened"):
            self = .epochOpened(
                epoch: UInt32(truncatingIfNeeded: try reader.integer("epoch")), version: try reader.string("version"))
        case reader.isKind("month.opened"):
            guard let state = reader.field("state").flatMap({ SystemState($0.fields) }) else {
                throw reader.missing("state")
            }
            self = .monthOpened(state)
        case reader.isKind("function.registered"):
            guard let config = reader.field("config").flatMap({ FunctionConfig($0.fields) }) else {
                throw reader.missing("config")
            }
            self = .functionRegistered(config)
        case reader.isKind("function.removed"): self = .functionRemoved(id: try reader.string("fn"))
        case reader.isKind("function.paused"): self = .functionPaused(id: try reader.string("fn"))
        case reader.isKind("function.resumed"): self = .functionResumed(id: try reader.string("fn"))
        case reader.isKind("app.registered"):
            guard let config = reader.field("config").flatMap({ AppConfig($0.fields) }) else {
                throw reader.missing("config")
            }
            self = .appRegistered(config)
        case reader.isKind("app.removed"): self = .appRemoved(id: try reader.string("app"))
        case reader.isKind("hold.dropped"):
            self = .holdDropped(
                hold: try reader.ulid("hold"), function: try reader.string("fn"),
                reason: Dropped.Reason(rawValue: try reader.string("why")) ?? .other,
                detail: try reader.string("detail"))
        case reader.isKind("cron.scheduled"):
            self = .cronScheduled(
                function: try reader.string("fn"), trigger: Int(try reader.integer("trigger")),
                tick: reader.field("tick")?.timestamp)
        case reader.isKind("cron.ticked"):
            self = .cronTicked(
                function: try reader.string("fn"), trigger: Int(try reader.integer("trigger")),
                tick: try reader.instant("tick"), run: reader.field("run")?.ulid, next: reader.field("next")?.timestamp)
        case reader.isKind("clock.moved"): self = .clockMoved(offset: try reader.integer("offset"))
        case reader.isKind("inbox.committed"):
            self = .inboxCommitted(
                claim: try reader.string("claim"), offset: Int(try reader.integer("offset")),
                isWhole: reader.field("whole")?.bool ?? false)
        case reader.isKind("inbox.removed"): self = .inboxRemoved(claim: try reader.string("claim"))
        default: throw .unknownKind(reader.kindText)
        }
    }
}

/// Looks members of a payload up by name. Payloads are short and their large member comes last, so a walk from the
/// front is quicker than a table.
private struct PayloadReader {
    let kind: UnsafeBufferPointer<UInt8>
    let payload: UnsafeBufferPointer<UInt8>

    var kindText: String { String(decoding: kind, as: UTF8.self) }

    func isKind(_ wanted: StaticString) -> Bool {
        guard kind.count == wanted.utf8CodeUnitCount else { return false }
        for index in 0..<kind.count where kind[index] != wanted.utf8Start[index] { return false }
        return true
    }

    func missing(_ field: StaticString) -> RecordError { .missingField(kind: kindText, field: "\(field)") }

    func field(_ name: StaticString) -> JSONFields.Field? {
        var fields = JSONFields(payload)
        while let field = fields.next() {
            if field.isNamed(name) { return field }
        }
        return nil
    }

    func string(_ name: StaticString) throws(RecordError) -> String {
        guard let value = field(name)?.string else { throw missing(name) }
        return value
    }

    func bytes(_ name: StaticString) throws(RecordError) -> [UInt8] {
        guard let value = field(name)?.bytes else { throw missing(name) }
        return value
    }

    func integer(_ name: StaticString) throws(RecordError) -> Int64 {
        guard let value = field(name)?.integer else { throw missing(name) }
        return value
    }

    /// A number that can be counted on without an overflow.
    func attempt() throws(RecordError) -> Int { try attempt(of: field("attempt")) }

    func attempt(of field: JSONFields.Field?) throws(RecordError) -> Int {
        guard let value = field?.integer, (0...Int64(Int32.max)).contains(value) else { throw missing("attempt") }
        return Int(value)
    }

    /// A request version, as small as those of newer SDKs will be too.
    func version() throws(RecordError) -> Int {
        guard let value = field("version")?.integer, (0...1_000).contains(value) else { throw missing("version") }
        return Int(value)
    }

    func instant(_ name: StaticString) throws(RecordError) -> Timestamp {
        Timestamp(milliseconds: try integer(name))
    }

    func ulid(_ name: StaticString) throws(RecordError) -> ULID {
        guard let value = field(name)?.ulid else { throw missing(name) }
        return value
    }

    func matches() throws(RecordError) -> [FieldMatch] {
        guard let field = field("match") else { throw missing("match") }
        return [FieldMatch](field)
    }

    func stepOutcome() throws(RecordError) -> StepOutcome {
        var step = StepOutcome(key: "", output: [])
        var hasKey = false
        var hasOutput = false
        var fields = JSONFields(payload)
        while let field = fields.next() {
            if field.isNamed("step") {
                guard let key = field.string else { throw missing("step") }
                step.key = key
                hasKey = true
            } else if field.isNamed("attempt") {
                step.attempt = try attempt(of: field)
            } else if field.isNamed("out") {
                step.output = field.bytes
                hasOutput = true
            } else if field.isNamed("us") {
                step.duration = max(0, field.integer ?? 0)
            } else if field.isNamed("op") {
                step.operation = field.string.flatMap(StepOperation.init(rawValue:)) ?? .run
            } else if field.isNamed("from") {
                step.copiedFrom = field.ulid
            }
        }
        guard hasKey else { throw missing("step") }
        guard hasOutput else { throw missing("out") }
        return step
    }

    func stepFailure() throws(RecordError) -> StepFailure {
        StepFailure(
            key: try string("step"), operation: field("op")?.string.flatMap(StepOperation.init(rawValue:)) ?? .run,
            attempt: try attempt(), error: try bytes("error"), duration: max(0, field("us")?.integer ?? 0),
            retryAt: field("retryAt")?.timestamp, copiedFrom: field("from")?.ulid)
    }

    func queuedRun() throws(RecordError) -> QueuedRun {
        let cause: QueuedRun.Cause
        switch try string("cause") {
        case "cron": cause = .cron
        case "invoke": cause = .invoke(parent: try ulid("parent"), key: try string("step"))
        case "retry": cause = .retry(of: try ulid("from"))
        default: cause = .event
        }
        let input: QueuedRun.Input
        if let event = field("event") {
            input = .inline(event.bytes)
        } else {
            input = .received(day: Int32(truncatingIfNeeded: try integer("day")), id: try ulid("ref"))
        }
        return QueuedRun(
            function: try string("fn"), cause: cause, input: input, eventName: try string("name"),
            key: field("key")?.string, startAt: field("startAt")?.timestamp, hold: field("hold")?.ulid,
            eventCount: field("events")?.integer.flatMap { Int(exactly: min(max($0, 0), 1_000_000)) } ?? 0,
            flow: field("flow").map { RunFlow($0.fields) } ?? RunFlow())
    }

    func eventReceived() throws(RecordError) -> Record {
        let event = Event(
            id: try ulid("id"), key: field("key")?.string, name: try string("name"), timestamp: try instant("ts"),
            json: try bytes("event"))
        return .eventReceived(event, EventOutcome(JSONFields(payload)))
    }

    func waitCondition() -> WaitCondition? {
        guard let source = field("if")?.string else { return nil }
        return WaitCondition(source: source, captured: field("captured")?.bytes ?? Array("[]".utf8))
    }
}

extension [ULID] {
    init(_ field: JSONFields.Field?) {
        self = []
        field?.forEachElement { element in
            if let id = JSONFields.Field(value: element).ulid { append(id) }
        }
    }
}

extension [FieldMatch] {
    fileprivate init(_ field: JSONFields.Field) {
        self = []
        field.forEachElement { pair in
            var path: String?
            var value: [UInt8]?
            JSONFields.Field(value: pair).forEachElement { part in
                if path == nil {
                    path = JSONFields.Field(value: part).string
                } else {
                    value = [UInt8](part)
                }
            }
            if let path, let value { append(FieldMatch(path: path, value: value)) }
        }
    }
}

extension FunctionConfig {
    /// Reads the members of an object that `append(to:)` wrote; nil when something essential is missing.
    package init?(_ members: JSONFields) {
        var fields = members
        self.init(id: "", app: "", triggers: [])
        var catchUpLimit: Int?
        while let field = fields.next() {
            if field.isNamed("id") {
                guard let id = field.string else { return nil }
                self.id = id
            } else if field.isNamed("app") {
                app = field.string ?? ""
            } else if field.isNamed("name") {
                name = field.string ?? ""
            } else if field.isNamed("url") {
                url = field.string
            } else if field.isNamed("retries") {
                // What can be counted on without an overflow; a registration allows far less.
                let value = field.integer ?? 4
                guard (0...Int64(Int32.max)).contains(value) else { return nil }
                retries = Int(value)
            } else if field.isNamed("startTimeout") {
                startTimeout = field.integer
            } else if field.isNamed("finishTimeout") {
                finishTimeout = field.integer
            } else if field.isNamed("catchUp") {
                catchUp = field.string == "skip" ? .skip : field.string == "all" ? .all(limit: 1) : .latest
            } else if field.isNamed("catchUpLimit") {
                catchUpLimit = field.integer.map { Int($0) }
            } else if field.isNamed("flow") {
                guard let flow = FlowConfig(field.fields) else { return nil }
                self.flow = flow
            } else if field.isNamed("triggers") {
                var triggers: [Trigger] = []
                var isReadable = true
                field.forEachElement { element in
                    if let trigger = Trigger(JSONFields.Field(value: element).fields) {
                        triggers.append(trigger)
                    } else {
                        isReadable = false
                    }
                }
                guard isReadable else { return nil }
                self.triggers = triggers
            }
        }
        if case .all = catchUp { catchUp = .all(limit: catchUpLimit ?? 1) }
        guard !id.isEmpty else { return nil }
    }
}

extension Trigger {
    fileprivate init?(_ members: JSONFields) {
        var fields = members
        var event: String?
        var cron: String?
        var condition: String?
        var matches: [FieldMatch] = []
        var zone: ZoneRules?
        var jitter: Int64 = 0
        while let field = fields.next() {
            if field.isNamed("event") {
                event = field.string
            } else if field.isNamed("cron") {
                cron = field.string
            } else if field.isNamed("match") {
                matches = [FieldMatch](field)
            } else if field.isNamed("if") {
                condition = field.string
            } else if field.isNamed("jitter") {
                // What a registration allows; anything else is not from any version.
                jitter = min(max(field.integer ?? 0, 0), Self.jitterMax)
            } else if field.isNamed("zone") {
                zone = JSONView(field.bytes).flatMap { try? ZoneRules(json: $0) }
            }
        }
        if let event {
            self = .event(name: event, matches: matches, condition: condition)
        } else if let cron, let zone {
            self = .cron(text: cron, zone: zone, jitter: jitter)
        } else {
            return nil
        }
    }
}

extension SystemState {
    package init?(_ members: JSONFields) {
        self.init()
        var fields = members
        var isReadable = true
        while let field = fields.next() {
            if field.isNamed("clockOffset") {
                clockOffset = field.integer ?? 0
            } else if field.isNamed("functions") {
                field.forEachElement { element in
                    if let function = Function(JSONFields.Field(value: element).fields) {
                        functions.append(function)
                    } else {
                        isReadable = false
                    }
                }
            } else if field.isNamed("apps") {
                field.forEachElement { element in
                    var members = JSONFields.Field(value: element).fields
                    var config: AppConfig?
                    var isRemoved = false
                    while let member = members.next() {
                        if member.isNamed("config") { config = AppConfig(member.fields) }
                        if member.isNamed("removed") { isRemoved = member.bool }
                    }
                    if let config {
                        apps.append(App(config: config, isRemoved: isRemoved))
                    } else {
                        isReadable = false
                    }
                }
            } else if field.isNamed("claims") {
                field.forEachElement { element in
                    var members = JSONFields.Field(value: element).fields
                    var claim = Claim(name: "", offset: 0, isWhole: false)
                    while let member = members.next() {
                        if member.isNamed("claim") { claim.name = member.string ?? "" }
                        if member.isNamed("offset") { claim.offset = Int(member.integer ?? 0) }
                        if member.isNamed("whole") { claim.isWhole = member.bool }
                    }
                    claims.append(claim)
                }
            }
        }
        guard isReadable else { return nil }
    }
}

extension SystemState.Function {
    fileprivate init?(_ members: JSONFields) {
        var fields = members
        var config: FunctionConfig?
        var isRemoved = false
        var isPaused = false
        var crons: [SystemState.CronState] = []
        while let field = fields.next() {
            if field.isNamed("config") {
                config = FunctionConfig(field.fields)
            } else if field.isNamed("removed") {
                isRemoved = field.bool
            } else if field.isNamed("paused") {
                isPaused = field.bool
            } else if field.isNamed("crons") {
                field.forEachElement { element in
                    var members = JSONFields.Field(value: element).fields
                    var cron = SystemState.CronState(trigger: 0, next: nil, handled: TickNames())
                    while let member = members.next() {
                        if member.isNamed("trigger") { cron.trigger = Int(member.integer ?? 0) }
                        if member.isNamed("next") { cron.next = member.timestamp }
                        if member.isNamed("handled") {
                            var ends: [Timestamp] = []
                            member.forEachElement { tick in
                                if let tick = JSONFields.Field(value: tick).timestamp { ends.append(tick) }
                            }
                            cron.handled = TickNames(ends: ends)
                        }
                    }
                    crons.append(cron)
                }
            }
        }
        guard let config else { return nil }
        self.init(config: config, isRemoved: isRemoved, isPaused: isPaused, crons: crons)
    }
}
