import DaybookFakes
import DaybookJournal
import DaybookSystem
import DaybookValues
import Synchronization
import Testing

/// What `verify` says while a server is at work: nothing of that is damage.
struct LiveVerifyTests {
    @Test(arguments: 0..<40)
    func `a server that writes, rolls, snapshots, trims and ends runs while it is verified is sound`(seed: Int) throws {
        let random = SeededRandom(seed: UInt64(seed))
        var world = World(segmentBytes: 4_096)
        world.options.graceMilliseconds = 50
        world.options.followBytesMax = 1_000
        let server = try LiveServer(world, random)
        for _ in 0..<random.below(150) { try server.move() }
        let disk = RestlessDisk(base: world.disk) { if random.chance(percent: 40) { try server.move() } }
        for _ in 0..<2 {
            let report = try Verifier.verify(disk)
            #expect(report.isSound, "seed \(seed): \(report.findings)")
        }
        #expect(disk.failure.withLock { $0 } == nil)
        try server.journal.followAll()
        let report = try Verifier.verify(world.disk)
        #expect(report.findings.isEmpty, "seed \(seed): \(report.findings)")
    }

    @Test(arguments: 0..<30)
    func `a server that is killed and started again while it is verified is sound`(seed: Int) throws {
        let random = SeededRandom(seed: UInt64(seed))
        var world = World(segmentBytes: 4_096)
        world.options.graceMilliseconds = 50
        world.options.followBytesMax = 1_000
        let server = try LiveServer(world, random)
        for _ in 0..<random.below(150) { try server.move() }
        let disk = RestlessDisk(base: world.disk) {
            if random.chance(percent: 30) { try server.move() }
            if random.chance(percent: 2) { try server.restart() }
        }
        for _ in 0..<2 {
            let report = try Verifier.verify(disk)
            #expect(report.isSound, "seed \(seed): \(report.findings)")
        }
        #expect(disk.failure.withLock { $0 } == nil)
    }

    @Test(arguments: 0..<40)
    func `a directory after a crash or a loss of power is sound before the next start`(seed: Int) throws {
        let random = SeededRandom(seed: UInt64(seed))
        var world = World(segmentBytes: 4_096)
        world.options.graceMilliseconds = 50
        let server = try LiveServer(world, random)
        for _ in 0..<10 {
            for _ in 0..<random.below(80) { try server.move() }
            let copy = world.disk.copy(device: 1)
            if random.chance(percent: 50) { copy.powerLoss(random: random) } else { copy.crash() }
            let report = try Verifier.verify(copy)
            #expect(report.isSound, "seed \(seed): \(report.findings)")
        }
    }
}

/// A journal at work, moved on one step at a time.
final class LiveServer {
    let world: World
    private(set) var journal: Journal
    private let random: SeededRandom
    /// Runs that have not ended.
    private var runs: [ULID] = []
    private var count = 0

    init(_ world: World, _ random: SeededRandom) throws {
        self.world = world
        self.random = random
        journal = try world.open()
    }

    func restart() throws {
        journal.unlock()
        journal = try world.open()
    }

    func move() throws {
        switch random.below(12) {
        case 0..<6:
            for _ in 0...random.below(6) {
                if runs.isEmpty || random.chance(percent: 20) {
                    count += 1
                    // Now and then of another hour.
                    let time = Timestamp(milliseconds: noon.milliseconds + Int64(random.below(3)) * 3_600_000)
                    runs.append(run(count, at: time))
                }
                let index = random.below(runs.count)
                let ends = random.chance(percent: 15)
                let kind: StaticString = ends ? "run.completed" : "step.completed"
                journal.record(.run(runs[index]), count, kind: kind, final: ends, index: ends ? "{\"a\":1}" : "")
                if ends { runs.remove(at: index) }
            }
            if random.chance(percent: 30) { journal.record(.events(day: noon.day)) }
            if random.chance(percent: 10) { journal.record(.system(month: noon.month)) }
            try journal.log.commit()
        case 6, 7: try journal.follower.step()
        case 8: try journal.follower.checkpoint()
        case 9: try journal.snapshot("\(journal.flushedQ)")
        default:
            world.clock.advance(milliseconds: Int64(random.below(60)))
            try journal.keeper.step()
        }
    }
}

/// A disk on which something happens before every look at it.
final class RestlessDisk: Disk, @unchecked Sendable {
    // One thread uses it; the flag only keeps what happens from happening within itself.
    private let base: any Disk
    private let happen: () throws -> Void
    let failure = Mutex<(any Error)?>(nil)
    private var isHappening = false

    init(base: any Disk, happen: @escaping () throws -> Void) {
        self.base = base
        self.happen = happen
    }

    fileprivate func stir() {
        guard !isHappening else { return }
        isHappening = true
        defer { isHappening = false }
        do { try happen() } catch { failure.withLock { $0 = error } }
    }

    func open(_ path: String, _ mode: OpenMode) throws(FileError) -> any DiskFile {
        stir()
        return RestlessFile(disk: self, base: try base.open(path, mode))
    }
    func list(_ path: String) throws(FileError) -> [DirectoryEntry] {
        stir()
        return try base.list(path)
    }
    func stat(_ path: String) throws(FileError) -> FileStatus? {
        stir()
        return try base.stat(path)
    }
    func makeDirectory(_ path: String) throws(FileError) { try base.makeDirectory(path) }
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
    func map(_ path: String, at offset: Int, bytes: Int) throws(FileError) -> any MappedRegion {
        try base.map(path, at: offset, bytes: bytes)
    }
}

private final class RestlessFile: DiskFile {
    private let disk: RestlessDisk
    private let base: any DiskFile

    init(disk: RestlessDisk, base: any DiskFile) {
        self.disk = disk
        self.base = base
    }

    /// Half of it before something happens, half after: a write may become visible in between.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileError) -> Int {
        disk.stir()
        let half = buffer.count / 2
        let first = try base.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<half]), at: offset)
        guard first == half else { return first }
        disk.stir()
        return first
            + (try base.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[half...]), at: offset + half))
    }
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileError) { try base.write(bytes, at: offset) }
    func sync() throws(FileError) { try base.sync() }
    func bytes() throws(FileError) -> Int { try base.bytes() }
    func truncate(to bytes: Int) throws(FileError) { try base.truncate(to: bytes) }
    func startWriteback(at offset: Int, bytes: Int) throws(FileError) {}
    func close() { base.close() }
}
