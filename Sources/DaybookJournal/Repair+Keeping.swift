internal import DaybookSystem
internal import DaybookValues

/// Everything that a repair changes goes through here: first the copy, then the line about it, then the change.
extension Repair {
    static let prefix = "repair-"

    /// Copies a file to the folder for what is taken away, flushed, with its line in the manifest.
    /// - Returns: the path of the copy; nil when there is no such file.
    mutating func keep(_ path: String, _ why: String) throws(FileError) -> String? {
        guard let status = try disk.stat(path), status.kind == .file else { return nil }
        let folder = try madeFolder()
        let target = try freePath(folder + "/" + path)
        guard !isDryRun else { return target }
        try disk.makeDirectory(parentPath(target))
        let (source, copy) = (try disk.open(path, .read), try disk.open(target, .createNew))
        var (offset, sum) = (0, UInt32(0))
        while true {
            let piece = try source.read(at: offset, count: 1 << 20)
            if piece.isEmpty { break }
            try copy.write(piece, at: offset)
            sum = zlibChecksum(piece, continuing: sum)
            offset += piece.count
        }
        try copy.sync()
        copy.close()
        try flushFolders(of: target)
        try addToManifest(path, bytes: offset, sum: sum, target, why)
        return target
    }

    /// Takes a file, or whatever else has that name, away.
    mutating func moveAside(_ path: String, _ why: String) throws(FileError) {
        guard touched.insert(path).inserted, let status = try disk.stat(path) else { return }
        let folder = try madeFolder()
        let target = try freePath(folder + "/" + path)
        actions.append(RepairAction(kind: .movedAside, path: path, message: why, keptAt: target))
        guard !isDryRun else { return }
        var sum: UInt32 = 0
        if status.kind == .file {
            let file = try disk.open(path, .read)
            var offset = 0
            while true {
                let piece = try file.read(at: offset, count: 1 << 20)
                if piece.isEmpty { break }
                sum = zlibChecksum(piece, continuing: sum)
                offset += piece.count
            }
        }
        try disk.makeDirectory(parentPath(target))
        try flushFolders(of: target)
        try addToManifest(path, bytes: status.bytes, sum: sum, target, why)
        try disk.rename(path, to: target)
        try disk.syncDirectory(parentPath(target))
        try disk.syncDirectory(parentPath(path))
    }

    /// Puts other content in a file's place, in one step; what was there is kept.
    /// - Returns: where; nil when there was nothing.
    mutating func replace(_ path: String, with bytes: [UInt8], _ why: String) throws(FileError) -> String? {
        let kept = try keep(path, why)
        guard !isDryRun else { return kept }
        try disk.makeDirectory(parentPath(path))
        try disk.replace(path, with: bytes)
        try flushFolders(of: path)
        return kept
    }

    /// Writes a note below `journal/damaged/`.
    mutating func write(_ path: String, _ text: [UInt8]) throws(FileError) {
        guard !isDryRun else { return }
        try disk.makeDirectory(DamageNote.directory)
        try disk.replace(path, with: text)
        try flushFolders(of: path)
    }

    private mutating func madeFolder() throws(FileError) -> String {
        if let folder { return folder }
        // 2026-11-21T08:00:00.000Z as a name that sorts and that every tool takes.
        let stamp = String(time.rfc3339.prefix(19).filter { $0 != "-" && $0 != ":" }) + "Z"
        let path = try freePath("\(DamageNote.directory)/\(Self.prefix)\(stamp)")
        if !isDryRun {
            try disk.makeDirectory(path)
            try flushFolders(of: path)
        }
        folder = path
        return path
    }

    private func freePath(_ path: String) throws(FileError) -> String {
        var (candidate, number) = (path, 1)
        while try disk.stat(candidate) != nil {
            number += 1
            candidate = "\(path).\(number)"
        }
        return candidate
    }

    /// Makes the name of a file durable, with the names of all folders it lies in.
    private func flushFolders(of path: String) throws(FileError) {
        var folder = path
        while !folder.isEmpty {
            folder = parentPath(folder)
            try disk.syncDirectory(folder)
        }
    }

    private mutating func addToManifest(
        _ path: String, bytes: Int, sum: UInt32, _ target: String, _ why: String
    ) throws(FileError) {
        var line: [UInt8] = []
        line.append("{\"path\":")
        line.append(jsonString: path)
        line.append(",\"offset\":0,\"bytes\":")
        line.appendDecimal(UInt64(bytes))
        line.append(",\"sum\":\"")
        line.appendHex(sum)
        line.append("\",\"kept\":")
        line.append(jsonString: target)
        line.append(",\"why\":")
        line.append(jsonString: why)
        line.closeLine(from: 0)
        let manifest = try madeFolder() + "/manifest.jsonl"
        let file = try disk.open(manifest, .create)
        try file.write(line, at: file.bytes())
        try file.sync()
        file.close()
        try flushFolders(of: manifest)
    }
}
