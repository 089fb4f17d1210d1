import DaybookSystem
import DaybookValues
import Testing

@testable import DaybookServer

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

struct ServerRouteTests {
    @Test func `functions are listed with their triggers and next tick`() async throws {
        try await ServerHarness.run { server in
            let answer = try await server.get("/api/functions")
            #expect(answer.string("data.0.id") == "test-double")
            #expect(answer.string("data.0.triggers.0.event") == "test/double")
            #expect(answer.string("data.3.triggers.0.cron") == "0 8 * * 1")
            #expect(answer.string("data.3.nextTick")?.contains("T08:00:00.000Z") == true)
        }
    }

    @Test func `the next ticks of all functions come in order of time`() async throws {
        try await ServerHarness.run { server in
            let answer = try await server.get("/api/cron?count=3")
            let ticks = (0..<3).compactMap { answer.string("data.\($0).at").flatMap { Timestamp(rfc3339: $0) } }
            #expect(ticks.count == 3)
            #expect(ticks[1] - ticks[0] == 7 * 86_400_000)
            #expect(ticks[2] - ticks[1] == 7 * 86_400_000)
        }
    }

    @Test func `moving the clock makes what is due happen`() async throws {
        try await ServerHarness.run(isDev: true) { server in
            try await server.send(#"{"name":"test/nap"}"#, awaiting: "sleep.started")
            let before = try #require(Timestamp(rfc3339: try await server.get("/health").string("now") ?? ""))
            let answer = try await server.post("/api/clock", #"{"advance":7200000}"#)
            let after = try #require(Timestamp(rfc3339: answer.string("now") ?? ""))
            #expect(after - before >= 7_200_000)
            try await server.send(#"{"name":"test/nothing"}"#, awaiting: "run.completed")
        }
    }

    @Test func `the clock cannot be moved outside dev mode, nor backwards`() async throws {
        try await ServerHarness.run { server in
            let answer = try await server.post("/api/clock", #"{"advance":1000}"#)
            #expect(answer.status == 403)
        }
        try await ServerHarness.run(isDev: true) { server in
            for body in [#"{"advance":-1}"#, ""] {
                let answer = try await server.post("/api/clock", body)
                #expect(answer.status == 400)
            }
        }
    }

    @Test func `a route that is none is answered in the shape of all errors`() async throws {
        try await ServerHarness.run { server in
            let answer = try await server.get("/nowhere")
            #expect(answer.status == 404)
            #expect(answer.text == #"{"error":"there is no GET /nowhere here","data":null,"status":404}"#)
        }
    }

    @Test func `a tail shows what happens after it began, and ends with the server`() async throws {
        let server = try await ServerHarness()
        let (begun, hasBegun) = AsyncStream.makeStream(of: Void.self)
        async let tail = server.request("GET", "/api/tail") { hasBegun.finish() }
        for await _ in begun {}
        try await server.send(#"{"name":"test/double"}"#, awaiting: "run.completed")
        try await server.stop()
        let kinds = try await tail.text.split(separator: "\n").compactMap {
            JSONView(Array($0.utf8))?.member("k")?.string
        }
        #expect(kinds == ["event.received", "run.queued", "run.started", "step.completed", "run.completed"])
    }

    @Test func `a reader that is too slow is told what it missed`() async {
        let tail = Tail()
        tail.append(Array("{}\n".utf8))
        tail.append([UInt8](repeating: 0x20, count: 9 << 20))
        #expect(await tail.next() == Array("{}\n".utf8))
        tail.append(Array("[]\n".utf8))
        #expect(await tail.next() == Array("{\"droppedBatches\":1}\n[]\n".utf8))
        tail.finish()
        #expect(await tail.next() == nil)
    }
}

struct LocalSocketTests {
    @Test func `only its owner may use the socket, and it goes with the server`() async throws {
        let server = try await ServerHarness()
        let path = server.directory.path + "/daybook.sock"
        var status = stat()
        #expect(lstat(path, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
        #expect(lstat(server.directory.path + "/.socket", &status) != 0)
        try await server.stop()
        #expect(lstat(path, &status) != 0)
    }

    @Test func `a socket that a killed server left behind is replaced`() async throws {
        let directory = TemporaryDirectory()
        let stale = directory.path + "/daybook.sock"
        close(open(stale, O_CREAT | O_WRONLY, 0o600))
        let server = try await ServerHarness(directory: directory)
        #expect(try await server.get("/health").status == 200)
        try await server.stop()
    }

    @Test func `a directory whose path is too long for a socket is served all the same`() async throws {
        let server = try await ServerHarness(directory: TemporaryDirectory(longName: true))
        #expect(server.directory.path.utf8.count > LocalSocket.pathBytesMax)
        #expect(try await server.get("/health").string("message") == "OK")
        try await server.stop()
    }

    @Test func `a short link is private and goes away`() throws {
        let directory = TemporaryDirectory(longName: true)
        let short = try LocalSocket.ShortPath(to: "s", in: directory.path)
        #expect(short.path.utf8.count <= LocalSocket.pathBytesMax)
        let parent = String(short.path.dropLast("/d/s".utf8.count))
        var status = stat()
        #expect(lstat(parent, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o700)
        short.remove()
        #expect(lstat(parent, &status) != 0)
    }
}
