internal import DaybookValues

/// Requests that the server makes in a function's place, `step.fetch` and `step.ai.infer`, and what their answers are as
/// results of steps.
package enum GatewayCoding {
    // MARK: - step.fetch

    /// The result of `step.fetch`: any status is a success.
    ///
    /// - Parameters:
    ///   - url: the address as asked for.
    ///   - headers: several of one name are joined by commas. Names are written as `Content-Type` is.
    ///   - body: decompressed; bytes that are not UTF-8 become U+FFFD.
    package static func fetched(
        url: String, status: Int, headers: [(String, String)], body: [UInt8]
    ) -> GatewayOutcome {
        var joined: [String: String] = [:]
        for (name, value) in headers {
            let name = headerName(name)
            joined[name] = joined[name].map { "\($0),\(value)" } ?? value
        }
        var json: [UInt8] = []
        json.append(json: #"{"body":"#)
        json.append(canonical: String(decoding: body, as: UTF8.self))
        json.append(json: #","headers":{"#)
        for (index, name) in joined.keys.sorted().enumerated() {
            if index > 0 { json.append(UInt8(ascii: ",")) }
            json.append(canonical: name)
            json.append(UInt8(ascii: ":"))
            json.append(canonical: joined[name] ?? "")
        }
        json.append(json: #"},"status_code":"#)
        json.append(json: status)
        json.append(json: #","url":"#)
        json.append(canonical: url)
        json.append(UInt8(ascii: "}"))
        return .completed(json)
    }

    /// The attempt of a `step.fetch` that brought no answer.
    package static func fetchFailed(_ reason: String) -> GatewayOutcome {
        .failed(error: error(name: "GatewayError", message: "Error making gateway request: \(reason)"))
    }

    /// A header's name with each part between hyphens capitalised.
    private static func headerName(_ name: String) -> String {
        var bytes = Array(name.utf8)
        var isFirst = true
        for (index, byte) in bytes.enumerated() {
            let isLetter = (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
            if isLetter { bytes[index] = isFirst ? byte & ~0x20 : byte | 0x20 }
            isFirst = byte == UInt8(ascii: "-")
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    // MARK: - step.ai.infer

    /// The request to the model's provider, with the key where the provider wants it. A header that the function has set
    /// itself stays as it set it.
    package static func request(of inference: AIGatewayRequest) -> GatewayRequest {
        var url = inference.url
        var headers = [(name: "Content-Type", value: "application/json")]
        let key = inference.authKey
        if !key.isEmpty {
            switch inference.format {
            case "anthropic": headers.append((name: "x-api-key", value: key))
            case "gemini": url = adding(key: key, to: url)
            case "bedrock": headers.append((name: "Authorization", value: key))
            default: headers.append((name: "Authorization", value: "Bearer \(key)"))
            }
        }
        headers.removeAll { ours in
            inference.headers.contains { $0.name.lowercased() == ours.name.lowercased() }
        }
        return GatewayRequest(url: url, method: "POST", headers: headers + inference.headers, body: inference.body)
    }

    private static func adding(key: String, to url: String) -> String {
        let whole = Array(url.utf8)
        let fragment = whole.firstIndex(of: UInt8(ascii: "#")) ?? whole.count
        var bytes = Array(whole[..<fragment])
        bytes.append(UInt8(ascii: bytes.contains(UInt8(ascii: "?")) ? "&" : "?"))
        bytes.append(json: "key=")
        CallCoding.appendQueryEncoded(Array(key.utf8), to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The result of `step.ai.infer`: what the provider said, if its status is below 300.
    ///
    /// - Parameter key: the request's key; where a failure repeats it, it is left out of the error.
    package static func inferred(status: Int, body: [UInt8], hiding key: String = "") -> GatewayOutcome {
        if status <= 299 { return .completed(json(body)) }
        let message = "Error making AI request: unsuccessful status code: \(status)"
        // Without a word from the provider there is one from the server.
        let said =
            JSONView(body) == nil
            ? Array(#"{"error":"Error making AI request"}"#.utf8) : hidden(Array(key.utf8), in: body)
        return .failed(
            error: error(
                name: "AIGatewayError", message: message, data: json(said), stack: String(decoding: said, as: UTF8.self)
            ))
    }

    /// The attempt of a `step.ai.infer` that brought no answer.
    ///
    /// - Parameter key: the request's key; it may stand in the address, and the address in the reason.
    package static func inferFailed(_ reason: String, hiding key: String = "") -> GatewayOutcome {
        var encoded: [UInt8] = []
        CallCoding.appendQueryEncoded(Array(key.utf8), to: &encoded)
        let reason = hidden(encoded, in: hidden(Array(key.utf8), in: Array(reason.utf8)))
        return .failed(
            error: error(
                name: "AIGatewayError",
                message: "Error making AI request: \(String(decoding: reason, as: UTF8.self))"))
    }

    /// Bytes of the shortest secret; what is shorter is none and would be found everywhere.
    private static let keyBytesMin = 8

    private static func hidden(_ key: [UInt8], in text: [UInt8]) -> [UInt8] {
        guard key.count >= keyBytesMin, text.count >= key.count else { return text }
        var shown: [UInt8] = []
        shown.reserveCapacity(text.count)
        var index = 0
        while index < text.count {
            if text[index] == key[0], text[index...].starts(with: key) {
                shown.append(contentsOf: "***".utf8)
                index += key.count
            } else {
                shown.append(text[index])
                index += 1
            }
        }
        return shown
    }

    // MARK: - JSON

    /// Canonical JSON; text that is none as a JSON string, nothing as `null`.
    private static func json(_ body: [UInt8]) -> [UInt8] {
        guard JSONView(body) != nil else { return Array("null".utf8) }
        do throws(JSONError) {
            // A result may not be deeper than JSON may be anywhere else.
            try JSONText.check(body)
            return try CanonicalJSON.encode(body)
        } catch {
            var json: [UInt8] = []
            json.append(canonical: String(decoding: body, as: UTF8.self))
            return json
        }
    }

    private static func error(name: String, message: String, data: [UInt8]? = nil, stack: String? = nil) -> [UInt8] {
        var json: [UInt8] = [UInt8(ascii: "{")]
        if let data {
            json.append(json: #""data":"#)
            json.append(contentsOf: data)
            json.append(UInt8(ascii: ","))
        }
        json.append(json: #""message":"#)
        json.append(canonical: message)
        json.append(json: #","name":"#)
        json.append(canonical: name)
        if let stack {
            json.append(json: #","stack":"#)
            json.append(canonical: stack)
        }
        json.append(UInt8(ascii: "}"))
        return json
    }
}
