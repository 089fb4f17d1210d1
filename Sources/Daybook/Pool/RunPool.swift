/// Threads that run step bodies (as a task executor) and the turns of runs.
///
/// A run that has something to do is submitted once and takes its turn on one thread at a time.
package protocol RunPool: TaskExecutor {
    /// Gives a run its next turn. For the run itself; drivers use `submit(contentsOf:)`.
    func submit(_ run: RunExecution)
    /// Gives many runs their next turn: those for which `RunExecution.deliver` answered true.
    func submit(contentsOf runs: [RunExecution])
}

/// What waits for a thread.
enum PoolItem: Sendable {
    case turn(RunExecution)
    case job(UnownedJob)
}
