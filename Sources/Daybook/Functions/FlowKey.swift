/// What tells runs apart for a limit, a debounce, a batch or the like: each value of the key is counted on its own. Sendable.
///
/// ```swift
/// .concurrency(1, key: .field("userId"))
/// .throttle(100, per: .minutes(1), key: .constant("openai"))
/// .rateLimit(20, per: .hours(1), key: "event.data.region + '/' + event.data.tier")
/// ```
///
/// A key is worked out once, from the run's own event, when the run is queued, and stays. Values that are not strings are
/// turned into text. A field that is missing has the value `false`, so such events share one key; a rate limit, an
/// idempotency key and a singleton let them pass instead. An expression is checked when the function is registered, which
/// fails with the line and column of what is wrong.
public struct FlowKey: Sendable, Hashable, ExpressibleByStringLiteral {
    /// In the Common Expression Language; the run's event is `event`.
    package let expression: String
    /// Why there is no such key, or nil.
    package let problem: String?

    private init(expression: String, problem: String?) {
        self.expression = expression
        self.problem = problem
    }

    /// The value of a field of the event's data.
    ///
    /// - Parameter path: member names joined by dots, relative to the event's `data`; a number is an index into an array:
    ///   `userId`, `items.0.sku`.
    public static func field(_ path: String) -> FlowKey {
        do throws(FieldPath.Problem) {
            return FlowKey(expression: try FieldPath(path).expression(in: "event"), problem: nil)
        } catch {
            return FlowKey(expression: "", problem: error.description)
        }
    }

    /// The same for every event: names a count that several functions share, with `.concurrency(scope:)`.
    ///
    /// - Parameter text: any text that has not both kinds of quotes, no backslash and no line break.
    public static func constant(_ text: String) -> FlowKey {
        guard let literal = expressionString(text) else {
            return FlowKey(
                expression: "",
                problem:
                    "the constant key '\(text)' cannot be written in an expression: it may have one kind of quotes, "
                    + "no backslash and no control characters")
        }
        return FlowKey(expression: literal, problem: nil)
    }

    /// The value of an expression, such as `event.data.userId`. A string literal can stand in its place.
    public static func expression(_ text: String) -> FlowKey { FlowKey(expression: text, problem: nil) }

    public init(stringLiteral text: String) { self.init(expression: text, problem: nil) }
}

/// A path into an event's data, as authors write it: member names, and indexes into arrays, joined by dots.
struct FieldPath {
    struct Problem: Error, CustomStringConvertible {
        let description: String
    }

    private let parts: [Substring]

    /// - Throws: when a part is empty, cannot be written in an expression, or the path begins above the data. The last
    ///   would be a field that no event has, which as a key or a match means all events.
    init(_ path: String) throws(Problem) {
        parts = path.split(separator: ".", omittingEmptySubsequences: false)
        guard !path.isEmpty else { throw Problem(description: "the path of a field is empty") }
        guard parts.allSatisfy({ !$0.isEmpty }) else {
            throw Problem(description: "the path '\(path)' has an empty part; write it like 'userId' or 'items.0.sku'")
        }
        for root in [["data"], ["event", "data"], ["async", "data"]] where parts.count > root.count {
            guard !parts.prefix(root.count).elementsEqual(root, by: ==) else {
                let rest = parts.dropFirst(root.count).joined(separator: ".")
                throw Problem(
                    description: "the path '\(path)' begins above the event's data; write '\(rest)', or, for a member "
                        + "that is itself called '\(root[0])', the expression 'event.data.\(path)'")
            }
        }
        for part in parts where !isName(part) && expressionString(String(part)) == nil {
            throw Problem(
                description: "the path '\(path)' cannot be written in an expression: a name in it may have one kind of "
                    + "quotes, no backslash and no control characters")
        }
    }

    /// The field as an expression names it: `event.data.items[0].sku`.
    func expression(in event: String) -> String {
        parts.reduce("\(event).data") { path, part in
            if isName(part) { return "\(path).\(part)" }
            if let index = Int32(part), index >= 0, part.first != "+" { return "\(path)[\(index)]" }
            return "\(path)[\(expressionString(String(part)) ?? "")]"
        }
    }

    /// That the field of the run's own event equals the same field of the event that came.
    var matchExpression: String { "\(expression(in: "event")) == \(expression(in: "async"))" }
}

/// As a string of the expression language, in which escapes are not decoded; nil when it cannot be written.
private func expressionString(_ text: String) -> String? {
    guard text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "\\") }) else { return nil }
    if !text.utf8.contains(UInt8(ascii: "'")) { return "'\(text)'" }
    return text.utf8.contains(UInt8(ascii: "\"")) ? nil : "\"\(text)\""
}

/// Whether it can follow a dot in an expression.
private func isName(_ text: Substring) -> Bool {
    let isWord = text.utf8.enumerated().allSatisfy { index, byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"): index > 0
        default: false
        }
    }
    return isWord && !text.isEmpty && !reservedWords.contains(String(text))
}

/// The words that the language definition keeps for itself.
private let reservedWords: Set<String> = [
    "as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let", "loop",
    "namespace", "null", "package", "return", "true", "var", "void", "while",
]
