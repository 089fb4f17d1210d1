package import DaybookSystem
package import DaybookValues
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// The append side of the log. One thread, the writer, owns it; nothing in it is locked.
///
/// A record is written in three parts: `begin` writes the envelope, the caller appends fields to `bytes` as raw JSON
/// (`,"key":value`), `end` closes the line. `commit` puts all records since the last commit on disk in one write and
/// one flush. A record that was ended is always committed: there is no way back.
package final class CommitLog: @unchecked Sendable {
    // Handed from the thread that opened the journal to the writer thread, and used by one thread at a time;
    // `commit` checks that it stays the same one.

    /// The batch so far. Between `begin` and `end` the caller appends fields here and does nothing else to it. Line
    /// feeds in it become spaces, since raw JSON has them only as white space.
    package var bytes: [UInt8] = []
    /// The number the next record will get.
    package private(set) var nextQ: UInt64
    /// The last record that is on disk.
    package private(set) var flushedQ: UInt64
    /// Records in the batch.
    package private(set) var batchCount = 0
    package var batchBytes: Int { bytes.count }

    private var streams: StreamTable<StreamTip>
    private var owners: [UInt8] = []
    private var batchSum: UInt32 = 0
    private var previousCommit: UInt32
    private var lineStart = -1
    private var stream = StreamID.system(month: 0)
    private var tip = StreamTip(n: 0, checksum: 0)
    private var timeText: [UInt8] = []
    private var timeInText: Timestamp?
    private let scratch: UnsafeMutablePointer<UInt8>

    private var segment: SegmentName
    private var file: any DiskFile
    private var offset: Int
    private let disk: any Disk
    private let state: LogState
    private let spares: SpareShelf
    private let epoch: UInt32
    private var headerBytes: Int
    private var writerThread: pthread_t?
    /// After a failure that is final; nothing may be written any more.
    package private(set) var hasFailed = false
    #if DELIBERATE_BUGS
        var bug: DeliberateBug?
    #endif
    /// Where the segment is full: the bytes that were prefilled.
    private var segmentBytes: Int
    /// The batch has its commit line, but is not written yet.
    private var isSealed = false
    private let isStillOurs: @Sendable () -> Bool

    static let kindBytesMax = 64
    private static let envelopeBytesMax = 256
    private static let commitLineBytesMax = 256

    init(
        disk: any Disk, state: LogState, spares: SpareShelf, segment: SegmentName, file: any DiskFile, headerBytes: Int,
        segmentBytes: Int, offset: Int, nextQ: UInt64, previousCommit: UInt32, streams: StreamTable<StreamTip>,
        isStillOurs: @escaping @Sendable () -> Bool
    ) {
        self.disk = disk
        self.state = state
        self.spares = spares
        self.segment = segment
        self.epoch = segment.epoch
        self.file = file
        self.segmentBytes = segmentBytes
        self.isStillOurs = isStillOurs
        self.offset = offset
        self.headerBytes = headerBytes
        self.nextQ = nextQ
        self.flushedQ = nextQ - 1
        self.previousCommit = previousCommit
        self.streams = streams
        scratch = .allocate(capacity: Self.envelopeBytesMax)
        timeText.reserveCapacity(32)
    }

    deinit {
        scratch.deallocate()
    }

    /// Starts a record: writes everything up to and including `"k":"kind"`.
    /// - Parameter kind: up to 64 characters that need no escape.
    /// - Returns: the record's number.
    @discardableResult
    package func begin(_ stream: StreamID, _ kind: StaticString, at time: Timestamp) -> UInt64 {
        precondition(lineStart < 0, "A record was begun before the last one was ended")
        precondition(!isSealed, "A record was begun while a batch waits to be written")
        precondition(kind.utf8CodeUnitCount <= Self.kindBytesMax, "A record kind is too long")
        if timeInText != time {
            timeText.removeAll(keepingCapacity: true)
            time.append(to: &timeText)
            timeInText = time
        }
        self.stream = stream
        tip = streams[stream] ?? StreamTip(n: 0, checksum: 0)
        var writer = EnvelopeWriter(position: scratch)
        writer.put("{\"q\":")
        writer.putDecimal(nextQ)
        writer.put(",\"t\":\"")
        writer.put(timeText)
        writer.put("\",\"s\":\"")
        writer.put(stream)
        writer.put("\",\"n\":")
        writer.putDecimal(UInt64(tip.n))
        writer.put(",\"p\":\"")
        writer.putHex(tip.checksum)
        if tip.n == 0 {
            writer.put("\",\"v\":")
            writer.putDecimal(UInt64(journalFormatVersion))
            writer.put(",\"k\":\"")
        } else {
            writer.put("\",\"k\":\"")
        }
        writer.put(kind)
        writer.put("\"")
        lineStart = bytes.count
        bytes.append(contentsOf: UnsafeBufferPointer(start: scratch, count: writer.position - scratch))
        return nextQ
    }

    /// Closes the record that was begun.
    /// - Parameters:
    ///   - isFinal: the stream ends with it and gets no further record.
    ///   - index: for the final record of a run, a JSON object for lists of runs; at most 64 KiB.
    package func end(final isFinal: Bool = false, index: [UInt8] = []) {
        precondition(lineStart >= 0, "A record was ended that was not begun")
        if isFinal {
            if !index.isEmpty {
                precondition(index.count <= 65_536, "The index object of a run is too large")
                bytes.append(",\"index\":")
                bytes.append(contentsOf: index)
            }
            bytes.append(",\"end\":")
            bytes.appendDecimal(UInt64(index.count))
        }
        let start = lineStart
        let sum = bytes.withUnsafeMutableBufferPointer { buffer -> UInt32 in
            guard let base = buffer.baseAddress else { return 0 }
            let line = base + start
            let count = buffer.count - start
            // A line feed would break the log in two for every reader.
            var search = line
            while let found = memchr(search, 10, line + count - search) {
                let position = found.assumingMemoryBound(to: UInt8.self)
                position.pointee = UInt8(ascii: " ")
                search = position + 1
            }
            return checksum(line, count)
        }
        var writer = EnvelopeWriter(position: scratch)
        writer.put(",\"crc\":\"")
        let sumText = writer.position
        writer.putHex(sum)
        writer.put("\"}\n")
        bytes.append(contentsOf: UnsafeBufferPointer(start: scratch, count: writer.position - scratch))
        batchSum = checksum(sumText, 8, continuing: batchSum)
        OwnerTag(stream).write(to: scratch)
        owners.append(contentsOf: UnsafeBufferPointer(start: scratch, count: 8))
        if isFinal {
            streams.remove(stream)
        } else {
            streams.set(stream, StreamTip(n: tip.n &+ 1, checksum: sum))
        }
        lineStart = -1
        nextQ += 1
        batchCount += 1
    }

    /// Puts the batch on disk: one write of all lines and the commit line, one flush. Does nothing when there are no
    /// records.
    ///
    /// A batch counts only if its segment still has a name after the flush, and the lock file too: what goes into a file
    /// that somebody removed is lost, and without the lock another process may have the directory.
    /// - Throws: what the disk answered. Nothing of the batch may be answered. With `hasFailed`, which is the rule, that
    ///   is final: the process has to end, because the kernel may have dropped the bytes, and the next start finds out
    ///   what is on disk. Otherwise there was no room or no descriptor to write it at all (`FileError.isTemporary`):
    ///   call again later, and begin no record before.
    package func commit() throws(FileError) {
        precondition(lineStart < 0, "A batch was committed with a record still open")
        precondition(!hasFailed, "The log was used after a failed flush")
        guard batchCount > 0 else { return }
        checkThread()
        do throws(FileError) {
            let batchBytes = bytes.count + owners.count + Self.commitLineBytesMax
            if !isSealed {
                if offset + batchBytes > segmentBytes, offset > headerBytes { try roll(for: batchBytes) }
                appendCommitLine(recordBytes: bytes.count)
                isSealed = true
            }
            // Written again from the start after a failure: nothing of it counts before the flush.
            try file.write(bytes, at: offset)
            #if DELIBERATE_BUGS
                if bug != .flushSkipped { try file.sync() }
            #else
                try file.sync()
            #endif
            guard file.isNamed else { throw .damaged(segment.path) }
            guard isStillOurs() else { throw .damaged(DirectoryOpening.lockPath) }
        } catch {
            hasFailed = !error.isTemporary
            throw error
        }
        isSealed = false
        offset += bytes.count
        flushedQ = nextQ - 1
        let (end, lastQ, room) = (offset, flushedQ, max(0, segmentBytes - offset))
        state.contents.withLock { contents in
            contents.segments[contents.segments.count - 1].end = end
            contents.segments[contents.segments.count - 1].lastQ = lastQ
            contents.flushedQ = lastQ
            contents.roomBytes = room
        }
        batchCount = 0
        batchSum = 0
        // A rare huge batch should not keep its memory for ever.
        bytes.removeAll(keepingCapacity: bytes.capacity <= 16 << 20)
        owners.removeAll(keepingCapacity: true)
    }

    /// Bytes that can be committed without asking the file system for room: the rest of the segment and the spares.
    package var roomBytes: Int {
        max(0, segmentBytes - offset) + spares.count * spares.segmentBytes
    }

    /// Streams that have not ended, with the number of their next record.
    package func streamRecordCount(_ stream: StreamID) -> UInt32? { streams[stream]?.n }
    package var unfinishedStreamCount: Int { streams.count }

    private func appendCommitLine(recordBytes: Int) {
        let start = bytes.count
        bytes.append("{\"c\":")
        bytes.appendDecimal(nextQ - 1)
        bytes.append(",\"count\":")
        bytes.appendDecimal(UInt64(batchCount))
        bytes.append(",\"bytes\":")
        bytes.appendDecimal(UInt64(recordBytes))
        bytes.append(",\"proven\":")
        bytes.appendDecimal(flushedQ)
        bytes.append(",\"own\":\"")
        bytes.append(contentsOf: owners)
        bytes.append("\",\"sum\":\"")
        bytes.appendHex(batchSum)
        bytes.append("\",\"prev\":\"")
        bytes.appendHex(previousCommit)
        bytes.append("\"")
        previousCommit = bytes.closeLine(from: start)
    }

    /// Goes on in a fresh segment. The header is durable before the file gets its name, so a segment under its own
    /// name always has one. After a failure that is temporary the log stands where it stood.
    private func roll(for batchBytes: Int) throws(FileError) {
        let name = SegmentName(firstQ: flushedQ + 1, epoch: epoch)
        let header = SegmentHeader(
            name: name, proven: flushedQ, previousChecksum: previousCommit, after: (segment, offset)
        ).encoded()
        let spare = try takeSpare(for: header.count + batchBytes)
        do throws(FileError) {
            try spare.file.write(header, at: 0)
            #if DELIBERATE_BUGS
                if bug != .renameBeforeFlush { try spare.file.sync() }
            #else
                try spare.file.sync()
            #endif
            try disk.rename(spare.path, to: name.path)
        } catch {
            // It has a header now, so that it is no spare any more.
            spare.file.close()
            try? disk.unlink(spare.path)
            throw error
        }
        try disk.syncDirectory("journal")
        file.close()
        file = spare.file
        segment = name
        segmentBytes = spare.bytes
        offset = header.count
        headerBytes = header.count
        let lastQ = flushedQ
        state.contents.withLock { contents in
            contents.segments.append(
                LogState.Segment(name: name, lastQ: lastQ, dataStart: header.count, end: header.count))
            contents.roomBytes = spare.bytes - header.count
        }
    }

    /// Spares that somebody removed are passed over.
    private func takeSpare(for bytes: Int) throws(FileError) -> SpareShelf.Spare {
        while true {
            let spare = try spares.take(disk, for: bytes)
            if spare.file.isNamed { return spare }
            spare.file.close()
        }
    }

    /// Hands the log to another thread: the next one that commits becomes the writer. For the thread that takes over,
    /// once the old one no longer uses the log.
    package func changeWriter() { writerThread = nil }

    private func checkThread() {
        let current = pthread_self()
        if let writerThread {
            precondition(pthread_equal(writerThread, current) != 0, "Two threads write to the log")
        } else {
            writerThread = current
        }
    }
}

/// Writes the fixed parts of a line into memory that is known to be large enough.
private struct EnvelopeWriter {
    var position: UnsafeMutablePointer<UInt8>

    @inline(__always)
    mutating func put(_ text: StaticString) {
        position.update(from: text.utf8Start, count: text.utf8CodeUnitCount)
        position += text.utf8CodeUnitCount
    }

    @inline(__always)
    mutating func put(_ text: [UInt8]) {
        for byte in text {
            position.pointee = byte
            position += 1
        }
    }

    @inline(__always)
    mutating func putDecimal(_ value: UInt64) {
        position += writeDecimal(value, to: position)
    }

    @inline(__always)
    mutating func putHex(_ value: UInt32) {
        writeHex(value, to: position)
        position += 8
    }

    @inline(__always)
    mutating func put(_ stream: StreamID) {
        guard case .run(let id) = stream else {
            put(Array(stream.text.utf8))
            return
        }
        put("run/")
        RunIDText.write(id, to: position)
        position += 26
    }
}
