internal import DaybookSystem
internal import DaybookValues

extension Verifier {
    /// A record of a batch whose commit line has not been seen yet.
    private struct Line {
        var q: UInt64
        var stream: StreamID
        var n: UInt32
        var previousChecksum: UInt32
        var checksum: UInt32
        var isFinal: Bool
        var isQuarantine: Bool
        var offset: Int
    }

    /// Reads the log from where it was left.
    mutating func readLog() throws(FileError) {
        guard let first = chain.links.first else { return }
        if position.segment == nil {
            position.expectedQ = first.name.firstQ
            report.firstQ = first.name.firstQ
        }
        var total = 0
        for link in chain.links {
            if let limit = link.limit { total += limit } else { total += try disk.stat(link.name.path)?.bytes ?? 0 }
        }
        var done = 0
        unfinishedBatch = nil
        for (index, link) in chain.links.enumerated() {
            let next = index + 1 < chain.links.count ? chain.links[index + 1] : nil
            let isCurrent = link.name == position.segment
            if let next, next.name.firstQ <= position.expectedQ, !isCurrent, position.segment != nil { continue }
            try readSegment(link, next: next, isCurrent: isCurrent, done: done, total: total)
            done += link.limit ?? 0
        }
    }

    private mutating func readSegment(
        _ link: LogChain.Link, next: LogChain.Link?, isCurrent: Bool, done: Int, total: Int
    ) throws(FileError) {
        let file = try disk.open(link.name.path, .read)
        if !isCurrent { enter(link) }
        var offset = isCurrent ? position.offset : link.dataStart
        // While a server is at work elsewhere, a segment may be gone over again: what was read counts once.
        var q = isCurrent ? position.expectedQ : link.name.firstQ
        while true {
            let isWhole = try readBatches(file, link, &offset, &q, done: done, total: total)
            if isWhole { break }
            guard try readIrregular(link, next, &offset, &q) else { break }
        }
        window.end()
        file.close()
        position.segment = link.name
        position.offset = offset
        report.bytes += max(0, offset - link.dataStart)
    }

    private mutating func enter(_ link: LogChain.Link) {
        report.segments += 1
        let path = link.name.path
        if link.headerIsDamaged {
            let isKnown = known.isKnown(link.name, 0, nil, coveredBy: snapshotQ)
            add(isKnown ? .known : .damage, path, 0, "the segment's header is damaged", .header(link.name))
        }
        if position.segment != nil, link.name.firstQ > position.expectedQ {
            noteGap(from: position.expectedQ, to: link.name.firstQ - 1, path, 0)
            position.previousCommit = nil
        }
        if let previous = position.previousCommit, !link.headerIsDamaged, link.name.firstQ == position.expectedQ,
            previous != link.header.previousChecksum
        {
            let isKnown = known.isKnown(link.name, 0, nil, coveredBy: snapshotQ)
            add(
                isKnown ? .known : .damage, path, 0, "it does not go on from the last batch before it",
                .header(link.name))
        }
        position.previousCommit = link.headerIsDamaged ? nil : link.header.previousChecksum
        if link.name.firstQ > position.expectedQ { position.expectedQ = link.name.firstQ }
    }

    /// The fast way: whole batches, a piece of the file at a time.
    /// - Returns: true at the end of what was written; false where something else stands at `offset`.
    private mutating func readBatches(
        _ file: any DiskFile, _ link: LogChain.Link, _ offset: inout Int, _ q: inout UInt64, done: Int, total: Int
    ) throws(FileError) -> Bool {
        try window.begin(file, at: offset, limit: link.limit ?? .max)
        var parser = LineParser()
        var lines: [Line] = []
        // Where there is no commit line, there is no batch: its records are due still.
        defer { q -= UInt64(lines.count) }
        var place = 0
        var sum: UInt32 = 0
        var nextProgress = 0
        while true {
            guard let lineEnd = BatchScanner.lineEnd(window.base, place, window.count) else {
                if window.isAtEnd {
                    // One that ends before the next segment takes over was cut.
                    return place == window.count && lines.isEmpty && window.start + window.count >= link.limit ?? 0
                }
                try window.advance(to: place)
                place = 0
                if window.start > nextProgress {
                    progress?(VerifyProgress(part: .log, done: done + window.start, total: total))
                    nextProgress = window.start + 1 << 20
                }
                continue
            }
            let line = place..<lineEnd
            if line.isEmpty {
                guard lines.isEmpty else { return false }
                return try isBlankToEnd(from: place)
            }
            let at = window.start + place
            if LineParser.isCommit(window.base, line) {
                guard let commit = LineParser.commit(window.base, line), commit.lastQ + 1 == q,
                    commit.count == lines.count, commit.bytes == at - offset, commit.sum == sum,
                    position.previousCommit == nil || commit.previousChecksum == position.previousCommit
                else { return false }
                for index in lines.indices where lines[index].q >= position.expectedQ { take(lines[index], link) }
                if q > position.expectedQ {
                    report.batches += 1
                    report.logRecords += UInt64(lines.count)
                    position.expectedQ = q
                }
                position.previousCommit = commit.checksum
                lines.removeAll(keepingCapacity: true)
                sum = 0
                offset = window.start + lineEnd + 1
            } else {
                guard let record = parser.record(window.base, line), record.q == q else { return false }
                sum = checksum(window.base + (lineEnd - 10), 8, continuing: sum)
                lines.append(Self.line(record, window.base, at: at))
                newestTime = record.time
                q += 1
            }
            place = lineEnd + 1
        }
    }

    private static func line(_ record: ParsedRecord, _ base: UnsafePointer<UInt8>, at offset: Int) -> Line {
        Line(
            q: record.q, stream: record.stream, n: record.n, previousChecksum: record.previousChecksum,
            checksum: record.checksum, isFinal: record.isFinal,
            isQuarantine: record.isFinal && isQuarantine(base, record.kind), offset: offset)
    }

    static func isQuarantine(_ base: UnsafePointer<UInt8>, _ kind: Range<Int>) -> Bool {
        UnsafeBufferPointer(start: base + kind.lowerBound, count: kind.count).elementsEqual("run.quarantined".utf8)
    }

    private func isBlankToEnd(from place: Int) throws(FileError) -> Bool {
        var place = place
        while true {
            guard BatchScanner.isBlank(window.base, place..<window.count) else { return false }
            if window.isAtEnd { return true }
            try window.advance(to: window.count)
            place = 0
        }
    }

    /// Something that is no whole batch: the end of the log while it is being written, a torn end, or damage.
    /// - Returns: whether the log goes on at `offset`.
    private mutating func readIrregular(
        _ link: LogChain.Link, _ next: LogChain.Link?, _ offset: inout Int, _ q: inout UInt64
    ) throws(FileError) -> Bool {
        var isSecondLook = false
        while true {
            guard let content = try disk.contents(of: link.name.path) else {
                throw FileError(missing: link.name.path)
            }
            var scanner = BatchScanner(
                bytes: content, from: offset, limit: link.limit, expectedQ: q, previousCommit: position.previousCommit)
            switch scanner.next() {
            case .batch:
                // It was being written when it was first looked at.
                return true
            case .end:
                guard let next, next.name.firstQ > q else { return false }
                if scanner.offset < scanner.limit || content.count < link.limit ?? 0 {
                    // Line feeds where batches were, or nothing any more.
                    try salvage(scanner, content, link, proven: next.name.firstQ - 1, &offset, &q)
                    return true
                }
                return false
            case .irregular:
                let noted = known.notes[link.name]?.filter { $0.offset >= offset }.compactMap(\.q).max() ?? 0
                // What the next segment has again is read there.
                let proven =
                    next.map { $0.name.firstQ - 1 } ?? max(scanner.provenLater(from: scanner.offset), noted)
                guard proven >= q else {
                    unfinishedBatch = (link.name.path, offset)
                    return false
                }
                // What proves it was written after it, so a look from now on sees it whole if it ever was.
                guard isSecondLook else {
                    isSecondLook = true
                    continue
                }
                return try salvage(scanner, content, link, proven: proven, &offset, &q)
            }
        }
    }

    /// Records that one damaged place can have cost: more than a segment holds.
    static let recordsPerDamageMax: UInt64 = 1_000_000

    /// Goes over damaged bytes and takes in what can still be read.
    /// - Returns: whether the log goes on behind them.
    @discardableResult
    private mutating func salvage(
        _ scanner: BatchScanner, _ content: [UInt8], _ link: LogChain.Link, proven: UInt64, _ offset: inout Int,
        _ q: inout UInt64
    ) throws(FileError) -> Bool {
        var scanner = scanner
        let first = q
        let salvage = scanner.salvage()
        // A number may be beyond anything there ever was, although its line agrees with its checksum. What then seems to
        // be missing behind the damage shows as a gap before the next segment.
        var last = min(salvage.commit?.lastQ ?? proven, q + Self.recordsPerDamageMax)
        var goesOn = salvage.commit != nil
        let have = Set(salvage.records.map(\.q))
        if let commit = salvage.commit, commit.firstQ > proven,
            (commit.firstQ...commit.lastQ).contains(where: { !have.contains($0) })
        {
            // The batch behind the damage is itself a torn end.
            last = min(last, proven)
            goesOn = false
        }
        let lostHere = first <= last ? (first...last).filter { !have.contains($0) } : []
        // The same places as a start notes.
        let anyPlace = salvage.badLines.first?.lowerBound ?? salvage.start
        var places: [(offset: Int, q: UInt64?)] = lostHere.map { q in
            let own = salvage.badLines.first { Self.claimedQ(content[$0]) == q }
            return (own?.lowerBound ?? anyPlace, q)
        }
        if places.isEmpty { places = [(anyPlace, nil)] }
        let isKnown = places.allSatisfy { known.isKnown(link.name, $0.offset, $0.q, coveredBy: snapshotQ) }
        let what =
            lostHere.isEmpty
            ? "a commit line is damaged" : "\(Self.text(lostHere)) \(lostHere.count == 1 ? "is" : "are") damaged"
        add(
            isKnown ? .known : .damage, link.name.path, anyPlace, what, .batch(link.name, offset: salvage.start))
        for q in lostHere { noteLost(q) }
        for record in salvage.records where record.q >= position.expectedQ && record.q <= last {
            let line = content.withUnsafeBufferPointer { buffer in
                buffer.baseAddress.map { Self.line(record, $0, at: record.line.lowerBound) }
            }
            if let line { take(line, link) }
            report.logRecords += 1
            newestTime = record.time
        }
        position.expectedQ = max(position.expectedQ, last + 1)
        position.previousCommit = salvage.commit?.checksum
        offset = scanner.offset
        q = last + 1
        return goesOn
    }

    /// What a damaged line says its number is.
    static func claimedQ(_ line: ArraySlice<UInt8>) -> UInt64? {
        line.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return nil }
            var cursor = LineCursor(start: base, count: buffer.count)
            guard cursor.take("{\"q\":"), let q = cursor.number(), cursor.take(",\"t\":") else { return nil }
            return q
        }
    }

    static func text(_ records: [UInt64]) -> String {
        guard let first = records.first, let last = records.last, records.count > 1 else {
            return "record \(records.first ?? 0)"
        }
        return last - first == UInt64(records.count - 1)
            ? "records \(first) to \(last)" : "records " + records.prefix(20).map(String.init).joined(separator: ", ")
    }

    private mutating func noteLost(_ q: UInt64) {
        if let last = lost.last, last.upperBound + 1 == q {
            lost[lost.count - 1] = last.lowerBound...q
        } else {
            lost.append(q...q)
        }
    }

    mutating func noteGap(from: UInt64, to: UInt64, _ path: String, _ offset: Int) {
        lost.append(from...to)
        if known.gaps.contains(where: { $0.lowerBound <= from && $0.upperBound >= to }) {
            add(.known, path, offset, "the log has no records \(from) to \(to)")
        } else if to <= snapshotQ {
            add(
                .note, path, offset,
                "the log has no records \(from) to \(to); the snapshot at record \(snapshotQ) makes up for them")
        } else {
            add(.damage, path, offset, "the log has no records \(from) to \(to)", .gap(from: from, to: to))
        }
    }

    mutating func noteMissingBeginning(_ first: UInt64) {
        noteGap(
            from: snapshotQ + 1, to: first - 1, SegmentName(firstQ: first, epoch: chain.links[0].name.epoch).path, 0)
    }

    /// Takes one record of the log in.
    private mutating func take(_ line: Line, _ link: LogChain.Link) {
        if line.q > snapshotQ { compareSnapshotOnce() }
        var tip = tips[line.stream] ?? LogTip()
        let isFirst = tip.firstN == .max && tip.n == 0
        // A start that could not apply a run's last record puts on record behind it that the run was set aside.
        var follows =
            line.n == tip.n && line.previousChecksum == tip.checksum && (!tip.hasEnded || line.isQuarantine)
        if isFirst, line.n > 0 {
            // The stream began before the log does.
            follows = line.q <= snapshotQ || !lost.isEmpty
            tip.isBroken = line.q > snapshotQ
        }
        if !follows {
            tip.isBroken = true
            tip.firstN = line.n
            if lost.isEmpty {
                add(
                    .damage, link.name.path, line.offset,
                    "record \(line.q) of \(line.stream.text) does not follow the one before it", .stream(line.stream))
            }
        }
        if tip.firstN == .max { tip.firstN = line.n }
        tip.n = line.n &+ 1
        tip.checksum = line.checksum
        tip.hasEnded = line.isFinal
        if line.q <= snapshotQ {
            tip.snapshotN = tip.n
            tip.snapshotChecksum = tip.checksum
        }
        tips.set(line.stream, tip)
        if line.isQuarantine, case .run(let run) = line.stream { setAside.insert(run) }
    }

    /// Where the log has come to the snapshot: what that says about unfinished streams is what the log says.
    mutating func compareSnapshotOnce() {
        guard !hasComparedSnapshot, snapshotQ > 0 else { return }
        hasComparedSnapshot = true
        let path = SnapshotFile.path(q: snapshotQ)
        var matched = 0
        for (stream, state) in snapshotStreams {
            if case .run(let run) = stream, setAside.contains(run) { continue }
            var tip = tips[stream] ?? LogTip()
            if tip.firstN == .max {
                tip.n = state.n
                tip.checksum = state.checksum
            } else if tip.hasEnded || tip.n != state.n || tip.checksum != state.checksum {
                guard !tip.isBroken, lost.isEmpty else { continue }
                add(
                    .damage, path, 0, "it has \(state.n) records of \(stream.text), the log \(tip.n)",
                    .snapshot(snapshotQ))
                continue
            } else {
                matched += 1
            }
            tip.snapshotN = state.n
            tip.snapshotChecksum = state.checksum
            tips.set(stream, tip)
        }
        snapshotStreams = []
        guard lost.isEmpty else { return }
        var others = 0
        let unfinishedInTable = matched
        let setAside = setAside
        tips.forEach { stream, tip in
            if case .run(let run) = stream, setAside.contains(run) { return }
            if tip.firstN != .max, !tip.hasEnded { others += 1 }
        }
        if others > unfinishedInTable {
            add(
                .damage, path, 0, "\(others - unfinishedInTable) unfinished streams are missing from it",
                .snapshot(snapshotQ))
        }
    }

    mutating func noteEndOfLog() {
        guard position.expectedQ <= snapshotQ else { return }
        let path = chain.links.last?.name.path ?? "journal"
        let from = chain.links.isEmpty ? 1 : position.expectedQ
        // Nothing that the state needs is missing, but what came after the snapshot would be.
        let message = "the log ends before record \(snapshotQ + 1), which is due after the newest snapshot"
        if known.gaps.contains(where: { $0.lowerBound <= from && $0.upperBound >= snapshotQ }) {
            add(.known, path, position.offset, message)
        } else {
            add(isCopy ? .note : .damage, path, position.offset, message, .gap(from: from, to: snapshotQ))
        }
        position.expectedQ = snapshotQ + 1
    }
}
