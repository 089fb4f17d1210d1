import Testing

@testable import DaybookCEL

struct GoTextTests {
    @Test(arguments: doubleRows)
    func `a double has the fewest digits and an exponent where Go has one`(value: Double, expected: String) {
        #expect(GoText.double(value) == expected)
    }

    @Test func `a double reads back as itself`() {
        var state: UInt64 = 7
        for _ in 0..<20_000 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let value = Double(bitPattern: state)
            if value.isFinite {
                #expect(Double(GoText.double(value)) == value)
                #expect(Double(GoText.plainDouble(value)) == value)
                #expect(!GoText.plainDouble(value).contains("e"))
            }
        }
    }

    @Test func `lists and maps are written in brackets, maps by key`() {
        #expect(GoText.list(["a", "b", "c"]) == "[a b c]")
        #expect(GoText.list([]) == "[]")
        #expect(GoText.map([("b", "2"), ("a", "1")]) == "map[a:1 b:2]")
        #expect(GoText.map([("é", "2"), ("z", "1")]) == "map[z:1 é:2]")
        #expect(GoText.map([]) == "map[]")
    }
}

struct Base64Tests {
    @Test(arguments: base64Rows)
    func `whole groups of the standard alphabet are decoded, anything else is not`(text: String, expected: String?) {
        #expect(Base64.decode(text.utf8).map { String(decoding: $0, as: UTF8.self) } == expected)
    }

    @Test func `every length survives both ways`() {
        for count in 0..<70 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 37 + count) }
            let text = Base64.encode(bytes)
            #expect(text.utf8.count % 4 == 0)
            #expect(Base64.decode(text.utf8) == bytes)
        }
        #expect(Base64.encode("hi".utf8) == "aGk=")
    }
}

private let doubleRows: [(Double, String)] = [
    (5, "5"), (0, "0"), (-0.0, "-0"), (-3, "-3"), (2.5, "2.5"), (0.1, "0.1"), (123_456.5, "123456.5"),
    (100_000, "100000"), (999_999, "999999"), (999_999.9, "999999.9"), (1_000_000, "1e+06"), (-1_000_000, "-1e+06"),
    (1_234_567, "1.234567e+06"), (1_795_298_215_187, "1.795298215187e+12"),
    (9_007_199_254_740_992, "9.007199254740992e+15"), (1e20, "1e+20"), (1e21, "1e+21"), (1e100, "1e+100"),
    (1.7976931348623157e308, "1.7976931348623157e+308"), (.leastNonzeroMagnitude, "5e-324"), (0.0001, "0.0001"),
    (0.00012, "0.00012"), (0.00001, "1e-05"), (0.000012345, "1.2345e-05"), (1e-7, "1e-07"), (0.5, "0.5"),
    (0.1 + 0.2, "0.30000000000000004"), (100, "100"), (10.25, "10.25"), (1.0 / 3.0, "0.3333333333333333"),
    (.infinity, "+Inf"), (-.infinity, "-Inf"), (.nan, "NaN"),
]

private let base64Rows: [(String, String?)] = [
    ("", ""), ("aGk=", "hi"), ("aGk=\n", "hi"), ("aG\r\nk=", "hi"), ("YQ==", "a"), ("YR==", "a"), ("YWJj", "abc"),
    ("YWJjZA==", "abcd"), ("w6k=", "é"), ("Pz8/", "???"), ("Pj4+", ">>>"),
    ("!!", nil), ("aGk", nil), ("aGk==", nil), ("aG=k", nil), ("=", nil), ("a===", nil), ("aGk=aGk=", nil),
    ("Pz8_", nil), ("a Gk=", nil), ("aGk=x", nil), ("é===", nil),
]
