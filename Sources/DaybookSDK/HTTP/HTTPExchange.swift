import DaybookValues

/// A request to somebody else's server.
struct HTTPExchange: Sendable {
    /// What is done about an answer that names another place.
    enum Redirects: Sendable {
        /// It is the answer.
        case none
        /// 307 and 308 repeat the request; 301, 302 and 303 make it a GET, with body and headers all the same. The
        /// parameters of the first address come in the place of those of the same name. At most so many.
        case followed(max: Int)
    }

    var method: String
    var url: String
    var headers: [(name: String, value: String)]
    var body: [UInt8]
    /// Of the answer's body, once it is decompressed.
    var bodyBytesMax = 8 * 1_048_576
    /// Seconds until the answer must be complete, redirects and all.
    var timeout: Int64
    var redirects = Redirects.none
    /// Whether the request may meet a server twice when a connection that had been idle is gone before a byte was answered:
    /// its end and the request may have crossed. If not, the request has a connection of its own.
    var isRepeatable: Bool
}

/// What a server answered.
struct HTTPAnswer: Sendable {
    var status: Int
    var headers: [(name: String, value: String)]
    var body: [UInt8]

    /// The first one of that name.
    func header(_ name: String) -> String? {
        headers.first { $0.name.utf8.count == name.utf8.count && $0.name.lowercased() == name.lowercased() }?.value
    }
}

/// Why there is no answer.
enum HTTPTrouble: Error, Sendable, Equatable, CustomStringConvertible {
    /// The address cannot be used at all.
    case unusableAddress(String)
    /// Something else about the request, such as a line feed in a header.
    case unusableRequest(String)
    /// No connection came about.
    case unreachable(String)
    /// There is something, but it does not speak TLS as it should: a plain server, a certificate that nobody knows.
    case tls(String)
    case tlsTimeout
    /// The connection was closed before a byte was answered.
    case closedBeforeAnswer
    case resetWhileSending
    case lostWhileReading
    /// The answer's body is larger than the limit; or would be, decompressed.
    case tooLarge
    case timedOut
    /// What came is no HTTP, or not compressed as it says.
    case garbage(String)
    /// The body has a `Content-Encoding` that is not known.
    case unknownEncoding(String)
    case tooManyRedirects(Int)
    case unusableRedirect(String)
    /// The server shuts down.
    case stopped

    var description: String {
        switch self {
        case .unusableAddress(let address): "'\(address.prefix(200))' is not an address of a web server"
        case .unusableRequest(let reason): "the request cannot be made: \(reason.prefix(200))"
        case .unreachable(let reason): "no connection: \(reason)"
        case .tls(let reason): "the TLS handshake failed: \(reason.prefix(500))"
        case .tlsTimeout: "the TLS handshake was not complete in time"
        case .closedBeforeAnswer: "the connection was closed before anything was answered"
        case .resetWhileSending: "the connection was reset while the request was sent"
        case .lostWhileReading: "the connection was lost in the middle of the answer"
        case .tooLarge: "the answer is larger than the limit"
        case .timedOut: "the answer was not complete in time"
        case .garbage(let reason): "the answer is not HTTP: \(reason)"
        case .unknownEncoding(let encoding):
            "the answer has the Content-Encoding '\(encoding)', which cannot be decoded; only gzip and deflate can"
        case .tooManyRedirects(let count): "there were more than \(count) redirects"
        case .unusableRedirect(let target): "the redirect to '\(target)' cannot be followed"
        case .stopped: "the server is shutting down"
        }
    }
}
