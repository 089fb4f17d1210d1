internal import DaybookCore
internal import DaybookSystem
internal import DaybookValues
internal import Logging

/// Getting rid of files: those that are taken, and those that are refused.
extension Inbox {
    func finish(_ file: ClaimedFile) {
        file.file = nil
        if finished.isEmpty { finishAt = now + options.finishNanoseconds }
        finished.append(file)
    }

    /// Moves files whose events are all in the journal to `.done`, and lets the journal forget their claims.
    func moveFinished() {
        guard !finished.isEmpty, now >= finishAt || finished.count >= options.filesPerRoundMax else { return }
        let files = finished.prefix(options.filesPerRoundMax)
        var moved: [ClaimedFile] = []
        var stuck: [ClaimedFile] = []
        for file in files {
            do throws(FileError) {
                if let status = file.status {
                    let name = InboxName.done(of: file.name, status)
                    try disk.rename(file.path, to: InboxName.done + "/" + name)
                    done.append(DoneFile(name: name, due: now + options.graceNanoseconds))
                }
                moved.append(file)
            } catch {
                if error.isMissing {
                    // Somebody removed it, which is where it was going.
                    moved.append(file)
                } else {
                    report(.finishing, error.description)
                    stuck.append(file)
                }
            }
        }
        finished.removeFirst(files.count)
        finished.append(contentsOf: stuck)
        finishAt = stuck.isEmpty ? now : now + options.retryNanoseconds
        guard !moved.isEmpty else { return }
        hasWorked = true
        if stuck.isEmpty { noteWorking(.finishing) }
        guard flush(InboxName.done, InboxName.claimed) else { return }
        for file in moved { sink.claimRemoved(file.name) }
    }

    /// Deletes files whose grace time is over, if nobody has written to them since they were read.
    func deleteDone() {
        var deleted = 0
        while doneHead < done.count, done[doneHead].due <= now, deleted < options.filesPerRoundMax {
            let name = done[doneHead].name
            let path = InboxName.done + "/" + name
            deleted += 1
            doneHead += 1
            do throws(FileError) {
                guard let status = try disk.stat(path) else { continue }
                if let read = InboxName.statusOfDone(name),
                    (read.bytes, read.modified) == (status.bytes, status.modified)
                {
                    try disk.unlink(path)
                } else {
                    reject(
                        Rejection(
                            source: path, directory: InboxName.done, original: InboxName.original(of: name),
                            problem: Self.changedProblem, advice: Self.changedAdvice,
                            acceptedEvents: "all that were in it when it was taken"))
                }
                noteWorking(.deleting)
            } catch {
                report(.deleting, error.description)
                done.append(DoneFile(name: name, due: now + options.graceNanoseconds))
            }
        }
        guard deleted > 0 else { return }
        hasWorked = true
        if doneHead > 4_096, doneHead * 2 > done.count {
            done.removeFirst(doneHead)
            doneHead = 0
        }
    }

    // MARK: - Refusing

    static let changedProblem = "changed after it was taken"
    static let changedAdvice = """
        Compare it with what was meant, and drop only what is missing. Write files under a name that ends in .tmp, and \
        rename them once they are complete.
        """

    func reject(_ file: ClaimedFile, _ problem: String, _ advice: String) {
        file.file = nil
        reject(
            Rejection(
                source: file.path, directory: InboxName.claimed, original: file.original, problem: problem,
                advice: advice, acceptedEvents: file.offset > 0 ? "those in its first \(file.offset) bytes" : nil,
                claim: file.isRecorded ? file.name : nil))
    }

    func rejectChanged(_ file: ClaimedFile, events: String) {
        file.file = nil
        reject(
            Rejection(
                source: file.path, directory: InboxName.claimed, original: file.original,
                problem: Self.changedProblem, advice: Self.changedAdvice, acceptedEvents: events, claim: file.name))
    }

    func reject(_ rejection: Rejection) {
        if rejections.isEmpty { rejectAt = now }
        rejections.append(rejection)
    }

    /// Moves refused files to `rejected`: first every reason, flushed, then the files, so that none is there without.
    func moveRejected() {
        guard !rejections.isEmpty, now >= rejectAt else { return }
        let round = rejections.prefix(options.refusalsPerRoundMax)
        var named: [(rejection: Rejection, name: String)] = []
        var stuck: [Rejection] = []
        var names: Set<String> = []
        for rejection in round {
            do throws(FileError) {
                let name = try freeName(for: rejection.original, except: names)
                try writeReason(rejection, as: name)
                names.insert(name)
                named.append((rejection, name))
            } catch {
                report(.rejecting, error.description)
                stuck.append(rejection)
            }
        }
        rejections.removeFirst(round.count)
        if !named.isEmpty {
            hasWorked = true
            guard flush(InboxName.rejected) else { return }
        }
        var moved: [(rejection: Rejection, name: String)] = []
        for (rejection, name) in named {
            do throws(FileError) {
                try disk.rename(rejection.source, to: InboxName.rejected + "/" + name)
                moved.append((rejection, name))
            } catch {
                if error.isMissing {
                    // Somebody removed it: its reason must not lie there alone.
                    try? disk.unlink(InboxName.rejected + "/" + InboxName.reason(name))
                    moved.append((rejection, ""))
                } else {
                    report(.rejecting, error.description)
                    stuck.append(rejection)
                }
            }
        }
        rejections.insert(contentsOf: stuck, at: 0)
        rejectAt = stuck.isEmpty ? now : now + options.retryNanoseconds
        guard !moved.isEmpty else { return }
        if stuck.isEmpty { noteWorking(.rejecting) }
        let sources = Set(moved.map(\.rejection.directory))
        guard flush(InboxName.rejected) else { return }
        for directory in sources.sorted() {
            guard flush(directory) else { return }
        }
        for (rejection, name) in moved {
            if let claim = rejection.claim { sink.claimRemoved(claim) }
            guard !name.isEmpty else { continue }
            logger.warning(
                "an inbox file was refused; it is kept in inbox/rejected with the reason",
                metadata: [
                    "file": "\(InboxName.shown(rejection.original))", "reason": "\(rejection.problem)",
                    "kept-as": "\(InboxName.shown(name))",
                ])
        }
    }

    private func freeName(for original: String, except taken: Set<String>) throws(FileError) -> String {
        for number in 1...20 {
            let name = InboxName.rejected(original, number: number)
            if !taken.contains(name), try disk.stat(InboxName.rejected + "/" + name) == nil { return name }
        }
        return InboxName.claim(of: original, id: ids.make(at: wallClock.now))
    }

    private func writeReason(_ rejection: Rejection, as name: String) throws(FileError) {
        let status = try disk.stat(rejection.source)
        var text = """
            \(InboxName.shown(rejection.original)) was refused.

            Problem:  \(rejection.problem)

            """
        if let status {
            text += "File:     \(status.bytes) bytes, last changed \(status.modified.rfc3339)\n"
        }
        text += "Refused:  \(wallClock.now.rfc3339)\n"
        if let accepted = rejection.acceptedEvents {
            text += "Accepted: \(accepted); they are not taken back, and dropping the file again would repeat them.\n"
        } else {
            text += "Accepted: nothing of it.\n"
        }
        text += "\nWhat to do: \(rejection.advice)\n"
        if rejection.acceptedEvents == nil {
            text += "The file is kept beside this note. Move it back into the inbox once it is right.\n"
        }
        let path = InboxName.rejected + "/" + InboxName.reason(name)
        let temporary = path + ".tmp"
        let file = try disk.open(temporary, .create)
        defer { file.close() }
        try file.truncate(to: 0)
        try file.write(Array(text.utf8), at: 0)
        try file.sync()
        try disk.rename(temporary, to: path)
    }

    // MARK: - Log

    /// A line per file while they are few, and one for all of them when they come in hundreds.
    func logAccepted() {
        guard !accepted.isEmpty else { return }
        let isFew = accepted.count <= 10
        for file in accepted {
            logger.log(
                level: isFew ? .info : .debug, "an inbox file was accepted",
                metadata: [
                    "file": "\(file.name)", "events": "\(file.eventCount)", "runs-started": "\(file.runCount)",
                ])
        }
        if !isFew {
            logger.info(
                "inbox files were accepted",
                metadata: [
                    "files": "\(accepted.count)", "events": "\(accepted.reduce(0) { $0 + $1.eventCount })",
                    "runs-started": "\(accepted.reduce(0) { $0 + $1.runCount })",
                ])
        }
        accepted.removeAll(keepingCapacity: true)
    }
}
