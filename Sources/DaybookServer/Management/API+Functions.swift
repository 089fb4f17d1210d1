import DaybookCore
import DaybookNode
import DaybookValues
import Hummingbird

extension API {
    func functions(_ call: Call) async -> Response {
        Response(list: await node.inspect { FunctionDetail.all(in: $0) }) { $0.append(to: &$1) }
    }

    func function(_ call: Call) async throws -> Response {
        let text = call.parameter("id")
        let id = try await wholeID(ofFunction: text)
        guard let function = await node.inspect({ FunctionDetail.one(id, in: $0) }) else {
            throw APIError(ReadError.unknownFunction(text))
        }
        return Response { function.append(to: &$0, holdsMax: FunctionDetail.holdsMax) }
    }

    /// Pauses a function or lets it go on, and says how it stood before.
    func setPaused(_ isPaused: Bool, _ call: Call) async throws -> Response {
        let id = try await wholeID(ofFunction: call.parameter("id"))
        let before = await node.inspect { core in core.functionSummaries.first { $0.config.id == id } }
        _ = try await submit(isPaused ? .pause(function: id) : .resume(function: id))
        var json: [UInt8] = []
        json.append(json: #"{"id":"#)
        json.append(jsonString: id)
        json.append(json: #","paused":"#)
        json.append(json: isPaused)
        json.append(json: #","changed":"#)
        json.append(json: before?.isPaused != isPaused)
        json.append(json: #","unfinishedRuns":"#)
        json.append(json: before?.unfinishedRuns ?? 0)
        json.append(UInt8(ascii: "}"))
        return Response(json)
    }

    /// Functions that are not registered any more have one too.
    func wholeID(ofFunction text: String) async throws(APIError) -> String {
        let ids = await node.inspect { core in
            core.function(text) == nil ? core.functionSummaries.map(\.config.id) : [text]
        }
        do throws(ReadError) {
            return try ReadModel.function(text, among: ids)
        } catch {
            throw APIError(error)
        }
    }
}
