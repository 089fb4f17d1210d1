import DaybookCore
import DaybookValues
import Testing

struct RegistrationTests {
    private func refusal(_ outcome: Outcome) -> String {
        guard case .refused(let refusal) = outcome.answer else { return "" }
        #expect(outcome.lines.isEmpty)
        #expect(outcome.effects.isEmpty)
        return refusal.description
    }

    @Test func `the same functions registered again write nothing`() throws {
        let zone = try ZoneRules(name: "Europe/Paris", posix: "CET-1CEST,M3.5.0,M10.5.0/3")
        let functions = [
            function(matches: [match("data.a", "\"é\\n\"")], startTimeout: 5, finishTimeout: 6),
            cronFunction("0 8 * * 1"),
            FunctionConfig(
                id: "app-zoned", app: "app", name: "Zoned \"digest\"",
                triggers: [.cron(text: "TZ=Europe/Paris 0 8 * * *", zone: zone)],
                catchUp: .all(limit: 5)),
        ]
        let bench = Bench(functions)
        #expect(bench.register(functions).lines.isEmpty)
        for other in [try bench.restored(), try bench.replayed()] { #expect(other.register(functions).lines.isEmpty) }
    }

    @Test func `a changed function keeps the ticks of the schedules that stay`() throws {
        var config = cronFunction("0 * * * *")
        let bench = Bench([config])
        bench.advance(by: hour + minute)
        let next = bench.core.functionSummaries.first?.nextTicks
        config.retries = 1
        config.triggers.insert(.event(name: "e", matches: []), at: 0)
        #expect(bench.register([config]).kinds == ["function.registered"])
        #expect(bench.core.functionSummaries.first?.nextTicks == next)
        #expect(bench.advance(by: hour).lines.filter { $0.kind == "cron.ticked" }.count == 1)
    }

    @Test func `a function that is no longer named starts nothing more, and its runs go on`() throws {
        let bench = Bench([function(), cronFunction("* * * * *")])
        let run = try bench.startedRun()
        #expect(bench.register([]).kinds == ["function.removed", "function.removed"])
        #expect(bench.publish("test/go").isEmpty)
        #expect(bench.advance(by: hour).lines.isEmpty)
        #expect(bench.core.nextDeadlines.wall == nil)
        #expect(bench.end(run).answer == .ended)
        #expect(bench.register([]).lines.isEmpty)
        #expect(try bench.restored().publish("test/go").isEmpty)
    }

    @Test func `a function that comes back starts runs again, and no tick of the time between`() throws {
        let functions = [function(), cronFunction("* * * * *", catchUp: .all(limit: 100))]
        let bench = Bench(functions)
        bench.register([])
        bench.advance(by: hour + 1)
        bench.register(functions)
        #expect(bench.publish("test/go").count == 1)
        #expect(bench.advance(by: minute).lines.filter { $0.kind == "cron.ticked" }.count == 1)
    }

    @Test func `the functions of another app are left alone`() throws {
        let bench = Bench([function()])
        let other = FunctionConfig(id: "other-f", app: "other", triggers: [.event(name: "test/go", matches: [])])
        bench.register([other], app: "other")
        #expect(bench.publish("test/go").count == 2)
        bench.register([], app: "other")
        #expect(bench.publish("test/go").count == 1)
    }

    @Test func `two functions with one id are refused`() {
        #expect(
            refusal(Bench().register([function(), function(on: ["other"])])).contains(
                "two functions have the id 'app-f'"))
    }

    @Test func `the id of another app's function is refused`() {
        let bench = Bench([function()])
        let thief = FunctionConfig(id: "app-f", app: "thief", triggers: [])
        #expect(refusal(bench.register([thief], app: "thief")).contains("belongs to app 'app'"))
    }

    @Test(arguments: [
        ("61 * * * *", "61"), ("* * * *", "field"), ("0 0 30 2 *", "never"), ("", ""), ("0 8 * * MOO", "MOO"),
    ])
    func `a bad schedule is refused, with the function and what is wrong`(text: String, hint: String) {
        let message = refusal(Bench().register([function(), cronFunction(text)]))
        #expect(message.contains("'app-cron'"))
        #expect(message.contains(hint))
    }

    @Test func `other bad configurations are refused and say what is wrong`() {
        func config(_ change: (inout FunctionConfig) -> Void) -> String {
            var config = function()
            change(&config)
            return refusal(Bench().register([config]))
        }
        #expect(config { $0.id = "" }.contains("id"))
        #expect(config { $0.id = String(repeating: "x", count: 256) }.contains("255"))
        #expect(config { $0.retries = 21 }.contains("0…20"))
        #expect(config { $0.retries = -1 }.contains("0…20"))
        #expect(config { $0.startTimeout = 0 }.contains("start timeout"))
        #expect(config { $0.finishTimeout = -1 }.contains("finish timeout"))
        #expect(config { $0.triggers = [.event(name: "", matches: [])] }.contains("empty"))
        #expect(config { $0.triggers += $0.triggers }.contains("twice"))
        #expect(config { $0.catchUp = .all(limit: 0) }.contains("limit"))
        #expect(config { $0.catchUp = .all(limit: 10_001) }.contains("must be 1…10,000, not 10001"))
        #expect(config { $0.catchUp = .all(limit: 10_000) }.isEmpty)
        #expect(
            config { $0.triggers = (0..<11).map { .event(name: "e\($0)", matches: []) } }.contains("at most 10"))
    }

    @Test func `functions are listed with their next ticks and their unfinished runs`() throws {
        let bench = Bench([function(), cronFunction("0 9 * * *")])
        _ = try bench.startedRun()
        let all = bench.core.functionSummaries
        #expect(all.map(\.config.id) == ["app-f", "app-cron"])
        #expect(all.map(\.unfinishedRuns) == [1, 0])
        #expect(all[1].nextTicks == [start + hour])
    }

    // MARK: - Months, clock, inbox

    @Test func `the first record of a month says what is alive, and rebuilds it alone`() throws {
        let bench = Bench([function(), cronFunction("0 9 * * *")])
        #expect(bench.lines.first?.record == .monthOpened(SystemState()))
        bench.handle(.publish([], claim: ClaimProgress(name: "file \"1\"", offset: 10, isWhole: false)))
        bench.handle(.moveClock(offset: 5))
        bench.register([cronFunction("0 9 * * *")])
        let outcome = bench.advance(by: 11 * day)
        let opened = outcome.lines.compactMap { if case .monthOpened(let state) = $0.record { state } else { nil } }
        let state = try #require(opened.first)
        #expect(opened.count == 1)
        let fresh = Core()
        try fresh.apply(.monthOpened(state), stream: .system, at: start + 11 * day)
        #expect(fresh.systemState == state)
        #expect(fresh.functionSummaries.map(\.isRemoved) == [true, false])
        #expect(fresh.openClaims.map(\.name) == ["file \"1\""])
        #expect(fresh.movedClockOffset == 5)
        #expect(fresh.nextDeadlines.wall != nil)
    }

    @Test func `the movable clock's offset is kept`() throws {
        let bench = Bench()
        #expect(bench.handle(.moveClock(offset: 7 * day)).lines.map(\.record) == [.clockMoved(offset: 7 * day)])
        #expect(bench.core.movedClockOffset == 7 * day)
        #expect(try bench.restored().core.movedClockOffset == 7 * day)
    }

    @Test func `a claimed file is known until its removal is, with how far it was taken`() throws {
        let bench = Bench([function()])
        let first = bench.handle(
            .publish([bench.event("test/go")], claim: ClaimProgress(name: "a.json", offset: 100, isWhole: false)))
        #expect(first.kinds == ["event.received", "run.queued", "inbox.committed"])
        bench.handle(
            .publish([bench.event("test/go")], claim: ClaimProgress(name: "b.json", offset: 50, isWhole: true)))
        bench.handle(
            .publish([bench.event("test/go")], claim: ClaimProgress(name: "a.json", offset: 180, isWhole: true)))
        for other in [try bench.restored(), try bench.replayed(), bench] {
            #expect(other.core.openClaims.map(\.name) == ["a.json", "b.json"])
            #expect(other.core.openClaims.map(\.offset) == [180, 50])
            #expect(other.core.openClaims.map(\.isWhole) == [true, true])
        }
        #expect(bench.handle(.inboxRemoved(claim: "a.json")).kinds == ["inbox.removed"])
        #expect(bench.handle(.inboxRemoved(claim: "a.json")).lines.isEmpty)
        #expect(bench.core.openClaims.map(\.name) == ["b.json"])
    }
}
