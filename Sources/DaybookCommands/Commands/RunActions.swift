import ArgumentParser
import DaybookValues

struct RetryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retry", abstract: "Start a new run from the event of one that has ended.",
        discussion: "Needs a running server.")

    @OptionGroup var data: DataOptions
    @OptionGroup var output: OutputOptions

    @Argument(help: "The run's id, or enough of its beginning or end.")
    var run: String

    @Option(
        name: .customLong("from"),
        help: ArgumentHelp("Keep the results of the steps before this one, and begin with it.", valueName: "step"))
    var step: String?

    mutating func run() async throws {
        var body: [UInt8] = []
        if let step {
            body.append(json: #"{"from":"#)
            body.append(jsonString: step)
            body.append(UInt8(ascii: "}"))
        }
        let answer = try await ServerClient(directory: data.directory).require(
            .post, "/api/runs/\(escaped(run))/retry", body: body)
        let id = answer.member("id")?.string ?? ""
        if output.json { Console.print(line: answer.bytes) } else { Console.print("queued run \(id)") }
    }
}

struct ClockCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "clock", abstract: "Move the clock of a dev server.", subcommands: [Advance.self])

    struct Advance: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "advance", abstract: "Move the clock forward; everything that is due by then happens now.",
            discussion: """
                Needs a server that was started with `dev`. The offset stays with the data directory, and `serve` refuses \
                a directory whose clock was moved.
                """)

        @OptionGroup var data: DataOptions
        @OptionGroup var output: OutputOptions

        @Argument(help: "By how much: 7d, 90m, 1h30m, 10s, 500ms.")
        var duration: DurationArgument

        func validate() throws {
            guard duration.milliseconds > 0 else { throw ValidationError("the clock moves forward only") }
        }

        func run() async throws {
            var body: [UInt8] = []
            body.append(json: #"{"advance":"#)
            body.append(json: duration.milliseconds)
            body.append(UInt8(ascii: "}"))
            let answer = try await ServerClient(directory: data.directory).require(.post, "/api/clock", body: body)
            if output.json {
                Console.print(line: answer.bytes)
            } else {
                Console.print("the clock stands at \(answer.member("now")?.string ?? "")")
            }
        }
    }
}
