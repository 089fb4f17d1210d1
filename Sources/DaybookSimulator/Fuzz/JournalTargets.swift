import DaybookCore
import DaybookFakes
import DaybookJournal
import DaybookNode
import DaybookSystem
import DaybookValues

extension FuzzTargets {
    private static let lineTokens =
        recordTokens + [
            "{\"q\":", "{\"c\":", "\"v\":1,", "\"n\":0,", "\"p\":\"00000000\",", ",\"end\":0", ",\"end\":2",
            ",\"index\":{}",
            ",\"crc\":\"00000000\"}", "\"proven\":", "\"count\":", "\"bytes\":", "\"own\":\"", "run/",
            "events/2026-11-21",
            "system/2026-11", "\n", "\n\n\n\n\n\n\n\n", "{\"log\":1,", "{\"log\":2,", "\"after\":null",
        ]

    /// The files of a journal as a start finds them: as they are; with right checksums on whatever the lines say; and
    /// with everything right but what the records say.
    static let journalTargets: [FuzzTarget] = [
        FuzzTarget("segment", bytesMax: 8_192, quickInputs: 250, tokens: lineTokens, run: checkSegment),
        FuzzTarget("segment-lines", corpus: "segment", bytesMax: 8_192, quickInputs: 250, tokens: lineTokens) {
            try checkSegment(Seal.lines($0))
        },
        FuzzTarget("segment-sealed", corpus: "segment", bytesMax: 8_192, quickInputs: 250, tokens: lineTokens) {
            try checkSegment(Seal.segment($0))
        },
        FuzzTarget(
            "directory", bytesMax: 8_192, quickInputs: 250,
            tokens: lineTokens + ["\n== ", "journal/", "snapshot/", "runs/", "-000002.jsonl"]
        ) { try checkDirectory($0) },
        FuzzTarget(
            "directory-lines", corpus: "directory", bytesMax: 8_192, quickInputs: 250,
            tokens: lineTokens + ["\n== ", "journal/", "snapshot/", "runs/", "-000002.jsonl"]
        ) { try checkDirectory(Seal.lines($0)) },
        FuzzTarget("stream-file", tokens: lineTokens, run: checkStreamFile),
        FuzzTarget("stream-file-sealed", corpus: "stream-file", tokens: lineTokens) {
            try checkStreamFile(Seal.stream($0))
        },
        FuzzTarget("run-index", tokens: lineTokens + ["{\"id\":\"", ",\"k\":\""]) {
            try checkRunIndex($0)
            try checkRunIndex(Seal.lines($0))
        },
        FuzzTarget("marks", bytesMax: 2_048, quickInputs: 500) {
            try checkMarks($0)
            try checkMarks(Seal.marks($0))
        },
        FuzzTarget(
            "lock", bytesMax: 512,
            tokens: ["\"epoch\":", "\"device\":", "\"inode\":", "\"pid\":", "\"", ",", "}"], run: checkLock),
    ]

    // MARK: - Segments

    private static func checkSegment(_ bytes: [UInt8]) throws {
        try check(FuzzDirectory([(path(ofSegment: bytes), bytes)]), holding: bytes)
    }

    /// Several files, each behind a line with `==` and its path.
    private static func checkDirectory(_ bytes: [UInt8]) throws {
        var files: [(path: String, bytes: [UInt8])] = []
        for line in bytes.split(separator: 10, omittingEmptySubsequences: false) {
            if line.starts(with: "== ".utf8) {
                files.append((String(decoding: line.dropFirst(3), as: UTF8.self), []))
            } else if !files.isEmpty {
                files[files.count - 1].bytes += line + [10]
            }
        }
        let folders = ["journal/0", "snapshot/", "runs/", "events/", "system/"]
        let paths = files.map(\.path)
        files.removeAll { file in
            !folders.contains { file.path.hasPrefix($0) } || file.path.hasSuffix("/") || file.path.contains("//")
                || !file.path.utf8.allSatisfy { (0x2D...0x39).contains($0) || (0x41...0x7A).contains($0) }
                || paths.contains { $0.hasPrefix(file.path + "/") }
        }
        for index in files.indices where !files[index].bytes.isEmpty { files[index].bytes.removeLast() }
        try check(FuzzDirectory(files), holding: bytes)
    }

    private static func check(_ directory: FuzzDirectory, holding bytes: [UInt8]) throws {
        let sums = Seal.rightSums(bytes)
        var replay = FuzzReplay(sums: sums)
        let report: RecoveryReport
        do throws(JournalOpenError) {
            report = try Journal.read(disk: directory.disk, replay: &replay)
        } catch {
            try require(!error.description.isEmpty, "a refused directory says why")
            _ = try? Verifier.verify(directory.disk)
            return
        }
        if let violation = replay.violation { throw violation }
        try require(replay.qs.last ?? 0 <= report.lastQ, "no record lies behind the last one")
        let isJSON = Seal.isJSON(bytes)
        try checkViews(directory, replay, isJSON: isJSON)
        let state = replay.core.encodedState
        if isJSON { try CoreCheck.snapshot(replay.core, isNatural: replay.isNatural) }
        try checkOpening(directory, report, state, sums)
        try CoreCheck.drive(replay.core, isJSON: isJSON)
    }

    /// Where the segment says that it lies.
    private static func path(ofSegment bytes: [UInt8]) -> String {
        let start = Array("{\"log\":1,\"segment\":\"".utf8)
        let name = bytes.starts(with: start) ? bytes[start.count...].prefix { $0 != UInt8(ascii: "\"") } : []
        let known = SegmentName(String(decoding: name, as: UTF8.self)) ?? SegmentName(firstQ: 1, epoch: 1)
        return known.path
    }

    /// What people are shown of it.
    private static func checkViews(_ directory: FuzzDirectory, _ replay: FuzzReplay, isJSON: Bool) throws {
        let verified = try Verifier.verify(directory.disk)
        try require(!verified.findings.contains { $0.description.isEmpty }, "every finding says what it is")
        let run = replay.core.runSummaries.first?.id.text
        let stopped = try StoppedDirectory(disk: directory.disk, runIDPart: run)
        let page = try stopped.readModel.runs(RunQuery())
        for row in page.rows.prefix(4) {
            var json: [UInt8] = []
            row.append(to: &json)
            try require(!isJSON || (try? JSONText.check(json)) != nil, "a run in a list is JSON: \(shown(json))")
        }
        // A snapshot may know a run whose file is not there.
        if let run, let id = ULID(run), let detail = try? stopped.readModel.detail(of: id) {
            try check(detail, isJSON: isJSON)
        }
    }

    private static func check(_ detail: RunDetail, isJSON: Bool) throws {
        var json: [UInt8] = []
        detail.append(to: &json)
        try require(!isJSON || (try? JSONText.check(json)) != nil, "a run in detail is JSON: \(shown(json))")
    }

    /// A start finds what was read, its threads do their work, and what is appended is found by the next start.
    private static func checkOpening(
        _ directory: FuzzDirectory, _ report: RecoveryReport, _ state: [UInt8], _ sums: Set<UInt32>
    ) throws {
        var replay = FuzzReplay(sums: sums)
        let journal: Journal
        do throws(JournalOpenError) {
            journal = try directory.open(&replay)
        } catch {
            // A log that ends before the files of streams do is read as it is, but not written.
            if case .gap(let from, _) = error, from > report.lastQ { return }
            throw FuzzViolation("a directory that was read can be opened, but: \(error)")
        }
        try require(journal.report.lastQ == report.lastQ, "a start finds the records that were read")
        try require(replay.core.encodedState == state, "a start finds the state that was read")
        while try journal.follower.step() {}
        _ = try journal.follower.checkpoint()
        _ = try journal.keeper.step()
        let q = journal.log.begin(.system(month: 682), "clock.moved", at: Timestamp(milliseconds: 1_795_248_000_000))
        Record.clockMoved(offset: 5).appendPayload(to: &journal.log.bytes)
        journal.log.end()
        try journal.log.commit()
        while try journal.follower.step() {}
        journal.unlock()
        var next = FuzzReplay(sums: sums.union(Seal.rightSums(try segments(of: directory))))
        let reopened: Journal
        do throws(JournalOpenError) {
            reopened = try directory.open(&next)
        } catch {
            throw FuzzViolation("a directory that was opened can be opened again, but: \(error)")
        }
        try require(
            reopened.report.lastQ == q, "record \(q) was committed, but the log ends at \(reopened.report.lastQ)")
        try require(next.core.movedClockOffset == 5, "the record that was committed is applied by the next start")
    }

    private static func segments(of directory: FuzzDirectory) throws -> [UInt8] {
        var bytes: [UInt8] = []
        for path in directory.disk.allPaths where path.hasPrefix("journal/0") {
            bytes += try directory.disk.contents(of: path) ?? []
        }
        return bytes
    }

    // MARK: - Stream files and lists

    private static let run = ULID(high: 0x019A_A624_EC00_0505, low: 0x0614_0C85_0D30_79D1)

    private static func checkStreamFile(_ bytes: [UInt8]) throws {
        let directory = try FuzzDirectory([(StreamID.run(run).path, bytes)])
        let sums = Seal.rightSums(bytes)
        var previous: (n: UInt32, sum: UInt32)?
        var violation: FuzzViolation?
        do throws(RunRecordsError) {
            let records = try RunRecords(disk: directory.disk, stream: .run(run)) { view in
                if !sums.contains(view.checksum) { violation = FuzzViolation("record \(view.q) has a right checksum") }
                if let previous, view.n != previous.n &+ 1 || view.previousChecksum != previous.sum {
                    violation = FuzzViolation("record \(view.q) follows the one before it")
                }
                previous = (view.n, view.checksum)
            }
            let total = records.entries.reduce(0) { $0 + $1.bytes }
            if total != bytes.count { violation = FuzzViolation("all \(bytes.count) bytes belong to a record") }
            for entry in records.entries { _ = try records.payload(of: entry) }
        } catch {
            if error.description.isEmpty { violation = FuzzViolation("a refused file says why") }
        }
        if let violation { throw violation }
        _ = try Verifier.verify(directory.disk)
        if let detail = try? StoppedDirectory(disk: directory.disk).readModel.detail(of: run) {
            try check(detail, isJSON: Seal.isJSON(bytes))
        }
    }

    private static func checkRunIndex(_ bytes: [UInt8]) throws {
        let directory = try FuzzDirectory([(RunPath.index(hour: RunPath.hour(of: run)), bytes)])
        var index = try RunIndex(disk: directory.disk)
        var count = 0
        while let hour = try index.nextHour() {
            count += hour.count
            try require(zip(hour, hour.dropFirst()).allSatisfy { $0.id > $1.id }, "finished runs come newest first")
        }
        try require(count <= bytes.split(separator: 10).count, "there are no more finished runs than lines")
        let page = try StoppedDirectory(disk: directory.disk).readModel.runs(RunQuery())
        let isJSON = Seal.isJSON(bytes)
        for row in page.rows.prefix(4) {
            var json: [UInt8] = []
            row.append(to: &json)
            try require(!isJSON || (try? JSONText.check(json)) != nil, "a run in a list is JSON: \(shown(json))")
        }
        _ = try Verifier.verify(directory.disk)
    }

    // MARK: - Marks and the lock

    private static func checkMarks(_ bytes: [UInt8]) throws {
        // The file is made in blocks of 256 KiB; what an input does not say is zero.
        let content = bytes + Array(repeating: 0, count: (256 << 10) - bytes.count)
        let directory = try FuzzDirectory([("journal/marks", content)])
        var replay = FuzzReplay(sums: [])
        let journal = try directory.open(&replay)
        try require(journal.marks.deadMarks.count <= bytes.count / 256, "there are no more marks than slots")
        for mark in journal.marks.deadMarks {
            try require(mark.stepIDStart.count <= 200, "a mark has 200 bytes of its step's id at most")
            _ = mark.isOf(step: mark.stepIDStart)
        }
        journal.marks.clearDeadMarks()
        let slot = try journal.marks.claim()
        Array("step".utf8).withUnsafeBufferPointer { journal.marks.write(slot, run: run, step: $0, attempt: 3) }
        journal.unlock()
        let again = try directory.open(&replay)
        try require(
            again.marks.deadMarks.map(\.run) == [run] && again.marks.deadMarks.first?.attempt == 3,
            "the one step that was running is marked: \(again.marks.deadMarks)")
    }

    private static func checkLock(_ bytes: [UInt8]) throws {
        let directory = try FuzzDirectory([("daybook.lock", bytes)])
        var replay = FuzzReplay(sums: [])
        let journal: Journal
        do throws(JournalOpenError) {
            journal = try directory.open(&replay)
        } catch {
            throw FuzzViolation("a directory can be opened whatever its lock file says, but: \(error)")
        }
        do throws(JournalOpenError) {
            _ = try directory.open(&replay)
            throw JournalOpenError.networkFileSystem(name: "none")
        } catch {
            guard case .locked(let holder) = error else { throw FuzzViolation("a second process is kept out") }
            try require(holder.contains("process 1 on fuzz"), "the second process is told who has the lock: \(holder)")
        }
        let epoch = journal.report.epoch
        journal.unlock()
        let again = try directory.open(&replay)
        try require(again.report.epoch == epoch + 1, "the next epoch is one higher than \(epoch)")
    }
}
