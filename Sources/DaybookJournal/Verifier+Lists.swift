internal import DaybookSystem
internal import DaybookValues

/// A finished run as the list of its hour has it.
struct ListedRun: BitwiseCopyable, Sendable {
    var q: UInt64 = 0
    var bytes: UInt64 = 0
    var records: UInt32 = 0
    var isQuarantine = false
    var wasSeen = false
}

extension Verifier {
    /// The files of one hour, and the list of those that have ended.
    mutating func verifyHour(
        _ hour: Int, _ folder: String, _ progress: (Double) -> Void
    ) throws(FileError) {
        // First the list: what is in it was in its file before.
        var listed = try readIndex(hour, folder)
        let entries: [DirectoryEntry]
        do throws(FileError) {
            entries = try disk.list(folder)
        } catch {
            if error.isMissing { return }
            throw error
        }
        var unlisted: [ULID] = []
        for (index, entry) in entries.enumerated() {
            if index % 256 == 0 { progress(Double(index) / Double(entries.count)) }
            guard entry.kind == .file, entry.name.utf8.count == 32, entry.name.hasSuffix(".jsonl"),
                let id = Self.runID(fileName: entry.name), RunPath.hour(of: id) == hour
            else { continue }
            let (stream, path) = (StreamID.run(id), folder + "/" + entry.name)
            let tip = tips[stream]
            guard let file = try summary(of: stream, path, tip) else { continue }
            if var tip, !tip.wasSeen {
                tip.wasSeen = true
                tips.set(stream, tip)
            }
            var known = listed[stream]
            known?.wasSeen = true
            if let known { listed.set(stream, known) }
            judge(stream, path, file, tip, listed: known)
            if let known {
                judgeListed(id, path, file, tip, known, hour)
            } else if file.hasEnded, file.tail == .none, file.q <= snapshotQ, !setAside.contains(id), !isCopy {
                unlisted.append(id)
            } else if file.hasEnded, tip == nil, file.q < position.expectedQ, !setAside.contains(id) {
                unlisted.append(id)
            }
        }
        if let first = unlisted.min() {
            let what = unlisted.count == 1 ? "finished run" : "\(unlisted.count) finished runs, the first of them"
            add(.damage, folder + "/index.jsonl", 0, "\(what) \(first.text), not in the list", .index(hour: hour))
        }
        try noteFilesMissing(hour, folder, listed)
    }

    private mutating func readIndex(_ hour: Int, _ folder: String) throws(FileError) -> StreamTable<ListedRun> {
        var table = StreamTable<ListedRun>(filler: ListedRun())
        let path = folder + "/index.jsonl"
        guard let content = try disk.contents(of: path) else { return table }
        var end = 0
        var lastQ: UInt64 = 0
        var disorder: (Int, ULID)?
        var quarantined: [ULID] = []
        // In a copy the list may be younger than the log, and than the files beside it.
        let aheadQ = isCopy ? position.expectedQ : .max
        var ahead: Int?
        content.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            while let lineEnd = BatchScanner.lineEnd(base, end, buffer.count) {
                guard let (id, run) = Self.listed(base + end, lineEnd - end) else { return }
                if run.q <= lastQ || RunPath.hour(of: id) != hour, disorder == nil { disorder = (end, id) }
                lastQ = max(lastQ, run.q)
                if run.q >= aheadQ { ahead = ahead ?? end }
                end = lineEnd + 1
                report.indexLines += 1
                if ahead != nil { continue }
                if run.isQuarantine { quarantined.append(id) }
                table.set(.run(id), run)
            }
        }
        setAside.formUnion(quarantined)
        report.bytes += content.count
        if let ahead {
            add(.note, path, ahead, "the list goes on beyond the copy of the log; a start sets that aside")
        }
        if let (offset, id) = disorder {
            add(.damage, path, offset, "run \(id.text) is in the wrong place of the list", .index(hour: hour))
        }
        if end < content.count {
            let rest = content[end...]
            let line = rest.firstIndex(of: 10).map { rest[..<$0] }
            let isWhole = line.map { !$0.contains(0) } ?? false
            if isWhole {
                add(.damage, path, end, "the line that starts here is not right", .index(hour: hour))
            } else {
                // Half a write; whether that lost anything shows when the files are compared.
                waitingFiles += 1
            }
        }
        return table
    }

    /// Reads a line of a list as far as it says something about the run's file.
    private static func listed(_ line: UnsafePointer<UInt8>, _ count: Int) -> (ULID, ListedRun)? {
        guard LineParser.verifiedChecksum(line, count) != nil else { return nil }
        var cursor = LineCursor(start: line, count: count - lineEndBytes)
        guard cursor.take("{\"id\":\""), let text = cursor.raw(26), let id = RunIDText.read(text),
            cursor.take("\",\"q\":"), let q = cursor.number(), cursor.take(",\"t\":\""), cursor.raw(24) != nil,
            cursor.take("\",\"n\":"), let records = cursor.number(), records <= UInt64(UInt32.max),
            cursor.take(",\"bytes\":"), let bytes = cursor.number(), cursor.take(",\"k\":\"")
        else { return nil }
        let isQuarantine = cursor.take("run.quarantined\"")
        return (
            id, ListedRun(q: q, bytes: bytes, records: UInt32(records), isQuarantine: isQuarantine)
        )
    }

    /// Of a name of 32 characters.
    private static func runID(fileName: String) -> ULID? {
        var name = fileName
        return name.withUTF8 { text in text.baseAddress.flatMap { RunIDText.read($0) } }
    }

    private mutating func judgeListed(
        _ id: ULID, _ path: String, _ file: StreamSummary, _ tip: LogTip?, _ listed: ListedRun, _ hour: Int
    ) {
        guard !setAside.contains(id), file.tail == .none, file.mismatch == nil, file.foreign == nil, file.firstN == 0
        else { return }
        let index = "\(parentPath(path))/index.jsonl"
        if file.hasEnded {
            guard file.records == listed.records, file.fileBytes == Int(listed.bytes), file.q == listed.q else {
                add(
                    .damage, index, 0,
                    "run \(id.text) has \(file.records) records and \(file.fileBytes) bytes, the list says \(listed.records) and \(listed.bytes)",
                    .index(hour: hour))
                return
            }
        } else if file.hasLost(accordingTo: listed) {
            add(
                .known, path, file.fileBytes,
                "its records \(file.records) to \(listed.records - 1) are lost; what was left of them is kept in \(DamageNote.directory)"
            )
        } else if isCopy || listed.q > snapshotQ, tip?.hasEnded ?? false {
            // A start goes over it once more, from the records after the snapshot on, and was killed while it did.
            waitingFiles += 1
        } else if tip.map({ file.records >= $0.snapshotN }) ?? true {
            add(
                .damage, path, file.fileBytes,
                "its records \(file.records) to \(max(listed.records, file.records + 1) - 1) are missing",
                .stream(.run(id)))
        }
    }

    private mutating func noteFilesMissing(
        _ hour: Int, _ folder: String, _ listed: StreamTable<ListedRun>
    ) throws(FileError) {
        var missing: [(ULID, ListedRun)] = []
        listed.forEach { stream, run in
            if case .run(let id) = stream, !run.wasSeen { missing.append((id, run)) }
        }
        for (id, run) in missing {
            let stream = StreamID.run(id)
            var tip = tips[stream]
            tip?.wasSeen = true
            if let tip { tips.set(stream, tip) }
            // A run that was set aside before anything was written to its file has none.
            if run.bytes == 0 {
                if !run.isQuarantine { add(.known, stream.path, 0, "the file of finished run \(id.text) is lost") }
                continue
            }
            if isCopy || !isOfThisBoot && run.q > snapshotQ, tip?.hasEnded ?? false {
                add(.note, stream.path, 0, "the file is missing; the log has its records, and a start writes it again")
                continue
            }
            // Whole days may be removed by hand, also while this looks at them.
            guard try disk.stat(folder + "/index.jsonl") != nil else { return }
            if run.isQuarantine {
                add(.known, stream.path, 0, "the file of run \(id.text), which was set aside, is missing")
                continue
            }
            add(
                .damage, folder + "/index.jsonl", 0, "the file of finished run \(id.text) is missing",
                .stream(stream))
        }
    }

    // MARK: - Snapshots

    mutating func readSnapshots() throws(FileError) {
        for q in try SnapshotFile.list(disk) {
            if let last = chain.copyLastQ, last < q {
                // Not damaged, but of as little use.
                damagedSnapshots.insert(q)
                add(
                    .note, SnapshotFile.path(q: q), 0,
                    "it is younger than the copy of the log, which ends at record \(last); a start sets it aside")
                continue
            }
            let check: SnapshotCheck
            do throws(SnapshotCheckError) {
                check = try SnapshotCheck(disk, q: q)
            } catch {
                switch error {
                case .file(let error):
                    // A server keeps two: it may have taken another one's place.
                    if error.isMissing { continue }
                    throw error
                case .damaged(let message):
                    report.snapshots += 1
                    damagedSnapshots.insert(q)
                    add(
                        .damage, SnapshotFile.path(q: q), 0,
                        "\(message); it is a cache, so a start uses another one or the log", .snapshot(q))
                    continue
                }
            }
            report.snapshots += 1
            report.bytes += check.fileBytes
            for run in check.quarantined { setAside.insert(run.run) }
            if snapshotQ == 0 {
                snapshotQ = q
                snapshotStreams = check.streams
            }
        }
    }

    // MARK: - Strays

    /// Files that nothing of ours will ever read.
    mutating func findStrays() throws(FileError) {
        let message = "Daybook has no use for a file of this name here"
        func look(_ folder: String, _ isOurs: (DirectoryEntry) -> Bool) throws(FileError) -> [String] {
            guard try disk.stat(folder)?.kind == .directory else { return [] }
            return try disk.list(folder).filter { !isOurs($0) }.map { folder + "/" + $0.name }
        }
        var strays = try look("journal") { entry in
            entry.kind == .directory && entry.name == "damaged" || ["marks", "ballast"].contains(entry.name)
                || entry.name.hasPrefix("spare-") || SegmentName(fileName: entry.name) != nil
        }
        strays += try look("snapshot") { $0.name == "new.tmp" || SnapshotFile.q(ofFileName: $0.name) != nil }
        for folder in ["events", "system"] {
            strays += try look(folder) { entry in
                entry.kind == .file && entry.name.hasSuffix(".jsonl")
                    && StreamID(folder + "/" + entry.name.dropLast(6)) != nil
            }
        }
        for hour in hours.sorted() {
            strays += try look(RunPath.directory(hour: hour)) { entry in
                guard entry.kind == .file, entry.name.hasSuffix(".jsonl") else { return false }
                return entry.name == "index.jsonl"
                    || ULID(entry.name.dropLast(6)).map { RunPath.hour(of: $0) == hour } ?? false
            }
        }
        for path in strays {
            // What is being published goes by such a name for a moment.
            guard try disk.stat(path) != nil else { continue }
            add(.note, path, 0, message, .stray)
        }
    }
}
