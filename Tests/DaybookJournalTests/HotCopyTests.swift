import DaybookFakes
import DaybookJournal
import DaybookSystem
import DaybookValues
import Testing

/// A directory that is copied while its server writes: the files of the copy are of different moments, and so are the
/// two ends of one file.
struct HotCopyTests {
    /// Files as they were at one moment.
    private struct Moment {
        var files: [String: [UInt8]] = [:]

        init(_ disk: MemoryDisk) throws {
            for path in disk.allPaths {
                if try disk.stat(path)?.kind == .file { files[path] = try disk.contents(of: path) }
            }
        }

        func only(_ prefixes: String...) -> [String: [UInt8]] {
            files.filter { file in prefixes.contains { file.key.hasPrefix($0) } }
        }
    }

    private func copy(_ world: World, _ files: [String: [UInt8]]) throws -> World {
        var copied = world
        copied.disk = MemoryDisk(clock: world.clock, device: 2)
        for (path, content) in files.sorted(by: { $0.key < $1.key }) {
            var folder = ""
            for part in path.split(separator: "/").dropLast() {
                folder += (folder.isEmpty ? "" : "/") + part
                try copied.disk.makeDirectory(folder)
            }
            try copied.disk.open(path, .create).write(content, at: 0)
        }
        return copied
    }

    /// Opens the copy, lets it work on, and checks that everything in it agrees.
    private func expectGood(
        _ copied: World, atLeast: UInt64, _ comment: Comment, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let untouched = try Verifier.verify(copied.disk)
        #expect(untouched.isSound, "\(comment): \(untouched.findings)", sourceLocation: sourceLocation)
        var state = RecordedState()
        let journal = try copied.open(&state)
        #expect(journal.report.wasCopied, comment, sourceLocation: sourceLocation)
        #expect(journal.report.damage.isEmpty, comment, sourceLocation: sourceLocation)
        #expect(state.quarantined.isEmpty, comment, sourceLocation: sourceLocation)
        #expect(journal.flushedQ >= atLeast, comment, sourceLocation: sourceLocation)
        if journal.report.snapshotQ == 0 {
            #expect(state.qs == Array(1...journal.flushedQ), comment, sourceLocation: sourceLocation)
        }
        // What the files are ahead by must not meet the records that come now.
        for number in 50...52 { try journal.commit([number, 1], count: 3) }
        try journal.followAll()
        #expect(journal.follower.takeQuarantined().isEmpty, comment, sourceLocation: sourceLocation)
        try journal.snapshot()
        let report = try Verifier.verify(copied.disk)
        #expect(report.isSound, "\(comment): \(report.findings)", sourceLocation: sourceLocation)
        #expect(report.streamRecords == report.lastQ, comment, sourceLocation: sourceLocation)
        copied.disk.crash()
        var again = RecordedState()
        let second = try copied.open(&again)
        #expect(!second.report.wasCopied, comment, sourceLocation: sourceLocation)
        #expect(second.log.nextQ == journal.log.nextQ, comment, sourceLocation: sourceLocation)
    }

    /// Runs begin, go on and end.
    private func work(_ journal: Journal, from first: Int, batches: Int) throws {
        for number in first..<first + batches {
            try journal.commit([number, 1], count: 2)
            if number > first { journal.record(.run(run(number - 1)), final: true) }
            try journal.log.commit()
        }
        try journal.followAll()
    }

    @Test func `rule 14: a segment that was read while it grew has its records up to the first hole`() throws {
        let world = World()
        let journal = try world.open()
        try work(journal, from: 10, batches: 3)
        let before = try Moment(world.disk)
        let lastQ = journal.flushedQ
        let path = world.disk.segments[0]
        let end = try world.disk.offset(of: "\n\n", in: path) + 1
        try work(journal, from: 20, batches: 3)
        let after = try Moment(world.disk)
        let (old, new) = (try #require(before.files[path]), try #require(after.files[path]))
        let newEnd = try world.disk.offset(of: "\n\n", in: path) + 1
        for cut in stride(from: end - 1, through: newEnd, by: 29) {
            // The start of the segment was read before the batches were written, the rest after.
            var files = after.files
            files[path] = Array(old[..<cut]) + Array(new[cut...])
            try expectGood(copy(world, files), atLeast: lastQ, "cut at \(cut)")
        }
    }

    @Test func `rule 14: a segment that grew on after its copy was made ends the log, whatever follows it`() throws {
        let world = World(segmentBytes: 4_096)
        let journal = try world.open()
        try work(journal, from: 10, batches: 2)
        let before = try Moment(world.disk)
        let lastQ = journal.flushedQ
        let path = try #require(world.disk.segments.last)
        try work(journal, from: 20, batches: 10)
        var files = try Moment(world.disk).files
        #expect(world.disk.segments.count > 2)
        files[path] = before.files[path]
        try expectGood(copy(world, files), atLeast: lastQ, "")
    }

    @Test(arguments: [false, true])
    func `rule 14: files and snapshots that are ahead of the log of a copy count for nothing`(
        isSecondSnapshot: Bool
    ) throws {
        let world = World(segmentBytes: 4_096)
        let journal = try world.open()
        try work(journal, from: 10, batches: 4)
        try journal.snapshot("first")
        try work(journal, from: 20, batches: 4)
        if isSecondSnapshot { try journal.snapshot("second") }
        try work(journal, from: 30, batches: 2)
        let before = try Moment(world.disk)
        let lastQ = journal.flushedQ
        try work(journal, from: 40, batches: 4)
        try journal.snapshot("ahead")
        let after = try Moment(world.disk)
        let files = after.files.filter { !$0.key.hasPrefix("journal/") }
            .merging(before.only("journal/")) { $1 }
        let copied = try copy(world, files)
        var state = RecordedState()
        let report = try copy(world, files).open(&state).report
        #expect(report.snapshotsRefused.map(\.reason) == ["the log of this copy ends at record \(lastQ), before it"])
        #expect(report.lastQ == lastQ)
        try expectGood(copied, atLeast: lastQ, "")
    }

    @Test func `rule 14: files and snapshots that are behind the log of a copy are made whole from it`() throws {
        let world = World(segmentBytes: 4_096)
        let journal = try world.open()
        try work(journal, from: 10, batches: 4)
        try journal.snapshot()
        let before = try Moment(world.disk)
        try work(journal, from: 20, batches: 4)
        try journal.snapshot()
        try work(journal, from: 30, batches: 4)
        let files = before.files.merging(try Moment(world.disk).only("journal/")) { $1 }
        try expectGood(copy(world, files), atLeast: journal.flushedQ, "")
    }

    @Test func `a list that was copied after the files of its hour is no sign of damage`() throws {
        let world = World()
        let journal = try world.open()
        try work(journal, from: 10, batches: 4)
        let before = try Moment(world.disk)
        try work(journal, from: 20, batches: 4)
        let list = try Moment(world.disk).files.filter { $0.key.hasSuffix("index.jsonl") }
        // With the log as old as the files, and with one that is as young as the list.
        for moment in [before, try Moment(world.disk)] {
            let files = before.files.merging(moment.only("journal/")) { $1 }.merging(list) { $1 }
            try expectGood(copy(world, files), atLeast: 1, "")
        }
    }

    @Test func `rule 12: while there is a hold, snapshots stay that a copy of the log can begin with`() throws {
        let world = World(segmentBytes: 4_096)
        let journal = try world.open()
        try world.disk.open("hold", .create).sync()
        for number in 1...4 {
            try work(journal, from: 10 * number, batches: 2)
            try journal.snapshot()
        }
        #expect(world.disk.allPaths.count { $0.hasSuffix(".snap") } == 4)
        try world.disk.unlink("hold")
        try work(journal, from: 50, batches: 2)
        try journal.snapshot()
        #expect(world.disk.allPaths.count { $0.hasSuffix(".snap") } == 2)
    }

    @Test func `damage in a copy is damage, hole or not`() throws {
        let world = World()
        let journal = try world.open()
        try work(journal, from: 10, batches: 3)
        let path = world.disk.segments[0]
        var copied = world
        copied.disk = world.disk.copy()
        copied.disk.damage(path, at: try world.disk.offset(of: "{\"q\":2,", in: path) + 60)
        for file in copied.disk.allPaths where file.hasPrefix("runs/") && file.hasSuffix("jsonl") {
            try copied.disk.unlink(file)
        }
        var state = RecordedState()
        let report = try copied.open(&state).report
        #expect(report.damage.map(\.q) == [2])
        #expect(state.quarantined == [run(10)])
        #expect(report.lastQ == journal.flushedQ)
    }
}
