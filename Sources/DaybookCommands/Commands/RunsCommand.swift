import ArgumentParser
import DaybookJournal
import DaybookNode
import DaybookSystem
import DaybookValues

extension RunStatus: ExpressibleByArgument {}

struct RunsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "runs", abstract: "List runs, newest first.",
        discussion: "Works with and without a running server.")

    @OptionGroup var data: DataOptions
    @OptionGroup var output: OutputOptions

    @Option(help: ArgumentHelp("Only runs of this status; may be given more than once.", valueName: "status"))
    var status: [RunStatus] = []

    @Option(help: ArgumentHelp("Only runs of this function: its whole id, or its id within the app.", valueName: "id"))
    var function: String?

    @Option(
        help: ArgumentHelp("Only runs queued since then: an instant, or how long ago, such as 2h.", valueName: "when"))
    var since: SinceArgument?

    @Option(help: ArgumentHelp("How many runs to list at most.", valueName: "count"))
    var limit = 50

    func validate() throws {
        guard limit > 0 else { throw ValidationError("--limit must be at least 1") }
    }

    func run() async throws {
        var table = output.json ? nil : RunTable()
        for row in try await rows() {
            if output.json { Console.print(line: row.bytes) } else { table?.add(row) }
        }
        if let table { Console.print(table.text) }
    }

    private func rows() async throws -> [JSONView] {
        let instant = since?.timestamp(now: SystemWallClock().now)
        let client = ServerClient(directory: data.directory)
        var rows: [JSONView] = []
        var cursor: String?
        while rows.count < limit {
            let page = query([
                ("limit", String(min(limit - rows.count, RunQuery.limitMax))),
                ("status", status.isEmpty ? nil : status.map(\.rawValue).joined(separator: ",")),
                ("function", function), ("since", instant?.rfc3339), ("cursor", cursor),
            ])
            guard let answer = try await client.request(.get, "/api/runs" + page) else {
                return try storedRows(instant)
            }
            answer.member("data")?.forEachElement { row in
                rows.append(row)
                return true
            }
            cursor = answer.member("cursor")?.string
            if cursor == nil { break }
        }
        return rows
    }

    private func storedRows(_ since: Timestamp?) throws(CommandFailure) -> [JSONView] {
        let stopped = try data.openStopped()
        var wanted = RunQuery()
        wanted.statuses = Set(status)
        wanted.function = function
        wanted.since = since
        wanted.limit = limit
        do throws(ReadError) {
            return try stopped.readModel.runs(wanted).rows.compactMap { row in
                var json: [UInt8] = []
                row.append(to: &json)
                return JSONView(json)
            }
        } catch {
            throw CommandFailure(error)
        }
    }
}

extension DataOptions {
    /// The state that the files of the directory tell.
    func openStopped(runIDPart: String? = nil) throws(CommandFailure) -> StoppedDirectory {
        let disk = try openExisting()
        var bar = ProgressBar("reading the journal")
        defer { bar.end() }
        do throws(JournalOpenError) {
            return try StoppedDirectory(disk: disk, runIDPart: runIDPart) { progress in
                bar.show(done: progress.bytesDone, total: progress.bytesTotal)
            }
        } catch {
            throw CommandFailure(error, directory: directory)
        }
    }
}
