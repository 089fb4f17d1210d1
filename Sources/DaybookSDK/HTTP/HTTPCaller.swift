import AsyncHTTPClient
import DaybookValues
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Makes requests, over connections that are kept for the next one.
///
/// Apps have servers of many kinds; some close an idle connection after two seconds. Ours are given up before that, and a
/// request that must not meet an app twice is never sent over a connection that was used before.
final class HTTPCaller: Sendable {
    /// Connections of one host at a time. The node has at most 200 calls of one app under way.
    static let connectionsPerHostMax = 1_000
    /// Redirects followed in a row.
    static let redirectsMax = 60

    private let pooled: HTTPClient
    private let fresh: HTTPClient
    private let stopTime: TimeAmount
    let group: any EventLoopGroup

    /// - Parameters:
    ///   - staleLimit: how soon after a request a connection that had been idle must end, for the request to be sent again.
    ///   - stopTime: how long `shutdown` may take.
    init(
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton, staleLimit: TimeAmount = .milliseconds(100),
        stopTime: TimeAmount = .seconds(1)
    ) {
        self.group = group
        self.stopTime = stopTime
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        configuration.timeout = HTTPClient.Configuration.Timeout(connect: .seconds(10))
        configuration.connectionPool = HTTPClient.Configuration.ConnectionPool(
            idleTimeout: .milliseconds(1_500), concurrentHTTP1ConnectionsPerHostSoftLimit: Self.connectionsPerHostMax)
        // A host that refuses is told as such at once: whoever asks has a schedule of its own for trying again.
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.httpVersion = .http1Only
        var single = configuration
        single.maximumUsesPerConnection = 1
        configuration.http1_1ConnectionDebugInitializer = { StaleConnectionHandler.add(to: $0, limit: staleLimit) }
        pooled = HTTPClient(eventLoopGroupProvider: .shared(group), configuration: configuration)
        fresh = HTTPClient(eventLoopGroupProvider: .shared(group), configuration: single)
    }

    /// Gives up all requests under way.
    ///
    /// The clients wait for connections that are being made, which may take as long as a host does not answer. After
    /// `stopTime` they are left to it.
    func shutdown() async {
        let end = LimitedWait()
        let limit = group.any().scheduleTask(in: stopTime) { end.end(isDone: false) }
        Task { [pooled, fresh] in
            async let first: Void? = try? pooled.shutdown()
            async let second: Void? = try? fresh.shutdown()
            _ = await (first, second)
            end.end(isDone: true)
        }
        _ = await end.wait()
        limit.cancel()
    }

    /// Makes the request; `done` is called once, on a thread of the group or on this one.
    func send(_ exchange: HTTPExchange, done: @escaping @Sendable (Result<HTTPAnswer, HTTPTrouble>) -> Void) {
        send(exchange, giveUp: GiveUp(), done: done)
    }

    /// The same; it ends with `HTTPTrouble.stopped` when the task is cancelled.
    func send(_ exchange: HTTPExchange) async -> Result<HTTPAnswer, HTTPTrouble> {
        let giveUp = GiveUp()
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                send(exchange, giveUp: giveUp) { continuation.resume(returning: $0) }
            }
        } onCancel: {
            giveUp.request()
        }
    }

    private func send(
        _ exchange: HTTPExchange, giveUp: GiveUp, done: @escaping @Sendable (Result<HTTPAnswer, HTTPTrouble>) -> Void
    ) {
        guard let address = WebAddress(exchange.url) else {
            return done(.failure(.unusableAddress(exchange.url)))
        }
        let journey = Journey(
            first: address, deadline: .now() + .seconds(exchange.timeout), giveUp: giveUp, done: done)
        send(exchange, to: address, on: journey, redirects: 0, over: exchange.isRepeatable ? pooled : fresh)
    }

    /// What stays the same from one redirect to the next.
    private struct Journey: Sendable {
        let first: WebAddress
        let deadline: NIODeadline
        let giveUp: GiveUp
        let done: @Sendable (Result<HTTPAnswer, HTTPTrouble>) -> Void
    }

    private func send(
        _ exchange: HTTPExchange, to address: WebAddress, on journey: Journey, redirects: Int, over client: HTTPClient
    ) {
        let collector = AnswerCollector(bodyBytesMax: exchange.bodyBytesMax) { [self] result, wasStale in
            if wasStale { return send(exchange, to: address, on: journey, redirects: redirects, over: fresh) }
            guard case .success(let answer) = result, case .followed(let max) = exchange.redirects,
                let location = Self.redirectTarget(of: answer)
            else { return journey.done(result) }
            guard redirects < max else { return journey.done(.failure(.tooManyRedirects(max))) }
            guard let target = address.resolving(location), ["http", "https"].contains(target.scheme) else {
                return journey.done(.failure(.unusableRedirect(String(location.prefix(200)))))
            }
            var next = exchange
            if answer.status < 304 { next.method = "GET" }
            // The parameters that count are those of the address that was asked for first.
            send(
                next, to: target.overridingQuery(with: journey.first), on: journey, redirects: redirects + 1,
                over: client)
        }
        guard ["http", "https"].contains(address.scheme), let url = URL(string: address.text) else {
            return collector.fail(HTTPTrouble.unusableAddress(address.text))
        }
        guard Self.isMethod(exchange.method) else {
            return collector.fail(HTTPTrouble.unusableRequest("'\(exchange.method)' is no method"))
        }
        do {
            var headers = HTTPHeaders()
            for (name, value) in exchange.headers { headers.add(name: name, value: value) }
            let request = try HTTPClient.Request(
                url: url, method: HTTPMethod(rawValue: exchange.method), headers: headers,
                body: exchange.body.isEmpty ? nil : .byteBuffer(ByteBuffer(bytes: exchange.body)))
            let task = client.execute(request: request, delegate: collector, deadline: journey.deadline)
            // A client that is shut down tells its delegate nothing.
            task.futureResult.whenFailure { collector.fail($0) }
            journey.giveUp.started(task)
        } catch {
            collector.fail(error)
        }
    }

    /// Methods may come from a function's code, and go into the request as they are.
    private static func isMethod(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 40
            && text.utf8.allSatisfy {
                UInt8(ascii: "A")...UInt8(ascii: "Z") ~= $0 || UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0
                    || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_")
            }
    }

    private static func redirectTarget(of answer: HTTPAnswer) -> String? {
        switch answer.status {
        case 301, 302, 303, 307, 308: answer.header("location")
        default: nil
        }
    }
}

/// Gives up a request, whichever of its redirects is under way.
private final class GiveUp: Sendable {
    private let state = Mutex<(isRequested: Bool, task: HTTPClient.Task<Void>?)>((false, nil))

    func started(_ task: HTTPClient.Task<Void>) {
        let isRequested = state.withLock { state in
            state.task = task
            return state.isRequested
        }
        if isRequested { task.cancel() }
    }

    func request() {
        let task = state.withLock { state in
            state.isRequested = true
            return state.task
        }
        task?.cancel()
    }
}
