#if os(Linux)
    import DaybookCore
    import DaybookInbox
    import DaybookSystem
    import DaybookValues
    import Logging
    import Synchronization
    import Testing

    #if canImport(Glibc)
        import Glibc
    #elseif canImport(Musl)
        import Musl
    #endif

    /// On a real file system, with inotify and threads. Everything waits for a signal; nothing for time.
    struct RealInboxTests {
        @Test
        func `a file that is renamed in is taken by the watch alone`() throws {
            try withInbox { place in
                try place.write("a.json.tmp", event(1))
                try place.disk.rename("inbox/a.json.tmp", to: "inbox/a.json")
                #expect(place.sink.wait(forEvents: 1) == [1])
            }
        }

        @Test
        func `a file that is written in place is taken when its writer closes it, and not before`() throws {
            try withInbox { place in
                let slow = try place.disk.open("inbox/slow.jsonl", .createNew)
                try slow.write(Array("\(event(1))\n".utf8), at: 0)
                try place.write("fast.json", event(7))
                #expect(place.sink.wait(forEvents: 1) == [7])
                try slow.write(Array("\(event(2))\n".utf8), at: slow.bytes())
                slow.close()
                #expect(place.sink.wait(forEvents: 3) == [7, 1, 2])
            }
        }

        @Test
        func `a hard link and a file from another directory are taken`() throws {
            try withInbox(wallAhead: 60_000) { place in
                try place.disk.makeDirectory("elsewhere")
                try place.write("../elsewhere/a.json", event(1))
                #expect(link("\(place.root)/elsewhere/a.json", "\(place.root)/inbox/b.json") == 0)
                #expect(place.sink.wait(forEvents: 1) == [1])
                try place.disk.rename("elsewhere/a.json", to: "inbox/c.json")
                #expect(place.sink.wait(forEvents: 2) == [1, 1])
            }
        }

        @Test
        func `two thousand files that come at once are all taken once`() throws {
            try withInbox { place in
                for n in 0..<2_000 {
                    try place.write(".\(n)", event(n))
                    try place.disk.rename("inbox/.\(n)", to: "inbox/\(n).json")
                }
                #expect(place.sink.wait(forEvents: 2_000).sorted() == Array(0..<2_000))
            }
        }

        @Test
        func `an inbox that is removed and made again is watched again`() throws {
            try withInbox { place in
                for name in [".claimed", ".done", "rejected"] { try place.disk.removeDirectory("inbox/" + name) }
                try place.disk.removeDirectory("inbox")
                while try place.disk.stat("inbox/rejected") == nil { sched_yield() }
                try place.write("a.json", event(1))
                #expect(place.sink.wait(forEvents: 1) == [1])
            }
        }

        @Test
        func `links, pipes and directories are not opened, and a file of 50 MB is not read`() throws {
            try withPlace { place in
                try place.disk.makeDirectory("inbox/folder.json")
                try place.write("../secret.json", event(1))
                #expect(symlink("../secret.json", "\(place.root)/inbox/link.json") == 0)
                #expect(mkfifo("\(place.root)/inbox/pipe.json", 0o600) == 0)
                let big = try place.disk.open("inbox/big.json", .createNew)
                try big.truncate(to: 50_000_000)
                big.close()
                try place.write("good.json", event(7))
                let inbox = place.makeInbox(watch: nil, wallAhead: 60_000)
                while inbox.step() {}
                #expect(place.sink.wait(forEvents: 1) == [7])
                let kept = try place.disk.list("inbox/rejected").map(\.name).sorted()
                #expect(
                    kept == [
                        "big.json", "big.json.reason.txt", "link.json", "link.json.reason.txt", "pipe.json",
                        "pipe.json.reason.txt",
                    ])
                #expect(try place.disk.stat("inbox/rejected/link.json")?.kind == .symbolicLink)
                #expect(try place.disk.stat("inbox/folder.json")?.kind == .directory)
                #expect(try place.disk.contents(of: "secret.json") == Array(event(1).utf8))
            }
        }

        @Test
        func `a name that is not UTF-8 stays and is mentioned`() throws {
            try withPlace { place in
                try place.disk.makeDirectory("inbox")
                let path = Array("\(place.root)/inbox/".utf8) + [0xFF, 0xFE] + Array(".json".utf8) + [0]
                let descriptor = path.withUnsafeBufferPointer { bytes in
                    bytes.withMemoryRebound(to: CChar.self) { open($0.baseAddress!, O_CREAT | O_WRONLY, 0o600) }
                }
                #expect(descriptor >= 0)
                close(descriptor)
                defer {
                    path.withUnsafeBufferPointer { bytes in
                        bytes.withMemoryRebound(to: CChar.self) { _ = unlink($0.baseAddress!) }
                    }
                }
                try place.write("good.json", event(7))
                let inbox = place.makeInbox(watch: nil, wallAhead: 60_000)
                while inbox.step() {}
                #expect(place.sink.wait(forEvents: 1) == [7])
                #expect(place.log.count("its name is not UTF-8") == 1)
            }
        }

        @Test
        func `a watch reports what happens in order, and ends when it is told to`() throws {
            try withPlace { place in
                try place.disk.makeDirectory("inbox")
                let watch = InotifyWatch(path: place.root + "/inbox")
                let seen = Mutex<[InboxWatchEvent]>([])
                let wake = Wake()
                try watch.start { events in
                    seen.withLock { $0 += events }
                    wake.signal()
                }
                try place.write("a.json", event(1))
                try place.disk.rename("inbox/a.json", to: "inbox/b.json")
                let expected: [InboxWatchEvent] = [.created("a.json"), .delivered("a.json"), .delivered("b.json")]
                while seen.withLock({ $0.count }) < 3, wake.wait(timeoutNanoseconds: 30_000_000_000) {}
                #expect(seen.withLock { $0 } == expected)
                watch.stop()
                try place.write("c.json", event(1))
                #expect(seen.withLock { $0 } == expected)
            }
        }

        @Test
        func `a directory that is not there cannot be watched, and it says why`() throws {
            try withPlace { place in
                let watch = InotifyWatch(path: place.root + "/nowhere")
                do throws(InboxWatchError) {
                    try watch.start { _ in }
                    Issue.record("no error")
                } catch {
                    #expect(error.description.contains("nowhere cannot be watched: No such file or directory"))
                }
            }
        }

        // MARK: -

        private func withInbox(wallAhead: Int64 = 0, _ body: (Place) throws -> Void) throws {
            try withPlace { place in
                let inbox = place.makeInbox(watch: InotifyWatch(path: place.root + "/inbox"), wallAhead: wallAhead)
                inbox.startThread()
                defer { inbox.stop() }
                try body(place)
            }
        }

        private func withPlace(_ body: (Place) throws -> Void) throws {
            let place = try Place()
            defer { place.remove() }
            try body(place)
        }
    }

    private final class Place {
        let root: String
        let disk: RealDisk
        let sink = SignalingSink()
        let log = LogLines()

        init() throws {
            var template = Array("/tmp/daybook-inbox-XXXXXX".utf8CString)
            guard mkdtemp(&template) != nil else {
                throw FileError(errno: errno, operation: .makeDirectory, path: "/tmp")
            }
            root = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
            disk = try RealDisk(root: root)
        }

        func makeInbox(watch: (any InboxWatch)?, wallAhead: Int64) -> Inbox {
            Inbox(
                disk: disk, sink: sink, wallClock: ShiftedClock(milliseconds: wallAhead), watch: watch, openClaims: [],
                logger: Logger(label: "test") { [log] _ in LineHandler(lines: log) }
            ) { Issue.record("\($0)") }
        }

        func write(_ name: String, _ text: String) throws {
            let file = try disk.open("inbox/" + name, .create)
            try file.write(Array(text.utf8), at: 0)
            file.close()
        }

        func remove() {
            remove("")
            rmdir(root)
        }

        private func remove(_ path: String) {
            for entry in (try? disk.list(path)) ?? [] {
                let inner = path.isEmpty ? entry.name : path + "/" + entry.name
                if entry.kind == .directory {
                    remove(inner)
                    try? disk.removeDirectory(inner)
                } else {
                    try? disk.unlink(inner)
                }
            }
        }
    }

    private struct ShiftedClock: WallClock {
        var milliseconds: Int64
        var now: Timestamp { SystemWallClock().now + milliseconds }
    }

    /// Accepts everything at once.
    private final class SignalingSink: EventSink {
        private let numbers = Mutex<[Int]>([])
        private let wake = Wake()

        func publish(
            _ events: [Event], claim: ClaimProgress, reply: @escaping @Sendable (Result<Int, Refusal>) -> Void
        ) {
            let new = events.map { Int(JSONView($0.json)?.at(path: "data.n")?.integer ?? -1) }
            numbers.withLock { $0 += new }
            reply(.success(0))
            wake.signal()
        }

        func claimRemoved(_ name: String) {}

        /// - Returns: all numbers, once there are so many, or after half a minute in which none came.
        func wait(forEvents count: Int) -> [Int] {
            while numbers.withLock({ $0.count }) < count, wake.wait(timeoutNanoseconds: 30_000_000_000) {}
            return numbers.withLock { $0 }
        }
    }
#endif
