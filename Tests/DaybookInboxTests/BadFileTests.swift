import DaybookCore
import DaybookFakes
import DaybookInbox
import DaybookSystem
import DaybookValues
import Testing

/// Everything that is dropped and is not an event is refused with a reason, whole, and stops nothing else.
struct BadFileTests {
    struct BadFile: CustomTestStringConvertible, Sendable {
        var name: String
        var bytes: [UInt8]
        /// Parts of the reason.
        var says: [String]

        init(_ name: String, _ text: String, says: String...) {
            self.init(name, Array(text.utf8), says)
        }

        init(_ name: String, _ bytes: [UInt8], _ says: [String]) {
            self.name = name
            self.bytes = bytes
            self.says = says
        }

        var testDescription: String { says.joined(separator: ", ") }
    }

    private static let nested = String(repeating: "[", count: 10_000) + String(repeating: "]", count: 10_000)

    static let all = [
        BadFile("a.json", "", says: "the file is empty"),
        BadFile("a.json", " \r\n\t ", says: "the file is empty"),
        BadFile("a.jsonl", "\n\n", says: "the file is empty"),
        BadFile("a.json", [0xEF, 0xBB, 0xBF], ["the file is empty"]),
        BadFile("a.json", "[]", says: "there is no event in the file"),
        BadFile("a.json", "[ ", says: "line 1, column 3: the text ends where", "half-written"),
        BadFile("a.json", "[\(event(1))", says: "the text ends where ',' or ']' should be", "half-written"),
        BadFile("a.json", "[\(event(1)),\n", says: "line 2, column 1: the text ends", "half-written"),
        BadFile(
            "a.json", #"{"name":"a/b","da"#, says: "line 1, column 15: the text ends inside a string", "half-written"),
        BadFile("a.jsonl", "\(event(1))\n{\"name\":\"a", says: "line 2, column 9", "half-written"),
        BadFile("a.json", "name: a/b", says: "line 1, column 1: 'n", "Correct the file"),
        BadFile("a.json", "\(event(1))\n\(event(2))\n", says: "line 2, column 1: text after the end", ".jsonl"),
        BadFile("a.json", "[\(event(1))] x", says: "text after the end of the array"),
        BadFile("a.json", "[\(event(1)) \(event(2))]", says: "neither ',' nor ']' after an element"),
        BadFile("a.json", "[\(event(1)),]", says: "']' where a JSON value should be"),
        BadFile("a.jsonl", "\(event(1)) \(event(2))\n", says: "line 1, column 31: text after the end of the event"),
        BadFile("a.jsonl", "{\n\"name\":\"a/b\"}\n", says: "line 1, column 2", "stands whole on one line"),
        BadFile("a.jsonl", "\(event(1))\n{\"nam\":1,}\n\(event(3))", says: "line 2, column 10"),
        BadFile("a.jsonl", "\(event(1))\n\n{\"data\":{}}\n", says: "line 3, column 1: event name is empty"),
        BadFile("a.jsonl", "[\(event(1))]", says: "line 1, column 1: an event is a JSON object", "an array"),
        BadFile("a.json", #""a/b""#, says: "line 1, column 1: an event is a JSON object"),
        BadFile(
            "a.json", "[\(event(1)),\n  7]", says: "line 2, column 3: event 2 of the array: an event is a JSON object"),
        BadFile("a.json", #"{"name":"inngest/x"}"#, says: "reserved for internal use"),
        BadFile("a.json", #"{"name":"a","ts":"soon"}"#, says: #"event "ts" must be a whole number"#),
        BadFile("a.json", #"{"name":"a","ts":1}"#, says: "timestamp is before Jan 1, 1980"),
        BadFile("a.json", #"{"name":"a","ts":4102444800000}"#, says: "timestamp is after Jan 1, 2100"),
        BadFile("a.json", #"{"name":"a","data":[]}"#, says: #"event "data" must be an object"#),
        BadFile("a.json", nested, says: "line 1, column 513: more than 512 arrays and objects inside one another"),
        BadFile("a.json", #"{"name":"a","data":{"x":\#(nested)}}"#, says: "more than 512 arrays and objects"),
        BadFile(
            "a.json", Array(#"{"name":"a","data":{"x":""#.utf8) + [0xC3, 0x28] + Array(#""}}"#.utf8),
            ["line 1, column 26: bytes that are not UTF-8"]),
        BadFile("a.json", [0xFF, 0xFE, 0x7B, 0x00], ["the text is UTF-16", "Save it as UTF-8"]),
        BadFile("a.json", [UInt8](repeating: 0, count: 4_096), ["line 1, column 1: byte 0 where a JSON value"]),
        BadFile(
            "a.json",
            Array(#"{"name":"a","data":{"x":""#.utf8) + [UInt8](repeating: 0x61, count: 3_200_000)
                + Array(#""}}"#.utf8), ["Event is over the max size: Max 3145728 bytes"]),
        BadFile("a.csv", "a,b", says: "unknown extension: use .json, .jsonl or .ndjson"),
        BadFile("a", event(1), says: "unknown extension"),
    ]

    @Test(arguments: all)
    func `a bad file is kept whole beside its reason, and a good one is taken all the same`(bad: BadFile) {
        let world = InboxWorld()
        world.drop(bad.name, bad.bytes)
        world.drop("good.json", event(7))
        world.settle()
        #expect(world.accepted == [7])
        let kept = "inbox/rejected/" + bad.name
        #expect(world.paths == [kept, kept + ".reason.txt"])
        #expect(world.text(kept).map { Array($0.utf8) } ?? [] == Array(String(decoding: bad.bytes, as: UTF8.self).utf8))
        let reason = world.text(kept + ".reason.txt") ?? ""
        for part in bad.says { #expect(reason.contains(part), "\(reason)") }
        #expect(reason.contains("Accepted: nothing of it."))
        #expect(world.log.count("warning an inbox file was refused") == 1)
        #expect(world.journal.claims == [])
        #expect(world.failures.all == [])
    }

    @Test
    func `a bad line in the middle refuses the whole file before any of it runs`() {
        var options = InboxOptions()
        options.events.countMax = 2
        let world = InboxWorld(options: options)
        let lines = (0..<10).map { event($0) } + ["{bad"] + (11..<20).map { event($0) }
        world.drop("a.jsonl", lines.joined(separator: "\n"))
        world.settle()
        #expect(world.accepted == [])
        #expect(world.text("inbox/rejected/a.jsonl.reason.txt")?.contains("line 11, column 2") == true)
    }

    @Test
    func `a file over the limit is refused unread, and the limit is named`() {
        let world = InboxWorld()
        world.dropZeros("big.json", count: 50_000_000)
        let reads = world.disk.callCount(.read)
        world.settle()
        #expect(world.disk.callCount(.read) == reads)
        let reason = world.text("inbox/rejected/big.json.reason.txt") ?? ""
        #expect(reason.contains("50000000 bytes are over the limit of 33554432 bytes for one file"))
    }

    @Test(arguments: [
        (DirectoryEntry.Kind.symbolicLink, "it is a symbolic link"), (.other, "it is a device, pipe or socket"),
    ])
    func `links and devices are moved away unopened`(kind: DirectoryEntry.Kind, says: String) {
        let world = InboxWorld()
        world.tap.setKind(kind, ofPathsEndingIn: "odd.json")
        world.drop("odd.json", event(1))
        let opened = Counter(0)
        world.tap.whenOpening { path in if path.hasSuffix("odd.json") { _ = opened.next() } }
        world.settle()
        #expect(opened.next() == 0)
        #expect(world.accepted == [])
        #expect(world.text("inbox/rejected/odd.json.reason.txt")?.contains(says) == true)
        #expect(world.paths.contains("inbox/rejected/odd.json"))
    }

    @Test
    func `a directory stays where it is and is mentioned once, and again when it comes again`() throws {
        let world = InboxWorld()
        try world.disk.makeDirectory("inbox/folder.json")
        world.put("inbox/folder.json/a.json", Array(event(1).utf8))
        world.settle()
        #expect(world.accepted == [])
        #expect(world.paths == ["inbox/folder.json/a.json"])
        #expect(world.log.count("a directory cannot be an event") == 1)
        try world.disk.unlink("inbox/folder.json/a.json")
        try world.disk.removeDirectory("inbox/folder.json")
        world.settle()
        try world.disk.makeDirectory("inbox/folder.json")
        world.settle()
        #expect(world.log.count("a directory cannot be an event") == 2)
    }

    @Test
    func `a file that the device cannot read once or twice is taken all the same`() {
        let world = InboxWorld()
        world.disk.fail(.read, errno: 5, path: ".claimed", times: 2)
        world.drop("a.json", event(1))
        world.settle()
        #expect(world.accepted == [1])
        #expect(world.paths(in: "inbox").isEmpty)
    }

    @Test
    func `a file that the device can never read is refused, and kept`() {
        let world = InboxWorld()
        world.disk.fail(.read, errno: 5, path: ".claimed", times: 1_000)
        world.drop("a.json", event(1))
        world.settle()
        #expect(world.text("inbox/rejected/a.json.reason.txt")?.contains("it cannot be read") == true)
        #expect(world.accepted == [])
    }

    @Test
    func `a file that may not be read is refused with what to do`() {
        let world = InboxWorld()
        world.disk.fail(.open, errno: 13, path: ".claimed")
        world.drop("secret.json", event(1))
        world.settle()
        let reason = world.text("inbox/rejected/secret.json.reason.txt") ?? ""
        #expect(reason.contains("it cannot be read"))
        #expect(reason.contains("Permission denied"))
        #expect(world.text("inbox/rejected/secret.json") == event(1))
    }

    @Test
    func `a file that cannot be opened for lack of descriptors waits`() {
        let world = InboxWorld()
        world.disk.fail(.open, errno: 24, path: ".claimed", times: 3)
        world.drop("a.json", event(1))
        world.settle()
        #expect(world.accepted == [1])
    }

    @Test
    func `a file that may not be renamed is mentioned once`() {
        let world = InboxWorld()
        world.disk.fail(.rename, errno: 1, path: "mine.json", times: 1_000)
        world.drop("mine.json", event(1))
        world.settle()
        #expect(world.accepted == [])
        #expect(world.log.count("something in the inbox cannot be taken file=mine.json") == 1)
    }

    @Test
    func `files of one name are kept apart`() {
        let world = InboxWorld()
        for n in 0..<25 {
            world.drop("a.json", "{bad \(n)")
            world.run(milliseconds: 3_500)
        }
        let kept = world.paths(in: "inbox/rejected").filter { $0.hasSuffix(".json") }
        #expect(kept.count == 25)
        #expect(world.text("inbox/rejected/a.json") == "{bad 0")
        #expect(world.text("inbox/rejected/a-2.json") == "{bad 1")
        #expect(Set(kept.map { world.text($0) }).count == 25)
        #expect(kept.allSatisfy { world.text($0 + ".reason.txt") != nil })
    }

    @Test
    func `files of one name that are refused together are kept apart`() {
        let world = InboxWorld(opensAtOnce: false)
        for n in 0..<3 {
            let id = ULID(high: 1, low: UInt64(n))
            world.put("inbox/.claimed/\(id.text)-a.json", Array("{bad \(n)".utf8))
        }
        world.settle()
        let kept = ["a.json", "a-2.json", "a-3.json"].map { world.text("inbox/rejected/" + $0) }
        #expect(kept == ["{bad 0", "{bad 1", "{bad 2"])
        #expect(world.paths.count == 6)
    }

    @Test
    func `a refused file that is put right and moved back is taken`() throws {
        let world = InboxWorld()
        world.drop("a.json", #"{"name":"a/b","data":{"n":1}"#)
        world.settle()
        world.append("inbox/rejected/a.json", "}")
        try world.disk.rename("inbox/rejected/a.json", to: "inbox/a.json")
        world.settle()
        #expect(world.accepted == [1])
    }

    @Test
    func `a very long name and one with control characters do no harm`() {
        let world = InboxWorld()
        let long = String(repeating: "ä", count: 120) + ".json"
        world.drop(long, event(1))
        world.drop("a\u{1B}[31m\n.json", "bad")
        world.settle()
        #expect(world.accepted == [1])
        #expect(world.log.count(#"a\u{1b}[31m\u{a}.json"#) == 1)
        #expect(world.log.all.allSatisfy { !$0.contains("\u{1B}") && !$0.contains("\n") })
    }

    @Test
    func `a full disk keeps refused files claimed until the reason can be written`() {
        let world = InboxWorld()
        world.drop("a.json", "bad")
        world.disk.fail(.write, errno: 28, path: "reason.txt", times: 4)
        world.settle()
        #expect(world.paths == ["inbox/rejected/a.json", "inbox/rejected/a.json.reason.txt"])
        #expect(world.log.count("the inbox has trouble and tries again") == 1)
    }

    @Test
    func `a hundred bad files do not hold up a good one`() {
        let world = InboxWorld(opensAtOnce: false)
        for n in 0..<100 { world.put("inbox/\(n).json", [0x7B]) }
        world.clock.advance(milliseconds: 3_000)
        world.put("inbox/good.json", Array(event(1).utf8))
        world.clock.advance(milliseconds: 3_000)
        _ = world.inbox.step()
        #expect(world.journal.waitingCount == 1)
        #expect(world.paths(in: "inbox/rejected").count == 64)
        world.settle()
        #expect(world.paths(in: "inbox/rejected").count == 200)
    }

    @Test
    func `a name that begins with a combining mark is kept`() {
        let name = "\u{301}order.json"
        let id = ULID(high: 0x0199_0000_0000_1234, low: 0x5678)
        let claim = InboxName.claim(of: name, id: id)
        #expect(InboxName.original(of: claim) == name)
        let status = FileStatus(kind: .file, bytes: 52, modified: Timestamp(milliseconds: 7), device: 1, inode: 2)
        let done = InboxName.done(of: claim, status)
        #expect(InboxName.original(of: done) == name)
        #expect(InboxName.statusOfDone(done)?.bytes == 52)
        #expect(InboxName.statusOfDone(done)?.modified == Timestamp(milliseconds: 7))
    }
}
