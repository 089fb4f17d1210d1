import DaybookCore
import DaybookNode
import DaybookValues
import Testing

@testable import DaybookServer

/// The event API as SDKs use it, over TCP.
struct EventAPITests {
    private static let open = ServerSettings()

    @Test func `an event is answered with one id and no error`() async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            let answer = try await server.outside("POST", "/e/k", #"{"name":"a"}"#)
            #expect(answer.status == 200)
            #expect(answer.headers["content-type"] == "application/json")
            #expect(answer.string("ids.0").flatMap { ULID($0) } != nil)
            #expect(answer.json?.member("status")?.integer == 200)
            #expect(answer.json?.member("error") == nil)
        }
    }

    @Test func `several events are answered with their ids in order`() async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            let answer = try await server.outside("POST", "/e/k", #"[{"name":"a"},{"name":"b"}]"#)
            let names = try await ["ids.0", "ids.1"].asyncMap { path in
                try await server.get("/api/events/\(answer.string(path) ?? "")").string("data.name")
            }
            #expect(names == ["a", "b"])
        }
    }

    @Test func `the sender's id is the event's, and not the one that is answered`() async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            let answer = try await server.outside("POST", "/e/k", #"{"name":"a","id":"mine"}"#)
            let id = try #require(answer.string("ids.0"))
            #expect(id != "mine")
            #expect(try await server.get("/api/events/\(id)").string("data.event.id") == "mine")
        }
    }

    @Test(arguments: [
        (#"{"data":{}}"#, "event name is empty"),
        (#"{"name":""}"#, "event name is empty"),
        (#"{"name":"inngest/x"}"#, "event name is reserved for internal use: inngest/x"),
        (#"{"name":"Inngest/x"}"#, "event name is reserved for internal use: Inngest/x"),
        (#""x""#, "Request body must contain an event object or an array of event objects"),
        ("5", "Request body must contain an event object or an array of event objects"),
        ("null", "Request body must contain an event object or an array of event objects"),
        ("zz", "Request body must contain an event object or an array of event objects"),
        (#"{"name":"a","ts":1}"#, "timestamp is before Jan 1, 1980"),
        (#"{"name":"a","ts":-5}"#, "timestamp is before Jan 1, 1980"),
        (#"{"name":"a","ts":99999999999999}"#, "timestamp is after Jan 1, 2100"),
    ])
    func `what SDKs expect to be refused is refused in the words they know`(body: String, error: String) async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            let answer = try await server.outside("POST", "/e/k", body)
            #expect(answer.status == 400)
            #expect(answer.string("error") == error)
            #expect(answer.json?.member("ids")?.slice.elementsEqual("[]".utf8) == true)
            #expect(answer.json?.member("status")?.integer == 400)
        }
    }

    @Test(arguments: [
        #"{"name":"a","data":[1]}"#, #"{"name":"a","data":"s"}"#, #"{"name":"a","id":5}"#, #"{"name":"a","ts":1.5}"#,
        #"{"name":"a","ts":"1"}"#, #"{"name":"a","user":"u"}"#, #"{"name":"a"} {"name":"b"}"#, #"[{"name":"a"},7]"#,
    ])
    func `wrong types are refused`(body: String) async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            let answer = try await server.outside("POST", "/e/k", body)
            #expect(answer.status == 400)
        }
    }

    @Test func `compressed bodies are refused, said or unsaid`() async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            let zipped: [UInt8] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0]
            let unsaid = try await server.outside("POST", "/e/k", zipped)
            #expect(unsaid.status == 400)
            #expect(unsaid.string("error")?.hasPrefix("Request body must contain an event object") == true)
            let said = try await server.outside("POST", "/e/k", zipped, headers: "Content-Encoding: gzip\r\n")
            #expect(said.status == 400)
            #expect(said.string("error")?.hasPrefix("Request body must contain an event object") == true)
        }
    }

    @Test(arguments: [#"{"name":"a","data":null}"#, #"{"name":"a"}"#, #"{"name":"a","ts":0}"#])
    func `what is left out has its default`(body: String) async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            let before = server.api.now
            let id = try #require(try await server.outside("POST", "/e/k", body).string("ids.0"))
            let event = try await server.get("/api/events/\(id)")
            #expect(event.json?.at(path: "data.event.data")?.slice.elementsEqual("{}".utf8) == true)
            #expect(event.json?.at(path: "data.event.ts")?.integer ?? 0 >= before.milliseconds)
        }
    }

    @Test func `5,000 events go at once, one more does not`() async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            let events = { (count: Int) in
                "[" + Array(repeating: #"{"name":"a"}"#, count: count).joined(separator: ",") + "]"
            }
            let tooMany = try await server.outside("POST", "/e/k", events(5_001))
            #expect(tooMany.status == 400)
            #expect(tooMany.string("error") == "Cannot have more than 5000 events in a batch")
            let most = try await server.outside("POST", "/e/k", events(5_000))
            #expect(most.status == 200)
            #expect(most.json?.at(path: "ids.4999")?.string != nil)
        }
    }

    @Test func `an event of 3 MiB goes, a larger one does not`() async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            let event = { (bytes: Int) in
                let frame = #"{"name":"a","data":{"x":""}}"#
                return #"{"name":"a","data":{"x":""# + String(repeating: "x", count: bytes - frame.utf8.count) + #""}}"#
            }
            let tooLarge = try await server.outside("POST", "/e/k", event(3_145_760))
            #expect(tooLarge.status == 400)
            #expect(tooLarge.string("error") == "Event is over the max size: Max 3145728 bytes / Size 3145760 bytes")
            #expect(try await server.outside("POST", "/e/k", event(3_145_700)).status == 200)
        }
    }

    @Test(arguments: ["", "[]", " \n"])
    func `nothing is fine too`(body: String) async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            let answer = try await server.outside("POST", "/e/k", body)
            #expect(answer.text == #"{"ids":[],"status":200}"#)
        }
    }

    @Test func `the same id twice starts a function once`() async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            for _ in 0..<2 {
                let answer = try await server.outside("POST", "/e/k", #"{"name":"test/double","id":"once"}"#)
                #expect(answer.status == 200)
            }
            #expect(try await server.get("/api/runs").rows == 1)
        }
    }

    @Test func `a seed makes the same ids again, and no second run`() async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            for _ in 0..<2 {
                let answer = try await server.outside(
                    "POST", "/e/k", #"[{"name":"test/double"},{"name":"b"}]"#,
                    headers: "X-Inngest-Event-Id-Seed: 1700000000000,AAECAwQFBgcICQ==\r\n")
                #expect(answer.string("ids.0") == "01HF7YAT00000G40R40M30E20A")
                #expect(answer.string("ids.1") == "01HF7YAT00000G40R40M30E20B")
            }
            #expect(try await server.get("/api/runs").rows == 1)
            let event = try await server.get("/v1/events/01HF7YAT00000G40R40M30E20A")
            #expect(event.string("data.name") == "test/double")
        }
    }

    @Test(arguments: ["1700000000000", "1700000000000,AAEC", "x,AAECAwQFBgcICQ==", ","])
    func `a seed that cannot be read is ignored`(seed: String) async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            var ids: Set<String> = []
            for _ in 0..<2 {
                let answer = try await server.outside(
                    "POST", "/e/k", #"{"name":"a"}"#, headers: "X-Inngest-Event-Id-Seed: \(seed)\r\n")
                #expect(answer.status == 200)
                ids.insert(answer.string("ids.0") ?? "")
            }
            #expect(ids.count == 2)
        }
    }

    @Test func `an event of the future starts its functions then`() async throws {
        try await ServerHarness.run(isDev: true, settings: Self.open) { server in
            let ts = server.api.now.milliseconds + 3_600_000
            _ = try await server.outside("POST", "/e/k", #"{"name":"test/double","ts":\#(ts)}"#)
            let id = try await server.get("/api/runs").string("data.0.id") ?? ""
            let waiting = try await server.get("/api/runs/\(id)")
            #expect(waiting.string("data.status") == "queued")
            #expect(waiting.string("data.startAt") == Timestamp(milliseconds: ts).rfc3339)
            _ = try await server.post("/api/clock", #"{"advance":3600001}"#)
            #expect(try await server.get("/api/runs/\(id)?wait=60s").string("data.status") == "completed")
        }
    }

    @Test func `what the server keeps for itself is taken out of an event`() async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            let answer = try await server.outside("POST", "/e/k", #"{"name":"a","data":{"n":1,"_inngest":{"x":2}}}"#)
            let event = try await server.get("/api/events/\(answer.string("ids.0") ?? "")")
            #expect(event.json?.at(path: "data.event.data")?.slice.elementsEqual(#"{"n":1}"#.utf8) == true)
        }
    }

    @Test func `with keys only those who know one may send`() async throws {
        var settings = ServerSettings()
        settings.eventKeys = ["first", "second"]
        try await ServerHarness.run(settings: settings) { server in
            let wrong = try await server.outside("POST", "/e/third", #"{"name":"a"}"#)
            #expect(wrong.status == 401)
            #expect(wrong.string("error") == "Event key not found")
            #expect(try await server.outside("POST", "/e/second", #"{"name":"a"}"#).status == 200)
            // The command line needs none.
            #expect(try await server.post("/e/cli", #"{"name":"a"}"#).status == 200)
        }
    }

    @Test func `other methods are refused`() async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            let answer = try await server.outside("GET", "/e/k")
            #expect(answer.status == 405)
            #expect(answer.headers["allow"] == "POST")
        }
    }

    @Test func `a body that is cut off is no event`() async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            let answer = try? await server.raw(
                "POST /e/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 40\r\nConnection: close\r\n\r\n{\"name\":\"a\"}"
            )
            #expect(answer?.status ?? 400 == 400)
            let events = try await server.get("/api/events")
            #expect(events.rows == 0)
        }
    }

    @Test func `large bodies at the same time take so much memory and no more`() {
        // Nobody else's bodies are as large in these tests, so the rest of the room is free.
        let most = BodyRoom.bytesMax - 64 * 1_048_576
        #expect(BodyRoom.reserve(most))
        #expect(!BodyRoom.reserve(BodyRoom.bytesMax - most + 1))
        BodyRoom.free(most)
        #expect(BodyRoom.reserve(most))
        BodyRoom.free(most)
    }

    @Test func `deep nesting is refused`() async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            let depth = String(repeating: "[", count: 100_000)
            let answer = try await server.outside("POST", "/e/k", #"{"name":"a","data":{"x":\#(depth)"#)
            #expect(answer.status == 400)
        }
    }

    @Test func `an invoked function gets the data, whatever its triggers are`() async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            let answer = try await server.outside(
                "POST", "/invoke/test-double", #"{"data":{"a":1,"_inngest":{"fn_id":"x"}}}"#)
            #expect(answer.status == 200)
            #expect(answer.json?.member("status")?.integer == 200)
            let id = try #require(answer.string("id").flatMap { ULID($0) })
            let runs = try await server.get("/api/events/\(id.text)/runs?wait=60s")
            #expect(runs.string("data.0.status") == "completed")
            #expect(runs.string("data.0.event.name") == "inngest/function.invoked")
            #expect(runs.json?.at(path: "data.0.event.data.a")?.integer == 1)
            #expect(runs.string("data.0.event.data._inngest.fn_id") == "test-double")
        }
    }

    @Test(arguments: ["[]", "zz", #"{"data":5}"#, ""])
    func `an invocation that is no object is refused`(body: String) async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            let answer = try await server.outside("POST", "/invoke/test-double", body)
            #expect(answer.status == 400)
            #expect(answer.text == #"{"error":"Unable to read post data request","data":null,"status":400}"#)
        }
    }

    @Test func `an unknown function cannot be invoked`() async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            let answer = try await server.outside("POST", "/invoke/test-lost", "{}")
            #expect(answer.status == 404)
            #expect(answer.string("error")?.contains("test-lost") == true)
        }
    }
}

extension RawAnswer {
    /// How many rows a list has.
    var rows: Int {
        var count = 0
        json?.member("data")?.forEachElement { _ in
            count += 1
            return true
        }
        return count
    }
}

extension Array {
    func asyncMap<Value>(_ transform: (Element) async throws -> Value) async rethrows -> [Value] {
        var values: [Value] = []
        for element in self { values.append(try await transform(element)) }
        return values
    }
}
