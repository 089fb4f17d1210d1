import DaybookCore
import DaybookJournal
import DaybookSystem
package import DaybookValues

/// Which events a list shows.
package struct EventQuery: Sendable, Equatable {
    /// Events on one page, unless it says otherwise: 20.
    package static let limitDefault = 20
    /// The largest page: 100.
    package static let limitMax = 100
    /// Bytes of the files that are read for one page: 64 MiB. A page that ends there may be short, and says where to go on.
    static let bytesMax = 64 * 1_048_576

    /// Nil for every name.
    package var name: String?
    /// Only events that were received later.
    package var receivedAfter: Timestamp?
    /// Only events that were received earlier.
    package var receivedBefore: Timestamp?
    /// Those that Daybook itself has sent are left out otherwise.
    package var includesInternal = false
    package var limit = limitDefault
    /// Only events before this place in the list: where the last page ended.
    package var cursor: EventCursor?

    package init() {}

    fileprivate func takes(_ event: EventDetail) -> Bool {
        if let name, event.event.name != name { return false }
        if let receivedBefore, event.receivedAt >= receivedBefore { return false }
        return includesInternal || !event.isInternal
    }
}

/// A place in the list of events.
package struct EventCursor: Sendable, Equatable {
    /// Whole days since 1970-01-01.
    var day: Int32
    /// Byte offset in the file of that day.
    var offset: Int

    package var text: String { "\(day)-\(offset)" }

    init(day: Int32, offset: Int) {
        self.day = day
        self.offset = offset
    }

    /// Reads its text; nil for anything else.
    package init?(_ text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, let day = Int32(parts[0]), let offset = Int(parts[1]), day >= 0, offset >= 0 else {
            return nil
        }
        self.init(day: day, offset: offset)
    }
}

/// A page of the list of events, newest first.
package struct EventPage: Sendable {
    package var rows: [EventDetail]
    /// Where to go on; nil at the end.
    package var next: EventCursor?
}

extension EventDetail {
    /// Whether Daybook has sent it, not somebody outside.
    package var isInternal: Bool { event.name.hasPrefix("inngest/") }
}

extension ReadModel {
    /// Events, those that were received last in front. Reads the files of their days from the end.
    package func events(_ query: EventQuery) throws(ReadError) -> EventPage {
        do throws(FileError) {
            return try page(query)
        } catch {
            throw .unreadable("the list of events cannot be read: \(error)")
        }
    }

    private func page(_ query: EventQuery) throws(FileError) -> EventPage {
        var page = EventPage(rows: [], next: nil)
        var bytesRead = 0
        for day in try eventDays() where query.cursor.map({ day <= $0.day }) ?? true {
            if let before = query.receivedBefore, day > before.day { continue }
            let end = query.cursor.flatMap { $0.day == day ? $0.offset : nil }
            let stream = StreamID.events(day: day)
            guard var records = try StreamBackwards(disk: disk, stream: stream, end: end) else { continue }
            while let found = try records.next() {
                if let after = query.receivedAfter, found.record.time <= after { return page }
                if bytesRead + records.bytesRead > EventQuery.bytesMax {
                    page.next = EventCursor(day: day, offset: found.offset)
                    return page
                }
                guard let event = EventDetail(found.record), query.takes(event) else { continue }
                page.rows.append(event)
                if page.rows.count == query.limit {
                    page.next = EventCursor(day: day, offset: found.offset)
                    return page
                }
            }
            bytesRead += records.bytesRead
        }
        return page
    }

    /// The days that have a file of events, newest first.
    private func eventDays() throws(FileError) -> [Int32] {
        guard try disk.stat("events") != nil else { return [] }
        return try disk.list("events").compactMap { entry in
            guard entry.kind == .file, entry.name.hasSuffix(".jsonl"),
                case .events(let day)? = StreamID("events/" + entry.name.dropLast(6))
            else { return nil }
            return day
        }.sorted(by: >)
    }

    /// Where a list goes on behind an event; nil when there is no such event.
    package func cursor(behind id: ULID) throws(ReadError) -> EventCursor? {
        do throws(FileError) {
            if let found = try find(around: id.time, { $0.event.id == id }) { return found.cursor }
            return try findNewest { $0.event.id == id }?.cursor
        } catch {
            throw .unreadable("the list of events cannot be read: \(error)")
        }
    }

    /// The event that started a run by itself; nil when none did, or it cannot be found.
    ///
    /// - Parameter queuedAt: when the run was queued. Both were decided at the same moment.
    package func event(thatStarted run: ULID, queuedAt: Timestamp) -> EventDetail? {
        try? find(around: queuedAt) { $0.outcome.started.contains(run) }?.event
    }

    /// The run that a debounce or batch has become; nil when it is not among those that are given.
    package func run(startedBy hold: ULID, among runs: [ULID]) -> ULID? {
        runs.first { run in
            var isIt = false
            _ = try? RunRecords(disk: disk, stream: .run(run)) { view in
                if view.n == 0, case .runQueued(let queued)? = try? view.decoded() { isIt = queued.hold == hold }
            }
            return isIt
        }
    }

    /// Looks for an event among those that were received last: an id that was made from what its sender said may have any
    /// time.
    func findNewest(
        _ isWanted: (EventDetail) -> Bool
    ) throws(FileError) -> (event: EventDetail, cursor: EventCursor)? {
        var bytesLeft = EventQuery.bytesMax
        for day in try eventDays() {
            guard var records = try StreamBackwards(disk: disk, stream: .events(day: day)) else { continue }
            while records.bytesRead < bytesLeft, let found = try records.next() {
                if let event = EventDetail(found.record), isWanted(event) {
                    return (event, EventCursor(day: day, offset: found.offset))
                }
            }
            bytesLeft -= records.bytesRead
            guard bytesLeft > 0 else { return nil }
        }
        return nil
    }

    /// Looks for an event that was received at about that time: up to a second earlier or ten later.
    func find(
        around instant: Timestamp, _ isWanted: (EventDetail) -> Bool
    ) throws(FileError) -> (event: EventDetail, cursor: EventCursor)? {
        let (first, last) = (instant + -1_000, instant + 10_000)
        var day = last.day
        while day >= first.day {
            let stream = StreamID.events(day: day)
            if let end = try StreamBackwards.offset(of: last, disk: disk, stream: stream),
                var records = try StreamBackwards(disk: disk, stream: stream, end: end)
            {
                while let found = try records.next(), found.record.time >= first {
                    if let event = EventDetail(found.record), isWanted(event) {
                        return (event, EventCursor(day: day, offset: found.offset))
                    }
                }
            }
            day -= 1
        }
        return nil
    }
}

extension EventDetail {
    /// Nil for a record of another kind, or of a newer version.
    fileprivate init?(_ view: RecordView) {
        guard case .eventReceived(let event, let outcome)? = try? view.decoded() else { return nil }
        self.init(event: event, outcome: outcome, receivedAt: view.time)
    }
}
