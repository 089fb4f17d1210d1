public import Logging

/// What a function does durably, and what it asks about its run. Handed to every run. Sendable.
///
/// A step is called from the function's own code, its `async let`s and task groups: not inside another step, not from a
/// `Task { … }`, not from code that belongs to an actor; those throw `StepMisuseError`. All methods throw
/// `CancellationError` when the branch is cancelled or the run is put aside; let it through.
///
/// **Ids** name what is recorded: 1…200 bytes of UTF-8, not ending in `:` and digits. The same id used again in a run
/// is another step (`id:1`, `id:2`…). Within one run they are found again by id and order, so code may change around
/// them while runs are under way.
public struct Step: Sendable {
    let execution: RunExecution

    package init(_ execution: RunExecution) {
        self.execution = execution
    }

    /// The run's id.
    public var runID: String { execution.input.runID }

    /// The function's whole id: `<app id>-<function id>`.
    public var functionID: String { execution.input.functionID }

    /// Which attempt of the code between the steps this is, counted from 1. It starts again after every step that
    /// finishes.
    public var attempt: Int { execution.input.attempt }

    /// Writes with the run and the function attached; silent while recorded steps are gone through again, so that
    /// every line is written about once. Inside a step use the attempt's.
    public var log: Logger { execution.replayLogger }

    /// Reports how far the run is. The newest report is shown while the run lives; reports are not recorded.
    ///
    /// - Parameters:
    ///   - done: how much is done, in units of your own.
    ///   - total: how much there is in all.
    ///   - message: a few words for people.
    public func progress(_ done: Int, of total: Int, _ message: String? = nil) {
        guard !execution.isReplaying else { return }
        execution.report(Progress(done: done, total: total, message: message), step: nil)
    }
}
