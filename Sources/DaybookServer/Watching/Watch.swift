import DaybookNode
import DaybookValues
import NIOCore
import NIOPosix
import Synchronization

/// Sees every record once it is flushed, and tells those who wait: for the end of a run, or for what happens.
final class Watch: Sendable {
    /// Requests that wait for runs at the same time: 10,000.
    static let waitersMax = 10_000
    /// Live views that are open at the same time: 100.
    static let viewsMax = 100

    private struct State {
        /// Whether the node gives out its batches; only once somebody has waited.
        var isTapped = false
        /// Those who wait for the end of a run.
        var waiters: [ULID: [Waiter]] = [:]
        var waiterCount = 0
        var views: [ObjectIdentifier: LiveView] = [:]
        var isFinished = false
    }

    private let state = Mutex(State())
    private let node: Node

    init(_ node: Node) {
        self.node = node
    }

    /// What is asked of the node after this is answered when everything new is seen.
    private func tap() {
        let isFirst = state.withLock { state in
            defer { state.isTapped = true }
            return !state.isTapped
        }
        guard isFirst else { return }
        node.look { [weak self] node in
            node.installTap { [weak self] in self?.take($0) }
        }
    }

    /// The lines of a batch. On the writer's thread.
    private func take(_ lines: [UInt8]) {
        let ended = state.withLock { state -> [Waiter] in
            var ended: [Waiter] = []
            guard !state.waiters.isEmpty || !state.views.isEmpty else { return ended }
            JournalLine.forEach(in: lines) { line in
                for view in state.views.values { view.take(line) }
                guard !state.waiters.isEmpty, line.endsRun, let run = line.run,
                    let waiters = state.waiters.removeValue(forKey: run)
                else { return }
                state.waiterCount -= waiters.count
                ended += waiters
            }
            return ended
        }
        for waiter in ended { waiter.resume() }
    }

    /// Lets everybody go who waits; for the end of the server.
    func finish() {
        let (waiters, views) = state.withLock { state in
            state.isFinished = true
            defer { state.waiters = [:] }
            return (state.waiters.values.flatMap { $0 }, Array(state.views.values))
        }
        for waiter in waiters { waiter.resume() }
        for view in views { view.finish(": the server is shutting down") }
    }

    // MARK: - Ends of runs

    /// Begins to wait for the end of a run, at most so many milliseconds. Look at the run only after this, so that an end
    /// in between is not missed, and then `wait`.
    /// - Returns: nil when too many wait already.
    func waiter(for run: ULID) -> Waiter? {
        tap()
        return state.withLock { state in
            guard state.waiterCount < Self.waitersMax else { return nil }
            let waiter = Waiter(run)
            if state.isFinished {
                waiter.resume()
            } else {
                state.waiterCount += 1
                state.waiters[run, default: []].append(waiter)
            }
            return waiter
        }
    }

    func remove(_ waiter: Waiter) {
        state.withLock { state in
            guard let index = state.waiters[waiter.run]?.firstIndex(where: { $0 === waiter }) else { return }
            state.waiters[waiter.run]?.remove(at: index)
            if state.waiters[waiter.run]?.isEmpty ?? false { state.waiters[waiter.run] = nil }
            state.waiterCount -= 1
        }
    }

    /// Somebody who waits for the end of one run.
    final class Waiter: Sendable {
        let run: ULID
        private let state = Mutex<(isOver: Bool, continuation: CheckedContinuation<Void, Never>?)>((false, nil))

        fileprivate init(_ run: ULID) {
            self.run = run
        }

        /// Returns at the run's end, at the server's, or after so many milliseconds.
        func wait(milliseconds: Int64) async {
            let timer = MultiThreadedEventLoopGroup.singleton.next().scheduleTask(in: .milliseconds(milliseconds)) {
                self.resume()
            }
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    if !state.isOver { state.continuation = continuation }
                    return state.isOver
                }
                if isOver { continuation.resume() }
            }
            timer.cancel()
        }

        fileprivate func resume() {
            let continuation = state.withLock { state in
                state.isOver = true
                defer { state.continuation = nil }
                return state.continuation
            }
            continuation?.resume()
        }
    }

    // MARK: - Live views

    var hasRoomForViews: Bool { state.withLock { $0.views.count < Self.viewsMax } }

    func add(_ view: LiveView) {
        tap()
        let isFinished = state.withLock { state in
            state.views[ObjectIdentifier(view)] = view
            return state.isFinished
        }
        if isFinished { view.finish(": the server is shutting down") }
    }

    func remove(_ view: LiveView) {
        state.withLock { _ = $0.views.removeValue(forKey: ObjectIdentifier(view)) }
    }
}
