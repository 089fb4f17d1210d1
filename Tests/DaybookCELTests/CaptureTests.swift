import Testing

@testable import DaybookCEL

/// What a wait keeps of the trigger event, and what it can be found by.
struct CaptureTests {
    private let trigger = Array(
        #"{"name":"t", "data" : { "id" : "x" , "n": 1000000, "m": {"a": [1, 2]}, "nul": null }}"#.utf8)

    @Test(arguments: [
        ("async.data.x == 1", "[]"),
        ("async.data.id == event.data.id", #"["x"]"#),
        ("event.data.id == async.data.id && event.data.id != 'y'", #"["x"]"#),
        ("event.data.none == async.data.id", "[null]"),
        ("event.data.m == async.data.m && event.data.n == async.data.n", #"[{"a":[1,2]},1000000]"#),
        ("event.data.m.a[0] == async.data.n", "[[1,2]]"),
        ("event.data[async.data.key] == 1", #"[{"id":"x","n":1000000,"m":{"a":[1,2]},"nul":null}]"#),
        ("has(event.data.id) && has(event.data.none)", "[true,null]"),
        ("has(event.data.nul) && event.data.nul == null", "[null,true]"),
        ("async.data.l.exists(event, event == 1)", "[]"),
    ])
    func `only what the condition reads is captured`(source: String, expected: String) throws {
        let expression = try Expression(source, for: .condition)
        #expect(String(decoding: expression.capture(event: trigger), as: UTF8.self) == expected)
    }

    @Test(arguments: [
        ("has(event.data.id)", true), ("has(event.data.none)", false), ("has(event.data.nul)", true),
        ("has(event.data.none) == null", true), ("has(event.data.none) || event.data.none == null", true),
        ("has(event.data.none) == null && event.data.none == async.none", true),
        ("has(event.data.m.a) && event.data.m.a == [1, 2]", true), ("event.data.m.a.exists(x, x == async.n)", true),
        ("event.data.none == null && event.data.nul == null", true), ("event.data.none.deep == null", true),
        ("event.data.n == async.big", true), ("event.name + async.n == 't2'", true),
        ("event.data.none == async.none", true),
    ])
    func `a condition has the same value from a capture`(source: String, expected: Bool) throws {
        let expression = try Expression(source, for: .condition)
        let captured = expression.capture(event: trigger)
        let incoming = Array(#"{"n":2,"big":1e6}"#.utf8)
        #expect(try expression.isTrue(captured: captured, async: incoming, now: referenceNow) == expected)
    }

    @Test func `a capture of garbage is still an array`() throws {
        let expression = try Expression("event.data.id == async.data.id", for: .condition)
        for garbage in ["", "{", "nope", #"{"data":{"id""#, #"{"data":{"id":}}"#] {
            #expect(expression.capture(event: Array(garbage.utf8)) == Array("[null]".utf8))
        }
    }

    @Test(arguments: [
        ("async.data.ok == 'yes' && async.data.id == event.data.id", "data.id", "sx"),
        ("(async.data.id == event.data.id && async.data.a > 1) && async.data.b < 2", "data.id", "sx"),
        ("async.data.m == event.data.m && async.data.ok == true", "data.ok", "t"),
        ("async.data['key'].sub == event.data.none", "data.key.sub", "n"),
        ("null == async.data.x", "data.x", "n"),
    ])
    func `an equality with the trigger event goes before one with a literal`(
        source: String, path: String, key: String
    ) throws {
        let expression = try Expression(source, for: .condition)
        let equality = try #require(expression.equality(captured: expression.capture(event: trigger)))
        #expect(equality.path == path)
        #expect(equality.key == key)
    }

    @Test(arguments: [
        "async.data['a.b'] == 1", "async.data[''] == 1", "async == event", "async.data.l[0] == 1",
        "async.data.x == 1 ? true : false", "async.data.x == size('a')", "async.data.x == [1]", "async.data.x == r'a'",
    ])
    func `what is not an equality of a named field with a scalar is none`(source: String) throws {
        let expression = try Expression(source, for: .condition)
        let equality = expression.equality(captured: expression.capture(event: trigger))
        #expect(equality == nil || source == "async.data.x == r'a'")
    }

    @Test func `a match always has the key it is looked up by`() throws {
        let scalars = [
            "null", "true", "false", "0", "-0", "1", "1.0", "10e-1", "9007199254740993", #""a""#, #""\u0061""#, #""""#,
            #""n""#,
        ]
        let expression = try Expression("async.v == event.v", for: .condition)
        for trigger in scalars + ["absent"] {
            let captured = expression.capture(event: Array((trigger == "absent" ? "{}" : #"{"v":\#(trigger)}"#).utf8))
            let equality = try #require(expression.equality(captured: captured))
            for incoming in scalars + ["absent"] {
                let event = Array((incoming == "absent" ? "{}" : #"{"v":\#(incoming)}"#).utf8)
                let isMatch = try expression.isTrue(captured: captured, async: event, now: referenceNow)
                let hasKey = Expression.equalityKey(of: event, at: equality.path) == equality.key
                #expect(isMatch == hasKey, "\(trigger) \(incoming)")
            }
        }
    }

    @Test func `only fields of async make an expression one of async`() throws {
        for (source, expected) in [
            ("async.data.x == 1", true), ("has(async.x)", true), ("async == null", true),
            ("event.data.async == 1", false),
            ("[1].all(async, async == 1)", false), ("1 == 1", false),
        ] {
            #expect(try Expression(source, for: .condition).usesAsync == expected, "\(source)")
        }
    }
}
