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

    /// The disk, the quota or the table of inodes is full, or the file may not grow under the limit that this process was
    /// given: waiting, deleting or another limit can help, and nothing is wrong with what is there.
    package var isOutOfSpace: Bool { errno == ENOSPC || errno == EDQUOT || errno == EFBIG }
    package var isMissing: Bool { errno == ENOENT }
    /// The device could not do it: of this file, perhaps of all.
    package var isDeviceFailure: Bool { errno == EIO }

    /// What is there is not what was written, or nothing is there any more: the bytes are wrong, not the call.
    package static func damaged(_ path: String) -> FileError {
        FileError(errno: EBADMSG, operation: .read, path: path)
    }

    /// The process or the machine is short of something that it gets back by itself: descriptors, memory, room. Nothing
    /// is wrong with the file, and the same call can go through later. Never of a flush, which must not be tried again.
    package var isTemporary: Bool {
        guard !isFlush else { return false }
        switch errno {
        case EMFILE, ENFILE, ENOMEM, EINTR, EAGAIN: return true
        default: return isOutOfSpace
        }
    }

    /// The disk has failed, not the call: what was written may not get there, or what is there is not what was written.
    /// Waiting helps nobody; only a new start finds out what is left. Every other failure may be waited out.
    package var isFinal: Bool {
        if isFlush || errno == EROFS || errno == EBADMSG { return true }
        guard errno == EIO else { return false }
        switch operation {
        case .write, .truncate, .rename, .unlink, .makeDirectory, .removeDirectory, .startWriteback, .map: return true
        default: return false
        }
    }

    private var isFlush: Bool {
        switch operation {
        case .sync, .syncDirectory, .syncFileSystem: true
        default: false
        }
    }

    package var description: String {
        if errno == EBADMSG { return "\(path) is damaged or gone: what is read is not what was written" }
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
