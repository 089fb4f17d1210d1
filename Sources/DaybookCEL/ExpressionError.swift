/// Why an expression is refused, and where: found before it is ever evaluated.
package struct ExpressionError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Counted from 1.
    package var line: Int { fault.line }
    /// In characters, counted from 1.
    package var column: Int { fault.column }
    /// What is wrong and, where it helps, what to write instead.
    package var message: String { fault.message }
    /// What could have stood there, in the order in which it is best read; may be empty.
    package var expected: [String] { fault.expected }
    /// The line of the source with a second line below it, whose caret shows the place. Long lines are cut on both
    /// sides.
    package var excerpt: String { fault.excerpt }

    /// In an object of its own, because every function of the recursive parser and checker keeps room for an error on
    /// the stack.
    private let fault: Fault

    private final class Fault: Sendable {
        let line: Int
        let column: Int
        let message: String
        let expected: [String]
        let excerpt: String

        init(_ message: String, at offset: Int, in source: [UInt8], expected: [String]) {
            let end = min(max(offset, 0), source.count)
            let newline = UInt8(ascii: "\n")
            let lineStart = source[..<end].lastIndex(of: newline).map { $0 + 1 } ?? 0
            let lineEnd = source[end...].firstIndex(of: newline) ?? source.count
            let before = String(decoding: source[lineStart..<end], as: UTF8.self)
            let after = String(decoding: source[end..<lineEnd], as: UTF8.self)
            line = source[..<lineStart].reduce(1) { $0 + ($1 == newline ? 1 : 0) }
            column = before.count + 1
            self.message = message
            self.expected = expected
            // A tab or another control character would move the caret away from its place.
            let left = String(before.suffix(60).map { $0.isPrintable ? $0 : " " })
            let right = String(after.prefix(60).map { $0.isPrintable ? $0 : " " })
            excerpt = left + right + "\n" + String(repeating: " ", count: left.count) + "^"
        }
    }

    /// - Parameter offset: bytes of `source` before the fault.
    init(_ message: String, at offset: Int, in source: [UInt8], expected: [String] = []) {
        fault = Fault(message, at: offset, in: source, expected: expected)
    }

    package static func == (a: ExpressionError, b: ExpressionError) -> Bool {
        a.line == b.line && a.column == b.column && a.message == b.message && a.expected == b.expected
            && a.excerpt == b.excerpt
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(line)
        hasher.combine(column)
        hasher.combine(message)
    }

    /// `line 1, column 14: expected an operand, found the end of the expression`. Long lists of what was expected, such
    /// as all methods, are left out.
    package var description: String {
        let isSaid = expected.isEmpty || expected.count > 4 || message.hasPrefix("expected ")
        let hint = isSaid ? "" : "; expected \(expected.joined(separator: " or "))"
        return "line \(line), column \(column): \(message)\(hint)"
    }
}

extension Character {
    fileprivate var isPrintable: Bool { unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F } }
}

/// Why an expression has no value for one event.
package struct EvaluationError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Kind: Hashable, Sendable {
        /// An operator or a method met values of types it does not take.
        case noSuchOverload
        /// The expression has a value, of a type that its place does not take.
        case unexpectedResult
        /// `date`, `now_plus` or `now_minus` could not read its argument.
        case functionFailed
        /// A regular expression that comes from data is broken.
        case brokenPattern
        /// The limits of one evaluation.
        case tooCostly, tooDeep
    }

    package let kind: Kind
    /// The error's text as the behaviour reference has it (section 18.6), with the types or values that caused it.
    package let message: String

    init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    package var description: String { message }

    static func noSuchOverload(_ what: String) -> EvaluationError {
        EvaluationError(.noSuchOverload, "invalid type comparison: no such overload: \(what)")
    }

    static func functionFailed(_ what: String) -> EvaluationError {
        EvaluationError(.functionFailed, "expression did not return true or false: \(what)")
    }

    static let tooCostly = EvaluationError(
        .tooCostly, "the expression costs too much: it was stopped after \(Limits.cost) units of work")
    static let tooDeep = EvaluationError(
        .tooDeep, "the event's values are nested deeper than \(Limits.valueDepth) levels")
}

/// What bounds an expression, so that none can hold up the server.
package enum Limits {
    /// Bytes of an expression's source.
    package static let sourceBytes = 65_536
    /// Levels of an expression within each other.
    package static let nesting = 100
    /// Units of work of one evaluation: one for each operation, more for long values.
    package static let cost = 1_000_000
    /// Levels of lists and maps that are compared or printed.
    package static let valueDepth = 512
    /// Bytes of text that an operation handles for one unit of work.
    static let bytesPerUnit = 16
}
