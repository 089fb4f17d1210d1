import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Files that are on disk when a call returns, and whole whenever somebody looks.
enum DurableFile {
    struct Failure: Error, CustomStringConvertible {
        let action: String
        let path: String
        let code: Int32

        var description: String { "cannot \(action) \(path): \(String(cString: strerror(code)))" }
    }

    /// Makes a directory and those above it.
    static func makeDirectory(_ path: String) throws(Failure) {
        guard mkdir(path, 0o755) != 0 else { return try syncDirectory(parent(of: path)) }
        switch errno {
        case EEXIST:
            var status = stat()
            guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
                throw Failure(action: "use as a directory", path: path, code: ENOTDIR)
            }
        case ENOENT:
            try makeDirectory(parent(of: path))
            try makeDirectory(path)
        default: throw Failure(action: "make the directory", path: path, code: errno)
        }
    }

    /// Puts `bytes` in place of the file at `path`, or makes it.
    static func replace(_ path: String, with bytes: [UInt8]) throws(Failure) {
        let temporary = temporaryPath(beside: path)
        try write(bytes, toNew: temporary)
        guard rename(temporary, path) == 0 else {
            let code = errno
            unlink(temporary)
            throw Failure(action: "put in place", path: path, code: code)
        }
        try syncDirectory(parent(of: path))
    }

    /// Makes the file at `path` unless there is one: of several callers exactly one gets true.
    /// - Parameter temporary: where to write it first, on the same file system; beside `path` when nil.
    static func create(_ path: String, with bytes: [UInt8], temporary: String? = nil) throws(Failure) -> Bool {
        let temporary = temporary ?? temporaryPath(beside: path)
        try write(bytes, toNew: temporary)
        let isNew = link(temporary, path) == 0
        let code = errno
        unlink(temporary)
        guard isNew || code == EEXIST else { throw Failure(action: "put in place", path: path, code: code) }
        // Also when it was there: whoever made it may have died before it was sure to stay.
        try syncDirectory(parent(of: path))
        return isNew
    }

    /// Removes a file; one that is not there is removed already.
    static func remove(_ path: String) throws(Failure) {
        guard unlink(path) == 0 || errno == ENOENT else { throw Failure(action: "remove", path: path, code: errno) }
        try syncDirectory(parent(of: path))
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// The bytes of a file, nil when there is none.
    static func read(_ path: String, bytesMax: Int) throws(Failure) -> [UInt8]? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else {
            if errno == ENOENT { return nil }
            throw Failure(action: "open", path: path, code: errno)
        }
        defer { close(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = chunk.withUnsafeMutableBytes { systemRead(file, $0) }
            if count < 0 {
                if errno == EINTR { continue }
                throw Failure(action: "read", path: path, code: errno)
            }
            if count == 0 { return bytes }
            bytes += chunk[..<count]
            guard bytes.count <= bytesMax else { throw Failure(action: "read", path: path, code: EFBIG) }
        }
    }

    /// The names in a directory, sorted, without `.` and `..`; none when there is no such directory.
    static func names(in path: String) throws(Failure) -> [String] {
        guard let directory = opendir(path) else {
            if errno == ENOENT { return [] }
            throw Failure(action: "list", path: path, code: errno)
        }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    static func syncDirectory(_ path: String) throws(Failure) {
        let directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw Failure(action: "open", path: path, code: errno) }
        defer { close(directory) }
        guard fsync(directory) == 0 else { throw Failure(action: "flush", path: path, code: errno) }
    }

    /// A name that no other writer uses, hidden from those who list the directory for its content.
    static func uniqueSuffix() -> String {
        "\(getpid()).\(counter.wrappingAdd(1, ordering: .relaxed).newValue)"
    }

    private static let counter = Atomic<Int>(0)

    private static func temporaryPath(beside path: String) -> String {
        let cut = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
        return "\(path[..<cut]).\(path[cut...].prefix(200)).\(uniqueSuffix()).tmp"
    }

    private static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private static func write(_ bytes: [UInt8], toNew path: String) throws(Failure) {
        // A left-over of a process that died can have this name; nobody else is using it now.
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw Failure(action: "make", path: path, code: errno) }
        func fail(_ action: String) -> Failure {
            let code = errno
            close(file)
            unlink(path)
            return Failure(action: action, path: path, code: code)
        }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { systemWrite(file, $0) }
            if count < 0 {
                if errno == EINTR { continue }
                throw fail("write")
            }
            rest.removeFirst(count)
        }
        guard fsync(file) == 0 else { throw fail("flush") }
        guard close(file) == 0 else { throw Failure(action: "close", path: path, code: errno) }
    }
}

// Outside the enum, whose own functions of these names hide the C ones.

private func systemRead(_ file: Int32, _ buffer: UnsafeMutableRawBufferPointer) -> Int {
    read(file, buffer.baseAddress, buffer.count)
}

private func systemWrite(_ file: Int32, _ buffer: UnsafeRawBufferPointer) -> Int {
    write(file, buffer.baseAddress, buffer.count)
}
