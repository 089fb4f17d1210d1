import DaybookSystem
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// `write(2)`, which methods of that name hide.
private func unbuffered(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
    write(descriptor, bytes, count)
}

/// Lines for people on standard output, progress on standard error where that is a terminal.
enum Output {
    static func print(_ text: String) {
        Swift.print(text)
        fflush(nil)
    }

    static func error(_ text: String) {
        write(text + "\n")
    }

    /// To standard error, at once.
    static func write(_ text: String) {
        let bytes = Array(text.utf8)
        _ = bytes.withUnsafeBytes { unbuffered(2, $0.baseAddress, $0.count) }
    }

    static func number(_ value: Int) -> String {
        var text = String(value)
        var position = text.count - 3
        while position > 0 {
            text.insert(",", at: text.index(text.startIndex, offsetBy: position))
            position -= 3
        }
        return text
    }
}

/// One line that is written over: how far it is, how fast, how long it will take.
final class ProgressLine: Sendable {
    private let what: String
    private let total: Int
    private let startedAt = SystemMonotonicClock().nowNanoseconds
    private let lastShown = Mutex<UInt64>(0)
    private let isShown = isatty(2) == 1

    /// - Parameter total: 0 when it is not known.
    init(_ what: String, of total: Int) {
        self.what = what
        self.total = total
    }

    var seconds: Double { Double(SystemMonotonicClock().nowNanoseconds - startedAt) / 1e9 }

    func show(_ done: Int) {
        guard isShown else { return }
        let now = SystemMonotonicClock().nowNanoseconds
        let isDue = lastShown.withLock { last in
            guard now - last > 200_000_000 else { return false }
            last = now
            return true
        }
        guard isDue else { return }
        let rate = Double(done) / max(seconds, 0.001)
        let left = rate > 0 ? Int(Double(total - done) / rate) : 0
        let of = total > 0 ? " of \(Output.number(total))" : ""
        let rest = total > 0 ? ", \(left) s left" : ""
        Output.write("\r\u{1B}[K\(what): \(Output.number(done))\(of), \(Output.number(Int(rate)))/s\(rest)")
    }

    func end() {
        if isShown { Output.write("\r\u{1B}[K") }
    }
}
