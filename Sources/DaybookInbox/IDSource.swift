internal import DaybookSystem
internal import DaybookValues

/// Makes ids from a seed of 128 bits: asking the system for random numbers twice per event costs more than reading it.
struct IDSource {
    private var first: UInt64
    private var second: UInt64

    init(_ random: any RandomSource) {
        first = random.next()
        second = random.next()
    }

    mutating func make(at time: Timestamp) -> ULID {
        ULID(at: time, random: (Self.next(&first, 0x9E37_79B9_7F4A_7C15), Self.next(&second, 0xD1B5_4A32_D192_ED03)))
    }

    /// A counter with a large odd step, and a mix of its bits that is a bijection (murmur3's finalizer): 2^64 numbers
    /// without one that repeats.
    private static func next(_ counter: inout UInt64, _ step: UInt64) -> UInt64 {
        counter &+= step
        var mixed = counter
        mixed = (mixed ^ mixed >> 33) &* 0xFF51_AFD7_ED55_8CCD
        mixed = (mixed ^ mixed >> 33) &* 0xC4CE_B9FE_1A85_EC53
        return mixed ^ mixed >> 33
    }
}
