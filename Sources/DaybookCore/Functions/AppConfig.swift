package import DaybookValues

/// An app behind a URL, as it is registered. Programs whose functions run in this process have none.
package struct AppConfig: Sendable, Equatable {
    /// Its name.
    package var id: String
    /// Where it serves its functions, normalised; may be empty.
    package var url: String
    /// The SDK it uses, such as `py:v0.5.18`.
    package var sdk: String
    package var framework: String?
    package var appVersion: String?
    /// Of what it registered: hexadecimal SHA-256.
    package var checksum: String
    /// Counts registrations that said something new, from 1. The core sets it.
    package var revision: Int

    package init(
        id: String, url: String, sdk: String, framework: String? = nil, appVersion: String? = nil, checksum: String,
        revision: Int = 0
    ) {
        self.id = id
        self.url = url
        self.sdk = sdk
        self.framework = framework
        self.appVersion = appVersion
        self.checksum = checksum
        self.revision = revision
    }
}

/// An app as the core knows it: one that was removed keeps its count of revisions.
struct AppState {
    var config: AppConfig
    var isRemoved: Bool
}

extension AppConfig {
    /// Appends it as a JSON object.
    package func append(to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "{"))
        bytes.add("id", id)
        bytes.add("url", url)
        bytes.add("sdk", sdk)
        bytes.add("framework", framework)
        bytes.add("appVersion", appVersion)
        bytes.add("checksum", checksum)
        bytes.add("revision", Int64(revision))
        bytes.append(UInt8(ascii: "}"))
    }

    /// Reads the members of an object that `append(to:)` wrote; nil when it has no id.
    package init?(_ members: JSONFields) {
        self.init(id: "", url: "", sdk: "", checksum: "")
        var fields = members
        while let field = fields.next() {
            if field.isNamed("id") {
                id = field.string ?? ""
            } else if field.isNamed("url") {
                url = field.string ?? ""
            } else if field.isNamed("sdk") {
                sdk = field.string ?? ""
            } else if field.isNamed("framework") {
                framework = field.string
            } else if field.isNamed("appVersion") {
                appVersion = field.string
            } else if field.isNamed("checksum") {
                checksum = field.string ?? ""
            } else if field.isNamed("revision") {
                // What can be counted on without an overflow.
                revision = Int(min(max(field.integer ?? 0, 0), Int64(Int32.max)))
            }
        }
        guard !id.isEmpty else { return nil }
    }
}
