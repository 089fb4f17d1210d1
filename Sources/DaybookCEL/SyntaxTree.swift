/// A node of the syntax tree and where it stands in the source.
struct SyntaxNode {
    indirect enum Kind {
        case literal(Literal)
        case name(String)
        case field(of: SyntaxNode, name: String)
        case index(of: SyntaxNode, SyntaxNode)
        case call(function: String, arguments: [SyntaxNode])
        case method(receiver: SyntaxNode, name: String, arguments: [SyntaxNode])
        case has(SyntaxNode)
        case macro(MacroCall)
        case list([SyntaxNode])
        case map([(key: SyntaxNode, value: SyntaxNode)])
        case not(SyntaxNode)
        case negated(SyntaxNode)
        case binary(BinaryOperator, SyntaxNode, SyntaxNode)
        /// Chains of `&&` and of `||` are one node, so that hundreds of alternatives are not hundreds of levels.
        case all([SyntaxNode])
        case any([SyntaxNode])
        case conditional(SyntaxNode, SyntaxNode, SyntaxNode)
    }

    let kind: Kind
    /// Bytes before the place an error about this node points at: its first byte, or the operator's or the name's.
    let offset: Int
    /// 1 for a leaf, one more than the deepest child otherwise.
    let depth: Int
}

struct MacroCall {
    let macro: Macro
    let range: SyntaxNode
    let variable: String
    /// The condition; for `map` with two arguments there is none.
    let condition: SyntaxNode?
    /// What `map` makes of an element.
    let transform: SyntaxNode?
}

enum Macro: String, CaseIterable {
    case all, exists, filter, map
    case existsOne = "exists_one"
}

enum Literal {
    case null
    case bool(Bool)
    case int(Int64)
    case uint(UInt64)
    case double(Double)
    /// The text between the quotes as it stands there, escapes and all (behaviour reference 18.5).
    case string([UInt8])
    /// `r'…'`: has no value there (behaviour reference 18.7), so it behaves as a missing field does.
    case rawString
    case bytes([UInt8])
}

enum BinaryOperator: String {
    case add = "+"
    case subtract = "-"
    case multiply = "*"
    case divide = "/"
    case remainder = "%"
    case equal = "=="
    case notEqual = "!="
    case less = "<"
    case lessOrEqual = "<="
    case greater = ">"
    case greaterOrEqual = ">="
    case isIn = "in"
}
