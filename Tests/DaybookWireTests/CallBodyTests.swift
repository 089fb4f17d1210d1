import DaybookValues
import DaybookWire
import Testing

struct CallBodyTests {
    static let a = "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"

    @Test func `a first call holds the event and no steps`() {
        let request = callRequest()
        let body = CallCoding.body(of: request)
        let call = request.callID.text
        let item = "MDFIRjdZQVQwMDAwM0cwMDAwMDAwMDAwMDI6OmRheWJvb2s="
        let event = #"{"data":{},"id":"e1","name":"shop/paid","ts":1700000000000,"user":{}}"#
        let expected =
            #"{"ctx":{"attempt":0,"disable_immediate_execution":false,"env":"","fn_id":""#
            + WireUUID.function("shop-charge") + #"","generation_id":1,"job_id":""# + call
            + #"","max_attempts":5,"qi_id":""# + item + #"","request_id":""# + call + #"","run_id":""#
            + request.run.text
            + #"","stack":{"current":0,"stack":[]},"step_id":"step","use_api":false},"defers":{},"event":"# + event
            + #","events":["# + event + #"],"steps":{},"use_api":false,"version":-1}"#
        #expect(text(body.bytes) == expected)
        #expect(!body.usesAPI)
    }

    @Test func `bytes on the wire are canonical whatever the parts looked like`() throws {
        let request = callRequest(
            attempt: 2, forcesPlan: true, version: 2,
            input: #"[{"v":"1","ts":1,"id":"é","user":{"b":1.0,"a":2},"name":"x","other":1},{"name":"y"}]"#,
            isBatch: true,
            steps: [
                CallRequest.Step(wireID: "ff", memo: Array(#"{"data": {"z":1e0,"y":[]}}"#.utf8)),
                CallRequest.Step(wireID: Self.a, memo: Array(#"{"data":1}"#.utf8), isCanonical: true),
                CallRequest.Step(wireID: "0", memo: Array("null".utf8)),
            ],
            deferred: [
                CallRequest.Deferred(wireID: "d2"), CallRequest.Deferred(wireID: "d1", isAbortable: false),
            ])
        let bytes = CallCoding.body(of: request).bytes
        #expect(try CanonicalJSON.encode(bytes) == bytes)
        let body = try #require(JSONView(bytes))
        #expect(
            body.at(path: "steps")?.slice.elementsEqual(
                #"{"0":null,"86f7e437faa5a7fce15d1ddcb9eaeaea377667b8":{"data":1},"ff":{"data":{"y":[],"z":1}}}"#.utf8)
                == true)
        #expect(
            text(body.at(path: "ctx.stack")?.bytes ?? [])
                == #"{"current":3,"stack":["ff","86f7e437faa5a7fce15d1ddcb9eaeaea377667b8","0"]}"#)
        #expect(
            text(body.at(path: "event")?.bytes ?? [])
                == #"{"data":{},"id":"é","name":"x","ts":1,"user":{"a":2,"b":1},"v":"1"}"#)
        #expect(
            text(body.at(path: "events.1")?.bytes ?? [])
                == #"{"data":{},"id":"01HF7YAT000000000000000001","name":"y","ts":1700000000000,"user":{}}"#)
        #expect(text(body.at(path: "defers")?.bytes ?? []) == #"{"d1":{"abortable":false},"d2":{"abortable":true}}"#)
        #expect(body.at(path: "version")?.integer == 2)
        #expect(body.at(path: "ctx.disable_immediate_execution")?.bool == true)
        #expect(body.at(path: "ctx.attempt")?.integer == 2)
    }

    @Test func `only sessions of an event's meta are passed on`() {
        let events = WireEvents(
            input: Array(#"{"name":"a","meta":{"sessions":{"b":"2","a":"1"},"propagated_sessions":{}}}"#.utf8),
            isBatch: false, run: ULID(high: 0, low: 0))
        #expect(text(events.first).contains(#","meta":{"sessions":{"a":"1","b":"2"}},"name":"a","#))
    }

    @Test(arguments: ["", "null", "5", "[]", "{", #"{"name":7,"data":[],"user":"u","id":3,"ts":"x","v":1}"#])
    func `every call has an event with its five members`(input: String) throws {
        for isBatch in [false, true] {
            let body = CallCoding.body(of: callRequest(input: input, isBatch: isBatch))
            let view = try #require(JSONView(body.bytes))
            let event = text(view.at(path: "event")?.bytes ?? [])
            #expect(event == #"{"data":{},"id":"01HF7YAT000000000000000001","name":"","ts":1700000000000,"user":{}}"#)
            #expect(text(view.at(path: "events")?.bytes ?? []) == "[\(event)]")
        }
    }

    @Test func `events made ready once give the same bytes`() {
        var request = callRequest(input: #"[{"name":"a"},{"name":"b"}]"#, isBatch: true)
        let fresh = CallCoding.body(of: request).bytes
        request.events = WireEvents(input: request.input, isBatch: true, run: request.run)
        request.input = []
        #expect(CallCoding.body(of: request).bytes == fresh)
    }

    @Test func `a new input of a step is not in the stack`() throws {
        let request = callRequest(steps: [
            CallRequest.Step(wireID: "a", memo: Array(#"{"data":1}"#.utf8)),
            CallRequest.Step(wireID: "b", memo: Array(#"{"input":[1]}"#.utf8), isInput: true),
        ])
        let body = try #require(JSONView(CallCoding.body(of: request).bytes))
        #expect(text(body.at(path: "ctx.stack")?.bytes ?? []) == #"{"current":1,"stack":["a"]}"#)
        #expect(text(body.at(path: "steps")?.bytes ?? []) == #"{"a":{"data":1},"b":{"input":[1]}}"#)
    }

    @Test func `of two results of a step the first counts`() {
        let steps = [
            CallRequest.Step(wireID: "b", memo: Array("1".utf8)), CallRequest.Step(wireID: "a", memo: Array("2".utf8)),
            CallRequest.Step(wireID: "b", memo: Array("3".utf8)),
        ]
        #expect(text(CallCoding.steps(steps)) == #"{"a":2,"b":1}"#)
    }

    @Test func `ids outside the basic plane are in the order of their UTF-16 units`() throws {
        let steps = ["\u{FB33}", "\u{1F600}", "z", "\""].map { CallRequest.Step(wireID: $0, memo: Array("1".utf8)) }
        let bytes = CallCoding.steps(steps)
        #expect(try CanonicalJSON.encode(bytes) == bytes)
    }

    // MARK: - Large state

    private static func step(_ wireID: String, bytes: Int) -> CallRequest.Step {
        CallRequest.Step(
            wireID: wireID, memo: Array("\"\(String(repeating: "x", count: bytes - 2))\"".utf8), isCanonical: true)
    }

    @Test(arguments: [(4 * 1_048_576 - 1_024, false), (4 * 1_048_576 - 1_023, true)])
    func `steps are left out above 4 MiB less 1,024 bytes of state`(stateBytes: Int, usesAPI: Bool) throws {
        var request = callRequest(input: #"{"name":"a"}"#)
        request.events = WireEvents(input: request.input, isBatch: false, run: request.run)
        let eventBytes = request.events?.array.count ?? 0
        request.steps = [Self.step("a", bytes: stateBytes - eventBytes)]
        let body = CallCoding.body(of: request)
        #expect(body.usesAPI == usesAPI)
        let view = try #require(JSONView(body.bytes))
        #expect(view.at(path: "use_api")?.bool == usesAPI)
        #expect(view.at(path: "ctx.use_api")?.bool == usesAPI)
        #expect((view.at(path: "steps.a") == nil) == usesAPI)
        #expect(view.at(path: "events.0") != nil)
        #expect(view.at(path: "ctx.stack.stack.0")?.string == "a")
        #expect(body.bytes.count <= CallCoding.bodyBytesMax)
    }

    @Test func `events are left out too when the body is still above 4 MiB`() throws {
        let big = String(repeating: "x", count: 2_500_000)
        let body = CallCoding.body(
            of: callRequest(input: #"[{"name":"a","data":{"x":"\#(big)"}},{"name":"b"}]"#, isBatch: true))
        #expect(body.usesAPI)
        let view = try #require(JSONView(body.bytes))
        #expect(text(view.at(path: "events")?.bytes ?? []) == "[]")
        #expect(view.at(path: "event.data.x")?.string?.utf8.count == big.utf8.count)
    }

    @Test(arguments: ["go:v0.15.1", "inngest-go:v0.15.1"])
    func `an SDK in Go gets all of a large state, for it could not fetch it`(sdk: String) {
        let request = callRequest(steps: [Self.step("a", bytes: 6_000_000)], sdk: sdk)
        #expect(!CallCoding.body(of: request).usesAPI)
    }
}
