import DaybookValues

/// Which event ids have started which function in the last 24 hours.
///
/// A pair is kept as a 128-bit hash: two that collide would cost an event, once in about 10²⁰ pairs held.
struct DedupTable {
    static let window: Int64 = 86_400_000

    struct Key: Hashable, Comparable {
        let high: UInt64
        let low: UInt64

        init(high: UInt64, low: UInt64) {
            self.high = high
            self.low = low
        }

        init(function: String, eventKey: String) {
            var a: UInt64 = 0xCBF2_9CE4_8422_2325
            var b: UInt64 = 0x9E37_79B9_7F4A_7C15
            func mix(_ byte: UInt8) {
                a = (a ^ UInt64(byte)) &* 0x0000_0100_0000_01B3
                b = ((b << 23 | b >> 41) ^ UInt64(byte)) &* 0xFF51_AFD7_ED55_8CCD
            }
            for byte in function.utf8 { mix(byte) }
            mix(0)
            for byte in eventKey.utf8 { mix(byte) }
            self.init(high: Self.finish(a), low: Self.finish(b))
        }

        static func < (a: Key, b: Key) -> Bool { a.high == b.high ? a.low < b.low : a.high < b.high }

        private static func finish(_ value: UInt64) -> UInt64 {
            var value = (value ^ value >> 33) &* 0xC4CE_B9FE_1A85_EC53
            value ^= value >> 29
            return value
        }
    }

    private(set) var startedAt: [Key: Timestamp] = [:]
    /// The same keys, oldest first, so that forgetting needs no search.
    private(set) var order: [(key: Key, at: Timestamp)] = []
    private var firstKept = 0

    /// - Parameter window: milliseconds; not more than what is kept.
    func contains(_ key: Key, at now: Timestamp, within window: Int64 = window) -> Bool {
        guard let at = startedAt[key] else { return false }
        return now - at < window
    }

    mutating func insert(_ key: Key, at now: Timestamp) {
        while firstKept < order.count, now - order[firstKept].at >= Self.window {
            let oldest = order[firstKept]
            if startedAt[oldest.key] == oldest.at { startedAt[oldest.key] = nil }
            firstKept += 1
        }
        if firstKept > 1_024, firstKept * 2 > order.count {
            order.removeFirst(firstKept)
            firstKept = 0
        }
        startedAt[key] = now
        order.append((key, now))
    }

    /// What is still kept, oldest first.
    var kept: ArraySlice<(key: Key, at: Timestamp)> { order[firstKept...] }
}
