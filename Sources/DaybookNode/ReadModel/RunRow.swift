package import DaybookCore
package import DaybookJournal
package import DaybookValues

/// How far a run has come.
package enum RunStatus: String, Sendable, CaseIterable {
    /// Its function has not begun.
    case queued
    /// From its first step to its end, sleeps and waits included.
    case running
    case completed
    case failed
    case cancelled
    /// Its journal is damaged; it was set aside.
    case quarantined

    package var isFinal: Bool { self != .queued && self != .running }
}

/// One run as lists show it.
package struct RunRow: Sendable, Equatable {
    package var id: ULID
    /// The whole id: `<app id>-<function id>`.
    package var function: String
    package var status: RunStatus
    package var queuedAt: Timestamp
    package var startedAt: Timestamp?
    package var endedAt: Timestamp?
    /// Steps that have a result.
    package var stepCount: Int
    /// When its code is tried again, after a failure between steps.
    package var retryAt: Timestamp?
    /// What it waits for; empty for a run that has ended.
    package var open: [RunSummary.Open] = []
    /// Why flow control does not let it run although it has something to do.
    package var waitingFor: RunSummary.Waiting?
    /// Why it stands still although it has something to do: its record cannot be read just now.
    package var postponed: String?
    /// Expressions of flow control that have failed on the run's event, or on one that was compared with it.
    package var problems: [String] = []
    /// Why it was set aside.
    package var reason: String?
    /// The message of the last failed attempt that this process knows of.
    package var lastFailure: String?

    /// An unfinished run, as the core has it.
    package init(_ summary: RunSummary) {
        id = summary.id
        function = summary.function
        status = summary.status == .queued ? .queued : .running
        queuedAt = summary.queuedAt
        startedAt = summary.startedAt
        stepCount = summary.stepCount
        retryAt = summary.retryAt
        open = summary.open
        waitingFor = summary.waiting
        problems = summary.problems
        lastFailure = summary.lastFailure
    }

    /// A finished run, from what the journal's index has of it.
    package init(_ finished: FinishedRun) {
        self.init(
            id: finished.id, kind: finished.kind, index: finished.index, endedAt: finished.finishedAt)
    }

    /// - Parameters:
    ///   - kind: of the run's last record.
    ///   - index: the object that record carries for lists; may be empty.
    init(id: ULID, kind: ArraySlice<UInt8>, index: ArraySlice<UInt8>, endedAt: Timestamp) {
        let view = JSONView(index)
        self.id = id
        function = view?.member("fn")?.string ?? ""
        // The kind is the record's own word and always there; the index is not for a run whose file was rebuilt.
        status = RunStatus(rawValue: String(decoding: kind.dropFirst(4), as: UTF8.self)) ?? .quarantined
        queuedAt = view?.member("queuedAt")?.integer.map(Timestamp.init(milliseconds:)) ?? id.time
        startedAt = view?.member("startedAt")?.integer.map(Timestamp.init(milliseconds:))
        self.endedAt = endedAt
        reason = view?.member("reason")?.string
        stepCount = view?.member("steps")?.integer.map { Int($0) } ?? 0
    }

    /// Appends the row as an object of one line.
    package func append(to json: inout [UInt8]) {
        json.append(json: #"{"id":"#)
        json.append(jsonString: id.text)
        json.append(json: #","function":"#)
        json.append(jsonString: function)
        json.append(json: #","status":"#)
        json.append(jsonString: status.rawValue)
        json.append(member: "queuedAt", queuedAt)
        json.append(member: "startedAt", startedAt)
        json.append(member: "endedAt", endedAt)
        json.append(json: #","steps":"#)
        json.append(json: stepCount)
        json.append(member: "retryAt", retryAt)
        if let waitingFor { waitingFor.append(asMemberTo: &json) }
        json.append(member: "postponed", postponed)
        json.append(member: "problems", problems)
        json.append(member: "lastFailure", lastFailure)
        if !open.isEmpty {
            json.append(json: #","waiting":["#)
            for (index, wait) in open.enumerated() {
                if index > 0 { json.append(UInt8(ascii: ",")) }
                wait.append(to: &json)
            }
            json.append(UInt8(ascii: "]"))
        }
        json.append(UInt8(ascii: "}"))
    }
}

extension RunSummary.Waiting {
    /// Appends `,"waitingFor":{"limit":"concurrency","key":"user-42","used":5,"max":5}`.
    func append(asMemberTo json: inout [UInt8]) {
        json.append(json: #","waitingFor":{"limit":"#)
        switch self {
        case .concurrency(let key, let scope, let used, let limit):
            json.append(json: #""concurrency""#)
            if scope != .function { json.append(member: "scope", scope.rawValue) }
            json.append(member: "key", key)
            json.append(member: "used", used)
            json.append(member: "max", limit)
        case .runs(let key, let used, let limit):
            json.append(json: #""runConcurrency""#)
            json.append(member: "key", key)
            json.append(member: "used", used)
            json.append(member: "max", limit)
        case .throttle(let key, let until):
            json.append(json: #""throttle""#)
            json.append(member: "key", key)
            json.append(member: "until", until)
        case .singleton(let run):
            json.append(json: #""singleton""#)
            json.append(member: "run", run.text)
        case .paused: json.append(json: #""pause""#)
        }
        json.append(UInt8(ascii: "}"))
    }
}

extension RunSummary.Open {
    func append(to json: inout [UInt8]) {
        json.append(json: #"{"step":"#)
        json.append(jsonString: key)
        json.append(json: #","for":"#)
        json.append(jsonString: kind.rawValue)
        json.append(member: "until", due)
        switch kind {
        case .sleep: break
        case .wait:
            json.append(json: #","event":"#)
            json.append(jsonString: detail ?? "")
        case .signal:
            json.append(json: #","signal":"#)
            json.append(jsonString: detail ?? "")
        case .invoke:
            json.append(json: #","run":"#)
            json.append(jsonString: detail ?? "")
        case .retry:
            json.append(json: #","attempt":"#)
            json.append(json: attempt)
        }
        json.append(UInt8(ascii: "}"))
    }
}

/// Which runs a list shows.
package struct RunQuery: Sendable, Equatable {
    /// Runs on one page, unless it says otherwise: 100.
    package static let limitDefault = 100
    /// The largest page: 400. Lists read straight from the files have no such limit.
    package static let limitMax = 400

    /// Empty for every status.
    package var statuses: Set<RunStatus> = []
    /// A whole id, or the id within its app; nil for every function.
    package var function: String?
    /// Only runs that were queued at or after it.
    package var since: Timestamp?
    package var limit = limitDefault
    /// Only runs before this one in the list: where the last page ended.
    package var cursor: ULID?

    package init() {}

    func takes(_ row: RunRow) -> Bool { takes(function: row.function, status: row.status) }

    private func takes(function id: String, status: RunStatus) -> Bool {
        if !statuses.isEmpty, !statuses.contains(status) { return false }
        if let function, id != function, !id.hasSuffix("-" + function) { return false }
        return true
    }

    /// The unfinished runs that can be on the page.
    package func unfinished(in core: Core) -> [RunSummary] {
        core.newestRuns(before: cursor, limit: limit + 1) { function, hasStarted in
            takes(function: function, status: hasStarted ? .running : .queued)
        }
    }
}

/// A page of a list, newest run first.
package struct RunPage: Sendable, Equatable {
    package var rows: [RunRow]
    /// Where to go on; nil at the end.
    package var next: ULID?
}
