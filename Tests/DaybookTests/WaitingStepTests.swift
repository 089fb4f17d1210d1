import Daybook
import DaybookValues
import FoundationEssentials
import Synchronization
import Testing

struct WaitingStepTests {
    private let held = MemoryDriver.Habits(completesAtOnce: false)

    private func opened(_ run: ManualRun) -> StepOperation? {
        run.driver.state.withLock { $0.open.values.first }
    }

    @Test
    func `a sleep is opened with its length in milliseconds, rounded up`() {
        let run = ManualRun(held) { _, step in
            try await step.sleep("nap", for: .milliseconds(1) + .nanoseconds(1))
        }
        guard case .sleep(milliseconds: 2) = opened(run) else {
            Issue.record("\(String(describing: opened(run)))")
            return
        }
    }

    @Test
    func `a sleep until an instant is opened with it`() {
        let run = ManualRun(held) { event, step in
            try await step.sleep("until", until: event.timestamp)
        }
        guard case .sleepUntil(Timestamp(milliseconds: 1_772_438_400_000)) = opened(run) else {
            Issue.record("\(String(describing: opened(run)))")
            return
        }
    }

    @Test
    func `a wait is opened with the name, the fields and the time, and returns the event`() {
        let run = ManualRun(held) { event, step in
            let found = try await step.waitForEvent(
                "w", Ping.self, where: .field("user", equals: event.user), .field("a.b", equals: 7), timeout: .days(1))
            return "\(found?.id ?? "none") \(found?.n ?? 0)"
        }
        guard case .waitForEvent(let name, let matches, _, let milliseconds) = opened(run) else {
            Issue.record("not a wait")
            return
        }
        #expect(name == "test/ping")
        #expect(
            matches == [
                JSONFieldMatch(path: "user", value: Array(#""ada""#.utf8)),
                JSONFieldMatch(path: "a.b", value: Array("7".utf8)),
            ])
        #expect(milliseconds == 86_400_000)
        run.driver.complete(
            StepKey("w"), #"{"id":"e9","name":"test/ping","ts":5,"data":{"n":9,"user":"ada"}}"#, of: run.run)
        run.go()
        #expect(run.outcome == #""e9 9""#)
    }

    @Test
    func `a wait whose time is up returns nil`() {
        let run = ManualRun { _, step in
            let typed = try await step.waitForEvent("w", Ping.self, timeout: .seconds(1))
            let named = try await step.waitForEvent("v", name: "any", timeout: .seconds(1))
            return typed == nil && named == nil
        }
        #expect(run.outcome == "true")
    }

    @Test
    func `an event that does not fit the wait's type is a recorded result that does not decode`() {
        let run = ManualRun(held) { _, step in
            try await step.waitForEvent("w", Ping.self, timeout: .days(1))?.n
        }
        run.driver.complete(StepKey("w"), #"{"id":"e9","name":"test/ping","ts":5,"data":{"n":9}}"#, of: run.run)
        run.go()
        #expect(run.outcome?.contains("does not decode as Received<Ping>: data.user is missing") == true)
    }

    @Test
    func `a function invoked by value or by id returns its result`() {
        let child = DurableFunction("child", on: Ping.self) { event, _ in event.n }
        let silent = DurableFunction("silent", on: Ping.self) { _, _ in }
        let run = ManualRun(held) { _, step in
            let a = try await step.invoke("a", child, data: Ping(n: 4))
            try await step.invoke("b", silent, data: Ping(n: 4))
            let c: [Int] = try await step.invoke("c", functionID: "other-fn", data: ["x": 1])
            return c + [a]
        }
        guard case .invoke(.sameApp("child"), let data, 31_536_000_000) = opened(run) else {
            Issue.record("\(String(describing: opened(run)))")
            return
        }
        #expect(JSONView(data)?.member("n")?.integer == 4)
        run.driver.complete(StepKey("a"), "4", of: run.run)
        run.go()
        run.driver.complete(StepKey("b"), #"{"whatever":1}"#, of: run.run)
        run.go()
        guard case .invoke(.function("other-fn"), _, _) = opened(run) else {
            Issue.record("\(String(describing: opened(run)))")
            return
        }
        run.driver.complete(StepKey("c"), "[1,2]", of: run.run)
        run.go()
        #expect(run.outcome == "[1,2,4]")
    }

    @Test
    func `the error of an invoked function is a step error`() {
        let child = DurableFunction("child", on: Ping.self) { event, _ in event.n }
        let run = ManualRun(held) { _, step in
            do {
                return "\(try await step.invoke("a", child, data: Ping()))"
            } catch let error as StepError {
                return "\(error)"
            }
        }
        run.driver.fail(StepKey("a"), ErrorFacts(name: "Broken", message: "no"), of: run.run)
        run.go()
        #expect(run.outcome == #""step 'a' failed: Broken: no""#)
    }

    @Test
    func `sent events are one call, and their ids come back`() {
        let run = ManualRun { _, step in
            let one = try await step.sendEvent("one", Ping(n: 2), eventID: "mine")
            let two = try await step.sendEvents(
                "two",
                [
                    OutgoingEvent(Ping(n: 3)),
                    OutgoingEvent(name: "a/b", data: ["x": 1], timestamp: Date(timeIntervalSince1970: 5)),
                ])
            return [one] + two
        }
        #expect(run.outcome == #"["id-0","id-0","id-1"]"#)
        #expect(run.driver.state.withLock { $0.opened.map(\.text) } == ["one", "two"])
    }

    @Test
    func `sent events carry name, id, time and data`() {
        let run = ManualRun(held) { _, step in
            try await step.sendEvents(
                "two",
                [
                    OutgoingEvent(Ping(n: 3), id: "mine"),
                    OutgoingEvent(name: "a/b", data: ["x": 1], timestamp: Date(timeIntervalSince1970: 5)),
                ])
        }
        guard case .sendEvents(let events) = opened(run) else {
            Issue.record("not a send")
            return
        }
        #expect(events.map(\.name) == ["test/ping", "a/b"])
        #expect(events.map(\.id) == ["mine", nil])
        #expect(events.map(\.timestamp) == [nil, Timestamp(milliseconds: 5_000)])
        #expect(events.last?.data == Array(#"{"x":1}"#.utf8))
        #expect(run.driver.quietCount == 0, "a send is not a wait")
    }

    @Test(
        arguments: [
            (Duration.minutes(2), 120_000), (.hours(1), 3_600_000), (.days(1), 86_400_000), (.hours(0.5), 1_800_000),
            (.seconds(-1), -1_000), (.zero, 0), (.nanoseconds(1), 1), (.seconds(Int64.max), Int64.max),
            (.seconds(Int64.min), Int64.min),
        ] as [(Duration, Int64)])
    func `durations become milliseconds, rounded up, and stop at the ends`(duration: Duration, milliseconds: Int64) {
        let run = ManualRun(held) { _, step in
            _ = try await step.waitForEvent("w", name: "x", timeout: min(duration, .days(366)))
        }
        guard case .waitForEvent(_, _, _, let opened) = opened(run) else {
            Issue.record("not a wait")
            return
        }
        #expect(opened == min(milliseconds, 366 * 86_400_000))
    }
}
