import ArgumentParser

/// The program itself.
struct RootCommand<App: DaybookApp>: AsyncParsableCommand {
    /// What the program was started as: usage lines and completions must name the command that people type, and that
    /// need not be the app's id.
    private static var programName: String {
        guard let name = CommandLine.arguments.first?.split(separator: "/").last else { return App.id }
        return String(name)
    }

    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: programName,
            abstract: "Durable jobs from one binary and a folder of plain files.",
            discussion: """
                Data lives in the directory that --data names, else the environment variable DAYBOOK_DATA, else ./var.

                Exit codes:
                  0    done
                  1    failed; the message says why
                  3    there is no such run, step or function
                  4    no server is running, or the data directory cannot be used (missing, locked…)
                  5    the journal is damaged
                  6    the disk is full
                  64   the command line is wrong
                  130  stopped at once by a second SIGINT (143: SIGTERM)

                Shell completions: \(programName) --generate-completion-script bash|zsh|fish
                """,
            version: versionText(of: App.self),
            subcommands: [
                ServeCommand<App>.self, DevCommand<App>.self, SendCommand.self, AppsCommand.self,
                FunctionsCommand<App>.self,
                RunsCommand.self, ShowCommand.self, TailCommand.self, CancelCommand.self, RetryCommand.self,
                PauseCommand.self, ResumeCommand.self, CronCommand<App>.self, EvalCommand.self, ClockCommand.self,
                VerifyCommand.self, RepairCommand.self, VersionCommand<App>.self,
            ] + App.commands)
    }
}
