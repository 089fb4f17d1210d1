internal import DaybookSystem
internal import DaybookValues

/// A file or a directory of a `MemoryDisk`, with what a loss of power would leave of it.
final class Node {
    let isDirectory: Bool
    let inode: UInt64
    var modified = Timestamp.zero
    /// What reads see, and what is on the disk.
    var content: [UInt8] = []
    var durable: [UInt8] = []
    var names: [String: Node] = [:]
    var durableNames: [String: Node] = [:]
    /// Ranges written since the last flush, in order, with their content at that time.
    private var unflushed: [(offset: Int, bytes: [UInt8])] = []
    private var sizeIsUnflushed = false
    /// Sectors stored to through a mapping since the last flush. Only where, not what: a mapping is stored to far more
    /// often than a file is written.
    private var mappedSectors: Set<Int> = []

    init(isDirectory: Bool, inode: UInt64) {
        self.isDirectory = isDirectory
        self.inode = inode
    }

    var totalBytes: Int { names.values.reduce(content.count) { $0 + $1.totalBytes } }

    func grow(to bytes: Int) {
        content.append(contentsOf: [UInt8](repeating: 0, count: bytes - content.count))
        sizeIsUnflushed = true
    }

    func cut(to bytes: Int) {
        content.removeSubrange(bytes...)
        sizeIsUnflushed = true
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
        content.withUnsafeMutableBytes { content in
            UnsafeMutableRawBufferPointer(rebasing: content[offset..<offset + bytes.count]).copyMemory(from: bytes)
        }
        unflushed.append((offset, Array(bytes)))
    }

    func store(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
        guard !bytes.isEmpty else { return }
        content.withUnsafeMutableBytes { content in
            UnsafeMutableRawBufferPointer(rebasing: content[offset..<offset + bytes.count]).copyMemory(from: bytes)
        }
        mappedSectors.formUnion(offset / MemoryDisk.sectorBytes...(offset + bytes.count - 1) / MemoryDisk.sectorBytes)
    }

    /// A flush: what is visible is durable.
    func settle() {
        if sizeIsUnflushed {
            if durable.count > content.count { durable.removeSubrange(content.count...) }
            if durable.count < content.count {
                durable.append(contentsOf: [UInt8](repeating: 0, count: content.count - durable.count))
            }
            sizeIsUnflushed = false
        }
        for (offset, bytes) in unflushed { put(bytes, 0..<bytes.count, at: offset, into: &durable) }
        unflushed = []
        for sector in mappedSectors { keepSector(sector) }
        mappedSectors = []
    }

    func settleAll() {
        settle()
        for node in names.values { node.settleAll() }
    }

    /// A flush has failed: reads go on showing the bytes, but nothing will make them durable any more.
    func loseAtPowerLoss() {
        unflushed = []
    }

    /// The power goes. Without random numbers everything unflushed is lost.
    func loseUnflushed(_ random: SeededRandom?) {
        if let random, sizeIsUnflushed, random.chance(percent: 50) {
            if durable.count > content.count { durable.removeSubrange(content.count...) }
            if durable.count < content.count {
                durable.append(contentsOf: [UInt8](repeating: 0, count: content.count - durable.count))
            }
        }
        if let random {
            for (offset, bytes) in unflushed { keepSectors(of: bytes, at: offset, random) }
            for sector in mappedSectors.sorted() where random.chance(percent: 50) { keepSector(sector) }
        }
        mappedSectors = []
        unflushed = []
        sizeIsUnflushed = false
        content = durable
        for key in Set(names.keys).union(durableNames.keys).sorted() {
            let (visible, kept) = (names[key], durableNames[key])
            visible?.loseUnflushed(random)
            if kept !== visible { kept?.loseUnflushed(random) }
        }
    }

    /// After a loss of power the durable names are all there are.
    func adoptDurableNames() {
        names = durableNames
        for node in names.values { node.adoptDurableNames() }
    }

    func collect(_ prefix: String, _ paths: inout [String]) {
        for (name, node) in names {
            let path = prefix.isEmpty ? name : prefix + "/" + name
            if node.isDirectory { node.collect(path, &paths) } else { paths.append(path) }
        }
    }

    func copied(_ makeInode: () -> UInt64) -> Node {
        let copy = Node(isDirectory: isDirectory, inode: makeInode())
        copy.modified = modified
        copy.content = content
        copy.durable = content
        for (name, node) in names.sorted(by: { $0.key < $1.key }) { copy.names[name] = node.copied(makeInode) }
        copy.durableNames = copy.names
        return copy
    }

    private func keepSectors(of bytes: [UInt8], at offset: Int, _ random: SeededRandom) {
        var start = 0
        while start < bytes.count {
            let sectorEnd = ((offset + start) / MemoryDisk.sectorBytes + 1) * MemoryDisk.sectorBytes
            let end = min(bytes.count, sectorEnd - offset)
            if random.chance(percent: 50) { put(bytes, start..<end, at: offset, into: &durable) }
            start = end
        }
    }

    private func keepSector(_ sector: Int) {
        let start = sector * MemoryDisk.sectorBytes
        let end = min(start + MemoryDisk.sectorBytes, content.count, durable.count)
        if start < end { durable.replaceSubrange(start..<end, with: content[start..<end]) }
    }

    /// Copies part of a write as far as the file reaches.
    private func put(_ bytes: [UInt8], _ range: Range<Int>, at offset: Int, into target: inout [UInt8]) {
        let end = min(range.upperBound, target.count - offset)
        guard end > range.lowerBound else { return }
        target.replaceSubrange(offset + range.lowerBound..<offset + end, with: bytes[range.lowerBound..<end])
    }
}

/// An open file of a `MemoryDisk`; it ends with the process that opened it.
final class MemoryFile: DiskFile, @unchecked Sendable {
    // `node` is touched only by the disk, under its lock; the rest never changes.
    let disk: MemoryDisk
    let node: Node
    let path: String
    let generation: Int
    let canWrite: Bool

    init(disk: MemoryDisk, node: Node, path: String, generation: Int, canWrite: Bool) {
        self.disk = disk
        self.node = node
        self.path = path
        self.generation = generation
        self.canWrite = canWrite
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileError) {
        try disk.write(bytes, at: offset, file: self)
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileError) -> Int {
        try disk.read(into: buffer, at: offset, file: self)
    }

    func sync() throws(FileError) { try disk.sync(self) }
    func bytes() throws(FileError) -> Int { try disk.bytes(self) }
    func truncate(to bytes: Int) throws(FileError) { try disk.truncate(self, to: bytes) }
    func startWriteback(at offset: Int, bytes: Int) throws(FileError) {}
    func close() {}
}

/// Part of a file as memory; stores of a dead process change nothing any more.
final class MemoryRegion: MappedRegion, @unchecked Sendable {
    // As for `MemoryFile`.
    let disk: MemoryDisk
    let node: Node
    let offset: Int
    let count: Int
    let generation: Int

    init(disk: MemoryDisk, node: Node, offset: Int, count: Int, generation: Int) {
        self.disk = disk
        self.node = node
        self.offset = offset
        self.count = count
        self.generation = generation
    }

    func store(_ bytes: UnsafeRawBufferPointer, at offset: Int) { disk.store(bytes, at: offset, region: self) }
    func load(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) {
        disk.load(into: buffer, at: offset, region: self)
    }
}
