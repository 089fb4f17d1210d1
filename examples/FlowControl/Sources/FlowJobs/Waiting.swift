import Daybook

// Knobs that make runs wait. Nothing is dropped.

struct DocumentUploaded: Event {
    static let name = "document/uploaded"
    var document: String, user: String
}

struct MigrationRequested: Event {
    static let name = "migration/requested"
    var account: String
}

struct PartnerNeeded: Event {
    static let name = "partner/needed"
    var question: String
}

struct TicketOpened: Event {
    static let name = "ticket/opened"
    var ticket: String, vip: Bool
}

extension FlowJobs {
    /// Concurrency: two documents of a user at a time. A run that sleeps leaves its place to another.
    var render: any FunctionDefinition {
        DurableFunction("render", on: DocumentUploaded.self, .concurrency(2, key: .field("user"))) { document, step in
            try await step.run("draw") { try await work(.seconds(5)) }
            try await step.sleep("let-it-dry", for: .seconds(5))
            return try await step.run("store") { "\(document.document).png" }
        }
    }

    /// Concurrency across functions: the two share three places, because their keys and scopes are the same.
    var summarize: any FunctionDefinition { languageModel("summarize") }
    var classify: any FunctionDefinition { languageModel("classify") }

    private func languageModel(_ task: String) -> any FunctionDefinition {
        DurableFunction(
            task, on: [.event("document/read")], .concurrency(3, key: .constant("language-model"), scope: .account)
        ) { document, step in
            try await step.run("ask") { try await work(.seconds(5)) }
        }
    }

    /// Concurrency of runs: one migration at a time, from its first step to its last, the sleep between included.
    var migrate: any FunctionDefinition {
        DurableFunction("migrate", on: MigrationRequested.self, .runConcurrency(1)) { migration, step in
            try await step.run("copy") { try await work(.seconds(1)) }
            try await step.sleep("let-caches-expire", for: .minutes(1))
            try await step.run("switch") { try await work(.seconds(1)) }
        }
    }

    /// Throttle: three runs start at once, then one each five seconds.
    var callPartner: any FunctionDefinition {
        DurableFunction("call-partner", on: PartnerNeeded.self, .throttle(2, per: .seconds(10), burst: 1)) {
            need, step in
            try await step.run("call") { "asked: \(need.question)" }
        }
    }

    /// Priority: of the tickets that wait, those of important customers come first, as if they had been opened ten
    /// minutes before.
    var answer: any FunctionDefinition {
        DurableFunction(
            "answer", on: TicketOpened.self, .concurrency(1), .priority("event.data.vip ? 600 : 0")
        ) { ticket, step in
            try await step.run("answer") { try await work(.seconds(3)) }
        }
    }
}
