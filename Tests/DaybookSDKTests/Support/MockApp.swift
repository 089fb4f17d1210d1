import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// What came to a mock app.
struct MockRequest: Sendable {
    var method: String
    /// Path and query.
    var uri: String
    var headers: [(name: String, value: String)]
    var body: [UInt8]
    /// Counts the connections of the mock, from 1.
    var connection: Int

    func header(_ name: String) -> String? {
        headers.first { $0.name.lowercased() == name.lowercased() }?.value
    }

    var text: String { String(decoding: body, as: UTF8.self) }

    /// The value of a parameter of the query.
    func query(_ name: String) -> String? {
        let parameters = uri.split(separator: "?").dropFirst().joined().split(separator: "&")
        return parameters.first { $0.hasPrefix(name + "=") }.map { String($0.dropFirst(name.count + 1)) }
    }
}

/// What a mock app does with a request.
enum MockAnswer: Sendable {
    case answer(status: Int, headers: [(String, String)] = [("X-Inngest-SDK", "x-y:v1")], body: [UInt8])
    /// Nothing, until the mock stops.
    case hang
    /// The connection ends without a byte.
    case close
    /// Status and headers announce 100 bytes, 5 come, and the connection ends.
    case closeInBody
    /// Those bytes in place of HTTP; then the connection ends.
    case raw([UInt8])
    /// The same part over and over, without end.
    case flood([UInt8])
    /// An answer after which the connection is closed without the headers having said so.
    case answerThenClose(status: Int, body: [UInt8])

    static func answer(
        _ status: Int, _ body: String, headers: [(String, String)] = [("X-Inngest-SDK", "x-y:v1")]
    ) -> MockAnswer {
        .answer(status: status, headers: headers, body: Array(body.utf8))
    }
}

/// A tiny web server, in the place of an app.
final class MockApp: Sendable {
    private struct State {
        var requests: [MockRequest] = []
        var waiters: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []
        var connections = 0
    }

    private let channel: any Channel
    private let state: Shared
    let port: Int

    /// Shared with the handlers of its connections.
    private final class Shared: Sendable {
        let state = Mutex(State())
        let handle: @Sendable (MockRequest) async -> MockAnswer

        init(_ handle: @escaping @Sendable (MockRequest) async -> MockAnswer) {
            self.handle = handle
        }

        func note(_ request: MockRequest) {
            let ready = state.withLock { state in
                state.requests.append(request)
                let count = state.requests.count
                let ready = state.waiters.filter { $0.count <= count }
                state.waiters.removeAll { $0.count <= count }
                return ready
            }
            for waiter in ready { waiter.continuation.resume() }
        }
    }

    private init(channel: any Channel, state: Shared) {
        self.channel = channel
        self.state = state
        port = channel.localAddress?.port ?? 0
    }

    var url: String { "http://localhost:\(port)/api/inngest" }
    var requests: [MockRequest] { state.state.withLock { $0.requests } }
    var connections: Int { state.state.withLock { $0.connections } }

    /// Returns once that many requests have come since the start.
    func waitForRequests(_ count: Int) async {
        await withCheckedContinuation { continuation in
            let isReady = state.state.withLock { state in
                if state.requests.count >= count { return true }
                state.waiters.append((count, continuation))
                return false
            }
            if isReady { continuation.resume() }
        }
    }

    /// Runs `body` beside a mock on a port of its own.
    static func run<Result>(
        _ handle: @escaping @Sendable (MockRequest) async -> MockAnswer,
        _ body: (MockApp) async throws -> Result
    ) async throws -> Result {
        let shared = Shared(handle)
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                let connection = shared.state.withLock { state in
                    state.connections += 1
                    return state.connections
                }
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(
                        MockHandler(connection: connection, note: shared.note, handle: shared.handle))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let mock = MockApp(channel: channel, state: shared)
        do {
            let result = try await body(mock)
            try await channel.close()
            return result
        } catch {
            try? await channel.close()
            throw error
        }
    }
}

private final class MockHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let connection: Int
    private let note: @Sendable (MockRequest) -> Void
    private let handle: @Sendable (MockRequest) async -> MockAnswer
    private var head: HTTPRequestHead?
    private var body: [UInt8] = []

    init(
        connection: Int, note: @escaping @Sendable (MockRequest) -> Void,
        handle: @escaping @Sendable (MockRequest) async -> MockAnswer
    ) {
        self.connection = connection
        self.note = note
        self.handle = handle
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            body = []
        case .body(let part): body.append(contentsOf: part.readableBytesView)
        case .end:
            guard let head else { return }
            let request = MockRequest(
                method: head.method.rawValue, uri: head.uri, headers: head.headers.map { ($0.name, $0.value) },
                body: body, connection: connection)
            note(request)
            let (handle, channel) = (handle, context.channel)
            Task { await MockWriter(channel: channel).write(handle(request)) }
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}

/// Writes answers from outside of the connection's own thread.
private struct MockWriter: Sendable {
    let channel: any Channel

    func write(_ answer: MockAnswer) async {
        switch answer {
        case .answer(let status, let headers, let body):
            try? await parts(status, headers + [("Content-Length", "\(body.count)")], body, end: true)
        case .hang: break
        case .close: try? await channel.close()
        case .closeInBody:
            try? await parts(
                200, [("X-Inngest-SDK", "x-y:v1"), ("Content-Length", "100")], Array("12345".utf8), end: false)
            try? await channel.close()
        case .raw(let bytes):
            let channel = channel
            try? await channel.eventLoop.submit {
                try channel.pipeline.syncOperations.context(handlerType: HTTPResponseEncoder.self)
                    .writeAndFlush(NIOAny(ByteBuffer(bytes: bytes)), promise: nil)
            }.get()
            try? await channel.close()
        case .flood(let part):
            try? await parts(200, [("X-Inngest-SDK", "x-y:v1"), ("Transfer-Encoding", "chunked")], part, end: false)
            while channel.isActive {
                do {
                    try await channel.writeAndFlush(HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(bytes: part))))
                } catch { return }
            }
        case .answerThenClose(let status, let body):
            try? await parts(
                status, [("X-Inngest-SDK", "x-y:v1"), ("Content-Length", "\(body.count)")], body, end: true)
            try? await channel.close()
        }
    }

    private func parts(_ status: Int, _ headers: [(String, String)], _ body: [UInt8], end: Bool) async throws {
        let head = HTTPResponseHead(
            version: .http1_1, status: HTTPResponseStatus(statusCode: status), headers: HTTPHeaders(headers))
        channel.write(HTTPServerResponsePart.head(head), promise: nil)
        if !body.isEmpty {
            channel.write(HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(bytes: body))), promise: nil)
        }
        if end {
            try await channel.writeAndFlush(HTTPServerResponsePart.end(nil))
        } else {
            try await channel.eventLoop.flatSubmit { [channel] in
                channel.flush()
                return channel.eventLoop.makeSucceededVoidFuture()
            }.get()
        }
    }
}
