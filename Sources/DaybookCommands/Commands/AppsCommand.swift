import ArgumentParser
import DaybookValues

struct AppsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apps", abstract: "List the apps of a server, add one, ask one to register again, remove one.",
        discussion: """
            An app is a group of functions: those of this program, or those that a web server with an Inngest SDK \
            serves under its URL. What an app has registered is kept over restarts. Needs a running server.
            """,
        subcommands: [ListAppsCommand.self, AddAppCommand.self, SyncAppCommand.self, RemoveAppCommand.self],
        defaultSubcommand: ListAppsCommand.self)
}

struct ListAppsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the apps and whether they could be reached. (default)")

    @OptionGroup var data: DataOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let answer = try await ServerClient(directory: data.directory).require(.get, "/api/apps")
        var table = TextTable(["APP", "FUNCTIONS", "SDK", "STATE", "URL"])
        var count = 0
        answer.member("data")?.forEachElement { app in
            count += 1
            if output.json {
                Console.print(line: app.bytes)
                return true
            }
            let isRemote = app.text("kind") == "http"
            table.add([
                app.text("name").isEmpty ? "(not registered)" : app.text("name"),
                String(app.member("functions")?.integer ?? 0), isRemote ? app.text("sdk") : "this program",
                isRemote ? app.text("connection") : "", app.text("url"),
            ])
            if let problem = app.member("problem") {
                table.add(
                    note: "  \(problem.text("message")) (\(problem.text("code")), since \(problem.text("since")))")
            }
            return true
        }
        if output.json { return }
        Console.print(count == 0 ? "There are no apps. Add one with `apps add URL`." : table.text)
    }
}

struct AddAppCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Ask the app under a URL to register.")

    @OptionGroup var data: DataOptions
    @OptionGroup var output: OutputOptions

    @Argument(help: "Where the app serves its functions, such as http://localhost:3000/api/inngest.")
    var url: String

    func run() async throws {
        var body: [UInt8] = []
        body.append(json: #"{"url":"#)
        body.append(jsonString: url)
        body.append(UInt8(ascii: "}"))
        let answer = try await ServerClient(directory: data.directory).require(.post, "/api/apps", body: body)
        if output.json { Console.print(line: answer.bytes) } else { Console.print("the app at \(url) has registered") }
    }
}

struct SyncAppCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sync", abstract: "Ask an app to register again, now.")

    @OptionGroup var data: DataOptions
    @OptionGroup var output: OutputOptions

    @Argument(help: "The app's id.")
    var app: String

    func run() async throws {
        let answer = try await ServerClient(directory: data.directory).require(
            .post, "/api/apps/\(escaped(app))/sync")
        if output.json { Console.print(line: answer.bytes) } else { Console.print("\(app) has registered") }
    }
}

struct RemoveAppCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove an app and its functions.",
        discussion: """
            Its functions start no more runs; runs under way go on under the URL that was last known. An app that \
            registers again is there again.
            """)

    @OptionGroup var data: DataOptions
    @OptionGroup var output: OutputOptions

    @Argument(help: "The app's id.")
    var app: String

    func run() async throws {
        let answer = try await ServerClient(directory: data.directory).require(.delete, "/api/apps/\(escaped(app))")
        if output.json { Console.print(line: answer.bytes) } else { Console.print("removed \(app)") }
    }
}
