import DaybookFakes
import DaybookSystem
import Testing

struct PowerLossTests {
    /// A flushed file `a` of 1,024 ones, to which two writes were made: twos over its second sector and 300 bytes
    /// beyond its end, then ten threes from 100 on.
    private func disk() throws -> MemoryDisk {
        let disk = MemoryDisk()
        let file = try disk.open("a", .create)
        try file.write([UInt8](repeating: 1, count: 1_024), at: 0)
        try file.sync()
        try disk.syncDirectory("")
        try file.write([UInt8](repeating: 2, count: 812), at: 512)
        try file.write([UInt8](repeating: 3, count: 10), at: 100)
        return disk
    }

    /// Bytes 100, 511, 512, 1023, 1024, 1323; nil where the file has ended.
    private func bytes(_ disk: MemoryDisk) -> [UInt8?] {
        let content = disk.snapshotOfFile("a") ?? []
        return [100, 511, 512, 1_023, 1_024, 1_323].map { $0 < content.count ? content[$0] : nil }
    }

    @Test func `what is not flushed is listed piece by piece, in the order it was done`() throws {
        let disk = try disk()
        #expect(disk.pendingPieces == 4)
        #expect(disk.pendingPieceList.map(\.kind) == [.growth, .data, .data, .data])
        #expect(disk.pendingPieceList.map(\.offset) == [1_324, 512, 1_024, 100])
        #expect(disk.pendingPieceList.map(\.bytes) == [0, 512, 300, 10])
        #expect(disk.pendingNameChanges == 0)
        _ = try disk.open("b", .create)
        #expect(disk.pendingNameChanges == 1)
        try disk.syncFileSystem()
        #expect(disk.pendingPieces == 0)
        #expect(disk.pendingNameChanges == 0)
    }

    static let policies: [(PowerLossPolicy, [UInt8?])] = [
        (.allKept, [3, 1, 2, 2, 2, 2]),
        (.noneKept, [1, 1, 1, 1, nil, nil]),
        (.tornWrite(piece: 1), [1, 1, 1, 1, nil, nil]),
        (.tornWrite(piece: 2), [1, 1, 2, 2, nil, nil]),
        (.tornWrite(piece: 3), [1, 1, 2, 2, 2, 2]),
        (.tornAtByte(piece: 2, byte: 1), [1, 1, 2, 2, 2, nil]),
        (.tornInZeros(piece: 2), [1, 1, 2, 2, 0, 0]),
        (.onlyLost(piece: 1), [3, 1, 1, 1, 2, 2]),
        (.onlyLost(piece: 2), [3, 1, 2, 2, 0, 0]),
        (.onlyKept(piece: 3), [3, 1, 1, 1, nil, nil]),
        (.onlyKept(piece: 2), [1, 1, 1, 1, 2, 2]),
        (.zeroFilled(piece: 1), [3, 1, 0, 0, 2, 2]),
        (.reversed, [3, 1, 1, 1, 2, 2]),
        (.sizesOnly, [1, 1, 1, 1, 0, 0]),
        (.sizesLost, [3, 1, 2, 2, nil, nil]),
    ]

    @Test(arguments: policies)
    func `a loss of power leaves exactly what its policy says`(policy: PowerLossPolicy, left: [UInt8?]) throws {
        let disk = try disk()
        disk.powerLoss(policy)
        #expect(bytes(disk) == left)
        #expect(disk.pendingPieces == 0)
        disk.powerLoss(.noneKept)
        #expect(bytes(disk) == left)
    }

    @Test(arguments: [
        (PowerLossPolicy.allKept, ["b", "c"]), (.noneKept, ["a", "gone"]), (.namesLost, ["a", "gone"]),
        (.nameLost(0), ["a", "c"]), (.nameLost(1), ["b"]), (.nameLost(2), ["b", "c", "gone"]),
        (.nameKept(0), ["b", "gone"]), (.nameKept(1), ["a", "c", "gone"]), (.nameKept(2), ["a"]),
        (.namesBefore(2), ["b", "c", "gone"]), (.namesOnly, ["b", "c"]),
    ])
    func `each change of a name is kept or undone as its policy says`(policy: PowerLossPolicy, left: [String]) throws {
        let disk = MemoryDisk()
        for name in ["a", "gone"] { _ = try disk.open(name, .create) }
        try disk.syncDirectory("")
        try disk.rename("a", to: "b")
        _ = try disk.open("c", .create)
        try disk.unlink("gone")
        #expect(disk.pendingNameChanges == 3)
        disk.powerLoss(policy)
        #expect(disk.allPaths == left)
    }

    @Test func `a point in time is the same for content and names`() throws {
        for (piece, left) in [(1, ["a"]), (2, ["a", "b"]), (3, ["a", "b"])] {
            let disk = MemoryDisk()
            let file = try disk.open("a", .create)
            try file.write([1], at: 0)
            _ = try disk.open("b", .create)
            try file.write([2], at: 0)
            _ = try disk.open("c", .create)
            disk.powerLoss(.tornWrite(piece: piece))
            #expect(disk.allPaths == (piece == 3 ? ["a", "b", "c"] : left))
        }
    }

    @Test func `a file that was renamed twice has one name, whichever of the two was kept`() throws {
        for policy in [PowerLossPolicy.nameKept(0), .nameKept(1), .nameLost(0), .nameLost(1)] {
            let disk = MemoryDisk()
            let file = try disk.open("a", .create)
            try file.write([1], at: 0)
            try disk.syncFileSystem()
            try disk.rename("a", to: "b")
            try disk.rename("b", to: "c")
            disk.powerLoss(policy)
            #expect(disk.allPaths.count == 1)
        }
    }

    @Test func `a rename onto another file leaves that file or the new one under its name`() throws {
        var seen: Set<[UInt8]> = []
        for seed in 0..<40 {
            let disk = MemoryDisk()
            try disk.open("a", .create).write([1], at: 0)
            try disk.syncFileSystem()
            let new = try disk.open("a.tmp", .create)
            try new.write([2], at: 0)
            try new.sync()
            try disk.rename("a.tmp", to: "a")
            disk.powerLoss(.random(seed: UInt64(seed)))
            seen.insert(try #require(disk.snapshotOfFile("a")))
        }
        #expect(seen == [[1], [2]])
    }

    @Test func `a flush of one directory settles a rename out of another, for good`() throws {
        for policy in [PowerLossPolicy.noneKept, .allKept] {
            let disk = MemoryDisk()
            try disk.makeDirectory("from")
            try disk.makeDirectory("to")
            try disk.syncDirectory("")
            _ = try disk.open("from/a", .create)
            try disk.rename("from/a", to: "to/b")
            try disk.syncDirectory("to")
            disk.powerLoss(policy)
            #expect(disk.allPaths == ["to/b"])
        }
    }

    @Test func `changes of names are lost in any combination, or from some point on`() throws {
        var seen: Set<[String]> = []
        for seed in 0..<200 {
            let disk = MemoryDisk()
            for name in ["a", "b", "c"] { _ = try disk.open(name, .create) }
            disk.powerLoss(.random(seed: UInt64(seed)))
            seen.insert(disk.allPaths)
        }
        #expect(seen.count == 8)
    }

    @Test func `a file that a write grew keeps its size, loses it, or ends with what was kept`() throws {
        var sizes: Set<Int> = []
        for seed in 0..<400 {
            let disk = MemoryDisk()
            let file = try disk.open("a", .create)
            try disk.syncDirectory("")
            try file.write([UInt8](repeating: 1, count: 1_024), at: 0)
            disk.powerLoss(.random(seed: UInt64(seed)))
            sizes.insert(try #require(disk.fileBytes("a")))
        }
        #expect(sizes.isSuperset(of: [0, 512, 1_024]))
        // Torn at a byte.
        #expect(sizes.count > 10)
    }

    @Test func `a sector that was stored to through a mapping has all its stores or none`() throws {
        var seen: Set<[UInt8]> = []
        for seed in 0..<100 {
            let disk = MemoryDisk()
            let region = try disk.map("m", at: 0, bytes: 65_536)
            try disk.syncFileSystem()
            for offset in [0, 511, 512] { [UInt8](arrayLiteral: 7).withUnsafeBytes { region.store($0, at: offset) } }
            disk.powerLoss(random: SeededRandom(seed: UInt64(seed)))
            let content = try #require(disk.snapshotOfFile("m"))
            seen.insert([content[0], content[511], content[512]])
        }
        #expect(seen.isSuperset(of: [[0, 0, 0], [7, 7, 0], [0, 0, 7], [7, 7, 7]]))
    }

    @Test func `a fork has all that is not flushed, and neither touches the other`() throws {
        let disk = try disk()
        _ = try disk.open("b", .create)
        let fork = disk.fork()
        #expect(fork.pendingPieceList == disk.pendingPieceList)
        #expect(fork.pendingNameChanges == 1)
        #expect(try fork.stat("a")?.inode == disk.stat("a")?.inode)
        try fork.open("a", .readWrite).write([9], at: 0)
        #expect(disk.snapshotOfFile("a")?.first == 1)
        fork.powerLoss(.noneKept)
        #expect(fork.allPaths == ["a"])
        #expect(disk.allPaths == ["a", "b"])
        #expect(bytes(disk) == [3, 1, 2, 2, 2, 2])
        disk.powerLoss(.tornWrite(piece: 2))
        #expect(bytes(disk) == [1, 1, 2, 2, nil, nil])
    }

    @Test func `a fork can be made before each operation that changes something, and only there`() throws {
        let disk = MemoryDisk()
        let seen = Seen()
        disk.onOperation = { disk, operation, path in
            seen.add("\(operation.rawValue) \(path) \(disk.fork().snapshotOfFile("a")?.count ?? -1)")
        }
        let file = try disk.open("a", .create)
        try file.write([1, 2], at: 0)
        _ = try file.readAll()
        try file.sync()
        _ = try disk.open("a", .create)
        try disk.makeDirectory("d")
        try disk.makeDirectory("d")
        let region = try disk.map("m", at: 0, bytes: 65_536)
        [UInt8](arrayLiteral: 7).withUnsafeBytes { region.store($0, at: 0) }
        let expected = [
            "open a -1", "write a 0", "sync a 2", "makeDirectory d 2", "map m 2", "map m 2",
        ]
        #expect(seen.all == expected)
        #expect(disk.operations == expected.count)
    }
}
