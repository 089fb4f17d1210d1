import ArgumentParser
import DaybookJournal
import DaybookValues

struct VerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Check that nothing in the data directory was lost or changed.",
        discussion: """
            Reads every record and checks it against its checksum and its neighbours. It finds accidents (flipped bits, \
            torn writes, missing files), not forgery. Nothing is changed. Works beside a running server, whose newest \
            writes then look unfinished. Ends with code 5 when something is damaged.
            """)

    @OptionGroup var data: DataOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let disk = try data.openExisting()
        var bar = ProgressBar("verifying")
        let report: VerifyReport
        do throws(JournalOpenError) {
            report = try Verifier.verify(disk) { done, total in bar.show(done: done, total: total) }
            bar.end()
        } catch {
            bar.end()
            throw CommandFailure(error, directory: data.directory)
        }
        // A backup that landed one folder deeper must not pass.
        guard !report.isSound || report.segments + report.streamFiles + report.snapshots > 0 else {
            throw CommandFailure(
                .unavailable,
                "data directory \(data.directory): there is no journal in it, so there is nothing to check. Name the directory itself, the one that holds journal/ and runs/."
            )
        }
        Console.print(output.json ? verifyJSON(report) : verifyText(report))
        let damageCount = report.findings.count { $0.severity == .damage }
        guard report.isSound else {
            throw CommandFailure(
                .damaged,
                """
                \(damageCount) damaged \(damageCount == 1 ? "place" : "places") in data directory \(data.directory). \
                Nothing was changed. Runs whose records are damaged are set aside at the next start, all others go on; \
                to have them back, restore the named files from a backup.
                """)
        }
    }
}
