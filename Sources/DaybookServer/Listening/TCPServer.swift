import Hummingbird
package import Logging
import NIOCore
import ServiceLifecycle
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Why a TCP address cannot be listened on.
package struct ListenError: Error, Sendable, Equatable, CustomStringConvertible {
    package let description: String
}

/// Answers apps, SDKs and people over TCP, until its graceful shutdown: then requests under way are answered, long polls
/// and live views end.
package struct TCPServer: Service {
    /// The default port, the one that SDKs look for.
    package static let defaultPort = 8288
    package static let defaultHost = "127.0.0.1"

    private let api: API
    private let host: String
    private let port: Int
    private let logger: Logger
    private let onReady: @Sendable (_ port: Int) async -> Void

    /// - Parameters:
    ///   - host: a name or an address. `localhost` and `127.0.0.1` mean this machine in both versions of the protocol,
    ///     because programs differ in which of them they take for `localhost`.
    ///   - port: 0 for any that is free.
    ///   - onReady: called once, with the port, when requests are answered.
    package init(
        api: API, host: String = defaultHost, port: Int = defaultPort, logger: Logger,
        onReady: @escaping @Sendable (_ port: Int) async -> Void = { _ in }
    ) {
        self.api = api
        self.host = host
        self.port = port
        self.logger = logger
        self.onReady = onReady
    }

    /// Whether only this machine can reach that host. Whoever starts a server without keys anywhere else gives it away.
    package static func isLoopback(_ host: String) -> Bool {
        RequestGuard.isLoopback(host.lowercased().filter { $0 != "[" && $0 != "]" })
    }

    /// - Throws: `ListenError` when nobody can listen there.
    package func run() async throws {
        let isBoth = host == "localhost" || host == Self.defaultHost
        let first = isBoth ? Self.defaultHost : host.filter { $0 != "[" && $0 != "]" }
        let (ports, bound) = AsyncStream.makeStream(of: Int.self)
        let main = try listener(first, port) { channel in
            bound.yield(channel.localAddress?.port ?? 0)
            bound.finish()
        }
        let (api, host, port, logger, onReady) = (api, host, port, logger, onReady)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                defer { bound.finish() }
                do {
                    try await main.run()
                } catch let error as IOError {
                    throw Self.error(error, host, port)
                }
            }
            group.addTask {
                guard let port = await ports.first(where: { _ in true }) else { return }
                guard isBoth else {
                    await onReady(port)
                    return
                }
                let ready = Once { await onReady(port) }
                let second = try listener("::1", port) { _ in await ready() }
                do {
                    try await second.run()
                } catch let error as IOError {
                    if error.errnoCode == EADDRINUSE {
                        logger.warning(
                            "somebody else listens on ::1, port \(port): programs that take localhost for ::1 reach that one, not this server"
                        )
                    } else {
                        // Many containers have no version 6 at all.
                        logger.debug("not listening on ::1", metadata: ["error": "\(error)"])
                    }
                    await ready()
                }
            }
            try await withGracefulShutdownHandler {
                do {
                    try await group.waitForAll()
                } catch {
                    group.cancelAll()
                    throw error
                }
            } onGracefulShutdown: {
                api.end()
            }
        }
    }

    private func listener(
        _ host: String, _ port: Int, _ onRunning: @escaping @Sendable (any Channel) async -> Void
    ) throws -> HTTPListener {
        try HTTPListener(
            .hostname(host, port: port), Responder(api, boundHost: host, logger: logger), logger: quiet(logger),
            onRunning: onRunning)
    }

    private static func error(_ error: IOError, _ host: String, _ port: Int) -> ListenError {
        switch error.errnoCode {
        case EADDRINUSE:
            ListenError(
                description: """
                    port \(port) on \(host) is in use, perhaps by another server of Daybook or Inngest. Stop that one, or \
                    choose another port with --port
                    """)
        case EACCES: ListenError(description: "port \(port) needs privileges; choose one above 1023 with --port")
        default: ListenError(description: "could not listen on \(host), port \(port): \(error)")
        }
    }
}

/// Something that happens once, whoever comes first.
private final class Once: Sendable {
    private let isDone = Mutex(false)
    private let action: @Sendable () async -> Void

    init(_ action: @escaping @Sendable () async -> Void) {
        self.action = action
    }

    func callAsFunction() async {
        let isFirst = isDone.withLock { isDone in
            defer { isDone = true }
            return !isDone
        }
        if isFirst { await action() }
    }
}
