import Daybook
import DaybookCommands
import FoundationEssentials
import MailJobs
import MailServices

/// The mail jobs as a program: `mail-jobs serve`, `mail-jobs runs` and the rest.
@main struct MailApp: DaybookApp {
    static let id = "mail"
    private let jobs: MailJobs

    init() async throws {
        let environment = ProcessInfo.processInfo.environment
        jobs = MailJobs(room: try MailRoom(environment: environment, dataDirectory: DataDirectory.path))
    }

    var functions: [any FunctionDefinition] { jobs.all }
}
