internal import DaybookSystem
internal import DaybookValues

extension Recovery {
    /// Whether the log ends where it ended. Stream files are written only after the flush, so a record in one of them
    /// that the log does not reach was on disk and is gone: a segment is missing, or its end is. That must not pass for
    /// an orderly end, because numbers would be given out twice.
    ///
    /// The files looked at are the newest of the system and of the events: every process writes to the first when it
    /// starts, and what was accepted stands in the second. Of a copy nothing can be told: its files are of different
    /// moments.
    func checkEnd() throws(JournalOpenError) {
        var newest: UInt64 = 0
        do throws(FileError) {
            for folder in ["system", "events"] {
                guard let name = try StreamPaths.names(disk, folder, .file).last(where: { $0.hasSuffix(".jsonl") })
                else { continue }
                newest = max(newest, try lastQ(of: folder + "/" + name))
            }
        } catch {
            throw .file(error)
        }
        guard newest <= report.lastQ else { throw .gap(from: report.lastQ + 1, to: newest) }
    }

    private static let tailBytes = 256 << 10

    /// The number of the last record near the end of a stream's file; 0 when there is none.
    private func lastQ(of path: String) throws(FileError) -> UInt64 {
        let file = try disk.open(path, .read)
        let size = try file.bytes()
        let start = max(0, size - Self.tailBytes)
        let tail = try file.read(at: start, count: size - start)
        return tail.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return 0 }
            var parser = LineParser()
            var position = 0
            var last: UInt64 = 0
            while let lineEnd = BatchScanner.lineEnd(base, position, tail.count) {
                if let record = parser.record(base, position..<lineEnd), record.stream.path == path {
                    last = max(last, record.q)
                }
                position = lineEnd + 1
            }
            return last
        }
    }
}
