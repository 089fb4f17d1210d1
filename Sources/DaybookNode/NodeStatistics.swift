import DaybookCore

/// What a node has done since its start, in numbers that only grow.
package struct NodeStatistics: Sendable, Equatable {
    /// Events that were recorded, those of the server's own included.
    package var events = 0
    package var runsQueued = 0
    package var runsStarted = 0
    package var runsCompleted = 0
    package var runsFailed = 0
    package var runsCancelled = 0
    package var runsQuarantined = 0
    /// Steps that got a result.
    package var stepsCompleted = 0
    /// Steps that failed for good.
    package var stepsFailed = 0
    /// Attempts of steps and of code between steps that failed and are repeated.
    package var attemptsFailed = 0
    package var ticks = 0
    /// Batches flushed, and their bytes, commit lines left out.
    package var batches = 0
    package var batchBytes = 0
    package var flushes = LatencyHistogram()
    /// Calls of apps, by app.
    package var calls: [String: Calls] = [:]

    package struct Calls: Sendable, Equatable {
        /// Answered with ops or a result.
        package var answered = 0
        package var failed = 0
        package var latency = LatencyHistogram()
    }

    package init() {}

    mutating func count(_ record: Record) {
        switch record {
        case .stepCompleted: stepsCompleted += 1
        case .stepFailed(let step):
            if step.retryAt == nil { stepsFailed += 1 } else { attemptsFailed += 1 }
        case .eventReceived: events += 1
        case .runQueued: runsQueued += 1
        case .runStarted: runsStarted += 1
        case .runCompleted: runsCompleted += 1
        case .runFailed: runsFailed += 1
        case .runCancelled: runsCancelled += 1
        case .runQuarantined: runsQuarantined += 1
        case .attemptFailed: attemptsFailed += 1
        case .cronTicked: ticks += 1
        default: break
        }
    }
}

/// How long something took, in buckets that double from 64 µs on.
package struct LatencyHistogram: Sendable, Equatable {
    /// Upper bounds of the buckets in microseconds; what is longer is in one bucket more.
    package static let bounds: [UInt64] = (0..<20).map { 64 << $0 }

    /// One for each bound, and one for what is longer.
    package private(set) var buckets = [Int](repeating: 0, count: bounds.count + 1)
    package private(set) var count = 0
    /// Microseconds.
    package private(set) var sum: UInt64 = 0

    package init() {}

    package mutating func add(microseconds: UInt64) {
        count += 1
        sum &+= microseconds
        // 64 is 2^6: the number of bits tells the bucket.
        let bits = UInt64.bitWidth - (max(microseconds, 1) - 1).leadingZeroBitCount
        buckets[min(max(bits - 6, 0), Self.bounds.count)] += 1
    }
}
