import DaybookJournal
import DaybookValues

/// Records as a reader of the files is given them.
struct FoundRecords: JournalReplay {
    struct Found {
        var q: UInt64
        var stream: String
        var checksum: [UInt8]
        var text: [UInt8]
    }

    private(set) var records: [Found] = []
    private(set) var lastQ: UInt64 = 0
    private(set) var quarantined: [ULID] = []
    /// Lines up to here are known, so their text is not wanted.
    let knownQ: UInt64

    init(knownQ: UInt64) {
        self.knownQ = knownQ
    }

    mutating func reset() {
        records = []
        quarantined = []
    }

    mutating func restore(_ snapshot: inout SnapshotReader) throws {
        while snapshot.next() != nil {}
    }

    mutating func apply(_ record: RecordView) throws {
        records.append(
            Found(
                q: record.q, stream: record.stream.text, checksum: JournalLine.hex(record.checksum),
                text: record.q > knownQ ? Self.text(record) : []))
    }

    mutating func quarantine(_ run: ULID, because reason: QuarantineReason) {
        quarantined.append(run)
    }

    mutating func finish(_ report: RecoveryReport) {
        lastQ = report.lastQ
    }

    /// The line once more; its checksum tells whether it came out right.
    private static func text(_ record: RecordView) -> [UInt8] {
        var line =
            "{\"q\":\(record.q),\"t\":\"\(record.time.rfc3339)\",\"s\":\"\(record.stream.text)\",\"n\":\(record.n)"
        line += ",\"p\":\"" + String(decoding: JournalLine.hex(record.previousChecksum), as: UTF8.self) + "\""
        if record.n == 0 { line += ",\"v\":1" }
        line += ",\"k\":\"" + String(decoding: record.kind, as: UTF8.self) + "\""
        var bytes = Array(line.utf8)
        bytes += record.payload
        if record.isFinal {
            if !record.index.isEmpty {
                bytes += Array(",\"index\":".utf8)
                bytes += record.index
            }
            bytes += Array(",\"end\":\(record.index.count)".utf8)
        }
        bytes += Array(",\"crc\":\"".utf8)
        bytes += JournalLine.hex(record.checksum)
        bytes += Array("\"}\n".utf8)
        return bytes
    }
}
