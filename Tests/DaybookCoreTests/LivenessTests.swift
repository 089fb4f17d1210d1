import DaybookCore
import DaybookValues
import Testing

/// A host as simple as can be: it runs scripts, keeps nothing that is not in the journal, and dies now and then.
private final class Host {
    enum Call {
        case body(poison: Bool)
        case sleep(Int64)
        case wait(Int64)
        case invoke
        case signal(Int64, replacesOther: Bool)
    }

    private(set) var bench: Bench
    private var random: SeededRandom
    private var queue: [Effect] = []
    /// Bodies under way.
    private var marks: [InterruptedStep] = []
    private(set) var crashes = 0
    private var epoch: UInt32 = 1
    /// Results by run and step, as the journal has them.
    private var results: [ULID: Set<String>] = [:]
    private var read = 0

    init(seed: UInt64) {
        random = SeededRandom(seed: seed)
        bench = Bench(
            [function(retries: 2), function("app-child", on: [], retries: 0)],
            retryPolicy: RetryPolicy(fixedWait: 20_000),
            seed: seed)
    }

    /// The stages of a run's code; the calls of one stage are made side by side. They follow from the run's id.
    private func script(_ run: ULID) -> [[Call]] {
        var random = SeededRandom(seed: run.low)
        let isChild = bench.core.summary(of: run)?.function == "app-child"
        return (0..<(1 + random.below(4))).map { _ in
            (0..<(1 + random.below(3))).map { _ in
                switch random.below(isChild ? 4 : 5) {
                case 0: .body(poison: random.chance(4))
                case 1: .sleep(Int64(random.below(4)) * 15_000)
                case 2: .wait(Int64(1 + random.below(4)) * 30_000)
                case 3: .signal(Int64(random.below(4)) * 30_000, replacesOther: random.chance(80))
                default: .invoke
                }
            }
        }
    }

    private func note(_ outcome: Outcome) {
        queue += outcome.effects
        catchUp()
    }

    private func catchUp() {
        for line in bench.lines[read...] {
            guard case .run(let id) = line.stream else { continue }
            switch line.record {
            case .stepCompleted(let step):
                #expect(results[id, default: []].insert(step.key).inserted, "two results of \(step.key)")
            case .stepFailed(let step) where step.retryAt == nil:
                #expect(results[id, default: []].insert(step.key).inserted, "two results of \(step.key)")
            default: break
            }
        }
        read = bench.lines.count
    }

    func publish(_ count: Int) {
        note(bench.handle(.publish((0..<count).map { _ in bench.event("test/go") }, claim: nil)))
    }

    /// Lets something happen.
    /// - Returns: whether anything is left to do.
    func step() throws -> Bool {
        if bench.core.runCount == 0 { return false }
        if crashes < 25, random.chance(4) {
            try crash()
        } else if !queue.isEmpty, random.chance(70) {
            try perform(queue.remove(at: 0))
        } else if !marks.isEmpty, random.chance(60) {
            finishBody(marks.remove(at: random.below(marks.count)))
        } else if random.chance(30) {
            note(bench.handle(.publish([bench.event("signal")], claim: nil)))
            note(bench.signal("s\(random.below(2))"))
        } else if queue.isEmpty, marks.isEmpty {
            let due = bench.core.nextDeadlines
            guard let next = [due.now, due.wall].compactMap({ $0 }).min() else {
                throw Stuck(runs: bench.core.runSummaries)
            }
            note(bench.advance(by: max(1, next - bench.now)))
        } else {
            note(bench.advance(by: Int64(random.below(5_000))))
        }
        return true
    }

    struct Stuck: Error {
        let runs: [RunSummary]
    }

    private func crash() throws {
        crashes += 1
        epoch += 1
        bench = random.chance(50) ? try bench.replayed() : try bench.restored()
        bench.now = bench.now + Int64(random.below(30_000))
        queue = []
        bench.open(epoch: epoch, interrupted: marks)
        marks = []
        catchUp()
        queue = bench.core.outstandingEffects(at: bench.time)
    }

    private func perform(_ effect: Effect) throws {
        switch effect {
        case .run(let id, _), .deliver(let id, _, _): try load(id)
        case .close(let id): marks.removeAll { $0.run == id }
        case .cancel(let id, let reason): note(bench.handle(.end(run: id, .cancelled(reason: reason), input: [])))
        case .fail(let id, let error): note(bench.handle(.end(run: id, .threw(error), input: [])))
        case .grantSlot, .hold, .warn: break
        }
    }

    /// Runs the code from the top as far as it gets.
    private func load(_ id: ULID) throws {
        note(bench.handle(.begin(run: id)))
        guard bench.core.hasRun(id) else { return }
        for (number, stage) in script(id).enumerated() {
            var isWaiting = false
            for (index, call) in stage.enumerated() {
                let key = "s\(number).\(index)"
                if results[id]?.contains(key) == true { continue }
                if marks.contains(where: { $0.run == id && $0.key == key }) {
                    isWaiting = true
                    continue
                }
                let open = bench.core.summary(of: id)?.open.first { $0.key == key }
                if let open {
                    isWaiting = true
                    if open.kind == .retry, open.isReady { try startBody(id, key, attempt: open.attempt, call) }
                    continue
                }
                let outcome: Outcome
                switch call {
                case .body:
                    isWaiting = true
                    try startBody(id, key, attempt: 1, call)
                    continue
                case .sleep(let length): outcome = bench.sleep(id, key, length)
                case .wait(let timeout): outcome = bench.wait(id, key, "signal", timeout: timeout)
                case .invoke: outcome = bench.invoke(id, key, "app-child", timeout: 200_000)
                case .signal(let timeout, let replacesOther):
                    outcome = bench.waitForSignal(
                        id, key, "s\(id.low % 2)", replacesOther: replacesOther, timeout: timeout)
                }
                note(outcome)
                // Somebody else waits for the signal.
                if outcome.answer == .ended { return }
                if outcome.answer == .opened { isWaiting = true }
            }
            if isWaiting {
                if random.chance(50), !marks.contains(where: { $0.run == id }),
                    !queue.contains(where: { isFor(id, $0) })
                {
                    note(bench.handle(.park(run: id)))
                }
                return
            }
        }
        // The code after the last step fails now and then.
        note(random.chance(20) ? bench.fail(id, AttemptError(name: "E", message: "m")) : bench.end(id))
    }

    private func isFor(_ id: ULID, _ effect: Effect) -> Bool {
        switch effect {
        case .run(id, _), .deliver(id, _, _): true
        default: false
        }
    }

    private func startBody(_ id: ULID, _ key: String, attempt: Int, _ call: Call) throws {
        guard bench.core.hasRun(id) else { return }
        #expect(attempt <= 3, "attempt \(attempt)")
        marks.append(InterruptedStep(run: id, key: key, attempt: attempt))
        if case .body(poison: true) = call { try crash() }
    }

    private func finishBody(_ mark: InterruptedStep) {
        guard bench.core.hasRun(mark.run) else { return }
        let outcome =
            random.chance(30)
            ? bench.failBody(mark.run, mark.key, attempt: mark.attempt)
            : bench.endBody(mark.run, mark.key, attempt: mark.attempt, "1")
        note(outcome)
        // The code goes on when the result is there.
        switch outcome.answer {
        case .recorded, .failed: queue.append(.run(mark.run, input: nil))
        default: break
        }
    }
}

struct LivenessTests {
    @Test(arguments: 0..<60)
    func `every run ends, however often the process dies and whatever kills it`(seed: UInt64) throws {
        let host = Host(seed: seed)
        host.publish(8)
        var steps = 0
        do {
            while try host.step() {
                steps += 1
                if steps == 200 { host.publish(4) }
                try #require(steps < 20_000, "seed \(seed): \(host.bench.core.runSummaries)")
            }
        } catch let stuck as Host.Stuck {
            Issue.record("seed \(seed): nothing will ever happen to \(stuck.runs)")
        }
    }
}
