import ArgumentParser
import DaybookJournal
import DaybookNode
import DaybookServer
import DaybookValues
import Logging
import ServiceLifecycle

/// What `serve` and `dev` have in common.
struct HostArguments: ParsableArguments {
    @OptionGroup var data: DataOptions
    @OptionGroup(title: "HTTP and apps") var http: HTTPArguments
    @OptionGroup var log: LogOptions

    @Option(help: ArgumentHelp("How long steps that run at a stop may go on.", valueName: "duration"))
    var drain = DurationArgument(milliseconds: 30_000)

    @Option(
        help: ArgumentHelp(
            "Wait exactly this long between attempts. (default: 15 s, 30 s, 1 min … 2 h)", valueName: "duration"))
    var retryInterval: DurationArgument?

    func validate() throws {
        if let retryInterval, retryInterval.milliseconds < 1 {
            throw ValidationError("--retry-interval must be longer than 0")
        }
    }

    /// Serves the app's functions until a signal.
    func serve<App: DaybookApp>(_ type: App.Type, isDev: Bool) async throws {
        let log = log
        let hasColours = isDev && Console.errorIsTerminal
        LoggingSystem.bootstrap { label in
            ConsoleLog(label: label, format: log.logFormat, level: log.logLevel.level, hasColours: hasColours)
        }
        let logger = Logger(label: "daybook")
        var options = HostOptions(directory: data.directory, isDev: isDev)
        options.drain = drain.milliseconds
        options.retryInterval = retryInterval?.milliseconds
        options.http = try http.resolved(isDev: isDev)
        for warning in options.http?.warnings ?? [] { logger.warning("\(warning)") }
        if options.http != nil { OpenFileLimit.raise() }
        var bar = ProgressBar("replaying the journal")
        let host: NodeHost
        do throws(CommandFailure) {
            host = try NodeHost(options, logger: logger) { bar.show(done: $0.bytesDone, total: $0.bytesTotal) }
            bar.end()
        } catch {
            bar.end()
            throw error
        }
        let app = try await makeApp(type, data)
        let served = ServedApp(
            host: host, functions: try registered(app), printsRecords: isDev && log.logFormat == .text, logger: logger)
        var quiet = logger
        quiet.logLevel = max(logger.logLevel, .warning)
        var services = app.services.map { ServiceGroupConfiguration.ServiceConfiguration(service: $0) }
        services.append(
            ServiceGroupConfiguration.ServiceConfiguration(
                service: served, successTerminationBehavior: .gracefullyShutdownGroup))
        let group = ServiceGroup(configuration: ServiceGroupConfiguration(services: services, logger: quiet))
        SignalWatch.start { Task { await group.triggerGracefulShutdown() } }
        try await group.run()
    }
}

/// The server as a service beside those of the app.
private struct ServedApp: Service {
    let host: NodeHost
    let functions: AppFunctions
    /// Whether everything that happens is shown as well.
    let printsRecords: Bool
    let logger: Logger

    func run() async throws {
        let records = Tail()
        let (host, logger, printsRecords) = (host, logger, printsRecords)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                defer { records.finish() }
                try await host.run(functions) { port in
                    if printsRecords { _ = await host.node.addTap { records.append($0) } }
                    let facts = await host.readyFacts(port)
                    logger.info("ready", metadata: facts)
                    ServiceManager.notify("READY=1")
                }
            }
            group.addTask {
                let hasColours = Console.outputIsTerminal
                while let lines = await records.next() {
                    for line in lines.split(separator: UInt8(ascii: "\n")) {
                        if let text = recordText(Array(line), hasColours: hasColours) { Console.print(text) }
                    }
                }
            }
            try await group.waitForAll()
        }
    }
}

struct ServeCommand<App: DaybookApp>: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "serve", abstract: "Run the functions, until SIGTERM or SIGINT.",
            discussion: """
                Takes events from the inbox of the data directory, over HTTP and from `send`, fires schedules and \
                timers, calls the functions of apps that use an Inngest SDK, and carries on with every run where the \
                last process stopped. The first signal lets running steps finish \
                for the time of --drain; a second one ends the process at once, which loses nothing either. Messages \
                go to standard error. Under systemd, use Type=notify.

                Settings of HTTP and apps can also be given by the environment (DAYBOOK_EVENT_KEY, DAYBOOK_SIGNING_KEY, \
                DAYBOOK_SDK_URL and so on, or the same with INNGEST_ in front; lists with commas) and in a file: \
                {"port":8288,"sdk-url":["http://localhost:3000/api/inngest"]}. Keys are better kept out of the command \
                line, where other users of the machine can read them.
                """)
    }

    @OptionGroup var arguments: HostArguments

    func run() async throws {
        try await arguments.serve(App.self, isDev: false)
    }
}

struct DevCommand<App: DaybookApp>: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "dev", abstract: "Run the functions for development, with a clock that can be moved.",
            discussion: """
                As `serve`, and: everything that happens is printed, `clock advance 7d` moves the clock, apps are \
                looked for on the usual ports of this machine, and steps return what was recorded, decoded again, so \
                that a type that does not survive it shows at once. An app on an Inngest SDK finds the server when it \
                is started with INNGEST_DEV=http://127.0.0.1:8288, or the port that the line `ready` names.
                """)
    }

    @OptionGroup var arguments: HostArguments

    func run() async throws {
        try await arguments.serve(App.self, isDev: true)
    }
}
