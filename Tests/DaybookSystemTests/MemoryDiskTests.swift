import DaybookFakes
import DaybookSystem
import DaybookValues
import Testing

struct MemoryDiskTests {
    @Test func `a crash keeps what was written and ends files and locks`() throws {
        let disk = MemoryDisk()
        let file = try disk.open("a", .create)
        let lock = try disk.lock("lock")
        try file.write([1, 2, 3], at: 0)
        disk.crash()
        #expect(try disk.contents(of: "a") == [1, 2, 3])
        #expect(throws: FileError.self) { try file.write([4], at: 0) }
        #expect(try disk.lock("lock") != nil)
        withExtendedLifetime(lock) {}
    }

    @Test func `power loss keeps what was flushed, content and name apart`() throws {
        let disk = MemoryDisk()
        let named = try disk.open("named", .create)
        try disk.syncDirectory("")
        try named.write([1], at: 0)
        let flushed = try disk.open("flushed", .create)
        try flushed.write([2], at: 0)
        try flushed.sync()
        disk.powerLossOfAllUnflushed()
        #expect(disk.allPaths == ["named"])
        #expect(try disk.contents(of: "named") == [])
    }

    @Test func `a rename whose directory was not flushed is undone or done, never half`() throws {
        var outcomes: Set<[String]> = []
        for seed in 0..<20 {
            let disk = MemoryDisk()
            let file = try disk.open("old", .create)
            try file.write([1], at: 0)
            try file.sync()
            try disk.syncDirectory("")
            try disk.rename("old", to: "new")
            disk.powerLoss(random: SeededRandom(seed: UInt64(seed)))
            outcomes.insert(disk.allPaths)
            #expect(try disk.contents(of: disk.allPaths[0]) == [1])
        }
        #expect(outcomes == [["old"], ["new"]])
    }

    @Test func `each sector of an unflushed write has its own fate, and bytes it did not change stay`() throws {
        var seen: Set<[UInt8]> = []
        for seed in 0..<2_000 {
            let disk = try diskWithSectors()
            disk.powerLoss(random: SeededRandom(seed: UInt64(seed)))
            let content = try #require(try disk.contents(of: "a"))
            #expect(content[..<256].allSatisfy { $0 == 1 })
            #expect(content[1_280...].allSatisfy { $0 == 1 })
            var outcome: [UInt8] = []
            for range in [256..<512, 512..<1_024, 1_024..<1_280] {
                // 3 stands for a tear: what was written, then what was there.
                let values = content[range]
                let isTorn = values.first == 2 && values.last == 1
                #expect(isTorn || Set(values).count == 1)
                outcome.append(isTorn ? 3 : values[range.lowerBound])
            }
            seen.insert(outcome)
        }
        #expect(seen.count == 4 * 4 * 4)
    }

    /// A file of three sectors of ones, of which 256 to 1,280 have been written over with twos.
    private func diskWithSectors() throws -> MemoryDisk {
        let disk = MemoryDisk()
        let file = try disk.open("a", .create)
        try file.write([UInt8](repeating: 1, count: 1_536), at: 0)
        try file.sync()
        try disk.syncDirectory("")
        try file.write([UInt8](repeating: 2, count: 1_024), at: 256)
        return disk
    }

    @Test func `a failed flush loses the bytes for good, though reads still show them`() throws {
        let disk = MemoryDisk()
        let file = try disk.open("a", .create)
        try disk.syncDirectory("")
        try file.write([1], at: 0)
        try file.sync()
        try file.write([2], at: 0)
        disk.fail(.sync)
        #expect(throws: FileError.self) { try file.sync() }
        #expect(try file.readAll() == [2])
        try file.sync()
        disk.powerLossOfAllUnflushed()
        #expect(try disk.contents(of: "a") == [1])
    }

    @Test func `the call asked for fails, and only that`() throws {
        let disk = MemoryDisk()
        disk.fail(.write, after: 1, errno: 28, path: "a")
        let (a, b) = (try disk.open("a", .create), try disk.open("b", .create))
        try a.write([1], at: 0)
        try b.write([1], at: 0)
        #expect(throws: FileError(errno: 28, operation: .write, path: "a")) { try a.write([1], at: 0) }
        try a.write([1], at: 0)
    }

    @Test func `a full disk refuses to grow a file, and writes within it go on`() throws {
        let disk = MemoryDisk(capacityBytes: 10)
        let file = try disk.open("a", .create)
        try file.write([UInt8](repeating: 1, count: 10), at: 0)
        try file.write([2], at: 9)
        #expect { try file.write([3], at: 10) } throws: { ($0 as? FileError)?.isOutOfSpace == true }
        try file.truncate(to: 5)
        #expect(try disk.freeSpace().bytes == 5)
    }

    @Test func `the same seed gives the same disk`() throws {
        func outcome() throws -> [UInt8]? {
            let disk = MemoryDisk()
            let file = try disk.open("a", .create)
            try disk.syncDirectory("")
            for offset in 0..<8 { try file.write([UInt8](repeating: 7, count: 700), at: offset * 700) }
            disk.powerLoss(random: SeededRandom(seed: 11))
            return try disk.contents(of: "a")
        }
        #expect(try outcome() == outcome())
    }
}
