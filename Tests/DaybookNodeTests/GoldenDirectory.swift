import DaybookFakes
import DaybookSystem
import DaybookValues
import Testing

/// A data directory that a released version left behind, and what that version said of its runs.
struct GoldenDirectory: Sendable, CustomTestStringConvertible {
    /// `format-1-daybook-0.1.0`
    let name: String

    static let root = String(#filePath.dropLast("DaybookNodeTests/GoldenDirectory.swift".count)) + "Golden"

    static let all: [GoldenDirectory] = {
        let entries = (try? RealDisk(root: root).list("")) ?? []
        return entries.filter { $0.kind == .directory }.map { GoldenDirectory(name: $0.name) }
            .sorted { $0.name < $1.name }
    }()

    var testDescription: String { name }
    private var path: String { Self.root + "/" + name }

    /// A copy in memory, so that the directory itself stays as it is.
    func copy(clock: ManualClock) throws -> MemoryDisk {
        let (source, copy) = (try RealDisk(root: path + "/data"), MemoryDisk(clock: clock, device: 4_711))
        try Self.copy(source, "", to: copy)
        return copy
    }

    private static func copy(_ source: RealDisk, _ folder: String, to copy: MemoryDisk) throws {
        for entry in try source.list(folder).sorted(by: { $0.name < $1.name }) {
            let path = folder.isEmpty ? entry.name : folder + "/" + entry.name
            if entry.kind == .directory {
                try copy.makeDirectory(path)
                try Self.copy(source, path, to: copy)
                try copy.syncDirectory(path)
            } else {
                let file = try copy.open(path, .create)
                try file.write(try source.contents(of: path) ?? [], at: 0)
                try file.sync()
            }
        }
        try copy.syncDirectory(folder)
    }

    /// What `show --json` said of every run.
    func expected() throws -> [JSONView] {
        let text = try RealDisk(root: path).contents(of: "expected.jsonl") ?? []
        return text.split(separator: UInt8(ascii: "\n")).compactMap { JSONView($0) }
    }
}

extension JSONView {
    /// Whether everything in `other` is here too, with the same value: later versions may say more.
    func includes(_ other: JSONView) -> Bool {
        switch (kind, other.kind) {
        case (.object, .object):
            var isIncluded = true
            other.forEachMember { name, value in
                isIncluded = member(String(decoding: name, as: UTF8.self))?.includes(value) ?? false
                return isIncluded
            }
            return isIncluded
        case (.array, .array):
            var index = 0
            var isIncluded = true
            other.forEachElement { value in
                isIncluded = element(index)?.includes(value) ?? false
                index += 1
                return isIncluded
            }
            return isIncluded && element(index) == nil
        default: return equals(other)
        }
    }
}
