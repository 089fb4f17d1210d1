import Daybook
import DaybookCore
import DaybookFakes
import DaybookInbox
import DaybookJournal
import DaybookNode
import DaybookSystem
import DaybookTesting
import DaybookValues
import Logging

/// The functions of the scenario: one of everything.
enum CrashFunctions {
    struct Boom: Error, CustomStringConvertible {
        var description = "boom"
    }

    struct Ping: Daybook.Event {
        static let name = "ping"
        var from: String
    }

    static let app = "t"
    /// What `main` comes to.
    static let mainOutput = #""1116 true""#

    static func all(_ bodies: CrashBodies) -> [any FunctionDefinition] {
        @Sendable func note(_ attempt: Attempt) {
            let key = attempt.idempotencyKey
            bodies.begin(run: String(key.prefix(26)), step: String(key.dropFirst(27)))
        }
        let main = DurableFunction("main", on: [.event("start")], retries: 20) { _, step in
            let a = try await step.run("a") { attempt in
                note(attempt)
                return 1
            }
            async let b = step.run("b") { attempt in
                note(attempt)
                return 10
            }
            async let c = step.run("c") { attempt in
                note(attempt)
                return 100
            }
            let both = try await b + c
            try await step.sleep("nap", for: .minutes(20))
            let go = try await step.waitForEvent("go", name: "go", where: .field("n", equals: 1), timeout: .hours(2))
            try await step.sendEvent("ping", Ping(from: "main"))
            let five = try await step.invoke("call", functionID: "t-child", data: ["n": 1], as: Int.self)
            let flaky = try await step.run("flaky") { attempt in
                note(attempt)
                if attempt.number == 1 { throw Boom() }
                return 1_000
            }
            return "\(a + both + five + flaky) \(go != nil)"
        }
        let child = DurableFunction("child", on: []) { _, step in
            try await step.run("x") { attempt in
                note(attempt)
                return 5
            }
        }
        let pong = DurableFunction("pong", on: Ping.self, retries: 20) { event, step in
            try await step.run("p") { attempt in
                note(attempt)
                return event.from
            }
        }
        let hourly = DurableFunction("hourly", cron: "0 * * * *", retries: 20) { _, step in
            try await step.run("t") { attempt in note(attempt) }
        }
        let failing = DurableFunction("failing", on: [.event("fail")], retries: 0) { _, step in
            _ = try await step.run("before") { attempt in
                note(attempt)
                return 1
            }
            throw NonRetriableError("it fails")
        }
        let waiting = DurableFunction("waiting", on: [.event("wait")]) { _, step in
            try await step.sleep("long", for: .hours(40))
        }
        return [main, child, pong, hourly, failing, waiting]
    }
}

/// One process of the scenario: node and inbox on a disk, moved on by whoever holds it.
final class CrashServer {
    let disk: MemoryDisk
    let clock: ManualClock
    let machine: ManualNode
    let inbox: Inbox
    private let random: SeededRandom
    /// Called between two pieces of work, when no lock is held and no code of a run is under way.
    var betweenWork: () -> Void = {}

    static func configuration() -> NodeConfiguration {
        // Small, so that segments roll and snapshots come and go within the scenario.
        var configuration = ManualNode.configuration()
        configuration.journal.segmentBytes = 8 << 10
        configuration.journal.graceMilliseconds = 0
        configuration.journal.snapshotLogBytes = 6 << 10
        return configuration
    }

    /// Starts. What is flushed is told to `tap`, what runs to `bodies`.
    init(
        disk: MemoryDisk, clock: ManualClock, seed: UInt64, bodies: CrashBodies,
        tap: @escaping @Sendable ([UInt8]) -> Void
    ) throws {
        self.disk = disk
        self.clock = clock
        random = SeededRandom(seed: seed)
        machine = try ManualNode(
            ManualNode.Surroundings(disk: disk, clock: clock, random: random), Self.configuration())
        machine.node.installTap(tap)
        let claims = machine.node.core.openClaims.map {
            ClaimProgress(name: $0.name, offset: $0.offset, isWhole: $0.isWhole)
        }
        inbox = Inbox(
            disk: disk, sink: machine.node, wallClock: clock, monotonicClock: clock, random: random, watch: nil,
            openClaims: claims, logger: Logger(label: "daybook") { _ in SwiftLogNoOpLogHandler() }
        ) { _ in }
        try machine.launch(
            AppFunctions(app: CrashFunctions.app, functions: CrashFunctions.all(bodies), now: clock.now))
    }

    var node: Node { machine.node }
    var hasFailed: Bool {
        disk.isDead || node.hasFailed || inbox.hasFailed || !machine.failureMessages.isEmpty
    }

    /// Lets everything happen that needs no time to pass. Stops when the process has died.
    func settle() {
        node.journal.log.changeWriter()
        var isAtRest = false
        while !hasFailed, !isAtRest {
            isAtRest = true
            while !hasFailed, machine.pool.step() || node.step() || node.hasWork {
                isAtRest = false
                betweenWork()
            }
            if inbox.step() { isAtRest = false }
            betweenWork()
            while tendOnce() {
                isAtRest = false
                betweenWork()
            }
            if !machine.pool.isEmpty || node.hasWork { isAtRest = false }
        }
        betweenWork()
    }

    private func tendOnce() -> Bool {
        guard !hasFailed else { return false }
        do throws(FileError) {
            if try node.journal.follower.step() { return true }
            return try node.journal.keeper.step()
        } catch {
            machine.backgroundFailed(error)
            return false
        }
    }

    /// Lets time pass, and what is due happen when it is.
    func advance(milliseconds: Int64) {
        let end = clock.nowNanoseconds + UInt64(milliseconds) * 1_000_000
        settle()
        while clock.nowNanoseconds < end, !hasFailed {
            // An empty inbox is looked at every second, which is nothing to stop for.
            let isInboxBusy = disk.hasUndoneFiles
            var hop = machine.nextHop(to: end)
            if isInboxBusy, let due = inbox.nanosecondsToNextDeadline { hop = min(hop, Int64(due / 1_000_000) + 1) }
            clock.advance(milliseconds: max(1, hop))
            settle()
        }
    }

    /// The same up to a time of day: so many minutes after a manual clock begins.
    func advance(toMinute minute: Int64) {
        advance(milliseconds: max(0, ManualClock().now + minute * 60_000 - clock.now))
    }

    /// - Returns: the event's id when it was acknowledged.
    func send(_ name: String, _ data: String = "{}", id: String) -> ULID? {
        guard let view = JSONView(Array(#"{"name":"\#(name)","data":\#(data),"id":"\#(id)"}"#.utf8)) else { return nil }
        guard
            let event = try? DaybookCore.Event(
                view, id: ULID(at: clock.now, random: (random.next(), random.next())), now: clock.now)
        else { return nil }
        let answer = machine.post(.publish([event], claim: nil))
        settle()
        guard case .published? = answer() else { return nil }
        return event.id
    }

    /// An orderly end, as `Node.stop` makes it.
    func stop() throws {
        node.requestDrain()
        settle()
        try node.journal.follower.catchUp(to: node.journal.flushedQ)
        _ = try node.journal.follower.checkpoint()
        betweenWork()
        node.journal.unlock()
    }

    /// The process is dead. Its code is unwound, unseen, only so that its memory comes back.
    func abandon() {
        if !disk.isDead { disk.die() }
        node.closeLoadedRuns()
        while machine.pool.step() {}
    }

    /// Unfinished runs of a function.
    func unfinished(_ function: String) -> [ULID] {
        node.core.runSummaries.filter { $0.function == function }.map(\.id)
    }

    func runs() throws -> [RunRow] {
        var query = RunQuery()
        query.limit = .max
        return try machine.readModel().runs(query).rows
    }
}

extension MemoryDisk {
    /// Whether a file lies in the inbox that was not taken, or not wholly.
    var hasUndoneFiles: Bool {
        allPaths.contains { path in
            path.hasPrefix("inbox/")
                && (path.hasPrefix("inbox/.claimed/") || !path.dropFirst(6).contains("/"))
        }
    }
}

/// The scenario as a list of acts, each of which may be repeated: whoever sends repeats what was not acknowledged, with
/// the same id.
enum CrashAct: Int, CaseIterable {
    case start, dropFiles, takeFiles, nap, go, flaky, fail, retry, wait, cancel, restart, tick, last, end

    static let files: [(path: String, text: String)] = [
        ("inbox/one.json", #"{"name":"ping","data":{"from":"file"},"id":"ping-one"}"#),
        (
            "inbox/two.jsonl",
            (0..<6).map { #"{"name":"note","data":{"n":\#($0)},"id":"note-\#($0)"}"# }.joined(separator: "\n") + "\n"
        ),
        ("inbox/bad.json", #"{"name":7}"#),
    ]

    /// - Parameters:
    ///   - acknowledged: told of each event that was.
    ///   - restart: gives the process that goes on after an orderly stop.
    func play(
        on server: inout CrashServer, acknowledged: (ULID) -> Void, restart: (CrashServer) throws -> CrashServer
    ) throws {
        func send(_ name: String, _ data: String = "{}", id: String) {
            if let event = server.send(name, data, id: id) { acknowledged(event) }
        }
        switch self {
        case .start: send("start", id: "start-1")
        case .dropFiles: for file in Self.files { server.disk.plant(file.path, Array(file.text.utf8)) }
        case .takeFiles: server.advance(toMinute: 1)
        case .nap: server.advance(toMinute: 22)
        case .go: send("go", #"{"n":1}"#, id: "go-1")
        case .flaky: server.advance(toMinute: 25)
        case .fail: send("fail", id: "fail-1")
        case .retry:
            guard let failed = try server.runs().first(where: { $0.function == "t-failing" }) else { return }
            let command = try server.machine.readModel().retryCommand(of: failed.id, from: nil)
            _ = server.machine.post(command)
            server.settle()
        case .wait: send("wait", id: "wait-1")
        case .cancel:
            for run in server.unfinished("t-waiting") { server.machine.cancel(run, reason: "enough") }
            server.settle()
        case .restart:
            try server.stop()
            server = try restart(server)
            server.settle()
        // Past nine o'clock, and not past ten, however often it is done.
        case .tick: server.advance(toMinute: 85)
        case .last: send("ping", #"{"from":"last"}"#, id: "ping-last")
        case .end: server.advance(milliseconds: 150_000)
        }
    }
}
