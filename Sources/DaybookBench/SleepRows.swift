import Daybook
import DaybookCore
import DaybookJournal
import DaybookNode
import DaybookSystem
import Logging

struct SleepMeasurement {
    var runs: Int
    /// From the first event to the last run asleep.
    var seconds: Double
    /// What each of the second half adds.
    var bytesPerRun: Double
    /// Of the process, with all of them asleep.
    var residentBytes: Int
    /// From opening the directory to taking new events, with all runs scheduled.
    var recoverySeconds: Double
    var recoveredRecords: UInt64
}

/// Many runs that sleep for a day: what each costs in memory, and how long a start takes that finds all of them.
func measureSleeping(directory: String, runs: Int) async throws -> SleepMeasurement {
    let function: (BenchNode.EndCounter) -> any FunctionDefinition = { _ in
        DurableFunction("sleeps", on: Nothing.self) { _, step in
            try await step.sleep("long", for: .days(1))
        }
    }
    let bench = try BenchNode(directory: directory, function: function) { $0.coldAfter = 100 }
    try await bench.prepared()
    let clock = ContinuousClock()
    let start = clock.now
    // Buffers grow to the size of the busiest moment, whatever sleeps; what a run costs is what the second half adds.
    var resident: [Int] = []
    for _ in 0..<2 {
        for _ in 0..<(runs / 2_000) { try await bench.send(1_000) }
        while await bench.node.inspect({ !$0.isEveryRunParked }) {
            try await Task.sleep(for: .milliseconds(50))
        }
        giveMemoryBack()
        resident.append(residentBytes())
    }
    let asleep = seconds(clock.now - start)
    await bench.stop()

    let restart = clock.now
    let again = try BenchNode(directory: directory, function: function)
    let recovery = seconds(clock.now - restart)
    guard await again.node.inspect({ $0.runCount }) == runs else { fatal("a start did not find all \(runs) runs") }
    let records = again.node.journal.report.recordsReplayed
    await again.stop()
    return SleepMeasurement(
        runs: runs, seconds: asleep, bytesPerRun: Double(resident[1] - resident[0]) / Double(runs / 2),
        residentBytes: resident[1], recoverySeconds: recovery,
        recoveredRecords: records)
}

/// Freed memory that the allocator keeps is not what a run costs.
private func giveMemoryBack() {
    #if canImport(Glibc)
        _ = mallocTrim(0)
    #endif
}

#if canImport(Glibc)
    // The C library has it in a header of its own, which Swift's module map leaves out.
    @_silgen_name("malloc_trim")
    private func mallocTrim(_ pad: Int) -> Int32
#endif
