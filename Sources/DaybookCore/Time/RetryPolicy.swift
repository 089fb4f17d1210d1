import DaybookValues

/// How long to wait before the next attempt: the table that Inngest users know, with up to 30 seconds of jitter.
package struct RetryPolicy: Sendable {
    /// Replaces the table, exactly and without jitter. Milliseconds.
    package var fixedWait: Int64?

    package init(fixedWait: Int64? = nil) {
        self.fixedWait = fixedWait
    }

    /// Milliseconds to wait after attempt number `attempt`, which counts from 1, failed. Anything lower counts as 1: the
    /// number may come from a file.
    /// - Parameter random: any number; chooses the jitter of 0…29,999 ms.
    package func wait(afterAttempt attempt: Int, random: UInt64) -> Int64 {
        if let fixedWait { return fixedWait }
        let seconds: [Int64] = [15, 30, 60, 120, 300, 600, 1_200, 2_400, 3_600, 7_200]
        return seconds[min(max(attempt, 1), seconds.count) - 1] * 1_000 + Int64(random % 30_000)
    }

    /// A wait that user code asked for, in the bounds it is given: 1 s to 24 h. Milliseconds.
    package func clamped(retryAfter: Int64) -> Int64 { min(max(retryAfter, 1_000), 86_400_000) }
}
