import Foundation
import MailServices
import Testing

struct FileContactsTests {
    private let directory: TemporaryDirectory
    private let contacts: FileContacts
    private let week = Week(containing: noon)

    init() throws {
        directory = try TemporaryDirectory()
        contacts = try FileContacts(directory: directory.path)
    }

    @Test func `a contact is found as it was saved`() async throws {
        let ada = Contact(
            id: "u1", email: "ada@example.com", name: "Ada", optedOut: true,
            activity: [Contact.Activity(at: noon, what: "imported 12 contacts")])
        try await contacts.save(ada)
        #expect(try await contacts.find("u1") == ada)
        #expect(try directory.files() == ["u1.json"])
    }

    @Test func `a record written by hand needs no more than id and address`() async throws {
        try directory.write(
            "u1.json",
            #"{"id":"u1","email":"a@b.de","activity":[{"at":"2026-11-22T13:00:00.5+01:00","what":"x"}]}"#)
        let contact = try await contacts.find("u1")
        #expect(!contact.optedOut && contact.name == nil)
        #expect(contact.activity == [Contact.Activity(at: noon.addingTimeInterval(0.5), what: "x")])
    }

    @Test func `an unknown contact is missing`() async {
        await #expect(throws: ContactError.missing(id: "u9")) { try await contacts.find("u9") }
    }

    @Test(arguments: [
        ("", "not valid JSON"), ("{", "not valid JSON"), (#"{"id":"u1"}"#, "email is missing"),
        (#"{"id":"u2","email":"a@b.de"}"#, "holds the id \"u2\""), (#"{"id":"u1","email":7}"#, "wrong kind at email"),
        (#"{"id":"u1","email":"a@b.de","activity":[{"at":"noon","what":"x"}]}"#, "\"noon\" is not a time"),
    ])
    func `a bad record is reported with its file and left alone`(text: String, reason: String) async throws {
        try directory.write("u1.json", text)
        let error = try await #require(throws: ContactError.self) { try await contacts.find("u1") }
        #expect(error.isPermanent)
        #expect(error.description.contains(reason) && error.description.contains("u1.json"))
        _ = try? await contacts.add(Contact(id: "u1", email: "a@b.de"))
        #expect(try directory.read("u1.json") == text)
    }

    @Test func `adding a contact that is there changes nothing`() async throws {
        let first = try await contacts.add(Contact(id: "u1", email: "ada@example.com"))
        let second = try await contacts.add(Contact(id: "u1", email: "other@example.com"))
        #expect(first == second)
    }

    @Test(arguments: [
        "../../etc/passwd", "a/b", ".", "..", ".hidden", "", "ü ber", String(repeating: "long", count: 90),
    ])
    func `an id of any text stays inside the directory`(id: String) async throws {
        try await contacts.save(Contact(id: id, email: "a@b.de"))
        try await contacts.markFailed(id, FailureMark(job: "../job", reason: "r", at: noon, run: "1"))
        #expect(try await contacts.find(id).id == id)
        #expect(try await contacts.failures(of: id).count == 1)
        #expect(try directory.files().count == 2)
    }

    @Test func `active are those with something to report from the first instant up to before the last`() async throws {
        let start = noon.addingTimeInterval(-7 * 86_400)
        for (id, at, what) in [
            ("at-start", start, "x"), ("before", start.addingTimeInterval(-1), "x"), ("at-end", noon, "x"),
            ("last-second", noon.addingTimeInterval(-1), "x"), ("blank", start, " "),
        ] {
            let activity = [Contact.Activity(at: at, what: what)]
            try await contacts.save(Contact(id: id, email: "a@b.de", activity: activity))
        }
        try directory.write("broken.json", "{")
        let active = try await contacts.active(from: start, to: noon)
        #expect(active.ids == ["at-start", "last-second"])
        #expect(active.unreadable.count == 1)
        #expect(active.unreadable[0].contains("broken.json"))
    }

    @Test func `a failure is noted even without a record, the newest of each job`() async throws {
        let mark = FailureMark(job: "welcome-email", reason: "550 gone", at: noon, run: "01RUN")
        try await contacts.markFailed("u1", mark)
        #expect(try await contacts.failures(of: "u1") == [mark])
        let newer = FailureMark(job: "welcome-email", reason: "554 no", at: noon, run: "02RUN")
        try await contacts.markFailed("u1", newer)
        #expect(try await contacts.failures(of: "u1") == [newer])
    }

    @Test func `a digest can be claimed once, given back, and claimed for the next week`() async throws {
        let (first, second) = (MessageID(key: "1", domain: "d"), MessageID(key: "2", domain: "d"))
        #expect(try await contacts.claimDigest(of: "u1", week: week, for: first) == .fresh)
        #expect(try await contacts.claimDigest(of: "u1", week: week, for: second) == .unfinished(first))
        #expect(try await contacts.claimDigest(of: "u2", week: week, for: second) == .fresh)
        try await contacts.releaseDigest(of: "u1", week: week)
        #expect(try await contacts.claimDigest(of: "u1", week: week, for: second) == .fresh)
        try await contacts.markDigestSent(second, to: "u1", week: week)
        #expect(try await contacts.claimDigest(of: "u1", week: week, for: first) == .sent)
        let next = Week(containing: noon.addingTimeInterval(7 * 86_400))
        #expect(try await contacts.claimDigest(of: "u1", week: next, for: first) == .fresh)
    }

    @Test func `of many claims at once one is fresh`() async throws {
        let contacts = contacts, week = week
        let fresh = try await withThrowingTaskGroup(of: DigestClaim.self) { group in
            for number in 1...50 {
                group.addTask {
                    try await contacts.claimDigest(
                        of: "u1", week: week, for: MessageID(key: "\(number)", domain: "d"))
                }
            }
            return try await group.reduce(0) { $0 + ($1 == .fresh ? 1 : 0) }
        }
        #expect(fresh == 1)
    }

    @Test(arguments: [
        (1_795_348_800.0, "2026-11-16"),  // Sunday noon
        (1_795_391_999.0, "2026-11-16"),  // the last second of Sunday
        (1_795_392_000.0, "2026-11-23"),  // the first of Monday
        (0.0, "1969-12-29"), (-4 * 86_400.0, "1969-12-22"),
    ])
    func `a week is named by its Monday`(seconds: Double, monday: String) {
        #expect(Week(containing: Date(timeIntervalSince1970: seconds)).description == monday)
    }
}
