internal import DaybookSystem
internal import DaybookValues
internal import Logging

/// Finding files: what the watch says, what a scan sees, and what has stopped changing.
extension Inbox {
    private enum Sighting { case delivered, created, scanned }

    func take(_ event: InboxWatchEvent) {
        switch event {
        case .delivered(let name): look(at: name, .delivered)
        case .created(let name): look(at: name, .created)
        case .overflowed:
            forgetPatience()
            scanAt = now
        case .lost(let reason):
            logger.notice("the inbox is scanned until it can be watched again", metadata: ["reason": "\(reason)"])
            isWatching = false
            forgetPatience()
            scanAt = now
        }
    }

    /// A close may have gone unseen.
    private func forgetPatience() {
        for name in candidates.keys where candidates[name]?.patience != options.settleNanoseconds {
            candidates[name]?.patience = options.settleNanoseconds
        }
        candidatesDueAt = now
    }

    func scan() {
        startWatch()
        scanAt = now + (isWatching ? options.watchedScanNanoseconds : options.scanNanoseconds)
        let entries: [DirectoryEntry]
        do throws(FileError) {
            entries = try list()
        } catch {
            report(.scanning, error.description)
            scanAt = now + options.retryNanoseconds
            return
        }
        guard !hasFailed else { return }
        noteWorking(.scanning)
        let names = Set(entries.map(\.name))
        candidates = candidates.filter { names.contains($0.key) }
        reported.formIntersection(names)

        let readyBefore = ready.count
        var times: [String: Timestamp] = [:]
        for entry in entries where !readyNames.contains(entry.name) {
            guard let status = look(at: entry.name, .scanned) else { continue }
            times[entry.name] = status.modified
        }
        // Oldest first: as near as a scan comes to the order in which they were delivered.
        let found = ready[readyBefore...].sorted { (a: String, b: String) -> Bool in
            let (timeOfA, timeOfB) = (times[a] ?? .zero, times[b] ?? .zero)
            return timeOfA == timeOfB ? a < b : timeOfA < timeOfB
        }
        ready.replaceSubrange(readyBefore..., with: found)
        isFirstScan = false
        recoveredFiles = [:]
    }

    private func list() throws(FileError) -> [DirectoryEntry] {
        do throws(FileError) {
            return try disk.list(InboxName.inbox)
        } catch {
            guard error.isMissing else { throw error }
            // Somebody cleaned up too well.
            _ = try makeFolders()
            return []
        }
    }

    @discardableResult
    private func look(at name: String, _ sighting: Sighting) -> FileStatus? {
        guard !InboxName.isLeftAlone(name), !readyNames.contains(name) else { return nil }
        let status: FileStatus
        do throws(FileError) {
            guard let found = try disk.stat(InboxName.inbox + "/" + name) else {
                candidates[name] = nil
                if sighting == .scanned, name.unicodeScalars.contains("\u{FFFD}") {
                    report(name, "it is left where it is: its name is not UTF-8; rename it")
                }
                return nil
            }
            status = found
        } catch {
            report(name, error.description)
            return nil
        }
        if status.kind == .directory {
            report(name, "it is left where it is: a directory cannot be an event; drop the files that are in it")
            return nil
        }
        if isHalfRenamed(name, status) {
            reject(
                Rejection(
                    source: InboxName.inbox + "/" + name, directory: InboxName.inbox, original: name,
                    problem: "the disk shows this file twice: Daybook has it already, and is taking it",
                    advice: "Drop it again only if it was meant to be taken twice."))
            return nil
        }
        switch sighting {
        case .delivered:
            // An empty file is more likely one that is about to be written than one that is meant.
            let isComplete = status.kind == .file ? status.bytes > 0 && InboxName.format(of: name) != nil : true
            if isComplete { makeReady(name) } else { watchCandidate(name, status, options.settleNanoseconds) }
        case .created:
            let age = wallClock.now - status.modified
            if status.kind != .file {
                watchCandidate(name, status, options.settleNanoseconds)
            } else if status.bytes > 0, age > Int64(options.settleNanoseconds / 1_000_000) {
                // New here, but not just written: a link to a file that is complete.
                watchCandidate(name, status, 0)
            } else {
                watchCandidate(name, status, options.openSettleNanoseconds)
            }
        case .scanned:
            let age = wallClock.now - status.modified
            let isOld = isFirstScan && age >= Int64(options.settleNanoseconds / 1_000_000)
            if isOld {
                makeReady(name)
            } else if candidates[name]?.status != status {
                watchCandidate(name, status, candidates[name]?.patience ?? options.settleNanoseconds)
            }
        }
        return status
    }

    /// A file system without a journal may show a file under both names when power was lost inside the rename that
    /// claimed it. It is the same file, then, and not a second one.
    private func isHalfRenamed(_ name: String, _ status: FileStatus) -> Bool {
        guard isFirstScan, let twins = recoveredFiles[InboxName.shortened(name)] else { return false }
        return twins.contains { $0.inode == status.inode && $0.device == status.device }
    }

    private func makeReady(_ name: String) {
        candidates[name] = nil
        guard readyNames.insert(name).inserted else { return }
        ready.append(name)
    }

    private func watchCandidate(_ name: String, _ status: FileStatus, _ patience: UInt64) {
        let candidate = Candidate(status: status, since: now, patience: patience)
        candidates[name] = candidate
        candidatesDueAt = min(candidatesDueAt, candidate.due)
    }

    /// Takes the files that have not changed for long enough.
    func checkCandidates() {
        candidatesDueAt = .max
        for name in candidates.keys.sorted() {
            guard let candidate = candidates[name] else { continue }
            if now >= candidate.due {
                do throws(FileError) {
                    let status = try disk.stat(InboxName.inbox + "/" + name)
                    if status == candidate.status {
                        makeReady(name)
                        hasWorked = true
                    } else if let status {
                        watchCandidate(name, status, candidate.patience)
                    } else {
                        candidates[name] = nil
                    }
                } catch {
                    report(name, error.description)
                    candidates[name] = nil
                }
            } else {
                candidatesDueAt = min(candidatesDueAt, candidate.due)
            }
        }
    }

    /// Tells once about something that stays where it is.
    func report(_ name: String, _ what: String) {
        guard reported.insert(name).inserted else { return }
        logger.warning(
            "something in the inbox cannot be taken",
            metadata: ["file": "\(InboxName.shown(name))", "reason": "\(what)"])
    }
}
