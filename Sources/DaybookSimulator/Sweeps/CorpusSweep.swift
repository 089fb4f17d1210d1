import DaybookJournal

/// Opens a small data directory after every byte cut and every bit flipped of its files, one at a time.
///
/// See `CorpusJudge` for what has to hold. Cases are numbered: nine for each byte, the file cut there and its eight
/// bits flipped. A sweep is a slice of them, so that several threads share the work; making the corpus takes a moment,
/// so share the sweep too.
package struct CorpusSweep: Sendable {
    /// What a start finds beside the damaged file.
    package enum Situation: String, Sendable, CaseIterable {
        /// All there is.
        case everything = "with snapshots"
        /// No snapshots: the whole log is replayed.
        case noSnapshots = "without snapshots"
        /// Neither snapshots nor the files of runs, events and the system: nothing makes up for the log.
        case logAlone = "log alone"
    }

    /// Which files are damaged.
    package enum Target: String, Sendable, CaseIterable {
        /// Segments of the log, about 64 KiB.
        case log
        /// All others but the marks, of which nearly all is empty: their first KiB is damaged.
        case others
    }

    package let target: Target
    package let situation: Situation
    let image: CorpusImage
    let contents: CorpusContents
    private let tree: CorpusTree
    /// The files that are damaged, with the number of the first case of each.
    private let files: [(path: String, firstCase: Int, bytes: Int)]
    private let soundFindings: Set<VerifyFinding>

    private static let marksBytes = 1 << 10

    /// Makes the corpus.
    package init(_ target: Target, _ situation: Situation) throws {
        try self.init(CorpusImage(), target, situation)
    }

    /// - Parameter other: another sweep, whose corpus is used.
    package init(_ target: Target, _ situation: Situation, sharing other: CorpusSweep) throws {
        try self.init(other.image, target, situation)
    }

    private init(_ image: CorpusImage, _ target: Target, _ situation: Situation) throws {
        self.image = image
        self.target = target
        self.situation = situation
        tree = CorpusTree(
            image.files.filter { path, _ in Self.isThere(path, situation) }, lockStatus: image.lockStatus)
        var files: [(path: String, firstCase: Int, bytes: Int)] = []
        var count = 0
        for path in tree.files.keys.sorted() where path.hasPrefix("journal/0") == (target == .log) {
            var bytes = tree.files[path]?.count ?? 0
            if path == "journal/marks" { bytes = min(bytes, Self.marksBytes) }
            files.append((path, count, bytes))
            count += 9 * bytes
        }
        self.files = files
        caseCount = count
        contents = try Self.contents(of: image)
        soundFindings = Set(try Verifier.verify(CorpusDisk(tree, changing: "", to: [])).findings)
    }

    /// How many cases there are.
    package let caseCount: Int

    /// What the corpus gives to a replay while nothing is wrong with it, checked against the lines as they stand in it.
    private static func contents(of image: CorpusImage) throws -> CorpusContents {
        var slices: [UInt64: [[UInt8]]] = [:]
        let snapshots = image.files.keys.filter { $0.hasPrefix("snapshot/") }
        for path in snapshots {
            let tree = CorpusTree(
                image.files.filter { $0.key == path || !snapshots.contains($0.key) }, lockStatus: image.lockStatus)
            var replay = CorpusReplay(nil)
            _ = try Journal.read(disk: CorpusDisk(tree, changing: "", to: []), replay: &replay)
            slices.merge(replay.takenSlices) { first, _ in first }
        }
        precondition(slices.count == snapshots.count, "a snapshot of the corpus cannot be read")
        let log = CorpusDisk(
            CorpusTree(image.files.filter { $0.key.hasPrefix("journal/") }, lockStatus: image.lockStatus), changing: "",
            to: [])
        var replay = CorpusReplay(nil)
        let report = try Journal.read(disk: log, replay: &replay)
        precondition(report.damage.isEmpty && report.tornBytes == 0, "the corpus is damaged as it is")
        precondition(replay.taken.count == image.records.count, "the corpus has lines that are not read")
        for (entry, written) in zip(replay.taken, image.records) {
            precondition(entry.stream.text == written.stream, "a line of the corpus is read as another stream's")
        }
        return CorpusContents(entries: replay.taken, slices: slices)
    }

    /// What the corpus is like.
    package var summary: String {
        let log = image.segments.map { segment in "\(segment.path): \(segment.end)" }
        return """
            \(image.files.count) files, \(image.lastQ) records, \(image.followedQ) of them also in the files of their \
            streams, the last batch from record \(image.lastBatchQ) on; bytes that count: \(log.joined(separator: ", "))
            """
    }

    /// Goes through a slice of the cases.
    ///
    /// - Parameters:
    ///   - part: which slice, counted from 0.
    ///   - parts: how many slices there are.
    ///   - stride: every how manieth case is tried; 1, the default, tries all.
    ///   - verifyStride: every how manieth of those is also put to `verify`; 0 for none.
    ///   - progress: called now and then with the number of cases done.
    package func run(
        part: Int = 0, of parts: Int = 1, stride: Int = 1, verifyStride: Int = 1,
        progress: ((_ casesDone: Int) -> Void)? = nil
    ) -> SweepReport {
        var report = SweepReport(name: "corpus: \(target.rawValue), \(situation.rawValue)")
        var number = part * stride
        while number < caseCount {
            let (path, change) = self.change(number)
            open(path, change, &report)
            if verifyStride > 0, report.cases % verifyStride == 0 { verify(path, change, &report) }
            report.cases += 1
            if report.cases % 1_000 == 0 { progress?(report.cases) }
            number += parts * stride
        }
        progress?(report.cases)
        return report
    }

    /// One case again, by its words in a violation.
    package func run(_ path: String, cutAt offset: Int) -> SweepReport { run(path, .cut(at: offset)) }
    package func run(_ path: String, flippingBit bit: Int, at offset: Int) -> SweepReport {
        run(path, .flip(at: offset, bit: bit))
    }

    private func run(_ path: String, _ change: CorpusChange) -> SweepReport {
        var report = SweepReport(name: "corpus: \(target.rawValue), \(situation.rawValue)")
        open(path, change, &report)
        verify(path, change, &report)
        report.cases = 1
        return report
    }

    func change(_ number: Int) -> (String, CorpusChange) {
        let file = files.last { $0.firstCase <= number } ?? files[0]
        let (offset, kind) = (number - file.firstCase).quotientAndRemainder(dividingBy: 9)
        return (file.path, kind == 0 ? .cut(at: offset) : .flip(at: offset, bit: kind - 1))
    }

    private func disk(_ path: String, _ change: CorpusChange) -> CorpusDisk {
        CorpusDisk(tree, changing: path, to: change.applied(to: tree.files[path] ?? []))
    }

    private static func isThere(_ path: String, _ situation: Situation) -> Bool {
        switch situation {
        case .everything: true
        case .noSnapshots: !path.hasPrefix("snapshot/")
        case .logAlone: path.hasPrefix("journal/") || path == "daybook.lock"
        }
    }

    func isThere(_ path: String) -> Bool { Self.isThere(path, situation) }

    var judge: CorpusJudge { CorpusJudge(image: image, hasStreamFiles: situation != .logAlone) }

    // MARK: - One case

    private func open(_ path: String, _ change: CorpusChange, _ report: inout SweepReport) {
        let disk = disk(path, change)
        var replay = CorpusReplay(contents)
        let result: Result<RecoveryReport, JournalOpenError>
        do throws(JournalOpenError) {
            result = .success(try Journal.read(disk: disk, replay: &replay))
        } catch {
            result = .failure(error)
        }
        let verdict = judge.judge(path, change, result, replay)
        report.count("\(judge.place(path, change).rawValue): \(verdict.outcome)")
        for complaint in verdict.complaints {
            report.violation("\(path), \(change), \(situation.rawValue): \(complaint)")
        }
    }

    private func verify(_ path: String, _ change: CorpusChange, _ report: inout SweepReport) {
        let place = judge.place(path, change)
        let what = place == .elsewhere ? Self.kind(of: path) : place.rawValue
        do throws(JournalOpenError) {
            let found = try Verifier.verify(disk(path, change))
            let fresh = found.findings.filter { !soundFindings.contains($0) }
            if fresh.contains(where: { $0.severity == .damage }) {
                report.count("verify, \(what): calls it damage")
                return
            }
            report.count("verify, \(what): \(fresh.isEmpty ? "says nothing" : "notes it")")
            let mustSpeak = ![.behind, .elsewhere].contains(place)
            let mayNote = place == .torn || isEndOfLog(path, change)
            if case .flip = change, place == .elsewhere, fresh.isEmpty, Self.isChecked(path),
                !isWrittenAgain(path, change.offset)
            {
                report.violation("\(path), \(change), \(situation.rawValue): verify says nothing of it")
            }
            if mustSpeak, fresh.isEmpty || !mayNote {
                report.violation("\(path), \(change), \(situation.rawValue): verify does not call it damage")
            }
        } catch {
            report.count("verify, \(what): cannot go on")
            report.violation("\(path), \(change), \(situation.rawValue): verify gives up: \(error)")
        }
    }

    private func isEndOfLog(_ path: String, _ change: CorpusChange) -> Bool {
        guard case .cut = change else { return false }
        return path == image.segments.last?.path
    }

    /// Files whose every byte `verify` answers for. Spares and marks have no content of their own, and the lock file says
    /// only what a start writes anew.
    private static func isChecked(_ path: String) -> Bool {
        ["runs/", "events/", "system/", "snapshot/"].contains { path.hasPrefix($0) }
    }

    /// Whether a byte of a stream's file is of a record behind the newest snapshot: the log has those, and a start writes
    /// them anew, so a file may be in the middle of it. `verify` counts such files, and more than count is not said.
    private func isWrittenAgain(_ path: String, _ offset: Int) -> Bool {
        guard let bytes = tree.files[path], !path.hasPrefix("snapshot/"), !path.hasSuffix("index.jsonl") else {
            return false
        }
        let start = bytes[..<offset].lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        let text = String(decoding: bytes[start...].prefix(40), as: UTF8.self)
        let snapshotQ =
            tree.files.keys.filter { $0.hasPrefix("snapshot/") }
            .compactMap { UInt64($0.dropFirst(9).prefix { $0.isNumber }) }.max() ?? 0
        return UInt64(text.dropFirst(5).prefix { $0.isNumber }).map { $0 > snapshotQ } ?? false
    }

    /// Files of one kind are counted together.
    private static func kind(of path: String) -> String {
        if path.hasSuffix("index.jsonl") { return "a list of finished runs" }
        if path.hasPrefix("journal/spare") { return "a spare" }
        guard let slash = path.firstIndex(of: "/") else { return path }
        switch path[..<slash] {
        case "runs": return "a run's file"
        case "snapshot": return "a snapshot"
        default: return path
        }
    }
}
