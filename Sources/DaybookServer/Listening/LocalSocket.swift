#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Why the socket in a data directory cannot be used.
package struct SocketError: Error, Sendable, Equatable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }

    static func system(_ attempt: String, _ code: Int32) -> SocketError {
        SocketError("Could not \(attempt): \(String(cString: strerror(code))) (errno \(code))")
    }
}

/// The Unix socket by which the command line talks to a server: `daybook.sock` in the data directory, for its owner
/// alone.
package enum LocalSocket {
    package static let name = "daybook.sock"
    /// The longest path that fits into a socket address.
    package static let pathBytesMax = 107

    /// A path to a file in `directory` that fits into a socket address.
    ///
    /// Where the plain path is too long, the directory gets a short link in a private directory of the runtime
    /// directory. The link is only needed while a socket is being bound or connected to.
    package struct ShortPath {
        package let path: String
        private let linkDirectory: String?

        package init(to name: String, in directory: String) throws(SocketError) {
            let plain = directory + "/" + name
            if plain.utf8.count <= pathBytesMax {
                path = plain
                linkDirectory = nil
                return
            }
            guard let resolved = realpath(directory, nil) else {
                throw .system("find the directory \(directory)", errno)
            }
            defer { free(resolved) }
            let runtime = getenv("XDG_RUNTIME_DIR").map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
            var template = Array((runtime ?? "/tmp").utf8CString.dropLast()) + Array("/daybook-XXXXXX".utf8CString)
            // Only its owner can enter a directory that this makes.
            guard mkdtemp(&template) != nil else {
                throw .system("make a directory in \(runtime ?? "/tmp")", errno)
            }
            let made = String(decoding: template.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            let link = made + "/d"
            guard symlink(resolved, link) == 0 else {
                let code = errno
                rmdir(made)
                throw .system("make the link \(link)", code)
            }
            linkDirectory = made
            path = link + "/" + name
            guard path.utf8.count <= pathBytesMax else {
                remove()
                throw SocketError(
                    "The path of the runtime directory \(runtime ?? "/tmp") is too long for a socket; set XDG_RUNTIME_DIR to a shorter one."
                )
            }
        }

        /// Takes the link away again. A socket that is bound or connected goes on working.
        package func remove() {
            guard let linkDirectory else { return }
            unlink(linkDirectory + "/d")
            rmdir(linkDirectory)
        }
    }

    /// A socket is bound in a directory that only its owner can enter and moved into place once its mode is right, so
    /// that there is no moment at which anybody else can connect. The move also replaces one that a killed server left
    /// behind. Only for the process that holds the lock of the data directory.
    struct Placing {
        private let directory: String
        private let workshop: String
        let short: ShortPath

        init(in directory: String) throws(SocketError) {
            self.directory = directory
            workshop = directory + "/.socket"
            guard mkdir(workshop, 0o700) == 0 || errno == EEXIST else {
                throw .system("make the directory \(workshop)", errno)
            }
            guard chmod(workshop, 0o700) == 0 else { throw .system("change the mode of \(workshop)", errno) }
            short = try ShortPath(to: name, in: workshop)
        }

        /// To be called once the socket is bound.
        func finish() throws(SocketError) {
            defer { cancel() }
            let bound = workshop + "/" + name
            let place = directory + "/" + name
            guard chmod(bound, 0o600) == 0 else { throw .system("change the mode of \(bound)", errno) }
            guard rename(bound, place) == 0 else { throw .system("rename \(bound) to \(place)", errno) }
        }

        func cancel() {
            short.remove()
            unlink(workshop + "/" + name)
            rmdir(workshop)
        }

        /// For the end of the server, while it still holds the lock.
        func removeSocket() {
            unlink(directory + "/" + name)
        }
    }
}
