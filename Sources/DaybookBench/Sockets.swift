#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// One TCP connection on this machine, with what has been read of it and not been used yet.
struct Connection {
    let descriptor: Int32
    private(set) var input: [UInt8] = []
    private var head = 0

    init(descriptor: Int32) {
        self.descriptor = descriptor
        var on: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
    }

    /// Nil when nobody listens there.
    init?(port: Int) {
        let descriptor = makeSocket()
        var address = loopback(port)
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard connected == 0 else {
            close(descriptor)
            return nil
        }
        self.init(descriptor: descriptor)
    }

    /// Reads what is there; false at the end of the connection. Waits when there is nothing.
    mutating func fill() -> Bool {
        if head > 0, head == input.count {
            input.removeAll(keepingCapacity: true)
            head = 0
        }
        let count = withUnsafeTemporaryAllocation(byteCount: 65_536, alignment: 1) { buffer in
            let count = read(descriptor, buffer.baseAddress, buffer.count)
            if count > 0 { input.append(contentsOf: buffer[..<count]) }
            return count
        }
        return count > 0
    }

    /// The next message whose head and body are there, by its `Content-Length`.
    mutating func nextMessage() -> (head: ArraySlice<UInt8>, body: ArraySlice<UInt8>)? {
        guard let end = endOfHead() else { return nil }
        let length = contentLength(input[head..<end])
        guard input.count - end >= length else { return nil }
        defer { head = end + length }
        return (input[head..<end], input[end..<end + length])
    }

    private func endOfHead() -> Int? {
        var index = head + 3
        while index < input.count {
            if input[index] == 10, input[index - 1] == 13, input[index - 2] == 10, input[index - 3] == 13 {
                return index + 1
            }
            index += 1
        }
        return nil
    }

    func send(_ bytes: [UInt8]) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                write(descriptor, $0.baseAddress.unsafelyUnwrapped + sent, $0.count - sent)
            }
            guard count > 0 else { return }
            sent += count
        }
    }

    func end() { close(descriptor) }
}

/// The value of the `Content-Length` line; 0 without one.
private func contentLength(_ head: ArraySlice<UInt8>) -> Int {
    let name = Array("content-length:".utf8)
    var start = head.startIndex
    while start < head.endIndex {
        let end = head[start...].firstIndex(of: 10) ?? head.endIndex
        if end - start > name.count, zip(head[start...], name).allSatisfy({ $0 | 0x20 == $1 || $0 == $1 }) {
            var length = 0
            for byte in head[start + name.count..<end] where byte >= 48 && byte <= 57 {
                length = length * 10 + Int(byte) - 48
            }
            return length
        }
        start = end + 1
    }
    return 0
}

private func makeSocket() -> Int32 {
    #if canImport(Darwin)
        let descriptor = socket(AF_INET, SOCK_STREAM, 0)
    #else
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    #endif
    guard descriptor >= 0 else { fatal("no socket: errno \(errno)") }
    return descriptor
}

private func loopback(_ port: Int) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(UInt16(port)).bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    return address
}

/// A listening socket on a port that is free, and that port.
func listenAnywhere() -> (descriptor: Int32, port: Int) {
    let descriptor = makeSocket()
    var address = loopback(0)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(descriptor, $0, length) == 0 && listen(descriptor, 512) == 0
                && getsockname(descriptor, $0, &length) == 0
        }
    }
    guard bound else { fatal("no port is free: errno \(errno)") }
    return (descriptor, Int(in_port_t(bigEndian: address.sin_port)))
}

func freePort() -> Int {
    let (descriptor, port) = listenAnywhere()
    close(descriptor)
    return port
}

/// The server as people run it, in a process of its own.
struct ServerProcess {
    let port: Int
    private let pid: pid_t

    init(binary: String, directory: String, mode: String = "serve", _ options: [String] = []) {
        let port = freePort()
        let arguments =
            [binary, mode, "--data", directory, "--port", "\(port)", "--log-level", "error"] + options
        var pointers = arguments.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        var pid: pid_t = 0
        guard posix_spawn(&pid, binary, &actions, nil, &pointers, environ) == 0 else {
            fatal("\(binary) cannot be started")
        }
        self.pid = pid
        self.port = port
        for _ in 0..<1_000 {
            if let probe = Connection(port: port) {
                probe.end()
                return
            }
            usleep(10_000)
        }
        fatal("\(binary) did not answer")
    }

    /// Sends one request and returns the answer's body.
    @discardableResult
    func request(_ method: String, _ path: String, _ body: String = "") -> [UInt8] {
        guard var connection = Connection(port: port) else { fatal("the server is gone") }
        defer { connection.end() }
        connection.send(message("\(method) \(path) HTTP/1.1", "", Array(body.utf8)))
        while true {
            if let answer = connection.nextMessage() { return Array(answer.body) }
            guard connection.fill() else { fatal("the server went away") }
        }
    }

    /// User and system time.
    var processorSeconds: Double {
        guard let text = contents(of: "/proc/\(pid)/stat"), let end = text.lastIndex(of: ")") else { return 0 }
        let fields = text[end...].split(separator: " ")
        guard fields.count > 13, let user = Double(fields[12]), let system = Double(fields[13]) else { return 0 }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    /// Memory in RAM.
    var residentBytes: Int {
        guard let text = contents(of: "/proc/\(pid)/statm") else { return 0 }
        let fields = text.split(separator: " ")
        return fields.count > 1 ? (Int(fields[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE))) : 0
    }

    private func contents(of path: String) -> String? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var text = [CChar](repeating: 0, count: 1_024)
        guard fgets(&text, Int32(text.count), file) != nil else { return nil }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    func stop() {
        kill(pid, SIGTERM)
        var status: Int32 = 0
        waitpid(pid, &status, 0)
    }
}

/// A message of HTTP/1.1 with a JSON body.
func message(_ firstLine: String, _ headers: String, _ body: [UInt8]) -> [UInt8] {
    Array(
        "\(firstLine)\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: \(body.count)\r\n\(headers)\r\n"
            .utf8) + body
}
