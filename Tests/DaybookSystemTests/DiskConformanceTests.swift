import DaybookFakes
import DaybookSystem
import DaybookValues
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Which disk a test of the suite runs on. Both have to behave alike.
enum DiskKind: CaseIterable, Sendable {
    case real, memory

    func with<Value>(_ body: (any Disk) throws -> Value) throws -> Value {
        switch self {
        case .memory: return try body(MemoryDisk())
        case .real:
            let root = try TemporaryDirectory()
            return try body(try RealDisk(root: root.path))
        }
    }
}

/// A directory of its own for one test, removed with everything in it.
final class TemporaryDirectory {
    let path: String

    init() throws {
        var template = Array("\(getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp")/daybook-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw FileError(errno: errno, operation: .makeDirectory, path: "/tmp") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        guard let disk = try? RealDisk(root: path) else { return }
        Self.empty(disk, "")
        rmdir(path)
    }

    private static func empty(_ disk: RealDisk, _ folder: String) {
        for entry in (try? disk.list(folder)) ?? [] {
            let path = folder.isEmpty ? entry.name : folder + "/" + entry.name
            if entry.kind == .directory {
                empty(disk, path)
                try? disk.removeDirectory(path)
            } else {
                try? disk.unlink(path)
            }
        }
    }
}

struct DiskConformanceTests {
    @Test(arguments: DiskKind.allCases)
    func `what is written is read back, at any offset`(kind: DiskKind) throws {
        try kind.with { disk in
            let file = try disk.open("a", .create)
            try file.write(Array("hello".utf8), at: 0)
            try file.write(Array("world".utf8), at: 8)
            #expect(try file.readAll() == Array("hello\0\0\0world".utf8))
            #expect(try file.read(at: 10, count: 100) == Array("rld".utf8))
            #expect(try file.read(at: 99, count: 5).isEmpty)
            try file.sync()
            #expect(try disk.contents(of: "a")?.count == 13)
            #expect(try disk.contents(of: "b") == nil)
        }
    }

    @Test(arguments: DiskKind.allCases)
    func `a file is cut and grown by its size`(kind: DiskKind) throws {
        try kind.with { disk in
            let file = try disk.open("a", .create)
            try file.write(Array("hello".utf8), at: 0)
            try file.truncate(to: 2)
            #expect(try file.readAll() == Array("he".utf8))
            try file.truncate(to: 4)
            #expect(try file.readAll() == Array("he\0\0".utf8))
            #expect(try file.bytes() == 4)
        }
    }

    @Test(arguments: DiskKind.allCases)
    func `how a file is opened decides whether it may be there`(kind: DiskKind) throws {
        try kind.with { disk in
            #expect(throws: FileError(errno: ENOENT, operation: .open, path: "a")) { try disk.open("a", .read) }
            #expect(throws: FileError(errno: ENOENT, operation: .open, path: "a")) { try disk.open("a", .readWrite) }
            _ = try disk.open("a", .createNew)
            #expect(throws: FileError(errno: EEXIST, operation: .open, path: "a")) { try disk.open("a", .createNew) }
            #expect(throws: FileError(errno: ENOENT, operation: .open, path: "x/a")) { try disk.open("x/a", .create) }
            #expect(throws: FileError(errno: EBADF, operation: .write, path: "a")) {
                try disk.open("a", .read).write([1], at: 0)
            }
        }
    }

    @Test(arguments: DiskKind.allCases)
    func `directories are made with their parents, listed and removed`(kind: DiskKind) throws {
        try kind.with { disk in
            try disk.makeDirectory("a/b/c")
            try disk.makeDirectory("a/b/c")
            _ = try disk.open("a/f", .create)
            let entries = try disk.list("a").sorted { $0.name < $1.name }
            #expect(entries == [DirectoryEntry(name: "b", kind: .directory), DirectoryEntry(name: "f", kind: .file)])
            #expect(try disk.list("").map(\.name) == ["a"])
            #expect(throws: FileError(errno: ENOTEMPTY, operation: .removeDirectory, path: "a/b")) {
                try disk.removeDirectory("a/b")
            }
            try disk.removeDirectory("a/b/c")
            #expect(try disk.list("a/b").isEmpty)
            #expect(throws: FileError(errno: ENOENT, operation: .list, path: "nowhere")) { try disk.list("nowhere") }
        }
    }

    @Test(arguments: DiskKind.allCases)
    func `a rename replaces, and an open file goes on under its new name`(kind: DiskKind) throws {
        try kind.with { disk in
            let file = try disk.open("a", .create)
            try file.write([1], at: 0)
            try disk.open("b", .create).write([2, 2], at: 0)
            try disk.rename("a", to: "b")
            try file.write([3], at: 1)
            #expect(try disk.contents(of: "b") == [1, 3])
            #expect(try disk.stat("a") == nil)
            #expect(throws: FileError(errno: ENOENT, operation: .rename, path: "a")) { try disk.rename("a", to: "c") }
            try disk.unlink("b")
            #expect(throws: FileError(errno: ENOENT, operation: .unlink, path: "b")) { try disk.unlink("b") }
            try disk.syncDirectory("")
            try disk.syncFileSystem()
        }
    }

    @Test(arguments: DiskKind.allCases)
    func `a look at a file tells its size and which file it is`(kind: DiskKind) throws {
        try kind.with { disk in
            try disk.open("a", .create).write([1, 2, 3], at: 0)
            _ = try disk.open("b", .create)
            let (a, b) = (try #require(try disk.stat("a")), try #require(try disk.stat("b")))
            #expect(a.bytes == 3)
            #expect(a.kind == .file)
            #expect(a.device == b.device)
            #expect(a.inode != b.inode)
            #expect(try disk.stat("")?.kind == .directory)
            try disk.rename("a", to: "c")
            #expect(try disk.stat("c")?.inode == a.inode)
            let free = try disk.freeSpace()
            #expect(free.bytes > 0)
            #expect(free.inodes > 0)
        }
    }

    @Test(arguments: DiskKind.allCases)
    func `one holder has a lock, and it ends with the object`(kind: DiskKind) throws {
        try kind.with { disk in
            var first = try disk.lock("lock")
            #expect(first != nil)
            #expect(try disk.lock("lock") == nil)
            #expect(try disk.lock("other") != nil)
            first = nil
            #expect(try disk.lock("lock") != nil)
        }
    }

    @Test(arguments: DiskKind.allCases)
    func `what is stored through a mapping is in the file`(kind: DiskKind) throws {
        try kind.with { disk in
            let first = try disk.map("m", at: 0, bytes: 65_536)
            let second = try disk.map("m", at: 65_536, bytes: 65_536)
            [UInt8](arrayLiteral: 1, 2, 3).withUnsafeBytes { first.store($0, at: 100) }
            [UInt8](arrayLiteral: 4).withUnsafeBytes { second.store($0, at: 65_535) }
            let content = try #require(try disk.contents(of: "m"))
            #expect(content.count == 131_072)
            #expect(Array(content[99...103]) == [0, 1, 2, 3, 0])
            #expect(content.last == 4)
            var back = [UInt8](repeating: 9, count: 3)
            back.withUnsafeMutableBytes { first.load(into: $0, at: 100) }
            #expect(back == [1, 2, 3])
        }
    }

    @Test(arguments: DiskKind.allCases)
    func `a file that is replaced is there whole`(kind: DiskKind) throws {
        try kind.with { disk in
            try disk.makeDirectory("d")
            try disk.replace("d/a", with: [1, 2, 3])
            try disk.replace("d/a", with: [4])
            #expect(try disk.contents(of: "d/a") == [4])
            #expect(try disk.list("d").count == 1)
        }
    }
}

extension DiskConformanceTests {
    @Test(arguments: DiskKind.allCases)
    func `an open file and a lock know whether they still have a name`(kind: DiskKind) throws {
        try kind.with { disk in
            let (moved, replaced) = (try disk.open("a", .create), try disk.open("b", .create))
            let lock = try #require(try disk.lock("lock"))
            #expect(moved.isNamed && replaced.isNamed && lock.isNamed)
            try disk.rename("a", to: "b")
            try disk.unlink("lock")
            #expect(moved.isNamed)
            #expect(!replaced.isNamed)
            #expect(!lock.isNamed)
        }
    }
}

struct RealDiskTests {
    @Test func `a symbolic link is neither followed nor taken for a file`() throws {
        let root = try TemporaryDirectory()
        let disk = try RealDisk(root: root.path)
        #expect(symlink("/etc/hostname", root.path + "/link") == 0)
        #expect(try disk.stat("link")?.kind == .symbolicLink)
        #expect(try disk.list("").map(\.kind) == [.symbolicLink])
        #expect(throws: FileError(errno: ELOOP, operation: .open, path: "link")) { try disk.open("link", .read) }
    }

    @Test func `the directory is made with its parents`() throws {
        let root = try TemporaryDirectory()
        let disk = try RealDisk(root: root.path + "/a/b")
        _ = try disk.open("f", .create)
        #expect(try RealDisk(root: root.path).stat("a/b/f") != nil)
        #expect(throws: FileError.self) { try RealDisk(root: root.path + "/a/b/f") }
    }

    @Test func `an error says what was attempted and why it failed`() {
        let error = FileError(errno: ENOSPC, operation: .write, path: "journal/x")
        #expect(error.description == "Could not write to journal/x: No space left on device (errno 28)")
        #expect(error.isOutOfSpace)
    }

    #if os(Linux)
        @Test(arguments: [
            ("8:1", "ext4", false), ("0:52", "nfs4", true), ("0:60", "fuse.sshfs", true), ("0:5", "tmpfs", false),
            ("9:9", "unknown", false),
        ])
        func `the kind of a file system is read from the table of mounts`(device: String, name: String, network: Bool) {
            let table = """
                25 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
                30 25 0:52 / /net rw shared:2 master:1 - nfs4 host:/ rw
                31 25 0:60 / /ssh rw - fuse.sshfs host: rw
                32 25 0:5 / /tmp rw - tmpfs tmpfs rw

                """
            let parts = device.split(separator: ":").compactMap { UInt64($0) }
            let kind = FileSystemKind(mountInfo: Array(table.utf8), device: parts[0] << 8 | parts[1])
            #expect(kind.name == name)
            #expect(kind.isNetwork == network)
            #expect(kind.isVolatile == (name == "tmpfs"))
        }
    #endif
}
