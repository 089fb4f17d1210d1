package import DaybookCore

/// Where registered apps are kept: the node, or a stand-in for it in tests.
package protocol AppStore: Sendable {
    /// Returns once the app and all its functions are on disk.
    /// - Returns: whether anything is different from before.
    func register(_ app: AppConfig, functions: [FunctionConfig]) async throws(Refusal) -> Bool
    func remove(app: String) async throws(Refusal)
    func registeredApps() async -> [RegisteredApp]
}

/// An app, and how many functions it has.
package struct RegisteredApp: Sendable, Equatable {
    package var config: AppConfig
    package var functionCount: Int

    package init(_ config: AppConfig, functionCount: Int) {
        self.config = config
        self.functionCount = functionCount
    }
}
