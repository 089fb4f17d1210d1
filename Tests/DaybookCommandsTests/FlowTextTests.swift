import DaybookValues
import Testing

@testable import DaybookCommands

private func view(_ json: String) throws -> JSONView { try #require(JSONView(Array(json.utf8))) }

struct LimitTextTests {
    @Test(arguments: [
        (#"{"limit":"concurrency","key":"user-42","used":5,"max":5}"#, "waiting: concurrency key user-42 (5 of 5)"),
        (#"{"limit":"concurrency","used":5,"max":5}"#, "waiting: concurrency (5 of 5)"),
        (
            #"{"limit":"concurrency","scope":"account","key":"openai","used":9,"max":5}"#,
            "waiting: concurrency key openai in scope account (9 of 5)"
        ),
        (#"{"limit":"runConcurrency","key":"a","used":1,"max":1}"#, "waiting: run concurrency key a (1 of 1)"),
        (
            #"{"limit":"throttle","key":"eu","until":"2026-11-21T10:32:05.000Z"}"#,
            "waiting: throttle key eu, next start 2026-11-21 10:32:05Z"
        ),
        (
            #"{"limit":"singleton","run":"01KB0000000000000000000001"}"#,
            "waiting: singleton, run 01KB0000000000000000000001 is not over"
        ),
        (#"{"limit":"pause"}"#, "waiting: function is paused"),
        (
            #"{"limit":"concurrency","key":"a\u001b[2J","used":1,"max":1}"#,
            "waiting: concurrency key a\\u{1b}[2J (1 of 1)"
        ),
    ])
    func `it is said why a run waits`(json: String, text: String) throws {
        #expect(limitText(try view(json)) == text)
    }

    @Test func `a list of runs says which limit holds back each`() throws {
        var table = RunTable()
        table.add(
            try view(
                #"{"id":"01KB0000000000000000000001","function":"shop-invoice","status":"queued","queuedAt":"2026-11-21T08:00:00.000Z","steps":0,"waitingFor":{"limit":"concurrency","key":"user-42","used":5,"max":5}}"#
            ))
        #expect(table.text.hasSuffix("0      waiting: concurrency key user-42 (5 of 5)"))
    }

    @Test func `one run says below its status what holds it back`() throws {
        let run = try view(
            #"{"id":"01KB0000000000000000000001","function":"shop-invoice","status":"queued","cause":"event","eventName":"shop/order","queuedAt":"2026-11-21T08:00:00.000Z","waitingFor":{"limit":"concurrency","used":5,"max":5},"priority":120,"problems":["concurrency key: no such overload"],"event":{"name":"shop/order","data":{"n":1}},"steps":[]}"#
        )
        #expect(
            runText(run) == """
                Run       01KB0000000000000000000001  queued
                          waiting: concurrency (5 of 5)
                Function  shop-invoice
                Event     shop/order
                          {"n":1}
                Priority  120
                Problem   concurrency key: no such overload
                Queued    2026-11-21T08:00:00.000Z
                """)
    }

    @Test func `a batch is shown as the ids of its events`() throws {
        func run(_ count: Int) throws -> String {
            let events = (1...count).map { #"{"name":"shop/order","id":"e\#($0)","data":{}}"# }.joined(separator: ",")
            return runText(
                try view(
                    #"{"id":"01KB0000000000000000000001","function":"shop-digest","status":"queued","eventName":"shop/order","queuedAt":"2026-11-21T08:00:00.000Z","event":{"name":"shop/order","id":"e1","data":{}},"eventCount":\#(count),"events":[\#(events)],"steps":[]}"#
                ))
        }
        #expect(
            try run(2) == """
                Run       01KB0000000000000000000001  queued
                Function  shop-digest
                Events    2, first shop/order
                          e1
                          e2
                Queued    2026-11-21T08:00:00.000Z
                """)
        #expect(try run(50).contains("\n          e20\n          … and 30 more; --json shows all of them\nQueued"))
    }
}

struct FunctionTextTests {
    private let everything = #"""
        {"id":"shop-all","app":"shop","name":"all","triggers":[{"event":"shop/order","if":"event.data.n > 1"},{"cron":"0 8 * * 1"}],"retries":4,"startTimeoutMilliseconds":60000,"finishTimeoutMilliseconds":5400000,"flow":{"concurrency":[{"limit":5,"key":"event.data.user"},{"limit":9,"key":"'openai'","scope":"account"}],"runConcurrency":{"limit":1},"throttle":{"limit":10,"periodMilliseconds":60000,"burst":2,"key":"event.data.region"},"rateLimit":{"limit":3,"periodMilliseconds":1500},"idempotency":"event.data.id","debounce":{"periodMilliseconds":5000,"timeoutMilliseconds":60000,"key":"event.data.user"},"batch":{"maxSize":50,"timeoutMilliseconds":10000,"key":"event.data.user","if":"event.data.bulk"},"priority":"event.data.vip ? 120 : 0","singleton":{"mode":"skip","key":"event.data.user"},"cancelOn":[{"event":"shop/cancelled","if":"async.data.id == event.data.id","timeoutMilliseconds":3600000}]},"unfinishedRuns":12,"waitingRuns":7,"heldEvents":4,"holdCount":3,"holds":[{"id":"01KB0000000000000000000001","for":"debounce","key":"u1","events":3,"bytes":90,"firstAt":"2026-11-21T08:00:00.000Z","due":"2026-11-21T08:00:05.000Z"},{"id":"01KB0000000000000000000002","for":"batch","events":1,"bytes":30,"firstAt":"2026-11-21T08:00:00.000Z","due":"2026-11-21T08:00:10.000Z"}],"nextTick":"2026-11-23T08:00:00.000Z","paused":true}
        """#

    @Test func `every setting of flow control is said in a few words`() throws {
        #expect(
            flowTexts(try view(everything)) == [
                "concurrency 5 by event.data.user", "concurrency 9 by 'openai' in scope account", "run concurrency 1",
                "throttle 10 per 1m by event.data.region, burst 2", "rate limit 3 per 1s500ms",
                "idempotency event.data.id", "debounce 5s by event.data.user, at most 1m",
                "batch of 50 within 10s by event.data.user if event.data.bulk", "priority event.data.vip ? 120 : 0",
                "singleton (skip) by event.data.user",
                "cancel on shop/cancelled within 1h if async.data.id == event.data.id", "start timeout 1m",
                "finish timeout 1h30m",
            ])
    }

    @Test func `a list of functions says below each what is set, what waits and what is held`() throws {
        var table = FunctionTable()
        table.add(
            try view(
                #"{"id":"shop-mail","triggers":[{"event":"shop/order","if":"event.data.n > 1"}],"retries":4,"flow":{"concurrency":[{"limit":5,"key":"event.data.user"}],"throttle":{"limit":10,"periodMilliseconds":60000,"burst":2}},"unfinishedRuns":12,"waitingRuns":1,"heldEvents":3,"paused":true}"#
            ))
        table.add(try view(#"{"id":"shop-plain","triggers":[{"event":"a"}],"retries":0,"unfinishedRuns":0}"#))
        #expect(
            table.text == """
                FUNCTION            TRIGGERS                        RETRIES  UNFINISHED  NEXT TICK
                shop-mail (paused)  shop/order if event.data.n > 1  4        12
                  concurrency 5 by event.data.user · throttle 10 per 1m, burst 2
                  1 run waiting · 3 events held
                shop-plain          a                               0        0
                """)
    }

    @Test func `one function is shown with the events that are held for it`() throws {
        let text = functionText(try view(everything))
        #expect(text.hasPrefix("Function  shop-all  paused\nName      all\nTriggers  shop/order if event.data.n > 1\n"))
        #expect(text.contains("\nFlow      concurrency 5 by event.data.user\n          concurrency 9 by"))
        #expect(text.contains("\nRuns      12 unfinished · 7 runs waiting · 4 events held\n"))
        #expect(
            text.hasSuffix(
                """
                HELD FOR  KEY  EVENTS  SINCE                 DUE
                debounce  u1   3       2026-11-21 08:00:00Z  2026-11-21 08:00:05Z
                batch     –    1       2026-11-21 08:00:00Z  2026-11-21 08:00:10Z
                … and 1 more
                """))
    }

    @Test(arguments: [(0, "0s"), (500, "500ms"), (90_000, "1m30s"), (90_061_001, "1d1h1m1s1ms"), (604_800_000, "7d")])
    func `lengths of time are written as on a command line`(milliseconds: Int64, text: String) {
        #expect(settingText(milliseconds: milliseconds) == text)
        #expect(DurationArgument(argument: text)?.milliseconds == milliseconds)
    }

    @Test(arguments: [
        (
            true, true, 2,
            """
            paused f. 2 unfinished runs held where they stand.
            Events that come until `resume` start no run of it; they are recorded as dropped.
            """
        ),
        (
            true, true, 0,
            """
            paused f. It has no unfinished runs.
            Events that come until `resume` start no run of it; they are recorded as dropped.
            """
        ),
        (true, false, 1, "f is paused already; 1 unfinished run. Nothing was changed."),
        (false, true, 1, "resumed f; 1 unfinished run may go on"),
        (false, false, 0, "f is not paused; it has no unfinished runs. Nothing was changed."),
    ])
    func `pausing and resuming say what becomes of runs and events`(
        isPaused: Bool, isChanged: Bool, runs: Int, text: String
    ) throws {
        let answer = #"{"id":"f","paused":\#(isPaused),"changed":\#(isChanged),"unfinishedRuns":\#(runs)}"#
        #expect(pauseText(try view(answer)) == text)
    }
}

struct EventTextTests {
    private let dropped = #"""
        {"id":"01KB0000000000000000000009","key":"order-7","name":"shop/order","receivedAt":"2026-11-21T08:00:00.000Z","ts":"2026-11-21T07:00:00.000Z","runs":["01KB0000000000000000000001"],"resumed":["01KB0000000000000000000002"],"cancelled":["01KB0000000000000000000003"],"held":[{"function":"shop-digest","for":"batch","key":"u1","due":"2026-11-21T08:00:10.000Z"}],"dropped":[{"function":"shop-mail","why":"rate-limited","detail":"rate limit, key u1"},{"function":"shop-sms","why":"paused","detail":"the function is paused"}],"event":{"name":"shop/order","data":{"n":1}}}
        """#

    @Test func `an event says what came of it, and why functions did not start`() throws {
        #expect(
            eventText(try view(dropped)) == """
                Event     01KB0000000000000000000009  shop/order
                Id        order-7
                Data      {"n":1}
                Received  2026-11-21T08:00:00.000Z
                Happened  2026-11-21T07:00:00.000Z
                Started   run 01KB0000000000000000000001
                Resumed   run 01KB0000000000000000000002
                Cancelled run 01KB0000000000000000000003
                Held      batch (shop-digest, key u1, due 2026-11-21 08:00:10Z)
                No run    rate-limited (shop-mail, rate limit, key u1)
                No run    paused (shop-sms)
                """)
        #expect(
            fateText(try view(dropped))
                == "1 run, 1 resumed, 1 cancelled, held for a batch (shop-digest, key u1, due 2026-11-21 08:00:10Z), no run: rate-limited (shop-mail, rate limit, key u1); paused (shop-sms)"
        )
    }

    @Test func `an event that nobody listens to says so`() throws {
        let event = try view(
            #"{"id":"01KB0000000000000000000009","name":"a","receivedAt":"2026-11-21T08:00:00.000Z","ts":"2026-11-21T08:00:00.000Z","runs":[],"event":{"name":"a","data":{}}}"#
        )
        #expect(eventText(event).hasSuffix("\nNo run    no function is started by it"))
        #expect(fateText(event) == "0 runs")
    }

    @Test(arguments: [
        (
            #"{"t":"2026-11-21T08:00:00.123Z","s":"events/2026-11-21","k":"event.received","name":"a/b","runs":[],"resumed":[],"dropped":[{"fn":"f","why":"duplicate","detail":"event id x"}],"event":{}}"#,
            "08:00:00.123Z          event.received     a/b  no run: duplicate (f, event id x)"
        ),
        (
            #"{"t":"2026-11-21T08:00:00.123Z","s":"events/2026-11-21","k":"event.received","name":"a/b","runs":[],"held":[{"fn":"f","hold":"01KB0000000000000000000001","for":"debounce","due":1795248000000}],"event":{}}"#,
            "08:00:00.123Z          event.received     a/b  held for a debounce (f, due 2026-11-21 08:00:00Z)"
        ),
        (
            #"{"t":"2026-11-21T08:00:00.123Z","s":"system/2026-11","k":"function.paused","fn":"shop-mail"}"#,
            "08:00:00.123Z          function.paused    shop-mail"
        ),
        (
            #"{"t":"2026-11-21T08:00:00.123Z","s":"system/2026-11","k":"hold.dropped","hold":"01KB0000000000000000000001","fn":"f","why":"singleton","detail":"run x is unfinished"}"#,
            "08:00:00.123Z          hold.dropped       singleton (f, run x is unfinished)"
        ),
        (
            #"{"t":"2026-11-21T08:00:00.123Z","s":"run/01KB0000000000000000ABCDEF","k":"run.cancelling","reason":"by event"}"#,
            "08:00:00.123Z  ABCDEF  run.cancelling     by event"
        ),
    ])
    func `records of flow control are shown on one line each`(line: String, text: String) {
        #expect(recordText(Array(line.utf8), hasColours: false) == text)
    }
}

struct CancelTextTests {
    @Test(arguments: [
        (
            #"{"function":"f","unfinished":40,"looked":40,"matched":12,"cancelled":12}"#,
            "cancelled 12 of 40 unfinished runs of f"
        ),
        (
            #"{"function":"f","unfinished":40,"looked":40,"matched":12,"cancelled":11}"#,
            "cancelled 11 of 40 unfinished runs of f\n1 had ended by themselves meanwhile"
        ),
        (
            #"{"function":"f","unfinished":40,"looked":40,"matched":3,"cancelled":0,"dryRun":true,"runs":["B","A"]}"#,
            "3 of 40 unfinished runs of f would be cancelled.\n  B\n  A\n  … and 1 more"
        ),
        (
            #"{"function":"f","unfinished":4,"looked":4,"matched":0,"cancelled":0}"#,
            "There are no such runs; f has 4 that were queued in that time."
        ),
        (
            #"{"function":"f","unfinished":2,"looked":2,"matched":0,"cancelled":0,"unreadable":{"count":1,"run":"A","error":"gone"},"undecided":{"count":2,"run":"B","error":"no such overload"}}"#,
            """
            There are no such runs; f has 2 that were queued in that time.
            1 run whose event cannot be read was left alone, such as A: gone
            2 runs for whose event the expression failed were left alone, such as B: no such overload
            """
        ),
    ])
    func `a bulk cancel says how many it was, and what was left alone`(json: String, text: String) throws {
        #expect(cancelText(try view(json)) == text)
    }
}
