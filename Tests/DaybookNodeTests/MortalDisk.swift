import DaybookFakes
import DaybookSystem
import DaybookValues
import Synchronization

/// A disk that dies with its process at a chosen operation: that one and all later ones fail, or change nothing.
final class MortalDisk: Disk {
    let base: MemoryDisk
    private let state: Mutex<State>

    private struct State {
        var operations = 0
        var last: Int?
    }

    /// - Parameter last: how many operations that change something go through; nil for all.
    init(_ base: MemoryDisk, dyingAfter last: Int? = nil) {
        self.base = base
        state = Mutex(State(last: last))
    }

    /// Operations so far that changed something.
    var operations: Int { state.withLock { $0.operations } }
    var isDead: Bool { state.withLock { state in state.last.map { state.operations > $0 } ?? false } }

    /// That many operations that change something go through, counted from the first there was.
    func die(after last: Int) {
        state.withLock { $0.last = last }
    }

    fileprivate func change(_ operation: FileError.Operation, _ path: String) throws(FileError) {
        let isDead = state.withLock { state -> Bool in
            state.operations += 1
            return state.last.map { state.operations > $0 } ?? false
        }
        if isDead { throw FileError(errno: 5, operation: operation, path: path) }
    }

    fileprivate func look(_ operation: FileError.Operation, _ path: String) throws(FileError) {
        if isDead { throw FileError(errno: 5, operation: operation, path: path) }
    }

    func open(_ path: String, _ mode: OpenMode) throws(FileError) -> any DiskFile {
        if mode == .create || mode == .createNew { try change(.open, path) } else { try look(.open, path) }
        return MortalFile(disk: self, base: try base.open(path, mode), path: path)
    }
    func makeDirectory(_ path: String) throws(FileError) {
        try change(.makeDirectory, path)
        try base.makeDirectory(path)
    }
    func list(_ path: String) throws(FileError) -> [DirectoryEntry] {
        try look(.list, path)
        return try base.list(path)
    }
    func stat(_ path: String) throws(FileError) -> FileStatus? {
        try look(.stat, path)
        return try base.stat(path)
    }
    func rename(_ source: String, to destination: String) throws(FileError) {
        try change(.rename, source)
        try base.rename(source, to: destination)
    }
    func unlink(_ path: String) throws(FileError) {
        try change(.unlink, path)
        try base.unlink(path)
    }
    func removeDirectory(_ path: String) throws(FileError) {
        try change(.removeDirectory, path)
        try base.removeDirectory(path)
    }
    func syncDirectory(_ path: String) throws(FileError) {
        try change(.syncDirectory, path)
        try base.syncDirectory(path)
    }
    func syncFileSystem() throws(FileError) {
        try change(.syncFileSystem, "")
        try base.syncFileSystem()
    }
    func freeSpace() throws(FileError) -> FreeSpace {
        try look(.freeSpace, "")
        return try base.freeSpace()
    }
    func fileSystemKind() throws(FileError) -> FileSystemKind {
        try look(.fileSystemKind, "")
        return try base.fileSystemKind()
    }
    func lock(_ path: String) throws(FileError) -> (any DiskLock)? {
        try change(.lock, path)
        return try base.lock(path)
    }
    func map(_ path: String, at offset: Int, bytes: Int) throws(FileError) -> any MappedRegion {
        try change(.map, path)
        return MortalRegion(disk: self, base: try base.map(path, at: offset, bytes: bytes))
    }
}

private final class MortalFile: DiskFile {
    let disk: MortalDisk
    let base: any DiskFile
    let path: String

    init(disk: MortalDisk, base: any DiskFile, path: String) {
        self.disk = disk
        self.base = base
        self.path = path
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileError) {
        try disk.change(.write, path)
        try base.write(bytes, at: offset)
    }
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileError) -> Int {
        try disk.look(.read, path)
        return try base.read(into: buffer, at: offset)
    }
    func sync() throws(FileError) {
        try disk.change(.sync, path)
        try base.sync()
    }
    func bytes() throws(FileError) -> Int {
        try disk.look(.stat, path)
        return try base.bytes()
    }
    func truncate(to bytes: Int) throws(FileError) {
        try disk.change(.truncate, path)
        try base.truncate(to: bytes)
    }
    func startWriteback(at offset: Int, bytes: Int) throws(FileError) {}
    func close() { base.close() }
}

private final class MortalRegion: MappedRegion {
    let disk: MortalDisk
    let base: any MappedRegion

    init(disk: MortalDisk, base: any MappedRegion) {
        self.disk = disk
        self.base = base
    }

    var count: Int { base.count }

    func store(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
        do throws(FileError) {
            try disk.change(.map, "journal/marks")
            base.store(bytes, at: offset)
        } catch {
            // The store of a dead process.
        }
    }
    func load(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) { base.load(into: buffer, at: offset) }
}
