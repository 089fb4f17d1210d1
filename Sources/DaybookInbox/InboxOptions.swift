package import DaybookCore

/// The limits and waits of an inbox.
package struct InboxOptions: Sendable {
    /// Bytes of one file: 32 MiB. It is read whole, because all of it is checked before any of it runs.
    package var fileBytesMax = 32 * 1_048_576
    /// Bytes of a file that are committed at once, unless a single event is longer: 1 MiB.
    package var chunkBytesMax = 1_048_576
    /// How long a file must stay the same before it is taken, when nobody said that it is complete: 2 s.
    package var settleNanoseconds: UInt64 = 2_000_000_000
    /// The same for a file that was made in the inbox and that its writer has not closed yet, as far as a watch can
    /// tell: 60 s.
    package var openSettleNanoseconds: UInt64 = 60_000_000_000
    /// Time between two scans without a watch: 1 s.
    package var scanNanoseconds: UInt64 = 1_000_000_000
    /// Time between two scans with a watch: 30 s.
    package var watchedScanNanoseconds: UInt64 = 30_000_000_000
    /// How long a file is kept in `.done`, in case somebody is still writing to it: 10 s.
    package var graceNanoseconds: UInt64 = 10_000_000_000
    /// Time until something that failed or was refused is tried again: 1 s.
    package var retryNanoseconds: UInt64 = 1_000_000_000
    /// How often a file that the device cannot read is tried again before it is refused: 10.
    package var readFailuresMax = 10
    /// How long finished files wait for others, to share the flush of their removal: 20 ms.
    package var finishNanoseconds: UInt64 = 20_000_000
    /// Files that are claimed, finished or deleted in one round: 1,000.
    package var filesPerRoundMax = 1_000
    /// Files that are refused in one round, each of which takes a flush: 32.
    package var refusalsPerRoundMax = 32
    /// Bytes of files that are being committed at one time, unless a single file is longer: 64 MiB.
    package var bytesInFlightMax = 64 * 1_048_576
    /// Files that are being committed at one time: 4,000.
    package var filesInFlightMax = 4_000
    /// The limits of one event. `countMax` is also the most events that are committed at once.
    package var events = EventLimits()

    package init() {}
}
