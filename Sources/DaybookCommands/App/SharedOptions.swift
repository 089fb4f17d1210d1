import ArgumentParser
import DaybookSystem
import DaybookValues
import Logging

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Which data directory a command is about.
struct DataOptions: ParsableArguments {
    @Option(
        name: .customLong("data"),
        help: ArgumentHelp(
            "The data directory. (default: $DAYBOOK_DATA, else ./var)", valueName: "directory"),
        completion: .directory)
    var given: String?

    static var fallback: String { environment("DAYBOOK_DATA") ?? "./var" }

    var directory: String {
        var path = given ?? Self.fallback
        while path.utf8.count > 1, path.hasSuffix("/") { path.removeLast() }
        return path
    }

    /// The directory's files, for looking at them.
    /// - Throws: when there is no such directory; nothing is made.
    func openExisting() throws(CommandFailure) -> RealDisk {
        var status = stat()
        guard stat(directory, &status) == 0 else {
            let reason = errno == ENOENT ? "it does not exist" : String(cString: strerror(errno))
            throw CommandFailure(
                .unavailable,
                "data directory \(directory): \(reason). Name one with --data, or start a server, which makes it.")
        }
        do throws(FileError) {
            return try RealDisk(root: directory)
        } catch {
            throw CommandFailure(error, directory: directory)
        }
    }
}

/// How a command that prints prints.
struct OutputOptions: ParsableArguments {
    @Flag(help: "Print JSON, one object per line.")
    var json = false
}

/// What a server writes to standard error.
struct LogOptions: ParsableArguments {
    enum Format: String, ExpressibleByArgument, CaseIterable {
        case text
        case json
    }

    enum Level: String, ExpressibleByArgument, CaseIterable {
        case trace
        case debug
        case info
        case notice
        case warning
        case error
        case critical

        var level: Logger.Level { Logger.Level(rawValue: rawValue) ?? .info }
    }

    @Option(help: ArgumentHelp("The least important messages to log.", valueName: "level"))
    var logLevel = Level.info

    @Option(help: ArgumentHelp("How messages are logged.", valueName: "format"))
    var logFormat = Format.text
}

/// A variable of the environment; nil when it is not set, or empty.
func environment(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
}

/// A length of time as people write it: `30s`, `2h`, `7d`, `1h30m`, `500ms`.
struct DurationArgument: ExpressibleByArgument, Sendable, Equatable {
    let milliseconds: Int64

    init(milliseconds: Int64) {
        self.milliseconds = milliseconds
    }

    init?(argument: String) {
        let units: [(String, Int64)] = [
            ("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000),
        ]
        var rest = argument[...]
        var total: Int64 = 0
        guard !rest.isEmpty else { return nil }
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            rest = rest.dropFirst(digits.count)
            let letters = rest.prefix { $0.isLetter }
            rest = rest.dropFirst(letters.count)
            guard let number = Int64(digits), let unit = units.first(where: { $0.0 == letters }) else { return nil }
            let (product, overflow) = number.multipliedReportingOverflow(by: unit.1)
            let (sum, overflow2) = total.addingReportingOverflow(product)
            guard !overflow, !overflow2 else { return nil }
            total = sum
        }
        milliseconds = total
    }

    var defaultValueDescription: String {
        milliseconds % 1_000 == 0 ? "\(milliseconds / 1_000)s" : "\(milliseconds)ms"
    }
}

/// An instant as people write it: RFC 3339.
struct InstantArgument: ExpressibleByArgument, Sendable, Equatable {
    let timestamp: Timestamp

    init?(argument: String) {
        guard let timestamp = Timestamp(rfc3339: argument) else { return nil }
        self.timestamp = timestamp
    }
}

/// An instant, or how long ago it was: `2026-11-21T08:00:00Z`, `2h`.
struct SinceArgument: ExpressibleByArgument, Sendable, Equatable {
    enum Value: Sendable, Equatable {
        case instant(Timestamp)
        case ago(Int64)
    }
    let value: Value

    init?(argument: String) {
        if let instant = Timestamp(rfc3339: argument) {
            value = .instant(instant)
        } else if let duration = DurationArgument(argument: argument) {
            value = .ago(duration.milliseconds)
        } else {
            return nil
        }
    }

    func timestamp(now: Timestamp) -> Timestamp {
        switch value {
        case .instant(let instant): instant
        case .ago(let milliseconds): now + -milliseconds
        }
    }
}
