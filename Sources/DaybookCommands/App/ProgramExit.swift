import ArgumentParser
import DaybookJournal
import DaybookNode
import DaybookServer
import DaybookSystem

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// The codes a program ends with, beside 0 and ArgumentParser's 64 for a wrong command line.
enum FailureCode: Int32, Sendable {
    case failed = 1
    /// There is no such run, step or function.
    case notFound = 3
    /// No server runs, or the data directory cannot be used.
    case unavailable = 4
    case damaged = 5
    case storageFull = 6
    /// What was written on the command line makes no sense.
    case usage = 64
}

/// Why a command failed, in words for the person who gave it.
struct CommandFailure: Error, Sendable, Equatable, CustomStringConvertible {
    let description: String
    let code: FailureCode
    /// Whether what was asked for may have been done all the same: the server had been reached.
    let isFateUnknown: Bool

    init(_ code: FailureCode, _ description: String, isFateUnknown: Bool = false) {
        self.description = description
        self.code = code
        self.isFateUnknown = isFateUnknown
    }

    init(_ description: String) {
        self.init(.failed, description)
    }

    init(_ error: JournalOpenError, directory: String) {
        let code: FailureCode =
            switch error {
            case .locked, .networkFileSystem: .unavailable
            case .damaged, .gap, .recordRefused: .damaged
            case .newerVersion: .failed
            case .noRoom: .storageFull
            case .file(let error): error.isOutOfSpace ? .storageFull : .unavailable
            }
        self.init(code, "data directory \(directory): \(error)")
    }

    init(_ error: FileError, directory: String) {
        self.init(error.isOutOfSpace ? .storageFull : .unavailable, "data directory \(directory): \(error)")
    }

    init(_ error: ReadError) {
        let code: FailureCode =
            switch error {
            case .unknownRun, .unknownStep, .unknownFunction, .unknownEvent: .notFound
            case .ambiguousRun, .ambiguousFunction, .notEnded, .unreadable: .failed
            }
        self.init(code, error.description)
    }
}

/// Reads the command line, runs the command, ends the process.
enum ProgramExit {
    @concurrent static func run(_ root: (some ParsableCommand).Type) async -> Never {
        do {
            var command = try root.parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            exit(0)
        } catch let failure as CommandFailure {
            Console.printError("error: \(failure)")
            exit(failure.code.rawValue)
        } catch let error as SocketError {
            Console.printError("error: \(error)")
            exit(FailureCode.unavailable.rawValue)
        } catch {
            root.exit(withError: error)
        }
    }
}
