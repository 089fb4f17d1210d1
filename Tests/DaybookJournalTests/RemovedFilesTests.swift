import DaybookFakes
import DaybookJournal
import DaybookSystem
import DaybookValues
import Testing

/// Somebody removes, shortens or exchanges files while a server runs, or between two.
struct RemovedFilesTests {
    enum Harm: CaseIterable {
        case removed, shortened, emptied, replacedByAnOlderOne, folderRemoved

        func done(to path: String, _ disk: MemoryDisk, older: [UInt8]) throws {
            switch self {
            case .removed: try disk.unlink(path)
            case .shortened:
                let file = try disk.open(path, .readWrite)
                try file.truncate(to: try file.bytes() - 7)
            case .emptied: try disk.open(path, .readWrite).truncate(to: 0)
            case .replacedByAnOlderOne: try disk.replace(path, with: older)
            case .folderRemoved:
                for path in disk.allPaths where path.hasPrefix("runs/") { try disk.unlink(path) }
                try disk.removeDirectory("runs/2026-11-21/08")
                try disk.removeDirectory("runs/2026-11-21")
            }
        }
    }

    @Test(arguments: Harm.allCases)
    func `a run's file that is harmed under the server is whole again when its next record comes`(harm: Harm) throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1, 2], count: 2)
        try journal.followAll()
        let path = StreamID.run(run(1)).path
        let older = try #require(try world.disk.contents(of: path))
        try journal.commit([1, 2], count: 2)
        try journal.followAll()
        try harm.done(to: path, world.disk, older: older)
        try journal.commit([1, 2])
        try journal.followAll()
        for number in 1...2 { #expect(try journal.runRecords(run(number)).entries.count == 5) }
        #expect(journal.follower.takeQuarantined().isEmpty)
        #expect(journal.follower.takeNotes().contains { $0.contains(path) && $0.contains("nothing is lost") })
        try journal.snapshot()
        world.disk.powerLossOfAllUnflushed()
        #expect(try Verifier.verify(world.disk).isSound)
    }

    @Test(arguments: Harm.allCases)
    func `a run's file that is harmed under the server can be restored before it is read`(harm: Harm) throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1, 2], count: 2)
        try journal.followAll()
        let path = StreamID.run(run(1)).path
        let older = try #require(try world.disk.contents(of: path))
        try journal.commit([1, 2], count: 2)
        try journal.followAll()
        let whole = try world.disk.contents(of: path)
        #expect(try !journal.follower.restore(.run(run(1))))
        try harm.done(to: path, world.disk, older: older)
        #expect(try journal.follower.restore(.run(run(1))))
        #expect(try world.disk.contents(of: path) == whole)
    }

    /// Two snapshots, and the log before them gone.
    private func trimmed(_ world: World) throws -> Journal {
        let journal = try world.open()
        try journal.commit([1, 2], count: 5)
        journal.record(.events(day: noon.day))
        for _ in 0..<10 { try journal.commit([3], count: 4) }
        try journal.snapshot()
        try journal.commit([1, 2, 3])
        journal.record(.events(day: noon.day))
        try journal.log.commit()
        try journal.snapshot()
        world.clock.advance(milliseconds: 600_000)
        try journal.keeper.step()
        #expect(!world.disk.segments[0].contains("/00000000000000000001-"))
        return journal
    }

    @Test func `a run is set aside when the log no longer has what its file lost, and the others go on`() throws {
        let world = World(segmentBytes: 4_096)
        let journal = try trimmed(world)
        try world.disk.unlink(StreamID.run(run(1)).path)
        #expect(try !journal.follower.restore(.run(run(1))))
        try journal.commit([1, 2])
        try journal.followAll()
        let found = journal.follower.takeQuarantined()
        #expect(found.map(\.run) == [run(1)])
        #expect("\(found[0].reason)".contains("is gone or has lost bytes"))
        // It does not come back as an empty one.
        #expect(try world.disk.stat(StreamID.run(run(1)).path) == nil)
        #expect(try journal.runRecords(run(2)).entries.count == 7)
    }

    @Test func `the events of a day that are harmed keep what is left, and take what comes`() throws {
        let world = World(segmentBytes: 4_096)
        let journal = try trimmed(world)
        let path = StreamID.events(day: noon.day).path
        try world.disk.unlink(path)
        journal.record(.events(day: noon.day), 7)
        try journal.log.commit()
        try journal.followAll()
        #expect(journal.follower.takeNotes().contains { $0.contains(path) && $0.contains("1 of its records") })
        #expect(try world.disk.text(path).contains("\"value\":7"))
        journal.record(.events(day: noon.day), 8)
        try journal.log.commit()
        try journal.followAll()
        #expect(journal.follower.takeNotes().isEmpty)
        #expect(try world.disk.text(path).split(separator: "\n").count == 3)
        // What is lost is told by `verify`.
        #expect(try !Verifier.verify(world.disk).isSound)
    }

    @Test func `the events of a day that are removed are whole again while the log has them`() throws {
        let world = World()
        let journal = try world.open()
        for value in 0..<3 { journal.record(.events(day: noon.day), value) }
        try journal.log.commit()
        try journal.followAll()
        let path = StreamID.events(day: noon.day).path
        try world.disk.unlink(path)
        journal.record(.events(day: noon.day), 3)
        try journal.log.commit()
        try journal.followAll()
        #expect(try world.disk.text(path).split(separator: "\n").count == 4)
        try journal.snapshot()
        #expect(try Verifier.verify(world.disk).isSound)
    }

    @Test(arguments: [false, true])
    func `a list of finished runs that is removed is made again`(beforeItsFlush: Bool) throws {
        let world = World()
        let journal = try world.open()
        let path = "runs/2026-11-21/08/index.jsonl"
        for number in 1...3 { journal.record(.run(run(number)), kind: "run.completed", final: true) }
        try journal.log.commit()
        try journal.followAll()
        let before = try world.disk.text(path)
        try world.disk.unlink(path)
        if beforeItsFlush {
            try journal.follower.checkpoint()
            #expect(try world.disk.text(path) == before)
        }
        journal.record(.run(run(4)), kind: "run.completed", final: true)
        try journal.log.commit()
        try journal.followAll()
        #expect(try world.disk.text(path).hasPrefix(before))
        #expect(try world.disk.text(path).split(separator: "\n").count == 4)
        #expect(journal.follower.takeNotes().contains { $0.contains(path) })
        #expect(try Verifier.verify(world.disk).isSound)
    }

    @Test(arguments: [false, true])
    func `a file that is removed before its flush is made again, also of a run that has ended`(hasEnded: Bool) throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1], count: 3)
        if hasEnded {
            journal.record(.run(run(1)), kind: "run.completed", final: true)
            try journal.log.commit()
        }
        try journal.followAll()
        let path = StreamID.run(run(1)).path
        let before = try world.disk.contents(of: path)
        try world.disk.unlink(path)
        try journal.follower.checkpoint()
        #expect(try world.disk.contents(of: path) == before)
        #expect(journal.follower.takeQuarantined().isEmpty)
    }

    @Test func `files of two runs that were exchanged are damaged, not believed`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1, 2], count: 2)
        try journal.followAll()
        let (first, second) = (StreamID.run(run(1)).path, StreamID.run(run(2)).path)
        try world.disk.rename(first, to: "runs/aside")
        try world.disk.rename(second, to: first)
        try world.disk.rename("runs/aside", to: second)
        #expect(throws: RunRecordsError.damaged(path: first, offset: 0)) { try journal.runRecords(run(1)) }
        #expect(throws: RunRecordsError.damaged(path: second, offset: 0)) { try journal.runRecords(run(2)) }
    }

    // MARK: - The log and the lock

    @Test func `what goes into a segment that somebody removed is not acknowledged`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1])
        try world.disk.unlink(world.disk.segments[0])
        journal.record(.run(run(1)))
        #expect(throws: FileError.damaged(journalPath)) {
            try journal.log.commit()
        }
        #expect(journal.log.hasFailed)
        #expect(journal.flushedQ == 1)
    }

    private let journalPath = "journal/00000000000000000001-000001.jsonl"

    @Test func `the keeper notices that the segment in use is gone before anything is written to it`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1])
        try world.disk.unlink(world.disk.segments[0])
        #expect(throws: FileError.damaged(journalPath)) { try journal.keeper.step() }
    }

    @Test(arguments: [false, true])
    func `rule 14: a process whose lock file was removed acknowledges nothing more, so that another may start`(
        isReplaced: Bool
    ) throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1])
        if isReplaced {
            try world.disk.replace("daybook.lock", with: [])
        } else {
            try world.disk.unlink("daybook.lock")
        }
        #expect(throws: FileError.damaged("daybook.lock")) { try journal.keeper.step() }
        var state = RecordedState()
        let second = try world.open(&state)
        #expect(state.qs == [1])
        journal.record(.run(run(1)))
        #expect(throws: FileError.damaged("daybook.lock")) { try journal.log.commit() }
        #expect(journal.log.hasFailed)
        // The second goes on undisturbed.
        try second.commit([2])
        try second.keeper.step()
        world.disk.crash()
        let entries = try world.recovered().state.entries
        #expect(entries.map(\.stream) == [.run(run(1)), .run(run(2))])
    }

    @Test func `a segment that a start would need and somebody removed is made up for by a snapshot`() throws {
        let world = World(segmentBytes: 4_096)
        let journal = try world.open()
        while world.disk.segments.count < 3 { try journal.commit([1, 2]) }
        try journal.followAll()
        #expect(!journal.keeper.shouldSnapshot)
        let gone = world.disk.segments[1]
        try world.disk.unlink(gone)
        try journal.keeper.step()
        #expect(journal.keeper.takeLostSegments() == [gone])
        #expect(journal.keeper.takeLostSegments().isEmpty)
        #expect(journal.keeper.shouldSnapshot)
        try journal.snapshot()
        #expect(!journal.keeper.shouldSnapshot)
        try journal.commit([1, 2])
        let lastQ = journal.flushedQ
        world.disk.crash()
        let (state, report) = try world.recovered()
        #expect(report.lastQ == lastQ)
        #expect(state.restoredSlices.count == 1)
        #expect(state.qs == [lastQ - 1, lastQ])
    }

    @Test func `a segment that is gone before the follower has read it ends the process`() throws {
        let world = World(segmentBytes: 4_096)
        let journal = try world.open()
        while world.disk.segments.count < 3 { try journal.commit([1, 2]) }
        let gone = world.disk.segments[1]
        try world.disk.unlink(gone)
        #expect(throws: FileError.damaged(gone)) { try journal.followAll() }
    }

    @Test(arguments: ["the newest segment", "every segment"])
    func `rule 15: a start notices that the end of the log is missing`(what: String) throws {
        let world = World(segmentBytes: 4_096)
        let journal = try world.open()
        journal.record(.system(month: noon.month))
        while world.disk.segments.count < 3 { try journal.commit([1, 2]) }
        journal.record(.events(day: noon.day))
        try journal.log.commit()
        try journal.followAll()
        let lastQ = journal.flushedQ
        world.disk.crash()
        let segments = world.disk.segments
        for path in what == "every segment" ? segments : [segments[segments.count - 1]] { try world.disk.unlink(path) }
        #expect {
            try world.open()
        } throws: { error in
            guard case .gap(_, to: lastQ)? = error as? JournalOpenError else { return false }
            return "\(error)".contains("Restore the missing files")
        }
    }

    @Test func `a shared file that cannot be read for a while is not made again without what it has`() throws {
        var world = World()
        world.options.graceMilliseconds = 0
        let journal = try world.open()
        let day = StreamID.events(day: noon.day)
        for _ in 0..<300 {
            journal.record(day)
            try journal.log.commit()
        }
        // Two snapshots, and the log begins only behind the first events.
        try journal.snapshot()
        journal.record(day)
        try journal.log.commit()
        try journal.snapshot()
        let whole = try #require(try world.disk.contents(of: day.path))
        journal.record(day)
        try journal.log.commit()
        world.disk.fail(.stat, errno: 5, path: day.path, times: 20)
        #expect(throws: FileError.self) { try journal.followAll() }
        world.disk.clearFailures()
        try journal.followAll()
        let now = try #require(try world.disk.contents(of: day.path))
        #expect(now.starts(with: whole) && now.count > whole.count)
    }

    @Test func `a finished run's file that cannot be made durable ends the process, and the log keeps the run`() throws
    {
        let world = World()
        let journal = try world.open()
        try journal.commit([1])
        journal.record(.run(run(1)), kind: "run.completed", final: true)
        try journal.log.commit()
        try journal.followAll()
        world.disk.fail(.sync, errno: 5, path: run(1).text, times: 20)
        let failure = #expect(throws: FileError.self) { try journal.follower.checkpoint() }
        #expect(failure?.isFinal == true)
        #expect(journal.follower.checkpointQ == 0)
        world.disk.clearFailures()
        world.disk.powerLossOfAllUnflushed()
        let next = try world.open()
        try next.followAll()
        #expect(try next.runRecords(run(1)).entries.count == 2)
    }

    @Test func `two files of the journal that were exchanged are damage, and nothing traps on them`() throws {
        let original = World()
        let journal = try original.open()
        try journal.commit([1, 2])
        try journal.followAll()
        try journal.commit([1, 2])
        original.disk.crash()
        let paths = original.disk.allPaths
        for first in paths {
            for second in paths where first < second {
                var world = original
                world.disk = original.disk.copy(device: 1)
                world.disk.swap(first, with: second)
                // Refused or opened: either is right; what is opened must bear to be worked with.
                for _ in 0..<3 {
                    guard let next = try? world.open() else { break }
                    try? next.commit([1, 2, 3])
                    world.disk.crash()
                }
                guard let last = try? world.open() else { continue }
                try? last.followAll()
                try? last.commit([1, 2, 3])
                try? last.followAll()
                _ = try? Verifier.verify(world.disk)
            }
        }
    }
}
