import DaybookCore
import DaybookNode
import DaybookValues
import Hummingbird
import NIOCore

extension API {
    func cancel(_ call: Call) async throws -> Response {
        let id = try await run(named: call.parameter("id"))
        var isCancelled = true
        do throws(Refusal) {
            try await node.cancel(id, reason: "somebody asked for it")
        } catch .unknownRun {
            // Cancelling a run that has ended is no mistake of the caller; a run that never was is one.
            isCancelled = false
        } catch {
            throw APIError(error)
        }
        let detail = try await read(id.text) { (model) throws(ReadError) in try model.detail(of: id) }
        var json: [UInt8] = []
        json.append(json: #"{"id":"#)
        json.append(jsonString: id.text)
        json.append(json: #","cancelled":"#)
        json.append(json: isCancelled)
        json.append(json: #","status":"#)
        json.append(jsonString: detail.status.rawValue)
        json.append(UInt8(ascii: "}"))
        return Response(json)
    }

    /// Cancels many runs of a function, and says how far it is: one JSON object a line, the last one with the result.
    func cancelMany(_ call: Call) async throws -> Response {
        let bulk = try await bulkCancel(call)
        let node = node
        return Response(
            status: .ok, headers: [.contentType: "application/x-ndjson; charset=utf-8"],
            body: ResponseBody { writer in
                var work = await node.begin(bulk)
                do {
                    try await work.next()
                    while !work.isDone {
                        guard !self.isEnding else { throw Refusal.stopping }
                        // Fails when the reader has left: then nothing more is cancelled.
                        try await writer.write(ByteBuffer(bytes: work.account.line(of: bulk, isDone: false)))
                        try await work.next()
                    }
                    try await writer.write(ByteBuffer(bytes: work.account.line(of: bulk, isDone: true)))
                } catch let refusal as Refusal {
                    let line = APIError(refusal).line(cancelled: work.account.cancelled)
                    try await writer.write(ByteBuffer(bytes: line))
                }
                try await writer.finish(nil)
            })
    }

    private func bulkCancel(_ call: Call) async throws -> BulkCancel {
        guard let body = try await call.jsonBody(), body.kind == .object else {
            throw APIError(.badRequest, #"the body must be an object such as {"function":"invoice"}"#)
        }
        func member<Value>(_ name: String, _ what: String, _ read: (JSONView) -> Value?) throws(APIError) -> Value? {
            guard let value = body.member(name), !value.isNull else { return nil }
            guard let found = read(value) else { throw APIError(.badRequest, "\"\(name)\" must be \(what)") }
            return found
        }
        let instant = { (value: JSONView) in value.string.flatMap { Timestamp(rfc3339: $0) } }
        let what = "an instant such as 2026-11-21T08:00:00Z"
        guard let function = try member("function", "a function's id", \.string) else {
            throw APIError(
                .badRequest, #""function" is missing: the id of the function whose runs are to be cancelled"#)
        }
        let (after, before) = (try member("queuedAfter", what, instant), try member("queuedBefore", what, instant))
        let condition = try member("if", "an expression", \.string)
        let isDryRun = try member("dryRun", "true or false", \.bool) ?? false
        if let after, let before, after >= before {
            throw APIError(.badRequest, "\"queuedAfter\" must be before \"queuedBefore\"")
        }
        let id = try await wholeID(ofFunction: function)
        do throws(BulkCancelError) {
            return try BulkCancel(
                function: id, queuedAfter: after, queuedBefore: before,
                condition: condition, reason: "somebody asked for it", isDryRun: isDryRun)
        } catch {
            throw APIError(.badRequest, "\(error). Nothing was cancelled.")
        }
    }
}

extension BulkCancelAccount {
    fileprivate func line(of bulk: BulkCancel, isDone: Bool) -> [UInt8] {
        var json: [UInt8] = []
        append(to: &json, of: bulk, isDone: isDone)
        json.append(UInt8(ascii: "\n"))
        return json
    }
}

extension APIError {
    fileprivate func line(cancelled: Int) -> [UInt8] {
        var json: [UInt8] = []
        json.append(json: #"{"error":"#)
        json.append(jsonString: message)
        json.append(json: #","status":"#)
        json.append(json: status.code)
        json.append(json: #","cancelled":"#)
        json.append(json: cancelled)
        json.append(json: "}\n")
        return json
    }
}
