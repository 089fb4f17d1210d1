import DaybookCore
import DaybookNode
import DaybookValues
import DaybookWire
import Hummingbird

// Events and runs as SDKs read them: `/v1`.
extension API {
    /// `{"data":…,"metadata":{"fetched_at":"…"}}`
    func sdkResponse(_ append: (inout [UInt8]) -> Void) -> Response {
        var json: [UInt8] = []
        json.append(json: #"{"data":"#)
        append(&json)
        json.append(json: #","metadata":{"fetched_at":"#)
        json.append(jsonString: wallNow.rfc3339)
        json.append(json: "}}")
        return Response(json)
    }

    func sdkEvents(_ call: Call) async throws -> Response {
        var query = EventQuery()
        if let limit = call.query("limit").flatMap({ Int($0) }), (1...EventQuery.limitMax).contains(limit) {
            query.limit = limit
        }
        query.name = call.query("name")
        query.receivedAfter = try call.instant("received_after")
        query.receivedBefore = try call.instant("received_before")
        if let text = call.query("cursor") {
            // The id of the last event of a page, or what a page of our own ended with.
            query.cursor = EventCursor(text)
            if let id = ULID(text) {
                query.cursor = try await read([]) { (model) throws(ReadError) in try model.cursor(behind: id) }
            }
            guard query.cursor != nil else {
                throw APIError(.badRequest, "Invalid cursor: \(text)")
            }
        }
        let page = try await page(query)
        return sdkResponse { json in json.append(jsonList: page.rows) { $0.appendForSDK(to: &$1) } }
    }

    func sdkEvent(_ call: Call) async throws -> Response {
        let event = try await sdkEvent(named: call.parameter("id"))
        return sdkResponse { event.appendForSDK(to: &$0) }
    }

    private func sdkEvent(named text: String) async throws -> EventDetail {
        guard ULID(text) != nil else { throw APIError(.badRequest, "Invalid event ID: \(text)") }
        do {
            return try await read([]) { (model) throws(ReadError) in try model.event(text) }
        } catch let error as APIError where error.status == .notFound {
            throw APIError(.notFound, "Event not found")
        }
    }

    func sdkRunsOfEvent(_ call: Call) async throws -> Response {
        let event = try await sdkEvent(named: call.parameter("id"))
        let runs = try await details(of: runIDs(of: event))
        let versions = await versions()
        return sdkResponse { json in
            json.append(jsonList: runs) { $0.appendForSDK(to: &$1, event: event.event.id, versions) }
        }
    }

    func sdkRun(_ call: Call) async throws -> Response {
        let run = try await sdkRun(named: call.parameter("id"))
        var event: ULID?
        if let queued = run.queued {
            event = try await eventID(of: run.id, queued, queuedAt: run.queuedAt, input: run.event)
        }
        let versions = await versions()
        return sdkResponse { [event] json in run.appendForSDK(to: &json, event: event, versions) }
    }

    private func sdkRun(named text: String) async throws -> RunDetail {
        guard let id = ULID(text) else { throw APIError(.badRequest, "Invalid run ID: \(text)") }
        do {
            return try await detail(of: id)
        } catch let error as APIError where error.status == .notFound {
            throw APIError(.notFound, "Unable to load function run: \(text)")
        }
    }

    /// The id of the event that a run was started by, the first one of a batch.
    private func eventID(
        of run: ULID, _ queued: QueuedRun, queuedAt: Timestamp, input: [UInt8]?
    ) async throws -> ULID? {
        if case .received(_, let id) = queued.input { return id }
        let view = input.flatMap { JSONView($0) }
        let event = view?.kind == .array ? view?.element(0) : view
        // An event whose sender gave it no id has its own there.
        if let id = event?.member("id")?.string.flatMap({ ULID($0) }) { return id }
        return try await read([]) { (model) throws(ReadError) in
            model.event(thatStarted: run, queuedAt: queuedAt)?.event.id
        }
    }

    /// How often each app has changed what it registered.
    private func versions() async -> [String: Int] {
        await node.inspect { core in
            Dictionary(core.apps.map { ($0.id, $0.revision) }, uniquingKeysWith: { first, _ in first })
        }
    }

    /// Cancels a run; one that has ended is left as it is.
    func sdkCancel(_ call: Call) async throws -> Response {
        let text = call.parameter("id")
        guard let id = ULID(text) else { throw APIError(.badRequest, "Invalid run ID: \(text)") }
        do throws(Refusal) {
            try await node.cancel(id, reason: "somebody asked for it")
        } catch .unknownRun {
            _ = try await sdkRun(named: text)
        } catch {
            throw APIError(error)
        }
        return Response(status: .ok)
    }

    func sdkJobs(_ call: Call) async throws -> Response {
        let run = try await sdkRun(named: call.parameter("id"))
        let id = run.id
        let jobs = await node.inspect { core in core.summary(of: id).map(Job.all) ?? [] }
        return sdkResponse { json in json.append(jsonList: jobs) { $0.append(to: &$1) } }
    }

    /// The functions of an app, in an array of its own.
    func sdkFunctions(_ call: Call) async -> Response {
        let app = call.parameter("app")
        let functions = await node.inspect { core in
            core.functionSummaries.filter { $0.config.app == app && !$0.isRemoved }
        }
        var json: [UInt8] = []
        json.append(jsonList: functions) { function, json in
            let config = function.config
            json.append(json: #"{"id":"#)
            json.append(jsonString: WireUUID.function(config.id))
            json.append(member: "slug", config.id)
            json.append(member: "name", config.name)
            json.append(member: "app_id", config.app)
            json.append(member: "url", config.url)
            json.append(json: #","triggers":"#)
            json.append(jsonList: config.triggers) { trigger, json in
                switch trigger {
                case .event(let name, _, let condition):
                    json.append(json: #"{"event":"#)
                    json.append(jsonString: name)
                    json.append(member: "condition", condition)
                case .cron(let text, _, _):
                    json.append(json: #"{"cron":"#)
                    json.append(jsonString: text)
                }
                json.append(UInt8(ascii: "}"))
            }
            json.append(UInt8(ascii: "}"))
        }
        return Response(json)
    }

    /// Facts that an SDK wants kept beside a step. They are checked and dropped.
    func stepMetadata(_ call: Call) async throws -> Response {
        let invalid = APIError(.badRequest, "Invalid metadata target")
        let body = try await call.body()
        guard (try? JSONText.check(body.bytes)) != nil, let view = JSONView(body.bytes),
            view.member("target")?.kind == .object
        else { throw invalid }
        let known: Set<String> = [
            "inngest.ai", "inngest.http", "inngest.http.timing", "inngest.response_headers", "inngest.warnings",
            "inngest.experiment", "inngest.score",
        ]
        var forbidden: String?
        var bytes = 0
        view.member("metadata")?.forEachElement { entry in
            let kind = entry.member("kind")?.string ?? ""
            if kind.hasPrefix("inngest."), !known.contains(kind) { forbidden = kind }
            bytes += entry.range.count
            return true
        }
        if let forbidden { throw APIError(.forbidden, "metadata kind '\(forbidden)' is reserved") }
        guard bytes <= Self.metadataBytesMax else {
            throw APIError(.contentTooLarge, "metadata is larger than the limit of \(Self.metadataBytesMax) bytes")
        }
        return Response(status: .ok)
    }

    /// Bytes of the metadata of one step: 64 KiB.
    private static let metadataBytesMax = 65_536
}

extension EventDetail {
    fileprivate func appendForSDK(to json: inout [UInt8]) {
        json.append(json: #"{"internal_id":"#)
        json.append(jsonString: event.id.text)
        json.append(member: "account_id", CallCoding.accountID)
        json.append(member: "environment_id", CallCoding.environmentID)
        json.append(json: #","source":"","source_id":null,"received_at":"#)
        json.append(jsonString: receivedAt.rfc3339)
        json.append(UInt8(ascii: ","))
        // The event's own members, without its brace.
        json.append(contentsOf: event.json.dropFirst())
    }
}

extension RunDetail {
    fileprivate func appendForSDK(to json: inout [UInt8], event: ULID?, _ versions: [String: Int]) {
        // An app's name may have dashes too, so the longest that fits is meant.
        let app = versions.keys.filter { function.hasPrefix($0 + "-") }.max { $0.utf8.count < $1.utf8.count }
        json.append(json: #"{"run_id":"#)
        json.append(jsonString: id.text)
        json.append(member: "status", sdkStatus)
        json.append(member: "run_started_at", (startedAt ?? queuedAt).rfc3339)
        json.append(json: #","ended_at":"#)
        if let endedAt { json.append(jsonString: endedAt.rfc3339) } else { json.append(json: "null") }
        json.append(member: "function_id", WireUUID.function(function))
        json.append(member: "function_slug", function)
        json.append(json: #","function_version":"#)
        json.append(json: app.flatMap { versions[$0] } ?? 1)
        json.append(member: "environment_id", CallCoding.environmentID)
        json.append(json: #","event_id":"#)
        if let event { json.append(jsonString: event.text) } else { json.append(json: "null") }
        if case .retry(let origin)? = queued?.cause { json.append(member: "original_run_id", origin.text) }
        json.append(json: #","output":"#)
        json.append(contentsOf: output ?? error ?? Array("null".utf8))
        json.append(UInt8(ascii: "}"))
    }

    private var sdkStatus: String {
        switch status {
        case .queued: "Scheduled"
        case .running: "Running"
        case .completed: "Completed"
        case .failed, .quarantined: "Failed"
        case .cancelled: "Cancelled"
        }
    }
}
