import Daybook
import DaybookTesting
import Synchronization
import Testing

/// What authors write of batches and conditions, from the event to the run's end.
struct FlowAuthoringTests {
    struct Sale: Event {
        static let name = "shop/sale"
        var order = "s1", cents = 1
        var isTest: Bool?
    }

    private final class Seen: Sendable {
        private let texts = Mutex<[String]>([])
        func note(_ text: String) { texts.withLock { $0.append(text) } }
        var all: [String] { texts.withLock { $0 } }
    }

    private func output(_ run: TestRun) -> String? { run.outputJSON.map { String(decoding: $0, as: UTF8.self) } }

    @Test func `a batch that fails for good hands all its events to its failure handler`() async throws {
        let seen = Seen()
        let function = DurableFunction("sum", batchesOf: Sale.self, max: 2, within: .minutes(1), retries: 0) { _, _ in
            throw NonRetriableError("broken")
        }
        .onFailure { failure, step in
            try await step.run("note") {
                seen.note("\(failure.input.map(\.order)) \(failure.error.message) \(failure.functionID)")
            }
        }
        let runner = try await TestRunner(function)
        for id in ["a", "b"] { try await runner.send(Sale(order: id)) }
        #expect(seen.all == [#"["a", "b"] broken test-sum"#])
        #expect(try await runner.runs(of: "sum-failure").map(\.status) == [.completed])
    }

    @Test func `an event that a batch's condition leaves out runs alone, as a batch of one`() async throws {
        let function = DurableFunction(
            "sum", batchesOf: Sale.self, max: 2, within: .minutes(1), if: "!event.data.isTest"
        ) { sales, _ in sales.map(\.order) }
        let runner = try await TestRunner(function)
        let alone = try await runner.send(Sale(order: "a", isTest: true))
        #expect(output(alone.run) == #"["a"]"#)
        #expect(try await runner.send(Sale(order: "b", isTest: false)).runs.isEmpty)
        try await runner.crash()
        try await runner.send(Sale(order: "c", isTest: false))
        #expect(try await runner.runs().compactMap(output).sorted() == [#"["a"]"#, #"["b","c"]"#])
    }

    @Test func `batches are apart for each value of their key`() async throws {
        let function = DurableFunction(
            "sum", batchesOf: [.event(Sale.self)], max: 2, within: .seconds(10), key: .field("order")
        ) { sales, _ in try sales.map { try $0.data(as: Sale.self).cents } }
        let runner = try await TestRunner(function)
        for (id, cents) in [("a", 1), ("b", 2), ("a", 3)] { try await runner.send(Sale(order: id, cents: cents)) }
        #expect(try await runner.runs().compactMap(output) == ["[1,3]"])
        try await runner.advance(by: .seconds(10))
        #expect(try await runner.runs().compactMap(output) == ["[1,3]", "[2]"])
    }

    @Test func `a step that adds an event to a batch gets what the run of the batch returns`() async throws {
        let sum = DurableFunction("sum", batchesOf: Sale.self, max: 3, within: .seconds(10)) { sales, _ in
            sales.map(\.cents).reduce(0, +)
        }
        let ask = DurableFunction("ask", on: [.event("ask")]) { _, step in
            try await step.invoke("sum", sum, data: Sale(cents: 5))
        }
        let runner = try await TestRunner([sum, ask])
        try await runner.send(Sale(cents: 2))
        let run = try await runner.send("ask", ["n": 1])
        #expect(run.status == .running)
        try await runner.crash()
        try await runner.advance(by: .seconds(10))
        #expect(output(await runner.run(run.id)) == "7")
    }

    @Test func `a match compares the event that came with the run's own, through a crash`() async throws {
        let function = DurableFunction("f", on: Sale.self) { _, step in
            try await step.waitForEvent("refund", name: "shop/refund", match: "order", timeout: .days(1))?.name
        }
        let runner = try await TestRunner(function)
        let run = try await runner.send(Sale(order: #"say "hi"\"#))
        try await runner.send("shop/refund", ["order": "other"])
        #expect(await runner.run(run.id).status == .running)
        try await runner.crash()
        try await runner.send("shop/refund", ["order": #"say "hi"\"#])
        #expect(output(await runner.run(run.id)) == #""shop/refund""#)
    }

    @Test func `a wait's fields and condition must hold both`() async throws {
        let function = DurableFunction("f", on: Sale.self) { sale, step in
            try await step.waitForEvent(
                "more", Sale.self, where: .field("order", equals: sale.order),
                if: "async.data.cents > event.data.cents",
                timeout: .days(1))?.cents
        }
        let runner = try await TestRunner(function)
        let run = try await runner.send(Sale(cents: 5))
        for (id, cents) in [("s2", 9), ("s1", 5)] {
            try await runner.send(Sale.name, Sale(order: id, cents: cents))
            #expect(await runner.run(run.id).status == .running)
        }
        try await runner.send(Sale(cents: 6))
        #expect(output(await runner.run(run.id)) == "6")
    }

    @Test func `in a batch the run's own event is the first`() async throws {
        let function = DurableFunction("f", batchesOf: Sale.self, max: 2, within: .minutes(1)) { _, step in
            try await step.waitForEvent("refund", name: "shop/refund", match: "order", timeout: .days(1)) != nil
        }
        let runner = try await TestRunner(function)
        for id in ["a", "b"] { try await runner.send(Sale(order: id)) }
        try await runner.send("shop/refund", ["order": "b"])
        #expect(try await runner.runs().map(\.status) == [.running])
        try await runner.send("shop/refund", ["order": "a"])
        #expect(try await runner.runs().compactMap(output) == ["true"])
    }

    @Test func `a condition that is no expression fails the wait at once, and the code may go on`() async throws {
        let function = DurableFunction("f", on: Sale.self) { sale, step in
            do {
                _ = try await step.waitForEvent("w", Sale.self, if: "async.data.cents >", timeout: .days(1))
                return "waited"
            } catch let error as StepError where sale.cents > 1 {
                return error.message
            }
        }
        let runner = try await TestRunner(function)
        let failed = try await runner.send(Sale()).run
        #expect(failed.status == .failed)
        let error = try #require(failed.error)
        #expect(error.message.contains("failed to compile: line 1, column "), "\(error)")
        let caught = try await runner.send(Sale(cents: 2)).run
        #expect(caught.status == .completed)
        #expect(try #require(output(caught)).contains("step 'w'"))
    }

    @Test func `an event for which a trigger's condition has no value starts no run`() async throws {
        let function = DurableFunction("f", on: Sale.self, if: "event.data.isTest") { _, _ in }
        let runner = try await TestRunner(function)
        #expect(try await runner.send(Sale()).runs.isEmpty)
        #expect(try await runner.send(Sale(isTest: true)).runs.count == 1)
    }
}
