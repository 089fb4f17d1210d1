import DaybookCore
import DaybookSystem
import DaybookValues
import Logging
import Synchronization

/// Runs that have something to do and whose record cannot be read just now, with what is known of earlier tries.
struct PostponedRuns {
    private struct Entry {
        var backOff: BackOff
        /// When it is tried again, by the monotonic clock; nil while it is being tried.
        var due: UInt64?
    }

    private var entries: [ULID: Entry] = [:]
    /// The earliest of them all; `UInt64.max` when nothing waits.
    private(set) var due = UInt64.max

    var isEmpty: Bool { entries.isEmpty }

    subscript(id: ULID) -> BackOff? { entries[id]?.backOff }

    /// Whether its next try has not come yet.
    func isWaiting(_ id: ULID) -> Bool { entries[id].map { $0.due != nil } ?? false }

    mutating func add(_ id: ULID, _ backOff: BackOff, due: UInt64) {
        entries[id] = Entry(backOff: backOff, due: due)
        self.due = min(self.due, due)
    }

    mutating func remove(_ id: ULID) {
        if entries.removeValue(forKey: id) != nil { findDue() }
    }

    /// Those whose next try has come, in the order of their ids.
    mutating func takeDue(by now: UInt64) -> [ULID] {
        guard due <= now else { return [] }
        let ids = entries.filter { $0.value.due.map { $0 <= now } ?? false }.keys.sorted()
        for id in ids { entries[id]?.due = nil }
        findDue()
        return ids
    }

    private mutating func findDue() { due = entries.values.compactMap(\.due).min() ?? .max }
}

extension Node {
    private static let readFailuresUntilNamed = 5

    /// Puts a run off whose record cannot be read because a call failed. It is tried again for as long as that takes, at
    /// first after a second, at last every minute; nothing of it is lost meanwhile. Writer.
    func postpone(_ id: ULID, _ known: BackOff?, because reason: String) {
        var backOff = known ?? postponed[id] ?? BackOff(limit: 60_000)
        let wait = backOff.next()
        if postponed.isEmpty {
            logger.warning(
                "runs cannot be read for now; they are tried again until they can",
                metadata: ["run": "\(id.text)", "reason": "\(reason)"])
        }
        if backOff.failures == Self.readFailuresUntilNamed {
            // One file that stays unreadable when others are not is for somebody to look at.
            logger.error(
                "a run stands still because its record cannot be read; it is tried again every minute",
                metadata: ["run": "\(id.text)", "reason": "\(reason)"])
        }
        postponed.add(id, backOff, due: nowNanoseconds + nanoseconds(wait))
        postponedReasons.withLock { $0[id] = reason }
    }

    /// Tries again what is due. Writer.
    func startPostponed() {
        guard !isDraining, postponed.due != .max else { return }
        for id in postponed.takeDue(by: nowNanoseconds) {
            if core.hasRun(id) { restart(id) } else { settlePostponed(id) }
        }
    }

    /// Its record could be read; whether its outputs can be shows when the code asks for them. Writer.
    func noteLoaded(_ id: ULID) {
        guard postponed[id] != nil else { return }
        _ = postponedReasons.withLock { $0.removeValue(forKey: id) }
    }

    /// The run could be read, or is not to be read any more. Writer.
    func settlePostponed(_ id: ULID) {
        guard postponed[id] != nil else { return }
        postponed.remove(id)
        _ = postponedReasons.withLock { $0.removeValue(forKey: id) }
        if postponed.isEmpty { logger.notice("all runs can be read again") }
    }
}
