import DaybookFakes
import DaybookSystem
import DaybookValues
import Testing

@testable import DaybookJournal

/// Numbers in names and files that are larger than anything we ever write: found by fuzzing.
struct LargeNumberTests {
    private func lock(_ world: World, epoch: UInt64) throws {
        let text = "{\"pid\":1,\"host\":\"a\",\"boot\":\"b\",\"epoch\":\(epoch),\"started\":\"\"}\n"
        try world.disk.open("daybook.lock", .create).write(Array(text.utf8), at: 0)
    }

    @Test(arguments: [UInt64(UInt32.max) - 1, UInt64(UInt32.max), .max])
    func `an epoch that nobody reaches is not believed of a lock file`(epoch: UInt64) throws {
        let world = World()
        try lock(world, epoch: epoch)
        let journal = try world.open()
        #expect(journal.report.epoch == 1)
    }

    @Test func `the millionth start finds what the one before it wrote, and so do those after it`() throws {
        let world = World()
        try lock(world, epoch: 999_997)
        for start in 1...4 {
            let journal = try world.open()
            #expect(journal.report.epoch == 999_997 + UInt32(start))
            #expect(journal.report.lastQ == UInt64(start - 1))
            try journal.commit([1])
            world.disk.crash()
        }
        #expect(try world.recovered().state.qs == [1, 2, 3, 4])
        #expect(SegmentName(firstQ: 7, epoch: 1_000_000).description == "00000000000000000007-1000000")
    }

    @Test func `the name of a segment is read as it is written, and in no other form`() {
        for epoch: UInt32 in [1, 999_999, 1_000_000, 1_000_000_000] {
            let name = SegmentName(firstQ: 1_042, epoch: epoch)
            #expect(SegmentName(name.description) == name)
        }
        for text in [
            "00000000000000000000-000001", "09223372036854775807-000001", "+0000000000000001042-000001",
            "00000000000000001042-+00001", "00000000000000001042-0000001", "00000000000000001042-4294967295",
            "1042-000001", "00000000000000001042", "",
        ] {
            #expect(SegmentName(text) == nil, "\(text)")
        }
    }

    @Test func `a snapshot of a record that nobody reaches is not ours`() throws {
        let world = World()
        try world.disk.makeDirectory("snapshot")
        try world.disk.open("snapshot/09223372036854775807.snap", .create).write([1], at: 0)
        #expect(try world.open().report.snapshotsRefused.isEmpty)
    }

    @Test(arguments: [false, true])
    func `a record that nobody reaches is not believed to be proven`(byNextSegment: Bool) throws {
        let world = World()
        let journal = try world.open()
        for _ in 0..<3 { try journal.commit([1, 2]) }
        journal.unlock()
        let absurd: UInt64 = 9_000_000_000_000_000_000
        var path = world.disk.segments[0]
        if byNextSegment {
            try world.open().unlock()
            let damagedAt = try world.disk.offset(of: "{\"q\":4,", in: path)
            world.disk.damage(path, at: damagedAt + 100)
            world.disk.damage(path, at: try world.disk.offset(of: "{\"c\":6,", in: path) + 2)
            path = world.disk.segments[1]
            try setProven(absurd, of: "{\"log\":1,", in: path, world.disk)
        } else {
            world.disk.damage(path, at: try world.disk.offset(of: "{\"q\":6,", in: path) + 100)
            try setProven(absurd, of: "{\"c\":6,", in: path, world.disk)
            // Without the line feed before it, the commit line is found and does not close the batch.
            world.disk.damage(path, at: try world.disk.offset(of: "{\"c\":6,", in: path) - 1)
        }
        let report = try Verifier.verify(world.disk)
        #expect(!report.isSound)
        #expect(report.lastQ < 2_000_000)
        _ = try Repair.run(world.disk, now: noon, isDryRun: true)
    }

    /// Changes a line that says what was proven, with its checksum.
    private func setProven(_ q: UInt64, of start: String, in path: String, _ disk: MemoryDisk) throws {
        let content = try #require(try disk.contents(of: path))
        let offset = try disk.offset(of: start, in: path)
        let line = String(decoding: content[offset...].prefix { $0 != 10 }, as: UTF8.self)
        let parts = line.dropLast(lineEndBytes).split(separator: "\"proven\":", maxSplits: 1)
        var changed = Array("\(parts[0])\"proven\":\(q)\(parts[1].drop { $0 != "," })".utf8)
        changed.closeLine(from: 0)
        let rest = content[(offset + line.utf8.count + 1)...]
        try disk.replace(path, with: content[..<offset] + changed + rest)
    }
}
