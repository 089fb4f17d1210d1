/// A regular expression in RE2's syntax, compiled once; a search takes time proportional to text × program.
///
/// Understood: literals, `.`, classes (`[a-z]`, `[^…]`, `[[:alpha:]]`, `\d \s \w` and their opposites, `\pL`, `\p{Lu}`),
/// anchors (`^ $ \A \z \b \B`), groups (`(…)`, `(?:…)`, `(?P<name>…)`, `(?<name>…)`), flags (`(?i)`, `(?s)`, `(?m)`,
/// `(?U)`, also for one group), alternation, greedy and lazy repetition (`* + ? {n,m}`, counts up to 1,000), `\Q…\E`,
/// escapes (`\n`, `\x41`, `\x{1F600}`, `\101`). Refused: backreferences, lookaround and classes of scripts
/// (`\p{Greek}`). A text is searched by Unicode scalar; bytes that are not UTF-8 count as U+FFFD, one each.
package struct Pattern: Sendable {
    /// A program is at most so long; counted repetition multiplies.
    package static let instructionsMax = 10_000
    /// Groups stand in each other at most so deep.
    package static let depthMax = 200
    /// The largest count in `{n,m}`.
    package static let repeatMax = 1_000

    private let program: PatternProgram

    package init(_ source: String) throws(PatternError) {
        var parser = PatternParser(source)
        let node = try parser.parse()
        program = try PatternProgram(node, sets: parser.sets)
    }

    /// What a search costs per byte at most, in steps.
    package var instructionCount: Int { program.instructions.count }

    /// Whether the pattern matches anywhere in the text.
    package func isFound(in text: UnsafeBufferPointer<UInt8>) -> Bool { program.isFound(in: text) }

    /// Whether the pattern matches anywhere in the text.
    package func isFound(in text: String) -> Bool {
        var text = text
        return text.withUTF8 { program.isFound(in: $0) }
    }
}

/// Why a regular expression was refused.
package struct PatternError: Error, Equatable, CustomStringConvertible {
    /// `missing closing )`
    package let message: String
    /// The part of the pattern it is about.
    package let fragment: String
    /// Where that part begins, in Unicode scalars from 0.
    package let offset: Int

    /// ``error parsing regexp: missing closing ): `(` ``
    package var description: String { "error parsing regexp: \(message): `\(fragment)`" }
}

/// The parts of a pattern. How greedy a repetition is makes no difference to whether there is a match.
indirect enum PatternNode {
    case empty
    case scalar(UInt32)
    /// Matches what folds to this scalar.
    case foldedScalar(UInt32)
    case anyScalar, anyButNewline
    /// One of the sets the parser has collected, by index.
    case set(Int)
    case assertion(PatternAssertion)
    case sequence([PatternNode])
    case alternatives([PatternNode])
    /// At most nil: without end.
    case repeated(PatternNode, least: Int, most: Int?)
}

enum PatternAssertion {
    case textStart, textEnd, lineStart, lineEnd, wordBoundary, noWordBoundary
}
