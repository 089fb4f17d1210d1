import DaybookCore
import Synchronization

@testable import DaybookSDK

/// Apps in memory, by the rules of the core.
final class FakeStore: AppStore {
    private struct State {
        var apps: [String: (config: AppConfig, functions: [FunctionConfig])] = [:]
        var refusal: Refusal?
        var registrations = 0
        var isHeld = false
        var held: [CheckedContinuation<Void, Never>] = []
        var watchers: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    var functions: [FunctionConfig] { state.withLock { $0.apps.sorted { $0.key < $1.key }.flatMap(\.value.functions) } }
    /// How often something was registered, changed or not.
    var registrations: Int { state.withLock { $0.registrations } }

    func refuse(_ refusal: Refusal?) { state.withLock { $0.refusal = refusal } }

    /// From now on registrations wait for `release`, cancelled or not.
    func hold() { state.withLock { $0.isHeld = true } }

    /// Returns once a registration waits.
    func waitForHeld() async {
        await withCheckedContinuation { continuation in
            let isReady = state.withLock { state in
                if state.held.isEmpty { state.watchers.append(continuation) }
                return !state.held.isEmpty
            }
            if isReady { continuation.resume() }
        }
    }

    func release() {
        let held = state.withLock { state in
            defer { state.held = [] }
            state.isHeld = false
            return state.held
        }
        for continuation in held { continuation.resume() }
    }

    private func passHold() async {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let ready: [CheckedContinuation<Void, Never>] = state.withLock { state in
                guard state.isHeld else { return [continuation] }
                defer { state.watchers = [] }
                state.held.append(continuation)
                return state.watchers
            }
            for continuation in ready { continuation.resume() }
        }
    }

    func register(_ app: AppConfig, functions: [FunctionConfig]) async throws(Refusal) -> Bool {
        await passHold()
        let result: Result<Bool, Refusal> = state.withLock { state in
            if let refusal = state.refusal { return .failure(refusal) }
            if let problem = functions.compactMap(\.problem).first { return .failure(.invalidFunction(problem)) }
            state.registrations += 1
            if let known = state.apps[app.id]?.config, known.checksum == app.checksum, known.url == app.url {
                return .success(false)
            }
            var config = app
            config.revision = (state.apps[app.id]?.config.revision ?? 0) + 1
            state.apps[app.id] = (config, functions)
            return .success(true)
        }
        return try result.get()
    }

    func remove(app: String) async throws(Refusal) {
        let isKnown = state.withLock { $0.apps.removeValue(forKey: app) != nil }
        if !isKnown { throw .unknownApp(app) }
    }

    func registeredApps() async -> [RegisteredApp] {
        state.withLock { $0.apps.values.map { RegisteredApp($0.config, functionCount: $0.functions.count) } }
    }
}
