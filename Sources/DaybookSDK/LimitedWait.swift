import Synchronization

/// A wait of one task, which whoever comes first ends: the work that is waited for, or the end of its time.
///
/// A task group waits for all its tasks, however long they take; this does not.
final class LimitedWait: Sendable {
    private enum State {
        case open
        case waiting(CheckedContinuation<Bool, Never>)
        case over(isDone: Bool)
    }

    private let state = Mutex(State.open)

    /// Returns once `end` was called. To be called once. Cancellation alone does not end it.
    /// - Returns: whether the work was done.
    func wait() async -> Bool {
        await withCheckedContinuation { continuation in
            let isDone: Bool? = state.withLock { state in
                if case .over(let isDone) = state { return isDone }
                state = .waiting(continuation)
                return nil
            }
            if let isDone { continuation.resume(returning: isDone) }
        }
    }

    /// Only the first time counts.
    func end(isDone: Bool) {
        let continuation: CheckedContinuation<Bool, Never>? = state.withLock { state in
            switch state {
            case .over: return nil
            case .open:
                state = .over(isDone: isDone)
                return nil
            case .waiting(let continuation):
                state = .over(isDone: isDone)
                return continuation
            }
        }
        continuation?.resume(returning: isDone)
    }
}
