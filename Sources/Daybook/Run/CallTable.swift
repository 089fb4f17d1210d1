/// One call's place in the table, while the call lasts.
struct CallTicket: Sendable {
    fileprivate var slot: Int
    /// Places are used again; this tells the uses apart.
    fileprivate var generation: UInt32
}

/// Why a parked call goes on.
enum Resumption {
    case handed(HandedResult)
    /// Run the body, as this attempt.
    case retry(Int)
    /// The call may begin: nothing recorded is left to hand over, or there is a slot for its body.
    case begin
    /// The run's own code cancelled the branch.
    case interrupted
    /// The run takes no more calls.
    case stopped
}

enum HandedResult {
    /// The body's own value is recorded.
    case own
    case output([UInt8])
    case stored(@Sendable () throws -> [UInt8])
    case failed(ErrorFacts)
}

/// The calls of one run: what is recorded of them, which wait, and for what. Confined to the run's turns.
struct CallTable: ~Copyable {
    enum Kind { case wait, send, body }

    /// Where a new call stands.
    enum Start {
        /// Its result is recorded; it is handed over in order.
        case recorded
        /// A wait under way since before.
        case open
        /// A body between two attempts, the next of which is not due.
        case retryPause
        /// Nothing recorded; for a body, the attempt to make.
        case new(attempt: Int)
        /// The same, but recorded results come first.
        case deferred(attempt: Int)
        /// Recorded as something else.
        case changed(recorded: String)
    }

    private enum State {
        case begun
        /// Waits until nothing recorded can be handed over.
        case deferred
        /// Until the driver delivers; the run may be quiet meanwhile.
        case waiting
        /// A body that may begin as soon as there is a slot for it.
        case queued
        /// A body runs, or its result or failure is being recorded.
        case busy
        /// Events are being recorded.
        case sending
        case retryPause
        /// Its result is in `ready`.
        case ready
    }

    private struct Slot {
        var generation: UInt32 = 0
        var state = State.begun
        var key: StepKey
        /// The driver knows the call and will deliver.
        var isWithDriver = false
        /// Index of the recorded result, or -1.
        var entry = -1
        /// The attempt that is due, or 0.
        var retryAttempt = 0
        var isInterruptRequested = false
        var result: HandedResult?
        var continuation: UnsafeContinuation<Resumption, Never>?
    }

    /// A result that came before its call.
    private struct Entry {
        var order: Int
        var result: HandedResult?
    }

    private var entries: [Entry] = []
    private var entryOfKey: [StepKey: Int] = [:]
    private var entriesUsed = 0
    /// All entries before it are used.
    private var entryFloor = 0
    private var openCalls: [StepKey: Memo.OpenCall]
    private var orderNext = 0

    private var occurrences: [String: Int] = [:]
    private(set) var begunCount = 0

    private var slots: [Slot] = []
    private var freeSlots: [Int] = []
    /// Used once there are more slots than a glance takes in.
    private var slotOfKey: [StepKey: Int] = [:]
    private static let slotsScannedMax = 8
    private var ready = ReadyQueue()
    private var deferred = RingQueue<CallTicket>()
    /// Bodies that wait for a slot, in the order in which they asked; some of them may have gone.
    private var queuedBodies: [CallTicket] = []
    private var queuedHead = 0
    private var parkedCursor = 0

    /// Calls that have not returned.
    private(set) var openCount = 0
    /// Calls whose body runs or whose result is being recorded, events included.
    private(set) var busyCount = 0
    /// Those of them that are bodies.
    private(set) var bodyCount = 0
    /// Calls whose body waits for a slot.
    private(set) var queuedBodyCount = 0

    init(_ memo: Memo) {
        openCalls = memo.openCalls
        entries.reserveCapacity(memo.entries.count)
        entryOfKey.reserveCapacity(memo.entries.count)
        for entry in memo.entries {
            switch entry.result {
            case .output(let bytes): addEntry(entry.key, .output(bytes))
            case .stored(let read): addEntry(entry.key, .stored(read))
            case .failed(let facts): addEntry(entry.key, .failed(facts))
            }
        }
    }

    private mutating func addEntry(_ key: StepKey, _ result: HandedResult) {
        guard entryOfKey[key] == nil else { return }
        entryOfKey[key] = entries.count
        entries.append(Entry(order: orderNext, result: result))
        orderNext += 1
    }

    /// Recorded results not handed over yet, and recorded calls the code has not come to yet.
    var replayRemaining: Int { entries.count - entriesUsed + openCalls.count }

    private mutating func useEntry(_ index: Int) {
        guard entries[index].result != nil else { return }
        entries[index].result = nil
        entriesUsed += 1
        while entryFloor < entries.count, entries[entryFloor].result == nil { entryFloor += 1 }
    }

    // MARK: - The life of a call

    /// Gives the call its key: the id, and how often it was used before (rule 4).
    mutating func begin(_ id: String) -> CallTicket {
        let occurrence = occurrences[id, default: 0].takeNext()
        begunCount += 1
        openCount += 1
        let key = StepKey(id, occurrence: occurrence)
        if let slot = freeSlots.popLast() {
            slots[slot].key = key
            return CallTicket(slot: slot, generation: slots[slot].generation)
        }
        slots.append(Slot(key: key))
        if slots.count == Self.slotsScannedMax + 1 {
            for slot in slots.indices where slots[slot].isWithDriver { slotOfKey[slots[slot].key] = slot }
        }
        return CallTicket(slot: slots.count - 1, generation: 0)
    }

    func key(_ ticket: CallTicket) -> StepKey { slots[ticket.slot].key }

    mutating func start(_ ticket: CallTicket, as kind: Kind, defersNew: Bool) -> Start {
        let key = slots[ticket.slot].key
        if !entries.isEmpty, let entry = entryOfKey[key] {
            slots[ticket.slot].entry = entry
            slots[ticket.slot].state = .ready
            ready.insert(order: entries[entry].order, ticket)
            return .recorded
        }
        var attempt = 1
        if !openCalls.isEmpty, let openCall = openCalls.removeValue(forKey: key) {
            switch (openCall, kind) {
            case (.waiting, .wait), (.waiting, .send):
                setWaiting(ticket, .waiting)
                return .open
            case (.retrying(_, isDue: false), .body):
                setWaiting(ticket, .retryPause)
                return .retryPause
            case (.retrying(let nextAttempt, isDue: true), .body): attempt = nextAttempt
            case (.waiting, .body): return .changed(recorded: "a wait under way")
            case (.retrying, _): return .changed(recorded: "an attempt of a step's body")
            }
        }
        guard defersNew else { return .new(attempt: attempt) }
        slots[ticket.slot].state = .deferred
        deferred.append(ticket)
        return .deferred(attempt: attempt)
    }

    private mutating func setWaiting(_ ticket: CallTicket, _ state: State) {
        slots[ticket.slot].state = state
        guard !slots[ticket.slot].isWithDriver else { return }
        slots[ticket.slot].isWithDriver = true
        if slots.count > Self.slotsScannedMax { slotOfKey[slots[ticket.slot].key] = ticket.slot }
    }

    private mutating func leaveDriver(_ slot: Int) {
        slots[slot].isWithDriver = false
        if slots.count > Self.slotsScannedMax { slotOfKey[slots[slot].key] = nil }
    }

    private func slotWithDriver(_ key: StepKey) -> Int? {
        guard slots.count <= Self.slotsScannedMax else { return slotOfKey[key] }
        for slot in slots.indices where slots[slot].isWithDriver && slots[slot].key == key { return slot }
        return nil
    }

    mutating func willOpen(_ ticket: CallTicket, isBusy: Bool) {
        setWaiting(ticket, isBusy ? .sending : .waiting)
        if isBusy { busyCount += 1 }
    }

    mutating func queueBody(_ ticket: CallTicket) {
        slots[ticket.slot].state = .queued
        queuedBodies.append(ticket)
        queuedBodyCount += 1
    }

    mutating func willRunBody(_ ticket: CallTicket) {
        setWaiting(ticket, .busy)
        busyCount += 1
        bodyCount += 1
    }

    mutating func didCancelBody(_ ticket: CallTicket) {
        change(ticket.slot, to: .begun)
        leaveDriver(ticket.slot)
    }

    private mutating func change(_ slot: Int, to state: State) {
        switch slots[slot].state {
        case .busy:
            busyCount -= 1
            bodyCount -= 1
        case .sending: busyCount -= 1
        case .queued: queuedBodyCount -= 1
        case .begun, .deferred, .waiting, .retryPause, .ready: break
        }
        slots[slot].state = state
    }

    /// The code no longer waits for the call.
    /// - Returns: true when the driver still has it open.
    mutating func abandon(_ ticket: CallTicket) -> Bool {
        if slots[ticket.slot].entry >= 0 { useEntry(slots[ticket.slot].entry) }
        guard slots[ticket.slot].isWithDriver else { return false }
        leaveDriver(ticket.slot)
        return true
    }

    /// The call returns; its place may be used again.
    mutating func release(_ ticket: CallTicket) {
        change(ticket.slot, to: .begun)
        if slots[ticket.slot].isWithDriver { leaveDriver(ticket.slot) }
        let generation = slots[ticket.slot].generation
        slots[ticket.slot] = Slot(generation: generation &+ 1, key: StepKey(""))
        freeSlots.append(ticket.slot)
        openCount -= 1
    }

    // MARK: - Parking and handing over

    /// - Parameter holdsRetries: no body may start.
    mutating func park(
        _ ticket: CallTicket, _ continuation: UnsafeContinuation<Resumption, Never>, holdsRetries: Bool
    ) {
        slots[ticket.slot].continuation = continuation
        // The next attempt may have come due while the call was on its way here.
        if !holdsRetries, slots[ticket.slot].retryAttempt > 0 { resume(ticket.slot, with: takeRetry(ticket.slot)) }
    }

    /// Whether the call is to give up instead of waiting. A failure that is being recorded is waited for.
    func isInterrupted(_ ticket: CallTicket) -> Bool {
        slots[ticket.slot].isInterruptRequested && slots[ticket.slot].state != .busy
    }

    private mutating func resume(_ slot: Int, with resumption: Resumption) {
        slots[slot].continuation.take()?.resume(returning: resumption)
    }

    /// What comes of the call, if it is this call's turn now.
    mutating func takeIfNext(_ ticket: CallTicket) -> Resumption? {
        if slots[ticket.slot].retryAttempt > 0 { return takeRetry(ticket.slot) }
        guard slots[ticket.slot].state == .ready, let first = firstReady(), first.ticket.slot == ticket.slot,
            entryFloor == entries.count || first.order <= entries[entryFloor].order
        else { return nil }
        ready.removeFirst()
        return .handed(takeResult(ticket.slot))
    }

    private mutating func takeRetry(_ slot: Int) -> Resumption {
        let attempt = slots[slot].retryAttempt
        slots[slot].retryAttempt = 0
        slots[slot].state = .begun
        return .retry(attempt)
    }

    private mutating func takeResult(_ slot: Int) -> HandedResult {
        slots[slot].state = .begun
        if let result = slots[slot].result.take() { return result }
        let entry = slots[slot].entry
        guard entry >= 0, let result = entries[entry].result else {
            preconditionFailure("step '\(slots[slot].key)' was to be handed a result that is not there")
        }
        useEntry(entry)
        return result
    }

    private mutating func firstReady() -> ReadyQueue.Item? {
        while let first = ready.first {
            if slots[first.ticket.slot].generation == first.ticket.generation { return first }
            // Abandoned meanwhile.
            ready.removeFirst()
        }
        return nil
    }

    var hasReady: Bool {
        mutating get { firstReady() != nil }
    }

    /// The lowest result somebody waits for can be handed over. (Its call may still be on its way from a body.)
    var canHandOver: Bool {
        mutating get { firstReady().map { slots[$0.ticket.slot].continuation != nil } ?? false }
    }

    mutating func handOver() {
        guard let first = firstReady() else { return }
        ready.removeFirst()
        resume(first.ticket.slot, with: .handed(takeResult(first.ticket.slot)))
    }

    var canBeginDeferred: Bool {
        mutating get {
            while let ticket = deferred.first, slots[ticket.slot].generation != ticket.generation {
                _ = deferred.popFirst()
            }
            return !deferred.isEmpty && !hasReady
        }
    }

    mutating func beginNextDeferred() {
        guard let ticket = deferred.popFirst() else { return }
        slots[ticket.slot].state = .begun
        resume(ticket.slot, with: .begin)
    }

    /// Lets the body begin that has waited longest. Only when there is a slot for it.
    mutating func beginNextQueuedBody() {
        while queuedHead < queuedBodies.count {
            let ticket = queuedBodies[queuedHead]
            queuedHead += 1
            if queuedHead == queuedBodies.count || queuedHead > 64 && queuedHead * 2 > queuedBodies.count {
                queuedBodies.removeFirst(queuedHead)
                queuedHead = 0
            }
            guard slots[ticket.slot].generation == ticket.generation, slots[ticket.slot].state == .queued else {
                continue
            }
            change(ticket.slot, to: .begun)
            resume(ticket.slot, with: .begin)
            return
        }
    }

    /// For a run that is stopped, where no call parks any more.
    var hasParked: Bool {
        mutating get {
            while parkedCursor < slots.count, slots[parkedCursor].continuation == nil { parkedCursor += 1 }
            return parkedCursor < slots.count
        }
    }

    mutating func resumeNextParked(with resumption: Resumption) {
        if hasParked { resume(parkedCursor, with: resumption) }
    }

    mutating func interrupt(_ ticket: CallTicket) {
        guard slots[ticket.slot].generation == ticket.generation else { return }
        // A failure that is being recorded comes first; then the pause is given up.
        if slots[ticket.slot].state == .busy || slots[ticket.slot].continuation == nil {
            slots[ticket.slot].isInterruptRequested = true
        } else {
            resume(ticket.slot, with: .interrupted)
        }
    }

    // MARK: - Results from the driver

    /// - Parameter holdsRetries: no body may start.
    mutating func take(_ key: StepKey, _ result: StepResult, holdsRetries: Bool) {
        guard let slot = slotWithDriver(key) else {
            takeEarly(key, result)
            return
        }
        switch result {
        case .recorded: setResult(slot, .own)
        case .completed(let bytes): setResult(slot, .output(bytes))
        case .failed(let facts): setResult(slot, .failed(facts))
        case .retryPending:
            change(slot, to: .retryPause)
            if slots[slot].isInterruptRequested { resume(slot, with: .interrupted) }
        // It has been told already and waits for its slot.
        case .retry where slots[slot].state == .queued: break
        case .retry(let attempt):
            change(slot, to: .retryPause)
            slots[slot].retryAttempt = attempt
            if !holdsRetries, slots[slot].continuation != nil { resume(slot, with: takeRetry(slot)) }
        }
    }

    private mutating func setResult(_ slot: Int, _ result: HandedResult) {
        change(slot, to: .ready)
        slots[slot].result = result
        ready.insert(order: orderNext, CallTicket(slot: slot, generation: slots[slot].generation))
        orderNext += 1
        leaveDriver(slot)
    }

    /// For a call that the code has not come to yet, or whose end it did not wait for.
    private mutating func takeEarly(_ key: StepKey, _ result: StepResult) {
        guard occurrences[key.id, default: 0] <= key.occurrence else { return }
        switch result {
        case .recorded: break
        case .completed(let bytes):
            openCalls[key] = nil
            addEntry(key, .output(bytes))
        case .failed(let facts):
            openCalls[key] = nil
            addEntry(key, .failed(facts))
        case .retryPending: openCalls[key] = .retrying(nextAttempt: 1, isDue: false)
        case .retry(let attempt): openCalls[key] = .retrying(nextAttempt: attempt, isDue: true)
        }
    }
}

extension Int {
    fileprivate mutating func takeNext() -> Int {
        defer { self += 1 }
        return self
    }
}

/// Calls whose result is there, the lowest place in the journal first: a binary heap.
private struct ReadyQueue {
    struct Item {
        var order: Int
        var ticket: CallTicket
    }
    private var items: [Item] = []

    var first: Item? { items.first }

    mutating func insert(order: Int, _ ticket: CallTicket) {
        items.append(Item(order: order, ticket: ticket))
        var child = items.count - 1
        while child > 0, items[(child - 1) / 2].order > items[child].order {
            items.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func removeFirst() {
        let last = items.removeLast()
        guard !items.isEmpty else { return }
        items[0] = last
        var parent = 0
        while true {
            var least = parent
            let children = (2 * parent + 1)..<min(2 * parent + 3, max(items.count, 2 * parent + 1))
            for child in children where items[child].order < items[least].order { least = child }
            guard least != parent else { return }
            items.swapAt(parent, least)
            parent = least
        }
    }
}
