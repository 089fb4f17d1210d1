#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Says which seed was under way when the process is ended by a trap.
enum TrapNote {
    // Written by the one thread that fuzzes, read by the handler of a signal on it.
    private nonisolated(unsafe) static var seed: UInt64 = 0
    private nonisolated(unsafe) static var name: UnsafeMutablePointer<CChar>?

    static func install(_ target: String) {
        name = strdup(target)
        for number in [SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGABRT, SIGFPE] {
            signal(number) { number in
                TrapNote.write()
                signal(number, SIG_DFL)
                raise(number)
            }
        }
    }

    static func note(seed: UInt64) { self.seed = seed }

    /// Only calls that a signal handler may make.
    private static func write() {
        func say(_ text: StaticString) { text.withUTF8Buffer { put($0) } }
        say("\ntrapped: target ")
        if let name { systemWrite(UnsafeRawPointer(name), strlen(name)) }
        say(", seed ")
        withUnsafeTemporaryAllocation(byteCount: 20, alignment: 1) { digits in
            var (rest, position) = (seed, 20)
            repeat {
                position -= 1
                digits[position] = UInt8(ascii: "0") + UInt8(rest % 10)
                rest /= 10
            } while rest > 0
            if let base = digits.baseAddress { systemWrite(base + position, 20 - position) }
        }
        say("\n")
    }

    static func put(_ text: UnsafeBufferPointer<UInt8>, to descriptor: CInt = STDERR_FILENO) {
        if let base = text.baseAddress { systemWrite(base, text.count, to: descriptor) }
    }

    private static func systemWrite(_ bytes: UnsafeRawPointer, _ count: Int, to descriptor: CInt = STDERR_FILENO) {
        #if canImport(Glibc)
            _ = Glibc.write(descriptor, bytes, count)
        #elseif canImport(Musl)
            _ = Musl.write(descriptor, bytes, count)
        #elseif canImport(Darwin)
            _ = Darwin.write(descriptor, bytes, count)
        #endif
    }
}
