import DaybookSystem

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Turns SIGTERM and SIGINT into a graceful stop, and the second of them into an end at once.
enum SignalWatch {
    /// To be called once in the life of a process.
    /// - Parameter onFirst: called on a thread of its own.
    static func start(onFirst: @escaping @Sendable () -> Void) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        signalPipe = ends[1]
        for number in [SIGTERM, SIGINT] {
            // Handlers, unlike ignored signals, are not inherited by programs that a step starts.
            signal(number) { number in
                var byte = UInt8(truncatingIfNeeded: number)
                _ = write(signalPipe, &byte, 1)
            }
        }
        // A reader of our output that goes away must not end the server.
        signal(SIGPIPE) { _ in }
        let reading = ends[0]
        _ = DedicatedThread(name: "daybook-signals") {
            var count = 0
            while true {
                var byte: UInt8 = 0
                let result = read(reading, &byte, 1)
                if result < 0, errno == EINTR { continue }
                guard result == 1 else { return }
                count += 1
                if count == 1 { onFirst() } else { _exit(128 + Int32(byte)) }
            }
        }
    }
}

/// Written once, before the handlers that read it are in place.
nonisolated(unsafe) private var signalPipe: Int32 = -1
