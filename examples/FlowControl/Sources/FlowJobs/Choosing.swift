import Daybook

// Conditions, and what ends a run before its time.

struct TeamCreated: Event {
    static let name = "team/created"
    var team: String, plan: String, seats: Int
}

struct InvoiceSent: Event {
    static let name = "invoice/sent"
    var invoice: String, cents: Int
}

struct InvoicePaid: Event {
    static let name = "invoice/paid"
    var invoice: String, cents: Int
}

struct ParcelOrdered: Event {
    static let name = "parcel/ordered"
    var parcel: String
}

struct ParcelCancelled: Event {
    static let name = "parcel/cancelled"
    var parcel: String
}

struct QuoteRequested: Event {
    static let name = "quote/requested"
    var quote: String
}

extension FlowJobs {
    /// A trigger with a condition: other teams start no run.
    var welcomeTeam: any FunctionDefinition {
        DurableFunction(
            "welcome-team", on: TeamCreated.self, if: "event.data.plan == 'pro' && event.data.seats > 10"
        ) { team, step in
            try await step.run("write") { "welcome, \(team.team)" }
        }
    }

    /// A wait with a condition: `event` is the invoice, `async` the payment that came.
    var collect: any FunctionDefinition {
        DurableFunction("collect", on: InvoiceSent.self) { invoice, step in
            let paid = try await step.waitForEvent(
                "paid", InvoicePaid.self,
                if: "async.data.invoice == event.data.invoice && async.data.cents >= event.data.cents",
                timeout: .days(14))
            return paid == nil ? "remind" : "thanks"
        }
    }

    /// cancelOn: a parcel that is cancelled within the hour does not leave.
    var deliver: any FunctionDefinition {
        DurableFunction("deliver", on: ParcelOrdered.self, .cancelOn(ParcelCancelled.self, match: "parcel")) {
            parcel, step in
            try await step.sleep("time-to-think", for: .hours(1))
            try await step.run("hand-over") { try await work(.seconds(1)) }
        }
    }

    /// Timeouts: a quote that is not there in 20 seconds is of no use.
    var quote: any FunctionDefinition {
        DurableFunction("quote", on: QuoteRequested.self, .timeouts(finish: .seconds(20))) { quote, step in
            try await step.waitForEvent("approved", name: "quote/approved", match: "quote", timeout: .hours(1)) != nil
        }
    }
}
