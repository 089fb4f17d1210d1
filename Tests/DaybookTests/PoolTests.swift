import Daybook
import Synchronization
import Testing

struct PoolTests {
    @Test
    func `bodies that block make the pool grow until all of them run`() async {
        let pool = WorkerPool(threads: 2, threadsMax: 40)
        defer { pool.stop() }
        let meeting = Meeting(of: 33)
        let driver = MemoryDriver()
        let run = Fixture.run(
            Fixture.function { _, step in
                await withTaskGroup(of: Void.self) { group in
                    for _ in 0..<33 { group.addTask { try? await step.run("block") { meeting.arrive() } } }
                }
            }, driver: driver, pool: pool)
        run.start()
        await driver.ended.wait()
        // All 33 were inside at once, or none would have come out.
        #expect(driver.outcomes == ["null"])
    }

    @Test
    func `the pool grows no further than its limit`() async {
        let pool = WorkerPool(threads: 1, threadsMax: 3)
        defer { pool.stop() }
        let meeting = Meeting(of: 3)
        let driver = MemoryDriver()
        let run = Fixture.run(
            Fixture.function { _, step in
                await withTaskGroup(of: Void.self) { group in
                    for _ in 0..<12 { group.addTask { try? await step.run("block") { meeting.arrive() } } }
                }
            }, driver: driver, pool: pool)
        run.start()
        await driver.ended.wait()
        #expect(pool.threadCount <= 3)
    }

    @Test
    func `a thousand runs share the threads and all end`() async {
        let pool = WorkerPool()
        defer { pool.stop() }
        let driver = MemoryDriver()
        let function = Fixture.function { event, step in
            var sum = 0
            for _ in 0..<20 { sum += try await step.run("s") { event.n } }
            return sum
        }
        for _ in 0..<1_000 { Fixture.run(function, driver: driver, pool: pool).start() }
        await driver.ended.wait(1_000)
        #expect(driver.outcomes == [String](repeating: "20", count: 1_000))
    }

    @Test
    func `a run that has ended is let go`() async {
        weak var watched: RunExecution?
        let pool = ManualPool()
        let driver = MemoryDriver(.init(completesAtOnce: false))
        do {
            let run = Fixture.run(
                Fixture.function { _, step in
                    try await step.run("a") {}
                    try await step.sleep("nap", for: .days(1))
                }, driver: driver, pool: pool)
            watched = run
            run.start()
            pool.runUntilIdle()
            run.close(.ifQuiet)
            pool.runUntilIdle()
        }
        #expect(driver.outcomes == ["closed"])
        #expect(watched == nil)
    }
}
