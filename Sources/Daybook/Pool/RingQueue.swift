/// A first-in first-out queue that keeps its storage.
struct RingQueue<Element>: ~Copyable {
    private var storage: UnsafeMutablePointer<Element>
    private var mask: Int
    private var head = 0
    private(set) var count = 0

    /// - Parameter capacity: to start with; a power of two. The queue doubles when it is full.
    init(capacity: Int = 8) {
        precondition(capacity > 0 && capacity & (capacity - 1) == 0, "the capacity must be a power of two")
        storage = .allocate(capacity: capacity)
        mask = capacity - 1
    }

    deinit {
        for index in 0..<count { (storage + ((head + index) & mask)).deinitialize(count: 1) }
        storage.deallocate()
    }

    var isEmpty: Bool { count == 0 }

    mutating func append(_ element: consuming Element) {
        if count > mask { grow() }
        (storage + ((head + count) & mask)).initialize(to: element)
        count += 1
    }

    var first: Element? { count > 0 ? (storage + head).pointee : nil }

    mutating func popFirst() -> Element? {
        guard count > 0 else { return nil }
        let element = (storage + head).move()
        head = (head + 1) & mask
        count -= 1
        return element
    }

    /// Takes out the element at a distance from the front; the ones behind it close up.
    mutating func remove(at offset: Int) -> Element {
        precondition(offset >= 0 && offset < count, "no element there")
        let element = (storage + ((head + offset) & mask)).move()
        for index in offset..<count - 1 {
            let next = (storage + ((head + index + 1) & mask)).move()
            (storage + ((head + index) & mask)).initialize(to: next)
        }
        count -= 1
        return element
    }

    private mutating func grow() {
        let larger = UnsafeMutablePointer<Element>.allocate(capacity: (mask + 1) * 2)
        for index in 0..<count { (larger + index).initialize(to: (storage + ((head + index) & mask)).move()) }
        storage.deallocate()
        storage = larger
        mask = mask * 2 + 1
        head = 0
    }
}

// The storage is owned by the queue alone.
extension RingQueue: @unchecked Sendable where Element: Sendable {}
