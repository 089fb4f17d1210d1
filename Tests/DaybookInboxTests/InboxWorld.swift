import DaybookCore
import DaybookFakes
import DaybookInbox
import DaybookSystem
import DaybookValues
import Logging
import Synchronization

/// An inbox on a disk in memory, with a journal that is a list, and time that stands still. What a test does not set is
/// as users have it.
final class InboxWorld {
    let clock = ManualClock()
    let disk: MemoryDisk
    let tap: TappedDisk
    let journal: FakeJournal
    let watch: ManualWatch?
    let log = LogLines()
    let failures = LogLines()
    let options: InboxOptions
    let seed: UInt64
    private(set) var inbox: Inbox

    init(options: InboxOptions = InboxOptions(), seed: UInt64 = 1, watched: Bool = false, opensAtOnce: Bool = true) {
        disk = MemoryDisk(clock: clock)
        let doom = Doom()
        tap = TappedDisk(disk, doom)
        journal = FakeJournal(doom)
        watch = watched ? ManualWatch() : nil
        self.options = options
        self.seed = seed
        inbox = Self.makeInbox(tap, journal, clock, watch, options, seed, log, failures)
        if opensAtOnce { run() }
    }

    /// A new process on the same disk and journal.
    func start(seed: UInt64) {
        tap.doom.reset()
        inbox = Self.makeInbox(tap, journal, clock, watch, options, seed, log, failures)
    }

    private static func makeInbox(
        _ disk: TappedDisk, _ journal: FakeJournal, _ clock: ManualClock, _ watch: ManualWatch?,
        _ options: InboxOptions,
        _ seed: UInt64, _ log: LogLines, _ failures: LogLines
    ) -> Inbox {
        Inbox(
            disk: disk, sink: journal, wallClock: clock, monotonicClock: clock, random: SeededRandom(seed: seed),
            watch: watch, openClaims: journal.claims, options: options,
            logger: Logger(label: "test") { _ in LineHandler(lines: log) },
            onFailure: { if !disk.doom.isDead { failures.add($0) } })
    }

    /// A whole file arrives, durably, a while ago.
    func drop(_ name: String, _ text: String) {
        drop(name, Array(text.utf8))
    }

    func drop(_ name: String, _ bytes: [UInt8]) {
        put("inbox/" + name, bytes)
        clock.advance(milliseconds: 1)
        do { try disk.syncFileSystem() } catch { fatalError("\(error)") }
    }

    func put(_ path: String, _ bytes: [UInt8]) {
        do {
            try disk.makeDirectory(parentPath(path))
            let file = try disk.open(path, .create)
            try file.truncate(to: 0)
            try file.write(bytes, at: 0)
        } catch {
            fatalError("\(error)")
        }
    }

    /// A file of zeros.
    func dropZeros(_ name: String, count: Int) {
        do {
            try disk.open("inbox/" + name, .create).truncate(to: count)
        } catch {
            fatalError("\(error)")
        }
    }

    func append(_ path: String, _ text: String) {
        do {
            let file = try disk.open(path, .readWrite)
            try file.write(Array(text.utf8), at: file.bytes())
        } catch {
            fatalError("\(error)")
        }
    }

    func text(_ path: String) -> String? {
        do {
            return try disk.contents(of: path).map { String(decoding: $0, as: UTF8.self) }
        } catch {
            fatalError("\(error)")
        }
    }

    /// Steps until nothing moves any more at this instant.
    func run() {
        for _ in 0..<100_000 {
            let hasMore = inbox.step()
            let hasCommitted = journal.flush()
            if tap.doom.isDead || (!hasMore && !hasCommitted) { return }
        }
        fatalError("The inbox does not come to rest")
    }

    /// Lets time pass in steps as small as anything the inbox waits for.
    func run(milliseconds: Int64) {
        run()
        var left = milliseconds
        while left > 0, !tap.doom.isDead {
            let slice = min(left, 10)
            clock.advance(milliseconds: slice)
            left -= slice
            run()
        }
    }

    /// Long enough for everything to be taken, and deleted.
    func settle() {
        for _ in 0..<20 where !tap.doom.isDead {
            run()
            clock.advance(milliseconds: 1_000)
        }
        run()
    }

    var paths: [String] { disk.allPaths }
    func paths(in folder: String) -> [String] { disk.allPaths.filter { $0.hasPrefix(folder + "/") } }
    /// The `n` of every accepted event, in order.
    var accepted: [Int] { journal.numbers }
}

/// Counts what a process does, and ends it at a chosen moment.
final class Doom: Sendable {
    private let state = Mutex((count: 0, end: Int.max))

    func reset(end: Int = .max) {
        state.withLock { $0 = (0, end) }
    }

    func end(after count: Int) { reset(end: count) }
    var isDead: Bool { state.withLock { $0.count > $0.end } }
    var count: Int { state.withLock { $0.count } }

    /// - Returns: whether the process is still alive to do one more thing.
    func lives() -> Bool {
        state.withLock { state in
            if state.count <= state.end { state.count += 1 }
            return state.count <= state.end
        }
    }
}

/// A disk that refuses everything once the process is dead, and that has kinds of files which memory does not.
final class TappedDisk: Disk {
    let disk: MemoryDisk
    let doom: Doom
    /// By the end of a path.
    private let kinds = Mutex<[String: DirectoryEntry.Kind]>([:])
    private let inodes = Mutex<[String: UInt64]>([:])
    /// Called after every opening of a file, before it is read.
    private let onOpen = Mutex<(@Sendable (String) -> Void)?>(nil)
    private let changes = Mutex<[String]>([])

    init(_ disk: MemoryDisk, _ doom: Doom) {
        self.disk = disk
        self.doom = doom
    }

    func setKind(_ kind: DirectoryEntry.Kind, ofPathsEndingIn ending: String) {
        kinds.withLock { $0[ending] = kind }
    }

    func setInode(_ inode: UInt64, ofPathsEndingIn ending: String) {
        inodes.withLock { $0[ending] = inode }
    }

    func whenOpening(_ body: @escaping @Sendable (String) -> Void) {
        onOpen.withLock { $0 = body }
    }

    /// Renames and flushes so far, as `from -> to` and `flush directory`.
    var history: [String] { changes.withLock { $0 } }

    private func live(_ operation: FileError.Operation, _ path: String) throws(FileError) {
        guard doom.lives() else { throw FileError(errno: 5, operation: operation, path: path) }
    }

    func open(_ path: String, _ mode: OpenMode) throws(FileError) -> any DiskFile {
        try live(.open, path)
        let file = try disk.open(path, mode)
        onOpen.withLock { $0 }?(path)
        return TappedFile(file, doom, path)
    }

    func makeDirectory(_ path: String) throws(FileError) {
        try live(.makeDirectory, path)
        try disk.makeDirectory(path)
    }

    func list(_ path: String) throws(FileError) -> [DirectoryEntry] {
        try live(.list, path)
        return try disk.list(path)
    }

    func stat(_ path: String) throws(FileError) -> FileStatus? {
        try live(.stat, path)
        var status = try disk.stat(path)
        let changed = kinds.withLock { $0.first { path.hasSuffix($0.key) }?.value }
        if let changed { status?.kind = changed }
        if let inode = inodes.withLock({ $0.first { path.hasSuffix($0.key) }?.value }) { status?.inode = inode }
        return status
    }

    func rename(_ source: String, to destination: String) throws(FileError) {
        try live(.rename, source)
        try disk.rename(source, to: destination)
        changes.withLock { $0.append("\(source) -> \(destination)") }
    }

    func unlink(_ path: String) throws(FileError) {
        try live(.unlink, path)
        try disk.unlink(path)
    }

    func removeDirectory(_ path: String) throws(FileError) {
        try live(.removeDirectory, path)
        try disk.removeDirectory(path)
    }

    func syncDirectory(_ path: String) throws(FileError) {
        try live(.syncDirectory, path)
        try disk.syncDirectory(path)
        changes.withLock { $0.append("flush \(path)") }
    }

    func syncFileSystem() throws(FileError) { try disk.syncFileSystem() }
    func freeSpace() throws(FileError) -> FreeSpace { try disk.freeSpace() }
    func fileSystemKind() throws(FileError) -> FileSystemKind { try disk.fileSystemKind() }
    func lock(_ path: String) throws(FileError) -> (any DiskLock)? { try disk.lock(path) }

    func map(_ path: String, at offset: Int, bytes: Int) throws(FileError) -> any MappedRegion {
        try disk.map(path, at: offset, bytes: bytes)
    }
}

private final class TappedFile: DiskFile {
    private let file: any DiskFile
    private let doom: Doom
    private let path: String

    init(_ file: any DiskFile, _ doom: Doom, _ path: String) {
        self.file = file
        self.doom = doom
        self.path = path
    }

    private func live(_ operation: FileError.Operation) throws(FileError) {
        guard doom.lives() else { throw FileError(errno: 5, operation: operation, path: path) }
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileError) {
        try live(.write)
        try file.write(bytes, at: offset)
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileError) -> Int {
        try live(.read)
        return try file.read(into: buffer, at: offset)
    }

    func sync() throws(FileError) {
        try live(.sync)
        try file.sync()
    }

    func bytes() throws(FileError) -> Int { try file.bytes() }

    func truncate(to bytes: Int) throws(FileError) {
        try live(.truncate)
        try file.truncate(to: bytes)
    }

    func startWriteback(at offset: Int, bytes: Int) throws(FileError) {}
    func close() { file.close() }
}

/// What the node and its journal do for the inbox: a command is journaled whole or not at all, answers come after the
/// flush, and a process that dies leaves what was flushed.
final class FakeJournal: EventSink {
    private enum Entry {
        case publish([Event], ClaimProgress, @Sendable (Result<Int, Refusal>) -> Void)
        case removed(String)
    }

    private struct State {
        var waiting: [Entry] = []
        var events: [Event] = []
        var claims: [ClaimProgress] = []
        var removed: [String] = []
        var refusal: Refusal?
        var publishCount = 0
    }

    private let doom: Doom
    private let state = Mutex(State())

    init(_ doom: Doom) {
        self.doom = doom
    }

    func publish(
        _ events: [Event], claim: ClaimProgress, reply: @escaping @Sendable (Result<Int, Refusal>) -> Void
    ) {
        guard doom.lives() else { return }
        let refusal = state.withLock { state -> Refusal? in
            state.publishCount += 1
            if state.refusal == nil { state.waiting.append(.publish(events, claim, reply)) }
            return state.refusal
        }
        if let refusal { reply(.failure(refusal)) }
    }

    func claimRemoved(_ name: String) {
        guard doom.lives() else { return }
        state.withLock { $0.waiting.append(.removed(name)) }
    }

    /// Journals everything that has come and answers it.
    /// - Returns: whether there was anything.
    func flush() -> Bool {
        guard state.withLock({ !$0.waiting.isEmpty }), doom.lives() else { return false }
        let entries = state.withLock { state in
            defer { state.waiting = [] }
            for entry in state.waiting { Self.apply(entry, to: &state) }
            return state.waiting
        }
        // The process may die between the flush and the answers.
        guard doom.lives() else { return true }
        for case .publish(let events, _, let reply) in entries { reply(.success(events.count)) }
        return true
    }

    /// The process died: of what was not flushed, the first few commands may have reached the disk.
    func die(keeping count: Int) {
        state.withLock { state in
            for entry in state.waiting.prefix(count) { Self.apply(entry, to: &state) }
            state.waiting = []
        }
    }

    private static func apply(_ entry: Entry, to state: inout State) {
        switch entry {
        case .publish(let events, let claim, _):
            state.events.append(contentsOf: events)
            state.claims.removeAll { $0.name == claim.name }
            state.claims.append(claim)
        case .removed(let name):
            state.claims.removeAll { $0.name == name }
            state.removed.append(name)
        }
    }

    private static func number(_ event: Event) -> Int {
        Int(JSONView(event.json)?.at(path: "data.n")?.integer ?? -1)
    }

    func refuse(_ refusal: Refusal?) {
        state.withLock { $0.refusal = refusal }
    }

    var waitingCount: Int { state.withLock { $0.waiting.count } }
    var numbers: [Int] { events.map(Self.number) }
    var events: [Event] { state.withLock { $0.events } }
    var claims: [ClaimProgress] { state.withLock { $0.claims } }
    var removed: [String] { state.withLock { $0.removed } }
    var publishCount: Int { state.withLock { $0.publishCount } }
}

/// A watch that says what a test tells it to.
final class ManualWatch: InboxWatch {
    private let state = Mutex<(handler: (@Sendable ([InboxWatchEvent]) -> Void)?, failure: String?, starts: Int)>(
        (nil, nil, 0))

    func start(_ handler: @escaping @Sendable ([InboxWatchEvent]) -> Void) throws(InboxWatchError) {
        let failure = state.withLock { state in
            state.starts += 1
            if state.failure == nil { state.handler = handler }
            return state.failure
        }
        if let failure { throw InboxWatchError(failure) }
    }

    func stop() {
        state.withLock { $0.handler = nil }
    }

    func send(_ events: InboxWatchEvent...) {
        state.withLock { $0.handler }?(events)
    }

    func failToStart(_ reason: String?) {
        state.withLock { $0.failure = reason }
    }

    var startCount: Int { state.withLock { $0.starts } }
}

/// Log lines as people would read them.
final class LogLines: Sendable {
    private let state = Mutex<[String]>([])

    func add(_ line: String) {
        state.withLock { $0.append(line) }
    }

    var all: [String] { state.withLock { $0 } }
    func count(_ text: String) -> Int { all.count { $0.contains(text) } }
}

struct LineHandler: LogHandler {
    var lines: LogLines
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?
    var logLevel = Logger.Level.info

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let fields = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        lines.add(([event.level.rawValue, event.message.description] + fields).joined(separator: " "))
    }
}

/// An event whose `data.n` tells it from the others.
func event(_ n: Int, _ more: String = "") -> String { #"{"name":"a/b","data":{"n":\#(n)}\#(more)}"# }
