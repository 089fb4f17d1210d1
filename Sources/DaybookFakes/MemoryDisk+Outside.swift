internal import DaybookSystem
internal import Synchronization

/// What happens to the disk without a call of the process.
extension MemoryDisk {
    /// Somebody else puts a whole file there, durably, directories and all. Replaces what had the name.
    package func plant(_ path: String, _ bytes: [UInt8]) {
        lock.withLock { _ in
            forgetFoundPaths()
            var directory = ""
            for part in parentPath(path).split(separator: "/") {
                directory += directory.isEmpty ? String(part) : "/" + part
                if find(directory) == nil { name(Node(isDirectory: true, inode: makeInode()), directory) }
            }
            let file = Node(isDirectory: false, inode: makeInode())
            file.content = bytes
            file.durable = bytes
            file.modified = clock.now
            usedBytes += bytes.count - (find(path)?.content.count ?? 0)
            name(file, path)
        }
    }

    /// The names of the files of a directory, without a call being counted or failing.
    package func fileNames(in directory: String) -> [String] {
        lock.withLock { _ in
            find(directory)?.names.filter { !$0.value.isDirectory }.map(\.key).sorted() ?? []
        }
    }

    private func name(_ node: Node, _ path: String) {
        guard let parent = find(parentPath(path)) else { return }
        let name = Self.name(of: path)
        parent.names[name] = node
        NameChange(sequence: nextSequence(), node: node, target: (parent, name), source: nil).applyDurably()
        forgetFoundPaths()
    }

    /// The process dies at this moment: whatever it calls from now on fails.
    package func die() {
        lock.withLock { _ in faults.isDead = true }
    }

    /// So many bytes more, and the disk is full.
    package func setCapacity(bytesLeft: Int) {
        lock.withLock { _ in capacityBytes = usedBytes + bytesLeft }
    }
}
