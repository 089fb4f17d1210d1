package import DaybookCore
package import DaybookNode

extension Node: AppStore {
    package func register(_ app: AppConfig, functions: [FunctionConfig]) async throws(Refusal) -> Bool {
        guard case .registered(let isModified) = try await submit(.registerApp(app, functions: functions)) else {
            return false
        }
        return isModified
    }

    package func remove(app: String) async throws(Refusal) {
        _ = try await submit(.removeApp(app))
    }

    package func registeredApps() async -> [RegisteredApp] {
        await inspect { core in
            core.apps.map { RegisteredApp($0, functionCount: core.functionCount(ofApp: $0.id)) }
        }
    }
}
