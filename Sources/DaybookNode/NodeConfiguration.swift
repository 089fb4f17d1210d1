package import Daybook
package import DaybookCore
package import DaybookJournal

/// How a node runs. The defaults are right for production.
package struct NodeConfiguration: Sendable {
    package var core = CoreLimits()
    package var retryPolicy = RetryPolicy()
    package var journal = JournalOptions()
    /// Bytes of records in one batch, after which it is flushed: 8 MiB.
    package var batchBytesMax = 8 * 1_048_576
    /// Timers handled in one batch: 1,000.
    package var timersPerBatchMax = 1_000
    /// Runs whose code is loaded and under way at once: 1,000. The others wait as data.
    package var liveRunsMax = 1_000
    /// Runs that wait with their code loaded, for how long at least, in milliseconds: 10,000.
    package var coldAfter: Int64 = 10_000
    /// Runs that may wait with their code loaded: 4,096. Above that, the ones that wait longest are unwound early.
    package var parkedRunsMax = 4_096
    /// Bytes of events that wait in memory with runs that are queued for a place: 64 MiB. Others are read again.
    package var waitingInputBytesMax = 64 * 1_048_576
    /// Calls of one app that are under way at once: 200. Runs beyond that wait as data.
    package var callsPerAppMax = 200
    /// Return to user code what was recorded, decoded again, so that a type that does not survive coding shows at once.
    package var decodesOwnResults = false
    /// Unwind a run's code after every step that finishes, so that it goes through what is recorded once more: what only
    /// a restart would show, shows at once. For tests.
    package var replaysSteps = false
    /// Asked before every body what takes its place, if anything does. For tests.
    package var standIn: (@Sendable (_ key: StepKey, _ attempt: Int) -> RunExecution.StandIn?)?

    package init() {}
}
