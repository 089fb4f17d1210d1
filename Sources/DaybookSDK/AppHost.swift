import DaybookCore
import DaybookValues
import DaybookWire
package import Logging
import NIOCore
import Synchronization

/// The apps behind HTTP: takes their registrations, finds them, asks them to register, and calls their functions.
///
/// `run` finds apps and asks them to register; everything else works without it. The node is given the host as its
/// `CallDriver`, and the host hands what apps register to the node as its `AppStore`.
package final class AppHost: Sendable {
    let store: any AppStore
    package let settings: AppHostSettings
    let surroundings: AppHostSurroundings
    let logger: Logger
    let caller: HTTPCaller
    let discovery: Discovery
    let book = Mutex(AppBook())
    /// Addresses of functions that answered when they were called last.
    let answering = Mutex<Set<String>>([])
    /// What apps said when they registered last, so that saying it again costs nothing.
    let recent = RecentRegistrations()
    /// Ids of apps by what an address that was given turned out to be, when that is another address.
    let aliases = Mutex<[String: String]>([:])

    package init(
        store: any AppStore, settings: AppHostSettings, surroundings: AppHostSurroundings = AppHostSurroundings(),
        logger: Logger
    ) {
        self.store = store
        self.settings = settings
        self.surroundings = surroundings
        self.logger = logger
        caller = HTTPCaller(stopTime: .milliseconds(settings.stopTime))
        discovery = Discovery(caller: caller, ports: settings.ports + (settings.extraPort.map { [$0] } ?? []))
        for url in settings.urls {
            if let address = WebAddress(url) {
                book.withLock { $0.configure(address) }
            } else {
                logger.error(
                    "the address of an app cannot be used, so nobody looks for an app there; it must be like http://localhost:3000/api/inngest",
                    metadata: ["url": "\(url.prefix(200))"])
            }
        }
    }

    /// Gives up calls that are under way and closes all connections. For the very end, when the node takes no outcome any
    /// more; the host must not be used after it. Takes `AppHostSettings.stopTime` at most.
    package func shutdown() async {
        await caller.shutdown()
    }

    // MARK: - Apps

    /// The registered apps by name, then the addresses that were given and where no app has registered.
    package func apps() async -> [AppSummary] {
        let registered = await store.registeredApps().sorted { $0.config.id < $1.config.id }
        var summaries: [AppSummary] = []
        let entries = book.withLock { $0.entries }
        let aliases = aliases.withLock { $0 }
        var shown: Set<String> = []
        for app in registered {
            let place = WebAddress(app.config.url)?.place
            if let place { shown.insert(place) }
            let configured = aliases.filter { $0.value == app.config.id }.map(\.key)
            shown.formUnion(configured)
            let entry = place.flatMap { entries[$0] }
            let config = app.config
            summaries.append(
                AppSummary(
                    id: WireUUID.app(config.id), name: config.id, url: config.url, sdk: config.sdk,
                    framework: config.framework, appVersion: config.appVersion, functionCount: app.functionCount,
                    checksum: config.checksum, revision: config.revision, connection: entry?.connection ?? .unknown,
                    syncedAt: entry?.syncedAt,
                    isConfigured: entry?.isConfigured ?? false
                        || configured.contains { entries[$0]?.isConfigured ?? false }))
        }
        let others = entries.filter { !shown.contains($0.key) && ($0.value.isConfigured || $0.value.isFound) }
        for (_, entry) in others.sorted(by: { $0.key < $1.key }) {
            summaries.append(
                AppSummary(
                    id: "", name: "", url: entry.url, sdk: "", functionCount: 0, checksum: "", revision: 0,
                    connection: entry.connection, syncedAt: entry.syncedAt, isConfigured: entry.isConfigured))
        }
        return summaries
    }

    /// Says once what has changed about an app.
    func tell(_ change: AppBook.Change?, _ url: String) {
        switch change {
        case nil: break
        case .isDown(let message):
            logger.warning("an app cannot be used", metadata: ["url": "\(url)", "reason": "\(message)"])
        case .isBack: logger.notice("an app is back", metadata: ["url": "\(url)"])
        }
    }
}
