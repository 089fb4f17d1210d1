#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Why a file operation failed: what was attempted, on which path, and what the system answered.
package struct FileError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Operation: String, Hashable, Sendable, CaseIterable {
        case open, read, write, sync, truncate, startWriteback, stat, list, rename, unlink, makeDirectory
        case removeDirectory, syncDirectory, syncFileSystem, freeSpace, fileSystemKind, lock, map
    }

    /// The system's error number, as in `errno.h`.
    package var errno: Int32
    package var operation: Operation
    /// Relative to the data directory, or absolute where the file lies outside it.
    package var path: String

    package init(errno: Int32, operation: Operation, path: String) {
        self.errno = errno
        self.operation = operation
        self.path = path
    }

    /// The disk, the quota or the table of inodes is full: waiting or deleting can help.
    package var isOutOfSpace: Bool { errno == ENOSPC || errno == EDQUOT }
    package var isMissing: Bool { errno == ENOENT }

    package var description: String {
        let attempt =
            switch operation {
            case .open: "open"
            case .read: "read"
            case .write: "write to"
            case .sync: "flush"
            case .truncate: "change the size of"
            case .startWriteback: "start writing back"
            case .stat: "look at"
            case .list: "list"
            case .rename: "rename"
            case .unlink: "remove"
            case .makeDirectory: "make the directory"
            case .removeDirectory: "remove the directory"
            case .syncDirectory: "flush the directory"
            case .syncFileSystem: "flush the file system of"
            case .freeSpace: "ask for the free space of"
            case .fileSystemKind: "ask for the file system of"
            case .lock: "lock"
            case .map: "map into memory"
            }
        return "Could not \(attempt) \(path): \(String(cString: strerror(errno))) (errno \(errno))"
    }
}
