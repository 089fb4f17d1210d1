internal import DaybookCore
internal import DaybookSystem
internal import Logging

extension Inbox {
    /// Brings the folders in order and takes up what an earlier process left.
    func open() {
        do throws(FileError) {
            guard try makeFolders() else { return }
            // What an earlier process renamed may be visible and still not on the disk. Nothing may follow from it
            // before it is.
            guard flush(InboxName.done, InboxName.rejected, InboxName.claimed, InboxName.inbox) else { return }
            let doneEntries = try disk.list(InboxName.done).sorted { $0.name < $1.name }
            try recoverClaims()
            for entry in doneEntries where entry.kind == .file {
                done.append(DoneFile(name: entry.name, due: now + options.graceNanoseconds))
            }
        } catch {
            report(.opening, error.description)
            scanAt = now + options.retryNanoseconds
            return
        }
        isOpen = true
        hasWorked = true
        noteWorking(.opening)
        scanAt = now
        startWatch()
    }

    /// - Returns: false after a failed flush.
    func makeFolders() throws(FileError) -> Bool {
        for directory in [InboxName.inbox, InboxName.claimed, InboxName.done, InboxName.rejected] {
            guard try disk.stat(directory) == nil else { continue }
            try disk.makeDirectory(directory)
            guard flush(parentPath(directory)) else { return false }
        }
        return true
    }

    private func recoverClaims() throws(FileError) {
        let entries = try disk.list(InboxName.claimed).sorted { $0.name < $1.name }
        var statuses: [String: FileStatus] = [:]
        for entry in entries {
            if let status = try disk.stat(InboxName.claimed + "/" + entry.name) { statuses[entry.name] = status }
        }
        let known = Dictionary(openClaims.map { ($0.name, $0) }) { _, last in last }
        for entry in entries {
            guard let status = statuses[entry.name], status.kind != .directory else {
                report(entry.name, "it is left alone: Daybook puts no such thing into \(InboxName.claimed)")
                continue
            }
            let file = ClaimedFile(name: entry.name, progress: known[entry.name])
            recoveredFiles[file.original, default: []].append(status)
            if !file.isWhole {
                claimed.append(file)
            } else if status.bytes == file.offset {
                file.status = status
                finish(file)
            } else {
                rejectChanged(file, events: "all that were in it when it was taken")
            }
        }
        for claim in openClaims where statuses[claim.name] == nil {
            // A whole one was on its way out; the journal had not heard that it arrived.
            if !claim.isWhole { logVanished(InboxName.original(of: claim.name), offset: claim.offset) }
            sink.claimRemoved(claim.name)
        }
        openClaims = []
    }

    func logVanished(_ original: String, offset: Int) {
        logger.warning(
            "a claimed file has disappeared before all of it was taken: somebody removed it",
            metadata: ["file": "\(InboxName.shown(original))", "bytes-taken": "\(offset)"])
    }
}
