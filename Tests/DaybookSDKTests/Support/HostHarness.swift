import DaybookFakes
import DaybookSystem
import DaybookValues
import DaybookWire
import Logging
import Synchronization

@testable import DaybookSDK

/// Rounds of the loop, one for each time somebody asks for it.
final class Rounds: Sendable {
    private struct State {
        var waiting: [UInt64: CheckedContinuation<Void, any Error>] = [:]
        var last: UInt64 = 0
        var arrivals = 0
        var watchers: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []
    }

    private let state = Mutex(State())

    /// What the host takes for a pause.
    func pause() async throws {
        let id = state.withLock { state in
            state.last += 1
            return state.last
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                let ready = state.withLock { state in
                    state.waiting[id] = continuation
                    state.arrivals += 1
                    let ready = state.watchers.filter { $0.count <= state.arrivals }
                    state.watchers.removeAll { $0.count <= state.arrivals }
                    return ready
                }
                for watcher in ready { watcher.continuation.resume() }
                if Task.isCancelled { finish(id, CancellationError()) }
            }
        } onCancel: {
            finish(id, CancellationError())
        }
    }

    private func finish(_ id: UInt64, _ error: (any Error)?) {
        let continuation = state.withLock { $0.waiting.removeValue(forKey: id) }
        if let error { continuation?.resume(throwing: error) } else { continuation?.resume() }
    }

    /// Returns once that many rounds are over.
    func waitForRounds(_ count: Int) async {
        await withCheckedContinuation { continuation in
            let isReady = state.withLock { state in
                if state.arrivals >= count { return true }
                state.watchers.append((count, continuation))
                return false
            }
            if isReady { continuation.resume() }
        }
    }

    /// Ends all pauses.
    func next() {
        let waiting = state.withLock { state in
            defer { state.waiting = [:] }
            return state.waiting.values.map { $0 }
        }
        for continuation in waiting { continuation.resume() }
    }
}

/// A host of apps with a store in memory, a clock that stands still, and rounds by hand.
struct HostHarness {
    let host: AppHost
    let store: FakeStore
    let rounds: Rounds
    let clock: ManualClock
    let log: LogLines

    static func run<Result>(
        urls: [String] = [], kind: AppHostSettings.Kind = .dev, key: String? = nil, fallback: String? = nil,
        _ change: (inout AppHostSettings) -> Void = { _ in }, _ body: (HostHarness) async throws -> Result
    ) async throws -> Result {
        var settings = AppHostSettings()
        settings.kind = kind
        settings.urls = urls
        if let key {
            settings.keys = SigningKeys(current: SigningKey(key), fallback: fallback.map { SigningKey($0) })
        }
        change(&settings)
        let (store, rounds, clock, log) = (FakeStore(), Rounds(), ManualClock(), LogLines())
        let surroundings = AppHostSurroundings(
            clock: clock, random: SeededRandom(seed: 7), zones: SystemZoneFiles(),
            pause: { _ in try await rounds.pause() })
        let host = AppHost(store: store, settings: settings, surroundings: surroundings, logger: log.logger)
        let harness = HostHarness(host: host, store: store, rounds: rounds, clock: clock, log: log)
        do {
            let result = try await body(harness)
            await host.shutdown()
            return result
        } catch {
            await host.shutdown()
            throw error
        }
    }

    /// Runs the loop beside `body`.
    func running<Result: Sendable>(_ body: () async throws -> Result) async throws -> Result {
        let host = host
        let loop = Task { try await host.run() }
        do {
            let result = try await body()
            loop.cancel()
            _ = await loop.result
            return result
        } catch {
            loop.cancel()
            _ = await loop.result
            throw error
        }
    }

    func register(_ json: String, expectedKind: String? = nil) async -> Answered {
        Answered(await host.register(body: Array(json.utf8), expectedKind: expectedKind))
    }
}

/// An answer to a registration, for a look into it.
struct Answered {
    var status: Int
    var text: String
    private let json: JSONView?

    init(_ answer: SyncAnswer) {
        status = answer.status
        text = String(decoding: answer.json, as: UTF8.self)
        json = JSONView(answer.json)
    }

    func string(_ path: String) -> String? { json?.at(path: path)?.string }
    func bool(_ path: String) -> Bool? { json?.at(path: path)?.bool }
    func integer(_ path: String) -> Int64? { json?.at(path: path)?.integer }
}

/// What a logger was told.
final class LogLines: Sendable {
    private struct State {
        var lines: [(level: Logger.Level, text: String)] = []
        var waiters: [(level: Logger.Level, count: Int, continuation: CheckedContinuation<Void, Never>)] = []

        func count(_ level: Logger.Level) -> Int { lines.count { $0.level == level } }
    }

    private let state = Mutex(State())

    var logger: Logger {
        var logger = Logger(label: "test") { _ in LineHandler(lines: self) }
        logger.logLevel = .trace
        return logger
    }

    func texts(_ level: Logger.Level) -> [String] {
        state.withLock { state in state.lines.filter { $0.level == level }.map(\.text) }
    }

    /// Returns once there are that many lines of the level.
    func waitForLines(_ level: Logger.Level, _ count: Int) async {
        await withCheckedContinuation { continuation in
            let isReady = state.withLock { state in
                if state.count(level) >= count { return true }
                state.waiters.append((level, count, continuation))
                return false
            }
            if isReady { continuation.resume() }
        }
    }

    fileprivate func add(_ level: Logger.Level, _ text: String) {
        let ready = state.withLock { state in
            state.lines.append((level, text))
            let count = state.count(level)
            let ready = state.waiters.filter { $0.level == level && $0.count <= count }
            state.waiters.removeAll { $0.level == level && $0.count <= count }
            return ready
        }
        for waiter in ready { waiter.continuation.resume() }
    }
}

private struct LineHandler: LogHandler {
    let lines: LogLines
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        lines.add(event.level, "\(event.message) \(event.metadata ?? [:])")
    }
}
