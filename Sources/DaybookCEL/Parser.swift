/// Reads an expression's source into a syntax tree.
///
/// Names are not looked up here, only macros are recognised; `Checker` does the rest.
struct Parser {
    private var lexer: Lexer
    private var token = Token.end
    /// Bytes before `token`.
    private var offset = 0
    /// How many expressions within each other are being read.
    private var level = 0

    /// - Throws: The first fault.
    static func parse(_ source: [UInt8]) throws(ExpressionError) -> SyntaxNode {
        if source.count > Limits.sourceBytes {
            throw ExpressionError(
                "the expression is \(source.count) bytes long; at most \(Limits.sourceBytes) are allowed", at: 0,
                in: source)
        }
        var parser = Parser(lexer: Lexer(source))
        try parser.advance()
        let node = try parser.expression()
        if parser.token != .end { throw parser.unexpected(["an operator", "the end of the expression"]) }
        return node
    }

    private init(lexer: Lexer) {
        self.lexer = lexer
    }

    // MARK: Operators

    // Expressions within each other are calls within each other, so the functions on that way are small: what needs room
    // on the stack is done in functions of its own, which have returned before the next level begins.

    private mutating func expression() throws(ExpressionError) -> SyntaxNode {
        level += 1
        defer { level -= 1 }
        if level > Limits.nesting { throw tooDeep(offset) }
        let condition = try binary(lowest: 0)
        return isAt("?") ? try conditional(condition) : condition
    }

    private mutating func conditional(_ condition: SyntaxNode) throws(ExpressionError) -> SyntaxNode {
        let question = offset
        try advance()
        let yes = try binary(lowest: 0)
        try expect(":", "between the two results of `?`")
        let no = try expression()
        return try node(.conditional(condition, yes, no), at: question, over: [condition, yes, no])
    }

    /// Precedences, lowest first: `||`, `&&`, comparisons and `in`, `+ -`, `* / %`. All group to the left.
    private mutating func binary(lowest: Int) throws(ExpressionError) -> SyntaxNode {
        var left = try unary()
        while let infix = infix(), infix.precedence >= lowest { left = try binary(from: left, infix) }
        return left
    }

    private mutating func binary(from left: SyntaxNode, _ infix: Infix) throws(ExpressionError) -> SyntaxNode {
        let place = offset
        try advance()
        guard let operation = infix.operation else {
            return try chain(from: left, precedence: infix.precedence, at: place)
        }
        let right = try binary(lowest: infix.precedence + 1)
        return try node(.binary(operation, left, right), at: place, over: [left, right])
    }

    /// The rest of `a && b && c`, with the first operator already read.
    private mutating func chain(
        from first: SyntaxNode, precedence: Int, at place: Int
    ) throws(ExpressionError) -> SyntaxNode {
        var operands = [first, try binary(lowest: precedence + 1)]
        while let next = infix(), next.precedence == precedence, next.operation == nil {
            try advance()
            operands.append(try binary(lowest: precedence + 1))
        }
        return try node(precedence == 0 ? .any(operands) : .all(operands), at: place, over: operands)
    }

    /// What a token is between two operands; without an operator for `||` and `&&`.
    private struct Infix {
        let precedence: Int
        var operation: BinaryOperator?
    }

    private func infix() -> Infix? {
        switch token {
        case .symbol("||"): return Infix(precedence: 0)
        case .symbol("&&"): return Infix(precedence: 1)
        case .keyword("in"): return Infix(precedence: 2, operation: .isIn)
        case .symbol(let text):
            guard let operation = BinaryOperator(rawValue: text) else { return nil }
            switch operation {
            case .add, .subtract: return Infix(precedence: 3, operation: operation)
            case .multiply, .divide, .remainder: return Infix(precedence: 4, operation: operation)
            default: return Infix(precedence: 2, operation: operation)
            }
        default: return nil
        }
    }

    private mutating func unary() throws(ExpressionError) -> SyntaxNode {
        if isAt("!") { return try inverted() }
        if isAt("-") { return try signed() }
        return try suffixes(of: try primary())
    }

    /// Repeated signs are counted, not nested: `!!x` is often written, and `!!!…` must not fill the stack.
    private mutating func inverted() throws(ExpressionError) -> SyntaxNode {
        let place = offset
        let count = try countSigns("!")
        if count > Limits.nesting { throw tooDeep(place) }
        var operand = try suffixes(of: try primary())
        // Twice is not the same as not at all: a missing field is false either way.
        for _ in 0..<count { operand = try node(.not(operand), at: place, over: [operand]) }
        return operand
    }

    private mutating func signed() throws(ExpressionError) -> SyntaxNode {
        let place = offset
        let isNegative = try countSigns("-") % 2 == 1
        if isNegative, let literal = try negativeLiteral(at: place) { return try suffixes(of: literal) }
        let operand = try suffixes(of: try primary())
        let negated = try node(.negated(operand), at: place, over: [operand])
        return isNegative ? negated : try node(.negated(negated), at: place, over: [negated])
    }

    /// A number with the minus that stood before it, so that the smallest int can be written.
    private mutating func negativeLiteral(at place: Int) throws(ExpressionError) -> SyntaxNode? {
        switch token {
        case .int(let magnitude):
            try advance()
            let value = magnitude == UInt64(Int64.max) + 1 ? .min : -Int64(magnitude)
            return try node(.literal(.int(value)), at: place)
        case .double(let value):
            try advance()
            return try node(.literal(.double(-value)), at: place)
        default: return nil
        }
    }

    private mutating func countSigns(_ sign: String) throws(ExpressionError) -> Int {
        var count = 0
        while isAt(sign) {
            count += 1
            try advance()
        }
        return count
    }

    // MARK: Operands

    /// `.field`, `.method(…)` and `[index]` behind an operand.
    private mutating func suffixes(of operand: SyntaxNode) throws(ExpressionError) -> SyntaxNode {
        var operand = operand
        while true {
            if isAt(".") {
                try advance()
                operand = try fieldOrMethod(of: operand)
            } else if isAt("[") {
                operand = try indexed(operand)
            } else if isAt(".?") || isAt("[?") {
                throw error(
                    "optional access is not part of this language; a missing field is no error, so write `.` or `[`")
            } else {
                return operand
            }
        }
    }

    private mutating func indexed(_ operand: SyntaxNode) throws(ExpressionError) -> SyntaxNode {
        let place = offset
        try advance()
        let index = try expression()
        try expect("]", "after an index")
        return try node(.index(of: operand, index), at: place, over: [operand, index])
    }

    private mutating func fieldOrMethod(of operand: SyntaxNode) throws(ExpressionError) -> SyntaxNode {
        let place = offset
        let name = try fieldName()
        guard isAt("(") else { return try node(.field(of: operand, name: name), at: place, over: [operand]) }
        let arguments = try list(until: ")", "an argument")
        if let macro = Macro(rawValue: name) { return try macroCall(macro, on: operand, arguments, at: place) }
        return try node(
            .method(receiver: operand, name: name, arguments: arguments), at: place, over: [operand] + arguments)
    }

    private mutating func fieldName() throws(ExpressionError) -> String {
        switch token {
        case .name(let name):
            try advance()
            return name
        case .keyword(let word):
            throw error(
                "`\(word)` is a keyword; write ['\(word)'] for a field of that name", expected: ["a field name"])
        default: throw unexpected(["a field name after `.`"])
        }
    }

    private mutating func primary() throws(ExpressionError) -> SyntaxNode {
        if isAt("(") { return try parenthesized() }
        if isAt("[") { return try listLiteral() }
        if isAt("{") { return try mapLiteral() }
        if case .name(let name) = token { return try nameOrCall(name) }
        return try literalNode()
    }

    private mutating func parenthesized() throws(ExpressionError) -> SyntaxNode {
        try advance()
        let inner = try expression()
        try expect(")", "to close the parenthesis")
        return inner
    }

    private mutating func listLiteral() throws(ExpressionError) -> SyntaxNode {
        let place = offset
        let elements = try list(until: "]", "an element")
        return try node(.list(elements), at: place, over: elements)
    }

    private mutating func nameOrCall(_ name: String) throws(ExpressionError) -> SyntaxNode {
        let place = offset
        try advance()
        if isAt("(") { return try functionCall(name, at: place) }
        if Self.reservedWords.contains(name) {
            throw lexer.error("`\(name)` is a reserved word of the language and names nothing", at: place)
        }
        return try node(.name(name), at: place)
    }

    private mutating func literalNode() throws(ExpressionError) -> SyntaxNode {
        let place = offset
        let literal = try literal()
        try advance()
        return try node(.literal(literal), at: place)
    }

    private func literal() throws(ExpressionError) -> Literal {
        switch token {
        case .keyword("true"): return .bool(true)
        case .keyword("false"): return .bool(false)
        case .keyword("null"): return .null
        case .int(let value):
            guard let int = Int64(exactly: value) else {
                throw error(
                    "the number \(value) does not fit into 64 bits with a sign; \(Int64.max) is the largest int")
            }
            return .int(int)
        case .uint(let value): return .uint(value)
        case .double(let value): return .double(value)
        case .string(let text, _): return .string(text)
        case .rawString: return .rawString
        case .bytes(let bytes): return .bytes(bytes)
        default: throw unexpected(["an operand"])
        }
    }

    private mutating func functionCall(_ name: String, at place: Int) throws(ExpressionError) -> SyntaxNode {
        let arguments = try list(until: ")", "an argument")
        guard name == "has" else {
            return try node(.call(function: name, arguments: arguments), at: place, over: arguments)
        }
        guard arguments.count == 1 else {
            throw lexer.error("`has` takes one field, not \(arguments.count) arguments", at: place)
        }
        guard case .field = arguments[0].kind else {
            throw lexer.error(
                "`has` takes a field", at: arguments[0].offset, expected: ["a field such as event.data.name"])
        }
        return try node(.has(arguments[0]), at: place, over: arguments)
    }

    private mutating func macroCall(
        _ macro: Macro, on range: SyntaxNode, _ arguments: [SyntaxNode], at place: Int
    ) throws(ExpressionError) -> SyntaxNode {
        let isMapWithCondition = macro == .map && arguments.count == 3
        guard arguments.count == 2 || isMapWithCondition else {
            let counts = macro == .map ? "2 or 3 arguments" : "2 arguments"
            throw lexer.error(
                "`\(macro.rawValue)` takes \(counts), a name and what to do with each element, not \(arguments.count)",
                at: place)
        }
        guard case .name(let variable) = arguments[0].kind else {
            throw lexer.error(
                "`\(macro.rawValue)` takes a name first", at: arguments[0].offset, expected: ["a name for an element"])
        }
        let call =
            switch (macro, isMapWithCondition) {
            case (.map, false):
                MacroCall(macro: macro, range: range, variable: variable, condition: nil, transform: arguments[1])
            case (.map, true):
                MacroCall(
                    macro: macro, range: range, variable: variable, condition: arguments[1], transform: arguments[2])
            default:
                MacroCall(macro: macro, range: range, variable: variable, condition: arguments[1], transform: nil)
            }
        return try node(.macro(call), at: place, over: [range] + arguments)
    }

    /// What stands between brackets, which are still to be read; a comma at the end is allowed in a list.
    private mutating func list(until closing: String, _ what: String) throws(ExpressionError) -> [SyntaxNode] {
        try advance()
        var elements: [SyntaxNode] = []
        while !isAt(closing) {
            elements.append(try expression())
            if isAt(",") {
                try advance()
                if closing == ")", isAt(closing) { throw unexpected([what]) }
            } else if !isAt(closing) {
                throw unexpected(["`,`", "`\(closing)`"])
            }
        }
        try advance()
        return elements
    }

    private mutating func mapLiteral() throws(ExpressionError) -> SyntaxNode {
        let place = offset
        try advance()
        var entries: [(key: SyntaxNode, value: SyntaxNode)] = []
        while !isAt("}") {
            let key = try expression()
            try expect(":", "after a key")
            entries.append((key, try expression()))
            if isAt(",") {
                try advance()
            } else if !isAt("}") {
                throw unexpected(["`,`", "`}`"])
            }
        }
        try advance()
        return try node(.map(entries), at: place, over: entries.flatMap { [$0.key, $0.value] })
    }

    // MARK: Tokens and nodes

    private mutating func advance() throws(ExpressionError) {
        token = try lexer.next()
        offset = lexer.offset
    }

    private func isAt(_ symbol: String) -> Bool {
        if case .symbol(symbol) = token { true } else { false }
    }

    private mutating func expect(_ symbol: String, _ place: String) throws(ExpressionError) {
        if !isAt(symbol) { throw unexpected(["`\(symbol)` \(place)"]) }
        try advance()
    }

    private func node(
        _ kind: SyntaxNode.Kind, at place: Int, over children: [SyntaxNode] = []
    ) throws(ExpressionError) -> SyntaxNode {
        let depth = 1 + (children.lazy.map(\.depth).max() ?? 0)
        if depth > Limits.nesting { throw tooDeep(place) }
        return SyntaxNode(kind: kind, offset: place, depth: depth)
    }

    private func error(_ message: String, expected: [String] = []) -> ExpressionError {
        lexer.error(message, at: offset, expected: expected)
    }

    private func unexpected(_ expected: [String]) -> ExpressionError {
        error("expected \(expected.joined(separator: " or ")), found \(found)", expected: expected)
    }

    private func tooDeep(_ place: Int) -> ExpressionError {
        lexer.error("the expression is nested deeper than \(Limits.nesting) levels", at: place)
    }

    private var found: String {
        switch token {
        case .end: "the end of the expression"
        case .name(let text), .keyword(let text), .symbol(let text): "`\(text)`"
        case .int(let value), .uint(let value): "the number \(value)"
        case .double(let value): "the number \(value)"
        case .string, .rawString: "a string"
        case .bytes: "a bytes literal"
        }
    }

    private static let reservedWords: Set<String> = [
        "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "package",
        "namespace", "return", "var", "void", "while",
    ]
}
