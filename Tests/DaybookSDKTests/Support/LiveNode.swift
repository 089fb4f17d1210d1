import Daybook
import DaybookCore
import DaybookFakes
import DaybookJournal
import DaybookNode
import DaybookSystem
import DaybookValues
import Logging
import Synchronization

@testable import DaybookSDK

/// A node with its threads on a disk in memory, and the host of its apps.
final class LiveNode: Sendable {
    let node: Node
    let host: AppHost
    private let pool = WorkerPool(threads: 1)
    private struct Lines {
        var seen: [String] = []
        var waiters: [(fits: @Sendable (String) -> Bool, continuation: CheckedContinuation<String, Never>)] = []
    }

    private let lines = Mutex(Lines())
    private let number = Mutex<UInt64>(0)

    private init(_ settings: AppHostSettings) throws {
        var configuration = NodeConfiguration()
        configuration.journal.segmentBytes = 1 << 20
        configuration.journal.sparesMax = 1
        configuration.journal.ballastBytes = 0
        configuration.journal.freeBytesMin = 0
        configuration.journal.freeInodesMin = 0
        configuration.journal.roomBytesMin = 0
        configuration.retryPolicy = RetryPolicy(fixedWait: 10)
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        node = try Node.open(
            Node.Surroundings(disk: MemoryDisk(), pool: pool, loader: ThreadedLoader(), logger: logger),
            configuration: configuration
        ) { reason in fatalError(reason) }
        host = AppHost(store: node, settings: settings, logger: logger)
    }

    static func run<Result>(
        _ settings: AppHostSettings = AppHostSettings(), _ body: (LiveNode) async throws -> Result
    ) async throws -> Result {
        let live = try LiveNode(settings)
        live.node.useCallDriver(live.host)
        try live.node.launch(nil, version: "test")
        live.node.startThreads()
        _ = await live.node.addTap { live.note($0) }
        do {
            let result = try await body(live)
            await live.stop()
            return result
        } catch {
            await live.stop()
            throw error
        }
    }

    private func stop() async {
        await node.stop(drain: 0)
        await host.shutdown()
        pool.stop()
    }

    private func note(_ bytes: [UInt8]) {
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init) {
            let ready = lines.withLock { lines in
                lines.seen.append(line)
                let ready = lines.waiters.filter { $0.fits(line) }
                lines.waiters.removeAll { $0.fits(line) }
                return ready
            }
            for waiter in ready { waiter.continuation.resume(returning: line) }
        }
    }

    /// The first line of the journal of which that is true.
    func line(where fits: @escaping @Sendable (String) -> Bool) async -> String {
        await withCheckedContinuation { continuation in
            let found = lines.withLock { lines -> String? in
                if let line = lines.seen.first(where: fits) { return line }
                lines.waiters.append((fits, continuation))
                return nil
            }
            if let found { continuation.resume(returning: found) }
        }
    }

    /// The last record of the run that the event starts.
    func run(_ event: String) async throws -> JSONView {
        guard let run = try await publish(event).first?.outcome.started.first else { throw NoRun() }
        let line = await line { line in
            line.contains("run/\(run.text)\"")
                && ["run.completed", "run.failed", "run.cancelled"].contains { line.contains("\"k\":\"\($0)\"") }
        }
        guard let view = JSONView(Array(line.utf8)) else { throw NoRun() }
        return view
    }

    func publish(_ event: String) async throws -> [EventReceipt] {
        let low = number.withLock { number in
            number += 1
            return number
        }
        let now = SystemWallClock().now
        guard let view = JSONView(Array(event.utf8)) else { throw NoRun() }
        let made = try Event(view, id: ULID(at: now, random: (0, low)), now: now, limits: EventLimits())
        guard case .published(let receipts) = try await node.submit(.publish([made], claim: nil)) else { throw NoRun() }
        return receipts
    }

    struct NoRun: Error {}
}
