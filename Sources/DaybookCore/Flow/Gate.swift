import DaybookValues

/// Who may execute: the places under concurrency limits, and who waits for them.
///
/// All of it is volatile: in a new process nobody executes, and who waits follows from the state. A run that is to
/// execute asks with a ticket. It takes its places all at once, in the order of scores, so that a run waits for nothing
/// while it keeps something from others. A ticket that was passed over several times, because now one and now another of its
/// limits was used up, takes its places one by one instead and keeps them; tickets do that in one order of pools, so that
/// no two wait for each other, and each gets its turn.
struct Gate {
    /// All that share one count.
    final class Pool {
        struct Name: Hashable {
            enum Kind: UInt8 { case runs, steps }

            let kind: Kind
            let scope: ConcurrencyLimit.Scope
            /// The function's index; −1 where functions share the count.
            let function: Int
            let expression: String
            let value: String
        }

        let name: Name
        var used = 0
        /// Tickets that wait for a place here or have one.
        var references = 0
        var waiting = TicketHeap()

        init(_ name: Name) { self.name = name }

        /// Of those that still want to get in.
        var firstWaiting: Ticket? { waiting.firstLive() }
    }

    typealias Place = (pool: Pool, limit: Limit)

    /// The limit that a function has for a pool; it follows the function's newest settings.
    final class Limit {
        var value: Int

        init(_ value: Int) { self.value = value }
    }

    /// A run, or one further body of it, that wants to execute.
    final class Ticket {
        let run: ULID
        let isBody: Bool
        /// Lower comes first.
        let score: Int64
        let places: [Place]
        /// Times it was moved from one pool to another.
        var moves = 0
        /// How many of its places it has taken, in order; only once it takes them one by one.
        var taken = 0
        /// The one it waits for.
        var blockedAt = -1
        var isCancelled = false

        init(run: ULID, isBody: Bool, score: Int64, places: [Place]) {
            self.run = run
            self.isBody = isBody
            self.score = score
            self.places = places
        }
    }

    /// What a run has and wants.
    final class Holding {
        /// The places of the run itself, then those of each further body.
        var slots: [[Place]] = []
        /// Of the limit on runs; kept until the run ends.
        var runPlace: Place?
        var ticket: Ticket?
        var bodyTickets: [Ticket] = []
        /// What is told to the host once the run has a place.
        var effects: [Effect] = []
        /// Effects decided and not yet released.
        var unreleased = 0
        /// It stands in the queue of its function's throttle.
        var throttle: DedupTable.Key?
    }

    static let movesMax = 4

    private(set) var pools: [Pool.Name: Pool] = [:]
    var holdings: [ULID: Holding] = [:]
    /// Granted since the last look.
    private(set) var granted: [Ticket] = []

    /// The pool of that name. Whoever asks for it counts as one of its tickets, until `free` or `cancel`.
    mutating func pool(_ name: Pool.Name) -> Pool {
        if let pool = pools[name] {
            pool.references += 1
            return pool
        }
        let pool = Pool(name)
        pool.references = 1
        pools[name] = pool
        return pool
    }

    private mutating func leave(_ pool: Pool) {
        pool.references -= 1
        // A pool that somebody knows must stay the only one of its name.
        if pool.references == 0 { pools[pool.name] = nil }
    }

    mutating func makeHolding(_ run: ULID) -> Holding {
        if let holding = holdings[run] { return holding }
        let holding = Holding()
        holdings[run] = holding
        return holding
    }

    mutating func takeGranted() -> [Ticket] {
        defer { granted.removeAll(keepingCapacity: true) }
        return granted
    }

    // MARK: - Asking and giving back

    /// Lets the ticket through, or queues it.
    mutating func ask(_ ticket: Ticket) {
        // Those that wait already and come before it stay before it.
        if let index = ticket.places.firstIndex(where: { isBlocked(ticket, $0.pool, $0.limit) }) {
            wait(ticket, at: index)
        } else {
            grant(ticket)
        }
    }

    private func isBlocked(_ ticket: Ticket, _ pool: Pool, _ limit: Limit) -> Bool {
        pool.used >= limit.value || pool.firstWaiting.map { $0.comesBefore(ticket) } ?? false
    }

    private mutating func grant(_ ticket: Ticket) {
        for (pool, _) in ticket.places[ticket.taken...] { pool.used += 1 }
        ticket.taken = ticket.places.count
        ticket.blockedAt = -1
        granted.append(ticket)
    }

    private func wait(_ ticket: Ticket, at index: Int) {
        ticket.blockedAt = index
        ticket.places[index].pool.waiting.push(ticket)
    }

    /// Takes the ticket back; what it holds already becomes free.
    mutating func cancel(_ ticket: Ticket) {
        guard !ticket.isCancelled else { return }
        ticket.isCancelled = true
        let blockedAt = ticket.blockedAt >= 0 ? ticket.places[ticket.blockedAt].pool : nil
        blockedAt?.waiting.noteCancelled()
        for place in ticket.places[..<ticket.taken] { place.pool.used -= 1 }
        for place in ticket.places[..<ticket.taken] { drain(place.pool) }
        // It may have been the first there, and kept others waiting that fit.
        if let blockedAt { drain(blockedAt) }
        for place in ticket.places { leave(place.pool) }
    }

    /// Those places have become free.
    mutating func free(_ places: [Place]) {
        // All of them first, so that whoever needs several of them finds them.
        for place in places { place.pool.used -= 1 }
        for place in places { drain(place.pool) }
        for place in places { leave(place.pool) }
    }

    /// Lets those through that wait for the pool and fit, in order.
    mutating func drain(_ pool: Pool) {
        while let ticket = pool.firstWaiting {
            // The first stands for all: with others past it, one with a lower limit might wait for ever.
            guard pool.used < ticket.places[ticket.blockedAt].limit.value else { break }
            pool.waiting.popFirst()
            advance(ticket)
        }
    }

    /// The ticket is the first at a pool that has room.
    private mutating func advance(_ ticket: Ticket) {
        if ticket.moves >= Self.movesMax {
            takeOneByOne(ticket)
            return
        }
        let here = ticket.blockedAt
        let other = ticket.places.indices.first { index in
            index != here && isBlocked(ticket, ticket.places[index].pool, ticket.places[index].limit)
        }
        guard let other else { return grant(ticket) }
        ticket.moves += 1
        if ticket.moves >= Self.movesMax {
            takeOneByOne(ticket)
        } else {
            wait(ticket, at: other)
        }
    }

    private mutating func takeOneByOne(_ ticket: Ticket) {
        // From the one it has come to the head of, if it already takes them in order; else from the beginning.
        if ticket.taken < ticket.places.count, ticket.blockedAt == ticket.taken {
            ticket.places[ticket.taken].pool.used += 1
            ticket.taken += 1
        }
        while ticket.taken < ticket.places.count {
            let (pool, limit) = ticket.places[ticket.taken]
            if isBlocked(ticket, pool, limit) { return wait(ticket, at: ticket.taken) }
            pool.used += 1
            ticket.taken += 1
        }
        ticket.blockedAt = -1
        granted.append(ticket)
    }

    /// Takes no place in the end.
    mutating func forget(_ place: Place) { leave(place.pool) }

    /// After limits have changed.
    mutating func drainAll() {
        for pool in pools.values.sorted(by: { $0.name < $1.name }) where !pool.waiting.isEmpty { drain(pool) }
    }
}

extension Gate.Pool.Name: Comparable {
    /// The order in which a ticket takes its places one by one: those that few share before those that many do.
    var rank: (Int, Int) {
        let shared =
            switch scope {
            case .function: expression.isEmpty ? 3 : 0
            case .environment: 1
            case .account: 2
            }
        return (kind == .runs ? 0 : 1, shared)
    }

    static func < (a: Self, b: Self) -> Bool {
        if a.rank != b.rank { return a.rank < b.rank }
        if a.function != b.function { return a.function < b.function }
        if a.expression != b.expression { return a.expression < b.expression }
        return a.value < b.value
    }
}

extension Gate.Ticket {
    func comesBefore(_ other: Gate.Ticket) -> Bool {
        if score != other.score { return score < other.score }
        if run != other.run { return run < other.run }
        return !isBody && other.isBody
    }
}

/// Waiting tickets, the one that comes first at the top. Cancelled ones are dropped when they come up, or when they are
/// most of what is there.
struct TicketHeap {
    private var items: [Gate.Ticket] = []
    private var cancelledCount = 0

    var isEmpty: Bool { items.isEmpty }
    var count: Int { items.count - cancelledCount }

    /// The first of those that are not cancelled.
    mutating func firstLive() -> Gate.Ticket? {
        while let first = items.first {
            guard first.isCancelled else { return first }
            popFirst()
        }
        return nil
    }

    mutating func noteCancelled() {
        cancelledCount += 1
        guard cancelledCount > 32, cancelledCount * 2 > items.count else { return }
        items.removeAll(where: \.isCancelled)
        cancelledCount = 0
        var index = items.count / 2
        while index > 0 {
            index -= 1
            siftDown(index)
        }
    }

    mutating func push(_ ticket: Gate.Ticket) {
        items.append(ticket)
        var child = items.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard items[child].comesBefore(items[parent]) else { return }
            items.swapAt(child, parent)
            child = parent
        }
    }

    @discardableResult
    mutating func popFirst() -> Gate.Ticket? {
        guard let first = items.first else { return nil }
        if first.isCancelled { cancelledCount -= 1 }
        let last = items.removeLast()
        if !items.isEmpty {
            items[0] = last
            siftDown(0)
        }
        return first
    }

    private mutating func siftDown(_ start: Int) {
        var parent = start
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < items.count && items[child].comesBefore(items[least]) {
                least = child
            }
            guard least != parent else { return }
            items.swapAt(parent, least)
            parent = least
        }
    }
}
