import Testing

@testable import DaybookCEL

/// How fields are found in raw JSON, and what an evaluation makes of odd but valid events.
struct EvaluatorTests {
    @Test(arguments: [
        (#"{"data":{"a":1,"a":2}}"#, "event.data.a", "double 1"),
        (#"{"data":{"a":1,"a":2,"c":5}}"#, "event.data.a + event.data.c", "double 6"),
        (#"{"data":{"a":1},"data":{"b":2}}"#, "event.data.b", "missing"),
        (
            #"{"data":{"a":1},"data":{"a":2,"b":3},"c":5}"#, "event.data.b == null ? event.data.a + event.c : 0",
            "double 6"
        ),
        (#"{"data":{"a":1,"a":2}}"#, "event.data == {'a': 1}", "bool true"),
        (#"{"data":{"a":1,"a":2}}"#, "size(event.data)", "int 1"),
        (#"{"d\u0061ta":{"\u0061":1}}"#, "event.data.a", "double 1"),
        (#"{"d\u0061ta":{"\u0061":1}}"#, "event.data['a'] == event['data'].a", "bool true"),
        (#" { "data" : { "a" : [ 1 , 2 ] } } "#, "event.data.a[1]", "double 2"),
        (#"{"data":{"x":{"a":0},"a":1}}"#, "event.data.a + event.data.x.a", "double 1"),
        (#"{"data":{"a":{"b":1},"c":2}}"#, "event.data.a.b + event.data.c", "double 3"),
        (#"{"data":{"a":{"z":0},"c":2}}"#, "event.data.a.b == null && event.data.c == 2", "bool true"),
        (
            #"{"data":{"a":{"b":{"c":1}},"d":2}}"#,
            "event.data.a == {'b': {'c': 1}} && event.data.a.b.c == 1 && event.data.d == 2", "bool true"
        ),
        (#"{"a":{"b":1},"c":1}"#, "has(event.a) && has(event.a.b) && event.c == 1", "bool true"),
        (#"{"a":"}{][\",","b":"\\"}"#, "event.b.size()", "int 1"),
        (#"{"a":[{"b":"]"},"}"],"c":7}"#, "event.c", "double 7"),
        (#"{"":{"":5}}"#, "event[''][''] == 5", "bool true"),
        (#"{"data":[{"a":1},{"a":"x"}]}"#, "event.data.exists(x, x.a == 'x')", "bool true"),
        ("[1,2,3]", "event[1]", "double 2"),
        ("5", "event + 1.0", "double 6"),
        ("null", "event == null", "bool true"),
    ])
    func `fields are found in the text of the event`(event: String, source: String, expected: String) {
        #expect(shownResult(of: source, event: Array(event.utf8)) == expected)
    }

    @Test(arguments: [
        ("0", 0.0), ("-0", 0), ("1e2", 100), ("1E+2", 100), ("-1.5e-3", -0.0015), ("0.1", 0.1),
        ("123456789012345678", 123_456_789_012_345_680), ("9007199254740993", 9_007_199_254_740_992),
        ("0.30000000000000004", 0.30000000000000004), ("5e-324", .leastNonzeroMagnitude),
        ("1.7976931348623157e308", .greatestFiniteMagnitude),
        ("100000000000000000000000", 1e23), ("3.14159265358979323846", 3.141592653589793),
    ])
    func `a number of JSON is the nearest double`(text: String, expected: Double) throws {
        let number = Array(text.utf8).withUnsafeBufferPointer { JSONText.number($0) }
        #expect(number == expected)
    }

    @Test(arguments: ["nan", "inf", "0x10", "+1", "1_000", "", "-", "1e", ".5.", "1 2"])
    func `what JSON does not have is no number`(text: String) {
        #expect(Array(text.utf8).withUnsafeBufferPointer { JSONText.number($0) } == nil)
    }

    @Test(arguments: [
        ("event.data.s > 1 || true", "bool true"), ("true || event.data.s > 1", "bool true"),
        ("event.data.s > 1 && false", "bool false"), ("false && event.data.s > 1", "bool false"),
        ("[1, 2].exists(x, x == 2 || event.data.s > x)", "bool true"),
        ("['a', 2].exists(x, x > 1)", "bool true"), ("['a', 2].all(x, x > 3)", "bool false"),
    ])
    func `a failed operand is forgotten if the others decide`(source: String, expected: String) {
        #expect(shownResult(of: source) == expected)
    }

    @Test(arguments: [
        "event.data.s > 1 || false", "event.data.s > 1 && true", "['a', 1].exists(x, x > 1)", "['a', 4].all(x, x > 3)",
    ])
    func `a failed operand fails the whole if the others do not decide`(source: String) {
        #expect(shownResult(of: source).hasPrefix("error: invalid type comparison: no such overload: string > int"))
    }

    @Test func `no limit is forgotten in an alternative`() throws {
        let list = (0..<2_000).map(String.init).joined(separator: ",")
        let expression = try Expression("event.l.all(a, event.l.all(b, a + b != 'x')) || true", for: .condition)
        let error = #expect(throws: EvaluationError.self) {
            try expression.isTrue(event: Array(#"{"l":[\#(list)]}"#.utf8), now: referenceNow)
        }
        #expect(error?.kind == .tooCostly)
    }

    @Test func `an event or an incoming event that is not there has no fields`() throws {
        for source in [
            "event == null", "event.data.x == null", "async == null", "async.data.x == null", "vars == null",
        ] {
            #expect(try Expression(source, for: .condition).isTrue(event: nil, now: referenceNow))
        }
    }

    @Test(arguments: [
        (#"json_parse('{"a":{"b":[1,"x",null]},"s":"y"}')"#, #"map {"a":{"b":[1,"x",null]},"s":"y"}"#),
        (#"json_parse('{"a":1} ').a + 1.0"#, "double 2"), (#"json_parse('{"a":1')"#, "map {}"),
        (#"json_parse('{"a":01}')"#, "map {}"), (#"json_parse('{"a":1,}')"#, "map {}"), ("json_parse('')", "map {}"),
        (#"json_parse('{a:1}')"#, "map {}"), (#"json_parse('{"a":tru}')"#, "map {}"), ("json_parse('[1]')", "map {}"),
        (#"json_parse('{"a":[]} x')"#, "map {}"), (#"json_parse('{"a":[1,{"b":-1.5e3}]}').a[1].b"#, "double -1500"),
    ])
    func `json_parse reads objects and nothing else`(source: String, expected: String) {
        #expect(shownResult(of: source) == expected)
    }

    @Test func `a result that is not boolean is named with its value`() throws {
        let expression = try Expression("event.data.s", for: .condition)
        let error = #expect(throws: EvaluationError.self) {
            try expression.isTrue(event: referenceEvent, now: referenceNow)
        }
        #expect(error?.message.hasPrefix("returned type string (abc)") == true)
    }

    @Test func `one expression is evaluated on many threads at once`() async throws {
        let expression = try Expression(
            "event.data.list.exists(x, x == 'b') && event.data.s + 'd' == 'abcd'", for: .condition)
        let results = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    (0..<200).allSatisfy { _ in
                        (try? expression.isTrue(event: referenceEvent, now: referenceNow)) == true
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(results == Array(repeating: true, count: 8))
    }
}
