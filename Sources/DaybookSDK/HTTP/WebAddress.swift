/// An address that requests are sent to, in its parts: `http://localhost:9000/api/inngest?fnId=shop-charge`.
///
/// Nothing is decoded, so that what an app wrote is what it gets back.
struct WebAddress: Sendable, Hashable {
    /// Lower case, without the colon.
    var scheme: String
    /// Lower case; an IPv6 address with its brackets.
    var host: String
    /// Nil for the scheme's own.
    var port: Int?
    /// Starts with a slash, or is empty.
    var path: String
    /// `name=value` as they stand, in order.
    var query: [Substring]

    static let textBytesMax = 8_192

    /// Nil for text that is no absolute address of a host; user names are not taken.
    init?(_ text: String) {
        guard text.utf8.count <= Self.textBytesMax, !text.utf8.contains(where: { $0 <= 0x20 || $0 == 0x7F }),
            let schemeEnd = text.firstRange(of: "://")
        else { return nil }
        scheme = text[..<schemeEnd.lowerBound].lowercased()
        guard let first = scheme.utf8.first, UInt8(ascii: "a")...UInt8(ascii: "z") ~= first,
            scheme.utf8.allSatisfy(Self.isOfScheme)
        else { return nil }
        var rest = text[schemeEnd.upperBound...]
        if let fragment = rest.firstIndex(of: "#") { rest = rest[..<fragment] }
        let authorityEnd = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
        guard let (host, port) = Self.authority(rest[..<authorityEnd]) else { return nil }
        self.host = host
        self.port = port == Self.defaultPort(scheme) ? nil : port
        (path, query) = Self.pathAndQuery(rest[authorityEnd...])
    }

    /// The address that a `Location` header of an answer from this one names; nil if it cannot be used.
    func resolving(_ reference: String) -> WebAddress? {
        if let absolute = WebAddress(reference) { return absolute }
        guard !reference.utf8.contains(where: { $0 <= 0x20 || $0 == 0x7F }), !reference.contains("://") else {
            return nil
        }
        if reference.hasPrefix("//") { return WebAddress("\(scheme):\(reference)") }
        var found = self
        let reference = reference.prefix { $0 != "#" }
        let (path, query) = Self.pathAndQuery(reference)
        if path.isEmpty {
            if reference.hasPrefix("?") { found.query = query }
            return found
        }
        let folder = self.path.lastIndex(of: "/").map { self.path[...$0] } ?? "/"
        found.path = Self.withoutDots(path.hasPrefix("/") ? path : folder + path)
        found.query = query
        return found
    }

    /// As text, which is what it was made of but for case and a port that goes without saying.
    var text: String {
        var text = "\(scheme)://\(host)"
        if let port { text += ":\(port)" }
        text += path
        if !query.isEmpty { text += "?" + query.joined(separator: "&") }
        return text
    }

    /// The address of an app as it is stored: without `deployId` and `probe`, the other parameters sorted, this machine always
    /// called `localhost`.
    var normalized: WebAddress {
        var address = self
        if host == "127.0.0.1" || host == "0.0.0.0" { address.host = "localhost" }
        address.query = query.filter { !["deployId", "probe"].contains(Self.name(of: $0)) }.sorted()
        return address
    }

    /// What an app's own address and those of its functions have in common.
    var place: String {
        var address = normalized
        address.query = []
        if address.path == "/" { address.path = "" }
        return address.text
    }

    /// The parameters of `other` come in the place of those of the same name.
    func overridingQuery(with other: WebAddress) -> WebAddress {
        let names = Set(other.query.map(Self.name))
        var address = self
        address.query = query.filter { !names.contains(Self.name(of: $0)) } + other.query
        return address
    }

    // MARK: - Parts

    private static func name(of parameter: Substring) -> Substring { parameter.prefix { $0 != "=" } }

    private static func defaultPort(_ scheme: String) -> Int? {
        switch scheme {
        case "http", "ws": 80
        case "https", "wss": 443
        default: nil
        }
    }

    private static func isOfScheme(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"),
            UInt8(ascii: "-"), UInt8(ascii: "."):
            true
        default: false
        }
    }

    private static func authority(_ text: Substring) -> (host: String, port: Int?)? {
        guard !text.isEmpty, !text.contains("@"), !text.contains("\\") else { return nil }
        var host = text
        var portText: Substring = ""
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { return nil }
            host = text[...end]
            let rest = text[text.index(after: end)...]
            guard rest.isEmpty || rest.hasPrefix(":") else { return nil }
            portText = rest.dropFirst()
        } else if let colon = text.lastIndex(of: ":") {
            host = text[..<colon]
            portText = text[text.index(after: colon)...]
            guard !host.contains(":") else { return nil }
        }
        guard !host.isEmpty else { return nil }
        if portText.isEmpty { return (host.lowercased(), nil) }
        guard portText.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }), let port = Int(portText),
            (1...65_535).contains(port)
        else { return nil }
        return (host.lowercased(), port)
    }

    private static func pathAndQuery(_ text: Substring) -> (path: String, query: [Substring]) {
        guard let mark = text.firstIndex(of: "?") else { return (String(text), []) }
        return (String(text[..<mark]), text[text.index(after: mark)...].split(separator: "&"))
    }

    private static func withoutDots(_ path: String) -> String {
        var parts: [Substring] = []
        let all = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        for (index, part) in all.enumerated() {
            let isLast = index == all.count - 1
            switch part {
            case ".": if isLast { parts.append("") }
            case "..":
                _ = parts.popLast()
                if isLast { parts.append("") }
            default: parts.append(part)
            }
        }
        return "/" + parts.joined(separator: "/")
    }
}
