import Daybook
import DaybookCore
import DaybookFakes
import DaybookJournal
import DaybookNode
import DaybookSystem
import DaybookTesting
import DaybookValues
import Testing

/// Steps that take the process down with them.
struct PoisonTests {
    private let log = BodyLog()
    private let poison = Poison()

    /// Kills the process while a body runs.
    final class Poison: Sendable {
        let world = Shared<NodeWorld?>(nil)
        func kill() { world.current?.disk.die(after: 0) }
    }

    private func function(_ id: String, kills: Bool, retries: Int = 2) -> DurableFunction<AnyEvent, String> {
        DurableFunction(id, on: [.event("start")], retries: retries) { [log, poison] _, step in
            try await step.run("\(id)-step") { attempt in
                log.note(attempt)
                if kills { poison.kill() }
            }
            return id
        }
    }

    /// Plays until the process lives.
    private func live(_ world: NodeWorld, _ functions: [any FunctionDefinition]) throws -> Int {
        var deaths = 0
        while world.disk.isDead || world.machine.node.hasFailed {
            deaths += 1
            try #require(deaths < 100)
            try? world.restart(functions)
        }
        return deaths
    }

    @Test func `journal rule 19: a step that kills the process every time ends as a failed run`() throws {
        let functions = [function("bad", kills: true)]
        let world = try NodeWorld(functions, log)
        poison.world.set(world)
        _ = try? world.send("start")
        #expect(try live(world, functions) == 3)
        let run = try #require(try world.runs().first)
        #expect(run.status == .failed)
        #expect(log.names == ["bad-step#1", "bad-step#2", "bad-step#3"])
        #expect(try world.output(run.id).contains("died"))
    }

    @Test func `journal rule 19: suspects run one at a time, and only the guilty one is charged`() throws {
        // All of them are under way when the bad one kills: with threads they would be; here a body waits outside.
        let gates = (0..<4).map { _ in Gate() }
        let isFirst = Shared(true)
        let log = self.log
        let poison = self.poison
        var functions: [any FunctionDefinition] = (0..<4).map { number in
            DurableFunction("good-\(number)", on: [.event("start")], retries: 0) { _, step in
                try await step.run("g\(number)") { attempt in
                    log.note(attempt)
                    if isFirst.current { await gates[number].wait() }
                }
            }
        }
        functions.append(function("bad", kills: true, retries: 1))
        let world = try NodeWorld(functions, log)
        poison.world.set(world)
        _ = try? world.send("start")
        #expect(log.count("bad-step") == 1)
        isFirst.set(false)
        let deaths = try live(world, functions)
        let runs = try world.runs()
        #expect(runs.count == 5)
        for run in runs {
            #expect(run.status == (run.function == "t-bad" ? .failed : .completed), "\(run.function)")
        }
        // Under suspicion with the others; then alone, twice, charged each time.
        #expect(log.count("bad-step") == 3)
        #expect(deaths == 3)
        for number in 0..<4 { #expect(log.count("g\(number)") == 2) }
        for gate in gates { gate.open() }
    }

    @Test func `journal rule 19: a start that dies after it recorded the interruptions charges nobody for it`() throws {
        let gates = (0..<2).map { _ in Gate() }
        let isFirst = Shared(true)
        let log = self.log
        let functions: [any FunctionDefinition] = (0..<2).map { number in
            DurableFunction("f\(number)", on: [.event("start")], retries: 0) { _, step in
                try await step.run("s\(number)") { attempt in
                    log.note(attempt)
                    if isFirst.current { await gates[number].wait() }
                }
            }
        }
        let world = try NodeWorld(functions, log)
        try world.send("start")
        isFirst.set(false)
        // Two steps were under way. The next start dies at each of its operations, before it runs anything.
        world.configuration.liveRunsMax = 0
        for last in 0..<300 {
            try? world.restart(functions, dyingAfter: last)
            guard world.disk.isDead else { break }
        }
        world.configuration.liveRunsMax = 1_000
        try world.restart(functions)
        for run in try world.runs() {
            let output = try world.output(run.id)
            #expect(run.status == .completed, "\(run.function): \(output)")
        }
        for gate in gates { gate.open() }
    }

    @Test func `suspects do not wait for those of a program whose code is not there`() throws {
        let gate = Gate()
        let isFirst = Shared(true)
        let log = self.log
        func function(_ id: String) -> DurableFunction<AnyEvent, Void> {
            DurableFunction(id, on: [.event(id)], retries: 0) { _, step in
                async let one: Void = step.run("\(id)-1") { attempt in
                    log.note(attempt)
                    if isFirst.current { await gate.wait() }
                }
                async let two: Void = step.run("\(id)-2") { attempt in
                    log.note(attempt)
                    if isFirst.current { await gate.wait() }
                }
                _ = try await (one, two)
            }
        }
        let world = try NodeWorld([function("old")], log)
        let old = try ULID.last(try world.send("old"))
        try world.restart([function("new")], app: "u")
        let new = try ULID.last(try world.send("new"))
        #expect(log.count("new-1") == 1)
        isFirst.set(false)
        try world.restart([function("new")], app: "u")
        #expect(try world.status(new) == .completed)
        #expect(try world.status(old) == .running)
        try world.restart([function("old")])
        #expect(try world.status(old) == .completed)
        gate.open()
    }

    @Test func `a loss of power that brings old marks back charges nobody for them`() throws {
        let (log, poison) = (self.log, self.poison)
        @Sendable func body(_ attempt: Attempt, kills: Bool) async {
            log.note(attempt)
            // Both are under way before anything happens.
            await Task.yield()
            if kills { poison.kill() }
        }
        func function(isChanged: Bool) -> DurableFunction<AnyEvent, String> {
            DurableFunction("pair", on: [.event("start")], retries: 1) { _, step in
                if isChanged { try await step.sleep("later", for: .hours(1)) }
                async let a: Void = step.run("a") { attempt in await body(attempt, kills: true) }
                async let b: Void = step.run("b") { attempt in await body(attempt, kills: false) }
                _ = try await (a, b)
                return "done"
            }
        }
        let filler = DurableFunction("filler", on: [.event("fill")]) { _, _ in "" }
        let world = try NodeWorld([function(isChanged: false), filler], log) {
            $0.journal.segmentBytes = 4 << 10
            $0.journal.snapshotLogBytes = 2 << 10
            $0.journal.graceMilliseconds = 0
        }
        poison.world.set(world)
        _ = try? world.send("start")
        #expect(log.names == ["a#1", "b#1"])
        let path = "journal/marks"
        let old = try #require(world.disk.snapshotOfFile(path))
        // Without its code nobody is a suspect; with other code both are under way again later, when no record of an epoch
        // is in the log any more.
        try world.restart([filler])
        try world.restart([function(isChanged: true), filler])
        for _ in 0..<40 {
            try world.send("fill")
            world.advance(.seconds(2))
        }
        let run = try #require(try world.runs().first { $0.function == "t-pair" }).id
        world.advance(.hours(1))
        #expect(log.names == ["a#1", "b#1", "a#1", "b#1"])
        // The marks of the first epoch, in slots that are free now.
        var marks = try #require(world.disk.snapshotOfFile(path))
        let slots = 256..<1_024
        marks.replaceSubrange(slots.lowerBound + 4_096..<slots.upperBound + 4_096, with: old[slots])
        world.disk.crash()
        world.disk.plant(path, marks)
        world.disk.die()
        _ = try live(world, [function(isChanged: true), filler])
        let interrupted = try world.records(run).compactMap { record -> String? in
            if case .stepInterrupted(let key, let attempt, _) = record.record { "\(key)#\(attempt)" } else { nil }
        }
        // Twice together; then the guilty one alone, until it has no attempts left.
        #expect(interrupted == ["a#1", "b#1", "a#1", "b#1", "a#1", "a#2"])
    }
}
