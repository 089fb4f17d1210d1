import NIOCore
import NIOPosix
import Testing

@testable import DaybookSDK

@Suite struct `Requests to other servers` {
    /// A caller that is shut down afterwards.
    private func withCaller<Result>(
        staleLimit: TimeAmount = .hours(1), _ body: (HTTPCaller) async throws -> Result
    ) async throws -> Result {
        let caller = HTTPCaller(staleLimit: staleLimit)
        do {
            let result = try await body(caller)
            await caller.shutdown()
            return result
        } catch {
            await caller.shutdown()
            throw error
        }
    }

    private func exchange(
        _ url: String, _ body: String = "{}", redirects: HTTPExchange.Redirects = .none, isRepeatable: Bool = true,
        bodyBytesMax: Int = 8 * 1_048_576, timeout: Int64 = 600
    ) -> HTTPExchange {
        HTTPExchange(
            method: "POST", url: url, headers: [("X-Mine", "1")], body: Array(body.utf8), bodyBytesMax: bodyBytesMax,
            timeout: timeout, redirects: redirects, isRepeatable: isRepeatable)
    }

    private func send(
        _ exchange: (String) -> HTTPExchange, to handle: @escaping @Sendable (MockRequest) async -> MockAnswer
    ) async throws -> (result: Result<HTTPAnswer, HTTPTrouble>, requests: [MockRequest]) {
        try await MockApp.run(handle) { mock in
            try await withCaller { caller in (await caller.send(exchange(mock.url)), mock.requests) }
        }
    }

    @Test func `an answer has its status, its headers and its body`() async throws {
        let (result, requests) = try await send({ exchange($0, "hello") }) { _ in .answer(206, "[]") }
        let answer = try result.get()
        #expect(answer.status == 206)
        #expect(answer.header("x-inngest-sdk") == "x-y:v1")
        #expect(answer.body == Array("[]".utf8))
        #expect(requests.map(\.text) == ["hello"])
        #expect(requests.first?.header("x-mine") == "1")
    }

    @Test func `connections are used again, but not for what must not be repeated`() async throws {
        try await MockApp.run({ _ in .answer(200, "{}") }) { mock in
            try await withCaller { caller in
                for _ in 0..<10 { _ = try await caller.send(exchange(mock.url)).get() }
                // An answer is told a moment before its connection is free again.
                let shared = mock.connections
                #expect(shared <= 2)
                for _ in 0..<2 { _ = try await caller.send(exchange(mock.url, isRepeatable: false)).get() }
                #expect(mock.connections == shared + 2)
            }
        }
    }

    @Test func `a request that meets a connection closed meanwhile is sent again over a new one`() async throws {
        // The first request is answered; the second one is dropped, as if the end of the connection had crossed it.
        try await MockApp.run({ $0.connection == 1 && $0.text == "second" ? .close : .answer(200, "{}") }) { mock in
            try await withCaller { caller in
                _ = try await caller.send(exchange(mock.url, "first")).get()
                _ = try await caller.send(exchange(mock.url, "second")).get()
                #expect(mock.requests.map(\.text) == ["first", "second", "second"])
                #expect(mock.requests.map(\.connection) == [1, 1, 2])
            }
        }
    }

    @Test func `an app that dies at work on a connection that was used before is not asked again`() async throws {
        try await MockApp.run({ $0.text == "second" ? .close : .answer(200, "{}") }) { mock in
            // Whatever time there is between the request and the end of the connection counts as work.
            try await withCaller(staleLimit: .zero) { caller in
                _ = try await caller.send(exchange(mock.url, "first")).get()
                let result = await caller.send(exchange(mock.url, "second"))
                #expect(throws: HTTPTrouble.closedBeforeAnswer) { try result.get() }
                #expect(mock.requests.map(\.text) == ["first", "second"])
                #expect(mock.requests.map(\.connection) == [1, 1])
            }
        }
    }

    @Test func `an app that breaks off a new connection is not asked again`() async throws {
        let (result, requests) = try await send({ exchange($0) }) { _ in .close }
        #expect(throws: HTTPTrouble.closedBeforeAnswer) { try result.get() }
        #expect(requests.count == 1)
    }

    @Test func `an app that ends in the middle of its answer has lost the connection`() async throws {
        let (result, _) = try await send({ exchange($0) }) { _ in .closeInBody }
        #expect(throws: HTTPTrouble.lostWhileReading) { try result.get() }
    }

    @Test func `a port that nobody listens on is told at once`() async throws {
        let url = try await MockApp.run({ _ in .hang }) { $0.url }
        try await withCaller { caller in
            let result = await caller.send(exchange(url))
            #expect(throws: HTTPTrouble.unreachable("connection refused")) { try result.get() }
        }
    }

    @Test func `an answer that never comes ends with its time`() async throws {
        let (result, _) = try await send({ exchange($0, timeout: 1) }) { _ in .hang }
        #expect(throws: HTTPTrouble.timedOut) { try result.get() }
    }

    @Test func `a body that does not end is cut at the limit`() async throws {
        let (result, _) = try await send({ exchange($0, bodyBytesMax: 100_000) }) { _ in
            .flood(Array(repeating: 0x20, count: 10_000))
        }
        #expect(throws: HTTPTrouble.tooLarge) { try result.get() }
    }

    @Test func `a body that says it is too large is not read`() async throws {
        let (result, _) = try await send({ exchange($0, bodyBytesMax: 99) }) { _ in
            .answer(200, String(repeating: "x", count: 100))
        }
        #expect(throws: HTTPTrouble.tooLarge) { try result.get() }
    }

    @Test func `what is no HTTP is called so`() async throws {
        let (result, _) = try await send({ exchange($0) }) { _ in .raw(Array("SSH-2.0-OpenSSH_9\r\n\r\n".utf8)) }
        guard case .failure(.garbage) = result else {
            Issue.record("\(result)")
            return
        }
    }

    @Test func `a plain server behind an https address fails the handshake`() async throws {
        try await MockApp.run({ _ in .answer(200, "{}") }) { mock in
            try await withCaller { caller in
                let result = await caller.send(exchange("https://localhost:\(mock.port)/"))
                guard case .failure(.tls) = result else {
                    Issue.record("\(result)")
                    return
                }
            }
        }
    }

    @Test(arguments: ["ftp://localhost/", "localhost:80", "http://", "http://a b/", "http://u:p@localhost/", ""])
    func `text that is no address of a web server is told as such`(url: String) async throws {
        try await withCaller { caller in
            guard case .failure(.unusableAddress) = await caller.send(exchange(url)) else {
                Issue.record("\(url)")
                return
            }
        }
    }

    @Test(arguments: ["", "GET / HTTP/1.1\r\nX: y", "G T", "\u{1F600}"])
    func `a method that is none is not sent`(method: String) async throws {
        let (result, requests) = try await send({
            var wanted = exchange($0)
            wanted.method = method
            return wanted
        }) { _ in .answer(200, "{}") }
        guard case .failure(.unusableRequest) = result else {
            Issue.record("\(result)")
            return
        }
        #expect(requests.isEmpty)
    }

    @Test func `a header with a line feed in it is not sent`() async throws {
        let (result, requests) = try await send({
            var wanted = exchange($0)
            wanted.headers = [("X-Mine", "1\r\nX-Other: 2")]
            return wanted
        }) { _ in .answer(200, "{}") }
        guard case .failure(.unusableRequest) = result else {
            Issue.record("\(result)")
            return
        }
        #expect(requests.isEmpty)
    }

    // MARK: - The end

    @Test(.timeLimit(.minutes(1))) func `a request after the shutdown is told so`() async throws {
        let caller = HTTPCaller()
        await caller.shutdown()
        for isRepeatable in [true, false] {
            let result = await caller.send(exchange("http://localhost:1/", isRepeatable: isRepeatable))
            #expect(throws: HTTPTrouble.stopped) { try result.get() }
        }
    }

    @Test func `a connection that is being made holds up no shutdown`() async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        let greeted = group.any().makePromise(of: (any Channel).self)
        // It takes connections and says nothing, so that no handshake comes to an end.
        let silent = try await ServerBootstrap(group: group)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(SilentHandler(greeted: greeted))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let caller = HTTPCaller(stopTime: .milliseconds(1))
        async let result = caller.send(exchange("https://127.0.0.1:\(silent.localAddress?.port ?? 0)/"))
        let connection = try await greeted.futureResult.get()
        await caller.shutdown()
        #expect(connection.isActive)
        let ended = await result
        #expect(throws: HTTPTrouble.stopped) { try ended.get() }
        try await connection.close()
        try await silent.close()
    }

    // MARK: - Redirects

    @Test(arguments: [307, 308])
    func `a redirect that keeps the method repeats the request with the first query`(status: Int) async throws {
        let (result, requests) = try await send({
            exchange($0 + "?fnId=a&stepId=step", "body", redirects: .followed(max: 60))
        }) {
            $0.uri.hasPrefix("/other")
                ? .answer(200, "{}")
                : .answer(status, "", headers: [("Location", "/other?fnId=b&more=1")])
        }
        #expect(try result.get().status == 200)
        #expect(requests.map(\.method) == ["POST", "POST"])
        #expect(requests.map(\.text) == ["body", "body"])
        #expect(requests.last?.uri == "/other?more=1&fnId=a&stepId=step")
        #expect(requests.last?.header("x-mine") == "1")
    }

    @Test(arguments: [301, 302, 303])
    func `other redirects become a GET with body and headers`(status: Int) async throws {
        let (result, requests) = try await send({ exchange($0, "body", redirects: .followed(max: 60)) }) {
            $0.uri.hasPrefix("/other") ? .answer(200, "{}") : .answer(status, "", headers: [("Location", "../other")])
        }
        #expect(try result.get().status == 200)
        #expect(requests.map(\.method) == ["POST", "GET"])
        #expect(requests.last?.text == "body")
        #expect(requests.last?.header("x-mine") == "1")
    }

    @Test func `redirects in a circle end`() async throws {
        let (result, requests) = try await send({ exchange($0, redirects: .followed(max: 5)) }) { _ in
            .answer(307, "", headers: [("Location", "/again")])
        }
        #expect(throws: HTTPTrouble.tooManyRedirects(5)) { try result.get() }
        #expect(requests.count == 6)
    }

    @Test func `a redirect to no web server is not followed`() async throws {
        let (result, _) = try await send({ exchange($0, redirects: .followed(max: 5)) }) { _ in
            .answer(307, "", headers: [("Location", "file:///etc/passwd")])
        }
        #expect(throws: HTTPTrouble.unusableRedirect("file:///etc/passwd")) { try result.get() }
    }

    // MARK: - Compression

    /// `{"a":1}` by gzip.
    private static let compressed: [UInt8] = [
        0x1F, 0x8B, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xAB, 0x56, 0x4A, 0x54, 0xB2, 0x32, 0xAC, 0x05,
        0x00,
        0xAF, 0xAC, 0x1B, 0x56, 0x07, 0x00, 0x00, 0x00,
    ]

    @Test func `a compressed answer is read`() async throws {
        let (result, _) = try await send({ exchange($0) }) { _ in
            .answer(status: 200, headers: [("Content-Encoding", "gzip")], body: Self.compressed)
        }
        #expect(try result.get().body == Array(#"{"a":1}"#.utf8))
    }

    @Test(arguments: ["zstd", "br", "gzip, br", "UTF-8"])
    func `an answer with an encoding that is not known is not taken for text`(encoding: String) async throws {
        let (result, _) = try await send({ exchange($0) }) { _ in
            .answer(200, "abc", headers: [("Content-Encoding", encoding)])
        }
        #expect(throws: HTTPTrouble.unknownEncoding(encoding)) { try result.get() }
    }

    @Test(arguments: [["identity"], ["Identity", "identity"], []])
    func `an answer that is not encoded is taken as it is`(encodings: [String]) async throws {
        let (result, _) = try await send({ exchange($0) }) { _ in
            .answer(200, "abc", headers: encodings.map { ("Content-Encoding", $0) })
        }
        #expect(try result.get().body == Array("abc".utf8))
    }

    @Test func `a damaged compressed answer is garbage`() async throws {
        let (result, _) = try await send({ exchange($0) }) { _ in
            .answer(status: 200, headers: [("Content-Encoding", "gzip")], body: Array("no gzip at all".utf8))
        }
        guard case .failure(.garbage) = result else {
            Issue.record("\(result)")
            return
        }
    }

    /// Nothing but zeros, by gzip: 13 bits for each 258 of them, and no end.
    private static func bomb(bytes: Int) -> [UInt8] {
        var out: [UInt8] = [0x1F, 0x8B, 0x08, 0, 0, 0, 0, 0, 2, 3]
        var pending: UInt32 = 0
        var count = 0
        func put(_ bits: UInt32, _ width: Int) {
            pending |= bits << UInt32(count)
            count += width
            while count >= 8 {
                out.append(UInt8(truncatingIfNeeded: pending))
                pending >>= 8
                count -= 8
            }
        }
        // The last block, with fixed codes; then a zero, and "258 bytes, one back" again and again. Codes come with their
        // highest bit first.
        put(1, 1)
        put(1, 2)
        put(0b0000_1100, 8)
        for _ in 0..<bytes / 258 {
            put(0b1010_0011, 8)
            put(0, 5)
        }
        put(0, 16)
        return out
    }

    @Test func `a compressed answer that would fill the memory is cut at the limit`() async throws {
        let bomb = Self.bomb(bytes: 64 * 1_048_576)
        #expect(bomb.count < 500_000)
        let (result, _) = try await send({ exchange($0) }) { _ in
            .answer(status: 200, headers: [("Content-Encoding", "gzip")], body: bomb)
        }
        #expect(throws: HTTPTrouble.tooLarge) { try result.get() }
    }
}

/// Answers nothing, and says when something has come.
private final class SilentHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let greeted: EventLoopPromise<any Channel>

    init(greeted: EventLoopPromise<any Channel>) {
        self.greeted = greeted
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        greeted.succeed(context.channel)
    }
}
