import DaybookCore
import DaybookFakes
import DaybookValues
import DaybookWire
import Logging
import Synchronization
import Testing

@testable import DaybookSDK

@Suite struct `Asking apps to register` {
    private let key = "0123456789abcdef0123456789abcdef"

    @Test func `an app that was given is asked with its address and the kind of the server`() async throws {
        try await MockApp.run({ _ in .answer(200, "{}") }) { mock in
            try await HostHarness.run(urls: ["http://127.0.0.1:\(mock.port)/api/inngest"]) { harness in
                try await harness.running { await mock.waitForRequests(1) }
                let request = try #require(mock.requests.first)
                #expect(request.method == "PUT")
                #expect(request.uri == "/api/inngest")
                #expect(request.text == #"{"url":"http://localhost:\#(mock.port)/api/inngest"}"#)
                #expect(request.header("X-Inngest-Server-Kind") == "dev")
                #expect(request.header("Content-Type") == "application/json")
                #expect(request.header("X-Inngest-Signature") == nil)
                #expect(request.header("X-Inngest-Sync-Kind") == nil)
            }
        }
    }

    @Test func `with keys the request is signed by the current one`() async throws {
        try await MockApp.run({ _ in .answer(200, "{}") }) { mock in
            try await HostHarness.run(urls: [mock.url], kind: .cloud, key: key, fallback: "00ff") { harness in
                try await harness.running { await mock.waitForRequests(1) }
                let request = try #require(mock.requests.first)
                #expect(request.header("X-Inngest-Server-Kind") == "cloud")
                let signature = try #require(request.header("X-Inngest-Signature"))
                let now = harness.clock.now.milliseconds / 1_000
                #expect(SigningKey(key).verify(header: signature, body: request.body, now: now))
            }
        }
    }

    @Test func `an app that answers with what it registers is registered`() async throws {
        let body = """
            {"app_id":"shop","env":null,"framework":"flask","functions":[\(wireFunction())],"platform":null,\
            "sdk_author":"inngest","sdk_language":"","sdk_version":"","url":"http://localhost:9000/api/inngest"}
            """
        try await MockApp.run({ _ in
            .answer(200, body, headers: [("X-Inngest-Sync-Kind", "in_band"), ("X-Inngest-SDK", "inngest-py:v0.5.18")])
        }) { mock in
            try await HostHarness.run { harness in
                let answer = await harness.host.syncNow(url: mock.url)
                #expect(answer.status == 200, "\(String(decoding: answer.json, as: UTF8.self))")
                #expect(harness.store.functions.map(\.id) == ["shop-charge"])
                let apps = await harness.host.apps()
                #expect(apps.first?.name == "shop")
                #expect(apps.first?.framework == "flask")
                #expect(apps.first?.sdk == "py:v0.5.18")
            }
        }
    }

    @Test(arguments: ["", "\n"])
    func `with keys, what an app answers must be signed, a line feed more or less`(end: String) async throws {
        let body =
            #"{"app_id":"shop","functions":[\#(wireFunction())],"sdk":"go:v1","url":"http://localhost:9000/api"}"#
        for (key, isTaken) in [(self.key, true), ("ff00", true), ("abcd", false), (nil, false)] {
            try await HostHarness.run(kind: .cloud, key: self.key, fallback: "ff00") { harness in
                let seconds = harness.clock.now.milliseconds / 1_000
                let signature = key.map { SigningKey($0).sign(body: Array(body.utf8), at: seconds) }
                try await MockApp.run({ _ in
                    .answer(
                        200, body + end,
                        headers: [("X-Inngest-Sync-Kind", "in_band"), ("X-Inngest-Signature", signature ?? "")])
                }) { mock in
                    let answer = Answered(await harness.host.syncNow(url: mock.url))
                    #expect(answer.status == (isTaken ? 200 : 502), "\(answer.text)")
                    #expect(harness.store.functions.isEmpty == !isTaken)
                    if !isTaken { #expect(answer.string("data.code") == "invalid_signing_key") }
                }
            }
        }
    }

    @Test(.timeLimit(.minutes(1))) func `a request to register that hangs holds up no stop`() async throws {
        try await MockApp.run({ _ in .hang }) { mock in
            try await HostHarness.run(urls: [mock.url], { $0.stopTime = 600_000 }) { harness in
                let loop = Task { try await harness.host.run() }
                await mock.waitForRequests(1)
                loop.cancel()
                await #expect(throws: CancellationError.self) { try await loop.value }
            }
        }
    }

    @Test(.timeLimit(.minutes(1))) func `a registration that is not written holds up no stop`() async throws {
        let body = #"{"app_id":"shop","functions":[\#(wireFunction())],"sdk":"go:v1"}"#
        try await MockApp.run({ _ in .answer(200, body, headers: [("X-Inngest-Sync-Kind", "in_band")]) }) { mock in
            try await HostHarness.run(urls: [mock.url], { $0.stopTime = 1 }) { harness in
                harness.store.hold()
                let loop = Task { try await harness.host.run() }
                await harness.store.waitForHeld()
                loop.cancel()
                await #expect(throws: CancellationError.self) { try await loop.value }
                #expect(harness.log.texts(.warning).contains { $0.contains("still under way at the stop") })
                harness.store.release()
            }
        }
    }

    @Test func `what an app answers and cannot be used is said with the reason`() async throws {
        let body = #"{"app_id":"shop","functions":[\#(wireFunction(name: ""))],"sdk":"go:v1"}"#
        try await MockApp.run({ _ in .answer(200, body, headers: [("X-Inngest-Sync-Kind", "in_band")]) }) { mock in
            try await HostHarness.run { harness in
                let answer = Answered(await harness.host.syncNow(url: mock.url))
                #expect(answer.status == 502)
                #expect(answer.string("data.code") == "invalid_function")
                #expect(answer.string("error")?.contains("'shop-charge': a name is required") == true, "\(answer.text)")
                guard case .failed(let code, _, _) = await harness.host.apps().first?.connection else {
                    Issue.record("the app is not in error")
                    return
                }
                #expect(code == "invalid_function")
            }
        }
    }

    private static let answers: [(MockAnswer, code: String, part: String)] = [
        (.answer(400, #"{"message":"Your signing key is invalid"}"#), "invalid_signing_key", "signing key is invalid"),
        (.answer(400, #"{"error":"No functions registered"}"#), "no_functions", "No functions"),
        (.answer(400, #"{"error":"At least one function is invalid"}"#), "invalid_function", "invalid"),
        (
            .answer(400, #"{"code":"server_kind_mismatch","message":"Sync rejected since it's from Cloud"}"#),
            "server_kind_mismatch", "Sync rejected"
        ),
        (.answer(401, "<html>"), "unauthorized", "same signing key"), (.answer(403, ""), "forbidden", "403"),
        (.answer(404, "nothing here"), "url_not_found", "404"), (.answer(500, "{}"), "internal_server_error", "500"),
        (.answer(502, "bad gateway"), "http_502", "502"), (.close, "unreachable", "closed"),
        (.raw(Array("+PONG\r\n\r\n".utf8)), "not_http", "not HTTP"),
        // What Python answers when its registration was not accepted.
        (
            .answer(200, #"{"error":"At least one function is invalid","status":400}"#), "invalid_function",
            "function is invalid"
        ), (.answer(200, "{}"), "not_registered", "did not register here"),
    ]

    @Test(arguments: 0..<13)
    func `why an app does not register has a name`(index: Int) async throws {
        let (mocked, code, part) = Self.answers[index]
        try await MockApp.run({ _ in mocked }) { mock in
            try await HostHarness.run { harness in
                let answer = Answered(await harness.host.syncNow(url: mock.url))
                #expect(answer.status == 502)
                #expect(answer.string("data.code") == code)
                #expect(answer.string("error")?.contains(part) == true, "\(answer.text)")
                #expect(harness.log.texts(.warning).count == 1)
            }
        }
    }

    @Test func `a page in the place of an app does not fill the log`() async throws {
        let page = #"{"message":"\#(String(repeating: "x", count: 1_000_000))"}"#
        try await MockApp.run({ _ in .answer(401, page) }) { mock in
            try await HostHarness.run { harness in
                _ = await harness.host.syncNow(url: mock.url)
                let longest = (harness.log.texts(.warning) + harness.log.texts(.debug)).map(\.utf8.count).max()
                #expect(longest ?? 0 < 1_500)
            }
        }
    }

    @Test func `an app that registers by itself while it is asked is connected`() async throws {
        try await HostHarness.run { harness in
            let host = harness.host
            try await MockApp.run({ request in
                let port = request.header("host") ?? ""
                let answer = await host.register(
                    body: Array(wireApp(wireFunction(), url: "http://\(port)/api/inngest").utf8), expectedKind: "dev")
                return .answer(status: 200, body: answer.json)
            }) { mock in
                #expect(await harness.host.syncNow(url: mock.url).status == 200)
                let apps = await harness.host.apps()
                #expect(apps.map(\.name) == ["shop"])
                #expect(apps.first?.isConfigured == true)
            }
        }
    }

    @Test func `an app that knows itself by another address is known by its name`() async throws {
        try await HostHarness.run { harness in
            let host = harness.host
            try await MockApp.run({ _ in
                let answer = await host.register(
                    body: Array(wireApp(wireFunction(), url: "http://shop.internal:9000/api/inngest").utf8),
                    expectedKind: nil)
                return .answer(status: 200, body: answer.json)
            }) { mock in
                #expect(await harness.host.syncNow(url: mock.url).status == 200)
                #expect(await harness.host.apps().map(\.name) == ["shop"])
            }
        }
    }

    @Test func `an app that hangs delays no other`() async throws {
        try await MockApp.run({ _ in .hang }) { hanging in
            try await MockApp.run({ _ in .answer(500, "{}") }) { quick in
                try await HostHarness.run(urls: [hanging.url, quick.url]) { harness in
                    try await harness.running {
                        for round in 1...3 {
                            await quick.waitForRequests(round)
                            await harness.rounds.waitForRounds(round)
                            // The answer to the last request must be in before the next round, or it is left out of it.
                            await harness.log.waitForLines(.debug, round)
                            harness.rounds.next()
                        }
                    }
                    #expect(hanging.requests.count == 1)
                    #expect(quick.requests.count >= 3)
                }
            }
        }
    }

    @Test func `in production an app that works is left in peace`() async throws {
        try await HostHarness.run(kind: .cloud) { harness in
            let host = harness.host
            try await MockApp.run({ request in
                _ = await host.register(
                    body: Array(
                        wireApp(wireFunction(), url: "http://\(request.header("host") ?? "")/api/inngest").utf8),
                    expectedKind: nil)
                return .answer(200, "{}")
            }) { mock in
                #expect(await harness.host.syncNow(url: mock.url).status == 200)
                try await harness.running {
                    for round in 1...3 {
                        await harness.rounds.waitForRounds(round)
                        harness.rounds.next()
                    }
                }
                #expect(mock.requests.count == 1)
            }
        }
    }

    @Test func `an app that is down and comes back is told twice`() async throws {
        let url = try await MockApp.run({ _ in .hang }) { $0.url }
        try await HostHarness.run { harness in
            for _ in 0..<3 { #expect(await harness.host.syncNow(url: url).status == 502) }
            #expect(harness.log.texts(.warning).count == 1)
            let address = try #require(WebAddress(url))
            harness.host.tell(harness.host.book.withLock { $0.noteConnected(address) }, url)
            #expect(harness.log.texts(.notice).count == 1)
        }
    }

    @Test func `addresses that are none are said at the start`() async throws {
        try await HostHarness.run(urls: ["localhost:3000", "http://localhost:1/api"]) { harness in
            #expect(harness.log.texts(.error).count == 1)
            #expect(await harness.host.apps().map(\.url) == ["http://localhost:1/api"])
            #expect(await harness.host.syncNow(url: "nonsense").status == 400)
            #expect(await harness.host.syncNow(app: "nobody").status == 404)
        }
    }

    @Test func `an app on a usual port is found`() async throws {
        let handle: @Sendable (MockRequest) async -> MockAnswer = { request in
            request.uri == "/x/inngest" ? .answer(200, "{}") : .answer(404, "no", headers: [])
        }
        try await MockApp.run({ _ in .answer(200, "a page", headers: []) }) { other in
            try await MockApp.run(handle) { mock in
                let caller = HTTPCaller()
                let discovery = Discovery(caller: caller, ports: [1, other.port, mock.port].sorted())
                var missed: [Int] = []
                let found = await discovery.search(skipping: []) { missed.append($0) }
                #expect(found == "http://localhost:\(mock.port)/x/inngest")
                #expect(await discovery.search(skipping: [mock.port]) { _ in } == nil)
                await caller.shutdown()
            }
        }
    }

    @Test func `an app that is found is asked to register, again and again while it is there`() async throws {
        try await MockApp.run({ request in
            request.method == "GET" ? .answer(200, "{}") : .answer(500, #"{"message":"not yet"}"#)
        }) { mock in
            try await HostHarness.run({
                $0.discovers = true
                $0.ports = [mock.port]
            }) { harness in
                try await harness.running {
                    for round in 1...3 {
                        await harness.rounds.waitForRounds(round)
                        await harness.log.waitForLines(.debug, round)
                        harness.rounds.next()
                    }
                }
                // Found once, asked each time, told once.
                #expect(mock.requests.count { $0.method == "GET" } == 1)
                #expect(mock.requests.count { $0.method == "PUT" } >= 3)
                #expect(harness.log.texts(.warning).count == 1)
                let apps = await harness.host.apps()
                #expect(apps.map(\.url) == [mock.url])
                #expect(apps.first?.isConfigured == false)
            }
        }
    }

    @Test func `an app that was found and is gone is forgotten`() throws {
        var book = AppBook()
        let address = try #require(WebAddress("http://localhost:3000/api/inngest"))
        book.noteFound(address)
        book.end(address)
        #expect(book.takeDue(registered: [], all: true, limit: 10).count == 1)
        _ = book.noteFailed(address, code: "unreachable", message: "refused", at: .zero)
        #expect(book[address] == nil)
    }
}
