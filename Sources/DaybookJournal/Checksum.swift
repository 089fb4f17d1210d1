internal import CZlib

/// CRC-32 as in zlib, gzip and PNG.
@inline(__always)
func checksum(_ start: UnsafePointer<UInt8>, _ count: Int, continuing previous: UInt32 = 0) -> UInt32 {
    UInt32(truncatingIfNeeded: crc32_z(UInt(previous), start, count))
}

func checksum(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    bytes.withUnsafeBufferPointer { buffer in
        guard let start = buffer.baseAddress else { return 0 }
        return checksum(start, buffer.count)
    }
}

@inline(__always)
func hexDigit(_ value: UInt32) -> UInt8 {
    let nibble = UInt8(truncatingIfNeeded: value & 15)
    return nibble < 10 ? UInt8(ascii: "0") &+ nibble : UInt8(ascii: "a") &+ (nibble &- 10)
}

@inline(__always)
func hexValue(_ character: UInt8) -> UInt8? {
    let digit = character &- UInt8(ascii: "0")
    if digit < 10 { return digit }
    let letter = character &- UInt8(ascii: "a")
    return letter < 6 ? letter &+ 10 : nil
}

/// Eight lower-case digits.
@inline(__always)
func writeHex(_ value: UInt32, to target: UnsafeMutablePointer<UInt8>) {
    // All eight nibbles at once: spread them to one a byte, then add '0', and the distance to 'a' where they are
    // above nine.
    var spread = UInt64(value)
    spread = (spread | spread << 16) & 0x0000_FFFF_0000_FFFF
    spread = (spread | spread << 8) & 0x00FF_00FF_00FF_00FF
    spread = (spread | spread << 4) & 0x0F0F_0F0F_0F0F_0F0F
    let above = ((spread &+ 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101
    let text = spread &+ 0x3030_3030_3030_3030 &+ above &* 39
    UnsafeMutableRawPointer(target).storeBytes(of: text.bigEndian, as: UInt64.self)
}

/// Reads eight lower-case digits.
@inline(__always)
func readHex(_ source: UnsafePointer<UInt8>) -> UInt32? {
    var value: UInt32 = 0
    for index in 0..<8 {
        guard let digit = hexValue(source[index]) else { return nil }
        value = value << 4 | UInt32(digit)
    }
    return value
}

/// Writes a number without leading zeros.
/// - Returns: how many characters that took, at most 20.
@inline(__always)
func writeDecimal(_ value: UInt64, to target: UnsafeMutablePointer<UInt8>) -> Int {
    var count = 1
    var bound: UInt64 = 10
    while count < 20, value >= bound {
        count += 1
        if count == 20 { break }
        bound &*= 10
    }
    var rest = value
    var index = count
    while index > 0 {
        index -= 1
        target[index] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: rest % 10)
        rest /= 10
    }
    return count
}

extension [UInt8] {
    mutating func appendDecimal(_ value: UInt64) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { scratch in
            guard let start = scratch.baseAddress else { return }
            let count = writeDecimal(value, to: start)
            append(contentsOf: UnsafeBufferPointer(start: start, count: count))
        }
    }

    mutating func appendHex(_ value: UInt32) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 8) { scratch in
            guard let start = scratch.baseAddress else { return }
            writeHex(value, to: start)
            append(contentsOf: UnsafeBufferPointer(start: start, count: 8))
        }
    }

    /// Appends text that needs no escapes.
    mutating func append(_ text: StaticString) {
        append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Closes a line that starts at `start`: the checksum over it, the brace, the line feed.
    @discardableResult
    mutating func closeLine(from start: Int) -> UInt32 {
        let sum = checksum(self[start...])
        append(",\"crc\":\"")
        appendHex(sum)
        append("\"}\n")
        return sum
    }
}
