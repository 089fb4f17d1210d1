internal import DaybookSystem
internal import DaybookValues

/// Taking possession of a data directory: folders, lock, epoch, marks, and the list of segments.
struct DirectoryOpening {
    let disk: any Disk
    let options: JournalOptions
    let lock: any DiskLock
    let marks: MarkTable
    let chain: LogChain
    let epoch: UInt32
    let wasCopied: Bool
    let lockNoteOfCopy: [UInt8]?
    var warnings: [String] = []

    static let lockPath = "daybook.lock"
    static let folders = ["journal", "snapshot", "runs", "events", "system"]

    init(
        disk: any Disk, clock: any WallClock, options: JournalOptions, identity: ProcessIdentity
    ) throws(JournalOpenError) {
        self.disk = disk
        self.options = options
        let kind: FileSystemKind
        let lockBefore: [UInt8]
        do throws(FileError) {
            kind = try disk.fileSystemKind()
        } catch {
            throw .file(error)
        }
        if kind.isNetwork {
            guard options.allowsNetworkFileSystem else { throw .networkFileSystem(name: kind.name) }
            warnings.append(
                "This data directory is on \(kind.name), a network file system: locks and flushes may not hold.")
        }
        let found: (any DiskLock)?
        let status: FileStatus
        do throws(FileError) {
            found = try disk.lock(Self.lockPath)
            lockBefore = try disk.contents(of: Self.lockPath) ?? []
            guard let lockStatus = try disk.stat(Self.lockPath) else {
                throw FileError(errno: 2, operation: .stat, path: Self.lockPath)
            }
            status = lockStatus
        } catch {
            throw error.isOutOfSpace ? .noRoom(error) : .file(error)
        }
        guard let found else { throw .locked(holder: LockNote(lockBefore).holder) }
        lock = found
        let before = LockNote(lockBefore)
        wasCopied = before.isElsewhere(than: status)
        chain = try LogChain.load(disk)
        epoch = max(before.epoch, chain.epochMax) + 1
        do throws(FileError) {
            for folder in Self.folders { try disk.makeDirectory(folder) }
            // The epoch is durable before anything carries it.
            let started = clock.now
            let note = LockNote.encode(
                identity: identity, epoch: epoch, started: started, device: status.device, inode: status.inode)
            if wasCopied {
                // The lock goes on naming the original until the files of the copy have been checked.
                lockNoteOfCopy = note
                try Self.writeLockNote(
                    disk,
                    LockNote.encode(
                        identity: identity, epoch: epoch, started: started, device: before.device ?? 0,
                        inode: before.inode ?? 0))
            } else {
                lockNoteOfCopy = nil
                try Self.writeLockNote(disk, note)
            }
            try disk.syncDirectory("")
            marks = try MarkTable(disk: disk, epoch: epoch)
        } catch {
            throw error.isOutOfSpace ? .noRoom(error) : .file(error)
        }
    }

}

extension DirectoryOpening {
    static func writeLockNote(_ disk: any Disk, _ note: [UInt8]) throws(FileError) {
        let file = try disk.open(lockPath, .readWrite)
        try file.write(note, at: 0)
        try file.truncate(to: note.count)
        try file.sync()
    }

    struct OpenedSegment {
        var log: CommitLog
        var state: LogState
        var spares: SpareShelf
        var superseded: [SegmentName]
    }

    /// Rule 18: a new segment for the new process, with the batches copied into it of which nobody knows whether they
    /// were flushed; they are durable before anything depends on them. The old files stay as they are.
    func openSegment(after recovery: Recovery) throws(JournalOpenError) -> OpenedSegment {
        let lastQ = recovery.report.lastQ
        let unproven = recovery.batchStarts.first { $0.firstQ > recovery.proven }
        let firstQ = unproven?.firstQ ?? lastQ + 1
        #if DELIBERATE_BUGS
            let copiedEnd =
                recovery.newest.end + (options.bug == .tornTailGlued ? recovery.report.tornBytes : 0)
            let copied = recovery.newest.bytes[(unproven?.offset ?? recovery.newest.end)..<copiedEnd]
        #else
            let copied = unproven.map { recovery.newest.bytes[$0.offset..<recovery.newest.end] } ?? []
        #endif
        let name = SegmentName(firstQ: firstQ, epoch: epoch)
        var superseded = chain.superseded
        var segments = recovery.segments
        var after: (segment: SegmentName, bytes: Int)?
        if let newest = segments.last, let link = chain.links.last {
            let end = unproven?.offset ?? recovery.newest.end
            if end <= link.dataStart, !link.headerIsDamaged, newest.lastQ < newest.name.firstQ {
                // Nothing of it counts: the log goes on from the segment before it.
                after = link.header.after
                superseded.append(newest.name)
                segments.removeLast()
            } else {
                after = (newest.name, end)
                segments[segments.count - 1].end = end
                segments[segments.count - 1].lastQ = firstQ - 1
            }
        }
        let header = SegmentHeader(
            name: name, proven: lastQ, previousChecksum: unproven?.previousChecksum ?? recovery.previousCommit,
            after: after
        ).encoded()
        do throws(FileError) {
            let adopted = try SpareShelf.adopt(
                disk, entries: disk.list("journal"), segmentBytes: options.segmentBytes)
            let spares = SpareShelf(
                segmentBytes: options.segmentBytes, countWanted: options.sparesMax, found: adopted.spares,
                nextNumber: adopted.lastNumber)
            let spare = try spares.take(disk, for: header.count + copied.count)
            try spare.file.write(header + copied, at: 0)
            #if DELIBERATE_BUGS
                if options.bug != .renameBeforeFlush { try spare.file.sync() }
            #else
                try spare.file.sync()
            #endif
            try disk.rename(spare.path, to: name.path)
            try disk.syncDirectory("journal")
            let end = header.count + copied.count
            segments.append(LogState.Segment(name: name, lastQ: lastQ, dataStart: header.count, end: end))
            let state = LogState(
                segments: segments, flushedQ: lastQ, roomBytes: max(0, spare.bytes - end))
            let lock = lock
            let log = CommitLog(
                disk: disk, state: state, spares: spares, segment: name, file: spare.file, headerBytes: header.count,
                segmentBytes: spare.bytes, offset: end, nextQ: lastQ + 1, previousCommit: recovery.previousCommit,
                streams: recovery.tips, isStillOurs: { [weak lock] in lock?.isNamed ?? false })
            return OpenedSegment(log: log, state: state, spares: spares, superseded: superseded)
        } catch {
            throw error.isOutOfSpace ? .noRoom(error) : .file(error)
        }
    }
}

/// What the lock file says: one line of JSON about the process that wrote it, for people and for the next start.
struct LockNote {
    var epoch: UInt32 = 0
    var device: UInt64?
    var inode: UInt64?
    /// For a message.
    var holder = "another process holds the lock"

    init(_ bytes: [UInt8]?) {
        let view = JSONView(bytes ?? [])
        /// The text of a member of the one flat object that we write ourselves; empty when it is not there.
        func field(_ name: String) -> String {
            guard let value = view?.member(name) else { return "" }
            return value.string ?? String(decoding: value.slice, as: UTF8.self)
        }
        // One that nobody reaches by opening a directory is damage, and would leave no epochs for us.
        epoch = UInt32(field("epoch")).flatMap { $0 > SegmentName.epochMax / 2 ? nil : $0 } ?? 0
        device = UInt64(field("device"))
        inode = UInt64(field("inode"))
        let pid = field("pid")
        if !pid.isEmpty {
            holder =
                "process \(pid) on \(field("host")), started \(field("started"))"
        }
    }

    static func encode(
        identity: ProcessIdentity, epoch: UInt32, started: Timestamp, device: UInt64, inode: UInt64
    ) -> [UInt8] {
        // Host names and boot ids have no characters that JSON escapes; what has is left out.
        func plain(_ text: String) -> String {
            String(text.unicodeScalars.filter { $0.value >= 32 && $0 != "\"" && $0 != "\\" }.map(Character.init))
        }
        let line = """
            {"pid":\(identity.pid),"host":"\(plain(identity.host))","boot":"\(plain(identity.bootID))",\
            "epoch":\(epoch),"started":"\(started.rfc3339)","device":\(device),"inode":\(inode)}

            """
        return Array(line.utf8)
    }
}
