import DaybookCore
import DaybookNode
import DaybookValues
import DaybookWire
import Testing

@testable import DaybookServer

/// What SDKs call back, over TCP.
struct CallbackTests {
    private static let open = ServerSettings()
    private static let nobody = "01ARZ3NDEKTSV4RRFFQ69G5FAV"

    @Test func `the state of a run that is none is refused with the reason`() async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            try await server.send(#"{"name":"test/double"}"#, awaiting: "run.completed")
            let finished = try #require(try await server.get("/api/runs").string("data.0.id"))
            for path in ["actions", "batch"] {
                let bad = try await server.outside("GET", "/v0/runs/zz/\(path)")
                #expect(bad.status == 400)
                #expect(bad.text == #"{"error":"The run ID specified is invalid","data":null,"status":400}"#)
                for run in [Self.nobody, finished] {
                    let gone = try await server.outside("GET", "/v0/runs/\(run)/\(path)")
                    #expect(gone.status == 410)
                    #expect(gone.string("error") == "runtime state is no longer available for runID: \(run)")
                    #expect(gone.json?.member("status")?.integer == 410)
                }
            }
        }
    }

    @Test(arguments: [
        (#"{"steps":[{"op":"Sleep","id":"a","opts":{"duration":"1s"}}]}"#, 400), ("zz", 400), ("[]", 400), ("", 400),
        (#"{"run_id":"01ARZ3NDEKTSV4RRFFQ69G5FA0","steps":[]}"#, 400), (#"{"steps":5}"#, 400),
    ])
    func `steps that cannot be reported are refused`(body: String, status: Int) async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            let answer = try await server.outside("POST", "/v1/checkpoint/\(Self.nobody)/async", body)
            #expect(answer.status == status)
            #expect(answer.json?.member("status")?.integer == 400)
            #expect(answer.json?.member("data") != nil)
            if body == "zz" { #expect(answer.string("error")?.hasPrefix("invalid request body: ") == true) }
        }
    }

    @Test func `steps of an unknown run are refused`() async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            let answer = try await server.outside(
                "POST", "/v1/checkpoint/\(Self.nobody)/async",
                #"{"run_id":"\#(Self.nobody)","steps":[{"op":"StepRun","id":"86f7e437faa5a7fce15d1ddcb9eaeaea377667b8","name":"a","data":1}]}"#
            )
            #expect(answer.status == 400)
            #expect(answer.string("error") == "run not found in state store")
            #expect(answer.string("data.run_id") == Self.nobody)
        }
    }

    @Test func `a signal that nobody waits for is not delivered`() async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            let answer = try await server.outside("POST", "/v1/signals", #"{"signal":"x","data":1}"#)
            #expect(answer.status == 404)
            #expect(answer.text == #"{"error":"No signal found","data":null,"status":404}"#)
            for body in ["zz", "{}", "[]", #"{"signal":""}"#, #"{"signal":5}"#, ""] {
                let bad = try await server.outside("POST", "/v1/signals", body)
                #expect(bad.status == 400)
                #expect(bad.string("error") == "Invalid signal data")
            }
        }
    }

    @Test func `events are listed newest first, those of the server left out`() async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            for number in 0..<5 { try await server.send(#"{"name":"test/n\#(number)","data":{"n":\#(number)}}"#) }
            try await server.send(#"{"name":"test/double","user":{"id":"u"},"v":"2"}"#, awaiting: "run.completed")
            let all = try await server.outside("GET", "/v1/events?limit=100")
            #expect(all.status == 200)
            let names = (0..<6).map { all.string("data.\($0).name") }
            #expect(names == ["test/double", "test/n4", "test/n3", "test/n2", "test/n1", "test/n0"])
            #expect(all.rows == 6)
            #expect(all.string("metadata.fetched_at").flatMap { Timestamp(rfc3339: $0) } != nil)
            #expect(all.string("data.0.account_id") == "00000000-0000-4000-a000-000000000000")
            #expect(all.string("data.0.environment_id") == "00000000-0000-4000-b000-000000000000")
            #expect(all.string("data.0.user.id") == "u")
            #expect(all.string("data.0.v") == "2")
            #expect(all.json?.at(path: "data.1.data.n")?.integer == 4)
            let third = try #require(all.string("data.2.internal_id"))
            let page = try await server.outside("GET", "/v1/events?limit=2&cursor=\(third)")
            #expect((0..<2).map { page.string("data.\($0).name") } == ["test/n2", "test/n1"])
            let named = try await server.outside("GET", "/v1/events?name=test/n1&limit=zz")
            #expect(named.rows == 1)
            let one = try await server.outside("GET", "/v1/events/\(third)")
            #expect(one.string("data.name") == "test/n3")
            #expect(one.string("data.id") == third)
            let received = try #require(one.string("data.received_at"))
            let before = try await server.outside("GET", "/v1/events?received_before=\(received)")
            #expect(before.rows <= 3)
            let none = try await server.outside("GET", "/v1/events?received_after=2100-01-01T00:00:00Z")
            #expect(none.text.hasPrefix(#"{"data":[],"#))
        }
    }

    @Test func `an event that is none has the status in the answer itself`() async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            let missing = try await server.outside("GET", "/v1/events/\(Self.nobody)")
            #expect(missing.status == 404)
            #expect(missing.text == #"{"error":"Event not found","data":null,"status":404}"#)
            let bad = try await server.outside("GET", "/v1/events/zz")
            #expect(bad.status == 400)
            #expect(bad.string("error") == "Invalid event ID: zz")
            #expect(try await server.outside("GET", "/v1/events?cursor=zz").status == 400)
        }
    }

    @Test func `a run says the same by itself and in the list of its event`() async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            try await server.send(#"{"name":"test/broken","id":"mine"}"#, awaiting: "run.failed")
            let event = try #require(try await server.outside("GET", "/v1/events").string("data.0.internal_id"))
            let list = try await server.outside("GET", "/v1/events/\(event)/runs")
            let id = try #require(list.string("data.0.run_id"))
            let run = try await server.outside("GET", "/v1/runs/\(id)")
            for member in ["status", "run_id", "function_id", "event_id", "ended_at", "run_started_at", "output"] {
                let here = run.json?.at(path: "data.\(member)")?.bytes
                #expect(here == list.json?.at(path: "data.0.\(member)")?.bytes, "\(member)")
            }
            #expect(run.string("data.status") == "Failed")
            #expect(run.string("data.event_id") == event)
            #expect(run.string("data.function_id") == WireUUID.function("test-broken"))
            #expect(run.string("data.output.message") == "it never works")
        }
    }

    @Test func `the run of a batch is among those of each of its events`() async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            let event = #"{"name":"test/digested"}"#
            try await server.send("[\(event),\(event),\(event)]", awaiting: "run.completed")
            let run = try #require(try await server.get("/api/runs").string("data.0.id"))
            let events = try await server.outside("GET", "/v1/events")
            #expect(events.rows == 3)
            for row in 0..<3 {
                let id = events.string("data.\(row).internal_id") ?? ""
                let runs = try await server.outside("GET", "/v1/events/\(id)/runs")
                #expect(runs.rows == 1)
                #expect(runs.string("data.0.run_id") == run)
                #expect(runs.string("data.0.status") == "Completed")
            }
        }
    }

    @Test func `a run is cancelled by its app, and again without harm`() async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            try await server.send(#"{"name":"test/nap"}"#, awaiting: "sleep.started")
            let id = try #require(try await server.get("/api/runs").string("data.0.id"))
            let jobs = try await server.outside("GET", "/v1/runs/\(id)/jobs")
            #expect(jobs.string("data.0.kind") == "sleep" || jobs.string("data.1.kind") == "sleep")
            for _ in 0..<2 {
                let answer = try await server.outside("DELETE", "/v1/runs/\(id)")
                #expect(answer.status == 200)
                #expect(answer.text.isEmpty)
            }
            #expect(try await server.outside("GET", "/v1/runs/\(id)").string("data.status") == "Cancelled")
            #expect(try await server.outside("DELETE", "/v1/runs/\(Self.nobody)").status == 404)
            #expect(try await server.outside("DELETE", "/v1/runs/zz").status == 400)
            #expect(try await server.outside("DELETE", "/v0/runs/\(id)").status == 409)
            #expect(try await server.outside("DELETE", "/v0/runs/\(Self.nobody)").status == 404)
            try await server.send(#"{"name":"test/nap"}"#, awaiting: "sleep.started")
            let second = try #require(try await server.get("/api/runs").string("data.0.id"))
            #expect(try await server.outside("DELETE", "/v0/runs/\(second)").status == 204)
        }
    }

    @Test func `the functions of an app stand in an array of their own`() async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            let list = try await server.outside("GET", "/v1/apps/test/functions")
            #expect(list.json?.element(0)?.member("slug")?.string == "test-double")
            #expect(list.json?.element(0)?.member("id")?.string == WireUUID.function("test-double"))
            #expect(try await server.outside("GET", "/v1/apps/lost/functions").text == "[]")
        }
    }

    @Test func `runs of a span of time are cancelled together`() async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            try await server.send(
                #"[{"name":"test/nap","data":{"n":1}},{"name":"test/nap","data":{"n":2}}]"#, awaiting: "sleep.started",
                count: 2)
            let before = Timestamp(milliseconds: server.api.now.milliseconds + 1_000).rfc3339
            let answer = try await server.outside(
                "POST", "/v1/cancellations",
                #"{"app_id":"test","function_id":"nap","started_before":"\#(before)","if":"event.data.n == 1"}"#)
            #expect(answer.status == 200)
            let id = try #require(answer.string("data.id"))
            let ids = try await server.get("/api/runs?function=nap")
            let runs = [ids.string("data.0.id") ?? "", ids.string("data.1.id") ?? ""]
            let ended = try await server.get("/api/runs/\(runs[1])?wait=60s").string("data.status")
            let other = try await server.get("/api/runs/\(runs[0])").string("data.status")
            // Both have the same time; either may come first.
            if ended == "running" {
                #expect(other == "cancelled")
            } else {
                #expect(ended == "cancelled")
                #expect(other == "running")
            }
            #expect(try await server.outside("GET", "/v1/cancellations").string("data.0.id") == id)
            #expect(try await server.outside("DELETE", "/v1/cancellations/\(id)").status == 200)
            #expect(try await server.outside("DELETE", "/v1/cancellations/zz").status == 404)
        }
    }

    @Test func `a bulk cancellation says all that is wrong with it`() async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            let empty = try await server.outside("POST", "/v1/cancellations", "{}")
            #expect(empty.status == 400)
            #expect(
                empty.string("error")
                    == "app_id is required\nfunction_id is required\nstarted_before is required")
            let future = try await server.outside(
                "POST", "/v1/cancellations",
                #"{"app_id":"test","function_id":"nap","started_before":"2100-01-01T00:00:00Z","started_after":"2101-01-01T00:00:00Z"}"#
            )
            #expect(
                future.string("error")
                    == "started_before must be in the past\nstarted_after must be before started_before")
            let condition = try await server.outside(
                "POST", "/v1/cancellations",
                #"{"app_id":"test","function_id":"nap","started_before":"2020-01-01T00:00:00Z","if":"event.data.n =="}"#
            )
            #expect(condition.status == 400)
            let unknown = try await server.outside(
                "POST", "/v1/cancellations",
                #"{"app_id":"test","function_id":"lost","started_before":"2020-01-01T00:00:00Z"}"#)
            #expect(unknown.status == 404)
        }
    }

    @Test func `facts about steps are checked and dropped`() async throws {
        try await ServerHarness.run(settings: Self.open) { server in
            let path = "/v1/runs/\(Self.nobody)/metadata"
            let good = #"{"target":{"run_id":"x"},"metadata":[{"kind":"inngest.ai","op":"merge","values":{}}]}"#
            #expect(try await server.outside("POST", path, good).status == 200)
            let bad = try await server.outside("POST", path, #"{"metadata":[]}"#)
            #expect(bad.status == 400)
            #expect(bad.string("error") == "Invalid metadata target")
            let reserved = #"{"target":{},"metadata":[{"kind":"inngest.mine"}]}"#
            #expect(try await server.outside("POST", path, reserved).status == 403)
            let large = #"{"target":{},"metadata":[{"kind":"a","values":"\#(String(repeating: "x", count: 70_000))"}]}"#
            #expect(try await server.outside("POST", path, large).status == 413)
            #expect(try await server.outside("POST", "/v1/traces/userland", "anything").status == 200)
            #expect(try await server.outside("POST", "/v0/telemetry", "anything").status == 200)
            let zipped = try await server.outside(
                "POST", "/v1/traces/userland", [0x1F, 0x8B, 8], headers: "Content-Encoding: gzip\r\n")
            #expect(zipped.status == 200)
            let flood = try await server.outside("POST", "/v0/telemetry", String(repeating: "x", count: 5 << 20))
            #expect(flood.status == 413)
        }
    }
}
