import DaybookCore
import DaybookFakes
import DaybookJournal
import DaybookNode
import DaybookSystem
import DaybookTesting
import DaybookValues

extension World {
    /// Faults are off: everything that can finish must finish.
    func finish() {
        startLast()
        resumeAll()
        let roundsMax = 6_000
        for round in 0...roundsMax {
            settle()
            guard isSound, let process, !hasEndedEarly else { return }
            let holds = process.node.core.holds()
            if process.node.core.runCount == 0, holds.isEmpty, !hasUndoneFiles, !process.node.hasWork { break }
            if round == roundsMax {
                let left = process.node.core.runSummaries.prefix(3).map { "\($0)" }
                ledger.violate("not everything finishes; left are \(left) \(holds.prefix(3)) \(undoneFiles)")
                return
            }
            clock.advance(milliseconds: hop(limit: 400 * 86_400_000))
        }
        guard damage.isEmpty else { return }
        checkFiles()
        checkRuns()
        checkEvents()
    }

    /// The files of streams, byte by byte, and the state as it comes out of them in every way there is.
    private func checkFiles() {
        guard let process else { return }
        do throws(FileError) {
            try process.node.journal.follower.catchUp(to: process.node.journal.flushedQ)
            for stream in ledger.streamNames {
                guard let id = StreamID(stream) else { continue }
                // The file of a run that was set aside is left as it was.
                if case .run(let run) = id, ledger.quarantinedRuns.contains(run) { continue }
                let path = id.path
                let content = try disk.contents(of: path) ?? []
                // What the device refuses twice costs the run its file; what is in it is right all the same.
                if case .run = id, deviceFailures >= 2, ledger.bytes(of: stream).starts(with: content) { continue }
                if content != ledger.bytes(of: stream) {
                    ledger.violate(
                        "\(path) has \(content.count) bytes that are not the \(ledger.bytes(of: stream).count) of the log"
                    )
                }
            }
            _ = try process.node.journal.follower.checkpoint()
        } catch {
            ledger.violate("the files cannot be read in the end: \(error)")
            return
        }
        let state = process.node.core.encodedState
        if state != ledger.shadow.encodedState {
            ledger.violate("the state is not what the records say: \(difference(process.node.core))")
        }
        check(disk.copy(), "the directory in the end", isLive: false)
        guard random.chance(percent: 30), isSound, deviceFailures < 2 else { return }
        for way in ["as it is", "without snapshots", "from the files of streams and the last segment"] {
            let copy = disk.copy()
            if way != "as it is" { remove("snapshot/", from: copy) }
            if way.hasPrefix("from") {
                let segments = copy.allPaths.filter { $0.hasPrefix("journal/0") }
                for path in segments.dropLast() { copy.delete(path) }
            }
            do {
                let machine = try ManualNode(
                    ManualNode.Surroundings(disk: copy, clock: clock, random: SeededRandom(seed: 1)), configuration)
                counts.statesCompared += 1
                if machine.node.core.encodedState != state {
                    ledger.violate("the state that a start finds \(way) is another: \(difference(machine.node.core))")
                }
            } catch {
                ledger.violate("the directory cannot be opened \(way): \(error)")
            }
        }
    }

    private func remove(_ prefix: String, from disk: MemoryDisk) {
        for path in disk.allPaths where path.hasPrefix(prefix) { disk.delete(path) }
    }

    /// How often the disk answered EIO.
    private var deviceFailures: Int {
        disk.failureCounts.reduce(0) { $1.key.errno == 5 ? $0 + $1.value : $0 }
    }

    /// Every run has ended, and as its program and its records say it must.
    private func checkRuns() {
        for id in ledger.runsInOrder {
            guard let run = ledger.runs[id], let program = agenda.programs.first(where: { $0.wholeID == run.function })
            else { continue }
            // With other retries than its own, a run may get over what else would have stopped it.
            let expected = [program.retries + 1, wasRedeployed ? .max : program.retries + 1].map {
                program.expectedEnd(run, attemptsMax: $0)
            }
            counts.runsChecked += 1
            switch run.end {
            case .runCompleted(let output):
                let text = JSONView(output)?.string ?? "?"
                if expected.contains(.completed(text)) { continue }
                ledger.violate("run \(id.text) of \(run.function) returned \(text); its records say \(expected[0])")
            case .runFailed(let error, _):
                let name = JSONView(error)?.member("name")?.string ?? "?"
                if expected.contains(.failed(name)) { continue }
                if name == "EventDecodingError", case .minutes = program.start { continue }
                if wasRedeployed, name == "Boom" { continue }
                ledger.violate("run \(id.text) of \(run.function) failed with \(name); its records say \(expected[0])")
            case .runCancelled:
                let mayBe =
                    requestedCancels.contains(id) || program.startTimeout != nil || program.finishTimeout != nil
                    || ledger.flow.cancelled.contains(id)
                if !mayBe { ledger.violate("run \(id.text) was cancelled, and nobody asked for it") }
            case .runQuarantined(let reason):
                // What the device refuses twice is given up.
                if deviceFailures >= 2 { continue }
                ledger.violate("run \(id.text) was set aside, and nothing was damaged: \(reason)")
            default: ledger.violate("run \(id.text) has not ended")
            }
        }
    }

    /// Every event that was acknowledged, and every event of a good file, is in the journal once; others at most once.
    private func checkEvents() {
        for number in acknowledged.sorted() where ledger.timesReceived[number] != 1 {
            ledger.violate(
                "event #\(number) was acknowledged and is \(ledger.timesReceived[number] ?? 0) times in the journal")
        }
        counts.eventsAcknowledged += acknowledged.count
        counts.eventsFound += acknowledged.count { ledger.timesReceived[$0] == 1 }
        for file in files {
            // A file that the device refuses to read again and again is refused in turn, and kept.
            if deviceFailures >= 2, disk.fileNames(in: "inbox/rejected").contains(where: { $0.hasPrefix(file.name) }) {
                continue
            }
            for number in file.numbers where ledger.timesReceived[number] != 1 {
                ledger.violate(
                    "event #\(number) of file \(file.name) is \(ledger.timesReceived[number] ?? 0) times in the journal"
                )
            }
            counts.fileEventsFound += file.numbers.count { ledger.timesReceived[$0] == 1 }
        }
        for (number, times) in ledger.timesReceived where times > 1 || !sent.contains(number) {
            ledger.violate("event #\(number) is \(times) times in the journal")
        }
    }
}
