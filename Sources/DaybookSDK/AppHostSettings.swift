/// How a server deals with the apps behind HTTP.
package struct AppHostSettings: Sendable {
    /// What the server calls itself: `dev` without signing keys, `cloud` with them.
    package enum Kind: String, Sendable {
        case dev
        case cloud
    }

    package var kind = Kind.dev
    /// Serve URLs that are asked to register, at the start and by polling.
    package var urls: [String] = []
    /// Seconds between two rounds of asking the apps to register; nil for never.
    package var pollInterval: Int? = 5
    /// Look for apps on the usual ports of this machine while none is known.
    package var discovers = false

    package init() {}
}
