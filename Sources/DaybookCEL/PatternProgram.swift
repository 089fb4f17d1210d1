/// A compiled pattern: instructions for a machine that is in many places at once and so reads a text only once.
final class PatternProgram: Sendable {
    enum Instruction {
        // These take one scalar and go on with the next instruction.
        case scalar(UInt32), foldedScalar(UInt32), anyScalar, anyButNewline, set(Int32)
        // These take none.
        case assertion(PatternAssertion), split(Int32, Int32), jump(Int32), match
    }

    let instructions: [Instruction]
    private let sets: [PatternSet]
    /// Whether a match can only begin where the text does.
    private let isAnchored: Bool
    /// For each byte, whether a match can begin with it; empty if a match can be empty.
    private let firstBytes: [Bool]

    init(_ node: PatternNode, sets: [PatternSet]) throws(PatternError) {
        var compiler = PatternCompiler()
        try compiler.compile(node)
        instructions = compiler.instructions
        self.sets = sets
        isAnchored = node.isAnchored
        firstBytes = PatternProgram.firstBytes(of: compiler.instructions, sets: sets)
    }

    /// Which bytes a scalar taken first can begin with. Everything beyond ASCII counts as one.
    private static func firstBytes(of instructions: [Instruction], sets: [PatternSet]) -> [Bool] {
        var bytes = Array(repeating: false, count: 256)
        func add(_ range: ClosedRange<Int>) { for byte in range { bytes[byte] = true } }
        var seen = Array(repeating: false, count: instructions.count)
        var stack = [0]
        while let index = stack.popLast() {
            if seen[index] { continue }
            seen[index] = true
            switch instructions[index] {
            case .match: return []
            case .split(let first, let second): stack += [Int(first), Int(second)]
            case .jump(let target): stack.append(Int(target))
            case .assertion: stack.append(index + 1)
            case .scalar(let scalar): if scalar < 128 { bytes[Int(scalar)] = true } else { add(128...255) }
            case .foldedScalar(let folded):
                for byte in 0..<128 where CaseFolding.fold(UInt32(byte)) == folded { bytes[byte] = true }
                add(128...255)
            case .set(let set):
                for byte in 0..<128 where sets[Int(set)].contains(UInt32(byte)) { bytes[byte] = true }
                add(128...255)
            case .anyScalar, .anyButNewline: add(0...255)
            }
        }
        return bytes
    }

    // MARK: - Search

    /// Whether the pattern matches anywhere.
    ///
    /// At every place in the text, each instruction is looked at once at most: that bounds the work by text × program,
    /// and the memory by the program.
    func isFound(in text: UnsafeBufferPointer<UInt8>) -> Bool {
        let count = instructions.count
        return instructions.withUnsafeBufferPointer { instructions in
            withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 4 * count) { memory in
                memory.initialize(repeating: 0)
                return search(
                    text, instructions, visited: UnsafeMutableBufferPointer(rebasing: memory[..<count]),
                    waiting: UnsafeMutableBufferPointer(rebasing: memory[count..<(2 * count)]),
                    following: UnsafeMutableBufferPointer(rebasing: memory[(2 * count)..<(3 * count)]),
                    stack: UnsafeMutableBufferPointer(rebasing: memory[(3 * count)...]))
            }
        }
    }

    /// The four buffers have room for one number per instruction each; `visited` is all zero.
    private func search(
        _ text: UnsafeBufferPointer<UInt8>, _ instructions: UnsafeBufferPointer<Instruction>,
        visited: UnsafeMutableBufferPointer<UInt32>, waiting firstBuffer: UnsafeMutableBufferPointer<UInt32>,
        following secondBuffer: UnsafeMutableBufferPointer<UInt32>, stack: UnsafeMutableBufferPointer<UInt32>
    ) -> Bool {
        var (waiting, following) = (firstBuffer, secondBuffer)
        var waitingCount = 0
        var position = 0
        var place = Place(previous: nil, next: nil)
        // Which instructions have been visited here: those marked with this number.
        var mark: UInt32 = 0
        while true {
            if waitingCount == 0 {
                if isAnchored && position > 0 { return false }
                if !firstBytes.isEmpty {
                    let start = position
                    while position < text.count && !firstBytes[Int(text[position])] { position += 1 }
                    if position == text.count { return false }
                    // What matters of the scalar before is its last byte: newlines and words are ASCII.
                    if position > start { place.previous = UInt32(text[position - 1]) }
                }
            }
            let (scalar, width) = position < text.count ? decodeScalar(text, at: position) : (0, 0)
            place.next = width > 0 ? scalar : nil
            mark += 1
            var stackCount = 0
            var followingCount = 0
            func push(_ index: UInt32) {
                if visited[Int(index)] == mark { return }
                visited[Int(index)] = mark
                stack[stackCount] = index
                stackCount += 1
            }
            for index in 0...waitingCount {
                if index < waitingCount {
                    push(waiting[index])
                } else if !isAnchored || position == 0 {
                    push(0)
                }
                while stackCount > 0 {
                    stackCount -= 1
                    let current = stack[stackCount]
                    let takes: Bool
                    switch instructions[Int(current)] {
                    case .match: return true
                    case .jump(let target):
                        push(UInt32(target))
                        continue
                    case .split(let first, let second):
                        push(UInt32(first))
                        push(UInt32(second))
                        continue
                    case .assertion(let assertion):
                        if place.satisfies(assertion) { push(current + 1) }
                        continue
                    case .scalar(let expected): takes = scalar == expected
                    case .foldedScalar(let folded): takes = CaseFolding.fold(scalar) == folded
                    case .anyScalar: takes = true
                    case .anyButNewline: takes = scalar != 0x0A
                    case .set(let set): takes = sets[Int(set)].contains(scalar)
                    }
                    if takes && width > 0 {
                        following[followingCount] = current + 1
                        followingCount += 1
                    }
                }
            }
            if width == 0 { return false }
            place.previous = scalar
            position += width
            swap(&waiting, &following)
            waitingCount = followingCount
        }
    }

    /// Between two scalars, or at an end of the text, where one is nil.
    private struct Place {
        var previous: UInt32?
        var next: UInt32?

        func satisfies(_ assertion: PatternAssertion) -> Bool {
            switch assertion {
            case .textStart: previous == nil
            case .textEnd: next == nil
            case .lineStart: previous == nil || previous == 0x0A
            case .lineEnd: next == nil || next == 0x0A
            case .wordBoundary: isBoundary
            case .noWordBoundary: !isBoundary
            }
        }

        private var isBoundary: Bool {
            (previous.map(PatternParser.isWordCharacter) ?? false) != (next.map(PatternParser.isWordCharacter) ?? false)
        }
    }
}

/// The scalar that begins at a position inside the text, and how many bytes it has. A byte that begins none, or whose
/// followers do not fit, is U+FFFD by itself.
@inline(__always)
private func decodeScalar(_ text: UnsafeBufferPointer<UInt8>, at position: Int) -> (scalar: UInt32, width: Int) {
    let first = text[position]
    if first < 0x80 { return (UInt32(first), 1) }
    return decodeLongScalar(text, at: position, first: first)
}

private func decodeLongScalar(
    _ text: UnsafeBufferPointer<UInt8>, at position: Int, first: UInt8
) -> (scalar: UInt32, width: Int) {
    let width: Int
    var scalar: UInt32
    let least: UInt32
    switch first {
    case 0xC2...0xDF: (width, scalar, least) = (2, UInt32(first & 0x1F), 0x80)
    case 0xE0...0xEF: (width, scalar, least) = (3, UInt32(first & 0x0F), 0x800)
    case 0xF0...0xF4: (width, scalar, least) = (4, UInt32(first & 0x07), 0x1_0000)
    default: return (0xFFFD, 1)
    }
    guard position + width <= text.count else { return (0xFFFD, 1) }
    for index in 1..<width {
        let byte = text[position + index]
        guard byte & 0xC0 == 0x80 else { return (0xFFFD, 1) }
        scalar = scalar << 6 | UInt32(byte & 0x3F)
    }
    guard scalar >= least, scalar <= 0x10FFFF, !(0xD800...0xDFFF ~= scalar) else { return (0xFFFD, 1) }
    return (scalar, width)
}

/// Turns parts into instructions.
private struct PatternCompiler {
    private(set) var instructions: [PatternProgram.Instruction] = []

    mutating func compile(_ node: PatternNode) throws(PatternError) {
        try emit(node)
        try append(.match)
    }

    private mutating func emit(_ node: PatternNode) throws(PatternError) {
        switch node {
        case .empty: break
        case .scalar(let scalar): try append(.scalar(scalar))
        case .foldedScalar(let folded): try append(.foldedScalar(folded))
        case .anyScalar: try append(.anyScalar)
        case .anyButNewline: try append(.anyButNewline)
        case .set(let set): try append(.set(Int32(set)))
        case .assertion(let assertion): try append(.assertion(assertion))
        case .sequence(let nodes): for node in nodes { try emit(node) }
        case .alternatives(let nodes):
            var jumps: [Int] = []
            for node in nodes.dropLast() {
                let split = try reserve()
                try emit(node)
                jumps.append(try reserve())
                instructions[split] = .split(Int32(split + 1), next)
            }
            if let last = nodes.last { try emit(last) }
            for jump in jumps { instructions[jump] = .jump(next) }
        case .repeated(let node, let least, let most): try emit(node, least: least, most: most)
        }
    }

    private mutating func emit(_ node: PatternNode, least: Int, most: Int?) throws(PatternError) {
        var lastStart = next
        for _ in 0..<least {
            lastStart = next
            try emit(node)
            // Nothing over and over is nothing; a thousand times nothing, a thousand times, would take its time.
            if next == lastStart { return }
        }
        guard let most else {
            if least > 0 { return try append(.split(lastStart, next + 1)) }
            let split = try reserve()
            try emit(node)
            try append(.jump(Int32(split)))
            instructions[split] = .split(Int32(split + 1), next)
            return
        }
        var splits: [Int] = []
        for _ in least..<most {
            splits.append(try reserve())
            try emit(node)
        }
        for split in splits { instructions[split] = .split(Int32(split + 1), next) }
    }

    private mutating func append(_ instruction: PatternProgram.Instruction) throws(PatternError) {
        if instructions.count >= Pattern.instructionsMax {
            throw PatternError(
                message: "expression too large (more than \(Pattern.instructionsMax) instructions)", fragment: "",
                offset: 0)
        }
        instructions.append(instruction)
    }

    /// An instruction to be written when its target is known; its index.
    private mutating func reserve() throws(PatternError) -> Int {
        try append(.match)
        return instructions.count - 1
    }

    /// The index of the instruction that comes next.
    private var next: Int32 { Int32(instructions.count) }
}

extension PatternNode {
    /// Whether every match begins at the start of the text.
    fileprivate var isAnchored: Bool {
        switch self {
        case .assertion(.textStart): true
        case .sequence(let nodes): nodes.first?.isAnchored ?? false
        case .alternatives(let nodes): nodes.allSatisfy(\.isAnchored)
        case .repeated(let node, let least, _): least > 0 && node.isAnchored
        default: false
        }
    }
}
