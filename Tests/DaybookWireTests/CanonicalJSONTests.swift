import DaybookValues
import DaybookWire
import Testing

struct CanonicalJSONTests {
    @Test(arguments: [
        (#"{"b":1.50,"a":"é","c":1e21}"#, #"{"a":"é","b":1.5,"c":1e+21}"#),
        (" [ 1 , 2 ]\n", "[1,2]"),
        ("{ }", "{}"),
        ("[]", "[]"),
        (#""a\/b""#, #""a/b""#),
        (#""\u0008\t\n\u000c\r\u0001\"\\""#, #""\b\t\n\f\r\u0001\"\\""#),
        (#""\u00e9\ud83d\ude00""#, #""é😀""#),
        (#""\ud800""#, "\"\u{FFFD}\""),
        (#"{"b":{"d":1,"c":[{"z":1,"y":2}]},"a":null}"#, #"{"a":null,"b":{"c":[{"y":2,"z":1}],"d":1}}"#),
        (#"{"a":1,"a":2}"#, #"{"a":2}"#),
        (#"{"b":0,"a":1,"\u0061":2,"a":3}"#, #"{"a":3,"b":0}"#),
        (#"{"aa":1,"a":2,"":3}"#, #"{"":3,"a":2,"aa":1}"#),
        // By UTF-16 units U+1F600 (D83D DE00) comes before U+FB33.
        ("{\"\u{FB33}\":1,\"\u{1F600}\":2}", "{\"\u{1F600}\":2,\"\u{FB33}\":1}"),
        (#"{"\n":1,"\u0009":2}"#, #"{"\t":2,"\n":1}"#),
        ("true", "true"), ("null", "null"),
    ])
    func `JSON has one canonical form`(given: String, canonical: String) throws {
        let encoded = try CanonicalJSON.encode(Array(given.utf8))
        #expect(text(encoded) == canonical)
        #expect(try CanonicalJSON.encode(encoded) == encoded)
        #expect(json(given).map { text(CanonicalJSON.encode($0)) } == canonical)
    }

    @Test(arguments: [
        ("0", "0"), ("-0", "0"), ("-0.0", "0"), ("1.0", "1"), ("-1.50", "-1.5"), ("100", "100"), ("1e2", "100"),
        ("1e20", "100000000000000000000"), ("123456789012345680000", "123456789012345680000"), ("1e21", "1e+21"),
        ("1.5e21", "1.5e+21"), ("123e-2", "1.23"), ("0.000001", "0.000001"), ("1e-7", "1e-7"),
        ("1.25e-7", "1.25e-7"), ("0.1", "0.1"), ("0.30000000000000004", "0.30000000000000004"),
        ("9007199254740991", "9007199254740991"), ("9007199254740993", "9007199254740992"),
        ("-9223372036854775808", "-9223372036854776000"), ("5e-324", "5e-324"),
        ("1.7976931348623157e308", "1.7976931348623157e+308"), ("1e400", "1.7976931348623157e+308"),
        ("-1e400", "-1.7976931348623157e+308"), ("1e-400", "0"), ("333333333.33333329", "333333333.3333333"),
        ("4.50", "4.5"), ("2e-3", "0.002"), ("0.000000000000000000000000001", "1e-27"),
        ("1700000000000", "1700000000000"), ("-5", "-5"), ("-0.5", "-0.5"), ("12.75", "12.75"), ("10.50", "10.5"),
        ("0.0000010", "0.000001"), ("0.00000012", "1.2e-7"), ("-0.0000001", "-1e-7"), ("0.00", "0"), ("-1.0", "-1"),
        ("123456789.123456", "123456789.123456"), ("1234567890.1234567", "1234567890.1234567"),
        ("999999999999999.9", "999999999999999.9"), ("0.1234567890123456789", "0.12345678901234568"),
    ])
    func `numbers are written as ECMAScript writes them`(given: String, canonical: String) throws {
        #expect(text(try CanonicalJSON.encode(Array(given.utf8))) == canonical)
    }

    @Test(arguments: [
        "", " ", "{", "[1", "{\"a\"}", "{\"a\":1,}", "[1,]", "nul", "1 2", "\"\\x\"", "\u{1}", "{1:2}", "01",
    ])
    func `what is not JSON has no canonical form`(given: String) {
        #expect(throws: JSONError.self) { try CanonicalJSON.encode(Array(given.utf8)) }
    }

    @Test func `a text of brackets only is refused, not followed to its end`() {
        let brackets = [UInt8](repeating: UInt8(ascii: "["), count: 1_000_000)
        #expect(throws: JSONError.self) { try CanonicalJSON.encode(brackets) }
        let view = JSONView(brackets)
        #expect(view.map { CanonicalJSON.encode($0) } == brackets)
    }

    @Test func `a value wrapped in a memo may be as deep as checked JSON`() throws {
        let depth = JSONScanner.depthMaxDefault
        let deep = #"{"data":"# + String(repeating: "[", count: depth) + String(repeating: "]", count: depth) + "}"
        #expect(text(try CanonicalJSON.encode(Array(deep.utf8))) == deep)
    }
}
