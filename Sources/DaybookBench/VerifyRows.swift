import DaybookJournal
import DaybookSystem
import DaybookValues

struct VerifyMeasurement {
    var bytes: Int
    var files: Int
    var records: Int
    var verifySeconds: Double
    /// Processor time of the same.
    var verifyProcessorSeconds: Double
    /// Processor time of reading the same files and giving their bytes to zlib's `crc32`, nothing else.
    var checksumSeconds: Double
    /// `crc32` over the same bytes without reading them.
    var pureChecksumSeconds: Double
}

/// A data directory as a server leaves it after a busy day, and how fast it is checked.
///
/// Runs of 24 records of about 300 bytes, which end; events and snapshots; the log trimmed as far as snapshots allow.
func measureVerify(directory: String, bytes: Int) throws -> VerifyMeasurement {
    let disk = try RealDisk(root: directory)
    let files = try makeDirectory(disk, bytes: bytes)
    let clock = ContinuousClock()
    // Once to have everything in memory, so that the processor is measured, not the device.
    _ = try Verifier.verify(disk)
    let start = clock.now
    let processorStart = processorSeconds()
    let report = try Verifier.verify(disk)
    let verifyProcessorSeconds = processorSeconds() - processorStart
    let verifySeconds = seconds(clock.now - start)
    guard report.isSound else { fatal("the directory that was just made is not sound: \(report.findings[0])") }
    let checksumStart = processorSeconds()
    let readBytes = try checksumOfAll(disk)
    let checksumSeconds = processorSeconds() - checksumStart
    let pureStart = processorSeconds()
    let piece = [UInt8](repeating: 97, count: 256 << 10)
    var sum: UInt32 = 0
    for _ in 0..<(readBytes / piece.count) { sum = zlibChecksum(piece, continuing: sum) }
    let pureSeconds = processorSeconds() - pureStart
    return VerifyMeasurement(
        bytes: report.bytes, files: files, records: Int(report.logRecords + report.streamRecords),
        verifySeconds: verifySeconds, verifyProcessorSeconds: verifyProcessorSeconds, checksumSeconds: checksumSeconds,
        pureChecksumSeconds: pureSeconds)
}

func verifyFigures(_ directory: String, bytes: Int) throws -> [Figure] {
    let m = try measureVerify(directory: directory, bytes: bytes)
    let rate = Double(m.bytes) / 1e6
    return [
        Figure(
            name:
                "verify: \(number(rate)) MB, \(number(Double(m.records))) records in \(number(Double(m.files))) files",
            value: rate / m.verifyProcessorSeconds, unit: "MB/s", least: 400,
            detail:
                "of one processor; \(number(rate / m.verifySeconds)) MB/s by the clock; reading and zlib's crc32 alone: \(number(rate / m.checksumSeconds)) MB/s; crc32 without reading: \(number(rate / m.pureChecksumSeconds)) MB/s"
        )
    ]
}

/// Keeps nothing: what the records say is of no consequence here.
private struct NoState: JournalReplay {
    mutating func reset() {}
    mutating func restore(_ snapshot: inout SnapshotReader) throws {}
    mutating func apply(_ record: RecordView) throws {}
    mutating func quarantine(_ run: ULID, because reason: QuarantineReason) {}
}

private func makeDirectory(_ disk: RealDisk, bytes: Int) throws -> Int {
    var options = JournalOptions()
    options.ballastBytes = 0
    options.graceMilliseconds = 0
    var state = NoState()
    let clock = SystemWallClock()
    let journal = try Journal.open(disk: disk, clock: clock, options: options, replay: &state)
    let start = Timestamp(milliseconds: clock.now.milliseconds - 86_400_000)
    let output = Array(#","step":"charge-card","output":{"id":"ch_3MmlLrLkdIwHu7ix0snN0B15","amount":1099}"#.utf8)
    let input = Array(
        #","event":{"name":"shop/order.placed","data":{"order":1042,"userId":"u_93","email":"a@b.c"}}"#.utf8)
    let index = Array(#"{"function":"shop-confirm-order","status":"completed","attempts":1}"#.utf8)
    let (concurrent, steps) = (200, 22)
    let bytesPerRun = 300 * (steps + 2)
    var files = 0
    var random = SystemRandomNumberGenerator()
    while files * bytesPerRun < bytes {
        // An hour of the day after the other, as many runs at a time as a busy server has.
        let time = start + Int64(Double(files * bytesPerRun) / Double(bytes) * 86_400_000)
        let runs = (0..<concurrent).map { _ in
            StreamID.run(ULID(at: time, random: (random.next(), random.next())))
        }
        for _ in runs {
            journal.log.begin(.events(day: time.day), "event.received", at: time)
            journal.log.bytes.append(contentsOf: input)
            journal.log.end()
        }
        for step in 0..<steps + 2 {
            for run in runs {
                let isLast = step == steps + 1
                let kind: StaticString = step == 0 ? "run.started" : isLast ? "run.completed" : "step.completed"
                journal.log.begin(run, kind, at: time + Int64(step))
                journal.log.bytes.append(contentsOf: step == 0 ? input : output)
                if !isLast { journal.log.bytes.append(contentsOf: #","attempt":1,"durationMicroseconds":48211"#.utf8) }
                journal.log.end(final: isLast, index: isLast ? index : [])
            }
            try journal.log.commit()
        }
        files += concurrent
        if files % 4_000 == 0 {
            while try journal.follower.step() {}
            if journal.keeper.shouldSnapshot { journal.beginSnapshot().finish() }
        }
        while try journal.keeper.step() {}
    }
    while try journal.follower.step() {}
    try disk.syncFileSystem()
    journal.unlock()
    return files
}

/// Every byte of the directory that `verify` looks at, given to `crc32` in pieces.
private func checksumOfAll(_ disk: RealDisk) throws -> Int {
    var buffer = [UInt8](repeating: 0, count: 256 << 10)
    var total = 0
    var sum: UInt32 = 0
    func add(_ folder: String) throws {
        for entry in try disk.list(folder) {
            let path = folder + "/" + entry.name
            if entry.kind == .directory {
                try add(path)
            } else if entry.name.hasSuffix(".jsonl") || entry.name.hasSuffix(".snap") {
                let file = try disk.open(path, .read)
                var offset = 0
                while true {
                    let count = try buffer.withUnsafeMutableBytes { try file.read(into: $0, at: offset) }
                    guard count > 0 else { break }
                    sum = buffer.withUnsafeBufferPointer { zlibChecksum($0, count: count, continuing: sum) }
                    offset += count
                    if count < buffer.count { break }
                }
                file.close()
                total += offset
            }
        }
    }
    for folder in ["journal", "snapshot", "runs", "events", "system"] { try add(folder) }
    return total
}
