import Daybook
import DaybookCore
import DaybookInbox
import DaybookNode
import DaybookSystem
import Logging
import Synchronization

/// Single files, one after the other, each measured from its rename to the first step of its run; then many events in
/// files of 500, measured from the first rename to the end of the last run.
func inboxFigures(_ directory: String) async throws -> [Figure] {
    let firstStep = BenchNode.EndCounter()
    let bench = try BenchNode(directory: directory) { ended in
        DurableFunction("first-step", on: Nothing.self) { _, step in
            try await step.run("first") { firstStep.note() }
            ended.note()
        }
    }
    let disk = try RealDisk(root: directory)
    let inbox = Inbox(
        disk: disk, sink: bench.node, watch: InotifyWatch(path: directory + "/inbox"), openClaims: [],
        logger: Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() }
    ) { fatal($0) }
    try disk.makeDirectory("inbox")
    inbox.startThread()
    try await bench.prepared()
    let clock = ContinuousClock()

    var latencies: [Double] = []
    for number in 0..<300 {
        firstStep.expect(1)
        bench.ended.expect(1)
        try write(#"{"name":"bench/go","data":{}}"#, to: "waiting", disk)
        let start = clock.now
        try disk.rename("waiting", to: "inbox/one-\(number).json")
        await firstStep.all()
        latencies.append(seconds(clock.now - start) * 1_000)
        await bench.ended.all()
    }
    latencies.sort()

    let files = 100
    let eventsPerFile = 500
    let events = files * eventsPerFile
    let text = String(repeating: #"{"name":"bench/go","data":{"userId":"u1"}}"# + "\n", count: eventsPerFile)
    for number in 0..<files { try write(text, to: "many-\(number)", disk) }
    firstStep.expect(events)
    bench.ended.expect(events)
    let before = await bench.node.currentStatistics()
    let start = clock.now
    for number in 0..<files { try disk.rename("many-\(number)", to: "inbox/many-\(number).jsonl") }
    await bench.ended.all()
    let elapsed = seconds(clock.now - start)
    let after = await bench.node.currentStatistics()
    inbox.stop()
    await bench.stop()
    let raw = try measureRaw(
        directory: directory, flushes: after.batches - before.batches, bytes: after.batchBytes - before.batchBytes)
    return [
        Figure(
            name: "inbox: file to first step, median", value: latencies[latencies.count / 2], unit: "ms", most: 10,
            detail: "p99 \(number(latencies[latencies.count * 99 / 100])) ms"),
        Figure(
            name: "inbox: events to ended one-step runs", value: Double(events) / elapsed, unit: "events/s",
            detail:
                "\(after.batches - before.batches) flushes; the disk alone: \(number(Double(events) / raw)) events/s"),
    ]
}

private func write(_ text: String, to path: String, _ disk: RealDisk) throws {
    let file = try disk.open(path, .create)
    try file.write(Array(text.utf8), at: 0)
    file.close()
}
