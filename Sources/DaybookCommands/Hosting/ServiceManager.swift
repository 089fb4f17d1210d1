#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Tells systemd how the server is, when it was started as a service of type `notify`.
enum ServiceManager {
    /// - Parameter state: `READY=1`, `STOPPING=1`. Nothing happens where `NOTIFY_SOCKET` is not set.
    static func notify(_ state: String) {
        #if os(Linux)
            guard let path = environment("NOTIFY_SOCKET"), path.hasPrefix("/") || path.hasPrefix("@") else { return }
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            var name = Array(path.utf8)
            guard name.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
            // A leading @ stands for the abstract name space.
            if name[0] == UInt8(ascii: "@") { name[0] = 0 }
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
            let length = socklen_t(MemoryLayout<sa_family_t>.size + name.count)
            #if canImport(Musl)
                let descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)
            #else
                let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            #endif
            guard descriptor >= 0 else { return }
            defer { close(descriptor) }
            let text = Array(state.utf8)
            _ = withUnsafePointer(to: address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                    sendto(descriptor, text, text.count, 0, address, length)
                }
            }
        #endif
    }
}
