import ArgumentParser
import Daybook
import DaybookNode
import DaybookValues
import Testing

@testable import DaybookCommands

private struct SearchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "search")
    @Argument var word: String
}

private struct Shop: DaybookApp {
    static let id = "shop"
    static let commands: [any ParsableCommand.Type] = [SearchCommand.self]
    var functions: [any FunctionDefinition] { [] }
}

struct ArgumentTests {
    private func parse<Command: ParsableCommand>(_ arguments: String..., as type: Command.Type) throws -> Command {
        try #require(try RootCommand<Shop>.parseAsRoot(arguments) as? Command)
    }

    @Test(arguments: [
        ("7d", 604_800_000), ("2h", 7_200_000), ("1h30m", 5_400_000), ("10s", 10_000), ("500ms", 500),
        ("1w", 604_800_000),
        ("0s", 0),
    ])
    func `durations are read`(text: String, milliseconds: Int64) {
        #expect(DurationArgument(argument: text)?.milliseconds == milliseconds)
    }

    @Test(arguments: ["", "7", "d", "7x", "-1s", "1.5h", "7 d", "99999999999999999999s", "9223372036854775807d"])
    func `what is no duration is refused`(text: String) {
        #expect(DurationArgument(argument: text) == nil)
    }

    @Test func `since is an instant or a length of time ago`() throws {
        let now = Timestamp(milliseconds: 10_000_000)
        #expect(SinceArgument(argument: "2h")?.timestamp(now: now) == Timestamp(milliseconds: 2_800_000))
        #expect(SinceArgument(argument: "1970-01-01T00:00:01Z")?.timestamp(now: now) == Timestamp(milliseconds: 1_000))
        #expect(SinceArgument(argument: "noon") == nil)
    }

    @Test func `commands take the words of the documentation`() throws {
        let send = try parse("send", "shop/order", #"{"n":1}"#, "--id", "x", "--data", "/d/", as: SendCommand.self)
        #expect(send.name == "shop/order")
        #expect(send.id == "x")
        #expect(send.data.directory == "/d")
        let runs = try parse(
            "runs", "--status", "failed", "--status", "running", "--function", "f", "--since", "2h", "--limit", "3",
            "--json",
            as: RunsCommand.self)
        #expect(runs.status == [.failed, .running])
        #expect(runs.limit == 3)
        #expect(runs.output.json)
        let retry = try parse("retry", "01K", "--from", "second", as: RetryCommand.self)
        #expect(retry.step == "second")
        let cancel = try parse(
            "cancel", "--function", "f", "--queued-after", "2026-11-21T00:00:00Z", "--queued-before", "2h", "--if",
            "event.data.n > 1", "--dry-run", "--yes", as: CancelCommand.self)
        #expect(cancel.function == "f")
        #expect(cancel.queuedBefore?.value == .ago(7_200_000))
        #expect(cancel.condition == "event.data.n > 1")
        #expect(cancel.dryRun && cancel.yes)
        #expect(try parse("cancel", "01K", as: CancelCommand.self).run == "01K")
        #expect(try parse("pause", "f", as: PauseCommand.self).function == "f")
        #expect(try parse("resume", "f", as: ResumeCommand.self).function == "f")
        #expect(try parse("functions", "f", as: FunctionsCommand<Shop>.self).function == "f")
        let next = try parse(
            "cron", "next", "0 8 * * 1", "--tz", "Europe/Paris", "--from", "2026-11-21T00:00:00Z", "--count", "2",
            as: NextCommand<Shop>.self)
        #expect(next.expression == "0 8 * * 1")
        #expect(next.count == 2)
        let advance = try parse("clock", "advance", "7d", as: ClockCommand.Advance.self)
        #expect(advance.duration.milliseconds == 604_800_000)
        let serve = try parse(
            "serve", "--drain", "5s", "--retry-interval", "1s", "--log-level", "debug", "--log-format", "json",
            as: ServeCommand<Shop>.self)
        #expect(serve.arguments.drain.milliseconds == 5_000)
        #expect(serve.arguments.retryInterval?.milliseconds == 1_000)
        #expect(serve.arguments.log.logFormat == .json)
    }

    @Test func `an app's own commands stand beside Daybook's`() throws {
        #expect(try parse("search", "needle", as: SearchCommand.self).word == "needle")
    }

    @Test func `usage and completions name the program as it was started`() {
        let name = CommandLine.arguments[0].split(separator: "/").last.map(String.init)
        #expect(RootCommand<Shop>.configuration.commandName == name)
    }

    @Test(arguments: [
        ["runs", "--status", "lost"], ["runs", "--limit", "0"], ["send"], ["send", "-", "{}"],
        ["send", "a", "{}", "--file", "f"], ["send", "a", "--ts", "noon"], ["clock", "advance", "0s"],
        ["cron", "next", "--tz", "Europe/Paris"], ["fly"],
        ["cancel"], ["cancel", "01K", "--function", "f"], ["cancel", "01K", "--dry-run"], ["cancel", "--if", "true"],
        ["cancel", "--function", "f", "--queued-before", "noon"], ["pause"], ["resume"],
        ["serve", "--log-level", "loud"], ["serve", "--retry-interval", "0s"],
    ])
    func `a wrong command line ends with code 64`(arguments: [String]) {
        #expect {
            _ = try RootCommand<Shop>.parseAsRoot(arguments)
        } throws: {
            RootCommand<Shop>.exitCode(for: $0).rawValue == 64
        }
    }

    @Test func `every exit code is in the help`() {
        let help = RootCommand<Shop>.helpMessage()
        for code in [1, 3, 4, 5, 6, 64] { #expect(help.contains("\n  \(code) ")) }
    }

    @Test(arguments: [CompletionShell.bash, .zsh, .fish])
    func `completions know the commands`(shell: CompletionShell) {
        let script = RootCommand<Shop>.completionScript(for: shell)
        for command in ["serve", "runs", "verify", "search"] { #expect(script.contains(command)) }
    }
}

struct OutgoingEventTests {
    private func event(_ name: String?, _ json: String, id: String? = nil, at: Timestamp? = nil) throws -> String {
        let view = try #require(JSONView(Array(json.utf8)))
        return String(decoding: Outgoing(name: name, view, id: id, timestamp: at).json, as: UTF8.self)
    }

    @Test func `an event is made of its name and its data`() throws {
        #expect(
            try event("a\"b", #"{"n": 1}"#, id: "i", at: Timestamp(milliseconds: 5))
                == #"{"name":"a\"b","data":{"n": 1},"id":"i","ts":5}"#)
    }

    @Test func `a whole event keeps its own id and gets one when it has none`() throws {
        #expect(try event(nil, #"{"name":"a","id":"mine"}"#) == #"{"id":"mine","name":"a"}"#)
        #expect(
            try event(nil, #"{"name":"a","id":"mine","ts":1}"#, id: "i", at: Timestamp(milliseconds: 5))
                == #"{"id":"i","ts":5,"name":"a"}"#)
        let made = try event(nil, #"{"name":"a"}"#)
        let id = JSONView(Array(made.utf8))?.member("id")?.string ?? ""
        #expect(ULID(id) != nil)
    }

    @Test func `what is no event is found before it is sent`() throws {
        let view = try #require(JSONView(Array("[1]".utf8)))
        let outgoing = Outgoing(name: "a", view, id: nil, timestamp: nil)
        #expect(throws: (any Error).self) { try outgoing.checked(now: Timestamp(milliseconds: 1)) }
    }
}
