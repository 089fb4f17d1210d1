/// Values as text in the form in which Go prints them: what keys are made of and what `+` joins.
package enum GoText {
    /// The fewest digits that read back as the same number, with an exponent below 1e-4 and from 1e6 up: `5`,
    /// `123456.5`, `1e+06`, `1.234567e+06`, `1e-05`; `NaN`, `+Inf`, `-Inf`.
    package static func double(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        if value == 0 { return value.sign == .minus ? "-0" : "0" }
        // The standard library finds the same digits; only their arrangement differs.
        let (digits, pointIndex) = decimalDigits(value.magnitude)
        var text: [UInt8] = value < 0 ? [UInt8(ascii: "-")] : []
        let exponent = pointIndex - 1
        if exponent < -4 || exponent >= 6 {
            text.append(digits[0])
            if digits.count > 1 {
                text.append(UInt8(ascii: "."))
                text += digits[1...]
            }
            text.append(UInt8(ascii: "e"))
            text.append(UInt8(ascii: exponent < 0 ? "-" : "+"))
            if exponent.magnitude < 10 { text.append(UInt8(ascii: "0")) }
            text += Array(String(exponent.magnitude).utf8)
        } else {
            text += fixed(digits, pointIndex)
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// The fewest digits that read back as the same number, never with an exponent: `3600`, `0.000001`.
    package static func plainDouble(_ value: Double) -> String {
        if !value.isFinite || value == 0 { return double(value) }
        let (digits, pointIndex) = decimalDigits(value.magnitude)
        return (value < 0 ? "-" : "") + String(decoding: fixed(digits, pointIndex), as: UTF8.self)
    }

    /// `[a b c]`
    package static func list(_ elements: [String]) -> String { "[" + elements.joined(separator: " ") + "]" }

    /// `map[a:1 b:2]`, sorted by the keys' bytes.
    package static func map(_ entries: [(key: String, value: String)]) -> String {
        let sorted = entries.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
        return "map[" + sorted.map { $0.key + ":" + $0.value }.joined(separator: " ") + "]"
    }

    /// The digits of a finite positive number, none of them zero at either end, and how many stand before the point:
    /// `([1, 2, 3], 2)` is 12.3 and `([5], -1)` is 0.05.
    private static func decimalDigits(_ value: Double) -> (digits: [UInt8], pointIndex: Int) {
        var digits: [UInt8] = []
        var pointIndex: Int?
        var exponent = 0
        let text = Array(value.description.utf8)
        for (index, byte) in text.enumerated() {
            if byte == UInt8(ascii: ".") {
                pointIndex = digits.count
            } else if byte == UInt8(ascii: "e") {
                exponent = Int(String(decoding: text[(index + 1)...], as: UTF8.self)) ?? 0
                break
            } else {
                digits.append(byte)
            }
        }
        var point = (pointIndex ?? digits.count) + exponent
        let leading = digits.prefix { $0 == UInt8(ascii: "0") }.count
        digits.removeFirst(leading)
        point -= leading
        while digits.last == UInt8(ascii: "0") { digits.removeLast() }
        return (digits, point)
    }

    private static func fixed(_ digits: [UInt8], _ pointIndex: Int) -> [UInt8] {
        let zero = UInt8(ascii: "0")
        if pointIndex <= 0 {
            return [zero, UInt8(ascii: ".")] + Array(repeating: zero, count: -pointIndex) + digits
        }
        if pointIndex >= digits.count { return digits + Array(repeating: zero, count: pointIndex - digits.count) }
        return digits[..<pointIndex] + [UInt8(ascii: ".")] + digits[pointIndex...]
    }
}
