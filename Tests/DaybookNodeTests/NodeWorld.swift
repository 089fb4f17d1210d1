import Daybook
import DaybookCore
import DaybookFakes
import DaybookJournal
import DaybookNode
import DaybookSystem
import DaybookTesting
import DaybookValues
import Logging
import Synchronization
import Testing

/// A data directory in memory, a clock that stands still, and the node that has the directory just now.
final class NodeWorld: @unchecked Sendable {
    // Functions of a test reach it through `bodies` only, which is locked; the rest is the test's own.
    let clock = ManualClock()
    let disk: MemoryDisk
    let random = SeededRandom(seed: 7)
    let bodies: BodyLog
    /// What the nodes have logged.
    let lines = LogLines()
    /// Which of the waiting pieces of work comes next.
    private let choose: @Sendable (_ count: Int) -> Int
    var configuration = ManualNode.configuration()
    private(set) var machine: ManualNode

    static let app = "t"

    init(
        _ functions: [any FunctionDefinition] = [], _ bodies: BodyLog = BodyLog(), capacityBytes: Int = .max,
        _ configure: (inout NodeConfiguration) -> Void = { _ in },
        choose: @escaping @Sendable (_ count: Int) -> Int = { _ in 0 }
    ) throws {
        self.bodies = bodies
        self.choose = choose
        disk = MemoryDisk(clock: clock, capacityBytes: capacityBytes)
        configure(&configuration)
        machine = try ManualNode(
            Self.surroundings(disk, clock, random, lines, choose), configuration)
        bodies.watch(disk, machine)
        try machine.launch(try AppFunctions(app: Self.app, functions: functions, now: clock.now))
        _ = machine.settle()
    }

    private static func surroundings(
        _ disk: MemoryDisk, _ clock: ManualClock, _ random: SeededRandom, _ lines: LogLines,
        _ choose: @escaping @Sendable (_ count: Int) -> Int
    ) -> ManualNode.Surroundings {
        var surroundings = ManualNode.Surroundings(disk: disk, clock: clock, random: random)
        surroundings.choose = choose
        surroundings.logger = Logger(label: "test") { _ in LineHandler(lines: lines) }
        return surroundings
    }

    /// The process is gone; another one takes over.
    /// - Parameter last: how many operations that change something the new one does before it dies too; nil for all.
    func restart(
        _ functions: [any FunctionDefinition], app: String = NodeWorld.app, dyingAfter last: Int? = nil
    ) throws {
        disk.crash()
        if let last { disk.die(after: last) }
        machine = try ManualNode(
            Self.surroundings(disk, clock, random, lines, choose), configuration)
        bodies.watch(disk, machine)
        try machine.launch(try AppFunctions(app: app, functions: functions, now: clock.now))
        _ = machine.settle()
    }

    // MARK: - What tests do

    func event(_ name: String, _ data: String = "{}", id: String? = nil, at time: Timestamp? = nil) throws
        -> DaybookCore.Event
    {
        var text = #"{"name":"\#(name)","data":\#(data)"#
        if let id { text += #","id":"\#(id)""# }
        if let time { text += #","ts":\#(time.milliseconds)"# }
        let view = try #require(JSONView(Array((text + "}").utf8)))
        return try DaybookCore.Event(
            view, id: ULID(at: clock.now, random: (random.next(), random.next())), now: clock.now)
    }

    /// Sends an event and lets everything happen that follows.
    /// - Returns: the runs it started.
    @discardableResult
    func send(_ name: String, _ data: String = "{}", id: String? = nil, at time: Timestamp? = nil) throws -> [ULID] {
        let event = try event(name, data, id: id, at: time)
        let answer = machine.submit(.publish([event], claim: nil))
        guard case .published? = answer else { throw Unanswered(answer: answer) }
        return try machine.startedRuns(by: event.id, day: core().newestRecordTime.day)
    }

    struct Unanswered: Error {
        var answer: Answer?
    }

    func advance(_ duration: Duration) {
        machine.advance(milliseconds: milliseconds(duration))
    }

    func status(_ run: ULID) throws -> RunStatus { try machine.detail(of: run).status }

    func output(_ run: ULID) throws -> String {
        let detail = try machine.detail(of: run)
        return String(decoding: detail.output ?? detail.error ?? [], as: UTF8.self)
    }

    func runs() throws -> [RunRow] {
        var query = RunQuery()
        query.limit = .max
        return try machine.readModel().runs(query).rows.reversed()
    }

    func core() -> Core { machine.node.core }

    /// Records of a run, in order.
    func records(_ run: ULID) throws -> [(q: UInt64, record: Record)] {
        try machine.node.journal.follower.catchUp(to: machine.node.journal.flushedQ)
        var records: [(UInt64, Record)] = []
        _ = try RunRecords(disk: disk, stream: .run(run)) { view in
            if let record = try? view.decoded() { records.append((view.q, record)) }
        }
        return records
    }
}

/// Which bodies ran, as the world outside sees it: a process that is dead does nothing any more.
final class BodyLog: Sendable {
    struct Entry: Sendable, Equatable {
        var run: String
        var step: String
        var attempt: Int
        /// The last record on disk when the body began.
        var flushedQ: UInt64
    }

    private struct State {
        var disk: MemoryDisk?
        var journal: Journal?
        var entries: [Entry] = []
    }

    private let state = Mutex(State())

    fileprivate func watch(_ disk: MemoryDisk, _ machine: ManualNode) {
        let journal = machine.node.journal
        state.withLock { state in
            state.disk = disk
            state.journal = journal
        }
    }

    var entries: [Entry] { state.withLock { $0.entries } }
    /// `step#attempt`, in order.
    var names: [String] { entries.map { "\($0.step)#\($0.attempt)" } }

    func count(_ step: String) -> Int { entries.count { $0.step == step } }

    /// For bodies: notes that they run.
    func note(_ attempt: Attempt) {
        let key = attempt.idempotencyKey
        let run = String(key.prefix(26))
        let step = String(key.dropFirst(27))
        state.withLock { state in
            guard let disk = state.disk, let journal = state.journal, !disk.isDead else { return }
            state.entries.append(
                Entry(run: run, step: step, attempt: attempt.number, flushedQ: journal.flushedQ))
        }
    }
}

struct Boom: Error, CustomStringConvertible {
    var description = "boom"
}

/// A value that bodies and tests share.
final class Shared<Value: Sendable>: Sendable {
    private let value: Mutex<Value>

    init(_ value: Value) { self.value = Mutex(value) }

    var current: Value { value.withLock { $0 } }

    func set(_ new: Value) { value.withLock { $0 = new } }

    @discardableResult
    func change<Result: Sendable>(_ body: (inout Value) -> Result) -> Result { value.withLock { body(&$0) } }
}

extension ULID {
    static func last(_ runs: [ULID]) throws -> ULID { try #require(runs.last) }
}

/// Log lines: the level, the message, and the metadata in the order of its keys.
final class LogLines: Sendable {
    private let lines = Shared<[String]>([])

    var all: [String] { lines.current }

    func add(_ line: String) { lines.change { $0.append(line) } }
    func count(_ part: String) -> Int { all.count { $0.contains(part) } }
}

private struct LineHandler: LogHandler {
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
