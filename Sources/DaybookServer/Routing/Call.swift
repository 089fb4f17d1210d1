import DaybookValues
import DaybookWire
import Hummingbird
import NIOCore

/// One request on its way through a route.
struct Call: Sendable {
    let request: Request
    let parameters: [(name: String, value: String)]
    /// Whether it came over the Unix socket, whose other end is the owner of the data directory.
    let isTrusted: Bool

    /// The value of a parameter of the route's path.
    func parameter(_ name: String) -> String {
        guard let value = parameters.first(where: { $0.name == name })?.value else {
            preconditionFailure("the route has no parameter '\(name)'")
        }
        return value
    }

    /// Nil when it is not given, or empty.
    func query(_ name: Substring) -> String? {
        request.uri.queryParameters.get(String(name)).flatMap { $0.isEmpty ? nil : $0 }
    }

    func count(_ name: Substring, default: Int, max: Int) throws(APIError) -> Int {
        guard let text = query(name) else { return `default` }
        guard let count = Int(text), (1...max).contains(count) else {
            throw APIError(.badRequest, "\(name) must be a whole number from 1 to \(max), not '\(text)'")
        }
        return count
    }

    func instant(_ name: Substring) throws(APIError) -> Timestamp? {
        guard let text = query(name) else { return nil }
        guard let instant = Timestamp(rfc3339: text) else {
            throw APIError(.badRequest, "\(name) must be an instant such as 2026-11-21T08:00:00Z, not '\(text)'")
        }
        return instant
    }

    /// Milliseconds that the caller is ready to wait: `?wait=30s`; 0 without it.
    func wait() throws(APIError) -> Int64 {
        guard let text = query("wait") else { return 0 }
        guard let milliseconds = WireTime.duration(text), (0...API.waitMax).contains(milliseconds) else {
            throw APIError(
                .badRequest, "wait must be a duration from 0s to \(API.waitMax / 60_000)m such as 30s, not '\(text)'")
        }
        return milliseconds
    }

    /// Nil for an empty body.
    func jsonBody() async throws -> JSONView? {
        let body = try await body()
        guard !body.bytes.isEmpty else { return nil }
        do throws(JSONError) {
            try JSONText.check(body.bytes)
        } catch {
            throw APIError(.badRequest, "the body is not JSON: \(error)")
        }
        return JSONView(body.bytes)
    }

    /// The whole body.
    /// - Parameter isOpaque: whether it may be compressed, because nobody looks into it.
    func body(
        upTo bytesMax: Int = API.bodyBytesMax, isOpaque: Bool = false
    ) async throws(APIError) -> CollectedBody {
        try await CollectedBody(of: request, upTo: bytesMax, isOpaque: isOpaque)
    }
}
