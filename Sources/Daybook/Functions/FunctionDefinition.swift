/// Something a program registers with the server: a durable function, with its failure handler where it has one.
///
/// `DurableFunction` is the one to use; the protocol lets functions of different inputs stand in one list.
public protocol FunctionDefinition: Sendable {
    /// The function's id within its app.
    var id: String { get }
    /// What is registered: the function itself, then its failure handler.
    var registrations: [FunctionRegistration] { get }
}

/// One function as it is registered, its types erased. Sendable.
public struct FunctionRegistration: Sendable {
    /// The id within the app; the whole id is `<app id>-<this>`.
    public let id: String
    /// What people are shown.
    public let name: String
    /// What starts it.
    public let triggers: [Trigger]
    /// Further attempts after a failed one, for every step and for the code between steps: 0…20.
    public let retries: Int
    /// What happens to ticks that were due while the server was away.
    public let catchUp: CatchUp
    /// From the creation of a run to its first step; nil for no limit.
    public let startTimeout: Duration?
    /// From the first step to the end of a run; nil for no limit.
    public let finishTimeout: Duration?
    /// Set on a failure handler: the id, within the app, of the function whose failed runs it handles. Its trigger
    /// `inngest/function.failed` counts only when `data.function_id` is that function's whole id.
    public let handlesFailuresOf: String?

    /// Decodes the input, runs the function, encodes what it returns.
    package let run: @Sendable (RunInput, Step) async throws -> [UInt8]

    /// Attempts in all: `retries` + 1.
    package var attemptsMax: Int { retries + 1 }
}

/// What starts a function. Sendable.
public struct Trigger: Sendable, Hashable {
    package enum Kind: Sendable, Hashable {
        case event(name: String)
        case cron(String)
    }
    package let kind: Kind

    /// Every event of that name. A name that ends in `/*` or `.*` takes all events whose name starts with what stands
    /// before the star: `shop/*`, `auth/user.*`.
    public static func event(_ name: String) -> Trigger { Trigger(kind: .event(name: name)) }

    /// Every event of that type's name.
    public static func event<E: Event>(_ type: E.Type) -> Trigger { Trigger(kind: .event(name: E.name)) }

    /// Every tick of a schedule: five fields, or six with seconds first; a prefix `TZ=Area/City ` names the time zone,
    /// else it is UTC. The function gets the tick as an event called `inngest/scheduled.timer`.
    public static func cron(_ schedule: String) -> Trigger { Trigger(kind: .cron(schedule)) }
}

/// What to do with ticks that were due while the server was away. Sendable.
public enum CatchUp: Sendable, Hashable {
    /// One run, for the newest missed tick.
    case latest
    /// None; the schedule goes on with the next tick.
    case skip
    /// One run for each missed tick, the newest `limit` of them: 1…10,000.
    case all(limit: Int)
}

/// A setting of a function that most do without. Sendable.
public struct FunctionOption: Sendable {
    enum Kind: Sendable {
        case name(String)
        case timeouts(start: Duration?, finish: Duration?)
    }
    let kind: Kind

    /// What people are shown in place of the id.
    public static func name(_ name: String) -> FunctionOption { FunctionOption(kind: .name(name)) }

    /// Cancels runs that take too long.
    ///
    /// - Parameters:
    ///   - start: from the creation of the run to the start of its first step. The default is no limit.
    ///   - finish: from there to the end of the run, sleeps and waits included. The default is no limit.
    public static func timeouts(start: Duration? = nil, finish: Duration? = nil) -> FunctionOption {
        FunctionOption(kind: .timeouts(start: start, finish: finish))
    }
}
