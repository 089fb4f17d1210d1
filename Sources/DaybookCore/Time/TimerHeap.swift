import DaybookValues

/// What a timer is for. The numbers tell whether it still stands: a timer is never taken out of a heap, it is found
/// to be stale when it comes up.
enum TimerTarget: Equatable {
    /// The open step of that run with that number.
    case step(run: ULID, number: UInt64)
    /// The start of a run that was queued for later.
    case delayedStart(run: ULID)
    case startTimeout(run: ULID)
    case finishTimeout(run: ULID)
    /// The next attempt of the code between steps.
    case attempt(run: ULID, number: UInt64)
    /// The next tick of a function's trigger.
    case cron(function: Int, trigger: Int)
    /// A debounce or batch comes due.
    case hold(ULID)
    /// A throttle lets the next run start.
    case throttle(DedupTable.Key)

    /// Orders timers that are due at the same instant. It follows from the state alone, so that a core that took over
    /// a snapshot fires them in the same order as the one that set them.
    var order: (UInt64, UInt64, UInt64) {
        switch self {
        case .cron(let function, let trigger): (0, UInt64(function), UInt64(trigger))
        case .delayedStart(let run): (1, run.high, run.low)
        case .startTimeout(let run): (2, run.high, run.low)
        case .finishTimeout(let run): (3, run.high, run.low)
        // In the order in which they were set.
        case .step(_, let number), .attempt(_, let number): (4, number, 0)
        case .hold(let id): (5, id.high, id.low)
        case .throttle(let name): (6, name.high, name.low)
        }
    }
}

struct Timer {
    let due: Timestamp
    let target: TimerTarget
}

/// Timers by the instant they are due, then by their targets: a binary heap.
struct TimerHeap {
    private(set) var items: [Timer] = []

    var nextDue: Timestamp? { items.first?.due }

    mutating func add(_ target: TimerTarget, due: Timestamp) {
        items.append(Timer(due: due, target: target))
        siftUp(items.count - 1)
    }

    /// Takes the first timer if it is due at `now`.
    mutating func pop(dueBy now: Timestamp) -> Timer? {
        guard let first = items.first, first.due <= now else { return nil }
        let last = items.removeLast()
        if !items.isEmpty {
            items[0] = last
            siftDown(0)
        }
        return first
    }

    /// Drops every timer that `isStale` says no longer stands.
    mutating func compact(isStale: (TimerTarget) -> Bool) {
        items.removeAll { isStale($0.target) }
        var index = items.count / 2
        while index > 0 {
            index -= 1
            siftDown(index)
        }
    }

    private func isBefore(_ a: Int, _ b: Int) -> Bool {
        items[a].due == items[b].due
            ? items[a].target.order < items[b].target.order : items[a].due < items[b].due
    }

    private mutating func siftUp(_ start: Int) {
        var child = start
        while child > 0 {
            let parent = (child - 1) / 2
            guard isBefore(child, parent) else { return }
            items.swapAt(child, parent)
            child = parent
        }
    }

    private mutating func siftDown(_ start: Int) {
        var parent = start
        while true {
            var smallest = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < items.count && isBefore(child, smallest) {
                smallest = child
            }
            guard smallest != parent else { return }
            items.swapAt(parent, smallest)
            parent = smallest
        }
    }
}
