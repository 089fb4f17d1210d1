import DaybookCore
import DaybookJournal
import DaybookNode
import DaybookValues
import Testing

struct EventRouteTests {
    @Test func `an event is answered with its id once it is in the journal`() async throws {
        try await ServerHarness.run { server in
            let answer = try await server.post("/e/any", #"{"name":"test/nothing","data":{"a":1}}"#)
            #expect(answer.status == 200)
            #expect(answer.json?.member("status")?.integer == 200)
            let id = try #require(answer.string("ids.0").flatMap { ULID($0) })
            try server.node.journal.follower.catchUp(to: server.node.journal.flushedQ)
            var found: [ULID] = []
            _ = try RunRecords(disk: server.node.journal.disk, stream: .events(day: id.time.day)) { view in
                if case .eventReceived(let event, _)? = try? view.decoded() { found.append(event.id) }
            }
            #expect(found == [id])
        }
    }

    @Test func `ids come back in the order of the events`() async throws {
        try await ServerHarness.run { server in
            let answer = try await server.post("/e/any", #"[{"name":"a"},{"name":"b"},{"name":"c"}]"#)
            var ids: [String] = []
            answer.json?.member("ids")?.forEachElement { id in
                ids.append(id.string ?? "")
                return true
            }
            #expect(ids.count == 3)
            #expect(ids.allSatisfy { ULID($0) != nil })
        }
    }

    @Test func `one bad event refuses all that came with it`() async throws {
        try await ServerHarness.run { server in
            let answer = try await server.post("/e/any", #"[{"name":"test/double"},{"data":{}}]"#)
            #expect(answer.status == 400)
            #expect(answer.text == #"{"ids":[],"status":400,"error":"event 1: event name is empty"}"#)
            #expect(await server.node.inspect { $0.runCount } == 0)
            let runs = try await server.get("/api/runs")
            #expect(runs.text == #"{"data":[]}"#)
        }
    }

    @Test(arguments: [
        ("", 200, #"{"ids":[],"status":200}"#),
        ("[]", 200, #"{"ids":[],"status":200}"#),
        (#"{"data":{}}"#, 400, #"{"ids":[],"status":400,"error":"event name is empty"}"#),
        (
            #"{"name":"inngest/foo"}"#, 400,
            #"{"ids":[],"status":400,"error":"event name is reserved for internal use: inngest/foo"}"#
        ),
        (
            "7", 400,
            #"{"ids":[],"status":400,"error":"Request body must contain an event object or an array of event objects"}"#
        ),
        (
            #"{"name":"#, 400,
            #"{"ids":[],"status":400,"error":"the body is not JSON: line 1, column 9: the text ends where a JSON value should be"}"#
        ),
        (#"{"name":"a","ts":1}"#, 400, #"{"ids":[],"status":400,"error":"timestamp is before Jan 1, 1980"}"#),
    ])
    func `what is no event is refused with its reason`(body: String, status: Int, text: String) async throws {
        try await ServerHarness.run { server in
            let answer = try await server.post("/e/any", body)
            #expect(answer.status == status)
            #expect(answer.text == text)
        }
    }

    @Test func `forms are refused`() async throws {
        try await ServerHarness.run { server in
            let answer = try await server.request(
                "POST", "/e/any", "name=a", headers: "Content-Type: application/x-www-form-urlencoded\r\n")
            #expect(answer.status == 400)
        }
    }

    @Test func `more than 5000 events at once are refused`() async throws {
        try await ServerHarness.run { server in
            let events = Array(repeating: #"{"name":"a"}"#, count: 5_001).joined(separator: ",")
            let answer = try await server.post("/e/any", "[\(events)]")
            #expect(answer.status == 400)
            #expect(answer.string("error") == "Cannot have more than 5000 events in a batch")
        }
    }

    @Test func `a body over the limit is refused with the limit`() async throws {
        try await ServerHarness.run { server in
            let answer = try await server.post("/e/any", String(repeating: " ", count: (32 << 20) + 1))
            #expect(answer.status == 413)
            #expect(answer.string("error")?.contains("33554432") == true)
        }
    }
}
