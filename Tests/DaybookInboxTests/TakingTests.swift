import DaybookCore
import DaybookFakes
import DaybookInbox
import DaybookSystem
import DaybookValues
import Testing

struct TakingTests {
    @Test
    func `a file with one event is taken, and nothing of it is left after the grace time`() {
        let world = InboxWorld()
        world.drop("order.json", event(1))
        world.settle()
        #expect(world.accepted == [1])
        #expect(world.paths == [])
        #expect(world.journal.claims == [])
        #expect(world.log.all.contains("info an inbox file was accepted events=1 file=order.json runs-started=1"))
    }

    @Test(arguments: [
        ("a.json", "[\(event(1)), \(event(2))\n,\(event(3))]\n"),
        ("a.jsonl", "\(event(1))\n\n  \t\n\(event(2))\n\(event(3))"),
        ("a.ndjson", "\(event(1))\r\n\r\n\(event(2))\r\n\(event(3))\r\n"),
        ("A.JSON", "\u{FEFF}[\(event(1)),\(event(2)),\(event(3))]"),
        ("a.jsonl", "\u{FEFF}\(event(1))\n\(event(2))\n\(event(3))\n"),
    ])
    func `arrays, lines, CRLF, blank lines and byte order marks are read`(name: String, text: String) {
        let world = InboxWorld()
        world.drop(name, text)
        world.settle()
        #expect(world.accepted == [1, 2, 3])
        #expect(world.paths == [])
    }

    @Test
    func `two equal files are two events, with ids of their own`() {
        let world = InboxWorld()
        world.drop("a.json", event(1))
        world.drop("b.json", event(1))
        world.settle()
        #expect(world.accepted == [1, 1])
        #expect(Set(world.journal.events.map(\.id)).count == 2)
    }

    @Test
    func `a name that is used again is another file`() {
        let world = InboxWorld()
        for n in 1...3 {
            world.drop("same.json", event(n))
            world.run(milliseconds: 4_000)
        }
        world.settle()
        #expect(world.accepted == [1, 2, 3])
        #expect(world.paths == [])
    }

    @Test
    func `an event without a time gets the clock's, and one with a past or future time keeps it`() {
        let world = InboxWorld()
        world.drop("a.json", "[\(event(1)),\(event(2, #","ts":1000000000000"#)),\(event(3, #","ts":4070908800000"#))]")
        let dropped = world.clock.now
        world.settle()
        #expect(world.journal.events[0].timestamp >= dropped)
        #expect(world.journal.events[0].timestamp <= world.clock.now)
        #expect(world.journal.events[1].timestamp.milliseconds == 1_000_000_000_000)
        #expect(world.journal.events[2].timestamp.milliseconds == 4_070_908_800_000)
    }

    @Test
    func `events with the id of an earlier one are passed on for the core to tell apart`() {
        let world = InboxWorld()
        world.drop("a.json", "[\(event(1, #","id":"x""#)),\(event(2, #","id":"x""#))]")
        world.settle()
        #expect(world.journal.events.map(\.key) == ["x", "x"])
    }

    @Test(arguments: [".hidden.json", "a.json.tmp", "a.part", "a.json~", ".a.json.swp", "a.json.crdownload"])
    func `names of unfinished files are left alone for ever`(name: String) {
        let world = InboxWorld(watched: true)
        world.drop(name, event(1))
        world.watch?.send(.created(name), .delivered(name))
        for _ in 0..<5 { world.settle() }
        #expect(world.accepted == [])
        #expect(world.paths == ["inbox/" + name])
        #expect(world.log.all == [])
    }

    @Test
    func `nothing is read before the claim is flushed, nor forgotten before the removal is`() {
        let world = InboxWorld(opensAtOnce: false)
        world.drop("a.json", event(1))
        world.clock.advance(milliseconds: 5_000)
        world.settle()
        let history = world.tap.history.map { line in
            line.replacing(#/[0-9A-Z]{26}(\.\d+\.\d+)?/#, with: "ID")
        }
        #expect(
            history.suffix(6) == [
                "inbox/a.json -> inbox/.claimed/ID-a.json", "flush inbox/.claimed", "flush inbox",
                "inbox/.claimed/ID-a.json -> inbox/.done/ID-a.json", "flush inbox/.done", "flush inbox/.claimed",
            ])
        #expect(world.journal.removed.count == 1)
    }

    @Test
    func `many files share the flushes of their claim and of their removal`() {
        let world = InboxWorld(opensAtOnce: false)
        for n in 0..<500 { world.put("inbox/\(n).json", Array(event(n).utf8)) }
        world.clock.advance(milliseconds: 5_000)
        world.run()
        world.run(milliseconds: 100)
        #expect(world.accepted.sorted() == Array(0..<500))
        let atStart = 7
        #expect(world.tap.history.count { $0.hasPrefix("flush") } == atStart + 4)
        #expect(world.journal.publishCount == 500)
        #expect(world.log.all == ["info inbox files were accepted events=500 files=500 runs-started=500"])
    }

    @Test
    func `a scan takes the oldest file first`() {
        let world = InboxWorld(opensAtOnce: false)
        for (n, name) in ["c", "a", "b"].enumerated() { world.drop(name + ".json", event(n)) }
        world.clock.advance(milliseconds: 5_000)
        world.run()
        #expect(world.accepted == [0, 1, 2])
    }

    @Test(arguments: ["jsonl", "json"])
    func `a long file is committed in chunks, one at a time, that end where an event ends`(ending: String) {
        var options = InboxOptions()
        options.events.countMax = 40
        let world = InboxWorld(options: options)
        let events = (0..<100).map { event($0) }
        let text = ending == "jsonl" ? events.joined(separator: "\n") + "\n" : "[" + events.joined(separator: ",") + "]"
        world.drop("a." + ending, text)
        world.clock.advance(milliseconds: 1_000)
        _ = world.inbox.step()
        world.clock.advance(milliseconds: 3_000)
        var offsets: [Int] = []
        for _ in 0..<20 {
            _ = world.inbox.step()
            #expect(world.journal.waitingCount <= 1)
            if world.journal.flush(), let claim = world.journal.claims.first { offsets.append(claim.offset) }
        }
        #expect(offsets.count == 3)
        #expect(offsets.last == text.utf8.count)
        #expect(world.accepted == Array(0..<100))
        world.settle()
        #expect(world.paths == [])
    }

    @Test
    func `chunks keep to their bytes, but a single longer event goes whole`() {
        var options = InboxOptions()
        options.chunkBytesMax = 100
        let world = InboxWorld(options: options)
        let long = #"{"name":"a/b","data":{"n":2,"x":"\#(String(repeating: "x", count: 500))"}}"#
        world.drop("a.jsonl", [event(0), event(1), long, event(3)].joined(separator: "\n"))
        world.settle()
        #expect(world.accepted == [0, 1, 2, 3])
        #expect(world.journal.publishCount == 3)
    }

    @Test
    func `an array of 100,000 events is taken`() {
        let world = InboxWorld()
        world.drop("a.json", "[" + (0..<100_000).map { _ in #"{"name":"a"}"# }.joined(separator: ",") + "]")
        world.settle()
        #expect(world.journal.events.count == 100_000)
        #expect(world.journal.publishCount >= 20)
        #expect(world.paths == [])
    }

    @Test
    func `a sink that refuses keeps files waiting, is asked again, and is told about once`() {
        let world = InboxWorld()
        world.journal.refuse(.storageFull(bytesToFree: 1))
        for n in 0..<5 { world.drop("\(n).json", event(n)) }
        world.settle()
        world.drop("later.json", event(5))
        world.settle()
        #expect(world.accepted == [])
        #expect(world.paths(in: "inbox/.claimed").count == 5)
        #expect(world.paths.contains("inbox/later.json"))
        #expect(world.log.count("the inbox takes no more files for now") == 1)
        #expect(world.journal.publishCount < 60)

        world.journal.refuse(nil)
        world.settle()
        #expect(world.accepted == [0, 1, 2, 3, 4, 5])
        #expect(world.paths == [])
        #expect(world.log.count("the inbox takes files again") == 1)
    }

    @Test
    func `a file whose rest is refused goes on where it was`() {
        var options = InboxOptions()
        options.events.countMax = 2
        let world = InboxWorld(options: options)
        world.drop("a.jsonl", (0..<5).map { event($0) }.joined(separator: "\n"))
        world.clock.advance(milliseconds: 1_000)
        _ = world.inbox.step()
        world.clock.advance(milliseconds: 3_000)
        while world.journal.waitingCount == 0 { _ = world.inbox.step() }
        _ = world.journal.flush()
        world.journal.refuse(.stopping)
        world.settle()
        #expect(world.accepted == [0, 1])
        world.journal.refuse(nil)
        world.settle()
        #expect(world.accepted == [0, 1, 2, 3, 4])
        #expect(world.paths == [])
    }

    @Test
    func `a file that grows after it was taken is kept and shown as changed`() {
        let world = InboxWorld()
        world.drop("a.jsonl", event(1) + "\n")
        world.run(milliseconds: 4_000)
        #expect(world.accepted == [1])
        guard let path = world.paths(in: "inbox/.done").first else {
            Issue.record("not in .done")
            return
        }
        world.append(path, event(2) + "\n")
        world.settle()
        #expect(world.accepted == [1])
        #expect(world.text("inbox/rejected/a.jsonl") == event(1) + "\n" + event(2) + "\n")
        let reason = world.text("inbox/rejected/a.jsonl.reason.txt") ?? ""
        #expect(reason.contains("changed after it was taken"))
        #expect(reason.contains("Accepted: all that were in it"))
    }

    @Test
    func `a file that is written to while it is read waits until it rests`() {
        let world = InboxWorld()
        world.drop("a.jsonl", event(1) + "\n")
        let (disk, clock) = (world.disk, world.clock)
        let left = Counter(3)
        world.tap.whenOpening { path in
            guard path.hasPrefix("inbox/.claimed"), left.next() > 0 else { return }
            clock.advance(milliseconds: 5)
            do {
                let file = try disk.open(path, .readWrite)
                try file.write(Array("\(event(2))\n".utf8), at: file.bytes())
            } catch {
                Issue.record("\(error)")
            }
        }
        world.settle()
        #expect(world.accepted == [1, 2, 2, 2])
        #expect(world.paths == [])
        #expect(world.log.count("a claimed file waits") == 1)
    }

    @Test
    func `a flush of a directory that fails ends the inbox`() {
        let world = InboxWorld()
        world.drop("a.json", event(1))
        world.disk.fail(.syncDirectory)
        world.settle()
        #expect(world.failures.all.count == 1)
        #expect(world.accepted == [])
        #expect(world.inbox.nanosecondsToNextDeadline == nil)
    }

    @Test
    func `a folder that cannot be read is tried again and told about once`() {
        let world = InboxWorld()
        world.drop("a.json", event(1))
        world.disk.fail(.list, errno: 13, path: "inbox", times: 5)
        world.settle()
        #expect(world.accepted == [1])
        #expect(world.log.count("the inbox has trouble and tries again") == 1)
        #expect(world.log.count("the trouble is over") == 1)
    }

    @Test
    func `an inbox that somebody deleted is made again`() throws {
        let world = InboxWorld()
        for folder in ["inbox/.claimed", "inbox/.done", "inbox/rejected", "inbox"] {
            try world.disk.removeDirectory(folder)
        }
        world.settle()
        world.drop("a.json", event(1))
        world.settle()
        #expect(world.accepted == [1])
    }
}
