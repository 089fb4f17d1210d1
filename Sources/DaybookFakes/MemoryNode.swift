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
    /// Where the durable name of this node is, if it has one. Weak, as the directory holds its nodes.
    private weak var durableDirectory: Node?
    private var durableName = ""
    /// Whether somebody can find it by name.
    var isNamed = true
    /// Whether the disk has this node among those with something to flush.
    var isListed = false

    /// What was done since the last flush, in order. The bytes of writes lie one after the other in `changedBytes`:
    /// a write costs no allocation of its own.
    private(set) var changes: [Change] = []
    private(set) var changedBytes: [UInt8] = []
    /// One bit for each sector that was stored to through a mapping since the last flush. Only where, not what: a
    /// mapping is stored to far more often than a file is written.
    private var mappedSectors: [UInt64] = []

    struct Change {
        enum Kind { case data, mapped, growth, size }

        var kind: Kind
        /// Counts all that is done on the disk.
        var sequence: Int
        /// Of the first byte; for a mapped sector its start, for sizes the size.
        var offset: Int
        /// In `changedBytes`.
        var start = 0
        var count = 0
    }

    /// What a loss of power does to one piece of a change.
    enum Fate { case kept, lost, torn(byte: Int), zeroed }

    /// How long a loss of power leaves a file that a write had grown.
    enum SizeRule {
        /// As long as it was made.
        case kept
        case lost
        /// Up to the last byte of content that was kept.
        case covering
    }

    init(isDirectory: Bool, inode: UInt64) {
        self.isDirectory = isDirectory
        self.inode = inode
    }

    var isFlushed: Bool { changes.isEmpty }
    var totalBytes: Int { names.values.reduce(content.count) { $0 + $1.totalBytes } }

    // MARK: - Changes

    func setSize(_ bytes: Int, sequence: Int, byWrite: Bool = false) {
        Self.resize(&content, bytes)
        changes.append(Change(kind: byWrite ? .growth : .size, sequence: sequence, offset: bytes))
    }

    /// The file is large enough already.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int, sequence: Int) {
        Self.put(bytes, at: offset, into: &content)
        changes.append(
            Change(
                kind: .data, sequence: sequence, offset: offset, start: changedBytes.count, count: bytes.count))
        changedBytes.append(contentsOf: bytes)
    }

    func store(_ bytes: UnsafeRawBufferPointer, at offset: Int, sequence: Int) {
        guard !bytes.isEmpty else { return }
        Self.put(bytes, at: offset, into: &content)
        let sectors = offset / MemoryDisk.sectorBytes...(offset + bytes.count - 1) / MemoryDisk.sectorBytes
        while mappedSectors.count <= sectors.upperBound / 64 { mappedSectors.append(0) }
        for sector in sectors where mappedSectors[sector / 64] & (1 << UInt64(sector % 64)) == 0 {
            mappedSectors[sector / 64] |= 1 << UInt64(sector % 64)
            changes.append(
                Change(
                    kind: .mapped, sequence: sequence, offset: sector * MemoryDisk.sectorBytes,
                    count: MemoryDisk.sectorBytes))
        }
    }

    // MARK: - Flushes and losses

    /// A flush: what is visible is durable.
    func settle() {
        for change in changes { apply(change, 0..<change.count, .kept, .kept) }
        forgetChanges()
    }

    /// A flush has failed: reads go on showing the bytes, but nothing will make them durable any more. The sizes are
    /// not lost: they belong to the file system, which flushes them with the next call that succeeds.
    func loseAtPowerLoss() {
        let sizes = changes.filter { $0.kind == .growth || $0.kind == .size }
        forgetChanges()
        changes = sizes
    }

    /// Applies part of a change to what is durable.
    func apply(_ change: Change, _ range: Range<Int>, _ fate: Fate, _ rule: SizeRule) {
        var range = range
        switch fate {
        case .lost: return
        case .torn(let byte): range = range.lowerBound..<min(range.upperBound, range.lowerBound + byte)
        case .kept, .zeroed: break
        }
        switch change.kind {
        case .size: Self.resize(&durable, change.offset)
        case .growth: if rule == .kept, durable.count < change.offset { Self.resize(&durable, change.offset) }
        case .data, .mapped:
            if rule == .covering, change.kind == .data, durable.count < change.offset + range.upperBound {
                Self.resize(&durable, change.offset + range.upperBound)
            }
            let limit = change.kind == .data ? durable.count : min(durable.count, content.count)
            let end = min(range.upperBound, limit - change.offset)
            guard end > range.lowerBound else { return }
            let target = change.offset + range.lowerBound..<change.offset + end
            if case .zeroed = fate {
                durable.withUnsafeMutableBytes { bytes in
                    _ = UnsafeMutableRawBufferPointer(rebasing: bytes[target])
                        .initializeMemory(as: UInt8.self, repeating: 0)
                }
                return
            }
            let source = change.kind == .data ? change.start + range.lowerBound..<change.start + end : target
            func copy(from bytes: UnsafeRawBufferPointer) {
                Self.put(UnsafeRawBufferPointer(rebasing: bytes[source]), at: target.lowerBound, into: &durable)
            }
            if change.kind == .data {
                changedBytes.withUnsafeBytes { copy(from: $0) }
            } else {
                content.withUnsafeBytes { copy(from: $0) }
            }
        }
    }

    /// The power is gone: what is durable is all there is.
    func adoptDurable() {
        forgetChanges()
        content = durable
    }

    private func forgetChanges() {
        for change in changes where change.kind == .mapped {
            mappedSectors[change.offset / MemoryDisk.sectorBytes / 64] = 0
        }
        changes.removeAll(keepingCapacity: true)
        changedBytes.removeAll(keepingCapacity: true)
    }

    // MARK: - Durable names

    /// A node has one durable name at most, whatever became of the changes before this one: a rename is done or not.
    func setDurable(_ name: String, _ node: Node) {
        node.removeDurableName()
        let replaced = durableNames.updateValue(node, forKey: name)
        if let replaced, replaced !== node { replaced.durableDirectory = nil }
        node.durableDirectory = self
        node.durableName = name
    }

    func removeDurableName() {
        if let directory = durableDirectory { directory.durableNames[durableName] = nil }
        durableDirectory = nil
    }

    // MARK: - Copies

    /// The node alone, without names: a fork gives it those of its own nodes.
    func forked() -> Node {
        let copy = Node(isDirectory: isDirectory, inode: inode)
        copy.modified = modified
        copy.isNamed = isNamed
        copy.content = content
        copy.durable = durable
        copy.changes = changes
        copy.changedBytes = changedBytes
        copy.mappedSectors = mappedSectors
        return copy
    }

    /// The node and all below it, flushed, as a program that copies files makes them.
    func copied(_ makeInode: () -> UInt64) -> Node {
        let copy = Node(isDirectory: isDirectory, inode: makeInode())
        copy.modified = modified
        copy.content = content
        copy.durable = content
        for (name, node) in names.sorted(by: { $0.key < $1.key }) {
            let below = node.copied(makeInode)
            copy.names[name] = below
            copy.setDurable(name, below)
        }
        return copy
    }

    func collect(_ prefix: String, _ paths: inout [String]) {
        for (name, node) in names {
            let path = prefix.isEmpty ? name : prefix + "/" + name
            if node.isDirectory { node.collect(path, &paths) } else { paths.append(path) }
        }
    }

    // MARK: - Bytes

    var fingerprint: UInt64 {
        var mixed: UInt64 = isDirectory ? 1 : 2
        func mix(_ word: UInt64) { mixed = (mixed ^ word) &* 0x9E37_79B9_7F4A_7C15 ^ mixed >> 29 }
        mix(UInt64(content.count))
        content.withUnsafeBytes { bytes in
            var offset = 0
            while offset + 8 <= bytes.count {
                mix(bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
                offset += 8
            }
            while offset < bytes.count {
                mix(UInt64(bytes[offset]))
                offset += 1
            }
        }
        for (name, node) in names.sorted(by: { $0.key < $1.key }) {
            for byte in name.utf8 { mix(UInt64(byte)) }
            mix(node.fingerprint)
        }
        return mixed
    }

    private static func resize(_ bytes: inout [UInt8], _ count: Int) {
        if bytes.count > count {
            bytes.removeSubrange(count...)
        } else if bytes.count < count {
            bytes.append(contentsOf: [UInt8](repeating: 0, count: count - bytes.count))
        }
    }

    private static func put(_ bytes: UnsafeRawBufferPointer, at offset: Int, into target: inout [UInt8]) {
        target.withUnsafeMutableBytes { target in
            UnsafeMutableRawBufferPointer(rebasing: target[offset..<offset + bytes.count]).copyMemory(from: bytes)
        }
    }
}

/// A name that was made, moved or removed and whose directory has not been flushed since.
struct NameChange {
    var sequence: Int
    var node: Node
    /// Where the name is now; nil for one that was removed.
    var target: (directory: Node, name: String)?
    /// Where it was; nil for one that was made.
    var source: (directory: Node, name: String)?

    func isIn(_ directory: Node) -> Bool {
        target?.directory === directory || source?.directory === directory
    }

    func applyDurably() {
        if let target {
            target.directory.setDurable(target.name, node)
        } else {
            node.removeDurableName()
        }
    }
}
