internal import DaybookValues
public import FoundationEssentials

extension Step {
    /// The longest sleep or wait.
    static let waitMax: Duration = .days(366)

    /// Waits that long, through restarts; a long sleep takes no memory to speak of.
    ///
    /// - Parameters:
    ///   - id: what names the step.
    ///   - duration: at most 366 days; zero or less goes on at once. Counted from the moment the sleep is recorded.
    /// - Throws: `StepMisuseError` when it is too long, `CancellationError`.
    public nonisolated(nonsending) func sleep(_ id: String, for duration: Duration) async throws {
        let milliseconds = try Self.milliseconds(duration, "the sleep", id)
        _ = try await execution.call(id, interruptible: true) { .sleep(milliseconds: milliseconds) }
    }

    /// Waits until an instant, through restarts.
    ///
    /// - Parameters:
    ///   - id: what names the step.
    ///   - instant: at most 366 days ahead; one that has passed goes on at once. Take it from the event or from a step:
    ///     `Date.now` differs each time the function runs.
    /// - Throws: `StepError` when it is too far ahead, `CancellationError`.
    public nonisolated(nonsending) func sleep(_ id: String, until instant: Date) async throws {
        let timestamp = instant.asTimestamp
        _ = try await execution.call(id, interruptible: true) { .sleepUntil(timestamp) }
    }

    /// Waits for an event of a type. Events count from the moment the wait is recorded; the run's own event never does.
    ///
    /// ```swift
    /// let paid = try await step.waitForEvent(
    ///     "paid", InvoicePaid.self, where: .field("invoiceId", equals: invoice.id),
    ///     if: "async.data.cents >= event.data.cents", timeout: .days(30))
    /// ```
    ///
    /// - Parameters:
    ///   - id: what names the step.
    ///   - event: the type; its name is the event's, without wildcards.
    ///   - matches: what must hold of its data, all of it. The default takes any event of the name.
    ///   - condition: an expression that must be true as well; `event` is the run's own event (of a batch the first),
    ///     `async` the one that came. An event for which it has no value or cannot be worked out does not count. The
    ///     default is none.
    ///   - timeout: at most 366 days; zero or less returns nil at once.
    /// - Returns: the event, or nil when the time is up.
    /// - Throws: `StepError` at once, and not again, when the condition is no expression; `StepMisuseError`;
    ///   `CancellationError`.
    public nonisolated(nonsending) func waitForEvent<E: Event>(
        _ id: String, _ event: E.Type, where matches: FieldMatch..., if condition: String? = nil, timeout: Duration
    ) async throws -> Received<E>? {
        try await wait(id, name: E.name, matches, condition, timeout, wanted: Received<E>.self) {
            try Received<E>(raw: $0)
        }
    }

    /// Waits for an event of a type whose field equals the same field of the run's own event. A field that both lack
    /// counts as equal. For fields of different names use `where` or `if`; see that form for the rest.
    ///
    /// - Parameter path: member names, and indexes into arrays, joined by dots; relative to the `data` of both: `orderId`.
    public nonisolated(nonsending) func waitForEvent<E: Event>(
        _ id: String, _ event: E.Type, match path: String, timeout: Duration
    ) async throws -> Received<E>? {
        let condition = try Self.matchExpression(path, id)
        return try await waitForEvent(id, event, if: condition, timeout: timeout)
    }

    /// Waits for an event by name. Events count from the moment the wait is recorded. See the form with a type.
    ///
    /// - Parameters:
    ///   - id: what names the step.
    ///   - name: the event's name, without wildcards.
    ///   - matches: what must hold of its data, all of it. The default takes any event of the name.
    ///   - condition: an expression that must be true as well. The default is none.
    ///   - timeout: at most 366 days; zero or less returns nil at once.
    /// - Returns: the event, or nil when the time is up.
    /// - Throws: `StepError` at once, and not again, when the condition is no expression; `StepMisuseError`;
    ///   `CancellationError`.
    public nonisolated(nonsending) func waitForEvent(
        _ id: String, name: String, where matches: FieldMatch..., if condition: String? = nil, timeout: Duration
    ) async throws -> AnyEvent? {
        try await wait(id, name: name, matches, condition, timeout, wanted: AnyEvent.self) { try AnyEvent(raw: $0) }
    }

    /// Waits for an event by name whose field equals the same field of the run's own event. See the form with a type.
    public nonisolated(nonsending) func waitForEvent(
        _ id: String, name: String, match path: String, timeout: Duration
    ) async throws -> AnyEvent? {
        let condition = try Self.matchExpression(path, id)
        return try await waitForEvent(id, name: name, if: condition, timeout: timeout)
    }

    private static func matchExpression(_ path: String, _ id: String) throws(StepMisuseError) -> String {
        do throws(FieldPath.Problem) {
            return try FieldPath(path).matchExpression
        } catch {
            throw StepMisuseError("step '\(id)': match: \(error)")
        }
    }

    private nonisolated(nonsending) func wait<Found>(
        _ id: String, name: String, _ matches: [FieldMatch], _ condition: String?, _ timeout: Duration,
        wanted: Found.Type, decode: ([UInt8]) throws -> Found
    ) async throws -> Found? {
        let milliseconds = try Self.milliseconds(timeout, "the timeout of the wait", id)
        let fields = try matches.map { JSONFieldMatch(path: $0.path, value: try $0.value.get()) }
        let result = try await execution.call(id, interruptible: true) {
            .waitForEvent(name: name, matches: fields, condition: condition, timeoutMilliseconds: milliseconds)
        }
        if result.bytes == ValueCoding.null { return nil }
        return try execution.decoded(result, wanted) { bytes in
            do {
                return try decode(bytes)
            } catch let error as EventDecodingError {
                throw ValueDecodingError(path: error.field, reason: error.reason)
            }
        }
    }

    /// Runs another function and waits for what it returns.
    ///
    /// - Parameters:
    ///   - id: what names the step.
    ///   - function: a function of the same app.
    ///   - data: the payload it is started with.
    ///   - timeout: at most 366 days. The default is 365. When it is up the function goes on; this call fails.
    /// - Returns: what it returned.
    /// - Throws: `StepError` when it failed, was cancelled or took too long; `StepMisuseError`; `CancellationError`.
    @discardableResult
    public nonisolated(nonsending) func invoke<E: Event, Output: Codable & Sendable>(
        _ id: String, _ function: DurableFunction<Received<E>, Output>, data: E, timeout: Duration = .days(365)
    ) async throws -> Output {
        try await invoke(id, .sameApp(function.id), data, timeout, CodableResult<Output>.self)
    }

    /// Runs another function that returns nothing and waits for its end. See the form with a result.
    public nonisolated(nonsending) func invoke<E: Event>(
        _ id: String, _ function: DurableFunction<Received<E>, Void>, data: E, timeout: Duration = .days(365)
    ) async throws {
        try await invoke(id, .sameApp(function.id), data, timeout, NoResult.self)
    }

    /// Adds an event to the next batch of a function and waits for what the run of that batch returns.
    ///
    /// - Parameters:
    ///   - id: what names the step.
    ///   - function: a function of the same app.
    ///   - data: the payload of the event.
    ///   - timeout: at most 366 days, the wait for the batch included. The default is 365. When it is up the function goes
    ///     on; this call fails.
    /// - Returns: what the run returned; every event of the batch gets the same.
    /// - Throws: `StepError` when it failed, was cancelled or took too long; `StepMisuseError`; `CancellationError`.
    @discardableResult
    public nonisolated(nonsending) func invoke<E: Event, Output: Codable & Sendable>(
        _ id: String, _ function: DurableFunction<[Received<E>], Output>, data: E, timeout: Duration = .days(365)
    ) async throws -> Output {
        try await invoke(id, .sameApp(function.id), data, timeout, CodableResult<Output>.self)
    }

    /// Adds an event to the next batch of a function that returns nothing and waits for its end. See the form with a
    /// result.
    public nonisolated(nonsending) func invoke<E: Event>(
        _ id: String, _ function: DurableFunction<[Received<E>], Void>, data: E, timeout: Duration = .days(365)
    ) async throws {
        try await invoke(id, .sameApp(function.id), data, timeout, NoResult.self)
    }

    /// Runs a function known by its id and waits for what it returns.
    ///
    /// - Parameters:
    ///   - id: what names the step.
    ///   - functionID: the whole id, `<app id>-<function id>`; of any app the server knows.
    ///   - data: the payload it is started with: a value that is encoded as a JSON object.
    ///   - type: what its result is read as.
    ///   - timeout: at most 366 days. The default is 365. When it is up the function goes on; this call fails.
    /// - Returns: what it returned.
    /// - Throws: `StepError` when it failed, was cancelled, does not exist or took too long; `StepMisuseError`;
    ///   `CancellationError`.
    @discardableResult
    public nonisolated(nonsending) func invoke<Output: Codable>(
        _ id: String, functionID: String, data: some Encodable, as type: Output.Type = Output.self,
        timeout: Duration = .days(365)
    ) async throws -> Output {
        try await invoke(id, .function(functionID), data, timeout, CodableResult<Output>.self)
    }

    private nonisolated(nonsending) func invoke<Data: Encodable, Coding: ResultCoding>(
        _ id: String, _ target: InvokeTarget, _ data: Data, _ timeout: Duration, _ coding: Coding.Type
    ) async throws -> Coding.Value {
        let milliseconds = try Self.milliseconds(timeout, "the timeout of the invoke", id)
        let payload: [UInt8]
        do {
            payload = try ValueCoding.encode(data)
        } catch {
            throw StepMisuseError("step '\(id)': the data cannot be encoded: \(ErrorFacts(error).message)")
        }
        guard payload.first == UInt8(ascii: "{") else {
            throw StepMisuseError("step '\(id)': the data to invoke a function with is not encoded as a JSON object")
        }
        let result = try await execution.call(id, interruptible: true) {
            .invoke(target, data: payload, timeoutMilliseconds: milliseconds)
        }
        return try execution.decoded(result, Coding.Value.self, Coding.decode)
    }

    /// Sends an event. It is sent once, however often the function runs.
    ///
    /// - Parameters:
    ///   - id: what names the step.
    ///   - event: the payload; its type gives the name.
    ///   - eventID: two events with one id within 24 hours start a function once. The default lets the server choose.
    /// - Returns: the event's id.
    /// - Throws: `StepMisuseError` when it cannot be encoded, `CancellationError`.
    @discardableResult
    public nonisolated(nonsending) func sendEvent(
        _ id: String, _ event: some Event, eventID: String? = nil
    ) async throws -> String {
        try await sendEvents(id, [OutgoingEvent(event, id: eventID)]).first ?? ""
    }

    /// Sends events: all of them, or none. They are sent once, however often the function runs.
    ///
    /// - Parameters:
    ///   - id: what names the step.
    ///   - events: any number.
    /// - Returns: their ids, in order.
    /// - Throws: `StepMisuseError` when one cannot be encoded, `CancellationError`.
    @discardableResult
    public nonisolated(nonsending) func sendEvents(_ id: String, _ events: [OutgoingEvent]) async throws -> [String] {
        let outgoing = try events.map {
            JSONEvent(name: $0.name, id: $0.id, timestamp: $0.timestamp?.asTimestamp, data: try $0.data.get())
        }
        let result = try await execution.call(id, interruptible: false) { .sendEvents(outgoing) }
        return try execution.decoded(result, [String].self, CodableResult<[String]>.decode)
    }

    private static func milliseconds(_ duration: Duration, _ what: String, _ id: String) throws -> Int64 {
        guard duration <= waitMax else {
            throw StepMisuseError(
                "step '\(id)': \(what) is \(duration.components.seconds) s long; at most 366 days (31622400 s) are possible"
            )
        }
        return duration.wholeMilliseconds
    }
}
