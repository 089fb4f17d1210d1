import DaybookValues

/// Runs that wait for a place among the live ones, some of them with their events at hand: the lowest score first, and
/// among equals the one that came first.
struct WaitingRuns {
    private struct Entry {
        let score: Int64
        /// Counts the arrivals.
        let number: UInt64
        let id: ULID
        var input: [UInt8]?

        func comesBefore(_ other: Entry) -> Bool {
            score != other.score ? score < other.score : number < other.number
        }
    }

    /// A binary heap. Runs that were removed stay until they come up or are most of it.
    private var heap: [Entry] = []
    private var numbers: [ULID: UInt64] = [:]
    private var lastNumber: UInt64 = 0
    private var inputBytes = 0

    var count: Int { numbers.count }

    func contains(_ id: ULID) -> Bool { numbers[id] != nil }

    var ids: some Sequence<ULID> { numbers.keys }

    /// - Parameter bytesMax: of all events that are kept at hand; those beyond it are read again.
    mutating func append(_ id: ULID, score: Int64, input: [UInt8]?, bytesMax: Int) {
        guard numbers[id] == nil else { return }
        lastNumber += 1
        numbers[id] = lastNumber
        let kept = inputBytes + (input?.count ?? 0) <= bytesMax ? input : nil
        inputBytes += kept?.count ?? 0
        heap.append(Entry(score: score, number: lastNumber, id: id, input: kept))
        var child = heap.count - 1
        while child > 0, heap[child].comesBefore(heap[(child - 1) / 2]) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    /// - Returns: whether it was there.
    @discardableResult
    mutating func remove(_ id: ULID) -> Bool {
        guard numbers.removeValue(forKey: id) != nil else { return false }
        if heap.count > 1_024, numbers.count * 2 < heap.count { compact() }
        return true
    }

    mutating func popFirst() -> (id: ULID, input: [UInt8]?)? {
        while let first = heap.first {
            let last = heap.removeLast()
            if !heap.isEmpty {
                heap[0] = last
                siftDown(0)
            }
            inputBytes -= first.input?.count ?? 0
            guard numbers[first.id] == first.number else { continue }
            numbers[first.id] = nil
            return (first.id, first.input)
        }
        return nil
    }

    private mutating func siftDown(_ start: Int) {
        var parent = start
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < heap.count && heap[child].comesBefore(heap[least]) {
                least = child
            }
            guard least != parent else { return }
            heap.swapAt(parent, least)
            parent = least
        }
    }

    private mutating func compact() {
        heap.removeAll { numbers[$0.id] != $0.number }
        inputBytes = heap.reduce(0) { $0 + ($1.input?.count ?? 0) }
        for parent in (0..<heap.count / 2).reversed() { siftDown(parent) }
    }
}
