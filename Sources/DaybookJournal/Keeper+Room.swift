internal import DaybookSystem
internal import DaybookValues
internal import Synchronization

extension Keeper {
    static let ballastPath = "journal/ballast"
    static let holdPath = "hold"

    /// Rule 6: space is claimed before it is needed.
    func lookAfterRoom(_ work: inout KeeperWork) throws(FileError) {
        let free = try disk.freeSpace()
        var isFull = free.bytes < options.freeBytesMin || free.inodes < options.freeInodesMin
        var failure: FileError?
        while !spares.isFull, !isFull || spares.count == 0 {
            do throws(FileError) {
                try spares.add(disk)
            } catch {
                if error.isOutOfSpace { isFull = true } else { failure = error }
                break
            }
        }
        noteShortage(isFull, free)
        // Also when it is something else that is missing, such as descriptors: what there is has to last.
        setPressure(isFull || failure != nil)
        if let failure { throw failure }
        if isFull {
            try giveBallastBack(&work)
        } else if !work.ballastIsThere {
            try makeBallast(&work)
        }
    }

    /// What would have to become free for new work to be taken in: the mark, and the spares that are missing. The ballast
    /// is made again only when there is room for it besides.
    private func noteShortage(_ isFull: Bool, _ free: FreeSpace) {
        let spareBytes = max(0, spares.countWanted - spares.count) * options.segmentBytes
        let bytes = isFull ? max(1, options.freeBytesMin + spareBytes - free.bytes) : 0
        shortage.withLock { $0.bytesToFree = bytes }
    }

    private func setPressure(_ isShort: Bool) {
        let room = state.contents.withLock { $0.roomBytes }
        let reserve = room + spares.count * options.segmentBytes
        // Spares that the writer has just taken are no shortage: the next ones are on their way.
        let pressure: Pressure = !isShort ? .normal : reserve < options.roomBytesMin ? .paused : .refuseNewWork
        current.withLock { $0 = pressure }
    }

    /// The ballast is what makes it possible to write stream files and a snapshot on a full disk, after which log
    /// segments can go.
    private func giveBallastBack(_ work: inout KeeperWork) throws(FileError) {
        guard try disk.stat(Self.ballastPath) != nil else { return }
        try disk.unlink(Self.ballastPath)
        work.ballastIsThere = false
    }

    private func makeBallast(_ work: inout KeeperWork) throws(FileError) {
        if try disk.stat(Self.ballastPath)?.bytes == options.ballastBytes || options.ballastBytes == 0 {
            work.ballastIsThere = true
            return
        }
        // Only when it would not itself bring the disk under its mark.
        let free = try disk.freeSpace()
        guard free.bytes - options.ballastBytes >= options.freeBytesMin else { return }
        do throws(FileError) {
            let file = try disk.open(Self.ballastPath, .create)
            try SpareShelf.fill(file, bytes: options.ballastBytes, with: UInt8(ascii: "\n"))
            work.ballastIsThere = true
        } catch {
            // Nothing hangs on it: it is tried again.
            try? disk.unlink(Self.ballastPath)
            if error.isFinal, !error.isOutOfSpace { throw error }
        }
    }

    // MARK: - Segments that have served

    /// Rule 12. Nothing goes while `hold` exists in the data directory.
    func lookAfterSegments(_ work: inout KeeperWork) throws(FileError) {
        let (segments, _) = state.contents.withLock { ($0.segments, $0.flushedQ) }
        let snapshots = try SnapshotFile.list(disk)
        guard snapshots.count >= 2, try disk.stat(Self.holdPath) == nil else { return }
        let covered = min(snapshots[1], follower.checkpointQ)
        var candidates = segments.dropLast().filter { $0.lastQ <= covered }.map { ($0.name, $0.lastQ) }
        if work.supersededAfter <= covered {
            candidates += work.superseded.map { ($0, work.supersededAfter) }
        }
        guard !candidates.isEmpty else { return }
        let damaged = try DamageNote.segments(disk)
        let needed = follower.quarantinedRuns
        var gone: Set<SegmentName> = []
        for (name, lastQ) in candidates {
            if needed.contains(where: { $0.neededFrom <= lastQ && $0.neededTo >= name.firstQ }) { continue }
            guard let status = try disk.stat(name.path) else {
                gone.insert(name)
                continue
            }
            let age = clock.now - status.modified
            guard age >= options.graceMilliseconds else { continue }
            if damaged.contains(name) {
                try disk.rename(name.path, to: "\(DamageNote.directory)/\(name).jsonl")
            } else {
                try disk.unlink(name.path)
            }
            gone.insert(name)
        }
        guard !gone.isEmpty else { return }
        try disk.syncDirectory("journal")
        work.superseded.removeAll { gone.contains($0) }
        state.contents.withLock { $0.segments.removeAll { gone.contains($0.name) } }
    }
}
