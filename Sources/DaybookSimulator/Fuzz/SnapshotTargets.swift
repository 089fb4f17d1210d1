import DaybookCore
import DaybookJournal
import DaybookNode
import DaybookValues

extension FuzzTargets {
    /// The state, on its own and in a snapshot file with right checksums or any.
    static let snapshotTargets: [FuzzTarget] = [
        FuzzTarget("state", tokens: recordTokens, run: checkState),
        FuzzTarget("snapshot", bytesMax: 8_192, tokens: ["{\"snapshot\":1,\"q\":"]) {
            try checkSnapshot($0)
        },
        FuzzTarget(
            "snapshot-sealed", corpus: "snapshot", bytesMax: 8_192, tokens: ["{\"snapshot\":1,\"q\":"]
        ) { try checkSnapshot(Seal.snapshot($0)) },
    ]

    private static func checkState(_ bytes: [UInt8]) throws {
        let core = Core()
        do throws(DaybookCore.SnapshotError) {
            try core.restore(snapshot: bytes[...])
        } catch {
            try require(!error.description.isEmpty, "a refused state says why")
            return
        }
        try CoreCheck.snapshot(core, isNatural: false)
        try CoreCheck.drive(core)
    }

    /// A snapshot and nothing else: it is used, and the journal goes on behind it, or it is refused.
    private static func checkSnapshot(_ bytes: [UInt8]) throws {
        let start = Array("{\"snapshot\":1,\"q\":".utf8)
        let digits = bytes.starts(with: start) ? bytes[start.count...].prefix { $0 &- 0x30 < 10 } : []
        let number = String(decoding: digits, as: UTF8.self)
        let padded = String(repeating: "0", count: max(0, 20 - number.count)) + number
        let directory = try FuzzDirectory([("snapshot/\(padded).snap", bytes)])
        _ = try Verifier.verify(directory.disk)
        var replay = FuzzReplay(sums: [])
        let journal: Journal
        do throws(JournalOpenError) {
            journal = try directory.open(&replay)
        } catch {
            try require(!error.description.isEmpty, "a refused directory says why")
            return
        }
        let state = replay.core.encodedState
        let time = Timestamp(milliseconds: 1_795_248_000_000)
        // Records of the streams that the snapshot speaks of go to their files.
        for run in replay.core.newestRuns(before: nil, limit: 3, where: { _, _ in true }) {
            journal.log.begin(.run(run.id), "run.cancelled", at: time)
            Record.runCancelled(reason: "fuzz").appendPayload(to: &journal.log.bytes)
            journal.log.end(final: true)
        }
        let q = journal.log.begin(.system(month: 682), "clock.moved", at: time)
        Record.clockMoved(offset: 5).appendPayload(to: &journal.log.bytes)
        journal.log.end()
        try journal.log.commit()
        while try journal.follower.step() {}
        _ = try journal.follower.checkpoint()
        // What it tells the next start is the same state again.
        let writer = journal.beginSnapshot()
        writer.append(state)
        writer.finish()
        var steps = 0
        while try journal.keeper.step(), steps < 100 { steps += 1 }
        journal.unlock()
        var next = FuzzReplay(sums: [])
        let reopened: Journal
        do throws(JournalOpenError) {
            reopened = try directory.open(&next)
        } catch {
            throw FuzzViolation("a directory that was opened can be opened again, but: \(error)")
        }
        try require(
            reopened.report.lastQ == q, "record \(q) was committed, but the log ends at \(reopened.report.lastQ)")
        try CoreCheck.drive(next.core)
    }
}
