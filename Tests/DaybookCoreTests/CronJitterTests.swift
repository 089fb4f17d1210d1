import DaybookCore
import DaybookValues
import Testing

struct CronJitterTests {
    private func jittered(
        _ text: String, _ jitter: Int64 = 60_000, id: String = "app-cron", catchUp: CatchUp = .latest
    ) -> FunctionConfig {
        FunctionConfig(
            id: id, app: "app", triggers: [.cron(text: text, zone: .utc, jitter: jitter)], catchUp: catchUp)
    }

    private struct Tick: Equatable {
        let tick: Timestamp
        /// When its record was written.
        let at: Timestamp
    }

    private func ticks(_ bench: Bench) -> [Tick] {
        zip(bench.lines, bench.times).compactMap { line, at in
            guard case .cronTicked(_, _, let tick, .some, _) = line.record else { return nil }
            return Tick(tick: tick, at: at)
        }
    }

    @Test func `a tick comes a little later, and its event says both when it was scheduled and when it fires`() throws {
        let bench = Bench([jittered("0 * * * *")])
        let outcome = bench.advance(by: hour + minute)
        let fired = try #require(ticks(bench).first)
        #expect(fired.tick == start + hour)
        #expect(fired.at - fired.tick >= 1_000 && fired.at - fired.tick < 60_000)
        guard case .run(_, let input?)? = outcome.effects.first else {
            Issue.record("no run")
            return
        }
        let event = try #require(JSONView(input))
        #expect(event.member("id")?.string == "2026-11-21T09:00:00Z")
        #expect(event.at(path: "data.scheduledAt")?.string == "2026-11-21T09:00:00Z")
        #expect(event.at(path: "data.fireAt")?.string == fired.at.rfc3339Short)
        #expect(event.member("ts")?.integer == fired.at.milliseconds)
        #expect(bench.core.functionSummaries[0].nextTicks == [start + 2 * hour])
    }

    @Test(arguments: [1_000, 1_001, 5_000, 300_000] as [Int64])
    func `every tick fires once, later by one second or more and less than the jitter`(jitter: Int64) {
        let bench = Bench([jittered("0 * * * *", jitter)])
        bench.advance(by: 50 * hour + 10 * minute)
        let found = ticks(bench)
        #expect(found.map(\.tick) == (1...50).map { start + $0 * hour })
        #expect(found.allSatisfy { $0.at - $0.tick >= 1_000 && $0.at - $0.tick < max(jitter, 1_001) })
        if jitter > 1_001 { #expect(Set(found.map { $0.at - $0.tick }).count > 30) }
    }

    @Test func `the same tick has the same delay, in every process, and other functions have others`() throws {
        let bench = Bench([jittered("0 * * * *"), jittered("0 * * * *", id: "app-other")])
        for other in [try bench.replayed(), try bench.restored(), bench] {
            other.seed = other.seed &+ 77
            other.open(epoch: 2)
            other.advance(by: 2 * hour)
        }
        let first = Bench([jittered("0 * * * *"), jittered("0 * * * *", id: "app-other")], seed: 99)
        first.advance(by: 2 * hour)
        #expect(ticks(first) == ticks(bench))
        #expect(ticks(bench).count == 2)
        #expect(Set(ticks(bench).map(\.at)).count == 2)
        let replay = try bench.replayed()
        #expect(replay.core.encodedState == bench.core.encodedState)
    }

    @Test func `ticks that come closer than their delays keep their order, and none is lost`() {
        let bench = Bench([jittered("* * * * *", 300_000)])
        bench.advance(by: 3 * hour)
        let found = ticks(bench)
        #expect(found.map(\.tick) == (1...found.count).map { start + Int64($0) * minute })
        #expect(found.count > 174)
        #expect(found.map(\.at) == found.map(\.at).sorted())
    }

    @Test func `a process that dies between a tick and its firing fires it in time`() throws {
        let bench = Bench([jittered("0 * * * *", 300_000)])
        let steady = Bench([jittered("0 * * * *", 300_000)])
        steady.advance(by: 2 * hour)
        bench.advance(by: hour + 500)
        #expect(ticks(bench).isEmpty)
        for other in [try bench.replayed(), try bench.restored()] {
            other.open(epoch: 2)
            other.advance(by: hour - 500)
            #expect(ticks(other) == ticks(steady))
        }
    }

    @Test(arguments: [
        (CatchUp.latest, [5]), (.skip, []), (.all(limit: 3), [3, 4, 5]),
    ])
    func `missed ticks are caught up with as without it`(policy: CatchUp, expected: [Int64]) throws {
        let bench = Bench([jittered("0 * * * *", 300_000, catchUp: policy)])
        let other = try bench.replayed()
        let before = other.lines.count
        other.now = start + (5 * hour + 30 * minute)
        other.open(epoch: 2)
        other.fire()
        #expect(ticks(other).map(\.tick) == expected.map { start + $0 * hour })
        #expect(other.lines.count > before)
        other.advance(by: hour)
        #expect(ticks(other).map(\.tick) == (expected + [6]).map { start + $0 * hour })
    }

    @Test func `catching up leaves a tick alone whose time is still to come`() throws {
        let bench = Bench([jittered("0 * * * *", 300_000)])
        let steady = Bench([jittered("0 * * * *", 300_000)])
        steady.advance(by: 6 * hour)
        let fifth = try #require(ticks(steady).first { $0.tick == start + 5 * hour })
        let delay = fifth.at - fifth.tick
        let other = try bench.replayed()
        other.now = start + (5 * hour + delay - 1)
        other.open(epoch: 2)
        other.fire()
        // The newest that was missed.
        #expect(ticks(other).map(\.tick) == [start + 4 * hour])
        other.advance(by: 1)
        #expect(ticks(other).map(\.tick) == [start + 4 * hour, start + 5 * hour])
    }

    @Test(arguments: [CatchUp.latest, .skip])
    func `a jitter that is taken away lets the tick that waits fire at once`(policy: CatchUp) throws {
        let bench = Bench([jittered("0 * * * *", 300_000, catchUp: policy)])
        let steady = Bench([jittered("0 * * * *", 300_000, catchUp: policy)])
        steady.advance(by: day)
        // One that waits for longer than what counts as missed.
        let due = try #require(ticks(steady).first { $0.at - $0.tick > 2 * minute })
        bench.advance(by: due.tick - bench.now + 90_000)
        #expect(!ticks(bench).contains { $0.tick == due.tick })
        bench.register([jittered("0 * * * *", 0, catchUp: policy)])
        bench.fire()
        #expect(ticks(bench).last == Tick(tick: due.tick, at: bench.now))
        bench.advance(by: hour)
        #expect(ticks(bench).last == Tick(tick: due.tick + hour, at: due.tick + hour))
        #expect(ticks(bench).filter { $0.tick == due.tick }.count == 1)
        #expect(try bench.replayed().core.encodedState == bench.core.encodedState)
    }

    @Test func `a jitter that is added holds the next tick back`() {
        let bench = Bench([jittered("0 * * * *", 0)])
        bench.register([jittered("0 * * * *")])
        bench.advance(by: hour)
        #expect(ticks(bench).isEmpty)
        bench.advance(by: minute)
        #expect(ticks(bench).map(\.tick) == [start + hour])
    }

    @Test func `a jitter that is too short or too long is refused, and so is a schedule that is given twice`() {
        for jitter: Int64 in [-1, 999, 300_001] {
            guard
                case .refused(.invalidFunction(let problem)) = Bench().register([jittered("0 * * * *", jitter)]).answer
            else {
                Issue.record("\(jitter) was accepted")
                continue
            }
            #expect(problem.contains("cron jitter must be at least 1s"))
        }
        var twice = jittered("0 * * * *", 2_000)
        twice.triggers.append(.cron(text: "0 * * * *", zone: .utc))
        guard case .refused(.invalidFunction(let problem)) = Bench().register([twice]).answer else {
            Issue.record("accepted")
            return
        }
        #expect(problem.contains("twice"))
    }

    @Test func `a clock that is set back neither skips nor repeats a tick`() {
        let steady = Bench([jittered("*/7 * * * *", 200_000)])
        steady.advance(by: 3 * day)
        let bench = Bench([jittered("*/7 * * * *", 200_000)])
        bench.advance(by: 2 * day + minute)
        bench.wallOffset = -day
        bench.handle(.alignCrons)
        bench.advance(by: 2 * day - minute)
        #expect(ticks(bench).map(\.tick) == ticks(steady).map(\.tick))
    }
}
