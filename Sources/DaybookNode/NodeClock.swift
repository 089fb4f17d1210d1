package import DaybookCore
package import DaybookSystem
package import DaybookValues

/// Makes the two times of a command from the clocks of the machine.
///
/// `now` begins at the wall clock, or at the newest record if that is later, and follows the monotonic clock from there:
/// it never goes back, whatever is done to the wall clock. Both times stand ahead by the offset of the movable clock.
package final class NodeClock {
    private let wallClock: any WallClock
    private let monotonicClock: any MonotonicClock
    private let startNanoseconds: UInt64
    private let start: Timestamp
    private let startOffset: Int64
    /// Milliseconds that the movable clock stands ahead.
    package var offset: Int64

    package init(
        wallClock: any WallClock, monotonicClock: any MonotonicClock, newestRecord: Timestamp, offset: Int64
    ) {
        self.wallClock = wallClock
        self.monotonicClock = monotonicClock
        self.offset = offset
        startOffset = offset
        startNanoseconds = monotonicClock.nowNanoseconds
        start = max(wallClock.now + offset, newestRecord)
    }

    package func read() -> Instant {
        let elapsed = Int64((monotonicClock.nowNanoseconds &- startNanoseconds) / 1_000_000)
        return Instant(now: start + elapsed + (offset - startOffset), wall: wallClock.now + offset)
    }

    package var nowNanoseconds: UInt64 { monotonicClock.nowNanoseconds }
}

/// As nanoseconds, none when it is negative; stops at the end of `UInt64` (584 years) instead of trapping.
func nanoseconds(_ milliseconds: Int64) -> UInt64 {
    let (product, overflow) = UInt64(max(0, milliseconds)).multipliedReportingOverflow(by: 1_000_000)
    return overflow ? .max : product
}
