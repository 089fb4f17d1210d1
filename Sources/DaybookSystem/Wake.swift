internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Wakes one thread that has nothing to do. A signal that comes while it is busy is remembered, once.
///
/// `signal` is one atomic exchange unless the thread sleeps; any thread may call it. One thread waits.
package final class Wake: @unchecked Sendable {
    // The mutex and the condition are only used through the C library, which makes them safe to share; `state` is
    // atomic.
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private let state = Atomic<Int>(idle)

    private static let idle = 0
    private static let signaled = 1
    private static let sleeping = 2

    package init() {
        mutex = .allocate(capacity: 1)
        condition = .allocate(capacity: 1)
        mutex.initialize(to: pthread_mutex_t())
        condition.initialize(to: pthread_cond_t())
        precondition(pthread_mutex_init(mutex, nil) == 0)
        #if canImport(Darwin)
            precondition(pthread_cond_init(condition, nil) == 0)
        #else
            var attributes = pthread_condattr_t()
            precondition(pthread_condattr_init(&attributes) == 0)
            precondition(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0)
            precondition(pthread_cond_init(condition, &attributes) == 0)
            pthread_condattr_destroy(&attributes)
        #endif
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    package func signal() {
        guard state.exchange(Self.signaled, ordering: .sequentiallyConsistent) == Self.sleeping else { return }
        // The sleeper holds the mutex from announcing its sleep until it is inside the wait, so a signal sent under
        // the mutex cannot fall between the two.
        pthread_mutex_lock(mutex)
        pthread_cond_signal(condition)
        pthread_mutex_unlock(mutex)
    }

    /// Returns when signaled, at once if that has happened since the last wait, or after the time given.
    /// - Returns: whether there was a signal.
    @discardableResult
    package func wait(timeoutNanoseconds: UInt64? = nil) -> Bool {
        if state.compareExchange(
            expected: Self.signaled, desired: Self.idle, ordering: .sequentiallyConsistent
        ).exchanged {
            return true
        }
        if timeoutNanoseconds == 0 { return false }
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        guard
            state.compareExchange(
                expected: Self.idle, desired: Self.sleeping, ordering: .sequentiallyConsistent
            ).exchanged
        else {
            state.store(Self.idle, ordering: .sequentiallyConsistent)
            return true
        }
        var deadline = timespec()
        if let timeoutNanoseconds {
            clock_gettime(CLOCK_MONOTONIC, &deadline)
            // A year is as good as for ever, and cannot overflow.
            let capped = min(timeoutNanoseconds, 366 * 86_400 * 1_000_000_000)
            let nanoseconds = UInt64(deadline.tv_nsec) + capped
            deadline.tv_sec += Int(nanoseconds / 1_000_000_000)
            deadline.tv_nsec = Int(nanoseconds % 1_000_000_000)
        }
        while state.load(ordering: .sequentiallyConsistent) == Self.sleeping {
            guard timeoutNanoseconds != nil else {
                pthread_cond_wait(condition, mutex)
                continue
            }
            if timedWait(until: deadline) == ETIMEDOUT { break }
        }
        return state.exchange(Self.idle, ordering: .sequentiallyConsistent) == Self.signaled
    }

    private func timedWait(until deadline: timespec) -> Int32 {
        #if canImport(Darwin)
            var now = timespec()
            clock_gettime(CLOCK_MONOTONIC, &now)
            let left = (deadline.tv_sec - now.tv_sec) * 1_000_000_000 + deadline.tv_nsec - now.tv_nsec
            guard left > 0 else { return ETIMEDOUT }
            var relative = timespec(tv_sec: left / 1_000_000_000, tv_nsec: left % 1_000_000_000)
            return pthread_cond_timedwait_relative_np(condition, mutex, &relative)
        #else
            var deadline = deadline
            return pthread_cond_timedwait(condition, mutex, &deadline)
        #endif
    }
}
