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
        let ended = try runsSetAside(before: firstInLog)
        var lossy: [(run: ULID, q: UInt64)] = []
        var places: [Place] = []
        for (index, path) in paths.enumerated() {
            guard let content = try? disk.contents(of: path) else { continue }
            var state = StreamFileState(bytes: 0, n: 0, checksum: 0)
            var stream: StreamID?
            var hasEnded = false
            if let run = Self.run(ofFile: path), ended.contains(run) { continue }
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
            if case .run(let run) = stream, Self.hasLost(content[validBytes...], before: firstInLog) {
                lossy.append((run, places.last?.q ?? 0))
            }
            files.set(stream, state)
            tips.set(stream, StreamTip(n: state.n, checksum: state.checksum))
        }
        guard !places.isEmpty else { throw .gap(from: 1, to: firstInLog - 1) }
        places.sort { $0.q < $1.q }
        let tipsBefore = tips
        // Followed record by record again, so that a hole in a run shows where it is.
        tips = StreamTable(filler: StreamTip(n: 0, checksum: 0))
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
        // `apply` follows the streams record by record; what counts is where each file stood when its records ended. A run
        // whose end could not be applied has not ended.
        let tipsAfter = tips
        tips = tipsBefore
        for (run, _) in report.quarantined where tips[.run(run)] == nil {
            if let tip = tipsAfter[.run(run)] { tips.set(.run(run), tip) }
        }
        for (run, q) in lossy {
            quarantine(
                run, because: .recordRefused(q: q, message: "records after it in the run's file are damaged"), &replay)
        }
        report.wasRebuilt = true
        report.snapshotQ = firstInLog - 1
        report.lastQ = firstInLog - 1
        proven = firstInLog - 1
        report.warnings.append(
            "The state was rebuilt from \(paths.count) stream files up to record \(firstInLog - 1).")
    }
}

extension Recovery {
    /// Runs that were set aside by a record that the log no longer has. Their files are as they were before that, so only
    /// the lists of finished runs say so.
    private func runsSetAside(before firstInLog: UInt64) throws(JournalOpenError) -> Set<ULID> {
        var runs: Set<ULID> = []
        do throws(FileError) {
            for day in try StreamPaths.names(disk, "runs", .directory) {
                for hour in try StreamPaths.names(disk, "runs/" + day, .directory) {
                    let content = try disk.contents(of: "runs/\(day)/\(hour)/index.jsonl") ?? []
                    for line in content.split(separator: UInt8(ascii: "\n")) {
                        RunIndex.forEach(Array(line) + [UInt8(ascii: "\n")]) { run, _ in
                            guard run.q < firstInLog, run.kind.elementsEqual("run.quarantined".utf8) else { return }
                            runs.insert(run.id)
                        }
                    }
                }
            }
        } catch {
            throw .file(error)
        }
        return runs
    }

    private static func run(ofFile path: String) -> ULID? {
        guard path.hasPrefix("runs/"), let name = path.split(separator: "/").last else { return nil }
        return ULID(name.dropLast(6))
    }

    /// Whether bytes that are no records may have been ones that the log does not have. Half a line at the end is a write
    /// that was never finished.
    private static func hasLost(_ rest: ArraySlice<UInt8>, before firstInLog: UInt64) -> Bool {
        guard let end = rest.firstIndex(of: UInt8(ascii: "\n")) else { return false }
        return Verifier.claimedQ(rest[..<end]).map { $0 < firstInLog } ?? true
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
