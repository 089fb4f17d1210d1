import DaybookFakes
import DaybookJournal
import DaybookSystem
import DaybookValues
import Testing

struct SnapshotTests {
    @Test func `rule 11: a start goes on from a snapshot, slice by slice`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1, 2], count: 2)
        let writer = journal.beginSnapshot()
        writer.append([1, 2, 3])
        // The log goes on while slices are still being made.
        try journal.commit([1])
        try journal.keeper.step()
        writer.append([])
        writer.append([4])
        writer.finish()
        while try journal.keeper.step() {}
        let (state, report) = try world.recovered()
        #expect(report.snapshotQ == 4)
        #expect(state.restoredSlices == [[1, 2, 3], [], [4]])
        #expect(state.qs == [5])
        #expect(state.entries.map(\.n) == [2])
    }

    @Test func `rule 11: a snapshot gets its name only after the stream files are durable`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1, 2], count: 2)
        try journal.snapshot()
        world.disk.powerLossOfAllUnflushed()
        let second = try world.open()
        #expect(second.report.snapshotQ == 4)
        #expect(try second.runRecords(run(1)).entries.count == 2)
    }

    @Test func `rule 11: the two newest snapshots are kept`() throws {
        let world = World()
        let journal = try world.open()
        for _ in 0..<4 {
            try journal.commit([1])
            try journal.snapshot()
        }
        #expect(
            world.disk.allPaths.filter { $0.hasPrefix("snapshot/") } == [
                "snapshot/00000000000000000003.snap", "snapshot/00000000000000000004.snap",
            ])
    }

    @Test func `rule 11: a snapshot is due by bytes of log or by time`() throws {
        var world = World()
        world.options.snapshotLogBytes = 2_000
        let journal = try world.open()
        #expect(!journal.keeper.shouldSnapshot)
        try journal.commit([1])
        #expect(!journal.keeper.shouldSnapshot)
        world.clock.advance(milliseconds: 600_000)
        #expect(journal.keeper.shouldSnapshot)
        try journal.snapshot()
        #expect(!journal.keeper.shouldSnapshot)
        try journal.commit([1], count: 30)
        #expect(journal.keeper.shouldSnapshot)
    }

    @Test func `rule 11: an unknown snapshot version is ignored`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1], count: 3)
        try journal.snapshot()
        world.disk.crash()
        var state = RecordedState()
        state.refusesSnapshots = true
        let second = try world.open(&state)
        #expect(state.qs == [1, 2, 3])
        #expect(second.report.snapshotQ == 0)
        #expect(second.report.snapshotsRefused.count == 1)
    }

    @Test func `rule 15: a damaged snapshot gives way to the older one, and that to the log`() throws {
        let world = World()
        let journal = try world.open()
        for number in 1...3 {
            try journal.commit([number])
            try journal.snapshot("state \(number)")
        }
        world.disk.crash()
        let size = try world.disk.contents(of: "snapshot/00000000000000000003.snap")?.count ?? 0
        for offset in 0..<size {
            let copy = world.disk.copy(device: 1)
            copy.damage("snapshot/00000000000000000003.snap", at: offset, flipping: 4)
            var second = world
            second.disk = copy
            var state = RecordedState()
            #expect(try second.open(&state).report.snapshotQ == 2, "byte \(offset)")
            #expect(state.qs == [3])
        }
        world.disk.damage("snapshot/00000000000000000003.snap", at: 9)
        world.disk.damage("snapshot/00000000000000000002.snap", at: 9)
        #expect(try world.recovered().state.qs == [1, 2, 3])
    }

    @Test func `rule 15: whichever bit of a snapshot is flipped, it gives what was saved or is refused`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1, 2])
        try journal.snapshot("state")
        let path = "snapshot/00000000000000000002.snap"
        world.disk.crash()
        for offset in 0..<(world.disk.fileBytes(path) ?? 0) {
            for bit in 0..<8 {
                let disk = world.disk.fork()
                disk.damage(path, at: offset, flipping: 1 << UInt8(bit))
                var state = RecordedState()
                let report = try Journal.read(disk: disk, replay: &state)
                #expect(report.snapshotsRefused.map(\.path) == [path], "byte \(offset), bit \(bit)")
                #expect(state.qs == [1, 2], "byte \(offset), bit \(bit)")
                #expect(try !Verifier.verify(disk).isSound, "byte \(offset), bit \(bit)")
            }
        }
    }

    @Test func `a snapshot that does not fit on the disk is given up`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1])
        world.disk.fail(.write, errno: 28, path: "snapshot/")
        try journal.snapshot()
        #expect(!world.disk.allPaths.contains { $0.hasPrefix("snapshot/") })
        try journal.snapshot()
        #expect(try world.recovered().report.snapshotQ == 1)
    }
}

struct RetentionTests {
    /// A log of many segments, two snapshots, and enough time gone by.
    private func longLog(world: World = World(segmentBytes: 4_096)) throws -> (World, Journal) {
        let journal = try world.open()
        for _ in 0..<10 { try journal.commit([1, 2], count: 5) }
        try journal.snapshot()
        for _ in 0..<10 { try journal.commit([1, 2], count: 5) }
        try journal.snapshot()
        return (world, journal)
    }

    @Test func `rule 12: a segment goes only when the second newest snapshot covers it and it is old`() throws {
        let (world, journal) = try longLog()
        let all = world.disk.segments
        try journal.keeper.step()
        #expect(world.disk.segments == all)
        world.clock.advance(milliseconds: 599_999)
        try journal.keeper.step()
        #expect(world.disk.segments == all)
        world.clock.advance(milliseconds: 1)
        try journal.keeper.step()
        let left = world.disk.segments
        #expect(left.count < all.count)
        // The older snapshot is still of use: the log goes on right behind it.
        #expect(left.first.map { $0.prefix(28) <= "journal/00000000000000000101" } == true)
        world.disk.damage("snapshot/00000000000000000200.snap", at: 3)
        let (state, report) = try world.recovered()
        #expect(report.snapshotQ == 100)
        #expect(state.qs == Array(101...200))
    }

    @Test func `rule 12: nothing goes while there is a hold`() throws {
        let (world, journal) = try longLog()
        world.clock.advance(milliseconds: 600_000)
        _ = try world.disk.open("hold", .create)
        let all = world.disk.segments
        try journal.keeper.step()
        #expect(world.disk.segments == all)
        try world.disk.unlink("hold")
        try journal.keeper.step()
        #expect(world.disk.segments.count < all.count)
    }

    @Test func `rule 12: a segment with damage is put aside, not removed`() throws {
        let world = World(segmentBytes: 4_096)
        let journal = try world.open()
        for _ in 0..<10 { try journal.commit([1, 2], count: 5) }
        world.disk.crash()
        let damaged = world.disk.segments[0]
        let content = try world.disk.contents(of: damaged) ?? []
        world.disk.damage(damaged, at: try world.disk.offset(of: "{\"q\":6,", in: damaged) + 40)
        let (_, second) = try longLog(world: world)
        #expect(second.report.quarantined.map(\.run) == [run(2)])
        world.clock.advance(milliseconds: 600_000)
        try second.keeper.step()
        // The run that was set aside may need its segments; they stay where they are.
        #expect(try world.disk.contents(of: damaged)?.count == content.count)
    }

    @Test func `rule 12: a segment in which only a commit line is damaged goes to the damaged ones`() throws {
        let world = World(segmentBytes: 4_096)
        let journal = try world.open()
        for _ in 0..<10 { try journal.commit([1, 2], count: 5) }
        world.disk.crash()
        let damaged = world.disk.segments[0]
        world.disk.damage(damaged, at: try world.disk.offset(of: "{\"c\":", in: damaged) + 10)
        let (_, second) = try longLog(world: world)
        #expect(second.report.quarantined.isEmpty)
        #expect(second.report.damage.map(\.q) == [nil])
        world.clock.advance(milliseconds: 600_000)
        try second.keeper.step()
        #expect(!world.disk.allPaths.contains(damaged))
        #expect(world.disk.allPaths.contains("journal/damaged/" + damaged.dropFirst(8)))
    }

    @Test func `rule 12: segments of earlier starts that nothing leads to go in time`() throws {
        let world = World()
        for _ in 0..<4 {
            _ = try world.open()
            world.disk.crash()
        }
        #expect(world.disk.segments.count == 4)
        let journal = try world.open()
        for _ in 0..<2 {
            try journal.commit([1])
            try journal.snapshot()
        }
        world.clock.advance(milliseconds: 600_000)
        try journal.keeper.step()
        #expect(world.disk.segments.count == 1)
        #expect(try world.recovered().report.lastQ == 2)
    }
}

struct RebuildTests {
    @Test func `rule 13: without snapshots and old segments the state comes back from the streams, merged by number`()
        throws
    {
        let world = World(segmentBytes: 4_096)
        let journal = try world.open()
        var expected = RecordedState()
        for round in 0..<10 {
            journal.record(.system(month: noon.month), round)
            journal.record(.events(day: noon.day), round)
            try journal.commit([1, 2, 3], count: 2)
        }
        journal.record(.run(run(2)), final: true)
        try journal.log.commit()
        try journal.snapshot()
        try journal.commit([1, 3])
        try journal.snapshot()
        expected = try World.replayed(world)
        world.clock.advance(milliseconds: 600_000)
        try journal.keeper.step()
        #expect(world.disk.segments.count < 3)
        world.disk.crash()
        for path in world.disk.allPaths where path.hasPrefix("snapshot/") { try world.disk.unlink(path) }
        var state = RecordedState()
        let second = try world.open(&state)
        #expect(second.report.wasRebuilt)
        #expect(state == expected)
        #expect(state.qs == Array(1...83))
        // And it goes on as if nothing had happened.
        try second.commit([1, 2])
        #expect(try second.runRecords(run(1)).entries.map(\.n) == Array(0..<22))
        #expect(try Verifier.verify(world.disk).isSound == false || world.disk.segments.count > 0)
    }
}

extension World {
    /// Every record from the very first, without the snapshots.
    static func replayed(_ world: World) throws -> RecordedState {
        let copy = world.disk.copy(device: 1)
        for path in copy.allPaths where path.hasPrefix("snapshot/") { try copy.unlink(path) }
        var state = RecordedState()
        _ = try Journal.read(disk: copy, replay: &state)
        return state
    }
}
