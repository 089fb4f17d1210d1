import DaybookValues
import Testing

private func view(_ text: String) throws -> JSONView { try #require(JSONView(Array(text.utf8))) }

struct JSONViewTests {
    @Test func `members, elements and paths are found without decoding the rest`() throws {
        let event = try view(
            #" { "name" : "a/b" , "data" : { "items" : [ {"id":1}, {"id":"zwei","tags":[]} ] , "n" : -7.5 , "ok":false } } "#
        )
        #expect(event.kind == .object)
        #expect(event.member("name")?.string == "a/b")
        #expect(event.at(path: "data.items.1.id")?.string == "zwei")
        #expect(event.at(path: "data.items.0.id")?.integer == 1)
        #expect(event.at(path: "data.n")?.double == -7.5)
        #expect(event.at(path: "data.n")?.integer == nil)
        #expect(event.at(path: "data.ok")?.bool == false)
        #expect(event.at(path: "data.items.2.id") == nil)
        #expect(event.at(path: "data.items.-1") == nil)
        #expect(event.at(path: "data.missing") == nil)
        #expect(event.at(path: "name.x") == nil)
        #expect(event.at(path: "")?.kind == .object)
        #expect(event.at(path: "data.items.1.tags")?.kind == .array)
        #expect(event.at(path: "data.items.1.tags.0") == nil)
    }

    @Test func `a name given twice has its last value`() throws {
        #expect(try view(#"{"a":1,"b":2,"a":3}"#).member("a")?.integer == 3)
        #expect(try view(#"{"a":1,"\u0061":3}"#).member("a")?.integer == 3)
    }

    @Test func `names are compared byte by byte, after their escapes`() throws {
        #expect(try view(#"{"\u0061\/b":1}"#).member("a/b")?.integer == 1)
        #expect(try view("{\"caf\u{E9}\":1}").member("cafe\u{301}") == nil)
        #expect(try view(#"{"cafe\u0301":1}"#).member("caf\u{E9}") == nil)
    }

    @Test(arguments: [
        (#""""#, ""), (#""a""#, "a"), (#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{C}\n\r\t"), (#""\u00e9\u20AC""#, "é€"),
        (#""\ud83d\ude00""#, "😀"), (#""\ud83d""#, "\u{FFFD}"), (#""\ude00""#, "\u{FFFD}"), (#""\ud83dx""#, "\u{FFFD}x"),
        (#""\ud83d\u0041""#, "\u{FFFD}A"), (#""\ud83d\ud83d\ude00""#, "\u{FFFD}😀"), (#""\u0000""#, "\u{0}"),
        ("\"é😀\"", "é😀"),
    ])
    func `a string is given without its escapes`(text: String, expected: String) throws {
        let string = try #require(try view(text).string)
        #expect(Array(string.utf8) == Array(expected.utf8))
    }

    @Test(
        arguments: [
            ("0", 0), ("-0", 0), ("9223372036854775807", .max), ("-9223372036854775808", .min),
            ("9223372036854775808", nil),
            ("-9223372036854775809", nil), ("99999999999999999999999", nil), ("1.0", nil), ("1e2", nil), ("\"1\"", nil),
            ("-", nil),
        ] as [(String, Int64?)])
    func `a whole number is read up to the ends of 64 bits`(text: String, expected: Int64?) throws {
        #expect(try view(text).integer == expected)
    }

    @Test(arguments: [
        ("1", "1.0"), ("1", "1e0"), ("100", "1E2"), ("0", "-0"), ("0", "-0.0"), ("\"a\"", "\"\\u0061\""),
        ("{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}"), ("[1,[2]]", "[ 1 , [ 2.0 ] ]"), ("null", "null"),
        ("{\"a\":{}}", "{ \"\\u0061\" : { } }"), ("true", "true"),
    ])
    func `values that mean the same are equal`(a: String, b: String) throws {
        #expect(try view(a).equals(try view(b)))
        #expect(try view(b).equals(try view(a)))
    }

    @Test(arguments: [
        ("1", "\"1\""), ("1", "2"), ("true", "false"), ("true", "1"), ("null", "0"), ("null", "false"),
        ("[1,2]", "[2,1]"),
        ("[1]", "[1,1]"), ("{\"a\":1}", "{\"a\":2}"), ("{\"a\":1}", "{\"b\":1}"), ("{\"a\":1}", "{\"a\":1,\"b\":1}"),
        ("{}", "[]"), ("\"a\"", "\"A\""), ("9223372036854775807", "9223372036854775806"),
        ("\"caf\u{E9}\"", "\"cafe\u{301}\""),
        ("{\"caf\u{E9}\":1}", "{\"cafe\u{301}\":1}"),
    ])
    func `values that differ are not equal`(a: String, b: String) throws {
        #expect(try !view(a).equals(try view(b)))
        #expect(try !view(b).equals(try view(a)))
    }
}

struct JSONFieldsTests {
    private func fields(_ text: String) -> [(name: String, value: String)] {
        var found: [(name: String, value: String)] = []
        Array(text.utf8).withUnsafeBufferPointer { text in
            var fields = JSONFields(text)
            while let field = fields.next() {
                found.append(
                    (String(decoding: field.name, as: UTF8.self), String(decoding: field.value, as: UTF8.self)))
            }
        }
        return found
    }

    private func withValue<T>(_ text: String, _ body: (JSONFields.Field) -> T) -> T {
        Array(text.utf8).withUnsafeBufferPointer { body(JSONFields.Field(value: $0)) }
    }

    @Test func `members are given one after the other, whatever is inside them`() {
        let found = fields(#","step":"a","out":{"x":[1,"}]",{}],"y":"\"{"},"n":-5,"s":"\\","e":[]"#)
        #expect(found.map(\.name) == ["step", "out", "n", "s", "e"])
        #expect(found.map(\.value) == ["\"a\"", #"{"x":[1,"}]",{}],"y":"\"{"}"#, "-5", #""\\""#, "[]"])
        #expect(fields(#""a":1"#).map(\.value) == ["1"])
        #expect(fields("").isEmpty)
    }

    @Test(
        arguments: [
            ("0", 0), ("-0", 0), ("17", 17), ("-17", -17), ("9223372036854775807", .max),
            ("-9223372036854775808", .min),
            ("9223372036854775808", nil), ("-9223372036854775809", nil), ("1.5", nil), ("1e5", nil), ("", nil),
            ("-", nil),
            ("\"5\"", nil),
        ] as [(String, Int64?)])
    func `a whole number is read up to the ends of 64 bits`(text: String, expected: Int64?) {
        #expect(withValue(text, \.integer) == expected)
    }

    @Test func `other values are read as what they are, or not at all`() {
        #expect(withValue(#""a\n\u00e9""#, \.string) == "a\né")
        #expect(withValue("5", \.string) == nil)
        #expect(withValue("true", \.bool))
        #expect(!withValue("false", \.bool))
        #expect(withValue("\"01ARZ3NDEKTSV4RRFFQ69G5FAV\"", \.ulid)?.text == "01ARZ3NDEKTSV4RRFFQ69G5FAV")
        #expect(withValue("\"01ARZ3NDEKTSV4RRFFQ69G5FA\"", \.ulid) == nil)
        #expect(withValue("1700000000123", \.timestamp) == Timestamp(milliseconds: 1_700_000_000_123))
        let elements = withValue(#"[1,"a,]",[2,3],{"x":[]}]"#) { field in
            var found: [String] = []
            field.forEachElement { found.append(String(decoding: $0, as: UTF8.self)) }
            return found
        }
        #expect(elements == ["1", #""a,]""#, "[2,3]", #"{"x":[]}"#])
    }

    @Test(arguments: 0..<20)
    func `text that is cut or changed anywhere never traps`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let whole = Array(
            #","step":"a\"b","out":{"x":[1,"}]",{}],"y":"\"{"},"n":-5,"ids":["01ARZ3NDEKTSV4RRFFQ69G5FAV",[]]"#.utf8)
        for _ in 0..<500 {
            var text = whole
            for _ in 0...random.below(4) {
                if text.isEmpty { break }
                switch random.below(3) {
                case 0: text.remove(at: random.below(text.count))
                case 1: text[random.below(text.count)] = random.pick(Array("{}[]\",:\\-0a".utf8))
                default: text.removeLast(random.below(text.count))
                }
            }
            text.withUnsafeBufferPointer { text in
                var fields = JSONFields(text)
                var count = 0
                while let field = fields.next() {
                    count += 1
                    _ = (field.string, field.integer, field.bool, field.ulid)
                    field.forEachElement { _ = JSONFields.Field(value: $0).string }
                    var inner = field.fields
                    while let field = inner.next() { _ = field.string }
                }
                #expect(count <= text.count)
            }
        }
    }
}
