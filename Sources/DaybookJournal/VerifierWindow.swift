internal import DaybookSystem

/// The part of a file that is being looked at. It moves forward, so memory goes with the longest line, not with the file.
final class FileWindow {
    private(set) var base: UnsafeMutablePointer<UInt8>
    private var capacity: Int
    /// Bytes in it, and where in the file the first of them stands.
    private(set) var count = 0
    private(set) var start = 0
    private(set) var isAtEnd = false
    private var file: (any DiskFile)?
    private var limit = Int.max

    /// Small enough to stay in a processor's cache while it is read twice: for the line feeds and the checksums.
    private static let pieceBytes = 256 << 10

    init() {
        capacity = Self.pieceBytes
        base = .allocate(capacity: capacity)
    }

    deinit {
        base.deallocate()
    }

    /// Shows the first piece of a file from `offset` on; nothing at or beyond `limit` is ever shown.
    func begin(_ file: any DiskFile, at offset: Int = 0, limit: Int = .max) throws(FileError) {
        self.file = file
        self.limit = limit
        start = offset
        count = 0
        isAtEnd = false
        try fill()
    }

    func end() {
        file?.close()
        file = nil
    }

    /// Drops the bytes before `position` and reads on.
    func advance(to position: Int) throws(FileError) {
        count -= position
        start += position
        if count > 0, position > 0 { base.update(from: base + position, count: count) }
        if count > capacity / 2 {
            let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity * 2)
            larger.update(from: base, count: count)
            base.deallocate()
            base = larger
            capacity *= 2
        }
        try fill()
    }

    private func fill() throws(FileError) {
        guard let file else { return }
        let wanted = min(capacity - count, max(0, limit - start - count))
        let buffer = UnsafeMutableRawBufferPointer(start: base + count, count: wanted)
        let done = wanted > 0 ? try file.read(into: buffer, at: start + count) : 0
        count += done
        isAtEnd = done < wanted || start + count >= limit
    }
}
