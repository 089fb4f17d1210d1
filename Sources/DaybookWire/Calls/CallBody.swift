internal import DaybookValues

/// The body of a call: the bytes that are sent and signed.
package struct CallBody: Sendable {
    /// Canonical JSON.
    package let bytes: [UInt8]
    /// The steps, and maybe the events, were too large and are left out: the SDK fetches them from `/v0/runs`.
    package let usesAPI: Bool
}

/// The calls of apps as requests and answers.
package enum CallCoding {
    /// Bytes of events and memos from which on they are left out of a body: 4 MiB less 1,024.
    package static let stateBytesMax = 4 * 1_048_576 - 1_024
    /// Bytes of a body: 4 MiB.
    package static let bodyBytesMax = 4 * 1_048_576
    /// The same for SDKs written in Go, which cannot fetch what was left out and take bodies of up to 100 MB.
    package static let bodyBytesMaxGo = 96 * 1_048_576

    /// The body of a call, its members in canonical order from the start.
    package static func body(of request: CallRequest) -> CallBody {
        let events = request.events ?? WireEvents(input: request.input, isBatch: request.isBatch, run: request.run)
        let isGo = isGo(request.sdk)
        let stateMax = isGo ? bodyBytesMaxGo : stateBytesMax
        let bytesMax = isGo ? bodyBytesMaxGo : bodyBytesMax
        let stateBytes = request.steps.reduce(events.array.count) { $0 + $1.memo.count }
        if stateBytes <= stateMax {
            let bytes = body(of: request, events: events, content: .all, stateBytes: stateBytes)
            if bytes.count <= bytesMax { return CallBody(bytes: bytes, usesAPI: false) }
        }
        let bytes = body(of: request, events: events, content: .events, stateBytes: events.array.count)
        if bytes.count <= bytesMax { return CallBody(bytes: bytes, usesAPI: true) }
        return CallBody(bytes: body(of: request, events: events, content: .event, stateBytes: 0), usesAPI: true)
    }

    /// Whether an SDK's name says that it is written in Go: `go:v0.15.1`, `inngest-go:v0.15.1`.
    package static func isGo(_ sdk: String?) -> Bool {
        guard let sdk else { return false }
        return sdk.hasPrefix("go:") || sdk.hasPrefix("inngest-go:")
    }

    /// What of a run's state a body holds.
    private enum Content { case all, events, event }

    private static func body(
        of request: CallRequest, events: WireEvents, content: Content, stateBytes: Int
    ) -> [UInt8] {
        let usesAPI = content != .all
        let callID = request.callID.text
        var bytes: [UInt8] = []
        bytes.reserveCapacity(
            512 + stateBytes + events.firstCount + request.function.utf8.count + 100 * request.steps.count
                + 64 * request.deferred.count)
        bytes.append(json: #"{"ctx":{"attempt":"#)
        bytes.append(json: request.attempt)
        bytes.append(json: #","disable_immediate_execution":"#)
        bytes.append(json: request.forcesPlan)
        bytes.append(json: #","env":"","fn_id":""#)
        bytes.append(contentsOf: WireUUID.function(request.function).utf8)
        bytes.append(json: #"","generation_id":1,"job_id":""#)
        bytes.append(contentsOf: callID.utf8)
        bytes.append(json: #"","max_attempts":"#)
        bytes.append(json: request.attemptsMax)
        bytes.append(json: #","qi_id":""#)
        bytes.append(contentsOf: queueItem(callID: callID).utf8)
        bytes.append(json: #"","request_id":""#)
        bytes.append(contentsOf: callID.utf8)
        bytes.append(json: #"","run_id":""#)
        request.run.append(to: &bytes)
        bytes.append(json: #"","stack":{"current":"#)
        let results = request.steps.lazy.filter { !$0.isInput }
        bytes.append(json: results.count)
        bytes.append(json: #","stack":["#)
        var isFirst = true
        for step in results {
            if !isFirst { bytes.append(UInt8(ascii: ",")) }
            isFirst = false
            bytes.append(canonical: step.wireID)
        }
        bytes.append(json: #"]},"step_id":"step","use_api":"#)
        bytes.append(json: usesAPI)
        bytes.append(json: #"},"defers":{"#)
        for (index, position) in order(of: request.deferred.map(\.wireID)).enumerated() {
            let deferred = request.deferred[position]
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            bytes.append(canonical: deferred.wireID)
            bytes.append(json: #":{"abortable":"#)
            bytes.append(json: deferred.isAbortable)
            bytes.append(UInt8(ascii: "}"))
        }
        bytes.append(json: #"},"event":"#)
        bytes.append(contentsOf: events.first)
        bytes.append(json: #","events":"#)
        if content == .event {
            bytes.append(json: "[]")
        } else {
            bytes.append(contentsOf: events.array)
        }
        bytes.append(json: #","steps":"#)
        append(content == .all ? request.steps : [], to: &bytes)
        bytes.append(json: #","use_api":"#)
        bytes.append(json: usesAPI)
        bytes.append(json: #","version":"#)
        bytes.append(json: (1...2).contains(request.version) ? request.version : -1)
        bytes.append(UInt8(ascii: "}"))
        return bytes
    }

    /// The object that `steps` of a body is and `/v0/runs/{id}/actions` answers.
    package static func steps(_ steps: [CallRequest.Step]) -> [UInt8] {
        var bytes: [UInt8] = []
        append(steps, to: &bytes)
        return bytes
    }

    private static func append(_ steps: [CallRequest.Step], to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "{"))
        for (index, position) in order(of: steps.map(\.wireID)).enumerated() {
            let step = steps[position]
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            bytes.append(canonical: step.wireID)
            bytes.append(UInt8(ascii: ":"))
            if step.isCanonical {
                bytes.append(contentsOf: step.memo)
            } else if let memo = JSONView(step.memo) {
                CanonicalJSON.append(memo, to: &bytes)
            } else {
                bytes.append(json: "null")
            }
        }
        bytes.append(UInt8(ascii: "}"))
    }

    /// The positions of ids in canonical order; of equal ids only the first, for the first result of a step counts.
    private static func order(of ids: [String]) -> [Int] {
        if ids.count < 2 { return Array(ids.indices) }
        // Ids are hashes as a rule, which differ within their first eight bytes.
        var keys: [(prefix: UInt64, position: Int)] = []
        keys.reserveCapacity(ids.count)
        for (position, id) in ids.enumerated() {
            var prefix: UInt64 = 0
            var count = 0
            for byte in id.utf8.prefix(8) {
                prefix = prefix << 8 | UInt64(byte)
                count += 1
            }
            keys.append((prefix << UInt64(8 * (8 - count)), position))
        }
        // UTF-8 and UTF-16 sort alike except above U+FFFF, where the bytes are no help.
        let isPlain = ids.allSatisfy { $0.utf8.allSatisfy { $0 < 0xEE } }
        keys.sort { a, b in
            if isPlain, a.prefix != b.prefix { return a.prefix < b.prefix }
            return ids[a.position].utf16.lexicographicallyPrecedes(ids[b.position].utf16)
        }
        var order: [Int] = []
        order.reserveCapacity(keys.count)
        for key in keys {
            if let last = order.last, ids[last].utf8.elementsEqual(ids[key.position].utf8) { continue }
            order.append(key.position)
        }
        return order
    }
}
