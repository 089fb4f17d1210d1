import DaybookCore
import DaybookJournal
package import DaybookNode
package import DaybookSystem
import DaybookValues
import Hummingbird
import NIOCore
import NIOPosix
import Synchronization

/// The routes of a server, whatever it listens on.
package final class API: Sendable {
    /// Bytes of a request's body: 32 MiB.
    package static let bodyBytesMax = 32 * 1_048_576

    package struct Identity: Sendable {
        package var version: String
        package var dataDirectory: String
        /// Whether the clock may be moved.
        package var isDev: Bool

        package init(version: String, dataDirectory: String, isDev: Bool) {
            self.version = version
            self.dataDirectory = dataDirectory
            self.isDev = isDev
        }
    }

    let node: Node
    let identity: Identity
    let clock: ShiftedClock
    let random: any RandomSource
    let tails = OpenTails()
    /// Set once the server is to end: answers that take long are cut short.
    private let ending = Atomic(false)

    package init(
        node: Node, identity: Identity, clock: ShiftedClock, random: any RandomSource = SystemRandomSource()
    ) {
        self.node = node
        self.identity = identity
        self.clock = clock
        self.random = random
    }

    var now: Timestamp { clock.now }

    var isEnding: Bool { ending.load(ordering: .relaxed) }

    /// Ends live tails and whatever else would keep the server from ending.
    func end() {
        ending.store(true, ordering: .relaxed)
        tails.finish()
    }

    func makeRouter() -> Router<BasicRequestContext> {
        let router = Router(context: BasicRequestContext.self)
        router.add(middleware: APIErrors())
        router.post("e/:key") { request, _ in await self.ingest(request) }
        router.get("health") { _, _ in await self.health() }
        router.get("v1/functions") { _, _ in await self.functions() }
        router.get("v1/functions/:id") { _, context in try await self.function(context.parameters.require("id")) }
        router.post("v1/functions/:id/pause") { _, context in
            try await self.setPaused(true, context.parameters.require("id"))
        }
        router.post("v1/functions/:id/resume") { _, context in
            try await self.setPaused(false, context.parameters.require("id"))
        }
        router.get("v1/runs") { request, _ in try await self.runs(request) }
        router.get("v1/runs/:id") { _, context in try await self.run(context.parameters.require("id")) }
        router.delete("v1/runs/:id") { _, context in try await self.cancel(context.parameters.require("id")) }
        router.post("v1/runs/cancel") { request, _ in try await self.cancelMany(request) }
        router.post("v1/runs/:id/retry") { request, context in
            try await self.retry(context.parameters.require("id"), request)
        }
        router.get("v1/events/:id") { _, context in try await self.event(context.parameters.require("id")) }
        router.get("v1/cron") { request, _ in try await self.cron(request) }
        router.get("v1/tail") { _, _ in await self.tail() }
        router.post("dev/clock") { request, _ in try await self.moveClock(request) }
        return router
    }

    // MARK: - Server

    private func health() async -> Response {
        let runCount = await node.inspect { $0.runCount }
        var json: [UInt8] = []
        json.append(json: #"{"status":200,"message":"OK","version":"#)
        json.append(jsonString: identity.version)
        json.append(json: #","mode":"#)
        json.append(jsonString: identity.isDev ? "dev" : "serve")
        json.append(json: #","dataDirectory":"#)
        json.append(jsonString: identity.dataDirectory)
        json.append(json: #","epoch":"#)
        json.append(json: node.journal.report.epoch)
        json.append(json: #","unfinishedRuns":"#)
        json.append(json: runCount)
        json.append(json: #","now":"#)
        json.append(jsonString: now.rfc3339)
        json.append(json: #","storage":"#)
        json.append(jsonString: node.journal.keeper.pressure == .normal ? "ok" : "full")
        json.append(UInt8(ascii: "}"))
        return Response(json)
    }

    private func cron(_ request: Request) async throws -> Response {
        let count = try request.count("count", default: 10, max: 1_000)
        let functions = await node.inspect { $0.functionSummaries }
        return Response(list: FunctionTick.next(of: functions, after: now, count: count)) { $0.append(to: &$1) }
    }

    private func moveClock(_ request: Request) async throws -> Response {
        guard identity.isDev else {
            throw APIError(.forbidden, "the clock can be moved in dev mode only; this server was started with `serve`")
        }
        let body = try await request.jsonBody()
        guard let milliseconds = body?.member("advance")?.integer, milliseconds > 0 else {
            throw APIError(.badRequest, #"the body must be {"advance":MILLISECONDS}, with a whole number above 0"#)
        }
        guard now + milliseconds < Timestamp.distantFuture else {
            throw APIError(.badRequest, "the clock cannot be moved beyond the year 9999")
        }
        let offset = await node.advanceClock(by: milliseconds)
        clock.move(to: offset)
        var json: [UInt8] = []
        json.append(json: #"{"now":"#)
        json.append(jsonString: now.rfc3339)
        json.append(json: #","offsetMilliseconds":"#)
        json.append(json: offset)
        json.append(UInt8(ascii: "}"))
        return Response(json)
    }

    // MARK: - Runs

    private func runs(_ request: Request) async throws -> Response {
        var query = RunQuery()
        query.limit = try request.count("limit", default: RunQuery.limitDefault, max: RunQuery.limitMax)
        if let text = request.query("status") {
            for name in text.split(separator: ",") {
                guard let status = RunStatus(rawValue: String(name)) else {
                    let known = RunStatus.allCases.map(\.rawValue).joined(separator: ", ")
                    throw APIError(.badRequest, "there is no status '\(name)'; there are \(known)")
                }
                query.statuses.insert(status)
            }
        }
        query.function = request.query("function")
        if let text = request.query("since") {
            guard let since = Timestamp(rfc3339: text) else {
                throw APIError(.badRequest, "since must be an instant such as 2026-11-21T08:00:00Z, not '\(text)'")
            }
            query.since = since
        }
        if let text = request.query("cursor") {
            guard let cursor = ULID(text) else {
                throw APIError(.badRequest, "cursor must be one that an earlier page ended with, not '\(text)'")
            }
            query.cursor = cursor
        }
        let page = try await page(query)
        return Response(list: page.rows, next: page.next?.text) { $0.append(to: &$1) }
    }

    private func run(_ text: String) async throws -> Response {
        var detail = try await read(text) { (model) throws(ReadError) in try model.detail(of: model.resolve(text)) }
        detail.progress = await node.progress(of: detail.id)
        var json: [UInt8] = []
        json.append(json: #"{"data":"#)
        detail.append(to: &json)
        json.append(UInt8(ascii: "}"))
        return Response(json)
    }

    private func retry(_ text: String, _ request: Request) async throws -> Response {
        let from = try await request.jsonBody()?.member("from")
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
        var json: [UInt8] = []
        json.append(json: #"{"id":"#)
        json.append(jsonString: run.text)
        json.append(UInt8(ascii: "}"))
        return Response(json)
    }

    // MARK: - Seams

    /// Looks at runs on a thread that may block.
    /// - Parameter run: the id, or the part of one, that is looked for; nil for all runs.
    func read<Value: Sendable>(
        _ run: String? = nil, _ look: @escaping @Sendable (ReadModel) throws(ReadError) -> Value
    ) async throws -> Value {
        let unfinished = await node.inspect { core in
            // A run of which the whole id is known is read from its own records.
            guard let id = run.flatMap({ ULID($0.uppercased()) }) else { return core.runSummaries }
            return core.summary(of: id).map { [$0] } ?? []
        }
        return try await read(unfinished, look)
    }

    private func page(_ query: RunQuery) async throws -> RunPage {
        try await read(await node.inspect { query.unfinished(in: $0) }) { model throws(ReadError) in
            try model.runs(query)
        }
    }

    func read<Value: Sendable>(
        _ unfinished: [RunSummary], _ look: @escaping @Sendable (ReadModel) throws(ReadError) -> Value
    ) async throws -> Value {
        let node = node
        let result = try await NIOThreadPool.singleton.runIfActive { () -> Result<Value, ReadError> in
            do throws(ReadError) {
                return .success(try look(try node.readModel(unfinished: unfinished)))
            } catch {
                return .failure(error)
            }
        }
        switch result {
        case .success(let value): return value
        case .failure(let error): throw APIError(error)
        }
    }

    func submit(_ command: Command) async throws(APIError) -> Answer {
        do throws(Refusal) {
            return try await node.submit(command)
        } catch {
            throw APIError(error)
        }
    }
}
