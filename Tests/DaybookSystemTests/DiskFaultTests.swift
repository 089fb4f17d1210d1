import DaybookFakes
import DaybookSystem
import Synchronization
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// What a hook was called with.
final class Seen: Sendable {
    private let entries = Mutex<[String]>([])

    var all: [String] { entries.withLock { $0 } }

    func add(_ entry: String) { entries.withLock { $0.append(entry) } }
}

struct DiskFaultTests {
    // MARK: - Death at an operation

    @Test func `a process dies at the operation chosen, and nothing works from then on`() throws {
        let disk = MemoryDisk()
        let region = try disk.map("m", at: 0, bytes: 65_536)
        let file = try disk.open("a", .create)
        let before = disk.operations
        disk.die(after: 2)
        try file.write([1], at: 0)
        _ = try file.readAll()
        try file.sync()
        #expect(!disk.isDead)
        #expect(throws: FileError(errno: EIO, operation: .write, path: "a")) { try file.write([2], at: 0) }
        #expect(disk.isDead)
        #expect(disk.operations == before + 2)
        #expect(throws: FileError(errno: EIO, operation: .list, path: "")) { try disk.list("") }
        #expect(throws: FileError(errno: EIO, operation: .read, path: "a")) { try file.read(at: 0, count: 1) }
        #expect(throws: FileError(errno: EIO, operation: .stat, path: "a")) { try file.bytes() }
        [UInt8](arrayLiteral: 7).withUnsafeBytes { region.store($0, at: 0) }
        disk.crash()
        #expect(!disk.isDead)
        #expect(try disk.contents(of: "a") == [1])
        #expect(disk.snapshotOfFile("m")?.first == 0)
    }

    @Test func `a process that dies inside a write has written its first bytes`() throws {
        let disk = MemoryDisk()
        let file = try disk.open("a", .create)
        disk.die(after: 0, tearingWrite: 2)
        #expect(throws: FileError.self) { try file.write([1, 2, 3], at: 0) }
        disk.crash()
        #expect(try disk.contents(of: "a") == [1, 2])
    }

    @Test func `a store through a mapping can be the operation a process dies at`() throws {
        let disk = MemoryDisk()
        let region = try disk.map("m", at: 0, bytes: 65_536)
        disk.die(after: 1)
        for offset in 0..<3 { [UInt8](arrayLiteral: 7).withUnsafeBytes { region.store($0, at: offset) } }
        #expect(disk.isDead)
        disk.powerLoss(.allKept)
        #expect(try disk.contents(of: "m").map { Array($0[..<3]) } == [7, 0, 0])
    }

    @Test func `calls of a process that is gone neither count nor change anything`() throws {
        let disk = MemoryDisk()
        let file = try disk.open("a", .create)
        disk.crash()
        let before = disk.operations
        #expect(throws: FileError(errno: EBADF, operation: .write, path: "a")) { try file.write([1], at: 0) }
        #expect(throws: FileError(errno: EBADF, operation: .sync, path: "a")) { try file.sync() }
        #expect(disk.operations == before)
        #expect(try disk.contents(of: "a") == [])
    }

    // MARK: - Failing calls

    /// One call of an operation, on a disk that has a file `a` and an empty directory `d`.
    private func call(_ operation: FileError.Operation, _ disk: MemoryDisk, _ file: any DiskFile) throws {
        switch operation {
        case .open: _ = try disk.open("new", .create)
        case .read: _ = try file.read(at: 0, count: 1)
        case .write: try file.write([9], at: 0)
        case .sync: try file.sync()
        case .truncate: try file.truncate(to: 0)
        case .startWriteback: try file.startWriteback(at: 0, bytes: 1)
        case .stat: _ = try disk.stat("a")
        case .list: _ = try disk.list("")
        case .rename: try disk.rename("a", to: "b")
        case .unlink: try disk.unlink("a")
        case .makeDirectory: try disk.makeDirectory("e")
        case .removeDirectory: try disk.removeDirectory("d")
        case .syncDirectory: try disk.syncDirectory("")
        case .syncFileSystem: try disk.syncFileSystem()
        case .freeSpace: _ = try disk.freeSpace()
        case .fileSystemKind: _ = try disk.fileSystemKind()
        case .lock: _ = try disk.lock("lock")
        case .map: _ = try disk.map("m", at: 0, bytes: 65_536)
        }
    }

    @Test(arguments: FileError.Operation.allCases.filter { $0 != .startWriteback })
    func `every operation fails with every error, changes nothing, and is counted`(
        operation: FileError.Operation
    ) throws {
        let disk = MemoryDisk()
        try disk.makeDirectory("d")
        let file = try disk.open("a", .create)
        try file.write([1], at: 0)
        let errors = [EIO, ENOSPC, EDQUOT, EROFS, EMFILE, ENFILE]
        for code in errors {
            disk.fail(operation, errno: code)
            #expect { try call(operation, disk, file) } throws: { error in
                (error as? FileError)?.errno == code && (error as? FileError)?.operation == operation
            }
            #expect(disk.allPaths == ["a"])
            #expect(disk.snapshotOfFile("a") == [1])
        }
        #expect(
            disk.failureCounts
                == Dictionary(uniqueKeysWithValues: errors.map { (InjectedFailure(operation, errno: $0), 1) }))
        try call(operation, disk, file)
        #expect(disk.callCount(operation) >= errors.count + 1)
    }

    @Test func `a failed write may have written its first bytes`() throws {
        let disk = MemoryDisk()
        let file = try disk.open("a", .create)
        disk.fail(.write, errno: EIO, writtenBytes: 2)
        #expect(throws: FileError(errno: EIO, operation: .write, path: "a")) { try file.write([1, 2, 3], at: 0) }
        #expect(try file.readAll() == [1, 2])
    }

    @Test func `a full disk writes what fits before it says so`() throws {
        let disk = MemoryDisk(capacityBytes: 3)
        let file = try disk.open("a", .create)
        #expect(throws: FileError(errno: ENOSPC, operation: .write, path: "a")) { try file.write([1, 2, 3, 4], at: 0) }
        #expect(try file.readAll() == [1, 2, 3])
        #expect(disk.failureCounts == [InjectedFailure(.write, errno: ENOSPC): 1])
    }

    @Test func `what a failed flush lost is written again only by a write`() throws {
        let disk = MemoryDisk()
        let file = try disk.open("a", .create)
        try disk.syncDirectory("")
        try file.write([1, 1], at: 0)
        try file.sync()
        try file.write([2, 2], at: 0)
        disk.fail(.sync)
        #expect(throws: FileError.self) { try file.sync() }
        try file.write([3], at: 1)
        #expect(try file.readAll() == [2, 3])
        try file.sync()
        disk.powerLoss(.allKept)
        #expect(try disk.contents(of: "a") == [1, 3])
    }

    @Test func `a flush inside which the machine dies may have kept the bytes`() throws {
        let disk = MemoryDisk()
        let file = try disk.open("a", .create)
        try file.write([1], at: 0)
        disk.fail(.sync, losesUnflushed: false)
        #expect(throws: FileError.self) { try file.sync() }
        disk.powerLoss(.allKept)
        #expect(try disk.contents(of: "a") == [1])
    }

    // MARK: - Interrupted and short calls

    @Test(arguments: [2, 3, 7])
    func `interrupted and short calls are continued, and nobody notices`(every: Int) throws {
        let disk = MemoryDisk()
        disk.interrupt(every: every)
        disk.shorten(every: every == 7 ? 1 : every)
        let file = try disk.open("a", .create)
        let bytes = (0..<1_000).map { UInt8(truncatingIfNeeded: $0) }
        try file.write(bytes, at: 3)
        try file.sync()
        #expect(try file.read(at: 3, count: 2_000) == bytes)
        #expect(disk.callCount(.write) == 1)
        #expect(disk.callCount(.read) == 1)
        try file.truncate(to: 4)
        #expect(try disk.contents(of: "a") == [0, 0, 0, 0])
        try disk.syncDirectory("")
        try disk.syncFileSystem()
        #expect(try disk.lock("lock") != nil)
        #expect(try disk.list("").count == 2)
    }

    @Test func `the loop of a write ends at an error, and at a call that does nothing`() {
        let bytes = [UInt8](repeating: 1, count: 10)
        bytes.withUnsafeBytes { buffer in
            var asked: [Int] = []
            var answers = [4, -Int(EINTR), 5, -Int(EIO)]
            let result = writeFully(buffer) { rest, done in
                asked.append(done)
                #expect(rest.count == 10 - done)
                return answers.removeFirst()
            }
            #expect(result == -Int(EIO))
            #expect(asked == [0, 4, 4, 9])
            #expect(writeFully(buffer) { _, _ in 0 } == -Int(ENOSPC))
        }
        var calls = 0
        let result = repeatInterrupted {
            calls += 1
            return calls < 3 ? -Int(EINTR) : 8
        }
        #expect(result == 8)
        #expect(calls == 3)
    }

    // MARK: - Damage at rest

    @Test func `damage at rest is there at once, and after a loss of power`() throws {
        let disk = MemoryDisk()
        for (name, byte) in [("a", UInt8(1)), ("b", 2), ("c", 3)] {
            try disk.open(name, .create).write([UInt8](repeating: byte, count: 4), at: 0)
        }
        try disk.syncFileSystem()
        let calls = FileError.Operation.allCases.map { disk.callCount($0) }
        disk.overwrite("a", at: 3, [9, 9])
        disk.swap("a", with: "b")
        disk.truncate("a", to: 2)
        disk.delete("c")
        func check() {
            #expect(disk.allPaths == ["a", "b"])
            #expect(disk.snapshotOfFile("a") == [2, 2])
            #expect(disk.snapshotOfFile("b") == [1, 1, 1, 9])
            #expect(disk.fileBytes("a") == 2)
            #expect(disk.fileBytes("c") == nil)
            #expect(disk.snapshotOfFile("c") == nil)
        }
        check()
        #expect(FileError.Operation.allCases.map { disk.callCount($0) } == calls)
        disk.powerLoss(.allKept)
        check()
    }
}
