import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Gathers one answer as it comes in and says what became of it, once.
///
/// The client calls it on one thread after the other, never on two at once; the mutex is for the first and the last of
/// them, which may be different ones.
final class AnswerCollector: HTTPClientResponseDelegate {
    typealias Response = Void

    private struct State {
        var head: HTTPResponseHead?
        var body: [UInt8] = []
        var isRequestSent = false
        var done: (@Sendable (Result<HTTPAnswer, HTTPTrouble>, _ wasStale: Bool) -> Void)?
    }

    private let bodyBytesMax: Int
    private let state: Mutex<State>

    /// `wasStale`: the connection had served before and was gone before a byte was answered.
    init(
        bodyBytesMax: Int, done: @escaping @Sendable (Result<HTTPAnswer, HTTPTrouble>, _ wasStale: Bool) -> Void
    ) {
        self.bodyBytesMax = bodyBytesMax
        state = Mutex(State(done: done))
    }

    func didSendRequest(task: HTTPClient.Task<Void>) {
        state.withLock { $0.isRequestSent = true }
    }

    func didReceiveHead(task: HTTPClient.Task<Void>, _ head: HTTPResponseHead) -> EventLoopFuture<Void> {
        let isTooLarge =
            head.headers.first(name: "content-length").flatMap { Int($0) }.map { $0 > bodyBytesMax } ?? false
        state.withLock { $0.head = head }
        return isTooLarge
            ? task.eventLoop.makeFailedFuture(HTTPTrouble.tooLarge) : task.eventLoop.makeSucceededVoidFuture()
    }

    func didReceiveBodyPart(task: HTTPClient.Task<Void>, _ buffer: ByteBuffer) -> EventLoopFuture<Void> {
        let isTooLarge = state.withLock { state in
            guard state.body.count + buffer.readableBytes <= bodyBytesMax else { return true }
            state.body.append(contentsOf: buffer.readableBytesView)
            return false
        }
        return isTooLarge
            ? task.eventLoop.makeFailedFuture(HTTPTrouble.tooLarge) : task.eventLoop.makeSucceededVoidFuture()
    }

    func didReceiveError(task: HTTPClient.Task<Void>, _ error: any Error) {
        fail(error)
    }

    func didFinishRequest(task: HTTPClient.Task<Void>) throws {
        finish { state in
            guard let head = state.head else { return (.failure(.closedBeforeAnswer), false) }
            let body: [UInt8]
            do throws(HTTPTrouble) {
                body = try plainBody(state.body, head)
            } catch {
                return (.failure(error), false)
            }
            let headers = head.headers.map { (name: $0.name, value: $0.value) }
            return (.success(HTTPAnswer(status: Int(head.status.code), headers: headers, body: body)), false)
        }
    }

    private func plainBody(_ body: [UInt8], _ head: HTTPResponseHead) throws(HTTPTrouble) -> [UInt8] {
        let encodings = head.headers[canonicalForm: "content-encoding"].filter { $0.lowercased() != "identity" }
        guard !body.isEmpty, !encodings.isEmpty else { return body }
        guard encodings.count == 1, ["gzip", "x-gzip", "deflate"].contains(encodings[0].lowercased()) else {
            throw .unknownEncoding(String(encodings.joined(separator: ", ").prefix(100)))
        }
        do throws(Inflation.Failure) {
            return try Inflation.inflate(body, bytesMax: bodyBytesMax)
        } catch {
            switch error {
            case .tooLarge: throw .tooLarge
            case .damaged: throw .garbage("its body is not compressed as it says")
            }
        }
    }

    /// Also for a request that was never sent.
    func fail(_ error: any Error) {
        finish { state in
            (
                .failure(Self.trouble(error, isSent: state.isRequestSent, hasHead: state.head != nil)),
                error is StaleConnection
            )
        }
    }

    private func finish(_ outcome: (State) -> (Result<HTTPAnswer, HTTPTrouble>, Bool)) {
        let (done, result) = state.withLock { state in
            defer {
                state.done = nil
                state.body = []
            }
            return (state.done, state.done == nil ? nil : outcome(state))
        }
        if let done, let result { done(result.0, result.1) }
    }

    private static func trouble(_ error: any Error, isSent: Bool, hasHead: Bool) -> HTTPTrouble {
        switch error {
        case let trouble as HTTPTrouble: return trouble
        case let stale as StaleConnection:
            return stale.wasReset ? .resetWhileSending : .closedBeforeAnswer
        case let error as HTTPClientError: return trouble(error, isSent: isSent, hasHead: hasHead)
        case let error as NIOConnectionError: return .unreachable(reason(error))
        case ChannelError.connectTimeout: return .unreachable("it did not answer within 10 seconds")
        case is SocketAddressError: return .unreachable("the name of the host is not known")
        case let error as HTTPParserError: return hasHead ? .lostWhileReading : .garbage("\(error)")
        case let error as IOError where !isSent && !hasHead && error.errnoCode == ECONNREFUSED:
            return .unreachable("connection refused")
        case is IOError, is ChannelError:
            return hasHead ? .lostWhileReading : isSent ? .closedBeforeAnswer : .resetWhileSending
        default:
            // NIOSSL is no dependency of ours, so that its errors are known by name only.
            if String(reflecting: Swift.type(of: error)).contains("SSL") { return .tls("\(error)") }
            return hasHead ? .lostWhileReading : .unreachable("\(error)")
        }
    }

    private static func trouble(_ error: HTTPClientError, isSent: Bool, hasHead: Bool) -> HTTPTrouble {
        switch error {
        case .deadlineExceeded, .readTimeout, .writeTimeout: .timedOut
        case .connectTimeout, .getConnectionFromPoolTimeout: .unreachable("it did not answer within 10 seconds")
        case .tlsHandshakeTimeout: .tlsTimeout
        case .remoteConnectionClosed, .uncleanShutdown:
            hasHead ? .lostWhileReading : isSent ? .closedBeforeAnswer : .resetWhileSending
        case .cancelled, .alreadyShutdown, .requestStreamCancelled: .stopped
        case .invalidURL, .emptyHost, .emptyScheme, .missingSocketPath: .unusableAddress("")
        default: hasHead ? .lostWhileReading : isSent ? .resetWhileSending : .unusableRequest(error.shortDescription)
        }
    }

    private static func reason(_ error: NIOConnectionError) -> String {
        if let first = error.connectionErrors.first {
            if let error = first.error as? IOError, error.errnoCode == ECONNREFUSED { return "connection refused" }
            if case ChannelError.connectTimeout = first.error { return "it did not answer within 10 seconds" }
            return "\(first.error)"
        }
        return "the name \(error.host) is not known"
    }
}

/// A connection that had served before was gone before a byte of the next answer had come.
struct StaleConnection: Error {
    var wasReset: Bool
}
