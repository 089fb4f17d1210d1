import Daybook
import DaybookCore
import DaybookFakes
import DaybookJournal
import DaybookNode
import DaybookSystem
import DaybookTesting
import DaybookValues
import Testing

/// How many bodies are under way; each waits until the test lets it end.
final class Meter: Sendable {
    private struct State {
        var inside: [(name: String, gate: Gate)] = []
        var most = 0
        var names: [String] = []
    }
    private let state = Shared(State())

    /// For bodies: waits until the test says so.
    func work(_ name: String) async {
        let gate = Gate()
        state.change { state in
            state.inside.append((name, gate))
            state.most = max(state.most, state.inside.count)
            state.names.append(name)
        }
        await gate.wait()
        state.change { state in state.inside.removeAll { $0.gate === gate } }
    }

    /// Lets the oldest body end.
    func endOne() { state.current.inside.first?.gate.open() }
    func end(_ name: String) { state.current.inside.first { $0.name == name }?.gate.open() }

    /// Those under way are of a process that has died.
    func forget() { state.change { $0.inside = [] } }

    var inside: [String] { state.current.inside.map(\.name) }
    var most: Int { state.current.most }
    /// All that have begun, in order.
    var names: [String] { state.current.names }
}

struct ConcurrencyTests {
    private let meter = Meter()

    /// Lets bodies end one by one until none is under way any more.
    private func finish(_ world: NodeWorld, bodiesMax: Int = 1_000) {
        for _ in 0..<bodiesMax where !meter.inside.isEmpty {
            meter.endOne()
            _ = world.machine.settle()
        }
    }

    /// A run of it works once, under the name that its event gives it.
    private func worker(_ id: String, _ option: FunctionOption = .name("free")) -> DurableFunction<AnyEvent, Void> {
        let meter = self.meter
        return DurableFunction(id, on: [.event(id)], option) { event, step in
            let name = try event.data(as: Named.self).name
            try await step.run("work") { await meter.work(name) }
        }
    }

    private struct Named: Codable { var name: String }

    /// One millisecond after the last, so that runs have an order.
    private func send(_ world: NodeWorld, _ event: String, _ name: String) throws -> ULID {
        world.advance(.milliseconds(1))
        return try ULID.last(try world.send(event, #"{"name":"\#(name)"}"#))
    }

    private func restart(_ world: NodeWorld, _ functions: [any FunctionDefinition]) throws {
        meter.forget()
        try world.restart(functions)
    }

    // MARK: - Limits

    @Test(arguments: [1, 3, 7]) func `no more bodies are under way than the limit, over all runs and their branches`(
        limit: Int
    ) throws {
        let meter = self.meter
        let function = DurableFunction("f", on: [.event("start")], .concurrency(limit)) { _, step in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for branch in 0..<4 {
                    group.addTask {
                        try await step.run("first\(branch)") { await meter.work("first") }
                        try await step.run("second\(branch)") { await meter.work("second") }
                    }
                }
                try await group.waitForAll()
            }
        }
        let world = try NodeWorld([function])
        var runs: [ULID] = []
        for _ in 0..<5 { runs += try world.send("start") }
        #expect(meter.inside.count == limit)
        var fewest = limit
        // Older runs come first. Of the last ten bodies two are the fourth run's, and of the fifth's eight only four can
        // run at once.
        for _ in 0..<29 {
            meter.endOne()
            _ = world.machine.settle()
            fewest = min(fewest, meter.inside.count)
        }
        #expect(fewest == limit, "no slot is left unused while somebody waits")
        finish(world)
        #expect(meter.most == limit)
        #expect(meter.names.count == 40)
        for run in runs { #expect(try world.status(run) == .completed) }
    }

    @Test func `functions without limits are not held back by those with`() throws {
        let world = try NodeWorld([worker("limited", .concurrency(1)), worker("free")])
        for name in ["a", "b"] { _ = try send(world, "limited", name) }
        for name in ["c", "d"] { _ = try send(world, "free", name) }
        #expect(meter.inside == ["a", "c", "d"])
        finish(world)
        #expect(meter.names == ["a", "c", "d", "b"])
    }

    @Test func `each value of a key is limited on its own`() throws {
        let world = try NodeWorld([worker("w", .concurrency(1, key: .field("name")))])
        for name in ["a", "a", "b", "b"] { _ = try send(world, "w", name) }
        #expect(meter.inside == ["a", "b"])
        finish(world)
        #expect(meter.names == ["a", "b", "a", "b"])
    }

    @Test func `functions that share a count are limited together`() throws {
        let shared = FunctionOption.concurrency(1, key: "'database'", scope: .account)
        let world = try NodeWorld([worker("v", shared), worker("w", shared)])
        _ = try send(world, "v", "a")
        _ = try send(world, "w", "b")
        _ = try send(world, "v", "c")
        #expect(meter.inside == ["a"])
        finish(world)
        #expect(meter.names == ["a", "b", "c"])
        #expect(meter.most == 1)
    }

    @Test func `a run that sleeps leaves its slot to others, and waits for one when it wakes`() throws {
        let meter = self.meter
        let function = DurableFunction("f", on: [.event("start")], .concurrency(1)) { event, step in
            let name = try event.data(as: Named.self).name
            try await step.run("before") { await meter.work("\(name) before") }
            try await step.sleep("nap", for: .seconds(5))
            try await step.run("after") { await meter.work("\(name) after") }
        }
        let world = try NodeWorld([function])
        let a = try send(world, "start", "a")
        let b = try send(world, "start", "b")
        #expect(meter.inside == ["a before"])
        meter.endOne()
        _ = world.machine.settle()
        #expect(meter.inside == ["b before"], "a sleeps")
        world.advance(.seconds(6))
        #expect(meter.inside == ["b before"], "a is awake and waits")
        #expect(try world.status(a) == .running)
        meter.endOne()
        _ = world.machine.settle()
        #expect(meter.inside == ["a after"])
        world.advance(.hours(1))
        #expect(meter.inside == ["a after"])
        finish(world)
        #expect(try world.status(a) == .completed)
        #expect(try world.status(b) == .completed)
        #expect(meter.most == 1)
    }

    @Test func `a run that was unwound waits for a slot too before it is loaded again`() throws {
        let meter = self.meter
        let function = DurableFunction("f", on: [.event("start")], .concurrency(1)) { event, step in
            try await step.sleep("nap", for: .hours(1))
            try await step.run("after") { await meter.work("after") }
        }
        let world = try NodeWorld([function])
        let runs = try (0..<3).map { _ in try ULID.last(try world.send("start")) }
        world.advance(.minutes(1))
        #expect(runs.allSatisfy { world.core().summary(of: $0)?.isParked == true })
        world.advance(.hours(1))
        #expect(meter.inside == ["after"])
        finish(world)
        #expect(meter.most == 1)
        for run in runs { #expect(try world.status(run) == .completed) }
    }

    @Test func `an attempt that is due again waits for a slot`() throws {
        let meter = self.meter
        let function = DurableFunction("f", on: [.event("start")], .concurrency(1)) { event, step in
            let name = try event.data(as: Named.self).name
            try await step.run("flaky") { attempt in
                await meter.work("\(name)#\(attempt.number)")
                if attempt.number == 1, name == "a" { throw Boom() }
            }
        }
        let world = try NodeWorld([function])
        let a = try send(world, "start", "a")
        _ = try send(world, "start", "b")
        meter.endOne()
        _ = world.machine.settle()
        #expect(meter.inside == ["b#1"], "a pauses between two attempts")
        world.advance(.hours(1))
        #expect(meter.inside == ["b#1"])
        finish(world)
        #expect(meter.names == ["a#1", "b#1", "a#2"])
        #expect(try world.status(a) == .completed)
    }

    @Test func `a failed attempt of the function itself frees its slot while it waits`() throws {
        let meter = self.meter
        let isBroken = Shared(true)
        let function = DurableFunction("f", on: [.event("start")], .concurrency(1)) { event, step in
            let name = try event.data(as: Named.self).name
            if name == "a", isBroken.current { throw Boom() }
            try await step.run("work") { await meter.work(name) }
        }
        let world = try NodeWorld([function])
        let a = try send(world, "start", "a")
        _ = try send(world, "start", "b")
        #expect(meter.inside == ["b"])
        isBroken.set(false)
        world.advance(.hours(1))
        #expect(meter.inside == ["b"])
        finish(world)
        #expect(meter.names == ["b", "a"])
        #expect(try world.status(a) == .completed)
    }

    @Test func `code that goes on after a wait of its own runs no body without a slot`() throws {
        let meter = self.meter
        let own = Gate()
        let function = DurableFunction("f", on: [.event("start")], .concurrency(1)) { event, step in
            let name = try event.data(as: Named.self).name
            if name == "a" {
                async let nap: Void = step.sleep("nap", for: .hours(1))
                await own.wait()
                async let one: Void = step.run("one") { await meter.work("a one") }
                async let two: Void = step.run("two") { await meter.work("a two") }
                _ = try await (nap, one, two)
            } else {
                try await step.run("work") { await meter.work(name) }
            }
        }
        let world = try NodeWorld([function])
        let a = try send(world, "start", "a")
        _ = try send(world, "start", "b")
        #expect(meter.inside == ["b"], "a sleeps, as far as can be seen")
        own.open()
        world.advance(.minutes(1))
        #expect(meter.inside == ["b"])
        finish(world)
        #expect(meter.names == ["b", "a one", "a two"])
        #expect(meter.most == 1)
        world.advance(.hours(1))
        #expect(try world.status(a) == .completed)
    }

    // MARK: - Runs that end

    @Test func `a cancelled run keeps its slot until its body has really returned`() throws {
        let world = try NodeWorld([worker("w", .concurrency(1))])
        let a = try send(world, "w", "a")
        _ = try send(world, "w", "b")
        world.machine.cancel(a, reason: "test")
        _ = world.machine.settle()
        #expect(try world.status(a) == .cancelled)
        #expect(meter.inside == ["a"], "it does not listen")
        finish(world)
        #expect(meter.names == ["a", "b"])
        #expect(meter.most == 1)
    }

    @Test func `a run that is cancelled while it waits for a slot leaves the queue`() throws {
        let world = try NodeWorld([worker("w", .concurrency(1))])
        _ = try send(world, "w", "a")
        let b = try send(world, "w", "b")
        let c = try send(world, "w", "c")
        world.machine.cancel(b, reason: "test")
        finish(world)
        #expect(meter.names == ["a", "c"])
        #expect(try world.status(c) == .completed)
    }

    @Test func `a sleeping run that is cancelled takes no slot with it`() throws {
        let meter = self.meter
        let function = DurableFunction("f", on: [.event("start")], .concurrency(1)) { event, step in
            let name = try event.data(as: Named.self).name
            if name == "a" { try await step.sleep("nap", for: .hours(1)) }
            try await step.run("work") { await meter.work(name) }
        }
        let world = try NodeWorld([function])
        let a = try send(world, "start", "a")
        _ = try send(world, "start", "b")
        _ = try send(world, "start", "c")
        world.machine.cancel(a, reason: "test")
        _ = world.machine.settle()
        #expect(meter.inside == ["b"])
        finish(world)
        #expect(meter.names == ["b", "c"])
    }

    @Test func `a run that fails hands its slot on`() throws {
        let meter = self.meter
        let function = DurableFunction("f", on: [.event("start")], retries: 0, .concurrency(1)) { event, step in
            let name = try event.data(as: Named.self).name
            try await step.run("work") { await meter.work(name) }
            throw Boom()
        }
        let world = try NodeWorld([function])
        for name in ["a", "b", "c"] { _ = try send(world, "start", name) }
        finish(world)
        #expect(meter.names == ["a", "b", "c"])
    }

    // MARK: - Runs that cannot be loaded

    @Test func `a run whose function is not there holds no slot`() throws {
        let shared = FunctionOption.concurrency(1, key: "'database'", scope: .account)
        let world = try NodeWorld([worker("v", shared), worker("w", shared)])
        _ = try send(world, "v", "a")
        let b = try send(world, "w", "b")
        try restart(world, [worker("w", shared)])
        #expect(meter.inside == ["b"])
        finish(world)
        #expect(try world.status(b) == .completed)
    }

    @Test func `a run whose record cannot be read holds no slot while it is put off`() throws {
        let world = try NodeWorld([worker("w", .concurrency(1))])
        let a = try send(world, "w", "a")
        let b = try send(world, "w", "b")
        world.disk.fail(.read, errno: 24, path: a.text, times: 1_000)
        try restart(world, [worker("w", .concurrency(1))])
        #expect(meter.inside == ["b"])
        world.advance(.minutes(2))
        world.disk.clearFailures()
        world.advance(.minutes(2))
        #expect(meter.inside == ["b"], "it can be read, and waits for its slot")
        finish(world)
        #expect(try world.status(a) == .completed)
        #expect(try world.status(b) == .completed)
        #expect(meter.names == ["a", "b", "a"])
    }

    @Test func `a damaged run is set aside and holds no slot`() throws {
        let meter = self.meter
        let function = DurableFunction("f", on: [.event("start")], .concurrency(1)) { event, step in
            let name = try event.data(as: Named.self).name
            _ = try await step.run("first") { name }
            try await step.sleep("nap", for: .minutes(1))
            try await step.run("work") { await meter.work(name) }
        }
        let world = try NodeWorld([function])
        let a = try send(world, "start", "a")
        _ = try send(world, "start", "b")
        world.advance(.seconds(30))
        for path in world.disk.allPaths where path.hasPrefix("journal/") || path.hasPrefix("runs/") {
            let text = String(decoding: try world.disk.contents(of: path) ?? [], as: UTF8.self)
            for line in text.split(separator: "\n") where line.contains("run/\(a.text)") && line.contains("first") {
                world.disk.damage(path, at: text.utf8.distance(from: text.startIndex, to: line.startIndex) + 120)
            }
        }
        world.advance(.minutes(1))
        finish(world)
        #expect(meter.names == ["b"])
        #expect(world.core().summary(of: a) == nil)
    }

    // MARK: - Places among the live runs

    @Test func `a run that waits for a place among the live ones keeps its turn`() throws {
        let world = try NodeWorld([worker("w", .concurrency(2))]) { $0.liveRunsMax = 1 }
        for name in ["a", "b", "c", "d"] { _ = try send(world, "w", name) }
        #expect(meter.inside == ["a"])
        finish(world)
        #expect(meter.names == ["a", "b", "c", "d"])
    }

    @Test func `a run that is cancelled while it waits for a place leaves its slot to the next`() throws {
        let world = try NodeWorld([worker("w", .concurrency(2)), worker("free")]) { $0.liveRunsMax = 1 }
        _ = try send(world, "free", "x")
        let a = try send(world, "w", "a")
        let b = try send(world, "w", "b")
        _ = try send(world, "w", "c")
        _ = try send(world, "w", "d")
        for run in [a, b] { world.machine.cancel(run, reason: "test") }
        _ = world.machine.settle()
        finish(world)
        #expect(meter.names == ["x", "c", "d"])
    }

    @Test func `places go to runs with a higher priority first, with limits and without`() throws {
        for limit in [FunctionOption.name("free"), .concurrency(9)] {
            let meter = Meter()
            let function = DurableFunction(
                "f", on: [.event("start")], .priority("int(event.data.p)"), limit
            ) { event, step in
                let name = try event.data(as: Named.self).name
                try await step.run("work") { await meter.work(name) }
            }
            let world = try NodeWorld([function]) { $0.liveRunsMax = 1 }
            for (name, priority) in [("a", 0), ("b", 0), ("c", 100), ("d", -100), ("e", 200), ("f", 100)] {
                world.advance(.milliseconds(1))
                try world.send("start", #"{"name":"\#(name)","p":\#(priority)}"#)
            }
            while let name = meter.inside.first {
                meter.end(name)
                _ = world.machine.settle()
            }
            #expect(meter.names == ["a", "e", "c", "f", "b", "d"])
        }
    }

    // MARK: - Processes

    @Test func `after a crash nobody holds a slot, and everybody comes to his end`() throws {
        let functions = [worker("w", .concurrency(2))]
        let world = try NodeWorld(functions)
        let runs = try ["a", "b", "c", "d", "e"].map { try send(world, "w", $0) }
        #expect(meter.inside == ["a", "b"])
        try restart(world, functions)
        #expect(
            meter.inside == ["a", "c"], "one of the two that were interrupted may have been the cause: b waits for a")
        finish(world)
        for run in runs { #expect(try world.status(run) == .completed) }
        #expect(meter.names == ["a", "b", "a", "c", "b", "d", "e"])
    }

    @Test func `what came for a run while it waited for a slot is not lost by a crash`() throws {
        let meter = self.meter
        let waiter = DurableFunction("f", on: [.event("start")], .concurrency(1, key: "'x'", scope: .account)) {
            _, step in
            let go = try await step.waitForEvent("go", name: "go", timeout: .days(3))
            try await step.run("after") { await meter.work(go == nil ? "timeout" : "go") }
        }
        let functions: [any FunctionDefinition] = [
            waiter, worker("w", .concurrency(1, key: "'x'", scope: .account)),
        ]
        for parksFirst in [false, true] {
            let world = try NodeWorld(functions)
            let run = try ULID.last(try world.send("start"))
            _ = try send(world, "w", "w")
            if parksFirst { world.advance(.minutes(1)) }
            try world.send("go")
            world.advance(.minutes(1))
            #expect(world.core().summary(of: run)?.isParked == false)
            try restart(world, functions)
            finish(world)
            #expect(try world.status(run) == .completed)
            #expect(meter.names.contains("go"))
            #expect(!meter.names.contains("timeout"))
        }
    }

    @Test func `a run that is unwound at the moment at which its event comes is not recorded as waiting`() throws {
        let meter = self.meter
        let waiter = DurableFunction("f", on: [.event("start")], .concurrency(1, key: "'x'", scope: .account)) {
            _, step in
            async let long: Void = step.sleep("long", for: .days(30))
            let go = try await step.waitForEvent("go", name: "go", timeout: .days(3))
            try await step.run("after") { await meter.work(go == nil ? "timeout" : "go") }
            try await long
        }
        let functions: [any FunctionDefinition] = [
            waiter, worker("w", .concurrency(1, key: "'x'", scope: .account)),
        ]
        // However far the node has come with unwinding the run.
        for steps in 0..<8 {
            meter.forget()
            let world = try NodeWorld(functions)
            try world.send("start")
            _ = try send(world, "w", "w")
            world.clock.advance(milliseconds: 11_000)
            let (node, pool) = (world.machine.node, world.machine.pool)
            for step in 0..<steps { _ = step % 2 == 0 ? node.step() : pool.step() }
            _ = world.machine.post(.publish([try world.event("go")], claim: nil))
            _ = world.machine.settle()
            #expect(meter.inside == ["w"])
            try restart(world, functions)
            finish(world)
            #expect(meter.names.suffix(2) == ["go", "w"], "after \(steps) steps")
        }
    }

    @Test func `in the mode that loads a run again after each step, limits hold too`() throws {
        let meter = self.meter
        let function = DurableFunction("f", on: [.event("start")], .concurrency(2)) { event, step in
            async let a: Void = step.run("a") { await meter.work("a") }
            async let b: Void = step.run("b") { await meter.work("b") }
            async let c: Void = step.run("c") { await meter.work("c") }
            _ = try await (a, b, c)
            try await step.sleep("nap", for: .minutes(1))
            try await step.run("d") { await meter.work("d") }
        }
        let world = try NodeWorld([function]) { $0.replaysSteps = true }
        let runs = try (0..<3).map { _ in try ULID.last(try world.send("start")) }
        finish(world)
        world.advance(.minutes(2))
        finish(world)
        for run in runs { #expect(try world.status(run) == .completed) }
        #expect(meter.most == 2)
        #expect(meter.names.count == 12)
    }

    @Test func `limits on whole runs are held through sleeps, to the end`() throws {
        let meter = self.meter
        let function = DurableFunction("f", on: [.event("start")], .runConcurrency(1)) { event, step in
            let name = try event.data(as: Named.self).name
            async let nap: Void = step.sleep("nap", for: .hours(1))
            async let one: Void = step.run("one") { await meter.work("\(name) one") }
            async let two: Void = step.run("two") { await meter.work("\(name) two") }
            _ = try await (nap, one, two)
        }
        let world = try NodeWorld([function])
        let a = try send(world, "start", "a")
        let b = try send(world, "start", "b")
        let c = try send(world, "start", "c")
        #expect(meter.inside == ["a one", "a two"], "bodies are not counted")
        finish(world)
        world.advance(.minutes(59))
        #expect(meter.names.count == 2)
        world.advance(.minutes(2))
        #expect(try world.status(a) == .completed)
        #expect(meter.inside == ["b one", "b two"])
        try restart(world, [function])
        #expect(meter.inside == ["b one"], "one of the two that were interrupted may have been the cause")
        finish(world)
        world.advance(.minutes(10))
        world.machine.cancel(b, reason: "test")
        _ = world.machine.settle()
        #expect(meter.inside == ["c one", "c two"])
        finish(world)
        world.advance(.hours(2))
        #expect(try world.status(c) == .completed)
    }

    @Test func `a throttle spreads starts and lets what has started run on`() throws {
        let meter = self.meter
        let function = DurableFunction("f", on: [.event("start")], .throttle(1, per: .minutes(1))) { event, step in
            let name = try event.data(as: Named.self).name
            async let one: Void = step.run("one") { await meter.work("\(name) one") }
            async let two: Void = step.run("two") { await meter.work("\(name) two") }
            _ = try await (one, two)
            try await step.sleep("nap", for: .seconds(1))
            try await step.run("three") { await meter.work("\(name) three") }
        }
        let world = try NodeWorld([function])
        let runs = try ["a", "b", "c"].map { try send(world, "start", $0) }
        #expect(meter.inside == ["a one", "a two"])
        finish(world)
        world.advance(.seconds(2))
        #expect(meter.inside == ["a three"])
        world.advance(.minutes(3))
        #expect(meter.inside == ["a three", "b one", "b two", "c one", "c two"])
        finish(world)
        world.advance(.seconds(2))
        finish(world)
        for run in runs { #expect(try world.status(run) == .completed) }
    }
}
