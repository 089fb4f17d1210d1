/// Durations as text: `1h30m`, `1.5s`, `-2m`. Values are nanoseconds.
package enum DurationText {
    /// The units of Go: `ns us µs ms s m h`; what `duration()` reads. Nil if the text is no such duration or it does not
    /// fit into `Int64` (about 292 years).
    package static func go(_ text: String) -> Int64? { parse(text, withDays: false) }

    /// The same with `d` (24 h) and `w` (168 h): what `now_plus()`, `now_minus()` and every period of Daybook read.
    package static func extended(_ text: String) -> Int64? { parse(text, withDays: true) }

    /// As `string()` of an expression writes it: seconds without an exponent, `5400s`, `0.001s`.
    package static func secondsText(_ nanoseconds: Int64) -> String {
        let whole = Double(nanoseconds / 1_000_000_000)
        let part = Double(nanoseconds % 1_000_000_000) / 1e9
        return GoText.plainDouble(whole + part) + "s"
    }

    private static func parse(_ text: String, withDays: Bool) -> Int64? {
        var bytes = Array(text.utf8)[...]
        var isNegative = false
        if let first = bytes.first, first == UInt8(ascii: "-") || first == UInt8(ascii: "+") {
            isNegative = first == UInt8(ascii: "-")
            bytes.removeFirst()
        }
        if bytes.elementsEqual([UInt8(ascii: "0")]) { return 0 }
        if bytes.isEmpty { return nil }
        // The smallest Int64 has no positive counterpart, so the sum is unsigned until its sign is applied.
        let limit = UInt64(1) << 63
        var sum: UInt64 = 0
        while !bytes.isEmpty {
            guard let part = parsePart(&bytes, withDays: withDays, limit: limit) else { return nil }
            let (total, overflow) = sum.addingReportingOverflow(part)
            if overflow || total > limit { return nil }
            sum = total
        }
        if isNegative { return sum == limit ? .min : -Int64(sum) }
        return Int64(exactly: sum)
    }

    /// One number with its unit, in nanoseconds; nil if there is none or it is above the limit.
    private static func parsePart(_ bytes: inout ArraySlice<UInt8>, withDays: Bool, limit: UInt64) -> UInt64? {
        let whole = bytes.prefix(while: isDigit)
        bytes = bytes.dropFirst(whole.count)
        var fraction: ArraySlice<UInt8> = []
        if bytes.first == UInt8(ascii: ".") {
            bytes.removeFirst()
            fraction = bytes.prefix(while: isDigit)
            bytes = bytes.dropFirst(fraction.count)
        }
        if whole.isEmpty && fraction.isEmpty { return nil }
        let name = bytes.prefix { !isDigit($0) && $0 != UInt8(ascii: ".") }
        bytes = bytes.dropFirst(name.count)
        guard let unit = unitNanoseconds(name, withDays: withDays) else { return nil }
        var value: UInt64 = 0
        for digit in whole {
            let (tens, overflow) = value.multipliedReportingOverflow(by: 10)
            let (next, overflowed) = tens.addingReportingOverflow(UInt64(digit - UInt8(ascii: "0")))
            if overflow || overflowed || next > limit { return nil }
            value = next
        }
        let (product, overflow) = value.multipliedReportingOverflow(by: unit)
        if overflow || product > limit { return nil }
        // 17 digits are more than any unit can show, and fit a Double's sum without rounding a whole unit away.
        var numerator = 0.0
        var denominator = 1.0
        for digit in fraction.prefix(17) {
            numerator = numerator * 10 + Double(digit - UInt8(ascii: "0"))
            denominator *= 10
        }
        let rest = UInt64(numerator * (Double(unit) / denominator))
        return product + rest > limit ? nil : product + rest
    }

    private static func unitNanoseconds(_ name: ArraySlice<UInt8>, withDays: Bool) -> UInt64? {
        switch String(decoding: name, as: UTF8.self) {
        case "ns": 1
        // Micro is written as MICRO SIGN (U+00B5) or as GREEK SMALL LETTER MU (U+03BC).
        case "us", "\u{B5}s", "\u{3BC}s": 1_000
        case "ms": 1_000_000
        case "s": 1_000_000_000
        case "m": 60_000_000_000
        case "h": 3_600_000_000_000
        case "d": withDays ? 86_400_000_000_000 : nil
        case "w": withDays ? 604_800_000_000_000 : nil
        default: nil
        }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte }
}
