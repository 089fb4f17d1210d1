import DaybookServer
import DaybookValues
import NIOCore
import NIOHTTP1
import NIOPosix

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Talks to the server that runs on a data directory, over its socket.
struct ServerClient: Sendable {
    /// Bytes of an answer that are read at most: 256 MiB.
    private static let answerBytesMax = 256 << 20

    struct Answer: Sendable {
        var status: Int
        var body: [UInt8]
    }

    enum Method: Sendable {
        case get
        case post
        case delete

        fileprivate var http: HTTPMethod {
            switch self {
            case .get: .GET
            case .post: .POST
            case .delete: .DELETE
            }
        }
    }

    let directory: String

    /// Sends one request.
    /// - Returns: nil when no server runs.
    /// - Throws: `CommandFailure` when the server cannot be talked to, or answers with an error.
    func request(
        _ method: Method, _ path: String, body: [UInt8]? = nil
    ) async throws -> JSONView? {
        guard let channel = try await connect() else { return nil }
        let answer: Answer
        do {
            answer = try await channel.executeThenClose { inbound, outbound in
                try await Self.send(method, path, body, to: outbound)
                var answer = Answer(status: 0, body: [])
                for try await part in inbound {
                    switch part {
                    case .head(let head): answer.status = Int(head.status.code)
                    case .body(let bytes):
                        answer.body.append(contentsOf: bytes.readableBytesView)
                        guard answer.body.count <= Self.answerBytesMax else {
                            throw CommandFailure("the server's answer is too large; ask for less at once")
                        }
                    case .end: return answer
                    }
                }
                throw CommandFailure(
                    .unavailable, "the server went away before it had answered", isFateUnknown: true)
            }
        } catch let failure as CommandFailure {
            throw failure
        } catch {
            throw CommandFailure(
                .unavailable, "the server at \(directory) could not be talked to: \(error)", isFateUnknown: true)
        }
        let view = JSONView(answer.body)
        guard (200..<300).contains(answer.status) else { throw Self.failure(answer.status, view) }
        return view ?? JSONView(Array("{}".utf8))
    }

    /// Gives out what the server sends, line by line, until it ends.
    /// - Returns: false when no server runs.
    func stream(
        _ method: Method, _ path: String, body: [UInt8]? = nil, _ take: @Sendable ([UInt8]) -> Void
    ) async throws -> Bool {
        guard let channel = try await connect() else { return false }
        do {
            try await channel.executeThenClose { inbound, outbound in
                try await Self.send(method, path, body, to: outbound)
                var line: [UInt8] = []
                var refusal: Int?
                for try await part in inbound {
                    switch part {
                    case .head(let head): refusal = head.status == .ok ? nil : Int(head.status.code)
                    case .body(let bytes):
                        for byte in bytes.readableBytesView {
                            if byte == UInt8(ascii: "\n"), refusal == nil {
                                if !line.isEmpty { take(line) }
                                line.removeAll(keepingCapacity: true)
                            } else {
                                line.append(byte)
                            }
                        }
                    case .end:
                        if let refusal { throw Self.failure(refusal, JSONView(line)) }
                        return
                    }
                }
                throw CommandFailure(
                    .unavailable, "the server went away without a word; it was killed, or it crashed",
                    isFateUnknown: true)
            }
        } catch let failure as CommandFailure {
            throw failure
        } catch {
            throw CommandFailure(.unavailable, "the server went away: \(error)", isFateUnknown: true)
        }
        return true
    }

    /// As `request`, for what only a server can do.
    func require(_ method: Method, _ path: String, body: [UInt8]? = nil) async throws -> JSONView {
        guard let answer = try await request(method, path, body: body) else { throw noServer }
        return answer
    }

    var noServer: CommandFailure {
        CommandFailure(
            .unavailable,
            "no server is running on data directory \(directory). Start one with `serve` or `dev`, or name another directory with --data."
        )
    }

    private static func failure(_ status: Int, _ body: JSONView?) -> CommandFailure {
        let message = body?.member("error")?.string ?? "the server answered with status \(status)"
        let code: FailureCode =
            switch status {
            case 404: .notFound
            case 503: .unavailable
            case 507: .storageFull
            default: .failed
            }
        return CommandFailure(code, harmless(message), isFateUnknown: status >= 500 && status != 507)
    }

    // MARK: - Connection

    private typealias Connection = NIOAsyncChannel<HTTPClientResponsePart, HTTPPart<HTTPRequestHead, ByteBuffer>>

    private func connect() async throws -> Connection? {
        var status = stat()
        guard lstat(directory + "/" + LocalSocket.name, &status) == 0 else { return nil }
        let short = try LocalSocket.ShortPath(to: LocalSocket.name, in: directory)
        defer { short.remove() }
        do {
            return try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connect(unixDomainSocketPath: short.path) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHTTPClientHandlers()
                        try channel.pipeline.syncOperations.addHandler(RequestBytes())
                        return try Connection(wrappingChannelSynchronously: channel)
                    }
                }
        } catch let error as IOError where [ECONNREFUSED, ENOENT].contains(error.errnoCode) {
            // A killed server leaves its socket behind.
            return nil
        } catch let error as IOError where [EACCES, EPERM].contains(error.errnoCode) {
            throw CommandFailure(
                .unavailable,
                "data directory \(directory) belongs to another user, and so does its server; only that user may talk to it"
            )
        } catch {
            throw CommandFailure(.unavailable, "the server on data directory \(directory) cannot be reached: \(error)")
        }
    }

    private static func send(
        _ method: Method, _ path: String, _ body: [UInt8]?,
        to outbound: NIOAsyncChannelOutboundWriter<HTTPPart<HTTPRequestHead, ByteBuffer>>
    ) async throws {
        var headers: HTTPHeaders = ["host": "localhost", "connection": "close"]
        if let body {
            headers.add(name: "content-type", value: "application/json")
            headers.add(name: "content-length", value: String(body.count))
        }
        try await outbound.write(
            .head(HTTPRequestHead(version: .http1_1, method: method.http, uri: path, headers: headers)))
        if let body { try await outbound.write(.body(ByteBuffer(bytes: body))) }
        try await outbound.write(.end(nil))
    }
}

/// Wraps the bytes of a request's body as the HTTP encoder wants them; `IOData` itself is not Sendable.
private final class RequestBytes: ChannelOutboundHandler {
    typealias OutboundIn = HTTPPart<HTTPRequestHead, ByteBuffer>
    typealias OutboundOut = HTTPClientRequestPart

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let part: HTTPClientRequestPart =
            switch unwrapOutboundIn(data) {
            case .head(let head): .head(head)
            case .body(let bytes): .body(.byteBuffer(bytes))
            case .end(let trailers): .end(trailers)
            }
        context.write(wrapOutboundOut(part), promise: promise)
    }
}

/// The text of a query: names and values escaped, in order.
func query(_ items: [(name: String, value: String?)]) -> String {
    let given = items.compactMap { item in item.value.map { "\(item.name)=\(escaped($0))" } }
    return given.isEmpty ? "" : "?" + given.joined(separator: "&")
}

/// Percent-escaped for a path or a query.
func escaped(_ text: String) -> String {
    var result = ""
    for byte in text.utf8 {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "~"):
            result.unicodeScalars.append(Unicode.Scalar(byte))
        default:
            result += byte < 16 ? "%0" : "%"
            result += String(byte, radix: 16, uppercase: true)
        }
    }
    return result
}
