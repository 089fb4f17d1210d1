import DaybookCore
import DaybookValues
import Testing

/// Apps behind a URL.
struct AppTests {
    private let url = "http://localhost:9000/api/inngest"

    @Test func `an app is registered with its functions, in one batch`() throws {
        let bench = Bench()
        let outcome = bench.registerApp([remote(), remote("shop-g", on: ["other"])])
        #expect(outcome.answer == .registered(isModified: true))
        #expect(outcome.kinds == ["app.registered", "function.registered", "function.registered"])
        #expect(bench.core.apps == [app(revision: 1)])
        #expect(bench.core.app("shop")?.url == url)
        #expect(bench.core.function("shop-f")?.url == url + "?fnId=shop-f&stepId=step")
        #expect(bench.core.function("shop-f")?.isRemote == true)
        #expect(bench.publish("test/go").count == 1)
    }

    @Test func `the same registration again writes nothing`() throws {
        let bench = Bench()
        bench.registerApp([remote()])
        for other in [bench, try bench.replayed(), try bench.restored()] {
            let outcome = other.registerApp([remote()])
            #expect(outcome.answer == .registered(isModified: false))
            #expect(outcome.lines.isEmpty)
        }
    }

    @Test func `another checksum or another URL is a new revision`() throws {
        let bench = Bench()
        bench.registerApp([remote()])
        #expect(bench.registerApp(app(checksum: "c2"), [remote()]).kinds == ["app.registered"])
        #expect(bench.core.app("shop")?.revision == 2)
        var moved = app(checksum: "c2")
        moved.url = "http://localhost:9001/api/inngest"
        var function = remote()
        function.url = moved.url + "?fnId=shop-f&stepId=step"
        let run = try bench.startedRun()
        #expect(bench.registerApp(moved, [function]).kinds == ["app.registered", "function.registered"])
        #expect(bench.core.app("shop")?.revision == 3)
        // The next call of every run goes there.
        #expect(bench.core.summary(of: run).flatMap { bench.core.function($0.function)?.url } == function.url)
        #expect(try bench.replayed().core.apps == bench.core.apps)
    }

    @Test func `functions that are not named any more start nothing, and their runs go on where they were`() throws {
        let bench = Bench()
        bench.registerApp([remote(), remote("shop-g", on: ["other"])])
        let run = try bench.startedRun()
        let outcome = bench.registerApp(app(checksum: "c2"), [remote("shop-g", on: ["other"])])
        #expect(outcome.kinds == ["app.registered", "function.removed"])
        #expect(bench.publish("test/go").isEmpty)
        #expect(bench.core.function("shop-f")?.url != nil)
        for other in [try bench.replayed(), try bench.restored(), bench] {
            #expect(other.core.function("shop-f")?.url == url + "?fnId=shop-f&stepId=step")
            #expect(other.endBody(run, "a", "1").answer == .recorded)
            #expect(other.end(run).answer == .ended)
        }
    }

    @Test func `an app that is removed is gone with its functions, and comes back as modified`() throws {
        let bench = Bench()
        bench.registerApp([remote()])
        let run = try bench.startedRun()
        let outcome = bench.handle(.removeApp("shop"))
        #expect(outcome.answer == .done)
        #expect(outcome.kinds == ["app.removed", "function.removed"])
        #expect(bench.core.apps.isEmpty)
        #expect(bench.core.app("shop") == nil)
        #expect(bench.publish("test/go").isEmpty)
        #expect(bench.core.hasRun(run))
        #expect(bench.handle(.removeApp("shop")).answer == .refused(.unknownApp("shop")))
        #expect(bench.handle(.removeApp("none")).lines.isEmpty)
        for other in [try bench.replayed(), try bench.restored()] {
            let back = other.registerApp([remote()])
            #expect(back.answer == .registered(isModified: true))
            #expect(back.kinds == ["app.registered", "function.registered"])
            #expect(other.core.app("shop")?.revision == 2)
            #expect(other.publish("test/go").count == 1)
        }
    }

    @Test func `an app without functions is one too`() throws {
        let bench = Bench()
        #expect(bench.registerApp([]).kinds == ["app.registered"])
        #expect(bench.core.apps.map(\.id) == ["shop"])
        #expect(try bench.replayed().core.encodedState == bench.core.encodedState)
    }

    @Test func `one bad function refuses all of them, and nothing is written`() {
        let bench = Bench()
        bench.registerApp([remote()])
        var bad = remote("shop-bad")
        bad.retries = 99
        var local = remote("shop-local")
        local.url = nil
        var stray = remote("other-f")
        stray.app = "other"
        for (functions, hint) in [
            ([bad], "retries"), ([remote("shop-x"), remote("shop-x")], "two functions"), ([local], "URL"),
            ([stray], "other-f"),
        ] {
            let outcome = bench.registerApp(app(checksum: "c9"), [remote("shop-good")] + functions)
            guard case .refused(.invalidFunction(let problem)) = outcome.answer else {
                Issue.record("accepted: \(functions)")
                continue
            }
            #expect(problem.contains(hint))
            #expect(outcome.lines.isEmpty)
        }
        #expect(bench.core.app("shop")?.revision == 1)
        #expect(bench.core.function("shop-good") == nil)
    }

    @Test func `the functions of this program and of an app of the same name leave each other alone`() throws {
        let bench = Bench()
        var local = function("shop-local")
        local.app = "shop"
        bench.register([local], app: "shop")
        bench.registerApp([remote()])
        #expect(bench.register([local], app: "shop").lines.isEmpty)
        #expect(bench.publish("test/go").count == 2)
        bench.handle(.removeApp("shop"))
        #expect(bench.publish("test/go").count == 1)
    }

    @Test func `a restart goes on with the schedules of apps before they register again`() throws {
        let bench = Bench()
        var config = remote(on: [])
        config.triggers = [.cron(text: "0 * * * *", zone: .utc)]
        config.catchUp = .skip
        bench.registerApp([config])
        for other in [try bench.replayed(), try bench.restored()] {
            other.now = other.now + 3 * hour + hour / 2
            // What was missed is passed over, the rest comes.
            #expect(!(other.open(epoch: 2).lines + other.fire().lines).contains { $0.kind == "run.queued" })
            let lines = other.advance(by: hour).lines
            #expect(lines.filter { $0.kind == "run.queued" }.count == 1)
            #expect(other.registerApp([config]).lines.isEmpty)
        }
    }

    @Test func `a month begins with the apps that are known`() throws {
        let bench = Bench()
        bench.registerApp([remote()])
        bench.registerApp(AppConfig(id: "old", url: "", sdk: "go:v1", checksum: "x"), [])
        bench.handle(.removeApp("old"))
        bench.advance(by: 12 * day)
        bench.handle(.moveClock(offset: 1))
        let states = bench.lines.compactMap { if case .monthOpened(let state) = $0.record { state } else { nil } }
        let state = try #require(states.last)
        let fresh = Core()
        try fresh.apply(.monthOpened(state), stream: .system, at: bench.now)
        #expect(fresh.apps == bench.core.apps)
        #expect(fresh.function("shop-f") == bench.core.function("shop-f"))
        #expect(fresh.systemState.apps == bench.core.systemState.apps)
    }
}
