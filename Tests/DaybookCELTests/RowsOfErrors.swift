import Testing

@testable import DaybookCEL

/// What is refused at registration, with line, column and what was expected; what fails for one event; the limits.
struct RowsOfErrors {
    @Test(arguments: refusedRows)
    func `a refusal names the place and what is wrong`(source: String, place: (Int, Int), words: String) {
        let error = #expect(throws: ExpressionError.self) { try Expression(source, for: .any) }
        guard let error else { return }
        #expect([error.line, error.column] == [place.0, place.1], "\(error)")
        #expect(error.description.contains(words), "\(error)")
        #expect(error.description.hasPrefix("line \(place.0), column \(place.1): "))
        let lines = error.excerpt.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.count == 2)
        #expect(lines.last?.last == "^")
    }

    @Test(arguments: failingRows)
    func `an evaluation error says what the reference says`(row: String, expected: String) throws {
        let expression = try Expression(row.replacing("D.", with: "event.data."), for: .any)
        let error = #expect(throws: EvaluationError.self) {
            try expression.isTrue(event: referenceEvent, now: referenceNow)
        }
        #expect(error?.message.hasPrefix(expected) == true, "\(error?.message ?? "no error")")
    }

    @Test(arguments: ["1", "'yes'", "null", "[true]", "5 + 4", "size(event.data.list)", "now()"])
    func `what can never be true or false is no condition`(row: String) throws {
        for use in [Expression.Use.condition, .cancelCondition] {
            let error = #expect(throws: ExpressionError.self) { try Expression(row, for: use) }
            #expect(error?.line == 1)
        }
        _ = try Expression(row, for: .key)
    }

    @Test(arguments: ["'high'", "true", "event.data.n > 5", "5.0", "null"])
    func `what can never be an int is no priority`(row: String) throws {
        #expect(throws: ExpressionError.self) { try Expression(row, for: .priority) }
        _ = try Expression(row, for: .any)
    }

    @Test(arguments: refusedInCancelRows)
    func `the condition of a cancel takes less`(row: String) throws {
        #expect(throws: ExpressionError.self) { try Expression(row, for: .cancelCondition) }
        _ = try Expression(row, for: .condition)
    }

    @Test(arguments: takenInCancelRows)
    func `the condition of a cancel takes logic, comparison, access and numbers`(row: String) throws {
        let expression = try Expression(row, for: .cancelCondition)
        let trigger = Array(#"{"data":{"id":"x","n":5,"list":["x"]}}"#.utf8)
        let incoming = Array(#"{"data":{"id":"x","n":5,"ids":["x"],"s":"5"}}"#.utf8)
        #expect(
            try expression.isTrue(captured: expression.capture(event: trigger), async: incoming, now: referenceNow))
    }

    @Test func `a hundred levels are read, more are refused, however many`() throws {
        func nested(_ opening: String, _ closing: String, _ count: Int) -> String {
            String(repeating: opening, count: count) + "1" + String(repeating: closing, count: count)
        }
        _ = try Expression(nested("[", "]", 98), for: .any)
        for (opening, closing) in [("[", "]"), ("(", ")"), ("{1:", "}"), ("-(", ")"), ("dyn(", ")"), ("true?1:", "")] {
            for count in [200, 5_000] {
                #expect(throws: ExpressionError.self) { try Expression(nested(opening, closing, count), for: .any) }
            }
        }
        #expect(throws: ExpressionError.self) {
            try Expression(String(repeating: "!", count: 60_000) + "true", for: .any)
        }
        #expect(throws: ExpressionError.self) {
            try Expression("event" + String(repeating: ".a", count: 20_000), for: .any)
        }
        #expect(throws: ExpressionError.self) {
            try Expression("event" + String(repeating: "[0]", count: 20_000), for: .any)
        }
    }

    @Test func `long flat expressions are fine`() throws {
        let many = Array(repeating: "event.data.n == 5.0", count: 1_500).joined(separator: " && ")
        #expect(try Expression(many, for: .condition).isTrue(event: referenceEvent, now: referenceNow))
        let list = "5 in [" + (0..<5_000).map(String.init).joined(separator: ",") + "]"
        #expect(try Expression(list, for: .condition).isTrue(event: referenceEvent, now: referenceNow))
    }

    @Test func `a source of more than 64 KiB is refused`() throws {
        let most = "'" + String(repeating: "a", count: 65_534) + "'"
        _ = try Expression(most, for: .key)
        #expect(throws: ExpressionError.self) { try Expression(most + " ", for: .key) }
    }

    @Test(arguments: [
        "event.l.all(a, event.l.all(b, event.l.all(c, a + b + c != 'x')))",
        "event.l.map(a, event.l.map(b, event.l)) == 1",
        "event.l.exists(a, event.l == event.l && event.l.exists(b, event.l != event.l))",
        "event.l.map(a, event.s).map(a, a.matches('(x+x+)+y')) == []",
        "event.l.map(a, event.s + event.s + event.s).map(a, size(a)) == []",
    ])
    func `an evaluation that costs too much is stopped`(source: String) throws {
        let list = (0..<1_000).map(String.init).joined(separator: ",")
        let text = String(repeating: "x", count: 50_000)
        let event = Array(#"{"l":[\#(list)],"s":"\#(text)"}"#.utf8)
        let expression = try Expression(source, for: .condition)
        let error = #expect(throws: EvaluationError.self) { try expression.isTrue(event: event, now: referenceNow) }
        #expect(error?.message.contains("costs too much") == true, "\(error?.message ?? "no error")")
    }

    @Test(arguments: [
        "", "{", "}", "[", "null", "1", "\"", "{\"data\"", "{\"data\":", "{\"data\":{\"n\":", "{\"data\":{\"n\":5",
        "{\"data\":{\"s\":\"abc\\", "{\"data\":{\"s\":\"\\u12", "{\"data\":{\"s\":\"\\ud800", "{\"data\":[1,2",
        "{\"data\":{\"n\":-}}", "{\"data\":{\"n\":1e999}}", "{data:1}", "\u{0}\u{1}", "{\"data\":{\"s\":tru",
    ])
    func `garbage instead of an event never traps`(text: String) throws {
        let sources = [
            "event.data.n == 5", "event.data.s == 'abc'", "event == event", "event.data.list.exists(x, x == 1)",
            "event + ''", "size(event.data.s) > 1", "has(event.data.n)", "event.data.s.matches('a')",
            "event.data.n == async.data.n", "event.data.n + event.data.s", "event.data[0] == 1", "1 in event.data",
        ]
        for source in sources {
            let expression = try Expression(source, for: .condition)
            for bytes in [Array(text.utf8), Array(text.utf8) + [0xFF], [0xC3] + Array(text.utf8)] {
                _ = try? expression.isTrue(event: bytes, async: bytes, now: referenceNow)
                _ = try? expression.value(event: bytes, async: nil, now: referenceNow)
                let captured = expression.capture(event: bytes)
                _ = try? expression.isTrue(captured: captured, async: bytes, now: referenceNow)
                _ = try? expression.isTrue(captured: bytes, async: bytes, now: referenceNow)
                _ = expression.equality(captured: bytes)
                _ = Expression.equalityKey(of: bytes, at: "data.n")
            }
        }
    }

    @Test func `values nested five thousand deep are handled or refused, never a trap`() throws {
        let deep = String(repeating: "[", count: 5_000) + String(repeating: "]", count: 5_000)
        let event = Array(#"{"data":{"x":\#(deep),"y":\#(deep),"n":5}}"#.utf8)
        #expect(try Expression("event.data.n == 5", for: .condition).isTrue(event: event, now: referenceNow))
        for source in ["event.data.x == event.data.y", "event.data.x + '' == ''", "event.data.x in [event.data.y]"] {
            let expression = try Expression(source, for: .condition)
            #expect(throws: EvaluationError.self) { try expression.isTrue(event: event, now: referenceNow) }
        }
    }
}

private let refusedRows: [(String, (Int, Int), String)] = [
    ("", (1, 1), "expected an operand, found the end of the expression"),
    ("event.data.x ==", (1, 16), "expected an operand, found the end of the expression"),
    ("event.data.x = 1", (1, 14), "=="),
    ("event.data.x == 1 1", (1, 19), "expected"),
    ("user.x == 1", (1, 1), "`user` names nothing"),
    ("evnt.data.x", (1, 1), "did you mean `event`?"),
    ("event.", (1, 7), "expected a field name"),
    ("event..data", (1, 7), "expected a field name"),
    ("event.data.in", (1, 12), "keyword"),
    ("(1 + 2", (1, 7), "`)`"),
    ("[1, 2", (1, 6), "`]`"),
    ("{'a': 1", (1, 8), "`}`"),
    ("{'a' 1}", (1, 6), "`:`"),
    ("{'a': 1, 'a': 2}", (1, 10), "twice"),
    ("foo(1)", (1, 1), "there is no function `foo`"),
    ("event.data.s.lowerAscii()", (1, 14), "lowercase"),
    ("event.data.list.join(',')", (1, 17), "join"),
    ("math.greatest(1, 2)", (1, 1), "math"),
    ("cel.bind(x, 1, x)", (1, 1), "cel"),
    ("event.data.obj.?k", (1, 15), "optional"),
    ("size()", (1, 1), "`size` takes 1 argument"),
    ("size(1)", (1, 6), "size"),
    ("has(1)", (1, 5), "`has` takes a field"),
    ("event.all(x)", (1, 7), "`all` takes 2 arguments"),
    ("event.all(1, true)", (1, 11), "takes a name first"),
    ("!1", (1, 1), "`!` takes a bool"),
    ("'a' - 1", (1, 5), "`-`"),
    ("1 * 2.0", (1, 3), "one type"),
    ("event.data.n % 2.0", (1, 14), "`%`"),
    ("1 in 2", (1, 6), "`in`"),
    ("event.data.s || 'x'", (1, 17), "`||` takes bools"),
    ("'x' ? 1 : 2", (1, 5), "`?`"),
    ("true ? 1", (1, 9), "`:`"),
    ("'abc", (1, 1), ""),
    ("\"abc", (1, 1), ""),
    ("'\\w'", (1, 2), ""),
    ("9223372036854775808", (1, 1), "9223372036854775807"),
    ("0x", (1, 3), "hexadecimal"),
    ("1 +\n  2 *\n  ", (3, 3), "expected an operand"),
    ("true &&\n  usr.x == 1", (2, 3), "`usr` names nothing"),
    ("'é' == usr", (1, 8), "`usr` names nothing"),
    ("event.data.s.matches('a)b')", (1, 24), "unexpected )"),
    ("event.data.s.matches('(?=x)')", (1, 23), "no lookahead"),
    ("event.data.s.matches('a{2000}')", (1, 24), "invalid repeat count"),
    ("event.data.s.matches('(a{1000}){1000}')", (1, 23), "expression too large"),
    ("date(event.data.d).getHours('Europe/Berlin')", (1, 29), "Europe/Berlin"),
    ("1 & 2", (1, 3), ""),
    ("#", (1, 1), ""),
    ("event.data.x === 1", (1, 16), ""),
]

private let failingRows: [(String, String)] = [
    ("D.nstr > 4", "invalid type comparison: no such overload"),
    ("D.s > 1", "invalid type comparison: no such overload"),
    ("D.list < D.n", "invalid type comparison: no such overload"),
    ("!D.nul", "invalid type comparison: no such overload"),
    ("!D.s", "invalid type comparison: no such overload"),
    ("D.n.contains('5')", "invalid type comparison: no such overload"),
    ("D.n.matches('5')", "invalid type comparison: no such overload"),
    ("D.s.startsWith(D.nul)", "invalid type comparison: no such overload"),
    ("D.s", "returned type string (abc)"),
    ("D.n", "returned type double (5)"),
    ("D.nul", "returned type null"),
    ("D.list", "returned type list"),
    ("1", "returned type int (1)"),
    ("'yes'", "returned type string (yes)"),
    ("D.s || D.missing", "returned type string (abc)"),
    ("date(D.bad) == now()", "expression did not return true or false"),
    ("date(D.ms) == now()", "expression did not return true or false"),
    ("date(D.missing) < now()", "expression did not return true or false"),
    ("date(100) < now()", "expression did not return true or false"),
    ("now_plus('nonsense') > now()", "expression did not return true or false"),
    ("now_minus(D.s) > now()", "expression did not return true or false"),
    ("D.s.matches(D.s + '(')", "error parsing regexp: missing closing ): `("),
]

private let refusedInCancelRows = [
    "async.data.s.contains('a')", "async.data.s.startsWith('a')", "async.data.s.matches('a')",
    "size(async.data.list) == 1", "async.data.list.exists(x, x == 1)", "has(async.data.id)",
    "async.data.n + 1 == 6", "async.data.n * 2.0 == 10.0", "-async.data.n == -5.0", "string(async.data.n) == '5'",
    "lowercase(async.data.s) == 'a'", "date(async.data.d) < now()", "async.data.d == timestamp('2024-01-02T03:04:05Z')",
]

private let takenInCancelRows = [
    "async.data.id == event.data.id", "async.data.id != event.data.nope", "async.data.n > 4 && async.data.n <= 5",
    "!(async.data.id == 'y') || false", "async.data.id in event.data.list", "event.data.id in async.data.ids",
    "async.data['ids'][0] == 'x'", "int(async.data.s) == 5", "double(async.data.s) == 5.0", "uint(async.data.s) == 5u",
    "async.data.id in ['x', 'y']", "async.data.none == null",
]
