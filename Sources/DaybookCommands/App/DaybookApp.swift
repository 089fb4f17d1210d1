public import ArgumentParser
public import Daybook
public import ServiceLifecycle

/// A program of durable functions: its `@main` type. The whole command line comes with it: `serve`, `dev`, `send`,
/// `runs`, `show` and the rest.
///
/// ```swift
/// @main struct Shop: DaybookApp {
///     static let id = "shop"
///     let orders = OrderJobs(warehouse: .live)
///     var functions: [any FunctionDefinition] { orders.all }
/// }
/// ```
public protocol DaybookApp: Sendable {
    /// The app's id: 1…100 ASCII letters, digits, `-`, `_` or `.`. It stands before the ids of all its functions
    /// (`shop-send-invoice`). Changing it makes every function a new one.
    static var id: String { get }

    /// Makes what the functions depend on. Called once, by commands that run functions: `serve` and `dev`; and by
    /// `functions` and `cron next` where no server has ever run. Never by `runs` or `show`.
    /// - Throws: what keeps the program from starting; the message is shown.
    init() async throws

    /// The functions to serve. Asked once, after `init`.
    var functions: [any FunctionDefinition] { get }

    /// What else runs while the server does, such as an HTTP server of the program's own. They are started first, and
    /// shut down once no function runs any more. The default is none.
    var services: [any Service] { get }

    /// Commands of the program's own, beside Daybook's. The default is none.
    static var commands: [any ParsableCommand.Type] { get }
}

extension DaybookApp {
    public var services: [any Service] { [] }
    public static var commands: [any ParsableCommand.Type] { [] }

    /// Reads the command line, does what it says and ends the process with one of the documented exit codes.
    ///
    /// Never on the main actor: the writer and the runs talk to threads of their own, and a hop through the main thread
    /// would cost more than a flush.
    @concurrent public static func main() async {
        await ProgramExit.run(RootCommand<Self>.self)
    }
}
