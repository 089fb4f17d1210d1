import ArgumentParser

@main
struct Torture: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "daybook-torture",
        abstract: "Proves what Daybook promises: simulated worlds, every crash point, every flipped bit.",
        subcommands: [SimulateCommand.self, ReplayCommand.self], defaultSubcommand: SimulateCommand.self)
}
