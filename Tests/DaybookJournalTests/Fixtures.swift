import DaybookFakes
import DaybookJournal
import DaybookSystem
import DaybookValues

/// 2026-11-21T08:00:00Z
let noon = Timestamp(milliseconds: 1_795_248_000_000)

/// A run of the test, told apart by its number.
func run(_ number: Int, at time: Timestamp = noon) -> ULID {
    ULID(at: time, random: (0, 0xABCD_0000_0000_0000 + UInt64(number)))
}

/// A state that remembers everything it was given.
struct RecordedState: JournalReplay, Equatable {
    struct Entry: Equatable {
        var q: UInt64
        var stream: StreamID
        var n: UInt32
        var kind: String
        var payload: String
    }

    var entries: [Entry] = []
    var quarantined: [ULID] = []
    var damaged: [StreamID?] = []
    var restoredSlices: [[UInt8]] = []
    var refusedKinds: Set<String> = []
    var unknownKinds: Set<String> = []
    var refusesSnapshots = false

    var qs: [UInt64] { entries.map(\.q) }

    mutating func reset() {
        entries = []
        quarantined = []
        restoredSlices = []
    }

    mutating func restore(_ snapshot: inout SnapshotReader) throws {
        if refusesSnapshots { throw SnapshotError("the test refuses it") }
        while let slice = snapshot.next() { restoredSlices.append(Array(slice)) }
    }

    mutating func apply(_ record: RecordView) throws {
        let kind = String(decoding: record.kind, as: UTF8.self)
        if unknownKinds.contains(kind) { throw UnknownRecordKind(record.kind) }
        if refusedKinds.contains(kind) { throw SnapshotError("refused") }
        entries.append(
            Entry(
                q: record.q, stream: record.stream, n: record.n, kind: kind,
                payload: String(decoding: record.payload, as: UTF8.self)))
    }

    mutating func quarantine(_ run: ULID, because reason: QuarantineReason) { quarantined.append(run) }
    mutating func noteDamage(_ damage: Damage) { damaged.append(damage.stream) }
}

/// A journal on a memory disk, as small as it gets.
struct World {
    var clock = ManualClock(now: noon)
    var disk: MemoryDisk
    var options = JournalOptions()

    init(capacityBytes: Int = .max, segmentBytes: Int = 16_384) {
        disk = MemoryDisk(clock: clock, capacityBytes: capacityBytes)
        options.segmentBytes = segmentBytes
        options.ballastBytes = 8_192
        options.freeBytesMin = 16_384
        options.freeInodesMin = 0
        options.roomBytesMin = 8_192
        options.followBytesMax = 4_096
    }

    func open(_ state: inout RecordedState) throws -> Journal {
        try Journal.open(
            disk: disk, clock: clock, options: options,
            identity: ProcessIdentity(pid: 4_711, host: "test", bootID: "boot"), replay: &state)
    }

    func open() throws -> Journal {
        var state = RecordedState()
        return try open(&state)
    }

    /// What a start finds, without leaving a trace: on a copy of the disk that is thrown away.
    func recovered() throws -> (state: RecordedState, report: RecoveryReport) {
        var world = self
        world.disk = disk.copy(device: 1)
        var state = RecordedState()
        let journal = try world.open(&state)
        return (state, journal.report)
    }
}

extension Journal {
    /// One record with one field.
    @discardableResult
    func record(
        _ stream: StreamID, _ value: Int = 0, kind: StaticString = "step.completed", final: Bool = false,
        index: String = ""
    ) -> UInt64 {
        let q = log.begin(stream, kind, at: noon)
        log.bytes.append(contentsOf: ",\"value\":\(value)".utf8)
        log.end(final: final, index: Array(index.utf8))
        return q
    }

    /// One batch for each run, with `count` records.
    func commit(_ runs: [Int], count: Int = 1) throws {
        for number in runs {
            for _ in 0..<count { record(.run(run(number))) }
        }
        try log.commit()
    }

    func snapshot(_ text: String = "state") throws {
        let writer = beginSnapshot()
        writer.append(Array(text.utf8))
        writer.finish()
        while try keeper.step() {}
    }

    func followAll() throws {
        while try follower.step() {}
    }
}

extension MemoryDisk {
    func text(_ path: String) throws -> String {
        String(decoding: try contents(of: path) ?? [], as: UTF8.self)
    }

    var segments: [String] {
        allPaths.filter { $0.hasPrefix("journal/0") }
    }

    /// Where a text stands in a file.
    func offset(of text: String, in path: String) throws -> Int {
        let bytes = try contents(of: path) ?? []
        let wanted = Array(text.utf8)
        return bytes.indices.first { bytes[$0...].starts(with: wanted) } ?? -1
    }
}
