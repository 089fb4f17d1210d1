import Daybook
import Synchronization
import Testing

struct StepOrderTests {
    @Test
    func `a step returns its body's value and runs once`() {
        let run = ManualRun { event, step in
            try await step.run("double") { event.n * 2 }
        }
        #expect(run.outcome == "2")
        #expect(run.driver.bodiesStarted == ["double#1"])
    }

    @Test
    func `rule 1: the code of a run is one thing at a time, and children start in creation order`() async {
        let pool = WorkerPool(threads: 4)
        defer { pool.stop() }
        for _ in 0..<200 {
            let notes = Notes()
            let entered = Counter()
            let left = Counter()
            let overlaps = Counter()
            let driver = MemoryDriver()
            let run = Fixture.run(
                Fixture.function { _, step in
                    @Sendable func visit(_ name: String) {
                        if entered.next() != left.value + 1 { _ = overlaps.next() }
                        notes.add(name)
                        _ = left.next()
                    }
                    @Sendable func branch(_ name: String) async throws {
                        visit(name)
                        try await step.run("same") {}
                        visit("after")
                    }
                    async let a: Void = branch("a")
                    async let b: Void = branch("b")
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        for name in ["c", "d", "e"] { group.addTask { try await branch(name) } }
                        try await group.waitForAll()
                    }
                    _ = try await (a, b)
                }, driver: driver, pool: pool)
            run.start()
            await driver.ended.wait()
            #expect(notes.all.filter { $0 != "after" } == ["a", "b", "c", "d", "e"])
            #expect(overlaps.value == 0)
        }
    }

    @Test
    func `rule 2: each result is handed over only when nothing else of the run can move`() {
        let notes = Notes()
        let run = ManualRun(.init(flushesAtOnce: false)) { _, step in
            @Sendable func branch(_ name: String) async throws {
                try await step.run(name) {}
                for part in 1...3 {
                    notes.add("\(name)\(part)")
                    await Task.yield()
                }
            }
            async let a: Void = branch("a")
            async let b: Void = branch("b")
            _ = try await (a, b)
        }
        run.driver.flush()
        run.go()
        let first = run.driver.journal.first
        let order = first == .output(StepKey("a"), "null") ? ["a", "b"] : ["b", "a"]
        #expect(notes.all == order.flatMap { name in (1...3).map { "\(name)\($0)" } })
    }

    @Test
    func `rule 2: a run in which calls wait and nothing can move reports quiet, once`() {
        let run = ManualRun(.init(completesAtOnce: false)) { _, step in
            try await step.sleep("nap", for: .hours(1))
        }
        #expect(run.driver.quietCount == 1)
        run.go()
        #expect(run.driver.quietCount == 1)
        run.driver.complete(StepKey("nap"), "null", of: run.run)
        run.go()
        #expect(run.outcome == "null")
        #expect(run.driver.quietCount == 1)
    }

    @Test
    func `rule 2: a run is not quiet while a result is being recorded`() {
        let run = ManualRun(.init(flushesAtOnce: false, completesAtOnce: false)) { _, step in
            async let nap: Void = step.sleep("nap", for: .hours(1))
            try await step.run("work") {}
            try await nap
        }
        #expect(run.driver.quietCount == 0)
        run.driver.flush()
        run.go()
        #expect(run.driver.quietCount == 1)
    }

    @Test
    func `rule 3: recorded results in order come without a suspension`() {
        let entries = (0..<100).map { Memo.Entry(StepKey("s", occurrence: $0), .output(Array("\($0)".utf8))) }
        let pool = ManualPool()
        let driver = MemoryDriver()
        let run = Fixture.run(
            Fixture.function { _, step in
                var sum = 0
                for _ in 0..<100 { sum += try await step.run("s") { -1 } }
                return sum
            }, memo: Memo(entries: entries), driver: driver, pool: pool)
        run.start()
        #expect(pool.runUntilIdle() == 1)
        #expect(driver.outcomes == ["4950"])
        #expect(driver.bodiesStarted.isEmpty)
    }

    @Test
    func `rule 3: a recorded result waits for the lower ones and for queued jobs`() {
        let notes = Notes()
        let memo = Memo(entries: [
            .init(StepKey("b"), .output(Array("2".utf8))), .init(StepKey("a"), .output(Array("1".utf8))),
        ])
        let run = ManualRun(memo: memo) { _, step in
            @Sendable func branch(_ name: String) async throws {
                notes.add("\(name)=\(try await step.run(name) { 0 })")
            }
            async let a: Void = branch("a")
            async let b: Void = branch("b")
            _ = try await (a, b)
        }
        #expect(run.outcome == "null")
        #expect(notes.all == ["b=2", "a=1"])
    }

    @Test
    func `rule 4: a repeated id is numbered in the order of the calls`() {
        let run = ManualRun { _, step in
            async let first = step.run("x") { 1 }
            async let second = step.run("x") { 2 }
            let values = try await [first, second]
            return values + [try await step.run("x") { 3 }]
        }
        #expect(run.outcome == "[1,2,3]")
        #expect(run.driver.bodiesStarted == ["x#1", "x:1#1", "x:2#1"])
    }

    @TaskLocal static var mark = 0

    @Test
    func `rule 5: a body runs in the caller's task, on the pool, and may touch what the caller has`() {
        final class Tally { var value = 0 }
        let run = ManualRun(.init(flushesAtOnce: true), retries: 2) { _, step in
            let tally = Tally()
            return try await StepOrderTests.$mark.withValue(7) {
                try await step.run("count") {
                    tally.value += 1
                    if tally.value < 3 { throw CancellationError() }
                    return tally.value * 10 + StepOrderTests.mark
                }
            }
        }
        #expect(run.outcome == "37")
    }

    @Test
    func `rule 5: bodies of one run run at the same time`() async {
        let pool = WorkerPool(threads: 2)
        defer { pool.stop() }
        let meeting = Meeting(of: 2)
        let driver = MemoryDriver()
        let run = Fixture.run(
            Fixture.function { _, step in
                async let a: Void = step.run("a") { meeting.arrive() }
                async let b: Void = step.run("b") { meeting.arrive() }
                _ = try await (a, b)
            }, driver: driver, pool: pool)
        run.start()
        await driver.ended.wait()
        #expect(driver.outcomes == ["null"])
    }

    @Test
    func `a result that comes before its call is kept for it, in its place`() {
        let pool = ManualPool()
        let driver = MemoryDriver(.init(completesAtOnce: false))
        let memo = Memo(
            entries: [.init(StepKey("a"), .output(Array("1".utf8)))], openCalls: [StepKey("nap"): .waiting])
        let run = Fixture.run(
            Fixture.function { _, step in
                let a = try await step.run("a") { 0 }
                try await step.sleep("nap", for: .hours(1))
                return a
            }, memo: memo, driver: driver, pool: pool)
        driver.complete(StepKey("nap"), "null", of: run)
        run.start()
        pool.runUntilIdle()
        #expect(driver.outcomes == ["1"])
        #expect(driver.state.withLock { $0.opened.isEmpty })
    }

    @Test
    func `an open call found on replay is not opened a second time`() {
        let run = ManualRun(.init(completesAtOnce: false), memo: Memo(openCalls: [StepKey("nap"): .waiting])) {
            _, step in
            try await step.sleep("nap", for: .hours(1))
        }
        #expect(run.driver.state.withLock { $0.opened.isEmpty })
        #expect(run.driver.quietCount == 1)
        run.driver.complete(StepKey("nap"), "null", of: run.run)
        run.go()
        #expect(run.outcome == "null")
    }

    @Test
    func `calls that are not recorded begin only after the recorded results`() {
        let notes = Notes()
        let memo = Memo(entries: [.init(StepKey("known"), .output(Array("1".utf8)))])
        let run = ManualRun(memo: memo) { _, step in
            async let new: Void = step.run("new") { notes.add("body") }
            _ = try await step.run("known") { 0 }
            notes.add("known")
            try await new
        }
        #expect(run.outcome == "null")
        #expect(notes.all == ["known", "body"])
    }
}

/// Where threads wait until all of them are there.
final class Meeting: Sendable {
    private let missing: Atomic<Int>
    private let everybody = Signal()

    init(of count: Int) { missing = Atomic(count) }

    /// Blocks the thread, as a body that calls a blocking library does.
    func arrive() {
        missing.wrappingSubtract(1, ordering: .sequentiallyConsistent)
        while missing.load(ordering: .sequentiallyConsistent) > 0 { yieldThread() }
    }
}
