import Daybook
import Synchronization
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

func yieldThread() { sched_yield() }

/// Six branches that call a step of one id five times each, and say which results each of them got.
private func sixBranches(_ values: @escaping @Sendable () -> Int) -> FunctionRegistration {
    Fixture.function { _, step in
        try await withThrowingTaskGroup(of: (Int, [Int]).self) { group in
            for branch in 0..<6 {
                group.addTask {
                    var got: [Int] = []
                    for _ in 0..<5 { got.append(try await step.run("same") { values() }) }
                    return (branch, got)
                }
            }
            var all = [[Int]](repeating: [], count: 6)
            for try await (branch, got) in group { all[branch] = got }
            return all
        }
    }
}

/// A generator of our own, so that a seed makes the same choices again.
struct Random: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

struct ReplayTests {
    @Test
    func `rule 6: six branches with equal step ids get the same results on replay, on the growing pool`() async {
        let pool = WorkerPool(threads: 4)
        defer { pool.stop() }
        var random = Random(state: 1)
        for _ in 0..<300 {
            let counter = Counter()
            let function = sixBranches { counter.next() }
            let hot = MemoryDriver()
            Fixture.run(function, driver: hot, pool: pool).start()
            await hot.ended.wait()
            let full = hot.memo()
            #expect(full.entries.count == 30)

            // Recorded to the end: the same result, and no body.
            for _ in 0..<4 {
                let again = MemoryDriver()
                Fixture.run(function, memo: full, driver: again, pool: pool).start()
                await again.ended.wait()
                #expect(again.outcomes == hot.outcomes)
                #expect(again.bodiesStarted.isEmpty)
            }

            // Interrupted anywhere: what was recorded is not run again, and the whole replays as it went.
            let cut = Int.random(in: 0...30, using: &random)
            let prefix = Array(full.entries.prefix(cut))
            let resumed = MemoryDriver()
            Fixture.run(function, memo: Memo(entries: prefix), driver: resumed, pool: pool).start()
            await resumed.ended.wait()
            #expect(resumed.bodiesStarted.count == 30 - cut)
            let replayed = MemoryDriver()
            Fixture.run(
                function, memo: Memo(entries: prefix + resumed.memo().entries), driver: replayed, pool: pool
            ).start()
            await replayed.ended.wait()
            #expect(replayed.outcomes == resumed.outcomes)
        }
    }

    @Test(arguments: 0..<20)
    func `rule 6: the same holds for every order of threads a seed can choose`(seed: Int) {
        for round in 0..<50 {
            let random = Mutex(Random(state: UInt64(seed * 1_000 + round)))
            let shuffled = ManualPool { count in random.withLock { Int.random(in: 0..<count, using: &$0) } }
            let counter = Counter()
            let function = sixBranches { counter.next() }
            let hot = MemoryDriver()
            Fixture.run(function, driver: hot, pool: shuffled).start()
            shuffled.runUntilIdle()
            let cut = random.withLock { Int.random(in: 0...30, using: &$0) }
            let prefix = Array(hot.memo().entries.prefix(cut))
            for memo in [hot.memo(), Memo(entries: prefix)] {
                let again = MemoryDriver()
                Fixture.run(function, memo: memo, driver: again, pool: shuffled).start()
                shuffled.runUntilIdle()
                let whole = MemoryDriver()
                let entries = memo.entries + again.memo().entries
                Fixture.run(function, memo: Memo(entries: entries), driver: whole, pool: shuffled).start()
                shuffled.runUntilIdle()
                #expect(again.outcomes == whole.outcomes, "seed \(seed), round \(round), cut \(cut)")
                #expect(whole.bodiesStarted.isEmpty)
                if memo.entries.count == 30 { #expect(again.outcomes == hot.outcomes) }
            }
        }
    }

    /// Who wins a race among sleeps, steps and waits, with retries, decides what happens next.
    @Test(arguments: 0..<20)
    func `rule 6: races, retries and cold restarts replay as they went`(seed: Int) {
        for round in 0..<50 {
            let random = Mutex(Random(state: UInt64(seed * 7_777 + round)))
            let shuffled = ManualPool { count in random.withLock { Int.random(in: 0..<count, using: &$0) } }
            let calls = Counter()
            let function = Fixture.function(retries: 3) { _, step in
                var log: [String] = []
                for lap in 0..<3 {
                    let winner = try await withThrowingTaskGroup(of: String.self) { group in
                        group.addTask { "run\(try await step.run("run") { lap })" }
                        group.addTask {
                            try await step.sleep("nap", for: .hours(1))
                            return "nap"
                        }
                        group.addTask {
                            let flaky = try await step.run("flaky") {
                                let call = calls.next()
                                if call % 3 != 0 { throw RetryAfterError("not yet", after: .seconds(1)) }
                                return call
                            }
                            return "flaky\(flaky)"
                        }
                        group.addTask {
                            let event = try await step.waitForEvent("w", Ping.self, timeout: .hours(1))
                            return "wait\(event?.n ?? 0)"
                        }
                        let winner = try await group.next() ?? "none"
                        group.cancelAll()
                        return winner
                    }
                    log.append(winner)
                    log.append(try await step.run("after-\(winner)") { winner })
                }
                return log
            }
            var habits = MemoryDriver.Habits(flushesAtOnce: false, retriesAtOnce: false, completesAtOnce: false)
            habits.goesColdWhenQuiet = seed % 2 == 0
            let driver = MemoryDriver(habits)
            var run = Fixture.run(function, driver: driver, pool: shuffled)
            run.start()
            // Moves one thing after another, whatever is possible, until the run is over.
            for _ in 0..<10_000 {
                shuffled.runUntilIdle(limit: random.withLock { Int.random(in: 1...5, using: &$0) })
                if let outcome = driver.outcomes.last, shuffled.count == 0 {
                    if outcome != "closed" { break }
                    // What had ended is in the journal; the rest of the generation is gone.
                    driver.flush()
                    driver.state.withLock { $0.outcomes.removeAll() }
                    run = Fixture.run(function, memo: driver.memo(), driver: driver, pool: shuffled)
                    run.start()
                    continue
                }
                let (unflushed, open, retrying) = driver.state.withLock {
                    ($0.unflushed.count, $0.open, $0.retrying)
                }
                switch random.withLock({ Int.random(in: 0..<4, using: &$0) }) {
                case 0 where unflushed > 0: driver.flush(1)
                case 1:
                    guard let key = open.keys.min(by: { $0.text < $1.text }) else { continue }
                    driver.complete(key, "null", of: run)
                case 2:
                    guard let key = retrying.keys.min(by: { $0.text < $1.text }) else { continue }
                    driver.retry(key, of: run)
                default: continue
                }
            }
            shuffled.runUntilIdle()
            let outcome = driver.outcomes.last
            #expect(outcome?.hasPrefix("[") == true, "seed \(seed), round \(round): \(outcome ?? "no end")")
            let replay = MemoryDriver(.init(completesAtOnce: false))
            Fixture.run(function, memo: driver.memo(), driver: replay, pool: shuffled).start()
            shuffled.runUntilIdle()
            #expect(replay.outcomes.last == outcome, "seed \(seed), round \(round)")
        }
    }
}
