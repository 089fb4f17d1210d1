package import DaybookValues

/// How a file is opened. Every mode but `read` may write.
package enum OpenMode: Hashable, Sendable {
    case read
    /// The file must exist.
    case readWrite
    /// Made when it is missing.
    case create
    /// Fails with `EEXIST` when something of that name is there.
    case createNew
}

package struct DirectoryEntry: Hashable, Sendable {
    package enum Kind: Hashable, Sendable { case file, directory, symbolicLink, other }

    package var name: String
    package var kind: Kind

    package init(name: String, kind: Kind) {
        self.name = name
        self.kind = kind
    }
}

package struct FileStatus: Hashable, Sendable {
    package var kind: DirectoryEntry.Kind
    package var bytes: Int
    package var modified: Timestamp
    package var device: UInt64
    package var inode: UInt64

    package init(kind: DirectoryEntry.Kind, bytes: Int, modified: Timestamp, device: UInt64, inode: UInt64) {
        self.kind = kind
        self.bytes = bytes
        self.modified = modified
        self.device = device
        self.inode = inode
    }
}

/// What a file system has left for this user.
package struct FreeSpace: Hashable, Sendable {
    package var bytes: Int
    /// `Int.max` where the file system does not count them.
    package var inodes: Int

    package init(bytes: Int, inodes: Int) {
        self.bytes = bytes
        self.inodes = inodes
    }
}

package struct FileSystemKind: Hashable, Sendable {
    /// As the kernel names it, `ext4` or `nfs4`; `unknown` where it does not say.
    package var name: String
    /// Locks and flushes cannot be relied on.
    package var isNetwork: Bool
    /// Gone after a restart of the machine.
    package var isVolatile: Bool

    package init(name: String, isNetwork: Bool = false, isVolatile: Bool = false) {
        self.name = name
        self.isNetwork = isNetwork
        self.isVolatile = isVolatile
    }
}

/// The data directory as the journal and the inbox see it. Paths are relative to it, with `/` between their parts;
/// a path that is empty means the directory itself. Nothing follows a symbolic link in the last part of a path.
///
/// A name that is not UTF-8 is listed with replacement characters and can then not be opened; callers report it.
package protocol Disk: Sendable {
    func open(_ path: String, _ mode: OpenMode) throws(FileError) -> any DiskFile
    /// Makes the directory and its parents; one that exists already is fine.
    func makeDirectory(_ path: String) throws(FileError)
    /// The entries in no particular order, without `.` and `..`.
    func list(_ path: String) throws(FileError) -> [DirectoryEntry]
    /// Nil when there is nothing of that name.
    func stat(_ path: String) throws(FileError) -> FileStatus?
    /// Replaces what `destination` named, in one step. Durable once the directories of both are flushed.
    func rename(_ source: String, to destination: String) throws(FileError)
    func unlink(_ path: String) throws(FileError)
    /// Fails with `ENOTEMPTY` while something is in it.
    func removeDirectory(_ path: String) throws(FileError)
    /// Makes the names in the directory durable: files made, renamed or removed since its last flush.
    func syncDirectory(_ path: String) throws(FileError)
    /// Flushes everything on the file system of the data directory.
    func syncFileSystem() throws(FileError)
    func freeSpace() throws(FileError) -> FreeSpace
    func fileSystemKind() throws(FileError) -> FileSystemKind
    /// Takes the exclusive lock of a file, which is made if needed, without waiting.
    /// - Returns: nil when another process holds it. The lock ends with the object, and with the process.
    func lock(_ path: String) throws(FileError) -> (any DiskLock)?
    /// Part of a file as shared memory. What is stored survives the process, not the machine. The file is made
    /// and filled up to `offset + bytes` as needed; both are multiples of 64 KiB.
    func map(_ path: String, at offset: Int, bytes: Int) throws(FileError) -> any MappedRegion
}

package protocol DiskLock: AnyObject, Sendable {
    /// Whether the file it is held on still has a name. Without one another process can take a lock of the same name.
    /// The default is true, for disks whose files nobody else removes.
    var isNamed: Bool { get }
}

extension DiskLock {
    package var isNamed: Bool { true }
}

/// An open file. Reads and writes carry their own offset, so any number of threads may share it; two that write the
/// same bytes have to agree among themselves. Closed with the object at the latest.
package protocol DiskFile: AnyObject, Sendable {
    /// Writes all bytes or throws; an interrupted or short write is continued. Visible at once, not yet durable.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileError)
    /// - Returns: the bytes read, fewer than asked for only at the end of the file.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileError) -> Int
    /// What was written, and the size, is durable when this returns. A failure is final: the kernel may have dropped
    /// the bytes, so it must not be tried again.
    func sync() throws(FileError)
    func bytes() throws(FileError) -> Int
    func truncate(to bytes: Int) throws(FileError)
    /// Asks the kernel to begin writing a range to the device, and waits for the range before it: paces bulk writes.
    /// Promises nothing about durability.
    func startWriteback(at offset: Int, bytes: Int) throws(FileError)
    /// Whether the file still has a name. Without one, what is written to it is gone with the process, however well it
    /// is flushed. Costs no more than a look at the descriptor. The default is true, as for locks.
    var isNamed: Bool { get }
    func close()
}

extension DiskFile {
    package var isNamed: Bool { true }
}

extension DiskFile {
    package func write(_ bytes: [UInt8], at offset: Int) throws(FileError) {
        try write(bytes[...], at: offset)
    }

    package func write(_ bytes: ArraySlice<UInt8>, at offset: Int) throws(FileError) {
        try bytes.withUnsafeBufferPointer { (buffer) throws(FileError) in
            try write(UnsafeRawBufferPointer(buffer), at: offset)
        }
    }

    /// The bytes from `offset` on, at most `count`; fewer at the end of the file.
    package func read(at offset: Int, count: Int) throws(FileError) -> [UInt8] {
        var failure: FileError?
        let result = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            do throws(FileError) {
                initialized = try read(into: UnsafeMutableRawBufferPointer(buffer), at: offset)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return result
    }

    package func readAll() throws(FileError) -> [UInt8] {
        try read(at: 0, count: bytes())
    }
}

extension Disk {
    /// The whole content of a file; nil when there is none of that name.
    package func contents(of path: String) throws(FileError) -> [UInt8]? {
        do throws(FileError) {
            return try open(path, .read).readAll()
        } catch {
            if error.isMissing { return nil }
            throw error
        }
    }

    /// Publishes a file whole: temporary file, flush, rename, flush of the directory.
    package func replace(_ path: String, with bytes: [UInt8]) throws(FileError) {
        let temporary = path + ".tmp"
        let file = try open(temporary, .create)
        try file.truncate(to: 0)
        try file.write(bytes, at: 0)
        try file.sync()
        file.close()
        try rename(temporary, to: path)
        try syncDirectory(parentPath(path))
    }
}

/// The directory part of a path, empty for a name that stands directly in the data directory.
package func parentPath(_ path: String) -> String {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "" }
    return String(path[..<slash])
}

/// Memory shared with a file. A store is a copy of bytes: callers that need to see a store whole or not at all put a
/// checksum beside it.
package protocol MappedRegion: AnyObject, Sendable {
    var count: Int { get }
    func store(_ bytes: UnsafeRawBufferPointer, at offset: Int)
    func load(into buffer: UnsafeMutableRawBufferPointer, at offset: Int)
}
