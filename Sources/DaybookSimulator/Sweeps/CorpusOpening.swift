import DaybookFakes
import DaybookJournal
import DaybookNode
import DaybookSystem
import DaybookTesting
import DaybookValues

/// Whole openings of the damaged corpus, for a sample of the cases: with lock, marks, notes about damage, a new segment
/// and the follower, and then with a node.
extension CorpusSweep {
    /// More pieces of work than a start ever has: it goes round in circles.
    private static let workMax = 10_000

    /// Goes through a slice of the cases. For each:
    /// - The journal is opened, which has to keep the promises of `CorpusJudge`.
    /// - The follower writes what is missing from the files of streams. Those of streams that were not harmed have every
    ///   line that was written.
    /// - The process dies and the directory is opened again: the same holds, and no further run is set aside.
    /// - A node starts on it, comes to rest, and has not failed. The check of the core is stricter than that of the
    ///   journal, so a run whose event is lost may go as well; its own record says so then.
    package func runOpenings(
        part: Int = 0, of parts: Int = 1, stride: Int = 1, progress: ((_ casesDone: Int) -> Void)? = nil
    ) -> SweepReport {
        var report = SweepReport(name: "corpus, whole openings: \(target.rawValue), \(situation.rawValue)")
        for number in Swift.stride(from: part * stride, to: caseCount, by: parts * stride) {
            let (path, change) = change(number)
            openWhole(path, change, &report)
            report.cases += 1
            if report.cases % 100 == 0 { progress?(report.cases) }
        }
        progress?(report.cases)
        return report
    }

    /// One case again.
    package func openWhole(_ path: String, cutAt offset: Int) -> SweepReport { openWhole(path, .cut(at: offset)) }
    package func openWhole(_ path: String, flippingBit bit: Int, at offset: Int) -> SweepReport {
        openWhole(path, .flip(at: offset, bit: bit))
    }

    private func openWhole(_ path: String, _ change: CorpusChange) -> SweepReport {
        var report = SweepReport(name: "corpus, whole openings: \(target.rawValue), \(situation.rawValue)")
        openWhole(path, change, &report)
        report.cases = 1
        return report
    }

    private func openWhole(_ path: String, _ change: CorpusChange, _ report: inout SweepReport) {
        let clock = ManualClock(now: image.clock.now)
        let disk = image.memory.fork(clock: clock)
        for file in image.files.keys where !isThere(file) { disk.delete(file) }
        switch change {
        case .cut(let offset): disk.truncate(path, to: offset)
        case .flip(let offset, let bit): disk.damage(path, at: offset, flipping: 1 << UInt8(bit))
        }
        var complaints: [String] = []
        defer {
            for text in complaints { report.violation("\(path), \(change), \(situation.rawValue): \(text)") }
        }
        func complain(_ text: String) { complaints.append(text) }
        var quarantined: [ULID]?
        for round in 1...2 {
            var replay = CorpusReplay(contents)
            var result: Result<RecoveryReport, JournalOpenError>
            do throws(JournalOpenError) {
                let journal = try Journal.open(
                    disk: disk, clock: clock, options: Self.options,
                    identity: ProcessIdentity(pid: 1, host: "test", bootID: "test"), replay: &replay)
                result = .success(journal.report)
                try follow(journal, complain)
            } catch {
                result = .failure(error)
            }
            let verdict = judge.judge(path, change, result, replay)
            // The second start finds a log that goes on in a new segment, so what was dropped at its end is not seen.
            for complaint in verdict.complaints where round == 1 || !complaint.hasPrefix("a start ") {
                complain("start \(round): \(complaint)")
            }
            if round == 1 { report.count(verdict.outcome) }
            guard case .success(let opened) = result else {
                disk.crash()
                return
            }
            if let quarantined, Set(quarantined) != Set(replay.quarantined) {
                complain("the second start sets aside \(replay.quarantined), the first \(quarantined)")
            }
            quarantined = replay.quarantined
            checkFiles(disk, path, change, replay, upTo: opened.lastQ, complain)
            disk.crash()
        }
        startNode(disk, clock, &report, complain)
    }

    private static var options: JournalOptions {
        var options = ManualNode.configuration().journal
        options.segmentBytes = CorpusImage.segmentBytes
        return options
    }

    private func follow(_ journal: Journal, _ complain: (String) -> Void) throws(JournalOpenError) {
        do throws(FileError) {
            for _ in 0..<Self.workMax where try !journal.follower.step() { return }
            complain("the follower does not come to rest")
        } catch {
            throw .file(error)
        }
    }

    /// Files of streams that nothing happened to have what was written for them.
    private func checkFiles(
        _ disk: MemoryDisk, _ path: String, _ change: CorpusChange, _ replay: CorpusReplay, upTo lastQ: UInt64,
        _ complain: (String) -> Void
    ) {
        let quarantined = Set(replay.quarantined.map { "run/\($0.text)" })
        var expected: [String: [UInt8]] = [:]
        var lost: Set<String> = []
        for (index, written) in image.records.enumerated() {
            let q = UInt64(index) + 1
            // What a snapshot covers is in the files already; of the rest, what was given out has to get there.
            let isKept = situation == .everything && !replay.came[Int(q)] ? q <= image.followedQ : replay.came[Int(q)]
            guard isKept, q <= lastQ else {
                lost.insert(written.stream)
                continue
            }
            expected[written.stream, default: []] += written.line
        }
        for (stream, lines) in expected where !quarantined.contains(stream) && !lost.contains(stream) {
            guard let file = StreamID(stream)?.path, file != path else { continue }
            if disk.snapshotOfFile(file) ?? [] != lines {
                complain("\(file) does not have what was written for it")
            }
        }
    }

    private func startNode(
        _ disk: MemoryDisk, _ clock: ManualClock, _ report: inout SweepReport, _ complain: (String) -> Void
    ) {
        do {
            let machine = try CorpusMaker.open(disk, clock)
            _ = machine.settle()
            if machine.node.hasFailed || !machine.failureMessages.isEmpty {
                complain("a node ends: \(machine.failureMessages)")
            }
            report.count("nodes started")
            disk.die()
            machine.node.closeLoadedRuns()
            while machine.pool.step() {}
        } catch {
            // A record of no run that the core cannot take in without those before it.
            report.count("nodes that refuse and name the record")
            if !"\(error)".contains("Record ") { complain("a node does not start, and says no place: \(error)") }
        }
        disk.crash()
    }
}
