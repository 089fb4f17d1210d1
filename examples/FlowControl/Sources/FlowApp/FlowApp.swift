import Daybook
import DaybookCommands
import FlowJobs

/// The functions as a program: `flow-jobs dev`, `flow-jobs runs` and the rest.
@main struct FlowApp: DaybookApp {
    static let id = "flow"

    var functions: [any FunctionDefinition] { FlowJobs().all }
}
