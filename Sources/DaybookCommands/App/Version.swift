import ArgumentParser
import DaybookJournal
import DaybookValues

/// This version of Daybook.
package let daybookVersion = "0.1.0"

func versionText(of app: (some DaybookApp).Type) -> String {
    app.id == "daybook" ? "daybook \(daybookVersion)" : "\(app.id), on daybook \(daybookVersion)"
}

struct VersionCommand<App: DaybookApp>: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(commandName: "version", abstract: "Print the version of Daybook.")
    }

    @OptionGroup var output: OutputOptions

    func run() async throws {
        guard output.json else { return Console.print(versionText(of: App.self)) }
        var json: [UInt8] = []
        json.append(json: #"{"app":"#)
        json.append(jsonString: App.id)
        json.append(json: #","daybook":"#)
        json.append(jsonString: daybookVersion)
        json.append(json: #","journalFormat":"#)
        json.append(json: journalFormatVersion)
        json.append(UInt8(ascii: "}"))
        Console.print(line: json)
    }
}
