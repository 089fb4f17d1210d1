import Daybook
import Synchronization
import Testing

struct WaitConditionTests {
    private func condition(
        _ wait: @escaping @Sendable (Step) async throws -> Void
    ) throws -> (fields: [String], condition: String?) {
        let run = ManualRun(MemoryDriver.Habits(completesAtOnce: false)) { _, step in try await wait(step) }
        let opened = run.driver.state.withLock { $0.open.values.first }
        guard case .waitForEvent("test/ping", let matches, let condition, timeoutMilliseconds: 60_000) = opened else {
            throw NonRetriableError("not that wait: \(String(describing: opened))")
        }
        return (matches.map(\.path), condition)
    }

    @Test
    func `a wait without a condition has none`() throws {
        #expect(try condition { _ = try await $0.waitForEvent("w", Ping.self, timeout: .minutes(1)) }.condition == nil)
    }

    @Test
    func `a wait is opened with its condition, typed and by name, beside its fields`() throws {
        let typed = try condition {
            _ = try await $0.waitForEvent(
                "w", Ping.self, where: .field("user", equals: "ada"), if: "async.data.n > 5", timeout: .minutes(1))
        }
        #expect(typed.fields == ["user"])
        #expect(typed.condition == "async.data.n > 5")
        let named = try condition {
            _ = try await $0.waitForEvent("w", name: "test/ping", if: "async.data.n > 5", timeout: .minutes(1))
        }
        #expect(named.fields.isEmpty)
        #expect(named.condition == "async.data.n > 5")
    }

    @Test
    func `a match compares the field of the run's event with that of the one that came`() throws {
        let typed = try condition {
            _ = try await $0.waitForEvent("w", Ping.self, match: "order.id", timeout: .minutes(1))
        }
        #expect(typed.condition == "event.data.order.id == async.data.order.id")
        let named = try condition {
            _ = try await $0.waitForEvent("w", name: "test/ping", match: "order-id", timeout: .minutes(1))
        }
        #expect(named.condition == "event.data['order-id'] == async.data['order-id']")
    }

    @Test(arguments: ["", "a..b", "data.orderId", "async.data.orderId"])
    func `a match with a path that names no field is refused before anything is recorded`(path: String) {
        for wait: @Sendable (Step) async throws -> Void in [
            { _ = try await $0.waitForEvent("w", Ping.self, match: path, timeout: .minutes(1)) },
            { _ = try await $0.waitForEvent("w", name: "x", match: path, timeout: .minutes(1)) },
        ] {
            let run = ManualRun { _, step in try await wait(step) }
            #expect(run.outcome?.hasPrefix("threw StepMisuseError: step 'w': match: the path") == true)
            #expect(run.driver.failure?.isRetriable == false)
            #expect(run.driver.state.withLock { $0.opened.isEmpty })
        }
    }
}
