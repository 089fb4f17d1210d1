import DaybookValues
import DaybookWire
import Testing

extension GatewayOutcome {
    fileprivate var shown: String {
        switch self {
        case .completed(let value): "completed \(text(value))"
        case .failed(let error): "failed \(text(error))"
        }
    }
}

private func inference(
    url: String = "http://x/v1", key: String = "K", format: String = "openai-chat",
    headers: [(name: String, value: String)] = []
) -> GatewayRequest {
    GatewayCoding.request(
        of: AIGatewayRequest(url: url, authKey: key, format: format, headers: headers, body: Array("{}".utf8)))
}

struct GatewayCodingTests {
    @Test(arguments: [200, 404, 500])
    func `any status of a fetch is a success`(status: Int) {
        let outcome = GatewayCoding.fetched(
            url: "http://x?a=1", status: status,
            headers: [
                ("content-type", "text/plain"), ("set-cookie", "a=1"), ("X-REQUEST-id", "7"), ("Set-Cookie", "b=2"),
            ],
            body: Array("no \"way\"".utf8))
        #expect(
            outcome.shown
                == #"completed {"body":"no \"way\"","headers":{"Content-Type":"text/plain","Set-Cookie":"a=1,b=2","#
                + #""X-Request-Id":"7"},"status_code":\#(status),"url":"http://x?a=1"}"#)
    }

    @Test func `results are canonical whatever came`() throws {
        let outcome = GatewayCoding.fetched(
            url: "\u{1F600}", status: 200, headers: [("é", "\u{1}"), ("1-2", "")], body: [0xFF, 0x0A])
        guard case .completed(let value) = outcome else { throw OpsError("no value") }
        #expect(try CanonicalJSON.encode(value) == value)
    }

    @Test func `no answer is a failure of the attempt`() {
        #expect(
            GatewayCoding.fetchFailed("connection refused").shown
                == #"failed {"message":"Error making gateway request: connection refused","name":"GatewayError"}"#)
        #expect(
            GatewayCoding.inferFailed("connection refused").shown
                == #"failed {"message":"Error making AI request: connection refused","name":"AIGatewayError"}"#)
    }

    @Test(arguments: [
        ("openai-chat", "http://x/v1", ["Content-Type=application/json", "Authorization=Bearer K"]),
        ("", "http://x/v1", ["Content-Type=application/json", "Authorization=Bearer K"]),
        ("anthropic", "http://x/v1", ["Content-Type=application/json", "x-api-key=K"]),
        ("bedrock", "http://x/v1", ["Content-Type=application/json", "Authorization=K"]),
        ("gemini", "http://x/v1?key=K", ["Content-Type=application/json"]),
    ])
    func `the key goes where the provider wants it`(format: String, url: String, headers: [String]) {
        let request = inference(format: format)
        #expect(request.method == "POST")
        #expect(request.url == url)
        #expect(request.headers.map { "\($0.name)=\($0.value)" } == headers)
        #expect(text(request.body) == "{}")
    }

    @Test(arguments: [("http://x?a=1", "http://x?a=1&key=a%26b"), ("http://x#y", "http://x?key=a%26b")])
    func `a key in the query is escaped and stands behind what was there`(url: String, expected: String) {
        #expect(inference(url: url, key: "a&b", format: "gemini").url == expected)
    }

    @Test func `headers of the function are added and count more`() {
        let request = inference(headers: [
            (name: "authorization", value: "mine"), (name: "anthropic-version", value: "1"),
        ])
        #expect(
            request.headers.map { "\($0.name)=\($0.value)" }
                == ["Content-Type=application/json", "authorization=mine", "anthropic-version=1"])
        #expect(inference(key: "").headers.map(\.name) == ["Content-Type"])
    }

    @Test(arguments: [
        (200, #"{"b":1.0,"a":2}"#, #"completed {"a":2,"b":1}"#), (299, "text", #"completed "text""#),
        (200, "", "completed null"),
        (
            500, #"{"error":{"m":1}}"#,
            #"failed {"data":{"error":{"m":1}},"message":"Error making AI request: unsuccessful status code: 500","#
                + #""name":"AIGatewayError","stack":"{\"error\":{\"m\":1}}"}"#
        ),
        (
            300, "oops",
            #"failed {"data":"oops","message":"Error making AI request: unsuccessful status code: 300","#
                + #""name":"AIGatewayError","stack":"oops"}"#
        ),
        (
            429, "",
            #"failed {"data":{"error":"Error making AI request"},"message":"Error making AI request: unsuccessful status "#
                + #"code: 429","name":"AIGatewayError","stack":"{\"error\":\"Error making AI request\"}"}"#
        ),
    ])
    func `what the provider said is the result or the error`(status: Int, body: String, shown: String) {
        #expect(GatewayCoding.inferred(status: status, body: Array(body.utf8)).shown == shown)
    }

    @Test func `a key that comes back in a failure is not stored`() {
        let key = "sk-0123/4567"
        #expect(
            GatewayCoding.inferred(status: 401, body: Array(#"{"e":"bad key sk-0123/4567!"}"#.utf8), hiding: key).shown
                == #"failed {"data":{"e":"bad key ***!"},"message":"Error making AI request: unsuccessful status code: "#
                + #"401","name":"AIGatewayError","stack":"{\"e\":\"bad key ***!\"}"}"#)
        #expect(
            GatewayCoding.inferFailed("no http://x?key=sk-0123%2F4567 nor sk-0123/4567", hiding: key).shown
                == #"failed {"message":"Error making AI request: no http://x?key=*** nor ***","name":"AIGatewayError"}"#
        )
        #expect(
            GatewayCoding.inferFailed("a key", hiding: "a").shown
                == #"failed {"message":"Error making AI request: a key","name":"AIGatewayError"}"#)
    }
}
