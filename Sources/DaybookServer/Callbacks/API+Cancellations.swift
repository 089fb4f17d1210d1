import DaybookCore
import DaybookNode
import DaybookSystem
import DaybookValues
import Hummingbird
import Synchronization

extension API {
    /// Begins to cancel the unfinished runs of a function that were queued in a span of time.
    func addCancellation(_ call: Call) async throws -> Response {
        guard let body = try await call.jsonBody(), body.kind == .object else {
            throw APIError(.badRequest, "Invalid cancellation: the body must be an object")
        }
        let (app, function) = (body.member("app_id")?.string ?? "", body.member("function_id")?.string ?? "")
        let text = { (name: String) in body.member(name).flatMap { $0.isNull ? nil : $0.string } }
        let after = text("started_after").flatMap { Timestamp(rfc3339: $0) }
        let before = text("started_before").flatMap { Timestamp(rfc3339: $0) }
        var problems: [String] = []
        if app.isEmpty { problems.append("app_id is required") }
        if function.isEmpty { problems.append("function_id is required") }
        if text("started_after") != nil, after == nil { problems.append("started_after must be an RFC 3339 date") }
        if let before {
            // Clocks differ a little.
            if before > now + 5_000 { problems.append("started_before must be in the past") }
            if let after, after >= before { problems.append("started_after must be before started_before") }
        } else {
            problems.append(
                text("started_before") == nil ? "started_before is required" : "started_before must be an RFC 3339 date"
            )
        }
        guard problems.isEmpty else { throw APIError(.badRequest, problems.joined(separator: "\n")) }
        let known = await node.inspect { core in core.functionSummaries.map(\.config.id) }
        guard let id = [function, "\(app)-\(function)"].first(where: known.contains) else {
            throw APIError(.notFound, "there is no function '\(function)' in app '\(app)'")
        }
        let bulk: BulkCancel
        do throws(BulkCancelError) {
            bulk = try BulkCancel(
                function: id, queuedAfter: after, queuedBefore: before, condition: text("if"),
                reason: "a bulk cancellation asked for it")
        } catch {
            throw APIError(.badRequest, error.description)
        }
        let cancellation = Cancellation(
            id: ULID(at: now, random: (random.next(), random.next())), app: app, function: function, after: after,
            before: before, condition: text("if"))
        cancellations.add(cancellation)
        let node = node
        Task {
            var work = await node.begin(bulk)
            do throws(Refusal) {
                repeat {
                    try await work.next()
                    cancellation.note(work.account)
                } while !work.isDone && !cancellation.isStopped && !self.isEnding
                cancellation.finish(cancellation.isStopped ? .stopped : work.isDone ? .done : .interrupted)
            } catch {
                cancellation.finish(.interrupted)
            }
        }
        return sdkResponse { cancellation.append(to: &$0) }
    }

    func listCancellations(_ call: Call) async -> Response {
        let all = cancellations.all
        return sdkResponse { json in json.append(jsonList: all) { $0.append(to: &$1) } }
    }

    /// Stops one that is under way; what it has cancelled stays so.
    func stopCancellation(_ call: Call) async throws -> Response {
        let text = call.parameter("id")
        guard let found = cancellations.all.first(where: { $0.id.text == text.uppercased() }) else {
            throw APIError(.notFound, "there is no cancellation '\(text)'; those before the last start are forgotten")
        }
        found.stop()
        return Response(status: .ok)
    }
}

/// Bulk cancellations of this process, the newest of them.
final class Cancellations: Sendable {
    /// Older ones are forgotten: 100.
    private static let keptMax = 100

    private let kept = Mutex<[Cancellation]>([])

    /// Newest first.
    var all: [Cancellation] { kept.withLock { $0.reversed() } }

    func add(_ cancellation: Cancellation) {
        kept.withLock { kept in
            kept.append(cancellation)
            if kept.count > Self.keptMax { kept.removeFirst() }
        }
    }
}

/// A bulk cancellation, under way or over.
final class Cancellation: Sendable {
    enum Status: String, Sendable {
        case running
        case done
        case stopped
        /// The server ended before it was done.
        case interrupted
    }

    let id: ULID
    private let app: String
    private let function: String
    private let after: Timestamp?
    private let before: Timestamp?
    private let condition: String?
    private let state = Mutex<(status: Status, isStopped: Bool, cancelled: Int)>((.running, false, 0))

    init(id: ULID, app: String, function: String, after: Timestamp?, before: Timestamp?, condition: String?) {
        self.id = id
        self.app = app
        self.function = function
        self.after = after
        self.before = before
        self.condition = condition
    }

    var isStopped: Bool { state.withLock { $0.isStopped } }

    func stop() {
        state.withLock { $0.isStopped = true }
    }

    func note(_ account: BulkCancelAccount) {
        state.withLock { $0.cancelled = account.cancelled }
    }

    func finish(_ status: Status) {
        state.withLock { $0.status = status }
    }

    func append(to json: inout [UInt8]) {
        let (status, _, cancelled) = state.withLock { $0 }
        json.append(json: #"{"id":"#)
        json.append(jsonString: id.text)
        json.append(member: "app_id", app)
        json.append(member: "function_id", function)
        json.append(member: "started_after", after?.rfc3339)
        json.append(member: "started_before", before?.rfc3339)
        json.append(member: "if", condition)
        json.append(member: "status", status.rawValue)
        json.append(json: #","cancelled":"#)
        json.append(json: cancelled)
        json.append(UInt8(ascii: "}"))
    }
}
