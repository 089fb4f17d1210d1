import Daybook
import DaybookCore
import DaybookFakes
import DaybookJournal
import DaybookNode
import DaybookSystem
import DaybookTesting
import DaybookValues
import DaybookWire
import Synchronization
import Testing

/// An app that is called as over the network, without one: a test says what it answers, at once or later.
final class ScriptedApp: CallDriver {
    typealias Script = @Sendable (_ request: CallRequest, _ number: Int) -> CallOutcome?

    private struct State {
        var requests: [CallRequest] = []
        var open: [(request: CallRequest, reply: @Sendable (CallOutcome) -> Void)] = []
        var most = 0
        var fetches: [GatewayRequest] = []
        var inferences: [AIGatewayRequest] = []
        var openRequests: [@Sendable (GatewayOutcome) -> Void] = []
    }
    private let state = Mutex(State())
    private let script: Script
    private let gateway: @Sendable (_ number: Int) -> GatewayOutcome?

    /// - Parameters:
    ///   - gateway: what comes of requests in the place of steps; nil leaves one open until `answerRequest`.
    ///   - script: nil leaves the call open until `answer`. `number` counts the calls from 0.
    init(
        gateway: @escaping @Sendable (_ number: Int) -> GatewayOutcome? = { _ in .completed(Array("null".utf8)) },
        _ script: @escaping Script
    ) {
        self.script = script
        self.gateway = gateway
    }

    func call(_ request: CallRequest, reply: @escaping @Sendable (CallOutcome) -> Void) {
        let number = state.withLock { state in
            state.requests.append(request)
            return state.requests.count - 1
        }
        if let outcome = script(request, number) { return reply(outcome) }
        state.withLock { state in
            state.open.append((request, reply))
            state.most = max(state.most, state.open.count)
        }
    }

    func fetch(_ request: GatewayRequest, reply: @escaping @Sendable (GatewayOutcome) -> Void) {
        let number = state.withLock { state in
            state.fetches.append(request)
            return state.fetches.count - 1
        }
        answer(number, reply)
    }

    private func answer(_ number: Int, _ reply: @escaping @Sendable (GatewayOutcome) -> Void) {
        if let outcome = gateway(number) { return reply(outcome) }
        state.withLock { $0.openRequests.append(reply) }
    }

    /// Answers the oldest open request in the place of a step.
    func answerRequest(_ outcome: GatewayOutcome) { state.withLock { $0.openRequests.removeFirst() }(outcome) }

    func infer(_ request: AIGatewayRequest, reply: @escaping @Sendable (GatewayOutcome) -> Void) {
        let number = state.withLock { state in
            state.inferences.append(request)
            return state.inferences.count - 1
        }
        answer(number, reply)
    }

    /// All calls, in order.
    var requests: [CallRequest] { state.withLock { $0.requests } }
    var fetches: [GatewayRequest] { state.withLock { $0.fetches } }
    /// Calls that wait for an answer.
    var open: [CallRequest] { state.withLock { $0.open.map(\.request) } }
    /// The most calls that were open at once.
    var most: Int { state.withLock { $0.most } }

    /// Answers the open call, the oldest by default.
    func answer(_ outcome: CallOutcome, at index: Int = 0) {
        let reply = state.withLock { state in state.open.remove(at: index).reply }
        reply(outcome)
    }

    /// What the calls were: `step#attempt`, `name#attempt` of a target, with `!` when the plan is forced.
    var calls: [String] {
        requests.map { "\($0.target ?? "step")#\($0.attempt)\($0.forcesPlan ? "!" : "")" }
    }
}

/// A node in memory with functions of an app behind a URL.
final class RemoteWorld {
    let clock = ManualClock()
    let disk: MemoryDisk
    let random = SeededRandom(seed: 11)
    var configuration = ManualNode.configuration()
    private(set) var machine: ManualNode
    private(set) var app: ScriptedApp

    static let url = "http://localhost:9000/api/inngest?fnId=shop-charge&stepId=step"

    /// - Parameters:
    ///   - functions: all of an app named `shop`; without them it has `shop-charge`, started by `go`, with four retries.
    init(
        _ functions: [FunctionConfig], _ app: ScriptedApp,
        _ configure: (inout NodeConfiguration) -> Void = { _ in }
    ) throws {
        disk = MemoryDisk(clock: clock)
        configuration.retryPolicy = RetryPolicy(fixedWait: 1_000)
        configure(&configuration)
        self.app = app
        machine = try ManualNode(ManualNode.Surroundings(disk: disk, clock: clock, random: random), configuration)
        machine.node.useCallDriver(app)
        try machine.launch(nil)
        register(functions)
    }

    convenience init(_ app: ScriptedApp) throws { try self.init([Self.function()], app) }

    static func function(
        _ id: String = "shop-charge", on event: String = "go", retries: Int = 4,
        _ change: (inout FunctionConfig) -> Void = { _ in }
    ) -> FunctionConfig {
        var config = FunctionConfig(
            id: id, app: "shop", triggers: [.event(name: event, matches: [])], retries: retries)
        config.url = url
        change(&config)
        return config
    }

    func register(_ functions: [FunctionConfig], checksum: String = "1") {
        let app = AppConfig(
            id: "shop", url: "http://localhost:9000/api/inngest", sdk: "x:v1", framework: nil, appVersion: nil,
            checksum: checksum)
        _ = machine.submit(.registerApp(app, functions: functions))
    }

    /// The process is gone; another one takes over. The app registers nothing.
    func restart(_ app: ScriptedApp? = nil) throws {
        disk.crash()
        if let app { self.app = app }
        machine = try ManualNode(ManualNode.Surroundings(disk: disk, clock: clock, random: random), configuration)
        machine.node.useCallDriver(self.app)
        try machine.launch(nil)
        _ = machine.settle()
    }

    func advance(_ seconds: Double) { machine.advance(milliseconds: Int64(seconds * 1_000)) }
    func settle() { _ = machine.settle() }

    private func event(_ name: String, _ data: String) throws -> DaybookCore.Event {
        let view = try #require(JSONView(Array(#"{"name":"\#(name)","data":\#(data)}"#.utf8)))
        return try DaybookCore.Event(
            view, id: ULID(at: clock.now, random: (random.next(), random.next())), now: clock.now)
    }

    /// Leaves an event for the next batch.
    func post(_ name: String) throws { _ = machine.post(.publish([try event(name, "{}")], claim: nil)) }

    @discardableResult
    func send(_ name: String = "go", _ data: String = "{}") throws -> ULID {
        let event = try event(name, data)
        guard case .published(let receipts)? = machine.submit(.publish([event], claim: nil)) else { return event.id }
        return receipts.first?.outcome.started.first ?? event.id
    }

    func status(_ run: ULID) throws -> RunStatus { try machine.detail(of: run).status }

    func output(_ run: ULID) throws -> String {
        let detail = try machine.detail(of: run)
        return String(decoding: detail.output ?? detail.error ?? [], as: UTF8.self)
    }

    /// What the last call knew of its steps: `id=memo`.
    var lastSteps: [String] {
        app.requests.last?.steps.map { "\($0.wireID)=\(String(decoding: $0.memo, as: UTF8.self))" } ?? []
    }
}

// MARK: - Answers, for short

extension CallOutcome {
    static func ops(_ ops: WireOp..., version: Int? = 2, noRetry: Bool = false, retryAfter: RetryAfter? = nil)
        -> CallOutcome
    {
        CallOutcome(.ops(ops), version: version, sdk: "x-y:v1", noRetry: noRetry, retryAfter: retryAfter)
    }

    static func returned(_ json: String) -> CallOutcome { CallOutcome(.returned(Array(json.utf8)), sdk: "x-y:v1") }

    static func failed(_ message: String = "bang", isRetriable: Bool = true, retryAfter: RetryAfter? = nil)
        -> CallOutcome
    {
        let body = Array(#"{"name":"Boom","message":"\#(message)"}"#.utf8)
        let error = Array(
            #"{"error":"invalid status code: 500","name":"Boom","message":"\#(message)"}"#.utf8)
        return CallOutcome(
            .failed(CallFailure(error: error, output: body, isRetriable: isRetriable)), sdk: "x-y:v1",
            retryAfter: retryAfter)
    }
}

extension WireOp {
    private static func op(_ id: String, _ kind: Kind, isRace: Bool = false) -> WireOp {
        // As mocks send them: ids that are no hashes.
        WireOp(wireID: id, key: "#\(id)", isRace: isRace, kind: kind)
    }
    static func run(_ id: String, _ data: String = "1") -> WireOp { op(id, .stepRun(data: Array(data.utf8))) }
    static func legacy(_ id: String, _ data: String) -> WireOp { op(id, .step(data: Array(data.utf8))) }
    static func error(_ id: String, _ message: String = "no") -> WireOp {
        op(id, .stepError(error: Array(#"{"name":"E","message":"\#(message)"}"#.utf8)))
    }
    static func failed(_ id: String) -> WireOp {
        op(id, .stepFailed(error: Array(#"{"name":"E","message":"no"}"#.utf8)))
    }
    static func planned(_ id: String, isRace: Bool = false) -> WireOp { op(id, .stepPlanned, isRace: isRace) }
    static func sleep(_ id: String, _ text: String) -> WireOp { op(id, .sleep(text: text)) }
    static func wait(_ id: String, _ event: String, _ timeout: String, if condition: String? = nil) -> WireOp {
        op(id, .waitForEvent(event: event, timeout: timeout, condition: condition))
    }
    static func signal(_ id: String, _ name: String, _ timeout: String = "", replaces: Bool = false) -> WireOp {
        op(id, .waitForSignal(signal: name, timeout: timeout, replacesOther: replaces))
    }
    static func invoke(_ id: String, _ function: String, _ data: String = "{}", timeout: String = "") -> WireOp {
        op(id, .invoke(function: function, data: Array(data.utf8), user: nil, version: nil, timeout: timeout))
    }
    static func fetch(_ id: String) -> WireOp {
        op(id, .gateway(GatewayRequest(url: "http://127.0.0.1/x", method: "GET", headers: [], body: [])))
    }
    static func complete(_ data: String) -> WireOp { op("", .runComplete(data: Array(data.utf8))) }
    static var discovery: WireOp { op("d", .discoveryRequest) }
    static func deferAdd(_ id: String, _ function: String) -> WireOp {
        op(id, .deferAdd(function: function, input: Array(#"{"n":1}"#.utf8)))
    }
}
