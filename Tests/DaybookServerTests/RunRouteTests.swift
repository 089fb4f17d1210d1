import DaybookValues
import Testing

struct RunRouteTests {
    private func ids(_ answer: RawAnswer) -> [String] {
        var ids: [String] = []
        answer.json?.member("data")?.forEachElement { row in
            ids.append(row.member("id")?.string ?? "")
            return true
        }
        return ids
    }

    @Test func `finished and unfinished runs are listed together, newest first`() async throws {
        try await ServerHarness.run { server in
            try await server.send(#"{"name":"test/double"}"#, awaiting: "run.completed")
            try await server.send(#"{"name":"test/nap"}"#, awaiting: "sleep.started")
            try await server.send(#"{"name":"test/broken"}"#, awaiting: "run.failed")
            let list = try await server.get("/api/runs")
            #expect(list.string("data.0.function") == "test-broken")
            #expect(list.string("data.0.status") == "failed")
            #expect(list.string("data.1.function") == "test-nap")
            #expect(list.string("data.1.status") == "running")
            #expect(list.string("data.1.waiting.0.step") == "pause")
            #expect(list.string("data.2.status") == "completed")
            #expect(list.json?.at(path: "data.2.steps")?.integer == 1)
            #expect(ids(list) == ids(list).sorted(by: >))
        }
    }

    @Test func `a run under way shows how far it says it is`() async throws {
        try await ServerHarness.run { server in
            try await server.send(#"{"name":"test/import"}"#, awaiting: "sleep.started")
            let list = try await server.get("/api/runs?function=import")
            let run = try await server.get("/api/runs/\(list.string("data.0.id") ?? "")")
            #expect(run.json?.at(path: "data.progress.0.done")?.integer == 12)
            #expect(run.json?.at(path: "data.progress.0.total")?.integer == 200)
            #expect(run.string("data.progress.0.message") == "importing")
        }
    }

    @Test func `lists are filtered by status, function and time`() async throws {
        try await ServerHarness.run { server in
            try await server.send(
                #"[{"name":"test/double"},{"name":"test/double"}]"#, awaiting: "run.completed", count: 2)
            try await server.send(#"{"name":"test/nap"}"#, awaiting: "sleep.started")
            #expect(ids(try await server.get("/api/runs?status=completed")).count == 2)
            #expect(ids(try await server.get("/api/runs?status=running,completed")).count == 3)
            #expect(ids(try await server.get("/api/runs?function=nap")).count == 1)
            #expect(ids(try await server.get("/api/runs?function=test-nap&status=completed")).isEmpty)
            #expect(ids(try await server.get("/api/runs?since=2100-01-01T00:00:00Z")).isEmpty)
            #expect(ids(try await server.get("/api/runs?since=2000-01-01T00:00:00%2B01:00")).count == 3)
        }
    }

    @Test func `pages go on where the last one ended`() async throws {
        try await ServerHarness.run { server in
            let events = Array(repeating: #"{"name":"test/double"}"#, count: 5).joined(separator: ",")
            try await server.send("[\(events)]", awaiting: "run.completed", count: 5)
            var seen: [String] = []
            var cursor: String? = ""
            while let next = cursor {
                let page = try await server.get("/api/runs?limit=2&cursor=\(next)")
                seen += ids(page)
                cursor = page.string("cursor")
            }
            #expect(seen == ids(try await server.get("/api/runs")))
            #expect(seen.count == 5)
        }
    }

    @Test(arguments: [
        ("/api/runs?status=lost", "there is no status 'lost'"), ("/api/runs?limit=0", "limit must be"),
        ("/api/runs?limit=401", "limit must be"), ("/api/runs?since=yesterday", "since must be an instant"),
        ("/api/runs?cursor=x", "cursor must be"), ("/api/cron?count=x", "count must be"),
    ])
    func `a wrong filter is named`(path: String, message: String) async throws {
        try await ServerHarness.run { server in
            let answer = try await server.get(path)
            #expect(answer.status == 400)
            #expect(answer.string("error")?.hasPrefix(message) == true)
        }
    }

    @Test func `a run is shown with steps, attempts, output and errors`() async throws {
        try await ServerHarness.run { server in
            try await server.send(#"{"name":"test/broken","data":{"a":1}}"#, awaiting: "run.failed")
            let id = try #require(ids(try await server.get("/api/runs")).first)
            let run = try await server.get("/api/runs/\(id)")
            #expect(run.status == 200)
            #expect(run.string("data.status") == "failed")
            #expect(run.json?.at(path: "data.event.data.a")?.integer == 1)
            #expect(run.string("data.steps.0.id") == "first")
            #expect(run.json?.at(path: "data.steps.0.output")?.integer == 1)
            #expect(run.string("data.steps.1.status") == "failed")
            #expect(run.json?.at(path: "data.steps.1.attempts.0.attempt")?.integer == 1)
            #expect(run.string("data.steps.1.attempts.0.error.message") == "it never works")
            #expect(run.string("data.error.message") == "it never works")
        }
    }

    @Test func `the end of an id is enough, unless it is nobody's`() async throws {
        try await ServerHarness.run { server in
            try await server.send(#"{"name":"test/double"}"#, awaiting: "run.completed")
            let id = try #require(ids(try await server.get("/api/runs")).first)
            #expect(try await server.get("/api/runs/\(id.suffix(6).lowercased())").string("data.id") == id)
            #expect(try await server.get("/api/runs/\(id.prefix(25))").string("data.id") == id)
            let unknown = try await server.get("/api/runs/ZZZZZZ")
            #expect(unknown.status == 404)
            #expect(unknown.text == #"{"error":"there is no run 'ZZZZZZ'; `runs` lists those there are","status":404}"#)
        }
    }

    @Test func `a part of an id that two runs have is refused`() async throws {
        try await ServerHarness.run { server in
            try await server.send(
                #"[{"name":"test/double"},{"name":"test/double"}]"#, awaiting: "run.completed", count: 2)
            let both = ids(try await server.get("/api/runs"))
            let answer = try await server.get("/api/runs/\(both[0].prefix(8))")
            #expect(answer.status == 409)
            #expect(both.allSatisfy { answer.string("error")?.contains($0) == true })
        }
    }

    @Test func `a sleeping run is cancelled, an ended one is left as it is`() async throws {
        try await ServerHarness.run { server in
            try await server.send(#"{"name":"test/nap"}"#, awaiting: "sleep.started")
            let id = try #require(ids(try await server.get("/api/runs")).first)
            let first = try await server.post("/api/runs/\(id)/cancel", "")
            #expect(first.text == #"{"id":"\#(id)","cancelled":true,"status":"cancelled"}"#)
            let second = try await server.post("/api/runs/\(id)/cancel", "")
            #expect(second.status == 200)
            #expect(second.text == #"{"id":"\#(id)","cancelled":false,"status":"cancelled"}"#)
            let unknown = try await server.post("/api/runs/01ARZ3NDEKTSV4RRFFQ69G5FAV/cancel", "")
            #expect(unknown.status == 404)
        }
    }

    @Test func `a retry keeps the results before the step it begins with`() async throws {
        try await ServerHarness.run { server in
            try await server.send(#"{"name":"test/broken"}"#, awaiting: "run.failed")
            let id = try #require(ids(try await server.get("/api/runs")).first)
            let answer = try await server.post("/api/runs/\(id)/retry", #"{"from":"second"}"#)
            let new = try #require(answer.string("id"))
            let run = try await server.get("/api/runs/\(new)")
            #expect(run.string("data.cause") == "retry")
            #expect(run.string("data.retryOf") == id)
            #expect(run.string("data.steps.0.copiedFrom") == id)
            let unknown = try await server.post("/api/runs/\(id)/retry", #"{"from":"third"}"#)
            #expect(unknown.status == 404)
            #expect(unknown.string("error")?.contains("first, second") == true)
        }
    }

    @Test func `a run that has not ended is not retried`() async throws {
        try await ServerHarness.run { server in
            try await server.send(#"{"name":"test/nap"}"#, awaiting: "sleep.started")
            let id = try #require(ids(try await server.get("/api/runs")).first)
            #expect(try await server.post("/api/runs/\(id)/retry", "").status == 409)
        }
    }
}
