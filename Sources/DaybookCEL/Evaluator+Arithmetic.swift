/// Sums, differences and so on. What does not work out is missing, except that `+` joins texts.
extension Evaluator {
    mutating func arithmetic(
        _ operation: BinaryOperator, _ a: Value, _ b: Value
    ) throws(EvaluationError) -> Value {
        switch operation {
        case .add: try sum(a, b)
        case .subtract: Self.difference(a, b)
        case .multiply: Self.product(a, b)
        case .divide: Self.quotient(a, b)
        default: Self.remainder(a, b)
        }
    }

    func negated(_ value: Value) -> Value {
        switch value {
        case .int(let value): value == .min ? .missing : .int(-value)
        case .double(let value): .double(-value)
        case .duration(let value): value == .min ? .missing : .duration(-value)
        default: .missing
        }
    }

    /// Of two numbers of one type the sum, of two lists the one behind the other, of anything else the texts joined; of
    /// a missing value and another the other.
    private mutating func sum(_ a: Value, _ b: Value) throws(EvaluationError) -> Value {
        switch (a, b) {
        case (.missing, _): return b
        case (_, .missing): return a
        case (.int(let a), .int(let b)): return Self.checked(a.addingReportingOverflow(b), Value.int)
        case (.uint(let a), .uint(let b)): return Self.checked(a.addingReportingOverflow(b), Value.uint)
        case (.double(let a), .double(let b)): return .double(a + b)
        case (.duration(let a), .duration(let b)): return Self.checked(a.addingReportingOverflow(b), Value.duration)
        case (.timestamp(let moment), .duration(let duration)), (.duration(let duration), .timestamp(let moment)):
            return moment.adding(nanoseconds: duration).map(Value.timestamp) ?? .missing
        case (.bytes(let a), .bytes(let b)):
            try charge(bytes: a.count + b.count)
            return .bytes(a + b)
        case (.list, .list), (.list, .jsonList), (.jsonList, .list), (.jsonList, .jsonList):
            var joined = try array(a)
            joined += try array(b)
            return .list(joined)
        default:
            let (left, right) = (try text(of: a), try text(of: b))
            try charge(bytes: left.count + right.count)
            return .ownText(left + right)
        }
    }

    private mutating func array(_ list: Value) throws(EvaluationError) -> [Value] {
        var array: [Value] = []
        var elements = try elements(of: list)
        while let element = elements.next() {
            try charge(1)
            array.append(element)
        }
        return array
    }

    private static func difference(_ a: Value, _ b: Value) -> Value {
        switch (a, b) {
        case (.int(let a), .int(let b)): checked(a.subtractingReportingOverflow(b), Value.int)
        case (.uint(let a), .uint(let b)): checked(a.subtractingReportingOverflow(b), Value.uint)
        case (.double(let a), .double(let b)): .double(a - b)
        case (.duration(let a), .duration(let b)): checked(a.subtractingReportingOverflow(b), Value.duration)
        case (.timestamp(let moment), .duration(let duration)):
            duration == .min
                ? .missing : moment.adding(nanoseconds: -duration).map(Value.timestamp) ?? .missing
        case (.timestamp(let a), .timestamp(let b)): a.nanoseconds(since: b).map(Value.duration) ?? .missing
        default: .missing
        }
    }

    private static func product(_ a: Value, _ b: Value) -> Value {
        switch (a, b) {
        case (.int(let a), .int(let b)): checked(a.multipliedReportingOverflow(by: b), Value.int)
        case (.uint(let a), .uint(let b)): checked(a.multipliedReportingOverflow(by: b), Value.uint)
        case (.double(let a), .double(let b)): .double(a * b)
        default: .missing
        }
    }

    /// A division by zero overflows too.
    private static func quotient(_ a: Value, _ b: Value) -> Value {
        switch (a, b) {
        case (.int(let a), .int(let b)): checked(a.dividedReportingOverflow(by: b), Value.int)
        case (.uint(let a), .uint(let b)): checked(a.dividedReportingOverflow(by: b), Value.uint)
        case (.double(let a), .double(let b)): .double(a / b)
        default: .missing
        }
    }

    private static func remainder(_ a: Value, _ b: Value) -> Value {
        switch (a, b) {
        case (.int(let a), .int(let b)): checked(a.remainderReportingOverflow(dividingBy: b), Value.int)
        case (.uint(let a), .uint(let b)): checked(a.remainderReportingOverflow(dividingBy: b), Value.uint)
        default: .missing
        }
    }

    private static func checked<Number>(
        _ result: (partialValue: Number, overflow: Bool), _ make: (Number) -> Value
    ) -> Value {
        result.overflow ? .missing : make(result.partialValue)
    }
}
