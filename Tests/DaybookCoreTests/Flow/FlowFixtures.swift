import DaybookCore
import DaybookValues
import Testing

/// A function triggered by `test/go`, under flow control.
func limited(
    _ id: String = "app-fn", retries: Int = 4, startTimeout: Int64? = nil, condition: String? = nil,
    on event: String = "test/go", _ set: (inout FlowConfig) -> Void = { _ in }
) -> FunctionConfig {
    var flow = FlowConfig()
    set(&flow)
    return FunctionConfig(
        id: id, app: "app", triggers: [.event(name: event, matches: [], condition: condition)], retries: retries,
        startTimeout: startTimeout, flow: flow)
}

extension Outcome {
    /// Runs that the host was told to execute, in order.
    var activated: [ULID] {
        effects.compactMap { if case .run(let id, _) = $0 { id } else { nil } }
    }

    var delivered: [ULID] {
        effects.compactMap { if case .deliver(let id, _, _) = $0 { id } else { nil } }
    }

    var granted: [ULID] {
        effects.compactMap { if case .grantSlot(let id) = $0 { id } else { nil } }
    }

    var queued: [QueuedRun] {
        lines.compactMap { if case .runQueued(let run) = $0.record { run } else { nil } }
    }

    /// What the event of the command came to.
    var eventOutcome: EventOutcome? {
        lines.lazy.compactMap { if case .eventReceived(_, let outcome) = $0.record { outcome } else { nil } }.first
    }

    var dropped: [Dropped.Reason] { eventOutcome?.dropped.map(\.reason) ?? [] }
}

extension Bench {
    /// Sends one event; what comes of it has been released.
    @discardableResult
    func send(
        _ data: String = "{}", _ name: String = "test/go", key: String? = nil, ts: Timestamp? = nil
    ) -> Outcome {
        released(handle(.publish([event(name, data, key: key, ts: ts)], claim: nil)))
    }

    @discardableResult
    func released(_ outcome: Outcome) -> Outcome {
        for effect in outcome.effects {
            switch effect {
            case .run(let id, _), .deliver(let id, _, _), .grantSlot(let id): core.noteReleased(id)
            default: break
            }
        }
        return outcome
    }

    @discardableResult
    func wait(until milliseconds: Int64) -> Outcome { released(advance(by: milliseconds)) }

    /// The code of the run has ended, or waits.
    @discardableResult
    func yield(_ run: ULID) -> Outcome { released(handle(.yield(run: run))) }

    /// The run returns, and its code is gone.
    @discardableResult
    func finish(_ run: ULID) -> Outcome {
        var all = released(end(run))
        let after = yield(run)
        all.lines += after.lines
        all.effects += after.effects
        return all
    }

    func waiting(_ run: ULID) -> RunSummary.Waiting? { core.summary(of: run)?.waiting }

    /// A new process on the same journal knows the same, and so does one that starts from a snapshot.
    func expectSameAfterCrash(_ location: SourceLocation = #_sourceLocation) throws {
        let replayed = try self.replayed()
        #expect(replayed.core.encodedState == core.encodedState, sourceLocation: location)
        let restored = Core()
        try restored.restore(snapshot: core.encodedState[...])
        #expect(restored.encodedState == core.encodedState, sourceLocation: location)
    }
}
