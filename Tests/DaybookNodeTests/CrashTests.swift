import Daybook
import DaybookCore
import DaybookFakes
import DaybookJournal
import DaybookNode
import DaybookSystem
import DaybookTesting
import DaybookValues
import Testing

/// Kills the process at every operation of a scenario that has one of everything.
struct CrashTests {
    private let log = BodyLog()

    private var functions: [any FunctionDefinition] {
        let log = self.log
        let child = DurableFunction("child", on: []) { _, step in
            try await step.run("x") { attempt in
                log.note(attempt)
                return 5
            }
        }
        let main = DurableFunction("main", on: [.event("start")], retries: 20) { _, step in
            let a = try await step.run("a") { attempt in
                log.note(attempt)
                return 1
            }
            async let b = step.run("b") { attempt in
                log.note(attempt)
                return 10
            }
            async let c = step.run("c") { attempt in
                log.note(attempt)
                return 100
            }
            let both = try await b + c
            try await step.sleep("nap", for: .minutes(20))
            let go = try await step.waitForEvent("go", name: "go", where: .field("n", equals: 1), timeout: .hours(2))
            try await step.sendEvent("ping", Ping(from: "main"))
            let five = try await step.invoke("call", functionID: "t-child", data: ["n": 1], as: Int.self)
            let flaky = try await step.run("flaky") { attempt in
                log.note(attempt)
                if attempt.number == 1 { throw Boom() }
                return 1_000
            }
            return "\(a + both + five + flaky) \(go != nil)"
        }
        let pong = DurableFunction("pong", on: Ping.self, retries: 20) { event, step in
            try await step.run("p") { attempt in
                log.note(attempt)
                return event.from
            }
        }
        let hourly = DurableFunction("hourly", cron: "0 * * * *", retries: 20) { _, step in
            try await step.run("t") { attempt in log.note(attempt) }
        }
        return [main, child, pong, hourly]
    }

    struct Ping: Daybook.Event {
        static let name = "ping"
        var from: String
    }

    /// Plays the scenario; whoever sends repeats an event that was not acknowledged, with the same id.
    /// - Parameter onDeath: brings the world back to life.
    private func play(_ world: NodeWorld, onDeath: () throws -> Void) throws {
        func untilDone(_ action: () throws -> Void) throws {
            for _ in 0..<50 {
                try? action()
                guard world.disk.isDead || world.machine.node.hasFailed else { return }
                try onDeath()
            }
            Issue.record("the process dies for ever")
        }
        let start = Timestamp(milliseconds: 1_795_248_000_000)
        try untilDone { try world.send("start", id: "start-1") }
        try untilDone { world.machine.advance(milliseconds: start + 30 * 60_000 - world.clock.now) }
        try untilDone { try world.send("go", #"{"n":1}"#, id: "go-1") }
        // Lets suspects and retries come to their ends, within the hour of the ticks at 9 and 10 o'clock.
        try untilDone { world.machine.advance(milliseconds: start + 150 * 60_000 - world.clock.now) }
    }

    private func check(_ world: NodeWorld, _ note: String) throws {
        var byFunction: [String: [RunRow]] = [:]
        for run in try world.runs() { byFunction[run.function, default: []].append(run) }
        #expect(byFunction["t-main"]?.count == 1, "\(note)")
        #expect(byFunction["t-child"]?.count == 1, "\(note)")
        #expect(byFunction["t-pong"]?.count == 1, "\(note)")
        #expect(byFunction["t-hourly"]?.count == 2, "\(note)")
        for run in byFunction.values.joined() {
            let steps = try world.machine.detail(of: run.id).steps.map { "\($0.key) \($0.status) \($0.attempts.count)" }
            #expect(run.status == .completed, "\(note): \(run.function) \(steps)")
            let records = try world.records(run.id)
            var completed: [String: UInt64] = [:]
            var ends = 0
            for (q, record) in records {
                if case .stepCompleted(let step) = record {
                    #expect(completed.updateValue(q, forKey: step.key) == nil, "\(note): \(step.key) recorded twice")
                }
                if record.endsRun { ends += 1 }
            }
            #expect(ends == 1, "\(note)")
            for entry in log.entries where entry.run == run.id.text {
                let q = completed[entry.step]
                #expect(
                    q.map { entry.flushedQ < $0 } ?? true,
                    "\(note): step \(entry.step) ran again after its result was on disk")
            }
        }
        if let main = byFunction["t-main"]?.first { #expect(try world.output(main.id) == #""1116 true""#, "\(note)") }
        #expect(world.core().runCount == 0, "\(note)")
        #expect(!world.machine.node.hasActiveRuns, "\(note)")
    }

    private func newWorld() throws -> NodeWorld {
        // Small, so that segments roll and snapshots come and go within the scenario.
        try NodeWorld(functions, log) {
            $0.journal.segmentBytes = 8 << 10
            $0.journal.graceMilliseconds = 0
            $0.journal.snapshotLogBytes = 4 << 10
        }
    }

    enum Death: CaseIterable { case process, power }

    @Test(arguments: Death.allCases)
    func `journal rule 14: killed at every disk operation, every run ends once and no recorded step runs again`(
        death: Death
    ) throws {
        let rehearsal = try CrashTests().newWorld()
        let first = rehearsal.disk.operations
        try CrashTests().play(rehearsal) { Issue.record("nothing dies in the rehearsal") }
        let last = rehearsal.disk.operations
        #expect(last - first > 100)
        for operation in first...last {
            let test = CrashTests()
            let world = try test.newWorld()
            world.disk.die(after: operation - world.disk.operations)
            try test.play(world) {
                if death == .power { world.disk.powerLoss(random: SeededRandom(seed: UInt64(operation))) }
                try world.restart(test.functions)
            }
            try test.check(world, "\(death) at operation \(operation)")
        }
    }

    @Test func `journal rule 14: a start that is itself killed, at any point, can be done again`() throws {
        // In a body, between two flushes, with a wait open, at the retry: wherever the first death falls.
        for operation in stride(from: 40, through: 200, by: 40) {
            for later in 0..<32 {
                let test = CrashTests()
                let world = try test.newWorld()
                world.disk.die(after: operation)
                var deaths = 0
                try test.play(world) {
                    deaths += 1
                    // The start after the first death dies too; the one after that lives.
                    if deaths == 1 {
                        try? world.restart(test.functions, dyingAfter: later)
                        if world.disk.isDead { try world.restart(test.functions) }
                    } else {
                        try world.restart(test.functions)
                    }
                }
                try test.check(world, "at \(operation), then at \(later) of the start")
            }
        }
    }
}
