import DaybookCore
import DaybookJournal
import DaybookValues

extension FuzzTargets {
    static let recordTokens = [
        "run.queued", "run.started", "run.parked", "run.completed", "run.failed", "run.cancelled", "run.quarantined",
        "step.completed", "step.failed", "step.interrupted", "sleep.started", "wait.started", "invoke.started",
        "attempt.failed", "event.received", "epoch.opened", "month.opened", "function.registered", "function.removed",
        "app.registered", "app.removed", "signal.started", "defer.added", "defer.aborted", "run.answered",
        ",\"signal\":\"go\"", ",\"input\":{}", ",\"version\":2", "\"jitter\":60000", "\"url\":\"\"",
        "cron.scheduled", "cron.ticked", "clock.moved", "inbox.committed", "inbox.removed", ",\"step\":\"a\"",
        ",\"attempt\":1", ",\"retryAt\":1795248000000", ",\"from\":\"01KAJS9V00A1B2C3D4E5F6G7H8\"", ",\"startAt\":0",
        "\"startTimeout\":", "\"finishTimeout\":", "\"catchUp\":\"all\"", "\"handled\":[0,1]", "\"trigger\":0", "null",
        "\"cause\":\"invoke\"", "\"cause\":\"cron\"", "\\\"", "\\u00e9", "{}", "[]", "\"\"",
    ]

    /// Records and what follows from them, without files and checksums.
    static let recordTargets: [FuzzTarget] = [
        FuzzTarget("record", quickInputs: 500, tokens: recordTokens, run: checkRecords),
        FuzzTarget("core", corpus: "record", bytesMax: 8_192, quickInputs: 300, tokens: recordTokens, run: checkCore),
    ]

    /// A line of the input: a stream, milliseconds since 1970, a kind and a payload, a space between each.
    private struct Line {
        var stream: RecordStream
        var time: Timestamp
        var kind: [UInt8]
        var payload: [UInt8]

        init?(_ line: ArraySlice<UInt8>) {
            let parts = line.split(separator: 32, maxSplits: 3, omittingEmptySubsequences: false)
            guard parts.count == 4, let milliseconds = Int64(String(decoding: parts[1], as: UTF8.self)) else {
                return nil
            }
            switch StreamID(String(decoding: parts[0], as: UTF8.self)) {
            case .run(let id): stream = .run(id)
            case .events: stream = .events
            case .system: stream = .system
            case nil: return nil
            }
            time = Timestamp(milliseconds: milliseconds)
            (kind, payload) = (Array(parts[2]), Array(parts[3]))
        }

        var decoded: Result<Record, RecordError> { CoreCheck.decode(kind: kind, payload: payload) }
    }

    private static func checkRecords(_ bytes: [UInt8]) throws {
        for text in bytes.split(separator: 10) {
            guard let line = Line(text) else { continue }
            switch line.decoded {
            // What is kept raw has to be JSON to be read again; in the journal the checksum says that it is.
            case .success(let record):
                if isJSON(line.payload) { try CoreCheck.roundTrip(record) }
            case .failure(let error): try require(!error.description.isEmpty, "a refused record says why")
            }
        }
    }

    private static func isJSON(_ payload: [UInt8]) -> Bool {
        let object =
            payload.isEmpty ? Array("{}".utf8) : [UInt8(ascii: "{")] + payload.dropFirst() + [UInt8(ascii: "}")]
        return payload.first ?? UInt8(ascii: ",") == UInt8(ascii: ",") && (try? JSONText.compact(object)) == object
    }

    private static func checkCore(_ bytes: [UInt8]) throws {
        let core = Core()
        var newest = Timestamp(milliseconds: .min)
        var isNatural = true
        for text in bytes.split(separator: 10) {
            guard let line = Line(text), isJSON(line.payload), case .success(let record) = line.decoded else {
                continue
            }
            let before = core.runCount
            do throws(RecordError) {
                try core.apply(record, stream: line.stream, at: line.time)
            } catch {
                try require(core.runCount == before, "a record that is refused changes nothing")
                continue
            }
            if line.time < newest { isNatural = false }
            newest = max(newest, line.time)
        }
        try CoreCheck.snapshot(core, isNatural: isNatural)
        try CoreCheck.drive(core)
    }
}
