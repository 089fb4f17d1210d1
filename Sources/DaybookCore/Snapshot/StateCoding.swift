import DaybookValues

/// Writes state as bytes: whole numbers in seven-bit groups, texts with their length before them.
struct StateWriter {
    private(set) var bytes: [UInt8] = []

    mutating func write(_ value: UInt64) {
        var value = value
        while value >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: value) | 0x80)
            value >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: value))
    }

    mutating func write(_ value: Int) { write(UInt64(bitPattern: Int64(value) << 1 ^ Int64(value) >> 63)) }
    mutating func write(_ value: Bool) { bytes.append(value ? 1 : 0) }
    mutating func write(_ time: Timestamp) { write(Int(time.milliseconds)) }

    mutating func write(_ id: ULID) {
        for half in [id.high, id.low] {
            for shift in stride(from: 56, through: 0, by: -8) {
                bytes.append(UInt8(truncatingIfNeeded: half >> UInt64(shift)))
            }
        }
    }

    mutating func write(_ text: [UInt8]) {
        write(UInt64(text.count))
        bytes.append(contentsOf: text)
    }

    mutating func write(_ text: String) {
        write(UInt64(text.utf8.count))
        bytes.append(contentsOf: text.utf8)
    }

    mutating func write(_ time: Timestamp?) {
        write(time != nil)
        if let time { write(time) }
    }

    /// Appends what another writer made.
    mutating func append(_ other: [UInt8]) { bytes.append(contentsOf: other) }
}

/// Why a snapshot cannot be used; the journal tries an older one.
package struct SnapshotError: Error, Equatable, Sendable, CustomStringConvertible {
    package let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// Reads what `StateWriter` wrote; every fault throws.
struct StateReader {
    private var bytes: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
    }

    var isAtEnd: Bool { bytes.isEmpty }

    mutating func byte() throws(SnapshotError) -> UInt8 {
        guard let byte = bytes.popFirst() else { throw SnapshotError("the snapshot ends early") }
        return byte
    }

    mutating func number() throws(SnapshotError) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), through: 63, by: 7) {
            let byte = try byte()
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        throw SnapshotError("a number in the snapshot is too long")
    }

    mutating func integer() throws(SnapshotError) -> Int {
        let value = try number()
        return Int(Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1))
    }

    /// A number of things that each take at least one byte.
    mutating func count() throws(SnapshotError) -> Int {
        let count = try number()
        guard count <= UInt64(bytes.count) else { throw SnapshotError("a count in the snapshot is too large") }
        return Int(count)
    }

    /// A number that goes on being counted up.
    mutating func counter() throws(SnapshotError) -> UInt64 {
        let value = try number()
        guard value <= UInt64(Int64.max) else { throw SnapshotError("a counter in the snapshot is too large") }
        return value
    }

    /// A whole number, not below 0, that can be counted and added up without an overflow.
    mutating func amount(max: Int = Int(Int32.max)) throws(SnapshotError) -> Int {
        let value = try integer()
        guard (0...max).contains(value) else { throw SnapshotError("a number in the snapshot is too large") }
        return value
    }

    mutating func bool() throws(SnapshotError) -> Bool { try byte() != 0 }
    mutating func time() throws(SnapshotError) -> Timestamp { Timestamp(milliseconds: Int64(try integer())) }
    mutating func optionalTime() throws(SnapshotError) -> Timestamp? { try bool() ? try time() : nil }

    mutating func id() throws(SnapshotError) -> ULID {
        var halves: (UInt64, UInt64) = (0, 0)
        for _ in 0..<8 { halves.0 = halves.0 << 8 | UInt64(try byte()) }
        for _ in 0..<8 { halves.1 = halves.1 << 8 | UInt64(try byte()) }
        return ULID(high: halves.0, low: halves.1)
    }

    mutating func text() throws(SnapshotError) -> [UInt8] {
        let count = try count()
        defer { bytes.removeFirst(count) }
        return Array(bytes.prefix(count))
    }

    mutating func string() throws(SnapshotError) -> String { String(decoding: try text(), as: UTF8.self) }
}
