import Daybook
import Logging
import Synchronization
import Testing

struct SlotTests {
    private let held = MemoryDriver.Habits(flushesAtOnce: false, retriesAtOnce: false, completesAtOnce: false)
    private let limited = RunExecution.Options(limitsBodies: true)

    /// Steps beside each other, one per number.
    private static func branches(_ count: Int) -> @Sendable (Received<Ping>, Step) async throws -> Int {
        { _, step in
            try await withThrowingTaskGroup(of: Int.self) { group in
                for branch in 0..<count { group.addTask { try await step.run("s\(branch)") { branch } } }
                return try await group.reduce(0, +)
            }
        }
    }

    /// Ends one body after another until the run has come to its end.
    /// - Returns: how many bodies were under way at most.
    private func finish(_ run: ManualRun, flushesMax: Int = 1_000) -> Int {
        var most = 0
        for _ in 0..<flushesMax where run.outcome == nil {
            most = max(most, run.driver.state.withLock { $0.bodiesRunning.count + $0.unflushed.count })
            run.driver.flush(1)
            run.go()
        }
        return most
    }

    @Test
    func `with one slot the bodies of a task group run one after another, and all of them run`() {
        let run = ManualRun(held, options: limited, code: Self.branches(10))
        #expect(run.driver.bodiesStarted == ["s0#1"])
        #expect(run.driver.slotsAskedFor == 9)
        #expect(finish(run) == 1)
        #expect(run.outcome == "45")
        #expect(run.driver.bodiesStarted == (0..<10).map { "s\($0)#1" }, "in the order of their calls")
        #expect(run.driver.slotsAskedFor == 9, "nothing is asked for twice")
        #expect(run.driver.slotsGivenBack == 0)
    }

    @Test
    func `without a limit they run beside each other and nothing is asked for`() {
        let run = ManualRun(held, code: Self.branches(10))
        #expect(run.driver.bodiesStarted.count == 10)
        #expect(finish(run) == 10)
        #expect(run.driver.slotsAskedFor == 0)
    }

    @Test
    func `each slot that is granted lets one body more run`() {
        let run = ManualRun(held, options: limited, code: Self.branches(10))
        run.driver.grantSlots(2, to: run.run)
        run.go()
        #expect(run.driver.bodiesStarted.count == 3)
        run.driver.grantSlots(1, to: run.run)
        run.go()
        #expect(run.driver.bodiesStarted.count == 4)
        run.driver.flush(1)
        run.go()
        #expect(run.driver.bodiesStarted.count == 5, "one ended, so one began")
        #expect(finish(run) == 4)
        #expect(run.outcome == "45")
        #expect(run.driver.slotsAskedFor == 9)
    }

    @Test
    func `slots that no body waits for are given back, all but the first`() {
        let run = ManualRun(held, options: limited, code: Self.branches(3))
        run.driver.grantSlots(2, to: run.run)
        run.go()
        #expect(run.driver.bodiesStarted.count == 3)
        #expect(run.driver.slotsGivenBack == 0)
        run.driver.flush(1)
        run.go()
        #expect(run.driver.slotsGivenBack == 1)
        run.driver.flush(1)
        run.go()
        #expect(run.driver.slotsGivenBack == 2)
        run.driver.flush(1)
        run.go()
        #expect(run.outcome == "3")
        #expect(run.driver.slotsGivenBack == 2)
    }

    @Test
    func `a slot that comes when nothing waits for it any more is given back`() {
        let run = ManualRun(held, options: limited) { _, step in
            async let a = step.run("a") { 1 }
            async let b = step.run("b") { 2 }
            let sum = try await a + b
            try await step.sleep("nap", for: .days(1))
            return sum
        }
        #expect(run.driver.slotsAskedFor == 1)
        run.driver.flush()
        run.go()
        run.driver.flush()
        run.go()
        #expect(run.driver.quietCount == 1)
        run.driver.grantSlots(1, to: run.run)
        run.go()
        #expect(run.driver.slotsGivenBack == 1)
        #expect(run.driver.quietCount == 2)
    }

    @Test
    func `sleeps and waits need no slot, and a sleeping branch takes none from the others`() {
        let run = ManualRun(held, options: limited) { _, step in
            async let nap: Void = step.sleep("nap", for: .days(1))
            async let sent = step.sendEvent("tell", Ping())
            async let a = step.run("a") { 1 }
            async let b = step.run("b") { 2 }
            let sum = try await a + b
            _ = try await sent
            try await nap
            return sum
        }
        #expect(run.driver.state.withLock { $0.opened.map(\.text) } == ["nap", "tell"])
        #expect(run.driver.bodiesStarted == ["a#1"])
        #expect(run.driver.slotsAskedFor == 1)
        #expect(run.driver.quietCount == 0)
        run.driver.flush()
        run.go()
        #expect(run.driver.bodiesStarted == ["a#1", "b#1"])
    }

    @Test
    func `a body that is cancelled while it waits for a slot does not run`() {
        let run = ManualRun(held, options: limited) { _, step in
            try await withThrowingTaskGroup(of: String.self) { group in
                for name in ["a", "b", "c"] { group.addTask { try await step.run(name) { name } } }
                let winner = try await group.next() ?? ""
                group.cancelAll()
                while (try? await group.next()) != nil {}
                return try await step.run("then") { winner }
            }
        }
        #expect(run.driver.slotsAskedFor == 2)
        run.driver.flush()
        run.go()
        #expect(run.driver.bodiesStarted == ["a#1", "then#1"])
        run.driver.flush()
        run.go()
        #expect(run.outcome == #""a""#)
        #expect(run.driver.state.withLock { $0.abandoned }.isEmpty, "nobody knew of them")
    }

    @Test
    func `a branch that was cancelled before its body asked for a slot does not wait for one`() {
        let run = ManualRun(held, options: limited) { _, step in
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await step.run("a") {} }
                group.addTask {
                    try await step.sleep("nap", for: .days(1))
                    withUnsafeCurrentTask { $0?.cancel() }
                    try? await step.run("b") {}
                }
                try await group.waitForAll()
            }
        }
        run.driver.complete(StepKey("nap"), "null", of: run.run)
        run.go()
        run.driver.flush()
        run.go()
        #expect(run.outcome == "null")
        #expect(run.driver.bodiesStarted == ["a#1"])
    }

    @Test(arguments: [RunExecution.CloseMode.now, .afterBodies])
    func `closing while bodies wait for a slot runs none of them`(mode: RunExecution.CloseMode) {
        let run = ManualRun(held, options: limited, code: Self.branches(10))
        run.run.close(mode)
        run.driver.grantSlots(5, to: run.run)
        run.go()
        run.driver.flush()
        run.go()
        #expect(run.outcome == "closed")
        #expect(run.driver.bodiesStarted == ["s0#1"])
        #expect(run.driver.slotsAskedFor == 9)
    }

    @Test
    func `a run that is closing gives slots back as its bodies end`() {
        let gates = (0..<3).map { _ in ManualGate() }
        let run = ManualRun(held, options: limited) { _, step in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (branch, gate) in gates.enumerated() {
                    group.addTask { try await step.run("s\(branch)") { await gate.wait() } }
                }
                try await group.waitForAll()
            }
        }
        run.driver.grantSlots(2, to: run.run)
        run.go()
        #expect(run.driver.bodiesStarted.count == 3)
        run.run.close(.now)
        run.go()
        #expect(run.driver.slotsGivenBack == 0, "all of them run")
        gates[0].open()
        run.go()
        #expect(run.driver.slotsGivenBack == 1)
        #expect(run.outcome == nil)
        gates[1].open()
        run.go()
        #expect(run.driver.slotsGivenBack == 2)
        gates[2].open()
        run.go()
        #expect(run.outcome == "closed")
        #expect(run.driver.slotsGivenBack == 2)
    }

    @Test
    func `replay hands over what is recorded without a slot, and the rest runs within the limit`() {
        let run = ManualRun(held, options: limited, code: Self.branches(10))
        for _ in 0..<4 {
            run.driver.flush(1)
            run.go()
        }
        let again = ManualRun(held, memo: run.driver.memo(), options: limited, code: Self.branches(10))
        #expect(again.driver.bodiesStarted == ["s4#1"])
        #expect(again.driver.slotsAskedFor == 5)
        #expect(finish(again) == 1)
        #expect(again.outcome == "45")
        #expect(again.driver.bodiesStarted.count == 6)
    }

    @Test
    func `a retry waits for a slot like any body`() {
        let run = ManualRun(held, options: limited) { _, step in
            async let flaky = step.run("flaky") { (attempt: Attempt) in
                if attempt.number == 1 { throw RetryTests.Broken(code: 1) }
                return attempt.number
            }
            async let a = step.run("a") { 10 }
            async let b = step.run("b") { 100 }
            return try await flaky + a + b
        }
        run.driver.flush()
        run.go()
        #expect(run.driver.bodiesStarted == ["flaky#1", "a#1"])
        run.driver.retry(StepKey("flaky"), of: run.run)
        run.go()
        #expect(run.driver.bodiesStarted == ["flaky#1", "a#1"], "it is due, and the slot is taken")
        run.driver.retry(StepKey("flaky"), of: run.run)
        run.go()
        #expect(finish(run) == 1)
        #expect(run.driver.bodiesStarted == ["flaky#1", "a#1", "b#1", "flaky#2"])
        #expect(run.outcome == "112")
    }

    @Test
    func `many retries that are due at once do not exceed the slots`() {
        let keys = (0..<5).map { StepKey("s\($0)") }
        let run = ManualRun(
            held,
            memo: Memo(
                openCalls: Dictionary(uniqueKeysWithValues: keys.map { ($0, .retrying(nextAttempt: 2, isDue: false)) })),
            options: limited, code: Self.branches(5))
        #expect(run.driver.quietCount == 1)
        for key in keys where run.run.deliver(key, .retry(attempt: 2)) { run.pool.submit(run.run) }
        run.go()
        #expect(run.driver.bodiesStarted == ["s0#2"])
        #expect(run.driver.slotsAskedFor == 4)
        #expect(finish(run) == 1)
        #expect(run.outcome == "10")
    }

    @Test
    func `a retry that waits for a slot and is cancelled is given up`() {
        let run = ManualRun(held, options: limited) { _, step in
            try await withThrowingTaskGroup(of: String.self) { group in
                group.addTask { try await step.run("flaky") { throw CancellationError() } }
                group.addTask { try await step.run("quick") { "quick" } }
                let winner = try await group.next() ?? ""
                group.cancelAll()
                return winner
            }
        }
        run.driver.flush()
        run.go()
        run.driver.retry(StepKey("flaky"), of: run.run)
        run.go()
        run.driver.flush()
        run.go()
        #expect(run.outcome == #""quick""#)
        #expect(run.driver.bodiesStarted == ["flaky#1", "quick#1"])
        #expect(run.driver.state.withLock { $0.abandoned } == [StepKey("flaky")])
    }

    // MARK: - Quiet

    private static let napThenWork: @Sendable (Received<Ping>, Step) async throws -> Int = { _, step in
        try await step.sleep("nap", for: .days(1))
        return try await step.run("work") { 1 }
    }

    @Test
    func `a quiet run gives up its slot and gets it again with what wakes it`() {
        let run = ManualRun(held, options: limited, code: Self.napThenWork)
        #expect(run.run.yieldIfQuiet(report: run.driver.quietReport))
        run.driver.grantSlots(1, to: run.run)
        run.driver.complete(StepKey("nap"), "null", of: run.run)
        run.go()
        #expect(run.driver.bodiesStarted == ["work#1"])
        #expect(run.driver.slotsAskedFor == 0)
        #expect(finish(run) == 1)
        #expect(run.outcome == "1")
    }

    @Test
    func `a run that is woken without a slot asks for one before a body runs`() {
        let run = ManualRun(held, options: limited, code: Self.napThenWork)
        #expect(run.run.yieldIfQuiet(report: run.driver.quietReport))
        run.driver.complete(StepKey("nap"), "null", of: run.run)
        run.go()
        #expect(run.driver.bodiesStarted.isEmpty)
        #expect(run.driver.slotsAskedFor == 1)
        #expect(run.driver.quietCount == 1, "it waits for a slot, which is not being quiet")
        #expect(!run.run.close(.ifQuiet))
        run.driver.grantSlots(1, to: run.run)
        run.go()
        #expect(run.driver.bodiesStarted == ["work#1"])
        #expect(run.driver.slotsGivenBack == 0)
    }

    @Test
    func `code that goes on after a wait of its own asks for a slot too`() {
        let gate = ManualGate()
        let run = ManualRun(held, options: limited) { _, step in
            async let nap: Void = step.sleep("nap", for: .days(1))
            await gate.wait()
            let result = try await step.run("work") { 1 }
            try await nap
            return result
        }
        #expect(run.run.yieldIfQuiet(report: run.driver.quietReport))
        gate.open()
        run.go()
        #expect(run.driver.bodiesStarted.isEmpty)
        #expect(run.driver.slotsAskedFor == 1)
        run.driver.grantSlots(1, to: run.run)
        run.go()
        #expect(run.driver.bodiesStarted == ["work#1"])
    }

    @Test
    func `a quiet report is out of date once something was handed in`() {
        let run = ManualRun(held, options: limited, code: Self.napThenWork)
        let report = run.driver.quietReport
        run.driver.complete(StepKey("nap"), "null", of: run.run)
        #expect(!run.run.yieldIfQuiet(report: report), "it is on its way")
        run.go()
        #expect(run.driver.bodiesStarted == ["work#1"], "the slot was kept")
        #expect(!run.run.yieldIfQuiet(report: report), "a body runs")
    }

    @Test
    func `a quiet report is out of date once another followed`() {
        let run = ManualRun(held, options: limited) { _, step in
            try await step.sleep("one", for: .days(1))
            try await step.sleep("two", for: .days(1))
        }
        let report = run.driver.quietReport
        run.driver.complete(StepKey("one"), "null", of: run.run)
        run.go()
        #expect(!run.run.yieldIfQuiet(report: report))
        #expect(run.run.yieldIfQuiet(report: run.driver.quietReport))
    }

    @Test
    func `a slot that is on its way keeps a run from being taken for quiet`() {
        let run = ManualRun(held, options: limited, code: Self.napThenWork)
        let report = run.driver.quietReport
        run.driver.grantSlots(1, to: run.run)
        #expect(!run.run.yieldIfQuiet(report: report))
        run.go()
        #expect(run.driver.slotsGivenBack == 1)
        #expect(run.run.yieldIfQuiet(report: run.driver.quietReport))
    }

    @Test
    func `a run that is closing yields nothing before its end`() {
        let run = ManualRun(held, options: limited, code: Self.napThenWork)
        run.run.close(.ifQuiet)
        #expect(!run.run.yieldIfQuiet(report: run.driver.quietReport))
        run.go()
        #expect(run.outcome == "closed")
    }

    @Test
    func `what was asked for is asked for again after a yield`() {
        let run = ManualRun(held, options: limited) { _, step in
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await step.run("a") {} }
                group.addTask { try await step.run("b") {} }
                try await group.waitForAll()
            }
            try await step.sleep("nap", for: .days(1))
            async let c: Void = step.run("c") {}
            async let d: Void = step.run("d") {}
            _ = try await (c, d)
        }
        for _ in 0..<2 {
            run.driver.flush()
            run.go()
        }
        #expect(run.driver.slotsAskedFor == 1)
        #expect(run.run.yieldIfQuiet(report: run.driver.quietReport))
        run.driver.grantSlots(1, to: run.run)
        run.driver.complete(StepKey("nap"), "null", of: run.run)
        run.go()
        #expect(run.driver.slotsAskedFor == 2)
        #expect(finish(run) == 1)
        #expect(run.outcome == "null")
    }

    // MARK: - The end

    @Test
    func `code that is left behind ends only when its last body has returned`() {
        let gate = ManualGate()
        let run = ManualRun(held, options: limited) { _, step in
            async let _ = step.run("slow") { await gate.wait() }
            await Task.yield()
            while true { _ = try? await step.run("again") {} }
        }
        #expect(run.driver.bodiesStarted == ["slow#1"])
        run.run.close(.now)
        run.go()
        #expect(run.driver.outcomes.isEmpty, "its slot is in use")
        gate.open()
        run.go()
        #expect(run.driver.outcomes == ["closed"])
        #expect(run.driver.bodiesStarted == ["slow#1"])
    }

    // MARK: - Threads

    /// Hands out slots as a server does: when it likes, and none beside those it has.
    private final class Slots: RunDriver {
        struct State {
            var held = 1
            var wanted = 0
            var running = 0
            var yields = 0
            var violations = 0
        }
        let slotsMax: Int
        let state = Mutex(State())
        let driver = MemoryDriver(.init(completesAtOnce: false))

        init(slotsMax: Int) { self.slotsMax = slotsMax }

        private func grant(_ run: RunExecution) {
            let count = state.withLock { state in
                let count = min(state.wanted, slotsMax - state.held)
                state.held += count
                state.wanted -= count
                return count
            }
            driver.grantSlots(count, to: run)
        }

        func open(_ call: StepCall, of run: RunExecution) { driver.open(call, of: run) }

        func bodyWillStart(_ key: StepKey, attempt: Int, of run: RunExecution) -> BodyStart {
            state.withLock { state in
                state.running += 1
                if state.running > state.held { state.violations += 1 }
            }
            return driver.bodyWillStart(key, attempt: attempt, of: run)
        }

        func bodyDidEnd(_ key: StepKey, attempt: Int, _ start: BodyStart, _ result: BodyResult, of run: RunExecution) {
            state.withLock { $0.running -= 1 }
            driver.bodyDidEnd(key, attempt: attempt, start, result, of: run)
        }

        func didAbandon(_ key: StepKey, of run: RunExecution) {}

        func didBecomeQuiet(_ run: RunExecution, report: Int) {
            if run.yieldIfQuiet(report: report) {
                state.withLock { state in
                    state.held = 0
                    state.wanted = 0
                    state.yields += 1
                }
            }
            // Half of what wakes the run brings its slot with it.
            for key in driver.state.withLock({ $0.open.keys.sorted { $0.text < $1.text } }) {
                let brings = state.withLock { state -> Bool in
                    guard state.held == 0, state.yields % 2 == 0 else { return false }
                    state.held = 1
                    return true
                }
                if brings { driver.grantSlots(1, to: run) }
                driver.complete(key, "null", of: run)
            }
        }

        func wantsSlots(_ count: Int, of run: RunExecution) {
            state.withLock { $0.wanted += count }
            grant(run)
        }

        func returnsSlots(_ count: Int, of run: RunExecution) {
            state.withLock { state in
                state.held -= count
                if state.held < 1 || state.held < state.running { state.violations += 1 }
            }
            grant(run)
        }

        func didEnd(_ run: RunExecution, _ outcome: RunOutcome) { driver.didEnd(run, outcome) }
        func didReport(_ progress: Progress, step: StepKey?, of run: RunExecution) {}
    }

    @Test
    func `on many threads no body runs without a slot, and every run comes to its end`() async {
        let pool = WorkerPool(threads: 4)
        defer { pool.stop() }
        for round in 0..<300 {
            let slots = Slots(slotsMax: 1 + round % 4)
            let run = RunExecution(
                Fixture.function { _, step in
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        for branch in 0..<6 {
                            group.addTask {
                                for lap in 0..<3 {
                                    try await step.run("s\(branch)-\(lap)") { await Task.yield() }
                                    if (branch + lap) % 3 == 0 { try await step.sleep("nap\(branch)", for: .hours(1)) }
                                }
                            }
                        }
                        try await group.waitForAll()
                    }
                    try await step.sleep("last", for: .hours(1))
                    try await step.run("end") {}
                }, input: RunInput(runID: "01RUN", functionID: "app-test", event: Fixture.event), driver: slots,
                pool: pool, logger: .init(label: "test"), options: limited)
            run.start()
            await slots.driver.ended.wait()
            #expect(slots.driver.outcomes == ["null"])
            #expect(slots.driver.bodiesStarted.count == 19)
            #expect(slots.state.withLock { $0.violations } == 0)
            #expect(slots.state.withLock { $0.yields } > 0)
        }
    }
}
