#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Who this process is, for the lock file and for messages about it.
package struct ProcessIdentity: Hashable, Sendable {
    package var pid: Int32
    package var host: String
    /// Differs between two starts of the machine; `unknown` where the system does not tell.
    package var bootID: String

    package init(pid: Int32, host: String, bootID: String) {
        self.pid = pid
        self.host = host
        self.bootID = bootID
    }

    package static func current() -> ProcessIdentity {
        var name = [CChar](repeating: 0, count: 256)
        let host =
            gethostname(&name, name.count - 1) == 0
            ? String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self) : "unknown"
        return ProcessIdentity(pid: getpid(), host: host, bootID: readBootID())
    }

    private static func readBootID() -> String {
        #if canImport(Darwin)
            var text = [CChar](repeating: 0, count: 64)
            var length = text.count - 1
            guard sysctlbyname("kern.bootsessionuuid", &text, &length, nil, 0) == 0 else { return "unknown" }
            return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        #else
            guard let bytes = readWholeFile("/proc/sys/kernel/random/boot_id", bytesMax: 64) else { return "unknown" }
            return String(decoding: bytes.prefix { $0 > UInt8(ascii: " ") }, as: UTF8.self)
        #endif
    }
}

/// A file of the operating system, outside the data directory; nil when it cannot be read or is longer than allowed.
package func readWholeFile(_ path: String, bytesMax: Int) -> [UInt8]? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
        let count = read(descriptor, &chunk, chunk.count)
        if count < 0 {
            if errno == EINTR { continue }
            return nil
        }
        if count == 0 { return bytes }
        bytes.append(contentsOf: chunk[..<count])
        if bytes.count > bytesMax { return nil }
    }
}
