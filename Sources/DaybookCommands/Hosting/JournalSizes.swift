internal import DaybookJournal

/// Sizes and times of the journal other than the usual ones, for programs that test a server: a process that is killed
/// ten thousand times should not write 16 MiB of empty segment each time.
///
/// ```swift
/// await JournalSizes.$chosen.withValue(JournalSizes(segmentBytes: 65_536)) { await App.main() }
/// ```
package struct JournalSizes: Sendable {
    /// What the server of this task uses; nil for the usual sizes.
    @TaskLocal package static var chosen: JournalSizes?

    /// Of one log segment.
    package var segmentBytes: Int
    /// Bytes of log after which a snapshot is due.
    package var snapshotLogBytes: Int
    /// The age in milliseconds before which no segment is removed.
    package var graceMilliseconds: Int64
    /// Free bytes of the file system under which new work is refused.
    package var freeBytesMin: Int
    /// Real bytes held back for a full disk; 0 for none.
    package var ballastBytes: Int

    /// Everything that is not given keeps its usual size, but the ballast: there is none.
    package init(
        segmentBytes: Int? = nil, snapshotLogBytes: Int? = nil, graceMilliseconds: Int64? = nil,
        freeBytesMin: Int? = nil, ballastBytes: Int = 0
    ) {
        let usual = JournalOptions()
        self.segmentBytes = segmentBytes ?? usual.segmentBytes
        self.snapshotLogBytes = snapshotLogBytes ?? usual.snapshotLogBytes
        self.graceMilliseconds = graceMilliseconds ?? usual.graceMilliseconds
        self.freeBytesMin = freeBytesMin ?? usual.freeBytesMin
        self.ballastBytes = ballastBytes
    }

    func apply(to options: inout JournalOptions) {
        options.segmentBytes = segmentBytes
        options.snapshotLogBytes = snapshotLogBytes
        options.graceMilliseconds = graceMilliseconds
        options.freeBytesMin = freeBytesMin
        options.ballastBytes = ballastBytes
        // Two segments stand ready; hosts are to pause before both are used up, not from the start.
        options.roomBytesMin = min(options.roomBytesMin, segmentBytes / 2)
    }
}
