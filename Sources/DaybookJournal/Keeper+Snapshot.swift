internal import DaybookSystem
internal import DaybookValues
internal import Synchronization

extension Keeper {
    private static let temporary = "snapshot/new.tmp"
    private static let paceBytes = 4 << 20

    /// Moves the snapshot at hand on by one slice, or publishes it.
    /// - Returns: whether it can be moved on at once.
    func lookAfterSnapshot(_ work: inout KeeperWork) throws(FileError) -> Bool {
        guard let writer = snapshots.withLock({ $0.writer }) else { return false }
        let (slices, isFinished, isCancelled) = writer.pending.withLock { pending in
            defer { pending.slices = [] }
            return (pending.slices, pending.isFinished, pending.isCancelled)
        }
        do throws(FileError) {
            if isCancelled {
                drop(&work)
                return false
            }
            let file: any DiskFile
            if let open = work.file {
                file = open
            } else {
                file = try disk.open(Self.temporary, .create)
                try file.truncate(to: 0)
                work.file = file
                work.fileBytes = 0
                work.chunks = 0
                try append(SnapshotFile.header(q: writer.q), file, &work)
            }
            for slice in slices { try appendChunk(SnapshotFile.slice, slice, file, &work) }
            guard isFinished else { return false }
            try publish(writer, file, &work)
            return true
        } catch {
            // A snapshot is a cache: it is given up, and tried again later, unless the disk has failed for good. That its
            // own file could not be flushed for want of room harms nothing: it has not got its name yet.
            drop(&work)
            try? disk.unlink(Self.temporary)
            if error.isFinal, !(error.isOutOfSpace && error.path == Self.temporary) { throw error }
            let now = clock.now
            snapshots.withLock { facts in
                facts.failedAt = now
                facts.pause = facts.backOff.next()
            }
            return false
        }
    }

    /// Rule 11: the name appears only after S is flushed, which it was when the snapshot was begun, and after a
    /// checkpoint that covers it.
    private func publish(
        _ writer: SnapshotWriter, _ file: any DiskFile, _ work: inout KeeperWork
    ) throws(FileError) {
        try follower.catchUp(to: writer.q)
        _ = try follower.step()
        guard try follower.checkpoint() >= writer.q, let captured = follower.captured(at: writer.q) else {
            throw FileError(errno: 5, operation: .sync, path: SnapshotFile.path(q: writer.q))
        }
        try appendChunk(SnapshotFile.streams, captured.streams, file, &work)
        var runs: [UInt8] = []
        for run in captured.quarantined {
            runs.append(littleEndian: run.run.high)
            runs.append(littleEndian: run.run.low)
            runs.append(littleEndian: run.neededFrom)
            runs.append(littleEndian: run.neededTo)
        }
        try appendChunk(SnapshotFile.quarantined, runs, file, &work)
        var count: [UInt8] = []
        count.append(littleEndian: work.chunks)
        try appendChunk(SnapshotFile.end, count, file, &work)
        try file.sync()
        try disk.rename(Self.temporary, to: SnapshotFile.path(q: writer.q))
        try disk.syncDirectory("snapshot")
        let (bytes, now) = (work.fileBytes, clock.now)
        snapshots.withLock { facts in
            facts.q = writer.q
            facts.at = now
            facts.bytes = bytes
            facts.failedAt = nil
            facts.backOff.reset()
            facts.isUrgent = false
        }
        drop(&work)
        if let note = work.lockNoteOfCopy {
            // Only now is everything that the copy lacked durable, so that a start in between checks all files again.
            try DirectoryOpening.writeLockNote(disk, note)
            work.lockNoteOfCopy = nil
        }
        // A backup that has copied the log already needs a snapshot that is not younger.
        guard try disk.stat(Self.holdPath) == nil else { return }
        for q in try SnapshotFile.list(disk).dropFirst(2) { try disk.unlink(SnapshotFile.path(q: q)) }
    }

    private func drop(_ work: inout KeeperWork) {
        follower.dropCapture()
        snapshots.withLock { $0.writer = nil }
        work.file?.close()
        work.file = nil
    }

    private func appendChunk(
        _ kind: UInt32, _ content: [UInt8], _ file: any DiskFile, _ work: inout KeeperWork
    ) throws(FileError) {
        try append(SnapshotFile.chunkHead(kind, content), file, &work)
        try append(content, file, &work)
        work.chunks += 1
    }

    private func append(_ bytes: [UInt8], _ file: any DiskFile, _ work: inout KeeperWork) throws(FileError) {
        var done = 0
        while done < bytes.count {
            let piece = bytes[done..<min(done + Self.paceBytes, bytes.count)]
            try file.write(piece, at: work.fileBytes)
            let before = work.fileBytes / Self.paceBytes
            work.fileBytes += piece.count
            done += piece.count
            if work.fileBytes / Self.paceBytes > before {
                try file.startWriteback(at: before * Self.paceBytes, bytes: Self.paceBytes)
            }
        }
    }
}
