import Daybook

// What a user's module looks like: plain Swift 6, no upcoming features, warnings as errors. It compiles, or the
// authoring API has changed; the tests run it.

struct UserCreated: Event {
    static let name = "auth/user.created"
    var userId: String, email: String
}

struct UserConfirmed: Event {
    static let name = "auth/user.confirmed"
    var userId: String
}

public struct Contact: Codable, Sendable {
    public var id: String, email: String

    public init(id: String, email: String) {
        self.id = id
        self.email = email
    }
}

public protocol Mailer: Sendable {
    func quotaLeft() async throws -> Int
    @discardableResult
    func send(_ subject: String, to: String, reminder: Bool, key: String) async throws -> String
}

public protocol ContactStore: Sendable {
    func find(_ id: String) async throws -> Contact
    func markFailed(_ id: String, _ reason: String) async throws
    func active(secondsBefore1970: Double) async throws -> [Contact]
}

public struct MailJobs: Sendable {
    let mailer: any Mailer, contacts: any ContactStore
    public var all: [any FunctionDefinition] { [welcomeEmail, weeklyDigest, audit] }

    public init(mailer: any Mailer, contacts: any ContactStore) {
        self.mailer = mailer
        self.contacts = contacts
    }

    var welcomeEmail: DurableFunction<Received<UserCreated>, String> {
        DurableFunction("welcome-email", on: UserCreated.self, retries: 3, .name("Welcome")) { event, step in
            async let contact = step.run("load-contact") { try await contacts.find(event.userId) }
            async let quota = step.run("check-quota") { try await mailer.quotaLeft() }
            guard try await quota > 0 else { throw RetryAfterError("mail quota used up", after: .hours(1)) }
            try await step.sleep("let-them-look-around", for: .hours(1))
            let confirmed = try await step.waitForEvent(
                "confirmed", UserConfirmed.self,
                where: .field("userId", equals: event.userId), timeout: .days(1))
            let to = try await contact
            return try await step.run("send") { attempt in
                try await mailer.send(
                    "Welcome", to: to.email, reminder: confirmed == nil, key: attempt.idempotencyKey)
            }
        }
        .onFailure { failure, step in
            try await step.run("mark-failed") {
                try await contacts.markFailed(failure.input.userId, failure.error.message)
            }
        }
    }

    var weeklyDigest: DurableFunction<CronTick, Int> {
        DurableFunction("weekly-digest", cron: "0 8 * * 1", catchUp: .all(limit: 3), retries: 3) { tick, step in
            let users = try await step.run("list-active-users") {
                try await contacts.active(secondsBefore1970: -tick.scheduledAt.timeIntervalSince1970)
            }
            return try await withThrowingTaskGroup(of: Void.self) { group in
                for user in users {
                    group.addTask {
                        try await step.run("digest-\(user.id)") {
                            try await mailer.send(
                                "Digest", to: user.email, reminder: false, key: $0.idempotencyKey)
                        }
                    }
                }
                try await group.waitForAll()
                return users.count
            }
        }
    }

    /// Everything the two above leave out.
    var audit: DurableFunction<AnyEvent, Void> {
        DurableFunction(
            "audit", on: [.event("auth/*"), .event(UserCreated.self), .cron("@daily")], retries: 0,
            .timeouts(finish: .days(30))
        ) { event, step in
            var seen = 0
            try await step.run("count") { seen += 1 }
            try await step.run("count-again") { _ in seen += 1 }
            let unconfirmed = try await step.waitForEvent(
                "any", name: "auth/user.confirmed", where: .field("userId", equals: 7), .field("ok", equals: true),
                timeout: .minutes(5))
            if let confirmed = try unconfirmed?.received(as: UserConfirmed.self) {
                step.log.info("confirmed", metadata: ["user": "\(confirmed.userId)"])
            }
            try await step.sleep("until", until: event.timestamp)
            let id = try await step.sendEvent("tell", UserConfirmed(userId: "u1"))
            try await step.sendEvents(
                "tell-more", [OutgoingEvent(UserConfirmed(userId: id)), OutgoingEvent(name: "a/b", data: ["n": 1])])
            let greeting = try await step.invoke(
                "greet", welcomeEmail, data: UserCreated(userId: "u1", email: "ada@example.com"))
            let length: Int = try await step.invoke("measure", functionID: "other-measure", data: ["text": greeting])
            step.progress(length, of: 10)
            do {
                try await step.run("fragile") { (attempt: Attempt) in
                    attempt.progress(1, of: 2, "half")
                    attempt.log.debug("trying")
                    if attempt.number == attempt.max { throw NonRetriableError("no more") }
                }
            } catch let error as StepError {
                step.log.warning("\(error.message)")
            }
        }
    }
}
