import DaybookCore
import DaybookFakes
import DaybookJournal
import DaybookNode
import DaybookSystem
import DaybookValues

/// Files that are changed behind the back of the server, while it is down.
///
/// What was damaged may be lost. The promise is about the rest: nothing is ever read that was not written; the damage is
/// told, as a run set aside, a note or a refusal to start; all other runs are what they were, and finish.
extension World {
    func doDamage(_ kind: FaultKind, file: Int, place: Int, bit: Int) {
        guard process != nil, damage.isEmpty else { return }
        endProcess(.processKilled)
        let paths = disk.allPaths.filter { !$0.hasPrefix("inbox/") }
        guard !paths.isEmpty else { return }
        let path = paths[file % paths.count]
        let bytes = disk.fileBytes(path) ?? 0
        guard bytes > 0 else {
            start()
            return
        }
        // What lies behind the end of a prefilled file is of no interest to anybody.
        let used = max(1, disk.snapshotOfFile(path)?.lastIndex { $0 != 0 && $0 != UInt8(ascii: "\n") } ?? 1)
        switch kind {
        case .bitFlipped: disk.damage(path, at: place % used, flipping: 1 << UInt8(bit))
        case .fileTruncated: disk.truncate(path, to: place % used)
        case .fileDeleted: disk.delete(path)
        default: disk.swap(path, with: paths[place % paths.count])
        }
        counts.add(kind)
        witness.isWatching = false
        damage.append("\(kind.rawValue) \(path) at \(place % used)")
        note("damage: \(damage[0])")
        start()
    }

    /// Records that can still be read are those that were written.
    func compareAfterDamage(_ found: FoundRecords) {
        // Later the numbers of what was lost belong to other records.
        if !isDamageChecked { ledger.compareKnown(found) }
    }

    /// Runs are what they were, or set aside, or have lost what nobody can prove to have been there.
    func checkAfterDamage(_ node: Node) {
        guard !damage.isEmpty, !isDamageChecked else { return }
        isDamageChecked = true
        let report = node.journal.report
        let setAside = Set(report.quarantined.map(\.run))
        let isTold =
            !setAside.isEmpty || !report.damage.isEmpty || !report.warnings.isEmpty || !report.snapshotsRefused.isEmpty
        for expected in ledger.shadow.runSummaries {
            if let found = node.core.summary(of: expected.id), Self.recorded(found) == Self.recorded(expected) {
                continue
            }
            if setAside.contains(expected.id) { continue }
            if ledger.lastRecord(of: expected.id) > report.lastQ { continue }
            if isTold, node.core.summary(of: expected.id) != nil || report.wasRebuilt { continue }
            ledger.violate(
                "run \(expected.id.text) is not what it was after \(damage[0]), and was not set aside: it is \(node.core.summary(of: expected.id).map { "\($0)" } ?? "gone"), was \(expected)"
            )
        }
        counts.damagedStarts += 1
    }

    /// A start that is refused says why, and changes nothing.
    func refusedAfterDamage(_ error: JournalOpenError) {
        note("refused: \(error)")
        switch error {
        case .damaged, .gap, .recordRefused, .newerVersion, .file: break
        default: ledger.violate("after \(damage[0]) the start was refused for the wrong reason: \(error)")
        }
        counts.damagedRefusals += 1
        hasEndedEarly = true
    }

    /// What of a run follows from its records alone: neither from the time of day nor from who executes just now.
    private static func recorded(_ summary: RunSummary) -> RunSummary {
        var summary = summary
        summary.waiting = nil
        summary.lastFailure = nil
        for index in summary.open.indices { summary.open[index].isReady = false }
        return summary
    }
}
