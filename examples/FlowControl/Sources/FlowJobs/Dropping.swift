import Daybook

// Knobs that let some events start no run. `flow-jobs show EVENT` and the day's file in `events/` say why.

struct PriceAsked: Event {
    static let name = "price/asked"
    var product: String
}

struct OrderPlaced: Event {
    static let name = "order/placed"
    var order: String
}

struct MailboxChanged: Event {
    static let name = "mailbox/changed"
    var mailbox: String
}

struct DraftSaved: Event {
    static let name = "draft/saved"
    var draft: String, text: String
}

extension FlowJobs {
    /// Rate limit: of each product two runs at once, then one each six seconds; other events are dropped.
    var fetchPrice: any FunctionDefinition {
        DurableFunction(
            "fetch-price", on: PriceAsked.self, .rateLimit(10, per: .minutes(1), key: .field("product"))
        ) { asked, step in
            try await step.run("fetch") { "price of \(asked.product)" }
        }
    }

    /// Idempotency: an order is charged once in 24 hours, however often it is placed.
    var charge: any FunctionDefinition {
        DurableFunction("charge", on: OrderPlaced.self, .idempotency(.field("order"))) { order, step in
            try await step.run("charge") { "charged \(order.order)" }
        }
    }

    /// Singleton that skips: while a mailbox is read, further changes of it start nothing.
    var sync: any FunctionDefinition {
        DurableFunction("sync", on: MailboxChanged.self, .singleton(.skip, key: .field("mailbox"))) { change, step in
            try await step.sleep("gather", for: .seconds(10))
            try await step.run("read") { try await work(.seconds(1)) }
        }
    }

    /// Singleton that cancels: a newer draft ends the preview of the older one.
    var preview: any FunctionDefinition {
        DurableFunction("preview", on: DraftSaved.self, .singleton(.cancel, key: .field("draft"))) { draft, step in
            try await step.run("typeset") { try await work(.seconds(1)) }
            try await step.sleep("wait-for-printer", for: .seconds(10))
            return try await step.run("print") { draft.text }
        }
    }
}
