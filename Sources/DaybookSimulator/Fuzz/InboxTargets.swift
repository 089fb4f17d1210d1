import DaybookCore
import DaybookInbox
import DaybookSystem
import DaybookValues

extension FuzzTargets {
    private static let eventTokens = [
        "{\"name\":\"a\"}", "\n", "\r\n", ",", "[", "]", "{", "}", "\"name\":", "\"data\":{}", "\u{FEFF}", " ", "\t",
        "null", "\\n", "\"", "\\", "\"ts\":0",
    ]

    /// What people drop into the inbox: files of events, and the names they have.
    static let inboxTargets: [FuzzTarget] = [
        FuzzTarget("inbox-json", tokens: eventTokens) { try checkEventFile($0, .json) },
        FuzzTarget("inbox-lines", tokens: eventTokens) { try checkEventFile($0, .lines) },
        FuzzTarget(
            "inbox-name", bytesMax: 600,
            tokens: [
                ".", "-", "/", ".json", ".jsonl", ".tmp", "~", "01KAJS9V00A1B2C3D4E5F6G7H8", "-2", ".reason.txt",
                "é", "\u{1B}[2J", "\u{0}",
            ], run: checkInboxName),
    ]

    private static let limits: InboxOptions = {
        var limits = InboxOptions()
        limits.chunkBytesMax = 64
        limits.events.countMax = 3
        return limits
    }()

    private static func event(_ view: JSONView) throws(EventError) -> Event {
        try Event(view, id: ULID(high: 1, low: 2), now: Timestamp(milliseconds: 1_795_248_000_000))
    }

    // MARK: - Files

    private static func checkEventFile(_ bytes: [UInt8], _ format: EventFile.Format) throws {
        var file: EventFile
        var chunk: EventChunk
        let expected = expectedEvents(bytes, format)
        do throws(EventFileError) {
            (file, chunk) = try EventFile.open(bytes, format, from: 0, limits: limits, make: event)
        } catch {
            try require(!error.problem.isEmpty, "a refused file says why: \(shown(bytes))")
            try require(expected == nil, "\(error.problem): refused, though all of it is right: \(shown(bytes))")
            return
        }
        guard let expected else { throw FuzzViolation("taken, though something in it is wrong: \(shown(bytes))") }
        try require(file.eventCount == expected.count, "\(file.eventCount) of \(expected.count): \(shown(bytes))")
        // Chunk by chunk; and from every point at which a process may have died.
        var found = chunk.events
        var offset = 0
        while !chunk.isWhole {
            try require(chunk.offset > offset, "a chunk gets on: \(shown(bytes))")
            try require(chunk.events.count <= limits.events.countMax, "a chunk has its limit: \(shown(bytes))")
            offset = chunk.offset
            let resumed: EventChunk
            do throws(EventFileError) {
                resumed = try EventFile.open(bytes, format, from: offset, limits: limits, make: event).chunk
            } catch {
                throw FuzzViolation("the file goes on at \(offset), but: \(error.problem): \(shown(bytes))")
            }
            chunk = try file.nextChunk(limits: limits, make: event)
            try require(
                resumed.events == chunk.events && resumed.offset == chunk.offset && resumed.isWhole == chunk.isWhole,
                "a later process goes on at \(offset) as this one does: \(shown(bytes))")
            found += chunk.events
        }
        try require(chunk.offset == bytes.count, "the last chunk reaches the end: \(shown(bytes))")
        try require(found == expected, "every event comes out once and in order: \(shown(bytes))")
        // At any other offset the content is another than the one that was taken.
        if offset > 0 { _ = try? EventFile.open(bytes, format, from: offset - 1, limits: limits, make: event) }
    }

    /// What the file holds, by a simpler way of reading it; nil when something in it is wrong.
    private static func expectedEvents(_ bytes: [UInt8], _ format: EventFile.Format) -> [Event]? {
        if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) { return nil }
        let text = Array(bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes[3...] : bytes[...])
        var values: [JSONView] = []
        switch format {
        case .lines:
            for line in text.split(separator: 10) where !line.allSatisfy(isWhite) {
                guard (try? JSONText.check(Array(line))) != nil, let view = JSONView(line) else { return nil }
                values.append(view)
            }
        case .json:
            guard (try? JSONText.check(text)) != nil, let view = JSONView(text) else { return nil }
            if view.kind == .array {
                view.forEachElement { element in
                    values.append(element)
                    return true
                }
            } else {
                values = [view]
            }
        }
        var events: [Event] = []
        for value in values {
            guard let event = try? event(value) else { return nil }
            events.append(event)
        }
        return events.isEmpty ? nil : events
    }

    private static func isWhite(_ byte: UInt8) -> Bool { [0x20, 0x09, 0x0D, 0x0A].contains(byte) }

    // MARK: - Names

    private static func checkInboxName(_ bytes: [UInt8]) throws {
        // What a directory may list: no slash, no null byte, at most 255 bytes.
        let name = String(decoding: bytes.filter { $0 != UInt8(ascii: "/") && $0 != 0 }.prefix(255), as: UTF8.self)
        guard !name.isEmpty, name != ".", name != ".." else { return }
        _ = (InboxName.isLeftAlone(name), InboxName.format(of: name))
        let short = InboxName.shortened(name)
        try require(short.utf8.count <= 180, "a shortened name has 180 bytes at most: \(name)")
        let id = ULID(high: 0x0199_0000_0000_1234, low: 0x5678)
        let claim = InboxName.claim(of: name, id: id)
        try require(claim.utf8.count <= 255 && !claim.contains("/"), "a claim's name is one: \(claim)")
        if !short.isEmpty {
            try require(InboxName.original(of: claim) == short, "a claim knows its name: \(claim)")
            try require(
                short.utf8.count < name.utf8.count || InboxName.format(of: short) == InboxName.format(of: name),
                "the kind of \(name) is kept")
        }
        let status = FileStatus(
            kind: .file, bytes: bytes.count, modified: Timestamp(milliseconds: -1), device: 1, inode: 2)
        for source in [claim, name] {
            let done = InboxName.done(of: source, status)
            try require(done.utf8.count <= 255 && !done.contains("/"), "a done file's name is one: \(done)")
            let known = InboxName.statusOfDone(done)
            try require(
                known?.bytes == status.bytes && known?.modified == status.modified, "\(done) says how the file was")
        }
        _ = (InboxName.statusOfDone(name), InboxName.original(of: name))
        for number in [1, 2, 1_000_000] {
            let rejected = InboxName.rejected(name, number: number)
            try require(
                InboxName.reason(rejected).utf8.count <= 255 && !rejected.contains("/") && !rejected.isEmpty,
                "a rejected file's name is one: \(rejected)")
        }
        try require(
            !InboxName.shown(name).unicodeScalars.contains { $0.value < 0x20 || (0x7F..<0xA0).contains($0.value) },
            "a shown name has no control characters: \(name)")
    }
}
