package import DaybookSystem
package import DaybookValues
import Synchronization

/// The wall clock as the movable clock of `dev` mode has it, for everybody but the writer, who has it from the core.
package final class ShiftedClock: WallClock {
    private let base: any WallClock
    private let offset: Atomic<Int64>

    /// - Parameter offset: milliseconds that the clock stands ahead.
    package init(_ base: any WallClock = SystemWallClock(), offset: Int64) {
        self.base = base
        self.offset = Atomic(offset)
    }

    package var now: Timestamp { base.now + offset.load(ordering: .relaxed) }

    func move(to offset: Int64) {
        self.offset.store(offset, ordering: .relaxed)
    }
}
