import ArgumentParser

@main
struct Torture: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "daybook-torture",
        abstract: "Tries to break what Daybook promises: simulated worlds, every crash point, every flipped bit.",
        discussion: """
            Every command ends with code 1 when a promise did not hold, and says how to see it again. docs/RELIABILITY.md \
            says what each of them proves.
            """,
        subcommands: [
            SimulateCommand.self, ReplayCommand.self, SweepCommand.self, FuzzCommand.self, BrokenCommand.self,
        ])
}
