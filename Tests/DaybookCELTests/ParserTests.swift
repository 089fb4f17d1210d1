import Testing

@testable import DaybookCEL

/// How a source is read: what binds tighter, where a fault is said to be, what a stranger to the language is told.
struct ParserTests {
    @Test(arguments: [
        ("true ? 1 : false ? 2 : 3", "int 1"), ("false ? 1 : true ? 2 : 3", "int 2"), ("24 / 4 / 2", "int 3"),
        ("-2 - -3", "int 1"), ("2 - 1", "int 1"), ("2-1", "int 1"), ("2 -1", "int 1"), ("!true || true", "bool true"),
        ("1 + 1 in [2] && 2 * 3 == 6", "bool true"), ("true || false && false", "bool true"), ("--5", "int 5"),
        ("1 < 2 == true", "bool true"), ("(true ? [1] : [2])[0]", "int 1"), ("[[1, 2], [3]][0][1]", "int 2"),
        ("-{'a': 2}.a", "int -2"), ("true ?.5:1.0", "double 0.5"), ("1 in [1] ? 'a' : 'b'", "string \"a\""),
        ("'''it's'''", "string \"it's\""), ("\"\"\"a\nb\"\"\"", #"string "a\nb""#), ("b'\\x41\\102'", #"bytes "QUI=""#),
        ("rb'\\x'", #"bytes "XHg=""#), ("R'a'", "missing"), ("{true: 1, 2u: 2, 'a': 3}[2]", "int 2"),
    ])
    func `operators bind as the language definition says`(source: String, expected: String) {
        #expect(shownResult(of: source) == expected)
    }

    @Test func `a column counts characters and a line counts line breaks`() throws {
        let error = try #require(refusal(of: "'héé👩‍👩‍👧' == 'x' &&\n  // why not\n\t'é' == §"))
        #expect([error.line, error.column] == [3, 9])
        #expect(error.excerpt == " 'é' == §\n        ^")
        #expect(error.description.hasPrefix("line 3, column 9: `§` has no meaning outside of a string"))
    }

    @Test func `the excerpt of a long line shows what is around the fault`() throws {
        let long = Array(repeating: "event.data.n == 1", count: 40).joined(separator: " || ")
        let error = try #require(refusal(of: long + " || user.id == 1 || " + long))
        let lines = error.excerpt.split(separator: "\n")
        #expect(lines[0].count == 120)
        #expect(lines[0].dropFirst(60).hasPrefix("user.id"))
        #expect(lines[1].count == 61)
    }

    @Test func `a fault inside of a pattern is pointed at inside of the literal`() throws {
        for (source, column) in [("event.s.matches('ab(c')", 20), ("event.s.matches('''é(c''')", 21)] {
            let error = try #require(refusal(of: source))
            #expect(error.column == column)
            #expect(error.message.hasPrefix("error parsing regexp: missing closing )"))
        }
    }

    @Test(arguments: [
        ("evnt.data.x == 1", "did you mean `event`?"), ("event.s.startswith('a')", "did you mean `startsWith`?"),
        ("sized(event.l)", "did you mean `size`?"), ("event.s.toLowerCase() == 'a'", "`lowercase(…)`"),
        ("event.l.includes('a')", "`contains(…)` or `in`"), ("event.l.some(x, x == 1)", "`exists(…)`"),
        ("event.l.exist(x, x == 1)", "did you mean `exists`?"), ("event.l.filter(x => x == 1)", "single `=`"),
        ("event.s = 'a'", "write `==`"), ("event.a & event.b", "write `&&`"), ("event.a | event.b", "write `||`"),
        ("event.a === 1", "single `=`"), ("event.data.in", "write ['in']"), ("if == 1", "reserved word"),
        ("size == 1", "needs its arguments"), ("event.s.lowercase()", "called as a function"),
        ("startsWith(event.s, 'a')", "called on a value"), ("event.?a", "a missing field is no error"),
        ("event.a[?0]", "a missing field is no error"), ("int(event.n) * 1.5", "both must be of one type"),
        ("now().getHours('Europe/Berlin')", "expected an offset such as '+02:00'"), ("5 && true", "takes bools"),
        ("event.a == 'b", "no end; expected a closing '"), ("{'a': 1, 'a': 2}", "twice"),
        ("all(event.l, 1)", "called on a"),
    ])
    func `a refusal says what to write instead`(source: String, words: String) throws {
        let error = try #require(refusal(of: source))
        #expect(error.description.contains(words), "\(error)")
    }

    @Test func `names of elements end with their macro and may hide other names`() throws {
        #expect(refusal(of: "event.l.all(x, true) && x == 1")?.column == 25)
        #expect(refusal(of: "event.l.all(x, y == 1)")?.column == 16)
        #expect(shownResult(of: "[1, 2].map(event, event + 1)") == "list [2,3]")
        #expect(shownResult(of: "[[1], [2, 3]].map(x, x.map(x, x * 10))") == "list [[10],[20,30]]")
        #expect(shownResult(of: "[1, 2].map(x, [10, 20].map(y, x * y))") == "list [[10,20],[20,40]]")
    }

    private func refusal(of source: String) -> ExpressionError? {
        do throws(ExpressionError) {
            _ = try Expression(source, for: .any)
            return nil
        } catch {
            return error
        }
    }
}
