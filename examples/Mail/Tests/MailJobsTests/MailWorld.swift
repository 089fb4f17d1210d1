import Foundation
import MailJobs
import MailServices
import Synchronization

/// The mail jobs with a mailer that remembers and a contact store of their own.
final class MailWorld: Sendable {
    let mailer = RecordingMailer()
    let contacts: FileContacts
    let jobs: MailJobs
    private let directory: String

    init() throws {
        directory = NSTemporaryDirectory() + "mail-jobs-tests-\(UUID().uuidString)"
        contacts = try FileContacts(directory: directory)
        jobs = MailJobs(
            room: MailRoom(
                mailer: mailer, contacts: contacts, from: try Mailbox("jobs@example.com"),
                notify: try Mailbox("ops@example.com"), now: { Date(timeIntervalSince1970: 1_795_348_800) }))
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    /// A contact with activity in every week, wherever the test's clock stands.
    func addContactActiveEveryWeek(_ id: String, optedOut: Bool = false, email: String? = nil) async throws {
        let activity = (0..<5_000).map { week in
            Contact.Activity(at: Date(timeIntervalSince1970: Double(week) * 7 * 86_400), what: "imported contacts")
        }
        try await contacts.save(
            Contact(id: id, email: email ?? "\(id)@example.com", optedOut: optedOut, activity: activity))
    }
}

/// Keeps what it is given, recognises nothing, and fails as often as it is told.
final class RecordingMailer: Mailer {
    private struct State {
        var sent: [MailMessage] = []
        var attemptedIDs: [String] = []
        var failures: [(address: String?, error: MailError)] = []
    }

    let recognisesRepeats = false
    let destination = "a test"
    private let state = Mutex(State())

    var subjects: [String] { state.withLock { $0.sent.map(\.subject) } }
    var recipients: [String] { state.withLock { $0.sent.map(\.to.address.description) } }
    var attemptedIDs: [String] { state.withLock { $0.attemptedIDs } }

    /// The next messages fail: any, or those to one address.
    func fail(times: Int, to address: String? = nil, with error: MailError) {
        state.withLock { $0.failures += Array(repeating: (address, error), count: times) }
    }

    func send(_ message: MailMessage) async throws(MailError) {
        let failure = state.withLock { state -> MailError? in
            state.attemptedIDs.append(message.id.description)
            let address = message.to.address.description
            if let index = state.failures.firstIndex(where: { $0.address == nil || $0.address == address }) {
                return state.failures.remove(at: index).error
            }
            state.sent.append(message)
            return nil
        }
        if let failure { throw failure }
    }
}
