import Testing

@testable import DaybookCEL

struct PatternTests {
    @Test(arguments: matchRows)
    func `a pattern is found where RE2 finds it`(row: MatchRow) throws {
        let pattern = try Pattern(row.pattern)
        for text in row.found { #expect(pattern.isFound(in: text), "\(row.pattern) in \(text)") }
        for text in row.absent { #expect(!pattern.isFound(in: text), "\(row.pattern) in \(text)") }
    }

    @Test(arguments: refusedRows)
    func `a broken pattern is refused with the place`(row: RefusedRow) {
        #expect(throws: PatternError(message: row.message, fragment: row.fragment, offset: row.offset)) {
            try Pattern(row.pattern)
        }
    }

    @Test func `an error reads as Go's does`() {
        let error = #expect(throws: PatternError.self) { try Pattern("a(b") }
        #expect(error?.description == "error parsing regexp: missing closing ): `(b`")
        #expect(error?.offset == 1)
    }

    @Test func `a program of more than ten thousand instructions is refused`() throws {
        #expect(try Pattern("(a{100}){99}").instructionCount == 9_901)
        let tooLarge = PatternError(
            message: "expression too large (more than 10000 instructions)", fragment: "", offset: 0)
        #expect(throws: tooLarge) { try Pattern("(a{100}){100}") }
        #expect(throws: tooLarge) { try Pattern("((((a{1000}){1000}){1000}){1000}){1000}") }
        #expect(throws: tooLarge) { try Pattern("(((a?){0,1000}){0,1000}){0,1000}") }
        #expect(throws: tooLarge) { try Pattern(String(repeating: "a|", count: 6_000)) }
    }

    @Test func `nothing repeated a thousand times a thousand times is nothing`() throws {
        #expect(try Pattern("((((){1000}){1000}){1000}){1000}").instructionCount == 1)
    }

    @Test func `groups two hundred deep are read, deeper ones refused`() throws {
        func nested(_ depth: Int) -> String {
            String(repeating: "(", count: depth) + "a" + String(repeating: ")", count: depth)
        }
        #expect(try Pattern(nested(200)).isFound(in: "a"))
        let error = #expect(throws: PatternError.self) { try Pattern(nested(201)) }
        #expect(error?.message == "expression nests too deeply")
        #expect(error?.offset == 200)
        #expect(throws: PatternError.self) { try Pattern(nested(100_000)) }
    }

    @Test(arguments: [
        "^(a*)*$", "^(a|a)*$", "(a|aa)+$", "(.*)(.*)(.*)(.*)x$", "(x+x+)+y", "^(([a-z])+.)+[A-Z]([a-z])+$",
    ])
    func `patterns that make backtracking explode end`(pattern: String) throws {
        let text = String(repeating: "a", count: 2_000) + "!"
        #expect(try !Pattern(pattern).isFound(in: text))
    }

    @Test func `bytes that are no text count as replacement characters`() throws {
        func isFound(_ pattern: String, _ bytes: [UInt8]) throws -> Bool {
            try bytes.withUnsafeBufferPointer { try Pattern(pattern).isFound(in: $0) }
        }
        #expect(try isFound("^a..b$", [0x61, 0xE2, 0x82, 0x62]))
        #expect(try isFound("^\u{FFFD}$", [0xFF]))
        #expect(try isFound("^...$", [0xED, 0xA0, 0x80]))
        #expect(try isFound("^..$", [0xC0, 0x80]))
        #expect(try isFound("^.$", [0xF0, 0x9F, 0x98, 0x80]))
        #expect(try isFound("^....$", [0xF5, 0x80, 0x80, 0x80]))
        #expect(try isFound("^$", []))
    }

    /// Every pattern over a few pieces against every short text, once with the engine and once by trying everything.
    @Test func `the engine agrees with trying all ways`() throws {
        let pieces = [
            "a", "b", ".", "[ab]", "[^a]", "a*", "b+", "(a|b)", "(ab)?", "(a|)", "^", "$", "\\b", "(?:b|ab){1,2}",
        ]
        let texts = strings(over: ["a", "b", " "], upTo: 4)
        for first in pieces {
            for second in pieces {
                for third in ["", "a", "b*?", "$"] {
                    let source = first + second + third
                    var parser = PatternParser(source)
                    let node = try parser.parse()
                    let pattern = try Pattern(source)
                    for text in texts {
                        let expected = Backtracker(sets: parser.sets, text: Array(text.unicodeScalars.map(\.value)))
                            .isFound(node)
                        if pattern.isFound(in: text) != expected {
                            Issue.record("\(source) in '\(text)': found \(!expected)")
                        }
                    }
                }
            }
        }
    }

    private func strings(over letters: [String], upTo length: Int) -> [String] {
        var all = [""]
        var last = [""]
        for _ in 0..<length {
            last = last.flatMap { text in letters.map { text + $0 } }
            all += last
        }
        return all
    }
}

/// The plainest matcher there is, as the judge.
private struct Backtracker {
    let sets: [PatternSet]
    let text: [UInt32]

    func isFound(_ node: PatternNode) -> Bool {
        (0...text.count).contains { !ends(of: node, from: [$0]).isEmpty }
    }

    /// Where the node can end if it begins at one of those places.
    private func ends(of node: PatternNode, from starts: Set<Int>) -> Set<Int> {
        func taking(_ isTaken: (UInt32) -> Bool) -> Set<Int> {
            Set(starts.filter { $0 < text.count && isTaken(text[$0]) }.map { $0 + 1 })
        }
        switch node {
        case .empty: return starts
        case .scalar(let scalar): return taking { $0 == scalar }
        case .foldedScalar(let folded): return taking { CaseFolding.fold($0) == folded }
        case .anyScalar: return taking { _ in true }
        case .anyButNewline: return taking { $0 != 10 }
        case .set(let set): return taking { sets[set].contains($0) }
        case .assertion(let assertion): return starts.filter { holds(assertion, at: $0) }
        case .sequence(let nodes): return nodes.reduce(starts) { ends(of: $1, from: $0) }
        case .alternatives(let nodes): return nodes.reduce(into: []) { $0.formUnion(ends(of: $1, from: starts)) }
        case .repeated(let node, let least, let most):
            var current = starts
            for _ in 0..<least { current = ends(of: node, from: current) }
            var all = current
            for _ in 0..<((most ?? least + text.count + 1) - least) {
                current = ends(of: node, from: current)
                all.formUnion(current)
            }
            return all
        }
    }

    private func holds(_ assertion: PatternAssertion, at place: Int) -> Bool {
        func isWord(_ index: Int) -> Bool {
            text.indices.contains(index) && PatternParser.isWordCharacter(text[index])
        }
        switch assertion {
        case .textStart: return place == 0
        case .textEnd: return place == text.count
        case .lineStart: return place == 0 || text[place - 1] == 10
        case .lineEnd: return place == text.count || text[place] == 10
        case .wordBoundary: return isWord(place - 1) != isWord(place)
        case .noWordBoundary: return isWord(place - 1) == isWord(place)
        }
    }
}

struct MatchRow: Sendable, CustomTestStringConvertible {
    let pattern: String
    let found: [String]
    let absent: [String]

    init(_ pattern: String, found: [String] = [], absent: [String] = []) {
        (self.pattern, self.found, self.absent) = (pattern, found, absent)
    }

    var testDescription: String { pattern }
}

private let matchRows: [MatchRow] = [
    MatchRow("", found: ["", "a"]),
    MatchRow("b", found: ["abc", "b"], absent: ["", "ac"]),
    MatchRow("^a.c$", found: ["abc", "aéc", "a😀c"], absent: ["ac", "abcd", "xabc", "a\nc"]),
    MatchRow("^[a-z]{3}$", found: ["abc"], absent: ["ab", "abcd", "aBc"]),
    MatchRow("a{2}", found: ["aa", "baab"], absent: ["a", "aba"]),
    MatchRow("^a{2,}$", found: ["aa", "aaaa"], absent: ["a"]),
    MatchRow("^a{2,3}$", found: ["aa", "aaa"], absent: ["a", "aaaa"]),
    MatchRow("^a{0}$", found: [""], absent: ["a"]),
    MatchRow("^a{,2}$", found: ["a{,2}"], absent: ["a", "aa"]),
    MatchRow("a{", found: ["a{"], absent: ["a"]),
    MatchRow("a{1", found: ["a{1"]),
    MatchRow("a{01}", found: ["a{01}"], absent: ["a"]),
    MatchRow("^a+?b*?c??$", found: ["a", "aabbc"], absent: ["b"]),
    MatchRow("colou?r", found: ["color", "colour"], absent: ["colouur"]),
    MatchRow("^(a|bc)+$", found: ["a", "abca"], absent: ["", "ab"]),
    MatchRow("^(?:a|b)c$", found: ["ac", "bc"], absent: ["a", "bcc"]),
    MatchRow("^(?P<year>\\d{4})-(?<month>\\d\\d)$", found: ["2024-01"], absent: ["2024-1"]),
    MatchRow("a||b", found: ["", "x"]),
    MatchRow("^(|a)$", found: ["", "a"], absent: ["b"]),
    MatchRow("\\d", found: ["a1"], absent: ["a", "٣"]),
    MatchRow("^\\D+$", found: ["abc", "é"], absent: ["a1"]),
    MatchRow("^\\w+$", found: ["aZ_9"], absent: ["a-b", "é"]),
    MatchRow("^\\W+$", found: ["- é"], absent: ["-a"]),
    MatchRow("a\\sb", found: ["a b", "a\tb", "a\nb"], absent: ["ab", "a\u{A0}b", "a\u{0B}b"]),
    MatchRow("^\\S$", found: ["a", "é"], absent: [" "]),
    MatchRow("^[\\d\\-x]+$", found: ["1-x"], absent: ["y"]),
    MatchRow("^[\\Da]$", found: ["a", "z"], absent: ["1"]),
    MatchRow("^[^\\D]$", found: ["1"], absent: ["a"]),
    MatchRow("^[^a-c]$", found: ["d", "\n", "é"], absent: ["b", ""]),
    MatchRow("^[]a]$", found: ["]", "a"], absent: ["b"]),
    MatchRow("^[^]a]$", found: ["b"], absent: ["]", "a"]),
    MatchRow("^[a-]$", found: ["a", "-"], absent: ["b"]),
    MatchRow("^[-a]$", found: ["a", "-"], absent: ["b"]),
    MatchRow("^[a\\]b]$", found: ["]"]),
    MatchRow("^[.*+?(){}|^$]$", found: [".", "*", "|", "^", "$", "("], absent: ["a"]),
    MatchRow("^[[:alpha:]]+$", found: ["aZ"], absent: ["a1", "é"]),
    MatchRow("^[[:^alpha:][:upper:]]+$", found: ["A1"], absent: ["a"]),
    MatchRow("^[[:digit:][:space:]]+$", found: ["1 2"], absent: ["a"]),
    MatchRow("^[[:xdigit:]]+$", found: ["fF0"], absent: ["g"]),
    MatchRow("^[[:punct:]]$", found: ["!", "_", "~"], absent: ["a", " "]),
    MatchRow("^[[:word:]]+$", found: ["a_1"], absent: ["-"]),
    MatchRow("^[[:]$", found: ["[", ":"]),
    MatchRow("^[à-ü]+$", found: ["éü"], absent: ["e"]),
    MatchRow("^[😀-😎]$", found: ["😃"], absent: ["😐"]),
    MatchRow("\\Aab", found: ["abc"], absent: ["cab", "c\nab"]),
    MatchRow("ab\\z", found: ["cab"], absent: ["abc", "ab\n"]),
    MatchRow("ab$", found: ["cab"], absent: ["abc", "ab\n"]),
    MatchRow("(?m)^ab$", found: ["x\nab\ny", "ab"], absent: ["xab", "abx"]),
    MatchRow("(?m)^$", found: ["a\n\nb", "a\n"], absent: ["a"]),
    MatchRow("\\bcat\\b", found: ["a cat.", "cat"], absent: ["concat", "cats"]),
    MatchRow("\\Bcat", found: ["concat"], absent: ["a cat"]),
    MatchRow("^\\b", found: ["a"], absent: ["", " a"]),
    MatchRow("é\\b", found: ["éa"], absent: ["é", "é "]),
    MatchRow("(?i)abc", found: ["ABC", "aBc"], absent: ["abd"]),
    MatchRow("(?i)straße", found: ["STRAßE", "Straẞe"], absent: ["strasse"]),
    MatchRow("(?i)^[k]$", found: ["k", "K", "\u{212A}"], absent: ["l"]),
    MatchRow("(?i)^\u{212A}$", found: ["k", "K", "\u{212A}"]),
    MatchRow("(?i)^[^k]$", found: ["l"], absent: ["k", "K", "\u{212A}"]),
    MatchRow("(?i)^[a-z]+$", found: ["AbC", "\u{17F}"], absent: ["é"]),
    MatchRow("(?i)^\\W$", found: ["-"], absent: ["\u{17F}", "s"]),
    MatchRow("(?i)^σ+$", found: ["Σσς"]),
    MatchRow("(?i)^i$", found: ["I"], absent: ["ı", "İ"]),
    MatchRow("(?i)^\\p{Lu}$", found: ["a", "Ä", "ä"], absent: ["1", "ß\u{301}"]),
    MatchRow("a(?i)b|c", found: ["aB", "C"], absent: ["Ab"]),
    MatchRow("(a(?i)b)c", found: ["aBc"], absent: ["abC"]),
    MatchRow("(?i:a)b", found: ["Ab"], absent: ["aB"]),
    MatchRow("(?i)a(?-i)b", found: ["Ab"], absent: ["aB"]),
    MatchRow("(?i)a(?-i:b)c", found: ["AbC"], absent: ["aBc"]),
    MatchRow("(?is-m)a.b", found: ["A\nB"]),
    MatchRow("a.b", found: ["a b", "a\rb"], absent: ["a\nb"]),
    MatchRow("(?s)a.b", found: ["a\nb"]),
    MatchRow("(?U)a+", found: ["aa"]),
    MatchRow("^\\.\\*\\\\$", found: [".*\\"], absent: ["a"]),
    MatchRow("^\\Qa.b(\\E+$", found: ["a.b(", "a.b(("], absent: ["axb("]),
    MatchRow("\\Q[a", found: ["[a"]),
    MatchRow("^\\x41\\x{1F600}\\101\\0$", found: ["A😀A\0"]),
    MatchRow("^\\a\\f\\t\\n\\r\\v$", found: ["\u{07}\u{0C}\t\n\r\u{0B}"]),
    MatchRow("^\\pL+$", found: ["aéж漢"], absent: ["a1"]),
    MatchRow("^\\p{Lu}\\P{Lu}$", found: ["Éa", "A1"], absent: ["aA"]),
    MatchRow("^\\p{^N}$", found: ["a"], absent: ["5", "٣"]),
    MatchRow("^[\\p{Nd}\\p{Sc}]+$", found: ["5€٣"], absent: ["a"]),
    MatchRow("^[^\\PL]$", found: ["é"], absent: ["5"]),
    MatchRow("^\\p{Any}$", found: ["a", "\u{378}"]),
    MatchRow("^*a", found: ["a", "ba"]),
    MatchRow("(^a|b)", found: ["ab", "xb"], absent: ["xa"]),
    MatchRow("(^a)+b?", found: ["ab"], absent: ["xa"]),
    MatchRow("^[\\w.+-]+@[\\w-]+\\.[\\w.-]+$", found: ["a.b+c@d-e.example"], absent: ["a@b", "@b.c", "a b@c.d"]),
    MatchRow("_", found: ["a_b"]),
    MatchRow("\\_\\-\\/\\@", found: ["_-/@"]),
]

struct RefusedRow: Sendable, CustomTestStringConvertible {
    let pattern: String
    let message: String
    let fragment: String
    let offset: Int

    init(_ pattern: String, _ message: String, _ fragment: String, at offset: Int) {
        (self.pattern, self.message, self.fragment, self.offset) = (pattern, message, fragment, offset)
    }

    var testDescription: String { pattern }
}

private let refusedRows: [RefusedRow] = [
    RefusedRow("(", "missing closing )", "(", at: 0),
    RefusedRow("a)", "unexpected )", ")", at: 1),
    RefusedRow("é[a", "missing closing ]", "[a", at: 1),
    RefusedRow("[", "missing closing ]", "[", at: 0),
    RefusedRow("[a-", "missing closing ]", "[a-", at: 0),
    RefusedRow("[]", "missing closing ]", "[]", at: 0),
    RefusedRow("[z-a]", "invalid character class range", "z-a", at: 1),
    RefusedRow("[a-\\d]", "invalid escape sequence", "\\d", at: 3),
    RefusedRow("[[:nope:]]", "invalid character class range", "[:nope:]", at: 1),
    RefusedRow("*a", "missing argument to repetition operator", "*", at: 0),
    RefusedRow("a|+?", "missing argument to repetition operator", "+?", at: 2),
    RefusedRow("({2})", "missing argument to repetition operator", "{2}", at: 1),
    RefusedRow("(?i)*", "missing argument to repetition operator", "*", at: 4),
    RefusedRow("a**", "invalid nested repetition operator", "**", at: 1),
    RefusedRow("a{2}{3}", "invalid nested repetition operator", "{2}{3}", at: 1),
    RefusedRow("a+??", "invalid nested repetition operator", "+??", at: 1),
    RefusedRow("a{1001}", "invalid repeat count", "{1001}", at: 1),
    RefusedRow("a{2,1}", "invalid repeat count", "{2,1}", at: 1),
    RefusedRow("a{0,99999999999999999999}", "invalid repeat count", "{0,99999999999999999999}", at: 1),
    RefusedRow("\\", "trailing backslash at end of expression", "\\", at: 0),
    RefusedRow("ab\\y", "invalid escape sequence", "\\y", at: 2),
    RefusedRow("a\\Z", "invalid escape sequence", "\\Z", at: 1),
    RefusedRow("[\\b]", "invalid escape sequence", "\\b", at: 1),
    RefusedRow("(a)\\1", "invalid escape sequence (no backreferences)", "\\1", at: 3),
    RefusedRow("\\9", "invalid escape sequence (no backreferences)", "\\9", at: 0),
    RefusedRow("\\x4", "invalid escape sequence", "\\x4", at: 0),
    RefusedRow("\\x{110000}", "invalid escape sequence", "\\x{110000", at: 0),
    RefusedRow("\\x{}", "invalid escape sequence", "\\x{}", at: 0),
    RefusedRow("\\p{Greek}", "invalid character class range (no such category)", "\\p{Greek}", at: 0),
    RefusedRow("\\p{L", "invalid character class range", "\\p{L", at: 0),
    RefusedRow("\\p", "invalid character class range (no such category)", "\\p", at: 0),
    RefusedRow("a(?=b)", "invalid or unsupported Perl syntax (no lookahead)", "(?=", at: 1),
    RefusedRow("a(?!b)", "invalid or unsupported Perl syntax (no lookahead)", "(?!", at: 1),
    RefusedRow("(?<=a)b", "invalid or unsupported Perl syntax (no lookbehind)", "(?<=", at: 0),
    RefusedRow("(?<!a)b", "invalid or unsupported Perl syntax (no lookbehind)", "(?<!", at: 0),
    RefusedRow("(?P=a)", "invalid or unsupported Perl syntax (no backreferences)", "(?P=", at: 0),
    RefusedRow("(?P<a b>c)", "invalid named capture", "(?P<a ", at: 0),
    RefusedRow("(?<>c)", "invalid named capture", "(?<>", at: 0),
    RefusedRow("(?P<a", "invalid named capture", "(?P<a", at: 0),
    RefusedRow("(?z)", "invalid or unsupported Perl syntax", "(?z", at: 0),
    RefusedRow("(?)", "invalid or unsupported Perl syntax", "(?)", at: 0),
    RefusedRow("(?i-)", "invalid or unsupported Perl syntax", "(?i-)", at: 0),
    RefusedRow("(?>a)", "invalid or unsupported Perl syntax", "(?>", at: 0),
    RefusedRow("(?i", "missing closing )", "(?i", at: 0),
]
