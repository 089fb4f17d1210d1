import DaybookCore
import DaybookNode
import DaybookValues
import Testing

@testable import DaybookServer

/// What the routes say of flow control. What it does is tested where it is decided.
struct FlowRouteTests {
    private func first(_ server: ServerHarness, _ query: String) async throws -> JSONView? {
        try await server.get("/api/runs?\(query)").json?.at(path: "data.0")
    }

    @Test func `a run behind a limit says behind which, in lists and by itself`() async throws {
        try await ServerHarness.run { server in
            try await server.send(
                #"[{"name":"test/one-by-one","data":{"user":"u1","vip":true}},{"name":"test/one-by-one","data":{"user":"u1"}}]"#,
                awaiting: "sleep.started")
            let waiting = try #require(try await first(server, "status=queued"))
            let expected = #"{"limit":"runConcurrency","key":"u1","used":1,"max":1}"#
            #expect(waiting.member("waitingFor")?.text() == expected)
            let id = try #require(waiting.member("id")?.string)
            // By the whole id only this run's state is asked for, by a part of it that of all.
            for part in [id, String(id.suffix(8))] {
                let run = try await server.get("/api/runs/\(part)")
                #expect(run.json?.at(path: "data.waitingFor")?.text() == expected)
                #expect(run.json?.at(path: "data.priority") == nil)
            }
            let running = try #require(try await first(server, "status=running"))
            #expect(running.member("waitingFor") == nil)
            let first = try await server.get("/api/runs/\(running.member("id")?.string ?? "")")
            #expect(first.json?.at(path: "data.priority")?.integer == 120)
            let function = try await server.get("/api/functions/one-by-one")
            #expect(function.json?.at(path: "data.unfinishedRuns")?.integer == 2)
            #expect(function.json?.at(path: "data.waitingRuns")?.integer == 1)
            #expect(
                function.json?.at(path: "data.flow")?.text()
                    == #"{"runConcurrency":{"limit":1,"key":"event.data.user"},"priority":"event.data.vip ? 120 : 0"}"#)
        }
    }

    @Test func `events that are held are counted, and listed with their key and when they are due`() async throws {
        try await ServerHarness.run { server in
            try await server.send(
                #"[{"name":"test/late","data":{"user":"u1"}},{"name":"test/late","data":{"user":"u2"}},{"name":"test/digested"}]"#
            )
            let late = try await server.get("/api/functions/test-late")
            #expect(late.json?.at(path: "data.heldEvents")?.integer == 2)
            #expect(late.json?.at(path: "data.holdCount")?.integer == 2)
            #expect(late.string("data.holds.0.for") == "debounce")
            #expect(Set([late.string("data.holds.0.key"), late.string("data.holds.1.key")]) == ["u1", "u2"])
            #expect(late.json?.at(path: "data.holds.0.events")?.integer == 1)
            #expect(late.string("data.holds.0.eventIDs.0").flatMap { ULID($0) } != nil)
            let since = try #require(late.string("data.holds.0.firstAt").flatMap { Timestamp(rfc3339: $0) })
            let due = try #require(late.string("data.holds.0.due").flatMap { Timestamp(rfc3339: $0) })
            #expect(due - since == 3_600_000)
            let list = try await server.get("/api/functions")
            let functions = elements(list.json?.member("data"))
            let digest = try #require(functions.last)
            #expect(digest.member("holds")?.element(0)?.member("for")?.string == "batch")
            #expect(digest.member("holds")?.element(0)?.member("key") == nil)
            #expect(digest.member("holds")?.element(0)?.member("eventIDs") == nil)
        }
    }

    @Test func `a run of a batch has all its events`() async throws {
        try await ServerHarness.run { server in
            try await server.send(
                #"[{"name":"test/digested","id":"a"},{"name":"test/digested","id":"b"},{"name":"test/digested","id":"c"}]"#,
                awaiting: "run.completed")
            let id = try await first(server, "function=digest")?.member("id")?.string ?? ""
            let run = try await server.get("/api/runs/\(id)")
            #expect(run.json?.at(path: "data.eventCount")?.integer == 3)
            #expect(run.string("data.event.id") == "a")
            #expect(elements(run.json?.at(path: "data.events")).map { $0.member("id")?.string } == ["a", "b", "c"])
            #expect(run.json?.at(path: "data.output")?.integer == 3)
            // The same again, with all of them.
            let again = try await server.post("/api/runs/\(id)/retry", "").string("id") ?? ""
            #expect(try await server.get("/api/runs/\(again)").json?.at(path: "data.eventCount")?.integer == 3)
        }
    }

    @Test func `an event that starts no run says why, to its sender and later`() async throws {
        try await ServerHarness.run { server in
            let event = #"{"name":"test/limited","data":{"user":"u1"}}"#
            let first = try await server.post("/e/any?outcomes=true", event)
            #expect(elements(first.json?.at(path: "outcomes.0.runs")).count == 1)
            #expect(first.json?.at(path: "outcomes.0.dropped") == nil)
            let second = try await server.post("/e/any?outcomes=true", event)
            let dropped = #"[{"function":"test-limited","why":"rate-limited","detail":"rate limit, key u1"}]"#
            #expect(second.json?.at(path: "outcomes.0")?.text() == #"{"runs":[],"dropped":\#(dropped)}"#)
            let id = try #require(second.string("ids.0"))
            let shown = try await server.get("/api/events/\(id.lowercased())")
            #expect(shown.string("data.id") == id)
            #expect(shown.string("data.name") == "test/limited")
            #expect(shown.json?.at(path: "data.dropped")?.text() == dropped)
            #expect(shown.string("data.event.data.user") == "u1")
        }
    }

    @Test func `senders who do not ask are answered as ever`() async throws {
        try await ServerHarness.run { server in
            let answer = try await server.post("/e/any", #"{"name":"test/limited"}"#)
            #expect(answer.text == #"{"ids":["\#(answer.string("ids.0") ?? "")"],"status":200}"#)
        }
    }

    @Test(arguments: ["01ARZ3NDEKTSV4RRFFQ69G5FAV", "abc"])
    func `an event that is not there is named`(id: String) async throws {
        try await ServerHarness.run { server in
            let answer = try await server.get("/api/events/\(id)")
            #expect(answer.status == 404)
            #expect(answer.string("error")?.hasPrefix("there is no event '\(id)'") == true)
        }
    }

    private func elements(_ list: JSONView?) -> [JSONView] {
        var elements: [JSONView] = []
        list?.forEachElement { element in
            elements.append(element)
            return true
        }
        return elements
    }
}

struct PauseRouteTests {
    @Test func `while a function is paused, its runs say so and its events start none`() async throws {
        try await ServerHarness.run { server in
            try await server.send(#"{"name":"test/nap"}"#, awaiting: "sleep.started")
            let paused = try await server.post("/api/functions/nap/pause", "")
            #expect(paused.text == #"{"id":"test-nap","paused":true,"changed":true,"unfinishedRuns":1}"#)
            let again = try await server.post("/api/functions/test-nap/pause", "")
            #expect(again.text == #"{"id":"test-nap","paused":true,"changed":false,"unfinishedRuns":1}"#)
            let list = try await server.get("/api/runs")
            #expect(list.json?.at(path: "data.0.waitingFor")?.text() == #"{"limit":"pause"}"#)
            let sent = try await server.post("/e/any?outcomes=true", #"{"name":"test/nap"}"#)
            #expect(sent.string("outcomes.0.dropped.0.why") == "paused")
            #expect(try await server.get("/api/functions/nap").json?.at(path: "data.paused")?.bool == true)

            let resumed = try await server.post("/api/functions/nap/resume", "")
            #expect(resumed.text == #"{"id":"test-nap","paused":false,"changed":true,"unfinishedRuns":1}"#)
            #expect(try await server.get("/api/functions/nap").json?.at(path: "data.paused") == nil)
            try await server.send(#"{"name":"test/nap"}"#, awaiting: "sleep.started")
        }
    }

    @Test(arguments: ["pause", "resume"])
    func `a function that is not there is named`(action: String) async throws {
        try await ServerHarness.run { server in
            let answer = try await server.post("/api/functions/lost/\(action)", "")
            #expect(answer.status == 404)
            #expect(
                answer.text
                    == #"{"error":"there is no function 'lost'; `functions` lists those there are","status":404}"#)
        }
    }
}

struct BulkCancelRouteTests {
    /// The lines of an answer, the last one apart.
    private func lines(_ answer: RawAnswer) throws -> (progress: [JSONView], result: JSONView) {
        let views = answer.text.split(separator: "\n").compactMap { JSONView(Array($0.utf8)) }
        return (Array(views.dropLast()), try #require(views.last, "\(answer.text)"))
    }

    private func sleepers(_ server: ServerHarness, _ count: Int) async throws {
        let events = (1...count).map { #"{"name":"test/nap","data":{"n":\#($0)}}"# }.joined(separator: ",")
        try await server.send("[\(events)]", awaiting: "sleep.started", count: count)
    }

    @Test func `those runs of a function are cancelled whose event makes the expression true`() async throws {
        try await ServerHarness.run { server in
            try await sleepers(server, 4)
            try await server.send(#"{"name":"test/import","data":{"n":9}}"#, awaiting: "sleep.started")
            let filter = #""function":"nap","if":"event.data.n > 2""#
            let dry = try lines(try await server.post("/api/cancellations", #"{\#(filter),"dryRun":true}"#)).result
            #expect(dry.member("matched")?.integer == 2)
            #expect(dry.member("unfinished")?.integer == 4)
            #expect(dry.member("cancelled")?.integer == 0)
            #expect(dry.member("runs")?.element(1)?.string.flatMap { ULID($0) } != nil)
            #expect(try await server.get("/api/runs?status=cancelled").text == #"{"data":[]}"#)

            let before = try #require(dry.member("before")?.string)
            let result = try lines(
                try await server.post("/api/cancellations", #"{\#(filter),"queuedBefore":"\#(before)"}"#)
            ).result
            #expect(result.member("function")?.string == "test-nap")
            #expect(result.member("matched")?.integer == 2)
            #expect(result.member("cancelled")?.integer == 2)
            #expect(result.member("done")?.bool == true)
            let cancelled = try await server.get("/api/runs?status=cancelled")
            for position in 0...1 {
                let run = try await server.get("/api/runs/\(cancelled.string("data.\(position).id") ?? "")")
                #expect(run.json?.at(path: "data.event.data.n")?.integer.map { $0 > 2 } == true)
                #expect(run.string("data.reason") == "somebody asked for it")
            }
            #expect(cancelled.json?.at(path: "data.2") == nil)
            // A second time there is nothing to do.
            let again = try lines(try await server.post("/api/cancellations", "{\(filter)}")).result
            #expect(again.member("matched")?.integer == 0)
        }
    }

    @Test func `many runs are cancelled in pages, and each says how far it is`() async throws {
        try await ServerHarness.run { server in
            try await sleepers(server, 300)
            let (progress, result) = try lines(try await server.post("/api/cancellations", #"{"function":"test-nap"}"#))
            #expect(progress.map { $0.member("cancelled")?.integer } == [256])
            #expect(progress.map { $0.member("looked")?.integer } == [256])
            #expect(progress.map { $0.member("unfinished")?.integer } == [300])
            #expect(result.member("cancelled")?.integer == 300)
            #expect(await server.node.inspect { $0.runCount } == 0)
        }
    }

    @Test func `a server that is to end stops between two pages and says how many are cancelled`() async throws {
        try await ServerHarness.run { server in
            try await sleepers(server, 300)
            server.api.end()
            let result = try lines(try await server.post("/api/cancellations", #"{"function":"nap"}"#)).result
            #expect(result.member("status")?.integer == 503)
            #expect(result.member("cancelled")?.integer == 256)
            #expect(await server.node.inspect { $0.runCount } == 44)
        }
    }

    @Test func `only runs that were queued in the time asked for are cancelled`() async throws {
        try await ServerHarness.run { server in
            try await sleepers(server, 1)
            let list = try await server.get("/api/runs")
            let queued = try #require(list.string("data.0.queuedAt"))
            for member in [#""queuedBefore":"\#(queued)""#, #""queuedAfter":"\#(queued)""#] {
                let result = try lines(
                    try await server.post("/api/cancellations", #"{"function":"nap",\#(member)}"#)
                ).result
                #expect(result.member("unfinished")?.integer == 0)
            }
            #expect(await server.node.inspect { $0.runCount } == 1)
        }
    }

    @Test func `a run for whose event the expression fails is left alone and named`() async throws {
        try await ServerHarness.run { server in
            try await server.send(
                #"[{"name":"test/nap","data":{"n":5}},{"name":"test/nap","data":{"n":"five"}}]"#,
                awaiting: "sleep.started", count: 2)
            let answer = try await server.post("/api/cancellations", #"{"function":"nap","if":"event.data.n > 1"}"#)
            let result = try lines(answer).result
            #expect(result.member("cancelled")?.integer == 1)
            #expect(result.at(path: "undecided.count")?.integer == 1)
            let left = try await server.get("/api/runs?status=running")
            #expect(result.at(path: "undecided.run")?.string == left.string("data.0.id"))
            #expect(result.at(path: "undecided.error")?.string?.isEmpty == false)
        }
    }

    @Test(arguments: [
        (#"{"function":"nap","if":"event.data.n >"}"#, 400, "if: line 1, column 15: "),
        (#"{"function":"nap","if":7}"#, 400, #""if" must be an expression"#),
        (#"{"function":"lost"}"#, 404, "there is no function 'lost'"),
        ("{}", 400, #""function" is missing"#), ("[]", 400, "the body must be an object"),
        ("", 400, "the body must be an object"),
        (#"{"function":"nap","queuedAfter":"noon"}"#, 400, #""queuedAfter" must be an instant"#),
        (
            #"{"function":"nap","queuedAfter":"2026-11-21T08:00:00Z","queuedBefore":"2026-11-21T08:00:00Z"}"#, 400,
            #""queuedAfter" must be before "queuedBefore""#
        ),
    ])
    func `what makes no sense is refused before anything is cancelled`(
        body: String, status: Int, message: String
    ) async throws {
        try await ServerHarness.run { server in
            try await sleepers(server, 1)
            let answer = try await server.post("/api/cancellations", body)
            #expect(answer.status == status)
            #expect(answer.string("error")?.hasPrefix(message) == true, "\(answer.text)")
            #expect(await server.node.inspect { $0.runCount } == 1)
        }
    }
}

extension JSONView {
    fileprivate func text() -> String { String(decoding: slice, as: UTF8.self) }
}
