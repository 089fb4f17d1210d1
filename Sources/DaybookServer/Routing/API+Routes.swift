import Hummingbird

extension API {
    /// The number of the route that takes events.
    static let ingestRoute = 0

    static let allRoutes: [Route] =
        [Route(.post, "/e/{key}", .eventKey, .event) { try await $0.ingest($1) }]
        + serverRoutes + sdkRoutes + managementRoutes

    private static let serverRoutes = [
        Route(.get, "/health", .open) { await $0.health($1) },
        Route(.get, "/metrics", .signingKey) { await $0.writeMetrics($1) },
    ]

    /// What SDKs call.
    private static let sdkRoutes = [
        Route(.post, "/invoke/{slug}", .signingKey, .sdk) { try await $0.invoke($1) },
        Route(.post, "/fn/register", .signingKey, .sdk) { try await $0.register($1) },
        Route(.delete, "/fn/remove", .signingKey, .sdk) { try await $0.unregister($1) },
        Route(.get, "/dev", .signingKey, .sdk) { api, call in await api.devInfo(call) },
        Route(.get, "/v0/runs/{id}/actions", .signingKey, .sdk) { try await $0.runActions($1) },
        Route(.get, "/v0/runs/{id}/batch", .signingKey, .sdk) { try await $0.runBatch($1) },
        Route(.delete, "/v0/runs/{id}", .signingKey, .sdk) { try await $0.endRun($1) },
        Route(.post, "/v0/telemetry", .signingKey, .sdk) { try await $0.dropped($1) },
        Route(.get, "/v1/events", .signingKey, .sdk) { try await $0.sdkEvents($1) },
        Route(.get, "/v1/events/{id}", .signingKey, .sdk) { try await $0.sdkEvent($1) },
        Route(.get, "/v1/events/{id}/runs", .signingKey, .sdk) { try await $0.sdkRunsOfEvent($1) },
        Route(.get, "/v1/runs/{id}", .signingKey, .sdk) { try await $0.sdkRun($1) },
        Route(.delete, "/v1/runs/{id}", .signingKey, .sdk) { try await $0.sdkCancel($1) },
        Route(.get, "/v1/runs/{id}/jobs", .signingKey, .sdk) { try await $0.sdkJobs($1) },
        Route(.post, "/v1/runs/{id}/metadata", .signingKey, .sdk) { try await $0.stepMetadata($1) },
        Route(.get, "/v1/apps/{app}/functions", .signingKey, .sdk) { api, call in await api.sdkFunctions(call) },
        Route(.post, "/v1/cancellations", .signingKey, .sdk) { try await $0.addCancellation($1) },
        Route(.get, "/v1/cancellations", .signingKey, .sdk) { api, call in await api.listCancellations(call) },
        Route(.delete, "/v1/cancellations/{id}", .signingKey, .sdk) { try await $0.stopCancellation($1) },
        Route(.post, "/v1/signals", .signingKey, .sdk) { try await $0.signal($1) },
        Route(.post, "/v1/checkpoint/{id}/async", .signingKey, .sdk) { try await $0.checkpoint($1) },
        Route(.post, "/v1/traces/userland", .signingKey, .sdk) { try await $0.dropped($1) },
    ]

    /// What people and their scripts call.
    private static let managementRoutes = [
        Route(.get, "/api/openapi.json", .signingKey) { api, call in api.description(call) },
        Route(.get, "/api/runs", .signingKey) { try await $0.runs($1) },
        Route(.get, "/api/runs/{id}", .signingKey) { try await $0.run($1) },
        Route(.post, "/api/runs/{id}/cancel", .signingKey) { try await $0.cancel($1) },
        Route(.post, "/api/runs/{id}/retry", .signingKey) { try await $0.retry($1) },
        Route(.get, "/api/runs/{id}/jobs", .signingKey) { try await $0.jobs($1) },
        Route(.get, "/api/events", .signingKey) { try await $0.events($1) },
        Route(.post, "/api/events", .signingKey, .event) { try await $0.send($1) },
        Route(.get, "/api/events/{id}", .signingKey) { try await $0.event($1) },
        Route(.get, "/api/events/{id}/runs", .signingKey) { try await $0.runsOfEvent($1) },
        Route(.get, "/api/functions", .signingKey) { api, call in await api.functions(call) },
        Route(.get, "/api/functions/{id}", .signingKey) { try await $0.function($1) },
        Route(.post, "/api/functions/{id}/pause", .signingKey) { try await $0.setPaused(true, $1) },
        Route(.post, "/api/functions/{id}/resume", .signingKey) { try await $0.setPaused(false, $1) },
        Route(.post, "/api/functions/{id}/invoke", .signingKey) { try await $0.invokeFunction($1) },
        Route(.get, "/api/apps", .signingKey) { api, call in await api.listApps(call) },
        Route(.post, "/api/apps", .signingKey) { try await $0.addApp($1) },
        Route(.get, "/api/apps/{id}", .signingKey) { try await $0.app($1) },
        Route(.post, "/api/apps/{id}/sync", .signingKey) { try await $0.syncApp($1) },
        Route(.delete, "/api/apps/{id}", .signingKey) { try await $0.removeApp($1) },
        Route(.post, "/api/cancellations", .signingKey) { try await $0.cancelMany($1) },
        Route(.post, "/api/signals", .signingKey) { try await $0.signal($1) },
        Route(.get, "/api/cron", .signingKey) { try await $0.cron($1) },
        Route(.get, "/api/health", .signingKey) { api, call in await api.health(call) },
        Route(.get, "/api/stream", .signingKey) { try await $0.stream($1) },
        Route(.get, "/api/tail", .signingKey) { api, call in await api.tail(call) },
        Route(.post, "/api/clock", .signingKey) { try await $0.moveClock($1) },
    ]
}
