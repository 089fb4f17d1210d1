import DaybookFakes
import DaybookValues
import DaybookWire
import Logging
import Synchronization
import Testing

@testable import DaybookSDK

@Suite struct `Calls of apps` {
    private static let key = "0123456789abcdef0123456789abcdef"
    private let runID = ULID(high: 0x019A_BCDE_F012_3456, low: 7)
    private let callID = ULID(high: 0x019A_BCDE_F012_3456, low: 8)

    private func request(_ url: String, attempt: Int = 0, steps: [CallRequest.Step] = []) -> CallRequest {
        CallRequest(
            callID: callID, run: runID, function: "shop-charge", url: url + "?fnId=shop-charge&stepId=step",
            attempt: attempt,
            attemptsMax: 2, forcesPlan: false, version: -1,
            input: Array(#"{"id":"e1","name":"shop/paid","data":{"total":5},"ts":1700000000000}"#.utf8), steps: steps)
    }

    private func outcome(_ host: AppHost, _ request: CallRequest) async -> CallOutcome {
        await withCheckedContinuation { continuation in
            host.call(request) { continuation.resume(returning: $0) }
        }
    }

    private func call(
        key: String? = nil, timeout: Int64 = 60, steps: [CallRequest.Step] = [],
        _ handle: @escaping @Sendable (MockRequest) async -> MockAnswer
    ) async throws -> (outcome: CallOutcome, requests: [MockRequest]) {
        try await MockApp.run(handle) { mock in
            try await HostHarness.run(kind: key == nil ? .dev : .cloud, key: key, { $0.callTimeout = timeout }) {
                harness in
                (await outcome(harness.host, request(mock.url, steps: steps)), mock.requests)
            }
        }
    }

    private func value(_ outcome: CallOutcome) -> String? {
        guard case .returned(let json) = outcome.result else { return nil }
        return String(decoding: json, as: UTF8.self)
    }

    private func failure(_ outcome: CallOutcome) throws -> (failure: CallFailure, error: JSONView) {
        guard case .failed(let failure) = outcome.result else {
            Issue.record("\(outcome.result)")
            throw Unexpected()
        }
        return (failure, try #require(JSONView(failure.error)))
    }

    private struct Unexpected: Error {}

    // MARK: - What is sent

    @Test func `a call has the form that SDKs read`() async throws {
        let (outcome, requests) = try await call { _ in .answer(200, "null") }
        #expect(value(outcome) == "null")
        let request = try #require(requests.first)
        #expect(requests.count == 1)
        #expect(request.method == "POST")
        #expect(request.uri == "/api/inngest?fnId=shop-charge&stepId=step")
        let body = try #require(JSONView(request.body))
        #expect(body.at(path: "version")?.integer == -1)
        #expect(body.at(path: "ctx.attempt")?.integer == 0)
        #expect(body.at(path: "ctx.max_attempts")?.integer == 2)
        #expect(body.at(path: "ctx.run_id")?.string == runID.text)
        #expect(body.at(path: "ctx.disable_immediate_execution")?.bool == false)
        #expect(body.at(path: "ctx.use_api")?.bool == false)
        #expect(body.at(path: "use_api")?.bool == false)
        #expect(body.member("steps")?.bytes == Array("{}".utf8))
        #expect(body.at(path: "event.user")?.bytes == Array("{}".utf8))
        #expect(body.at(path: "events.0.name")?.string == "shop/paid")
        #expect(body.at(path: "events.1") == nil)
        #expect(request.header("X-Run-ID") == runID.text)
        #expect(request.header("X-Inngest-Req-Version") == "-1")
        #expect(request.header("Content-Type") == "application/json")
        #expect(request.header("Accept-Encoding") == "gzip")
        #expect(request.header("Content-Length") == "\(request.body.count)")
        #expect(request.header("Traceparent") != nil)
        #expect(request.header("X-Inngest-Server-Kind") == nil)
        #expect(request.header("X-Inngest-Signature") == nil)
    }

    @Test func `with keys a call is signed over the bytes that are sent, which are canonical`() async throws {
        let (_, requests) = try await call(key: Self.key) { _ in .answer(200, "null") }
        let request = try #require(requests.first)
        let signature = try #require(request.header("X-Inngest-Signature"))
        #expect(SigningKey(Self.key).verify(header: signature, body: request.body, now: 1_795_248_000))
        #expect(try CanonicalJSON.encode(request.body) == request.body)
    }

    @Test func `a state too large for a body is left to the SDK to fetch`() async throws {
        let memo = Array("{\"data\":\"\(String(repeating: "x", count: 4 * 1_048_576))\"}".utf8)
        let steps = [CallRequest.Step(wireID: StepID.hash("a"), memo: memo)]
        let (_, requests) = try await call(steps: steps) { _ in .answer(200, "null") }
        let sent = try #require(requests.first)
        let body = try #require(JSONView(sent.body))
        #expect(body.member("use_api")?.bool == true)
        #expect(body.at(path: "ctx.use_api")?.bool == true)
        #expect(body.member("steps")?.bytes == Array("{}".utf8))
    }

    // MARK: - What is answered

    @Test(arguments: [
        (200, #"{"a":1}"#, #"{"a":1}"#), (200, #""{\"a\":1}""#, #"{"a":1}"#), (200, "hello", #""hello""#),
        (204, "", "null"),
        (200, "", "null"), (202, "5", "5"),
    ])
    func `any status of success ends the function`(status: Int, body: String, expected: String) async throws {
        let (outcome, _) = try await call { _ in .answer(status, body) }
        #expect(value(outcome) == expected)
    }

    @Test func `ops are read, with the version the SDK speaks`() async throws {
        let op = #"[{"op":"StepRun","id":"\#(StepID.hash("a"))","displayName":"a","data":1}]"#
        let (outcome, _) = try await call { _ in
            .answer(206, op, headers: [("x-inngest-sdk", "inngest-py:v0.5.18"), ("x-inngest-req-version", "2")])
        }
        guard case .ops(let ops) = outcome.result else {
            Issue.record("\(outcome.result)")
            return
        }
        #expect(ops.map(\.key) == ["a"])
        #expect(outcome.version == 2)
        #expect(outcome.sdk == "inngest-py:v0.5.18")
    }

    @Test func `an answer that is none of an SDK's fails the attempt`() async throws {
        let (outcome, _) = try await call { _ in .answer(200, "{}", headers: []) }
        let (failure, error) = try failure(outcome)
        #expect(failure.isRetriable)
        #expect(error.member("error")?.string?.contains("did not come from an Inngest SDK") == true)
    }

    @Test(arguments: [400, 401, 404, 500])
    func `other statuses fail the attempt, to be tried again`(status: Int) async throws {
        let (outcome, _) = try await call { _ in .answer(status, #"{"name":"Error","message":"no"}"#) }
        let (failure, error) = try failure(outcome)
        #expect(failure.isRetriable)
        #expect(!failure.isUnreachable)
        #expect(error.member("message")?.string == "no")
        #expect(!outcome.noRetry)
    }

    @Test(arguments: [200, 400, 500])
    func `an app can say that trying again is no use`(status: Int) async throws {
        let (outcome, _) = try await call { _ in
            .answer(status, "{}", headers: [("X-Inngest-SDK", "x-y:v1"), ("X-Inngest-No-Retry", "true")])
        }
        _ = try failure(outcome)
        #expect(outcome.noRetry)
    }

    @Test func `an app can say when it is to be called again`() async throws {
        func retryAfter(_ text: String) async throws -> RetryAfter? {
            try await call { _ in .answer(500, "{}", headers: [("X-Inngest-SDK", "x-y:v1"), ("Retry-After", text)]) }
                .outcome.retryAfter
        }
        #expect(try await retryAfter("3") == .after(3_000))
        #expect(try await retryAfter("0") == nil)
        #expect(try await retryAfter("2026-11-21T12:00:12Z") != nil)
    }

    @Test func `a page of a proxy is named as what it is`() async throws {
        let (outcome, _) = try await call { _ in
            .answer(502, "<html>Bad Gateway</html>", headers: [("Content-Type", "text/html")])
        }
        let output = try #require(JSONView(try failure(outcome).failure.output))
        #expect(output.member("name")?.string == "Server returned a fatal error")
        #expect(output.member("message")?.string == "Your server returned HTTP 502 before the SDK responded.")
    }

    @Test func `an empty answer of an error has a text all the same`() async throws {
        let (outcome, _) = try await call { _ in .answer(500, "") }
        #expect(
            String(decoding: try failure(outcome).failure.output, as: UTF8.self).contains("invalid status code: 500"))
    }

    @Test(arguments: [307, 308, 301, 302, 303])
    func `a call follows redirects`(status: Int) async throws {
        let (outcome, requests) = try await call { request in
            request.uri.hasPrefix("/moved")
                ? .answer(200, "1") : .answer(status, "", headers: [("Location", "/moved?fnId=other&x=1")])
        }
        #expect(value(outcome) == "1")
        #expect(requests.map(\.method) == ["POST", status < 304 ? "GET" : "POST"])
        #expect(requests.last?.query("fnId") == "shop-charge")
        #expect(requests.last?.query("x") == "1")
        #expect(requests.last?.body == requests.first?.body)
    }

    @Test(arguments: [
        (#"   {"status":200,"headers":{},"body":{"a":1}}"#, #"{"a":1}"#),
        ("  \n" + #"{"status":200,"headers":{"x-inngest-sdk":"x-y:v1"},"body":"{\"a\":1}"}"#, #"{"a":1}"#),
    ])
    func `an answer in a stream is unwrapped`(body: String, expected: String) async throws {
        let (outcome, _) = try await call { _ in .answer(201, body) }
        #expect(value(outcome) == expected)
    }

    @Test func `headers in a stream count`() async throws {
        let (outcome, _) = try await call { _ in
            .answer(201, #"{"status":500,"headers":{"x-inngest-no-retry":"true"},"body":"{}"}"#)
        }
        _ = try failure(outcome)
        #expect(outcome.noRetry)
    }

    @Test(arguments: [#"{"status":200,"headers":{},"body":"1","error":"lost"}"#, "  {", ""])
    func `a stream that went wrong fails the attempt`(body: String) async throws {
        let (outcome, _) = try await call { _ in .answer(201, body) }
        #expect(try failure(outcome).failure.isRetriable)
    }

    // MARK: - What goes wrong

    @Test func `an app that is down is told by the usual text, and once in the log`() async throws {
        let url = try await MockApp.run({ _ in .hang }) { $0.url }
        try await HostHarness.run(urls: [url]) { harness in
            for attempt in 0...1 {
                let outcome = await outcome(harness.host, request(url, attempt: attempt))
                let (failure, error) = try failure(outcome)
                #expect(failure.isUnreachable)
                #expect(failure.isRetriable)
                #expect(error.member("message")?.string == "Unable to reach SDK URL")
            }
            #expect(harness.log.texts(.warning).count == 1)
            guard case .failed("unreachable", _, _) = await harness.host.apps().first?.connection else {
                Issue.record("the app is not said to be down")
                return
            }
        }
    }

    @Test func `an app that comes back is said to be back`() async throws {
        try await MockApp.run({ _ in .answer(200, "1") }) { mock in
            try await HostHarness.run(urls: [mock.url]) { harness in
                let address = try #require(WebAddress(mock.url))
                let now = harness.clock.now
                let change = harness.host.book.withLock { $0.noteUnanswered(address, message: "refused", at: now) }
                harness.host.tell(change, mock.url)
                _ = await outcome(harness.host, request(mock.url))
                #expect(harness.log.texts(.notice).count == 1)
                #expect(await harness.host.apps().first?.connection == .connected)
            }
        }
    }

    private static let troubles: [(MockAnswer, String)] = [
        (.close, "Your server closed the request before finishing."),
        (.closeInBody, "Your server reset the connection while we were reading the reply: Unexpected ending response"),
        (.raw(Array("garbage\r\n\r\n".utf8)), "Your server's answer cannot be read"),
        (
            .flood(Array(repeating: 0x20, count: 1_048_576)),
            "Your function's response body exceeds the maximum size limit"
        ),
        (.hang, "did not answer within 1 seconds"),
        (.answer(307, "", headers: [("Location", "/")]), "redirected the call more than 60 times"),
        (.answer(307, "", headers: [("Location", "gopher://x")]), "cannot be followed"),
        (
            .answer(200, "no gzip", headers: [("X-Inngest-SDK", "x-y:v1"), ("Content-Encoding", "gzip")]),
            "Your server's answer cannot be read"
        ),
        (
            .answer(200, "abc", headers: [("X-Inngest-SDK", "x-y:v1"), ("Content-Encoding", "zstd")]),
            "Your server's answer has the Content-Encoding 'zstd', which cannot be decoded"
        ),
    ]

    @Test(arguments: 0..<9)
    func `every way to lose a call has its text, and the attempt is tried again`(index: Int) async throws {
        let (mocked, text) = Self.troubles[index]
        let (outcome, requests) = try await call(timeout: index == 4 ? 1 : 60) { _ in mocked }
        let (failure, error) = try failure(outcome)
        #expect(failure.isRetriable)
        #expect(
            error.member("message")?.string?.contains(text) == true, "\(String(decoding: failure.error, as: UTF8.self))"
        )
        // On a machine with much to do the time may be over before the request has come.
        if index != 4 { #expect(requests.count == (index == 5 ? 61 : 1)) }
    }

    @Test func `an address that cannot be called is said`() async throws {
        try await HostHarness.run { harness in
            let outcome = await outcome(harness.host, request("wss://localhost/api"))
            let (failure, _) = try failure(outcome)
            #expect(String(decoding: failure.error, as: UTF8.self).contains("must be an http or https URL"))
        }
    }

    @Test func `two hundred calls that hang keep no other app waiting`() async throws {
        try await MockApp.run({ _ in .hang }) { hanging in
            try await MockApp.run({ _ in .answer(200, "1") }) { quick in
                try await HostHarness.run { harness in
                    for _ in 0..<200 { harness.host.call(request(hanging.url)) { _ in } }
                    await hanging.waitForRequests(200)
                    #expect(value(await outcome(harness.host, request(quick.url))) == "1")
                }
            }
        }
    }

    @Test func `the last call a function may have uses a connection nobody used before`() async throws {
        try await MockApp.run({ _ in .answer(200, "1") }) { mock in
            try await HostHarness.run { harness in
                for _ in 0..<10 { _ = await outcome(harness.host, request(mock.url)) }
                let shared = mock.connections
                #expect(shared <= 2)
                for _ in 0..<3 { _ = await outcome(harness.host, request(mock.url, attempt: 1)) }
                #expect(mock.connections == shared + 3)
            }
        }
    }

    // MARK: - Requests in a function's place

    @Test func `a fetch takes any status for an answer`() async throws {
        try await MockApp.run({ _ in .answer(404, "gone", headers: [("X-A", "1"), ("X-A", "2")]) }) { mock in
            try await HostHarness.run { harness in
                let fetch = GatewayRequest(
                    url: mock.url, method: "GET", headers: [("X-Mine", "1")], body: [])
                let outcome = await withCheckedContinuation { continuation in
                    harness.host.fetch(fetch) { continuation.resume(returning: $0) }
                }
                guard case .completed(let json) = outcome, let value = JSONView(json) else {
                    Issue.record("\(outcome)")
                    return
                }
                #expect(value.member("status_code")?.integer == 404)
                #expect(value.member("body")?.string == "gone")
                #expect(mock.requests.first?.header("X-Mine") == "1")
            }
        }
    }

    @Test func `a fetch that reaches nobody fails, to be tried again`() async throws {
        let url = try await MockApp.run({ _ in .hang }) { $0.url }
        try await HostHarness.run { harness in
            let outcome = await withCheckedContinuation { continuation in
                harness.host.fetch(GatewayRequest(url: url, method: "GET", headers: [], body: [])) {
                    continuation.resume(returning: $0)
                }
            }
            guard case .failed(let error) = outcome else {
                Issue.record("\(outcome)")
                return
            }
            #expect(String(decoding: error, as: UTF8.self).contains("Error making gateway request"))
        }
    }

    @Test func `a model is asked with its key, which is in no log`() async throws {
        try await MockApp.run({ _ in .answer(200, #"{"choices":[]}"#) }) { mock in
            try await HostHarness.run { harness in
                let inference = AIGatewayRequest(
                    url: mock.url, authKey: "sk-secret", format: "openai-chat", headers: [], body: Array("{}".utf8))
                let outcome = await withCheckedContinuation { continuation in
                    harness.host.infer(inference) { continuation.resume(returning: $0) }
                }
                guard case .completed = outcome else {
                    Issue.record("\(outcome)")
                    return
                }
                #expect(mock.requests.first?.header("Authorization") == "Bearer sk-secret")
                for level in [Logger.Level.trace, .debug, .info, .warning] {
                    #expect(!harness.log.texts(level).contains { $0.contains("sk-secret") })
                }
            }
        }
    }
}
