internal import DaybookSystem
internal import DaybookValues

extension Recovery {
    /// Goes over damaged bytes: every record that can still be read is applied, every one that cannot costs its run.
    /// - Parameter segmentLastQ: the last record that counts in this segment.
    /// - Returns: whether the log goes on behind them.
    @discardableResult
    mutating func replayDamaged(
        _ scanner: inout BatchScanner, _ link: LogChain.Link, proven: UInt64, upTo segmentLastQ: UInt64,
        _ replay: inout some JournalReplay
    ) throws(JournalOpenError) -> Bool {
        let firstQ = scanner.expectedQ
        let salvage = scanner.salvage()
        var lastQ = min(salvage.commit?.lastQ ?? proven, segmentLastQ)
        var goesOn = salvage.commit != nil
        var known: [UInt64: ParsedRecord] = [:]
        for record in salvage.records where record.q >= firstQ && record.q <= lastQ { known[record.q] = record }
        if let commit = salvage.commit, commit.firstQ > proven,
            (commit.firstQ...commit.lastQ).contains(where: { known[$0] == nil })
        {
            // The batch behind the damage is itself a torn end.
            lastQ = min(lastQ, proven)
            goesOn = false
        }
        guard lastQ >= firstQ else { return goesOn }
        let badLines = salvage.badLines
        if badLines.isEmpty || (firstQ...lastQ).allSatisfy({ known[$0] != nil }) {
            let place = badLines.first ?? salvage.start..<salvage.start
            try noteDamage(
                Damage(path: link.name.path, offset: place.lowerBound, q: nil, stream: nil, line: scanner.line(place)),
                in: link.name, &replay)
        }
        for q in firstQ...lastQ {
            if let record = known[q] {
                // Behind a damaged line feed it is no line of its own, and whoever reads by lines will not see it.
                let start = record.line.lowerBound
                if q > report.snapshotQ, start > 0, scanner.bytes[start - 1] != UInt8(ascii: "\n") {
                    try keep(Array(scanner.bytes[record.line]), of: q)
                }
                try apply(record, scanner.bytes, &replay)
                continue
            }
            let bad = badLines.first { Self.claimedQ(scanner.bytes[$0]) == q } ?? badLines.first
            let place = bad ?? salvage.start..<salvage.start
            let line = scanner.line(place)
            var owner = owner(of: q, salvage: salvage, scanner: scanner, known: known)
            if owner == nil {
                try findLines(from: q)
                owner = linesOnDisk?[q]?.stream
            }
            let damage = Damage(path: link.name.path, offset: place.lowerBound, q: q, stream: owner, line: line)
            // What a snapshot already has is of no consequence for the state.
            guard q > report.snapshotQ else {
                try noteDamage(damage, in: link.name, &replay)
                continue
            }
            guard let owner else {
                try noteDamage(damage, in: link.name, &replay)
                if isGivenUp(q) { continue }
                throw .damaged(damage)
            }
            try noteDamage(damage, in: link.name, &replay)
            if let (buffer, record) = try intactCopy(of: q, in: owner) {
                try keep(Array(buffer[record.line]), of: q)
                try apply(record, buffer, &replay)
                continue
            }
            let tip = tips[owner]
            tips.set(owner, StreamTip(n: (tip?.n ?? 0) &+ 1, checksum: 0))
            if case .run(let run) = owner {
                quarantine(run, because: .damagedRecord(damage), &replay)
            } else {
                replay.noteDamage(damage)
            }
        }
        report.lastQ = max(report.lastQ, lastQ)
        self.proven = max(self.proven, min(lastQ, proven))
        if let commit = salvage.commit, goesOn { previousCommit = commit.checksum }
        scanner.expectedQ = lastQ + 1
        return goesOn
    }

    /// A torn end is dropped, unless a stream file has a record of it: stream files are written only after the flush,
    /// so the record was on disk, and what is there now is damage.
    /// - Returns: the highest such record, or 0.
    func provenByStreamFiles(_ scanner: BatchScanner) -> UInt64 {
        var copy = scanner
        let salvage = copy.salvage()
        var streams = Set(salvage.records.map(\.stream))
        for line in salvage.badLines {
            if let stream = Self.claimedStream(scanner.bytes[line]) { streams.insert(stream) }
        }
        if let commit = salvage.commit {
            for index in 0..<commit.count {
                if let stream = stream(tagged: index, of: commit, scanner: scanner, known: [:]) {
                    streams.insert(stream)
                }
            }
        }
        var proven: UInt64 = 0
        for stream in streams {
            guard let content = try? disk.contents(of: stream.path) else { continue }
            for record in StreamFile.records(content).records { proven = max(proven, record.q) }
        }
        return proven >= scanner.expectedQ ? proven : 0
    }

    // MARK: - Whose line was it

    /// The owner of a damaged line: from the line itself where the commit line does not contradict it, else from the
    /// commit line, else from the stream files of the hour.
    private func owner(
        of q: UInt64, salvage: BatchScanner.Salvage, scanner: BatchScanner, known: [UInt64: ParsedRecord]
    ) -> StreamID? {
        if let found = linesOnDisk?[q] { return found.stream }
        if let found = repairedOwner(of: q) { return found }
        var claimed: StreamID?
        if let line = salvage.badLines.first(where: { Self.claimedQ(scanner.bytes[$0]) == q }) {
            claimed = Self.claimedStream(scanner.bytes[line])
        }
        if let commit = salvage.commit, commit.firstQ <= q {
            let index = Int(q - commit.firstQ)
            let agrees = claimed.map { OwnerTag($0) == Self.tag(index, of: commit, scanner) } ?? false
            // A tag covers only the end of an id, so a name that is new here is believed last.
            if let claimed, agrees, tips[claimed] != nil { return claimed }
            return stream(tagged: index, of: commit, scanner: scanner, known: known)
                ?? corrected(q, salvage: salvage, scanner: scanner) ?? (agrees ? claimed : nil)
        }
        if let claimed {
            // With no commit line to ask, a stream that exists is believed, and so is one that begins here; also where
            // its other records were dropped with a torn end, since the next start has to come to the same.
            if tips[claimed] != nil || salvage.records.contains(where: { $0.stream == claimed }) { return claimed }
            if (try? disk.stat(claimed.path)) != nil { return claimed }
        }
        return corrected(q, salvage: salvage, scanner: scanner)
    }

    /// The stream of a line whose head has a single flipped bit: the checksum says which one. Only the owner is taken
    /// from it; the record counts as lost all the same.
    private func corrected(_ q: UInt64, salvage: BatchScanner.Salvage, scanner: BatchScanner) -> StreamID? {
        for place in salvage.badLines where place.count <= Self.correctedBytesMax {
            var line = Array(scanner.bytes[place])
            for offset in 0..<min(line.count, Self.headBytes) {
                for bit in 0..<8 {
                    line[offset] ^= 1 << UInt8(bit)
                    let isRight = line.withUnsafeBufferPointer { line in
                        line.baseAddress.map { LineParser.verifiedChecksum($0, line.count) != nil } ?? false
                    }
                    if isRight, Self.claimedQ(line[...]) == q { return Self.claimedStream(line[...]) }
                    line[offset] ^= 1 << UInt8(bit)
                }
            }
        }
        return nil
    }

    /// Bytes of a line up to the name of its stream, at most: two numbers, a time and the names of the fields.
    private static var headBytes: Int { 96 }
    /// Longer lines are not worth the time: each of their first bytes is tried in eight ways.
    private static var correctedBytesMax: Int { 64 << 10 }

    private static func tag(_ index: Int, of commit: ParsedCommit, _ scanner: BatchScanner) -> OwnerTag? {
        scanner.bytes.withUnsafeBufferPointer { buffer in
            buffer.baseAddress.flatMap { OwnerTag($0 + commit.owners.lowerBound + 8 * index) }
        }
    }

    private func stream(
        tagged index: Int, of commit: ParsedCommit, scanner: BatchScanner, known: [UInt64: ParsedRecord]
    ) -> StreamID? {
        guard let tag = Self.tag(index, of: commit, scanner) else { return nil }
        if let stream = tag.stream { return stream }
        var found = Set(known.values.map(\.stream).filter { OwnerTag($0) == tag })
        tips.forEach { stream, _ in
            if OwnerTag(stream) == tag { found.insert(stream) }
        }
        if found.isEmpty { found.formUnion(runsOnDisk { OwnerTag(.run($0)) == tag }.map { .run($0) }) }
        return found.count == 1 ? found.first : nil
    }

    /// Runs of the hours around the newest record whose file is there.
    private func runsOnDisk(where matches: (ULID) -> Bool) -> [ULID] {
        guard let newest = report.newestTime else { return [] }
        let hour = Int(floorDivide(newest.milliseconds, 3_600_000))
        var runs: [ULID] = []
        for hour in hour - 1...hour + 1 {
            guard let entries = try? disk.list(RunPath.directory(hour: hour)) else { continue }
            for entry in entries {
                if let id = ULID(entry.name.dropLast(6)), matches(id) { runs.append(id) }
            }
        }
        return runs.sorted()
    }

    /// The follower will write the stream file again from the log, where the line is damaged, so the good copy is put
    /// aside first.
    private mutating func keep(_ line: [UInt8], of q: UInt64) throws(JournalOpenError) {
        healed[q] = line
        guard marks != nil else { return }
        do throws(FileError) {
            try disk.makeDirectory(DamageNote.directory)
            try disk.replace(Self.keptPath(q), with: line)
        } catch {
            throw .file(error)
        }
    }

    /// What a damaged line says its number is.
    private static func claimedQ(_ line: ArraySlice<UInt8>) -> UInt64? {
        line.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return nil }
            var cursor = LineCursor(start: base, count: buffer.count)
            guard cursor.take("{\"q\":"), let q = cursor.number(), cursor.take(",\"t\":") else { return nil }
            return q
        }
    }

    /// Whose record a damaged line says it is.
    static func claimedStream(_ line: ArraySlice<UInt8>) -> StreamID? {
        line.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return nil }
            var cursor = LineCursor(start: base, count: buffer.count)
            guard cursor.take("{\"q\":"), cursor.number() != nil, cursor.take(",\"t\":\""), cursor.raw(24) != nil,
                cursor.take("\",\"s\":\""), let text = cursor.upToQuote()
            else { return nil }
            return StreamID(utf8: text)
        }
    }
}

extension BatchScanner {
    func line(_ range: Range<Int>) -> [UInt8] { Array(bytes[range].prefix(4_096)) }
}
