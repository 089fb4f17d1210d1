import DaybookCore
import DaybookValues
import DaybookWire

/// One loaded run of a function behind a URL: what its next call would carry, which calls are under way, and what it waits
/// for. The writer's alone.
///
/// **Discovery** is a call that looks for what comes next; a **targeted** call runs one step that the app has planned.
/// `branches` are the steps the run waits for: planned ones, requests that the server makes, sleeps, waits and pauses
/// between attempts. When something of it is over, `RemoteRun` says whether that calls for a discovery:
/// with request version 2 only once no branch is left, else after each.
///
/// Nothing here is journaled: after a crash a discovery that forces the plan finds the branches again.
final class RemoteRun {
    struct Branch {
        enum Kind {
            /// The app runs it when it is called for it.
            case planned
            case fetch(GatewayRequest)
            case infer(AIGatewayRequest)
            /// The core brings its result.
            case waiting(StepOperation)
        }
        enum State {
            /// To be called for.
            case ready
            case called
            /// Between two attempts, or waiting for the core.
            case pausing
        }

        let key: String
        let wireID: String
        var kind: Kind
        var state: State
        /// From 0.
        var attempt = 0
        /// Found by a discovery that ran it on the spot: its next attempt is a discovery again.
        var isImmediate = false
        /// By the monotonic clock.
        var startedAt: UInt64 = 0
    }

    struct Call {
        let id: ULID
        /// The key of the branch; nil for a discovery.
        let target: String?
        /// From 0; starts over when steps are reported while the call goes on.
        var attempt: Int
        /// By the monotonic clock.
        var startedAt: UInt64
    }

    enum Discovery {
        case none
        case wanted
        case called
        /// The last one failed; the core says when it is time.
        case pausing
    }

    let id: ULID
    let functionID: String
    let app: String
    /// Its function has limits: it is called only while it holds a slot.
    let isGated: Bool
    /// The limits count calls.
    let limitsCalls: Bool

    var isLive = true
    var isLoading = true
    var input: [UInt8]
    var isBatch = false
    /// The input as calls carry it.
    private(set) lazy var events = WireEvents(input: input, isBatch: isBatch, run: id)
    /// In the order of the journal.
    var steps: [CallRequest.Step] = []
    /// Keys of steps that have a result, also of those whose result is on its way to the disk.
    var decided: Set<String> = []
    var deferred: [CallRequest.Deferred] = []
    /// By wire id.
    var deferredKeys: [String: String] = [:]
    var version = -1
    var forcesPlan = false
    var sdk: String?
    var isRace = false
    var branches: [Branch] = []
    var calls: [Call] = []
    var discovery = Discovery.none
    /// From 0, of the next discovery.
    var discoveryAttempt = 0
    /// Something is over that the app does not know of.
    var hasNews = false
    /// Answers in a row by which nothing got any further.
    var emptyRounds = 0
    /// The function was paused: nothing is called any more.
    var isHeld = false
    /// The core has ended it.
    var hasEnded = false
    /// So many calls it may have under way at once; only with limits.
    var slots = 0
    /// So many more it has asked for.
    var slotsWanted = 0
    /// It has none, and has asked for the first.
    var isAsking = false
    /// Its first call has been made.
    var hasBegun = false
    /// As the core knew it when its record was asked for; nil once it is loaded.
    var asked: RunSummary?
    /// What came while it was being loaded, in journal order.
    var pending: [(key: String, delivery: Delivery)] = []
    var quietSince: UInt64?

    init(id: ULID, functionID: String, app: String, input: [UInt8], isGated: Bool, limitsCalls: Bool) {
        self.id = id
        self.functionID = functionID
        self.app = app
        self.input = input
        self.isGated = isGated
        self.limitsCalls = limitsCalls
    }

    // MARK: - What is known

    func branchIndex(_ key: String) -> Int? { branches.firstIndex { $0.key == key } }

    /// A step has its result.
    func settle(_ key: String, _ memo: [UInt8]) {
        steps.append(CallRequest.Step(wireID: StepID.wireID(key: key), memo: memo, isCanonical: true))
        decided.insert(key)
        branches.removeAll { $0.key == key }
        hasNews = true
        emptyRounds = 0
    }

    /// A branch that the run waits for. One that it waits for already stays as it is, unless more becomes known of it: a
    /// planned step may turn out to be a request or a wait when the app is called for it.
    func add(_ branch: Branch) {
        guard let index = branchIndex(branch.key) else {
            branches.append(branch)
            return
        }
        guard case .planned = branches[index].kind, !branch.isPlanned else { return }
        branches[index].kind = branch.kind
        if case .called = branches[index].state { branches[index].state = branch.state }
    }

    /// The step is tried again, when the core says so.
    func pause(_ key: String, attempt: Int, isImmediate: Bool) {
        if let index = branchIndex(key) {
            branches[index].state = .pausing
            branches[index].attempt = attempt
        } else {
            branches.append(
                Branch(
                    key: key, wireID: StepID.wireID(key: key), kind: .planned, state: .pausing, attempt: attempt,
                    isImmediate: isImmediate))
        }
    }

    /// The next attempt of a step is due.
    func resume(_ key: String, attempt: Int) {
        guard let index = branchIndex(key) else { return }
        if branches[index].isImmediate, branches.count == 1 {
            branches.remove(at: index)
            hasNews = true
            discovery = .wanted
            discoveryAttempt = attempt
            return
        }
        guard case .pausing = branches[index].state else { return }
        branches[index].isImmediate = false
        branches[index].state = .ready
        branches[index].attempt = attempt
    }

    // MARK: - What comes next

    /// Whether there is nothing to call, with all that is known.
    var isIdle: Bool { calls.isEmpty && nextCall() == nil }

    /// Whether an answer is on its way: of the app, or to a request that the server makes itself.
    var isAwaitingAnswer: Bool {
        if !calls.isEmpty { return true }
        return branches.contains { branch in
            if case .called = branch.state { true } else { false }
        }
    }

    /// Decides whether what has happened calls for a discovery.
    func plan() {
        if branches.isEmpty {
            // The group is over. With version 1, or none, the plan stays forced.
            if version >= 2 { forcesPlan = false }
            isRace = false
        }
        guard hasNews else { return }
        switch discovery {
        case .called, .pausing: return
        case .wanted: hasNews = false
        case .none:
            guard branches.isEmpty && calls.isEmpty || version < 2 || isRace else { return }
            hasNews = false
            discovery = .wanted
            discoveryAttempt = 0
        }
    }

    /// What is to be called next: the index of a branch, or a discovery.
    enum Next {
        case branch(Int)
        case discovery
    }

    func nextCall() -> Next? {
        for index in branches.indices {
            if case .ready = branches[index].state { return .branch(index) }
        }
        if case .wanted = discovery { return .discovery }
        return nil
    }

    var readyCount: Int {
        var count = 0
        for branch in branches {
            if case .ready = branch.state, branch.isPlanned { count += 1 }
        }
        if case .wanted = discovery { count += 1 }
        return count
    }

    func callIndex(_ id: ULID) -> Int? { calls.firstIndex { $0.id == id } }
}

extension RemoteRun.Branch {
    /// Whether the app is called for it; other requests the server makes itself.
    var isPlanned: Bool {
        if case .planned = kind { true } else { false }
    }
}

/// What stands in `steps` for a recorded result.
enum StepMemo {
    private static let null = Array("null".utf8)

    static func completed(_ operation: StepOperation, _ output: [UInt8]) -> [UInt8] {
        switch operation {
        case .sleep: null
        // The event itself, or null.
        case .wait:
            output == null ? null : Array(WireEvents(input: output, isBatch: false, run: ULID(high: 0, low: 0)).first)
        // Null when the time was up.
        case .signal: output == null ? null : wrapped("data", output)
        case .step: canonical(output)
        case .run, .invoke, .send, .fetch, .infer: wrapped("data", output)
        }
    }

    static func failed(_ error: [UInt8]) -> [UInt8] { wrapped("error", error) }

    private static func canonical(_ json: [UInt8]) -> [UInt8] { (try? CanonicalJSON.encode(json)) ?? json }

    private static func wrapped(_ member: StaticString, _ value: [UInt8]) -> [UInt8] {
        var memo: [UInt8] = []
        memo.reserveCapacity(value.count + 12)
        memo.append(json: "{\"")
        memo.append(json: member)
        memo.append(json: "\":")
        memo.append(contentsOf: canonical(value))
        memo.append(UInt8(ascii: "}"))
        return memo
    }
}
