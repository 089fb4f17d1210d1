import Daybook

// Flow control as a user's module writes it: each knob once.

struct OrderPlaced: Event {
    static let name = "shop/order.placed"
    var orderId: String, userId: String, vip: Bool
}

struct OrderCancelled: Event {
    static let name = "shop/order.cancelled"
    var orderId: String
}

public enum FlowJobs {
    public static var all: [any FunctionDefinition] { [fulfil, index, remind, bill] }

    static let fulfil = DurableFunction(
        "fulfil", on: OrderPlaced.self, if: "event.data.userId != ''", retries: 2,
        .concurrency(5, key: .field("userId")), .concurrency(50, key: .constant("warehouse"), scope: .environment),
        .throttle(10, per: .minutes(1), burst: 2), .idempotency(.field("orderId")),
        .priority("event.data.vip ? 120 : 0"), .cancelOn(OrderCancelled.self, match: "orderId"),
        .cancelOn("shop/closed", if: "async.data.userId == event.data.userId", timeout: .days(1))
    ) { order, step in
        let paid = try await step.waitForEvent("paid", name: "shop/paid", match: "orderId", timeout: .days(1))
        let checked = try await step.waitForEvent(
            "checked", OrderPlaced.self, where: .field("userId", equals: order.userId), if: "async.data.vip",
            timeout: .days(1))
        return paid == nil && checked == nil
    }

    static let index = DurableFunction(
        "index", batchesOf: OrderPlaced.self, max: 50, within: .seconds(10), key: .field("userId"), .runConcurrency(1)
    ) { orders, step in
        try await step.run("index") { orders.map(\.orderId) }
    }
    .onFailure { failure, step in step.log.error("\(failure.input.count) orders: \(failure.error.message)") }

    static let remind = DurableFunction(
        "remind", on: [.event(OrderPlaced.self, if: "event.data.vip"), .event("shop/reminder")],
        .debounce(for: .seconds(5), timeout: .minutes(1), key: "event.data.userId"), .singleton(.cancel)
    ) { _, _ in }

    static let bill = DurableFunction(
        "bill", on: OrderPlaced.self, .rateLimit(20, per: .hours(1), key: .expression("event.data.userId")),
        .singleton(key: .field("userId"))
    ) { _, _ in }
}
