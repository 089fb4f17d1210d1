import DaybookCEL
import DaybookValues

extension FuzzTargets {
    private static let expressionTokens = [
        "event.data.", "async.data.", "vars.", "==", "!=", "<=", "&&", "||", "?", ":", "in", "[", "]", "(", ")",
        "{", "}", "'", "\"", "\\", "null", "true", "5u", "0x1F", "1e308", "9223372036854775807",
        "-9223372036854775808", ".exists(x, ", ".all(x, ", ".map(x, ", ".filter(x, ", ".exists_one(x, ",
        "has(event.data.n)", "size(", "int(", "string(", ".matches('", "(a*)*", "a{1000}", "[[:alpha:]]", "(?i)",
        "\\b", ".contains(", ".startsWith(", "date(", "timestamp(", "duration('1h')", "now()", "now_plus('1d')",
        "type(", "b64decode(", "json_parse(", "uppercase(", ".getHours('+02:00')", "// ", "+", "-", "*", "/", "%",
        "!", "\n---\n", "{\"data\":{\"n\":5}}", "1e400", "\\ud800", "b'\\xff'", "r'", "'''",
    ]

    /// Expressions on events: the input is a source, and behind lines of three hyphens the event and the incoming event.
    static let expressionTargets: [FuzzTarget] = [
        FuzzTarget("expression", bytesMax: 2_048, tokens: expressionTokens, run: checkExpression)
    ]

    private static let now = Moment(milliseconds: 1_795_248_000_000)
    private static let sample = Array(
        (#"{"name":"a/b","ts":1795248000000,"data":{"n":5,"s":"abc","e":"","t":true,"nul":null,"list":["a",1],"#
            + #""obj":{"k":"v"},"u":"\u00e9\ud83d\ude00","d":"2026-11-21T08:00:00Z"}}"#).utf8)

    private static func checkExpression(_ bytes: [UInt8]) throws {
        let parts = split(bytes)
        let source = String(decoding: parts[0], as: UTF8.self)
        let event = parts.count > 1 ? parts[1] : sample
        let async = parts.count > 2 ? parts[2] : sample

        guard let expression = try compile(source, for: .any) else {
            for use in [Expression.Use.condition, .cancelCondition, .key, .priority] {
                try require(
                    try compile(source, for: use) == nil, "what no place takes, none takes: \(shown(parts[0]))")
            }
            return
        }
        let value = Result { () throws(EvaluationError) in
            try expression.value(event: event, async: async, now: now)
        }
        try checkRepeated(expression, value, event: event, async: async)
        try checkPlaces(source, event: event, async: async)
        _ = Expression.equalityKey(of: event, at: source)
    }

    /// At lines of three hyphens, into three parts at most.
    private static func split(_ bytes: [UInt8]) -> [[UInt8]] {
        let mark = Array("\n---\n".utf8)
        var parts: [[UInt8]] = []
        var rest = bytes[...]
        while parts.count < 2, let range = rest.firstRange(of: mark) {
            parts.append(Array(rest[..<range.lowerBound]))
            rest = rest[range.upperBound...]
        }
        return parts + [Array(rest)]
    }

    private static func compile(_ source: String, for use: Expression.Use) throws -> Expression? {
        do throws(ExpressionError) {
            return try Expression(source, for: use)
        } catch {
            let text = error.description
            try require(!error.message.isEmpty && error.line >= 1 && error.column >= 1, "a refusal says why and where")
            let lines = error.excerpt.split(separator: "\n", omittingEmptySubsequences: false)
            try require(lines.count == 2 && lines[1].hasSuffix("^"), "the excerpt has two lines: \(text)")
            return nil
        }
    }

    /// The same again, on the same event in other writing.
    private static func checkRepeated(
        _ expression: Expression, _ value: Result<ResultValue?, EvaluationError>, event: [UInt8], async: [UInt8]
    ) throws {
        let again = Result { () throws(EvaluationError) in
            try expression.value(event: event, async: async, now: now)
        }
        try require(again == value, "an expression has one value: \(expression.source)")
        switch value {
        case .failure(let error): try require(!error.message.isEmpty, "an evaluation error says why")
        case .success(let value):
            guard let value, isJSON(event), isJSON(async) else { return }
            try require(isJSON(Array(value.json.utf8)), "a value is JSON: \(expression.source): \(value.json)")
        }
        if let compactEvent = try? JSONText.compact(event), let compactAsync = try? JSONText.compact(async) {
            let compacted = Result { () throws(EvaluationError) in
                try expression.value(event: compactEvent, async: compactAsync, now: now)
            }
            // Spaces are part of what an evaluation costs.
            if case .failure(let error) = value, error.kind == .tooCostly { return }
            try require(compacted == value, "spaces in events make no difference: \(expression.source)")
        }
    }

    /// Conditions, keys and priorities agree with the value, and a wait that matches is found by the index.
    private static func checkPlaces(_ source: String, event: [UInt8], async: [UInt8]) throws {
        if let priority = try compile(source, for: .priority) {
            _ = try? priority.integer(event: event, now: now)
        }
        if let key = try compile(source, for: .key) {
            let first = Result { () throws(EvaluationError) in try key.key(event: event, now: now) }
            let second = Result { () throws(EvaluationError) in try key.key(event: event, now: now) }
            try require(first == second, "an event has one key: \(source)")
        }
        for use in [Expression.Use.condition, .cancelCondition] {
            guard let condition = try compile(source, for: use) else { continue }
            let isTrue = try? condition.isTrue(event: event, async: async, now: now)
            if let value = try? condition.value(event: event, async: async, now: now) {
                try require(
                    isTrue == (value.typeName == "bool" ? value.json == "true" : nil),
                    "a condition is its value: \(source)")
            }
            let captured = condition.capture(event: event)
            if isJSON(event) {
                try require(isJSON(captured), "a capture is JSON: \(source): \(shown(captured))")
            }
            let isMatch = try? condition.isTrue(captured: captured, async: async, now: now)
            if isMatch == true, let equality = condition.equality(captured: captured) {
                try require(
                    Expression.equalityKey(of: async, at: equality.path) == equality.key,
                    "a match is found by its key: \(source) at \(equality.path)")
            }
            // Captures come back from the disk.
            _ = try? condition.isTrue(captured: event, async: async, now: now)
            _ = condition.equality(captured: event)
        }
    }

    private static func isJSON(_ bytes: [UInt8]) -> Bool { (try? JSONText.check(bytes)) != nil }
}
