import DaybookCore
import DaybookValues
import Testing

struct CronTickTests {
    /// The ticks that started a run, and those that were skipped.
    private func ticks(_ lines: [Line]) -> (run: [Timestamp], skipped: [Timestamp]) {
        var (run, skipped): ([Timestamp], [Timestamp]) = ([], [])
        for line in lines {
            guard case .cronTicked(_, _, let tick, let id, _) = line.record else { continue }
            if id == nil { skipped.append(tick) } else { run.append(tick) }
        }
        return (run, skipped)
    }

    /// The process is down for that long, then starts again.
    private func down(_ bench: Bench, _ milliseconds: Int64) throws -> (bench: Bench, lines: [Line]) {
        let other = try bench.replayed()
        other.now = other.now + milliseconds
        let opened = other.open(epoch: 2)
        return (other, opened.lines + other.fire().lines)
    }

    @Test func `a tick and the run it starts are one batch, and the event says when it was due`() throws {
        let bench = Bench([cronFunction("0 9 * * *")])
        let outcome = bench.advance(by: hour)
        #expect(outcome.kinds == ["cron.ticked", "run.queued"])
        guard case .cronTicked("app-cron", 0, let tick, let run?, let next) = outcome.lines[0].record,
            case .runQueued(let queued) = outcome.lines[1].record, case .inline(let input) = queued.input
        else {
            Issue.record("no run")
            return
        }
        #expect(tick == start + hour)
        #expect(next == start + (hour + day))
        #expect(outcome.lines[1].stream == .run(run))
        #expect(queued.cause == .cron)
        let event = try #require(JSONView(input))
        #expect(event.member("name")?.string == "inngest/scheduled.timer")
        #expect(event.member("id")?.string == "2026-11-21T09:00:00Z")
        #expect(event.at(path: "data.cron")?.string == "0 9 * * *")
        #expect(event.at(path: "data.scheduledAt")?.string == "2026-11-21T09:00:00Z")
        #expect(event.member("ts")?.integer == (start + hour).milliseconds)
        #expect(outcome.effects == [.run(run, input: input)])
    }

    @Test func `every tick of a running process starts one run`() {
        let bench = Bench([cronFunction("*/5 * * * *")])
        let expected = (1...24).map { start + Int64($0) * 5 * minute }
        #expect(ticks(bench.advance(by: 2 * hour).lines).run == expected)
    }

    @Test func `missed ticks: the newest one runs by default`() throws {
        let bench = Bench([cronFunction("0 * * * *")])
        let (other, lines) = try down(bench, 5 * hour + 30 * minute)
        #expect(ticks(lines).run == [start + 5 * hour])
        #expect(ticks(lines).skipped.isEmpty)
        #expect(ticks(other.advance(by: hour).lines).run == [start + 6 * hour])
    }

    @Test func `missed ticks: none runs with skip, and the next one does`() throws {
        let bench = Bench([cronFunction("0 * * * *", catchUp: .skip)])
        let (other, lines) = try down(bench, 5 * hour + 30 * minute)
        #expect(ticks(lines).run.isEmpty)
        #expect(ticks(other.advance(by: hour).lines).run == [start + 6 * hour])
    }

    @Test func `missed ticks: all of them run with all, the newest up to the limit`() throws {
        let bench = Bench([cronFunction("0 * * * *", catchUp: .all(limit: 3))])
        let (other, lines) = try down(bench, 5 * hour + 30 * minute)
        #expect(ticks(lines).run == [3, 4, 5].map { start + $0 * hour })
        #expect(ticks(other.advance(by: hour).lines).run == [start + 6 * hour])
    }

    @Test func `missed ticks: no more than ten thousand run, also where an earlier version took a larger limit`() throws
    {
        let bench = Bench()
        let config = cronFunction("* * * * * *", catchUp: .all(limit: 1_000_000))
        try bench.core.apply(.functionRegistered(config), stream: .system, at: start)
        try bench.core.apply(
            .cronScheduled(function: config.id, trigger: 0, tick: start + second), stream: .system, at: start)
        bench.now = start + day
        let run = ticks(bench.fire().lines).run
        #expect(run.count == 10_000)
        #expect(run.last == start + day)
    }

    @Test(arguments: [CatchUp.latest, .skip, .all(limit: 5)])
    func `a tick that comes a few seconds late is not a missed one`(policy: CatchUp) throws {
        let bench = Bench([cronFunction("0 * * * *", catchUp: policy)])
        let (_, lines) = try down(bench, hour + 20 * second)
        #expect(ticks(lines).run == [start + hour])
    }

    @Test func `a tick that fired never fires again, whatever is killed`() throws {
        let bench = Bench([cronFunction("0 * * * *")])
        bench.advance(by: hour)
        for other in [try bench.replayed(), try bench.restored()] {
            other.open(epoch: 2)
            #expect(ticks(other.fire().lines).run.isEmpty)
        }
    }

    @Test(arguments: ["0 * * * *", "*/7 * * * *", "0 9 * * *", "30 */6 * * *"])
    func `a clock that is set back a day neither skips nor repeats a tick`(text: String) throws {
        let steady = Bench([cronFunction(text)])
        let expected = ticks(steady.advance(by: 5 * day).lines).run
        let bench = Bench([cronFunction(text)])
        var found = ticks(bench.advance(by: 2 * day + hour / 2).lines).run
        bench.wallOffset = -day
        bench.handle(.alignCrons)
        found += ticks(bench.advance(by: 4 * day - hour / 2).lines).run
        #expect(found == expected)
    }

    @Test func `a clock that is a year ahead and comes back runs every tick of the year, and none twice`() throws {
        let bench = Bench([cronFunction("0 9 * * *")])
        var found = ticks(bench.advance(by: 3 * day).lines).run
        bench.wallOffset = 365 * day
        found += ticks(bench.advance(by: 3 * day).lines).run
        // One for the newest missed tick of the jump, and one a day after it.
        #expect(found.count == 3 + 1 + 3)
        bench.wallOffset = -3 * day
        bench.handle(.alignCrons)
        let after = ticks(bench.advance(by: 380 * day).lines).run
        #expect(Set(after).isDisjoint(with: found))
        #expect(Set(after + found).count == after.count + found.count)
        let all = (after + found).sorted()
        for (a, b) in zip(all, all.dropFirst()) { #expect(b - a == day) }
    }

    @Test func `a restart after the clock was set back goes on with the ticks that are left`() throws {
        let bench = Bench([cronFunction("0 * * * *")])
        bench.advance(by: 10 * hour)
        let other = try bench.replayed()
        other.wallOffset = -5 * hour
        other.open(epoch: 2)
        #expect(ticks(other.advance(by: 5 * hour).lines).run.isEmpty)
        #expect(ticks(other.advance(by: hour).lines).run == [start + 11 * hour])
    }

    @Test func `a function with two schedules runs for each`() {
        let config = FunctionConfig(
            id: "app-two", app: "app",
            triggers: [.cron(text: "0 9 * * *", zone: .utc), .cron(text: "0 */1 * * *", zone: .utc)])
        let bench = Bench([config])
        #expect(ticks(bench.advance(by: hour).lines).run == [start + hour, start + hour])
    }

    @Test func `a tick starts what listens for ticks as events`() {
        let bench = Bench([cronFunction("0 9 * * *"), function("app-spy", on: ["inngest/scheduled.timer"])])
        #expect(bench.advance(by: hour).kinds == ["cron.ticked", "event.received", "run.queued", "run.queued"])
    }
}
