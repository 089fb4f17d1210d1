internal import DaybookValues

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// A directory of the operating system. Every path is opened relative to a descriptor of that directory, so it goes on
/// meaning the same directory when somebody renames it.
package final class RealDisk: Disk {
    /// As given, for messages.
    package let root: String
    private let descriptor: Int32

    /// Makes the directory if needed.
    package init(root: String) throws(FileError) {
        self.root = root
        var partial = ""
        for part in root.split(separator: "/", omittingEmptySubsequences: false) {
            partial += part
            if !part.isEmpty, mkdir(partial, 0o755) != 0, errno != EEXIST, errno != EISDIR {
                // A parent that we may not write to is fine as long as the rest exists, which the open below settles.
                if errno == ENOENT { break }
            }
            partial += "/"
        }
        descriptor = openDescriptor(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError(errno: errno, operation: .open, path: root) }
    }

    deinit {
        close(descriptor)
    }

    package func open(_ path: String, _ mode: OpenMode) throws(FileError) -> any DiskFile {
        let flags: Int32 =
            switch mode {
            case .read: O_RDONLY
            case .readWrite: O_RDWR
            case .create: O_RDWR | O_CREAT
            case .createNew: O_RDWR | O_CREAT | O_EXCL
            }
        let file = repeating { openat(descriptor, path, flags | O_CLOEXEC | O_NOFOLLOW, 0o644) }
        guard file >= 0 else { throw FileError(errno: errno, operation: .open, path: path) }
        return RealFile(descriptor: file, path: path)
    }

    package func makeDirectory(_ path: String) throws(FileError) {
        if mkdirat(descriptor, path, 0o755) == 0 || errno == EEXIST { return }
        guard errno == ENOENT else { throw FileError(errno: errno, operation: .makeDirectory, path: path) }
        var partial = ""
        for part in path.split(separator: "/") {
            partial += partial.isEmpty ? String(part) : "/" + part
            guard mkdirat(descriptor, partial, 0o755) == 0 || errno == EEXIST else {
                throw FileError(errno: errno, operation: .makeDirectory, path: path)
            }
        }
    }

    package func list(_ path: String) throws(FileError) -> [DirectoryEntry] {
        let directory = repeating {
            openat(descriptor, path.isEmpty ? "." : path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW, 0)
        }
        guard directory >= 0 else { throw FileError(errno: errno, operation: .list, path: path) }
        guard let stream = fdopendir(directory) else {
            let error = FileError(errno: errno, operation: .list, path: path)
            close(directory)
            throw error
        }
        defer { closedir(stream) }
        var entries: [DirectoryEntry] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else {
                if errno != 0 { throw FileError(errno: errno, operation: .list, path: path) }
                return entries
            }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name == "." || name == ".." { continue }
            let kind: DirectoryEntry.Kind
            switch Int(entry.pointee.d_type) {
            case Int(DT_REG): kind = .file
            case Int(DT_DIR): kind = .directory
            case Int(DT_LNK): kind = .symbolicLink
            case Int(DT_UNKNOWN): kind = try stat(path.isEmpty ? name : path + "/" + name)?.kind ?? .other
            default: kind = .other
            }
            entries.append(DirectoryEntry(name: name, kind: kind))
        }
    }

    package func stat(_ path: String) throws(FileError) -> FileStatus? {
        #if canImport(Darwin)
            var status = Darwin.stat()
        #elseif canImport(Musl)
            var status = Musl.stat()
        #else
            var status = Glibc.stat()
        #endif
        guard fstatat(descriptor, path.isEmpty ? "." : path, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw FileError(errno: errno, operation: .stat, path: path)
        }
        let kind: DirectoryEntry.Kind
        switch status.st_mode & S_IFMT {
        case S_IFREG: kind = .file
        case S_IFDIR: kind = .directory
        case S_IFLNK: kind = .symbolicLink
        default: kind = .other
        }
        #if canImport(Darwin)
            let modified = status.st_mtimespec
        #else
            let modified = status.st_mtim
        #endif
        return FileStatus(
            kind: kind, bytes: Int(status.st_size),
            modified: Timestamp(milliseconds: Int64(modified.tv_sec) * 1_000 + Int64(modified.tv_nsec) / 1_000_000),
            device: UInt64(truncatingIfNeeded: status.st_dev), inode: UInt64(status.st_ino))
    }

    package func rename(_ source: String, to destination: String) throws(FileError) {
        guard renameat(descriptor, source, descriptor, destination) == 0 else {
            throw FileError(errno: errno, operation: .rename, path: source)
        }
    }

    package func unlink(_ path: String) throws(FileError) {
        guard unlinkat(descriptor, path, 0) == 0 else {
            throw FileError(errno: errno, operation: .unlink, path: path)
        }
    }

    package func removeDirectory(_ path: String) throws(FileError) {
        guard unlinkat(descriptor, path, AT_REMOVEDIR) == 0 else {
            throw FileError(errno: errno, operation: .removeDirectory, path: path)
        }
    }

    package func syncDirectory(_ path: String) throws(FileError) {
        let directory = repeating {
            openat(descriptor, path.isEmpty ? "." : path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW, 0)
        }
        guard directory >= 0 else { throw FileError(errno: errno, operation: .syncDirectory, path: path) }
        defer { close(directory) }
        guard flush(directory, metadata: true) == 0 else {
            throw FileError(errno: errno, operation: .syncDirectory, path: path)
        }
    }

    package func syncFileSystem() throws(FileError) {
        #if canImport(Darwin)
            sync()
            guard flush(descriptor, metadata: true) == 0 else {
                throw FileError(errno: errno, operation: .syncFileSystem, path: root)
            }
        #else
            guard repeating({ syncFileSystemOf(descriptor) }) == 0 else {
                throw FileError(errno: errno, operation: .syncFileSystem, path: root)
            }
        #endif
    }

    package func freeSpace() throws(FileError) -> FreeSpace {
        var status = statvfs()
        guard repeating({ fstatvfs(descriptor, &status) }) == 0 else {
            throw FileError(errno: errno, operation: .freeSpace, path: root)
        }
        let inodes = UInt64(status.f_files) == 0 ? Int.max : Int(clamping: UInt64(status.f_favail))
        let bytes = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
        return FreeSpace(bytes: bytes.overflow ? .max : Int(clamping: bytes.partialValue), inodes: inodes)
    }

    package func lock(_ path: String) throws(FileError) -> (any DiskLock)? {
        let file = repeating { openat(descriptor, path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644) }
        guard file >= 0 else { throw FileError(errno: errno, operation: .lock, path: path) }
        guard repeating({ flock(file, LOCK_EX | LOCK_NB) }) == 0 else {
            let code = errno
            close(file)
            if code == EWOULDBLOCK { return nil }
            throw FileError(errno: code, operation: .lock, path: path)
        }
        return RealLock(descriptor: file)
    }

    package func map(_ path: String, at offset: Int, bytes: Int) throws(FileError) -> any MappedRegion {
        let file = repeating { openat(descriptor, path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644) }
        guard file >= 0 else { throw FileError(errno: errno, operation: .map, path: path) }
        defer { close(file) }
        let end = lseek(file, 0, SEEK_END)
        guard end >= 0 else { throw FileError(errno: errno, operation: .map, path: path) }
        // Real zeros, not a hole: a store into a hole on a full disk would kill the process with SIGBUS.
        if Int(end) < offset + bytes {
            let zeros = [UInt8](repeating: 0, count: offset + bytes - Int(end))
            try RealFile(descriptor: dup(file), path: path).write(zeros, at: Int(end))
        }
        guard let address = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, off_t(offset)),
            address != MAP_FAILED
        else { throw FileError(errno: errno, operation: .map, path: path) }
        return RealRegion(address: address, count: bytes)
    }

    package func fileSystemKind() throws(FileError) -> FileSystemKind {
        #if canImport(Darwin)
            var status = statfs()
            guard fstatfs(descriptor, &status) == 0 else {
                throw FileError(errno: errno, operation: .fileSystemKind, path: root)
            }
            let name = withUnsafeBytes(of: &status.f_fstypename) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            let isLocal = status.f_flags & UInt32(MNT_LOCAL) != 0
            return FileSystemKind(name: name, isNetwork: !isLocal)
        #else
            guard let status = try stat("") else {
                throw FileError(errno: ENOENT, operation: .fileSystemKind, path: root)
            }
            guard let mounts = readWholeFile("/proc/self/mountinfo", bytesMax: 16 << 20) else {
                return FileSystemKind(name: "unknown")
            }
            return FileSystemKind(mountInfo: mounts, device: status.device)
        #endif
    }
}

#if !canImport(Darwin)
    // See `setThreadName` for why these are declared by hand.
    @_silgen_name("syncfs")
    private func syncFileSystemOf(_ descriptor: Int32) -> Int32

    @_silgen_name("sync_file_range")
    private func syncFileRange(_ descriptor: Int32, _ offset: Int64, _ bytes: Int64, _ flags: UInt32) -> Int32

    extension FileSystemKind {
        /// - Parameter mountInfo: `/proc/self/mountinfo`: id, parent, major:minor, root, mount point, options, tags, a
        ///   lone hyphen, type, source, options.
        package init(mountInfo: [UInt8], device: UInt64) {
            let major = (device >> 8 & 0xFFF) | (device >> 32 & ~0xFFF)
            let minor = (device & 0xFF) | (device >> 12 & ~0xFF)
            let wanted = "\(major):\(minor)"
            var name = "unknown"
            for line in mountInfo.split(separator: UInt8(ascii: "\n")) {
                let fields = line.split(separator: UInt8(ascii: " "))
                guard fields.count > 8, fields[2].elementsEqual(wanted.utf8),
                    let hyphen = fields.firstIndex(where: { $0.elementsEqual("-".utf8) }), hyphen + 1 < fields.count
                else { continue }
                name = String(decoding: fields[hyphen + 1], as: UTF8.self)
            }
            let network: Set = [
                "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "afs", "lustre", "glusterfs", "fuse.glusterfs",
                "fuse.sshfs", "fuse.rclone", "fuse.s3fs", "fuse.cephfs", "fuse.davfs", "ncpfs", "gfs2", "ocfs2",
                "vboxsf",
            ]
            self.init(name: name, isNetwork: network.contains(name), isVolatile: name == "tmpfs" || name == "ramfs")
        }
    }
#endif

private final class RealFile: DiskFile {
    private let descriptor: Int32
    private let path: String
    private let isOpen = OpenFlag()

    init(descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    deinit {
        close()
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileError) {
        let result = writeFully(bytes) { rest, done in
            let count = pwrite(descriptor, rest.baseAddress, rest.count, off_t(offset + done))
            return count >= 0 ? count : -Int(errno)
        }
        guard result >= 0 else { throw FileError(errno: Int32(-result), operation: .write, path: path) }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileError) -> Int {
        let result = readFully(into: buffer) { rest, done in
            let count = pread(descriptor, rest.baseAddress, rest.count, off_t(offset + done))
            return count >= 0 ? count : -Int(errno)
        }
        guard result >= 0 else { throw FileError(errno: Int32(-result), operation: .read, path: path) }
        return result
    }

    func sync() throws(FileError) {
        guard flush(descriptor, metadata: false) == 0 else {
            throw FileError(errno: errno, operation: .sync, path: path)
        }
    }

    func bytes() throws(FileError) -> Int {
        #if canImport(Darwin)
            var status = Darwin.stat()
        #elseif canImport(Musl)
            var status = Musl.stat()
        #else
            var status = Glibc.stat()
        #endif
        guard fstat(descriptor, &status) == 0 else { throw FileError(errno: errno, operation: .stat, path: path) }
        return Int(status.st_size)
    }

    func truncate(to bytes: Int) throws(FileError) {
        guard repeating({ ftruncate(descriptor, off_t(bytes)) }) == 0 else {
            throw FileError(errno: errno, operation: .truncate, path: path)
        }
    }

    func startWriteback(at offset: Int, bytes: Int) throws(FileError) {
        #if !canImport(Darwin)
            // SYNC_FILE_RANGE_WRITE begins this range; waiting for the one before it keeps the queue of the device short.
            let (waitBefore, write, waitAfter): (UInt32, UInt32, UInt32) = (1, 2, 4)
            if offset > 0 {
                let before = max(0, offset - bytes)
                _ = syncFileRange(
                    descriptor, Int64(before), Int64(offset - before), waitBefore | write | waitAfter)
            }
            _ = syncFileRange(descriptor, Int64(offset), Int64(bytes), write)
        #endif
    }

    var isNamed: Bool { hasName(descriptor) }

    func close() {
        if isOpen.end() { _ = closeDescriptor(descriptor) }
    }
}

private final class RealLock: DiskLock {
    private let descriptor: Int32

    init(descriptor: Int32) {
        self.descriptor = descriptor
    }

    deinit {
        close(descriptor)
    }

    var isNamed: Bool { hasName(descriptor) }
}

/// Whether an open file is in some directory. When the system will not say, it is taken to be.
private func hasName(_ descriptor: Int32) -> Bool {
    var status = stat()
    return fstat(descriptor, &status) != 0 || status.st_nlink > 0
}

/// Shared memory; the pages stay mapped as long as the object lives.
private final class RealRegion: MappedRegion, @unchecked Sendable {
    // The address never changes; who may store where is the caller's business, as `MappedRegion` says.
    private let address: UnsafeMutableRawPointer
    let count: Int

    init(address: UnsafeMutableRawPointer, count: Int) {
        self.address = address
        self.count = count
    }

    deinit {
        munmap(address, count)
    }

    func store(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
        precondition(offset >= 0 && offset + bytes.count <= count)
        guard let source = bytes.baseAddress else { return }
        address.advanced(by: offset).copyMemory(from: source, byteCount: bytes.count)
    }

    func load(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) {
        precondition(offset >= 0 && offset + buffer.count <= count)
        guard let target = buffer.baseAddress else { return }
        target.copyMemory(from: address.advanced(by: offset), byteCount: buffer.count)
    }
}

/// Repeats a call that a signal interrupted.
/// - Returns: what the call did; after a failure `errno` is still the one of the call.
private func repeating(_ call: () -> Int32) -> Int32 {
    let result = repeatInterrupted {
        let result = call()
        return result >= 0 ? Int(result) : -Int(errno)
    }
    return result >= 0 ? Int32(result) : -1
}

/// The flush that reaches the device: `F_FULLFSYNC` on macOS, where fsync stops at the drive's cache; `fdatasync` on
/// Linux. Interrupted calls are repeated; any other failure is final.
private func flush(_ descriptor: Int32, metadata: Bool) -> Int32 {
    repeating {
        #if canImport(Darwin)
            fcntl(descriptor, F_FULLFSYNC)
        #else
            metadata ? fsync(descriptor) : fdatasync(descriptor)
        #endif
    }
}
