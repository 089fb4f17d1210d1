import Daybook
import Logging
import Synchronization
import Testing

struct MisuseTests {
    @Test
    func `rule 9: a step inside a step body throws, and fails the step for good`() {
        let run = ManualRun { _, step in
            try await step.run("outer") { try await step.run("inner") { 1 } }
        }
        #expect(run.outcome?.hasPrefix("threw StepMisuseError: step 'inner' was called outside") == true)
        #expect(run.driver.bodiesStarted == ["outer#1"])
    }

    @Test
    func `rule 9: a step in an unstructured task throws`() async {
        let pool = WorkerPool(threads: 2)
        defer { pool.stop() }
        let driver = MemoryDriver()
        let run = Fixture.run(
            Fixture.function { _, step in
                let task = Task { try await step.run("stray") { 1 } }
                do {
                    return "\(try await task.value)"
                } catch {
                    return "\(type(of: error))"
                }
            }, driver: driver, pool: pool)
        run.start()
        await driver.ended.wait()
        #expect(driver.outcomes == [#""StepMisuseError""#])
        #expect(driver.bodiesStarted.isEmpty)
    }

    @Test
    func `rule 9: a step after the function has returned throws`() async throws {
        let pool = WorkerPool(threads: 2)
        defer { pool.stop() }
        let driver = MemoryDriver()
        let kept = Mutex<Step?>(nil)
        let run = Fixture.run(
            Fixture.function { _, step in kept.withLock { $0 = step } }, driver: driver, pool: pool)
        run.start()
        await driver.ended.wait()
        let step = try #require(kept.withLock { $0 })
        await #expect(throws: StepMisuseError.self) { try await step.run("late") {} }
    }

    @Test
    func `rule 18: a step called from an actor throws`() {
        actor Helper {
            func work(_ step: Step) async throws { try await step.run("inside") {} }
        }
        let run = ManualRun { _, step in
            try await Helper().work(step)
        }
        #expect(run.outcome?.hasPrefix("threw StepMisuseError: step 'inside'") == true)
    }

    @Test
    func `rule 18: a function of the main actor cannot call steps`() async {
        let pool = WorkerPool(threads: 2)
        defer { pool.stop() }
        let driver = MemoryDriver()
        let run = Fixture.run(
            Fixture.function { @MainActor _, step in try await step.run("inside") {} }, driver: driver, pool: pool)
        run.start()
        await driver.ended.wait()
        #expect(driver.outcomes.first?.hasPrefix("threw StepMisuseError") == true)
    }

    @Test(arguments: ["", "a:1", ":7", "send:01", String(repeating: "x", count: 201)])
    func `a step id that is empty, too long or ends in a colon and digits is refused`(id: String) {
        let run = ManualRun { _, step in try await step.run(id) {} }
        #expect(run.outcome?.hasPrefix("threw StepMisuseError") == true)
        #expect(run.driver.failure?.isRetriable == false)
        #expect(run.driver.bodiesStarted.isEmpty)
    }

    @Test(arguments: ["a", "7", "batch-12", "a:b1", "12:34x", "é:", String(repeating: "x", count: 200)])
    func `other step ids are fine`(id: String) {
        let run = ManualRun { _, step in try await step.run(id) {} }
        #expect(run.outcome == "null")
        #expect(StepKey(text: StepKey(id, occurrence: 3).text) == StepKey(id, occurrence: 3))
        #expect(StepKey(text: id) == StepKey(id))
    }

    @Test
    func `a sleep, wait or invoke of more than 366 days is refused`() {
        let calls: [@Sendable (Step) async throws -> Void] = [
            { try await $0.sleep("s", for: .days(367)) },
            { _ = try await $0.waitForEvent("w", Ping.self, timeout: .days(366) + .seconds(1)) },
            { _ = try await $0.invoke("i", functionID: "a-b", data: Ping(), as: Int.self, timeout: .days(400)) },
        ]
        for call in calls {
            let run = ManualRun { _, step in try await call(step) }
            #expect(run.outcome?.contains("at most 366 days") == true)
            #expect(run.driver.state.withLock { $0.opened.isEmpty })
        }
        #expect(ManualRun { _, step in try await step.sleep("s", for: .days(366)) }.outcome == "null")
    }

    @Test
    func `rule 23: a run with too many steps fails, and the error names the limit`() {
        let run = ManualRun(options: .init(stepsMax: 3)) { _, step in
            for _ in 0..<5 { _ = try? await step.run("s") {} }
        }
        #expect(run.outcome == "threw StepLimitError: the run exceeded the limit of 3 steps, at step 's'")
        #expect(run.driver.failure?.isRetriable == false)
        #expect(run.driver.bodiesStarted.count == 3)
    }

    @Test
    func `what cannot be sent or compared is refused with its reason`() {
        let calls: [(String, @Sendable (Step) async throws -> Void)] = [
            ("an event needs a name", { try await $0.sendEvents("s", [OutgoingEvent(name: "", data: Ping())]) }),
            ("kept for the server", { try await $0.sendEvents("s", [OutgoingEvent(name: "Inngest/x", data: Ping())]) }),
            ("not encoded as a JSON object", { try await $0.sendEvents("s", [OutgoingEvent(name: "x", data: 1)]) }),
            (
                "can only be compared",
                { _ = try await $0.waitForEvent("w", Ping.self, where: .field("a", equals: [1]), timeout: .days(1)) }
            ),
            (
                "cannot be encoded",
                {
                    _ = try await $0.waitForEvent(
                        "w", name: "x", where: .field("a", equals: Double.nan), timeout: .days(1))
                }
            ),
            (
                "not encoded as a JSON object",
                { _ = try await $0.invoke("i", functionID: "a-b", data: [1], as: Int.self) }
            ),
        ]
        for (reason, call) in calls {
            let run = ManualRun { _, step in try await call(step) }
            #expect(run.outcome?.contains(reason) == true, "\(run.outcome ?? "")")
            #expect(run.driver.failure?.isRetriable == false)
        }
    }
}
