import ArgumentParser
import DaybookCore
import DaybookNode
import DaybookSystem
import DaybookValues

struct CronCommand<App: DaybookApp>: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "cron", abstract: "Look at schedules.", subcommands: [NextCommand<App>.self])
    }
}

struct NextCommand<App: DaybookApp>: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "next", abstract: "Print the next instants of a schedule, or of all functions.",
            discussion: """
                Instants are printed in UTC, one a line; those of functions with the function's id. Works with and \
                without a running server.

                Examples:
                  cron next '0 8 * * 1' --tz Europe/Paris --count 3
                  cron next 'TZ=America/New_York 0 9 * * MON-FRI'
                  cron next
                """)
    }

    @OptionGroup var data: DataOptions
    @OptionGroup var output: OutputOptions

    @Argument(help: "The schedule, in quotes. Without it, the next ticks of all functions are printed.")
    var expression: String?

    @Option(help: ArgumentHelp("The time zone the schedule is meant in. (default: UTC)", valueName: "zone"))
    var tz: String?

    @Option(help: ArgumentHelp("Only instants after this one. (default: now)", valueName: "instant"))
    var from: InstantArgument?

    @Option(help: ArgumentHelp("How many instants to print.", valueName: "count"))
    var count = 5

    func validate() throws {
        guard (1...100_000).contains(count) else { throw ValidationError("--count must be 1 to 100000") }
        if expression == nil, tz != nil { throw ValidationError("--tz goes with a schedule") }
    }

    func run() async throws {
        if let expression { try printTicks(of: expression) } else { try await printTicksOfFunctions() }
    }

    private func printTicks(of expression: String) throws {
        let schedule: CronSchedule
        do throws(CronError) {
            schedule = try CronSchedule(expression)
        } catch {
            throw CommandFailure(.usage, "cron '\(expression)': \(error)")
        }
        if let tz, let named = schedule.zoneName, named != tz {
            throw CommandFailure(
                .usage, "the schedule names the zone \(named) and --tz the zone \(tz); give one of them")
        }
        let zone: ZoneRules
        do throws(ZoneLookupError) {
            zone =
                try (tz ?? schedule.zoneName).map { (name) throws(ZoneLookupError) in
                    try lookUpZone(name, in: SystemZoneFiles())
                } ?? .utc
        } catch {
            throw CommandFailure(.usage, "\(error)")
        }
        var last = from?.timestamp ?? SystemWallClock().now
        for _ in 0..<count {
            guard let tick = schedule.nextTick(after: last, in: zone) else { break }
            if output.json {
                var json: [UInt8] = []
                json.append(json: #"{"at":"#)
                json.append(jsonString: tick.rfc3339Short)
                json.append(UInt8(ascii: "}"))
                Console.print(line: json)
            } else {
                Console.print(tick.rfc3339Short)
            }
            last = tick
        }
    }

    private func printTicksOfFunctions() async throws {
        let functions: [FunctionSummary]
        var start = SystemWallClock().now
        // The clock of a dev server may stand ahead: it says itself what comes next, unless a start is given.
        if from == nil, count <= 1_000,
            let answer = try await ServerClient(directory: data.directory).request(.get, "/api/cron?count=\(count)")
        {
            answer.member("data")?.forEachElement { tick in
                print(tick)
                return true
            }
            return
        }
        if data.hasJournal {
            let stopped = try data.openStopped()
            functions = stopped.functions.map(\.summary)
            start = start + stopped.clockOffset
        } else {
            functions = try await storedFunctions(of: App.self, data).map(\.summary)
        }
        for tick in FunctionTick.next(of: functions, after: from?.timestamp ?? start, count: count) {
            var json: [UInt8] = []
            tick.append(to: &json)
            if let view = JSONView(json) { print(view) }
        }
    }

    private func print(_ tick: JSONView) {
        if output.json {
            Console.print(line: tick.bytes)
        } else {
            Console.print("\(tick.member("at")?.string ?? "")  \(tick.member("function")?.string ?? "")")
        }
    }
}
