import DaybookCore
import DaybookNode
import DaybookValues
import Hummingbird

extension API {
    /// Starts a run of a function: `{"data":{…},"user":{…},"v":"…","idempotencyKey":"…"}`, all of it optional. With
    /// `?wait=30s` the answer has the run as it stands once it has ended, or when that time is over.
    func invokeFunction(_ call: Call) async throws -> Response {
        let milliseconds = try call.wait()
        let view = try await call.jsonBody() ?? JSONView(Array("{}".utf8))
        guard let view, view.kind == .object, var invocation = Invocation(view) else {
            throw APIError(
                .badRequest, #"the body must be an object such as {"data":{"n":1}}; "data" and "user" are objects"#)
        }
        if let key = view.member("idempotencyKey"), !key.isNull {
            guard let text = key.string, !text.isEmpty else {
                throw APIError(.badRequest, #""idempotencyKey" must be a text that is not empty"#)
            }
            invocation.key = text
        }
        let receipt = try await start(call.parameter("id"), invocation)
        let run = receipt.outcome.started.first
        if let run { try await waitForEnd(of: [run], milliseconds: milliseconds) }
        let detail = milliseconds > 0 ? try await details(of: run.map { [$0] } ?? []).first : nil
        return Response { json in
            json.append(json: #"{"event":"#)
            json.append(jsonString: receipt.id.text)
            json.append(member: "run", run?.text)
            if run == nil {
                // Held by a debounce or a batch, or turned down by flow control.
                json.append(json: #","outcome":{"#)
                receipt.outcome.appendMembers(to: &json)
                json.append(UInt8(ascii: "}"))
            }
            if let detail {
                json.append(json: #","detail":"#)
                detail.append(to: &json)
            }
            json.append(UInt8(ascii: "}"))
        }
    }
}
