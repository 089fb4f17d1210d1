/// A function whose finished steps outlive the process: after a crash it carries on at the step where it stopped.
///
/// ```swift
/// let welcome = DurableFunction("welcome-email", on: UserCreated.self, retries: 3) { event, step in
///     let contact = try await step.run("load-contact") { try await contacts.find(event.userId) }
///     try await step.sleep("let-them-look-around", for: .hours(1))
///     return try await step.run("send") { try await mailer.send("Welcome", to: contact.email) }
/// }
/// ```
///
/// The closure may run many times, in this process or a later one; a step that finished is not run again but returns
/// what was recorded. So everything with an effect, and everything that comes out differently the next time (the
/// clock, random numbers, files, the network), belongs into a step. The closure belongs to no actor; steps called from
/// actor-isolated code throw `StepMisuseError`.
///
/// `Output` is `Codable` or `Void`; anything else is a programming error that stops the program when the function is
/// made. Sendable.
public struct DurableFunction<Input: Sendable, Output: Sendable>: FunctionDefinition {
    /// The id within the app. It names the function in every record: changing it makes another function.
    public var id: String { registration.id }

    let registration: FunctionRegistration
    private var failureHandler: FunctionRegistration?
    private let decodeInput: @Sendable (_ event: [UInt8]) throws -> Input

    public var registrations: [FunctionRegistration] {
        failureHandler.map { [registration, $0] } ?? [registration]
    }

    private init(
        id: String, triggers: [Trigger], catchUp: CatchUp, retries: Int, options: [FunctionOption],
        batch: BatchSettings? = nil,
        decodeInput: @escaping @Sendable ([UInt8]) throws -> Input,
        run: @escaping @Sendable (Input, Step) async throws -> Output
    ) {
        precondition(isValidFunctionID(id), "function id '\(id)': 1…128 letters, digits, '-', '_' and '.'")
        precondition((0...20).contains(retries), "function '\(id)': retries must be 0…20, not \(retries)")
        if case .all(let limit) = catchUp {
            precondition(
                (1...10_000).contains(limit),
                "function '\(id)': the limit of catchUp: .all(limit:) must be 1…10,000, not \(limit)")
        }
        guard let encodeOutput = ValueCoding.encoder(for: Output.self) else {
            preconditionFailure("function '\(id)' returns \(Output.self), which is neither Codable nor Void")
        }
        let settings = FunctionSettings(options, batch: batch)
        for timeout in [settings.startTimeout, settings.finishTimeout] {
            precondition(
                timeout.map { $0 > .zero } ?? true, "function '\(id)': timeouts must be longer than zero")
        }
        self.decodeInput = decodeInput
        self.registration = FunctionRegistration(
            id: id, name: settings.name ?? id, triggers: triggers, retries: retries, catchUp: catchUp,
            startTimeout: settings.startTimeout, finishTimeout: settings.finishTimeout, handlesFailuresOf: nil,
            flow: settings.flow, problem: settings.problem
        ) { runInput, step in
            let input = try decodeInput(runInput.event)
            return try encodeOutput(try await run(input, step))
        }
    }

    /// A function that runs once for every event of a type.
    ///
    /// - Parameters:
    ///   - id: the id within the app: 1…128 letters, digits, `-`, `_`, `.`.
    ///   - event: the type whose name is the trigger and whose fields the input has.
    ///   - condition: an expression, such as `event.data.plan == 'pro'`: events for which it is not true start no run. The
    ///     default takes every event of the type. See `Trigger.event`.
    ///   - retries: further attempts after a failed one, 0…20, for every step and for the code between steps. The
    ///     default is 4: five attempts.
    ///   - options: what most functions do without.
    ///   - run: the function.
    public init<E: Event>(
        _ id: String, on event: E.Type, if condition: String? = nil, retries: Int = 4, _ options: FunctionOption...,
        run: @escaping @Sendable (Input, Step) async throws -> Output
    ) where Input == Received<E> {
        self.init(
            id: id, triggers: [.event(E.self, if: condition)], catchUp: .latest, retries: retries, options: options,
            decodeInput: { try Received<E>(raw: $0) }, run: run)
    }

    /// A function with several triggers, or one whose events have no type of their own.
    ///
    /// - Parameters:
    ///   - id: the id within the app: 1…128 letters, digits, `-`, `_`, `.`.
    ///   - triggers: what starts it; one run per event, even if several match. With none it runs only when invoked.
    ///   - retries: further attempts after a failed one, 0…20. The default is 4.
    ///   - options: what most functions do without.
    ///   - run: the function.
    public init(
        _ id: String, on triggers: [Trigger], retries: Int = 4, _ options: FunctionOption...,
        run: @escaping @Sendable (AnyEvent, Step) async throws -> Output
    ) where Input == AnyEvent {
        self.init(
            id: id, triggers: triggers, catchUp: .latest, retries: retries, options: options,
            decodeInput: { try AnyEvent(raw: $0) }, run: run)
    }

    /// A function that runs by the clock.
    ///
    /// - Parameters:
    ///   - id: the id within the app: 1…128 letters, digits, `-`, `_`, `.`.
    ///   - cron: the schedule: five fields, or six with seconds first; a prefix `TZ=Area/City ` names the time zone,
    ///     else it is UTC. It is checked when the function is registered.
    ///   - catchUp: what to do with ticks that were due while the server was away. The default is `.latest`.
    ///   - retries: further attempts after a failed one, 0…20. The default is 4.
    ///   - options: what most functions do without.
    ///   - run: the function.
    public init(
        _ id: String, cron: String, catchUp: CatchUp = .latest, retries: Int = 4, _ options: FunctionOption...,
        run: @escaping @Sendable (CronTick, Step) async throws -> Output
    ) where Input == CronTick {
        self.init(
            id: id, triggers: [.cron(cron)], catchUp: catchUp, retries: retries, options: options,
            decodeInput: { try CronTick(raw: $0) }, run: run)
    }

    /// A function that runs once for several events of a type.
    ///
    /// A run starts when there are `max` events, when they come to 10 MiB, or `within` after the first of them, whichever
    /// is first; events that are held until then survive a crash. They come in the order in which they were recorded. An
    /// event with an id of its own is taken once in 30 minutes. Limits and steps are those of any run; keys see the first
    /// event.
    ///
    /// It cannot be combined with `rateLimit`, `idempotency`, `debounce`, `priority`, `singleton` or `cancelOn`.
    ///
    /// - Parameters:
    ///   - id: the id within the app: 1…128 letters, digits, `-`, `_`, `.`.
    ///   - event: the type whose name is the trigger and whose fields the events have.
    ///   - max: so many events start a run at once: 2…100,000.
    ///   - within: how long the first event is held at most: 1 second…3,650 days.
    ///   - key: one batch for each value. The default is one for all.
    ///   - condition: an expression, such as `event.data.total < 1000`: an event for which it is not true is not held but
    ///     starts a run of its own, whose array has one element. The default holds every event. To take only some events
    ///     at all, use triggers with conditions.
    ///   - retries: further attempts after a failed one, 0…20. The default is 4.
    ///   - options: what most functions do without.
    ///   - run: the function.
    public init<E: Event>(
        _ id: String, batchesOf event: E.Type, max: Int, within: Duration, key: FlowKey? = nil,
        if condition: String? = nil, retries: Int = 4, _ options: FunctionOption...,
        run: @escaping @Sendable (Input, Step) async throws -> Output
    ) where Input == [Received<E>] {
        self.init(
            id: id, triggers: [.event(E.self)], catchUp: .latest, retries: retries, options: options,
            batch: BatchSettings(maxSize: max, timeout: within, key: key, condition: condition),
            decodeInput: { try EventEnvelope.decodeBatch($0, Received<E>.init(raw:)) }, run: run)
    }

    /// A function that runs once for several events of several triggers, or whose events have no type of their own. See
    /// the form with a type.
    public init(
        _ id: String, batchesOf triggers: [Trigger], max: Int, within: Duration, key: FlowKey? = nil,
        if condition: String? = nil, retries: Int = 4, _ options: FunctionOption...,
        run: @escaping @Sendable (Input, Step) async throws -> Output
    ) where Input == [AnyEvent] {
        self.init(
            id: id, triggers: triggers, catchUp: .latest, retries: retries, options: options,
            batch: BatchSettings(maxSize: max, timeout: within, key: key, condition: condition),
            decodeInput: { try EventEnvelope.decodeBatch($0, AnyEvent.init(raw:)) }, run: run)
    }

    /// The same function with a handler for runs that failed for good.
    ///
    /// The handler is a function of its own, `<id>-failure`: it runs once per failed run, has steps and retries, and
    /// survives a crash. It does not run for cancelled runs, and none of the function's options are its own. Only one is
    /// kept: the last one given.
    ///
    /// - Parameters:
    ///   - retries: further attempts of the handler, 0…20. The default is 4.
    ///   - handler: what to do about it.
    public func onFailure(
        retries: Int = 4, _ handler: @escaping @Sendable (Failure<Input>, Step) async throws -> Void
    ) -> DurableFunction {
        precondition((0...20).contains(retries), "failure handler of '\(id)': retries must be 0…20, not \(retries)")
        let decodeInput = self.decodeInput
        let isBatched = registration.flow.batch != nil
        var copy = self
        copy.failureHandler = FunctionRegistration(
            id: "\(id)-failure", name: "\(registration.name) (failure)",
            triggers: [.event("inngest/function.failed")], retries: retries, catchUp: .latest,
            startTimeout: nil, finishTimeout: nil, handlesFailuresOf: id, flow: FlowSettings(), problem: nil
        ) { runInput, step in
            let failure = try Failure(raw: runInput.event, ofBatch: isBatched, decodeInput: decodeInput)
            try await handler(failure, step)
            return Array("null".utf8)
        }
        return copy
    }
}

private func isValidFunctionID(_ id: String) -> Bool {
    (1...128).contains(id.utf8.count)
        && id.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                true
            default: false
            }
        }
}
