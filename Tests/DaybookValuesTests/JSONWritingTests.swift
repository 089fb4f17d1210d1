import DaybookValues
import Testing

struct JSONWritingTests {
    @Test(arguments: [
        ("", "\"\""), ("a", "\"a\""), ("\"\\", #""\"\\""#), ("\n\r\t", #""\n\r\t""#),
        ("\u{0}\u{1F}\u{8}", #""\u0000\u001f\u0008""#),
        ("/é€😀\u{7F}\u{2028}", "\"/é€😀\u{7F}\u{2028}\""),
    ])
    func `a string is escaped as JSON asks and no further`(string: String, expected: String) throws {
        var bytes: [UInt8] = []
        bytes.append(jsonString: string)
        #expect(String(decoding: bytes, as: UTF8.self) == expected)
        try JSONText.check(bytes)
        #expect(JSONView(bytes)?.string == string)
    }

    @Test func `every character comes back from a string as it went in`() {
        for value in UInt32(0)...0x10FFFF {
            // Every one of the first plane's start and a sample of the rest.
            guard value < 0x3000 || value % 251 == 0, let scalar = Unicode.Scalar(value) else { continue }
            var bytes: [UInt8] = []
            bytes.append(jsonString: String(scalar))
            #expect(JSONView(bytes)?.string?.unicodeScalars.first == scalar)
        }
    }

    @Test(arguments: [0, 1, -1, 9, 10, -10, 99, 100, .max, .min, .max - 1, .min + 1, 1_700_000_000_123] as [Int64])
    func `a whole number comes back as it went in`(number: Int64) {
        var bytes: [UInt8] = []
        bytes.append(json: number)
        #expect(String(decoding: bytes, as: UTF8.self) == "\(number)")
        #expect(JSONView(bytes)?.integer == number)
        bytes.withUnsafeBufferPointer { #expect(JSONFields.Field(value: $0).integer == number) }
    }

    @Test(arguments: [
        0, -0.0, 0.1, 1, -1.5, 1e14, 1e15, 1e16, 1e300, -1e-300, .leastNonzeroMagnitude, 1.7976931348623157e308,
        123_456_789.125,
    ])
    func `a number with decimals is written as JSON and comes back as it went in`(number: Double) throws {
        var bytes: [UInt8] = []
        bytes.append(json: number)
        try JSONText.check(bytes)
        #expect(JSONView(bytes)?.double == number)
    }

    @Test(arguments: [Double.nan, .infinity, -.infinity])
    func `a number that JSON cannot write becomes null`(number: Double) {
        var bytes: [UInt8] = []
        bytes.append(json: number)
        #expect(String(decoding: bytes, as: UTF8.self) == "null")
    }

    @Test func `eight hexadecimal digits are always written`() {
        for (number, text) in [(0, "00000000"), (0x1A2B_3C4D, "1a2b3c4d"), (.max, "ffffffff")] as [(UInt32, String)] {
            var bytes: [UInt8] = []
            bytes.append(hex: number)
            #expect(String(decoding: bytes, as: UTF8.self) == text)
        }
    }
}
