import DaybookValues

// Apps behind a URL: what is registered of them.
extension Core {
    /// Those that are registered, in the order in which they first were.
    package var apps: [AppConfig] { appStates.filter { !$0.isRemoved }.map(\.config) }

    package func app(_ id: String) -> AppConfig? {
        appStates.first { $0.config.id == id && !$0.isRemoved }?.config
    }

    /// Functions of the app behind a URL that are registered.
    package func functionCount(ofApp id: String) -> Int {
        functions.count { $0.config.app == id && $0.config.isRemote && !$0.isRemoved }
    }

    func register(_ app: AppConfig, _ configs: [FunctionConfig]) -> Answer {
        if app.id.isEmpty { return .refused(.invalidFunction("an app needs a name")) }
        if let stray = configs.first(where: { $0.app != app.id || !$0.isRemote }) {
            return .refused(
                .invalidFunction("function '\(stray.id)' is not one of app '\(app.id)' with a URL to call it at"))
        }
        if let problem = problem(of: configs) { return .refused(.invalidFunction(problem)) }
        if let known = self.app(app.id), known.checksum == app.checksum, known.url == app.url {
            return .registered(isModified: false)
        }
        var registered = app
        registered.revision = (appStates.first { $0.config.id == app.id }?.config.revision ?? 0) + 1
        emit(.system, .appRegistered(registered))
        take(configs, app: app.id, isRemote: true)
        return .registered(isModified: true)
    }

    func removeApp(_ id: String) -> Answer {
        guard app(id) != nil else { return .refused(.unknownApp(id)) }
        emit(.system, .appRemoved(id: id))
        take([], app: id, isRemote: true)
        return .done
    }
}
