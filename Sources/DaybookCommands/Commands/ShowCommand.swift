import ArgumentParser
import DaybookNode
import DaybookValues

struct ShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show one run: its steps, attempts, durations, outputs and errors.",
        discussion: "Works with and without a running server.")

    @OptionGroup var data: DataOptions
    @OptionGroup var output: OutputOptions

    @Argument(help: "The run's id, or enough of its beginning or end.")
    var run: String

    mutating func run() async throws {
        let detail = try await detail()
        if output.json { Console.print(line: detail.bytes) } else { Console.print(runText(detail)) }
    }

    private func detail() async throws -> JSONView {
        let client = ServerClient(directory: data.directory)
        if let answer = try await client.request(.get, "/v1/runs/\(escaped(run))") {
            guard let detail = answer.member("data") else { throw CommandFailure("the server's answer has no run") }
            return detail
        }
        let model = try data.openStopped(runIDPart: run).readModel
        var json: [UInt8] = []
        do throws(ReadError) {
            try model.detail(of: model.resolve(run)).append(to: &json)
        } catch {
            throw CommandFailure(error)
        }
        guard let detail = JSONView(json) else { throw CommandFailure("run \(run) has no record") }
        return detail
    }
}
