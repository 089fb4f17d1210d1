import DaybookFakes
import DaybookJournal
import DaybookSystem
import DaybookValues
import Testing

struct FollowerTests {
    @Test func `rule 7: lines of one run go into its file in one write, however they lie in the log`() throws {
        let world = World()
        let journal = try world.open()
        for _ in 0..<10 { try journal.commit([1, 2]) }
        let writes = world.disk.callCount(.write)
        try journal.followAll()
        // The log is read in three pieces or fewer, and each is at most one write per run.
        #expect(world.disk.callCount(.write) - writes <= 6)
        let log = try world.disk.text(world.disk.segments[0]).split(separator: "\n")
        let expected = log.filter { $0.contains("\"s\":\"run/\(run(1).text)\"") }.joined(separator: "\n") + "\n"
        #expect(try world.disk.text(StreamID.run(run(1)).path) == expected)
        #expect(StreamID.run(run(1)).path == "runs/2026-11-21/08/\(run(1).text).jsonl")
    }

    @Test func `rule 7: the writer touches no stream file`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1, 2])
        #expect(!world.disk.allPaths.contains { $0.hasPrefix("runs/") })
        try journal.followAll()
        #expect(world.disk.allPaths.filter { $0.hasPrefix("runs/") }.count == 2)
    }

    @Test func `rule 7: a reader brings the files up to date itself`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1], count: 30)
        let records = try journal.runRecords(run(1))
        #expect(records.entries.map(\.n) == Array(0..<30))
        #expect(try records.payload(of: records.entries[7]) == Array(",\"value\":0".utf8))
        try journal.commit([1])
        #expect(try journal.runRecords(run(1)).entries.count == 31)
    }

    @Test func `rule 8: going over the same ground twice gives the same file`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1, 2], count: 3)
        try journal.snapshot()
        try journal.commit([1, 2], count: 3)
        journal.record(.run(run(2)), final: true, index: "{\"status\":\"completed\"}")
        try journal.log.commit()
        try journal.followAll()
        let paths = world.disk.allPaths.filter { $0.hasPrefix("runs/") }
        #expect(paths.count == 3)
        let before = try paths.map { try world.disk.text($0) }
        // A start begins again at the snapshot, and finds files that are ahead of its table, one with garbage behind.
        world.disk.crash()
        let file = try world.disk.open(StreamID.run(run(1)).path, .readWrite)
        try file.write(Array("{\"q\":7,\"t\":\"garbage".utf8), at: file.bytes())
        let second = try world.open()
        #expect(second.report.snapshotQ == 6)
        try second.followAll()
        #expect(try paths.map { try world.disk.text($0) } == before)
    }

    @Test func `rule 8: a start writes no stream file`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1, 2], count: 3)
        world.disk.crash()
        _ = try world.open()
        #expect(!world.disk.allPaths.contains { $0.hasPrefix("runs/") })
    }

    @Test func `rule 9: a stream file that was never flushed comes back from the log`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1, 2], count: 3)
        try journal.followAll()
        let before = try world.disk.text(StreamID.run(run(1)).path)
        world.disk.powerLossOfAllUnflushed()
        #expect(!world.disk.allPaths.contains { $0.hasPrefix("runs/") })
        let second = try world.open()
        try second.followAll()
        #expect(try world.disk.text(StreamID.run(run(1)).path) == before)
    }

    @Test(arguments: [3, 100])
    func `rule 10: after a checkpoint the stream files survive the power`(runs: Int) throws {
        let world = World()
        let journal = try world.open()
        try journal.commit(Array(0..<runs), count: 2)
        try journal.followAll()
        let (single, all) = (world.disk.callCount(.sync), world.disk.callCount(.syncFileSystem))
        #expect(try journal.follower.checkpoint() == UInt64(2 * runs))
        #expect(world.disk.callCount(.sync) - single == (runs > 64 ? 0 : runs))
        #expect(world.disk.callCount(.syncFileSystem) - all == (runs > 64 ? 1 : 0))
        let paths = world.disk.allPaths.filter { $0.hasPrefix("runs/") }
        let before = try paths.map { try world.disk.text($0) }
        world.disk.powerLossOfAllUnflushed()
        #expect(try paths.map { try world.disk.text($0) } == before)
        #expect(paths.count == runs)
    }

    @Test func `rule 10: a checkpoint covers folders and files that a process before made and never flushed`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1, 2], count: 2)
        journal.record(.run(run(2)), final: true)
        try journal.log.commit()
        try journal.followAll()
        let paths = world.disk.allPaths.filter { $0.hasPrefix("runs/") }
        #expect(paths.count == 3)
        let before = try paths.map { try world.disk.text($0) }
        world.disk.crash()
        let second = try world.open()
        try second.followAll()
        try second.follower.checkpoint()
        world.disk.powerLossOfAllUnflushed()
        #expect(try paths.map { try world.disk.text($0) } == before)
    }

    @Test func `a finished run gets one line in the index of its hour`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1, 2], count: 2)
        journal.record(.run(run(2)), kind: "run.failed", final: true, index: "{\"function\":\"mail\"}")
        journal.record(.run(run(1)), kind: "run.completed", final: true)
        try journal.log.commit()
        try journal.followAll()
        var index = try RunIndex(disk: world.disk)
        let runs = try #require(try index.nextHour())
        #expect(runs.map(\.id) == [run(2), run(1)])
        #expect(String(decoding: runs[0].index, as: UTF8.self) == "{\"function\":\"mail\"}")
        #expect(String(decoding: runs[0].kind, as: UTF8.self) == "run.failed")
        #expect(runs[1].index.isEmpty)
        #expect(runs.map(\.records) == [3, 3])
        #expect(try index.nextHour() == nil)
    }

    @Test func `one stream file that cannot be written is made anew once, and then costs only its run`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1, 2])
        world.disk.fail(.write, errno: 5, path: run(1).text, times: 1)
        try journal.followAll()
        #expect(journal.follower.takeQuarantined().isEmpty)
        #expect(try journal.runRecords(run(1)).entries.count == 1)
        try journal.commit([1, 2])
        world.disk.fail(.write, errno: 5, path: run(1).text, times: 10)
        try journal.followAll()
        #expect(journal.follower.takeQuarantined().map(\.run) == [run(1)])
        #expect(try journal.runRecords(run(2)).entries.count == 2)
    }

    @Test
    func `a run set aside for its file's sake and not yet on record is told by the next start, with all its records`()
        throws
    {
        let world = World()
        let journal = try world.open()
        try journal.commit([1, 2])
        world.disk.fail(.write, errno: 5, path: run(1).text, times: 10)
        try journal.followAll()
        try journal.commit([1, 2])
        // The snapshot knows of the set-aside run; the process dies before the node has put it on record.
        try journal.snapshot()
        try journal.commit([1, 2])
        world.disk.clearFailures()
        world.disk.crash()
        let (state, report) = try world.recovered()
        #expect(report.snapshotQ == 4)
        #expect(report.quarantined.map(\.run) == [run(1)])
        #expect(state.entries.map(\.stream) == [.run(run(1)), .run(run(2))])
        let next = try world.open()
        next.record(.run(run(1)), kind: "run.quarantined", final: true)
        try next.log.commit()
        let (later, _) = try world.recovered()
        #expect(later.entries.last?.n == 3)
    }

    @Test func `on a full disk the follower waits and loses nothing`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1, 2], count: 5)
        world.disk.fail(.write, after: 1, errno: 28, path: "runs/")
        #expect(throws: FileError.self) { try journal.followAll() }
        try journal.followAll()
        #expect(try journal.runRecords(run(1)).entries.count == 5)
        #expect(try journal.runRecords(run(2)).entries.count == 5)
        #expect(journal.follower.takeQuarantined().isEmpty)
    }

    @Test func `a folder that could not be made for want of room costs no run`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1, 2], count: 5)
        world.disk.fail(.makeDirectory, errno: 28, path: "runs/")
        #expect(throws: FileError.self) { try journal.followAll() }
        try journal.followAll()
        #expect(try journal.runRecords(run(1)).entries.count == 5)
        #expect(journal.follower.takeQuarantined().isEmpty)
    }

    @Test func `the follower goes through many segments`() throws {
        let world = World(segmentBytes: 4_096)
        let journal = try world.open()
        for _ in 0..<30 {
            try journal.commit([1, 2, 3], count: 2)
            try journal.follower.step()
        }
        try journal.followAll()
        for number in 1...3 { #expect(try journal.runRecords(run(number)).entries.count == 60) }
    }

    /// A start that has set run 2 aside because of its second record, and has put that on record. With `fromItsFirst`,
    /// nothing had been written to the run's file before.
    private func setAside(_ world: World, fromItsFirst: Bool) throws -> Journal {
        let journal = try world.open()
        try journal.commit([1, 2])
        if !fromItsFirst { try journal.snapshot() }
        try journal.commit([2, 1])
        // Proves the batches before, so that they are damaged and not torn.
        try journal.commit([1])
        world.disk.crash()
        let path = world.disk.segments[0]
        let q = fromItsFirst ? 2 : 3
        world.disk.damage(path, at: try world.disk.offset(of: "{\"q\":\(q),", in: path) + 100)
        let second = try world.open()
        #expect(second.report.quarantined.map(\.run) == [run(2)])
        second.record(.run(run(2)), kind: "run.quarantined", final: true, index: "{\"function\":\"mail\"}")
        second.record(.run(run(1)), kind: "run.completed", final: true)
        try second.log.commit()
        return second
    }

    @Test(arguments: [false, true])
    func `a run that was set aside is in the list of finished runs, and its file stays as it is`(
        fromItsFirst: Bool
    ) throws {
        let world = World()
        let journal = try setAside(world, fromItsFirst: fromItsFirst)
        let file = StreamID.run(run(2)).path
        let before = try world.disk.contents(of: file)
        #expect((before == nil) == fromItsFirst)
        try journal.followAll()
        var index = try RunIndex(disk: world.disk)
        let runs = try #require(try index.nextHour())
        #expect(runs.map(\.id) == [run(2), run(1)])
        #expect(String(decoding: runs[0].kind, as: UTF8.self) == "run.quarantined")
        #expect(String(decoding: runs[0].index, as: UTF8.self) == "{\"function\":\"mail\"}")
        #expect(runs[0].records == 3)
        #expect(runs[0].fileBytes == UInt64(before?.count ?? 0))
        #expect(runs.map(\.q) == [6, 7])
        #expect(try world.disk.contents(of: file) == before)
        // What is lost is damage; that the run is listed is not.
        #expect(try !Verifier.verify(world.disk).findings.contains { $0.path.hasSuffix("index.jsonl") })
    }

    @Test func `rule 8: the line of a run that was set aside is written once, however often the follower dies`() throws
    {
        let world = World()
        let journal = try setAside(world, fromItsFirst: false)
        try journal.followAll()
        let path = "runs/2026-11-21/08/index.jsonl"
        let expected = try world.disk.text(path)
        #expect(expected.split(separator: "\n").count == 2)
        // Without and with the power, and at every write to the list.
        for losesPower in [false, true, false] {
            if losesPower { world.disk.powerLossOfAllUnflushed() } else { world.disk.crash() }
            let next = try world.open()
            world.disk.fail(.write, errno: 5, path: path)
            #expect(throws: FileError.self) { try next.followAll() }
            try next.followAll()
            #expect(try world.disk.text(path) == expected)
        }
        // A snapshot that covers the end does not lose it, nor does what comes after.
        world.disk.crash()
        let next = try world.open()
        try next.snapshot()
        world.disk.powerLossOfAllUnflushed()
        let last = try world.open()
        #expect(last.report.snapshotQ == 7)
        last.record(.run(run(3)), kind: "run.completed", final: true)
        try last.log.commit()
        try last.followAll()
        #expect(try world.disk.text(path).hasPrefix(expected))
        #expect(try world.disk.text(path).split(separator: "\n").count == 3)
    }

    @Test func `a changed character in a run's file is damage, also while the log has the record`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1, 2])
        try journal.followAll()
        #expect(try Verifier.verify(world.disk).isSound)
        world.disk.damage(StreamID.run(run(1)).path, at: 60)
        let report = try Verifier.verify(world.disk)
        #expect(!report.isSound)
        #expect(report.findings.contains { $0.path == StreamID.run(run(1)).path })
        withExtendedLifetime(journal) {}
    }

    @Test func `a run whose file cannot be written is listed with the end it came to`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1, 2])
        try journal.followAll()
        world.disk.fail(.write, errno: 5, path: run(1).text, times: 10)
        try journal.commit([1])
        try journal.followAll()
        #expect(journal.follower.takeQuarantined().map(\.run) == [run(1)])
        journal.record(.run(run(1)), kind: "run.quarantined", final: true)
        try journal.log.commit()
        try journal.followAll()
        var index = try RunIndex(disk: world.disk)
        #expect(try index.nextHour()?.map(\.id) == [run(1)])
        // A start that has to go over all of it again may even find the file in order, and the list is the same.
        world.disk.clearFailures()
        world.disk.crash()
        try world.open().followAll()
        index = try RunIndex(disk: world.disk)
        #expect(try index.nextHour()?.map(\.id) == [run(1)])
        #expect(try Verifier.verify(world.disk).isSound)
    }

    @Test(arguments: [false, true])
    func `files of finished runs and of old events may be removed by hand`(logIsGone: Bool) throws {
        let world = World(segmentBytes: 4_096)
        let journal = try world.open()
        let yesterday = Timestamp(milliseconds: noon.milliseconds - 86_400_000)
        for number in 1...3 {
            journal.record(.events(day: yesterday.day), number)
            for _ in 0..<10 { journal.record(.run(run(number, at: yesterday))) }
            journal.record(.run(run(number, at: yesterday)), kind: "run.completed", final: true)
            try journal.commit([9], count: 5)
        }
        try journal.snapshot()
        try journal.commit([9])
        try journal.snapshot()
        if logIsGone {
            world.clock.advance(milliseconds: 600_000)
            try journal.keeper.step()
        }
        #expect(world.disk.segments[0].contains("/00000000000000000001-") != logIsGone)
        for path in world.disk.allPaths
        where path.hasPrefix("runs/2026-11-20/") || path.hasPrefix("events/2026-11-20") { try world.disk.unlink(path) }
        try world.disk.removeDirectory("runs/2026-11-20/08")
        try world.disk.removeDirectory("runs/2026-11-20")
        // The server that runs goes on, and so does the next.
        try journal.commit([9])
        try journal.snapshot()
        #expect(try Verifier.verify(world.disk).isSound)
        world.disk.crash()
        let second = try world.open()
        try second.commit([9])
        try second.snapshot()
        #expect(second.report.quarantined.isEmpty)
        #expect(second.report.warnings.isEmpty)
        #expect(second.follower.takeQuarantined().isEmpty)
        #expect(try second.runRecords(run(9)).entries.count == 18)
        #expect(try Verifier.verify(world.disk).isSound)
        #expect(!world.disk.allPaths.contains { $0.hasPrefix("runs/2026-11-20") })
    }
}
