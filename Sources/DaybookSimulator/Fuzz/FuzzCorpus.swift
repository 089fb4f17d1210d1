package import DaybookSystem

/// Inputs kept with the tests: `Corpus/NAME/` holds seeds to start from, `Regressions/NAME/` inputs that once found
/// something.
package struct FuzzCorpus: Sendable {
    private let disk: any Disk

    /// - Parameter directory: `Tests/Fuzz` of a checkout.
    /// - Throws: when there is no such directory.
    package init(directory: String) throws(FileError) {
        disk = try RealDisk(root: directory)
    }

    /// The inputs of a target by their path, in the order of the paths: its seeds and its regressions.
    /// - Throws: when a file cannot be read.
    package func inputs(of target: FuzzTarget) throws(FileError) -> [(path: String, bytes: [UInt8])] {
        var inputs: [(path: String, bytes: [UInt8])] = []
        // A regression of a target that shares its seeds with others is worth a try there too.
        for folder in ["Corpus/" + target.corpus, "Regressions/" + target.corpus] {
            guard try disk.stat(folder)?.kind == .directory else { continue }
            for entry in try disk.list(folder).sorted(by: { $0.name < $1.name })
            where entry.kind == .file && !entry.name.hasPrefix(".") {
                let path = folder + "/" + entry.name
                if let bytes = try disk.contents(of: path) { inputs.append((path, bytes)) }
            }
        }
        return inputs
    }
}
