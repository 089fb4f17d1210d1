import Daybook
import DaybookCore
import DaybookJournal
import DaybookNode
import DaybookSystem
import DaybookValues
import Logging
import Synchronization

struct Nothing: Daybook.Event { static let name = "bench/go" }

/// A node on a directory of its own, with one function.
struct BenchNode {
    let node: Node
    let pool: WorkerPool
    let disk: RealDisk
    let ended: EndCounter

    /// Counts the runs that have ended, and says when all have.
    final class EndCounter: Sendable {
        private let state = Mutex<(left: Int, waiter: (@Sendable () -> Void)?)>((0, nil))

        func expect(_ count: Int) { state.withLock { $0.left = count } }

        func note() {
            let waiter = state.withLock { state -> (@Sendable () -> Void)? in
                state.left -= 1
                guard state.left == 0 else { return nil }
                defer { state.waiter = nil }
                return state.waiter
            }
            waiter?()
        }

        func all() async {
            await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
                let isDone = state.withLock { state -> Bool in
                    if state.left <= 0 { return true }
                    state.waiter = { done.resume() }
                    return false
                }
                if isDone { done.resume() }
            }
        }
    }

    init(
        directory: String, function: (EndCounter) -> any FunctionDefinition,
        configure: (inout NodeConfiguration) -> Void = { _ in }
    ) throws {
        var logger = Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() }
        logger.logLevel = .critical
        let pool = WorkerPool()
        var configuration = NodeConfiguration()
        configure(&configuration)
        disk = try RealDisk(root: directory)
        node = try Node.open(
            Node.Surroundings(
                disk: disk, pool: pool, loader: ThreadedLoader(), logger: logger),
            configuration: configuration
        ) { fatal($0) }
        ended = EndCounter()
        self.pool = pool
        try node.launch(AppFunctions(app: "bench", functions: [function(ended)]), version: "bench")
        node.startThreads()
    }

    /// Until the space that a new directory sets aside is made: it is written and flushed beside the log, once.
    func prepared() async throws {
        while true {
            let names = try disk.list("journal").map(\.name)
            let ballast = try disk.stat("journal/ballast")?.bytes ?? 0
            if ballast == node.journal.options.ballastBytes, names.count(where: { $0.hasPrefix("spare") }) >= 2 {
                return
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Sends that many events, each of which starts one run, in one command.
    func send(_ count: Int, name: String = Nothing.name) async throws {
        let now = SystemWallClock().now
        let random = SystemRandomSource()
        let events = (0..<count).map { _ in
            DaybookCore.Event(
                internal: name, id: ULID(at: now, random: (random.next(), random.next())), at: now,
                data: Array("{}".utf8))
        }
        _ = try await node.submit(.publish(events, claim: nil))
    }

    func stop() async {
        await node.stop(drain: 0)
        pool.stop()
    }
}

/// Runs of a number of steps each, all begun at once.
func measureSteps(directory: String, runs: Int, steps: Int) async throws -> StepMeasurement {
    let bench = try BenchNode(directory: directory) { ended in
        DurableFunction("steps", on: Nothing.self) { _, step in
            for number in 0..<steps { try await step.run("step-\(number)") { number } }
            ended.note()
        }
    }
    try await bench.prepared()
    bench.ended.expect(runs)
    let before = await bench.node.currentStatistics()
    let clock = ContinuousClock()
    let start = clock.now
    let cpuStart = processorSeconds()
    try await bench.send(runs)
    await bench.ended.all()
    let seconds = seconds(clock.now - start)
    let cpu = processorSeconds() - cpuStart
    let after = await bench.node.currentStatistics()
    await bench.stop()
    return StepMeasurement(
        steps: runs * steps, seconds: seconds, processorSeconds: cpu, flushes: after.batches - before.batches,
        bytes: after.batchBytes - before.batchBytes)
}

struct StepMeasurement {
    var steps: Int
    var seconds: Double
    var processorSeconds: Double
    var flushes: Int
    var bytes: Int
}
