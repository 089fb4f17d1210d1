import DaybookCore
import DaybookJournal
import DaybookNode
import DaybookSDK
import DaybookValues
import Hummingbird

extension API {
    /// For whoever watches over the server. What only its owner should know is told on the Unix socket alone.
    func health(_ call: Call) async -> Response {
        var json: [UInt8] = []
        json.append(json: #"{"status":200,"message":"OK","version":"#)
        json.append(jsonString: identity.version)
        json.append(member: "mode", identity.isDev ? "dev" : "serve")
        json.append(member: "storage", isStorageFull ? "full" : "ok")
        if call.isTrusted {
            let runCount = await node.inspect { $0.runCount }
            json.append(member: "dataDirectory", identity.dataDirectory)
            json.append(json: #","epoch":"#)
            json.append(json: node.journal.report.epoch)
            json.append(json: #","unfinishedRuns":"#)
            json.append(json: runCount)
            json.append(member: "now", now.rfc3339)
        }
        json.append(UInt8(ascii: "}"))
        return Response(json)
    }

    var isStorageFull: Bool { node.journal.keeper.pressure != .normal }

    /// The next ticks of all schedules.
    func cron(_ call: Call) async throws -> Response {
        let count = try call.count("count", default: 10, max: 1_000)
        let functions = await node.inspect { $0.functionSummaries }
        return Response(list: FunctionTick.next(of: functions, after: now, count: count)) { $0.append(to: &$1) }
    }

    func moveClock(_ call: Call) async throws -> Response {
        guard identity.isDev else {
            throw APIError(.forbidden, "the clock can be moved in dev mode only; this server was started with `serve`")
        }
        let body = try await call.jsonBody()
        guard let milliseconds = body?.member("advance")?.integer, milliseconds > 0 else {
            throw APIError(.badRequest, #"the body must be {"advance":MILLISECONDS}, with a whole number above 0"#)
        }
        guard milliseconds < Timestamp.distantFuture - now else {
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

    /// What this server answers, as OpenAPI 3.1.
    func description(_ call: Call) -> Response { Response(openAPIDescription) }

    /// What SDKs and tools look at to tell what kind of server this is.
    func devInfo(_ call: Call) async -> Response {
        let functions = await node.inspect { core in core.functionSummaries.filter { !$0.isRemoved } }
        let apps = await apps?.apps() ?? []
        var json: [UInt8] = []
        json.append(json: #"{"version":"#)
        json.append(jsonString: identity.version)
        json.append(json: #","authed":"#)
        json.append(json: settings.signingKeys != nil)
        json.append(json: #","startOpts":{},"functions":"#)
        json.append(jsonList: functions) { function, json in
            json.append(json: #"{"id":"#)
            json.append(jsonString: function.config.id)
            json.append(member: "name", function.config.name)
            json.append(member: "slug", function.config.id)
            json.append(UInt8(ascii: "}"))
        }
        json.append(json: #","handlers":"#)
        json.append(jsonList: apps) { app, json in
            json.append(json: #"{"sdk":{"url":"#)
            json.append(jsonString: app.url)
            json.append(member: "appName", app.name)
            json.append(member: "sdk", app.sdk)
            json.append(json: "}}")
        }
        json.append(json: #","isSingleNodeService":true,"isMissingSigningKey":"#)
        json.append(json: settings.signingKeys == nil && !identity.isDev)
        json.append(json: #","isMissingEventKeys":"#)
        json.append(json: settings.eventKeys.isEmpty && !identity.isDev)
        json.append(json: #","features":{}}"#)
        return Response(json)
    }
}
