import DaybookCore
import DaybookNode
import DaybookSDK
import DaybookValues
import Hummingbird

extension API {
    /// The apps behind HTTP and that of this program, as they stand.
    func listApps(_ call: Call) async -> Response {
        let rows = await appRows()
        return Response(list: rows) { $0.append(to: &$1) }
    }

    func app(_ call: Call) async throws -> Response {
        let name = call.parameter("id")
        guard let row = await appRows().first(where: { $0.name == name }) else { throw unknownApp(name) }
        return Response { row.append(to: &$0) }
    }

    /// Asks an app to register, now: `{"url":"http://localhost:3000/api/inngest"}` for one that is not known yet.
    func addApp(_ call: Call) async throws -> Response {
        guard let url = try await call.jsonBody()?.member("url")?.string, !url.isEmpty else {
            throw APIError(
                .badRequest, #"the body must be an object such as {"url":"http://localhost:3000/api/inngest"}"#)
        }
        return Response(try await host().syncNow(url: url))
    }

    func syncApp(_ call: Call) async throws -> Response {
        Response(try await host().syncNow(app: call.parameter("id")))
    }

    func removeApp(_ call: Call) async throws -> Response {
        Response(try await host().remove(app: call.parameter("id")))
    }

    func host() throws(APIError) -> AppHost {
        guard let apps else {
            throw APIError(.notFound, "this server runs the functions of its own program only, no apps behind HTTP")
        }
        return apps
    }

    private func unknownApp(_ name: String) -> APIError {
        APIError(.notFound, "there is no app '\(name)'; /api/apps lists those there are")
    }

    private func appRows() async -> [AppRow] {
        let remote = await apps?.apps() ?? []
        let functions = await node.inspect { core in core.functionSummaries }
        var rows: [String: AppRow] = [:]
        for function in functions where !function.isRemoved && !function.config.isRemote {
            rows[function.config.app, default: AppRow(name: function.config.app)].functionCount += 1
        }
        return rows.values.sorted { $0.name < $1.name }
            + remote.map { AppRow(name: $0.name, functionCount: $0.functionCount, remote: $0) }
    }
}

/// An app as lists show it.
private struct AppRow: Sendable {
    var name: String
    var functionCount = 0
    /// Nil for that of this program.
    var remote: AppSummary?

    func append(to json: inout [UInt8]) {
        json.append(json: #"{"name":"#)
        json.append(jsonString: name)
        json.append(json: #","functions":"#)
        json.append(json: functionCount)
        json.append(json: #","kind":"#)
        json.append(jsonString: remote == nil ? "in-process" : "http")
        if let remote {
            json.append(member: "id", remote.id)
            json.append(member: "url", remote.url)
            json.append(member: "sdk", remote.sdk)
            json.append(member: "framework", remote.framework)
            json.append(member: "appVersion", remote.appVersion)
            json.append(member: "checksum", remote.checksum)
            json.append(json: #","revision":"#)
            json.append(json: remote.revision)
            json.append(member: "syncedAt", remote.syncedAt?.rfc3339)
            switch remote.connection {
            case .unknown: json.append(member: "connection", "unknown")
            case .connected: json.append(member: "connection", "connected")
            case .failed(let code, let message, let since):
                json.append(member: "connection", "failed")
                json.append(json: #","problem":{"code":"#)
                json.append(jsonString: code)
                json.append(member: "message", message)
                json.append(member: "since", since.rfc3339)
                json.append(UInt8(ascii: "}"))
            }
        }
        json.append(UInt8(ascii: "}"))
    }
}

extension [UInt8] {
    /// `,"name":"text"`; nothing for nil.
    mutating func append(member name: StaticString, _ text: String?) {
        guard let text else { return }
        append(json: #",""#)
        append(json: name)
        append(json: #"":"#)
        append(jsonString: text)
    }
}

extension Response {
    init(_ answer: SyncAnswer) {
        self.init(answer.json, status: HTTPResponse.Status(code: answer.status))
    }
}
