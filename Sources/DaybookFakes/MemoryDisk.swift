package import DaybookSystem
internal import DaybookValues
internal import Synchronization

/// A disk in memory that knows what has been flushed and what has not, and can die in two ways.
///
/// The fault model, which every promise of the journal is tested against:
/// - `crash()`: the process dies. Files keep all that was written; open files, locks and mappings end.
/// - `powerLoss(random:)`: the machine dies. Of each write that was not flushed, every sector (512 bytes) is kept or
///   lost on its own, in any order; what was lost within a grown file reads as zeros or is cut off with the size. Bytes
///   of a sector that a write does not change stay what they are. Each name that was made, renamed or removed since
///   its directory was flushed is kept or undone; a rename is never half done. A file's content is flushed by its own
///   `sync`, its name by its directory's, and both by `syncFileSystem`.
/// - `fail(_:after:errno:)`: a call returns an error. A failed flush loses what it was to make durable, as Linux does,
///   while reads still show it.
///
/// Everything is deterministic: the same calls and the same random numbers give the same disk.
package final class MemoryDisk: Disk, @unchecked Sendable {
    // All state is touched only while `lock` is held.
    private let lock = Mutex(())
    private var root = Node(isDirectory: true, inode: 1)
    private var pendingNames: [NameChange] = []
    private var generation = 0
    private var nextInode: UInt64 = 2
    private var lockHolders: [UInt64: WeakLock] = [:]
    private var regions: [WeakRegion] = []
    private var failures: [FileError.Operation: [Failure]] = [:]
    private var calls: [FileError.Operation: Int] = [:]
    private var failedFlushLoses = true
    private var usedBytes = 0
    private let clock: any WallClock

    /// Bytes the disk holds before it answers `ENOSPC`.
    private var capacityBytes: Int
    private var kind = FileSystemKind(name: "memory")
    private let device: UInt64

    static let sectorBytes = 512

    package init(clock: any WallClock = ManualClock(), capacityBytes: Int = .max, device: UInt64 = 1) {
        self.clock = clock
        self.capacityBytes = capacityBytes
        self.device = device
    }

    // MARK: - Faults

    /// The process dies: its files, locks and mappings are gone, what it wrote is not.
    package func crash() {
        lock.withLock { _ in endProcess() }
    }

    /// The machine dies. See the fault model.
    package func powerLoss(random: SeededRandom) {
        lock.withLock { _ in
            endProcess()
            for change in pendingNames where random.chance(percent: 50) { change.applyDurably() }
            pendingNames = []
            root.loseUnflushed(random)
            usedBytes = root.totalBytes
            root.adoptDurableNames()
        }
    }

    /// The machine dies in the worst way there is: nothing that was not flushed survives.
    package func powerLossOfAllUnflushed() {
        lock.withLock { _ in
            endProcess()
            pendingNames = []
            root.loseUnflushed(nil)
            root.adoptDurableNames()
            usedBytes = root.totalBytes
        }
    }

    /// Makes a later call fail: the first one after `count` more of the same kind have gone through.
    /// - Parameters:
    ///   - path: when given, only calls whose path, as it was opened, contains this text are counted and failed.
    ///   - losesUnflushed: whether a failed flush has dropped the bytes. False is a machine that dies inside the flush.
    package func fail(
        _ operation: FileError.Operation, after count: Int = 0, errno: Int32 = 5, path: String = "", times: Int = 1,
        losesUnflushed: Bool = true
    ) {
        lock.withLock { _ in
            failures[operation, default: []].append(Failure(skip: count, errno: errno, path: path, times: times))
            failedFlushLoses = losesUnflushed
        }
    }

    package func clearFailures() {
        lock.withLock { _ in failures = [:] }
    }

    /// How often an operation was called, whether it failed or not.
    package func callCount(_ operation: FileError.Operation) -> Int {
        lock.withLock { _ in calls[operation] ?? 0 }
    }

    package func setCapacity(bytes: Int) {
        lock.withLock { _ in capacityBytes = bytes }
    }

    package func setKind(_ kind: FileSystemKind) {
        lock.withLock { _ in self.kind = kind }
    }

    /// Turns over bits of a byte that lies flushed on the disk: damage.
    package func damage(_ path: String, at offset: Int, flipping bits: UInt8 = 1) {
        lock.withLock { _ in
            guard let file = find(path), offset < file.content.count else { return }
            file.settle()
            file.content[offset] ^= bits
            file.durable[offset] ^= bits
        }
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
        try locked(.open, path) { () throws(FileError) in
            if let node = find(path) {
                guard !node.isDirectory else { throw FileError(errno: 21, operation: .open, path: path) }
                guard mode != .createNew else { throw FileError(errno: 17, operation: .open, path: path) }
                return MemoryFile(disk: self, node: node, path: path, generation: generation, canWrite: mode != .read)
            }
            guard mode == .create || mode == .createNew else {
                throw FileError(errno: 2, operation: .open, path: path)
            }
            let node = try make(path, isDirectory: false, .open)
            return MemoryFile(disk: self, node: node, path: path, generation: generation, canWrite: true)
        }
    }

    package func makeDirectory(_ path: String) throws(FileError) {
        try locked(.makeDirectory, path) { () throws(FileError) in
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
        try locked(.list, path) { () throws(FileError) in
            guard let node = find(path) else { throw FileError(errno: 2, operation: .list, path: path) }
            guard node.isDirectory else { throw FileError(errno: 20, operation: .list, path: path) }
            return node.names.sorted { $0.key < $1.key }.map {
                DirectoryEntry(name: $0.key, kind: $0.value.isDirectory ? .directory : .file)
            }
        }
    }

    package func stat(_ path: String) throws(FileError) -> FileStatus? {
        try locked(.stat, path) { () throws(FileError) in
            guard let node = find(path) else { return nil }
            return FileStatus(
                kind: node.isDirectory ? .directory : .file, bytes: node.content.count, modified: node.modified,
                device: device, inode: node.inode)
        }
    }

    package func rename(_ source: String, to destination: String) throws(FileError) {
        try locked(.rename, source) { () throws(FileError) in
            guard let from = find(parentPath(source)), let node = find(source), let to = find(parentPath(destination))
            else { throw FileError(errno: 2, operation: .rename, path: source) }
            let (oldName, newName) = (Self.name(of: source), Self.name(of: destination))
            if let replaced = to.names[newName], replaced !== node { usedBytes -= replaced.totalBytes }
            from.names[oldName] = nil
            to.names[newName] = node
            pendingNames.append(
                NameChange(directory: to, name: newName, node: node, removedFrom: from, removedName: oldName))
        }
    }

    package func unlink(_ path: String) throws(FileError) {
        try remove(path, .unlink)
    }

    package func removeDirectory(_ path: String) throws(FileError) {
        try remove(path, .removeDirectory)
    }

    private func remove(_ path: String, _ operation: FileError.Operation) throws(FileError) {
        try locked(operation, path) { () throws(FileError) in
            guard let parent = find(parentPath(path)), let node = find(path) else {
                throw FileError(errno: 2, operation: operation, path: path)
            }
            guard node.isDirectory == (operation == .removeDirectory) else {
                throw FileError(errno: node.isDirectory ? 21 : 20, operation: operation, path: path)
            }
            guard node.names.isEmpty else { throw FileError(errno: 39, operation: operation, path: path) }
            parent.names[Self.name(of: path)] = nil
            usedBytes -= node.content.count
            pendingNames.append(
                NameChange(
                    directory: nil, name: "", node: nil, removedFrom: parent, removedName: Self.name(of: path)))
        }
    }

    package func syncDirectory(_ path: String) throws(FileError) {
        try locked(.syncDirectory, path) { () throws(FileError) in
            guard let node = find(path), node.isDirectory else {
                throw FileError(errno: 2, operation: .syncDirectory, path: path)
            }
            pendingNames.removeAll { change in
                guard change.directory === node || change.removedFrom === node else { return false }
                change.applyDurably()
                return true
            }
        }
    }

    package func syncFileSystem() throws(FileError) {
        try locked(.syncFileSystem, "") { () throws(FileError) in
            for change in pendingNames { change.applyDurably() }
            pendingNames = []
            root.settleAll()
        }
    }

    package func freeSpace() throws(FileError) -> FreeSpace {
        try locked(.freeSpace, "") { () throws(FileError) in
            FreeSpace(bytes: max(0, capacityBytes - usedBytes), inodes: .max)
        }
    }

    package func fileSystemKind() throws(FileError) -> FileSystemKind {
        try locked(.fileSystemKind, "") { () throws(FileError) in kind }
    }

    package func lock(_ path: String) throws(FileError) -> (any DiskLock)? {
        try locked(.lock, path) { () throws(FileError) in
            let node = try findOrMake(path, .lock)
            if lockHolders[node.inode]?.lock != nil { return nil }
            let taken = MemoryLock()
            lockHolders[node.inode] = WeakLock(lock: taken)
            return taken
        }
    }

    package func map(_ path: String, at offset: Int, bytes: Int) throws(FileError) -> any MappedRegion {
        try locked(.map, path) { () throws(FileError) in
            let node = try findOrMake(path, .map)
            if node.content.count < offset + bytes {
                try grow(node, to: offset + bytes, .map, path)
            }
            let region = MemoryRegion(disk: self, node: node, offset: offset, count: bytes, generation: generation)
            regions.append(WeakRegion(region: region))
            return region
        }
    }

    // MARK: - For files and regions

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int, file: MemoryFile) throws(FileError) {
        try locked(.write, file.path) { () throws(FileError) in
            try check(file, .write)
            guard file.canWrite else { throw FileError(errno: 9, operation: .write, path: file.path) }
            let end = offset + bytes.count
            if end > file.node.content.count { try grow(file.node, to: end, .write, file.path) }
            file.node.write(bytes, at: offset)
            file.node.modified = clock.now
        }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int, file: MemoryFile) throws(FileError) -> Int {
        try locked(.read, file.path) { () throws(FileError) in
            try check(file, .read)
            let count = max(0, min(buffer.count, file.node.content.count - offset))
            guard count > 0 else { return 0 }
            file.node.content.withUnsafeBytes { content in
                buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: content[offset..<offset + count]))
            }
            return count
        }
    }

    func sync(_ file: MemoryFile) throws(FileError) {
        do throws(FileError) {
            try locked(.sync, file.path) { () throws(FileError) in
                try check(file, .sync)
                file.node.settle()
            }
        } catch {
            lock.withLock { _ in
                if failedFlushLoses { file.node.loseAtPowerLoss() }
            }
            throw error
        }
    }

    func bytes(_ file: MemoryFile) throws(FileError) -> Int {
        try locked(.stat, file.path) { () throws(FileError) in
            try check(file, .stat)
            return file.node.content.count
        }
    }

    func truncate(_ file: MemoryFile, to bytes: Int) throws(FileError) {
        try locked(.truncate, file.path) { () throws(FileError) in
            try check(file, .truncate)
            if bytes > file.node.content.count {
                try grow(file.node, to: bytes, .truncate, file.path)
            } else {
                usedBytes -= file.node.content.count - bytes
                file.node.cut(to: bytes)
            }
            file.node.modified = clock.now
        }
    }

    func store(_ bytes: UnsafeRawBufferPointer, at offset: Int, region: MemoryRegion) {
        lock.withLock { _ in
            guard region.generation == generation else { return }
            precondition(offset >= 0 && offset + bytes.count <= region.count)
            region.node.store(bytes, at: region.offset + offset)
        }
    }

    func load(into buffer: UnsafeMutableRawBufferPointer, at offset: Int, region: MemoryRegion) {
        lock.withLock { _ in
            precondition(offset >= 0 && offset + buffer.count <= region.count)
            region.node.content.withUnsafeBytes { content in
                let start = region.offset + offset
                buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: content[start..<start + buffer.count]))
            }
        }
    }

    // MARK: - Tree

    private static func name(of path: String) -> String {
        path.split(separator: "/").last.map(String.init) ?? ""
    }

    private func makeInode() -> UInt64 {
        defer { nextInode += 1 }
        return nextInode
    }

    private func find(_ path: String) -> Node? {
        var node = root
        for part in path.split(separator: "/") {
            guard let next = node.names[String(part)] else { return nil }
            node = next
        }
        return node
    }

    private func make(
        _ path: String, isDirectory: Bool, _ operation: FileError.Operation
    ) throws(FileError) -> Node {
        guard let parent = find(parentPath(path)), parent.isDirectory else {
            throw FileError(errno: 2, operation: operation, path: path)
        }
        guard usedBytes < capacityBytes else { throw FileError(errno: 28, operation: operation, path: path) }
        let node = Node(isDirectory: isDirectory, inode: makeInode())
        node.modified = clock.now
        parent.names[Self.name(of: path)] = node
        pendingNames.append(
            NameChange(
                directory: parent, name: Self.name(of: path), node: node, removedFrom: nil, removedName: ""))
        return node
    }

    private func findOrMake(_ path: String, _ operation: FileError.Operation) throws(FileError) -> Node {
        if let node = find(path) { return node }
        return try make(path, isDirectory: false, operation)
    }

    private func grow(
        _ node: Node, to bytes: Int, _ operation: FileError.Operation, _ path: String
    ) throws(FileError) {
        let more = bytes - node.content.count
        guard usedBytes + more <= capacityBytes else { throw FileError(errno: 28, operation: operation, path: path) }
        usedBytes += more
        node.grow(to: bytes)
    }

    private func endProcess() {
        generation += 1
        lockHolders = [:]
        regions = []
    }

    private func check(_ file: MemoryFile, _ operation: FileError.Operation) throws(FileError) {
        guard file.generation == generation else { throw FileError(errno: 9, operation: operation, path: file.path) }
    }

    private func locked<Value: Sendable>(
        _ operation: FileError.Operation, _ path: String, _ body: () throws(FileError) -> Value
    ) throws(FileError) -> Value {
        try lock.withLock { (_) throws(FileError) in
            calls[operation, default: 0] += 1
            if let code = failureDue(operation, path) {
                throw FileError(errno: code, operation: operation, path: path)
            }
            return try body()
        }
    }

    private func failureDue(_ operation: FileError.Operation, _ path: String) -> Int32? {
        guard var planned = failures[operation] else { return nil }
        defer { failures[operation] = planned.filter { $0.times > 0 } }
        var due: Int32?
        for index in planned.indices where planned[index].path.isEmpty || path.contains(planned[index].path) {
            if planned[index].skip > 0 {
                planned[index].skip -= 1
            } else if due == nil {
                planned[index].times -= 1
                due = planned[index].errno
            }
        }
        return due
    }
}

private struct Failure {
    var skip: Int
    var errno: Int32
    var path: String
    var times: Int
}

/// A name that was made, moved or removed and whose directory has not been flushed since.
private struct NameChange {
    var directory: Node?
    var name: String
    var node: Node?
    var removedFrom: Node?
    var removedName: String

    func applyDurably() {
        removedFrom?.durableNames[removedName] = nil
        if let node { directory?.durableNames[name] = node }
    }
}

private struct WeakLock {
    weak var lock: MemoryLock?
}

private struct WeakRegion {
    weak var region: MemoryRegion?
}

private final class MemoryLock: DiskLock, Sendable {}
