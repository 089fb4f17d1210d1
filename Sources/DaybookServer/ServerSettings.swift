package import DaybookWire

/// What a server asks of its callers, and how it presents itself.
package struct ServerSettings: Sendable {
    /// Keys that events may be sent with; empty when any key is fine.
    package var eventKeys: [String] = []
    /// What SDKs prove themselves with; nil when nobody has to.
    package var signingKeys: SigningKeys?
    /// Names in `Host` and `Origin` that are fine although they are not this machine's; only looked at without keys.
    package var allowedHosts: [String] = []

    package init() {}

    /// What the server calls itself towards SDKs: `dev` without a signing key, `cloud` with one.
    package var kind: String { signingKeys == nil ? "dev" : "cloud" }
}
