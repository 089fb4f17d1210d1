import DaybookFakes
import DaybookJournal
import DaybookSystem
import DaybookValues
import Testing

/// What a start makes of a log that has lost more than its torn end.
struct LostLinesTests {
    @Test func `rule 17: whatever the newest segment is cut to, records that files of streams have come back`() throws {
        let world = World()
        let journal = try world.open()
        for number in 1...4 {
            try journal.commit([number], count: 2)
            journal.record(.events(day: noon.day), number)
            try journal.log.commit()
        }
        try journal.followAll()
        world.disk.crash()
        let path = world.disk.segments[0]
        let events = try world.disk.text("events/2026-11-21.jsonl")
        let size = try world.disk.contents(of: path)?.count ?? 0
        let end = try world.disk.offset(of: "\n\n", in: path)
        for cut in 0...end + 1 {
            var copy = world
            copy.disk = world.disk.fork()
            try copy.disk.open(path, .readWrite).truncate(to: cut)
            for _ in 0..<2 {
                var state = RecordedState()
                let again = try copy.open(&state)
                #expect(state.qs == Array(1...12), "cut at \(cut) of \(size)")
                #expect(state.quarantined.isEmpty)
                #expect(again.log.nextQ == 13)
                try again.followAll()
                #expect(try again.runRecords(run(4)).entries.map(\.q) == [10, 11])
                #expect(try copy.disk.text("events/2026-11-21.jsonl") == events)
                copy.disk.crash()
            }
        }
    }

    @Test func `rule 17: a newest segment that is cut off is named, also when nothing else has its records`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1, 2])
        world.disk.crash()
        let path = world.disk.segments[0]
        try world.disk.open(path, .readWrite).truncate(to: try world.disk.offset(of: "{\"q\":2,", in: path))
        var state = RecordedState()
        let report = try world.open(&state).report
        #expect(state.qs == [])
        #expect(report.warnings.count == 1)
        #expect(report.warnings.first?.contains(path) ?? false)
    }

    @Test func `rule 18: a copied batch is applied once, also where the header that says so is damaged`() throws {
        let world = World()
        let journal = try world.open()
        for number in 1...3 { try journal.commit([number]) }
        world.disk.crash()
        _ = try world.open()
        world.disk.crash()
        let copy = world.disk.segments[1]
        #expect(copy.contains("00000000000000000003"))
        for offset in 0..<(try world.disk.offset(of: "\n", in: copy)) {
            var other = world
            other.disk = world.disk.fork()
            other.disk.damage(copy, at: offset, flipping: 1 << UInt8(offset % 8))
            let (state, report) = try other.recovered()
            #expect(state.qs == [1, 2, 3], "byte \(offset)")
            #expect(!report.damage.isEmpty, "byte \(offset)")
        }
    }

    @Test func `rule 18: damage before a copied batch is not mistaken for damage to the batch`() throws {
        let world = World()
        let journal = try world.open()
        for number in 1...3 { try journal.commit([number]) }
        world.disk.crash()
        _ = try world.open()
        world.disk.crash()
        let old = world.disk.segments[0]
        world.disk.damage(old, at: try world.disk.offset(of: "{\"q\":2,", in: old) + 100)
        let (state, report) = try world.recovered()
        #expect(state.qs == [1, 3])
        #expect(state.quarantined == [run(2)])
        #expect(report.damage.map(\.q) == [2])
    }

    @Test func `rule 17: a record behind a damaged line feed gets to its stream's file`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1, 2], count: 2)
        try journal.commit([3])
        world.disk.crash()
        let path = world.disk.segments[0]
        world.disk.damage(path, at: try world.disk.offset(of: "{\"q\":3,", in: path) - 1)
        for _ in 0..<2 {
            var state = RecordedState()
            let again = try world.open(&state)
            #expect(state.quarantined == [run(1)])
            #expect(state.qs == [1, 3, 4, 5])
            try again.followAll()
            #expect(try again.runRecords(run(2)).entries.map(\.q) == [3, 4])
            world.disk.crash()
        }
    }

    @Test func `rule 17: a flipped bit in the id of a run that is new costs that run and invents no other`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1, 2, 3])
        try journal.commit([4])
        world.disk.crash()
        let path = world.disk.segments[0]
        let line = try world.disk.offset(of: "{\"q\":2,", in: path)
        let end = try world.disk.offset(of: ",\"n\":0", in: path)
        for offset in line..<line + (end - (try world.disk.offset(of: "{\"q\":1,", in: path))) {
            for bit in 0..<8 {
                var copy = world
                copy.disk = world.disk.fork()
                copy.disk.damage(path, at: offset, flipping: 1 << UInt8(bit))
                let (state, report) = try copy.recovered()
                #expect(state.quarantined == [run(2)], "byte \(offset), bit \(bit)")
                #expect(state.qs == [1, 3, 4], "byte \(offset), bit \(bit)")
                #expect(report.damage.map(\.q) == [2], "byte \(offset), bit \(bit)")
            }
        }
    }
}
