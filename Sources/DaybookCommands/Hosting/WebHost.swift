import DaybookNode
import DaybookSDK
import DaybookServer
import Logging
import ServiceLifecycle
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// What a server does over TCP: answers requests and calls apps.
///
/// It outlives the graceful shutdown of what surrounds it: apps that still work on a call report and ask until they have
/// answered. `stop` ends it.
struct WebHost: Sendable {
    let options: HTTPOptions
    let apps: AppHost
    /// How long requests that are being answered may take when everything else has stopped, in milliseconds.
    private static let closing = 2_000

    private let port: Int
    private let logger: Logger
    private let group = Running()

    /// - Throws: `CommandFailure` when no port is free.
    init(_ options: HTTPOptions, node: Node, logger: Logger) throws(CommandFailure) {
        self.options = options
        self.logger = logger
        port = options.takesNextPort ? try Self.nextFreePort(options, logger) : options.port
        var settings = options.apps
        settings.ownPorts = [port]
        apps = AppHost(store: node, settings: settings, surroundings: AppHostSurroundings(), logger: logger)
    }

    /// Answers requests for as long as `body` runs, which is called with the port once they are answered.
    /// - Throws: what `body` throws, or why it cannot listen.
    func run(_ api: API, while body: @escaping @Sendable (_ port: Int) async throws -> Void) async throws {
        let (ports, listens) = AsyncStream.makeStream(of: Int.self)
        let server = TCPServer(api: api, host: options.host, port: port, logger: logger) { port in
            listens.yield(port)
            listens.finish()
        }
        var quiet = logger
        quiet.logLevel = max(logger.logLevel, .warning)
        let services = ServiceGroup(services: [AppLoop(apps: apps), server], logger: quiet)
        let (failures, fails) = AsyncStream.makeStream(of: (any Error).self)
        // Detached: the graceful shutdown around it is not for it.
        let running = Task.detached {
            defer {
                listens.finish()
                fails.finish()
            }
            do {
                try await services.run()
            } catch {
                fails.yield(error)
                throw error
            }
        }
        await group.set(services, running)
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    guard let port = await ports.first(where: { _ in true }) else { return try await running.value }
                    try await body(port)
                }
                group.addTask {
                    for await error in failures { throw error }
                }
                // Either what is served ends, or the server has failed.
                try await group.next()
                group.cancelAll()
            }
        } catch let error as ListenError {
            throw CommandFailure(.unavailable, error.description)
        }
    }

    /// Lets requests under way be answered, then closes all connections.
    func stop() async {
        await group.stop()
        await apps.shutdown()
    }

    private actor Running {
        private var services: ServiceGroup?
        private var task: Task<Void, any Error>?

        func set(_ services: ServiceGroup, _ task: Task<Void, any Error>) {
            self.services = services
            self.task = task
        }

        func stop() async {
            guard let services, let task else { return }
            await services.triggerGracefulShutdown()
            // Somebody who has sent half a request and is silent since keeps nobody waiting.
            await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
                let isOver = Mutex(false)
                let end: @Sendable () -> Void = {
                    let isFirst = isOver.withLock { isOver in
                        defer { isOver = true }
                        return !isOver
                    }
                    if isFirst { done.resume() }
                }
                Task.detached {
                    _ = await task.result
                    end()
                }
                Task.detached {
                    try? await Task.sleep(for: .milliseconds(WebHost.closing))
                    task.cancel()
                    end()
                }
            }
        }
    }

    /// Asks apps to register, until the graceful shutdown.
    private struct AppLoop: Service {
        let apps: AppHost

        func run() async throws {
            let apps = apps
            try await cancelWhenGracefulShutdown { try await apps.run() }
            try await gracefulShutdown()
        }
    }

    // MARK: - Ports

    private static func nextFreePort(_ options: HTTPOptions, _ logger: Logger) throws(CommandFailure) -> Int {
        for port in options.port..<options.port + 20 where isFree(port) {
            if port != options.port {
                logger.notice(
                    "port \(options.port) is in use; \(port) is taken instead. Apps find it with INNGEST_DEV=http://127.0.0.1:\(port)"
                )
            }
            return port
        }
        throw CommandFailure(
            .unavailable,
            "ports \(options.port) to \(options.port + 19) are all in use; choose one with --port")
    }

    /// Whether this machine's own address can be listened on at that port.
    private static func isFree(_ port: Int) -> Bool {
        #if canImport(Darwin)
            let kind = SOCK_STREAM
        #else
            let kind = Int32(SOCK_STREAM.rawValue)
        #endif
        let probe = socket(AF_INET, kind, 0)
        guard probe >= 0 else { return true }
        defer { close(probe) }
        var on: Int32 = 1
        setsockopt(probe, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(truncatingIfNeeded: port)).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(probe, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}

/// Connections are descriptors, and the usual limit of 1,024 is for another kind of program.
enum OpenFileLimit {
    /// Raises the soft limit as far as the hard one lets it, 65,536 at most.
    static func raise() {
        var limit = rlimit()
        #if canImport(Glibc)
            let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        #else
            let resource = RLIMIT_NOFILE
        #endif
        guard getrlimit(resource, &limit) == 0 else { return }
        limit.rlim_cur = max(limit.rlim_cur, min(limit.rlim_max, 65_536))
        _ = setrlimit(resource, &limit)
    }
}
