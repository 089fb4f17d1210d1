package import DaybookSystem
package import DaybookValues

/// The records of one run: where each lies in its file. Payloads are read when asked for, so that a waking run with
/// large outputs costs its index only.
package struct RunRecords: Sendable {
    package struct Entry: Sendable {
        package var q: UInt64
        package var time: Timestamp
        package var n: UInt32
        package var kind: [UInt8]
        package var isFinal: Bool
        /// Of the line in the file, with its line feed.
        package var offset: Int
        package var bytes: Int
    }

    package let stream: StreamID
    package let entries: [Entry]
    private let disk: any Disk

    /// Reads the stream's file as it is now.
    package init(disk: any Disk, stream: StreamID) throws(RunRecordsError) {
        try self.init(disk: disk, stream: stream) { _ in }
    }

    /// As above, and gives out every record on the way, for those who need all of them once.
    ///
    /// - Parameter settledBytes: how much of the file is complete; nil, the default, when nobody writes it. Asked only
    ///   when the file ends within a line: whether more is being appended just now, or something is damaged.
    package init(
        disk: any Disk, stream: StreamID, settledBytes: () -> UInt64? = { nil }, _ body: (RecordView) -> Void
    ) throws(RunRecordsError) {
        self.disk = disk
        self.stream = stream
        var content = try Self.content(disk, stream)
        var settled: UInt64?
        if let last = content.last, last != UInt8(ascii: "\n") {
            settled = settledBytes()
            if settled != nil { content = try Self.content(disk, stream) }
        }
        var entries: [Entry] = []
        var isOfStream = true
        let valid = StreamFile.forEach(content) { record in
            // A file that was exchanged for another one is sound in itself.
            guard record.stream == stream else {
                isOfStream = false
                return
            }
            entries.append(
                Entry(
                    q: record.q, time: record.time, n: record.n, kind: Array(content[record.kind]),
                    isFinal: record.isFinal, offset: record.line.lowerBound, bytes: record.line.count))
            body(record.view(of: content))
        }
        guard let first = entries.first, first.n == 0, isOfStream else { throw .damaged(path: stream.path, offset: 0) }
        guard valid == content.count || settled.map({ valid >= Int($0) }) ?? false else {
            throw .damaged(path: stream.path, offset: valid)
        }
        self.entries = entries
    }

    private static func content(_ disk: any Disk, _ stream: StreamID) throws(RunRecordsError) -> [UInt8] {
        do throws(FileError) {
            guard let found = try disk.contents(of: stream.path) else { throw FileError(missing: stream.path) }
            return found
        } catch {
            throw error.isMissing ? .unknown(stream) : .file(error)
        }
    }

    /// The fields of one record, checked again.
    package func payload(of entry: Entry) throws(RunRecordsError) -> [UInt8] {
        let line: [UInt8]
        do throws(FileError) {
            line = try disk.open(stream.path, .read).read(at: entry.offset, count: entry.bytes)
        } catch {
            throw .file(error)
        }
        guard let record = StreamFile.records(line).records.first, record.q == entry.q else {
            throw .damaged(path: stream.path, offset: entry.offset)
        }
        return Array(line[record.payload])
    }
}

/// Why the records of a run cannot be given.
package enum RunRecordsError: Error, Hashable, Sendable, CustomStringConvertible {
    case unknown(StreamID)
    case damaged(path: String, offset: Int)
    case file(FileError)

    package var description: String {
        switch self {
        case .unknown(let stream): "There is no \(stream.text) in this data directory."
        case .damaged(let path, let offset):
            """
            \(path) is damaged at byte \(offset). `daybook verify` says more, and `daybook repair` puts back what the \
            log still has; the other runs are not affected.
            """
        case .file(let error): error.description
        }
    }
}

extension FileError {
    init(missing path: String) {
        self.init(errno: 2, operation: .open, path: path)
    }
}
