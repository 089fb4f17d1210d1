import Testing

@testable import DaybookCEL

struct JSONCursorTests {
    @Test func `a container ends where counting brackets byte by byte says, whatever the text`() {
        let alphabet = Array(#"{}[]"",:\ a1"#.utf8)
        var state: UInt64 = 1
        func next(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        for round in 0..<60_000 {
            // Short texts end in all places of a word; in long ones few bytes close anything.
            let length = next(round % 2 == 0 ? 20 : 90)
            var text = (0..<length).map { _ in alphabet[next(alphabet.count)] }
            if round % 2 == 1 { text = text.map { $0 | 0x20 == 0x7D && next(4) > 0 ? UInt8(ascii: "b") : $0 } }
            text.insert(UInt8(ascii: "["), at: 0)
            let expected = Self.end(of: text)
            let found = text.withUnsafeBufferPointer { bytes in
                guard var cursor = JSONCursor(bytes), let base = bytes.baseAddress else { return -1 }
                cursor.skipValue()
                return cursor.position - base
            }
            #expect(found == expected, "\(String(decoding: text, as: UTF8.self))")
        }
    }

    @Test(arguments: [
        (#"{"a":"}\"]"} "#, 12), (#"[[[[[[[[[]]]]]]]]] "#, 18), (#"["1234567\\"]x"#, 13), (#"["123456\"]x"]y"#, 14),
        (#"[""]]"#, 4), (#"{"k":[1,{"m":"[[["}],"n":{}}{"#, 28), ("[", 1), (#"["\"#, 3), (#"["abc"#, 5),
    ])
    func `brackets in strings count for nothing`(text: String, end: Int) {
        let bytes = Array(text.utf8)
        let found = bytes.withUnsafeBufferPointer { bytes in
            guard var cursor = JSONCursor(bytes), let base = bytes.baseAddress else { return -1 }
            cursor.skipValue()
            return cursor.position - base
        }
        #expect(found == end)
    }

    /// Behind the bracket that closes the first one; the end of the text if none does.
    private static func end(of text: [UInt8]) -> Int {
        var depth = 0
        var isInside = false
        var index = 0
        while index < text.count {
            switch text[index] {
            case UInt8(ascii: "\""): isInside.toggle()
            case UInt8(ascii: "\\") where isInside: index += 1
            case UInt8(ascii: "["), UInt8(ascii: "{"): depth += isInside ? 0 : 1
            case UInt8(ascii: "]"), UInt8(ascii: "}"):
                depth -= isInside ? 0 : 1
                if depth == 0 { return index + 1 }
            default: break
            }
            index += 1
        }
        return text.count
    }
}
