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
    /// How its runs are limited, put off, merged, ordered and cancelled; a failure handler has none of it.
    package let flow: FlowSettings
    /// Why it cannot be registered, as far as its options show; names the option. Nil when nothing is wrong.
    package let problem: String?

    /// Decodes the input, runs the function, encodes what it returns.
    package let run: @Sendable (RunInput, Step) async throws -> [UInt8]

    /// Attempts in all: `retries` + 1.
    package var attemptsMax: Int { retries + 1 }
}

/// What starts a function. Sendable.
public struct Trigger: Sendable, Hashable {
    package enum Kind: Sendable, Hashable {
        case event(name: String, condition: String?)
        case cron(String)
    }
    package let kind: Kind

    /// Every event of that name, or those for which a condition is true.
    ///
    /// - Parameters:
    ///   - name: a name that ends in `/*` or `.*` takes all events whose name starts with what stands before the star:
    ///     `shop/*`, `auth/user.*`.
    ///   - condition: an expression; the event is `event`: `event.data.plan == 'pro'`. An event for which it is false, has
    ///     no value or cannot be worked out starts no run. The default takes every event of the name. It is checked when
    ///     the function is registered.
    public static func event(_ name: String, if condition: String? = nil) -> Trigger {
        Trigger(kind: .event(name: name, condition: condition))
    }

    /// Every event of that type's name, or those for which a condition is true. See the form with a name.
    public static func event<E: Event>(_ type: E.Type, if condition: String? = nil) -> Trigger {
        event(E.name, if: condition)
    }

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
