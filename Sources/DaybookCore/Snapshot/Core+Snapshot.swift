import DaybookValues

/// A snapshot under way: the state as it was when it began, although the core goes on meanwhile.
struct SnapshotInProgress {
    /// All runs of that moment, in order.
    let ids: [ULID]
    var position = 0
    /// Runs that changed or ended before their turn, as they were.
    var kept: [ULID: [UInt8]] = [:]
}

extension Core {
    /// Raised when the format changes; a snapshot of a newer version is ignored. The first had no flow control,
    /// the second neither signals nor what apps behind a URL say about runs.
    private static let snapshotVersion: UInt64 = 3

    /// The whole state as bytes: equal states give equal bytes.
    package var encodedState: [UInt8] {
        var writer = StateWriter()
        writeHead(to: &writer)
        for id in runs.keys.sorted() { runs[id]?.write(to: &writer) }
        return writer.bytes
    }

    /// Begins a snapshot of the state as it is now. Take its bytes with `nextSnapshotSlice`, which may be called between
    /// other commands: what they change is kept aside first.
    package func beginSnapshot() -> [UInt8] {
        precondition(snapshot == nil, "a snapshot is under way")
        snapshotNumber += 1
        snapshot = SnapshotInProgress(ids: runs.keys.sorted())
        var writer = StateWriter()
        writeHead(to: &writer)
        return writer.bytes
    }

    /// The next at most `runsMax` runs of the snapshot under way; nil when it is complete.
    package func nextSnapshotSlice(runsMax: Int) -> [UInt8]? {
        guard var snapshot else { return nil }
        // Held in one place only, so that it is changed where it lies instead of copied with every slice.
        self.snapshot = nil
        guard snapshot.position < snapshot.ids.count else { return nil }
        var writer = StateWriter()
        let end = min(snapshot.position + runsMax, snapshot.ids.count)
        for id in snapshot.ids[snapshot.position..<end] {
            if let kept = snapshot.kept.removeValue(forKey: id) {
                writer.append(kept)
            } else if let run = runs[id] {
                run.write(to: &writer)
                run.snapshotted = snapshotNumber
            }
        }
        snapshot.position = end
        self.snapshot = snapshot
        return writer.bytes
    }

    /// Gives up the snapshot under way.
    package func abandonSnapshot() { snapshot = nil }

    /// Writes a run down as it is, before it changes for the first time since the snapshot began.
    func keepForSnapshot(_ run: Run) {
        guard run.snapshotted != snapshotNumber else { return }
        run.snapshotted = snapshotNumber
        var writer = StateWriter()
        run.write(to: &writer)
        snapshot?.kept[run.id] = writer.bytes
    }

    private func writeHead(to writer: inout StateWriter) {
        writer.write(Self.snapshotVersion)
        writer.write(newestRecordTime)
        writer.write(systemMonth != nil)
        writer.write(Int(systemMonth ?? 0))
        writer.write(lastNumber)
        var state: [UInt8] = []
        systemState.append(to: &state)
        writer.write(state)
        writer.write(UInt64(suspects.count))
        for suspect in suspects {
            writer.write(suspect.run)
            writer.write(suspect.key)
        }
        writer.write(UInt64(dedup.kept.count))
        for (key, at) in dedup.kept {
            writer.write(ULID(high: key.high, low: key.low))
            writer.write(at)
        }
        writeFlow(to: &writer)
        writer.write(UInt64(runs.count))
    }

    private func writeFlow(to writer: inout StateWriter) {
        writer.write(newestRun)
        for table in [rates, throttleRates] {
            let kept = table.kept(after: newestRecordTime)
            writer.write(UInt64(kept.count))
            for (key, arrival) in kept {
                writer.write(ULID(high: key.high, low: key.low))
                writer.write(Int(arrival))
            }
        }
        writer.write(UInt64(holds.count))
        for hold in holds.byID.values.sorted(by: { $0.id < $1.id }) { hold.write(to: &writer) }
    }

    private func readFlow(from reader: inout StateReader) throws(SnapshotError) {
        newestRun = try reader.id()
        for isThrottle in [false, true] {
            for _ in 0..<(try reader.count()) {
                let id = try reader.id()
                let key = DedupTable.Key(high: id.high, low: id.low)
                let arrival = Int64(try reader.integer())
                // Microseconds; what lies this far ahead was not written by any version.
                guard (0...Int64.max >> 2).contains(arrival) else {
                    throw SnapshotError("a rate in the snapshot is out of range")
                }
                if isThrottle { throttleRates.restore(key, arrival) } else { rates.restore(key, arrival) }
            }
        }
        for _ in 0..<(try reader.count()) {
            let hold = try Hold(from: &reader, functionCount: functions.count)
            holds.add(hold)
            #if DELIBERATE_BUGS
                if limits.bug == .batchLostOnSnapshot { continue }
            #endif
            durationTimers.add(.hold(hold.id), due: hold.due)
        }
    }

    /// Takes over the state of a snapshot. The core must be new.
    /// - Throws: `SnapshotError` for bytes of another version or bytes that make no sense; the core is then useless.
    package func restore(snapshot bytes: ArraySlice<UInt8>) throws(SnapshotError) {
        var reader = StateReader(bytes)
        let version = try reader.number()
        guard (1...Self.snapshotVersion).contains(version) else {
            throw SnapshotError("the snapshot has another version")
        }
        newestRecordTime = try reader.time()
        let hasMonth = try reader.bool()
        let month = Int32(truncatingIfNeeded: try reader.integer())
        systemMonth = hasMonth ? month : nil
        lastNumber = try reader.counter()
        let text = try reader.text()
        // Some of it is kept as it stands: what is no JSON could not be written down and read again.
        guard (try? JSONText.check(text)) != nil else {
            throw SnapshotError("the functions in the snapshot are not JSON")
        }
        let state = text.withUnsafeBufferPointer { SystemState(JSONFields.Field(value: $0).fields) }
        guard let state else { throw SnapshotError("the functions in the snapshot cannot be read") }
        do throws(RecordError) {
            try applyRecord(.monthOpened(state), stream: .system, at: newestRecordTime)
        } catch {
            throw SnapshotError("\(error)")
        }
        for _ in 0..<(try reader.count()) {
            suspects.append(Suspect(run: try reader.id(), key: try reader.string()))
        }
        for _ in 0..<(try reader.count()) {
            let key = try reader.id()
            dedup.insert(DedupTable.Key(high: key.high, low: key.low), at: try reader.time())
        }
        if version >= 2 { try readFlow(from: &reader) }
        let count = try reader.count()
        runs.reserveCapacity(count)
        for _ in 0..<count {
            let run = try Run(from: &reader, functionCount: functions.count, version: version)
            runs[run.id] = run
            functions[run.function].runCount += 1
            restoreDerived(run)
        }
        guard reader.isAtEnd else { throw SnapshotError("bytes are left over at the end of the snapshot") }
    }

    /// Timers and indexes follow from the run.
    private func restoreDerived(_ run: Run) {
        if run.startedAt == nil, let startAt = run.startAt {
            wallTimers.add(.delayedStart(run: run.id), due: startAt)
        }
        setTimeout(of: run)
        listen(for: run)
        if let retryAt = run.retryAt {
            durationTimers.add(.attempt(run: run.id, number: run.retryNumber), due: retryAt)
        }
        for step in run.open {
            #if DELIBERATE_BUGS
                if limits.bug == .timerLostOnSnapshot, case .sleep = step.kind { continue }
            #endif
            setTimer(step, of: run)
            if case .wait(let event, _, _) = step.kind, let entry = entry(of: step, run.id) {
                waits.add(entry, on: event)
            }
            if case .signal(let name, isReplaced: false) = step.kind {
                signals[name] = SignalWaiter(run: run.id, number: step.number)
            }
        }
    }
}
