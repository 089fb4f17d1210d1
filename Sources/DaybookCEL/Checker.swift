/// Looks up every name of a syntax tree and refuses what can never have a value: unknown names, wrong numbers of
/// arguments, operands whose literal types no operator takes.
struct Checker {
    private let source: [UInt8]
    private let use: Expression.Use
    /// Names of elements inside the macros around the current node.
    private var variables: [String] = []

    static func check(_ tree: SyntaxNode, in source: [UInt8], for use: Expression.Use) throws(ExpressionError) {
        var checker = Checker(source: source, use: use)
        try checker.checkResult(try checker.type(of: tree), tree)
    }

    private init(source: [UInt8], use: Expression.Use) {
        self.source = source
        self.use = use
    }

    /// What can be told from the source alone: `'yes'` never decides anything, and `'high'` is no priority.
    private func checkResult(_ result: StaticType, _ tree: SyntaxNode) throws(ExpressionError) {
        switch use {
        case .condition, .cancelCondition:
            guard !result.fits([.bool]) else { return }
            throw refusal("a condition must be true or false, and this is \(named(result))", tree, expected: ["a bool"])
        case .priority:
            guard !result.fits([.int]) else { return }
            throw refusal(
                "a priority is a whole number of seconds, and this is \(named(result))", tree,
                expected: ["an int, such as `120` or `int(…)`"])
        case .key, .any: return
        }
    }

    private mutating func type(of node: SyntaxNode) throws(ExpressionError) -> StaticType {
        switch node.kind {
        case .literal(let literal): return try type(of: literal, node)
        case .name(let name): return try type(ofName: name, node)
        case .field(let operand, let name): return try type(ofField: name, of: operand, node)
        case .index(let operand, let index): return try type(ofIndex: index, of: operand, node)
        case .call(let name, let arguments): return try type(ofCall: name, arguments, node)
        case .method(let receiver, let name, let arguments):
            return try type(ofMethod: name, on: receiver, arguments, node)
        case .has(let operand):
            try refuseInCancel("`has`", node)
            _ = try type(of: operand)
            return .bool
        case .macro(let call): return try type(of: call, node)
        case .list(let elements):
            for element in elements { _ = try type(of: element) }
            return .list
        case .map(let entries): return try type(ofMap: entries)
        case .not(let operand):
            let operandType = try type(of: operand)
            guard operandType.fits([.bool]) else {
                throw refusal("`!` takes a bool, not \(named(operandType))", node, expected: ["a bool"])
            }
            return .bool
        case .negated(let operand):
            try refuseInCancel("arithmetic", node)
            let operandType = try type(of: operand)
            guard operandType.fits([.int, .double]) else {
                throw refusal("`-` takes a number with a sign, not \(named(operandType))", node, expected: ["a number"])
            }
            return operandType
        case .binary(let operation, let left, let right):
            return try type(of: operation, left, right, node)
        case .all(let operands): return try type(ofLogic: "&&", operands)
        case .any(let operands): return try type(ofLogic: "||", operands)
        case .conditional(let condition, let yes, let no):
            let conditionType = try type(of: condition)
            guard conditionType.fits([.bool]) else {
                throw refusal(
                    "`?` takes a bool before it, not \(named(conditionType))", node, expected: ["a condition"])
            }
            let (first, second) = (try type(of: yes), try type(of: no))
            return first == second ? first : .dynamic
        }
    }

    // MARK: Operands

    private func type(of literal: Literal, _ node: SyntaxNode) throws(ExpressionError) -> StaticType {
        switch literal {
        case .null: .null
        case .bool: .bool
        case .int: .int
        case .uint: .uint
        case .double: .double
        case .string, .rawString: .string
        case .bytes: .bytes
        }
    }

    private func type(ofName name: String, _ node: SyntaxNode) throws(ExpressionError) -> StaticType {
        if variables.contains(name) || Self.roots.contains(name) { return .dynamic }
        if Self.typeNames[name] != nil { return .type }
        if Function(rawValue: name) != nil || name == "has" {
            throw refusal("`\(name)` is a function and needs its arguments: `\(name)(…)`", node, expected: ["`(`"])
        }
        let known = Self.roots + variables
        throw refusal(
            "`\(name)` names nothing\(Suggestion.text(for: name, among: known))", node,
            expected: known.map { "`\($0)`" })
    }

    private mutating func type(
        ofField name: String, of operand: SyntaxNode, _ node: SyntaxNode
    ) throws(ExpressionError) -> StaticType {
        if Self.qualifiedTypeName(node) != nil { return .type }
        let operandType = try type(of: operand)
        guard operandType.fits([.map]) else {
            throw refusal("\(named(operandType)) has no fields, so no `\(name)`", node)
        }
        return .dynamic
    }

    private mutating func type(
        ofIndex index: SyntaxNode, of operand: SyntaxNode, _ node: SyntaxNode
    ) throws(ExpressionError) -> StaticType {
        let operandType = try type(of: operand)
        guard operandType.fits([.list, .map]) else {
            throw refusal("only lists and maps have an index, not \(named(operandType))", node)
        }
        let indexType = try type(of: index)
        if operandType == .list, !indexType.fits([.int, .uint, .double]) {
            throw refusal("the index of a list is a number, not \(named(indexType))", index, expected: ["an int"])
        }
        guard indexType.fits([.int, .uint, .double, .string, .bool]) else {
            throw refusal("\(named(indexType)) is no index", index, expected: ["an int", "a string"])
        }
        return .dynamic
    }

    private mutating func type(
        ofMap entries: [(key: SyntaxNode, value: SyntaxNode)]
    ) throws(ExpressionError) -> StaticType {
        var keys: Set<MapKey> = []
        for (key, value) in entries {
            let keyType = try type(of: key)
            guard keyType.fits([.int, .uint, .bool, .string]) else {
                throw refusal(
                    "the key of a map cannot be \(named(keyType))", key,
                    expected: ["a string, an int, a uint or a bool"])
            }
            if let literal = Self.key(key), !keys.insert(literal).inserted {
                throw refusal("this key stands in the map twice", key)
            }
            _ = try type(of: value)
        }
        return .map
    }

    private static func key(_ node: SyntaxNode) -> MapKey? {
        guard case .literal(let literal) = node.kind else { return nil }
        return switch literal {
        case .bool(let value): .bool(value)
        case .int(let value): .int(value)
        case .uint(let value): MapKey(.uint(value))
        case .string(let text): .text(text)
        default: nil
        }
    }

    // MARK: Operators

    private mutating func type(
        ofLogic operation: String, _ operands: [SyntaxNode]
    ) throws(ExpressionError) -> StaticType {
        var isDynamic = false
        for operand in operands {
            let operandType = try type(of: operand)
            guard operandType.fits([.bool]) else {
                throw refusal(
                    "`\(operation)` takes bools, not \(named(operandType))", operand, expected: ["a condition"])
            }
            if operandType == .dynamic { isDynamic = true }
        }
        // A field can come out of it, not only true and false.
        return isDynamic ? .dynamic : .bool
    }

    private mutating func type(
        of operation: BinaryOperator, _ left: SyntaxNode, _ right: SyntaxNode, _ node: SyntaxNode
    ) throws(ExpressionError) -> StaticType {
        let leftType = try type(of: left)
        let rightType = try type(of: right)
        switch operation {
        case .equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual: return .bool
        case .isIn:
            guard rightType.fits([.list, .map]) else {
                throw refusal(
                    "`in` looks into a list or a map, not into \(named(rightType))", right,
                    expected: ["a list", "a map"])
            }
            return .bool
        case .add:
            try refuseInCancel("arithmetic", node)
            return Self.sum(leftType, rightType)
        case .subtract, .multiply, .divide, .remainder:
            try refuseInCancel("arithmetic", node)
            let overloads = Self.overloads(of: operation).filter {
                leftType.fits([$0.left]) && rightType.fits([$0.right])
            }
            guard let first = overloads.first else {
                throw refusal(
                    "`\(operation.rawValue)` does not take \(named(leftType)) and \(named(rightType))"
                        + Self.conversionHint(operation, leftType, rightType), node)
            }
            return overloads.allSatisfy { $0.result == first.result } ? first.result : .dynamic
        }
    }

    private static func sum(_ left: StaticType, _ right: StaticType) -> StaticType {
        switch (left, right) {
        case (.dynamic, _), (_, .dynamic): .dynamic
        case (.timestamp, .duration), (.duration, .timestamp): .timestamp
        case (.int, .int), (.uint, .uint), (.double, .double), (.list, .list), (.bytes, .bytes),
            (.duration, .duration):
            left
        default: .string
        }
    }

    private static func overloads(
        of operation: BinaryOperator
    ) -> [(left: StaticType, right: StaticType, result: StaticType)] {
        var overloads: [(StaticType, StaticType, StaticType)] = [(.int, .int, .int), (.uint, .uint, .uint)]
        if operation != .remainder { overloads.append((.double, .double, .double)) }
        if operation == .subtract {
            overloads += [
                (.timestamp, .timestamp, .duration), (.timestamp, .duration, .timestamp),
                (.duration, .duration, .duration),
            ]
        }
        return overloads.map { (left: $0.0, right: $0.1, result: $0.2) }
    }

    private static func conversionHint(_ operation: BinaryOperator, _ left: StaticType, _ right: StaticType) -> String {
        let numbers: Set<StaticType> = [.int, .uint, .double, .dynamic]
        guard numbers.contains(left), numbers.contains(right) else { return "" }
        return operation == .remainder
            ? "; both must be ints: `int(…)`" : "; both must be of one type: `int(…)` or `double(…)`"
    }

    // MARK: Calls

    private mutating func type(
        ofCall name: String, _ arguments: [SyntaxNode], _ node: SyntaxNode
    ) throws(ExpressionError) -> StaticType {
        guard let function = Function(rawValue: name), function.signature.isFunction else {
            if Macro(rawValue: name) != nil || Function(rawValue: name) != nil {
                throw refusal("`\(name)` is called on a value: `value.\(name)(…)`", node)
            }
            let known = Function.allCases.filter(\.signature.isFunction).map(\.rawValue) + ["has"]
            throw refusal(
                "there is no function `\(name)`\(Suggestion.text(for: name, among: known))", node, expected: known)
        }
        if ![.int, .uint, .double].contains(function) { try refuseInCancel("`\(name)`", node) }
        return try check(function, arguments, isMethod: false, node)
    }

    private mutating func type(
        ofMethod name: String, on receiver: SyntaxNode, _ arguments: [SyntaxNode], _ node: SyntaxNode
    ) throws(ExpressionError) -> StaticType {
        if case .name(let root) = receiver.kind, ["math", "cel", "strings", "optional", "base64"].contains(root),
            !variables.contains(root)
        {
            throw refusal("there is no function `\(root).\(name)`: this language has no `\(root)` library", receiver)
        }
        guard let function = Function(rawValue: name), function.signature.isMethod else {
            if Function(rawValue: name) != nil {
                throw refusal("`\(name)` is called as a function: `\(name)(value)`", node)
            }
            let known = Function.allCases.filter(\.signature.isMethod).map(\.rawValue) + Macro.allCases.map(\.rawValue)
            throw refusal(
                "there is no method `\(name)`\(Suggestion.text(for: name, among: known))", node, expected: known)
        }
        try refuseInCancel("`\(name)`", node)
        return try check(function, [receiver] + arguments, isMethod: true, node)
    }

    private mutating func check(
        _ function: Function, _ arguments: [SyntaxNode], isMethod: Bool, _ node: SyntaxNode
    ) throws(ExpressionError) -> StaticType {
        let signature = function.signature
        let most = signature.parameters.count
        guard (most - signature.optionalCount...most).contains(arguments.count) else {
            let receiver = isMethod ? 1 : 0
            let range = signature.optionalCount > 0 ? "at most \(most - receiver)" : "\(most - receiver)"
            throw refusal(
                "`\(function.rawValue)` takes \(range) argument\(most - receiver == 1 ? "" : "s"), not "
                    + "\(arguments.count - receiver)", node)
        }
        var types: [StaticType] = []
        for (argument, wanted) in zip(arguments, signature.parameters) {
            let argumentType = try type(of: argument)
            types.append(argumentType)
            guard argumentType.fits(wanted) else {
                let list = wanted.map(\.rawValue).sorted().joined(separator: ", ")
                throw refusal(
                    "`\(function.rawValue)` does not take \(named(argumentType))", argument,
                    expected: ["one of: \(list)"])
            }
        }
        if function.takesZone, arguments.count == 2 { try checkZone(types[0], arguments[1]) }
        return signature.result
    }

    private func checkZone(_ receiver: StaticType, _ argument: SyntaxNode) throws(ExpressionError) {
        if receiver == .duration { throw refusal("a duration has no time zone", argument) }
        guard case .literal(.string(let text)) = argument.kind else { return }
        let zone = String(decoding: text, as: UTF8.self)
        guard Moment.zoneOffsetSeconds(zone) == nil else { return }
        throw refusal(
            "the time zone '\(zone)' is not known here: names of places are not, only `UTC` and offsets", argument,
            expected: ["an offset such as '+02:00'"])
    }

    private mutating func type(of call: MacroCall, _ node: SyntaxNode) throws(ExpressionError) -> StaticType {
        try refuseInCancel("`\(call.macro.rawValue)`", node)
        let rangeType = try type(of: call.range)
        guard rangeType.fits([.list, .map]) else {
            throw refusal(
                "`\(call.macro.rawValue)` goes through a list or a map, not through \(named(rangeType))", node)
        }
        variables.append(call.variable)
        defer { variables.removeLast() }
        if let condition = call.condition {
            let conditionType = try type(of: condition)
            guard conditionType.fits([.bool]) else {
                throw refusal(
                    "`\(call.macro.rawValue)` takes a condition, not \(named(conditionType))", condition,
                    expected: ["a condition"])
            }
        }
        if let transform = call.transform { _ = try type(of: transform) }
        return call.macro == .filter || call.macro == .map ? .list : .bool
    }

    // MARK: Words

    private func refuseInCancel(_ what: String, _ node: SyntaxNode) throws(ExpressionError) {
        guard use == .cancelCondition else { return }
        throw refusal(
            "\(what) is not allowed in the condition of a cancel", node,
            expected: ["logic, comparison, `in`, an index, a field, `int()`, `uint()`, `double()`"])
    }

    private func refusal(_ message: String, _ node: SyntaxNode, expected: [String] = []) -> ExpressionError {
        ExpressionError(message, at: node.offset, in: source, expected: expected)
    }

    private func named(_ type: StaticType) -> String {
        switch type {
        case .dynamic: "any value"
        case .null: "null"
        case .bytes: "bytes"
        case .int: "an int"
        default: "a \(type.rawValue)"
        }
    }

    static let roots = ["event", "async", "vars"]

    /// Types as values, to be compared with `type(…)`.
    static let typeNames: [String: String] = [
        "bool": "bool", "int": "int", "uint": "uint", "double": "double", "string": "string", "bytes": "bytes",
        "list": "list", "map": "map", "null_type": "null_type", "type": "type",
    ]

    /// `google.protobuf.Timestamp` and `google.protobuf.Duration`, which look like fields of fields.
    static func qualifiedTypeName(_ node: SyntaxNode) -> String? {
        guard case .field(let package, let name) = node.kind, name == "Timestamp" || name == "Duration",
            case .field(let root, "protobuf") = package.kind, case .name("google") = root.kind
        else { return nil }
        return "google.protobuf.\(name)"
    }
}
