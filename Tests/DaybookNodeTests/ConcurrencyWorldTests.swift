import Daybook
import DaybookCore
import DaybookFakes
import DaybookJournal
import DaybookNode
import DaybookSystem
import DaybookTesting
import DaybookValues
import Logging
import Testing

/// Worlds in which everything happens in an order of its own, from one number: no limit is ever exceeded, and no slot is lost.
struct ConcurrencyWorldTests {
    /// Bodies under way, by what they count for.
    private final class Counts: Sendable {
        struct Body {
            let gate: Gate
            let limits: [String: Int]
        }
        struct State {
            var bodies: [Body] = []
            var violations: [String] = []
        }
        let state = Shared(State())

        func work(_ name: String, _ limits: [String: Int]) async {
            let gate = Gate()
            state.change { state in
                state.bodies.append(Body(gate: gate, limits: limits))
                for (group, limit) in limits {
                    let count = state.bodies.count { $0.limits[group] != nil }
                    if count > limit { state.violations.append("\(name): \(count) of \(limit) in \(group)") }
                }
            }
            await gate.wait()
            state.change { state in state.bodies.removeAll { $0.gate === gate } }
        }

        var count: Int { state.current.bodies.count }
        func end(_ index: Int) { state.current.bodies[index].gate.open() }
        func forget() { state.change { $0.bodies = [] } }
    }

    private struct Told: Daybook.Event {
        static let name = "told"
        var text = "nobody listens"
    }

    /// What a run does, from its event.
    private struct Plan: Codable {
        var user: Int
        var shape: Int
    }

    private static func work(
        _ plan: Plan, _ step: Step, _ counts: Counts, _ own: Shared<[Gate]>, _ limits: [String: Int]
    ) async throws {
        var shape = plan.shape
        func next(_ count: Int) -> Int {
            defer { shape /= count }
            return shape % count
        }
        let branches = 1 + next(3)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for branch in 0..<branches {
                let (first, second, fails) = (next(5), next(4), next(3) == 0)
                group.addTask {
                    switch first {
                    case 0: try await step.sleep("nap\(branch)", for: .seconds(branch * 7))
                    case 1: _ = try await step.waitForEvent("go\(branch)", name: "go", timeout: .seconds(40))
                    case 2:
                        // Invisible to the run; whoever waits for it lets it go on sooner or later.
                        let gate = Gate()
                        own.change { $0.append(gate) }
                        await gate.wait()
                    default: break
                    }
                    try await step.run("a\(branch)") { attempt in
                        await counts.work("a\(branch)", limits)
                        if fails, attempt.number == 1 { throw Boom() }
                    }
                    if second == 0 { try await step.sleep("rest\(branch)", for: .seconds(20)) }
                    if second == 1 { try await step.sendEvent("tell\(branch)", Told()) }
                    try await step.run("b\(branch)") { await counts.work("b\(branch)", limits) }
                }
            }
            // A race, now and then: the losers are cancelled wherever they are.
            if next(4) == 0 {
                try await group.next()
                group.cancelAll()
                while (try? await group.next()) != nil {}
            } else {
                try await group.waitForAll()
            }
        }
    }

    private static func functions(_ counts: Counts, _ own: Shared<[Gate]>) -> [any FunctionDefinition] {
        let shared = FunctionOption.concurrency(3, key: "'database'", scope: .account)
        let twice = DurableFunction(
            "twice", on: [.event("start")], retries: 2, .concurrency(2, key: .field("user")), shared
        ) { event, step in
            let plan = try event.data(as: Plan.self)
            try await work(plan, step, counts, own, ["twice/\(plan.user)": 2, "database": 3])
        }
        let single = DurableFunction(
            "single", on: [.event("start")], retries: 2, shared, .priority("event.data.user % 3")
        ) { event, step in
            try await work(try event.data(as: Plan.self), step, counts, own, ["database": 3])
        }
        let whole = DurableFunction(
            "whole", on: [.event("start")], retries: 2, .concurrency(2), .runConcurrency(3)
        ) { event, step in
            try await work(try event.data(as: Plan.self), step, counts, own, ["whole": 2])
        }
        let free = DurableFunction("free", on: [.event("start")], retries: 2) { event, step in
            try await work(try event.data(as: Plan.self), step, counts, own, [:])
        }
        return [twice, single, whole, free]
    }

    @Test(arguments: 0..<60) func `whatever happens in whatever order, limits hold and everybody comes to an end`(
        seed: UInt64
    ) throws {
        let counts = Counts()
        let own = Shared<[Gate]>([])
        let functions = Self.functions(counts, own)
        let chance = SeededRandom(seed: seed &+ 1)
        func below(_ count: Int) -> Int { Int(chance.next() % UInt64(count)) }
        let world = try NodeWorld(
            functions, BodyLog(),
            { configuration in
                if seed % 3 == 0 { configuration.liveRunsMax = 3 }
                if seed % 5 == 0 { configuration.replaysSteps = true }
                if seed % 7 == 0 { configuration.parkedRunsMax = 2 }
            }, choose: { Int(chance.next() % UInt64($0)) })
        var paused: Set<String> = []
        for _ in 0..<160 {
            switch below(20) {
            case 0...2:
                _ = world.machine.post(
                    .publish(
                        [try world.event("start", #"{"user":\#(below(3)),"shape":\#(below(1 << 20))}"#)], claim: nil))
            case 3...9:
                if counts.count > 0 { counts.end(below(counts.count)) }
            case 10: _ = world.machine.post(.publish([try world.event("go")], claim: nil))
            case 11: own.change { gates in gates.isEmpty ? nil : gates.removeFirst() }?.open()
            case 12...13: world.advance(.milliseconds([1, 300, 2_000, 15_000][below(4)]))
            case 14:
                let runs = world.core().runSummaries
                if runs.count > 4 { world.machine.cancel(runs[below(runs.count)].id, reason: "test") }
            case 15:
                let function = ["t-twice", "t-single", "t-whole", "t-free"][below(4)]
                let isPaused = paused.remove(function) != nil
                if !isPaused { paused.insert(function) }
                _ = world.machine.post(isPaused ? .resume(function: function) : .pause(function: function))
            case 16 where below(4) == 0:
                counts.forget()
                own.set([])
                try world.restart(functions)
                paused = Set(world.core().functionSummaries.filter(\.isPaused).map(\.config.id))
            default: break
            }
            // As far as it goes, or a few pieces of work only.
            if below(3) == 0 {
                _ = world.machine.settle()
            } else {
                for _ in 0..<below(12) { _ = below(2) == 0 ? world.machine.pool.step() : world.machine.node.step() }
            }
        }
        _ = world.machine.settle()
        for function in paused { _ = world.machine.submit(.resume(function: function)) }
        for _ in 0..<2_000 where world.core().runCount > 0 {
            if counts.count > 0 {
                counts.end(0)
                _ = world.machine.settle()
            } else {
                own.change { gates in
                    defer { gates = [] }
                    return gates
                }.forEach { $0.open() }
                world.advance(.seconds(30))
            }
        }
        #expect(counts.state.current.violations == [])
        #expect(world.core().runCount == 0, "\(world.core().runSummaries)")
        guard world.configuration.liveRunsMax > 3 else { return }
        // Nobody has taken a slot with him: four runs of each function work at once, as far as they may.
        for _ in 0..<4 {
            _ = world.machine.post(.publish([try world.event("start", #"{"user":0,"shape":279}"#)], claim: nil))
        }
        _ = world.machine.settle()
        #expect(counts.count == 3 + 2 + 4)
    }

    @Test(arguments: [1, 3]) func `on threads of a server no limit is exceeded, and nobody waits for ever`(
        limit: Int
    ) async throws {
        struct State {
            var inside = 0
            var most = 0
            var bodies = 0
            var endsToCome = 40
        }
        let state = Shared(State())
        let allEnded = Gate()
        let function = DurableFunction("f", on: [.event("start")], .concurrency(limit)) { _, step in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for branch in 0..<3 {
                    group.addTask {
                        for lap in 0..<2 {
                            try await step.run("s\(branch)-\(lap)") {
                                state.change {
                                    $0.inside += 1
                                    $0.most = max($0.most, $0.inside)
                                    $0.bodies += 1
                                }
                                await Task.yield()
                                state.change { $0.inside -= 1 }
                            }
                            try await step.sleep("nap\(branch)", for: .milliseconds(branch))
                        }
                    }
                }
                try await group.waitForAll()
            }
            let rest = state.change { state in
                state.endsToCome -= 1
                return state.endsToCome
            }
            if rest == 0 { allEnded.open() }
        }
        var configuration = ManualNode.configuration()
        // Runs are unwound and loaded again all the time.
        configuration.parkedRunsMax = 2
        configuration.liveRunsMax = 8
        let pool = WorkerPool(threads: 3)
        let node = try Node.open(
            Node.Surroundings(
                disk: MemoryDisk(clock: SystemWallClock()), pool: pool, loader: ThreadedLoader(),
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }),
            configuration: configuration
        ) { reason in fatalError(reason) }
        try node.launch(AppFunctions(app: "t", functions: [function]), version: "test")
        node.startThreads()
        let view = try #require(JSONView(Array(#"{"name":"start","data":{}}"#.utf8)))
        let now = SystemWallClock().now
        for number in 0..<40 {
            let event = try DaybookCore.Event(view, id: ULID(at: now, random: (0, UInt64(number))), now: now)
            _ = try await node.submit(.publish([event], claim: nil))
        }
        await allEnded.wait()
        await node.stop(drain: 0)
        pool.stop()
        #expect(state.current.most <= limit)
        #expect(state.current.bodies == 40 * 6)
    }
}
