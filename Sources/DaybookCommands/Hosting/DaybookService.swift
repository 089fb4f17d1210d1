public import Daybook
import DaybookNode
public import Logging
public import ServiceLifecycle

/// Serves durable functions inside a program that has a `main` of its own, as one service of its `ServiceGroup`.
///
/// ```swift
/// let daybook = DaybookService(id: "shop", functions: orders.all)
/// try await ServiceGroup(
///     services: [database, daybook], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger
/// ).run()
/// ```
///
/// Put it after the services that the functions use: a group shuts down in reverse order, and functions run to their
/// end first. Events come in through the inbox of the data directory and through `daybook send`; all other commands of
/// the `daybook` program work on it too. Sendable.
public struct DaybookService: Service {
    /// How it runs. The defaults are right for production. Sendable.
    public struct Options: Sendable {
        /// Where everything is kept. The default is `$DAYBOOK_DATA`, else `./var`. One process at a time may have it.
        public var dataDirectory: String
        /// How long step bodies may go on that run when the shutdown begins. The default is 30 seconds.
        public var drain: Duration = .seconds(30)
        /// Replaces the waits between attempts; nil, the default, for the usual ones from 15 seconds to 2 hours.
        public var retryInterval: Duration?
        /// Where messages go. The default is a logger called `daybook`.
        public var logger = Logger(label: "daybook")

        public init() {
            dataDirectory = environment("DAYBOOK_DATA") ?? "./var"
        }
    }

    /// Why a server could not run. Sendable.
    public struct Failure: Error, Sendable, CustomStringConvertible {
        /// What was attempted, what went wrong, what to do next.
        public let description: String
    }

    private let id: String
    private let functions: [any FunctionDefinition]
    private let options: Options

    /// - Parameters:
    ///   - id: of the app, which stands before the ids of its functions.
    ///   - functions: to serve.
    public init(id: String, functions: [any FunctionDefinition], options: Options = Options()) {
        self.id = id
        self.functions = functions
        self.options = options
    }

    /// Serves until the graceful shutdown. When the disk fails in a way after which nothing may be acknowledged, the
    /// process ends with exit code 1.
    /// - Throws: `Failure` when the data directory cannot be opened or a function is refused.
    public func run() async throws {
        do {
            let functions = try appFunctions(id, functions)
            var host = HostOptions(directory: options.dataDirectory)
            host.drain = milliseconds(options.drain)
            host.retryInterval = options.retryInterval.map(milliseconds)
            let opened = try NodeHost(host, logger: options.logger)
            let logger = options.logger
            try await opened.run(functions) { port in
                let facts = await opened.readyFacts(port)
                logger.info("ready", metadata: facts)
            }
        } catch let error as CommandFailure {
            throw Failure(description: error.description)
        } catch let error as RegistrationError {
            throw Failure(description: error.description)
        }
    }
}
