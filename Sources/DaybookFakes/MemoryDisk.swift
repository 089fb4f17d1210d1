package import DaybookSystem
internal import DaybookValues
internal import Synchronization

/// A disk in memory that knows what has been flushed and what has not, and fails in every way a disk and a machine
/// can. It is the disk of all tests, of the simulator and of the sweeps over crash states.
///
/// The fault model, which every promise of the journal is tested against:
///
/// Death of the process: `crash()`. Files keep all that was written; open files, locks and mappings end.
/// `die(after:tearingWrite:)` chooses the operation it happens at; a write may be cut off at a byte, as a process that
/// is killed inside of one leaves it.
///
/// Death of the machine: `powerLoss(random:)`, and `powerLoss(_ policy:)` for cases that are said exactly.
/// - Each sector (512 bytes) of each write that was not flushed is kept, lost, torn at a byte or filled with zeros on
///   its own, so that writes of one file and of several reach the disk in any order. Only bytes that the write covers
///   are touched: what a sector held besides them stays. A sector that was stored to through a mapping has all its
///   stores or none.
/// - A file that was grown by a write is as long as it was made, as long as it was before, or ends with the last byte
///   of content that was kept. Content that was lost within the size reads as zeros, or as what was there before.
/// - Each name that was made, renamed or removed since its directory was flushed is kept or undone. A rename is never
///   half done: its file has the old name or the new one, never both or none. Half of the random losses keep a
///   beginning of all changes of names in the order in which they were made, as file systems with a journal do; the
///   other half decide about each on its own, as those without may.
/// - A file's content and size are flushed by its own `sync`, its name by `syncDirectory` of its directory, either one
///   of both for a rename between two, and everything by `syncFileSystem`.
/// - Whatever was kept was written as it was: the disk does not turn over bits. That is damage, see below.
///
/// Calls that fail: `fail(...)`, for every operation and every error number. A failed write may have written its first
/// bytes. A failed `sync` loses the content it was to flush, as Linux does: reads go on showing it, a later `sync`
/// that succeeds does not make it durable, and it is gone when the power is. A disk that is full writes what fits and
/// then answers `ENOSPC`.
///
/// Calls that are interrupted or do only part: `interrupt(every:)` and `shorten(every:)`. They go through the same
/// loops as those of the real disk.
///
/// Damage at rest: `damage`, `overwrite`, `truncate`, `delete` and `swap` change what lies on the disk behind the back
/// of everybody.
///
/// Everything is deterministic: the same calls and the same random numbers give the same disk.
package final class MemoryDisk: Disk, @unchecked Sendable {
    // All state is touched only while `lock` is held.
    let lock = Mutex(())
    var root = Node(isDirectory: true, inode: 1)
    var pendingNames: [NameChange] = []
    /// Nodes that may have something to flush, in the order in which they first had.
    var dirty: [Node] = []
    private var dirtyCountMax = 64
    /// Numbers all that is done to content and names.
    var sequence = 0
    var generation = 0
    var nextInode: UInt64 = 2
    var usedBytes = 0
    private var lockHolders: [UInt64: WeakLock] = [:]
    /// Paths found before; empty after each change that takes a name away.
    private var found: [String: Node] = [:]
    var faults = Faults()
    private var calls = [Int](repeating: 0, count: FileError.Operation.allCases.count)
    let clock: any WallClock

    /// Bytes the disk holds before it answers `ENOSPC`.
    var capacityBytes: Int
    var kind = FileSystemKind(name: "memory")
    let device: UInt64

    static let sectorBytes = 512

    package init(clock: any WallClock = ManualClock(), capacityBytes: Int = .max, device: UInt64 = 1) {
        self.clock = clock
        self.capacityBytes = capacityBytes
        self.device = device
    }

    /// How often an operation was called, whether it failed or not.
    package func callCount(_ operation: FileError.Operation) -> Int {
        lock.withLock { _ in calls[operation.index] }
    }

    /// A disk with the same files, names and content, as `cp -r` would make: other inodes, everything flushed.
    package func copy(device: UInt64 = 2) -> MemoryDisk {
        lock.withLock { _ in
            let copy = MemoryDisk(clock: clock, capacityBytes: capacityBytes, device: device)
            copy.nextInode = nextInode
            copy.root = root.copied { copy.makeInode() }
            copy.usedBytes = usedBytes
            return copy
        }
    }

    /// The same disk once more, with all that is not flushed, in a process that has no file open and no lock yet:
    /// what happens to one of the two does not touch the other. Bytes are shared until they are changed. Planned
    /// failures, a planned death and `onOperation` stay behind.
    /// - Parameter clock: of the fork; nil for the same one.
    package func fork(clock: (any WallClock)? = nil) -> MemoryDisk {
        lock.withLock { _ in
            let fork = MemoryDisk(clock: clock ?? self.clock, capacityBytes: capacityBytes, device: device)
            fork.nextInode = nextInode
            fork.usedBytes = usedBytes
            fork.sequence = sequence
            fork.kind = kind
            var forks: [ObjectIdentifier: Node] = [:]
            fork.root = Self.forked(root, &forks)
            fork.dirty = dirty.filter { !$0.isFlushed }.map { node in
                let copy = Self.forked(node, &forks)
                copy.isListed = true
                return copy
            }
            fork.pendingNames = pendingNames.map { change in
                var copy = change
                copy.node = Self.forked(change.node, &forks)
                if let target = change.target { copy.target?.directory = Self.forked(target.directory, &forks) }
                if let source = change.source { copy.source?.directory = Self.forked(source.directory, &forks) }
                return copy
            }
            return fork
        }
    }

    private static func forked(_ node: Node, _ forks: inout [ObjectIdentifier: Node]) -> Node {
        if let fork = forks[ObjectIdentifier(node)] { return fork }
        let fork = node.forked()
        forks[ObjectIdentifier(node)] = fork
        guard node.isDirectory else { return fork }
        fork.names = node.names.mapValues { forked($0, &forks) }
        for (name, child) in node.durableNames { fork.setDurable(name, forked(child, &forks)) }
        return fork
    }

    /// Paths of all files, sorted.
    package var allPaths: [String] {
        lock.withLock { _ in
            var paths: [String] = []
            root.collect("", &paths)
            return paths.sorted()
        }
    }

    // MARK: - Disk

    package func open(_ path: String, _ mode: OpenMode) throws(FileError) -> any DiskFile {
        let mayMake = mode == .create || mode == .createNew
        let makes = mayMake && lock.withLock { _ in find(path) == nil }
        return try perform(.open, path, changes: makes, isInterruptible: true) { () throws(FileError) in
            if let node = find(path) {
                guard !node.isDirectory else { throw FileError(errno: 21, operation: .open, path: path) }
                guard mode != .createNew else { throw FileError(errno: 17, operation: .open, path: path) }
                return MemoryFile(disk: self, node: node, path: path, generation: generation, canWrite: mode != .read)
            }
            guard mayMake else { throw FileError(errno: 2, operation: .open, path: path) }
            let node = try make(path, isDirectory: false, .open)
            return MemoryFile(disk: self, node: node, path: path, generation: generation, canWrite: true)
        }
    }

    package func makeDirectory(_ path: String) throws(FileError) {
        let makes = lock.withLock { _ in find(path) == nil }
        try perform(.makeDirectory, path, changes: makes) { () throws(FileError) in
            var partial = ""
            for part in path.split(separator: "/") {
                partial += partial.isEmpty ? String(part) : "/" + part
                if let node = find(partial) {
                    guard node.isDirectory else { throw FileError(errno: 20, operation: .makeDirectory, path: path) }
                    continue
                }
                _ = try make(partial, isDirectory: true, .makeDirectory)
            }
        }
    }

    package func list(_ path: String) throws(FileError) -> [DirectoryEntry] {
        try perform(.list, path, isInterruptible: true) { () throws(FileError) in
            guard let node = find(path) else { throw FileError(errno: 2, operation: .list, path: path) }
            guard node.isDirectory else { throw FileError(errno: 20, operation: .list, path: path) }
            return node.names.sorted { $0.key < $1.key }.map {
                DirectoryEntry(name: $0.key, kind: $0.value.isDirectory ? .directory : .file)
            }
        }
    }

    package func stat(_ path: String) throws(FileError) -> FileStatus? {
        try perform(.stat, path) { () throws(FileError) in
            guard let node = find(path) else { return nil }
            return FileStatus(
                kind: node.isDirectory ? .directory : .file, bytes: node.content.count, modified: node.modified,
                device: device, inode: node.inode)
        }
    }

    package func rename(_ source: String, to destination: String) throws(FileError) {
        try perform(.rename, source, changes: true) { () throws(FileError) in
            guard let from = find(parentPath(source)), let node = find(source), let to = find(parentPath(destination))
            else { throw FileError(errno: 2, operation: .rename, path: source) }
            let (oldName, newName) = (Self.name(of: source), Self.name(of: destination))
            if let replaced = to.names[newName], replaced !== node {
                usedBytes -= replaced.totalBytes
                replaced.isNamed = false
            }
            found.removeAll(keepingCapacity: true)
            from.names[oldName] = nil
            to.names[newName] = node
            pendingNames.append(
                NameChange(sequence: nextSequence(), node: node, target: (to, newName), source: (from, oldName)))
        }
    }

    package func unlink(_ path: String) throws(FileError) {
        try remove(path, .unlink)
    }

    package func removeDirectory(_ path: String) throws(FileError) {
        try remove(path, .removeDirectory)
    }

    private func remove(_ path: String, _ operation: FileError.Operation) throws(FileError) {
        try perform(operation, path, changes: true) { () throws(FileError) in
            guard let parent = find(parentPath(path)), let node = find(path) else {
                throw FileError(errno: 2, operation: operation, path: path)
            }
            guard node.isDirectory == (operation == .removeDirectory) else {
                throw FileError(errno: node.isDirectory ? 21 : 20, operation: operation, path: path)
            }
            guard node.names.isEmpty else { throw FileError(errno: 39, operation: operation, path: path) }
            found.removeAll(keepingCapacity: true)
            parent.names[Self.name(of: path)] = nil
            usedBytes -= node.content.count
            node.isNamed = false
            pendingNames.append(
                NameChange(sequence: nextSequence(), node: node, target: nil, source: (parent, Self.name(of: path))))
        }
    }

    package func syncDirectory(_ path: String) throws(FileError) {
        try perform(.syncDirectory, path, changes: true, isInterruptible: true) { () throws(FileError) in
            guard let node = find(path), node.isDirectory else {
                throw FileError(errno: 2, operation: .syncDirectory, path: path)
            }
            guard !pendingNames.isEmpty else { return }
            // What came before in other directories is overtaken: undone later, it would take the name away again.
            var last: [ObjectIdentifier: Int] = [:]
            for change in pendingNames where change.isIn(node) { last[ObjectIdentifier(change.node)] = change.sequence }
            pendingNames.removeAll { change in
                guard let last = last[ObjectIdentifier(change.node)], change.sequence <= last else { return false }
                change.applyDurably()
                return true
            }
        }
    }

    package func syncFileSystem() throws(FileError) {
        try perform(.syncFileSystem, "", changes: true, isInterruptible: true) { () throws(FileError) in
            flushEverything()
        }
    }

    package func freeSpace() throws(FileError) -> FreeSpace {
        try perform(.freeSpace, "", isInterruptible: true) { () throws(FileError) in
            FreeSpace(bytes: max(0, capacityBytes - usedBytes), inodes: .max)
        }
    }

    package func fileSystemKind() throws(FileError) -> FileSystemKind {
        try perform(.fileSystemKind, "") { () throws(FileError) in kind }
    }

    package func lock(_ path: String) throws(FileError) -> (any DiskLock)? {
        try perform(.lock, path, changes: true, isInterruptible: true) { () throws(FileError) in
            let node = try findOrMake(path, .lock)
            if lockHolders[node.inode]?.lock != nil { return nil }
            let taken = MemoryLock(disk: self, node: node)
            lockHolders[node.inode] = WeakLock(lock: taken)
            return taken
        }
    }

    package func map(_ path: String, at offset: Int, bytes: Int) throws(FileError) -> any MappedRegion {
        try perform(.map, path, changes: true, isInterruptible: true) { () throws(FileError) in
            let node = try findOrMake(path, .map)
            if node.content.count < offset + bytes {
                let more = offset + bytes - node.content.count
                guard usedBytes + more <= capacityBytes else {
                    faults.count(.map, errno: 28)
                    throw FileError(errno: 28, operation: .map, path: path)
                }
                setSize(node, offset + bytes, byWrite: true)
            }
            return MemoryRegion(
                disk: self, node: node, path: path, offset: offset, count: bytes, generation: generation)
        }
    }

    // MARK: - Tree

    static func name(of path: String) -> String {
        let path = path.utf8.last == UInt8(ascii: "/") ? path[..<path.index(before: path.endIndex)] : path[...]
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return String(path) }
        return String(path[path.utf8.index(after: slash)...])
    }

    func find(_ path: String) -> Node? {
        if path.isEmpty { return root }
        if let node = found[path] { return node }
        var node = root
        for part in path.utf8.split(separator: UInt8(ascii: "/")) {
            guard let next = node.names[String(Substring(part))] else { return nil }
            node = next
        }
        found[path] = node
        return node
    }

    func forgetFoundPaths() {
        found.removeAll(keepingCapacity: true)
    }

    func makeInode() -> UInt64 {
        defer { nextInode += 1 }
        return nextInode
    }

    private func make(
        _ path: String, isDirectory: Bool, _ operation: FileError.Operation
    ) throws(FileError) -> Node {
        guard let parent = find(parentPath(path)), parent.isDirectory else {
            throw FileError(errno: 2, operation: operation, path: path)
        }
        guard usedBytes < capacityBytes else {
            faults.count(operation, errno: 28)
            throw FileError(errno: 28, operation: operation, path: path)
        }
        let node = Node(isDirectory: isDirectory, inode: makeInode())
        node.modified = clock.now
        parent.names[Self.name(of: path)] = node
        pendingNames.append(
            NameChange(sequence: nextSequence(), node: node, target: (parent, Self.name(of: path)), source: nil))
        return node
    }

    private func findOrMake(_ path: String, _ operation: FileError.Operation) throws(FileError) -> Node {
        if let node = find(path) { return node }
        return try make(path, isDirectory: false, operation)
    }

    // MARK: - Content

    func isNamed(_ node: Node) -> Bool { lock.withLock { _ in node.isNamed } }

    func nextSequence() -> Int {
        sequence += 1
        return sequence
    }

    func setSize(_ node: Node, _ bytes: Int, byWrite: Bool = false) {
        noteDirty(node)
        usedBytes += bytes - node.content.count
        node.setSize(bytes, sequence: nextSequence(), byWrite: byWrite)
    }

    /// Writes as much as fits.
    /// - Returns: the bytes written.
    func place(_ bytes: UnsafeRawBufferPointer, at offset: Int, _ node: Node) -> Int {
        var bytes = bytes
        let more = offset + bytes.count - node.content.count
        if more > 0 {
            let room = max(0, capacityBytes - usedBytes)
            if more > room {
                bytes = UnsafeRawBufferPointer(rebasing: bytes[..<max(0, bytes.count - (more - room))])
            }
            guard !bytes.isEmpty else { return 0 }
            setSize(node, max(node.content.count, offset + bytes.count), byWrite: true)
        }
        noteDirty(node)
        node.write(bytes, at: offset, sequence: nextSequence())
        node.modified = clock.now
        return bytes.count
    }

    func noteDirty(_ node: Node) {
        guard !node.isListed else { return }
        if dirty.count >= dirtyCountMax {
            dirty.removeAll { node in
                guard node.isFlushed else { return false }
                node.isListed = false
                return true
            }
            dirtyCountMax = max(64, dirty.count * 2)
        }
        node.isListed = true
        dirty.append(node)
    }

    func flushEverything() {
        for change in pendingNames { change.applyDurably() }
        pendingNames = []
        for node in dirty { node.settle() }
    }

    func endProcess() {
        generation += 1
        lockHolders = [:]
        faults.endLife()
    }

    // MARK: - Calls

    /// One call: counts it, asks the faults, and does it.
    /// - Parameters:
    ///   - changes: whether it changes something, so that the process may die at it.
    ///   - isInterruptible: whether the real disk repeats the call after a signal.
    private func perform<Value: Sendable>(
        _ operation: FileError.Operation, _ path: String, changes: Bool = false, isInterruptible: Bool = false,
        _ body: () throws(FileError) -> Value
    ) throws(FileError) -> Value {
        if changes { announce(operation, path, generation: nil) }
        if isInterruptible { waitOutInterrupts() }
        return try lock.withLock { (_) throws(FileError) in
            if let refusal = admit(operation, path, changes: changes) {
                throw FileError(errno: refusal.errno, operation: operation, path: path)
            }
            return try body()
        }
    }

    /// Calls `onOperation`, outside the lock.
    func announce(_ operation: FileError.Operation, _ path: String, generation: Int?) {
        let hook = lock.withLock { _ in
            faults.isDead || generation.map { $0 != self.generation } ?? false ? nil : faults.onOperation
        }
        hook?(self, operation, path)
    }

    /// The loop around a raw call that does all or nothing.
    func waitOutInterrupts() {
        _ = repeatInterrupted { lock.withLock { _ in faults.interruptsNow() ? -Faults.interruptedErrno : 0 } }
    }

    /// Counts a call.
    /// - Returns: nil when it is to be done.
    func admit(_ operation: FileError.Operation, _ path: String, changes: Bool) -> Faults.Refusal? {
        calls[operation.index] += 1
        return faults.admit(operation, path, changes: changes)
    }
}

extension FileError.Operation {
    /// Its place in `allCases`.
    var index: Int {
        switch self {
        case .open: 0
        case .read: 1
        case .write: 2
        case .sync: 3
        case .truncate: 4
        case .startWriteback: 5
        case .stat: 6
        case .list: 7
        case .rename: 8
        case .unlink: 9
        case .makeDirectory: 10
        case .removeDirectory: 11
        case .syncDirectory: 12
        case .syncFileSystem: 13
        case .freeSpace: 14
        case .fileSystemKind: 15
        case .lock: 16
        case .map: 17
        }
    }
}

private struct WeakLock {
    weak var lock: MemoryLock?
}

private final class MemoryLock: DiskLock, @unchecked Sendable {
    // `node` is touched only by the disk, under its lock. A lock does not keep its disk.
    private weak var disk: MemoryDisk?
    private let node: Node

    init(disk: MemoryDisk, node: Node) {
        self.disk = disk
        self.node = node
    }

    var isNamed: Bool { disk?.isNamed(node) ?? true }
}
