import DaybookValues
import Hummingbird
import NIOCore

extension Request {
    /// Nil when it is not given, or empty.
    func query(_ name: Substring) -> String? {
        uri.queryParameters.get(String(name)).flatMap { $0.isEmpty ? nil : $0 }
    }

    func count(_ name: Substring, default: Int, max: Int) throws(APIError) -> Int {
        guard let text = query(name) else { return `default` }
        guard let count = Int(text), (1...max).contains(count) else {
            throw APIError(.badRequest, "\(name) must be a whole number from 1 to \(max), not '\(text)'")
        }
        return count
    }

    /// Nil for an empty body.
    func jsonBody() async throws -> JSONView? {
        let buffer = try await body.collect(upTo: API.bodyBytesMax)
        guard buffer.readableBytes > 0 else { return nil }
        let bytes = Array(buffer.readableBytesView)
        do throws(JSONError) {
            try JSONText.check(bytes)
        } catch {
            throw APIError(.badRequest, "the body is not JSON: \(error)")
        }
        return JSONView(bytes)
    }
}
