import Daybook
import DaybookCore
import DaybookJournal
import DaybookNode
import DaybookSDK
import DaybookSystem
import DaybookValues
import Logging
import ServiceLifecycle
import Testing

@testable import DaybookServer

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A directory under /tmp that goes with the test.
final class TemporaryDirectory: Sendable {
    let path: String

    init(longName: Bool = false) {
        var template = Array("/tmp/daybook-test-XXXXXX".utf8CString)
        precondition(mkdtemp(&template) != nil)
        let made = String(decoding: template.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        if longName {
            path = made + "/" + String(repeating: "x", count: 120)
            mkdir(path, 0o755)
        } else {
            path = made
        }
    }

    deinit {
        remove(String(path.prefix("/tmp/daybook-test-XXXXXX".utf8.count)))
    }

    private func remove(_ path: String) {
        if let directory = opendir(path) {
            while let entry = readdir(directory) {
                let name = withUnsafePointer(to: entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                if name != ".", name != ".." { remove(path + "/" + name) }
            }
            closedir(directory)
            rmdir(path)
        } else {
            unlink(path)
        }
    }
}

/// The functions that the tests serve.
let testFunctions: [any FunctionDefinition] = [
    DurableFunction("double", on: [.event("test/double")]) { event, step in
        try await step.run("compute") { 2 }
    },
    DurableFunction("nap", on: [.event("test/nap")]) { _, step in
        try await step.run("before") { "before" }
        try await step.sleep("pause", for: .hours(1))
    },
    DurableFunction("broken", on: [.event("test/broken")], retries: 0) { _, step in
        try await step.run("first") { 1 }
        try await step.run("second") { () -> Int in throw NonRetriableError("it never works") }
    },
    DurableFunction("weekly", cron: "0 8 * * 1") { _, step in
        try await step.run("digest") { "sent" }
    },
    DurableFunction("import", on: [.event("test/import")]) { _, step in
        step.progress(12, of: 200, "importing")
        try await step.sleep("pause", for: .hours(1))
    },
    DurableFunction(
        "one-by-one", on: [.event("test/one-by-one")], .runConcurrency(1, key: .field("user")),
        .priority("event.data.vip ? 120 : 0")
    ) { _, step in
        try await step.sleep("pause", for: .hours(1))
    },
    DurableFunction("late", on: [.event("test/late")], .debounce(for: .hours(1), key: .field("user"))) { _, _ in },
    DurableFunction("limited", on: [.event("test/limited")], .rateLimit(1, per: .hours(1), key: .field("user"))) {
        _, _ in
    },
    DurableFunction("digest", batchesOf: [.event("test/digested")], max: 3, within: .hours(1)) { events, step in
        try await step.run("count") { events.count }
    },
]

/// A real node with a real socket in a directory of its own.
final class ServerHarness: Sendable {
    let directory: TemporaryDirectory
    let node: Node
    let api: API
    /// Where it listens on TCP; 0 when it does not.
    let port: Int
    private let apps: AppHost?
    private let pool: WorkerPool
    private let group: ServiceGroup
    private let serving: Task<Void, any Error>
    private let records = Tail()

    /// - Parameters:
    ///   - settings: those of a server that listens on TCP as well; nil for the Unix socket alone.
    ///   - hasApps: whether apps may register. What fails is tried again at once then.
    init(
        isDev: Bool = false, settings: ServerSettings? = nil, hasApps: Bool = false,
        directory: TemporaryDirectory = TemporaryDirectory()
    ) async throws {
        self.directory = directory
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        pool = WorkerPool(threads: 2)
        var configuration = NodeConfiguration()
        configuration.journal.segmentBytes = 1 << 20
        configuration.journal.ballastBytes = 0
        configuration.journal.freeBytesMin = 0
        configuration.journal.roomBytesMin = 1 << 16
        if hasApps { configuration.retryPolicy = RetryPolicy(fixedWait: 1) }
        let disk = try RealDisk(root: directory.path)
        node = try Node.open(
            Node.Surroundings(disk: disk, pool: pool, loader: ThreadedLoader(), logger: logger),
            configuration: configuration
        ) { reason in fatalError(reason) }
        apps = hasApps ? AppHost(store: node, settings: AppHostSettings(), logger: logger) : nil
        if let apps { node.useCallDriver(apps) }
        try node.launch(AppFunctions(app: "test", functions: testFunctions), version: "test")
        node.startThreads()
        api = API(
            node: node, apps: apps,
            identity: API.Identity(version: "test", dataDirectory: directory.path, isDev: isDev),
            settings: settings ?? ServerSettings(), clock: ShiftedClock(offset: 0))
        let (ready, isReady) = AsyncStream.makeStream(of: Int.self)
        var services: [any Service] = [
            LocalServer(api: api, directory: directory.path, logger: logger) { isReady.yield(0) }
        ]
        if settings != nil {
            services.append(TCPServer(api: api, port: 0, logger: logger) { port in isReady.yield(port) })
        }
        let missing = services.count
        group = ServiceGroup(services: services, logger: logger)
        serving = Task { [group] in
            defer { isReady.finish() }
            try await group.run()
        }
        var (port, count) = (0, 0)
        for await ready in ready {
            port = max(port, ready)
            count += 1
            if count == missing { break }
        }
        self.port = port
        let records = records
        _ = await node.addTap { records.append($0) }
    }

    func stop() async throws {
        await group.triggerGracefulShutdown()
        _ = await serving.result
        await node.stop(drain: 0)
        await apps?.shutdown()
        pool.stop()
    }

    /// Starts a harness, runs the body, stops it whatever happens.
    static func run(
        isDev: Bool = false, settings: ServerSettings? = nil, hasApps: Bool = false,
        _ body: (ServerHarness) async throws -> Void
    ) async throws {
        let harness = try await ServerHarness(isDev: isDev, settings: settings, hasApps: hasApps)
        do {
            try await body(harness)
        } catch {
            try await harness.stop()
            throw error
        }
        try await harness.stop()
    }

    /// Sends events and waits for as many records of a kind.
    func send(_ body: String, awaiting kind: String? = nil, count: Int = 1) async throws {
        let answer = try await post("/e/test", body)
        try #require(answer.status == 200, "\(answer.text)")
        guard let kind else { return }
        var missing = count
        while missing > 0, let lines = await records.next() {
            for line in lines.split(separator: UInt8(ascii: "\n"))
            where JSONView(Array(line))?.member("k")?.string == kind {
                missing -= 1
            }
        }
    }

    func get(_ path: String) async throws -> RawAnswer { try await request("GET", path) }
    func post(_ path: String, _ body: String) async throws -> RawAnswer { try await request("POST", path, body) }

    /// - Parameter onFirstBytes: called once the answer has begun.
    func request(
        _ method: String, _ path: String, _ body: String = "", headers: String = "",
        onFirstBytes: @escaping @Sendable () -> Void = {}
    ) async throws -> RawAnswer {
        let bytes = Self.bytes(method, path, Array(body.utf8), host: "localhost", headers)
        let short = try LocalSocket.ShortPath(to: LocalSocket.name, in: directory.path)
        defer { short.remove() }
        return try await Self.ask(.unix(short.path), bytes, onFirstBytes)
    }

    /// The same over TCP, as from outside. `headers` end in a line feed each.
    func outside(
        _ method: String, _ path: String, _ body: String = "", host: String = "localhost", headers: String = "",
        onFirstBytes: @escaping @Sendable () -> Void = {}
    ) async throws -> RawAnswer {
        try await outside(method, path, Array(body.utf8), host: host, headers: headers, onFirstBytes: onFirstBytes)
    }

    func outside(
        _ method: String, _ path: String, _ body: [UInt8], host: String = "localhost", headers: String = "",
        onFirstBytes: @escaping @Sendable () -> Void = {}
    ) async throws -> RawAnswer {
        try await Self.ask(.port(port), Self.bytes(method, path, body, host: host, headers), onFirstBytes)
    }

    /// Sends bytes as they are over TCP, sends nothing after them, and reads until the server closes.
    func raw(_ text: String) async throws -> RawAnswer {
        try await Self.ask(.port(port), Array(text.utf8), isLast: true) {}
    }

    private static func bytes(
        _ method: String, _ path: String, _ body: [UInt8], host: String, _ headers: String
    ) -> [UInt8] {
        let head =
            "\(method) \(path) HTTP/1.1\r\nHost: \(host)\r\nConnection: close\r\nContent-Length: \(body.count)\r\n\(headers)\r\n"
        return Array(head.utf8) + body
    }

    private static func ask(
        _ place: RawAnswer.Place, _ bytes: [UInt8], isLast: Bool = false,
        _ onFirstBytes: @escaping @Sendable () -> Void
    ) async throws -> RawAnswer {
        try await withCheckedThrowingContinuation { continuation in
            // A thread of its own, so that no thread of Swift's small pool is blocked.
            let thread = DedicatedThread(name: "client") {
                continuation.resume(with: Result { try RawAnswer(place, request: bytes, isLast: isLast, onFirstBytes) })
            }
            _ = thread
        }
    }
}

struct RawError: Error {
    let message: String
}

/// What came back over the socket, read to its end.
struct RawAnswer: Sendable {
    enum Place: Sendable {
        case unix(String)
        case port(Int)
    }

    let status: Int
    /// Names in lower case.
    let headers: [String: String]
    let text: String

    var json: JSONView? { JSONView(Array(text.utf8)) }
    func string(_ path: String) -> String? { json?.at(path: path)?.string }

    /// - Parameter isLast: whether the server is told that nothing more comes.
    init(_ place: Place, request: [UInt8], isLast: Bool = false, _ onFirstBytes: () -> Void) throws {
        let descriptor =
            switch place {
            case .unix(let path): try Self.connect(path)
            case .port(let port): try Self.connect(port: port)
            }
        defer { close(descriptor) }
        var bytes = request[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            // A server that has answered already need not read the rest.
            guard count > 0 else { break }
            bytes = bytes.dropFirst(count)
        }
        if isLast { shutdown(descriptor, Int32(SHUT_WR)) }
        var answer: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while case let count = read(descriptor, &chunk, chunk.count), count > 0 {
            if answer.isEmpty { onFirstBytes() }
            answer += chunk[..<count]
        }
        let whole = String(decoding: answer, as: UTF8.self)
        // Not `split`: a line feed after a carriage return is one character of Swift's.
        let parts = whole.replacingLineEnds().split(separator: "\n\n", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let status = Int(whole.dropFirst(9).prefix(3)) else {
            throw RawError(message: "no answer: \(whole)")
        }
        self.status = status
        var headers: [String: String] = [:]
        for line in parts[0].split(separator: "\n").dropFirst() {
            let pair = line.split(separator: ":", maxSplits: 1)
            if pair.count == 2 { headers[pair[0].lowercased()] = String(pair[1].drop { $0 == " " }) }
        }
        self.headers = headers
        text = headers["transfer-encoding"] == "chunked" ? Self.unchunked(parts[1]) : String(parts[1])
    }

    static func connect(_ path: String) throws -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        return try connect(socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0), address)
    }

    static func connect(port: Int) throws -> Int32 {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port).bigEndian)
        address.sin_addr.s_addr = in_addr_t(UInt32(0x7F00_0001).bigEndian)
        return try connect(socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0), address)
    }

    /// Nil when this machine does not have `::1`.
    static func connect(sixAt port: Int) -> Int32? {
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(AF_INET6)
        address.sin6_port = in_port_t(UInt16(port).bigEndian)
        address.sin6_addr = in6addr_loopback
        return try? connect(socket(AF_INET6, Int32(SOCK_STREAM.rawValue), 0), address)
    }

    private static func connect<Address>(_ descriptor: Int32, _ address: Address) throws -> Int32 {
        let result = withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<Address>.size))
            }
        }
        guard result == 0 else {
            close(descriptor)
            throw RawError(message: "cannot connect: \(String(cString: strerror(errno)))")
        }
        return descriptor
    }

    /// The chunks of a body, put together.
    private static func unchunked(_ body: Substring) -> String {
        var rest = Array(body.utf8)[...]
        var whole: [UInt8] = []
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            guard let size = Int(String(decoding: rest[..<end], as: UTF8.self), radix: 16), size > 0 else { break }
            whole += rest[(end + 1)...].prefix(size)
            rest = rest[(end + 1)...].dropFirst(size + 1)
        }
        return String(decoding: whole, as: UTF8.self)
    }
}

extension String {
    fileprivate func replacingLineEnds() -> String {
        String(decoding: utf8.filter { $0 != UInt8(ascii: "\r") }, as: UTF8.self)
    }
}
