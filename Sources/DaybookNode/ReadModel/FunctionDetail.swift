package import DaybookCore

/// A function as people see it: how it is registered, how many of its runs wait, which events are held for it.
package struct FunctionDetail: Sendable, Equatable {
    /// Debounces and batches that are shown of each function in a list: 100.
    package static let holdsInListsMax = 100
    /// Of a function that is shown by itself: 1,000.
    package static let holdsMax = 1_000

    package var summary: FunctionSummary
    /// Debounces and batches that hold events for it, those that are due first in front.
    package var holds: [HoldSummary]

    package init(_ summary: FunctionSummary, holds: [HoldSummary]) {
        self.summary = summary
        self.holds = holds.sorted { ($0.due, $0.id) < ($1.due, $1.id) }
    }

    /// All functions that are registered, or were.
    package static func all(in core: Core) -> [FunctionDetail] {
        let holds = Dictionary(grouping: core.holds(of: nil), by: \.function)
        return core.functionSummaries.map { FunctionDetail($0, holds: holds[$0.config.id] ?? []) }
    }

    /// One function by its whole id.
    package static func one(_ id: String, in core: Core) -> FunctionDetail? {
        core.functionSummaries.first { $0.config.id == id }.map { FunctionDetail($0, holds: core.holds(of: id)) }
    }
}

extension ReadModel {
    /// The whole id of the function that is meant: by its whole id, or by its id within the app when no other app has it.
    package static func function(_ text: String, among ids: some Sequence<String>) throws(ReadError) -> String {
        var found: [String] = []
        for id in ids {
            if id == text { return id }
            if id.hasSuffix("-" + text) { found.append(id) }
        }
        guard let first = found.first, !text.isEmpty else { throw .unknownFunction(text) }
        guard found.count == 1 else { throw .ambiguousFunction(text, found) }
        return first
    }
}
