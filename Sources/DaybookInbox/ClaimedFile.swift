internal import DaybookCore
internal import DaybookSystem

/// A file in `.claimed` and what has become of it.
final class ClaimedFile {
    /// In `.claimed`; also what the journal calls the claim.
    let name: String
    /// How the journal has it; 0 when it does not know of it.
    var offset: Int
    /// All events are in the journal.
    var isWhole: Bool
    /// Whether the journal knows of the claim.
    var isRecorded: Bool
    /// As it was when it was read.
    var status: FileStatus?
    /// Kept while chunks are to come.
    var file: EventFile?
    /// The chunk that the sink has.
    var pending: (offset: Int, isWhole: Bool, eventCount: Int)?
    /// Events committed and runs started by this process.
    var eventCount = 0
    var runCount = 0
    /// When to read it again, if it was postponed.
    var retryAt: UInt64 = 0
    var isReported = false
    /// How often the device could not read it.
    var readFailures = 0

    init(name: String, progress: ClaimProgress? = nil) {
        self.name = name
        offset = progress?.offset ?? 0
        isWhole = progress?.isWhole ?? false
        isRecorded = progress != nil
    }

    var path: String { InboxName.claimed + "/" + name }
    var original: String { InboxName.original(of: name) }
    var shownName: String { InboxName.shown(original) }
    /// Bytes held for it in memory while its events are committed.
    var heldBytes: Int { status?.bytes ?? 0 }
}

/// A file that may still change.
struct Candidate {
    var status: FileStatus
    /// When it was first seen like this.
    var since: UInt64
    /// How long it must stay so.
    var patience: UInt64

    var due: UInt64 { since + patience }
}

/// A file in `.done`, until its grace time is over.
struct DoneFile {
    var name: String
    var due: UInt64
}

/// A file on its way to `rejected`.
struct Rejection {
    /// Where it lies now, as a path of the disk.
    var source: String
    /// The directory it lies in.
    var directory: String
    var original: String
    var problem: String
    var advice: String
    /// Events of it that are in the journal all the same.
    var acceptedEvents: String?
    /// The claim that the journal is to forget.
    var claim: String?
}

/// For the log: a file whose events are all in the journal.
struct AcceptedFile {
    var name: String
    var eventCount: Int
    var runCount: Int
}
