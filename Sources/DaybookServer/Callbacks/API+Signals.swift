import DaybookCore
import DaybookNode
import DaybookValues
import Hummingbird

extension API {
    /// Hands a signal to the run that waits for it: `{"signal":"approve-42","data":{…}}`.
    func signal(_ call: Call) async throws -> Response {
        let invalid = APIError(.badRequest, "Invalid signal data")
        let body = try await call.body()
        guard (try? JSONText.check(body.bytes)) != nil, let view = JSONView(body.bytes), view.kind == .object,
            let name = view.member("signal")?.string, !name.isEmpty
        else { throw invalid }
        let data = view.member("data").map { (try? JSONText.compact($0.bytes)) ?? $0.bytes } ?? Array("null".utf8)
        let answer: Answer
        do throws(Refusal) {
            answer = try await node.submit(.signal(name: name, data: data))
        } catch .unknownSignal {
            throw APIError(.notFound, "No signal found")
        } catch {
            throw APIError(error)
        }
        guard case .signalled(let run) = answer else {
            throw APIError(.internalServerError, "the signal was not recorded")
        }
        return sdkResponse { json in
            json.append(json: #"{"run_id":"#)
            json.append(jsonString: run.text)
            json.append(UInt8(ascii: "}"))
        }
    }
}
