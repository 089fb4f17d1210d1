import Hummingbird
package import Logging
import ServiceLifecycle

/// Answers the command line on the Unix socket of a data directory, until its graceful shutdown: then requests under
/// way are answered, live tails end, and the socket goes.
///
/// Only for the process that holds the lock of the directory.
package struct LocalServer: Service {
    private let api: API
    private let directory: String
    private let logger: Logger
    private let onReady: @Sendable () async -> Void

    /// - Parameter onReady: called once, when the socket is in its place.
    package init(
        api: API, directory: String, logger: Logger, onReady: @escaping @Sendable () async -> Void = {}
    ) {
        self.api = api
        self.directory = directory
        self.logger = logger
        self.onReady = onReady
    }

    /// - Throws: `SocketError` when the socket cannot be made.
    package func run() async throws {
        let placing = try LocalSocket.Placing(in: directory)
        let onReady = onReady
        var quiet = logger
        quiet.logLevel = max(logger.logLevel, .warning)
        let (stream, failure) = AsyncStream.makeStream(of: SocketError.self)
        let application = Application(
            router: api.makeRouter(),
            configuration: ApplicationConfiguration(
                address: .unixDomainSocket(path: placing.short.path), serverName: "daybook"),
            onServerRunning: { _ in
                do throws(SocketError) {
                    try placing.finish()
                } catch {
                    failure.yield(error)
                    return
                }
                await onReady()
            },
            logger: quiet)
        defer { placing.removeSocket() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                do {
                    try await application.run()
                } catch {
                    placing.cancel()
                    throw error
                }
                failure.finish()
            }
            group.addTask {
                for await error in stream { throw error }
            }
            let api = api
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
}
