#if os(Linux)
    internal import DaybookSystem
    internal import Synchronization

    #if canImport(Glibc)
        internal import Glibc
    #elseif canImport(Musl)
        internal import Musl
    #endif

    /// The inbox as inotify sees it, on a thread of its own.
    package final class InotifyWatch: InboxWatch {
        private struct Running {
            var inotify: Int32
            /// Written to once, to end the thread.
            var stopPipe: Int32
            var thread: DedicatedThread
        }

        private let path: String
        private let running = Mutex<Running?>(nil)

        /// - Parameter path: of the inbox, for the operating system.
        package init(path: String) {
            self.path = path
        }

        package func start(_ handler: @escaping @Sendable ([InboxWatchEvent]) -> Void) throws(InboxWatchError) {
            stop()
            let inotify = inotify_init1(Int32(IN_CLOEXEC) | Int32(IN_NONBLOCK))
            guard inotify >= 0 else { throw Self.error("inotify cannot be used") }
            let mask =
                UInt32(IN_CLOSE_WRITE) | UInt32(IN_MOVED_TO) | UInt32(IN_CREATE) | UInt32(IN_DELETE_SELF)
                | UInt32(IN_MOVE_SELF) | UInt32(IN_ONLYDIR)
            guard inotify_add_watch(inotify, path, mask) >= 0 else {
                let error = Self.error("\(path) cannot be watched")
                close(inotify)
                throw error
            }
            var pipeEnds: [Int32] = [-1, -1]
            guard pipe(&pipeEnds) == 0 else {
                let error = Self.error("no pipe can be made")
                close(inotify)
                throw error
            }
            for end in pipeEnds { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
            let stopEnd = pipeEnds[0]
            let thread = DedicatedThread(name: "inbox-watch") {
                Self.read(from: inotify, until: stopEnd, handler)
                close(inotify)
                close(stopEnd)
            }
            running.withLock { $0 = Running(inotify: inotify, stopPipe: pipeEnds[1], thread: thread) }
        }

        package func stop() {
            let ended = running.withLock { running in
                defer { running = nil }
                return running
            }
            guard let ended else { return }
            // The other end reads the end of the pipe.
            close(ended.stopPipe)
            ended.thread.join()
        }

        private static func error(_ what: String) -> InboxWatchError {
            let advice =
                errno == ENOSPC || errno == EMFILE
                ? "; raise fs.inotify.max_user_watches or fs.inotify.max_user_instances" : ""
            return InboxWatchError("\(what): \(String(cString: strerror(errno)))\(advice)")
        }

        private static func read(
            from inotify: Int32, until stopEnd: Int32, _ handler: ([InboxWatchEvent]) -> Void
        ) {
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 8)
            defer { buffer.deallocate() }
            while true {
                var waiting = [
                    pollfd(fd: inotify, events: Int16(POLLIN), revents: 0),
                    pollfd(fd: stopEnd, events: Int16(POLLIN), revents: 0),
                ]
                guard poll(&waiting, nfds_t(waiting.count), -1) > 0 else {
                    if errno == EINTR { continue }
                    handler([.lost(reason: "poll failed with errno \(errno)")])
                    return
                }
                if waiting[1].revents != 0 { return }
                let count = systemRead(inotify, buffer.baseAddress, buffer.count)
                if count < 0 {
                    if errno == EINTR || errno == EAGAIN { continue }
                    handler([.lost(reason: "reading inotify failed with errno \(errno)")])
                    return
                }
                let events = parse(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
                if !events.isEmpty { handler(events) }
                if events.contains(where: { if case .lost = $0 { true } else { false } }) { return }
            }
        }

        /// Each event: watch, mask, cookie and length of the name as 32-bit numbers, then the name, padded with zeros.
        static func parse(_ bytes: UnsafeRawBufferPointer) -> [InboxWatchEvent] {
            var events: [InboxWatchEvent] = []
            var position = 0
            while position + 16 <= bytes.count {
                let mask = bytes.loadUnaligned(fromByteOffset: position + 4, as: UInt32.self)
                let length = Int(bytes.loadUnaligned(fromByteOffset: position + 12, as: UInt32.self))
                let nameStart = position + 16
                guard nameStart + length <= bytes.count else { break }
                let name = String(decoding: bytes[nameStart..<nameStart + length].prefix { $0 != 0 }, as: UTF8.self)
                position = nameStart + length
                if mask & UInt32(IN_Q_OVERFLOW) != 0 {
                    events.append(.overflowed)
                } else if mask & (UInt32(IN_DELETE_SELF) | UInt32(IN_MOVE_SELF) | UInt32(IN_IGNORED)) != 0 {
                    events.append(.lost(reason: "the directory was removed or renamed"))
                } else if mask & (UInt32(IN_CLOSE_WRITE) | UInt32(IN_MOVED_TO)) != 0 {
                    events.append(.delivered(name))
                } else if mask & UInt32(IN_CREATE) != 0 {
                    events.append(.created(name))
                }
            }
            return events
        }
    }

    /// The C library's `read`, which the method of that name hides.
    private func systemRead(_ descriptor: Int32, _ buffer: UnsafeMutableRawPointer?, _ count: Int) -> Int {
        read(descriptor, buffer, count)
    }
#endif
