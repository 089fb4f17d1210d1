package import DaybookCore
package import DaybookFakes
package import DaybookJournal
package import DaybookNode
package import DaybookSystem
package import DaybookValues
package import Logging
import Synchronization

/// A node without threads: whoever holds it makes it move. Its clock stands still, its disk may be any.
///
/// For one caller at a time. Everything comes out the same each time it is done, as long as the bodies of steps do not
/// wait for other threads.
package final class ManualNode {
    /// What outlives a node that dies.
    package struct Surroundings: Sendable {
        package var disk: any Disk
        package var clock: ManualClock
        package var random: any RandomSource
        package var logger = Logger(label: "daybook") { _ in SwiftLogNoOpLogHandler() }
        /// Which of the waiting pieces of work comes next; the default is the oldest.
        package var choose: @Sendable (_ count: Int) -> Int = { _ in 0 }

        package init(disk: any Disk, clock: ManualClock, random: any RandomSource) {
            self.disk = disk
            self.clock = clock
            self.random = random
        }
    }

    package let node: Node
    package let pool: TestPool
    package let clock: ManualClock
    private let failures: Failures
    private var tendedQ: UInt64 = 0

    private final class Failures: Sendable {
        let messages = Mutex<[String]>([])
    }

    /// Opens the data directory, without a start of the functions: `launch` does that.
    package init(_ surroundings: Surroundings, _ configuration: NodeConfiguration) throws(JournalOpenError) {
        let failures = Failures()
        let pool = TestPool(choose: surroundings.choose)
        self.failures = failures
        self.pool = pool
        clock = surroundings.clock
        node = try Node.open(
            Node.Surroundings(
                disk: surroundings.disk, wallClock: surroundings.clock, monotonicClock: surroundings.clock,
                random: surroundings.random, pool: pool, loader: ImmediateLoader(),
                identity: ProcessIdentity(pid: 1, host: "test", bootID: "test"), logger: surroundings.logger),
            configuration: configuration, onFailure: { message in failures.messages.withLock { $0.append(message) } })
    }

    /// A configuration for memory disks: small files and nothing held back.
    package static func configuration() -> NodeConfiguration {
        var configuration = NodeConfiguration()
        configuration.journal.segmentBytes = 256 << 10
        configuration.journal.sparesMax = 1
        configuration.journal.ballastBytes = 0
        configuration.journal.freeBytesMin = 0
        configuration.journal.freeInodesMin = 0
        configuration.journal.roomBytesMin = 0
        return configuration
    }

    package func launch(_ functions: AppFunctions?) throws(RegistrationError) {
        node.journal.log.changeWriter()
        try node.launch(functions, version: "test")
    }

    /// What the node said when the disk failed; one entry at most.
    package var failureMessages: [String] { failures.messages.withLock { $0 } }

    /// Lets everything happen that can happen without time passing.
    /// - Returns: false when a body waits for something outside, so that more is to come.
    package func settle() -> Bool {
        node.journal.log.changeWriter()
        while !node.hasFailed {
            while pool.step() {}
            let hasMore = node.step()
            if pool.isEmpty, !hasMore, !node.hasWork { break }
        }
        tend()
        return node.hasFailed || !node.hasActiveRuns
    }

    /// What threads of their own do in a server: run files, spare segments, snapshots.
    private func tend() {
        guard !node.hasFailed, node.journal.flushedQ != tendedQ else { return }
        tendedQ = node.journal.flushedQ
        do throws(FileError) {
            while try node.journal.follower.step() {}
            while try node.journal.keeper.step() {}
        } catch {
            backgroundFailed(error)
        }
    }

    /// What the threads behind the writer do about an error of theirs.
    package func backgroundFailed(_ error: FileError) {
        // Whatever can pass is waited out.
        guard error.isFinal else { return }
        failures.messages.withLock { $0.append("\(error)") }
    }

    /// Moves the clock, and lets everything happen at the instant it is due. Stops where the disk fails.
    package func advance(milliseconds: Int64) {
        let end = clock.nowNanoseconds + UInt64(milliseconds) * 1_000_000
        _ = settle()
        while clock.nowNanoseconds < end, !node.hasFailed {
            clock.advance(milliseconds: nextHop(to: end))
            _ = settle()
        }
    }

    /// Milliseconds to the next instant at which something is due, and not beyond `end`, an instant of the monotonic
    /// clock in nanoseconds. At least 1.
    package func nextHop(to end: UInt64) -> Int64 {
        let rest = end - clock.nowNanoseconds
        return max(1, Int64(min(node.nanosecondsToNextDeadline ?? rest, rest) / 1_000_000))
    }

    /// Hands in a command and lets everything happen that follows from it.
    /// - Returns: the answer; nil when none was given because the disk failed.
    package func submit(_ command: Command) -> Answer? {
        let answer = post(command)
        _ = settle()
        return answer()
    }

    /// Hands in a command that the next batch takes.
    package func post(_ command: Command) -> () -> Answer? {
        let box = AnswerBox()
        node.submit(command) { answer in box.answer.withLock { $0 = answer } }
        return { box.answer.withLock { $0 } }
    }

    private final class AnswerBox: Sendable {
        let answer = Mutex<Answer?>(nil)
    }

    /// Everything about a run, from its records.
    package func detail(of id: ULID) throws(ReadError) -> RunDetail {
        try readModel().detail(of: id)
    }

    package func readModel() throws(ReadError) -> ReadModel {
        try node.readModel(unfinished: node.core.runSummaries)
    }

    /// Every event in the journal that was received on one of these days, in order.
    package func events(days: ClosedRange<Int32>) throws -> [DaybookCore.Event] {
        try node.journal.follower.catchUp(to: node.journal.flushedQ)
        var events: [DaybookCore.Event] = []
        for day in days {
            do throws(RunRecordsError) {
                _ = try RunRecords(disk: node.journal.disk, stream: .events(day: day)) { view in
                    if case .eventReceived(let event, _)? = try? view.decoded() { events.append(event) }
                }
            } catch {
                // A day without events has no file.
                guard case .unknown = error else { throw error }
            }
        }
        return events
    }
}

extension ManualNode {
    /// The runs that an event received on that day started, in order.
    package func startedRuns(by event: ULID, day: Int32) throws -> [ULID] {
        try node.journal.follower.catchUp(to: node.journal.flushedQ)
        var runs: [ULID] = []
        _ = try RunRecords(disk: node.journal.disk, stream: .events(day: day)) { view in
            if case .eventReceived(let found, let outcome)? = try? view.decoded(), found.id == event {
                runs = outcome.started
            }
        }
        return runs
    }

    /// Asks for the end of a run.
    package func cancel(_ id: ULID, reason: String) {
        node.requestCancel(id, reason: reason) { _ in }
    }
}
