internal import DaybookSystem
package import DaybookValues
internal import Synchronization

/// Wall clock and monotonic clock of a test: they stand still until told to move.
package final class ManualClock: WallClock, MonotonicClock {
    private struct State {
        var wall: Timestamp
        var nanoseconds: UInt64
    }

    private let state: Mutex<State>

    /// - Parameter now: 2026-11-21T08:00:00Z unless said otherwise.
    package init(now: Timestamp = Timestamp(milliseconds: 1_795_248_000_000)) {
        state = Mutex(State(wall: now, nanoseconds: 1_000_000_000))
    }

    package var now: Timestamp { state.withLock { $0.wall } }

    /// One nanosecond later than at the last reading: no two readings of a real clock are the same either.
    package var nowNanoseconds: UInt64 {
        state.withLock { state in
            state.nanoseconds += 1
            return state.nanoseconds
        }
    }

    /// Time passes: both clocks move.
    package func advance(milliseconds: Int64) {
        precondition(milliseconds >= 0, "Time does not pass backwards; `setWall` sets a clock back")
        state.withLock { state in
            state.wall = state.wall + milliseconds
            state.nanoseconds += UInt64(milliseconds) * 1_000_000
        }
    }

    /// Somebody sets the clock: only the time of day moves, in either direction.
    package func setWall(_ now: Timestamp) {
        state.withLock { $0.wall = now }
    }
}
