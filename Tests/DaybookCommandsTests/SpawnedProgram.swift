import DaybookValues

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A directory under /tmp that goes with the test.
final class TemporaryDirectory: Sendable {
    let path: String

    init() {
        var template = Array("/tmp/daybook-test-XXXXXX".utf8CString)
        precondition(mkdtemp(&template) != nil)
        path = String(decoding: template.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        Self.remove(path)
    }

    private static func remove(_ path: String) {
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

/// The built `daybook`, run as a process of its own.
struct SpawnedProgram {
    /// Beside the tests in the build directory; nil when only the tests were built.
    static let path: String? = {
        var buffer = [UInt8](repeating: 0, count: 4_096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        guard count > 0 else { return nil }
        let executable = String(decoding: buffer[..<count], as: UTF8.self)
        let argument = CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? executable
        guard let slash = argument.lastIndex(of: "/") else { return nil }
        let path = argument[..<slash] + "/daybook"
        return access(String(path), X_OK) == 0 ? String(path) : nil
    }()

    struct Result: Equatable {
        var code: Int32
        var output: String
        var errors: String
    }

    private static let spawning = SpawnLock()

    private let process: pid_t
    private let output: Int32
    private let errors: Int32

    /// - Parameter isServer: it is to run until it gets a signal. Anything else is ended after a minute, so that a
    ///   command that wrongly goes on fails its test instead of stopping it.
    init(_ arguments: [String], environment: [String] = [], isServer: Bool = false) throws {
        var (outputEnds, errorEnds): ([Int32], [Int32]) = ([0, 0], [0, 0])
        // One at a time, so that no other child inherits the ends before they are marked.
        Self.spawning.lock()
        defer { Self.spawning.unlock() }
        guard pipe(&outputEnds) == 0, pipe(&errorEnds) == 0 else { throw SpawnError(code: errno) }
        for end in outputEnds + errorEnds { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, outputEnds[1], 1)
        posix_spawn_file_actions_adddup2(&actions, errorEnds[1], 2)
        let program = Self.path ?? ""
        let path = isServer ? program : "/usr/bin/timeout"
        let words = ([path] + (isServer ? [] : ["60", program]) + arguments).map { strdup($0) } + [nil]
        let variables = (environment + ["PATH=/usr/bin:/bin", "DAYBOOK_NO_HTTP=1"]).map { strdup($0) } + [nil]
        defer { for word in words + variables { free(word) } }
        var process = pid_t()
        let code = posix_spawn(&process, path, &actions, nil, words, variables)
        close(outputEnds[1])
        close(errorEnds[1])
        guard code == 0 else { throw SpawnError(code: code) }
        self.process = process
        output = outputEnds[0]
        errors = errorEnds[0]
    }

    func signal(_ number: Int32) {
        kill(process, number)
    }

    func wait() -> Result {
        let result = (Self.readAll(output), Self.readAll(errors))
        var status: Int32 = 0
        waitpid(process, &status, 0)
        let code = status & 0x7F == 0 ? status >> 8 & 0xFF : -(status & 0x7F)
        return Result(code: code, output: result.0, errors: result.1)
    }

    static func run(_ arguments: String...) throws -> Result {
        try SpawnedProgram(arguments).wait()
    }

    private static func readAll(_ descriptor: Int32) -> String {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while case let count = read(descriptor, &chunk, chunk.count), count > 0 { bytes += chunk[..<count] }
        close(descriptor)
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// Held over a whole spawn.
private final class SpawnLock: @unchecked Sendable {
    // The semaphore itself is what makes it safe.
    private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

    init() { sem_init(semaphore, 0, 1) }
    func lock() { sem_wait(semaphore) }
    func unlock() { sem_post(semaphore) }
}

struct SpawnError: Error {
    let code: Int32
}

/// Where a program says that it is ready, as it does to systemd: a test waits for that, not for a time.
final class NotifySocket: Sendable {
    let path: String
    private let descriptor: Int32

    init(in directory: String) throws {
        path = directory + "/notify"
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let result = withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else { throw SpawnError(code: errno) }
        // So that a program that dies at its start ends the test instead of stopping it.
        var limit = timeval(tv_sec: 60, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit {
        close(descriptor)
    }

    /// The next message; empty when none comes.
    func next() -> String {
        var buffer = [UInt8](repeating: 0, count: 256)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        return String(decoding: buffer[..<max(0, count)], as: UTF8.self)
    }
}
