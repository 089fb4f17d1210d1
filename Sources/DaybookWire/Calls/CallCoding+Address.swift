internal import DaybookCEL
internal import DaybookValues

extension CallCoding {
    /// The address of a call: the function's own, its query sorted by name, with `stepId` set to the targeted step or to
    /// `step`. Members of the query that Daybook does not know stay.
    package static func url(of request: CallRequest) -> String {
        let text = request.url.utf8.prefix { $0 != UInt8(ascii: "#") }
        let base = text.prefix { $0 != UInt8(ascii: "?") }
        let query = text.dropFirst(base.count + 1)
        var members: [(name: [UInt8], value: [UInt8])] = []
        for part in query.split(separator: UInt8(ascii: "&")) {
            let name = part.prefix { $0 != UInt8(ascii: "=") }
            let member = (name: queryDecoded(name), value: queryDecoded(part.dropFirst(name.count + 1)))
            if !member.name.elementsEqual("stepId".utf8) { members.append(member) }
        }
        members.append((Array("stepId".utf8), Array((request.target ?? "step").utf8)))
        // The sort is stable: values of one name keep their order.
        members.sort { $0.name.lexicographicallyPrecedes($1.name) }
        var url = Array(base)
        for (index, member) in members.enumerated() {
            url.append(UInt8(ascii: index == 0 ? "?" : "&"))
            appendQueryEncoded(member.name, to: &url)
            url.append(UInt8(ascii: "="))
            appendQueryEncoded(member.value, to: &url)
        }
        return String(decoding: url, as: UTF8.self)
    }

    /// The headers of a call, the one for its length left out.
    ///
    /// - Parameter signature: of the body, see `SigningKey.sign`; nil without a signing key.
    package static func headers(of request: CallRequest, signature: String?) -> [(name: String, value: String)] {
        let callID = request.callID.text
        var headers = [
            (name: "Content-Type", value: "application/json"),
            (name: "Accept-Encoding", value: "gzip"),
            (name: "User-Agent", value: "Daybook"),
            (name: "Account-Id", value: accountID),
            (name: "X-Run-ID", value: request.run.text),
            (name: "X-Request-ID", value: callID),
            (name: "X-Inngest-Job-Id", value: callID),
            (name: "X-Inngest-Generation-Id", value: "1"),
            (name: "X-Inngest-Req-Version", value: (1...2).contains(request.version) ? "\(request.version)" : "-1"),
            (name: "X-Inngest-Step-ID", value: request.target ?? "step"),
            (name: "traceparent", value: traceparent(of: request)),
        ]
        if let signature { headers.append((name: "X-Inngest-Signature", value: signature)) }
        return headers
    }

    /// The account id that SDKs are shown; there is only one.
    package static let accountID = "00000000-0000-4000-a000-000000000000"
    /// The environment id that SDKs are shown; there is only one.
    package static let environmentID = "00000000-0000-4000-b000-000000000000"

    /// What SDKs give back as `qi_id` when they report steps in the middle of a call.
    static func queueItem(callID: String) -> String { Base64.encode(Array((callID + "::daybook").utf8)) }

    /// The run is the trace, the call is the span (W3C Trace Context).
    private static func traceparent(of request: CallRequest) -> String {
        var text = Array("00-".utf8)
        for half in [request.run.high, request.run.low] { appendHex(half, to: &text) }
        text.append(UInt8(ascii: "-"))
        // All zeros would make the header invalid.
        appendHex(max(1, request.callID.low), to: &text)
        text.append(json: "-01")
        return String(decoding: text, as: UTF8.self)
    }

    private static func appendHex(_ value: UInt64, to text: inout [UInt8]) {
        text.append(hex: UInt32(truncatingIfNeeded: value >> 32))
        text.append(hex: UInt32(truncatingIfNeeded: value))
    }

    /// A part of a query without its escapes; a `%` that starts none stands for itself.
    private static func queryDecoded(_ part: Substring.UTF8View.SubSequence) -> [UInt8] {
        var decoded: [UInt8] = []
        var rest = part
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "+") {
                decoded.append(UInt8(ascii: " "))
            } else if byte == UInt8(ascii: "%"), let escaped = hexBytes(rest.prefix(2))?.first {
                decoded.append(escaped)
                rest = rest.dropFirst(2)
            } else {
                decoded.append(byte)
            }
        }
        return decoded
    }

    static func appendQueryEncoded(_ part: [UInt8], to url: inout [UInt8]) {
        for byte in part {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."),
                UInt8(ascii: "~"):
                url.append(byte)
            case UInt8(ascii: " "):
                url.append(UInt8(ascii: "+"))
            default:
                url.append(UInt8(ascii: "%"))
                for digit in [byte >> 4, byte & 15] {
                    url.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "A") + digit - 10)
                }
            }
        }
    }
}
