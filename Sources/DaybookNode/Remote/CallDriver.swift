package import DaybookWire

/// Whoever calls apps: what `RunDriver` is for code of this program, this is for functions behind a URL.
///
/// The node says what is to be called and when; it never has more than `NodeConfiguration.callsPerAppMax` calls of one app
/// under way, so that no app can keep others waiting.
///
/// **Threads.** All methods are called on the writer's thread and return at once. `reply` is called exactly once, on any
/// thread but that one.
package protocol CallDriver: AnyObject, Sendable {
    /// Calls the app. How long that may take is the driver's to say.
    func call(_ request: CallRequest, reply: @escaping @Sendable (CallOutcome) -> Void)
    /// Makes a request in a function's place: `step.fetch`.
    func fetch(_ request: GatewayRequest, reply: @escaping @Sendable (GatewayOutcome) -> Void)
    /// Asks a model in a function's place: `step.ai.infer`.
    func infer(_ request: AIGatewayRequest, reply: @escaping @Sendable (GatewayOutcome) -> Void)
}

/// What is said to an app that reports steps in the middle of a call.
package enum CheckpointAnswer: Sendable, Equatable {
    /// All of it is in the journal.
    case stored
    case unknownRun
    /// The call is not the current one any more.
    case stale
    /// An op that can only be answered with, not reported.
    case unsupported(String)
    case tooLarge
}

/// What a run behind a URL would be called with.
package struct RemoteState: Sendable {
    /// A JSON array.
    package var events: [UInt8]
    package var steps: [CallRequest.Step]

    package init(events: [UInt8], steps: [CallRequest.Step]) {
        self.events = events
        self.steps = steps
    }
}
