import Daybook
package import DaybookCore
import DaybookJournal
import DaybookSystem
package import DaybookValues
import Logging
import Synchronization

extension Node {
    /// Starts the journal's threads and the writer's, which calls `step` until `stop`.
    package func startThreads() {
        journal.startThreads(
            onTrouble: { [weak self] error in
                if let error {
                    self?.logger.error(
                        "the files behind the commit log cannot be worked on for now; nothing is lost, and it is tried again",
                        metadata: ["error": "\(error)"])
                } else {
                    self?.logger.notice("the files behind the commit log can be worked on again")
                }
            },
            onFailure: { [weak self] error in self?.fail("the journal's files could not be written: \(error)") })
        let thread = DedicatedThread(name: "daybook-writer") { [self] in run() }
        writerThread.withLock { $0 = thread }
    }

    private func run() {
        journal.log.changeWriter()
        while !shouldStop.withLock({ $0 }), !hasFailed {
            if step() { continue }
            if isSnapshotting { continue }
            mailbox.wake.wait(timeoutNanoseconds: min(nanosecondsToNextDeadline ?? .max, 1_000_000_000))
        }
    }

    /// Ends the process's work cleanly: no new body begins, runs without one are unwound, bodies that run get some time
    /// and are journaled. What was not finished goes on at the next start, and no attempt is counted.
    ///
    /// - Parameters:
    ///   - drain: milliseconds that bodies get before they are cancelled.
    ///   - leaving: milliseconds that cancelled bodies get to return before they are left behind. The default is 1,000.
    package func stop(drain: Int64, leaving: Int64 = 1_000) async {
        await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
            drained.withLock { $0.append { done.resume() } }
            requestDrain()
            // The time limits run on a thread of their own.
            let limit = DedicatedThread(name: "daybook-drain") { [self] in
                if drainWake.wait(timeoutNanoseconds: nanoseconds(drain)) { return }
                mailbox.post(.inspect { node in node.closeLoadedRuns() })
                if drainWake.wait(timeoutNanoseconds: nanoseconds(leaving)) { return }
                mailbox.post(.inspect { node in node.leaveBodies() })
                // The writer itself may stand still, when its log cannot be written.
                if drainWake.wait(timeoutNanoseconds: nanoseconds(leaving)) { return }
                endDrain()
            }
            drainThread.withLock { $0 = limit }
            if hasFailed { endDrain() }
        }
        drainWake.signal()
        drainThread.withLock { thread in
            thread?.join()
            thread = nil
        }
        shouldStop.withLock { $0 = true }
        mailbox.wake.signal()
        let thread = writerThread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        thread?.join()
        loader.stop()
        do throws(FileError) {
            try journal.follower.catchUp(to: journal.flushedQ)
            _ = try journal.follower.checkpoint()
        } catch {
            logger.warning(
                "the run files are not up to date; the next start brings them there", metadata: ["error": "\(error)"])
        }
        journal.stopThreads()
        journal.unlock()
    }

    /// Asks for the first part of a stop: nothing new begins, runs without a body that runs are unwound. The node has
    /// drained once it has no loaded runs. Any thread.
    package func requestDrain() {
        mailbox.post(.inspect { node in node.beginDrain() })
    }

    /// Whether the code of any run is loaded. Writer.
    package var hasLoadedRuns: Bool { !live.isEmpty || hasRemoteCalls }

    private var hasRemoteCalls: Bool { remotes.values.contains(where: \.isAwaitingAnswer) }

    /// Writer.
    private func beginDrain() {
        guard !isDraining else { return }
        isDraining = true
        while waitingRuns.popFirst() != nil {}
        remoteCalls.removeAllWaiting()
        // Answers of calls under way are still recorded.
        for run in remotes.values.filter({ !$0.isAwaitingAnswer }) { forget(run) }
        // A result decided now is not handed out any more, so no run may be recorded as waiting.
        parkable = []
        // Nobody gets a slot any more either.
        slotNews = []
        // In an order of its own: a stop is the same whenever it is played again.
        for run in live.values.sorted(by: { $0.id < $1.id }) {
            if let execution = run.execution {
                execution.close(.afterBodies)
            } else {
                live[run.id] = nil
                run.isLive = false
            }
        }
        finishDrainIfEmpty()
    }

    /// Unwinds the code of all runs at once and cancels bodies that run. Writer; and for a simulator, when the process is
    /// dead and its memory is to be given back.
    package func closeLoadedRuns() {
        for run in live.values.sorted(by: { $0.id < $1.id }) { run.execution?.close(.now) }
        for run in remotes.values.sorted(by: { $0.id < $1.id }) { forget(run) }
        finishDrainIfEmpty()
    }

    /// Bodies that ignore their cancellation are left behind; their attempts do not count. Writer.
    private func leaveBodies() {
        releaseAllMarks()
        endDrain()
    }

    func finishDrainIfEmpty() {
        if isDraining, live.isEmpty, remotes.isEmpty { endDrain() }
    }

    /// Lets those go on who wait for the end of the drain. Any thread.
    func endDrain() {
        let waiters = drained.withLock { waiters in
            defer { waiters = [] }
            return waiters
        }
        for waiter in waiters { waiter() }
    }
}

// MARK: - What others ask

extension Node {
    /// Hands a command to the writer and returns once the records it caused are on disk.
    /// - Throws: `Refusal` when the core turns the command down; nothing was written.
    package func submit(_ command: Command) async throws(Refusal) -> Answer {
        let answer = await withCheckedContinuation { (reply: CheckedContinuation<Answer, Never>) in
            submit(command) { reply.resume(returning: $0) }
        }
        if case .refused(let refusal) = answer { throw refusal }
        return answer
    }

    /// The same for callers that are not async. `reply` is called on the writer's thread and must be short.
    package func submit(_ command: Command, reply: @escaping @Sendable (Answer) -> Void) {
        mailbox.post(.command(command, reply: reply))
    }

    /// Looks at the state on the writer's thread, at a moment at which all of it is flushed.
    package func inspect<Result: Sendable>(_ look: @escaping @Sendable (Core) -> Result) async -> Result {
        await withCheckedContinuation { (reply: CheckedContinuation<Result, Never>) in
            mailbox.post(.inspect { node in reply.resume(returning: look(node.core)) })
        }
    }

    /// Looks at the node in the same way, for callers that are not async.
    package func look(_ look: @escaping @Sendable (Node) -> Void) {
        mailbox.post(.inspect(look))
    }

    /// Cancels a run.
    /// - Throws: `Refusal.unknownRun` when it has ended or never was.
    package func cancel(_ id: ULID, reason: String) async throws(Refusal) {
        let answer = await withCheckedContinuation { (reply: CheckedContinuation<Answer, Never>) in
            requestCancel(id, reason: reason) { reply.resume(returning: $0) }
        }
        if case .refused(let refusal) = answer { throw refusal }
        if answer == .stale { throw .unknownRun(id) }
    }

    /// The same for callers that are not async. `reply` is called on the writer's thread and must be short.
    package func requestCancel(_ id: ULID, reason: String, reply: @escaping @Sendable (Answer) -> Void) {
        mailbox.post(
            .inspect { node in
                guard node.core.hasRun(id) else {
                    reply(.refused(.unknownRun(id)))
                    return
                }
                node.end(id, .cancelled(reason: reason), reply: reply)
            })
    }

    /// Moves the clock of `dev` mode forward, and everything that is due then happens.
    /// - Returns: by how many milliseconds the clock now stands ahead.
    package func advanceClock(by milliseconds: Int64) async -> Int64 {
        await withCheckedContinuation { (reply: CheckedContinuation<Int64, Never>) in
            requestAdvance(by: milliseconds) { reply.resume(returning: $0) }
        }
    }

    /// The same for callers that are not async. `reply` is called on the writer's thread and must be short.
    package func requestAdvance(by milliseconds: Int64, reply: @escaping @Sendable (Int64) -> Void) {
        mailbox.post(
            .inspect { node in
                // Another move may be on its way to the journal: this one comes on top.
                node.wantedOffset += milliseconds
                let offset = node.wantedOffset
                node.submit(.moveClock(offset: offset)) { _ in
                    node.clock.offset = offset
                    reply(offset)
                }
            })
    }

    /// What was done since the start.
    package func currentStatistics() async -> NodeStatistics {
        await withCheckedContinuation { (reply: CheckedContinuation<NodeStatistics, Never>) in
            mailbox.post(.inspect { node in reply.resume(returning: node.statistics) })
        }
    }

    /// What is under way just now.
    package func currentLoad() async -> NodeLoad {
        await withCheckedContinuation { (reply: CheckedContinuation<NodeLoad, Never>) in
            mailbox.post(
                .inspect { node in
                    reply.resume(
                        returning: NodeLoad(
                            unfinishedRuns: node.core.runCount, loadedRuns: node.live.count + node.remotes.count,
                            callsInFlight: node.remoteCalls.inFlight))
                })
        }
    }

    /// The two times as they stand.
    package func currentTime() async -> Instant {
        await withCheckedContinuation { (reply: CheckedContinuation<Instant, Never>) in
            mailbox.post(.inspect { node in reply.resume(returning: node.clock.read()) })
        }
    }

    /// What a run whose code is loaded last reported of its progress: its own first, then that of its steps by name.
    package func progress(of id: ULID) async -> [ReportedProgress] {
        let reports = await withCheckedContinuation { (reply: CheckedContinuation<[String: Daybook.Progress], Never>) in
            mailbox.post(.inspect { node in reply.resume(returning: node.live[id]?.progress ?? [:]) })
        }
        return reports.sorted { $0.key < $1.key }.map { step, progress in
            ReportedProgress(
                step: step.isEmpty ? nil : step, done: progress.done, total: progress.total, message: progress.message)
        }
    }

    /// Calls `tap` with the lines of every batch from now on, after its flush, on the writer's thread: it must be short.
    /// - Returns: a number for `removeTap`.
    package func addTap(_ tap: @escaping @Sendable ([UInt8]) -> Void) async -> UInt64 {
        await withCheckedContinuation { (reply: CheckedContinuation<UInt64, Never>) in
            mailbox.post(
                .inspect { node in
                    node.lastTapID += 1
                    node.taps.append((node.lastTapID, tap))
                    reply.resume(returning: node.lastTapID)
                })
        }
    }

    /// The same before `launch`, or on the writer's thread: a simulator sees every batch from the first.
    package func installTap(_ tap: @escaping @Sendable ([UInt8]) -> Void) {
        lastTapID += 1
        taps.append((lastTapID, tap))
    }

    package func removeTap(_ id: UInt64) {
        mailbox.post(.inspect { node in node.taps.removeAll { $0.id == id } })
    }
}

/// What is under way at one moment.
package struct NodeLoad: Sendable, Equatable {
    package var unfinishedRuns: Int
    /// Runs whose code or state is in memory.
    package var loadedRuns: Int
    /// Calls of apps and requests in the place of steps.
    package var callsInFlight: Int
}
