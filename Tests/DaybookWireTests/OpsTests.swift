import DaybookValues
import DaybookWire
import Testing

private func decode(_ body: String) -> [WireOp]? { try? Ops.decode(Array(body.utf8)).get() }

private func failureMessage(_ body: some Collection<UInt8>) -> String? {
    guard case .failure(let failure) = Ops.decode(Array(body)) else { return nil }
    return JSONView(failure.error)?.member("message")?.string
}

private func op(_ code: String, _ members: String = "", id: String = "x") -> String {
    #"{"op":"\#(code)","id":"\#(id)"\#(members.isEmpty ? "" : ",")\#(members)}"#
}

extension WireOp {
    /// The kind and what it holds, for comparing.
    fileprivate var shown: String {
        switch kind {
        case .stepRun(let data): "stepRun \(text(data))"
        case .step(let data): "step \(text(data))"
        case .stepError(let error): "stepError \(text(error))"
        case .stepFailed(let error): "stepFailed \(text(error))"
        case .stepPlanned: "stepPlanned"
        case .sleep(let text): "sleep '\(text)'"
        case .waitForEvent(let event, let timeout, let condition):
            "waitForEvent \(event) '\(timeout)' if \(condition ?? "-")"
        case .waitForSignal(let signal, let timeout, let replaces): "waitForSignal \(signal) '\(timeout)' \(replaces)"
        case .invoke(let function, let data, let user, let version, let timeout):
            "invoke \(function) \(text(data)) \(text(user ?? [45])) \(version ?? "-") '\(timeout)'"
        case .gateway(let request):
            "\(request.method) \(request.url) \(request.headers.map { "\($0.name)=\($0.value)" }) \(text(request.body))"
        case .aiGateway(let request):
            "AI \(request.url) \(request.authKey) \(request.format) "
                + "\(request.headers.map { "\($0.name)=\($0.value)" }) \(text(request.body))"
        case .runComplete(let data): "runComplete \(text(data))"
        case .discoveryRequest: "discoveryRequest"
        case .deferAdd(let function, let input): "deferAdd \(function) \(text(input))"
        case .deferAbort(let target): "deferAbort \(target)"
        case .none: "none"
        case .malformed(let malformed):
            "malformed \(malformed.isIgnored ? "ignored" : malformed.failsStep ? "step" : "run") "
                + "\(malformed.name): \(malformed.message)"
        }
    }
}

struct OpsTests {
    // MARK: - Bodies

    @Test func `an array of ops is read in its order`() {
        let ops = decode("[\(op("StepRun", #""data":1"#, id: "a")), \(op("Sleep", #""name":"1s""#, id: "b"))]")
        #expect(ops?.map(\.wireID) == ["a", "b"])
        #expect(ops?.map(\.shown) == ["stepRun 1", "sleep '1s'"])
    }

    @Test func `one op alone is an array of one`() {
        #expect(decode(" " + op("StepRun", #""data":1"#) + "\n")?.map(\.shown) == ["stepRun 1"])
    }

    @Test func `no ops are no failure`() {
        #expect(decode("[]")?.isEmpty == true)
    }

    @Test(arguments: [
        ("", "no response data"), (" \n", "no response data"), ("null", "no response data"),
        ("zz", "error reading generator opcode response: "), ("[", "error reading generator opcode response: "),
        ("5", "error reading generator opcode response: ops are an array or an object, not a number"),
        ("[null]", "error reading generator opcode response: an op is an object, not null"),
        ("[[]]", "error reading generator opcode response: an op is an object, not an array"),
        (
            "[{\"op\":\"StepRun\",\"id\":\"a\"},null]",
            "error reading generator opcode response: an op is an object, not null"
        ),
        (#"[{"op":"Wat","id":"x"}]"#, "error reading generator opcode response: Wat does not belong to Opcode values"),
        (
            #"[{"op":"StepNotFound","id":"x"}]"#,
            "error reading generator opcode response: StepNotFound does not belong to Opcode values"
        ),
        (#"{"op":"STEPRUN","id":"x"}"#, "error reading generator opcode response: STEPRUN does not belong"),
        ("{}", "error reading generator opcode response:  does not belong to Opcode values"),
        (#"{"op":5}"#, "error reading generator opcode response: 'op' of an op must be a string, not a number"),
        (
            #"{"op":"StepRun","id":1}"#,
            "error reading generator opcode response: 'id' of an op must be a string, not a number"
        ),
        (#"{"op":"StepRun"}"#, "error reading generator opcode response: StepRun needs the id of its step"),
        (
            #"{"op":"StepError","id":"x","displayName":"pay"}"#,
            "error validating generator opcode pay: a step error needs its error"
        ),
        (
            #"{"op":"StepError","id":"x","error":null}"#,
            "error validating generator opcode x: a step error needs its error"
        ),
        (
            #"{"op":"StepError","id":"x","error":[]}"#,
            "error validating generator opcode x: a step's error must be an object, not an array"
        ),
    ])
    func `ops that cannot be read are a failed attempt`(body: String, message: String) {
        #expect(failureMessage(body.utf8)?.hasPrefix(message) == true)
        let outcome = CallCoding.outcome(
            status: 206, headers: [("x-inngest-sdk", "x-y:v1")], body: Array(body.utf8), now: now)
        #expect(outcome.failure?.isRetriable == true)
        #expect(JSONView(outcome.failure?.output ?? [])?.at(path: "error.message")?.string?.hasPrefix(message) == true)
        let final = CallCoding.outcome(
            status: 206, headers: [("x-inngest-sdk", "x-y:v1"), ("x-inngest-no-retry", "true")],
            body: Array(body.utf8), now: now)
        #expect(final.failure?.isRetriable == false)
    }

    @Test func `brackets without end and bytes that are no text fail and nothing more`() {
        #expect(failureMessage([UInt8](repeating: UInt8(ascii: "["), count: 1_000_000)) != nil)
        #expect(failureMessage([UInt8](repeating: UInt8(ascii: "{"), count: 1_000)) != nil)
        #expect(failureMessage([0xFF, 0xFE, 0x00]) != nil)
        for length in 0..<200 {
            let whole = Array(
                "[\(op("InvokeFunction", #""opts":{"payload":{"data":{"a":"\u00e9"}},"timeout":"1h"}"#))]".utf8)
            if length < whole.count { #expect(failureMessage(whole[..<length]) != nil) }
        }
    }

    @Test func `one op more than allowed is read and the rest is not`() {
        let many = "[" + Array(repeating: op("None"), count: 5_000).joined(separator: ",") + "]"
        #expect(decode(many)?.count == Ops.countMax + 1)
    }

    // MARK: - Ids and names

    @Test(arguments: [
        (#""userland":{"id":"a","index":null}"#, StepID.hash("a"), "a"),
        (#""userland":{"id":"a","index":2},"displayName":"a""#, StepID.hash("a:2"), "a:2"),
        (#""displayName":"a""#, StepID.hash("a"), "a"),
        (#""name":"a""#, StepID.hash("a"), "a"),
        (#""name":"a","displayName":"b","userland":null"#, "123", "#123"),
    ])
    func `the step is named as its author named it`(members: String, id: String, key: String) {
        #expect(decode(op("StepPlanned", members, id: id))?.first?.key == key)
        #expect(decode(op("StepPlanned", members, id: id))?.first?.wireID == id)
    }

    @Test func `a race is told by its branches`() {
        #expect(decode(op("StepPlanned", #""opts":{"parallelMode":"race"}"#))?.first?.isRace == true)
        #expect(decode(op("StepPlanned", #""opts":{"parallelMode":null}"#))?.first?.isRace == false)
        #expect(decode(op("StepPlanned", #""opts":null"#))?.first?.isRace == false)
    }

    @Test(arguments: [
        "None", "Step", "StepRun", "StepFailed", "StepPlanned", "Sleep", "WaitForEvent", "WaitForSignal",
        "InvokeFunction",
        "Gateway", "AIGateway", "RunComplete", "SyncRunComplete", "DiscoveryRequest", "DeferAdd", "DeferAbort",
    ])
    func `ops are known as they are and in lower case`(code: String) {
        #expect(decode(op(code))?.count == 1)
        #expect(decode(op(code.lowercased()))?.first?.shown == decode(op(code))?.first?.shown)
    }

    // MARK: - Kinds

    @Test(
        arguments: [
            (op("StepRun", #""data":{"b":1.0,"a":[]}"#), #"stepRun {"a":[],"b":1}"#),
            (op("StepRun"), "stepRun null"), (op("StepRun", #""data":null"#), "stepRun null"),
            (op("Step", #""data":5"#), "step 5"),
            (op("Step", #""data":{"data":5}"#), #"step {"data":5}"#),
            (op("StepPlanned"), "stepPlanned"), (op("DiscoveryRequest"), "discoveryRequest"), (op("None"), "none"),
            (#"{"op":"None"}"#, "none"), (#"{"op":"DiscoveryRequest"}"#, "discoveryRequest"),
            // Errors
            (
                op(
                    "StepError",
                    #""error":{"stack":"s","name":"E","message":"m","data":{"b":1,"a":2},"cause":{"name":"C"},"noRetry":true,"#
                        + #""code":"c","__serialized":true}"#),
                #"stepError {"cause":{"name":"C"},"data":{"a":2,"b":1},"message":"m","name":"E","noRetry":true,"stack":"s"}"#
            ),
            (
                op("StepError", #""error":{"name":"E","message":"m","stack":null,"cause":null,"data":null}"#),
                #"stepError {"data":null,"message":"m","name":"E"}"#
            ),
            (op("StepError", #""error":{}"#), #"stepError {"message":"","name":"Error"}"#),
            (op("StepError", #""error":{"message":5,"name":5}"#), #"stepError {"message":"5","name":"Error"}"#),
            (op("StepError", #""error":"text""#), #"stepError {"message":"text","name":"Error"}"#),
            (op("StepFailed", #""error":{"name":"E","message":"m"}"#), #"stepFailed {"message":"m","name":"E"}"#),
            (op("StepFailed"), "stepFailed null"), (op("StepFailed", #""error":null"#), "stepFailed null"),
            // Sleeps
            (op("Sleep", #""name":"1s""#), "sleep '1s'"),
            (op("Sleep", #""opts":{"duration":"1h0m0s"},"name":"nap""#), "sleep '1h0m0s'"),
            (op("Sleep", #""opts":{"duration":""},"name":"2s""#), "sleep '2s'"),
            (op("Sleep", #""opts":null"#), "sleep ''"), (op("Sleep", #""opts":"x","name":"1s""#), "sleep '1s'"),
            (
                op("Sleep", #""opts":{"duration":5},"displayName":"nap""#),
                "malformed run Error: the duration of sleep 'nap' must be a string, not a number"
            ),
            // Waits
            (
                op("WaitForEvent", #""name":"a/b","opts":{"timeout":"1h","if":"async.data.x == 1"}"#),
                "waitForEvent a/b '1h' if async.data.x == 1"
            ),
            (op("WaitForEvent", #""name":"wait","opts":{"event":"a/b","timeout":null}"#), "waitForEvent a/b '' if -"),
            (op("WaitForEvent", #""name":"a/b","opts":{"if":"","timeout":"1s"}"#), "waitForEvent a/b '1s' if -"),
            (op("WaitForEvent", #""name":"a/b""#), "waitForEvent a/b '' if -"),
            (op("WaitForEvent"), "malformed run Error: wait 'x' does not name the event it waits for"),
            (
                op("WaitForEvent", #""name":"e","opts":{"timeout":5}"#),
                "malformed run Error: 'timeout' of wait 'e' must be a string, not a number"
            ),
            (op("WaitForSignal", #""opts":{"signal":"s","timeout":"1h"}"#), "waitForSignal s '1h' false"),
            (op("WaitForSignal", #""opts":{"signal":"s","conflict":"fail"}"#), "waitForSignal s '' false"),
            (op("WaitForSignal", #""opts":{"signal":"s","conflict":"replace"}"#), "waitForSignal s '' true"),
            (op("WaitForSignal"), "malformed run Error: wait 'x' does not name the signal it waits for"),
            (
                op("WaitForSignal", #""opts":{"signal":"s","timeout":[]}"#),
                "malformed run Error: the timeout of wait 'x' must be a string, not an array"
            ),
            // Invocations
            (
                op(
                    "InvokeFunction",
                    #""opts":{"function_id":"a-f","payload":{"data":{"b":1,"a":2},"user":{"id":1},"v":"2"},"timeout":"1h"}"#
                ),
                #"invoke a-f {"a":2,"b":1} {"id":1} 2 '1h'"#
            ),
            (op("InvokeFunction", #""opts":{"function_id":"a-f"}"#), "invoke a-f {} - - ''"),
            (
                op("InvokeFunction", #""opts":{"function_id":"a-f","payload":{"data":null,"v":null},"timeout":""}"#),
                "invoke a-f {} - - ''"
            ),
            (op("InvokeFunction"), "invoke  {} - - ''"),
            (
                op("InvokeFunction", #""opts":{"payload":[]}"#),
                "malformed step Error: the payload of an invocation must be an object, not an array"
            ),
            (
                op("InvokeFunction", #""opts":{"payload":{"data":5}}"#),
                "malformed step Error: the data of an invocation must be an object, not a number"
            ),
            (
                op("InvokeFunction", #""opts":{"timeout":60}"#),
                "malformed step Error: the timeout of an invocation must be a string, not a number"
            ),
            // Requests in the function's place
            (
                op(
                    "Gateway",
                    #""opts":{"url":"http://x","method":"get","headers":{"A":"1","b":"2"},"body":"{\"a\": 1}"}"#),
                #"GET http://x ["A=1", "b=2"] {"a": 1}"#
            ),
            (op("Gateway", #""opts":{"url":"http://x","body":"plain","headers":null}"#), "POST http://x [] plain"),
            (op("Gateway", #""opts":{"url":"http://x","body":null,"method":""}"#), "POST http://x [] "),
            (op("Gateway"), "malformed step GatewayError: Error making gateway request: opts.url is missing"),
            (
                op("Gateway", #""opts":{"url":"http://x","body":{}}"#),
                "malformed step GatewayError: Error making gateway request: opts.body must be a string, not an object"
            ),
            (
                op("Gateway", #""opts":{"url":"http://x","headers":{"a":["b"]}}"#),
                "malformed step GatewayError: Error making gateway request: opts.headers must be an object of strings"
            ),
            (
                op("Gateway", #""opts":{"url":"http://x","headers":[]}"#),
                "malformed step GatewayError: Error making gateway request: opts.headers must be an object of strings"
            ),
            (
                op("Gateway", #""opts":{"url":"http://x","method":1}"#),
                "malformed step GatewayError: Error making gateway request: opts.method must be a string, not a number"
            ),
            (
                op(
                    "AIGateway",
                    #""opts":{"type":"step.ai.infer","url":"http://x","auth_key":"K","format":"openai-chat","#
                        + #""headers":{"h":"1"},"body":{"model": "m", "a": 1}}"#),
                #"AI http://x K openai-chat ["h=1"] {"model":"m","a":1}"#
            ),
            (op("AIGateway"), "malformed step AIGatewayError: Error making AI request: opts.url is missing"),
            (
                op("AIGateway", #""opts":{"url":"http://x"}"#),
                "malformed step AIGatewayError: Error making AI request: opts.body is missing"
            ),
            // Ends
            (
                op("RunComplete", #""data":{"b":12345678901234567890, "a":1.0}"#),
                #"runComplete {"b":12345678901234567890,"a":1.0}"#
            ),
            (op("RunComplete", #""data":"{\"a\":1}""#), #"runComplete "{\"a\":1}""#),
            (#"{"op":"RunComplete"}"#, "runComplete null"),
            (op("SyncRunComplete", #""data":{"data":{"status":200}}"#), #"runComplete {"status":200}"#),
            (op("SyncRunComplete"), "runComplete null"),
            // Defers
            (
                op("DeferAdd", #""opts":{"fn_slug":"a-f","input":{"b":1,"a":2},"meta":{}}"#),
                #"deferAdd a-f {"a":2,"b":1}"#
            ),
            (op("DeferAdd", #""opts":{"fn_slug":"a-f"}"#), "deferAdd a-f {}"),
            (op("DeferAbort", #""opts":{"target_hashed_id":"abc"}"#), "deferAbort abc"),
            (op("DeferAdd"), "malformed ignored Error: defer 'x' does not name its function and is left out"),
            (
                op("DeferAdd", #""opts":{"fn_slug":"a-f","input":5}"#),
                "malformed ignored Error: the input of defer 'x' must be an object, not a number; it is left out"
            ),
            (
                op("DeferAbort"),
                "malformed ignored Error: an op to abort a defer does not name the defer and is left out"
            ),
        ] as [(String, String)])
    func `an op says what it wants`(body: String, shown: String) {
        #expect(decode(body)?.map(\.shown) == [shown])
    }

    @Test func `defers do not count among parallel steps`() {
        let ops = decode(
            "[\(op("DeferAdd", #""opts":{"fn_slug":"f"}"#)),\(op("DeferAdd")),"
                + "\(op("DeferAbort", #""opts":{"target_hashed_id":"a"}"#)),\(op("StepPlanned")),\(op("Gateway"))]")
        #expect(ops?.map(\.isLazy) == [true, true, true, false, false])
    }

    // MARK: - Sizes

    @Test func `a step's output may have 4 MiB and no byte more`() {
        let most = String(repeating: "x", count: Ops.outputBytesMax - 2)
        #expect(decode(op("StepRun", #""data":"\#(most)""#))?.count == 1)
        let body = op("StepRun", #""data":"\#(most)x","name":"s""#)
        #expect(
            failureMessage(body.utf8)
                == "error validating generator opcode s: step output size is greater than the limit")
        let view = JSONView(Array(body.utf8))
        #expect {
            _ = try view.map { (value) throws(OpsError) in try Ops.decode(ops: value) }
        } throws: { ($0 as? OpsError)?.isTooLarge == true }
    }
}
