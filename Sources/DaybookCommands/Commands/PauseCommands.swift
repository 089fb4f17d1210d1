import ArgumentParser
import DaybookValues

struct PauseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pause", abstract: "Stop a function for a while.",
        discussion: """
            Its runs under way are held: steps that run end and are recorded, and nothing else of them begins. New \
            events start no run of it, not later either: they are recorded as dropped. It stays paused over restarts, \
            until `resume`. Needs a running server.
            """)

    @OptionGroup var data: DataOptions
    @OptionGroup var output: OutputOptions

    @Argument(help: "The function's whole id, or its id within the app.")
    var function: String

    func run() async throws {
        let answer = try await ServerClient(directory: data.directory).require(
            .post, "/api/functions/\(escaped(function))/pause")
        if output.json { Console.print(line: answer.bytes) } else { Console.print(pauseText(answer)) }
    }
}

struct ResumeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume", abstract: "Let a paused function go on.",
        discussion: """
            Its runs go on where they stood, and new events start runs again. Events that came meanwhile are not made \
            up for. Needs a running server.
            """)

    @OptionGroup var data: DataOptions
    @OptionGroup var output: OutputOptions

    @Argument(help: "The function's whole id, or its id within the app.")
    var function: String

    func run() async throws {
        let answer = try await ServerClient(directory: data.directory).require(
            .post, "/api/functions/\(escaped(function))/resume")
        if output.json { Console.print(line: answer.bytes) } else { Console.print(pauseText(answer)) }
    }
}

/// What was done to a function, from the server's answer.
func pauseText(_ answer: JSONView) -> String {
    let id = answer.text("id")
    let runs = answer.member("unfinishedRuns")?.integer ?? 0
    let isPaused = answer.member("paused")?.bool == true
    let isChanged = answer.member("changed")?.bool == true
    let unfinished = runs == 0 ? "it has no unfinished runs" : "\(runs) unfinished \(runs == 1 ? "run" : "runs")"
    switch (isPaused, isChanged) {
    case (true, true):
        let held =
            runs == 0
            ? "It has no unfinished runs." : "\(unfinished) held where \(runs == 1 ? "it stands" : "they stand")."
        return """
            paused \(id). \(held)
            Events that come until `resume` start no run of it; they are recorded as dropped.
            """
    case (true, false): return "\(id) is paused already; \(unfinished). Nothing was changed."
    case (false, true):
        return runs == 0 ? "resumed \(id); \(unfinished)" : "resumed \(id); \(unfinished) may go on"
    case (false, false): return "\(id) is not paused; \(unfinished). Nothing was changed."
    }
}
