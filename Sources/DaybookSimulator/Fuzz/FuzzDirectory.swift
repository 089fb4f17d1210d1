import DaybookCore
import DaybookFakes
import DaybookJournal
import DaybookNode
import DaybookSystem
import DaybookValues

/// A data directory in memory that holds the bytes of an input in one of its files.
struct FuzzDirectory {
    let clock = ManualClock()
    let disk: MemoryDisk
    private var options = JournalOptions()

    init(_ files: [(path: String, bytes: [UInt8])]) throws {
        disk = MemoryDisk(clock: clock)
        for file in files {
            try disk.makeDirectory(parentPath(file.path))
            try disk.open(file.path, .create).write(file.bytes, at: 0)
        }
        options.segmentBytes = 4_096
        options.sparesMax = 1
        options.ballastBytes = 0
        options.freeBytesMin = 0
        options.freeInodesMin = 0
        options.roomBytesMin = 0
        options.followBytesMax = 4_096
    }

    func open(_ replay: inout FuzzReplay) throws(JournalOpenError) -> Journal {
        try Journal.open(
            disk: disk, clock: clock, options: options,
            identity: ProcessIdentity(pid: 1, host: "fuzz", bootID: "boot"), replay: &replay)
    }
}

/// The core's own replay, with a second look at every record that is handed to it.
struct FuzzReplay: JournalReplay {
    private(set) var replay = CoreReplay(limits: CoreLimits(), retryPolicy: RetryPolicy())
    private(set) var violation: FuzzViolation?
    /// The records that were applied or refused, in order.
    private(set) var qs: [UInt64] = []
    /// The records' times were in order.
    private(set) var isNatural = true
    private var newest = Timestamp(milliseconds: .min)
    /// Checksums of lines of the input that are right.
    private let sums: Set<UInt32>

    init(sums: Set<UInt32>) {
        self.sums = sums
    }

    var core: Core { replay.core }

    mutating func reset() {
        replay.reset()
        qs = []
    }

    mutating func restore(_ snapshot: inout SnapshotReader) throws {
        isNatural = false
        try replay.restore(&snapshot)
    }

    mutating func apply(_ record: RecordView) throws {
        do throws(FuzzViolation) {
            try require(sums.contains(record.checksum), "record \(record.q) stands on a line with a right checksum")
            if let last = qs.last { try require(record.q > last, "record \(record.q) comes after record \(last)") }
        } catch {
            violation = violation ?? error
        }
        qs.append(record.q)
        isNatural = isNatural && record.time >= newest
        newest = max(newest, record.time)
        try replay.apply(record)
    }

    mutating func quarantine(_ run: ULID, because reason: QuarantineReason) {
        isNatural = isNatural && !reason.description.isEmpty
    }
}
