import ArgumentParser
import DaybookJournal
import DaybookValues

struct VerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Check that nothing in the data directory was lost or changed.",
        discussion: """
            Reads every record and checks it against its checksum, its neighbours and its copy elsewhere. It finds \
            accidents (flipped bits, torn writes, missing files), not forgery. Nothing is changed. Works beside a \
            running server too. Ends with code 5 when something is damaged; damage that was dealt with does not count.
            """)

    @OptionGroup var data: DataOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let disk = try data.openExisting()
        let bars = VerifyBars()
        let report: VerifyReport
        do throws(JournalOpenError) {
            report = try Verifier.verify(disk) { bars.show($0) }
            bars.end()
        } catch {
            bars.end()
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
        let damageCount = report.count(.damage)
        guard report.isSound else {
            throw CommandFailure(
                .damaged,
                """
                \(damageCount) damaged \(damageCount == 1 ? "place" : "places") in data directory \(data.directory). \
                Nothing was changed. `daybook repair` takes away what is damaged, keeps it, and says what it cost; \
                what is lost then comes back only from a backup.
                """)
        }
    }
}

/// One bar for the log, then one for the files.
final class VerifyBars {
    private var log: ProgressBar
    private var files: ProgressBar

    init(_ what: String = "verifying") {
        log = ProgressBar("\(what) the log")
        files = ProgressBar("\(what) the files")
    }

    func show(_ progress: VerifyProgress) {
        switch progress.part {
        case .log: log.show(done: progress.done, total: progress.total)
        case .files:
            log.end()
            files.show(done: progress.done, total: progress.total)
        }
    }

    func end() {
        log.end()
        files.end()
    }
}
