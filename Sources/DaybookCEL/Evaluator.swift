/// One evaluation of a program.
struct Evaluator {
    private let operations: UnsafePointer<Operation>
    let operands: UnsafeMutableBufferPointer<Int32>
    private let constants: UnsafeMutableBufferPointer<Value>
    let patterns: [Pattern]
    private let found: UnsafeMutableBufferPointer<FieldTree.Found>
    /// Fields below this number are of the trigger event; in a capture, where absent ones are null.
    private let capturedCount: Int
    let now: Moment
    /// Units of work that are left.
    private var budget = Limits.cost
    /// The current elements of the macros around the step, outermost first.
    private var variables: [Value]

    @inline(__always)
    init(_ program: Program, found: UnsafeMutableBufferPointer<FieldTree.Found>, isCaptured: Bool, now: Moment) {
        // A program has at least one step.
        operations = UnsafePointer(program.operations.baseAddress!)
        operands = program.operands
        constants = program.constants
        patterns = program.patterns
        self.found = found
        capturedCount = isCaptured ? program.asyncRoot : 0
        self.now = now
        variables = program.variableCount == 0 ? [] : Array(repeating: .missing, count: program.variableCount)
    }

    /// The value of a step.
    mutating func evaluate(_ index: Operation.Index) throws(EvaluationError) -> Value {
        budget -= 1
        if budget < 0 { throw .tooCostly }
        switch operations[Int(index)] {
        case .constant(let index): return constants[Int(index)]
        case .path(let field): return try value(ofField: Int(field))
        case .hasPath(let field): return found[Int(field)].start != nil ? .bool(true) : .missing
        case .variable(let level): return variables[Int(level)]
        case .equal(let a, let b): return .bool(try isEqual(a, b))
        case .notEqual(let a, let b): return .bool(!(try isEqual(a, b)))
        case .ordered(let operation, let a, let b): return .bool(try isOrdered(operation, a, b))
        case .all(let parts): return try all(parts)
        case .any(let parts): return try any(parts)
        case .not(let operand): return try not(operand)
        case .conditional(let condition, let yes, let no):
            return try evaluate(try evaluate(condition).isTruthy ? yes : no)
        default: return try evaluateOther(operations[Int(index)])
        }
    }

    /// Takes units of work off the budget.
    @inline(__always)
    mutating func charge(_ units: Int) throws(EvaluationError) {
        budget -= units
        if budget < 0 { throw .tooCostly }
    }

    @inline(__always)
    mutating func charge(bytes: Int) throws(EvaluationError) {
        try charge(bytes / Limits.bytesPerUnit)
    }

    /// Evaluates a step with the element of a macro set.
    mutating func evaluate(
        _ index: Operation.Index, level: Int32, element: Value
    ) throws(EvaluationError) -> Value {
        variables[Int(level)] = element
        return try evaluate(index)
    }

    func constant(_ index: Operation.Index) -> Value { constants[Int(index)] }

    @inline(never)
    private mutating func evaluateOther(_ operation: Operation) throws(EvaluationError) -> Value {
        switch operation {
        case .field(let operand, let name):
            return try field(of: try evaluate(operand), named: constants[Int(name)])
        case .hasField(let operand, let name):
            let value = try field(of: try evaluate(operand), named: constants[Int(name)])
            return value.isMissing ? .missing : .bool(true)
        case .index(let operand, let index): return try element(of: try evaluate(operand), at: try evaluate(index))
        case .negated(let operand): return negated(try evaluate(operand))
        case .arithmetic(let operation, let a, let b):
            let left = try evaluate(a)
            return try arithmetic(operation, left, try evaluate(b))
        case .isIn(let a, let b):
            let element = try evaluate(a)
            return .bool(try isIn(element, try evaluate(b)))
        case .call(let function, let arguments): return try call(function, arguments)
        case .matches(let operand, let pattern):
            return try matches(try evaluate(operand), patterns[Int(pattern)])
        case .list(let elements): return try list(elements)
        case .map(let entries): return try map(entries)
        case .macro(let macro, let level, let range, let condition, let transform):
            return try run(
                macro, level: level, over: try evaluate(range), condition: condition, transform: transform)
        default: return .missing
        }
    }

    // MARK: Fields

    @inline(__always)
    private mutating func value(ofField index: Int) throws(EvaluationError) -> Value {
        guard let text = found[index].text else { return index < capturedCount ? .null : .missing }
        if found[index].isPlainText { return .text(UnsafeBufferPointer(rebasing: text[1..<text.count - 1])) }
        // Decoding a long string or number again and again, inside a macro, must not be free. Lists and maps are not
        // decoded here.
        if text.count > 64, text[0] != UInt8(ascii: "{"), text[0] != UInt8(ascii: "[") {
            try charge(bytes: text.count)
        }
        return JSONText.value(of: text)
    }

    private mutating func field(of operand: Value, named name: Value) throws(EvaluationError) -> Value {
        switch operand {
        case .jsonMap(let json):
            try charge(bytes: json.count)
            guard case .text(let name) = name, var cursor = JSONCursor(json), let text = cursor.member(named: name)
            else { return .missing }
            return JSONText.value(of: text)
        case .map(let map): return MapKey(name).flatMap { map[$0] } ?? .missing
        default: return .missing
        }
    }

    private mutating func element(of operand: Value, at index: Value) throws(EvaluationError) -> Value {
        switch operand {
        case .jsonMap:
            switch index {
            case .text: return try field(of: operand, named: index)
            case .ownText(let text):
                return try text.withUnsafeBufferPointer { text throws(EvaluationError) in
                    try field(of: operand, named: .text(text))
                }
            default: return .missing
            }
        case .map(let map): return MapKey(index).flatMap { map[$0] } ?? .missing
        case .list(let elements):
            guard let position = Self.position(index), position < elements.count else { return .missing }
            return elements[position]
        case .jsonList(let json):
            guard var position = Self.position(index) else { return .missing }
            try charge(bytes: json.count)
            var elements = JSONElements(json)
            while let element = elements.next() {
                if position == 0 { return element }
                position -= 1
            }
            return .missing
        default: return .missing
        }
    }

    /// The place in a list that a number names: whole and not negative.
    private static func position(_ index: Value) -> Int? {
        let position: Int? =
            switch index {
            case .int(let value): Int(exactly: value)
            case .uint(let value): Int(exactly: value)
            case .double(let value): Int(exactly: value)
            default: nil
            }
        return position.flatMap { $0 >= 0 ? $0 : nil }
    }

    // MARK: Logic

    /// The first operand that is not true, or the last one, as JavaScript has it; an operand that fails is forgotten if
    /// a later one is false. A missing operand ends it like false, and stays missing.
    private mutating func all(_ parts: Operation.Operands) throws(EvaluationError) -> Value {
        var failure: EvaluationError?
        var last = Value.bool(true)
        for offset in 0..<parts.count {
            do throws(EvaluationError) {
                last = try evaluate(operands[Int(parts.first + offset)])
                if !last.isTruthy { return last }
            } catch {
                if error.isLimit { throw error }
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
        return last
    }

    /// The first operand that is true, or the last one that is not missing; an operand that fails is forgotten if a
    /// later one is true.
    private mutating func any(_ parts: Operation.Operands) throws(EvaluationError) -> Value {
        var failure: EvaluationError?
        var last = Value.missing
        for offset in 0..<parts.count {
            do throws(EvaluationError) {
                let value = try evaluate(operands[Int(parts.first + offset)])
                if value.isTruthy { return value }
                if !value.isMissing { last = value }
            } catch {
                if error.isLimit { throw error }
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
        return last
    }

    private mutating func not(_ operand: Operation.Index) throws(EvaluationError) -> Value {
        switch try evaluate(operand) {
        case .missing: .bool(false)
        case .bool(let value): .bool(!value)
        case let other: throw .noSuchOverload("!\(other.typeName)")
        }
    }

    // MARK: Lists and maps

    /// A missing element is null.
    private mutating func list(_ parts: Operation.Operands) throws(EvaluationError) -> Value {
        var elements: [Value] = []
        elements.reserveCapacity(Int(parts.count))
        for offset in 0..<parts.count {
            let value = try evaluate(operands[Int(parts.first + offset)])
            elements.append(value.isMissing ? .null : value)
        }
        return .list(elements)
    }

    private mutating func map(_ parts: Operation.Operands) throws(EvaluationError) -> Value {
        let map = MapValue()
        var offset = parts.first
        while offset < parts.first + parts.count {
            let key = try evaluate(operands[Int(offset)])
            let value = try evaluate(operands[Int(offset + 1)])
            if key.isMissing { return .missing }
            guard let mapKey = MapKey(key) else { throw .noSuchOverload("a map's key of type \(key.typeName)") }
            map.insert(key, as: mapKey, value.isMissing ? .null : value)
            offset += 2
        }
        return .map(map)
    }
}

extension EvaluationError {
    /// Nothing makes up for an expression that ran into a limit.
    var isLimit: Bool { kind == .tooCostly || kind == .tooDeep }
}

/// The elements of a JSON array, read one by one.
struct JSONElements {
    private var cursor: JSONCursor?

    init(_ json: UnsafeBufferPointer<UInt8>) {
        cursor = JSONCursor(json)
        cursor?.advance()
    }

    mutating func next() -> Value? {
        guard var cursor, cursor.nextElement() else { return nil }
        let text = cursor.valueText()
        self.cursor = cursor
        return JSONText.value(of: text)
    }
}
