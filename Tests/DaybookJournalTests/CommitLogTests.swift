import DaybookFakes
import DaybookJournal
import DaybookSystem
import DaybookValues
import Testing

struct CommitLogTests {
    @Test func `a committed batch is replayed in order`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1, 2])
        try journal.commit([1])
        let (state, report) = try world.recovered()
        #expect(state.qs == [1, 2, 3])
        #expect(state.entries.map(\.n) == [0, 0, 1])
        #expect(state.entries.map(\.payload) == [",\"value\":0", ",\"value\":0", ",\"value\":0"])
        #expect(report.lastQ == 3)
        #expect(report.tornBytes == 0)
    }

    @Test func `rule 1: a record that was not committed leaves no trace`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1])
        journal.record(.run(run(2)))
        #expect(journal.log.batchCount == 1)
        #expect(journal.flushedQ == 1)
        #expect(try world.recovered().state.qs == [1])
    }

    @Test func `rule 2: a batch that does not fit goes whole into the next segment`() throws {
        let world = World(segmentBytes: 4_096)
        let journal = try world.open()
        for _ in 0..<8 { try journal.commit([1], count: 10) }
        #expect(world.disk.segments.count > 2)
        for path in world.disk.segments {
            let lines = try world.disk.text(path).split(separator: "\n")
            #expect(lines.first?.hasPrefix("{\"log\":1,") == true)
            // Each batch stands in one segment: ten records between two commit lines.
            var records = 0
            for line in lines.dropFirst() {
                if line.hasPrefix("{\"q\":") {
                    records += 1
                } else {
                    #expect(records == 10)
                    records = 0
                }
            }
            #expect(records == 0)
        }
        #expect(try world.recovered().state.qs == Array(1...80))
    }

    @Test func `rule 2: the header of a new segment is flushed before the file gets its name`() throws {
        let world = World(segmentBytes: 4_096)
        let journal = try world.open()
        while world.disk.segments.count == 1 { try journal.commit([1], count: 10) }
        let last = journal.flushedQ
        world.disk.powerLossOfAllUnflushed()
        let (state, report) = try world.recovered()
        #expect(state.qs == Array(1...last))
        #expect(report.damage.isEmpty)
    }

    @Test func `rule 2: a batch larger than a segment gets a segment of its own`() throws {
        let world = World(segmentBytes: 4_096)
        let journal = try world.open()
        try journal.commit([1], count: 200)
        try journal.commit([2], count: 200)
        #expect(try world.recovered().state.qs == Array(1...400))
    }

    @Test func `rule 3: a batch is one write and one flush`() throws {
        let world = World()
        let journal = try world.open()
        let (writes, flushes) = (world.disk.callCount(.write), world.disk.callCount(.sync))
        try journal.commit([1, 2, 3], count: 5)
        #expect(world.disk.callCount(.write) == writes + 1)
        #expect(world.disk.callCount(.sync) == flushes + 1)
    }

    @Test(arguments: [FileError.Operation.write, .sync])
    func `rule 3: any error of the log is final`(operation: FileError.Operation) throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1])
        journal.record(.run(run(1)))
        world.disk.fail(operation, errno: 5)
        #expect(throws: FileError.self) { try journal.log.commit() }
        #expect(journal.flushedQ == 1)
        world.disk.powerLossOfAllUnflushed()
        #expect(try world.recovered().state.qs == [1])
    }

    @Test func `rule 4: readers see a record only after its flush`() throws {
        let world = World()
        let journal = try world.open()
        journal.record(.run(run(1)))
        #expect(throws: RunRecordsError.unknown(.run(run(1)))) { try journal.runRecords(run(1)) }
        try journal.log.commit()
        #expect(try journal.runRecords(run(1)).entries.count == 1)
    }

    @Test func `rule 4: a batch says that the one before it was flushed`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1], count: 3)
        try journal.commit([1], count: 2)
        let text = try world.disk.text(world.disk.segments[0])
        #expect(text.contains("{\"c\":3,\"count\":3,"))
        #expect(text.contains("\"proven\":0,"))
        #expect(text.contains("{\"c\":5,\"count\":2,"))
        #expect(text.contains("\"proven\":3,"))
    }

    @Test func `a line is the envelope, the fields and the checksum, in a fixed order`() throws {
        let world = World()
        let journal = try world.open()
        journal.record(.run(run(1)), 1)
        journal.record(.run(run(1)), 2, kind: "run.completed", final: true, index: "{\"status\":\"completed\"}")
        try journal.log.commit()
        let lines = try world.disk.text(world.disk.segments[0]).split(separator: "\n").map(String.init)
        let id = run(1).text
        #expect(
            lines[1].hasPrefix(
                "{\"q\":1,\"t\":\"2026-11-21T08:00:00.000Z\",\"s\":\"run/\(id)\",\"n\":0,\"p\":\"00000000\",\"v\":1,"
                    + "\"k\":\"step.completed\",\"value\":1,\"crc\":\""))
        #expect(
            lines[2].hasPrefix(
                "{\"q\":2,\"t\":\"2026-11-21T08:00:00.000Z\",\"s\":\"run/\(id)\",\"n\":1,\"p\":\"\(lines[1].suffix(10).prefix(8))\","
                    + "\"k\":\"run.completed\",\"value\":2,\"index\":{\"status\":\"completed\"},\"end\":22,\"crc\":\""))
    }

    @Test func `a line feed in raw JSON cannot break a line in two`() throws {
        let world = World()
        let journal = try world.open()
        journal.log.begin(.run(run(1)), "step.completed", at: noon)
        journal.log.bytes.append(contentsOf: ",\"output\":{\n\"a\":\n1}".utf8)
        journal.log.end()
        try journal.log.commit()
        #expect(try world.recovered().state.entries.map(\.payload) == [",\"output\":{ \"a\": 1}"])
    }

    @Test func `every kind of stream keeps its name and its count`() throws {
        let world = World()
        let journal = try world.open()
        let streams: [StreamID] = [
            .run(ULID(high: 0, low: 0)), .run(ULID(high: .max, low: .max)), .events(day: noon.day),
            .system(month: noon.month),
        ]
        for _ in 0..<2 {
            for stream in streams { journal.record(stream) }
        }
        try journal.log.commit()
        let entries = try world.recovered().state.entries
        #expect(entries.map(\.stream) == streams + streams)
        #expect(entries.map(\.n) == [0, 0, 0, 0, 1, 1, 1, 1])
        #expect(StreamID("events/2026-11-21") == .events(day: noon.day))
        #expect(StreamID("system/2026-11") == .system(month: noon.month))
        #expect(StreamID("system/2026-13") == nil)
        #expect(StreamID("events/2026-02-30") == nil)
    }

    @Test func `a stream that ended takes no room in the table`() throws {
        let world = World()
        let journal = try world.open()
        for number in 0..<500 { journal.record(.run(run(number))) }
        for number in 0..<499 { journal.record(.run(run(number)), final: true) }
        try journal.log.commit()
        #expect(journal.log.unfinishedStreamCount == 1)
        #expect(journal.log.streamRecordCount(.run(run(499))) == 1)
        #expect(journal.log.streamRecordCount(.run(run(7))) == nil)
        journal.record(.run(run(499)))
        try journal.log.commit()
        #expect(try world.recovered().state.entries.last?.n == 1)
    }
}
