import DaybookCore
package import DaybookJournal
package import DaybookSystem
import DaybookValues

/// A data directory looked at without a server: no lock is taken and nothing is written.
///
/// On the directory of a running server it shows what was true a moment ago.
package struct StoppedDirectory: Sendable {
    package let report: RecoveryReport
    package let functions: [FunctionDetail]
    /// Milliseconds that the movable clock stands ahead.
    package let clockOffset: Int64
    package let readModel: ReadModel

    /// - Parameter runIDPart: of the run that is asked for, whose records are then kept: its id, or a part of it. May be
    ///   the whole id of an event as well.
    /// - Throws: `JournalOpenError`.
    package init(
        disk: any Disk, runIDPart: String? = nil, progress: ((ReplayProgress) -> Void)? = nil
    ) throws(JournalOpenError) {
        var replay = ShowingReplay(wanted: runIDPart?.uppercased())
        report = try Journal.read(disk: disk, replay: &replay, progress: progress)
        functions = FunctionDetail.all(in: replay.replay.core)
        clockOffset = replay.replay.core.movedClockOffset
        let unfinished = replay.replay.core.runSummaries.map(RunRow.init)
        readModel = ReadModel(
            disk: disk, others: unfinished + replay.finished, logged: replay.logged, loggedEvent: replay.event)
    }
}

/// Builds the state up and keeps what the follower may not have copied into the files of runs.
private struct ShowingReplay: JournalReplay {
    var replay = CoreReplay(limits: CoreLimits(), retryPolicy: RetryPolicy())
    var finished: [RunRow] = []
    var logged: [ULID: [ReadModel.LoggedRecord]] = [:]
    var event: EventDetail?
    let wanted: String?
    private let wantedEvent: ULID?

    init(wanted: String?) {
        self.wanted = wanted
        wantedEvent = wanted.flatMap { ULID($0) }
    }

    mutating func reset() {
        replay.reset()
        finished = []
        logged = [:]
        event = nil
    }

    mutating func restore(_ snapshot: inout SnapshotReader) throws {
        try replay.restore(&snapshot)
    }

    mutating func apply(_ view: RecordView) throws {
        try replay.apply(view)
        if case .events = view.stream, let wantedEvent, event == nil,
            case .eventReceived(let event, let outcome)? = try? view.decoded(), event.id == wantedEvent
        {
            self.event = EventDetail(event: event, outcome: outcome, receivedAt: view.time)
        }
        guard case .run(let id) = view.stream else { return }
        if view.isFinal {
            let row = RunRow(id: id, kind: view.kind, index: view.index, endedAt: view.time)
            // A start that could not apply its end may have set it aside behind that.
            if row.status == .quarantined { finished.removeAll { $0.id == id } }
            finished.append(row)
        }
        guard let wanted else { return }
        let text = id.text
        guard text.hasPrefix(wanted) || text.hasSuffix(wanted), let record = try? view.decoded() else { return }
        logged[id, default: []].append(ReadModel.LoggedRecord(q: view.q, time: view.time, record: record))
    }

    mutating func quarantine(_ run: ULID, because reason: QuarantineReason) {
        replay.quarantine(run, because: reason)
    }

    mutating func noteDamage(_ damage: Damage) {
        replay.noteDamage(damage)
    }
}
