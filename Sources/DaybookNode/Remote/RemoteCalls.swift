import DaybookValues

/// Who may call which app: so many calls of one app are under way at most, and the runs beyond that wait in the order of
/// their scores.
struct RemoteCalls {
    private struct App {
        var inFlight = 0
        var waiting = WaitingRuns()
    }

    private var apps: [String: App] = [:]
    /// Requests that the server makes itself count together, under a name that no app has.
    static let gateway = "\u{0}gateway"

    /// Calls under way, of all apps.
    private(set) var inFlight = 0

    func inFlight(of app: String) -> Int { apps[app]?.inFlight ?? 0 }

    /// Takes one of the app's places.
    mutating func begin(_ app: String, max: Int) -> Bool {
        guard inFlight(of: app) < max else { return false }
        apps[app, default: App()].inFlight += 1
        inFlight += 1
        return true
    }

    func isFull(_ app: String, max: Int) -> Bool { inFlight(of: app) >= max }

    mutating func wait(_ id: ULID, _ app: String, score: Int64, input: [UInt8]?, bytesMax: Int) {
        apps[app, default: App()].waiting.append(id, score: score, input: input, bytesMax: bytesMax)
    }

    mutating func leave(_ id: ULID, _ app: String) { _ = apps[app]?.waiting.remove(id) }

    func isWaiting(_ id: ULID, _ app: String) -> Bool { apps[app]?.waiting.contains(id) ?? false }

    /// A call is over.
    mutating func end(_ app: String) {
        apps[app]?.inFlight -= 1
        inFlight -= 1
    }

    /// The run whose turn it is, if one may call.
    mutating func popNext(_ app: String, max: Int) -> (id: ULID, input: [UInt8]?)? {
        guard let known = apps[app], known.inFlight < max else { return nil }
        if let next = apps[app]?.waiting.popFirst() { return next }
        if known.inFlight == 0 { apps[app] = nil }
        return nil
    }

    mutating func removeAllWaiting() {
        for app in apps.keys { apps[app]?.waiting = WaitingRuns() }
    }
}
