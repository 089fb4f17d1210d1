import Daybook
import DaybookCommands

/// The program `daybook`: it runs no functions of its own, but takes events, and looks at any data directory.
@main
struct DaybookProgram: DaybookApp {
    static let id = "daybook"

    var functions: [any FunctionDefinition] { [] }
}
