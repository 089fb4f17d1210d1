import ArgumentParser
import DaybookNode
import DaybookValues

struct ShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show one run: its steps, attempts, durations, outputs and errors; or one event.",
        discussion: """
            Of an event, which runs it started, resumed and cancelled, for which functions it is held, and why it \
            started no run of others. Works with and without a running server.
            """)

    @OptionGroup var data: DataOptions
    @OptionGroup var output: OutputOptions

    @Argument(help: "The run's id, or enough of its beginning or end; or the whole id of an event.")
    var id: String

    func run() async throws {
        switch try await found() {
        case .run(let run): Console.print(output.json ? jsonLine(run) : runText(run))
        case .event(let event): Console.print(output.json ? jsonLine(event) : eventText(event))
        }
    }

    private enum Found {
        case run(JSONView)
        case event(JSONView)
    }

    private func found() async throws -> Found {
        let client = ServerClient(directory: data.directory)
        do {
            if let run = try await data(of: "/api/runs/", client) { return .run(run) }
        } catch let failure as CommandFailure where failure.code == .notFound && ULID(id.uppercased()) != nil {
            do {
                if let event = try await data(of: "/api/events/", client) { return .event(event) }
            } catch let other as CommandFailure where other.code == .notFound {
                throw CommandFailure(.notFound, "there is no run and no event '\(id)'")
            }
        }
        return try stored()
    }

    private func data(of path: String, _ client: ServerClient) async throws -> JSONView? {
        guard let answer = try await client.request(.get, path + escaped(id)) else { return nil }
        guard let found = answer.member("data") else { throw CommandFailure("the server's answer is empty") }
        return found
    }

    private func stored() throws -> Found {
        let model = try data.openStopped(runIDPart: id).readModel
        var json: [UInt8] = []
        do throws(ReadError) {
            try model.detail(of: model.resolve(id)).append(to: &json)
            guard let run = JSONView(json) else { throw ReadError.unknownRun(id) }
            return .run(run)
        } catch .unknownRun where ULID(id.uppercased()) != nil {
            do throws(ReadError) {
                json = []
                try model.event(id).append(to: &json)
            } catch .unknownEvent {
                throw CommandFailure(.notFound, "there is no run and no event '\(id)'")
            } catch {
                throw CommandFailure(error)
            }
            guard let event = JSONView(json) else { throw CommandFailure("event \(id) has no record") }
            return .event(event)
        } catch {
            throw CommandFailure(error)
        }
    }

    private func jsonLine(_ view: JSONView) -> String { String(decoding: view.bytes, as: UTF8.self) }
}
