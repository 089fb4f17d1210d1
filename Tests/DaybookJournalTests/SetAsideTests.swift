import DaybookFakes
import DaybookSystem
import DaybookValues
import Testing

@testable import DaybookJournal

/// Runs that a start sets aside, and what becomes of their last records.
struct SetAsideTests {
    /// Two starts in a row have died while they applied that record.
    private func noteDeaths(_ disk: MemoryDisk, at q: UInt64) throws {
        var note: [UInt8] = []
        for _ in 0..<2 {
            for shift in stride(from: 0, to: 64, by: 8) { note.append(UInt8(truncatingIfNeeded: q >> UInt64(shift))) }
        }
        try disk.open("journal/marks", .readWrite).write(note, at: 0)
    }

    @Test(arguments: [false, true])
    func `a run whose last record kills starts is set aside behind that record`(wasFollowed: Bool) throws {
        let world = World()
        var journal = try world.open()
        try journal.commit([1, 2], count: 3)
        let q = journal.record(.run(run(1)), kind: "run.completed", final: true, index: "{}")
        try journal.log.commit()
        if wasFollowed { try journal.followAll() }
        journal.unlock()
        world.disk.crash()
        try noteDeaths(world.disk, at: q)
        var state = RecordedState()
        journal = try world.open(&state)
        #expect(state.quarantined == [run(1)])
        #expect(!state.qs.contains(q))
        #expect(journal.log.streamRecordCount(.run(run(1))) == 4)
        journal.record(.run(run(1)), kind: "run.quarantined", final: true, index: "{}")
        try journal.log.commit()
        try journal.followAll()
        #expect(journal.log.streamRecordCount(.run(run(1))) == nil)
        #expect(try Verifier.verify(world.disk).findings.filter { $0.severity == .damage } == [])
        // Both ends are taken in from then on, by a start and by the file of the run.
        for start in 0..<2 {
            journal.unlock()
            world.disk.crash()
            journal = try world.open(&state)
            if start == 0 { #expect(state.entries.suffix(2).map(\.kind) == ["run.completed", "run.quarantined"]) }
            #expect(journal.report.quarantined.isEmpty)
            #expect(journal.log.streamRecordCount(.run(run(1))) == nil)
            try journal.commit([2])
            try journal.followAll()
            #expect(try Verifier.verify(world.disk).findings.filter { $0.severity == .damage } == [])
            try journal.snapshot()
            #expect(try Verifier.verify(world.disk).findings.filter { $0.severity == .damage } == [])
        }
        let content = try #require(try world.disk.contents(of: RunPath.index(hour: RunPath.hour(of: run(1)))))
        let listed = try #require(RunIndex.run(run(1), in: content))
        #expect(String(decoding: listed.kind, as: UTF8.self) == "run.quarantined")
    }

    @Test func `nothing but that may follow the end of a run`() throws {
        for (kind, isRight) in [("run.quarantined", true), ("run.completed", false)] as [(StaticString, Bool)] {
            let world = World()
            let journal = try world.open()
            journal.record(.run(run(1)))
            // A last record, of which the writer knows nothing.
            journal.log.begin(.run(run(1)), "run.completed", at: noon)
            journal.log.bytes.append(contentsOf: ",\"end\":0".utf8)
            journal.log.end()
            journal.record(.run(run(1)), kind: kind, final: true)
            try journal.log.commit()
            journal.unlock()
            let findings = try Verifier.verify(world.disk).findings.filter { $0.severity == .damage }
            #expect(findings.contains { $0.message.contains("does not follow") } == !isRight, "\(kind): \(findings)")
        }
    }

    @Test func `a run of which something was lost is set aside behind its last record`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1, 2], count: 2)
        journal.record(.run(run(1)), kind: "run.completed", final: true)
        try journal.log.commit()
        try journal.commit([2])
        journal.unlock()
        let segment = world.disk.segments[0]
        world.disk.damage(segment, at: try world.disk.offset(of: "{\"q\":2,", in: segment) + 120)
        let opened = try world.open()
        #expect(opened.report.quarantined.map(\.run) == [run(1)])
        #expect(opened.log.streamRecordCount(.run(run(1))) == 3)
        opened.record(.run(run(1)), kind: "run.quarantined", final: true)
        try opened.log.commit()
        try opened.followAll()
        #expect(try Verifier.verify(world.disk).isSound)
        opened.unlock()
        let again = try world.open()
        #expect(again.report.quarantined.isEmpty)
        #expect(again.log.streamRecordCount(.run(run(1))) == nil)
    }

    @Test func `records behind a hole in a run's chain are not applied, and the run is set aside`() throws {
        let world = World()
        let journal = try world.open()
        try journal.commit([1, 2])
        let lost = journal.record(.run(run(1)))
        try journal.log.commit()
        try journal.commit([1, 2])
        journal.unlock()
        // Nobody can tell any more whose record it was, and a repair has let it go.
        let segment = world.disk.segments[0]
        let start = try world.disk.offset(of: "{\"q\":\(lost),", in: segment)
        let end = try world.disk.offset(of: "{\"q\":\(lost + 1),", in: segment)
        try world.disk.open(segment, .readWrite).write([UInt8](repeating: 0, count: end - start), at: start)
        try world.disk.makeDirectory(DamageNote.directory)
        try world.disk.replace(KnownDamage.ownerPath(lost), with: Array("nobody\n".utf8))
        var state = RecordedState()
        let opened = try world.open(&state)
        #expect(state.qs == [1, 2, 5])
        #expect(state.quarantined == [run(1)])
        #expect(opened.report.quarantined.count == 1)
        #expect(
            try "\(#require(opened.report.quarantined.first).reason)".contains(
                "its record 1 is missing before record 2"))
        #expect(opened.log.streamRecordCount(.run(run(2))) == 2)
    }

    @Test func `a rebuild from stream files goes on without runs whose files have lost lines`() throws {
        let world = World(segmentBytes: 4_096)
        let journal = try world.open()
        journal.record(.system(month: noon.month))
        for _ in 0..<20 { try journal.commit([1, 2], count: 2) }
        try journal.followAll()
        journal.unlock()
        let path = StreamID.run(run(2)).path
        // In the middle of a line that only the file has: the log begins later.
        world.disk.damage(path, at: 500)
        for path in world.disk.segments.dropLast() { try world.disk.unlink(path) }
        var state = RecordedState()
        let opened = try world.open(&state)
        #expect(opened.report.wasRebuilt)
        #expect(opened.report.quarantined.map(\.run) == [run(2)])
        #expect(
            try "\(#require(opened.report.quarantined.first).reason)".contains(
                "records after it in the run's file are damaged"))
        #expect(state.entries.filter { $0.stream == .run(run(1)) }.map(\.n) == Array(0..<40))
        #expect(state.entries.filter { $0.stream == .run(run(2)) }.count < 10)
        #expect(opened.log.streamRecordCount(.run(run(1))) == 40)
    }
}
