import DaybookFakes
import DaybookJournal
import DaybookSystem
import DaybookValues
import Testing

struct TornTailTests {
    /// Three batches; the first two are flushed and known to be.
    private func threeBatches() throws -> (world: World, path: String, thirdStart: Int, end: Int) {
        let world = World()
        let journal = try world.open()
        try journal.commit([1], count: 2)
        try journal.commit([2], count: 2)
        try journal.commit([3], count: 3)
        let path = world.disk.segments[0]
        let start = try world.disk.offset(of: "{\"q\":5,", in: path)
        let bytes = try world.disk.contents(of: path) ?? []
        let end = (bytes.lastIndex { $0 != 10 } ?? 0) + 2
        world.disk.crash()
        return (world, path, start, end)
    }

    @Test func `rule 17: a torn end is dropped by whole batches, wherever it is cut`() throws {
        let (world, path, start, end) = try threeBatches()
        for cut in start..<end - 1 {
            var copy = world
            copy.disk = world.disk.copy(device: 1)
            let file = try copy.disk.open(path, .readWrite)
            try file.write([UInt8](repeating: 10, count: end - cut), at: cut)
            var state = RecordedState()
            let journal = try copy.open(&state)
            #expect(state.qs == [1, 2, 3, 4])
            #expect(journal.report.damage.isEmpty)
            #expect(journal.report.quarantined.isEmpty)
            #expect(journal.log.nextQ == 5)
        }
    }

    @Test func `rule 17: an end torn into sectors is dropped, whatever is left of it`() throws {
        for seed in 0..<100 {
            let world = World()
            let journal = try world.open()
            try journal.commit([1, 2], count: 10)
            for number in 0..<20 { journal.record(.run(run(number))) }
            world.disk.fail(.sync, losesUnflushed: false)
            #expect(throws: FileError.self) { try journal.log.commit() }
            world.disk.powerLoss(random: SeededRandom(seed: UInt64(seed)))
            let (state, report) = try world.recovered()
            #expect(state.qs == Array(1...20) || state.qs == Array(1...40), "seed \(seed)")
            #expect(report.damage.isEmpty, "seed \(seed)")
        }
    }

    @Test func `rule 17: bad bytes before a proven record are damage and cost only their run`() throws {
        let (world, path, _, _) = try threeBatches()
        // Record 3 is the first of run 2, and the third batch proves it.
        let offset = try world.disk.offset(of: "{\"q\":3,", in: path)
        world.disk.damage(path, at: offset + 30)
        let (state, report) = try world.recovered()
        #expect(state.qs == [1, 2, 5, 6, 7])
        #expect(state.quarantined == [run(2)])
        #expect(report.damage.map(\.q) == [3])
        #expect(report.damage.map(\.offset) == [offset])
    }

    @Test func `rule 17: every flipped bit of proven records is found and costs one run at most`() throws {
        let (world, path, start, _) = try threeBatches()
        let header = (try world.disk.contents(of: path) ?? []).firstIndex(of: 10) ?? 0
        for offset in header + 1..<start {
            var copy = world
            copy.disk = world.disk.copy(device: 1)
            copy.disk.damage(path, at: offset, flipping: 1 << UInt8(offset % 8))
            var state = RecordedState()
            let journal = try copy.open(&state)
            #expect(!journal.report.damage.isEmpty, "byte \(offset)")
            #expect(state.quarantined.count <= 1, "byte \(offset)")
            let harmed = Set(state.quarantined.map { StreamID.run($0) })
            let others = [run(1), run(2), run(3)].map(StreamID.run).filter { !harmed.contains($0) }
            for stream in others {
                let expected: [UInt64] =
                    stream == .run(run(1)) ? [1, 2] : stream == .run(run(2)) ? [3, 4] : [5, 6, 7]
                #expect(state.entries.filter { $0.stream == stream }.map(\.q) == expected, "byte \(offset)")
            }
            #expect(journal.log.nextQ == 8, "byte \(offset)")
        }
    }

    @Test func `rule 17: what a start has copied into the next segment is not missing before it`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1])
        try journal.commit([2])
        world.disk.crash()
        // The second batch is copied, and the new segment's header says that all of it is flushed.
        _ = try world.open()
        world.disk.crash()
        let path = world.disk.segments[0]
        world.disk.damage(path, at: try world.disk.offset(of: "{\"c\":1,", in: path) + 2)
        let (state, report) = try world.recovered()
        #expect(state.qs == [1, 2])
        #expect(state.quarantined == [])
        #expect(report.damage.map(\.q) == [nil])
        let found = try Verifier.verify(world.disk).findings.filter { $0.severity == .damage }
        #expect(found.count == 1, "\(found)")
    }

    @Test func `verify calls every flipped bit of proven lines damage, whatever a snapshot makes up for`() throws {
        let (world, path, start, _) = try threeBatches()
        // A second segment, and a snapshot behind all of the first.
        let journal = try world.open()
        try journal.commit([1])
        try journal.snapshot()
        world.disk.crash()
        for offset in 0..<start {
            let disk = world.disk.fork()
            disk.damage(path, at: offset, flipping: 1 << UInt8(offset % 8))
            #expect(try !Verifier.verify(disk).isSound, "byte \(offset)")
            let shorter = world.disk.fork()
            shorter.truncate(path, to: offset)
            #expect(try !Verifier.verify(shorter).isSound, "cut at \(offset)")
        }
    }

    @Test func `verify calls a flipped bit in the last commit line but one damage`() throws {
        let (world, path, start, _) = try threeBatches()
        let bytes = try world.disk.contents(of: path) ?? []
        let line = (bytes[..<(start - 1)].lastIndex(of: UInt8(ascii: "\n")) ?? 0) + 1
        for offset in line..<start {
            let disk = world.disk.fork()
            disk.damage(path, at: offset)
            #expect(try !Verifier.verify(disk).isSound, "byte \(offset)")
        }
    }

    @Test func `rule 17: a stream file that has the lost record makes it damage, not a torn end`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1], count: 2)
        try journal.commit([2], count: 2)
        try journal.followAll()
        world.disk.crash()
        let path = world.disk.segments[0]
        world.disk.damage(path, at: try world.disk.offset(of: "{\"q\":4,", in: path) + 100)
        let (state, report) = try world.recovered()
        // The stream file even has the line, so nothing is lost at all.
        #expect(report.damage.map(\.q) == [4])
        #expect(state.qs == [1, 2, 3, 4])
        #expect(state.quarantined.isEmpty)
        // The good line is kept while the follower writes the stream file again from the damaged log.
        for _ in 0..<2 {
            var again = RecordedState()
            let second = try world.open(&again)
            #expect(again.qs == [1, 2, 3, 4])
            try second.followAll()
            #expect(try second.runRecords(run(2)).entries.map(\.q) == [3, 4])
            world.disk.crash()
        }
    }

    @Test func `damage that the follower meets ends the process, and the next start finds its owner`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1], count: 2)
        try journal.commit([2, 3], count: 2)
        let path = world.disk.segments[0]
        world.disk.damage(path, at: try world.disk.offset(of: "{\"q\":3,", in: path) + 100)
        #expect(throws: FileError.self) { try journal.followAll() }
        try journal.commit([1])
        world.disk.crash()
        let (state, _) = try world.recovered()
        #expect(state.quarantined == [run(2)])
        #expect(state.qs == [1, 2, 5, 6, 7])
    }

    @Test func `a damaged record of no known run stops the start and says what to do`() throws {
        let (world, path, start, _) = try threeBatches()
        // The line and the owners in the commit line both go.
        let bytes = try world.disk.contents(of: path) ?? []
        let first = try world.disk.offset(of: "{\"q\":1,", in: path)
        try world.disk.open(path, .readWrite).write([UInt8](repeating: 0, count: start - first), at: first)
        #expect(bytes.count > start)
        #expect { try world.recovered() } throws: { error in
            "\(error)".contains("restore a backup") && "\(error)".contains(path)
        }
    }

    @Test func `rule 17: damage in a system stream is told to the state`() throws {
        let world = World()
        let journal = try world.open()
        journal.record(.system(month: noon.month))
        try journal.log.commit()
        journal.record(.events(day: noon.day))
        try journal.log.commit()
        try journal.commit([1])
        world.disk.crash()
        let path = world.disk.segments[0]
        world.disk.damage(path, at: try world.disk.offset(of: "{\"q\":1,", in: path) + 90)
        world.disk.damage(path, at: try world.disk.offset(of: "{\"q\":2,", in: path) + 90)
        let state = try world.recovered().state
        #expect(state.damaged == [.system(month: noon.month), .events(day: noon.day)])
        #expect(state.qs == [3])
    }
}
