internal import DaybookSystem
internal import DaybookValues

/// What `journal/damaged/` says has been found and dealt with.
///
/// | file | meaning |
/// |---|---|
/// | `SEGMENT-OFFSET.txt` | a start or `Repair` found the bytes there damaged; the first line says which record, and whose |
/// | `record-Q.jsonl` | the line of a record that is damaged in the log, saved from elsewhere |
/// | `owner-Q.txt` | whose record Q was, as `Repair` found out; `nobody` when that cannot be told |
/// | `set-aside-RUN.txt` | the next start sets the run aside |
/// | `file-STREAM-OFFSET.jsonl` | lines of an events or system file that are lost: path, offset, bytes, checksum |
/// | `gap-FROM-TO.txt` | records that the log lost for good |
/// | `repair-TIME/` | what `Repair` took away |
struct KnownDamage: Sendable {
    struct Note: Hashable, Sendable {
        var offset: Int
        /// The record that is lost; nil for a header or a commit line.
        var q: UInt64?
        var hasOwner: Bool
    }

    struct Hole: Hashable, Sendable {
        var path: String
        var offset: Int
        var bytes: Int
        var checksum: UInt32
    }

    var notes: [SegmentName: Set<Note>] = [:]
    /// Owner of a record; nil when nobody can tell.
    var owners: [UInt64: StreamID?] = [:]
    var setAside: Set<ULID> = []
    var holes: Set<Hole> = []
    var gaps: [ClosedRange<UInt64>] = []

    init() {}

    init(_ disk: any Disk) throws(FileError) {
        for name in try StreamPaths.names(disk, DamageNote.directory, .file) {
            let path = DamageNote.directory + "/" + name
            if let segment = SegmentName(name.prefix(27)), name.hasSuffix(".txt"),
                let offset = Int(name.dropFirst(28).dropLast(4))
            {
                let text = String(decoding: try disk.contents(of: path)?.prefix(512) ?? [], as: UTF8.self)
                notes[segment, default: []].insert(Self.note(offset, text))
            } else if let q = Self.number(name, "owner-", ".txt") {
                let text = String(decoding: try disk.contents(of: path) ?? [], as: UTF8.self)
                owners[q] = .some(StreamID(String(text.prefix { $0 != "\n" })))
            } else if name.hasPrefix("set-aside-"), let run = ULID(name.dropFirst(10).dropLast(4)) {
                setAside.insert(run)
            } else if name.hasPrefix("file-"), let hole = Self.hole(try disk.contents(of: path) ?? []) {
                holes.insert(hole)
            } else if name.hasPrefix("gap-") {
                let ends = name.dropFirst(4).dropLast(4).split(separator: "-").compactMap { UInt64($0) }
                if ends.count == 2, ends[0] <= ends[1] { gaps.append(ends[0]...ends[1]) }
            }
        }
    }

    /// Whether damage was dealt with by the start that noted it, or by a later one: it stops no start, because it was no
    /// record, or the record's owner is known, or a snapshot has what it changed.
    func isKnown(_ segment: SegmentName, _ offset: Int, _ q: UInt64?, coveredBy snapshotQ: UInt64) -> Bool {
        notes[segment]?.contains { note in
            guard note.offset == offset else { return false }
            guard let q else { return true }
            return note.hasOwner || note.q == nil || q <= snapshotQ || owners[q] != nil
        } ?? false
    }

    static func ownerPath(_ q: UInt64) -> String { "\(DamageNote.directory)/owner-\(q).txt" }
    static func setAsidePath(_ run: ULID) -> String { "\(DamageNote.directory)/set-aside-\(run.text).txt" }
    static func gapPath(_ from: UInt64, _ to: UInt64) -> String { "\(DamageNote.directory)/gap-\(from)-\(to).txt" }
    static func holePath(_ hole: Hole) -> String {
        let name = hole.path.dropLast(6).map { $0 == "/" ? "-" : $0 }
        return "\(DamageNote.directory)/file-\(String(name))-\(hole.offset).jsonl"
    }

    static func encode(_ hole: Hole) -> [UInt8] {
        var line: [UInt8] = []
        line.append("{\"path\":\"")
        line.append(contentsOf: hole.path.utf8)
        line.append("\",\"offset\":")
        line.appendDecimal(UInt64(hole.offset))
        line.append(",\"bytes\":")
        line.appendDecimal(UInt64(hole.bytes))
        line.append(",\"sum\":\"")
        line.appendHex(hole.checksum)
        line.append("\"")
        line.closeLine(from: 0)
        return line
    }

    private static func hole(_ content: [UInt8]) -> Hole? {
        content.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress, let end = BatchScanner.lineEnd(base, 0, buffer.count),
                LineParser.verifiedChecksum(base, end) != nil
            else { return nil }
            var cursor = LineCursor(start: base, count: end)
            guard cursor.take("{\"path\":\""), let path = cursor.upToQuote(), cursor.take("\",\"offset\":"),
                let offset = cursor.number(), cursor.take(",\"bytes\":"), let bytes = cursor.number(),
                cursor.take(",\"sum\":\""), let sum = cursor.hex()
            else { return nil }
            return Hole(
                path: String(decoding: path, as: UTF8.self), offset: Int(offset), bytes: Int(bytes), checksum: sum)
        }
    }

    /// Reads the sentence of a `Damage`.
    private static func note(_ offset: Int, _ text: String) -> Note {
        let words = text.prefix { $0 != "\n" }.split(separator: " ")
        guard words.count > 3, words[0] == "Record", let q = UInt64(words[1]) else {
            return Note(offset: offset, q: nil, hasOwner: false)
        }
        return Note(offset: offset, q: q, hasOwner: words[2] == "of")
    }

    private static func number(_ name: String, _ prefix: String, _ suffix: String) -> UInt64? {
        guard name.hasPrefix(prefix), name.hasSuffix(suffix) else { return nil }
        return UInt64(name.dropFirst(prefix.count).dropLast(suffix.count))
    }
}
