import DaybookValues
import Testing

@testable import DaybookCommands

private func view(_ json: String) throws -> JSONView { try #require(JSONView(Array(json.utf8))) }

/// What apps behind a URL bring with them, for people.
struct RemoteTextTests {
    private static let system = #"{"t":"2026-11-21T08:00:00.123Z","s":"system/2026-11","#
    private static let run = #"{"t":"2026-11-21T08:00:00.123Z","s":"run/01KB0000000000000000ABCDEF","#

    @Test(arguments: [
        (
            system
                + #""k":"app.registered","config":{"id":"shop","url":"http://localhost:9000/x","sdk":"py:v1","checksum":"c","revision":3}}"#,
            "08:00:00.123Z          app.registered     shop  http://localhost:9000/x, revision 3"
        ),
        (system + #""k":"app.removed","app":"shop"}"#, "08:00:00.123Z          app.removed        shop"),
        (
            run + #""k":"signal.started","step":"ok","signal":"go","due":1795248000000,"length":5}"#,
            "08:00:00.123Z  ABCDEF  signal.started     ok  for signal go, until 2026-11-21 08:00:00Z"
        ),
        (
            run + #""k":"defer.added","step":"d","fn":"shop-tidy","input":{}}"#,
            "08:00:00.123Z  ABCDEF  defer.added        d  shop-tidy is to follow"
        ),
        (run + #""k":"defer.aborted","step":"d"}"#, "08:00:00.123Z  ABCDEF  defer.aborted      d"),
        (
            run + #""k":"run.answered","version":2,"plan":true}"#,
            "08:00:00.123Z  ABCDEF  run.answered       request version 2, steps are planned"
        ),
        (
            run + #""k":"run.answered","version":1}"#, "08:00:00.123Z  ABCDEF  run.answered       request version 1"
        ),
    ])
    func `their records are shown on one line each`(line: String, text: String) {
        #expect(recordText(Array(line.utf8), hasColours: false) == text)
    }

    @Test func `a list says which signal a run waits for, and why it is tried again`() throws {
        var table = RunTable()
        table.add(
            try view(
                #"{"id":"A","function":"f","status":"running","queuedAt":"2026-11-21T08:00:01.000Z","steps":2,"retryAt":"2026-11-21T08:00:30.000Z","lastFailure":"Unable to reach SDK URL","waiting":[{"step":"ok","for":"signal","until":"2026-11-21T09:00:01.000Z","signal":"go"}]}"#
            ))
        #expect(
            table.text.hasSuffix(
                "its next attempt at 2026-11-21 08:00:30Z after 'Unable to reach SDK URL', ok (signal go, until 2026-11-21 09:00:01Z)"
            ))
    }

    @Test func `a run names the signal of its wait, what is to follow it, and what its app answered`() throws {
        let run = try view(
            #"{"id":"A","function":"f","status":"failed","queuedAt":"2026-11-21T08:00:00.000Z","endedAt":"2026-11-21T08:00:01.000Z","steps":[{"id":"ok","operation":"signal","status":"abandoned","until":"2026-11-21T09:00:00.000Z","signal":"go"}],"deferred":[{"step":"d","function":"shop-tidy"},{"step":"e","function":"shop-mail","aborted":true}],"output":{"code":"x"},"error":{"name":"Boom","message":"bang"}}"#
        )
        #expect(
            runText(run) == """
                Run       A  failed
                Function  f
                Queued    2026-11-21T08:00:00.000Z
                Ended     2026-11-21T08:00:01.000Z

                Steps
                  ok  signal  abandoned  for signal go

                Followed when it had ended
                  d  shop-tidy
                  e  shop-mail  aborted

                Output    {"code":"x"}
                Error     Boom: bang
                """)
    }

    @Test func `a function behind a URL says where it is, and by how much its schedule may be late`() throws {
        let function = try view(
            #"{"id":"shop-f","name":"shop-f","url":"http://localhost:9000/x?fnId=shop-f","triggers":[{"cron":"0 * * * *","jitterMilliseconds":30000}],"retries":4,"unfinishedRuns":0}"#
        )
        let text = functionText(function)
        #expect(text.contains("\nTriggers  cron '0 * * * *', up to 30.00 s later\n"))
        #expect(text.contains("\nURL       http://localhost:9000/x?fnId=shop-f\n"))
    }
}
