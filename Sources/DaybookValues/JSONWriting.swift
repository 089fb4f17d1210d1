extension [UInt8] {
    /// Appends text that is known to be JSON, or a part of it.
    @inline(__always)
    package mutating func append(json literal: StaticString) {
        append(contentsOf: UnsafeBufferPointer(start: literal.utf8Start, count: literal.utf8CodeUnitCount))
    }

    /// Appends a string in quotes, escaped as JSON asks and no further.
    package mutating func append(jsonString string: String) {
        var string = string
        string.withUTF8 { append(jsonString: $0) }
    }

    package mutating func append(jsonString utf8: UnsafeBufferPointer<UInt8>) {
        append(UInt8(ascii: "\""))
        var start = 0
        for index in 0..<utf8.count {
            let byte = utf8[index]
            guard byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") else { continue }
            append(contentsOf: UnsafeBufferPointer(rebasing: utf8[start..<index]))
            start = index + 1
            append(UInt8(ascii: "\\"))
            switch byte {
            case 0x0A: append(UInt8(ascii: "n"))
            case 0x0D: append(UInt8(ascii: "r"))
            case 0x09: append(UInt8(ascii: "t"))
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): append(byte)
            default:
                append(json: "u00")
                append(hexDigits[Int(byte >> 4)])
                append(hexDigits[Int(byte & 15)])
            }
        }
        append(contentsOf: UnsafeBufferPointer(rebasing: utf8[start..<utf8.count]))
        append(UInt8(ascii: "\""))
    }

    /// Appends a whole number in decimal.
    package mutating func append(json value: some BinaryInteger) {
        var magnitude = UInt64(value.magnitude)
        if value < 0 { append(UInt8(ascii: "-")) }
        if magnitude < 10 {
            append(UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: magnitude))
            return
        }
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { digits in
            var index = 20
            while magnitude > 0 {
                index -= 1
                digits[index] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: magnitude % 10)
                magnitude /= 10
            }
            append(contentsOf: UnsafeBufferPointer(rebasing: digits[index..<20]))
        }
    }

    /// Appends `null` for numbers that JSON cannot write (NaN, infinities).
    package mutating func append(json value: Double) {
        guard value.isFinite else { return append(json: "null") }
        if value == value.rounded(), abs(value) < 1e15 {
            append(json: Int64(value))
        } else {
            append(contentsOf: value.description.utf8)
        }
    }

    package mutating func append(json value: Bool) {
        if value { append(json: "true") } else { append(json: "false") }
    }

    /// Appends a number as exactly eight lower-case hexadecimal digits.
    package mutating func append(hex value: UInt32) {
        var shift: UInt32 = 28
        while true {
            append(hexDigits[Int(value >> shift & 15)])
            if shift == 0 { return }
            shift -= 4
        }
    }
}

private let hexDigits: [UInt8] = Array("0123456789abcdef".utf8)
