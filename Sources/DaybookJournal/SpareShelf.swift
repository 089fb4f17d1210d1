internal import DaybookSystem
internal import Synchronization

/// Segments that stand ready, filled with line feeds and flushed, so that the log never waits for the file system to
/// find room. The keeper fills the shelf; the writer takes from it.
final class SpareShelf: Sendable {
    struct Spare: Sendable {
        var path: String
        var file: any DiskFile
        var bytes: Int
    }

    let segmentBytes: Int
    let countWanted: Int
    private let ready: Mutex<[Spare]>
    private let nextNumber: Mutex<Int>
    /// Told when a spare was taken.
    let wake = Wake()

    /// Bytes that are written and flushed at once while a spare is made: a larger flush would stall the log's own.
    private static let pieceBytes = 1 << 20

    init(segmentBytes: Int, countWanted: Int, found: [Spare], nextNumber: Int) {
        self.segmentBytes = segmentBytes
        self.countWanted = countWanted
        ready = Mutex(found)
        self.nextNumber = Mutex(nextNumber)
    }

    var count: Int { ready.withLock { $0.count } }
    var isFull: Bool { count >= countWanted }

    /// A spare from the shelf. When it is empty a small one is made on the spot: the writer waits for one write and one
    /// flush of it, and the keeper has time to catch up.
    /// - Parameter bytes: what is to go into it at once.
    func take(_ disk: any Disk, for bytes: Int = 0) throws(FileError) -> Spare {
        let taken = ready.withLock { $0.isEmpty ? nil : $0.removeFirst() }
        wake.signal()
        if let taken { return taken }
        return try make(disk, bytes: min(segmentBytes, max(Self.pieceBytes, bytes)))
    }

    /// Makes one more spare and puts it on the shelf.
    func add(_ disk: any Disk) throws(FileError) {
        let spare = try make(disk, bytes: segmentBytes)
        ready.withLock { $0.append(spare) }
    }

    private func make(_ disk: any Disk, bytes: Int) throws(FileError) -> Spare {
        let number = nextNumber.withLock { number in
            number += 1
            return number
        }
        let path = "journal/spare-\(number)"
        let temporary = path + ".tmp"
        do throws(FileError) {
            let file = try disk.open(temporary, .create)
            try Self.fill(file, bytes: bytes, with: UInt8(ascii: "\n"))
            try disk.rename(temporary, to: path)
            try disk.syncDirectory("journal")
            return Spare(path: path, file: file, bytes: bytes)
        } catch {
            // Half a spare helps nobody, least of all on a full disk.
            try? disk.unlink(temporary)
            throw error
        }
    }

    static func fill(_ file: any DiskFile, bytes: Int, with byte: UInt8) throws(FileError) {
        let piece = [UInt8](repeating: byte, count: min(pieceBytes, bytes))
        var offset = 0
        while offset < bytes {
            try file.write(piece[..<min(piece.count, bytes - offset)], at: offset)
            try file.sync()
            offset += piece.count
        }
    }

    /// Takes over the spares of an earlier process that are whole and unused; removes the others.
    static func adopt(_ disk: any Disk, entries: [DirectoryEntry], segmentBytes: Int) throws(FileError) -> (
        spares: [Spare], lastNumber: Int
    ) {
        var spares: [Spare] = []
        var lastNumber = 0
        for entry in entries.sorted(by: { $0.name < $1.name }) where entry.name.hasPrefix("spare-") {
            let path = "journal/" + entry.name
            if let number = Int(entry.name.dropFirst(6)) {
                lastNumber = max(lastNumber, number)
                let file = try disk.open(path, .readWrite)
                // A process that died while rolling may have left its header at the start.
                let isUnused = try file.read(at: 0, count: 4_096).allSatisfy { $0 == UInt8(ascii: "\n") }
                if isUnused, try file.bytes() == segmentBytes {
                    spares.append(Spare(path: path, file: file, bytes: segmentBytes))
                    continue
                }
            }
            try disk.unlink(path)
        }
        return (spares, lastNumber)
    }
}
