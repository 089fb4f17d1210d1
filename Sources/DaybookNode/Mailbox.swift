import Daybook
import DaybookCore
import DaybookSystem
import DaybookValues
import DaybookWire

/// What the node's writer is asked to do.
enum Submission {
    case body(LiveRun, EndedBody)
    case open(LiveRun, StepCall)
    case quiet(LiveRun, report: Int)
    /// Further bodies of the run want to execute beside those that do.
    case wantsSlots(LiveRun, count: Int)
    case returnsSlots(LiveRun, count: Int)
    case end(LiveRun, RunOutcome)
    /// The run's record was read, or could not be.
    case loaded(LiveRun, Result<LoadedRun, LoadError>)
    /// The record of a run behind a URL was read, or could not be.
    case remoteLoaded(ULID, Result<LoadedRun, LoadError>)
    /// An app has answered.
    case called(run: ULID, app: String, call: ULID, CallOutcome)
    /// A request that the server made for a step is over.
    case requested(run: ULID, key: String, GatewayOutcome)
    /// An app reports steps while a call goes on.
    case checkpoint(run: ULID, call: ULID?, ops: [WireOp], reply: @Sendable (CheckpointAnswer) -> Void)
    /// The reply is called once what the command caused is flushed.
    case command(Command, reply: @Sendable (Answer) -> Void)
    /// Looks at the state, all of which is flushed at that moment.
    case inspect(@Sendable (Node) -> Void)
}

/// Where everybody leaves what the writer is to do. Any thread may post; the writer takes everything at once.
///
/// A lock that hands itself over in order would make every thread wait for one that was just preempted; this is where
/// all of them meet.
final class Mailbox: @unchecked Sendable {
    // Read and written only while `lock` is held.
    private var submissions: [Submission] = []
    private let lock = BargingLock()
    let wake = Wake()

    func post(_ submission: Submission) {
        lock.lock()
        submissions.append(submission)
        lock.unlock()
        wake.signal()
    }

    var isEmpty: Bool {
        lock.lock()
        defer { lock.unlock() }
        return submissions.isEmpty
    }

    /// Swaps what was posted for `emptied`, whose storage is used again.
    func take(into emptied: inout [Submission]) {
        lock.lock()
        defer { lock.unlock() }
        swap(&submissions, &emptied)
    }
}
