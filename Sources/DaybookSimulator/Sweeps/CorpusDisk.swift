import DaybookSystem
import DaybookValues

/// The files of the corpus, some of them left out, as a tree of folders.
final class CorpusTree: Sendable {
    let files: [String: [UInt8]]
    fileprivate let folders: [String: [DirectoryEntry]]
    /// Of the lock file: a start that finds another one takes the directory for a copy.
    fileprivate let lockStatus: FileStatus

    init(_ files: [String: [UInt8]], lockStatus: FileStatus) {
        self.files = files
        self.lockStatus = lockStatus
        var folders: [String: Set<DirectoryEntry>] = ["": []]
        for path in files.keys {
            var (child, kind) = (path, DirectoryEntry.Kind.file)
            while !child.isEmpty {
                let parent = parentPath(child)
                let name = String(child.dropFirst(parent.isEmpty ? 0 : parent.count + 1))
                folders[parent, default: []].insert(DirectoryEntry(name: name, kind: kind))
                (child, kind) = (parent, .directory)
            }
        }
        self.folders = folders.mapValues { $0.sorted { $0.name < $1.name } }
    }
}

/// The corpus with one file changed, for reading. Made anew for every case, so it copies nothing but that file.
final class CorpusDisk: Disk {
    private let tree: CorpusTree
    private let path: String
    private let bytes: [UInt8]

    init(_ tree: CorpusTree, changing path: String, to bytes: [UInt8]) {
        self.tree = tree
        self.path = path
        self.bytes = bytes
    }

    func open(_ path: String, _ mode: OpenMode) throws(FileError) -> any DiskFile {
        guard mode == .read else { throw FileError(errno: 30, operation: .open, path: path) }
        if path == self.path { return CorpusFile(path, bytes) }
        guard let found = tree.files[path] else { throw FileError(errno: 2, operation: .open, path: path) }
        return CorpusFile(path, found)
    }

    func list(_ path: String) throws(FileError) -> [DirectoryEntry] {
        guard let entries = tree.folders[path] else { throw FileError(errno: 2, operation: .list, path: path) }
        return entries
    }

    func stat(_ path: String) throws(FileError) -> FileStatus? {
        let count: Int
        let kind: DirectoryEntry.Kind
        if path == self.path {
            (count, kind) = (bytes.count, .file)
        } else if let found = tree.files[path] {
            (count, kind) = (found.count, .file)
        } else if tree.folders[path] != nil {
            (count, kind) = (0, .directory)
        } else {
            return nil
        }
        return FileStatus(
            kind: kind, bytes: count, modified: .zero, device: tree.lockStatus.device, inode: tree.lockStatus.inode)
    }

    func freeSpace() throws(FileError) -> FreeSpace { FreeSpace(bytes: .max, inodes: .max) }
    func fileSystemKind() throws(FileError) -> FileSystemKind { FileSystemKind(name: "corpus") }

    // MARK: - Not for reading

    private func refuse(_ operation: FileError.Operation, _ path: String) -> FileError {
        FileError(errno: 30, operation: operation, path: path)
    }

    func makeDirectory(_ path: String) throws(FileError) { throw refuse(.makeDirectory, path) }
    func rename(_ source: String, to destination: String) throws(FileError) { throw refuse(.rename, source) }
    func unlink(_ path: String) throws(FileError) { throw refuse(.unlink, path) }
    func removeDirectory(_ path: String) throws(FileError) { throw refuse(.removeDirectory, path) }
    func syncDirectory(_ path: String) throws(FileError) { throw refuse(.syncDirectory, path) }
    func syncFileSystem() throws(FileError) { throw refuse(.syncFileSystem, "") }
    func lock(_ path: String) throws(FileError) -> (any DiskLock)? { throw refuse(.lock, path) }
    func map(_ path: String, at offset: Int, bytes: Int) throws(FileError) -> any MappedRegion {
        throw refuse(.map, path)
    }
}

private final class CorpusFile: DiskFile {
    private let path: String
    private let content: [UInt8]

    init(_ path: String, _ content: [UInt8]) {
        self.path = path
        self.content = content
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileError) -> Int {
        let count = max(0, min(buffer.count, content.count - offset))
        guard count > 0 else { return 0 }
        content.withUnsafeBytes { content in
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: content[offset..<offset + count]))
        }
        return count
    }

    func bytes() throws(FileError) -> Int { content.count }
    func close() {}

    private func refuse(_ operation: FileError.Operation) -> FileError {
        FileError(errno: 30, operation: operation, path: path)
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileError) { throw refuse(.write) }
    func sync() throws(FileError) { throw refuse(.sync) }
    func truncate(to bytes: Int) throws(FileError) { throw refuse(.truncate) }
    func startWriteback(at offset: Int, bytes: Int) throws(FileError) {}
}
