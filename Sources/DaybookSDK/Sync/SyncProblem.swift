import DaybookValues

/// Why an app did not register when it was asked to.
struct SyncProblem: Sendable, Equatable {
    /// As APIs name it.
    var code: String
    /// For people.
    var message: String

    /// Of what an app says about itself; the rest is cut off.
    static let messageBytesMax = 500

    init(code: String, message: String) {
        self.code = code
        self.message = message
    }

    init(_ trouble: HTTPTrouble) {
        message = trouble.description
        code =
            switch trouble {
            case .tls, .tlsTimeout, .unusableAddress, .unusableRequest: "unsupported_protocol"
            case .timedOut: "timeout"
            case .tooLarge: "output_too_large"
            case .garbage, .unknownEncoding: "not_http"
            default: "unreachable"
            }
    }

    /// Of an answer that is none of 2xx.
    init(_ answer: HTTPAnswer) {
        let body = JSONView(answer.body)
        let said = body?.member("message")?.string ?? body?.member("error")?.string
        let text = said.map { Self.cut($0) }
        switch answer.status {
        case 401:
            code = "unauthorized"
            message = "the app refused the request (401): both sides need the same signing key"
        case 403:
            code = "forbidden"
            message = "the app refused the request (403)"
        case 404:
            code = "url_not_found"
            message =
                "there is nothing at that address (404): look at the path under which the app serves its functions"
        default:
            code =
                Self.code(saidBy: said ?? "") ?? body?.member("code")?.string.map { Self.cut($0, to: 60) }
                ?? Self.code(answer.status)
            message = "the app answered \(answer.status)"
        }
        if let text, !text.isEmpty { message += ": \(text)" }
    }

    /// Of an app whose answer was the registration, which was not accepted.
    init(_ answer: SyncAnswer) {
        self.init(HTTPAnswer(status: answer.status, headers: [], body: answer.json))
        let view = JSONView(answer.json)
        if let reason = view?.at(path: "data.message")?.string ?? view?.member("error")?.string {
            message = "what the app registered was not accepted: \(Self.cut(reason))"
        }
    }

    private static func code(_ status: Int) -> String {
        switch status {
        case 500: "internal_server_error"
        default: "http_\(status)"
        }
    }

    /// SDKs say in words what has become of their registration.
    private static func code(saidBy text: String) -> String? {
        if text.contains("Your signing key is invalid") { return "invalid_signing_key" }
        if text.contains("No functions registered") { return "no_functions" }
        if text.contains("function is invalid") { return "invalid_function" }
        return nil
    }

    private static func cut(_ text: String, to bytesMax: Int = messageBytesMax) -> String {
        text.utf8.count <= bytesMax ? text : String(text.prefix(bytesMax / 4)) + "…"
    }
}
