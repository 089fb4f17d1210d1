import DaybookCore
import DaybookNode
import DaybookValues
import DaybookWire
import Hummingbird

// What SDKs ask for while they are called: `/v0`.
extension API {
    /// The steps of a run that have a result, as a call of its app would carry them.
    func runActions(_ call: Call) async throws -> Response {
        Response(CallCoding.steps(try await remoteState(call).steps))
    }

    /// The events of a run.
    func runBatch(_ call: Call) async throws -> Response { Response(try await remoteState(call).events) }

    private func remoteState(_ call: Call) async throws(APIError) -> RemoteState {
        let text = call.parameter("id")
        guard let run = ULID(text) else { throw APIError(.badRequest, "The run ID specified is invalid") }
        guard let state = await node.remoteState(of: run) else {
            throw APIError(.gone, "runtime state is no longer available for runID: \(text)")
        }
        return state
    }

    /// The older way to cancel a run.
    func endRun(_ call: Call) async throws -> Response {
        let unknown = APIError(.notFound, "A function run with the given ID could not be found")
        guard let run = ULID(call.parameter("id")) else { throw unknown }
        do throws(Refusal) {
            try await node.cancel(run, reason: "its app asked for it")
        } catch .unknownRun {
            guard try await details(of: [run]).first == nil else {
                throw APIError(.conflict, "This function has already completed")
            }
            throw unknown
        } catch {
            throw APIError(error)
        }
        return Response(status: .noContent)
    }

    /// Steps that a call under way has finished: they are in the journal once this is answered.
    func checkpoint(_ call: Call) async throws -> Response {
        let body = try await call.body()
        let invalid = { (reason: String) in APIError(.badRequest, "invalid request body: \(reason)") }
        do throws(JSONError) {
            try JSONText.check(body.bytes)
        } catch {
            throw invalid("\(error)")
        }
        guard let view = JSONView(body.bytes), view.kind == .object else { throw invalid("it must be an object") }
        let text = call.parameter("id")
        guard let run = ULID(text) else { throw APIError(.badRequest, "The run ID specified is invalid") }
        if let stated = view.member("run_id"), !stated.isNull, stated.string != text {
            throw invalid("run_id is not the run of the path, \(text)")
        }
        var ops: [WireOp] = []
        if let steps = view.member("steps"), !steps.isNull {
            do throws(OpsError) {
                ops = try Ops.decode(ops: steps)
            } catch {
                throw error.isTooLarge ? APIError(.contentTooLarge, error.message) : invalid(error.message)
            }
        }
        let call = view.member("request_id")?.string.flatMap { ULID($0) }
        var data: [UInt8] = []
        data.append(json: #"{"run_id":"#)
        data.append(jsonString: text)
        data.append(UInt8(ascii: "}"))
        switch await node.checkpoint(run: run, callID: call, ops: ops) {
        case .stored: return Response(status: .ok)
        case .unknownRun: throw APIError(.badRequest, "run not found in state store", data: data)
        case .stale: throw APIError(.conflict, "stale dispatch: run \(text) has been called again since", data: data)
        case .unsupported(let reason): throw APIError(.badRequest, reason, data: data)
        case .tooLarge:
            throw APIError(.contentTooLarge, "step output is larger than the limit of 4194304 bytes", data: data)
        }
    }

    /// What SDKs report of themselves. It is dropped.
    func dropped(_ call: Call) async throws -> Response {
        _ = try await call.body(upTo: Self.droppedBytesMax, isOpaque: true)
        return Response(status: .ok)
    }

    /// Bytes of a report that is dropped: 4 MiB.
    private static let droppedBytesMax = 4 * 1_048_576
}
