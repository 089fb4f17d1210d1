import Synchronization

/// Counts down, on any thread.
final class Counter: Sendable {
    private let value: Mutex<Int>

    init(_ start: Int) {
        value = Mutex(start)
    }

    /// The count before this call took one away.
    func next() -> Int {
        value.withLock { value in
            defer { value -= 1 }
            return value
        }
    }
}
