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

    private mutating func expression() throws(ExpressionError) -> SyntaxNode {
        level += 1
        defer { level -= 1 }
        if level > Limits.nesting { throw tooDeep(offset) }
        let condition = try binary(lowest: 0)
        guard token == .symbol("?") else { return condition }
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
        while let (precedence, operation) = infix(), precedence >= lowest {
            let place = offset
            try advance()
            if let operation {
                let right = try binary(lowest: precedence + 1)
                left = try node(.binary(operation, left, right), at: place, over: [left, right])
            } else {
                left = try chain(from: left, precedence: precedence, at: place)
            }
        }
        return left
    }

    /// The rest of `a && b && c`, with the first operator already read.
    private mutating func chain(
        from first: SyntaxNode, precedence: Int, at place: Int
    ) throws(ExpressionError) -> SyntaxNode {
        var operands = [first, try binary(lowest: precedence + 1)]
        while let (next, operation) = infix(), next == precedence, operation == nil {
            try advance()
            operands.append(try binary(lowest: precedence + 1))
        }
        return try node(precedence == 0 ? .any(operands) : .all(operands), at: place, over: operands)
    }

    /// What `token` is between two operands: nil if nothing; without an operator for `||` and `&&`.
    private func infix() -> (precedence: Int, operation: BinaryOperator?)? {
        switch token {
        case .symbol("||"): return (0, nil)
        case .symbol("&&"): return (1, nil)
        case .keyword("in"): return (2, .isIn)
        case .symbol(let text):
            guard let operation = BinaryOperator(rawValue: text) else { return nil }
            switch operation {
            case .add, .subtract: return (3, operation)
            case .multiply, .divide, .remainder: return (4, operation)
            default: return (2, operation)
            }
        default: return nil
        }
    }

    private mutating func unary() throws(ExpressionError) -> SyntaxNode {
        let place = offset
        // Repeated signs are counted, not nested: `!!x` is often written, and `!!!…` must not fill the stack.
        if token == .symbol("!") {
            var count = 0
            while token == .symbol("!") {
                count += 1
                try advance()
            }
            if count > Limits.nesting { throw tooDeep(place) }
            var operand = try member()
            // Twice is not the same as not at all: a missing field is false either way.
            for _ in 0..<count { operand = try node(.not(operand), at: place, over: [operand]) }
            return operand
        }
        if token == .symbol("-") {
            var isNegative = false
            while token == .symbol("-") {
                isNegative.toggle()
                try advance()
            }
            if isNegative, case .int(let magnitude) = token {
                try advance()
                let value = magnitude == UInt64(Int64.max) + 1 ? .min : -Int64(magnitude)
                return try suffixes(of: try node(.literal(.int(value)), at: place))
            }
            if isNegative, case .double(let value) = token {
                try advance()
                return try suffixes(of: try node(.literal(.double(-value)), at: place))
            }
            let operand = try member()
            let negated = try node(.negated(operand), at: place, over: [operand])
            return isNegative ? negated : try node(.negated(negated), at: place, over: [negated])
        }
        return try member()
    }

    // MARK: Operands

    private mutating func member() throws(ExpressionError) -> SyntaxNode {
        let operand = try primary()
        return try suffixes(of: operand)
    }

    /// `.field`, `.method(…)` and `[index]` behind an operand.
    private mutating func suffixes(of operand: SyntaxNode) throws(ExpressionError) -> SyntaxNode {
        var operand = operand
        while true {
            switch token {
            case .symbol("."):
                try advance()
                operand = try fieldOrMethod(of: operand)
            case .symbol("["):
                let place = offset
                try advance()
                let index = try expression()
                try expect("]", "after an index")
                operand = try node(.index(of: operand, index), at: place, over: [operand, index])
            case .symbol(".?"), .symbol("[?"):
                throw error(
                    "optional access is not part of this language; a missing field is no error, so write `.` or `[`")
            default: return operand
            }
        }
    }

    private mutating func fieldOrMethod(of operand: SyntaxNode) throws(ExpressionError) -> SyntaxNode {
        let place = offset
        let name: String
        switch token {
        case .name(let text): name = text
        case .keyword(let word):
            throw error(
                "`\(word)` is a keyword; write ['\(word)'] for a field of that name", expected: ["a field name"])
        default: throw unexpected(["a field name after `.`"])
        }
        try advance()
        guard token == .symbol("(") else {
            return try node(.field(of: operand, name: name), at: place, over: [operand])
        }
        let arguments = try list(until: ")", "an argument")
        if let macro = Macro(rawValue: name) {
            return try macroCall(macro, on: operand, arguments, at: place)
        }
        return try node(
            .method(receiver: operand, name: name, arguments: arguments), at: place, over: [operand] + arguments)
    }

    private mutating func primary() throws(ExpressionError) -> SyntaxNode {
        let place = offset
        switch token {
        case .symbol("("):
            try advance()
            let inner = try expression()
            try expect(")", "to close the parenthesis")
            return inner
        case .symbol("["):
            let elements = try list(until: "]", "an element")
            return try node(.list(elements), at: place, over: elements)
        case .symbol("{"): return try mapLiteral()
        case .name(let name):
            try advance()
            if token == .symbol("(") { return try functionCall(name, at: place) }
            if Self.reservedWords.contains(name) {
                throw lexer.error("`\(name)` is a reserved word of the language and names nothing", at: place)
            }
            return try node(.name(name), at: place)
        default:
            let literal = try literal()
            try advance()
            return try node(.literal(literal), at: place)
        }
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
        while token != .symbol(closing) {
            elements.append(try expression())
            if token == .symbol(",") {
                try advance()
                if closing == ")", token == .symbol(closing) { throw unexpected([what]) }
            } else if token != .symbol(closing) {
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
        while token != .symbol("}") {
            let key = try expression()
            try expect(":", "after a key")
            entries.append((key, try expression()))
            if token == .symbol(",") {
                try advance()
            } else if token != .symbol("}") {
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

    private mutating func expect(_ symbol: String, _ place: String) throws(ExpressionError) {
        if token != .symbol(symbol) { throw unexpected(["`\(symbol)` \(place)"]) }
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
