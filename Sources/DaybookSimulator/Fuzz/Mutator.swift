/// Makes inputs out of others, by chance that a seed brings back.
package struct Mutator {
    private var state: UInt64

    /// Numbers at which arithmetic goes wrong.
    private static let numbers: [String] = [
        "0", "-0", "1", "-1", "9", "10", "31", "32", "59", "60", "127", "128", "255", "256", "32767", "65535", "65536",
        "999999", "1000000", "2147483647", "-2147483648", "2147483648", "4294967295", "4294967296",
        "999999999999999999", "9007199254740993", "9223372036854775807", "-9223372036854775808",
        "9223372036854775808", "18446744073709551615", "18446744073709551616", "9999999999999999999",
        "253402300799999", "253402300800000", "1e9", "0.5",
    ]

    package init(seed: UInt64) {
        state = seed &* 0xD134_2543_DE82_EF95 &+ 0x9E37_79B9_7F4A_7C15
    }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }

    /// A number below `bound`; 0 when there is none.
    package mutating func below(_ bound: Int) -> Int {
        bound <= 0 ? 0 : Int(next().multipliedFullWidth(by: UInt64(bound)).high)
    }

    /// An input made from one of the corpus, changed in one to eight places.
    /// - Parameters:
    ///   - corpus: what to start from; empty bytes are used when it is empty.
    ///   - tokens: words of the format.
    package mutating func input(from corpus: [[UInt8]], tokens: [[UInt8]], bytesMax: Int) -> [UInt8] {
        var bytes = corpus.isEmpty ? [] : corpus[below(corpus.count)]
        let changes = 1 + below(below(2) == 0 ? 2 : 8)
        for _ in 0..<changes { change(&bytes, corpus, tokens, bytesMax) }
        return bytes.count > bytesMax ? Array(bytes.prefix(bytesMax)) : bytes
    }

    private mutating func change(
        _ bytes: inout [UInt8], _ corpus: [[UInt8]], _ tokens: [[UInt8]], _ bytesMax: Int
    ) {
        let at = below(bytes.count + 1)
        switch below(16) {
        case 0 where !bytes.isEmpty: bytes[below(bytes.count)] ^= 1 << UInt8(below(8))
        case 1 where !bytes.isEmpty: bytes[below(bytes.count)] = UInt8(truncatingIfNeeded: next())
        case 2: bytes.insert(UInt8(truncatingIfNeeded: next()), at: at)
        case 3: bytes.removeSubrange(piece(of: bytes, longest: below(2) == 0 ? 4 : 64))
        // A chunk once more, somewhere else: repeated lines, nested brackets.
        case 4, 5: bytes.insert(contentsOf: bytes[piece(of: bytes, longest: 256)], at: at)
        case 6, 7: exchangeLines(&bytes)
        case 8 where !corpus.isEmpty:
            let other = corpus[below(corpus.count)]
            bytes = Array(bytes[..<at] + other[below(other.count + 1)...])
        case 9 where !corpus.isEmpty:
            let other = corpus[below(corpus.count)]
            bytes.insert(contentsOf: other[piece(of: other, longest: 128)], at: at)
        case 10 where !tokens.isEmpty:
            let token = tokens[below(tokens.count)]
            if below(2) == 0 {
                bytes.insert(contentsOf: token, at: at)
            } else {
                bytes.replaceSubrange(at..<min(at + token.count, bytes.count), with: token)
            }
        case 11, 12: changeNumber(&bytes)
        case 13 where !bytes.isEmpty: setWord(&bytes)
        case 14: bytes.removeSubrange(at...)
        case 15: nest(&bytes, at: at, bytesMax)
        default: bytes.insert(0x30, at: at)
        }
    }

    /// A range of at most `longest` bytes.
    private mutating func piece(of bytes: [UInt8], longest: Int) -> Range<Int> {
        let start = below(bytes.count + 1)
        return start..<min(bytes.count, start + 1 + below(longest))
    }

    /// Doubles, drops or exchanges whole lines, which most of our formats are made of.
    private mutating func exchangeLines(_ bytes: inout [UInt8]) {
        var lines: [ArraySlice<UInt8>] = []
        var start = 0
        for index in bytes.indices where bytes[index] == 10 {
            lines.append(bytes[start...index])
            start = index + 1
        }
        if start < bytes.count { lines.append(bytes[start...]) }
        guard !lines.isEmpty else { return }
        let (a, b) = (below(lines.count), below(lines.count))
        switch below(4) {
        case 0: lines.remove(at: a)
        case 1: lines.insert(lines[a], at: b)
        case 2: lines.swapAt(a, b)
        default: lines[a] = lines[b]
        }
        bytes = Array(lines.joined())
    }

    /// Puts another number in the place of one that is written in digits.
    private mutating func changeNumber(_ bytes: inout [UInt8]) {
        let starts = bytes.indices.filter { index in
            isDigit(bytes[index]) && (index == 0 || !isDigit(bytes[index - 1]))
        }
        guard !starts.isEmpty else { return }
        let start = starts[below(starts.count)]
        let end = bytes[start...].firstIndex { !isDigit($0) } ?? bytes.count
        let number: [UInt8]
        switch below(4) {
        case 0: number = Array(String(below(100)).utf8)
        case 1:
            let value = UInt64(String(decoding: bytes[start..<end], as: UTF8.self)) ?? 0
            number = Array(String(below(2) == 0 ? value &+ 1 : value &- 1).utf8)
        default: number = Array(Self.numbers[below(Self.numbers.count)].utf8)
        }
        bytes.replaceSubrange(start..<end, with: number)
    }

    private func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }

    /// Stores a whole number of four or eight bytes, in either order.
    private mutating func setWord(_ bytes: inout [UInt8]) {
        let words: [UInt64] = [
            0, 1, 7, 255, 65_535, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0x1_0000_0000, UInt64(Int64.max),
            1 << 63, .max, next() & 0xFFFF,
        ]
        let word = words[below(words.count)]
        let width = below(2) == 0 ? 4 : 8
        let isBig = below(2) == 0
        let start = below(bytes.count)
        for index in 0..<width where start + index < bytes.count {
            let shift = UInt64(8 * (isBig ? width - 1 - index : index))
            bytes[start + index] = UInt8(truncatingIfNeeded: word >> shift)
        }
    }

    /// Brackets in brackets in brackets.
    private mutating func nest(_ bytes: inout [UInt8], at: Int, _ bytesMax: Int) {
        let depth = min(1 + below(below(8) == 0 ? 2_000 : 8), bytesMax / 4)
        let isArray = below(2) == 0
        let opening = Array((isArray ? "[" : "{\"a\":").utf8)
        let closing = Array((isArray ? "]" : "}").utf8)
        let end = min(bytes.count, at + below(16))
        let inside = bytes[at..<end]
        bytes.replaceSubrange(
            at..<end,
            with: Array(repeatElement(opening, count: depth).joined()) + inside
                + Array(repeatElement(closing, count: depth).joined()))
    }
}
