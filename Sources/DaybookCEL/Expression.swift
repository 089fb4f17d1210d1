/// A compiled expression of the language of trigger filters, wait conditions, keys and priorities: CEL as the behaviour
/// reference describes it in section 18.
///
/// Compiling reads, checks and prepares it once; evaluating then reads raw JSON, decodes nothing that the expression does
/// not touch, and is safe on any bytes. Of members of one object with equal names the first counts. Evaluations run on
/// any thread, at once if need be.
package struct Expression: Sendable {
    /// Where an expression stands, which decides what it may contain.
    package enum Use: Sendable {
        /// `if` of a trigger, a wait or a batch; a filter of runs.
        case condition
        /// `if` of a cancel: logic, comparison, `in`, index, field access, `int`, `uint` and `double` only.
        case cancelCondition
        /// A key of concurrency, throttle, rate limit, debounce, batch, singleton or idempotency.
        case key
        /// Seconds; an int.
        case priority
        /// `daybook eval`.
        case any
    }

    package let source: String
    /// Whether a field of `async`, the incoming event of a wait or a cancel, is read anywhere.
    package var usesAsync: Bool { program.usesAsync }
    let program: Program

    /// - Throws: What is wrong with the source, and where; also that its result can be told to have the wrong type, such as
    ///   `1` as a condition. What depends on the event shows when it is evaluated.
    package init(_ source: String, for use: Use) throws(ExpressionError) {
        let bytes = Array(source.utf8)
        let tree = try Parser.parse(bytes)
        try Checker.check(tree, in: bytes, for: use)
        self.source = source
        program = try Program(tree, in: bytes)
    }

    /// The value of a condition; a missing value is false.
    ///
    /// - Throws: What section 18.6 calls an evaluation error, a result that is not boolean among them.
    package func isTrue(
        event: [UInt8]?, async: [UInt8]? = nil, now: Moment
    ) throws(EvaluationError) -> Bool {
        try evaluate(event: event, async: async, now: now) { (value, _) throws(EvaluationError) in
            try value.conditionResult()
        }
    }

    /// What a key expression came to.
    package enum KeyResult: Hashable, Sendable {
        /// A field it needs is not there.
        case missing
        /// The boolean `false`.
        case isFalse
        /// Any other value as text; equal values give equal texts.
        case text(String)
    }

    /// The value of a key.
    package func key(event: [UInt8], now: Moment) throws(EvaluationError) -> KeyResult {
        try evaluate(event: event, async: nil, now: now) { (value, evaluator) throws(EvaluationError) in
            switch value {
            case .missing: .missing
            case .bool(false): .isFalse
            // -0 equals 0, so it has the same key.
            case .double(0): .text("0")
            default: .text(String(decoding: try evaluator.text(of: value), as: UTF8.self))
            }
        }
    }

    /// The value of a priority: 0 for a missing field and for `false`.
    ///
    /// - Throws: Also when the result is not an int; a number of the event is a double, so it needs `int(…)`.
    package func integer(event: [UInt8], now: Moment) throws(EvaluationError) -> Int64 {
        try evaluate(event: event, async: nil, now: now) { (value, _) throws(EvaluationError) in
            switch value {
            case .missing, .bool(false): 0
            case .int(let value): value
            default: throw value.unexpectedResult(wanted: "an int")
            }
        }
    }

    /// The value of any expression; nil if it is missing.
    package func value(event: [UInt8]?, async: [UInt8]?, now: Moment) throws(EvaluationError) -> ResultValue? {
        try evaluate(event: event, async: async, now: now) { (value, evaluator) throws(EvaluationError) in
            if case .missing = value { return nil }
            return ResultValue(typeName: value.typeName, json: try evaluator.json(of: value))
        }
    }
}

/// A value that has left its evaluation.
package struct ResultValue: Hashable, Sendable {
    /// As `type()` calls it: `bool`, `int`, `double`, `string`, `list`, `map`, `null_type` and so on.
    package let typeName: String
    /// Timestamps and durations are their text in quotes, bytes are base64, numbers JSON does not have are text.
    package let json: String
}
