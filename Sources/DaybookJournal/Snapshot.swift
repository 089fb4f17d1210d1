internal import DaybookSystem
internal import DaybookValues

/// The format of snapshot files. A start ignores a snapshot with another number.
package let snapshotFormatVersion = 1

/// A snapshot file: a header line as in the log, then chunks of kind, length, checksum (four bytes each, little endian)
/// and content. Chunk kinds: 1 the files of unfinished streams, 2 runs set aside, 3 a slice of the state as the node
/// gave it, 9 the end, with the number of chunks before it.
enum SnapshotFile {
    static let streams: UInt32 = 1
    static let quarantined: UInt32 = 2
    static let slice: UInt32 = 3
    static let end: UInt32 = 9
    static let chunkHeadBytes = 12
    static let entryBytes = 32

    static func path(q: UInt64) -> String {
        var name = Array("snapshot/0".utf8)
        name.appendDigits(Int(q), width: 19)
        return String(decoding: name, as: UTF8.self) + ".snap"
    }

    static func q(ofFileName name: String) -> UInt64? {
        guard name.hasSuffix(".snap"), name.utf8.count == 25 else { return nil }
        return UInt64(name.dropLast(5)).flatMap { $0 < SegmentName.firstQMax ? $0 : nil }
    }

    /// Numbers of the snapshots on disk, newest first.
    static func list(_ disk: any Disk) throws(FileError) -> [UInt64] {
        guard try disk.stat("snapshot") != nil else { return [] }
        return try disk.list("snapshot").compactMap { q(ofFileName: $0.name) }.sorted(by: >)
    }

    static func header(q: UInt64) -> [UInt8] {
        var line: [UInt8] = []
        line.append("{\"snapshot\":")
        line.appendDecimal(UInt64(snapshotFormatVersion))
        line.append(",\"q\":")
        line.appendDecimal(q)
        line.closeLine(from: 0)
        return line
    }

    /// Any number of slices, the streams, the runs set aside, the end: no other order of chunks is right. Their checksums
    /// are over the content only, so this is what shows a kind that was changed.
    static func kind(_ kind: UInt32, mayFollow last: UInt32) -> Bool {
        switch kind {
        case slice, streams: last == slice
        case quarantined: last == streams
        default: last == quarantined
        }
    }

    static func chunkHead(_ kind: UInt32, _ content: [UInt8]) -> [UInt8] {
        var head: [UInt8] = []
        head.append(littleEndian: kind)
        head.append(littleEndian: UInt32(content.count))
        head.append(littleEndian: checksum(content[...]))
        return head
    }

    static func encode(_ table: StreamTable<StreamFileState>) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(table.count * entryBytes)
        for (stream, state) in table.sorted {
            let key = StreamTable<StreamFileState>.key(stream)
            bytes.append(littleEndian: key.0)
            bytes.append(littleEndian: key.1)
            bytes.append(littleEndian: state.bytes)
            bytes.append(littleEndian: state.n)
            bytes.append(littleEndian: state.checksum)
        }
        return bytes
    }
}

extension [UInt8] {
    mutating func append<Value: FixedWidthInteger>(littleEndian value: Value) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }
}

/// Why a snapshot file cannot be used; it is a cache, so another one or the log takes its place.
package struct SnapshotError: Error, Hashable, Sendable, CustomStringConvertible {
    package var description: String

    package init(_ description: String) {
        self.description = description
    }
}

/// The slices of a snapshot's state, as the node gave them, in order. All are checked before the first is given out.
package struct SnapshotReader {
    /// The last record whose effect is in the state.
    package let q: UInt64
    package let fileBytes: Int
    private let bytes: [UInt8]
    private var slices: [Range<Int>]
    private var index = 0
    let streams: [(StreamID, StreamFileState)]
    let quarantined: [QuarantinedRun]

    /// The next slice; nil after the last.
    package mutating func next() -> ArraySlice<UInt8>? {
        guard index < slices.count else { return nil }
        defer { index += 1 }
        return bytes[slices[index]]
    }

    /// Reads and checks a whole file.
    init(_ disk: any Disk, q: UInt64) throws(SnapshotError) {
        let content: [UInt8]?
        do throws(FileError) {
            content = try disk.contents(of: SnapshotFile.path(q: q))
        } catch {
            throw SnapshotError(error.description)
        }
        guard let content else { throw SnapshotError("it is gone") }
        try self.init(content, q: q)
    }

    init(_ bytes: [UInt8], q: UInt64) throws(SnapshotError) {
        let expected = SnapshotFile.header(q: q)
        guard bytes.starts(with: expected) else {
            throw SnapshotError("its header is damaged, or of another version or record")
        }
        var offset = expected.count
        var slices: [Range<Int>] = []
        var streams: [(StreamID, StreamFileState)] = []
        var quarantined: [QuarantinedRun] = []
        var chunks: UInt64 = 0
        var lastKind = SnapshotFile.slice
        func number<Value: FixedWidthInteger>(_ at: Int, _: Value.Type) -> Value {
            bytes.withUnsafeBytes { Value(littleEndian: $0.loadUnaligned(fromByteOffset: at, as: Value.self)) }
        }
        while true {
            guard bytes.count - offset >= SnapshotFile.chunkHeadBytes else { throw SnapshotError("it is cut short") }
            let kind = number(offset, UInt32.self)
            let length = Int(number(offset + 4, UInt32.self))
            let start = offset + SnapshotFile.chunkHeadBytes
            guard bytes.count - start >= length,
                number(offset + 8, UInt32.self) == checksum(bytes[start..<start + length])
            else { throw SnapshotError("its chunk at byte \(offset) is damaged") }
            guard SnapshotFile.kind(kind, mayFollow: lastKind) else {
                throw SnapshotError("its chunk at byte \(offset) is of kind \(kind), which does not come there")
            }
            lastKind = kind
            offset = start + length
            switch kind {
            case SnapshotFile.slice: slices.append(start..<offset)
            case SnapshotFile.streams:
                for entry in stride(from: start, to: offset - SnapshotFile.entryBytes + 1, by: SnapshotFile.entryBytes)
                {
                    let stream = StreamTable<StreamFileState>.stream(
                        number(entry, UInt64.self), number(entry + 8, UInt64.self))
                    let state = StreamFileState(
                        bytes: number(entry + 16, UInt64.self), n: number(entry + 24, UInt32.self),
                        checksum: number(entry + 28, UInt32.self))
                    guard state.bytes <= UInt64(Int.max >> 8), state.n < .max else {
                        throw SnapshotError("its entry at byte \(entry) is damaged")
                    }
                    streams.append((stream, state))
                }
            case SnapshotFile.quarantined:
                for entry in stride(from: start, to: offset - 31, by: 32) {
                    quarantined.append(
                        QuarantinedRun(
                            run: ULID(high: number(entry, UInt64.self), low: number(entry + 8, UInt64.self)),
                            neededFrom: number(entry + 16, UInt64.self), neededTo: number(entry + 24, UInt64.self)))
                }
            case SnapshotFile.end:
                guard length == 8, number(start, UInt64.self) == chunks else {
                    throw SnapshotError("chunks are missing from it")
                }
                self.q = q
                self.fileBytes = bytes.count
                self.bytes = bytes
                self.slices = slices
                self.streams = streams
                self.quarantined = quarantined
                return
            default: throw SnapshotError("it has a chunk of an unknown kind (\(kind))")
            }
            chunks += 1
        }
    }
}

/// A run that was set aside, and the records of the log that only its segments may hold.
struct QuarantinedRun: Hashable, Sendable {
    var run: ULID
    var neededFrom: UInt64
    var neededTo: UInt64
}
