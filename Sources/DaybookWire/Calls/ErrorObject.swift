internal import DaybookValues

/// The error of an attempt as records and internal events have it, its members in canonical order.
struct ErrorObject {
    /// The server's own short text, such as `invalid status code: 500`.
    var error: String
    var name = "Error"
    var message: String
    var stack: String?
    /// Canonical JSON.
    var cause: [UInt8]?

    var json: [UInt8] {
        var json: [UInt8] = []
        json.append(UInt8(ascii: "{"))
        if let cause {
            json.append(json: #""cause":"#)
            json.append(contentsOf: cause)
            json.append(UInt8(ascii: ","))
        }
        json.append(json: #""error":"#)
        json.append(canonical: error)
        json.append(json: #","message":"#)
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

extension ErrorObject {
    /// Bytes of an answer that is no error object which become the error's message; the output has all of it.
    static let messageBytesMax = 8_192

    /// What an app said about a failure: a JSON object with `name`, `message` and maybe `stack` and `cause`, any other JSON,
    /// plain text or nothing.
    ///
    /// - Parameter error: the short text.
    /// - Returns: the error, and the answer as JSON for the run's output.
    static func read(_ body: [UInt8], error: String) -> (error: ErrorObject, output: [UInt8]) {
        switch AnswerBody(body) {
        case .empty:
            var output: [UInt8] = []
            output.append(canonical: error)
            return (ErrorObject(error: error, message: error), output)
        case .text(let text):
            var output: [UInt8] = []
            output.append(canonical: text)
            return (ErrorObject(error: error, message: cut(text)), output)
        case .json(let value) where value.kind == .object:
            return (ErrorObject(value, error: error), CanonicalJSON.encode(value))
        case .json(let value):
            let output = CanonicalJSON.encode(value)
            return (ErrorObject(error: error, message: cut(String(decoding: output, as: UTF8.self))), output)
        }
    }

    private init(_ object: JSONView, error: String) {
        self.init(error: error, message: "")
        var message: String?
        var fallback: String?
        object.forEachMember { rawName, value in
            switch String(decoding: rawName, as: UTF8.self) {
            case "name": if let text = value.string, !text.isEmpty { name = text }
            case "message": message = value.isNull ? nil : value.string ?? String(decoding: value.slice, as: UTF8.self)
            case "error": fallback = value.string
            case "stack": stack = value.string
            case "cause": cause = value.isNull ? nil : CanonicalJSON.encode(value)
            default: break
            }
            return true
        }
        self.message = message ?? fallback ?? error
    }

    private static func cut(_ text: String) -> String {
        guard text.utf8.count > messageBytesMax else { return text }
        return String(decoding: text.utf8.prefix(messageBytesMax), as: UTF8.self) + "…"
    }
}

/// The body of an answer, as results and errors are read from it.
enum AnswerBody {
    case empty
    /// Checked. A JSON string that holds a JSON object is that object.
    case json(JSONView)
    /// Not JSON, or the content of a JSON string. Bytes that are not UTF-8 are U+FFFD.
    case text(String)

    init(_ body: [UInt8]) {
        guard let value = JSONView(body) else {
            self = .empty
            return
        }
        guard isJSON(body) else {
            self = .text(String(decoding: body, as: UTF8.self))
            return
        }
        guard let text = value.string else {
            self = .json(value)
            return
        }
        let inner = Array(text.utf8)
        if let object = JSONView(inner), object.kind == .object, isJSON(inner) {
            self = .json(object)
        } else {
            self = .text(text)
        }
    }
}

func isJSON(_ text: [UInt8]) -> Bool {
    do throws(JSONError) {
        try JSONText.check(text)
        return true
    } catch {
        return false
    }
}

extension CallFailure {
    /// A failure that the server itself has to report: nothing the app said.
    static func system(
        error: String, name: String = "Error", message: String? = nil, isRetriable: Bool = true,
        isUnreachable: Bool = false
    ) -> CallFailure {
        let object = ErrorObject(error: error, name: name, message: message ?? error).json
        var output: [UInt8] = []
        output.append(json: #"{"error":"#)
        output.append(contentsOf: object)
        output.append(UInt8(ascii: "}"))
        return CallFailure(error: object, output: output, isRetriable: isRetriable, isUnreachable: isUnreachable)
    }
}
