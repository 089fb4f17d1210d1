import Daybook
import DaybookCore
import DaybookInbox
import DaybookJournal
import DaybookNode
import DaybookSDK
import DaybookServer
import DaybookSystem
import DaybookValues
import Logging
import ServiceLifecycle

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// How a server runs.
struct HostOptions: Sendable {
    var directory: String
    /// The clock may be moved, results of steps come back decoded.
    var isDev = false
    /// How long step bodies that run at a stop may go on, in milliseconds.
    var drain: Int64 = 30_000
    /// Replaces the waits between attempts. Milliseconds.
    var retryInterval: Int64?
    /// Nil for a server that nobody reaches over TCP and that calls no apps.
    var http: HTTPOptions?
}

/// A node with its inbox and its socket: everything a process needs to serve a data directory.
///
/// `init` takes the directory and brings the state up to the last durable record; `run` serves until its graceful
/// shutdown.
struct NodeHost: Sendable {
    let options: HostOptions
    let node: Node
    private let pool: WorkerPool
    private let disk: RealDisk
    private let logger: Logger

    /// - Parameter progress: called now and then while the journal is replayed.
    /// - Throws: when the directory cannot be opened, or its clock was moved and this is not `dev`.
    init(
        _ options: HostOptions, logger: Logger, progress: ((ReplayProgress) -> Void)? = nil
    ) throws(CommandFailure) {
        self.options = options
        self.logger = logger
        do throws(FileError) {
            disk = try RealDisk(root: options.directory)
        } catch {
            throw CommandFailure(error, directory: options.directory)
        }
        pool = WorkerPool()
        var configuration = NodeConfiguration()
        configuration.decodesOwnResults = options.isDev
        JournalSizes.chosen?.apply(to: &configuration.journal)
        if let retryInterval = options.retryInterval {
            configuration.retryPolicy = RetryPolicy(fixedWait: retryInterval)
        }
        let directory = options.directory
        do throws(JournalOpenError) {
            node = try Node.open(
                Node.Surroundings(disk: disk, pool: pool, loader: ThreadedLoader(), logger: logger),
                configuration: configuration, progress: progress
            ) { reason in Self.die(reason, directory: directory) }
        } catch {
            throw CommandFailure(error, directory: options.directory)
        }
        let offset = node.core.movedClockOffset
        guard options.isDev || offset == 0 else {
            throw CommandFailure(
                """
                the clock of data directory \(options.directory) stands \(durationText(microseconds: offset * 1_000)) \
                ahead, because it was moved in dev mode; a server on the real clock would fire every timer late. \
                Nothing was started. Use `dev` with this directory, or `serve` with another.
                """)
        }
    }

    /// The disk failed in a way after which nothing may be acknowledged. What was acknowledged is on it.
    private static func die(_ reason: String, directory: String) {
        Console.printError(
            """
            error: data directory \(directory): \(reason).
            The server has stopped at once. Everything it had acknowledged is on disk; work under way goes on at the \
            next start. Look at the disk (dmesg, df), then start again.
            """)
        _exit(FailureCode.failed.rawValue)
    }

    /// - Parameters:
    ///   - functions: what this process runs.
    ///   - onReady: called once, when the server answers, with the port it listens on if there is one.
    func run(
        _ functions: AppFunctions, onReady: @escaping @Sendable (_ port: Int?) async -> Void
    ) async throws {
        let web = try options.http.map { try WebHost($0, node: node, logger: logger) }
        // Before the start: runs of functions behind a URL go on with it.
        if let web { node.useCallDriver(web.apps) }
        do throws(RegistrationError) {
            try node.launch(functions, version: daybookVersion)
        } catch {
            throw CommandFailure("\(error). Nothing was started.")
        }
        noteStart(functions)
        let claims = node.core.openClaims.map { ClaimProgress(name: $0.name, offset: $0.offset, isWhole: $0.isWhole) }
        let clock = ShiftedClock(offset: node.core.movedClockOffset)
        node.startThreads()
        let directory = options.directory
        let inbox = Inbox(
            disk: disk, sink: node, eventClock: clock, watch: Self.watch(directory),
            openClaims: claims, logger: logger
        ) { reason in Self.die(reason, directory: directory) }
        inbox.startThread()
        let identity = API.Identity(version: daybookVersion, dataDirectory: directory, isDev: options.isDev)
        let api = API(
            node: node, apps: web?.apps, identity: identity, settings: web?.options.server ?? ServerSettings(),
            clock: clock)
        let result: Result<Void, any Error>
        var drain = options.drain
        do {
            if let web {
                result = .success(
                    try await web.run(api) { port in
                        try await LocalServer(
                            api: api, directory: directory, logger: logger, onReady: { await onReady(port) }
                        ).run()
                    })
            } else {
                result = .success(
                    try await LocalServer(
                        api: api, directory: directory, logger: logger, onReady: { await onReady(nil) }
                    ).run())
            }
        } catch {
            result = .failure(error)
            drain = 0
        }
        logger.info("stopping", metadata: ["drain": "\(durationText(microseconds: drain * 1_000))"])
        ServiceManager.notify("STOPPING=1")
        inbox.stop()
        // Apps that still work on a call may report to the server and ask it things until they have answered.
        await node.stop(drain: drain)
        pool.stop()
        await web?.stop()
        logger.info("stopped")
        try result.get()
    }

    private static func watch(_ directory: String) -> (any InboxWatch)? {
        #if os(Linux)
            InotifyWatch(path: directory + "/inbox")
        #else
            nil
        #endif
    }

    /// What recovery found.
    private func noteStart(_ functions: AppFunctions) {
        let report = node.journal.report
        for warning in report.warnings { logger.warning("\(warning)") }
        if report.wasCopied {
            logger.warning(
                "this data directory was copied or moved from another file system: its timers and schedules now fire here too"
            )
        }
        for (path, reason) in report.snapshotsRefused {
            logger.warning("a snapshot could not be used", metadata: ["path": "\(path)", "reason": "\(reason)"])
        }
        for damage in report.damage { logger.error("\(damage)") }
        if report.recordsReplayed > 0 || report.tornBytes > 0 {
            logger.info(
                "recovered",
                metadata: [
                    "records": "\(report.recordsReplayed)", "snapshot": "\(report.snapshotQ)",
                    "dropped-bytes": "\(report.tornBytes)", "quarantined-runs": "\(report.quarantined.count)",
                    "rebuilt": "\(report.wasRebuilt)",
                ])
        }
        for function in node.core.functionSummaries
        where function.unfinishedRuns > 0 && functions.registrations[function.config.id] == nil
            && !(function.config.isRemote && options.http != nil)
        {
            logger.warning(
                "runs of a function that this program does not have wait until one has it",
                metadata: ["function": "\(function.config.id)", "runs": "\(function.unfinishedRuns)"])
        }
    }

    /// What a person wants to know once the server answers.
    func readyFacts(_ port: Int?) async -> Logger.Metadata {
        let (runs, functions, offset) = await node.inspect { core in
            (core.runCount, core.functionSummaries.count { !$0.isRemoved }, core.movedClockOffset)
        }
        var facts: Logger.Metadata = [
            "data": "\(options.directory)", "epoch": "\(node.journal.report.epoch)", "functions": "\(functions)",
            "unfinished-runs": "\(runs)", "flush": "\(Self.flushMethod)",
            "mode": options.isDev ? "dev" : "serve", "version": "\(daybookVersion)",
        ]
        if let kind = try? disk.fileSystemKind() {
            facts["file-system"] = "\(kind.name)"
            if kind.isVolatile { facts["volatile"] = "true" }
        }
        if let port, let host = options.http?.host {
            let shown = host.contains(":") && !host.hasPrefix("[") ? "[\(host)]" : host
            facts["http"] = "http://\(shown):\(port)"
        }
        if offset != 0 { facts["clock-ahead"] = "\(durationText(microseconds: offset * 1_000))" }
        return facts
    }

    private static var flushMethod: String {
        #if canImport(Darwin)
            "F_FULLFSYNC"
        #else
            "fdatasync"
        #endif
    }
}
