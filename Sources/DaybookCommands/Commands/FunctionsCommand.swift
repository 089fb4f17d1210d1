import ArgumentParser
import Daybook
import DaybookCore
import DaybookNode
import DaybookSystem
import DaybookValues

struct FunctionsCommand<App: DaybookApp>: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "functions", abstract: "List the functions of the data directory, or show one.",
            discussion: """
                With flow control, what it is set to, which functions are paused, how many of their runs wait, and \
                how many events are held for later runs. Works with and without a running server. Where no server has \
                ever run, the functions of this program are listed.
                """)
    }

    @OptionGroup var data: DataOptions
    @OptionGroup var output: OutputOptions

    @Argument(
        help: ArgumentHelp(
            "Show this function, with the events that are held for it: its whole id, or its id within the app.",
            valueName: "id"))
    var function: String?

    func run() async throws {
        if let function {
            let found = try await found(function)
            return output.json ? Console.print(line: found.bytes) : Console.print(functionText(found))
        }
        var table = FunctionTable()
        var count = 0
        for function in try await functions() {
            count += 1
            if output.json { Console.print(line: function.bytes) } else { table.add(function) }
        }
        if !output.json { Console.print(count == 0 ? "There are no functions." : table.text) }
    }

    private func functions() async throws -> [JSONView] {
        var found: [JSONView] = []
        if let answer = try await ServerClient(directory: data.directory).request(.get, "/api/functions") {
            answer.member("data")?.forEachElement { function in
                found.append(function)
                return true
            }
            return found
        }
        return try await storedFunctions(of: App.self, data).compactMap { $0.view() }
    }

    private func found(_ function: String) async throws -> JSONView {
        let client = ServerClient(directory: data.directory)
        if let answer = try await client.request(.get, "/api/functions/\(escaped(function))") {
            guard let found = answer.member("data") else { throw CommandFailure("the server's answer has no function") }
            return found
        }
        let functions = try await storedFunctions(of: App.self, data)
        do throws(ReadError) {
            let id = try ReadModel.function(function, among: functions.map(\.summary.config.id))
            let detail = functions.first { $0.summary.config.id == id }
            guard let found = detail?.view(holdsMax: FunctionDetail.holdsMax) else {
                throw ReadError.unknownFunction(function)
            }
            return found
        } catch {
            throw CommandFailure(error)
        }
    }
}

extension FunctionDetail {
    fileprivate func view(holdsMax: Int = FunctionDetail.holdsInListsMax) -> JSONView? {
        var json: [UInt8] = []
        append(to: &json, holdsMax: holdsMax)
        return JSONView(json)
    }
}

/// What the last server registered in the data directory; without one, what this program would register.
func storedFunctions(of type: (some DaybookApp).Type, _ data: DataOptions) async throws -> [FunctionDetail] {
    if data.hasJournal { return try data.openStopped().functions }
    let app = try await makeApp(type, data)
    let functions = try registered(app)
    // A core of its own, told what a server would tell: it knows the next ticks too.
    let core = Core()
    let answer = core.handle(
        .register(app: functions.app, functions: functions.configs), at: Instant(SystemWallClock().now), seed: 1)
    if case .refused(let refusal) = answer { throw CommandFailure(refusal.description) }
    return FunctionDetail.all(in: core)
}

func makeApp<App: DaybookApp>(_ type: App.Type, _ data: DataOptions) async throws -> App {
    do {
        return try await DataDirectory.$chosen.withValue(data.directory) { try await App() }
    } catch {
        throw CommandFailure("\(App.id) could not be set up: \(error)")
    }
}

func registered<App: DaybookApp>(_ app: App) throws(CommandFailure) -> AppFunctions {
    do throws(RegistrationError) {
        return try appFunctions(App.id, app.functions)
    } catch {
        throw CommandFailure("\(error). Nothing was started.")
    }
}

/// The functions with the app's id before theirs.
func appFunctions(
    _ id: String, _ functions: [any FunctionDefinition]
) throws(RegistrationError) -> AppFunctions {
    let isPlain = id.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
            true
        default: false
        }
    }
    guard isPlain, (1...100).contains(id.utf8.count) else {
        throw RegistrationError("the app's id must be 1 to 100 letters, digits, '-', '_' or '.', not '\(id)'")
    }
    return try AppFunctions(app: id, functions: functions)
}

extension DataOptions {
    /// Whether a server has ever worked in the directory.
    var hasJournal: Bool {
        guard let disk = try? openExisting() else { return false }
        return (try? disk.stat("journal")) != nil
    }
}
