import Daybook
import DaybookCore
import DaybookJournal
import DaybookSystem
import DaybookValues
import Synchronization

/// One run whose code is loaded, or is being loaded: the driver behind its `RunExecution`.
///
/// What the execution reports goes to the node's mailbox. Everything marked *writer* is touched by the node's writer
/// thread alone.
final class LiveRun: RunDriver, @unchecked Sendable {
    let id: ULID
    let registration: FunctionRegistration
    let functionID: String
    /// Its function has limits or a throttle: it executes only while it holds a slot.
    let isGated: Bool
    /// The limits count bodies: it gives up its slot when it is quiet.
    let limitsBodies: Bool
    private let node: Node

    /// Writer. It is the one in the node's table.
    var isLive = false
    /// Writer. Nil while the run is being loaded.
    var execution: RunExecution?
    /// Writer. What came while the run was being loaded, in journal order.
    var pending: [(key: StepKey, result: StepResult)] = []
    /// Writer. The highest attempt of each step that was handed to the run, or was due when the run was loaded, so that it
    /// begins without being told to.
    var attemptsBegun: [StepKey: Int] = [:]
    /// Writer. Something was delivered that the closing execution may not have taken: load it again.
    var mustReload = false
    /// Writer. The unwinding of the run's code was asked for.
    var isClosing = false
    /// Writer. Its code has returned.
    var hasEnded = false
    /// Writer. Its slots were taken while it was quiet; whatever wakes it brings one.
    var hasYielded = false
    /// Writer. Slots it has asked for while it had none.
    var slotsOwed = 0
    /// Writer. When the run became quiet; nil while something can move.
    var quietSince: UInt64?
    /// Writer. Of loadings and readings that failed before this one.
    var backOff: BackOff?
    /// Writer. The event it was given.
    var input: [UInt8]

    private let progressBySteps = Mutex<[String: Daybook.Progress]>([:])

    init(
        id: ULID, registration: FunctionRegistration, functionID: String, input: [UInt8], isGated: Bool,
        limitsBodies: Bool, node: Node
    ) {
        self.id = id
        self.registration = registration
        self.functionID = functionID
        self.input = input
        self.isGated = isGated
        self.limitsBodies = limitsBodies
        self.node = node
    }

    /// The newest progress, by step; the empty key is the run's own.
    var progress: [String: Daybook.Progress] { progressBySteps.withLock { $0 } }

    // MARK: - RunDriver

    func open(_ call: StepCall, of run: RunExecution) {
        node.mailbox.post(.open(self, call))
    }

    func bodyWillStart(_ key: StepKey, attempt: Int, of run: RunExecution) -> BodyStart {
        let slot = node.claimMark()
        var text = key.text
        text.withUTF8 { utf8 in
            node.marks.write(slot, run: id, step: utf8, attempt: UInt32(truncatingIfNeeded: attempt))
        }
        return BodyStart(startedAtNanoseconds: node.nowNanoseconds, slot: slot)
    }

    func bodyDidEnd(
        _ key: StepKey, attempt: Int, _ start: BodyStart, _ result: Daybook.BodyResult, of run: RunExecution
    ) {
        let microseconds = Int64((node.nowNanoseconds &- start.startedAtNanoseconds) / 1_000)
        node.mailbox.post(
            .body(
                self,
                EndedBody(key: key, attempt: attempt, slot: start.slot, microseconds: microseconds, result: result)))
    }

    func didAbandon(_ key: StepKey, of run: RunExecution) {}

    func didBecomeQuiet(_ run: RunExecution, report: Int) {
        node.mailbox.post(.quiet(self, report: report))
    }

    func wantsSlots(_ count: Int, of run: RunExecution) {
        node.mailbox.post(.wantsSlots(self, count: count))
    }

    func returnsSlots(_ count: Int, of run: RunExecution) {
        node.mailbox.post(.returnsSlots(self, count: count))
    }

    func didEnd(_ run: RunExecution, _ outcome: RunOutcome) {
        node.mailbox.post(.end(self, outcome))
    }

    func didReport(_ progress: Daybook.Progress, step: StepKey?, of run: RunExecution) {
        progressBySteps.withLock { $0[step?.text ?? ""] = progress }
    }
}

/// An attempt of a step's body that has ended.
struct EndedBody {
    let key: StepKey
    let attempt: Int
    let slot: Int
    let microseconds: Int64
    let result: Daybook.BodyResult
}
