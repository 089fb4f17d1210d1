import ArgumentParser
import DaybookValues

struct TailCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tail", abstract: "Print what happens, as it happens.",
        discussion: """
            Every record of the journal as it reaches the disk, until the command is interrupted or the server stops. \
            With --json, the journal's own lines. Needs a running server.
            """)

    @OptionGroup var data: DataOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let client = ServerClient(directory: data.directory)
        let isJSON = output.json
        let hasColours = Console.outputIsTerminal
        let wasRunning = try await client.stream(.get, "/api/tail") { line in
            if isJSON {
                Console.print(line: line)
            } else if let text = recordText(line, hasColours: hasColours) {
                Console.print(text)
            }
        }
        guard wasRunning else { throw client.noServer }
    }
}
