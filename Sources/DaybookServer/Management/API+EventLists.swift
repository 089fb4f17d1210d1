import DaybookCore
import DaybookNode
import DaybookValues
import Hummingbird

extension API {
    /// Events, newest first; `?name=`, `?since=`, `?until=` and `?internal=true` choose.
    func events(_ call: Call) async throws -> Response {
        var query = EventQuery()
        query.limit = try call.count("limit", default: EventQuery.limitDefault, max: EventQuery.limitMax)
        query.name = call.query("name")
        // A list of what was received since then has what came in at that moment; the query takes later ones only.
        query.receivedAfter = try call.instant("since").map { $0 + -1 }
        query.receivedBefore = try call.instant("until")
        query.includesInternal = call.query("internal") == "true"
        if let text = call.query("cursor") {
            guard let cursor = EventCursor(text) else {
                throw APIError(.badRequest, "cursor must be one that an earlier page ended with, not '\(text)'")
            }
            query.cursor = cursor
        }
        let page = try await page(query)
        return Response(list: page.rows, next: page.next?.text) { $0.append(to: &$1) }
    }

    func page(_ query: EventQuery) async throws -> EventPage {
        try await read([]) { (model) throws(ReadError) in try model.events(query) }
    }

    /// An event by its whole id, and what came of it.
    func event(_ call: Call) async throws -> Response {
        let text = call.parameter("id")
        let event = try await read([]) { (model) throws(ReadError) in try model.event(text) }
        return Response { event.append(to: &$0) }
    }

    /// The runs that an event started; with `?wait=30s` once they have ended, or when that time is over.
    func runsOfEvent(_ call: Call) async throws -> Response {
        let text = call.parameter("id")
        let event = try await read([]) { (model) throws(ReadError) in try model.event(text) }
        let runs = try await runIDs(of: event)
        try await waitForEnd(of: runs, milliseconds: try call.wait())
        let details = try await details(of: runs)
        return Response(list: details) { $0.append(to: &$1) }
    }

    /// The runs that an event started: at once, or out of a debounce or batch that held it.
    func runIDs(of event: EventDetail) async throws -> [ULID] {
        var runs = event.outcome.started
        for held in event.outcome.held {
            var query = RunQuery()
            query.function = held.function
            query.since = event.receivedAt
            query.limit = RunQuery.limitMax
            let candidates = try await page(query).rows.map(\.id)
            let found = try await read([]) { (model) throws(ReadError) in
                model.run(startedBy: held.hold, among: candidates)
            }
            if let found { runs.append(found) }
        }
        return runs
    }

    /// Runs whose ids are on record; one that cannot be found any more is left out.
    func details(of runs: [ULID]) async throws -> [RunDetail] {
        guard !runs.isEmpty else { return [] }
        let unfinished = await node.inspect { core in runs.compactMap { core.summary(of: $0) } }
        return try await read(unfinished) { (model) throws(ReadError) in
            var details: [RunDetail] = []
            for run in runs {
                do throws(ReadError) {
                    details.append(try model.detail(of: run))
                } catch .unknownRun {
                    continue
                }
            }
            return details
        }
    }
}
