import DaybookSystem
import DaybookValues
import DaybookWire
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore

/// Answers the requests that come in by one listener.
struct Responder: Sendable {
    private let api: API
    private let logger: Logger
    /// Nil for the Unix socket, which is trusted.
    private let hostGuard: RequestGuard?
    private let clock = SystemMonotonicClock()

    /// - Parameter boundHost: what the listener is bound to; nil for the Unix socket.
    init(_ api: API, boundHost: String?, logger: Logger) {
        self.api = api
        self.logger = logger
        hostGuard = boundHost.map { RequestGuard(boundHost: $0, allowedHosts: api.settings.allowedHosts) }
    }

    private var isTrusted: Bool { hostGuard == nil }

    /// Answers one request and writes the answer.
    @concurrent func respond(
        to request: Request, _ writer: consuming ResponseWriter, _ channel: any Channel
    ) async throws {
        let start = clock.nowNanoseconds
        if request.headers[.expect]?.lowercased() == "100-continue" {
            try await writer.writeInformationalHead(HTTPResponse(status: .continue))
        }
        let path = request.uri.path
        var (response, route) = await answer(request, path)
        response.headers[.serverKind] = api.settings.kind
        response.headers[.date] = api.dates.text(at: api.wallNow)
        if request.method == .head { response = response.createHeadResponse() }
        let status = response.status.code
        let closes = response.headers[.connection] == "close"
        try await writer.write(response: response.head, body: response.body)
        // The rest of a body that nobody wants is not waited for.
        if closes { channel.eventLoop.scheduleTask(in: .seconds(2)) { channel.close(promise: nil) } }
        let microseconds = (clock.nowNanoseconds &- start) / 1_000
        api.metrics.count(route: route, status: status)
        logger.debug(
            "request",
            metadata: [
                "method": "\(request.method.rawValue)", "path": "\(route == API.ingestRoute ? "/e/…" : path)",
                "status": "\(status)", "microseconds": "\(microseconds)",
            ])
    }

    /// The answer, and the number of the route that gave it.
    private func answer(_ request: Request, _ path: String) async -> (Response, Int?) {
        // By far the most requests.
        if request.method == .post, path.hasPrefix("/e/"), !path.dropFirst(3).contains("/") {
            let parameters = [("key", unescaped(path.dropFirst(3)) ?? "")]
            return (await serve(API.ingestRoute, request, parameters), API.ingestRoute)
        }
        let method = request.method == .head ? .get : request.method
        switch api.routes.match(method, path) {
        case .found(let index, let parameters): return (await serve(index, request, parameters), index)
        case .otherMethods(let routes):
            return (answerOtherMethod(request, path, routes), nil)
        case .none:
            if let problem = problem(request, .open) { return (problem, nil) }
            let refusal = APIError(.notFound, "there is no \(method.rawValue) \(path) here")
            return (refusal.response(path.hasPrefix("/api/") ? .plain : .sdk), nil)
        }
    }

    /// The answer to a method that the path does not have; for browsers, what it has.
    private func answerOtherMethod(_ request: Request, _ path: String, _ routes: [Route]) -> Response {
        let access = routes[0].access
        let allowed = routes.map(\.method.rawValue).joined(separator: ", ")
        var response: Response
        if request.method == .options {
            // Browsers ask without keys.
            if isGuarded(access), let problem = hostGuard?.problem(with: request) { return problem.response(.sdk) }
            response = Response(status: .ok)
            response.headers[.accessControlAllowMethods] = request.headers[.accessControlRequestMethod] ?? allowed
            response.headers[.accessControlAllowHeaders] = request.headers[.accessControlRequestHeaders]
            response.headers[.accessControlMaxAge] = "3600"
        } else {
            if let problem = problem(request, access) { return problem }
            let refusal = APIError(.methodNotAllowed, "\(path) takes \(allowed), not \(request.method.rawValue)")
            response = refusal.response(routes[0].errors)
        }
        response.headers[.allow] = allowed
        return withCORS(response, request, isGuarded: isGuarded(access))
    }

    private func serve(
        _ index: Int, _ request: Request, _ parameters: [(name: String, value: String)]
    ) async -> Response {
        let route = api.routes.routes[index]
        if let problem = problem(request, route.access) { return problem }
        let call = Call(request: request, parameters: parameters, isTrusted: isTrusted)
        var response: Response
        do {
            response = try await route.handle(api, call)
        } catch let error as APIError {
            response = error.response(route.errors)
        } catch {
            logger.error("a request failed", metadata: ["route": "\(route.path)", "error": "\(error)"])
            response = APIError(.internalServerError, "the request failed: \(error)").response(route.errors)
        }
        if request.headers[.origin] != nil {
            response = withCORS(response, request, isGuarded: isGuarded(route.access))
        }
        return response
    }

    // MARK: - Who may ask

    /// The refusal of a request that may not use a route of that access.
    private func problem(_ request: Request, _ access: Route.Access) -> Response? {
        guard let hostGuard else { return nil }
        if isGuarded(access) { return hostGuard.problem(with: request)?.response(.sdk) }
        guard access == .signingKey, let keys = api.settings.signingKeys else { return nil }
        guard keys.accepts(authorization: request.headers[.authorization]) else {
            let refusal = Response(text: "Authentication failed", status: .unauthorized)
            return withCORS(refusal, request, isGuarded: false)
        }
        return nil
    }

    /// Whether `Host` and `Origin` are all there is to tell callers apart.
    private func isGuarded(_ access: Route.Access) -> Bool {
        guard !isTrusted else { return false }
        return switch access {
        case .eventKey: api.settings.eventKeys.isEmpty
        case .open, .signingKey: api.settings.signingKeys == nil
        }
    }

    // MARK: - Web pages

    private func withCORS(_ response: Response, _ request: Request, isGuarded: Bool) -> Response {
        guard let origin = request.headers[.origin] else { return response }
        var response = response
        // No answer depends on cookies, so with keys any page that has them may read it.
        response.headers[.accessControlAllowOrigin] = isGuarded ? origin : "*"
        response.headers[.vary] = "Origin"
        return response
    }
}

extension HTTPFields.Element.Name {
    static let serverKind = HTTPFields.Element.Name("X-Inngest-Server-Kind")!
    static let expectedServerKind = HTTPFields.Element.Name("X-Inngest-Expected-Server-Kind")!
    static let eventIDSeed = HTTPFields.Element.Name("X-Inngest-Event-Id-Seed")!
}
