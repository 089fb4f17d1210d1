import Daybook
import Synchronization
import Testing

struct GoingColdTests {
    private let held = MemoryDriver.Habits(flushesAtOnce: false, retriesAtOnce: false, completesAtOnce: false)

    @Test
    func `rule 10: a quiet run is unwound, and carries on later where it was`() {
        let notes = Notes()
        let code: @Sendable (Received<Ping>, Step) async throws -> Int = { _, step in
            let value = try await step.run("a") {
                notes.add("body")
                return 5
            }
            try await step.sleep("nap", for: .days(1))
            return value
        }
        var habits = MemoryDriver.Habits()
        habits.completesAtOnce = false
        let run = ManualRun(habits, code: code)
        #expect(run.driver.quietCount == 1)
        let closes = run.run.close(.ifQuiet)
        #expect(closes)
        run.go()
        #expect(run.outcome == "closed")

        run.driver.complete(StepKey("nap"), "null", of: run.run)
        let again = ManualRun(memo: run.driver.memo(), code: code)
        #expect(again.outcome == "5")
        #expect(notes.all == ["body"])
    }

    @Test
    func `rule 10: swallowing the cancellation runs no body, and what the code returns is ignored`() {
        let notes = Notes()
        let run = ManualRun(held) { _, step in
            try? await step.sleep("nap", for: .days(1))
            try? await step.run("body") { notes.add("ran") }
            do {
                try await step.sleep("another", for: .days(1))
            } catch {
                notes.add("\(type(of: error))")
            }
            _ = try? await step.sendEvent("tell", Ping())
            return "done"
        }
        let closes = run.run.close(.ifQuiet)
        #expect(closes)
        run.go()
        #expect(run.outcome == "closed")
        #expect(notes.all == ["CancellationError"])
        #expect(run.driver.state.withLock { $0.opened.map(\.text) } == ["nap"])
    }

    @Test
    func `rule 10: all branches of an unwound run throw, one after another`() {
        let notes = Notes()
        let run = ManualRun(held) { _, step in
            await withTaskGroup(of: Void.self) { group in
                for branch in 0..<100 {
                    group.addTask {
                        do {
                            try await step.sleep("nap", for: .days(1))
                        } catch {
                            notes.add("\(branch)")
                        }
                    }
                }
            }
        }
        run.run.close(.ifQuiet)
        run.go()
        #expect(run.outcome == "closed")
        #expect(Set(notes.all).count == 100)
    }

    @Test
    func `rule 10: code that calls steps for ever although it was put aside is left behind`() {
        let run = ManualRun(held) { _, step in
            while true { try? await step.sleep("nap", for: .days(1)) }
        }
        run.run.close(.ifQuiet)
        run.go()
        #expect(run.driver.outcomes == ["closed"])
        #expect(run.pool.count == 0)
    }

    @Test
    func `rule 11: no unwinding while a result awaits its flush`() {
        let run = ManualRun(held) { _, step in
            async let nap: Void = step.sleep("nap", for: .days(1))
            try await step.run("work") {}
            try await nap
        }
        #expect(!run.run.close(.ifQuiet))
        run.driver.flush()
        // The result is delivered, and not yet seen.
        #expect(!run.run.close(.ifQuiet))
        run.go()
        let closes = run.run.close(.ifQuiet)
        #expect(closes)
        run.go()
        #expect(run.outcome == "closed")
    }

    @Test
    func `rule 11: no unwinding while a body runs`() {
        let gate = ManualGate()
        let run = ManualRun(held) { _, step in
            async let nap: Void = step.sleep("nap", for: .days(1))
            try await step.run("work") { await gate.wait() }
            try await nap
        }
        #expect(!run.run.close(.ifQuiet))
        gate.open()
        run.go()
        #expect(!run.run.close(.ifQuiet))
    }

    @Test
    func `rule 12: a wait that the code cancels throws at once, and the run goes on`() {
        let run = ManualRun(held) { _, step in
            try await withThrowingTaskGroup(of: String.self) { group in
                group.addTask {
                    try await step.sleep("long", for: .days(2))
                    return "long"
                }
                group.addTask {
                    try await step.sleep("short", for: .days(1))
                    return "short"
                }
                let winner = try await group.next() ?? ""
                group.cancelAll()
                return winner
            }
        }
        run.driver.complete(StepKey("short"), "null", of: run.run)
        run.go()
        #expect(run.outcome == #""short""#)
        #expect(run.driver.state.withLock { $0.abandoned } == [StepKey("long")])
        #expect(run.driver.state.withLock { Array($0.open.keys) } == [StepKey("long")], "it stays recorded")
    }

    @Test
    func `rule 12: an unused async let does not hold up the run`() {
        let run = ManualRun(.init(completesAtOnce: false)) { _, step in
            async let _: Void = step.sleep("long", for: .days(2))
            return try await step.run("short") { 1 }
        }
        #expect(run.outcome == "1")
        #expect(run.driver.state.withLock { $0.abandoned } == [StepKey("long")])
    }

    @Test
    func `rule 12: replay picks the recorded winner, although the loser has ended since`() {
        let code: @Sendable (Received<Ping>, Step) async throws -> String = { _, step in
            let winner = try await withThrowingTaskGroup(of: String.self) { group in
                for name in ["a", "b"] {
                    group.addTask {
                        try await step.sleep(name, for: .days(1))
                        return name
                    }
                }
                let winner = try await group.next() ?? ""
                group.cancelAll()
                return winner
            }
            try await step.sleep("then", for: .days(1))
            return winner
        }
        let hot = ManualRun(held, code: code)
        hot.driver.complete(StepKey("b"), "null", of: hot.run)
        hot.go()
        hot.driver.complete(StepKey("a"), "null", of: hot.run)
        hot.go()
        hot.driver.complete(StepKey("then"), "null", of: hot.run)
        hot.go()
        #expect(hot.outcome == #""b""#)
        let cold = ManualRun(held, memo: hot.driver.memo(), code: code)
        #expect(cold.outcome == #""b""#)
    }

    @Test
    func `rule 12: a cancelled wait throws on replay too, although its result is recorded by then`() {
        let code: @Sendable (Received<Ping>, Step) async throws -> [String] = { _, step in
            let ends = await withTaskGroup(of: String.self) { group in
                for name in ["a", "b"] {
                    group.addTask {
                        do {
                            try await step.sleep(name, for: .days(1))
                            return "\(name) over"
                        } catch {
                            return "\(name) cancelled"
                        }
                    }
                }
                var ends: [String] = []
                for await end in group {
                    ends.append(end)
                    group.cancelAll()
                }
                return ends
            }
            try await step.sleep("then", for: .days(1))
            return ends
        }
        let hot = ManualRun(held, code: code)
        for key in ["b", "a", "then"] {
            hot.driver.complete(StepKey(key), "null", of: hot.run)
            hot.go()
        }
        #expect(hot.outcome == #"["b over","a cancelled"]"#)
        #expect(ManualRun(held, memo: hot.driver.memo(), code: code).outcome == hot.outcome)
    }

    @Test
    func `rule 12: the loser of a recorded race does not begin again on replay`() {
        let notes = Notes()
        let memo = Memo(entries: [.init(StepKey("quick"), .output(Array("1".utf8)))])
        let run = ManualRun(held, memo: memo) { _, step in
            try await withThrowingTaskGroup(of: Int.self) { group in
                group.addTask { try await step.run("slow") { 2 } }
                group.addTask {
                    try await step.sleep("long", for: .days(1))
                    return 3
                }
                group.addTask { try await step.run("quick") { 4 } }
                let winner = try await group.next()
                group.cancelAll()
                notes.add("winner \(winner ?? 0)")
            }
        }
        #expect(run.outcome == "null")
        #expect(notes.all == ["winner 1"])
        #expect(run.driver.bodiesStarted.isEmpty)
        #expect(run.driver.state.withLock { $0.opened.isEmpty })
    }

    @Test
    func `rule 12: a retry pause that the code cancels throws at once`() {
        let run = ManualRun(held) { _, step in
            try await withThrowingTaskGroup(of: String.self) { group in
                group.addTask { try await step.run("flaky") { throw CancellationError() } }
                group.addTask {
                    try await step.sleep("short", for: .days(1))
                    return "short"
                }
                let winner = try await group.next() ?? ""
                group.cancelAll()
                return winner
            }
        }
        run.driver.flush()
        run.go()
        run.driver.complete(StepKey("short"), "null", of: run.run)
        run.go()
        #expect(run.outcome == #""short""#)
        #expect(run.driver.state.withLock { $0.abandoned } == [StepKey("flaky")])
        run.driver.retry(StepKey("flaky"), of: run.run)
        run.go()
        #expect(run.driver.bodiesStarted == ["flaky#1"])
    }

    @Test
    func `rule 12: a body in a cancelled branch that gives up has neither result nor failed attempt`() {
        let gate = ManualGate()
        let run = ManualRun(.init(completesAtOnce: false)) { _, step in
            try await withThrowingTaskGroup(of: String.self) { group in
                group.addTask {
                    try await step.run("slow") {
                        await gate.wait()
                        try Task.checkCancellation()
                        return "slow"
                    }
                }
                group.addTask { try await step.run("quick") { "quick" } }
                let winner = try await group.next() ?? ""
                group.cancelAll()
                return winner
            }
        }
        #expect(run.outcome == nil)
        gate.open()
        run.go()
        #expect(run.outcome == #""quick""#)
        #expect(run.driver.state.withLock { $0.cancelledBodies } == [StepKey("slow")])
        #expect(run.driver.journal == [.output(StepKey("quick"), #""quick""#)])
    }

    @Test
    func `rule 12: a failure that is recorded while its branch is cancelled is what the branch throws, hot and cold`() {
        let code: @Sendable (Received<Ping>, Step) async throws -> String = { _, step in
            try await withThrowingTaskGroup(of: String.self) { group in
                group.addTask { try await step.run("quick") { "quick" } }
                group.addTask {
                    do {
                        return try await step.run("bad") { throw NonRetriableError("no") }
                    } catch {
                        return "\(error)"
                    }
                }
                var ends = ""
                for try await end in group {
                    ends += end + ";"
                    group.cancelAll()
                }
                return ends
            }
        }
        let hot = ManualRun(held, code: code)
        hot.driver.flush(1)
        hot.go()
        hot.driver.flush()
        hot.go()
        #expect(hot.outcome == #""quick;step 'bad' failed: NonRetriableError: no;""#)
        #expect(ManualRun(held, memo: hot.driver.memo(), code: code).outcome == hot.outcome)
    }

    @Test
    func `rule 12: the same holds when the branch is cancelled on its way back from the body`() {
        let (cancels, fails) = (ManualGate(), ManualGate())
        let newestFirst = ManualPool { $0 - 1 }
        let run = ManualRun(held, retries: 0, pool: newestFirst) { _, step in
            await withTaskGroup(of: String.self) { group in
                group.addTask {
                    do {
                        return try await step.run("bad") {
                            await fails.wait()
                            throw NonRetriableError("no")
                        }
                    } catch {
                        return "\(type(of: error))"
                    }
                }
                await cancels.wait()
                group.cancelAll()
                return await group.next() ?? ""
            }
        }
        cancels.open()
        fails.open()
        run.go()
        #expect(run.outcome == nil, "the failure is being recorded")
        run.driver.flush()
        run.go()
        #expect(run.outcome == #""StepError""#)
    }

    @Test
    func `rule 13: a run that waits for something of its own between steps is not quiet`() {
        let gate = ManualGate()
        let run = ManualRun(held) { _, step in
            await gate.wait()
            try await step.sleep("nap", for: .days(1))
        }
        #expect(run.driver.quietCount == 0)
        gate.open()
        run.go()
        #expect(run.driver.quietCount == 1)
    }

    @Test
    func `rule 14: closing cancels a running body, and tells when it has really returned`() {
        let gate = ManualGate()
        let notes = Notes()
        let run = ManualRun(held) { _, step in
            try await step.run("work") {
                await gate.wait()
                notes.add(Task.isCancelled ? "cancelled" : "live")
            }
            notes.add("after")
        }
        run.run.close(.now)
        run.go()
        #expect(run.outcome == nil)
        #expect(run.driver.state.withLock { $0.bodiesRunning } == [StepKey("work")])
        gate.open()
        run.go()
        #expect(run.outcome == "closed")
        #expect(run.driver.state.withLock { $0.bodiesRunning }.isEmpty)
        #expect(notes.all == ["cancelled"])
    }

    @Test
    func `rule 14: a body that waits for its thread when the run is closed does not begin`() {
        // Closed between any two pieces of work: a body that has begun is there to be cancelled, one that has not is not
        // begun any more.
        for piecesBefore in 0..<8 {
            let pool = ManualPool()
            let driver = MemoryDriver(held)
            let run = Fixture.run(
                Fixture.function { _, step in try await step.run("work") {} }, driver: driver, pool: pool)
            run.start()
            for _ in 0..<piecesBefore { _ = pool.step() }
            let begunBefore = driver.state.withLock { $0.bodiesStarted }
            run.close(.now)
            pool.runUntilIdle()
            #expect(driver.state.withLock { $0.bodiesStarted } == begunBefore, "closed after \(piecesBefore) pieces")
            #expect(driver.state.withLock { $0.bodiesRunning }.isEmpty)
        }
    }

    @Test
    func `rule 14: closing reaches code that holds its thread`() async {
        let pool = WorkerPool(threads: 2)
        defer { pool.stop() }
        let driver = MemoryDriver()
        let began = Signal()
        let run = Fixture.run(
            Fixture.function { _, _ in
                began.send()
                while !Task.isCancelled { yieldThread() }
            }, driver: driver, pool: pool)
        run.start()
        await began.wait()
        run.close(.now)
        await driver.ended.wait()
        #expect(driver.outcomes == ["closed"])
    }

    @Test
    func `rule 15: a drained run ends its bodies, records them, and starts no other`() {
        let gate = ManualGate()
        let notes = Notes()
        let run = ManualRun(held) { _, step in
            async let slow: Void = step.run("slow") { await gate.wait() }
            async let quick: Void = step.run("quick") {}
            try await quick
            notes.add("after quick")
            try await step.run("next") { notes.add("next") }
            try await slow
        }
        run.run.close(.afterBodies)
        run.driver.flush()
        run.go()
        #expect(run.outcome == nil)
        gate.open()
        run.go()
        #expect(run.outcome == nil, "its result is not recorded yet")
        run.driver.flush()
        run.go()
        #expect(run.outcome == "closed")
        #expect(notes.all.isEmpty)
        #expect(run.driver.memo().entries.map(\.key.text) == ["quick", "slow"])
    }

    @Test
    func `rule 15: a run without a body closes at once when drained`() {
        let run = ManualRun(held) { _, step in try await step.sleep("nap", for: .days(1)) }
        run.run.close(.afterBodies)
        run.go()
        #expect(run.outcome == "closed")
    }

    @Test
    func `a closed run ends once, whatever is delivered or closed afterwards`() {
        let run = ManualRun(held) { _, step in try await step.sleep("nap", for: .days(1)) }
        run.run.close(.now)
        run.driver.complete(StepKey("nap"), "null", of: run.run)
        run.run.close(.now)
        run.go()
        run.run.close(.afterBodies)
        run.go()
        #expect(run.driver.outcomes == ["closed"])
        #expect(!run.run.close(.ifQuiet))
    }
}

/// Something outside the run that a body or the code waits for.
final class ManualGate: Sendable {
    private let waiter = Mutex<CheckedContinuation<Void, Never>?>(nil)

    func wait() async {
        await withCheckedContinuation { continuation in waiter.withLock { $0 = continuation } }
    }

    func open() {
        let waiter = waiter.withLock { $0.take() }
        waiter?.resume()
    }
}
