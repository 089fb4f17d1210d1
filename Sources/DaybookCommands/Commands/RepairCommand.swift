import ArgumentParser
import DaybookJournal
import DaybookSystem
import DaybookValues

struct RepairCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "repair", abstract: "Bring a damaged data directory into a state that a server can open.",
        discussion: """
            For a directory whose server is stopped. Puts back what another copy still has, takes what is damaged out \
            of the way, and notes what is lost, so that the next start sets aside the runs concerned and goes on with \
            all others. Everything that is taken away is kept below journal/damaged/. Can be stopped and run again at \
            any point; a sound directory is left as it is. Ends with code 5 when something stays damaged.
            """)

    @OptionGroup var data: DataOptions
    @OptionGroup var output: OutputOptions

    @Flag(help: "Only say what would be done.")
    var dryRun = false

    @Flag(help: "Do not ask first.")
    var yes = false

    func run() async throws {
        let disk = try data.openExisting()
        if !dryRun, !yes {
            guard Console.inputIsTerminal, !output.json else {
                throw CommandFailure(
                    .usage, "Nothing was changed. Look at what would be done with --dry-run, then say --yes.")
            }
            let plan = try repair(disk, isDryRun: true)
            Console.print(repairText(plan))
            guard !plan.actions.isEmpty else { return try finish(plan) }
            Console.printError("Go on? (y/N) ")
            guard readLine().map({ $0.lowercased().hasPrefix("y") }) ?? false else {
                throw CommandFailure(.failed, "Nothing was changed.")
            }
        }
        let report = try repair(disk, isDryRun: dryRun)
        Console.print(output.json ? repairJSON(report) : repairText(report))
        try finish(report)
    }

    private func repair(_ disk: RealDisk, isDryRun: Bool) throws(CommandFailure) -> RepairReport {
        let bars = VerifyBars()
        defer { bars.end() }
        let report: RepairReport
        do throws(JournalOpenError) {
            report = try Repair.run(disk, now: SystemWallClock().now, isDryRun: isDryRun) { bars.show($0) }
        } catch {
            throw CommandFailure(error, directory: data.directory)
        }
        let before = report.before
        guard !before.isSound || before.segments + before.streamFiles + before.snapshots > 0 else {
            throw CommandFailure(
                .unavailable,
                "data directory \(data.directory): there is no journal in it, so there is nothing to repair. Name the directory itself, the one that holds journal/ and runs/."
            )
        }
        return report
    }

    private func finish(_ report: RepairReport) throws(CommandFailure) {
        guard !report.after.isSound else { return }
        if report.isDryRun {
            throw CommandFailure(
                .damaged, "data directory \(data.directory) is damaged. Nothing was changed: this was a dry run.")
        }
        throw CommandFailure(
            .damaged,
            """
            \(report.after.count(.damage)) places in data directory \(data.directory) stay damaged; `daybook verify` \
            names them. Restore them from a backup.
            """)
    }
}
