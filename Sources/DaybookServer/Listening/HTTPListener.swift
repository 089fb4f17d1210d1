import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle

/// One socket on which requests are answered.
struct HTTPListener {
    /// Connections that are open at the same time; further ones wait to be accepted: 4,096.
    static let connectionsMax = 4_096
    /// Connections on which nothing happens that long are closed. Requests that are being answered are left alone.
    static let idleTimeout = TimeAmount.seconds(120)

    private let server: any Service

    /// - Parameter onRunning: called once it listens.
    init(
        _ address: BindAddress, _ responder: Responder, logger: Logger,
        onRunning: @escaping @Sendable (any Channel) async -> Void
    ) throws {
        server = try HTTPServerBuilder.http1(configuration: .init(idleTimeout: Self.idleTimeout)).buildServer(
            configuration: ServerConfiguration(
                address: address, serverName: nil, backlog: 1_024,
                availableConnectionsDelegate: MaximumAvailableConnections(Self.connectionsMax, logger: logger)),
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
            logger: logger,
            responder: { request, writer, channel in try await responder.respond(to: request, writer, channel) },
            onServerRunning: onRunning)
    }

    /// Answers requests until the graceful shutdown; answers under way are finished then.
    func run() async throws { try await server.run() }
}
