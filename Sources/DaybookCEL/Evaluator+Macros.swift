/// `all`, `exists`, `exists_one`, `filter` and `map`: over the elements of a list or the keys of a map.
extension Evaluator {
    mutating func run(
        _ macro: Macro, level: Int32, over range: Value, condition: Operation.Index, transform: Operation.Index
    ) throws(EvaluationError) -> Value {
        if range.isMissing { return .missing }
        var elements = try macroElements(of: range, macro)
        switch macro {
        case .exists: return try exists(&elements, level, condition)
        case .all: return try all(&elements, level, condition)
        case .existsOne:
            var count = 0
            while let element = elements.next() {
                if try evaluate(condition, level: level, element: element).isTruthy { count += 1 }
            }
            return .bool(count == 1)
        case .filter, .map:
            var results: [Value] = []
            while let element = elements.next() {
                try charge(1)
                if condition >= 0, !(try evaluate(condition, level: level, element: element).isTruthy) { continue }
                let result = transform >= 0 ? try evaluate(transform, level: level, element: element) : element
                results.append(result.isMissing ? .null : result)
            }
            return .list(results)
        }
    }

    /// True as soon as the condition is for one element, even if it fails for another.
    private mutating func exists(
        _ elements: inout ElementIterator, _ level: Int32, _ condition: Operation.Index
    ) throws(EvaluationError) -> Value {
        var failure: EvaluationError?
        while let element = elements.next() {
            do throws(EvaluationError) {
                if try evaluate(condition, level: level, element: element).isTruthy { return .bool(true) }
            } catch {
                if error.isLimit { throw error }
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
        return .bool(false)
    }

    /// False, or missing, as soon as the condition is for one element, even if it fails for another.
    private mutating func all(
        _ elements: inout ElementIterator, _ level: Int32, _ condition: Operation.Index
    ) throws(EvaluationError) -> Value {
        var failure: EvaluationError?
        while let element = elements.next() {
            do throws(EvaluationError) {
                let value = try evaluate(condition, level: level, element: element)
                if !value.isTruthy { return value.isMissing ? .missing : .bool(false) }
            } catch {
                if error.isLimit { throw error }
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
        return .bool(true)
    }

    private mutating func macroElements(
        of range: Value, _ macro: Macro
    ) throws(EvaluationError) -> ElementIterator {
        switch range {
        case .list, .jsonList: return try elements(of: range)
        case .map, .jsonMap: return .own(try mapValue(of: range).entries.map(\.key).makeIterator())
        default: throw .noSuchOverload("\(range.typeName).\(macro.rawValue)(…)")
        }
    }
}
