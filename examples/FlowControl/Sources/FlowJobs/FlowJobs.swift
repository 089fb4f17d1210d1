import Daybook

/// One function for each knob of flow control. What they do takes time and nothing else.
public struct FlowJobs: Sendable {
    /// Stands for the work of a step.
    let work: @Sendable (Duration) async throws -> Void

    /// - Parameter work: what a step does; the default waits as long as it is told.
    public init(work: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }) {
        self.work = work
    }

    public var all: [any FunctionDefinition] {
        [
            render, summarize, classify, migrate, callPartner, answer,
            fetchPrice, charge, sync, preview,
            index, storeViews,
            welcomeTeam, collect, deliver, quote,
        ]
    }
}
