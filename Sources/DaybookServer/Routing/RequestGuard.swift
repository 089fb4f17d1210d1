import Hummingbird

/// Keeps web pages of other sites away from a server that asks for no keys.
///
/// A browser on the same machine reaches it like any program, and would do so for whoever has put a page into it: by
/// sending requests across sites, which carry an `Origin`, or from a name that was made to point to this machine (DNS
/// rebinding), which stands in `Host`.
struct RequestGuard: Sendable {
    /// Names that are fine beside those of this machine; lower case.
    private let hosts: Set<String>

    /// - Parameters:
    ///   - boundHost: what the server listens on.
    ///   - allowedHosts: further names.
    init(boundHost: String, allowedHosts: [String]) {
        hosts = Set(([boundHost, "host.docker.internal"] + allowedHosts).map { Self.name(of: $0.lowercased()[...]) })
    }

    /// Why a request is refused, or nil.
    func problem(with request: Request) -> APIError? {
        // Programs that leave it out exist; browsers never do.
        if let host = request.head.authority, !isFine(Self.name(of: host.lowercased()[...])) {
            return APIError(
                .forbidden,
                """
                this server does not answer to the name '\(host.prefix(100))'. Use localhost, or start it with \
                --allow-host NAME, or with keys
                """)
        }
        if let origin = request.headers[.origin], !isFine(origin: origin) {
            return APIError(
                .forbidden,
                """
                requests of web pages from '\(origin.prefix(100))' are refused, because this server asks for no keys. \
                Start it with keys, or with --allow-host and the name of that site
                """)
        }
        return nil
    }

    func isFine(origin: String) -> Bool {
        let origin = origin.lowercased()
        guard let colon = origin.firstIndex(of: ":"), origin[colon...].hasPrefix("://") else { return false }
        return isFine(Self.name(of: origin[origin.index(colon, offsetBy: 3)...]))
    }

    private func isFine(_ name: String) -> Bool { Self.isLoopback(name) || hosts.contains(name) }

    /// Whether that is this machine, whoever asks. Lower case, without port and brackets.
    static func isLoopback(_ name: String) -> Bool {
        if name == "localhost" || name.hasSuffix(".localhost") || name == "::1" { return true }
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    /// `host:port`, `[v6]:port` or either without a port: the host alone.
    private static func name(of host: Substring) -> String {
        if host.first == "[" { return String(host.dropFirst().prefix { $0 != "]" }) }
        // An address of version 6 without brackets has more than one.
        guard host.count(where: { $0 == ":" }) == 1, let colon = host.firstIndex(of: ":") else { return String(host) }
        return String(host[..<colon])
    }
}
