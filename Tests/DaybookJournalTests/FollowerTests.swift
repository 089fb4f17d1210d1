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
}
