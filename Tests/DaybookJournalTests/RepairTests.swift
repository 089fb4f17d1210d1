import DaybookFakes
import DaybookSystem
import DaybookValues
import Synchronization
import Testing

@testable import DaybookJournal

struct RepairTests {
    private func repair(_ disk: any Disk, dry: Bool = false) throws -> RepairReport {
        try Repair.run(disk, now: noon, isDryRun: dry)
    }

    /// Two runs, the first of which has ended; followed, and with a snapshot behind which one batch stands.
    private func stopped(snapshots: Int = 1, withTail: Bool = true) throws -> World {
        let world = World(segmentBytes: 4_096)
        let journal = try world.open()
        journal.record(.system(month: noon.month))
        journal.record(.events(day: noon.day))
        try journal.commit([1, 2], count: 3)
        journal.record(.events(day: noon.day), 2)
        journal.record(.run(run(1)), kind: "run.completed", final: true, index: "{\"a\":1}")
        try journal.log.commit()
        for _ in 0..<snapshots {
            try journal.snapshot()
            try journal.commit([2])
        }
        if withTail { try journal.commit([2, 3]) }
        try journal.followAll()
        journal.unlock()
        return world
    }

    /// What a start finds of each run.
    private func runs(_ world: World) throws -> [ULID: [UInt64]] {
        let journal = try world.open()
        defer { journal.unlock() }
        try journal.followAll()
        var runs: [ULID: [UInt64]] = [:]
        for number in 1...3 {
            runs[run(number)] = (try? journal.runRecords(run(number)))?.entries.map(\.q)
        }
        return runs
    }

    private func isKept(_ content: [UInt8], on disk: MemoryDisk) throws -> Bool {
        for path in disk.allPaths where path.hasPrefix("journal/damaged/repair-") {
            if try disk.contents(of: path) == content { return true }
        }
        return false
    }

    @Test func `a sound directory is left as it is`() throws {
        let world = try stopped()
        let before = world.disk.allPaths.map { ($0, try? world.disk.contents(of: $0)) }
        let report = try repair(world.disk)
        #expect(report.actions.isEmpty)
        #expect(report.after.isSound)
        #expect(report.keptIn == nil)
        #expect(world.disk.allPaths == before.map(\.0))
        for (path, content) in before { #expect(try world.disk.contents(of: path) == content) }
    }

    @Test func `a directory that a server has open is refused`() throws {
        let world = World()
        let journal = try world.open()
        #expect { try repair(world.disk) } throws: { error in
            if case .locked = error as? JournalOpenError { true } else { false }
        }
        withExtendedLifetime(journal) {}
    }

    @Test func `a dry run says what would be done and changes nothing`() throws {
        let world = try stopped()
        world.disk.damage(StreamID.run(run(1)).path, at: 200)
        let paths = world.disk.allPaths
        let report = try repair(world.disk, dry: true)
        #expect(report.isDryRun)
        #expect(report.actions.map(\.kind) == [.restored])
        #expect(world.disk.allPaths == paths)
        #expect(!report.after.isSound)
    }

    @Test func `a damaged line of a run's file is put back from the log`() throws {
        let world = try stopped()
        let path = StreamID.run(run(1)).path
        let right = try world.disk.contents(of: path)
        world.disk.damage(path, at: 200)
        let wrong = try #require(try world.disk.contents(of: path))
        let report = try repair(world.disk)
        #expect(report.actions.map(\.kind) == [.restored])
        #expect(report.after.isSound)
        #expect(report.affectedRuns.isEmpty)
        #expect(try world.disk.contents(of: path) == right)
        #expect(try isKept(wrong, on: world.disk))
        let manifest = try world.disk.text(try #require(report.keptIn) + "/manifest.jsonl")
        #expect(manifest.hasPrefix("{\"path\":\"\(path)\",\"offset\":0,\"bytes\":\(wrong.count),\"sum\":\""))
        #expect(try repair(world.disk).actions.isEmpty)
    }

    @Test func `a line of the log that its stream's file still has is put back, byte for byte`() throws {
        let world = try stopped()
        let segment = world.disk.segments[0]
        let right = try world.disk.contents(of: segment)
        world.disk.damage(segment, at: try world.disk.offset(of: "{\"q\":4,", in: segment) + 60)
        let report = try repair(world.disk)
        #expect(report.actions.map(\.kind) == [.restored])
        #expect(report.lostRecords.isEmpty)
        #expect(try world.disk.contents(of: segment) == right)
    }

    @Test func `a damaged commit line is made again`() throws {
        let world = try stopped()
        let segment = world.disk.segments[0]
        let right = try world.disk.contents(of: segment)
        world.disk.damage(segment, at: try world.disk.offset(of: "{\"c\":", in: segment) + 20)
        let report = try repair(world.disk)
        #expect(report.actions.map(\.kind) == [.restored])
        #expect(try world.disk.contents(of: segment) == right)
    }

    @Test func `every flipped bit of a segment's header is put back`() throws {
        let world = World(segmentBytes: 4_096)
        let journal = try world.open()
        for _ in 0..<12 { try journal.commit([1, 2], count: 3) }
        try journal.followAll()
        journal.unlock()
        let segment = world.disk.segments[1]
        let right = try #require(try world.disk.contents(of: segment))
        let length = try #require(right.firstIndex(of: 10))
        for offset in stride(from: 0, through: length, by: 3) {
            let disk = world.disk.copy(device: 1)
            disk.damage(segment, at: offset, flipping: 4)
            let report = try repair(disk)
            #expect(report.after.isSound, "byte \(offset): \(report.after.findings)")
            #expect(try disk.contents(of: segment) == right || report.actions.contains { $0.kind == .noted })
        }
    }

    @Test func `a lost record costs its run, and nothing else`() throws {
        let world = try stopped()
        let segment = world.disk.segments[0]
        // Behind the snapshot, and not in the file either.
        let q = 12
        world.disk.damage(segment, at: try world.disk.offset(of: "{\"q\":\(q),", in: segment) + 100)
        let path = StreamID.run(run(2)).path
        let offset = try world.disk.offset(of: "{\"q\":\(q),", in: path)
        let file = try world.disk.open(path, .readWrite)
        try file.truncate(to: offset)
        let report = try repair(world.disk)
        #expect(report.after.isSound, "\(report.after.findings)")
        #expect(report.affectedRuns == [run(2)])
        #expect(report.lostRecords == [UInt64(q)])
        var state = RecordedState()
        let journal = try world.open(&state)
        #expect(journal.report.quarantined.map(\.run) == [run(2)])
        journal.unlock()
        #expect(try Verifier.verify(world.disk).isSound)
        #expect(try Verifier.verify(world.disk).count(.known) > 0)
    }

    @Test func `a line that nobody owns stops no start any more`() throws {
        let world = World()
        let journal = try world.open()
        for number in 1...3 { try journal.commit([number], count: 2) }
        journal.unlock()
        let path = world.disk.segments[0]
        let (first, end) = (
            try world.disk.offset(of: "{\"q\":1,", in: path), try world.disk.offset(of: "{\"q\":5,", in: path)
        )
        try world.disk.open(path, .readWrite).write([UInt8](repeating: 0, count: end - first), at: first)
        #expect(throws: JournalOpenError.self) { try world.recovered() }
        let report = try repair(world.disk)
        #expect(report.after.isSound)
        #expect(report.lostRecords == [1, 2, 3, 4])
        let (state, _) = try world.recovered()
        #expect(state.qs == [5, 6])
    }

    @Test func `a finished run whose file lost a line that the log no longer has keeps what comes before`() throws {
        let world = try stopped(snapshots: 2)
        // A log that begins behind the run.
        let journal = try world.open()
        for _ in 0..<20 { try journal.commit([2], count: 3) }
        try journal.snapshot()
        for _ in 0..<20 { try journal.commit([2], count: 3) }
        try journal.snapshot()
        world.clock.advance(milliseconds: 600_000)
        while try journal.keeper.step() {}
        journal.unlock()
        #expect(!world.disk.segments[0].contains("/00000000000000000001-"))
        let path = StreamID.run(run(1)).path
        let offset = try world.disk.offset(of: "\"n\":2,", in: path)
        world.disk.damage(path, at: offset)
        let wrong = try #require(try world.disk.contents(of: path))
        let report = try repair(world.disk)
        #expect(report.after.isSound, "\(report.after.findings)")
        #expect(report.affectedRuns == [run(1)])
        #expect(try isKept(wrong, on: world.disk))
        #expect(try RunRecords(disk: world.disk, stream: .run(run(1))).entries.map(\.n) == [0, 1])
        #expect(try repair(world.disk).actions.isEmpty)
    }

    @Test func `a list that is gone or damaged is made again`() throws {
        let path = "runs/2026-11-21/08/index.jsonl"
        for isGone in [true, false] {
            let world = try stopped()
            let right = try world.disk.contents(of: path)
            if isGone { try world.disk.unlink(path) } else { world.disk.damage(path, at: 30) }
            let report = try repair(world.disk)
            #expect(report.after.isSound, "\(report.after.findings)")
            #expect(try world.disk.contents(of: path) == right)
        }
    }

    @Test func `a damaged snapshot is moved aside`() throws {
        let world = try stopped()
        let path = try #require(world.disk.allPaths.first { $0.hasPrefix("snapshot/") })
        world.disk.damage(path, at: 60)
        let wrong = try #require(try world.disk.contents(of: path))
        let report = try repair(world.disk)
        #expect(report.actions.map(\.kind) == [.movedAside])
        #expect(report.after.isSound)
        #expect(try isKept(wrong, on: world.disk))
        #expect(try world.disk.stat(path) == nil)
    }

    @Test func `run files that were exchanged are put back in their places`() throws {
        let world = try stopped()
        let (a, b) = (StreamID.run(run(1)).path, StreamID.run(run(2)).path)
        let (rightA, rightB) = (try world.disk.contents(of: a), try world.disk.contents(of: b))
        try world.disk.rename(a, to: "x")
        try world.disk.rename(b, to: a)
        try world.disk.rename("x", to: b)
        let report = try repair(world.disk)
        #expect(report.after.isSound, "\(report.after.findings)")
        #expect(try world.disk.contents(of: a) == rightA)
        #expect(try world.disk.contents(of: b) == rightB)
    }

    @Test func `strays and files that were never published are moved aside`() throws {
        let world = try stopped()
        for path in ["journal/notes.txt", "runs/2026-11-21/08/x.jsonl.tmp", "snapshot/old.snap"] {
            try world.disk.open(path, .create).write(Array("stray \(path)".utf8), at: 0)
        }
        let report = try repair(world.disk)
        #expect(report.actions.map(\.kind) == [.movedAside, .movedAside, .movedAside])
        for action in report.actions {
            let kept = try #require(action.keptAt)
            #expect(try world.disk.text(kept) == "stray \(action.path)")
        }
        #expect(try Verifier.verify(world.disk).findings.isEmpty)
    }

    @Test func `a lock file that says nothing is emptied`() throws {
        let world = try stopped()
        try world.disk.open("daybook.lock", .readWrite).write(Array("\u{0}\u{0}garbage".utf8), at: 0)
        try world.disk.open("daybook.lock", .readWrite).truncate(to: 9)
        let report = try repair(world.disk)
        #expect(report.actions.map(\.path) == ["daybook.lock"])
        #expect(report.after.isSound)
        _ = try world.recovered()
    }

    @Test func `a lost line of an events file is noted, and the file goes on`() throws {
        let world = try stopped(snapshots: 2)
        let journal = try world.open()
        for _ in 0..<20 { try journal.commit([2], count: 3) }
        try journal.snapshot()
        for _ in 0..<20 { try journal.commit([2], count: 3) }
        try journal.snapshot()
        world.clock.advance(milliseconds: 600_000)
        while try journal.keeper.step() {}
        journal.unlock()
        let path = StreamID.events(day: noon.day).path
        world.disk.damage(path, at: 40)
        let report = try repair(world.disk)
        #expect(report.after.isSound, "\(report.after.findings)")
        #expect(report.after.count(.known) == 1)
        let next = try world.open()
        next.record(.events(day: noon.day), 3)
        try next.log.commit()
        try next.followAll()
        next.unlock()
        #expect(try Verifier.verify(world.disk).isSound)
        // What is lost stays the same; anything else is new.
        world.disk.damage(path, at: 50)
        #expect(try !Verifier.verify(world.disk).isSound)
    }

    @Test func `a log whose newest segments are gone is made again from the files`() throws {
        let world = World(segmentBytes: 4_096)
        let journal = try world.open()
        for _ in 0..<12 { try journal.commit([1, 2], count: 3) }
        try journal.followAll()
        journal.unlock()
        let before = try runs(world.copied())
        for path in world.disk.segments.dropFirst() { try world.disk.unlink(path) }
        let report = try repair(world.disk)
        #expect(report.after.isSound, "\(report.after.findings)")
        #expect(try runs(world) == before)
        #expect(try Verifier.verify(world.disk).isSound)
    }

    @Test func `a rebuild from the files does not bring back a run that was set aside`() throws {
        let world = try stopped(snapshots: 0, withTail: false)
        let journal = try world.open()
        journal.record(.run(run(2)), kind: "run.quarantined", final: true)
        try journal.log.commit()
        try journal.followAll()
        let q = journal.flushedQ
        // As a start leaves it that set the run aside before: the file without the last record.
        let path = StreamID.run(run(2)).path
        let offset = try world.disk.offset(of: "{\"q\":\(q),", in: path)
        try world.disk.open(path, .readWrite).truncate(to: offset)
        for _ in 0..<40 { try journal.commit([4], count: 3) }
        try journal.followAll()
        journal.unlock()
        for path in world.disk.segments.dropLast(2) { try world.disk.unlink(path) }
        var state = RecordedState()
        let rebuilt = try world.open(&state)
        #expect(rebuilt.report.wasRebuilt)
        #expect(!state.entries.contains { $0.stream == .run(run(2)) })
        #expect(rebuilt.log.streamRecordCount(.run(run(2))) == nil)
        #expect(rebuilt.log.streamRecordCount(.run(run(4))) == 120)
    }

    // MARK: - At random

    private static let operations = 9

    /// Breaks something. Returns what, for a message.
    private func breakSomething(_ disk: MemoryDisk, _ random: SeededRandom) throws -> String {
        let paths = disk.allPaths.filter { path in
            !path.hasPrefix("journal/spare") && path != "journal/marks" && path != "journal/ballast"
                && !path.hasPrefix("journal/damaged")
        }
        let path = paths[random.below(paths.count)]
        let content = try disk.contents(of: path) ?? []
        let used = max(1, (content.lastIndex { $0 != 10 } ?? 0) + 1)
        switch random.below(7) {
        case 0, 1, 2:
            let offset = random.below(used)
            guard !content.isEmpty else { return "nothing" }
            disk.damage(path, at: offset, flipping: 1 << UInt8(random.below(8)))
            return "a flipped bit of \(path) at \(offset)"
        case 3:
            let length = random.below(used)
            try disk.open(path, .readWrite).truncate(to: length)
            return "\(path) cut to \(length)"
        case 4:
            try disk.unlink(path)
            return "\(path) removed"
        case 5:
            let start = random.below(used)
            let count = min(used - start, 1 + random.below(300))
            try disk.open(path, .readWrite).write([UInt8](repeating: 0, count: count), at: start)
            return "\(count) zeros in \(path) at \(start)"
        default:
            let runs = paths.filter { $0.hasPrefix("runs/") && !$0.hasSuffix("index.jsonl") }
            guard runs.count > 1 else { return "nothing" }
            let (a, b) = (runs[random.below(runs.count)], runs[random.below(runs.count)])
            guard a != b else { return "nothing" }
            try disk.rename(a, to: "x")
            try disk.rename(b, to: a)
            try disk.rename("x", to: b)
            return "\(a) and \(b) exchanged"
        }
    }

    private func worked(_ seed: Int) throws -> (world: World, random: SeededRandom) {
        let random = SeededRandom(seed: UInt64(seed))
        var world = World(segmentBytes: 4_096)
        world.options.graceMilliseconds = 50
        let server = try LiveServer(world, random)
        for _ in 0..<(20 + random.below(150)) { try server.move() }
        if random.chance(percent: 70) { try server.journal.followAll() }
        server.journal.unlock()
        return (world, random)
    }

    /// The records of every run, by what a start and its follower make of the directory.
    private func history(_ world: World) throws -> (records: [ULID: [UInt64]], setAside: Set<ULID>) {
        var state = RecordedState()
        let journal = try world.open(&state)
        try journal.followAll()
        defer { journal.unlock() }
        var records: [ULID: [UInt64]] = [:]
        for path in world.disk.allPaths where path.hasPrefix("runs/") && !path.hasSuffix("index.jsonl") {
            guard let id = ULID(path.suffix(32).dropLast(6)) else { continue }
            records[id] = (try? RunRecords(disk: world.disk, stream: .run(id)))?.entries.map(\.q)
        }
        return (records, Set(journal.report.quarantined.map(\.run) + journal.follower.takeQuarantined().map(\.run)))
    }

    @Test(arguments: 0..<60)
    func `whatever is broken, a repair leaves a directory that opens, is sound, and has kept every byte`(
        seed: Int
    ) throws {
        let (world, random) = try worked(seed)
        let before = try history(world.copied())
        var broken: [String] = []
        for _ in 0...random.below(2) { broken.append(try breakSomething(world.disk, random)) }
        let place: Comment = "seed \(seed): \(broken)"
        let damaged = world.disk.copy(device: 1)
        let report = try repair(world.disk)
        #expect(report.after.isSound, "seed \(seed): \(broken) \(report.after.findings) \(report.actions)")
        for path in damaged.allPaths where path != "journal/marks" {
            let content = try #require(try damaged.contents(of: path))
            guard try world.disk.contents(of: path) != content else { continue }
            #expect(try isKept(content, on: world.disk), "\(path), seed \(seed): \(broken)")
        }
        #expect(try repair(world.disk).actions.isEmpty, place)
        let after: (records: [ULID: [UInt64]], setAside: Set<ULID>)
        do {
            after = try history(world)
        } catch {
            Issue.record("seed \(seed): \(broken) does not open: \(error) \(report.actions)")
            return
        }
        let affected = Set(report.affectedRuns).union(after.setAside)
        for (run, qs) in before.records where !affected.contains(run) {
            #expect(
                after.records[run] == qs,
                "run \(run.text), seed \(seed): \(broken) \(report.actions)")
        }
        let last = try Verifier.verify(world.disk)
        #expect(last.isSound, "\(broken), seed \(seed): \(last.findings)")
    }

    @Test(arguments: 0..<4)
    func `a repair can be killed at every operation and run again`(seed: Int) throws {
        let (world, random) = try worked(seed)
        var broken: [String] = []
        for _ in 0...random.below(3) { broken.append(try breakSomething(world.disk, random)) }
        let damaged = world.disk.copy(device: 1)
        var last = 0
        while true {
            let disk = damaged.copy(device: 1)
            let dying = DyingDisk(base: disk, after: last)
            let report = try? repair(dying)
            if random.chance(percent: 50) { disk.powerLoss(random: random) } else { disk.crash() }
            // What it had before it died is there, in its place or kept.
            for path in damaged.allPaths where path != "journal/marks" {
                let content = try #require(try damaged.contents(of: path))
                guard try disk.contents(of: path) != content else { continue }
                #expect(try isKept(content, on: disk), "\(path), after \(last), seed \(seed): \(broken)")
            }
            let again = try repair(disk)
            #expect(again.after.isSound, "after \(last), seed \(seed): \(broken) \(again.after.findings)")
            if report != nil { break }
            last += 1
        }
    }
}

extension World {
    func copied() -> World {
        var world = self
        world.disk = disk.copy(device: 1)
        return world
    }
}

/// A disk whose process dies at a chosen operation that changes something.
private final class DyingDisk: Disk {
    private let base: MemoryDisk
    private let left: Mutex<Int>

    init(base: MemoryDisk, after operations: Int) {
        self.base = base
        left = Mutex(operations)
    }

    fileprivate func change(_ operation: FileError.Operation, _ path: String) throws(FileError) {
        let isDead = left.withLock { left -> Bool in
            left -= 1
            return left < 0
        }
        if isDead { throw FileError(errno: 5, operation: operation, path: path) }
    }

    fileprivate func look(_ path: String) throws(FileError) {
        if left.withLock({ $0 < 0 }) { throw FileError(errno: 5, operation: .read, path: path) }
    }

    func open(_ path: String, _ mode: OpenMode) throws(FileError) -> any DiskFile {
        if mode == .create || mode == .createNew { try change(.open, path) } else { try look(path) }
        return DyingFile(disk: self, base: try base.open(path, mode), path: path)
    }
    func list(_ path: String) throws(FileError) -> [DirectoryEntry] {
        try look(path)
        return try base.list(path)
    }
    func stat(_ path: String) throws(FileError) -> FileStatus? {
        try look(path)
        return try base.stat(path)
    }
    func makeDirectory(_ path: String) throws(FileError) {
        try change(.makeDirectory, path)
        try base.makeDirectory(path)
    }
    func rename(_ source: String, to destination: String) throws(FileError) {
        try change(.rename, source)
        try base.rename(source, to: destination)
    }
    func unlink(_ path: String) throws(FileError) {
        try change(.unlink, path)
        try base.unlink(path)
    }
    func removeDirectory(_ path: String) throws(FileError) {
        try change(.removeDirectory, path)
        try base.removeDirectory(path)
    }
    func syncDirectory(_ path: String) throws(FileError) {
        try change(.syncDirectory, path)
        try base.syncDirectory(path)
    }
    func syncFileSystem() throws(FileError) {
        try change(.syncFileSystem, "")
        try base.syncFileSystem()
    }
    func freeSpace() throws(FileError) -> FreeSpace { try base.freeSpace() }
    func fileSystemKind() throws(FileError) -> FileSystemKind { try base.fileSystemKind() }
    func lock(_ path: String) throws(FileError) -> (any DiskLock)? { try base.lock(path) }
    func map(_ path: String, at offset: Int, bytes: Int) throws(FileError) -> any MappedRegion {
        try change(.map, path)
        return try base.map(path, at: offset, bytes: bytes)
    }
}

private final class DyingFile: DiskFile {
    private let disk: DyingDisk
    private let base: any DiskFile
    private let path: String

    init(disk: DyingDisk, base: any DiskFile, path: String) {
        self.disk = disk
        self.base = base
        self.path = path
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileError) {
        try disk.change(.write, path)
        try base.write(bytes, at: offset)
    }
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileError) -> Int {
        try disk.look(path)
        return try base.read(into: buffer, at: offset)
    }
    func sync() throws(FileError) {
        try disk.change(.sync, path)
        try base.sync()
    }
    func bytes() throws(FileError) -> Int { try base.bytes() }
    func truncate(to bytes: Int) throws(FileError) {
        try disk.change(.truncate, path)
        try base.truncate(to: bytes)
    }
    func startWriteback(at offset: Int, bytes: Int) throws(FileError) {}
    func close() { base.close() }
}
