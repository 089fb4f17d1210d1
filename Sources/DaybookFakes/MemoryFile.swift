internal import DaybookSystem
internal import Synchronization

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
        disk.announce(.write, path, generation: generation)
        var isFirst = true
        let result = writeFully(bytes) { rest, done in
            defer { isFirst = false }
            return disk.writeRaw(rest, at: offset + done, file: self, isFirst: isFirst)
        }
        guard result >= 0 else { throw FileError(errno: Int32(-result), operation: .write, path: path) }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileError) -> Int {
        var isFirst = true
        let result = readFully(into: buffer) { rest, done in
            defer { isFirst = false }
            return disk.readRaw(into: rest, at: offset + done, file: self, isFirst: isFirst)
        }
        guard result >= 0 else { throw FileError(errno: Int32(-result), operation: .read, path: path) }
        return result
    }

    func sync() throws(FileError) { try disk.sync(self) }
    func bytes() throws(FileError) -> Int { try disk.bytes(self) }
    func truncate(to bytes: Int) throws(FileError) { try disk.truncate(self, to: bytes) }
    func startWriteback(at offset: Int, bytes: Int) throws(FileError) {}
    var isNamed: Bool { disk.isNamed(node) }
    func close() {}
}

/// Part of a file as memory; stores of a dead process change nothing any more.
final class MemoryRegion: MappedRegion, @unchecked Sendable {
    // As for `MemoryFile`.
    let disk: MemoryDisk
    let node: Node
    let path: String
    let offset: Int
    let count: Int
    let generation: Int

    init(disk: MemoryDisk, node: Node, path: String, offset: Int, count: Int, generation: Int) {
        self.disk = disk
        self.node = node
        self.path = path
        self.offset = offset
        self.count = count
        self.generation = generation
    }

    func store(_ bytes: UnsafeRawBufferPointer, at offset: Int) { disk.store(bytes, at: offset, region: self) }
    func load(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) {
        disk.load(into: buffer, at: offset, region: self)
    }
}

extension MemoryDisk {
    /// One raw write.
    /// - Parameter isFirst: the first of the loop stands for the call: it is counted, and fails if it is to.
    /// - Returns: the bytes written, or the negated `errno`.
    fileprivate func writeRaw(
        _ bytes: UnsafeRawBufferPointer, at offset: Int, file: MemoryFile, isFirst: Bool
    ) -> Int {
        lock.withLock { _ in
            guard file.generation == generation else { return -Self.badFileErrno }
            if isFirst {
                if let refusal = admit(.write, file.path, changes: true) {
                    let written = min(bytes.count, refusal.writtenBytes)
                    if written > 0, file.canWrite {
                        _ = place(UnsafeRawBufferPointer(rebasing: bytes[..<written]), at: offset, file.node)
                    }
                    return -Int(refusal.errno)
                }
                guard file.canWrite else { return -Self.badFileErrno }
            } else if faults.isDead {
                return -Int(Faults.deathErrno)
            }
            if faults.interruptsNow() { return -Faults.interruptedErrno }
            let part = UnsafeRawBufferPointer(rebasing: bytes[..<faults.shortened(bytes.count)])
            let written = place(part, at: offset, file.node)
            if written == 0 { faults.count(.write, errno: 28) }
            return written
        }
    }

    /// One raw read, as `writeRaw`.
    fileprivate func readRaw(
        into buffer: UnsafeMutableRawBufferPointer, at offset: Int, file: MemoryFile, isFirst: Bool
    ) -> Int {
        lock.withLock { _ in
            guard file.generation == generation else { return -Self.badFileErrno }
            if isFirst, let refusal = admit(.read, file.path, changes: false) { return -Int(refusal.errno) }
            if faults.interruptsNow() { return -Faults.interruptedErrno }
            let count = min(buffer.count, file.node.content.count - offset)
            guard count > 0 else { return 0 }
            let part = faults.shortened(count)
            file.node.content.withUnsafeBytes { content in
                buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: content[offset..<offset + part]))
            }
            return part
        }
    }

    fileprivate func sync(_ file: MemoryFile) throws(FileError) {
        try change(.sync, file) { refusal in
            if refusal == nil {
                file.node.settle()
            } else if refusal?.losesUnflushed == true {
                file.node.loseAtPowerLoss()
            }
        }
    }

    fileprivate func truncate(_ file: MemoryFile, to bytes: Int) throws(FileError) {
        var isFull = false
        try change(.truncate, file) { refusal in
            guard refusal == nil else { return }
            isFull = usedBytes + bytes - file.node.content.count > capacityBytes && bytes > file.node.content.count
            if isFull {
                faults.count(.truncate, errno: 28)
            } else {
                setSize(file.node, bytes)
                file.node.modified = clock.now
            }
        }
        if isFull { throw FileError(errno: 28, operation: .truncate, path: file.path) }
    }

    fileprivate func bytes(_ file: MemoryFile) throws(FileError) -> Int {
        try lock.withLock { (_) throws(FileError) in
            guard file.generation == generation else {
                throw FileError(errno: Int32(Self.badFileErrno), operation: .stat, path: file.path)
            }
            if let refusal = admit(.stat, file.path, changes: false) {
                throw FileError(errno: refusal.errno, operation: .stat, path: file.path)
            }
            return file.node.content.count
        }
    }

    /// A call that changes a file and does all or nothing.
    /// - Parameter body: called with why the call is to fail; it then still throws.
    private func change(
        _ operation: FileError.Operation, _ file: MemoryFile, _ body: (Faults.Refusal?) -> Void
    ) throws(FileError) {
        announce(operation, file.path, generation: file.generation)
        waitOutInterrupts()
        try lock.withLock { (_) throws(FileError) in
            guard file.generation == generation else {
                throw FileError(errno: Int32(Self.badFileErrno), operation: operation, path: file.path)
            }
            let refusal = admit(operation, file.path, changes: true)
            body(refusal)
            if let refusal { throw FileError(errno: refusal.errno, operation: operation, path: file.path) }
        }
    }

    fileprivate func store(_ bytes: UnsafeRawBufferPointer, at offset: Int, region: MemoryRegion) {
        announce(.map, region.path, generation: region.generation)
        lock.withLock { _ in
            guard region.generation == generation, faults.admitStore() else { return }
            precondition(offset >= 0 && offset + bytes.count <= region.count)
            noteDirty(region.node)
            region.node.store(bytes, at: region.offset + offset, sequence: nextSequence())
        }
    }

    fileprivate func load(into buffer: UnsafeMutableRawBufferPointer, at offset: Int, region: MemoryRegion) {
        lock.withLock { _ in
            precondition(offset >= 0 && offset + buffer.count <= region.count)
            region.node.content.withUnsafeBytes { content in
                let start = region.offset + offset
                buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: content[start..<start + buffer.count]))
            }
        }
    }

    private static var badFileErrno: Int { 9 }
}
