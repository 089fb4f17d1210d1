internal import DaybookSystem
internal import DaybookValues

extension Repair {
    // MARK: - Headers

    /// A header says nothing that its segment's name and the segment before it do not say too, so it can be made again,
    /// and its checksum mostly tells that it is the very same.
    mutating func repairHeader(_ segment: SegmentName, _ finding: VerifyFinding) throws(FileError) {
        guard touched.insert(segment.path).inserted, let content = try disk.contents(of: segment.path) else { return }
        if attempt(finding.fault) == 1, let header = try header(of: segment, content),
            header != Array(content.prefix(header.count))
        {
            let restored = header + content.dropFirst(header.count)
            let kept = try replace(segment.path, with: restored, finding.message)
            actions.append(
                RepairAction(
                    kind: .restored, path: segment.path, message: "its header was damaged and was made again",
                    keptAt: kept))
            return
        }
        try note(
            Damage(path: segment.path, offset: 0, q: nil, stream: nil, line: Array(content.prefix(512))), segment,
            "\(finding.message); a start goes by the names of the segments instead")
    }

    /// The header that a segment should have; nil when none makes sense of what follows it.
    private func header(of segment: SegmentName, _ content: [UInt8]) throws(FileError) -> [UInt8]? {
        guard let index = found.chain.links.firstIndex(where: { $0.name == segment }) else { return nil }
        var (previous, after): (UInt32, (segment: SegmentName, bytes: Int)?) = (0, nil)
        if index > 0 {
            let before = found.chain.links[index - 1]
            guard let bytes = try disk.contents(of: before.name.path) else { return nil }
            var scanner = BatchScanner(
                bytes: bytes, from: before.dataStart, limit: nil, expectedQ: before.name.firstQ, previousCommit: nil)
            while scanner.expectedQ < segment.firstQ, case .batch(let commit) = scanner.next() {
                previous = commit.checksum
            }
            guard scanner.expectedQ == segment.firstQ else { return nil }
            after = (before.name, scanner.offset)
        } else if segment.firstQ > 1 {
            return nil
        }
        // A segment that a start opened may have been proven further than to where it begins.
        for ahead in UInt64(0)...4_096 {
            let header = SegmentHeader(
                name: segment, proven: segment.firstQ - 1 + ahead, previousChecksum: previous, after: after
            ).encoded()
            guard header.count < content.count else { return nil }
            let stated = content[..<header.count].suffix(11).prefix(8)
            let isTheSame = header.suffix(11).prefix(8).elementsEqual(stated)
            guard isTheSame || ahead == 0 else { continue }
            var scanner = BatchScanner(
                bytes: header + content[header.count...], from: header.count, limit: nil, expectedQ: segment.firstQ,
                previousCommit: previous)
            if isTheSame { return header }
            // The checksum itself is damaged: it fits if a batch follows right behind it.
            guard content[header.count - 1] == UInt8(ascii: "\n"), case .batch = scanner.next() else { continue }
            let differing = zip(header, content).count { $0 != $1 }
            if differing <= 16 { return header }
        }
        return nil
    }

    // MARK: - Batches

    /// Damaged lines are put back where another copy of them exists and the batch then is, byte for byte, what its
    /// commit line says. What is lost is noted.
    mutating func repairBatch(_ segment: SegmentName, at offset: Int, _ why: String) throws(FileError) {
        guard touched.insert("\(segment.path) \(offset)").inserted,
            let link = found.chain.links.first(where: { $0.name == segment }),
            let content = try disk.contents(of: segment.path)
        else { return }
        guard let region = region(link, content, at: offset) else { return }
        let copies = try copies(of: region)
        if attempt(.batch(segment, offset: offset)) == 1, let restored = restored(region, content, copies) {
            touched.insert(segment.path)
            let kept = try replace(segment.path, with: restored, why)
            actions.append(
                RepairAction(
                    kind: .restored, path: segment.path,
                    message: "\(why) at byte \(offset); it was put back as it was, nothing is lost",
                    keptAt: kept))
            return
        }
        // The copies that there are must not be lost to the start, which writes files again from the log.
        for (q, copy) in copies where try disk.stat(Self.keptRecordPath(q)) == nil {
            try write(Self.keptRecordPath(q), copy.line)
        }
        let lost = region.lost
        guard !lost.isEmpty else {
            let place = region.salvage.badLines.first ?? region.salvage.start..<region.salvage.start
            try note(
                Damage(
                    path: segment.path, offset: place.lowerBound, q: nil, stream: nil,
                    line: Array(content[place].prefix(4_096))), segment,
                "\(why); the records around it are all there")
            return
        }
        for q in lost {
            let own = region.salvage.badLines.first { Verifier.claimedQ(content[$0]) == q }
            let place = own ?? region.salvage.badLines.first ?? region.salvage.start..<region.salvage.start
            let owner = copies[q]?.stream ?? owner(of: q, region, content, line: own)
            let damage = Damage(
                path: segment.path, offset: place.lowerBound, q: q, stream: owner,
                line: Array(content[place].prefix(4_096)))
            if q > found.snapshotQ {
                try write(KnownDamage.ownerPath(q), Array(((owner?.text ?? "nobody") + "\n").utf8))
            }
            try note(damage, segment, message(q, owner, hasCopy: copies[q] != nil), q: copies[q] == nil ? q : nil)
        }
    }

    private func message(_ q: UInt64, _ owner: StreamID?, hasCopy: Bool) -> String {
        if hasCopy { return "record \(q) is damaged; its stream's file has it, and it was saved from there" }
        if q <= found.snapshotQ {
            return "record \(q) is damaged; the snapshot has what it changed"
        }
        switch owner {
        case .run(let run): return "record \(q) of run \(run.text) is lost; the next start sets the run aside"
        case .events: return "record \(q) is lost: an event of \(owner?.text ?? ""), and the runs it started"
        case .system: return "record \(q) is lost: one of \(owner?.text ?? ""), a registration, tick or pause"
        case nil: return "record \(q) is lost, and nobody can tell whose it was; the next start goes on without it"
        }
    }

    struct Region {
        var start: Int
        var firstQ: UInt64
        var lastQ: UInt64
        var previousCommit: UInt32?
        var salvage: BatchScanner.Salvage
        /// Where the log goes on.
        var end: Int
        var lost: [UInt64]
        /// The checksum of the commit line before the next segment, as that says.
        var nextPrevious: UInt32?
    }

    /// What is wrong from an offset on, as `verify` saw it.
    private func region(_ link: LogChain.Link, _ content: [UInt8], at offset: Int) -> Region? {
        var scanner = BatchScanner(
            bytes: content, from: link.dataStart, limit: link.limit, expectedQ: link.name.firstQ,
            previousCommit: link.headerIsDamaged ? nil : link.header.previousChecksum)
        let next = found.chain.links.first { $0.header.after?.segment == link.name && !$0.headerIsDamaged }
        while true {
            if case .batch = scanner.next() { continue }
            let (firstQ, previous) = (scanner.expectedQ, scanner.previousCommit)
            let proven = max(
                scanner.provenLater(from: scanner.offset), next.map { $0.name.firstQ - 1 } ?? provenByFiles)
            let salvage = scanner.salvage()
            let lastQ = min(salvage.commit?.lastQ ?? proven, firstQ + Verifier.recordsPerDamageMax)
            guard lastQ >= firstQ else { return nil }
            if salvage.start == offset {
                let have = Set(salvage.records.map(\.q))
                return Region(
                    start: offset, firstQ: firstQ, lastQ: lastQ, previousCommit: previous, salvage: salvage,
                    end: scanner.offset, lost: (firstQ...lastQ).filter { !have.contains($0) },
                    nextPrevious: next?.header.previousChecksum)
            }
            guard salvage.start < offset, salvage.commit != nil else { return nil }
            scanner.expectedQ = lastQ + 1
        }
    }

    struct Copy {
        var stream: StreamID
        var line: [UInt8]
    }

    /// Lines of lost records that are elsewhere: saved by a start, kept by a repair, or in the files of their streams.
    private func copies(of region: Region) throws(FileError) -> [UInt64: Copy] {
        guard let first = region.lost.first, let last = region.lost.last else { return [:] }
        let wanted = Set(region.lost)
        var copies: [UInt64: Copy] = [:]
        func take(_ content: [UInt8]) {
            _ = StreamFile.forEach(content) { record in
                guard record.q >= first, record.q <= last, wanted.contains(record.q) else { return }
                copies[record.q] = Copy(stream: record.stream, line: Array(content[record.line]))
            }
        }
        for q in region.lost { take(try disk.contents(of: Self.keptRecordPath(q)) ?? []) }
        for path in try StreamPaths.all(disk) where copies.count < wanted.count {
            take(try disk.contents(of: path) ?? [])
        }
        for path in try keptFiles() where copies.count < wanted.count { take(try disk.contents(of: path) ?? []) }
        return copies
    }

    /// The segment with the region as it must have been; nil unless everything fits.
    private func restored(_ region: Region, _ content: [UInt8], _ copies: [UInt64: Copy]) -> [UInt8]? {
        guard region.lost.allSatisfy({ copies[$0] != nil }) else { return nil }
        var lines: [UInt64: [UInt8]] = copies.mapValues(\.line)
        for record in region.salvage.records { lines[record.q] = Array(content[record.line]) }
        var batch: [UInt8] = []
        var q = region.firstQ
        if let commit = region.salvage.commit {
            if commit.firstQ > region.firstQ {
                // The commit line before this one is damaged, and this one has its checksum.
                guard let whole = sealed(lines, region.firstQ...commit.firstQ - 1, region.previousCommit),
                    whole.checksum == commit.previousChecksum
                else { return nil }
                batch = whole.bytes
                q = commit.firstQ
            } else if commit.firstQ < region.firstQ {
                return nil
            }
            while q <= commit.lastQ {
                batch += lines[q] ?? []
                q += 1
            }
            batch += content[commit.line]
        } else {
            // The last commit line of a segment: the next segment has its checksum, if there is one.
            guard let whole = sealed(lines, region.firstQ...region.lastQ, region.previousCommit),
                region.nextPrevious == nil || whole.checksum == region.nextPrevious
            else { return nil }
            batch = whole.bytes
        }
        var restored = content
        if region.salvage.commit != nil {
            guard batch.count == region.end - region.start else { return nil }
        } else if region.start + batch.count > content.count {
            restored += [UInt8](repeating: 10, count: region.start + batch.count - content.count)
        } else {
            for index in region.start..<restored.count { restored[index] = UInt8(ascii: "\n") }
        }
        restored.replaceSubrange(region.start..<region.start + batch.count, with: batch)
        var scanner = BatchScanner(
            bytes: restored, from: region.start, limit: nil, expectedQ: region.firstQ,
            previousCommit: region.previousCommit)
        while scanner.expectedQ <= region.lastQ { guard case .batch = scanner.next() else { return nil } }
        return restored
    }

    /// Lines as one batch, with the commit line that they must have had.
    private func sealed(
        _ lines: [UInt64: [UInt8]], _ range: ClosedRange<UInt64>, _ previous: UInt32?
    ) -> (bytes: [UInt8], checksum: UInt32)? {
        guard let previous else { return nil }
        var bytes: [UInt8] = []
        var owners: [UInt8] = []
        var total: UInt32 = 0
        for q in range {
            guard let line = lines[q], let record = StreamFile.records(line).records.first else { return nil }
            bytes += line
            total = zlibChecksum(Array(line[(line.count - 11)..<(line.count - 3)]), continuing: total)
            withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 8) { tag in
                guard let base = tag.baseAddress else { return }
                OwnerTag(record.stream).write(to: base)
                owners += UnsafeBufferPointer(start: base, count: 8)
            }
        }
        let start = bytes.count
        bytes.append("{\"c\":")
        bytes.appendDecimal(range.upperBound)
        bytes.append(",\"count\":")
        bytes.appendDecimal(UInt64(range.count))
        bytes.append(",\"bytes\":")
        bytes.appendDecimal(UInt64(start))
        bytes.append(",\"proven\":")
        bytes.appendDecimal(range.lowerBound - 1)
        bytes.append(",\"own\":\"")
        bytes += owners
        bytes.append("\",\"sum\":\"")
        bytes.appendHex(total)
        bytes.append("\",\"prev\":\"")
        bytes.appendHex(previous)
        bytes.append("\"")
        let sum = bytes.closeLine(from: start)
        return (bytes, sum)
    }

    /// Whose record it was: as its line says and the commit line does not deny, else the one unfinished stream that the
    /// commit line can mean, else the one stream in which a record is missing.
    private func owner(of q: UInt64, _ region: Region, _ content: [UInt8], line: Range<Int>?) -> StreamID? {
        var tag: OwnerTag?
        if let commit = region.salvage.commit, commit.firstQ <= q {
            tag = content.withUnsafeBufferPointer { buffer in
                buffer.baseAddress.flatMap { OwnerTag($0 + commit.owners.lowerBound + 8 * Int(q - commit.firstQ)) }
            }
        }
        if let line, let claimed = Recovery.claimedStream(content[line]), tag == nil || tag == OwnerTag(claimed) {
            return claimed
        }
        if let stream = tag?.stream { return stream }
        var (tagged, broken): ([StreamID], [StreamID]) = ([], [])
        found.tips.forEach { stream, tip in
            if let tag, OwnerTag(stream) == tag { tagged.append(stream) }
            if tip.isBroken { broken.append(stream) }
        }
        if tag != nil { return tagged.count == 1 ? tagged.first : nil }
        return broken.count == 1 && region.lost.count == 1 ? broken.first : nil
    }

    static func keptRecordPath(_ q: UInt64) -> String { "\(DamageNote.directory)/record-\(q).jsonl" }

    /// Leaves damage where it is, for the start to go around.
    private mutating func note(
        _ damage: Damage, _ segment: SegmentName, _ message: String, q: UInt64? = nil
    ) throws(FileError) {
        var action = RepairAction(kind: .noted, path: damage.path, message: message)
        if let q { action.lostRecords = [q] }
        if q != nil, case .run(let run)? = damage.stream { action.runs = [run] }
        actions.append(action)
        guard !isDryRun else { return }
        try DamageNote.write(disk, damage, segment: segment)
    }

    /// How often this was tried, this time included.
    mutating func attempt(_ fault: VerifyFault) -> Int {
        attempts[fault, default: 0] += 1
        return attempts[fault, default: 0]
    }

    // MARK: - Missing segments

    /// The log begins too late, or ends too early: what the files of streams have is what there is.
    mutating func noteGap(_ from: UInt64, _ to: UInt64, _ finding: VerifyFinding) throws(FileError) {
        guard touched.insert("gap \(from)").inserted else { return }
        actions.append(
            RepairAction(
                kind: .noted, path: finding.path,
                message:
                    "\(finding.message); what the files of runs, events and the system have of them is used instead"))
        try write(KnownDamage.gapPath(from, to), Array("The log has no records \(from) to \(to).\n".utf8))
    }

    /// Stream files have records behind the end of the log: the segments that had them are gone. A new one is made from
    /// the files as far as those have every record; what lies beyond a hole cannot be used.
    mutating func repairEnd() throws(FileError) {
        guard touched.insert("end").inserted else { return }
        let lastQ = found.position.expectedQ - 1
        var places: [UInt64: (path: String, range: Range<Int>)] = [:]
        for path in try StreamPaths.all(disk) {
            _ = StreamFile.forEach(try disk.contents(of: path) ?? []) { record in
                if record.q > lastQ, record.stream.path == path { places[record.q] = (path, record.line) }
            }
        }
        if let (path, offset) = found.unfinishedBatch, let segment = SegmentName(path.dropFirst(8).dropLast(6)),
            let newest = places.keys.max()
        {
            // It was finished, since files have records of it.
            provenByFiles = newest
            return try repairBatch(segment, at: offset, "the last batch of the log is damaged")
        }
        var last = lastQ
        while places[last + 1] != nil { last += 1 }
        if last > lastQ {
            try makeEnd(lastQ + 1...last, places)
            return
        }
        guard let beyond = places.keys.min(), found.chain.links.isEmpty else { return try cutBeyond(lastQ) }
        // No log at all, and files that do not go back to its beginning: an empty log behind them makes the next start
        // put the state together from the files.
        let newest = places.keys.max() ?? beyond
        let name = SegmentName(firstQ: newest + 1, epoch: max(1, found.chain.epochMax + 1))
        let header = SegmentHeader(name: name, proven: newest, previousChecksum: 0, after: nil).encoded()
        _ = try replace(name.path, with: header + [UInt8](repeating: 10, count: 4_096), "")
        try write(
            KnownDamage.gapPath(found.snapshotQ + 1, newest),
            Array("The log is gone; records up to \(newest) are in the files of their streams.\n".utf8))
        actions.append(
            RepairAction(
                kind: .rewritten, path: name.path,
                message: "the log was gone; the next start puts the state together from the files of runs and events"))
    }

    private mutating func makeEnd(
        _ range: ClosedRange<UInt64>, _ places: [UInt64: (path: String, range: Range<Int>)]
    ) throws(FileError) {
        var previous: UInt32 = 0
        var after: (segment: SegmentName, bytes: Int)?
        if let link = found.chain.links.last, let bytes = try disk.contents(of: link.name.path) {
            var scanner = BatchScanner(
                bytes: bytes, from: link.dataStart, limit: nil, expectedQ: link.name.firstQ, previousCommit: nil)
            previous = link.header.previousChecksum
            while case .batch(let commit) = scanner.next() { previous = commit.checksum }
            after = (link.name, scanner.offset)
        }
        var lines: [UInt64: [UInt8]] = [:]
        let name = SegmentName(firstQ: range.lowerBound, epoch: max(1, found.chain.epochMax + 1))
        var content = SegmentHeader(
            name: name, proven: range.upperBound, previousChecksum: previous, after: after
        ).encoded()
        var q = range.lowerBound
        while q <= range.upperBound {
            let end = min(q + 999, range.upperBound)
            lines.removeAll(keepingCapacity: true)
            for number in q...end {
                guard let place = places[number] else { return }
                lines[number] = try disk.open(place.path, .read).read(
                    at: place.range.lowerBound, count: place.range.count)
            }
            guard let batch = sealed(lines, q...end, previous) else { return }
            content += batch.bytes
            previous = batch.checksum
            q = end + 1
        }
        content += [UInt8](repeating: 10, count: 4_096)
        _ = try replace(name.path, with: content, "")
        actions.append(
            RepairAction(
                kind: .restored, path: name.path,
                message:
                    "the end of the log was gone; records \(range.lowerBound) to \(range.upperBound) were taken from the files of runs and events"
            ))
    }

    /// Files with records that the log cannot have: they are cut off, and their runs are set aside.
    private mutating func cutBeyond(_ lastQ: UInt64) throws(FileError) {
        for finding in found.report.findings {
            guard case .beyond(let stream) = finding.fault, let content = try disk.contents(of: stream.path) else {
                continue
            }
            var end = 0
            _ = StreamFile.forEach(content) { record in
                if record.q <= lastQ, record.line.lowerBound == end { end = record.line.upperBound }
            }
            let kept = try replace(stream.path, with: Array(content[..<end]), finding.message)
            var action = RepairAction(
                kind: .rewritten, path: stream.path,
                message: "\(finding.message), which has lost the records before it; the file was cut there",
                keptAt: kept)
            if case .run(let run) = stream {
                action.runs = [run]
                try write(KnownDamage.setAsidePath(run), Array((finding.message + "\n").utf8))
            }
            actions.append(action)
        }
    }
}
