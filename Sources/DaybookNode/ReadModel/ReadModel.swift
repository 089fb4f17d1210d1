package import DaybookCore
import DaybookJournal
import DaybookSystem
package import DaybookValues
import Synchronization

/// Why something cannot be shown.
package enum ReadError: Error, Sendable, Equatable, CustomStringConvertible {
    case unknownRun(String)
    /// A part of an id that several runs have; the first few of them.
    case ambiguousRun(String, [ULID])
    case unknownStep(String, run: ULID, known: [String])
    case notEnded(ULID, RunStatus)
    case unreadable(String)
    case unknownFunction(String)
    /// An id within the app that functions of several apps have; their whole ids.
    case ambiguousFunction(String, [String])
    case unknownEvent(String)

    package var description: String {
        switch self {
        case .unknownRun(let text): "there is no run '\(text)'; `runs` lists those there are"
        case .ambiguousRun(let text, let runs):
            "'\(text)' is part of the id of more than one run: \(runs.map(\.text).joined(separator: ", "))"
        case .unknownStep(let step, let run, let known):
            "run \(run.text) has no step '\(step)'; it has \(known.isEmpty ? "none" : known.joined(separator: ", "))"
        case .notEnded(let run, let status):
            "run \(run.text) has not ended, it is \(status.rawValue); wait for its end, or cancel it first"
        case .unreadable(let reason): reason
        case .unknownFunction(let text): "there is no function '\(text)'; `functions` lists those there are"
        case .ambiguousFunction(let text, let functions):
            "more than one app has a function '\(text)'; give the whole id: \(functions.joined(separator: ", "))"
        case .unknownEvent(let text):
            "there is no event '\(text)'; its whole id is needed, as `send` and `tail --json` show it"
        }
    }
}

/// What people see of runs: finished ones from the index files of the journal, unfinished ones from the core, one run's
/// steps from its records. The server and the command line without a server use the same.
///
/// A model is a picture of one moment; make a new one for each question. Its methods read files and may block.
package struct ReadModel: Sendable {
    /// Characters of an id that must be given at least.
    package static let idPartMin = 4

    let disk: any Disk
    /// Runs that the index files do not have, or not yet, newest first.
    private let others: [RunRow]
    /// Records that are in the log and perhaps not yet in the run's own file.
    private let logged: [ULID: [LoggedRecord]]
    /// The event that is asked for, if it is in the log and perhaps not yet in its day's file.
    private let loggedEvent: EventDetail?
    /// Why runs stand still whose records the server cannot read just now.
    private let postponed: [ULID: String]

    /// A record as the log has it.
    struct LoggedRecord: Sendable {
        var q: UInt64
        var time: Timestamp
        var record: Record
    }

    init(
        disk: any Disk, others: [RunRow], logged: [ULID: [LoggedRecord]] = [:], loggedEvent: EventDetail? = nil,
        postponed: [ULID: String] = [:]
    ) {
        self.disk = disk
        self.loggedEvent = loggedEvent
        self.others = others.map { row in
            var row = row
            row.postponed = postponed[row.id]
            return row
        }.sorted { $0.id > $1.id }
        self.logged = logged
        self.postponed = postponed
    }

    // MARK: - Lists

    /// Runs, newest first.
    package func runs(_ query: RunQuery) throws(ReadError) -> RunPage {
        var page = RunPage(rows: [], next: nil)
        try forEachRun(from: query.cursor, since: query.since) { row in
            guard query.takes(row) else { return true }
            if page.rows.count == query.limit {
                page.next = page.rows.last?.id
                return false
            }
            page.rows.append(row)
            return true
        }
        return page
    }

    /// Every run before `cursor`, newest first, until `body` answers false.
    private func forEachRun(
        from cursor: ULID?, since: Timestamp?, _ body: (RunRow) -> Bool
    ) throws(ReadError) {
        var position = 0
        var isDone = false
        func give(_ row: RunRow) {
            if let since, row.id.time < since {
                isDone = true
            } else if cursor.map({ row.id < $0 }) ?? true {
                isDone = !body(row)
            }
        }
        do throws(FileError) {
            var index = try RunIndex(disk: disk)
            while !isDone, let hour = try index.nextHour() {
                for finished in hour where !isDone {
                    while !isDone, position < others.count, others[position].id > finished.id {
                        give(others[position])
                        position += 1
                    }
                    // A run that ended a moment ago may be in both; its end is the news.
                    if position < others.count, others[position].id == finished.id { position += 1 }
                    if !isDone { give(RunRow(finished)) }
                }
            }
        } catch {
            throw .unreadable("the list of finished runs cannot be read: \(error)")
        }
        while !isDone, position < others.count {
            give(others[position])
            position += 1
        }
    }

    /// The run of that id, of which the beginning or the end is enough when no other run has it too.
    package func resolve(_ text: String) throws(ReadError) -> ULID {
        let wanted = text.uppercased()
        if let id = ULID(wanted) { return id }
        guard wanted.utf8.count >= Self.idPartMin else {
            throw .unknownRun(text)
        }
        var found: [ULID] = []
        try forEachRun(from: nil, since: nil) { row in
            let id = row.id.text
            if id.hasPrefix(wanted) || id.hasSuffix(wanted) { found.append(row.id) }
            return found.count < 5
        }
        guard let first = found.first else { throw .unknownRun(text) }
        guard found.count == 1 else { throw .ambiguousRun(text, found) }
        return first
    }

    // MARK: - One run

    /// Everything about a run. A damaged record file is shown as far as it can be read.
    package func detail(of id: ULID) throws(ReadError) -> RunDetail {
        var detail = RunDetail(id: id)
        var lastQ: UInt64 = 0
        var count = 0
        func take(_ record: Record, q: UInt64, at time: Timestamp) {
            guard q > lastQ else { return }
            lastQ = q
            count += 1
            detail.take(record, at: time)
        }
        func readFile() {
            do throws(RunRecordsError) {
                _ = try RunRecords(disk: disk, stream: .run(id)) { view in
                    guard let record = try? view.decoded() else {
                        detail.damage = "record \(view.q) is of a kind that this version does not know"
                        return
                    }
                    take(record, q: view.q, at: view.time)
                }
            } catch {
                if case .unknown = error {} else { detail.damage = "\(error)" }
            }
        }
        readFile()
        for logged in logged[id] ?? [] { take(logged.record, q: logged.q, at: logged.time) }
        detail.postponed = postponed[id]
        if !detail.status.isFinal, let row = others.first(where: { $0.id == id }) {
            detail.waitingFor = row.waitingFor
            detail.problems = row.problems
        }
        // The file of a run that was set aside is left as it was, without its end: the list has that.
        if !detail.status.isFinal, let row = finishedRow(of: id) {
            // It may also have got its end, and the list with it, since it was read.
            readFile()
            if !detail.status.isFinal { detail.take(row) }
        }
        guard count > 0 || detail.damage != nil || detail.status.isFinal else { throw .unknownRun(id.text) }
        if case .received(let day, let event)? = detail.queued?.input { detail.event = storedEvent(event, day: day) }
        return detail
    }

    private func finishedRow(of id: ULID) -> RunRow? {
        guard let content = try? disk.contents(of: RunPath.index(hour: RunPath.hour(of: id))) else { return nil }
        return RunIndex.run(id, in: content).map(RunRow.init)
    }

    /// An event that was too large to be carried by its runs.
    private func storedEvent(_ id: ULID, day: Int32) -> [UInt8]? {
        var found: [UInt8]?
        _ = try? RunRecords(disk: disk, stream: .events(day: day)) { view in
            guard found == nil, case .eventReceived(let event, _)? = try? view.decoded(), event.id == id else {
                return
            }
            found = event.json
        }
        return found
    }

    /// An event that was received, and what came of it.
    package func event(_ text: String) throws(ReadError) -> EventDetail {
        guard let id = ULID(text.uppercased()) else { throw .unknownEvent(text) }
        if let loggedEvent, loggedEvent.event.id == id { return loggedEvent }
        if let found = try? find(around: id.time, { $0.event.id == id }) ?? findNewest({ $0.event.id == id }) {
            return found.event
        }
        // It is not where it should be, so its file may be damaged. An id is made when its event comes in, and the event is
        // recorded a moment later, perhaps on the next day.
        for day in [id.time.day, id.time.day + 1] {
            let path = StreamID.events(day: day).path
            if let status = try? disk.stat(path), status.bytes > EventQuery.bytesMax { continue }
            var found: EventDetail?
            do throws(RunRecordsError) {
                _ = try RunRecords(disk: disk, stream: .events(day: day)) { view in
                    guard found == nil, case .eventReceived(let event, let outcome)? = try? view.decoded(),
                        event.id == id
                    else { return }
                    found = EventDetail(event: event, outcome: outcome, receivedAt: view.time)
                }
            } catch {
                // What was found was checked by itself, whatever is wrong with the rest of the day.
                if found == nil {
                    if case .unknown = error { continue }
                    throw .unreadable("\(error)")
                }
            }
            if let found { return found }
        }
        throw .unknownEvent(text)
    }

    /// What makes a new run from the event of an old one.
    /// - Parameter step: results recorded before anything of this step are kept; nil for none.
    package func retryCommand(of id: ULID, from step: String?) throws(ReadError) -> Command {
        let detail = try detail(of: id)
        guard let queued = detail.queued else {
            throw .unreadable("the first record of run \(id.text) cannot be read: \(detail.damage ?? "it is missing")")
        }
        guard detail.status.isFinal else { throw .notEnded(id, detail.status) }
        var copied: [CopiedResult] = []
        if let step {
            guard let results = detail.results(before: step) else {
                throw .unknownStep(step, run: id, known: detail.steps.map(\.key))
            }
            copied = results
        }
        return .retry(
            origin: id, function: queued.function, input: queued.input, eventName: queued.eventName,
            eventCount: queued.eventCount, copied: copied)
    }
}

extension Node {
    /// What people see now. Brings the run files up to date first, so it may block and is not for the writer's thread.
    /// - Parameter unfinished: the core's summaries of a moment ago. Taken before, so that a run that ends in between
    ///   is in both lists and none is missing.
    package func readModel(unfinished: [RunSummary]) throws(ReadError) -> ReadModel {
        do throws(FileError) {
            try journal.follower.catchUp(to: journal.flushedQ)
        } catch {
            throw .unreadable("the run files cannot be brought up to date: \(error)")
        }
        return ReadModel(
            disk: journal.disk, others: unfinished.map(RunRow.init), postponed: postponedReasons.withLock { $0 })
    }
}
