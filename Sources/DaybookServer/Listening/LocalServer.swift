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
        let (stream, failure) = AsyncStream.makeStream(of: SocketError.self)
        let listener = try HTTPListener(
            .unixDomainSocket(path: placing.short.path), Responder(api, boundHost: nil, logger: logger),
            logger: quiet(logger)
        ) { _ in
            do throws(SocketError) {
                try placing.finish()
            } catch {
                failure.yield(error)
                return
            }
            await onReady()
        }
        defer { placing.removeSocket() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                do {
                    try await listener.run()
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

/// What the library below says of its connections is not for people.
func quiet(_ logger: Logger) -> Logger {
    var quiet = logger
    quiet.logLevel = max(logger.logLevel, .warning)
    return quiet
}
