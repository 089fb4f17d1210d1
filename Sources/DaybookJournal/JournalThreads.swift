internal import DaybookSystem
internal import Synchronization

/// The two threads behind the writer.
final class JournalThreads: Sendable {
    private struct Running: Sendable {
        var threads: [DedicatedThread] = []
    }

    private let running = Mutex(Running())
    private let isStopping = Atomic<Bool>(false)

    private static let followEveryNanoseconds: UInt64 = 1_000_000_000
    private static let troubledWaitMax: Int64 = 8_000

    /// - Parameters:
    ///   - onTrouble: called when calls begin to fail, and with nil when they go through again. What failed is tried
    ///     again after a wait that doubles, up to eight seconds.
    ///   - onFailure: called once when the disk has failed for good: that thread does nothing more.
    func start(
        follower: Follower, keeper: Keeper, onTrouble: @escaping @Sendable (FileError?) -> Void,
        onFailure: @escaping @Sendable (FileError) -> Void
    ) {
        isStopping.store(false, ordering: .relaxed)
        let following = DedicatedThread(name: "daybook-follow") { [self] in
            loop(follower.wake, onTrouble, onFailure) { () throws(FileError) in
                while try follower.step(), !isStopping.load(ordering: .relaxed) {}
            }
        }
        let keeping = DedicatedThread(name: "daybook-keep") { [self] in
            loop(keeper.wake, onTrouble, onFailure) { () throws(FileError) in
                while try keeper.step(), !isStopping.load(ordering: .relaxed) {}
            }
        }
        running.withLock { $0.threads = [following, keeping] }
    }

    func stop(follower: Follower, keeper: Keeper) {
        isStopping.store(true, ordering: .relaxed)
        follower.wake.signal()
        keeper.wake.signal()
        let threads = running.withLock { running in
            defer { running.threads = [] }
            return running.threads
        }
        for thread in threads { thread.join() }
    }

    private func loop(
        _ wake: Wake, _ onTrouble: (FileError?) -> Void, _ onFailure: (FileError) -> Void,
        _ body: () throws(FileError) -> Void
    ) {
        let clock = SystemMonotonicClock()
        var backOff = BackOff(first: 250, limit: Self.troubledWaitMax)
        while !isStopping.load(ordering: .relaxed) {
            do throws(FileError) {
                try body()
                if backOff.failures > 0 { onTrouble(nil) }
                backOff.reset()
            } catch {
                // Going over the same ground again gives the same files, so all that can pass is waited out.
                guard !error.isFinal else {
                    onFailure(error)
                    return
                }
                if backOff.failures == 0 { onTrouble(error) }
                let due = clock.nowNanoseconds + UInt64(backOff.next()) * 1_000_000
                // Signals for more work do not shorten the wait.
                while !isStopping.load(ordering: .relaxed), clock.nowNanoseconds < due {
                    wake.wait(timeoutNanoseconds: due - min(due, clock.nowNanoseconds))
                }
                continue
            }
            wake.wait(timeoutNanoseconds: Self.followEveryNanoseconds)
        }
    }
}
