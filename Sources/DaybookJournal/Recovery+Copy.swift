internal import DaybookSystem
internal import DaybookValues

extension Recovery {
    /// In a copy, files that were copied after the log may be ahead of it: they have records of which this log knows
    /// nothing, and whose numbers it will give out again. Those lines are moved to `journal/damaged/`, and so are
    /// snapshots, which a later start would believe.
    ///
    /// Runs that were under way are in the table of files. All others that can be ahead began while the copy was made,
    /// so files of hours long before the last record are left alone.
    func cutFilesAheadOfLog() throws(JournalOpenError) {
        let first = report.newestTime.map { Int(floorDivide($0.milliseconds, 3_600_000)) - 1 } ?? 0
        let recent = RunPath.directory(hour: first)
        var indexes: Set<String> = []
        do throws(FileError) {
            var paths = Set(files.sorted.map(\.stream.path))
            for stream in files.sorted.map(\.stream) {
                if case .run(let run) = stream { indexes.insert(RunPath.index(hour: RunPath.hour(of: run))) }
            }
            for path in try StreamPaths.all(disk) where !path.hasPrefix("runs/") || path >= recent {
                paths.insert(path)
                if path.hasPrefix("runs/") { indexes.insert(parentPath(path) + "/index.jsonl") }
            }
            for path in paths.sorted() {
                guard let content = try disk.contents(of: path) else { continue }
                var kept = 0
                var isAhead = false
                _ = StreamFile.forEach(content) { record in
                    if record.q > report.lastQ { isAhead = true } else { kept = record.line.upperBound }
                }
                if isAhead { try cut(path, content, to: kept) }
            }
            for path in indexes.sorted() {
                guard let content = try disk.contents(of: path) else { continue }
                let kept = RunIndex.length(of: content, upTo: report.lastQ)
                if kept < content.count { try cut(path, content, to: kept) }
            }
            for q in try SnapshotFile.list(disk) where q > report.lastQ {
                try disk.makeDirectory(DamageNote.directory)
                try disk.rename(SnapshotFile.path(q: q), to: "\(DamageNote.directory)/ahead-\(q).snap")
                try disk.syncDirectory("snapshot")
            }
        } catch {
            throw .file(error)
        }
    }

    private func cut(_ path: String, _ content: [UInt8], to kept: Int) throws(FileError) {
        try disk.makeDirectory(DamageNote.directory)
        let name = path.split(separator: "/").joined(separator: "-")
        try disk.replace("\(DamageNote.directory)/ahead-\(name)", with: Array(content[kept...]))
        guard kept > 0 else {
            try disk.unlink(path)
            return
        }
        let file = try disk.open(path, .readWrite)
        try file.truncate(to: kept)
        try file.sync()
    }
}
