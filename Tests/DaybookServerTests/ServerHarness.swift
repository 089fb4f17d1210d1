import Daybook
import DaybookCore
import DaybookJournal
import DaybookNode
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
    private let pool: WorkerPool
    private let group: ServiceGroup
    private let serving: Task<Void, any Error>
    private let records = Tail()

    init(isDev: Bool = false, directory: TemporaryDirectory = TemporaryDirectory()) async throws {
        self.directory = directory
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        pool = WorkerPool(threads: 2)
        var configuration = NodeConfiguration()
        configuration.journal.segmentBytes = 1 << 20
        configuration.journal.ballastBytes = 0
        configuration.journal.freeBytesMin = 0
        configuration.journal.roomBytesMin = 1 << 16
        let disk = try RealDisk(root: directory.path)
        node = try Node.open(
            Node.Surroundings(disk: disk, pool: pool, loader: ThreadedLoader(), logger: logger),
            configuration: configuration
        ) { reason in fatalError(reason) }
        try node.launch(AppFunctions(app: "test", functions: testFunctions), version: "test")
        node.startThreads()
        api = API(
            node: node, identity: API.Identity(version: "test", dataDirectory: directory.path, isDev: isDev),
            clock: ShiftedClock(offset: 0))
        let (ready, isReady) = AsyncStream.makeStream(of: Void.self)
        let server = LocalServer(api: api, directory: directory.path, logger: logger) { isReady.finish() }
        group = ServiceGroup(services: [server], logger: logger)
        serving = Task { [group] in
            defer { isReady.finish() }
            try await group.run()
        }
        for await _ in ready {}
        let records = records
        _ = await node.addTap { records.append($0) }
    }

    func stop() async throws {
        await group.triggerGracefulShutdown()
        _ = await serving.result
        await node.stop(drain: 0)
        pool.stop()
    }

    /// Starts a harness, runs the body, stops it whatever happens.
    static func run(isDev: Bool = false, _ body: (ServerHarness) async throws -> Void) async throws {
        let harness = try await ServerHarness(isDev: isDev)
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
        let text =
            "\(method) \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: \(body.utf8.count)\r\n\(headers)\r\n\(body)"
        let short = try LocalSocket.ShortPath(to: LocalSocket.name, in: directory.path)
        defer { short.remove() }
        let path = short.path
        return try await withCheckedThrowingContinuation { continuation in
            // A thread of its own, so that no thread of Swift's small pool is blocked.
            let thread = DedicatedThread(name: "client") {
                continuation.resume(with: Result { try RawAnswer(socket: path, request: text, onFirstBytes) })
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
    let status: Int
    let text: String

    var json: JSONView? { JSONView(Array(text.utf8)) }
    func string(_ path: String) -> String? { json?.at(path: path)?.string }

    init(socket path: String, request: String, _ onFirstBytes: () -> Void) throws {
        let descriptor = try Self.connect(path)
        defer { close(descriptor) }
        var bytes = Array(request.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            // A server that has answered already need not read the rest.
            guard count > 0 else { break }
            bytes = bytes.dropFirst(count)
        }
        var answer: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while case let count = read(descriptor, &chunk, chunk.count), count > 0 {
            if answer.isEmpty { onFirstBytes() }
            answer += chunk[..<count]
        }
        let whole = String(decoding: answer, as: UTF8.self)
        let parts = whole.split(separator: "\r\n\r\n", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let status = Int(whole.dropFirst(9).prefix(3)) else {
            throw RawError(message: "no answer: \(whole)")
        }
        self.status = status
        text =
            parts[0].lowercased().contains("transfer-encoding: chunked") ? Self.unchunked(parts[1]) : String(parts[1])
    }

    static func connect(_ path: String) throws -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        let result = withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else {
            close(descriptor)
            throw RawError(message: "cannot connect: \(String(cString: strerror(errno)))")
        }
        return descriptor
    }

    /// The chunks of a body, put together. Our lines have no CRLF inside.
    private static func unchunked(_ body: Substring) -> String {
        let parts = body.split(separator: "\r\n", omittingEmptySubsequences: false)
        return parts.enumerated().filter { $0.offset % 2 == 1 }.map { String($0.element) }.joined()
    }
}
