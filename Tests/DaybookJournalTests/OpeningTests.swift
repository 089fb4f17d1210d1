import DaybookFakes
import DaybookJournal
import DaybookSystem
import DaybookValues
import Synchronization
import Testing

struct OpeningTests {
    @Test func `rule 14: a second process is refused and told who holds the directory`() throws {
        let world = World()
        let journal = try world.open()
        #expect {
            try world.open()
        } throws: { error in
            "\(error)".contains("process 4711 on test, started 2026-11-21T08:00:00.000Z")
        }
        withExtendedLifetime(journal) {}
        world.disk.crash()
        #expect(try world.open().report.epoch == 2)
    }

    @Test func `rule 14: a network file system is refused unless it is allowed`() throws {
        var world = World()
        world.disk.setKind(FileSystemKind(name: "nfs4", isNetwork: true))
        #expect { try world.open() } throws: { "\($0)".contains("nfs4") }
        world.options.allowsNetworkFileSystem = true
        #expect(try world.open().report.warnings.count == 1)
    }

    @Test func `rule 14: a copied directory is recognised and its files are made whole from the log`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1, 2], count: 4)
        journal.record(.run(run(2)), final: true)
        try journal.log.commit()
        try journal.snapshot()
        try journal.commit([1])
        try journal.followAll()
        #expect(!journal.report.wasCopied)
        var copied = world
        copied.disk = world.disk.copy()
        // The copy took the run files before the snapshot: one is short, one is missing.
        let first = StreamID.run(run(1)).path
        let whole = try world.disk.text(first)
        try copied.disk.open(first, .readWrite).truncate(to: whole.utf8.count / 3)
        try copied.disk.unlink(StreamID.run(run(2)).path)
        let second = try copied.open()
        #expect(second.report.wasCopied)
        // A start that dies before all is checked knows nothing: the next one has to check again.
        copied.disk.crash()
        let third = try copied.open()
        #expect(third.report.wasCopied)
        try third.followAll()
        #expect(try copied.disk.text(first) == whole)
        #expect(
            try copied.disk.text(StreamID.run(run(2)).path) == world.disk.text(StreamID.run(run(2)).path))
        #expect(third.follower.takeQuarantined().isEmpty)
        try third.commit([1])
        try third.snapshot()
        copied.disk.crash()
        #expect(try !copied.open().report.wasCopied)
    }

    @Test func `rule 14: a run whose records neither the copy nor its log has is set aside`() throws {
        let world = World(segmentBytes: 4_096)
        let journal = try world.open()
        for _ in 0..<10 { try journal.commit([1, 2], count: 4) }
        for _ in 0..<2 {
            try journal.commit([1, 2])
            try journal.snapshot()
        }
        world.clock.advance(milliseconds: 600_000)
        try journal.keeper.step()
        var copied = world
        copied.disk = world.disk.copy()
        try copied.disk.open(StreamID.run(run(2)).path, .readWrite).truncate(to: 500)
        let second = try copied.open()
        try second.followAll()
        #expect(second.follower.takeQuarantined().map(\.run) == [run(2)])
        #expect(try second.runRecords(run(1)).entries.count == 42)
    }

    @Test func `rule 16: bytes beyond what a later segment says count for nothing`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1], count: 2)
        try journal.commit([2], count: 2)
        world.disk.crash()
        let first = world.disk.segments[0]
        let second = try world.open()
        try second.commit([3])
        world.disk.crash()
        // What stands behind the cut in the old file is as good as absent.
        let cut = try world.disk.offset(of: "{\"q\":3,", in: first)
        try world.disk.open(first, .readWrite).write(Array("nonsense\n".utf8), at: cut)
        let (state, report) = try world.recovered()
        #expect(state.qs == [1, 2, 3, 4, 5])
        #expect(report.damage.isEmpty)
    }

    @Test func `rule 18: unproven batches are copied into the new segment, the old file stays as it is`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1], count: 2)
        try journal.commit([2], count: 2)
        world.disk.crash()
        let old = world.disk.segments[0]
        let before = try world.disk.text(old)
        _ = try world.open()
        #expect(try world.disk.text(old) == before)
        #expect(world.disk.segments == [old, "journal/00000000000000000003-000002.jsonl"])
        let new = try world.disk.text(world.disk.segments[1])
        let batch = before.split(separator: "\n").filter { $0.hasPrefix("{\"q\":3,") || $0.hasPrefix("{\"q\":4,") }
        #expect(new.contains(batch.joined(separator: "\n")))
        // They are durable now even if the old file was not.
        world.disk.crash()
        world.disk.damage(old, at: try world.disk.offset(of: "{\"q\":4,", in: old) + 20)
        let (state, report) = try world.recovered()
        #expect(state.qs == [1, 2, 3, 4])
        #expect(report.damage.isEmpty)
    }

    @Test func `rule 18: damage to what a start has copied is damage, not a torn end`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1], count: 2)
        world.disk.crash()
        _ = try world.open()
        world.disk.crash()
        let copy = world.disk.segments[1]
        world.disk.damage(copy, at: try world.disk.offset(of: "{\"q\":2,", in: copy) + 40)
        #expect(try world.recovered().state.quarantined == [run(1)])
    }

    @Test func `a start can die at any call and be done again`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1, 2], count: 3)
        try journal.snapshot()
        try journal.commit([1, 2], count: 3)
        world.disk.crash()
        let operations: [FileError.Operation] = [
            .open, .read, .write, .sync, .rename, .syncDirectory, .list, .stat, .map, .lock, .truncate,
        ]
        for operation in operations {
            for call in 0..<40 {
                var copy = world
                copy.disk = world.disk.copy(device: 1)
                copy.disk.fail(operation, after: call)
                let survived = (try? copy.open()) != nil
                copy.disk.clearFailures()
                copy.disk.powerLossOfAllUnflushed()
                var state = RecordedState()
                let again = try copy.open(&state)
                #expect(again.log.nextQ == 13, "\(operation) \(call)")
                #expect(state.quarantined.isEmpty)
                try again.commit([3])
                #expect(again.flushedQ == 13)
                if survived { break }
            }
        }
    }

    @Test func `rule 19: the second start in a row that dies at one record sets its run aside`() throws {
        struct Trap: JournalReplay {
            var state = RecordedState()
            let disk: MemoryDisk
            mutating func reset() { state.reset() }
            mutating func restore(_ snapshot: inout SnapshotReader) throws { try state.restore(&snapshot) }
            mutating func apply(_ record: RecordView) throws {
                // Stands for a trap: the process is gone, and nothing of it reaches the disk any more.
                if record.q == 2 {
                    disk.crash()
                    throw UnknownRecordKind("gone".utf8)
                }
                try state.apply(record)
            }
            mutating func quarantine(_ run: ULID, because reason: QuarantineReason) {
                state.quarantine(run, because: reason)
            }
        }
        let world = World()
        let journal = try world.open()
        try journal.commit([1, 2, 3])
        world.disk.crash()
        for attempt in 1...3 {
            var replay = Trap(disk: world.disk)
            let journal = try? Journal.open(
                disk: world.disk, clock: world.clock, options: world.options, replay: &replay)
            #expect((journal != nil) == (attempt == 3))
            if attempt == 3 {
                #expect(replay.state.quarantined == [run(2)])
                #expect(replay.state.qs == [1, 3])
            }
        }
    }

    @Test func `a record that cannot be applied costs its run, an unknown kind stops the start`() throws {
        let world = World()
        let journal = try world.open()
        journal.record(.run(run(1)), kind: "odd")
        journal.record(.run(run(2)))
        try journal.log.commit()
        world.disk.crash()
        var refusing = RecordedState()
        refusing.unknownKinds = ["odd"]
        #expect { try world.open(&refusing) } throws: { "\($0)".contains("newer version") }
        // However often that is tried, it never costs a run.
        for _ in 0..<3 {
            world.disk.crash()
            #expect(throws: JournalOpenError.self) { try world.open(&refusing) }
        }
        world.disk.crash()
        refusing.unknownKinds = []
        refusing.refusedKinds = ["odd"]
        let second = try world.open(&refusing)
        #expect(refusing.quarantined == [run(1)])
        #expect(second.report.quarantined.map(\.run) == [run(1)])
        #expect(refusing.qs == [2])
    }

    @Test func `rule 20: replay gives the same records however often and from wherever it is done`() throws {
        let world = World(segmentBytes: 4_096)
        var last = RecordedState()
        for round in 1...5 {
            var state = RecordedState()
            let journal = try world.open(&state)
            #expect(state.qs == last.qs)
            try journal.commit([round, 1, 2], count: 7)
            last = try World.replayed(world)
            #expect(last.qs == Array(1...UInt64(round * 21)))
            world.disk.crash()
        }
        var readOnly = RecordedState()
        let before = world.disk.allPaths
        _ = try Journal.read(disk: world.disk, replay: &readOnly)
        #expect(readOnly == last)
        #expect(world.disk.allPaths == before)
    }
}

struct MarkTests {
    private func mark(_ journal: Journal, _ slot: Int, _ number: Int, _ step: String, attempt: UInt32 = 1) {
        Array(step.utf8).withUnsafeBufferPointer {
            journal.marks.write(slot, run: run(number), step: $0, attempt: attempt)
        }
    }

    @Test func `rule 5: a mark outlives the process without a flush`() throws {
        let world = World()
        let journal = try world.open()
        let flushes = world.disk.callCount(.sync)
        let slots = [try journal.marks.claim(), try journal.marks.claim()]
        mark(journal, slots[0], 1, "send", attempt: 3)
        mark(journal, slots[1], 2, String(repeating: "long ", count: 100))
        #expect(world.disk.callCount(.sync) == flushes)
        world.disk.crash()
        let second = try world.open()
        #expect(second.marks.deadMarks.map(\.run) == [run(1), run(2)])
        #expect(second.marks.deadMarks[0].attempt == 3)
        #expect(second.marks.deadMarks[0].epoch == 1)
        #expect(second.marks.deadMarks[0].isOf(step: "send".utf8))
        #expect(second.marks.deadMarks[1].isOf(step: String(repeating: "long ", count: 100).utf8))
        #expect(!second.marks.deadMarks[1].isOf(step: String(repeating: "long ", count: 99).utf8))
    }

    @Test func `rule 5: a mark that was released is gone, and its slot is used again`() throws {
        let world = World()
        let journal = try world.open()
        let slot = try journal.marks.claim()
        mark(journal, slot, 1, "send")
        journal.marks.release(slot)
        #expect(try journal.marks.claim() == slot)
        world.disk.crash()
        #expect(try world.open().marks.deadMarks.isEmpty)
    }

    @Test func `rule 5: half a mark counts for nothing`() throws {
        let world = World()
        let journal = try world.open()
        let slot = try journal.marks.claim()
        mark(journal, slot, 1, "send")
        world.disk.crash()
        for byte in 0..<40 {
            var copy = world
            copy.disk = world.disk.copy(device: 1)
            copy.disk.damage("journal/marks", at: slot * 256 + byte)
            #expect(try copy.open().marks.deadMarks.isEmpty)
        }
    }

    @Test func `rule 19: marks of a dead process stay until records about them are on disk`() throws {
        let world = World()
        let journal = try world.open()
        mark(journal, try journal.marks.claim(), 1, "send")
        world.disk.crash()
        for deaths in 1...2 {
            let second = try world.open()
            #expect(second.marks.deadMarks.count == deaths)
            mark(second, try second.marks.claim(), 2, "other")
            world.disk.crash()
            _ = second
        }
        let third = try world.open()
        #expect(third.marks.deadMarks.map(\.run) == [run(1), run(2), run(2)])
        third.marks.clearDeadMarks()
        world.disk.crash()
        #expect(try world.open().marks.deadMarks.isEmpty)
    }

    @Test func `the table grows when more steps run than it has slots`() throws {
        let world = World()
        let journal = try world.open()
        var slots: Set<Int> = []
        for number in 0..<2_500 {
            let slot = try journal.marks.claim()
            #expect(slots.insert(slot).inserted)
            mark(journal, slot, number, "step")
        }
        world.disk.crash()
        #expect(try world.open().marks.deadMarks.count == 2_500)
    }

    @Test func `the table grows once more when others have grown it and taken all that this gave`() throws {
        let world = World()
        let disk = OvertakingDisk(base: world.disk)
        var state = RecordedState()
        let journal = try Journal.open(disk: disk, clock: world.clock, options: world.options, replay: &state)
        // The first block has 1,023 slots; whoever comes next has to grow the file, and is overtaken while it does.
        var slots: Set<Int> = []
        for _ in 0..<1_023 { #expect(slots.insert(try journal.marks.claim()).inserted) }
        let taken = Mutex<[Int]>([])
        disk.beforeNextMap.withLock { action in
            action = {
                for _ in 0..<1_024 {
                    guard let slot = try? journal.marks.claim() else { return }
                    taken.withLock { $0.append(slot) }
                }
            }
        }
        #expect(slots.insert(try journal.marks.claim()).inserted)
        #expect(taken.withLock { $0.count } == 1_024)
        for slot in taken.withLock({ $0 }) { #expect(slots.insert(slot).inserted) }
        #expect(slots.count == 2_048)
    }
}

/// Lets something else happen while a file is being mapped.
private final class OvertakingDisk: Disk {
    let beforeNextMap = Mutex<(@Sendable () -> Void)?>(nil)
    private let base: MemoryDisk

    init(base: MemoryDisk) { self.base = base }

    func map(_ path: String, at offset: Int, bytes: Int) throws(FileError) -> any MappedRegion {
        let action = beforeNextMap.withLock { action in
            defer { action = nil }
            return action
        }
        action?()
        return try base.map(path, at: offset, bytes: bytes)
    }

    func open(_ path: String, _ mode: OpenMode) throws(FileError) -> any DiskFile { try base.open(path, mode) }
    func makeDirectory(_ path: String) throws(FileError) { try base.makeDirectory(path) }
    func list(_ path: String) throws(FileError) -> [DirectoryEntry] { try base.list(path) }
    func stat(_ path: String) throws(FileError) -> FileStatus? { try base.stat(path) }
    func rename(_ source: String, to destination: String) throws(FileError) {
        try base.rename(source, to: destination)
    }
    func unlink(_ path: String) throws(FileError) { try base.unlink(path) }
    func removeDirectory(_ path: String) throws(FileError) { try base.removeDirectory(path) }
    func syncDirectory(_ path: String) throws(FileError) { try base.syncDirectory(path) }
    func syncFileSystem() throws(FileError) { try base.syncFileSystem() }
    func freeSpace() throws(FileError) -> FreeSpace { try base.freeSpace() }
    func fileSystemKind() throws(FileError) -> FileSystemKind { try base.fileSystemKind() }
    func lock(_ path: String) throws(FileError) -> (any DiskLock)? { try base.lock(path) }
}

struct RoomTests {
    @Test func `rule 6: two prefilled segments stand ready`() throws {
        let world = World(segmentBytes: 4_096)
        let journal = try world.open()
        try journal.keeper.step()
        #expect(world.disk.allPaths.filter { $0.hasPrefix("journal/spare-") }.count == 2)
        let writes = world.disk.callCount(.write)
        let syncs = world.disk.callCount(.sync)
        for _ in 0..<10 { try journal.commit([1], count: 5) }
        // Rolling takes a spare and makes none: a header and a flush for each.
        #expect(world.disk.callCount(.write) - writes <= 12)
        #expect(world.disk.callCount(.sync) - syncs <= 12)
    }

    @Test func `rule 6: short of space new work is refused, then everything pauses, and the process stays up`() throws {
        let world = World(capacityBytes: 1_000_000, segmentBytes: 16_384)
        let journal = try world.open()
        try journal.keeper.step()
        #expect(journal.keeper.pressure == .normal)
        #expect(world.disk.allPaths.contains("journal/ballast"))
        world.disk.setCapacity(bytes: 1_000_000 - (try world.disk.freeSpace().bytes) + 1_000)
        try journal.keeper.step()
        #expect(journal.keeper.pressure == .refuseNewWork)
        // The ballast is given back, so that stream files can still be written.
        #expect(!world.disk.allPaths.contains("journal/ballast"))
        var pressure = journal.keeper.pressure
        world.disk.setCapacity(bytes: 0)
        while pressure != .paused {
            try journal.commit([1], count: 5)
            try journal.keeper.step()
            pressure = journal.keeper.pressure
        }
        // The reserve still takes what is under way.
        try journal.commit([1], count: 5)
        world.disk.setCapacity(bytes: 10_000_000)
        try journal.keeper.step()
        #expect(journal.keeper.pressure == .normal)
        #expect(world.disk.allPaths.contains("journal/ballast"))
        #expect(try journal.runRecords(run(1)).entries.count == Int(journal.flushedQ))
    }

    @Test func `rule 6: with no room to start the files can still be read`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1], count: 3)
        world.disk.crash()
        for path in world.disk.allPaths where path.hasPrefix("journal/spare") { try world.disk.unlink(path) }
        world.disk.setCapacity(bytes: 0)
        #expect {
            try world.open()
        } throws: { error in
            if case .noRoom = error as? JournalOpenError { true } else { false }
        }
        var state = RecordedState()
        _ = try Journal.read(disk: world.disk, replay: &state)
        #expect(state.qs == [1, 2, 3])
        #expect(try Verifier.verify(world.disk).isSound)
    }
}

struct VerifierTests {
    @Test func `a sound directory has no findings`() throws {
        let world = World(segmentBytes: 4_096)
        let journal = try world.open()
        for _ in 0..<10 { try journal.commit([1, 2], count: 3) }
        journal.record(.run(run(2)), final: true)
        try journal.log.commit()
        try journal.snapshot()
        let report = try Verifier.verify(world.disk)
        #expect(report.findings.isEmpty)
        #expect(report.logRecords == 61)
        #expect(report.streamRecords == 61)
        #expect(report.indexLines == 1)
        #expect(report.snapshots == 1)
    }

    @Test func `every flipped bit of a stream file is found`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1, 2], count: 2)
        try journal.followAll()
        let path = StreamID.run(run(1)).path
        for offset in 0..<(try world.disk.contents(of: path)?.count ?? 0) {
            let copy = world.disk.copy(device: 1)
            copy.damage(path, at: offset, flipping: 2)
            #expect(try !Verifier.verify(copy).findings.isEmpty, "byte \(offset)")
        }
    }

    @Test func `a finished run whose file is gone is found`() throws {
        let world = World()
        let journal = try world.open()
        journal.record(.run(run(1)), final: true)
        try journal.log.commit()
        try journal.snapshot()
        try world.disk.unlink(StreamID.run(run(1)).path)
        #expect(try !Verifier.verify(world.disk).isSound)
    }
}
