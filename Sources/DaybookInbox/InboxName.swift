package import DaybookSystem
package import DaybookValues

/// What the inbox reads out of a file's name, and the names it gives itself.
package enum InboxName {
    static let inbox = "inbox"
    static let claimed = "inbox/.claimed"
    static let done = "inbox/.done"
    static let rejected = "inbox/rejected"
    static let rejectedName = "rejected"

    /// Names of files that somebody is still at work on: editors, browsers, copy programs.
    private static let unfinishedEndings = [
        "~", ".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".download", ".swp", ".swx", ".lock",
    ]
    /// UTF-8 bytes of an original name that are kept. The names made from it must stay under the usual 255.
    private static let originalBytesMax = 180

    /// Whether a name says that its file is not for us, or not yet.
    package static func isLeftAlone(_ name: String) -> Bool {
        guard !name.hasPrefix("."), name != rejectedName else { return true }
        let lowered = name.lowercased()
        return unfinishedEndings.contains { lowered.hasSuffix($0) }
    }

    /// How a file of that name is read; nil when it is no file of events.
    package static func format(of name: String) -> EventFile.Format? {
        switch ending(of: name).lowercased() {
        case ".json": .json
        case ".jsonl", ".ndjson": .lines
        default: nil
        }
    }

    /// From the last dot on; empty when there is none.
    private static func ending(of name: String) -> String {
        guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return "" }
        return String(name[dot...])
    }

    /// The name, cut so that others can be made from it; its ending is kept.
    package static func shortened(_ name: String) -> String {
        guard name.utf8.count > originalBytesMax else { return name }
        var ending = ending(of: name)
        if ending.utf8.count > 16 { ending = "" }
        var stem = ""
        for character in name {
            guard stem.utf8.count + character.utf8.count + ending.utf8.count <= originalBytesMax else { break }
            stem.append(character)
        }
        return stem + ending
    }

    /// The name of a file once it is claimed.
    package static func claim(of original: String, id: ULID) -> String { id.text + "-" + shortened(original) }

    /// The name a claimed or done file had in the inbox.
    package static func original(of name: String) -> String {
        // By bytes: a name that begins with a combining mark makes one character with the hyphen before it.
        guard let hyphen = name.utf8.firstIndex(of: UInt8(ascii: "-")), isOurs(name) else { return name }
        let original = name[name.utf8.index(after: hyphen)...]
        return original.isEmpty ? name : String(original)
    }

    private static func isOurs(_ name: String) -> Bool {
        ULID(utf8: name.utf8.prefix { $0 != UInt8(ascii: "-") && $0 != UInt8(ascii: ".") }) != nil
    }

    /// A done file's name says how the file was when it was read: `<unique>.<bytes>.<modified>-<original>`.
    package static func done(of claim: String, _ status: FileStatus) -> String {
        let id = isOurs(claim) ? String(claim.unicodeScalars.prefix(26)) : ""
        let modified = UInt64(bitPattern: status.modified.milliseconds)
        return "\(id).\(status.bytes).\(modified)-\(shortened(original(of: claim)))"
    }

    /// What a done file's name says; nil when it is not one of ours.
    package static func statusOfDone(_ name: String) -> (bytes: Int, modified: Timestamp)? {
        let parts = name.utf8.prefix { $0 != UInt8(ascii: "-") }
            .split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).map { String(Substring($0)) }
        guard parts.count == 3, let bytes = Int(parts[1]), let modified = UInt64(parts[2]) else { return nil }
        return (bytes, Timestamp(milliseconds: Int64(bitPattern: modified)))
    }

    /// The n-th name to try for a rejected file: `a.json`, `a-2.json`, `a-3.json`.
    package static func rejected(_ original: String, number: Int) -> String {
        let name = shortened(original)
        guard number > 1 else { return name }
        let ending = ending(of: name)
        return "\(name.dropLast(ending.count))-\(number)\(ending)"
    }

    /// The file beside a rejected one that says why.
    package static func reason(_ rejected: String) -> String { rejected + ".reason.txt" }

    /// A name as people may be shown it: control characters, which a terminal would act on, are spelled out.
    package static func shown(_ name: String) -> String {
        guard name.unicodeScalars.contains(where: { $0.value < 0x20 || (0x7F..<0xA0).contains($0.value) }) else {
            return name
        }
        var shown = ""
        for scalar in name.unicodeScalars {
            if scalar.value < 0x20 || (0x7F..<0xA0).contains(scalar.value) {
                shown += "\\u{" + String(scalar.value, radix: 16) + "}"
            } else {
                shown.unicodeScalars.append(scalar)
            }
        }
        return shown
    }
}
