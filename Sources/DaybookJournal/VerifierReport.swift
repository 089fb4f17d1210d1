/// Something that is not as it was written.
package struct VerifyFinding: Hashable, Sendable, CustomStringConvertible {
    package enum Severity: Hashable, Sendable {
        /// To be expected after a crash, or while a server is writing.
        case note
        /// Damage that was dealt with: it is noted in `journal/damaged/`, and the run it cost was set aside.
        case known
        /// Bytes are not what was written, or are missing.
        case damage
    }

    package var severity: Severity
    /// Relative to the data directory.
    package var path: String
    package var offset: Int
    package var message: String
    /// What `Repair` has to look at.
    var fault = VerifyFault.none

    package var description: String { "\(path), byte \(offset): \(message)" }
}

/// Which part of a data directory a finding is about.
enum VerifyFault: Hashable, Sendable {
    case none
    case lock
    case header(SegmentName)
    /// Bytes of a segment from an offset on.
    case batch(SegmentName, offset: Int)
    /// Records that no segment has.
    case gap(from: UInt64, to: UInt64)
    case snapshot(UInt64)
    /// The file of a stream is wrong, short or missing.
    case stream(StreamID)
    /// The file of a stream has records behind the end of the log.
    case beyond(StreamID)
    /// A file that should not be where it is.
    case stray
    case index(hour: Int)
}

/// What was checked, and what was found.
package struct VerifyReport: Sendable {
    package var segments = 0
    package var batches = 0
    package var logRecords: UInt64 = 0
    package var firstQ: UInt64 = 0
    package var lastQ: UInt64 = 0
    package var streamFiles = 0
    package var streamRecords: UInt64 = 0
    package var indexLines = 0
    package var snapshots = 0
    package var bytes = 0
    /// Sorted by path and offset. Of each severity at most `findingsMax` are kept.
    package var findings: [VerifyFinding] = []
    private var counts: [VerifyFinding.Severity: Int] = [:]

    package static let findingsMax = 10_000

    package var isSound: Bool { count(.damage) == 0 }

    /// How many findings there were, those that are not kept included.
    package func count(_ severity: VerifyFinding.Severity) -> Int { counts[severity] ?? 0 }

    package mutating func add(_ finding: VerifyFinding) {
        counts[finding.severity, default: 0] += 1
        if count(finding.severity) <= Self.findingsMax { findings.append(finding) }
    }
}

/// zlib's `crc32` over some bytes and nothing else: what the speed of a check is measured against.
package func zlibChecksum(_ bytes: UnsafeBufferPointer<UInt8>, count: Int, continuing sum: UInt32) -> UInt32 {
    precondition(count <= bytes.count)
    return bytes.baseAddress.map { checksum($0, count, continuing: sum) } ?? sum
}

package func zlibChecksum(_ bytes: [UInt8], continuing sum: UInt32) -> UInt32 {
    bytes.withUnsafeBufferPointer { zlibChecksum($0, count: $0.count, continuing: sum) }
}
