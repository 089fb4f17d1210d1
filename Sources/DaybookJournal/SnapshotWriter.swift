internal import DaybookSystem
internal import Synchronization

/// Takes the state in slices from the writer thread and leaves the writing to the keeper.
package final class SnapshotWriter: Sendable {
    struct Pending: Sendable {
        var slices: [[UInt8]] = []
        var isFinished = false
        var isCancelled = false
    }

    /// The last record whose effect is in the state.
    package let q: UInt64
    let pending = Mutex(Pending())
    private let wake: Wake

    init(q: UInt64, wake: Wake) {
        self.q = q
        self.wake = wake
    }

    /// One more slice. A start gives back the same slices in the same order.
    package func append(_ slice: [UInt8]) {
        pending.withLock { $0.slices.append(slice) }
        wake.signal()
    }

    /// The last slice was given. The snapshot appears once its files are durable.
    package func finish() {
        pending.withLock { $0.isFinished = true }
        wake.signal()
    }

    /// Gives the snapshot up.
    package func cancel() {
        pending.withLock { $0.isCancelled = true }
        wake.signal()
    }
}
