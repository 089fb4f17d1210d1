/// Turns a checked syntax tree into the arrays of a `Program`.
struct ProgramBuilder {
    let source: [UInt8]
    private(set) var operations: [Operation] = []
    private(set) var operands: [Int32] = []
    /// Strings are `.ownText` here.
    private(set) var constants: [Value] = []
    private(set) var patterns: [Pattern] = []
    private(set) var fieldTree = MutableFieldTree()
    private(set) var variableCount = 0
    private var variables: [String] = []

    init(source: [UInt8]) {
        self.source = source
    }

    /// The number of the step that leaves the node's value.
    mutating func add(_ node: SyntaxNode) throws(ExpressionError) -> Operation.Index {
        if let (root, names) = path(node) {
            guard let root else { return append(constant: .missing) }
            return append(.path(Int32(fieldTree.add(root: root, names, isPresence: false))))
        }
        switch node.kind {
        case .literal(let literal): return append(constant: Self.value(of: literal))
        case .name(let name):
            if let level = variables.lastIndex(of: name) { return append(.variable(Int32(level))) }
            return append(constant: .type(Checker.typeNames[name] ?? name))
        case .field(let operand, let name):
            if let typeName = Checker.qualifiedTypeName(node) { return append(constant: .type(typeName)) }
            return append(.field(of: try add(operand), name: constant(.ownText(Array(name.utf8)))))
        case .index(let operand, let index): return append(.index(of: try add(operand), try add(index)))
        case .call(let name, let arguments): return try add(call: name, arguments, node)
        case .method(let receiver, let name, let arguments):
            return try add(call: name, [receiver] + arguments, node)
        case .has(let field): return try add(has: field)
        case .macro(let call): return try add(call)
        case .list(let elements): return try add(list: elements)
        case .map(let entries):
            return append(.map(try add(all: entries.flatMap { [$0.key, $0.value] })))
        case .not(let operand): return append(.not(try add(operand)))
        case .negated(let operand): return append(.negated(try add(operand)))
        case .all(let parts): return append(.all(try add(all: parts)))
        case .any(let parts): return append(.any(try add(all: parts)))
        case .conditional(let condition, let yes, let no):
            return append(.conditional(try add(condition), try add(yes), try add(no)))
        case .binary(let operation, let left, let right):
            let (a, b) = (try add(left), try add(right))
            switch operation {
            case .equal: return append(.equal(a, b))
            case .notEqual: return append(.notEqual(a, b))
            case .less, .lessOrEqual, .greater, .greaterOrEqual: return append(.ordered(operation, a, b))
            case .isIn: return append(.isIn(a, b))
            case .add, .subtract, .multiply, .divide, .remainder: return append(.arithmetic(operation, a, b))
            }
        }
    }

    /// The parts of a chain of `&&` that are an equality between a field of `async` and a scalar: without any of them
    /// being true, the whole is not. To be called after `add`.
    mutating func equalities(of node: SyntaxNode) -> [Equality] {
        var found: [Equality] = []
        collectEqualities(node, into: &found)
        // A field of the trigger event tells runs apart; a literal is the same for all of them.
        return found.filter { $0.field != nil } + found.filter { $0.field == nil }
    }

    // MARK: Fields

    /// The root and the names of `event.data['a'].b`; nil if the node is anything else. `vars` has no root: nothing is
    /// ever in it.
    private func path(_ node: SyntaxNode) -> (root: Int?, names: [[UInt8]])? {
        switch node.kind {
        case .name(let name) where !variables.contains(name):
            switch name {
            case "event": return (MutableFieldTree.event, [])
            case "async": return (MutableFieldTree.async, [])
            case "vars": return (nil, [])
            default: return nil
            }
        case .field(let operand, let name):
            guard let (root, names) = path(operand) else { return nil }
            return (root, names + [Array(name.utf8)])
        case .index(let operand, let index):
            guard case .literal(.string(let name)) = index.kind, let (root, names) = path(operand) else { return nil }
            return (root, names + [name])
        default: return nil
        }
    }

    private mutating func add(has field: SyntaxNode) throws(ExpressionError) -> Operation.Index {
        if let (root, names) = path(field) {
            guard let root else { return append(constant: .missing) }
            return append(.hasPath(Int32(fieldTree.add(root: root, names, isPresence: true))))
        }
        guard case .field(let operand, let name) = field.kind else { return append(constant: .missing) }
        return append(.hasField(of: try add(operand), name: constant(.ownText(Array(name.utf8)))))
    }

    private mutating func collectEqualities(_ node: SyntaxNode, into found: inout [Equality]) {
        switch node.kind {
        case .all(let parts):
            for part in parts { collectEqualities(part, into: &found) }
        case .binary(.equal, let left, let right):
            if let equality = equality(left, right) ?? equality(right, left) { found.append(equality) }
        default: return
        }
    }

    private mutating func equality(_ async: SyntaxNode, _ other: SyntaxNode) -> Equality? {
        // A name with a dot in it could not be told from two names.
        guard let (root, names) = path(async), root == MutableFieldTree.async, !names.isEmpty,
            !names.contains(where: { $0.isEmpty || $0.contains(UInt8(ascii: ".")) })
        else { return nil }
        let dotted = names.map { String(decoding: $0, as: UTF8.self) }.joined(separator: ".")
        if let (root, names) = path(other) {
            guard root == MutableFieldTree.event else { return nil }
            return Equality(
                path: dotted, field: fieldTree.add(root: MutableFieldTree.event, names, isPresence: false), key: nil)
        }
        guard case .literal(let literal) = other.kind, let key = EqualityKey.key(of: Self.value(of: literal)) else {
            return nil
        }
        return Equality(path: dotted, field: nil, key: key)
    }

    // MARK: Calls, literals, macros

    private mutating func add(
        call name: String, _ arguments: [SyntaxNode], _ node: SyntaxNode
    ) throws(ExpressionError) -> Operation.Index {
        guard let function = Function(rawValue: name) else {
            throw ExpressionError("there is no function `\(name)`", at: node.offset, in: source)
        }
        if function == .matches, arguments.count == 2, case .literal(.string(let text)) = arguments[1].kind {
            let pattern = try compile(text, at: arguments[1].offset)
            patterns.append(pattern)
            return append(.matches(try add(arguments[0]), pattern: Int32(patterns.count - 1)))
        }
        return append(.call(function, try add(all: arguments)))
    }

    private func compile(_ text: [UInt8], at literalOffset: Int) throws(ExpressionError) -> Pattern {
        let pattern = String(decoding: text, as: UTF8.self)
        do {
            return try Pattern(pattern)
        } catch {
            let quote = source[literalOffset]
            let isTriple =
                literalOffset + 2 < source.count && source[literalOffset + 1] == quote
                && source[literalOffset + 2] == quote && text.count > 0
            let before = String(String.UnicodeScalarView(pattern.unicodeScalars.prefix(error.offset))).utf8.count
            throw ExpressionError(
                error.description, at: literalOffset + (isTriple ? 3 : 1) + before, in: source)
        }
    }

    private mutating func add(list elements: [SyntaxNode]) throws(ExpressionError) -> Operation.Index {
        let literals = elements.compactMap { element in
            if case .literal(let literal) = element.kind { Self.value(of: literal) } else { nil }
        }
        if literals.count == elements.count {
            return append(constant: .list(literals.map { $0.isMissing ? .null : $0 }))
        }
        return append(.list(try add(all: elements)))
    }

    private mutating func add(_ call: MacroCall) throws(ExpressionError) -> Operation.Index {
        let range = try add(call.range)
        let level = variables.count
        variables.append(call.variable)
        variableCount = max(variableCount, variables.count)
        defer { variables.removeLast() }
        let condition = try add(optional: call.condition)
        let transform = try add(optional: call.transform)
        return append(
            .macro(call.macro, level: Int32(level), range: range, condition: condition, transform: transform))
    }

    /// -1 for nothing.
    private mutating func add(optional node: SyntaxNode?) throws(ExpressionError) -> Operation.Index {
        guard let node else { return -1 }
        return try add(node)
    }

    private mutating func add(all nodes: [SyntaxNode]) throws(ExpressionError) -> Operation.Operands {
        var indices: [Int32] = []
        for node in nodes { indices.append(try add(node)) }
        let first = operands.count
        operands += indices
        return Operation.Operands(first: Int32(first), count: Int32(indices.count))
    }

    private mutating func append(_ operation: Operation) -> Operation.Index {
        operations.append(operation)
        return Int32(operations.count - 1)
    }

    private mutating func append(constant value: Value) -> Operation.Index {
        append(.constant(constant(value)))
    }

    private mutating func constant(_ value: Value) -> Int32 {
        constants.append(value)
        return Int32(constants.count - 1)
    }

    static func value(of literal: Literal) -> Value {
        switch literal {
        case .null: .null
        case .bool(let value): .bool(value)
        case .int(let value): .int(value)
        case .uint(let value): .uint(value)
        case .double(let value): .double(value)
        case .string(let text): .ownText(text)
        case .rawString: .missing
        case .bytes(let bytes): .bytes(bytes)
        }
    }
}
