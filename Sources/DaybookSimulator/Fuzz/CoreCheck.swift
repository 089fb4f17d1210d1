import DaybookCore
import DaybookValues

/// What has to hold of a core whatever it was built from.
enum CoreCheck {
    /// A record's payload is read as it was written.
    static func roundTrip(_ record: Record) throws {
        var payload: [UInt8] = []
        record.appendPayload(to: &payload)
        let again = decode(kind: Array("\(record.kind)".utf8), payload: payload)
        try require(
            (try? again.get()) == record, "a '\(record.kind)' record is read as it is written: \(shown(payload))")
    }

    static func decode(kind: [UInt8], payload: [UInt8]) -> Result<Record, RecordError> {
        kind.withUnsafeBufferPointer { kind in
            payload.withUnsafeBufferPointer { payload in
                do throws(RecordError) {
                    return .success(try Record(kind: kind, payload: payload))
                } catch {
                    return .failure(error)
                }
            }
        }
    }

    /// The state goes into a snapshot and comes out of it unchanged.
    /// - Parameter isNatural: the records came in order of time, as a node writes them.
    static func snapshot(_ core: Core, isNatural: Bool) throws {
        let state = core.encodedState
        let restored = Core()
        do throws(SnapshotError) {
            try restored.restore(snapshot: state[...])
        } catch {
            throw FuzzViolation("a state is taken back from its snapshot, but: \(error)")
        }
        let again = restored.encodedState
        if isNatural { try require(again == state, "a state comes out of its snapshot as it went in") }
        let third = Core()
        try third.restore(snapshot: again[...])
        try require(third.encodedState == again, "the second snapshot of a state is the same as the first")
        // In slices, as a node takes it.
        var slices = core.beginSnapshot()
        while let slice = core.nextSnapshotSlice(runsMax: 2) { slices += slice }
        core.abandonSnapshot()
        try require(slices == state, "a snapshot in slices is the state")
    }

    /// Lets a core go on from where it stands: timers, a new process, events, results, ends. Every command is answered
    /// and every record that comes of it can be read again.
    /// - Parameter isJSON: all that the records carry is JSON; what is not cannot be expected to come back.
    static func drive(_ core: Core, isJSON: Bool = true) throws {
        var now = min(core.newestRecordTime, .distantFuture)
        // Ids are made from it; seeds of corpora were made from small numbers.
        var seed: UInt64 = 0xF022_0000_0000_0000
        func settle() throws {
            if isJSON { for entry in core.records { try roundTrip(entry.record) } }
            core.records = []
            core.effects = []
        }
        func handle(_ command: Command) throws {
            seed += 1
            _ = core.handle(command, at: Instant(now), seed: seed)
            try settle()
        }
        _ = (core.functionSummaries, core.runSummaries, core.openClaims, core.nextDeadlines, core.isEveryRunParked)
        _ = core.outstandingEffects(at: Instant(now))
        let runs = core.newestRuns(before: nil, limit: 6) { _, _ in true }
        let interrupted = runs.flatMap { run in
            run.open.prefix(2).map { InterruptedStep(run: run.id, key: $0.key, attempt: $0.attempt) }
        }
        try handle(.open(epoch: 7, version: "fuzz", interrupted: interrupted))
        for milliseconds: Int64 in [0, 1_000, 86_400_000, 40_000_000_000] {
            now = now + milliseconds
            seed += 1
            _ = core.fireTimers(at: Instant(now), seed: seed, limit: 20)
            try settle()
        }
        let event = Event(internal: "a/b", id: ULID(at: now, random: (1, 2)), key: "k", at: now, data: Array("{}".utf8))
        try handle(.publish([event], claim: ClaimProgress(name: "c", offset: 1, isWhole: true)))
        try handle(.inboxRemoved(claim: "c"))
        try handle(.alignCrons)
        for (index, run) in runs.enumerated() {
            let id = run.id
            try handle(.begin(run: id))
            for open in run.open.prefix(2) {
                let error = AttemptError(name: "E", message: "m")
                let result: BodyResult = index % 2 == 0 ? .failure(error) : .success(output: Array("1".utf8))
                try handle(.endBody(run: id, key: open.key, attempt: open.attempt, result: result, duration: 5))
            }
            try handle(.sleep(run: id, key: "s", length: .duration(5_000)))
            try handle(.wait(run: id, key: "w", event: "a/b", matches: [], timeout: 60_000))
            try handle(.invoke(run: id, key: "i", function: run.function, data: Array("{}".utf8), timeout: 60_000))
            let data = Array(#"{"a":1}"#.utf8)
            try handle(
                .waitForSignal(run: id, key: "g", signal: "go", replacesOther: index % 2 == 1, timeout: 60_000))
            try handle(.addDefer(run: id, key: "d\(index)", function: run.function, input: data))
            if index % 3 == 0 { try handle(.abortDefer(run: id, key: "d\(index)")) }
            try handle(.answered(run: id, version: 1 + index % 2, forcesPlan: index % 4 == 0))
            if index % 2 == 0 { try handle(.signal(name: "go", data: data)) }
            try handle(.invokeFunction(function: run.function, event: event))
            try handle(.park(run: id))
            switch index % 4 {
            case 0: try handle(.end(run: id, .threw(AttemptError(name: "E", message: "m")), input: Array("{}".utf8)))
            case 1: try handle(.end(run: id, .returned(output: Array("2".utf8)), input: Array("{}".utf8)))
            case 2: try handle(.quarantine(run: id, reason: "fuzz"))
            default: try handle(.end(run: id, .cancelled(reason: "fuzz"), input: Array("{}".utf8)))
            }
        }
        now = now + 90_000_000
        _ = core.fireTimers(at: Instant(now), seed: seed, limit: 20)
        try settle()
        if isJSON { try snapshot(core, isNatural: false) }
    }
}
