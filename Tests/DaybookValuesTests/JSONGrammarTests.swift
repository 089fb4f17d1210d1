import DaybookValues
import Testing

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

/// A string with those bytes inside its quotes.
private func quoted(_ inner: [UInt8]) -> [UInt8] { [0x22] + inner + [0x22] }

private func errorOf(_ text: [UInt8], depthMax: Int = JSONScanner.depthMaxDefault) -> JSONError? {
    do throws(JSONError) {
        try JSONText.check(text, depthMax: depthMax)
        return nil
    } catch {
        return error
    }
}

struct JSONGrammarTests {
    @Test(arguments: [
        "null", "true", "false", "0", "-0", "1", "-1", "10", "0.0", "0.5", "-0.5e10", "1E5", "1e+5", "1e-5", "1.25E-3",
        "123456789012345678901234567890", "1e999", "\"\"", "\"a\"", "[]", "{}", "[[]]", "{\"a\":{}}", "[1,2,3]",
        "{\"a\":1,\"b\":[true,null]}", " \t\r\n1 \t\r\n", "[ 1 , 2 ]", "{ \"a\" : 1 , \"b\" : 2 }",
        #""\"\\\/\b\f\n\r\t""#,
        #""\u0000""#, #""\uD834\udd1e""#, #""\uDEAD""#, "\"\u{7F}\"", "\"é€😀\"", "\"\u{2028}\"", "{\"\":0}",
        "{\"a\":1,\"a\":2}", "\"/\"",
    ])
    func `text of RFC 8259 is accepted`(text: String) {
        #expect(errorOf(bytes(text)) == nil)
    }

    @Test(arguments: [
        "", " ", "nul", "nulll", "Null", "tru", "falsy", "+1", "01", "-01", "00", "-", "--1", "1.", ".5", "1.e5", "1e",
        "1e+", "0x1", "1_000", "NaN", "Infinity", "-Infinity", "'a'", "\"", "\"a", "\"\\\"", #""\x41""#, #""\u12""#,
        #""\u12G4""#, #""\a""#, "\"\n\"", "\"\t\"", "\"\u{0}\"", "\"\u{1F}\"", "[", "]", "[1", "[1,", "[1,]", "[,1]",
        "[1 2]", "[1,,2]", "[}", "{", "}", "{]", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{,}",
        "{a:1}", "{1:1}", "{\"a\" 1}", "{\"a\"::1}", "{\"a\":1 \"b\":2}", "{'a':1}", "1 2", "[] []", "{}x", "null,",
        "// c\n1", "/* c */1", "\u{FEFF}1", "\u{A0}1", "1\u{0}", "\u{0}", "[1]\u{C}", "\\u0031", "\u{B}1",
    ])
    func `anything else is refused`(text: String) {
        #expect(errorOf(bytes(text)) != nil)
        #expect(throws: JSONError.self) { try JSONText.compact(bytes(text)) }
    }

    @Test(
        arguments: [
            [0x80], [0xBF], [0xC0, 0x80], [0xC1, 0xBF], [0xC2], [0xC2, 0x22], [0xC2, 0xC2], [0xE0, 0x9F, 0xBF],
            [0xE0, 0xA0],
            [0xE1, 0x80], [0xE1, 0x80, 0x22], [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF], [0xEF, 0xBF],
            [0xF0, 0x8F, 0xBF, 0xBF],
            [0xF0, 0x90, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xF8, 0x88, 0x80, 0x80, 0x80],
            [0xFE],
            [0xFF], [0x61, 0xFF, 0x62],
        ] as [[UInt8]])
    func `bytes that are not UTF-8 are refused`(inner: [UInt8]) {
        #expect(errorOf(quoted(inner))?.message == "bytes that are not UTF-8")
    }

    @Test(
        arguments: [
            [0x00, 0x7F], [0xC2, 0x80], [0xDF, 0xBF], [0xE0, 0xA0, 0x80], [0xED, 0x9F, 0xBF], [0xEE, 0x80, 0x80],
            [0xEF, 0xBF, 0xBF], [0xF0, 0x90, 0x80, 0x80], [0xF4, 0x8F, 0xBF, 0xBF],
        ] as [[UInt8]])
    func `the first and last sequences of every length are accepted`(inner: [UInt8]) {
        #expect(errorOf(quoted(inner.filter { $0 >= 0x20 })) == nil)
    }

    @Test func `every pair of bytes in a string is judged as the standard library judges UTF-8`() {
        for a in UInt8(0x20)...0xFF {
            for b in UInt8(0x20)...0xFF where a != 0x5C && b != 0x5C && a != 0x22 && b != 0x22 {
                let isValid = String(validating: [a, b], as: UTF8.self) != nil
                #expect((errorOf(quoted([a, b])) == nil) == isValid, "\(a) \(b)")
            }
        }
    }

    @Test(arguments: [1, 2, 16, 512])
    func `nesting is accepted up to the limit and refused beyond it`(depth: Int) {
        let arrays = [UInt8](repeating: 0x5B, count: depth) + [UInt8](repeating: 0x5D, count: depth)
        #expect(errorOf(arrays, depthMax: depth) == nil)
        #expect(errorOf([0x5B] + arrays + [0x5D], depthMax: depth)?.offset == depth)
        let objects = bytes(String(repeating: "{\"a\":", count: depth) + "1" + String(repeating: "}", count: depth))
        #expect(errorOf(objects, depthMax: depth) == nil)
        #expect(errorOf(bytes("[") + objects + bytes("]"), depthMax: depth) != nil)
    }

    @Test func `ten thousand nested arrays are refused and name the limit`() throws {
        let text = [UInt8](repeating: 0x5B, count: 10_000) + [UInt8](repeating: 0x5D, count: 10_000)
        let error = try #require(errorOf(text))
        #expect(error.message.contains("512"))
        #expect(errorOf([UInt8](repeating: 0x5B, count: 1_000_000)) != nil)
    }

    @Test(arguments: [
        ("x", 0, 1, 1), ("[1,\n 2,\n x]", 9, 3, 2), ("{\"a\":1,\n\"b\":tru}", 12, 2, 5), ("\n\n", 2, 3, 1),
        ("\"abc", 0, 1, 1), ("[\"a\nb\"]", 3, 1, 4), ("\r\n\r\n?", 4, 3, 1), ("{\"é\":}", 6, 1, 7), ("[1] 2", 4, 1, 5),
        ("[01]", 1, 1, 2), ("[\"\\q\"]", 2, 1, 3),
    ])
    func `an error says where, in bytes counted from one`(text: String, offset: Int, line: Int, column: Int) throws {
        let error = try #require(errorOf(bytes(text)))
        #expect(error.offset == offset)
        #expect(error.line == line)
        #expect(error.column == column)
        #expect(error.description.hasPrefix("line \(line), column \(column): "))
    }

    @Test(arguments: [
        (" { \"a\" : [ 1 , 2 ] , \"b c\" : \" x\\n \" } \n", "{\"a\":[1,2],\"b c\":\" x\\n \"}"), ("\t\n1.50 ", "1.50"),
        ("[]", "[]"), ("[ ]", "[]"), ("{ }", "{}"), (" \" \" ", "\" \""), ("[\n\n[\n]\n]", "[[]]"),
        ("{\"a\":null\r\n}", "{\"a\":null}"),
    ])
    func `compacting takes out the white space outside strings and nothing else`(text: String, compact: String) throws {
        let first = try JSONText.compact(bytes(text))
        #expect(String(decoding: first, as: UTF8.self) == compact)
        #expect(try JSONText.compact(first) == first)
    }
}
