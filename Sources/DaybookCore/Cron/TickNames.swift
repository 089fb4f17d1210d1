package import DaybookValues

/// Which ticks of a schedule have been dealt with: a tick's name is its instant, and no name is used twice.
///
/// Kept as ranges, so that a schedule that runs every second for a year takes one of them. A clock that is set back
/// meets names that are taken and waits; one that had wrongly been years ahead leaves a gap between its ranges, and the
/// ticks in the gap still run.
package struct TickNames: Equatable, Sendable {
    /// Ranges kept; the oldest are forgotten first.
    package static let rangesMax = 8

    /// In order, never touching one another.
    package private(set) var ranges: [ClosedRange<Timestamp>] = []

    package init() {}

    /// From first and last instants in turn, as `ranges` gives them.
    package init(ends: [Timestamp]) {
        var index = 0
        while index + 1 < ends.count {
            if ends[index] <= ends[index + 1] { ranges.append(ends[index]...ends[index + 1]) }
            index += 2
        }
    }

    package func contains(_ tick: Timestamp) -> Bool { ranges.contains { $0.contains(tick) } }

    /// The end of the range that holds the tick.
    func end(ofRangeHolding tick: Timestamp) -> Timestamp? { ranges.first { $0.contains(tick) }?.upperBound }

    /// Notes a tick.
    /// - Parameter first: the earliest tick that is dealt with by it; the tick itself, or an earlier one when the ticks
    ///   between were all dealt with too.
    mutating func insert(_ tick: Timestamp, from first: Timestamp) {
        var merged = min(first, tick)...tick
        ranges.removeAll { range in
            guard range.overlaps(merged) else { return false }
            merged = min(range.lowerBound, merged.lowerBound)...max(range.upperBound, merged.upperBound)
            return true
        }
        let index = ranges.firstIndex { $0.lowerBound > merged.lowerBound } ?? ranges.endIndex
        ranges.insert(merged, at: index)
        if ranges.count > Self.rangesMax { ranges.removeFirst() }
    }
}
