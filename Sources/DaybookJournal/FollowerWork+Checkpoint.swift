internal import DaybookSystem
internal import DaybookValues

extension FollowerWork {
    /// Rule 10: stream files, then the folders of new ones, then the note of how far that goes.
    mutating func checkpoint(_ disk: any Disk, segments: [LogState.Segment]) throws(FileError) -> UInt64 {
        let noted = q
        guard noted > checkpointQ else { return checkpointQ }
        // None of them can be made durable by another flush.
        for stream in unflushable.sorted(by: { $0.path < $1.path }) { try flushOne(disk, stream, segments) }
        if touched.count + touchedIndexes.count > Self.singleFlushesMax {
            try disk.syncFileSystem()
        } else {
            for stream in touched.sorted(by: { $0.path < $1.path }) { try flushOne(disk, stream, segments) }
            for hour in touchedIndexes.sorted() { try flushIndex(disk, hour) }
            for folder in changedFolders.sorted(by: >) { try flushFolder(disk, folder) }
        }
        touched.removeAll(keepingCapacity: true)
        touchedIndexes.removeAll(keepingCapacity: true)
        changedFolders.removeAll(keepingCapacity: true)
        checkpointQ = noted
        return noted
    }

    /// A failed flush is never repeated on the same file: it is made anew.
    private mutating func flushOne(
        _ disk: any Disk, _ stream: StreamID, _ segments: [LogState.Segment]
    ) throws(FileError) {
        if !unflushable.contains(stream) {
            do throws(FileError) {
                try disk.open(stream.path, .readWrite).sync()
                return
            } catch {
                guard error.operation == .sync || error.isDeviceFailure || error.isMissing else { throw error }
                unflushable.insert(stream)
            }
        }
        do throws(FileError) {
            if try !makeWhole(disk, stream, segments, replacing: true) { setAside(stream, Self.lossText) }
        } catch {
            // Only a run that is under way can be set aside for it. Of all others the log is the only copy that lasts: it
            // stays, and the process ends.
            guard error.isDeviceFailure, error.operation != .syncDirectory, case .run = stream, files[stream] != nil
            else { throw error }
            setAside(stream, error.description)
        }
        unflushable.remove(stream)
    }

    private mutating func setAside(_ stream: StreamID, _ message: String) {
        // A run that has ended has its end on record; what it cannot have any more is its file.
        guard case .run(let run) = stream, files[stream] != nil else {
            notes.append("\(stream.path) could not be made durable: \(message)")
            return
        }
        quarantined[run] = QuarantinedRun(run: run, neededFrom: checkpointQ + 1, neededTo: q)
        found.append((run, .streamFileFailed(path: stream.path, message: message)))
    }

    private mutating func flushIndex(_ disk: any Disk, _ hour: Int) throws(FileError) {
        do throws(FileError) {
            try disk.open(RunPath.index(hour: hour), .readWrite).sync()
        } catch {
            guard error.isMissing else { throw error }
            try remakeIndex(disk, hour)
        }
    }

    private func flushFolder(_ disk: any Disk, _ folder: String) throws(FileError) {
        do throws(FileError) {
            try disk.syncDirectory(folder)
        } catch {
            // Whoever removed it has removed what was to be flushed.
            guard error.isMissing else { throw error }
        }
    }
}
