import DaybookCore
import DaybookNode
import DaybookValues
import Testing

@testable import DaybookServer

/// Waiting for runs, live views, metrics, and the description of it all.
struct LiveTests {
    private static let open = ServerSettings()

    @Test func `who waits for a run is answered once it has ended`() async throws {
        try await ServerHarness.run(isDev: true, settings: Self.open) { server in
            try await server.send(#"{"name":"test/nap"}"#, awaiting: "sleep.started")
            let id = try #require(try await server.get("/api/runs").string("data.0.id"))
            async let ended = server.outside("GET", "/api/runs/\(id)?wait=300s")
            _ = try await server.post("/api/clock", #"{"advance":7200000}"#)
            #expect(try await ended.string("data.status") == "completed")
        }
    }

    @Test func `who waits no longer than that is told how it stands`() async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            try await server.send(#"{"name":"test/nap"}"#, awaiting: "sleep.started")
            let id = try #require(try await server.get("/api/runs").string("data.0.id"))
            let answer = try await server.outside("GET", "/api/runs/\(id)?wait=1ms")
            #expect(answer.string("data.status") == "running")
        }
    }

    @Test(arguments: ["x", "-1s", "301s", "1d"]) func `a wait that is too long or none is refused`(wait: String)
        async throws
    {
        try await ServerHarness.run(settings: Self.open) { server in
            try await server.send(#"{"name":"test/double"}"#, awaiting: "run.completed")
            let id = try #require(try await server.get("/api/runs").string("data.0.id"))
            let answer = try await server.outside("GET", "/api/runs/\(id)?wait=\(wait)")
            #expect(answer.status == 400)
        }
    }

    @Test func `who waits for what never ends is answered when the server stops`() async throws {
        let server = try await ServerHarness(settings: Self.open)
        try await server.send(#"{"name":"test/nap"}"#, awaiting: "sleep.started")
        let id = try #require(try await server.get("/api/runs").string("data.0.id"))
        let (begun, hasBegun) = AsyncStream.makeStream(of: Void.self)
        async let waiting = server.outside("GET", "/api/runs/\(id)?wait=300s")
        async let watching = server.outside("GET", "/api/stream") { hasBegun.finish() }
        for await _ in begun {}
        // Whether the wait has begun by now or comes later, it must not hold up the stop.
        try await server.stop()
        if let answer = try? await waiting { #expect(answer.string("data.status") == "running") }
        #expect(try await watching.text.hasSuffix(": the server is shutting down\n\n"))
    }

    @Test func `a function is invoked and its run waited for`() async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            let answer = try await server.outside("POST", "/api/functions/double/invoke?wait=60s", #"{"data":{"n":1}}"#)
            #expect(answer.string("data.detail.status") == "completed")
            #expect(answer.string("data.detail.id") == answer.string("data.run"))
            let empty = try await server.outside("POST", "/api/functions/test-double/invoke")
            #expect(empty.status == 200)
            #expect(empty.string("data.run") != nil)
            #expect(try await server.outside("POST", "/api/functions/lost/invoke").status == 404)
            #expect(try await server.outside("POST", "/api/functions/double/invoke", #"{"data":1}"#).status == 400)
        }
    }

    @Test func `the same key invokes a function once`() async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            let path = "/api/functions/double/invoke?wait=60s"
            let first = try await server.outside("POST", path, #"{"idempotencyKey":"k"}"#)
            let second = try await server.outside("POST", path, #"{"idempotencyKey":"k"}"#)
            #expect(first.string("data.run") != nil)
            #expect(second.string("data.run") == nil)
            #expect(second.string("data.outcome.dropped.0.why") == "duplicate")
        }
    }

    @Test func `events are listed by page, name and time`() async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            for number in 0..<5 { try await server.send(#"{"name":"test/n\#(number)"}"#) }
            var names: [String] = []
            var cursor = ""
            repeat {
                let page = try await server.outside("GET", "/api/events?limit=2\(cursor)")
                for row in 0..<page.rows { names.append(page.string("data.\(row).name") ?? "") }
                cursor = page.string("cursor").map { "&cursor=\($0)" } ?? ""
            } while !cursor.isEmpty
            #expect(names == ["test/n4", "test/n3", "test/n2", "test/n1", "test/n0"])
            #expect(try await server.outside("GET", "/api/events?name=test/n2").rows == 1)
            #expect(try await server.outside("GET", "/api/events?since=2100-01-01T00:00:00Z").rows == 0)
            #expect(try await server.outside("GET", "/api/events?until=2000-01-01T00:00:00Z").rows == 0)
            #expect(try await server.outside("GET", "/api/events?cursor=zz").status == 400)
            try await server.send(#"{"name":"test/double"}"#, awaiting: "run.completed")
            #expect(try await server.outside("GET", "/api/events").rows == 6)
            let all = try await server.outside("GET", "/api/events?internal=true")
            #expect(all.string("data.0.name") == "inngest/function.finished" || all.rows == 6)
        }
    }

    @Test func `a live view shows what it was asked for, in order`() async throws {
        let server = try await ServerHarness(settings: Self.open)
        let (begun, hasBegun) = AsyncStream.makeStream(of: Void.self)
        async let view = server.outside("GET", "/api/stream?function=double&kinds=run,step.completed") {
            hasBegun.finish()
        }
        for await _ in begun {}
        try await server.send(#"{"name":"test/broken"}"#, awaiting: "run.failed")
        try await server.send(#"{"name":"test/double"}"#, awaiting: "run.completed")
        try await server.stop()
        let answer = try await view
        #expect(answer.headers["content-type"] == "text/event-stream; charset=utf-8")
        let kinds = answer.text.split(separator: "\n").filter { $0.hasPrefix("event: ") }.map {
            String($0.dropFirst(7))
        }
        #expect(kinds == ["run.queued", "run.started", "step.completed", "run.completed"])
        let data = answer.text.split(separator: "\n").filter { $0.hasPrefix("data: ") }.map { $0.dropFirst(6) }
        #expect(data.allSatisfy { JSONView(Array($0.utf8))?.member("k")?.string != nil })
    }

    @Test func `a reader of a live view that is too slow is cut off`() async {
        let view = LiveView(LiveView.Filter())
        let line = Array(
            (#"{"q":7,"t":"2026-11-21T08:00:00.000Z","s":"events/2026-11-21","n":0,"p":"00000000","v":1,"k":"event.received","x":""#
                + String(repeating: "x", count: 1 << 20) + #""}"#).utf8)
        for _ in 0..<6 { JournalLine.forEach(in: line) { view.take($0) } }
        let bytes = await view.next() ?? []
        #expect(bytes.count < LiveView.waitingBytesMax + 100)
        #expect(String(decoding: bytes, as: UTF8.self).hasSuffix("bytes were waiting for you\n\n"))
        #expect(await view.next() == nil)
    }

    @Test func `a live view of a run shows that run alone`() throws {
        let run = try #require(ULID("01KAJS9V00A1B2C3D4E5F6G7H8"))
        var filter = LiveView.Filter()
        filter.run = run
        let view = LiveView(filter)
        let line = { (run: ULID) in
            Array(
                #"{"q":12,"t":"2026-11-21T08:00:00.250Z","s":"run/\#(run.text)","n":1,"p":"c86ef5a7","k":"run.completed","output":1}"#
                    .utf8)
        }
        let other = ULID(high: run.high, low: run.low + 1)
        let lines = line(other) + [UInt8(ascii: "\n")] + line(run) + [UInt8(ascii: "\n")]
        var seen: [ULID?] = []
        JournalLine.forEach(in: lines) { line in
            view.take(line)
            seen.append(line.run)
            #expect(line.q == 12)
            #expect(line.endsRun)
        }
        #expect(seen == [other, run])
        view.finish(": end")
    }

    @Test func `metrics count what happens`() async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            try await server.send(#"{"name":"test/double"}"#, awaiting: "run.completed")
            try await server.send(#"{"name":"test/broken"}"#, awaiting: "run.failed")
            _ = try await server.outside("GET", "/nowhere")
            let answer = try await server.outside("GET", "/metrics")
            #expect(answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
            let lines = Set(answer.text.split(separator: "\n").map(String.init))
            #expect(lines.contains(#"daybook_runs_ended_total{status="completed"} 1"#))
            #expect(lines.contains(#"daybook_runs_ended_total{status="failed"} 1"#))
            #expect(lines.contains("daybook_steps_completed_total 2"))
            #expect(lines.contains("daybook_runs_unfinished 0"))
            #expect(lines.contains("daybook_storage_full 0"))
            #expect(lines.contains(#"daybook_http_requests_total{method="POST",route="/e/{key}",status="200"} 2"#))
            #expect(lines.contains(#"daybook_http_requests_total{method="",route="",status="404"} 1"#))
            // Every value has its type, once.
            for line in lines where !line.hasPrefix("#") {
                var name = String(line.prefix { $0 != "{" && $0 != " " })
                for end in ["_bucket", "_sum", "_count"] where name.hasSuffix("seconds" + end) {
                    name = String(name.dropLast(end.count))
                }
                #expect(answer.text.split(separator: "\n").count { $0.hasPrefix("# TYPE \(name) ") } == 1)
            }
        }
    }

    @Test func `labels of metrics are escaped`() {
        var text = MetricsText()
        text.value("a", [("x", "1\"2\\3\n4")], 5)
        #expect(String(decoding: text.bytes, as: UTF8.self) == "a{x=\"1\\\"2\\\\3\\n4\"} 5\n")
    }

    @Test func `apps of this program are listed, and cannot be asked to register`() async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            let list = try await server.outside("GET", "/api/apps")
            #expect(list.string("data.0.name") == "test")
            #expect(list.string("data.0.kind") == "in-process")
            #expect(try await server.outside("GET", "/api/apps/test").string("data.name") == "test")
            #expect(try await server.outside("GET", "/api/apps/lost").status == 404)
            #expect(try await server.outside("POST", "/api/apps/test/sync").status == 404)
            let registered = try await server.outside("POST", "/fn/register", "{}")
            #expect(registered.status == 404)
            #expect(registered.json?.member("data")?.isNull == true)
        }
    }

    @Test func `what is going to happen in a run is listed`() async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            try await server.send(#"{"name":"test/nap"}"#, awaiting: "sleep.started")
            let id = try #require(try await server.get("/api/runs").string("data.0.id"))
            let jobs = try await server.outside("GET", "/api/runs/\(id)/jobs")
            let kinds = (0..<jobs.rows).compactMap { jobs.string("data.\($0).kind") }
            #expect(kinds.contains("sleep"))
            _ = try await server.post("/api/runs/\(id)/cancel", "")
            #expect(try await server.outside("GET", "/api/runs/\(id)/jobs").rows == 0)
            #expect(try await server.outside("GET", "/api/runs/01ARZ3NDEKTSV4RRFFQ69G5FAV/jobs").status == 404)
        }
    }

    @Test func `heads are answered like gets, without the body`() async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            let answer = try await server.outside("HEAD", "/health")
            #expect(answer.status == 200)
            #expect(answer.text.isEmpty)
        }
    }

    @Test func `a connection is used for many requests, bad ones among them`() async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            let event = #"{"name":"a"}"#
            let good = "POST /e/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(event.utf8.count)\r\n\r\n\(event)"
            let bad = "POST /e/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nzz"
            let lost = "GET /lost HTTP/1.1\r\nHost: localhost\r\n\r\n"
            let last = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            let answer = try await server.raw(good + bad + lost + good + last)
            #expect(answer.status == 200)
            for status in ["HTTP/1.1 400", "HTTP/1.1 404", "HTTP/1.1 200"] { #expect(answer.text.contains(status)) }
            #expect(try await server.get("/api/events").rows == 2)
        }
    }

    @Test func `who asks before sending a body is told to go on`() async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            let answer = try await server.outside(
                "POST", "/e/k", #"{"name":"a"}"#, headers: "Expect: 100-continue\r\n")
            #expect(answer.status == 100)
            #expect(answer.text.hasPrefix("HTTP/1.1 200 OK"))
        }
    }

    @Test func `what is no HTTP is refused`() async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            let answer = try await server.raw("this is no request\r\n\r\n")
            #expect(answer.status == 400)
            #expect(try await server.get("/health").status == 200)
        }
    }
}
