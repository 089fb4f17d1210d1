import Testing

@testable import DaybookCEL

/// Keys of limits and values of priorities (sections 15, 18.2 and 18.6 of the behaviour reference).
struct RowsOfKeys {
    @Test(arguments: keyRows)
    func `a key is the text of a value`(row: String, expected: Expression.KeyResult) throws {
        let expression = try Expression(row.replacing("D.", with: "event.data."), for: .key)
        #expect(try expression.key(event: referenceEvent, now: referenceNow) == expected)
    }

    @Test(arguments: priorityRows)
    func `a priority is an int`(row: String, expected: Int64?) throws {
        let expression = try Expression(row.replacing("D.", with: "event.data."), for: .any)
        guard let expected else {
            #expect(throws: EvaluationError.self) { try expression.integer(event: referenceEvent, now: referenceNow) }
            return
        }
        #expect(try expression.integer(event: referenceEvent, now: referenceNow) == expected)
    }

    @Test(arguments: ["D.s > 1", "!D.nul", "date(D.bad)", "D.n.contains('5')"])
    func `a key that cannot be evaluated is an error`(row: String) throws {
        let expression = try Expression(row.replacing("D.", with: "event.data."), for: .key)
        #expect(throws: EvaluationError.self) { try expression.key(event: referenceEvent, now: referenceNow) }
    }

    @Test func `equal values give equal keys`() throws {
        let expression = try Expression("event.data.k", for: .key)
        func key(_ value: String) throws -> Expression.KeyResult {
            try expression.key(event: Array(#"{"data":{"k":\#(value)}}"#.utf8), now: referenceNow)
        }
        #expect(try key("1") == key("1.0"))
        #expect(try key("1000000") == key("1e6"))
        #expect(try key(#""é""#) == key(#""\u00e9""#))
        #expect(try key(#"{"a":1,"b":2}"#) == key(#"{"b":2, "a":1}"#))
        #expect(try key("[1,2]") == key("[ 1.0 , 2 ]"))
        #expect(try key("1") != key("2"))
    }
}

private let keyRows: [(String, Expression.KeyResult)] = [
    ("D.s", .text("abc")),
    ("D.n", .text("5")),
    ("D.f", .text("2.5")),
    ("D.neg", .text("-3")),
    ("D.z", .text("0")),
    ("D.n6", .text("1e+06")),
    ("D.n7", .text("1.234567e+06")),
    ("D.ms", .text("1.704164645e+12")),
    ("D.big", .text("9.007199254740992e+15")),
    ("D.t0", .text("0.1")),
    ("D.t", .text("true")),
    ("D.fl", .isFalse),
    ("D.n == 6", .isFalse),
    ("D.n == 5", .text("true")),
    ("D.e", .text("")),
    ("D.u", .text("é")),
    ("D.quote", .text("say \"hi\"")),
    ("D.nl", .text("a\nb")),
    ("D.missing", .missing),
    ("D.s.deep", .missing),
    ("D.list[7]", .missing),
    ("!D.missing", .isFalse),
    ("D.missing || D.s", .text("abc")),
    ("D.list", .text("[a b c]")),
    ("D.nums", .text("[1 2 3]")),
    ("D.elist", .text("[]")),
    ("D.arr2", .text("[[1 2] [3]]")),
    ("D.obj", .text("map[k:v m:map[x:1]]")),
    ("D.eobj", .text("map[]")),
    ("D.objs[0]", .text("map[id:1 ok:true]")),
    ("'openai'", .text("openai")),
    ("\"openai\"", .text("openai")),
    ("5", .text("5")),
    ("1000000", .text("1000000")),
    ("5u", .text("5")),
    ("2.0", .text("2")),
    ("1e6", .text("1e+06")),
    ("int(D.n6)", .text("1000000")),
    ("string(int(D.ms))", .text("1704164645000")),
    ("D.s + '-' + D.id", .text("abc-x1")),
    ("D.s + '-' + D.n", .text("abc-5")),
    ("D.s + '-' + D.n6", .text("abc-1e+06")),
    ("D.s + '-' + D.missing", .text("abc-")),
    ("D.t ? D.s : D.id", .text("abc")),
    ("lowercase(D.cap)", .text("abc")),
    ("size(D.list)", .text("3")),
    ("event.name + '/' + D.id", .text("rows/x/x1")),
]

private let priorityRows: [(String, Int64?)] = [
    ("120", 120),
    ("-600", -600),
    ("0", 0),
    ("1 + 2 * 3", 7),
    ("D.t ? 120 : 0", 120),
    ("D.fl ? 120 : 0", 0),
    ("D.missing ? 120 : 0", 0),
    ("D.s == 'abc' ? 60 : -60", 60),
    ("int(D.n)", 5),
    ("int(D.nstr) * 10", 50),
    ("size(D.list)", 3),
    ("-int(D.n)", -5),
    ("D.missing", 0),
    ("int(D.s)", 0),
    // A number of the event is a double.
    ("D.n", nil),
    ("D.f", nil),
    ("2.0", nil),
    ("5u", nil),
    ("D.s", nil),
    ("'120'", nil),
    ("D.t", nil),
    ("D.nul", nil),
    ("D.list", nil),
]
