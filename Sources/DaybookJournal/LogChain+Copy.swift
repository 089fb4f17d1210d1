internal import DaybookSystem

extension LogChain {
    /// Whether the lock file was written elsewhere: then this directory is a copy, and its files need not be of one
    /// moment.
    static func isCopy(_ disk: any Disk) throws(FileError) -> Bool {
        guard let status = try disk.stat(DirectoryOpening.lockPath) else { return false }
        let note = LockNote(try disk.contents(of: DirectoryOpening.lockPath))
        return note.isElsewhere(than: status)
    }

    /// Ends the log of a copy where the copy does.
    ///
    /// Who copies a segment while it is being written reads its start earlier than its end: what was still line feeds
    /// at the first reading may be followed by batches that were written before the second, and a later segment may
    /// have been copied after the one before it. Behind the first such hole everything is younger than the copy's
    /// beginning, and of none of it is it known what it rests on; so the log ends there. Bad bytes without a hole are
    /// judged like those of any other log.
    mutating func endWhereTheCopyDoes(_ disk: any Disk) throws(FileError) {
        for index in links.indices {
            let link = links[index]
            let next = index + 1 < links.count ? links[index + 1].name.firstQ : nil
            guard let content = try disk.contents(of: link.name.path) else { return }
            var scanner = BatchScanner(
                bytes: content, from: link.dataStart, limit: link.limit, expectedQ: link.name.firstQ,
                previousCommit: link.headerIsDamaged ? nil : link.header.previousChecksum)
            var finding = scanner.next()
            while case .batch = finding { finding = scanner.next() }
            copyLastQ = scanner.expectedQ - 1
            switch finding {
            case .end where next.map { $0 > scanner.expectedQ } ?? false: break
            case .irregular where scanner.hasHole: break
            case .irregular:
                // Damage, or a torn end: how far the log goes is for those to say who know what to make of it.
                copyLastQ = nil
                continue
            default: continue
            }
            links[index].limit = scanner.offset
            superseded = (superseded + links[(index + 1)...].map(\.name)).sorted()
            links.removeSubrange((index + 1)...)
            return
        }
    }
}

extension BatchScanner {
    /// Whether the bytes from `offset` on come to an empty line before they come to a commit line: the batch there was
    /// never whole. Line feeds stand where nothing was written yet.
    var hasHole: Bool {
        bytes.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return false }
            var position = offset
            while let lineEnd = Self.lineEnd(base, position, limit) {
                if lineEnd == position { return true }
                if LineParser.commit(base, position..<lineEnd) != nil { return false }
                position = lineEnd + 1
            }
            return false
        }
    }
}

extension LockNote {
    /// Whether it was written into another file than the one it is found in.
    func isElsewhere(than status: FileStatus) -> Bool {
        device.map { $0 != status.device || inode != status.inode } ?? false
    }
}
