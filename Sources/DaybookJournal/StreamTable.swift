internal import DaybookValues

/// What is known of each unfinished stream, in one flat table: 16 bytes of key and the value, nothing else, so that
/// a hundred thousand sleeping runs cost a few megabytes.
struct StreamTable<Value: BitwiseCopyable & Sendable>: Sendable {
    private struct Slot: BitwiseCopyable, Sendable {
        var high: UInt64
        var low: UInt64
        var value: Value
    }

    private(set) var count = 0
    private var slots: [Slot]
    private let empty: Slot

    /// - Parameter filler: any value; it stands in slots that are empty.
    init(filler: Value) {
        empty = Slot(high: 0, low: 0, value: filler)
        slots = Array(repeating: empty, count: 64)
    }

    subscript(stream: StreamID) -> Value? {
        @inline(__always)
        get {
            let (high, low) = Self.key(stream)
            let index = find(high, low)
            return slots[index].high | slots[index].low == 0 ? nil : slots[index].value
        }
        @inline(__always)
        set {
            if let newValue { set(stream, newValue) } else { remove(stream) }
        }
    }

    @inline(__always)
    mutating func set(_ stream: StreamID, _ value: Value) {
        let (high, low) = Self.key(stream)
        var index = find(high, low)
        if slots[index].high | slots[index].low == 0 {
            // Four fifths full at most: longer runs of taken slots cost more than the memory they save.
            if (count + 1) * 5 > slots.count * 4 {
                grow()
                index = find(high, low)
            }
            count += 1
        }
        slots[index] = Slot(high: high, low: low, value: value)
    }

    mutating func remove(_ stream: StreamID) {
        let (high, low) = Self.key(stream)
        var hole = find(high, low)
        guard slots[hole].high | slots[hole].low != 0 else { return }
        count -= 1
        // Entries behind the hole move up if their own place is not after it, so that no search stops early.
        var index = hole
        while true {
            index = index + 1 == slots.count ? 0 : index + 1
            let slot = slots[index]
            if slot.high | slot.low == 0 { break }
            let home = home(slot.high, slot.low)
            let staysPut = hole <= index ? home > hole && home <= index : home > hole || home <= index
            if !staysPut {
                slots[hole] = slot
                hole = index
            }
        }
        slots[hole] = empty
    }

    /// Every entry, in an order that depends only on the keys.
    var sorted: [(stream: StreamID, value: Value)] {
        slots.filter { $0.high | $0.low != 0 }
            .sorted { $0.high == $1.high ? $0.low < $1.low : $0.high < $1.high }
            .map { (Self.stream($0.high, $0.low), $0.value) }
    }

    func forEach(_ body: (StreamID, Value) -> Void) {
        for slot in slots where slot.high | slot.low != 0 { body(Self.stream(slot.high, slot.low), slot.value) }
    }

    // Streams that are not runs live in the last 2^64 keys, which belong to no time before the year 10,889.
    @inline(__always)
    static func key(_ stream: StreamID) -> (UInt64, UInt64) {
        switch stream {
        case .run(let id): id.high | id.low == 0 ? (.max, 0) : (id.high, id.low)
        case .events(let day): (.max, 1 << 32 | UInt64(UInt32(bitPattern: day)))
        case .system(let month): (.max, 2 << 32 | UInt64(UInt32(bitPattern: month)))
        }
    }

    static func stream(_ high: UInt64, _ low: UInt64) -> StreamID {
        guard high == .max else { return .run(ULID(high: high, low: low)) }
        let value = Int32(bitPattern: UInt32(truncatingIfNeeded: low))
        switch low >> 32 {
        case 0 where low == 0: return .run(ULID(high: 0, low: 0))
        case 1: return .events(day: value)
        case 2: return .system(month: value)
        default: return .run(ULID(high: high, low: low))
        }
    }

    @inline(__always)
    private func home(_ high: UInt64, _ low: UInt64) -> Int {
        let mixed = (low ^ high) &* 0x9E37_79B9_7F4A_7C15
        return Int(truncatingIfNeeded: mixed.multipliedFullWidth(by: UInt64(slots.count)).high)
    }

    /// The slot of a key, or the empty one where it would go.
    @inline(__always)
    private func find(_ high: UInt64, _ low: UInt64) -> Int {
        var index = home(high, low)
        while true {
            let slot = slots[index]
            if slot.high == high && slot.low == low || slot.high | slot.low == 0 { return index }
            index += 1
            if index == slots.count { index = 0 }
        }
    }

    private mutating func grow() {
        let old = slots
        // By a quarter at a time: doubling would leave the table more than half empty most of the time.
        slots = Array(repeating: empty, count: max(64, old.count + old.count / 4))
        for slot in old where slot.high | slot.low != 0 { slots[find(slot.high, slot.low)] = slot }
    }
}

/// Where a stream stands at the tip of the log.
struct StreamTip: BitwiseCopyable, Sendable {
    /// Records so far, which is the number of the next one.
    var n: UInt32
    var checksum: UInt32
}

/// Where a stream's file stands.
struct StreamFileState: BitwiseCopyable, Sendable {
    var bytes: UInt64
    var n: UInt32
    var checksum: UInt32
}
