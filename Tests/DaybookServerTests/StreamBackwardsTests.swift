import DaybookJournal
import DaybookNode
import DaybookSystem
import DaybookValues
import Testing

/// Files of events read from their end.
struct StreamBackwardsTests {
    /// Sends events in batches of the size, of that many bytes each, and gives the stream's file.
    private static func run(
        batches: Int, each bytes: Int, _ body: (any Disk, StreamID) throws -> Void
    ) async throws {
        try await ServerHarness.run { server in
            for number in 0..<batches {
                let text = String(repeating: "x", count: bytes)
                try await server.send(#"{"name":"n\#(number)","data":{"x":"\#(text)"}}"#)
            }
            let journal = server.node.journal
            try journal.follower.catchUp(to: journal.flushedQ)
            let disk = journal.disk
            let name = try #require(try disk.list("events").first?.name)
            try body(disk, try #require(StreamID("events/" + name.dropLast(6))))
        }
    }

    @Test(arguments: [(40, 10), (12, 40_000), (3, 1_000_000)])
    func `every record comes once, newest first, with its place`(batches: Int, bytes: Int) async throws {
        try await Self.run(batches: batches, each: bytes) { disk, stream in
            var entries: [(n: UInt32, offset: Int)] = []
            for entry in try RunRecords(disk: disk, stream: stream).entries { entries.append((entry.n, entry.offset)) }
            var backwards = try #require(try StreamBackwards(disk: disk, stream: stream))
            var found: [(n: UInt32, offset: Int)] = []
            while let (record, offset) = try backwards.next() { found.append((record.n, offset)) }
            #expect(found.map(\.n) == entries.reversed().map(\.n))
            #expect(found.map(\.offset) == entries.reversed().map(\.offset))
            #expect(found.count == batches)
            // From the place of any of them on, the older ones come.
            for entry in entries {
                var part = try #require(try StreamBackwards(disk: disk, stream: stream, end: entry.offset))
                #expect(try part.next()?.record.n == (entry.n == 0 ? nil : entry.n - 1))
            }
        }
    }

    @Test func `the place of an instant is that of the first record not before it`() async throws {
        try await Self.run(batches: 30, each: 30_000) { disk, stream in
            let entries = try RunRecords(disk: disk, stream: stream).entries
            for entry in entries {
                let first = try #require(entries.first { $0.time >= entry.time })
                #expect(try StreamBackwards.offset(of: entry.time, disk: disk, stream: stream) == first.offset)
            }
            let end = try #require(entries.last.map { $0.offset + $0.bytes })
            #expect(try StreamBackwards.offset(of: .distantFuture, disk: disk, stream: stream) == end)
            #expect(try StreamBackwards.offset(of: .zero, disk: disk, stream: stream) == 0)
        }
    }

    @Test func `lines that are damaged or not whole are passed over`() async throws {
        try await Self.run(batches: 5, each: 10) { disk, stream in
            let entries = try RunRecords(disk: disk, stream: stream).entries
            var content = try #require(try disk.contents(of: stream.path))
            content[entries[2].offset + 40] ^= 1
            content += Array(#"{"q":99,"t":"2026"#.utf8)
            try disk.replace(stream.path, with: content)
            var backwards = try #require(try StreamBackwards(disk: disk, stream: stream))
            var found: [UInt32] = []
            while let (record, _) = try backwards.next() { found.append(record.n) }
            #expect(found == [4, 3, 1, 0])
        }
    }

    @Test func `a file that is not there has none`() async throws {
        try await ServerHarness.run { server in
            let missing = try StreamBackwards(disk: server.node.journal.disk, stream: .events(day: 5))
            #expect(missing == nil)
        }
    }
}
