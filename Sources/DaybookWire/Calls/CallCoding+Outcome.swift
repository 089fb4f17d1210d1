internal import DaybookCEL
package import DaybookValues

extension CallCoding {
    /// What an app's answer says.
    ///
    /// Status 201 is an envelope with another answer in it. 206 brings ops, any other 2xx the function's result,
    /// everything else is a failed attempt.
    ///
    /// - Parameters:
    ///   - headers: names in any case; of several with one name the last counts.
    ///   - body: decompressed.
    ///   - now: for `Retry-After`.
    package static func outcome(
        status: Int, headers: [(String, String)], body: [UInt8], now: Timestamp
    ) -> CallOutcome {
        var answer = Answer(status: status, body: body)
        for (name, value) in headers { answer.setHeader(name, value) }
        var outcome: CallOutcome
        if status == 201, let failure = answer.openEnvelope() {
            outcome = CallOutcome(.failed(failure))
        } else {
            outcome = CallOutcome(result(of: answer))
        }
        outcome.version = answer.version.flatMap { Int($0) }.flatMap { (1...2).contains($0) ? $0 : nil }
        outcome.sdk = answer.sdk.isEmpty ? nil : answer.sdk
        outcome.noRetry = answer.isFinal
        outcome.retryAfter = answer.retryAfter.flatMap { retryAfter($0, now: now) }
        return outcome
    }

    private static func result(of answer: Answer) -> CallOutcome.Result {
        guard (200...299).contains(answer.status) else { return .failed(failure(of: answer)) }
        guard !answer.sdk.isEmpty else { return .failed(notFromSDK(answer)) }
        if answer.status == 206 {
            switch Ops.decode(answer.body) {
            case .success(let ops): return .ops(ops)
            case .failure(var failure):
                failure.isRetriable = !answer.isFinal
                return .failed(failure)
            }
        }
        if answer.isFinal {
            let (error, output) = ErrorObject.read(answer.body, error: nonRetriable)
            return .failed(CallFailure(error: error.json, output: output, isRetriable: false))
        }
        return .returned(returned(answer.body))
    }

    /// The function's value in the body of a 2xx: JSON as it is, text as a JSON string, nothing as `null`. A JSON string
    /// that holds a JSON object is that object.
    private static func returned(_ body: [UInt8]) -> [UInt8] {
        switch AnswerBody(body) {
        case .empty: return Array("null".utf8)
        case .json(let value):
            do throws(JSONError) {
                return try JSONText.compact(value.bytes)
            } catch {
                return Array("null".utf8)
            }
        case .text(let text):
            var value: [UInt8] = []
            value.append(canonical: text)
            return value
        }
    }

    // MARK: - Failures

    private static let nonRetriable = "NonRetriableError"

    private static func failure(of answer: Answer) -> CallFailure {
        guard !answer.sdk.isEmpty else { return failureBeforeSDK(answer) }
        let isRetriable = !answer.isFinal && !isFinalByVersion(answer)
        let error = isRetriable ? "invalid status code: \(answer.status)" : nonRetriable
        let (object, output) = ErrorObject.read(answer.body, error: error)
        // An empty answer is named by its status, whatever the rules of retrying.
        if JSONView(answer.body) == nil {
            let text = "invalid status code: \(answer.status)"
            var output: [UInt8] = []
            output.append(canonical: text)
            return CallFailure(
                error: ErrorObject(error: error, message: text).json, output: output, isRetriable: isRetriable)
        }
        return CallFailure(error: object.json, output: output, isRetriable: isRetriable)
    }

    /// A status of failure without the header that SDKs set: a proxy, or a crash before the SDK came into play.
    private static func failureBeforeSDK(_ answer: Answer) -> CallFailure {
        let text = "Your server returned HTTP \(answer.status) before the SDK responded."
        var stack = text
        if !answer.body.isEmpty {
            let kind = answer.contentType.map { " (\($0))" } ?? ""
            let body = String(decoding: answer.body.prefix(ErrorObject.messageBytesMax), as: UTF8.self)
            stack += " Upstream response\(kind):\n \(body)"
        }
        let object = ErrorObject(
            error: text, name: "Server returned a fatal error", message: text, stack: stack
        ).json
        return CallFailure(error: object, output: object, isRetriable: !answer.isFinal)
    }

    private static func notFromSDK(_ answer: Answer) -> CallFailure {
        var failure = CallFailure.system(code: "not_sdk", "The response did not come from an Inngest SDK")
        failure.isRetriable = !answer.isFinal
        switch AnswerBody(answer.body) {
        case .empty: break
        case .json(let value): failure.output = CanonicalJSON.encode(value)
        case .text(let text):
            failure.output = []
            failure.output.append(canonical: text)
        }
        return failure
    }

    /// JavaScript SDKs before 1.10.1, and from 2.0 to 2.4.0, did not know `X-Inngest-No-Retry` yet: from them 4xx is final.
    private static func isFinalByVersion(_ answer: Answer) -> Bool {
        guard (400...499).contains(answer.status), answer.noRetry == nil else { return false }
        guard let mark = answer.sdk.range(of: "js:v") else { return false }
        let parts = answer.sdk[mark.upperBound...].split(separator: ".", maxSplits: 2).map { part in
            Int(String(decoding: part.utf8.prefix { (48...57).contains($0) }, as: UTF8.self)) ?? 0
        }
        guard parts.count == 3 else { return false }
        let version = (parts[0], parts[1], parts[2])
        return version < (1, 10, 1) || version >= (2, 0, 0) && version <= (2, 4, 0)
    }

    // MARK: - Retry-After

    /// `Retry-After`: seconds in at most seven characters, or a date; held between 1 second and 24 hours from now. Nil for
    /// 0 and for what is neither.
    package static func retryAfter(_ text: String, now: Timestamp) -> RetryAfter? {
        let day: Int64 = 86_400_000
        if text.utf8.count <= 7, let seconds = Int64(text) {
            return seconds > 0 ? .after(min(max(seconds * 1_000, 1_000), day)) : nil
        }
        guard let date = WireTime.date(text) else { return nil }
        return .at(min(max(date, now + 1_000), now + day))
    }
}

/// An answer, or the one in its envelope.
private struct Answer {
    var status: Int
    var body: [UInt8]
    var sdk = ""
    var version: String?
    var noRetry: String?
    var retryAfter: String?
    var contentType: String?

    /// Not to be tried again.
    var isFinal: Bool { noRetry == "true" }

    init(status: Int, body: [UInt8]) {
        self.status = status
        self.body = body
    }

    mutating func setHeader(_ name: String, _ value: String) {
        // By length first: most headers are none of these.
        switch name.utf8.count {
        case 11 where name.lowercased() == "retry-after": retryAfter = value
        case 12 where name.lowercased() == "content-type": contentType = value
        case 13 where name.lowercased() == "x-inngest-sdk": sdk = value
        case 18 where name.lowercased() == "x-inngest-no-retry": noRetry = value
        case 21 where name.lowercased() == "x-inngest-req-version": version = value
        default: break
        }
    }

    /// Puts the answer that a streamed 201 carries in this one's place: white space, then one JSON object with `status`,
    /// `headers`, `body` and, when the app could not answer, `error`.
    ///
    /// - Returns: why there is none.
    mutating func openEnvelope() -> CallFailure? {
        do throws(JSONError) {
            try JSONText.check(body)
        } catch {
            return .system(error: "The streamed answer is not JSON: \(error)", isRetriable: !isFinal)
        }
        guard let envelope = JSONView(body), envelope.kind == .object else {
            return .system(error: "The streamed answer is not a JSON object", isRetriable: !isFinal)
        }
        var innerStatus: Int?
        var innerBody: [UInt8] = []
        var problem: String?
        envelope.forEachMember { rawName, value in
            switch String(decoding: rawName, as: UTF8.self) {
            case "status": innerStatus = value.integer.flatMap { Int(exactly: $0) }
            case "headers":
                value.forEachMember { name, header in
                    var text = header.string
                    if header.kind == .array { text = header.element(0)?.string }
                    if let text { setHeader(unescape(name), text) }
                    return true
                }
            case "body":
                if let text = value.string {
                    innerBody = Array(text.utf8)
                } else {
                    innerBody = value.isNull ? [] : value.bytes
                }
            case "error":
                problem = value.isNull ? nil : value.string ?? String(decoding: value.slice, as: UTF8.self)
            default: break
            }
            return true
        }
        if let problem, !problem.isEmpty { return .system(error: problem, isRetriable: !isFinal) }
        guard let innerStatus else {
            return .system(error: "The streamed answer has no status", isRetriable: !isFinal)
        }
        status = innerStatus
        body = innerBody
        return nil
    }
}

extension String {
    /// Where `part` stands first.
    fileprivate func range(of part: String) -> Range<String.Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(part) { return start..<index(start, offsetBy: part.count) }
            start = index(after: start)
        }
        return nil
    }
}
