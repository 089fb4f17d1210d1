#if DELIBERATE_BUGS
    package import DaybookValues
#endif

/// Sizes and times of a journal. The defaults suit a server; tests use small ones.
package struct JournalOptions: Sendable {
    /// Of one log segment, prefilled. A batch larger than this gets a segment of its own size.
    package var segmentBytes = 16 << 20
    /// Prefilled segments that stand ready.
    package var sparesMax = 2
    /// Real bytes held back, given away when the disk is full. 0 for none.
    package var ballastBytes = 64 << 20
    /// Below either of these, new events and runs are refused.
    package var freeBytesMin = 64 << 20
    package var freeInodesMin = 1_000
    /// Room in the log, in bytes, under which hosts pause with their results held: two of the largest batches.
    package var roomBytesMin = 16 << 20
    /// A snapshot is due after this many bytes of log, or as many as the last snapshot has if that is more,
    package var snapshotLogBytes = 64 << 20
    /// or after this time if anything was written since.
    package var snapshotIntervalMilliseconds: Int64 = 600_000
    /// No segment goes before this age, so that a `cp -r` of a live directory finds all it needs.
    package var graceMilliseconds: Int64 = 600_000
    /// Log bytes that the follower takes in at a time.
    package var followBytesMax = 4 << 20
    /// Whether a directory on a network file system may be opened; it is warned about then.
    package var allowsNetworkFileSystem = false
    #if DELIBERATE_BUGS
        package var bug: DeliberateBug?
    #endif

    package init() {}
}
