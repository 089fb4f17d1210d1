import DaybookSDK
import DaybookValues
import Hummingbird

extension API {
    /// An app states its functions.
    func register(_ call: Call) async throws -> Response {
        let host = try host()
        let body = try await call.body(upTo: Self.registrationBytesMax)
        return Response(
            await host.register(body: body.bytes, expectedKind: call.request.headers[.expectedServerKind]))
    }

    /// Forgets the app at a URL; for development.
    func unregister(_ call: Call) async throws -> Response {
        guard let url = call.query("url") else { throw APIError(.badRequest, "the query needs the app's url: ?url=…") }
        return Response(await (try host()).remove(url: url))
    }

    /// Bytes of a registration: 8 MiB.
    private static let registrationBytesMax = 8 * 1_048_576
}
