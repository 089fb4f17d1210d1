package import DaybookValues

/// What is said to somebody who asked for an app to be registered or removed.
package struct SyncAnswer: Sendable, Equatable {
    /// The status of the HTTP answer.
    package var status: Int
    /// A JSON object.
    package var json: [UInt8]

    package init(status: Int, json: [UInt8]) {
        self.status = status
        self.json = json
    }
}

/// Whether an app could be reached when it was last tried.
package enum AppConnection: Sendable, Equatable {
    /// Not tried since the start.
    case unknown
    case connected
    /// `code` is `unreachable`, `unauthorized`, `invalid_function` and so on; `message` is for people.
    case failed(code: String, message: String, since: Timestamp)

    package var isFailed: Bool {
        if case .failed = self { true } else { false }
    }
}

/// An app behind HTTP, or an address at which one should be.
package struct AppSummary: Sendable, Equatable {
    /// A UUID made from the name; empty while there is none.
    package var id: String
    /// Empty for an address that was given and where no app has registered yet.
    package var name: String
    package var url: String
    /// Such as `py:v0.5.18`.
    package var sdk: String
    package var framework: String?
    package var appVersion: String?
    package var functionCount: Int
    package var checksum: String
    /// Counts the registrations that changed something.
    package var revision: Int
    package var connection: AppConnection
    /// When it last registered, if it has since the start.
    package var syncedAt: Timestamp?
    /// Whether its address was given to the server.
    package var isConfigured: Bool
}
