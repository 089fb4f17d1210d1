import AsyncHTTPClient
import DaybookValues
import NIOCore
import NIOHTTP1
import NIOPosix

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
    let group: any EventLoopGroup

    init(group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton) {
        self.group = group
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
        configuration.http1_1ConnectionDebugInitializer = { StaleConnectionHandler.add(to: $0) }
        pooled = HTTPClient(eventLoopGroupProvider: .shared(group), configuration: configuration)
        fresh = HTTPClient(eventLoopGroupProvider: .shared(group), configuration: single)
    }

    /// Gives up all requests under way.
    func shutdown() async {
        try? await pooled.shutdown()
        try? await fresh.shutdown()
    }

    /// Makes the request; `done` is called once, on a thread of the group or on this one.
    func send(_ exchange: HTTPExchange, done: @escaping @Sendable (Result<HTTPAnswer, HTTPTrouble>) -> Void) {
        guard let address = WebAddress(exchange.url) else {
            return done(.failure(.unusableAddress(exchange.url)))
        }
        send(
            exchange, to: address, deadline: .now() + .seconds(exchange.timeout), redirects: 0,
            over: exchange.isRepeatable ? pooled : fresh, done: done)
    }

    func send(_ exchange: HTTPExchange) async -> Result<HTTPAnswer, HTTPTrouble> {
        await withCheckedContinuation { continuation in
            send(exchange) { continuation.resume(returning: $0) }
        }
    }

    private func send(
        _ exchange: HTTPExchange, to address: WebAddress, deadline: NIODeadline, redirects: Int,
        over client: HTTPClient,
        done: @escaping @Sendable (Result<HTTPAnswer, HTTPTrouble>) -> Void
    ) {
        let collector = AnswerCollector(bodyBytesMax: exchange.bodyBytesMax) { [self] result, wasStale in
            if wasStale {
                return send(exchange, to: address, deadline: deadline, redirects: redirects, over: fresh, done: done)
            }
            guard case .success(let answer) = result, case .followed(let max) = exchange.redirects,
                let location = Self.redirectTarget(of: answer)
            else { return done(result) }
            guard redirects < max else { return done(.failure(.tooManyRedirects(max))) }
            guard let target = address.resolving(location), ["http", "https"].contains(target.scheme) else {
                return done(.failure(.unusableRedirect(String(location.prefix(200)))))
            }
            var next = exchange
            if answer.status < 304 { next.method = "GET" }
            // The parameters that count are those of the address that was asked for first.
            let first = WebAddress(exchange.url) ?? address
            send(
                next, to: target.overridingQuery(with: first), deadline: deadline, redirects: redirects + 1,
                over: client,
                done: done)
        }
        guard ["http", "https"].contains(address.scheme), let url = URL(string: address.text) else {
            return collector.fail(HTTPTrouble.unusableAddress(address.text))
        }
        do {
            var headers = HTTPHeaders()
            for (name, value) in exchange.headers { headers.add(name: name, value: value) }
            let request = try HTTPClient.Request(
                url: url, method: HTTPMethod(rawValue: exchange.method), headers: headers,
                body: exchange.body.isEmpty ? nil : .byteBuffer(ByteBuffer(bytes: exchange.body)))
            _ = client.execute(request: request, delegate: collector, deadline: deadline)
        } catch {
            collector.fail(error)
        }
    }

    private static func redirectTarget(of answer: HTTPAnswer) -> String? {
        switch answer.status {
        case 301, 302, 303, 307, 308: answer.header("location")
        default: nil
        }
    }
}
