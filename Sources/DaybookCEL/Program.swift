/// One step of a program; operands are the numbers of other steps.
enum Operation {
    typealias Index = Int32

    /// A run of `Program.operands`.
    struct Operands {
        let first: Int32
        let count: Int32
    }

    case constant(Index)
    /// The value of a node of the field tree.
    case path(Index)
    /// `has()` of a node of the field tree.
    case hasPath(Index)
    /// The element of a macro, by the macro's level.
    case variable(Index)
    case field(of: Index, name: Index)
    case hasField(of: Index, name: Index)
    case index(of: Index, Index)
    case not(Index)
    case negated(Index)
    case all(Operands)
    case any(Operands)
    case conditional(Index, Index, Index)
    case equal(Index, Index)
    case notEqual(Index, Index)
    case ordered(BinaryOperator, Index, Index)
    case arithmetic(BinaryOperator, Index, Index)
    case isIn(Index, Index)
    case call(Function, Operands)
    /// `matches` with a pattern of its own, compiled once.
    case matches(Index, pattern: Index)
    case list(Operands)
    /// Keys and values take turns.
    case map(Operands)
    case macro(Macro, level: Int32, range: Index, condition: Index, transform: Index)
}

/// A checked expression in the form in which it is evaluated: flat arrays that refer to each other by number, so that an
/// evaluation follows no references and counts none.
///
/// The memory is filled by `init`, never changed afterwards, and freed with the object; that is what makes sharing it
/// between threads safe.
final class Program: @unchecked Sendable {
    let operations: UnsafeMutableBufferPointer<Operation>
    let operands: UnsafeMutableBufferPointer<Int32>
    let constants: UnsafeMutableBufferPointer<Value>
    /// The fields it reads: `event` and all below, then `async` and all below.
    let fields: UnsafeMutableBufferPointer<FieldTree.Node>
    let asyncRoot: Int
    let patterns: [Pattern]
    let root: Operation.Index
    /// How many macros stand within each other.
    let variableCount: Int
    let usesAsync: Bool
    /// What a capture holds, in its order.
    let capturedParts: [CapturedPart]
    /// The parts of `a && b && c` that compare a field of `async` with a scalar, those with a field of `event` first.
    let equalities: [Equality]
    /// What names and string literals point into.
    private let texts: [UnsafeMutableBufferPointer<UInt8>]

    /// - Throws: For a regular expression that is broken or too large.
    init(_ tree: SyntaxNode, in source: [UInt8]) throws(ExpressionError) {
        var builder = ProgramBuilder(source: source)
        root = try builder.add(tree)
        let equalities = builder.equalities(of: tree)
        let (nodes, numbers, asyncRoot) = builder.fieldTree.flattened()

        self.asyncRoot = asyncRoot
        self.equalities = equalities.map { $0.renumbered(numbers) }
        patterns = builder.patterns
        variableCount = builder.variableCount
        usesAsync = nodes[asyncRoot...].contains { $0.isWanted || $0.isAskedFor }
        operations = .copy(of: builder.operations.map { $0.renumbered(numbers) })
        operands = .copy(of: builder.operands)

        var texts: [UnsafeMutableBufferPointer<UInt8>] = []
        fields = .copy(
            of: nodes.map { node in
                FieldTree.Node(
                    name: Program.keep(node.name, &texts), firstChild: Int32(node.children.first ?? 0),
                    childCount: Int32(node.children.count), isWanted: node.isWanted, isAskedFor: node.isAskedFor,
                    weight: node.weight)
            })
        constants = .copy(of: builder.constants.map { Program.keep($0, &texts) })
        self.texts = texts
        capturedParts = nodes[..<asyncRoot].enumerated().flatMap { index, node in
            (node.isWanted ? [CapturedPart(field: index, isPresence: false)] : [])
                + (node.isAskedFor ? [CapturedPart(field: index, isPresence: true)] : [])
        }
    }

    deinit {
        operations.deallocate()
        operands.deallocate()
        constants.deinitialize()
        constants.deallocate()
        fields.deallocate()
        for text in texts { text.deallocate() }
    }

    private static func keep(
        _ bytes: [UInt8], _ texts: inout [UnsafeMutableBufferPointer<UInt8>]
    ) -> UnsafeBufferPointer<UInt8> {
        texts.append(.copy(of: bytes))
        return UnsafeBufferPointer(texts[texts.count - 1])
    }

    private static func keep(_ value: Value, _ texts: inout [UnsafeMutableBufferPointer<UInt8>]) -> Value {
        switch value {
        case .ownText(let bytes): .text(keep(bytes, &texts))
        case .list(let elements): .list(elements.map { keep($0, &texts) })
        default: value
        }
    }
}

extension UnsafeMutableBufferPointer {
    /// Memory of its own, to be deallocated by its owner.
    fileprivate static func copy(of elements: [Element]) -> UnsafeMutableBufferPointer {
        let copy = UnsafeMutableBufferPointer.allocate(capacity: elements.count)
        _ = copy.initialize(from: elements)
        return copy
    }
}

extension Operation {
    /// With the numbers that the fields have after `MutableFieldTree.flattened`.
    fileprivate func renumbered(_ numbers: [Int]) -> Operation {
        switch self {
        case .path(let index): .path(Int32(numbers[Int(index)]))
        case .hasPath(let index): .hasPath(Int32(numbers[Int(index)]))
        default: self
        }
    }
}
