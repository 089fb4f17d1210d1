/// A short value for a sequence of texts (FNV-1a, 64 bits), the same whenever it is made.
struct Digest: Sendable, Equatable {
    private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

    mutating func mix(_ bytes: some Sequence<UInt8>) {
        for byte in bytes { value = (value ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
    }

    mutating func mix(_ text: String) {
        mix(text.utf8)
        mix(CollectionOfOne(0))
    }

    mutating func mix(_ number: UInt64) {
        for shift in stride(from: 0, to: 64, by: 8) { mix(CollectionOfOne(UInt8(truncatingIfNeeded: number >> shift))) }
    }

    var text: String { String(value, radix: 16) }
}
