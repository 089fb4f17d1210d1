/// Waits and cancels: `event` is the trigger event of a run, whose part in the condition is fixed when the listener is
/// made; `async` is each incoming event (behaviour reference, section 19).
extension Expression {
    /// What the condition needs of the trigger event, as compact JSON: an array with one element for each path below
    /// `event` that it reads, `null` for one that is absent. Values, not source text, so that texts with quotes and
    /// large numbers match like any other.
    package func capture(event: [UInt8]) -> [UInt8] {
        program.capture(event: event)
    }

    /// The value of the condition for an incoming event; a missing value is false.
    package func isTrue(captured: [UInt8], async: [UInt8], now: Moment) throws(EvaluationError) -> Bool {
        try evaluate(captured: captured, async: async, now: now) { (value, _) throws(EvaluationError) in
            try value.conditionResult()
        }
    }

    /// An equality between a field of `async` and a scalar that must hold for the whole condition to be true.
    ///
    /// - Returns: The field's path below `async`, joined by dots, and the key of the scalar; nil if the condition has no
    ///   such part, or compares with a list or a map. Equal values have equal keys; different ones may, so a condition
    ///   found by its key must still be evaluated. Missing and null have one key, 1 and 1.0 have one, 0 and -0 too.
    package func equality(captured: [UInt8]) -> (path: String, key: String)? {
        program.equality(captured: captured)
    }

    /// The key of an incoming event's field, to be compared with that of `equality`.
    ///
    /// - Returns: nil for a list or a map, which no equality of a scalar matches.
    package static func equalityKey(of event: [UInt8], at path: String) -> String? {
        Program.equalityKey(of: event, at: path)
    }
}
