import DaybookFakes
import DaybookJournal
import DaybookSystem
import DaybookValues

/// Every sequence of up to three operations on a journal alone, with every crash state on the way; after each the
/// journal is opened again and compared with a model that is a list.
///
/// Must hold after a crash: the records are those of a beginning of the batches that were committed or being committed,
/// whole batches only, with all that were flushed; snapshots bring back exactly the state they were made of; the files
/// of streams come to have the same records; nothing counts as damaged; and one more batch can be committed and is there
/// at the next opening.
package struct JournalSequenceSweep: Sendable {
    /// What a journal can be told to do.
    package enum Step: String, Sendable, CaseIterable {
        case one, several, last, snapshot, checkpoint, roll, reopen
    }

    package static let name = "journal sequences"

    /// One of `sliceCount` parts of the sequences, for several threads.
    package var slice = 0
    package var sliceCount = 1
    /// Steps of the longest sequences, 1 to 3.
    package var length = 3
    /// How many sequences are passed over between two, plus one.
    package var stride = 1
    var policies = CrashPolicies()

    package init() {
        policies.newPieces = 4
        policies.oldPieces = 1
        policies.newNames = 4
        policies.oldNames = 1
        policies.randoms = 1
    }

    /// The sequences, shorter ones first.
    package var sequences: [[Step]] {
        var all: [[Step]] = []
        var newest: [[Step]] = [[]]
        for _ in 0..<length {
            newest = newest.flatMap { sequence in Step.allCases.map { sequence + [$0] } }
            all += newest
        }
        return all
    }

    /// - Parameter progress: called after each sequence with the states so far.
    package func run(progress: ((_ states: Int) -> Void)? = nil) throws -> SweepReport {
        var report = SweepReport(name: Self.name)
        var seen: Set<CrashStateKey> = []
        for (number, sequence) in sequences.enumerated()
        where number % stride == 0 && number / stride % sliceCount == slice {
            report.count("sequences")
            try play(sequence, &report, &seen)
            progress?(report.cases)
        }
        return report
    }

    private func play(_ sequence: [Step], _ report: inout SweepReport, _ seen: inout Set<CrashStateKey>) throws {
        let name = sequence.map(\.rawValue).joined(separator: ", ")
        let player = JournalPlayer()
        try player.open()
        try player.play(.several)
        for step in sequence.dropLast() { try player.play(step) }
        // What comes before the last step has had its turn in a shorter sequence.
        if let last = sequence.last {
            player.isRecording = true
            try player.play(last)
            player.isRecording = false
            player.note(player.disk, "the end")
        }
        for (number, boundary) in player.boundaries.enumerated() {
            report.count("boundaries")
            for policy in policies.all(for: boundary.disk, boundary: number) {
                report.cases += 1
                let disk = boundary.disk.fork(clock: ManualClock())
                disk.powerLoss(policy)
                let key = CrashStateKey(disk: disk.fingerprint, lastQ: boundary.model.flushedQ)
                guard seen.insert(key).inserted else { continue }
                report.count("distinct states")
                for problem in JournalPlayer.problems(on: disk, boundary.model, &report) {
                    report.violation("[\(name)], boundary \(number) (before \(boundary.what)), \(policy): \(problem)")
                }
            }
        }
        player.close()
    }
}

/// What a journal has been given so far.
struct JournalModel {
    /// Records in order: the stream and the value.
    var records: [Entry] = []
    /// Where each batch ends, by the number of its last record.
    var batchEnds: Set<UInt64> = [0]
    var flushedQ: UInt64 = 0

    struct Entry: Equatable, Sendable {
        var stream: StreamID
        var value: String
    }
}

/// A journal's state that is the list of its records; a snapshot has them all.
struct JournalList: JournalReplay {
    var records: [JournalModel.Entry] = []
    var quarantined = 0
    var damaged = 0

    mutating func reset() {
        records = []
        quarantined = 0
    }

    mutating func restore(_ snapshot: inout SnapshotReader) throws {
        while let slice = snapshot.next() {
            for line in slice.split(separator: UInt8(ascii: "\n")) {
                let parts = String(decoding: line, as: UTF8.self).split(separator: " ", maxSplits: 1)
                guard parts.count == 2, let stream = StreamID(String(parts[0])) else { continue }
                records.append(JournalModel.Entry(stream: stream, value: String(parts[1])))
            }
        }
    }

    mutating func apply(_ record: RecordView) throws {
        records.append(
            JournalModel.Entry(stream: record.stream, value: String(decoding: record.payload, as: UTF8.self)))
    }

    mutating func quarantine(_ run: ULID, because reason: QuarantineReason) { quarantined += 1 }
    mutating func noteDamage(_ damage: Damage) { damaged += 1 }

    static func encoded(_ records: [JournalModel.Entry]) -> [UInt8] {
        Array(records.map { "\($0.stream.text) \($0.value)\n" }.joined().utf8)
    }
}

/// Plays sequences on one disk. Everything of one sweep happens on one thread.
private final class JournalPlayer: @unchecked Sendable {
    struct Boundary {
        var what: String
        var disk: MemoryDisk
        var model: JournalModel
    }

    let clock = ManualClock()
    let disk: MemoryDisk
    var isRecording = false
    private(set) var boundaries: [Boundary] = []
    private var model = JournalModel()
    private var journal: Journal?
    private var value = 0
    private var nextRun = 10

    init() {
        disk = MemoryDisk(clock: clock)
        disk.onOperation = { [unowned self] disk, operation, path in
            guard isRecording, operation != .map, operation != .lock else { return }
            note(disk, "\(operation.rawValue) of \(path)")
        }
    }

    func note(_ disk: MemoryDisk, _ what: String) {
        boundaries.append(Boundary(what: what, disk: disk.fork(), model: model))
    }

    static let options = {
        var options = JournalOptions()
        options.segmentBytes = 4 << 10
        options.sparesMax = 1
        options.ballastBytes = 0
        options.freeBytesMin = 0
        options.freeInodesMin = 0
        options.roomBytesMin = 0
        options.followBytesMax = 1 << 10
        options.graceMilliseconds = 0
        return options
    }()

    static func open(_ disk: MemoryDisk, _ list: inout JournalList) throws(JournalOpenError) -> Journal {
        try Journal.open(
            disk: disk, clock: ManualClock(), options: options,
            identity: ProcessIdentity(pid: 1, host: "test", bootID: "test"), replay: &list)
    }

    static func run(_ number: Int) -> StreamID {
        .run(ULID(at: ManualClock().now, random: (0, 0xABCD_0000_0000_0000 + UInt64(number))))
    }

    func open() throws {
        var list = JournalList()
        journal = try Self.open(disk, &list)
    }

    func close() {
        journal?.unlock()
        journal = nil
    }

    func play(_ step: JournalSequenceSweep.Step) throws {
        guard let journal else { return }
        switch step {
        case .one:
            append(journal, Self.run(1))
            try commit(journal)
        case .several:
            for number in 1...3 { append(journal, Self.run(number)) }
            append(journal, .events(day: ManualClock().now.day))
            append(journal, Self.run(1))
            try commit(journal)
        case .last:
            nextRun += 1
            append(journal, Self.run(nextRun))
            append(journal, Self.run(nextRun), isLast: true)
            try commit(journal)
        case .snapshot:
            let writer = journal.beginSnapshot()
            writer.append(JournalList.encoded(Array(model.records[..<Int(model.flushedQ)])))
            writer.finish()
            while try journal.keeper.step() {}
        case .checkpoint:
            while try journal.follower.step() {}
            _ = try journal.follower.checkpoint()
            while try journal.keeper.step() {}
        case .roll:
            // Too large for what is left of the segment, whatever that is.
            append(journal, Self.run(2), padding: 2_800)
            try commit(journal)
            while try journal.keeper.step() {}
        case .reopen:
            close()
            try open()
        }
    }

    private func append(_ journal: Journal, _ stream: StreamID, padding: Int = 0, isLast: Bool = false) {
        value += 1
        let fields = ",\"value\":\(value),\"padding\":\"\(String(repeating: "p", count: padding))\""
        _ = journal.log.begin(stream, "step.completed", at: clock.now)
        journal.log.bytes.append(contentsOf: fields.utf8)
        journal.log.end(final: isLast, index: isLast ? Array("{\"value\":\(value)}".utf8) : [])
        model.records.append(JournalModel.Entry(stream: stream, value: fields))
    }

    private func commit(_ journal: Journal) throws {
        model.batchEnds.insert(UInt64(model.records.count))
        try journal.log.commit()
        model.flushedQ = UInt64(model.records.count)
    }

    // MARK: - Comparing

    static func problems(on disk: MemoryDisk, _ model: JournalModel, _ report: inout SweepReport) -> [String] {
        var problems: [String] = []
        do {
            var list = JournalList()
            let journal = try open(disk, &list)
            report.count("recoveries")
            compare(list, journal.report, model, &problems)
            guard problems.isEmpty else { return problems }
            var expected = list.records
            let more = JournalModel.Entry(stream: run(2), value: ",\"value\":0")
            _ = journal.log.begin(more.stream, "step.completed", at: ManualClock().now)
            journal.log.bytes.append(contentsOf: more.value.utf8)
            journal.log.end(final: false, index: [])
            try journal.log.commit()
            expected.append(more)
            while try journal.follower.step() {}
            while try journal.keeper.step() {}
            compareFiles(disk, expected, &problems)
            for finding in try Verifier.verify(disk.fork()).findings where finding.severity == .damage {
                problems.append("verify: \(finding)")
            }
            journal.unlock()
            var again = JournalList()
            _ = try Journal.read(disk: disk.fork(), replay: &again)
            if again.records != expected {
                problems.append("what was committed after the start is not there at the next")
            }
        } catch {
            problems.append("the journal cannot be opened or used: \(error)")
        }
        return problems
    }

    private static func compare(
        _ list: JournalList, _ report: RecoveryReport, _ model: JournalModel, _ problems: inout [String]
    ) {
        let count = list.records.count
        if UInt64(count) != report.lastQ { problems.append("\(count) records came, the last is \(report.lastQ)") }
        if report.lastQ < model.flushedQ {
            problems.append("records \(report.lastQ + 1) to \(model.flushedQ) were flushed, and are gone")
        }
        if !model.batchEnds.contains(UInt64(count)) { problems.append("part of a batch is there: \(count) records") }
        if count > model.records.count || list.records != Array(model.records[..<count]) {
            problems.append("the records are not those that were written")
        }
        if list.quarantined + list.damaged + report.damage.count + report.quarantined.count > 0 {
            problems.append("something counts as damaged: \(report.damage) \(report.quarantined)")
        }
        if !report.snapshotsRefused.isEmpty { problems.append("a snapshot is refused: \(report.snapshotsRefused)") }
        if report.wasRebuilt || report.wasCopied { problems.append("the directory is taken for another") }
    }

    private static func compareFiles(
        _ disk: MemoryDisk, _ records: [JournalModel.Entry], _ problems: inout [String]
    ) {
        var expected: [StreamID: [String]] = [:]
        for record in records { expected[record.stream, default: []].append(record.value) }
        for (stream, values) in expected {
            var found: [String] = []
            let bytes = disk.snapshotOfFile(stream.path) ?? []
            let taken = JournalLine.forEach(bytes) { found.append(String(decoding: $0.payload, as: UTF8.self)) }
            if found != values || taken != bytes.count {
                problems.append("\(stream.path) has \(found.count) records instead of \(values.count), or other ones")
            }
        }
    }
}
