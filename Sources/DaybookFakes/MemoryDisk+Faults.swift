package import DaybookSystem
internal import Synchronization

/// An injected failure as it is counted.
package struct InjectedFailure: Hashable, Sendable {
    package var operation: FileError.Operation
    package var errno: Int32

    package init(_ operation: FileError.Operation, errno: Int32) {
        self.operation = operation
        self.errno = errno
    }
}

/// Called before each operation that changes something.
package typealias OperationHook = @Sendable (MemoryDisk, FileError.Operation, String) -> Void

/// What is to go wrong on a `MemoryDisk`, and what has.
struct Faults {
    /// How a call fails.
    struct Refusal {
        var errno: Int32
        /// First bytes that a write has written all the same.
        var writtenBytes = 0
        /// Whether a flush has dropped the bytes.
        var losesUnflushed = false
    }

    struct Planned {
        var operation: FileError.Operation
        var skip: Int
        var errno: Int32
        var path: String
        var times: Int
        var losesUnflushed: Bool
        var writtenBytes: Int
    }

    static let deathErrno: Int32 = 5
    static let interruptedErrno = 4

    var planned: [Planned] = []
    var counts: [InjectedFailure: Int] = [:]
    /// Operations that changed something, or tried to.
    var operations = 0
    var diesAfter: Int?
    var tearingWrite: Int?
    var isDead = false
    var onOperation: OperationHook?
    var interruptEvery: Int?
    var shortenEvery: Int?
    private var interruptible = 0
    private var shortenable = 0

    mutating func endLife() {
        diesAfter = nil
        tearingWrite = nil
        isDead = false
    }

    mutating func count(_ operation: FileError.Operation, errno: Int32) {
        counts[InjectedFailure(operation, errno: errno), default: 0] += 1
    }

    /// - Returns: nil when the call is to be done.
    mutating func admit(_ operation: FileError.Operation, _ path: String, changes: Bool) -> Refusal? {
        if isDead { return Refusal(errno: Self.deathErrno) }
        if changes, !admitChange() { return Refusal(errno: Self.deathErrno, writtenBytes: tearingWrite ?? 0) }
        guard !planned.isEmpty, let due = failureDue(operation, path) else { return nil }
        count(operation, errno: due.errno)
        return due
    }

    /// A store through a mapping changes something, and cannot fail.
    mutating func admitStore() -> Bool { !isDead && admitChange() }

    private mutating func admitChange() -> Bool {
        if let diesAfter, operations >= diesAfter {
            isDead = true
            return false
        }
        operations += 1
        return true
    }

    private mutating func failureDue(_ operation: FileError.Operation, _ path: String) -> Refusal? {
        var due: Refusal?
        for index in planned.indices
        where planned[index].operation == operation
            && (planned[index].path.isEmpty || path.contains(planned[index].path))
        {
            if planned[index].skip > 0 {
                planned[index].skip -= 1
            } else if due == nil {
                planned[index].times -= 1
                due = Refusal(
                    errno: planned[index].errno, writtenBytes: planned[index].writtenBytes,
                    losesUnflushed: planned[index].losesUnflushed)
            }
        }
        if due != nil { planned.removeAll { $0.times <= 0 } }
        return due
    }

    mutating func interruptsNow() -> Bool {
        guard let interruptEvery else { return false }
        interruptible += 1
        return interruptible % interruptEvery == 0
    }

    /// How many bytes of `count` the next raw read or write is to transfer; at least 1.
    mutating func shortened(_ count: Int) -> Int {
        guard let shortenEvery else { return count }
        shortenable += 1
        return shortenable % shortenEvery == 0 ? (count + 1) / 2 : count
    }
}

extension MemoryDisk {
    // MARK: - Death of the process

    /// The process dies: its files, locks and mappings are gone, what it wrote is not.
    package func crash() {
        lock.withLock { _ in endProcess() }
    }

    /// The process dies at an operation of its own: `count` more that change something go through, and the next is not
    /// done. From then on every call fails with `EIO` and stores through mappings change nothing, until `crash` or
    /// `powerLoss`.
    ///
    /// What counts as changing something: making a file or directory, writing, flushing, changing a size, renaming,
    /// removing, locking, mapping, storing through a mapping. One that fails for another reason counts too.
    /// - Parameter tearingWrite: how many bytes of the operation are done when it is a write; nil for none.
    package func die(after count: Int, tearingWrite: Int? = nil) {
        lock.withLock { _ in
            faults.diesAfter = faults.operations + count
            faults.tearingWrite = tearingWrite
        }
    }

    /// Whether the process has died at an operation, see `die(after:tearingWrite:)`.
    package var isDead: Bool { lock.withLock { _ in faults.isDead } }

    /// Operations that changed something so far, as `die` counts them.
    package var operations: Int { lock.withLock { _ in faults.operations } }

    /// Called before each operation that changes something, on the thread that does it, with the disk as it was
    /// before: `fork()` works from here. What it is called with is the operation (`map` also for a store through a
    /// mapping) and the path as it was opened.
    package var onOperation: OperationHook? {
        get { lock.withLock { _ in faults.onOperation } }
        set { lock.withLock { _ in faults.onOperation = newValue } }
    }

    // MARK: - Calls that fail

    /// Makes a later call fail: the first one after `count` more of the same kind have gone through.
    /// - Parameters:
    ///   - path: when given, only calls whose path, as it was opened, contains this text are counted and failed.
    ///   - times: how many calls fail, one after the other.
    ///   - losesUnflushed: whether a failed flush has dropped the bytes. False is a machine that dies inside the flush.
    ///   - writtenBytes: how many bytes a failed write has written before.
    package func fail(
        _ operation: FileError.Operation, after count: Int = 0, errno: Int32 = 5, path: String = "", times: Int = 1,
        losesUnflushed: Bool = true, writtenBytes: Int = 0
    ) {
        lock.withLock { _ in
            faults.planned.append(
                Faults.Planned(
                    operation: operation, skip: count, errno: errno, path: path, times: times,
                    losesUnflushed: losesUnflushed, writtenBytes: writtenBytes))
        }
    }

    package func clearFailures() {
        lock.withLock { _ in faults.planned = [] }
    }

    /// How many failures there were, injected ones and those of a full disk.
    package var failureCounts: [InjectedFailure: Int] { lock.withLock { _ in faults.counts } }

    package func setCapacity(bytes: Int) {
        lock.withLock { _ in capacityBytes = bytes }
    }

    package func setKind(_ kind: FileSystemKind) {
        lock.withLock { _ in self.kind = kind }
    }

    // MARK: - Calls that are interrupted or do only part

    /// Every n-th raw call that a signal can interrupt is. 2 or more; nil for none.
    package func interrupt(every count: Int?) {
        precondition(count.map { $0 >= 2 } ?? true, "A call that is interrupted each time never ends")
        lock.withLock { _ in faults.interruptEvery = count }
    }

    /// Every n-th raw read or write transfers only half of what it was asked for. 1 or more; nil for none.
    package func shorten(every count: Int?) {
        precondition(count.map { $0 >= 1 } ?? true)
        lock.withLock { _ in faults.shortenEvery = count }
    }

    // MARK: - Damage at rest

    /// Turns over bits of a byte that lies flushed on the disk: damage.
    package func damage(_ path: String, at offset: Int, flipping bits: UInt8 = 1) {
        lock.withLock { _ in
            guard let file = find(path), offset < file.content.count else { return }
            file.settle()
            file.content[offset] ^= bits
            file.durable[offset] ^= bits
        }
    }

    /// Changes bytes of a file as far as it reaches.
    package func overwrite(_ path: String, at offset: Int, _ bytes: [UInt8]) {
        lock.withLock { _ in
            guard let file = find(path), offset < file.content.count else { return }
            file.settle()
            let end = min(file.content.count, offset + bytes.count)
            file.content.replaceSubrange(offset..<end, with: bytes[..<(end - offset)])
            file.durable = file.content
        }
    }

    /// Cuts a file off, or fills it up with zeros.
    package func truncate(_ path: String, to bytes: Int) {
        lock.withLock { _ in
            guard let file = find(path), !file.isDirectory else { return }
            setSize(file, bytes)
            file.settle()
        }
    }

    /// A file is gone, with its name. Whoever has it open goes on reading it.
    package func delete(_ path: String) {
        lock.withLock { _ in
            guard let parent = find(parentPath(path)), let file = find(path), !file.isDirectory else { return }
            forgetFoundPaths()
            usedBytes -= file.content.count
            file.isNamed = false
            parent.names[Self.name(of: path)] = nil
            file.removeDurableName()
            pendingNames.removeAll { $0.node === file }
        }
    }

    /// Each of two files has the content of the other.
    package func swap(_ first: String, with second: String) {
        lock.withLock { _ in
            guard let first = find(first), let second = find(second), first !== second else { return }
            first.settle()
            second.settle()
            (first.content, second.content) = (second.content, first.content)
            (first.durable, second.durable) = (second.durable, first.durable)
        }
    }

    /// How long a file is, without a call being counted or failing; nil when there is none.
    package func fileBytes(_ path: String) -> Int? {
        lock.withLock { _ in find(path).flatMap { $0.isDirectory ? nil : $0.content.count } }
    }

    /// What reads of a file see, without a call being counted or failing; nil when there is none.
    package func snapshotOfFile(_ path: String) -> [UInt8]? {
        lock.withLock { _ in find(path).flatMap { $0.isDirectory ? nil : $0.content } }
    }
}
