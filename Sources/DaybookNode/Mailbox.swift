import Daybook
import DaybookCore
import DaybookSystem
import DaybookValues
import Synchronization

/// What the node's writer is asked to do.
enum Submission {
    case body(LiveRun, EndedBody)
    case open(LiveRun, StepCall)
    case quiet(LiveRun)
    case end(LiveRun, RunOutcome)
    /// The run's record was read, or could not be.
    case loaded(LiveRun, Result<LoadedRun, LoadError>)
    /// The reply is called once what the command caused is flushed.
    case command(Command, reply: @Sendable (Answer) -> Void)
    /// Looks at the state, all of which is flushed at that moment.
    case inspect(@Sendable (Node) -> Void)
}

/// Where everybody leaves what the writer is to do. Any thread may post; the writer takes everything at once.
final class Mailbox: Sendable {
    private let submissions = Mutex<[Submission]>([])
    let wake = Wake()

    func post(_ submission: Submission) {
        submissions.withLock { $0.append(submission) }
        wake.signal()
    }

    func post(contentsOf new: [Submission]) {
        submissions.withLock { $0.append(contentsOf: new) }
        wake.signal()
    }

    var isEmpty: Bool { submissions.withLock { $0.isEmpty } }

    /// Swaps what was posted for `emptied`, whose storage is used again.
    func take(into emptied: inout [Submission]) {
        submissions.withLock { swap(&$0, &emptied) }
    }
}
