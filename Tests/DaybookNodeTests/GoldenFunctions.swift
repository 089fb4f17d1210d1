import Daybook

/// The functions whose runs are in the golden data directories. `KillTarget` makes such a directory with them, and the
/// tests finish its runs with them, so what they do for a recorded run must never change: only add.
struct GoldenFunctions: Sendable {
    struct Order: Event {
        static let name = "golden/order"
        var customer: String
        var cents: Int
    }

    struct Invoice: Event {
        static let name = "golden/invoice"
        var cents: Int
    }

    struct Paid: Event {
        static let name = "golden/paid"
        var customer: String
    }

    private struct Busy: Error, CustomStringConvertible {
        var description: String { "450 busy" }
    }

    var all: [any FunctionDefinition] {
        [
            steps, nap, night, payment, invoices, invoice, ask, news, reads, retried, broken, stuck, weekly,
        ]
    }

    /// Finished at once: steps in a row and at once, one of them without a result.
    private var steps: DurableFunction<Received<Order>, String> {
        DurableFunction("steps", on: Order.self) { order, step in
            let first = try await step.run("load") { order.customer.uppercased() }
            let both = try await withThrowingTaskGroup(of: Int.self) { group in
                for number in 1...2 {
                    group.addTask { try await step.run("half") { _ in order.cents / 2 + number } }
                }
                return try await group.reduce(0, +)
            }
            try await step.run("log") {}
            return "\(first) pays \(both)"
        }
    }

    /// Sleeps for a moment.
    private var nap: DurableFunction<AnyEvent, String> {
        DurableFunction("nap", on: [.event("golden/nap")]) { _, step in
            try await step.sleep("short", for: .milliseconds(20))
            return "rested"
        }
    }

    /// Sleeps for so long that the directory is copied meanwhile.
    private var night: DurableFunction<AnyEvent, String> {
        DurableFunction("night", on: [.event("golden/night")]) { _, step in
            let evening = try await step.run("evening") { "lights out" }
            try await step.sleep("night", for: .hours(8))
            let morning = try await step.run("morning") { "up" }
            return "\(evening), \(morning)"
        }
    }

    /// Waits for an event of its customer.
    private var payment: DurableFunction<AnyEvent, String> {
        DurableFunction("payment", on: [.event("golden/reminder")]) { event, step in
            let customer = try event.data(as: Paid.self).customer
            let paid = try await step.waitForEvent(
                "paid", Paid.self, where: .field("customer", equals: customer), timeout: .days(2))
            return try await step.run("close") { paid == nil ? "\(customer) owes" : "\(customer) has paid" }
        }
    }

    /// Invokes a function that is done at once and one that sleeps.
    private var invoices: DurableFunction<AnyEvent, Int> {
        DurableFunction("invoices", on: [.event("golden/invoices")]) { _, step in
            let first = try await step.invoke("quick", ask, data: Invoice(cents: 100))
            let second = try await step.invoke("thorough", invoice, data: Invoice(cents: 200))
            return first + second
        }
    }

    private var invoice: DurableFunction<Received<Invoice>, Int> {
        DurableFunction("invoice", on: Invoice.self) { invoice, step in
            try await step.sleep("think", for: .hours(1))
            return try await step.run("sum") { invoice.cents + 1 }
        }
    }

    private var ask: DurableFunction<Received<Invoice>, Int> {
        DurableFunction("ask", on: Invoice.self) { invoice, step in
            try await step.run("sum") { invoice.cents + 2 }
        }
    }

    /// Sends events, one of which starts a run.
    private var news: DurableFunction<AnyEvent, Int> {
        DurableFunction("news", on: [.event("golden/news")]) { _, step in
            let ids = try await step.sendEvents(
                "tell",
                [
                    OutgoingEvent(name: "golden/read", data: ["headline": "Ink: „déjà vu“ \u{1F4D3}"], id: "news-1"),
                    OutgoingEvent(name: "golden/unread", data: ["headline": "nobody hears this"]),
                ])
            return ids.count
        }
    }

    private var reads: DurableFunction<AnyEvent, String> {
        DurableFunction("reads", on: [.event("golden/read")]) { event, step in
            let headline = try event.data(as: [String: String].self)["headline"] ?? ""
            return try await step.run("read") { headline }
        }
    }

    /// Its step fails twice; the third attempt, hours later, succeeds.
    private var retried: DurableFunction<AnyEvent, String> {
        DurableFunction("retried", on: [.event("golden/retried")]) { _, step in
            try await step.run("post") { attempt in
                if attempt.number < 3 {
                    throw RetryAfterError("450 busy", after: attempt.number == 1 ? .milliseconds(20) : .hours(3))
                }
                return "sent at attempt \(attempt.number)"
            }
        }
    }

    /// Fails for good; what follows a failure is a run of its own.
    private var broken: DurableFunction<AnyEvent, String> {
        DurableFunction("broken", on: [.event("golden/broken")], retries: 0) { _, step in
            try await step.run("break") { () throws -> String in throw Busy() }
        }
        .onFailure { failure, step in
            try await step.run("tell") {}
        }
    }

    /// The process is killed while its first attempt runs.
    private var stuck: DurableFunction<AnyEvent, Int> {
        DurableFunction("stuck", on: [.event("golden/stuck")]) { _, step in
            try await step.run("hang") { attempt in
                if attempt.number == 1 { try await Task.sleep(for: .seconds(3_600)) }
                return attempt.number
            }
        }
    }

    private var weekly: DurableFunction<CronTick, Int> {
        DurableFunction("weekly", cron: "0 8 * * 1", catchUp: .skip) { tick, step in
            try await step.run("count") { 7 }
        }
    }
}
