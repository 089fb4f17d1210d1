import FoundationEssentials
import Synchronization
import Testing

@testable import Daybook

struct BatchTests {
    private func ping(_ n: Int, id: String) -> String {
        #"{"id":"\#(id)","name":"test/ping","ts":1772438400000,"data":{"n":\#(n),"user":"ada"}}"#
    }

    private func run(_ registration: FunctionRegistration?, event: String) throws -> MemoryDriver {
        let pool = ManualPool()
        let driver = MemoryDriver()
        Fixture.run(try #require(registration), driver: driver, pool: pool, event: Array(event.utf8)).start()
        pool.runUntilIdle()
        return driver
    }

    private let sum = DurableFunction("sum", batchesOf: Ping.self, max: 50, within: .seconds(10)) { events, step in
        try await step.run("add") { events.map { "\($0.id)=\($0.n)" }.joined(separator: " ") }
    }

    @Test
    func `a batch is registered with its size, time, key and condition`() {
        let function = DurableFunction(
            "f", batchesOf: Ping.self, max: 50, within: .seconds(10), key: .field("user"), if: "event.data.n < 9",
            retries: 1, .concurrency(1)
        ) { _, _ in }
        let registration = function.registrations[0]
        #expect(
            registration.flow.batch
                == FlowSettings.Batch(
                    maxSize: 50, timeout: .seconds(10), key: "event.data.user", condition: "event.data.n < 9"))
        #expect(registration.triggers == [.event("test/ping")])
        #expect(registration.retries == 1)
        #expect(registration.flow.concurrency.count == 1)
    }

    @Test
    func `a function of batches gets all events, in the order of the array`() throws {
        let driver = try run(sum.registrations.first, event: "[\(ping(1, id: "a")), \(ping(2, id: "b"))]")
        #expect(driver.outcomes == [#""a=1 b=2""#])
    }

    @Test
    func `an event that runs alone is a batch of one`() throws {
        #expect(try run(sum.registrations.first, event: ping(7, id: "c")).outcomes == [#""c=7""#])
        #expect(try run(sum.registrations.first, event: "[\(ping(7, id: "c"))]").outcomes == [#""c=7""#])
    }

    @Test
    func `a batch of several triggers has events of several names`() throws {
        let function = DurableFunction(
            "f", batchesOf: [.event(Ping.self), .event("other/*")], max: 2, within: .seconds(1)
        ) { events, _ in
            try events.map { try $0.received(as: Ping.self)?.user ?? $0.name }
        }
        #expect(function.registrations[0].triggers == [.event("test/ping"), .event("other/*")])
        let driver = try run(function.registrations[0], event: "[\(ping(1, id: "a")),{\"name\":\"other/x\"}]")
        #expect(driver.outcomes == [#"["ada","other/x"]"#])
    }

    @Test
    func `an event of a batch that does not decode fails the run at once, naming its place and field`() throws {
        let bad = #"{"id":"b","name":"test/ping","ts":1,"data":{"n":"two","user":"ada"}}"#
        let driver = try run(sum.registrations.first, event: "[\(ping(1, id: "a")),\(bad)]")
        #expect(try #require(driver.outcomes.first).contains("event 'test/ping' does not decode: events.1.data.n"))
        #expect(driver.failure?.isRetriable == false)
    }

    @Test
    func `a function of batches is invoked with one event`() {
        let nothing = DurableFunction("nothing", batchesOf: Ping.self, max: 2, within: .seconds(1)) { _, _ in }
        let run = ManualRun(MemoryDriver.Habits(completesAtOnce: false)) { [sum] event, step in
            async let added = step.invoke("add", sum, data: event.data)
            async let done: Void = step.invoke("none", nothing, data: event.data)
            _ = try await done
            return try await added
        }
        let targets = run.driver.state.withLock { state in
            state.open.values.compactMap { call -> InvokeTarget? in
                if case .invoke(let target, let data, _) = call, data == Array(#"{"n":1,"user":"ada"}"#.utf8) {
                    target
                } else {
                    nil
                }
            }
        }
        #expect(Set(targets) == [.sameApp("sum"), .sameApp("nothing")])
        run.driver.complete(StepKey("none"), "null", of: run.run)
        run.driver.complete(StepKey("add"), #""a=1 b=2""#, of: run.run)
        run.go()
        #expect(run.outcome == #""a=1 b=2""#)
    }

    @Test
    func `the failure handler of a batch gets all its events`() throws {
        let seen = Mutex<[String]>([])
        let function = sum.onFailure { failure, _ in
            seen.withLock { $0 = failure.input.map { "\($0.id)=\($0.n)" } + [failure.error.message] }
        }
        let failed =
            #"{"name":"inngest/function.failed","data":{"function_id":"app-sum","run_id":"01F","error":{"#
            + #""name":"N","message":"m"},"event":\#(ping(1, id: "a"))"#
        let events = #","events":[\#(ping(1, id: "a")),\#(ping(2, id: "b"))]}}"#
        #expect(try run(function.registrations.last, event: failed + events).outcomes == ["null"])
        #expect(seen.withLock { $0 } == ["a=1", "b=2", "m"])
        // A run that was not started by a batch.
        #expect(try run(function.registrations.last, event: failed + "}}").outcomes == ["null"])
        #expect(seen.withLock { $0 } == ["a=1", "m"])
    }

    @Test
    func `the failure handler of a function of single events gets the event, whatever else is told`() throws {
        let seen = Mutex<Int?>(nil)
        let function = DurableFunction("f", on: Ping.self) { _, _ in }
            .onFailure { failure, _ in seen.withLock { $0 = failure.input.n } }
        let failed =
            #"{"name":"inngest/function.failed","data":{"function_id":"app-f","run_id":"01F","error":{},"#
            + #""event":\#(ping(3, id: "a")),"events":[\#(ping(3, id: "a"))]}}"#
        #expect(try run(function.registrations.last, event: failed).outcomes == ["null"])
        #expect(seen.withLock { $0 } == 3)
    }
}
