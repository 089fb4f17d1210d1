import Hummingbird

/// One thing that can be asked of the server.
struct Route: Sendable {
    /// What a caller on TCP must show. On the Unix socket nothing is asked.
    enum Access: Sendable {
        /// Nothing, keys or not.
        case open
        /// An event key, in the path.
        case eventKey
        /// The signing key as a bearer, when there is one.
        case signingKey
    }

    /// How an answer that is not a success looks.
    enum ErrorShape: Sendable {
        /// `{"error":"…","status":404}`
        case plain
        /// `{"error":"…","data":null,"status":404}`, as SDKs read it.
        case sdk
        /// `{"ids":[],"status":400,"error":"…"}`
        case event
    }

    let method: HTTPRequest.Method
    /// `/api/runs/{id}`: as the description names it.
    let path: String
    let access: Access
    let errors: ErrorShape
    let handle: @Sendable (API, Call) async throws -> Response
    fileprivate let parts: [Part]

    fileprivate enum Part: Sendable {
        case literal(String)
        case parameter(String)
    }

    init(
        _ method: HTTPRequest.Method, _ path: String, _ access: Access, _ errors: ErrorShape = .plain,
        _ handle: @escaping @Sendable (API, Call) async throws -> Response
    ) {
        self.method = method
        self.path = path
        self.access = access
        self.errors = errors
        self.handle = handle
        parts = path.split(separator: "/").map { part in
            part.hasPrefix("{") ? .parameter(String(part.dropFirst().dropLast())) : .literal(String(part))
        }
    }
}

/// All routes, found by method and path.
struct RouteTable: Sendable {
    enum Match {
        /// Its number in `routes`, and the values of the parameters in its path.
        case found(Int, [(name: String, value: String)])
        /// The path is one of ours, with other methods: the routes that have it.
        case otherMethods([Route])
        case none
    }

    let routes: [Route]
    /// By the number of parts; those without parameters come before those with.
    private let byLength: [[Int]]

    init(_ routes: [Route]) {
        self.routes = routes
        var byLength: [[Int]] = []
        for (index, route) in routes.enumerated() {
            while byLength.count <= route.parts.count { byLength.append([]) }
            byLength[route.parts.count].append(index)
        }
        self.byLength = byLength.map { indexes in
            indexes.sorted { (routes[$0].parameterCount, $0) < (routes[$1].parameterCount, $1) }
        }
    }

    func match(_ method: HTTPRequest.Method, _ path: String) -> Match {
        let parts = path.split(separator: "/")
        guard parts.count < byLength.count else { return .none }
        var others: [Route] = []
        for index in byLength[parts.count] {
            guard let parameters = routes[index].parameters(of: parts) else { continue }
            if routes[index].method == method { return .found(index, parameters) }
            others.append(routes[index])
        }
        return others.isEmpty ? .none : .otherMethods(others)
    }
}

extension Route {
    fileprivate var parameterCount: Int {
        parts.count { part in
            if case .parameter = part { true } else { false }
        }
    }

    /// Nil when the path is another one, or not rightly escaped.
    fileprivate func parameters(of path: [Substring]) -> [(name: String, value: String)]? {
        var found: [(name: String, value: String)] = []
        for (part, text) in zip(parts, path) {
            switch part {
            case .literal(let literal): guard literal == text else { return nil }
            case .parameter(let name):
                guard let value = unescaped(text) else { return nil }
                found.append((name, value))
            }
        }
        return found
    }
}

/// Text without its percent escapes; nil when one of them is wrong, or what they make is not UTF-8.
func unescaped(_ text: Substring) -> String? {
    guard text.utf8.contains(UInt8(ascii: "%")) else { return String(text) }
    var bytes: [UInt8] = []
    var rest = text.utf8[...]
    while let byte = rest.popFirst() {
        guard byte == UInt8(ascii: "%") else {
            bytes.append(byte)
            continue
        }
        guard let high = rest.popFirst().flatMap(hexDigit), let low = rest.popFirst().flatMap(hexDigit) else {
            return nil
        }
        bytes.append(high << 4 | low)
    }
    return String(validating: bytes, as: UTF8.self)
}

private func hexDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
}
