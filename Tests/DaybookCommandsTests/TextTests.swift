import DaybookJournal
import DaybookSystem
import DaybookValues
import Logging
import Synchronization
import Testing

@testable import DaybookCommands

private func view(_ json: String) throws -> JSONView { try #require(JSONView(Array(json.utf8))) }

struct RunTextTests {
    @Test func `runs are shown as a table`() throws {
        var table = RunTable()
        table.add(
            try view(
                #"{"id":"01KB0000000000000000000002","function":"mail-welcome","status":"running","queuedAt":"2026-11-21T08:00:01.000Z","startedAt":"2026-11-21T08:00:01.010Z","steps":2,"waiting":[{"step":"pause","for":"sleep","until":"2026-11-21T09:00:01.000Z"},{"step":"answer","for":"wait","until":"2026-11-22T08:00:00.000Z","event":"user/confirmed"}]}"#
            ))
        table.add(
            try view(
                #"{"id":"01KB0000000000000000000001","function":"mail-digest","status":"completed","queuedAt":"2026-11-21T08:00:00.000Z","startedAt":"2026-11-21T08:00:00.000Z","endedAt":"2026-11-21T08:00:01.500Z","steps":12}"#
            ))
        #expect(
            table.text == """
                RUN                         FUNCTION      STATUS     QUEUED                TOOK    STEPS  WAITS FOR
                01KB0000000000000000000002  mail-welcome  running    2026-11-21 08:00:01Z          2      pause (until 2026-11-21 09:00:01Z), answer (user/confirmed, until 2026-11-22 08:00:00Z)
                01KB0000000000000000000001  mail-digest   completed  2026-11-21 08:00:00Z  1.50 s  12
                """)
        #expect(RunTable().text == "There are no such runs.")
    }

    @Test func `a run is shown with everything its records say`() throws {
        let run = try view(
            #"{"id":"01KB0000000000000000000001","function":"mail-welcome","status":"failed","cause":"event","eventName":"auth/user.created","queuedAt":"2026-11-21T08:00:00.000Z","startedAt":"2026-11-21T08:00:00.005Z","endedAt":"2026-11-21T09:00:05.005Z","event":{"name":"auth/user.created","data":{"id":"u1"},"id":"e1","ts":1},"steps":[{"id":"load","operation":"run","status":"completed","startedAt":"2026-11-21T08:00:00.005Z","endedAt":"2026-11-21T08:00:00.017Z","attempts":[{"attempt":1,"status":"completed","endedAt":"2026-11-21T08:00:00.017Z","durationMicroseconds":12000}],"output":{"email":"a@b.c"}},{"id":"pause","operation":"sleep","status":"completed","startedAt":"2026-11-21T08:00:00.018Z","endedAt":"2026-11-21T09:00:00.018Z","until":"2026-11-21T09:00:00.018Z","output":null},{"id":"send","operation":"run","status":"failed","attempts":[{"attempt":1,"status":"failed","endedAt":"2026-11-21T09:00:01.000Z","durationMicroseconds":900,"error":{"name":"SMTPError","message":"down\u001b[2J"},"retryAt":"2026-11-21T09:00:04.000Z"},{"attempt":2,"status":"failed","endedAt":"2026-11-21T09:00:04.000Z","durationMicroseconds":2500000,"error":{"name":"SMTPError","message":"down"}}],"error":{"name":"SMTPError","message":"down"}}],"error":{"name":"SMTPError","message":"down"}}"#
        )
        #expect(
            runText(run) == """
                Run       01KB0000000000000000000001  failed
                Function  mail-welcome
                Event     auth/user.created
                          {"id":"u1"}
                Queued    2026-11-21T08:00:00.000Z
                Started   2026-11-21T08:00:00.005Z
                Ended     2026-11-21T09:00:05.005Z  (took 1 h 0 min)

                Steps
                  load   run     completed  12.0 ms
                      output {"email":"a@b.c"}
                  pause  sleep   completed  1 h 0 min
                  send   run     failed     2.50 s, 2 attempts
                      attempt 1 failed after 900 µs: SMTPError: down\\u{1b}[2J; again at 2026-11-21 09:00:04Z
                      attempt 2 failed after 2.50 s: SMTPError: down

                Error     SMTPError: down
                """)
    }

    @Test func `functions are shown as a table`() throws {
        var table = FunctionTable()
        table.add(
            try view(
                #"{"id":"mail-digest","app":"mail","name":"digest","triggers":[{"cron":"0 8 * * 1"},{"event":"digest/now"}],"retries":4,"unfinishedRuns":1,"nextTick":"2026-11-23T08:00:00.000Z"}"#
            ))
        table.add(
            try view(
                #"{"id":"mail-old","app":"mail","name":"old","triggers":[],"retries":0,"unfinishedRuns":0,"removed":true}"#
            ))
        #expect(
            table.text == """
                FUNCTION            TRIGGERS                      RETRIES  UNFINISHED  NEXT TICK
                mail-digest         cron '0 8 * * 1', digest/now  4        1           2026-11-23 08:00:00Z
                mail-old (removed)                                0        0
                """)
    }

    @Test(arguments: [
        (0, "0 µs"), (999, "999 µs"), (1_000, "1.0 ms"), (12_345, "12.3 ms"), (1_050_000, "1.05 s"),
        (59_999_999, "59.99 s"), (60_000_000, "1 min 0 s"), (3_661_000_000, "1 h 1 min"), (612_000_000_000, "7 d 2 h"),
        (-5, "0 µs"),
    ])
    func `durations are short`(microseconds: Int64, text: String) {
        #expect(durationText(microseconds: microseconds) == text)
    }

    @Test func `text from outside cannot take the terminal over`() {
        #expect(harmless("plain äöü 日本") == "plain äöü 日本")
        #expect(harmless("a\u{1B}[2Jb\u{202E}c\u{9B}d\ne\tf") == "a\\u{1b}[2Jb\\u{202e}c\\u{9b}d\\ne f")
    }
}

struct RecordTextTests {
    @Test(arguments: [
        (
            #"{"q":1,"t":"2026-11-21T08:00:00.123Z","s":"events/2026-11-21","n":0,"p":"0","k":"event.received","id":"x","name":"a/b","ts":1,"runs":["01"],"resumed":[],"event":{},"crc":"0"}"#,
            "08:00:00.123Z          event.received     a/b  1 run"
        ),
        (
            #"{"q":2,"t":"2026-11-21T08:00:00.123Z","s":"run/01KB0000000000000000ABCDEF","n":0,"p":"0","k":"step.failed","step":"send","attempt":2,"us":1500,"error":{"name":"E","message":"no"},"retryAt":1795248000000,"crc":"0"}"#,
            "08:00:00.123Z  ABCDEF  step.failed        send  attempt 2  1.5 ms  E: no; again at 2026-11-21 08:00:00Z"
        ),
        (
            #"{"q":3,"t":"2026-11-21T08:00:00.123Z","s":"run/01KB0000000000000000ABCDEF","n":0,"p":"0","k":"run.completed","out":1,"crc":"0"}"#,
            "08:00:00.123Z  ABCDEF  run.completed"
        ),
        (#"{"droppedBatches":3}"#, "… 3 batches left out: this reader is too slow"),
    ])
    func `records are shown on one line each`(line: String, text: String) {
        #expect(recordText(Array(line.utf8), hasColours: false) == text)
    }

    @Test func `colours are for terminals`() {
        let line = #"{"t":"2026-11-21T08:00:00.123Z","s":"run/01KB0000000000000000ABCDEF","k":"run.failed","error":{}}"#
        #expect(recordText(Array(line.utf8), hasColours: true)?.hasPrefix("\u{1B}[31m") == true)
        #expect(recordText(Array(line.utf8), hasColours: false)?.contains("\u{1B}") == false)
    }

    @Test func `what says nothing to people is left out`() {
        #expect(recordText(Array(#"{"c":7,"count":1}"#.utf8), hasColours: false) == nil)
        #expect(recordText(Array("garbage".utf8), hasColours: false) == nil)
    }
}

struct LogTests {
    private struct FixedClock: WallClock {
        var now: Timestamp { Timestamp(milliseconds: 1_795_248_000_123) }
    }

    private func log(_ format: LogOptions.Format, _ body: (inout Logger) -> Void) -> String {
        let lines = Lines()
        var logger = Logger(label: "daybook") { label in
            ConsoleLog(
                label: label, format: format, level: .info, hasColours: false, clock: FixedClock(),
                write: { lines.add($0) })
        }
        body(&logger)
        return lines.text
    }

    private final class Lines: Sendable {
        private let bytes = Mutex<[UInt8]>([])
        func add(_ new: [UInt8]) { bytes.withLock { $0 += new } }
        var text: String { bytes.withLock { String(decoding: $0, as: UTF8.self) } }
    }

    @Test func `messages are lines of text with their facts in order`() {
        let text = log(.text) { logger in
            logger[metadataKey: "run"] = "01KB"
            logger.warning("it is\u{1B} late", metadata: ["by": "2 s", "attempt": "3"])
            logger.debug("not shown")
        }
        #expect(text == "2026-11-21T08:00:00.123Z warning  it is\\u{1b} late attempt=3 by=\"2 s\" run=01KB\n")
    }

    @Test func `messages are objects when asked for`() {
        let text = log(.json) { $0.error("no \"room\"", metadata: ["path": "/var"]) }
        #expect(
            text
                == #"{"time":"2026-11-21T08:00:00.123Z","level":"error","logger":"daybook","message":"no \"room\"","path":"/var"}"#
                + "\n")
    }
}

struct VerifyTextTests {
    private let directory = TemporaryDirectory()

    private func emptyReport() throws -> VerifyReport {
        try Verifier.verify(RealDisk(root: directory.path))
    }

    @Test func `a sound directory is said to be so`() throws {
        var report = try emptyReport()
        report.segments = 1
        report.batches = 2
        report.logRecords = 3
        report.firstQ = 1
        report.lastQ = 3
        #expect(
            verifyText(report) == """
                log        3 records (1 to 3) in 2 batches, 1 segments
                streams    0 records in 0 files
                lists      0 finished runs
                snapshots  0
                bytes      0
                ok
                """)
    }

    @Test func `damage comes first`() throws {
        let disk = try RealDisk(root: directory.path)
        try disk.makeDirectory("runs/2026-11-21/08")
        try disk.replace("runs/2026-11-21/08/index.jsonl", with: Array("no record\n".utf8))
        let report = try emptyReport()
        let finding = try #require(report.findings.first)
        #expect(
            verifyText(report).hasPrefix("damage  runs/2026-11-21/08/index.jsonl, byte 0: \(finding.message)\n\nlog "))
        #expect(!verifyText(report).hasSuffix("ok"))
        #expect(
            verifyJSON(report).hasPrefix(
                #"{"severity":"damage","path":"runs/2026-11-21/08/index.jsonl","offset":0,"message":"\#(finding.message)"}"#
                    + "\n"
                    + #"{"ok":false,"#))
    }

    @Test func `progress is a bar`() {
        #expect(ProgressBar.text("verifying", percent: 50) == "verifying [###############               ] 50 %")
    }
}

struct QueryTests {
    @Test func `what stands in a query is escaped`() {
        #expect(
            query([("a", "x y&z"), ("b", nil), ("c", "2026-11-21T08:00:00+01:00")])
                == "?a=x%20y%26z&c=2026-11-21T08%3A00%3A00%2B01%3A00")
        #expect(query([("a", nil)]).isEmpty)
        #expect(escaped("../é\u{7}") == "..%2F%C3%A9%07")
    }
}
