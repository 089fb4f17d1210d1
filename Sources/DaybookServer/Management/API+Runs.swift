import DaybookCore
import DaybookNode
import DaybookValues
import Hummingbird

extension API {
    func runs(_ call: Call) async throws -> Response {
        var query = RunQuery()
        query.limit = try call.count("limit", default: RunQuery.limitDefault, max: RunQuery.limitMax)
        if let text = call.query("status") {
            for name in text.split(separator: ",") {
                guard let status = RunStatus(rawValue: String(name)) else {
                    let known = RunStatus.allCases.map(\.rawValue).joined(separator: ", ")
                    throw APIError(.badRequest, "there is no status '\(name)'; there are \(known)")
                }
                query.statuses.insert(status)
            }
        }
        query.function = call.query("function")
        query.since = try call.instant("since")
        if let text = call.query("cursor") {
            guard let cursor = ULID(text) else {
                throw APIError(.badRequest, "cursor must be one that an earlier page ended with, not '\(text)'")
            }
            query.cursor = cursor
        }
        let page = try await page(query)
        return Response(list: page.rows, next: page.next?.text) { $0.append(to: &$1) }
    }

    func page(_ query: RunQuery) async throws -> RunPage {
        try await read(await node.inspect { query.unfinished(in: $0) }) { model throws(ReadError) in
            try model.runs(query)
        }
    }

    /// One run by its id or a part of it; with `?wait=30s` once it has ended, or when that time is over.
    func run(_ call: Call) async throws -> Response {
        let id = try await run(named: call.parameter("id"))
        try await waitForEnd(of: [id], milliseconds: try call.wait())
        let detail = try await detail(of: id)
        return Response { detail.append(to: &$0) }
    }

    func run(named text: String) async throws -> ULID {
        if let id = ULID(text) { return id }
        return try await read(text) { (model) throws(ReadError) in try model.resolve(text) }
    }

    func detail(of id: ULID) async throws -> RunDetail {
        var detail = try await read(id.text) { (model) throws(ReadError) in try model.detail(of: id) }
        detail.progress = await node.progress(of: id)
        return detail
    }

    /// Waits until all of the runs have ended, the time is over, or the server ends.
    func waitForEnd(of runs: [ULID], milliseconds: Int64) async throws(APIError) {
        guard milliseconds > 0 else { return }
        let deadline = monotonicNow + UInt64(milliseconds) * 1_000_000
        for run in runs {
            guard let waiter = watch.waiter(for: run) else {
                throw APIError(
                    .serviceUnavailable, "\(Watch.waitersMax) requests wait for runs already; ask without wait")
            }
            defer { watch.remove(waiter) }
            guard await node.inspect({ $0.hasRun(run) }) else { continue }
            let now = monotonicNow
            guard now < deadline, !isEnding else { return }
            await waiter.wait(milliseconds: Int64((deadline - now) / 1_000_000) + 1)
        }
    }

    /// What the run waits for or does next, by step.
    func jobs(_ call: Call) async throws -> Response {
        let id = try await run(named: call.parameter("id"))
        guard let summary = await node.inspect({ $0.summary(of: id) }) else {
            // Ended, or not there at all.
            _ = try await detail(of: id)
            return Response(list: [Job]()) { _, _ in }
        }
        return Response(list: Job.all(of: summary)) { $0.append(to: &$1) }
    }

    func retry(_ call: Call) async throws -> Response {
        let text = call.parameter("id")
        let from = try await call.jsonBody()?.member("from")
        guard from == nil || from?.isNull == true || from?.string != nil else {
            throw APIError(.badRequest, #""from" must be the id of a step"#)
        }
        let step = from?.string
        let command = try await read(text) { (model) throws(ReadError) in
            try model.retryCommand(of: model.resolve(text), from: step)
        }
        guard case .queued(let run) = try await submit(command) else {
            throw APIError(.internalServerError, "the new run was not queued")
        }
        try await waitForEnd(of: [run], milliseconds: try call.wait())
        var json: [UInt8] = []
        json.append(json: #"{"id":"#)
        json.append(jsonString: run.text)
        json.append(UInt8(ascii: "}"))
        return Response(json)
    }
}

/// Something that a run is going to do.
struct Job: Sendable {
    enum Kind: String, Sendable {
        /// The function begins, or its code goes on.
        case start
        case `continue`
        case retry
        case sleep
        case wait
        case invoke
        case signal
    }

    var kind: Kind
    /// Nil for the code between steps.
    var step: String?
    /// When it is due at the latest; nil for as soon as there is room.
    var at: Timestamp?
    /// From 1.
    var attempt: Int

    static func all(of run: RunSummary) -> [Job] {
        var jobs = run.open.map { open in
            Job(
                kind: Kind(rawValue: open.kind.rawValue) ?? .wait, step: open.key, at: open.due, attempt: open.attempt)
        }
        if run.status == .queued {
            jobs.insert(Job(kind: .start, at: run.startAt, attempt: run.attempt), at: 0)
        } else if let retryAt = run.retryAt {
            jobs.insert(Job(kind: .retry, at: retryAt, attempt: run.attempt), at: 0)
        } else if !run.isParked {
            jobs.insert(Job(kind: .continue, attempt: run.attempt), at: 0)
        }
        return jobs
    }

    func append(to json: inout [UInt8]) {
        json.append(json: #"{"kind":"#)
        json.append(jsonString: kind.rawValue)
        if let step {
            json.append(json: #","step":"#)
            json.append(jsonString: step)
        }
        if let at {
            json.append(json: #","at":"#)
            json.append(jsonString: at.rfc3339)
        }
        json.append(json: #","attempt":"#)
        json.append(json: attempt)
        json.append(UInt8(ascii: "}"))
    }
}
