internal import DaybookSystem
internal import DaybookValues

extension Recovery {
    /// Where a record lies among the stream files.
    private struct Place {
        var q: UInt64
        var file: Int32
        var bytes: Int32
        var offset: Int
    }

    /// Puts the state together from the stream files, merged by number, up to where the log begins. The last resort:
    /// it reads every file there is.
    mutating func rebuildFromStreams(
        _ replay: inout some JournalReplay, before firstInLog: UInt64
    ) throws(JournalOpenError) {
        let paths: [String]
        do throws(FileError) { paths = try StreamPaths.all(disk) } catch { throw .file(error) }
        var places: [Place] = []
        for (index, path) in paths.enumerated() {
            guard let content = try? disk.contents(of: path) else { continue }
            var state = StreamFileState(bytes: 0, n: 0, checksum: 0)
            var stream: StreamID?
            var hasEnded = false
            let validBytes = StreamFile.forEach(content) { record in
                guard record.q < firstInLog else { return }
                places.append(
                    Place(
                        q: record.q, file: Int32(index), bytes: Int32(record.line.count), offset: record.line.lowerBound
                    ))
                state = StreamFileState(
                    bytes: UInt64(record.line.upperBound), n: record.n &+ 1, checksum: record.checksum)
                stream = record.stream
                hasEnded = record.isFinal
            }
            if validBytes < content.count {
                report.warnings.append("\(path) can be read only up to byte \(validBytes) of \(content.count).")
            }
            guard let stream, !hasEnded else { continue }
            files.set(stream, state)
            tips.set(stream, StreamTip(n: state.n, checksum: state.checksum))
        }
        guard !places.isEmpty else { throw .gap(from: 1, to: firstInLog - 1) }
        places.sort { $0.q < $1.q }
        let tipsBefore = tips
        for place in places {
            let path = paths[Int(place.file)]
            let line: [UInt8]
            do throws(FileError) {
                line = try disk.open(path, .read).read(at: place.offset, count: Int(place.bytes))
            } catch {
                throw .file(error)
            }
            if let record = StreamFile.records(line).records.first { try apply(record, line, &replay) }
        }
        // `apply` follows the streams record by record; what counts is where each file stood when its records ended.
        tips = tipsBefore
        report.wasRebuilt = true
        report.snapshotQ = firstInLog - 1
        report.lastQ = firstInLog - 1
        proven = firstInLog - 1
        report.warnings.append(
            "The state was rebuilt from \(paths.count) stream files up to record \(firstInLog - 1).")
    }
}

/// The files of streams, by walking their folders.
enum StreamPaths {
    /// System, then events, then runs, each from old to new.
    static func all(_ disk: any Disk) throws(FileError) -> [String] {
        var paths: [String] = []
        for folder in ["system", "events"] {
            paths += try names(disk, folder, .file).filter { $0.hasSuffix(".jsonl") }.map { folder + "/" + $0 }
        }
        for day in try names(disk, "runs", .directory) {
            for hour in try names(disk, "runs/" + day, .directory) {
                let folder = "runs/\(day)/\(hour)"
                paths += try names(disk, folder, .file).filter { $0.hasSuffix(".jsonl") && $0 != "index.jsonl" }
                    .map { folder + "/" + $0 }
            }
        }
        return paths
    }

    /// Sorted names of one kind of entry; none when the folder is missing.
    static func names(
        _ disk: any Disk, _ folder: String, _ kind: DirectoryEntry.Kind
    ) throws(FileError) -> [String] {
        guard try disk.stat(folder)?.kind == .directory else { return [] }
        return try disk.list(folder).filter { $0.kind == kind }.map(\.name).sorted()
    }
}
