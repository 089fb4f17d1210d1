import Daybook
import DaybookCore
import DaybookFakes
import DaybookJournal
import DaybookNode
import DaybookSystem
import DaybookTesting
import DaybookValues

/// A small data directory that a real node made: about 64 KiB of log in four segments and two epochs, with runs of
/// every kind, and with all other files a server leaves behind. And, by a reader of its own that knows nothing of the
/// journal's, what stands where in it.
struct CorpusImage: Sendable {
    /// Every file by its path.
    let files: [String: [UInt8]]
    let lockStatus: FileStatus
    /// The segments that count, oldest first.
    let segments: [Segment]
    /// Every record of the log, by its number less one.
    let records: [Written]
    /// The last record that the files of streams have.
    let followedQ: UInt64
    /// The first record of the last batch.
    let lastBatchQ: UInt64
    /// The disk that the node died on, for whole openings.
    let memory: MemoryDisk
    let clock: ManualClock

    static let segmentBytes = 16 << 10

    var lastQ: UInt64 { UInt64(records.count) }

    struct Segment: Sendable {
        var path: String
        /// Where what counts ends.
        var end: Int
        var lines: [Line]

        /// The line that has a byte; nil behind the last one that counts.
        func line(at offset: Int) -> Int? {
            var (low, high) = (0, lines.count)
            while low < high {
                let middle = (low + high) / 2
                if lines[middle].range.upperBound <= offset { low = middle + 1 } else { high = middle }
            }
            return low < lines.count ? low : nil
        }
    }

    struct Line: Sendable {
        enum Kind: Sendable, Equatable {
            case header
            case record(UInt64)
            /// With the last record of its batch.
            case commit(UInt64)
        }

        /// With its line feed.
        var range: Range<Int>
        var kind: Kind
    }

    /// A record as the line says, taken apart by plain search for texts.
    struct Written: Sendable {
        var stream: String
        var line: [UInt8]
        var path: String
        var offset: Int
    }

    /// Has the directory made.
    init() throws {
        let maker = CorpusMaker()
        let followed = try maker.make()
        let memory = maker.memory
        memory.crash()
        self.memory = memory
        clock = maker.clock
        followedQ = followed
        guard let lockStatus = try memory.stat("daybook.lock") else { preconditionFailure("the corpus has no lock") }
        self.lockStatus = lockStatus
        var files: [String: [UInt8]] = [:]
        for path in memory.allPaths { files[path] = try memory.contents(of: path) ?? [] }
        self.files = files
        (segments, records) = Self.read(files)
        lastBatchQ = Self.lastBatchQ(segments)
    }

    // MARK: - Reading it by plain search

    private static func read(_ files: [String: [UInt8]]) -> ([Segment], [Written]) {
        var chain: [Segment] = []
        // The newest segment is the last by epoch, then by number; each header names the one before it.
        let names = files.keys.filter { $0.hasPrefix("journal/0") && $0.hasSuffix(".jsonl") }
        var next = names.max { ($0.suffix(12), $0) < ($1.suffix(12), $1) }
        var limit: Int?
        while let path = next, let bytes = files[path] {
            let segment = Segment(path: path, end: 0, lines: lines(of: bytes, upTo: limit ?? bytes.count))
            next = nil
            if let header = segment.lines.first {
                let text = String(decoding: bytes[header.range], as: UTF8.self)
                if let after = text.range(of: #""after":{"segment":""#) {
                    next = "journal/\(text[after.upperBound...].prefix(27)).jsonl"
                    limit = text.range(of: #""bytes":"#).flatMap { Int(text[$0.upperBound...].prefix { $0.isNumber }) }
                }
            }
            chain.append(segment)
        }
        chain.reverse()
        var records: [Written] = []
        for index in chain.indices {
            chain[index].end = chain[index].lines.last?.range.upperBound ?? 0
            let bytes = files[chain[index].path] ?? []
            for line in chain[index].lines {
                guard case .record(let q) = line.kind else { continue }
                precondition(q == UInt64(records.count) + 1, "the corpus has a gap before record \(q)")
                let text = String(decoding: bytes[line.range], as: UTF8.self)
                records.append(
                    Written(
                        stream: field("s", text), line: Array(bytes[line.range]), path: chain[index].path,
                        offset: line.range.lowerBound))
            }
        }
        return (chain, records)
    }

    private static func lines(of bytes: [UInt8], upTo limit: Int) -> [Line] {
        var lines: [Line] = []
        var start = 0
        while start < limit, bytes[start] != UInt8(ascii: "\n"), let end = bytes[start..<limit].firstIndex(of: 10) {
            let text = String(decoding: bytes[start..<min(end, start + 40)], as: UTF8.self)
            let number = UInt64(text.dropFirst(5).prefix { $0.isNumber }) ?? 0
            let kind: Line.Kind =
                text.hasPrefix(#"{"q":"#) ? .record(number) : text.hasPrefix(#"{"c":"#) ? .commit(number) : .header
            lines.append(Line(range: start..<end + 1, kind: kind))
            start = end + 1
        }
        return lines
    }

    private static func lastBatchQ(_ segments: [Segment]) -> UInt64 {
        var lastCommit: UInt64 = 0
        var before: UInt64 = 0
        for line in segments.flatMap(\.lines) {
            if case .commit(let q) = line.kind { (before, lastCommit) = (lastCommit, q) }
        }
        return before + 1
    }

    private static func field(_ name: String, _ text: String) -> String {
        guard let found = text.range(of: "\"\(name)\":\"") else { return "" }
        return String(text[found.upperBound...].prefix { $0 != "\"" })
    }
}

extension String {
    /// Where a text begins and ends in this one; nil when it is not in it.
    func range(of wanted: String) -> Range<String.Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(wanted) { return start..<index(start, offsetBy: wanted.count) }
            start = index(after: start)
        }
        return nil
    }
}

/// Plays a server's life until its log has the size that is wanted.
struct CorpusMaker {
    let clock = ManualClock()
    let memory: MemoryDisk
    private let random = SeededRandom(seed: 64)

    init() {
        memory = MemoryDisk(clock: clock)
    }

    private struct Broken: Error, CustomStringConvertible {
        var description = "the address is not known"
    }

    private static let functions: [any FunctionDefinition] = [
        DurableFunction("order", on: [.event("order")]) { _, step in
            let total = try await step.run("add-up") { _ in 4_200 }
            try await step.sleep("until-tomorrow", for: .hours(20))
            return try await step.run("invoice") { _ in "invoice over \(total)" }
        },
        DurableFunction("sign-up", on: [.event("sign-up")]) { _, step in
            let name = try await step.run("load") { _ in "Ada Lovelace, by way of example" }
            async let mail = step.run("mail") { _ in "sent to \(name)" }
            async let note = step.run("note") { _ in ["noted": 1, "twice": 2] }
            return try await "\(mail) \(note.count)"
        },
        DurableFunction("confirm", on: [.event("sign-up")]) { _, step in
            let found = try await step.waitForEvent(
                "confirmed", name: "confirmed", where: .field("n", equals: 3), timeout: .hours(30))
            return found != nil
        },
        DurableFunction("broken", on: [.event("broken")], retries: 1) { _, step in
            try await step.run("look-up") { _ -> Int in throw Broken() }
        },
        DurableFunction("parent", on: [.event("parent")]) { _, step in
            let five = try await step.invoke("call", functionID: "corpus-child", data: ["n": 5], as: Int.self)
            try await step.sendEvent("tell", ChildDone(five: five))
            return five
        },
        DurableFunction("child", on: []) { _, step in try await step.run("five") { _ in 5 } },
        DurableFunction("hourly", cron: "0 * * * *") { _, step in
            try await step.run("tidy") { _ in "nothing to tidy up" }
        },
    ]

    private struct ChildDone: Daybook.Event {
        static let name = "child.done"
        var five: Int
    }

    /// - Returns: the last record that the files of streams have.
    func make() throws -> UInt64 {
        var machine = try start()
        for round in 0..<4 {
            try mixture(machine, round, tends: true)
            machine.advance(milliseconds: 20 * 60_000)
        }
        machine.cancel(try firstParkedRun(machine), reason: "the customer called")
        _ = machine.settle()
        // Killed; the next process copies what it cannot know to be flushed.
        memory.crash()
        machine = try start()
        try mixture(machine, 4, tends: true)
        machine.advance(milliseconds: 60_000)
        // The follower sees the first half of the last segment only.
        var round = 5
        while logBytes < 3 * CorpusImage.segmentBytes + CorpusImage.segmentBytes / 2 {
            try mixture(machine, round, tends: false)
            round += 1
        }
        try machine.node.journal.follower.catchUp(to: machine.node.journal.flushedQ)
        let followed = machine.node.journal.follower.writtenQ
        let segments = self.segments.count
        while segments == self.segments.count {
            guard logBytes % CorpusImage.segmentBytes < CorpusImage.segmentBytes * 3 / 4 else { break }
            try send(machine, "sign-up", #"{"n":\#(round),"text":"late"}"#, id: nil, false)
            round += 1
        }
        return followed
    }

    private func start() throws -> ManualNode {
        let machine = try Self.open(memory, clock, random)
        _ = machine.settle()
        return machine
    }

    static func open(
        _ disk: MemoryDisk, _ clock: ManualClock, _ random: SeededRandom = SeededRandom(seed: 65)
    ) throws -> ManualNode {
        var configuration = ManualNode.configuration()
        configuration.journal.segmentBytes = CorpusImage.segmentBytes
        configuration.journal.snapshotLogBytes = 12 << 10
        // Nothing goes, so that the log is whole and can be replayed from its beginning.
        configuration.journal.graceMilliseconds = .max
        let machine = try ManualNode(ManualNode.Surroundings(disk: disk, clock: clock, random: random), configuration)
        try machine.launch(try AppFunctions(app: "corpus", functions: functions, now: clock.now))
        return machine
    }

    private func mixture(_ machine: ManualNode, _ round: Int, tends: Bool) throws {
        for name in ["sign-up", "order", "broken", "parent"] {
            try send(machine, name, #"{"n":\#(round),"text":"round \#(round)"}"#, id: "\(name)-\(round)", tends)
        }
        if round == 3 { try send(machine, "confirmed", #"{"n":3}"#, id: nil, tends) }
    }

    private func send(_ machine: ManualNode, _ name: String, _ data: String, id: String?, _ tends: Bool) throws {
        let idText = id.map { #","id":"\#($0)""# } ?? ""
        guard let view = JSONView(Array(#"{"name":"\#(name)","data":\#(data)\#(idText)}"#.utf8)) else { return }
        let event = try DaybookCore.Event(
            view, id: ULID(at: clock.now, random: (random.next(), random.next())), now: clock.now)
        _ = machine.post(.publish([event], claim: nil))
        guard !tends else {
            _ = machine.settle()
            return
        }
        machine.node.journal.log.changeWriter()
        while true {
            while machine.pool.step() {}
            if !machine.node.step(), machine.pool.isEmpty, !machine.node.hasWork { break }
        }
    }

    private func firstParkedRun(_ machine: ManualNode) throws -> ULID {
        var query = RunQuery()
        query.limit = .max
        let rows = try machine.readModel().runs(query).rows
        guard let row = rows.last(where: { $0.function == "corpus-order" }) else {
            preconditionFailure("no order is asleep in the corpus")
        }
        return row.id
    }

    private var segments: [String] { memory.allPaths.filter { $0.hasPrefix("journal/0") } }

    /// Bytes of segments up to where the newest one is written.
    private var logBytes: Int {
        let segments = self.segments
        guard let newest = segments.max(by: { ($0.suffix(12), $0) < ($1.suffix(12), $1) }),
            let bytes = try? memory.contents(of: newest)
        else { return 0 }
        let used = (bytes.lastIndex { $0 != UInt8(ascii: "\n") } ?? -1) + 1
        return (segments.count - 1) * CorpusImage.segmentBytes + used
    }
}
