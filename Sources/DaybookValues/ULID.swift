/// A ULID: 48 bits of time in milliseconds and 80 random bits; its text is 26 characters of Crockford's base 32 and
/// sorts like the value.
///
/// Ids of runs and of events. The random part comes from outside, so that a seed makes the same ids again.
package struct ULID: Hashable, Comparable, Sendable {
    /// The time and the first 16 random bits.
    package var high: UInt64
    /// The other 64 random bits.
    package var low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    package init(at time: Timestamp, random: (UInt64, UInt64)) {
        let milliseconds = UInt64(truncatingIfNeeded: max(0, time.milliseconds)) & 0xFFFF_FFFF_FFFF
        self.init(high: milliseconds << 16 | random.0 & 0xFFFF, low: random.1)
    }

    package var time: Timestamp { Timestamp(milliseconds: Int64(high >> 16)) }

    package static func < (a: ULID, b: ULID) -> Bool {
        a.high == b.high ? a.low < b.low : a.high < b.high
    }

    // The random half is as good as a hash already.
    package func hash(into hasher: inout Hasher) {
        hasher.combine(low ^ high)
    }

    /// Appends the 26 characters.
    package func append(to bytes: inout [UInt8]) {
        var shift = 125
        while shift >= 0 {
            let bits: UInt64
            if shift >= 64 {
                bits = high >> UInt64(shift - 64)
            } else if shift > 59 {
                bits = high << UInt64(64 - shift) | low >> UInt64(shift)
            } else {
                bits = low >> UInt64(shift)
            }
            bytes.append(crockford[Int(bits & 31)])
            shift -= 5
        }
    }

    package var text: String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(26)
        append(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Reads 26 characters, upper or lower case; nil for anything else, and for text above the largest value.
    package init?(_ text: some StringProtocol) {
        self.init(utf8: text.utf8)
    }

    package init?(utf8 characters: some Collection<UInt8>) {
        guard characters.count == 26 else { return nil }
        var high: UInt64 = 0
        var low: UInt64 = 0
        var isFirst = true
        for character in characters {
            let value = crockfordValue(character)
            guard value < 32, !isFirst || value < 8 else { return nil }
            isFirst = false
            high = high << 5 | low >> 59
            low = low << 5 | UInt64(value)
        }
        self.init(high: high, low: low)
    }
}

private let crockford: [UInt8] = Array("0123456789ABCDEFGHJKMNPQRSTVWXYZ".utf8)

@inline(__always)
private func crockfordValue(_ character: UInt8) -> UInt8 {
    let upper = character >= UInt8(ascii: "a") && character <= UInt8(ascii: "z") ? character &- 32 : character
    switch upper {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): return upper &- UInt8(ascii: "0")
    case UInt8(ascii: "A")...UInt8(ascii: "H"): return upper &- UInt8(ascii: "A") &+ 10
    case UInt8(ascii: "J"), UInt8(ascii: "K"): return upper &- UInt8(ascii: "J") &+ 18
    case UInt8(ascii: "M"), UInt8(ascii: "N"): return upper &- UInt8(ascii: "M") &+ 20
    case UInt8(ascii: "P")...UInt8(ascii: "T"): return upper &- UInt8(ascii: "P") &+ 22
    case UInt8(ascii: "V")...UInt8(ascii: "Z"): return upper &- UInt8(ascii: "V") &+ 27
    default: return 255
    }
}
