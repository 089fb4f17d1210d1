import DaybookFakes
import DaybookJournal
import DaybookSystem
import DaybookValues
import Testing

/// The system is short of something for a while: descriptors, memory, room. Nothing may be lost for it, and no run set
/// aside.
struct ShortageTests {
    private static let short: [Int32] = [24, 23, 12, 11, 28, 122]

    private func errorOf(_ body: () throws -> Void) -> FileError? {
        do {
            try body()
            return nil
        } catch {
            return error as? FileError
        }
    }

    @Test(arguments: [FileError.Operation.open, .makeDirectory, .write], short)
    func `run files that cannot be written for now are written later, and no run is set aside`(
        operation: FileError.Operation, errno: Int32
    ) throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1, 2], count: 3)
        world.disk.fail(operation, errno: errno, path: "runs/", times: 2)
        for _ in 0..<2 { #expect(errorOf(journal.followAll)?.isFinal == false) }
        try journal.followAll()
        #expect(journal.follower.takeQuarantined().isEmpty)
        #expect(try journal.runRecords(run(1)).entries.count == 3)
        try journal.snapshot()
        #expect(try Verifier.verify(world.disk).isSound)
    }

    @Test(arguments: short)
    func `a checkpoint that cannot open its files is done later, and no run is set aside`(errno: Int32) throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1, 2], count: 3)
        try journal.followAll()
        world.disk.fail(.open, errno: errno, path: "runs/")
        #expect(errorOf { try journal.follower.checkpoint() }?.isFinal == false)
        #expect(journal.follower.checkpointQ == 0)
        try journal.follower.checkpoint()
        #expect(journal.follower.checkpointQ == 6)
        #expect(journal.follower.takeQuarantined().isEmpty)
        world.disk.powerLossOfAllUnflushed()
        #expect(try world.recovered().state.qs == Array(1...6))
    }

    @Test(arguments: [1, 13])
    func `a folder that may not be written to is waited for`(errno: Int32) throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1, 2])
        world.disk.fail(.open, errno: errno, path: "runs/", times: 3)
        for _ in 0..<3 { #expect(errorOf(journal.followAll)?.isFinal == false) }
        try journal.followAll()
        #expect(journal.follower.takeQuarantined().isEmpty)
        #expect(try journal.runRecords(run(2)).entries.count == 1)
    }

    @Test func `a disk that became read-only is final, and no run is set aside for it`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1, 2])
        try journal.followAll()
        try journal.commit([1, 2])
        world.disk.fail(.write, errno: 30, path: "runs/", times: 10)
        #expect(errorOf(journal.followAll)?.isFinal == true)
        #expect(journal.follower.takeQuarantined().isEmpty)
    }

    @Test func `a read error of the log is waited out`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1, 2])
        world.disk.fail(.read, errno: 5, path: "journal/", times: 2)
        for _ in 0..<2 { #expect(errorOf(journal.followAll)?.isFinal == false) }
        try journal.followAll()
        #expect(try journal.runRecords(run(1)).entries.count == 1)
    }

    @Test func `bytes of the log that are not what was written are final`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1, 2])
        world.disk.damage(
            world.disk.segments[0], at: try world.disk.offset(of: "{\"q\":1,", in: world.disk.segments[0]) + 90)
        let error = errorOf(journal.followAll)
        #expect(error?.isFinal == true)
        #expect(error?.description.contains("is damaged") == true)
    }

    @Test func `a flush of all files that finds no room is final`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit(Array(1...100))
        try journal.followAll()
        world.disk.fail(.syncFileSystem, errno: 28)
        #expect(errorOf { try journal.follower.checkpoint() }?.isFinal == true)
    }

    @Test func `a new run file whose flush finds no room is tried again`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1])
        try journal.followAll()
        // The flush fails, and so does the one of the file that is to take its place.
        world.disk.fail(.sync, errno: 28, path: run(1).text, times: 2)
        #expect(errorOf { try journal.follower.checkpoint() }?.isFinal == false)
        try journal.follower.checkpoint()
        #expect(journal.follower.takeQuarantined().isEmpty)
        world.disk.powerLossOfAllUnflushed()
        #expect(try StreamFileText.count(world.disk, run(1)) == 1)
    }

    // MARK: - The log

    @Test(arguments: [FileError.Operation.open, .write, .rename], short)
    func `rule 6: a segment that cannot be begun for now holds the batch back, and nothing of it is lost`(
        operation: FileError.Operation, errno: Int32
    ) throws {
        let world = World(segmentBytes: 4_096)
        let journal = try world.open()
        var failures = 0
        for number in 0..<40 {
            journal.record(.run(run(number)))
            world.disk.fail(operation, errno: errno, path: "journal/spare")
            do {
                try journal.log.commit()
            } catch {
                #expect(!journal.log.hasFailed)
                failures += 1
                world.disk.clearFailures()
                try journal.log.commit()
            }
            world.disk.clearFailures()
        }
        #expect(failures > 0)
        try journal.followAll()
        world.disk.crash()
        #expect(try world.recovered().state.qs == Array(1...40))
        #expect(try Verifier.verify(world.disk).isSound)
    }

    @Test func `rule 6: a batch that the disk has no room for is written once there is room, and only once`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1])
        journal.record(.run(run(1)))
        world.disk.fail(.write, errno: 28, path: "journal/", times: 2)
        for _ in 0..<2 { #expect(throws: FileError.self) { try journal.log.commit() } }
        #expect(!journal.log.hasFailed)
        #expect(journal.flushedQ == 1)
        try journal.log.commit()
        try journal.commit([1])
        world.disk.crash()
        let (state, report) = try world.recovered()
        #expect(state.qs == [1, 2, 3])
        #expect(report.damage.isEmpty)
    }

    @Test func `rule 6: with no spare ready the writer makes a small segment, with one write and one flush of it`()
        throws
    {
        let world = World(segmentBytes: 8 << 20)
        let journal = try world.open()
        let large = String(repeating: "x", count: 100_000)
        func commit() throws {
            journal.log.begin(.run(run(1)), "step.completed", at: noon)
            journal.log.bytes.append(contentsOf: ",\"value\":\"\(large)\"".utf8)
            journal.log.end()
            try journal.log.commit()
        }
        while world.disk.segments.count == 1 { try commit() }
        let name = try #require(world.disk.segments.last)
        #expect(try world.disk.stat(name)?.bytes == 1 << 20)
        let (writes, flushes) = (world.disk.callCount(.write), world.disk.callCount(.sync))
        while world.disk.segments.count == 2 { try commit() }
        let batches = Int(journal.flushedQ) - 10
        // A batch is one of each; the new segment one of each to fill it, and one of each for its header.
        #expect(world.disk.callCount(.write) - writes <= batches + 2)
        #expect(world.disk.callCount(.sync) - flushes <= batches + 2)
        // Once the keeper has caught up, segments have their full size again.
        try journal.keeper.step()
        while world.disk.segments.count == 3 { try commit() }
        #expect(try world.disk.stat(try #require(world.disk.segments.last))?.bytes == 8 << 20)
        world.disk.crash()
        #expect(try world.recovered().state.qs == Array(1...journal.flushedQ))
    }

    @Test func `spares that somebody removed are passed over`() throws {
        let world = World(segmentBytes: 4_096)
        let journal = try world.open()
        try journal.keeper.step()
        for path in world.disk.allPaths where path.hasPrefix("journal/spare") { try world.disk.unlink(path) }
        for _ in 0..<40 { try journal.commit([1]) }
        #expect(world.disk.segments.count > 1)
        world.disk.crash()
        #expect(try world.recovered().state.qs == Array(1...40))
    }

    // MARK: - Room

    @Test func `rule 6: without descriptors for spares new work is refused, and the trouble is told`() throws {
        let world = World()
        let journal = try world.open()
        world.disk.fail(.open, errno: 24, path: "journal/spare", times: 2)
        #expect(errorOf { try journal.keeper.step() }?.isTemporary == true)
        #expect(journal.keeper.pressure == .refuseNewWork)
        // It is not room that is missing.
        #expect(journal.keeper.bytesToFree == 0)
        #expect(errorOf { try journal.keeper.step() }?.isTemporary == true)
        try journal.keeper.step()
        #expect(journal.keeper.pressure == .normal)
    }

    @Test func `rule 6: a full disk says how much has to be freed, and that much is enough`() throws {
        let world = World(capacityBytes: 1_000_000)
        let journal = try world.open()
        try journal.keeper.step()
        let free = try world.disk.freeSpace().bytes
        world.disk.setCapacity(bytes: 1_000_000 - free + 1_000)
        for _ in 0..<3 { try journal.keeper.step() }
        #expect(journal.keeper.pressure == .refuseNewWork)
        let bytes = journal.keeper.bytesToFree
        #expect(bytes > 0)
        world.disk.setCapacity(bytes: 1_000_000 - free + 1_000 + bytes)
        try journal.keeper.step()
        #expect(journal.keeper.pressure == .normal)
        #expect(journal.keeper.bytesToFree == 0)
    }

    @Test(arguments: [28, 122, 24])
    func `rule 11: a snapshot that does not fit is tried again after a wait that grows`(errno: Int32) throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1])
        world.clock.advance(milliseconds: 600_000)
        #expect(journal.keeper.shouldSnapshot)
        world.disk.fail(errno == 24 ? .open : .write, errno: errno, path: "snapshot/", times: 3)
        for wait: Int64 in [1_000, 2_000, 4_000] {
            try journal.snapshot()
            #expect(try world.disk.list("snapshot").isEmpty)
            #expect(!journal.keeper.shouldSnapshot)
            world.clock.advance(milliseconds: wait - 1)
            #expect(!journal.keeper.shouldSnapshot)
            world.clock.advance(milliseconds: 1)
            #expect(journal.keeper.shouldSnapshot)
        }
        try journal.snapshot()
        #expect(try world.disk.list("snapshot").count == 1)
    }

    @Test func `a wall clock that was set back does not put snapshots off`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1])
        world.clock.setWall(noon + -86_400_000)
        #expect(journal.keeper.shouldSnapshot)
        try journal.snapshot()
        try journal.commit([1])
        #expect(!journal.keeper.shouldSnapshot)
        world.clock.advance(milliseconds: 600_000)
        #expect(journal.keeper.shouldSnapshot)
    }
}

/// Records in a run's file, however the file came to be.
enum StreamFileText {
    static func count(_ disk: any Disk, _ run: ULID) throws -> Int {
        try RunRecords(disk: disk, stream: .run(run)).entries.count
    }
}
