internal import DaybookCore
internal import DaybookSystem
internal import DaybookValues
internal import Logging

/// Taking files: claim, read and check, commit.
extension Inbox {
    /// Claims what is ready, and flushes once for all of it.
    func claimReady() {
        guard refusal == nil, !ready.isEmpty, claimed.count < options.filesPerRoundMax else { return }
        hasWorked = true
        let names = ready.prefix(options.filesPerRoundMax)
        var taken: [ClaimedFile] = []
        for name in names {
            readyNames.remove(name)
            let file = ClaimedFile(name: InboxName.claim(of: name, id: makeClaimID()))
            do throws(FileError) {
                try disk.rename(InboxName.inbox + "/" + name, to: file.path)
                taken.append(file)
                reported.remove(name)
            } catch {
                // Gone is fine: it was seen twice, or its owner took it back.
                if !error.isMissing { report(name, error.description) }
            }
        }
        ready.removeFirst(names.count)
        guard !taken.isEmpty else { return }
        // The new names first: where a rename can come apart, the file then has two names rather than none.
        guard flush(InboxName.claimed, InboxName.inbox) else { return }
        claimed.append(contentsOf: taken)
    }

    /// Ids that sort in the order of the claims.
    private func makeClaimID() -> ULID {
        var id = ids.make(at: wallClock.now)
        if id.time <= lastClaimID.time {
            id = lastClaimID
            id.low &+= 1
        }
        lastClaimID = id
        return id
    }

    /// Reads and checks claimed files and hands their first chunk to the sink, as long as there is room.
    func readClaimed() {
        if !postponed.isEmpty {
            claimed.append(contentsOf: postponed.filter { $0.retryAt <= now })
            postponed.removeAll { $0.retryAt <= now }
        }
        guard refusal == nil else { return probe() }
        var index = 0
        while index < claimed.count, bytesInFlight < options.bytesInFlightMax,
            inFlight.count < options.filesInFlightMax
        {
            read(claimed[index])
            index += 1
        }
        guard index > 0 else { return }
        hasWorked = true
        claimed.removeFirst(index)
    }

    /// While the sink refuses, one file at a time asks whether it still does.
    private func probe() {
        guard now >= refusedUntil, inFlight.isEmpty else { return }
        refusedUntil = now + options.retryNanoseconds
        if refused.isEmpty { refused = claimed.isEmpty ? [] : [claimed.removeFirst()] }
        guard !refused.isEmpty else {
            refusal = nil
            hasWorked = true
            return
        }
        hasWorked = true
        read(refused.removeFirst())
    }

    private func read(_ file: ClaimedFile) {
        let bytes: [UInt8]
        do throws(FileError) {
            guard let content = try content(of: file) else { return }
            bytes = content
        } catch {
            return handle(error, of: file)
        }
        guard let format = InboxName.format(of: file.original) else { return }
        do throws(EventFileError) {
            let (opened, chunk) = try EventFile.open(
                bytes, format, from: file.offset, limits: options, make: makeEvent)
            if !chunk.isWhole { file.file = opened }
            send(chunk, of: file)
        } catch {
            if file.offset > 0 {
                rejectChanged(file, events: "those in its first \(file.offset) bytes")
            } else {
                reject(file, error.problem, error.advice)
            }
        }
    }

    /// - Returns: nil when there is nothing to read: the file was refused, is gone or is still being written.
    private func content(of file: ClaimedFile) throws(FileError) -> [UInt8]? {
        guard let before = try disk.stat(file.path) else {
            vanish(file)
            return nil
        }
        switch before.kind {
        case .file: break
        case .symbolicLink:
            reject(file, "it is a symbolic link, and Daybook does not follow links", "Drop the file itself, or a copy.")
            return nil
        case .directory, .other:
            reject(file, "it is a device, pipe or socket", "Drop a regular file.")
            return nil
        }
        guard InboxName.format(of: file.original) != nil else {
            reject(file, "unknown extension: use .json, .jsonl or .ndjson", "Rename it.")
            return nil
        }
        guard before.bytes <= options.fileBytesMax else {
            reject(
                file, "\(before.bytes) bytes are over the limit of \(options.fileBytesMax) bytes for one file",
                "Split it into smaller files.")
            return nil
        }
        let handle = try disk.open(file.path, .read)
        defer { handle.close() }
        let bytes = try handle.read(at: 0, count: before.bytes)
        guard try disk.stat(file.path) == before, bytes.count == before.bytes else {
            postpone(file, for: options.settleNanoseconds, "it is still being written")
            return nil
        }
        file.status = before
        return bytes
    }

    private func handle(_ error: FileError, of file: ClaimedFile) {
        if error.isMissing {
            vanish(file)
        } else if error.isTemporary {
            postpone(file, for: options.retryNanoseconds, error.description)
        } else if error.isDeviceFailure, file.readFailures < options.readFailuresMax {
            file.readFailures += 1
            postpone(file, for: options.retryNanoseconds, error.description)
        } else {
            reject(
                file, "it cannot be read: \(error.description)",
                "Give the user that Daybook runs as the right to read it, and see that the disk is in order.")
        }
    }

    private func postpone(_ file: ClaimedFile, for time: UInt64, _ why: String) {
        file.retryAt = now + time
        postponed.append(file)
        guard !file.isReported else { return }
        file.isReported = true
        logger.notice("a claimed file waits", metadata: ["file": "\(file.shownName)", "reason": "\(why)"])
    }

    private func vanish(_ file: ClaimedFile) {
        logVanished(file.original, offset: file.offset)
        guard file.isRecorded, flush(InboxName.claimed) else { return }
        sink.claimRemoved(file.name)
    }

    private func makeEvent(_ view: JSONView) throws(EventError) -> Event {
        let time = eventClock.now
        return try Event(view, id: ids.make(at: time), now: time, limits: options.events)
    }

    private func send(_ chunk: EventChunk, of file: ClaimedFile) {
        precondition(inFlight[file.name] == nil, "A claim has two chunks under way")
        file.pending = (chunk.offset, chunk.isWhole, chunk.events.count)
        inFlight[file.name] = file
        bytesInFlight += file.heldBytes
        publish(chunk, of: file)
    }

    // MARK: - Answers

    func take(_ result: Result<Int, Refusal>, of claim: String) {
        guard let file = inFlight.removeValue(forKey: claim), let pending = file.pending else { return }
        bytesInFlight -= file.heldBytes
        file.pending = nil
        switch result {
        case .success(let runCount):
            file.offset = pending.offset
            file.isWhole = pending.isWhole
            file.isRecorded = true
            file.eventCount += pending.eventCount
            file.runCount += runCount
            goOnAfterRefusal()
            if file.isWhole {
                accepted.append(
                    AcceptedFile(name: file.shownName, eventCount: file.eventCount, runCount: file.runCount))
                finish(file)
            } else {
                sendNext(file)
            }
        case .failure(let why):
            file.file = nil
            // In the order of the claims, so that the one that asks is the oldest every time.
            refused.insert(file, at: refused.firstIndex { $0.name > file.name } ?? refused.count)
            refusedUntil = now + options.retryNanoseconds
            let isKnown = refusal?.isSameKind(as: why) ?? false
            refusal = why
            guard !isKnown else { return }
            logger.warning(
                "the inbox takes no more files for now; nothing is lost, and they are tried again",
                metadata: ["reason": "\(why)"])
        }
    }

    private func sendNext(_ file: ClaimedFile) {
        do throws(EventFileError) {
            guard let chunk = try file.file?.nextChunk(limits: options, make: makeEvent) else {
                claimed.append(file)
                return
            }
            if chunk.isWhole { file.file = nil }
            send(chunk, of: file)
        } catch {
            // Every event was checked before the first one was committed, so this does not happen; if it did, the file
            // would still not be lost.
            reject(file, error.problem, error.advice)
        }
    }

    private func goOnAfterRefusal() {
        guard refusal != nil else { return }
        refusal = nil
        claimed.insert(contentsOf: refused, at: 0)
        refused = []
        logger.notice("the inbox takes files again")
    }
}

extension Refusal {
    /// How much has to be freed changes all the time, which is no news.
    fileprivate func isSameKind(as other: Refusal) -> Bool {
        if case (.storageFull, .storageFull) = (self, other) { true } else { self == other }
    }
}
