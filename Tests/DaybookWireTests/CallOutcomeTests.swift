import DaybookValues
import DaybookWire
import Testing

/// What an answer means; it comes from a Python SDK unless a test says otherwise.
private func outcome(
    _ status: Int, _ body: String, headers: [(String, String)] = [], sdk: String? = "inngest-py:v0.5.18"
) -> CallOutcome {
    let all = (sdk.map { [("X-Inngest-SDK", $0)] } ?? []) + headers
    return CallCoding.outcome(status: status, headers: all, body: Array(body.utf8), now: now)
}

extension CallOutcome {
    var returned: String? { if case .returned(let value) = result { text(value) } else { nil } }
    var failure: CallFailure? { if case .failed(let failure) = result { failure } else { nil } }
    var ops: [WireOp]? { if case .ops(let ops) = result { ops } else { nil } }
}

extension CallFailure {
    var errorText: String { text(error) }
    var outputText: String { text(output) }
    var message: String? { JSONView(error)?.member("message")?.string }
}

struct ResultTests {
    @Test(arguments: [
        (#"{"a":1}"#, #"{"a":1}"#),
        (" [1, 2]\n", "[1,2]"),
        ("5", "5"), ("null", "null"), ("true", "true"),
        (#"{"b":12345678901234567890,"a":1.0}"#, #"{"b":12345678901234567890,"a":1.0}"#),
        (#""just text""#, #""just text""#),
        (#""{\"a\":1}""#, #"{"a":1}"#),
        (#""[1]""#, #""[1]""#),
        (#""{broken""#, #""{broken""#),
        ("hello", #""hello""#),
        ("<p>\"x\"\n</p>", #""<p>\"x\"\n</p>""#),
        ("", "null"), ("\n", "null"),
    ])
    func `the body of a 2xx is the function's result`(body: String, result: String) {
        for status in [200, 202, 204, 299] {
            let outcome = outcome(status, body)
            #expect(outcome.returned == result)
            #expect(outcome.sdk == "inngest-py:v0.5.18")
        }
    }

    @Test func `bytes that are not UTF-8 become text that is`() {
        let outcome = CallCoding.outcome(
            status: 200, headers: [("x-inngest-sdk", "x-y:v1")], body: [0xFF, UInt8(ascii: "a")], now: now)
        #expect(outcome.returned == "\"\u{FFFD}a\"")
    }

    @Test func `a 2xx that forbids a retry is a failure without retry`() {
        let outcome = outcome(
            200, #"{"name":"Boom","message":"no","stack":"s"}"#, headers: [("x-inngest-no-retry", "true")])
        #expect(outcome.noRetry)
        #expect(outcome.failure?.isRetriable == false)
        #expect(
            outcome.failure?.errorText
                == #"{"error":"NonRetriableError","message":"no","name":"Boom","stack":"s"}"#)
    }

    @Test(arguments: [200, 201, 204, 206])
    func `a success without the SDK's header is not believed`(status: Int) {
        let body = status == 201 ? #"{"status":200,"body":{"b":1,"a":2}}"# : #"{"b":1,"a":2}"#
        for sdk in [nil, ""] {
            let failure = outcome(status, body, sdk: sdk).failure
            #expect(failure?.message == "The response did not come from an Inngest SDK")
            #expect(
                failure?.errorText
                    == #"{"error":"not_sdk: The response did not come from an Inngest SDK","message":"The response "#
                    + #"did not come from an Inngest SDK","name":"not_sdk"}"#)
            #expect(failure?.outputText == #"{"a":2,"b":1}"#)
            #expect(failure?.isRetriable == true)
        }
    }

    @Test(arguments: [("1", 1), ("2", 2), ("0", nil), ("3", nil), ("-1", nil), ("x", nil)] as [(String, Int?)])
    func `the request version is 1 or 2`(header: String, version: Int?) {
        #expect(outcome(206, "[]", headers: [("X-INNGEST-REQ-VERSION", header)]).version == version)
    }

    @Test func `names of headers are read in any case and the last of one name counts`() {
        let outcome = outcome(
            500, "", headers: [("X-Inngest-No-Retry", "false"), ("x-iNNgest-no-retry", "true")], sdk: "go:v1")
        #expect(outcome.noRetry)
        #expect(outcome.sdk == "go:v1")
    }
}

struct FailedAttemptTests {
    @Test(arguments: [400, 401, 404, 410, 500, 503, 302, 100, 600])
    func `a status that is no success is a failed attempt to be tried again`(status: Int) {
        let failure = outcome(status, #"{"name":"Boom","message":"bang"}"#).failure
        #expect(failure?.isRetriable == true)
        #expect(failure?.isUnreachable == false)
        #expect(
            failure?.errorText
                == #"{"error":"invalid status code: \#(status)","message":"bang","name":"Boom"}"#)
    }

    @Test(
        arguments: [
            // body, error without its short text, output
            (
                #"{"code":"c","message":"bang","name":"Boom","stack":null}"#, #""message":"bang","name":"Boom""#,
                #"{"code":"c","message":"bang","name":"Boom","stack":null}"#
            ),
            (
                #"{"stack":"at x","name":"Boom","message":"bang","cause":{"b":1,"a":2},"other":1}"#,
                #""message":"bang","name":"Boom","stack":"at x""#,
                #"{"cause":{"a":2,"b":1},"message":"bang","name":"Boom","other":1,"stack":"at x"}"#
            ),
            (#"{"message":"bang"}"#, #""message":"bang","name":"Error""#, #"{"message":"bang"}"#),
            (
                #"{"error":"Could not find step","requestedStep":"x"}"#,
                #""message":"Could not find step","name":"Error""#,
                #"{"error":"Could not find step","requestedStep":"x"}"#
            ),
            (
                #"{"message":{"a":1},"name":5}"#, #""message":"{\"a\":1}","name":"Error""#,
                #"{"message":{"a":1},"name":5}"#
            ),
            (#"{"x":1}"#, #""message":"invalid status code: 500","name":"Error""#, #"{"x":1}"#),
            (
                "error calling function: bang", #""message":"error calling function: bang","name":"Error""#,
                #""error calling function: bang""#
            ),
            (#""text""#, #""message":"text","name":"Error""#, #""text""#),
            (
                #""{\"name\":\"Boom\",\"message\":\"bang\"}""#, #""message":"bang","name":"Boom""#,
                #"{"message":"bang","name":"Boom"}"#
            ),
            ("[1]", #""message":"[1]","name":"Error""#, "[1]"),
            ("", #""message":"invalid status code: 500","name":"Error""#, #""invalid status code: 500""#),
        ] as [(String, String, String)])
    func `what the app said about a failure is kept`(body: String, error: String, output: String) throws {
        let failure = try #require(outcome(500, body).failure)
        let cause = body.contains("cause") ? #""cause":{"a":2,"b":1},"# : ""
        #expect(failure.errorText == #"{\#(cause)"error":"invalid status code: 500",\#(error)}"#)
        #expect(failure.outputText == output)
    }

    @Test(arguments: [("true", false), ("false", true), ("TRUE", true), ("1", true), ("", true)])
    func `only the header forbids a retry`(header: String, isRetriable: Bool) {
        for status in [400, 500] {
            let outcome = outcome(status, #"{"message":"m"}"#, headers: [("X-Inngest-No-Retry", header)])
            #expect(outcome.noRetry == !isRetriable)
            #expect(outcome.failure?.isRetriable == isRetriable)
            #expect(
                JSONView(outcome.failure?.error ?? [])?.member("error")?.string
                    == (isRetriable ? "invalid status code: \(status)" : "NonRetriableError"))
        }
    }

    @Test func `an empty failure that forbids a retry is still named by its status`() {
        let failure = outcome(400, "", headers: [("X-Inngest-No-Retry", "true")]).failure
        #expect(
            failure?.errorText
                == #"{"error":"NonRetriableError","message":"invalid status code: 400","name":"Error"}"#)
        #expect(failure?.outputText == #""invalid status code: 400""#)
    }

    @Test(arguments: [
        ("inngest-js:v1.10.0", 400, true), ("inngest-js:v1.10.1", 400, false), ("inngest-js:v1.9.9", 404, true),
        ("inngest-js:v1.9.9", 500, false), ("inngest-js:v2.0.0", 400, true), ("inngest-js:v2.4.0", 400, true),
        ("inngest-js:v2.4.1", 400, false), ("inngest-js:v4.18.1", 400, false), ("inngest-js:v0.9.0-beta.1", 400, true),
        ("inngest-py:v0.5.18", 400, false), ("inngest-js:v1", 400, false), ("js:vx.y.z", 400, true),
    ])
    func `4xx of the oldest JavaScript SDKs is final`(sdk: String, status: Int, isFinal: Bool) {
        #expect(outcome(status, "{}", sdk: sdk).failure?.isRetriable == !isFinal)
        #expect(
            outcome(status, "{}", headers: [("x-inngest-no-retry", "false")], sdk: sdk).failure?.isRetriable == true)
    }

    @Test func `a failure before the SDK could answer is told apart`() {
        let failure = outcome(
            502, "<html>bad</html>", headers: [("Content-Type", "text/html"), ("Retry-After", "7")], sdk: nil)
        let said = "Your server returned HTTP 502 before the SDK responded."
        let expected =
            #"{"error":"\#(said)","message":"\#(said)","name":"Server returned a fatal error","stack":"\#(said) "#
            + #"Upstream response (text/html):\n <html>bad</html>"}"#
        #expect(failure.failure?.outputText == expected)
        #expect(failure.failure?.errorText == expected)
        #expect(failure.failure?.isRetriable == true)
        #expect(failure.retryAfter == .after(7_000))
    }

    @Test func `of a large page before the SDK only the beginning is kept`() {
        let failure = outcome(502, String(repeating: "x", count: 100_000), sdk: nil).failure
        let stack = JSONView(failure?.output ?? [])?.member("stack")?.string ?? ""
        #expect(stack.utf8.count < 8_400)
        #expect(stack.hasSuffix(String(repeating: "x", count: 8_192)))
    }

    @Test func `a long text becomes a short message and a whole output`() {
        let failure = outcome(500, String(repeating: "x", count: 100_000)).failure
        #expect(failure?.message?.utf8.count == 8_195)
        #expect(failure?.output.count == 100_002)
    }

    @Test(arguments: [
        (CallFault.unreachable, "Unable to reach SDK URL"),
        (.tlsHandshakeTimedOut, "Your server didn't complete the TLS handshake in time"),
        (.closedByApp, "Your server closed the request before finishing."),
        (.resetWhileSending, "Your server reset the connection while we were sending the request."),
        (
            .resetWhileReading,
            "Your server reset the connection while we were reading the reply: Unexpected ending response"
        ),
        (.timedOut(seconds: 7_200), "Your server did not answer within 7200 seconds; the call was given up."),
        (.tooManyRedirects, "Your server redirected the call more than 60 times."),
        (.invalidURL("ftp://x"), "The function's URL 'ftp://x' cannot be called; it must be an http or https URL."),
        (.other("odd"), "odd"),
    ])
    func `a call without an answer is a failed attempt that says why`(fault: CallFault, said: String) {
        let failure = CallCoding.outcome(of: fault).failure
        #expect(failure?.errorText == #"{"error":"\#(said)","message":"\#(said)","name":"Error"}"#)
        #expect(failure?.outputText == #"{"error":{"error":"\#(said)","message":"\#(said)","name":"Error"}}"#)
        #expect(failure?.isRetriable == true)
        #expect(failure?.isUnreachable == (fault == .unreachable || fault == .tlsHandshakeTimedOut))
    }

    @Test func `an answer that is too large has a code`() {
        #expect(
            CallCoding.outcome(of: .answerTooLarge).failure?.outputText
                == #"{"error":{"error":"output_too_large: Your function's response body exceeds the maximum size limit","#
                + #""message":"Your function's response body exceeds the maximum size limit","name":"output_too_large"}}"#
        )
    }
}

struct RetryAfterTests {
    @Test(
        arguments: [
            ("3", 3_000), ("1", 1_000), ("86400", 86_400_000), ("86401", 86_400_000), ("9999999", 86_400_000),
            ("+5", 5_000), ("0", nil), ("-5", nil), ("1.5", nil), ("soon", nil), ("", nil), ("99999999", nil),
            (" 3", nil),
        ] as [(String, Int64?)])
    func `up to seven characters are seconds`(header: String, milliseconds: Int64?) {
        #expect(
            outcome(500, "", headers: [("Retry-After", header)]).retryAfter == milliseconds.map { .after($0) })
    }

    // Now is 2023-11-14T22:13:20Z, a Tuesday.
    @Test(
        arguments: [
            ("2023-11-14T22:13:32Z", 12_000), ("2023-11-14T23:13:32.500+01:00", 12_500),
            ("2023-11-14T22:13:32.123Z", 12_123), ("2023-11-14T22:13:32", 12_000), ("2023-11-15", 6_400_000),
            ("Tue, 14 Nov 2023 22:13:32 GMT", 12_000), ("14 Nov 23 22:15 UTC", 100_000),
            ("14 Nov 23 23:15 +0100", 100_000),
            ("Tuesday, 14-Nov-23 22:13:32 UTC", 12_000), ("Tue Nov 14 22:13:32 UTC 2023", 12_000),
            ("Tue Nov 14 22:13:32 +0000 2023", 12_000), ("Tue Nov 14 22:13:32 2023", 12_000),
            ("2020-01-01T00:00:00Z", 1_000), ("2023-11-14T22:13:20.001Z", 1_000), ("2030-01-01T00:00:00Z", 86_400_000),
        ] as [(String, Int64)])
    func `longer texts are dates, held between a second and a day`(header: String, milliseconds: Int64) {
        #expect(outcome(500, "", headers: [("retry-after", header)]).retryAfter == .at(now + milliseconds))
    }

    @Test func `a step's failed attempt has one too`() {
        let outcome = outcome(
            206, #"[{"op":"StepError","id":"x","error":{"name":"E","message":"m"}}]"#, headers: [("Retry-After", "5")])
        #expect(outcome.retryAfter == .after(5_000))
        #expect(outcome.ops?.count == 1)
    }
}

struct StreamedAnswerTests {
    @Test(arguments: [
        (#"{"status":200,"headers":{"x-inngest-sdk":"x-y:v1"},"body":"{\"a\":1}"}"#, #"{"a":1}"#),
        (#"   {"status":200,"headers":{},"body":{"a": 1}}  "#, #"{"a":1}"#),
        (#"{"status":200,"body":"\"text\""}"#, #""text""#),
        (#"{"status":200,"body":"text"}"#, #""text""#),
        (#"{"status":200,"body":[1]}"#, "[1]"),
        (#"{"status":200}"#, "null"), (#"{"status":200,"body":null,"error":null}"#, "null"),
        (#"{"status":200,"body":"","error":"","retryAt":"x","noRetry":true}"#, "null"),
        (#"{"status":201,"body":"{\"status\":500}"}"#, #"{"status":500}"#),
    ])
    func `the answer is in the envelope`(body: String, result: String) {
        let outcome = outcome(201, body)
        #expect(outcome.returned == result)
        #expect(outcome.failure == nil)
    }

    @Test func `headers of the envelope count more than those around it`() {
        let outcome = outcome(
            201,
            #"{"status":500,"headers":{"x-inngest-no-retry":"true","X-Inngest-SDK":["inner:v2"],"retry-after":"9","#
                + #""x-inngest-req-version":"2"},"body":"{\"message\":\"m\"}"}"#,
            headers: [("X-Inngest-No-Retry", "false"), ("Retry-After", "1")])
        #expect(outcome.noRetry)
        #expect(outcome.failure?.isRetriable == false)
        #expect(outcome.failure?.message == "m")
        #expect(outcome.sdk == "inner:v2")
        #expect(outcome.version == 2)
        #expect(outcome.retryAfter == .after(9_000))
    }

    @Test func `ops may be streamed`() {
        let streamed = #"{"status":206,"body":"[{\"op\":\"StepPlanned\",\"id\":\"x\"}]"}"#
        #expect(outcome(201, "\n  " + streamed).ops?.map(\.wireID) == ["x"])
        #expect(outcome(201, #"{"status":206,"body":[{"op":"StepPlanned","id":"x"}]}"#).ops?.count == 1)
    }

    @Test(arguments: [
        ("", "The streamed answer is not JSON"), ("   ", "The streamed answer is not JSON"),
        ("{", "The streamed answer is not JSON"), ("[]", "The streamed answer is not a JSON object"),
        (#""x""#, "The streamed answer is not a JSON object"), ("{}", "The streamed answer has no status"),
        (#"{"status":"200"}"#, "The streamed answer has no status"),
        (#"{"status":1e2}"#, "The streamed answer has no status"),
        (#"{"status":200,"error":"the app broke","body":"1"}"#, "the app broke"),
        (#"{"status":200,"error":{"a":1}}"#, #"{"a":1}"#),
        (#"{"status":200} {"status":200}"#, "The streamed answer is not JSON"),
    ])
    func `an envelope that is broken or has an error is a failed attempt`(body: String, message: String) {
        let failure = outcome(201, body).failure
        #expect(failure?.message?.hasPrefix(message) == true)
        #expect(failure?.isRetriable == true)
    }
}
