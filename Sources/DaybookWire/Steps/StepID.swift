internal import Crypto

/// Names of steps: what SDKs send (`wireID`, normally the SHA-1 of the step's name) and what the journal shows (`key`).
///
/// Each can be had from the other, so only the key is stored.
package enum StepID {
    /// The hash SDKs make of a step's id: SHA-1 in lower-case hexadecimal.
    package static func hash(_ text: String) -> String {
        var text = text
        return text.withUTF8 { hexText(Insecure.SHA1.hash(data: UnsafeRawBufferPointer($0))) }
    }

    /// The step's name in the journal: the one text among those the SDK gave whose hash is the id; if there is none, `#`
    /// and the id.
    ///
    /// - Parameters:
    ///   - userlandID: the id as the function's author wrote it.
    ///   - userlandIndex: how often that id had been used before in the run; the hash is then of `id:index`.
    ///   - displayName: what people are to see; mostly the author's id.
    ///   - name: the op's `name`, which for some SDKs is the author's id.
    package static func key(
        wireID: String, userlandID: String?, userlandIndex: Int?, displayName: String?, name: String? = nil
    ) -> String {
        let suffix = userlandIndex.flatMap { $0 > 0 ? ":\($0)" : nil } ?? ""
        var tried: String?
        for base in [userlandID, displayName, name] {
            guard let base, !base.isEmpty, base != tried, !base.hasPrefix("#") else { continue }
            tried = base
            for candidate in suffix.isEmpty ? [base] : [base + suffix, base] where hash(candidate) == wireID {
                return candidate
            }
        }
        return "#" + wireID
    }

    /// The id under which SDKs know the step of that name.
    package static func wireID(key: String) -> String {
        key.hasPrefix("#") ? String(key.dropFirst()) : hash(key)
    }
}
