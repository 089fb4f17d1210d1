internal import DaybookSystem
internal import DaybookValues

enum SnapshotCheckError: Error {
    case file(FileError)
    case damaged(String)
}

/// A snapshot read piece by piece: everything is checked, and only what it says about files is kept.
struct SnapshotCheck {
    private(set) var fileBytes = 0
    private(set) var streams: [(stream: StreamID, state: StreamFileState)] = []
    private(set) var quarantined: [QuarantinedRun] = []

    private static let pieceBytes = 256 << 10

    init(_ disk: any Disk, q: UInt64) throws(SnapshotCheckError) {
        let failure: String?
        do throws(FileError) {
            let file = try disk.open(SnapshotFile.path(q: q), .read)
            failure = try check(file, q: q)
            file.close()
        } catch {
            throw .file(error)
        }
        if let failure { throw .damaged(failure) }
    }

    /// - Returns: what is wrong; nil when nothing is.
    private mutating func check(_ file: any DiskFile, q: UInt64) throws(FileError) -> String? {
        let header = SnapshotFile.header(q: q)
        guard try file.read(at: 0, count: header.count) == header else {
            return "its header is damaged, or of another version or record"
        }
        var offset = header.count
        var chunks: UInt64 = 0
        var lastKind = SnapshotFile.slice
        while true {
            let head = try file.read(at: offset, count: SnapshotFile.chunkHeadBytes)
            guard head.count == SnapshotFile.chunkHeadBytes else { return "it is cut short" }
            let (kind, length, sum) = (
                Self.number(head, 0, UInt32.self), Int(Self.number(head, 4, UInt32.self)),
                Self.number(head, 8, UInt32.self)
            )
            let isKept = kind != SnapshotFile.slice
            var content: [UInt8] = []
            var (done, found) = (0, UInt32(0))
            while done < length {
                let piece = try file.read(
                    at: offset + head.count + done, count: min(Self.pieceBytes, length - done))
                guard !piece.isEmpty else { break }
                found = piece.withUnsafeBufferPointer { checksum($0.baseAddress!, $0.count, continuing: found) }
                if isKept { content += piece }
                done += piece.count
            }
            guard done == length, found == sum else { return "its chunk at byte \(offset) is damaged" }
            guard SnapshotFile.kind(kind, mayFollow: lastKind) else {
                return "its chunk at byte \(offset) is of kind \(kind), which does not come there"
            }
            lastKind = kind
            offset += head.count + length
            switch kind {
            case SnapshotFile.slice: break
            case SnapshotFile.streams: takeStreams(content)
            case SnapshotFile.quarantined: takeQuarantined(content)
            case SnapshotFile.end:
                guard length == 8, Self.number(content, 0, UInt64.self) == chunks else {
                    return "chunks are missing from it"
                }
                fileBytes = offset
                return nil
            default: return "it has a chunk of an unknown kind (\(kind))"
            }
            chunks += 1
        }
    }

    private mutating func takeStreams(_ bytes: [UInt8]) {
        for entry in stride(from: 0, to: bytes.count - SnapshotFile.entryBytes + 1, by: SnapshotFile.entryBytes) {
            let stream = StreamTable<StreamFileState>.stream(
                Self.number(bytes, entry, UInt64.self), Self.number(bytes, entry + 8, UInt64.self))
            let state = StreamFileState(
                bytes: Self.number(bytes, entry + 16, UInt64.self), n: Self.number(bytes, entry + 24, UInt32.self),
                checksum: Self.number(bytes, entry + 28, UInt32.self))
            streams.append((stream, state))
        }
    }

    private mutating func takeQuarantined(_ bytes: [UInt8]) {
        for entry in stride(from: 0, to: bytes.count - 31, by: 32) {
            quarantined.append(
                QuarantinedRun(
                    run: ULID(
                        high: Self.number(bytes, entry, UInt64.self), low: Self.number(bytes, entry + 8, UInt64.self)),
                    neededFrom: Self.number(bytes, entry + 16, UInt64.self),
                    neededTo: Self.number(bytes, entry + 24, UInt64.self)))
        }
    }

    private static func number<Value: FixedWidthInteger>(_ bytes: [UInt8], _ at: Int, _: Value.Type) -> Value {
        bytes.withUnsafeBytes { Value(littleEndian: $0.loadUnaligned(fromByteOffset: at, as: Value.self)) }
    }
}
