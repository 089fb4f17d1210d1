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

    func start(follower: Follower, keeper: Keeper, onFailure: @escaping @Sendable (FileError) -> Void) {
        isStopping.store(false, ordering: .relaxed)
        let following = DedicatedThread(name: "daybook-follow") { [self] in
            loop(follower.wake, onFailure) { () throws(FileError) in
                while try follower.step(), !isStopping.load(ordering: .relaxed) {}
            }
        }
        let keeping = DedicatedThread(name: "daybook-keep") { [self] in
            loop(keeper.wake, onFailure) { () throws(FileError) in
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
        _ wake: Wake, _ onFailure: @Sendable (FileError) -> Void, _ body: () throws(FileError) -> Void
    ) {
        while !isStopping.load(ordering: .relaxed) {
            do throws(FileError) {
                try body()
            } catch {
                // A full disk is waited out; the keeper has made it known.
                guard error.isOutOfSpace else {
                    onFailure(error)
                    return
                }
            }
            wake.wait(timeoutNanoseconds: Self.followEveryNanoseconds)
        }
    }
}
