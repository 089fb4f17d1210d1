internal import DaybookSystem
internal import DaybookValues

/// What a start takes from the notes that `Repair` left in `journal/damaged/`.
extension Recovery {
    /// Whose damaged record it was, where a repair found that out.
    func repairedOwner(of q: UInt64) -> StreamID? {
        guard let text = repairedOwnerText(of: q) else { return nil }
        return StreamID(text)
    }

    /// Nobody can tell whose record it was, and a repair was told to go on without it.
    func isGivenUp(_ q: UInt64) -> Bool { repairedOwnerText(of: q) != nil }

    private func repairedOwnerText(of q: UInt64) -> String? {
        guard let content = try? disk.contents(of: KnownDamage.ownerPath(q)) else { return nil }
        return String(decoding: content.prefix { $0 != 10 }, as: UTF8.self)
    }

    /// Runs that lost records which only their files had: with results missing they would do steps again.
    mutating func setNotedRunsAside(_ replay: inout some JournalReplay) throws(JournalOpenError) {
        let runs: Set<ULID>
        do throws(FileError) { runs = try KnownDamage(disk).setAside } catch { throw .file(error) }
        for run in runs.sorted() where tips[.run(run)] != nil {
            quarantine(run, because: .repairFoundLoss(path: StreamID.run(run).path), &replay)
        }
    }

    /// Why a record of a run cannot be applied although it is right itself: one before it is missing, and nobody knows
    /// what that said.
    static func hole(before record: ParsedRecord, after tip: StreamTip?) -> String? {
        let n = tip?.n ?? 0
        guard record.n == n, record.previousChecksum == tip?.checksum ?? 0 else {
            return record.n > n
                ? "its record \(n) is missing before record \(record.n)"
                : "it does not follow the run's record before it"
        }
        return nil
    }
}
