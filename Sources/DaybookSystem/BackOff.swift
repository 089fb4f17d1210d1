/// How long to wait before what failed is tried again: twice as long each time, up to a limit.
package struct BackOff: Sendable {
    private let first: Int64
    private let limit: Int64
    /// Failures in a row.
    package private(set) var failures = 0

    /// - Parameters:
    ///   - first: the wait after the first failure, in milliseconds. The default is 1,000.
    ///   - limit: the longest wait, in milliseconds.
    package init(first: Int64 = 1_000, limit: Int64) {
        self.first = first
        self.limit = limit
    }

    /// Takes note of a failure.
    /// - Returns: how long to wait now, in milliseconds.
    package mutating func next() -> Int64 {
        failures += 1
        return min(limit, first << min(Int64(failures - 1), 30))
    }

    package mutating func reset() { failures = 0 }
}
