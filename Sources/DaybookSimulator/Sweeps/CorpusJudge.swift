import DaybookJournal
import DaybookValues

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// What becomes of one file of the corpus.
enum CorpusChange: Sendable, CustomStringConvertible {
    /// The file ends here.
    case cut(at: Int)
    case flip(at: Int, bit: Int)

    var offset: Int {
        switch self {
        case .cut(let offset), .flip(let offset, _): offset
        }
    }

    func applied(to bytes: [UInt8]) -> [UInt8] {
        switch self {
        case .cut(let offset): return Array(bytes[..<offset])
        case .flip(let offset, let bit):
            var changed = bytes
            changed[offset] ^= 1 << UInt8(bit)
            return changed
        }
    }

    var description: String {
        switch self {
        case .cut(let offset): "cut at \(offset)"
        case .flip(let offset, let bit): "bit \(bit) of byte \(offset) flipped"
        }
    }
}

/// What the undamaged corpus gives to a replay: each record and each snapshot's slices, to compare with.
final class CorpusContents: Sendable {
    struct Entry: Sendable {
        var time: Timestamp
        var stream: StreamID
        var n: UInt32
        var previousChecksum: UInt32
        var checksum: UInt32
        var isFinal: Bool
        var kind: [UInt8]
        var payload: [UInt8]
        var index: [UInt8]

        init(_ view: RecordView) {
            time = view.time
            stream = view.stream
            n = view.n
            previousChecksum = view.previousChecksum
            checksum = view.checksum
            isFinal = view.isFinal
            kind = Array(view.kind)
            payload = Array(view.payload)
            index = Array(view.index)
        }

        func isSame(as view: RecordView) -> Bool {
            time == view.time && stream == view.stream && n == view.n && previousChecksum == view.previousChecksum
                && checksum == view.checksum && isFinal == view.isFinal && Self.isSame(kind, view.kind)
                && Self.isSame(payload, view.payload) && Self.isSame(index, view.index)
        }

        private static func isSame(_ a: [UInt8], _ b: ArraySlice<UInt8>) -> Bool {
            let count = a.count
            guard count == b.count else { return false }
            return a.withUnsafeBytes { a in
                b.withUnsafeBytes { b in
                    guard let a = a.baseAddress, let b = b.baseAddress else { return true }
                    return memcmp(a, b, count) == 0
                }
            }
        }
    }

    let entries: [Entry]
    let slices: [UInt64: [[UInt8]]]

    init(entries: [Entry], slices: [UInt64: [[UInt8]]]) {
        self.entries = entries
        self.slices = slices
    }
}

/// A replay that compares all it is given with what was written.
struct CorpusReplay: JournalReplay {
    /// Nil while the corpus itself is read, undamaged: then everything is taken down.
    let contents: CorpusContents?
    private(set) var taken: [CorpusContents.Entry] = []
    private(set) var takenSlices: [UInt64: [[UInt8]]] = [:]
    /// Which records came, by number.
    private(set) var came: [Bool]
    private(set) var lastQ: UInt64 = 0
    private(set) var quarantined: [ULID] = []
    /// What was not as written, in words.
    private(set) var wrong: [String] = []

    init(_ contents: CorpusContents?) {
        self.contents = contents
        came = [Bool](repeating: false, count: (contents?.entries.count ?? 0) + 1)
    }

    mutating func reset() {
        let keptSlices = takenSlices
        self = CorpusReplay(contents)
        takenSlices = keptSlices
    }

    mutating func restore(_ snapshot: inout SnapshotReader) throws {
        var slices: [[UInt8]] = []
        while let slice = snapshot.next() { slices.append(Array(slice)) }
        guard let contents else {
            takenSlices[snapshot.q] = slices
            return
        }
        if contents.slices[snapshot.q] != slices {
            wrong.append("the state of snapshot \(snapshot.q) is not what was saved")
        }
        lastQ = snapshot.q
    }

    mutating func apply(_ record: RecordView) throws {
        guard let contents else {
            taken.append(CorpusContents.Entry(record))
            return
        }
        guard record.q >= 1, record.q < came.count else {
            wrong.append("record \(record.q) was never written")
            return
        }
        if record.q <= lastQ { wrong.append("record \(record.q) came after record \(lastQ)") }
        lastQ = record.q
        came[Int(record.q)] = true
        if !contents.entries[Int(record.q) - 1].isSame(as: record) {
            wrong.append("record \(record.q) is not what was written")
        }
    }

    mutating func quarantine(_ run: ULID, because reason: QuarantineReason) { quarantined.append(run) }
}

/// Says whether a start on the damaged corpus kept what Daybook promises.
///
/// - Every record given out is byte for byte one that was written, in order, once.
/// - A record that is missing is one of a run that was set aside, or is named as damaged, or belongs to the torn end:
///   the last batch of the log, which nothing proves to have been flushed, neither a later commit line nor the file of
///   a stream.
/// - Only a run is set aside whose own line lies at the damage.
/// - Where a start is refused, the error says which file and which place.
struct CorpusJudge {
    let image: CorpusImage
    /// Stream files are there to tell of records that the log has lost.
    let hasStreamFiles: Bool

    struct Verdict {
        /// A short name of what happened, for counting.
        var outcome: String
        var complaints: [String] = []
    }

    /// Where a change lies.
    enum Place: String {
        case header = "a segment's header"
        case record = "a record"
        case commit = "a commit line"
        case torn = "the last batch"
        case lineFeed = "a line feed"
        case behind = "behind what counts"
        case elsewhere = "another file"
    }

    func place(_ path: String, _ change: CorpusChange) -> Place {
        guard let segment = image.segments.first(where: { $0.path == path }) else {
            return path.hasPrefix("journal/0") ? .behind : .elsewhere
        }
        guard let index = segment.line(at: change.offset) else { return .behind }
        let line = segment.lines[index]
        if case .header = line.kind { return .header }
        if isOfLastBatch(line.kind) { return .torn }
        if change.offset == line.range.upperBound - 1, case .flip = change { return .lineFeed }
        if case .commit = line.kind { return .commit }
        return .record
    }

    private func isOfLastBatch(_ kind: CorpusImage.Line.Kind) -> Bool {
        switch kind {
        case .header: false
        case .record(let q), .commit(let q): q >= image.lastBatchQ
        }
    }

    /// Streams whose lines lie at the damage: those it may cost.
    private func harmed(_ path: String, _ change: CorpusChange) -> Set<String> {
        guard let segment = image.segments.first(where: { $0.path == path }),
            let first = segment.line(at: change.offset)
        else { return [] }
        var lines = segment.lines[first...]
        if case .flip(let offset, _) = change {
            // Without its line feed a line runs into the next one.
            let isLineFeed = offset == segment.lines[first].range.upperBound - 1
            lines = lines.prefix(isLineFeed ? 2 : 1)
        }
        var streams: Set<String> = []
        for line in lines {
            if case .record(let q) = line.kind { streams.insert(image.records[Int(q) - 1].stream) }
        }
        return streams
    }

    /// The first record that may be gone without a word, as part of a torn end.
    private func firstTornQ(_ path: String, _ change: CorpusChange) -> UInt64 {
        guard let segment = image.segments.last, segment.path == path, change.offset < segment.end else {
            return .max
        }
        var first = image.lastBatchQ
        switch change {
        case .flip(let offset, _):
            guard let line = segment.line(at: offset), isOfLastBatch(segment.lines[line].kind) else { return .max }
        case .cut(let offset):
            // Whole batches before the cut are there; what comes after it only the files of streams can tell.
            first = (segment.lines.first { $0.kind != .header }).map(\.kind).flatMap(Self.q) ?? .max
            for line in segment.lines where line.range.upperBound <= offset {
                if case .commit(let q) = line.kind { first = q + 1 }
            }
        }
        return hasStreamFiles ? max(first, image.followedQ + 1) : first
    }

    private static func q(_ kind: CorpusImage.Line.Kind) -> UInt64? {
        switch kind {
        case .header: nil
        case .record(let q), .commit(let q): q
        }
    }

    func judge(
        _ path: String, _ change: CorpusChange, _ result: Result<RecoveryReport, JournalOpenError>,
        _ replay: CorpusReplay
    ) -> Verdict {
        switch result {
        case .failure(let error): refused(path, change, error)
        case .success(let report): opened(path, change, report, replay)
        }
    }

    private func refused(_ path: String, _ change: CorpusChange, _ error: JournalOpenError) -> Verdict {
        switch error {
        case .damaged(let damage):
            var verdict = Verdict(outcome: "the start is refused and names the place")
            let isHere = damage.path == path && !harmed(path, change).isEmpty
            if !isHere { verdict.complaints.append("the error names another place: \(error)") }
            return verdict
        default:
            return Verdict(
                outcome: "the start is refused", complaints: ["it does not start, and says no place: \(error)"])
        }
    }

    private func opened(
        _ path: String, _ change: CorpusChange, _ report: RecoveryReport, _ replay: CorpusReplay
    ) -> Verdict {
        var verdict = Verdict(outcome: "", complaints: replay.wrong)
        let harmed = harmed(path, change)
        for run in replay.quarantined where !harmed.contains("run/\(run.text)") {
            verdict.complaints.append("run \(run.text) was set aside, but no line of its is damaged")
        }
        for damage in report.damage {
            guard let q = damage.q, let stream = damage.stream else { continue }
            guard q >= 1, q <= image.lastQ else {
                verdict.complaints.append("record \(q) is called damaged and never was")
                continue
            }
            if image.records[Int(q) - 1].stream != stream.text {
                verdict.complaints.append("record \(q) is said to be of \(stream.text)")
            }
        }
        let quarantined = Set(replay.quarantined.map { "run/\($0.text)" })
        let named = Set(report.damage.compactMap(\.q))
        let firstTornQ = firstTornQ(path, change)
        var missing = 0
        var torn = 0
        for q in stride(from: report.snapshotQ + 1, through: image.lastQ, by: 1) where !replay.came[Int(q)] {
            missing += 1
            let stream = image.records[Int(q) - 1].stream
            if quarantined.contains(stream) || (named.contains(q) && !stream.hasPrefix("run/")) { continue }
            if q >= firstTornQ, q > report.lastQ {
                torn += 1
                continue
            }
            verdict.complaints.append("record \(q) of \(stream) is gone without a word")
        }
        if hasStreamFiles, report.lastQ < image.followedQ {
            verdict.complaints.append(
                "the log goes on after record \(report.lastQ), but files of streams have \(image.followedQ)")
        }
        let isSaid = !report.damage.isEmpty || report.tornBytes > 0 || !report.warnings.isEmpty
        if torn > 0 {
            let isSaidToBeCut = report.warnings.contains { $0.contains(path) }
            switch change {
            case .cut:
                verdict.outcome = "the log is said to be cut off; what no other file has is gone"
                if !isSaidToBeCut { verdict.complaints.append("a start does not say that the log was cut off") }
            case .flip: verdict.outcome = "a torn end is dropped"
            }
        } else if !quarantined.isEmpty {
            verdict.outcome = "a run is set aside"
        } else if missing > 0 {
            verdict.outcome = "a lost record of no run is named"
        } else if !report.snapshotsRefused.isEmpty {
            verdict.outcome = "another snapshot or the log is used"
        } else if !report.damage.isEmpty {
            verdict.outcome = "damage is named, nothing is lost"
        } else if report.tornBytes > 0 {
            verdict.outcome = "bytes behind the end are dropped"
        } else {
            verdict.outcome = "nothing is lost and nothing said"
        }
        let place = place(path, change)
        if place != .behind, place != .elsewhere, !isSaid, torn == 0, report.snapshotQ < lastQ(path) {
            verdict.complaints.append("a start says nothing of it")
        }
        return verdict
    }

    /// The last record of a segment; a start does not read segments that a snapshot makes superfluous.
    private func lastQ(_ path: String) -> UInt64 {
        image.segments.first { $0.path == path }?.lines.reversed().compactMap { Self.q($0.kind) }.first ?? 0
    }
}
