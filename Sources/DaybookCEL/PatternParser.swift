/// Reads a pattern into its parts. Messages are those of Go's library, where it has one for the case.
struct PatternParser {
    /// The sets the parts name by index.
    private(set) var sets: [PatternSet] = []

    private let scalars: [Unicode.Scalar]
    private var position = 0
    private var flags = Flags()

    private struct Flags {
        var ignoresCase = false
        var isMultiline = false
        var dotMatchesNewline = false
    }

    init(_ source: String) { scalars = Array(source.unicodeScalars) }

    mutating func parse() throws(PatternError) -> PatternNode {
        let node = try parseAlternatives(depth: 0)
        if position < scalars.count { throw error("unexpected )", from: position, to: position + 1) }
        return node
    }

    // MARK: - Structure

    private mutating func parseAlternatives(depth: Int) throws(PatternError) -> PatternNode {
        var alternatives = [try parseSequence(depth: depth)]
        while peek == "|" {
            position += 1
            alternatives.append(try parseSequence(depth: depth))
        }
        return alternatives.count == 1 ? alternatives[0] : .alternatives(alternatives)
    }

    /// Up to `|`, `)` or the end.
    private mutating func parseSequence(depth: Int) throws(PatternError) -> PatternNode {
        var nodes: [PatternNode] = []
        /// Where the repetition begins that the text read last is; nil if it is something else.
        var repetition: Int?
        while let scalar = peek, scalar != "|", scalar != ")" {
            let start = position
            if let counts = try parseRepetition() {
                if let repetition {
                    throw error("invalid nested repetition operator", from: repetition, to: position)
                }
                guard let last = nodes.popLast() else {
                    throw error("missing argument to repetition operator", from: start, to: position)
                }
                nodes.append(.repeated(last, least: counts.least, most: counts.most))
                repetition = start
                continue
            }
            repetition = nil
            switch scalar {
            case "(":
                if let group = try parseGroup(depth: depth) { nodes.append(group) }
            case "[": nodes.append(try parseClass())
            case ".":
                position += 1
                nodes.append(flags.dotMatchesNewline ? .anyScalar : .anyButNewline)
            case "^":
                position += 1
                nodes.append(.assertion(flags.isMultiline ? .lineStart : .textStart))
            case "$":
                position += 1
                nodes.append(.assertion(flags.isMultiline ? .lineEnd : .textEnd))
            case "\\" where peek(1) == "Q": appendQuoted(to: &nodes)
            case "\\": nodes.append(try parseEscape())
            default:
                position += 1
                nodes.append(literal(scalar.value))
            }
        }
        switch nodes.count {
        case 0: return .empty
        case 1: return nodes[0]
        default: return .sequence(nodes)
        }
    }

    /// `*`, `+`, `?`, `{n}`, `{n,}` or `{n,m}`, each with an optional `?`; nil if there is none here. A brace that opens
    /// no count is an ordinary character.
    private mutating func parseRepetition() throws(PatternError) -> (least: Int, most: Int?)? {
        let start = position
        var counts: (least: Int, most: Int?)
        switch peek {
        case "*": counts = (0, nil)
        case "+": counts = (1, nil)
        case "?": counts = (0, 1)
        case "{":
            position += 1
            guard let least = parseCount() else {
                position = start
                return nil
            }
            counts = (least, least)
            if peek == "," {
                position += 1
                counts.most = parseCount()
            }
            guard peek == "}" else {
                position = start
                return nil
            }
            let largest = max(counts.least, counts.most ?? 0)
            if largest > Pattern.repeatMax || counts.least > counts.most ?? .max {
                throw error("invalid repeat count", from: start, to: position + 1)
            }
        default: return nil
        }
        position += 1
        if peek == "?" { position += 1 }
        return counts
    }

    /// Digits without a leading zero, as a number that stops growing beyond what is allowed; nil if there are none.
    private mutating func parseCount() -> Int? {
        let start = position
        var value = 0
        while let digit = peek.flatMap({ Self.digit($0, base: 10) }) {
            if value <= Pattern.repeatMax { value = value * 10 + Int(digit) }
            position += 1
        }
        if position == start || (position > start + 1 && scalars[start] == "0") { return nil }
        return value
    }

    /// A group with its content; nil for flags that hold for the rest of the surrounding group.
    private mutating func parseGroup(depth: Int) throws(PatternError) -> PatternNode? {
        let start = position
        if depth >= Pattern.depthMax { throw error("expression nests too deeply", from: start, to: start + 1) }
        let outerFlags = flags
        position += 1
        if peek == "?" {
            position += 1
            if peek == "P" || peek == "<" {
                try parseGroupName(from: start)
            } else if try parseFlags(from: start) == .untilGroupEnds {
                return nil
            }
        }
        let node = try parseAlternatives(depth: depth + 1)
        guard peek == ")" else { throw error("missing closing )", from: start, to: scalars.count) }
        position += 1
        flags = outerFlags
        return node
    }

    /// `P<name>` or `<name>`.
    private mutating func parseGroupName(from start: Int) throws(PatternError) {
        if peek == "P" { position += 1 }
        if peek == "<", peek(1) == "=" || peek(1) == "!" {
            throw error("invalid or unsupported Perl syntax (no lookbehind)", from: start, to: position + 2)
        }
        if peek == "=" {
            throw error("invalid or unsupported Perl syntax (no backreferences)", from: start, to: position + 1)
        }
        guard peek == "<" else { throw error("invalid named capture", from: start, to: position + 1) }
        position += 1
        let nameStart = position
        while let scalar = peek, Self.isWordCharacter(scalar.value) { position += 1 }
        guard position > nameStart, peek == ">" else {
            throw error("invalid named capture", from: start, to: min(position + 1, scalars.count))
        }
        position += 1
    }

    private enum FlagScope { case group, untilGroupEnds }

    /// `i`, `m`, `s`, `U`, those after `-` switched off, up to `:` or `)`.
    private mutating func parseFlags(from start: Int) throws(PatternError) -> FlagScope {
        var isOn = true
        var count = 0
        while let scalar = peek {
            position += 1
            switch scalar {
            case "i": flags.ignoresCase = isOn
            case "m": flags.isMultiline = isOn
            case "s": flags.dotMatchesNewline = isOn
            // Swaps greedy and lazy, which says nothing about whether there is a match.
            case "U": break
            case "-" where isOn:
                isOn = false
                count = 0
                continue
            case ":" where isOn || count > 0: return .group
            case ")" where count > 0: return .untilGroupEnds
            case "=", "!":
                throw error("invalid or unsupported Perl syntax (no lookahead)", from: start, to: position)
            default: throw error("invalid or unsupported Perl syntax", from: start, to: position)
            }
            count += 1
        }
        throw error("missing closing )", from: start, to: scalars.count)
    }

    /// `\Q…\E`, or up to the end: every character stands for itself.
    private mutating func appendQuoted(to nodes: inout [PatternNode]) {
        position += 2
        while let scalar = peek {
            if scalar == "\\" && peek(1) == "E" {
                position += 2
                return
            }
            nodes.append(literal(scalar.value))
            position += 1
        }
    }

    // MARK: - Characters

    private func literal(_ value: UInt32) -> PatternNode {
        flags.ignoresCase ? .foldedScalar(CaseFolding.fold(value)) : .scalar(value)
    }

    /// A backslash and what follows, outside of a class.
    private mutating func parseEscape() throws(PatternError) -> PatternNode {
        var assertion: PatternAssertion?
        switch peek(1) {
        case "A": assertion = .textStart
        case "z": assertion = .textEnd
        case "b": assertion = .wordBoundary
        case "B": assertion = .noWordBoundary
        default: break
        }
        if let assertion {
            position += 2
            return .assertion(assertion)
        }
        if let member = try parseNamedSet() {
            return append(PatternSet([member], isNegated: false, isFolded: flags.ignoresCase))
        }
        return literal(try parseCharacterEscape())
    }

    private mutating func append(_ set: PatternSet) -> PatternNode {
        sets.append(set)
        return .set(sets.count - 1)
    }

    /// `\d`, `\pL`, `\p{^Lu}` and their kin; nil if the backslash begins something else.
    private mutating func parseNamedSet() throws(PatternError) -> PatternSet.Member? {
        let start = position
        guard let letter = peek(1) else { return nil }
        if let ranges = Self.perlRanges(letter) {
            position += 2
            return PatternSet.Member(ranges: ranges, isNegated: letter.value < 0x60)
        }
        guard letter == "p" || letter == "P" else { return nil }
        position += 2
        var name: [Unicode.Scalar] = []
        if peek == "{" {
            guard let end = scalars[position...].firstIndex(of: "}") else {
                throw error("invalid character class range", from: start, to: scalars.count)
            }
            name = Array(scalars[(position + 1)..<end])
            position = end + 1
        } else if let scalar = peek {
            name = [scalar]
            position += 1
        }
        var isNegated = letter == "P"
        if name.first == "^" {
            name.removeFirst()
            isNegated.toggle()
        }
        guard let categories = UnicodeCategories(name: Self.text(name)) else {
            throw error("invalid character class range (no such category)", from: start, to: position)
        }
        return PatternSet.Member(categories: categories, isNegated: isNegated)
    }

    /// An escape that stands for one character.
    private mutating func parseCharacterEscape() throws(PatternError) -> UInt32 {
        let start = position
        position += 1
        guard let scalar = peek else {
            throw error("trailing backslash at end of expression", from: start, to: position)
        }
        position += 1
        switch scalar {
        case "a": return 7
        case "f": return 12
        case "t": return 9
        case "n": return 10
        case "r": return 13
        case "v": return 11
        case "x": return try parseHex(from: start)
        case "0"..."7":
            if scalar != "0" {
                guard let next = peek, Self.digit(next, base: 8) != nil else {
                    throw error("invalid escape sequence (no backreferences)", from: start, to: position)
                }
            }
            var value = scalar.value - 0x30
            for _ in 0..<2 {
                guard let digit = peek.flatMap({ Self.digit($0, base: 8) }) else { break }
                value = value * 8 + digit
                position += 1
            }
            return value
        case "8", "9": throw error("invalid escape sequence (no backreferences)", from: start, to: position)
        default:
            // Punctuation may be escaped whether or not it means something.
            if scalar.isASCII && !(Self.isWordCharacter(scalar.value) && scalar != "_") { return scalar.value }
            throw error("invalid escape sequence", from: start, to: position)
        }
    }

    /// The rest of `\x41` or `\x{1F600}`.
    private mutating func parseHex(from start: Int) throws(PatternError) -> UInt32 {
        let isBraced = peek == "{"
        if isBraced { position += 1 }
        var value: UInt32 = 0
        var digits = 0
        while let digit = peek.flatMap({ Self.digit($0, base: 16) }), isBraced || digits < 2 {
            value = value * 16 + digit
            digits += 1
            position += 1
            if value > 0x10FFFF { throw error("invalid escape sequence", from: start, to: position) }
        }
        guard isBraced ? digits > 0 && peek == "}" : digits == 2 else {
            throw error("invalid escape sequence", from: start, to: min(position + 1, scalars.count))
        }
        if isBraced { position += 1 }
        return value
    }

    // MARK: - Classes

    private mutating func parseClass() throws(PatternError) -> PatternNode {
        let start = position
        position += 1
        let isNegated = peek == "^"
        if isNegated { position += 1 }
        var plain = PatternSet.Member()
        var members: [PatternSet.Member] = []
        let first = position
        while peek != "]" || position == first {
            guard let scalar = peek else { throw error("missing closing ]", from: start, to: scalars.count) }
            let named: PatternSet.Member?
            if scalar == "[" && peek(1) == ":" {
                named = try parsePosixClass()
            } else if scalar == "\\" {
                named = try parseNamedSet()
            } else {
                named = nil
            }
            if let named {
                if named.isNegated {
                    members.append(named)
                } else {
                    plain.ranges += named.ranges
                    plain.categories.formUnion(named.categories)
                }
                continue
            }
            plain.ranges.append(try parseRange(inClassFrom: start))
        }
        position += 1
        return append(PatternSet([plain] + members, isNegated: isNegated, isFolded: flags.ignoresCase))
    }

    /// A character or two with a hyphen between them.
    private mutating func parseRange(inClassFrom classStart: Int) throws(PatternError) -> ClosedRange<UInt32> {
        let start = position
        let low = try parseClassCharacter(classStart: classStart)
        guard peek == "-", let next = peek(1), next != "]" else { return low...low }
        position += 1
        let high = try parseClassCharacter(classStart: classStart)
        guard low <= high else { throw error("invalid character class range", from: start, to: position) }
        return low...high
    }

    private mutating func parseClassCharacter(classStart: Int) throws(PatternError) -> UInt32 {
        guard let scalar = peek else { throw error("missing closing ]", from: classStart, to: scalars.count) }
        if scalar == "\\" { return try parseCharacterEscape() }
        position += 1
        return scalar.value
    }

    /// `[:alpha:]` or `[:^alpha:]`; nil if no `:]` follows, for then the bracket stands for itself.
    private mutating func parsePosixClass() throws(PatternError) -> PatternSet.Member? {
        let start = position
        var end = position + 2
        while end + 1 < scalars.count && !(scalars[end] == ":" && scalars[end + 1] == "]") { end += 1 }
        guard end + 1 < scalars.count else { return nil }
        var name = Array(scalars[(start + 2)..<end])
        let isNegated = name.first == "^"
        if isNegated { name.removeFirst() }
        guard let ranges = Self.posixRanges(Self.text(name)) else {
            throw error("invalid character class range", from: start, to: end + 2)
        }
        position = end + 2
        return PatternSet.Member(ranges: ranges, isNegated: isNegated)
    }

    /// The ranges of `\d`, `\s`, `\w`; the opposites are asked for with capital letters.
    private static func perlRanges(_ letter: Unicode.Scalar) -> [ClosedRange<UInt32>]? {
        switch letter {
        case "d", "D": [0x30...0x39]
        case "s", "S": [0x09...0x0A, 0x0C...0x0D, 0x20...0x20]
        case "w", "W": [0x30...0x39, 0x41...0x5A, 0x5F...0x5F, 0x61...0x7A]
        default: nil
        }
    }

    private static func posixRanges(_ name: String) -> [ClosedRange<UInt32>]? {
        switch name {
        case "alnum": [0x30...0x39, 0x41...0x5A, 0x61...0x7A]
        case "alpha": [0x41...0x5A, 0x61...0x7A]
        case "ascii": [0x00...0x7F]
        case "blank": [0x09...0x09, 0x20...0x20]
        case "cntrl": [0x00...0x1F, 0x7F...0x7F]
        case "digit": [0x30...0x39]
        case "graph": [0x21...0x7E]
        case "lower": [0x61...0x7A]
        case "print": [0x20...0x7E]
        case "punct": [0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E]
        case "space": [0x09...0x0D, 0x20...0x20]
        case "upper": [0x41...0x5A]
        case "word": [0x30...0x39, 0x41...0x5A, 0x5F...0x5F, 0x61...0x7A]
        case "xdigit": [0x30...0x39, 0x41...0x46, 0x61...0x66]
        default: nil
        }
    }

    // MARK: - Text

    private var peek: Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

    private func peek(_ distance: Int) -> Unicode.Scalar? {
        position + distance < scalars.count ? scalars[position + distance] : nil
    }

    private func error(_ message: String, from start: Int, to end: Int) -> PatternError {
        PatternError(message: message, fragment: Self.text(scalars[start..<end]), offset: start)
    }

    private static func text(_ scalars: some Sequence<Unicode.Scalar>) -> String {
        var text = String.UnicodeScalarView()
        text.append(contentsOf: scalars)
        return String(text)
    }

    private static func digit(_ scalar: Unicode.Scalar, base: UInt32) -> UInt32? {
        let value: UInt32
        switch scalar {
        case "0"..."9": value = scalar.value - 0x30
        case "a"..."f": value = scalar.value - 0x61 + 10
        case "A"..."F": value = scalar.value - 0x41 + 10
        default: return nil
        }
        return value < base ? value : nil
    }

    static func isWordCharacter(_ value: UInt32) -> Bool {
        switch value {
        case 0x30...0x39, 0x41...0x5A, 0x5F, 0x61...0x7A: true
        default: false
        }
    }
}
