import DaybookCore
import DaybookNode
import DaybookTesting
import DaybookValues
import DaybookWire
import Testing

/// What calls an app gets, and what its answers mean.
@Suite struct `Runs of functions behind a URL` {
    // MARK: - Sequences

    @Test func `the first call knows nothing, and a result of 200 ends the run`() throws {
        let world = try RemoteWorld(ScriptedApp { _, _ in .returned(#"{"a":1}"#) })
        let run = try world.send()
        let request = try #require(world.app.requests.first)
        #expect(world.app.requests.count == 1)
        #expect(request.target == nil && request.attempt == 0 && request.attemptsMax == 5)
        #expect(request.version == -1 && request.steps.isEmpty && !request.forcesPlan)
        #expect(request.url == RemoteWorld.url)
        #expect(try world.status(run) == .completed)
        #expect(try world.output(run) == #"{"a":1}"#)
    }

    @Test func `n steps in a row take n + 1 calls, each with all results so far in their order`() throws {
        let world = try RemoteWorld(
            ScriptedApp { _, number in number < 3 ? .ops(.run("s\(number)", "{\"n\": \(number)}")) : .returned("9") })
        let run = try world.send()
        #expect(world.app.calls == ["step#0", "step#0", "step#0", "step#0"])
        #expect(world.lastSteps == [#"s0={"data":{"n":0}}"#, #"s1={"data":{"n":1}}"#, #"s2={"data":{"n":2}}"#])
        #expect(world.app.requests.map(\.version) == [-1, 2, 2, 2])
        #expect(try world.status(run) == .completed)
    }

    @Test func `an older step's data is its memo, and a step without data has null`() throws {
        let world = try RemoteWorld(
            ScriptedApp { _, number in
                switch number {
                case 0: .ops(.legacy("a", "5"))
                case 1: .ops(.run("b", "null"))
                default: .returned("1")
                }
            })
        _ = try world.send()
        #expect(world.lastSteps == ["a=5", #"b={"data":null}"#])
    }

    @Test func `no op at all means another call at once, and fifty in a row count as a failed attempt`() throws {
        let one = try RemoteWorld(ScriptedApp { _, number in number == 0 ? .ops() : .returned("1") })
        let run = try one.send()
        #expect(one.app.calls == ["step#0", "step#0"])
        #expect(try one.status(run) == .completed)

        let endless = try RemoteWorld([RemoteWorld.function(retries: 1)], ScriptedApp { _, _ in .ops(.discovery) })
        let stuck = try endless.send()
        endless.advance(5)
        #expect(try endless.status(stuck) == .failed)
        #expect(try endless.output(stuck).contains("reported nothing new"))
        #expect(endless.app.requests.count < 110)
    }

    @Test func `a step that is reported again although it has its result does not hold the run up`() throws {
        let world = try RemoteWorld(
            ScriptedApp { _, number in
                switch number {
                case 0: .ops(.run("a", "1"))
                case 1: .ops(.run("a", "2"))
                default: .returned("3")
                }
            })
        let run = try world.send()
        #expect(world.lastSteps == [#"a={"data":1}"#])
        #expect(try world.status(run) == .completed)
    }

    @Test func `steps before the end of the run in one answer are stored first`() throws {
        let world = try RemoteWorld(ScriptedApp { _, _ in .ops(.complete(#""x""#), .run("a", "7")) })
        let run = try world.send()
        #expect(world.app.requests.count == 1)
        #expect(try world.output(run) == #""x""#)
        #expect(try world.machine.detail(of: run).steps.count == 1)
    }

    // MARK: - Failures

    @Test func `an attempt of a step that fails is repeated by a call like the first, then the error is a memo`() throws
    {
        let world = try RemoteWorld(
            [RemoteWorld.function(retries: 2)],
            ScriptedApp { _, number in number < 3 ? .ops(.error("a")) : .returned("1") })
        let run = try world.send()
        world.advance(10)
        #expect(world.app.calls == ["step#0", "step#1", "step#2", "step#0"])
        #expect(world.lastSteps == [#"a={"error":{"message":"no","name":"E"}}"#])
        #expect(try world.status(run) == .completed)
    }

    @Test func `no retry and a failed step are final at once`() throws {
        for outcome in [CallOutcome.ops(.error("a"), noRetry: true), .ops(.failed("a"))] {
            let world = try RemoteWorld(ScriptedApp { _, number in number == 0 ? outcome : .returned("1") })
            let run = try world.send()
            #expect(world.app.calls == ["step#0", "step#0"])
            #expect(try world.status(run) == .completed)
        }
    }

    @Test func `a failed call is an attempt of the code, each step has a budget of its own`() throws {
        let world = try RemoteWorld(
            [RemoteWorld.function(retries: 1)],
            ScriptedApp { _, number in
                switch number {
                case 0, 2: .failed()
                case 1: .ops(.run("a"))
                default: .returned("1")
                }
            })
        let run = try world.send()
        world.advance(10)
        #expect(world.app.calls == ["step#0", "step#1", "step#0", "step#1"])
        #expect(try world.status(run) == .completed)
    }

    @Test func `attempts that are used up fail the run with what the app answered`() throws {
        let world = try RemoteWorld([RemoteWorld.function(retries: 1)], ScriptedApp { _, _ in .failed("last words") })
        let run = try world.send()
        world.advance(10)
        #expect(world.app.calls == ["step#0", "step#1"])
        #expect(try world.status(run) == .failed)
        #expect(try world.output(run).contains("last words"))
    }

    @Test func `a failure of the code in the repeated call of a step counts on from that call's attempt`() throws {
        let world = try RemoteWorld(
            [RemoteWorld.function(retries: 2)],
            ScriptedApp { _, number in number == 0 ? .ops(.error("a")) : .failed() })
        let run = try world.send()
        world.advance(10)
        #expect(world.app.calls == ["step#0", "step#1", "step#2"])
        #expect(try world.status(run) == .failed)
    }

    @Test func `the app says when to try again`() throws {
        let world = try RemoteWorld(
            ScriptedApp { _, number in number == 0 ? .failed(retryAfter: .after(30_000)) : .returned("1") })
        let run = try world.send()
        world.advance(29)
        #expect(world.app.requests.count == 1)
        world.advance(2)
        #expect(try world.status(run) == .completed)
    }

    // MARK: - Parallel steps

    @Test func `two planned steps take two targeted calls and one discovery, whose plan is free again`() throws {
        let world = try RemoteWorld(
            ScriptedApp { request, number in
                switch (number, request.target) {
                case (0, _): .ops(.planned("a"), .planned("b"))
                case (_, let target?): .ops(.run(target))
                case (3, _): .ops(.run("tail"))
                default: .returned("1")
                }
            })
        let run = try world.send()
        #expect(world.app.calls == ["step#0", "a#0!", "b#0!", "step#0", "step#0"])
        #expect(try world.status(run) == .completed)
    }

    @Test func `with request version 1 every branch is followed by a discovery and the plan stays forced`() throws {
        let world = try RemoteWorld(
            ScriptedApp { request, number in
                let known = Set(request.steps.map(\.wireID))
                if request.target != nil { return nil }
                if number == 0 { return .ops(.planned("a"), .planned("b"), version: 1) }
                return known.contains("tail") ? .returned("1") : .ops(.planned("tail"), version: 1)
            })
        let run = try world.send()
        #expect(world.app.open.map(\.target) == ["a", "b"])
        for name in ["a", "b", "tail"] {
            let index = try #require(world.app.open.firstIndex { $0.target == name })
            world.app.answer(.ops(.run(name), version: 1), at: index)
            world.settle()
        }
        #expect(world.app.calls == ["step#0", "a#0!", "b#0!", "step#0!", "tail#0!", "step#0!", "step#0!"])
        #expect(try world.status(run) == .completed)
    }

    @Test func `a race is looked at after every branch`() throws {
        let world = try RemoteWorld(
            ScriptedApp { request, number in
                switch (number, request.target) {
                case (0, _): .ops(.planned("a", isRace: true), .planned("b", isRace: true))
                case (_, "a"): .ops(.run("a"))
                case (_, "b"): nil
                default: .returned("1")
                }
            })
        let run = try world.send()
        #expect(world.app.calls == ["step#0", "a#0!", "b#0!", "step#0!"])
        #expect(try world.status(run) == .completed)
    }

    @Test func `a branch that fails is tried again by itself, and a call for it that fails too`() throws {
        let world = try RemoteWorld(
            ScriptedApp { request, number in
                switch (number, request.target, request.attempt) {
                case (0, _, _): .ops(.planned("a"), .planned("b"))
                case (_, "a", 0): .ops(.error("a"))
                case (_, "a", 1): .failed()
                case (_, let target?, _): .ops(.run(target))
                default: .returned("1")
                }
            })
        let run = try world.send()
        world.advance(5)
        #expect(world.app.calls == ["step#0", "a#0!", "b#0!", "a#1!", "a#2!", "step#0"])
        #expect(try world.status(run) == .completed)
    }

    @Test func `one planned step is called for, without forcing a plan`() throws {
        let world = try RemoteWorld(
            ScriptedApp { request, number in
                switch (number, request.target) {
                case (0, _): .ops(.planned("p"))
                case (_, "p"): .ops(.run("p"))
                default: .returned("1")
                }
            })
        _ = try world.send()
        #expect(world.app.calls == ["step#0", "p#0", "step#0"])
    }

    @Test func `a targeted call may end the run, or report another step`() throws {
        let ends = try RemoteWorld(
            ScriptedApp { request, _ in request.target == nil ? .ops(.planned("p")) : .returned(#""x""#) })
        #expect(try ends.output(ends.send()) == #""x""#)

        let other = try RemoteWorld(
            ScriptedApp { request, number in
                switch (number, request.target) {
                case (0, _): .ops(.planned("p"))
                case (1, _): .ops(.run("q"))
                default: .returned("1")
                }
            })
        let run = try other.send()
        #expect(other.app.calls == ["step#0", "p#0", "step#0"])
        #expect(try other.status(run) == .completed)
    }

    @Test func `several steps that ran in one answer are followed by one discovery`() throws {
        let world = try RemoteWorld(
            ScriptedApp { _, number in number == 0 ? .ops(.run("a"), .run("b")) : .returned("1") })
        _ = try world.send()
        #expect(world.app.requests.count == 2)
    }

    // MARK: - Waiting

    @Test(arguments: [("1s", 1.0), ("1h30m", 5_400), ("", 0), ("-5s", 0), ("2d", 172_800)])
    func `a sleep lasts as long as it says`(_ text: String, _ seconds: Double) throws {
        let world = try RemoteWorld(
            ScriptedApp { _, number in number == 0 ? .ops(.sleep("s", text)) : .returned("1") })
        let run = try world.send()
        if seconds > 0 {
            world.advance(seconds - 0.5)
            #expect(world.app.requests.count == 1)
            world.advance(1)
        }
        #expect(world.lastSteps == ["s=null"])
        #expect(try world.status(run) == .completed)
    }

    @Test func `a sleep that is none, or longer than a year, fails the run with a clear error`() throws {
        let none = try RemoteWorld(ScriptedApp { _, _ in .ops(.sleep("s", "soon")) })
        let run = try none.send()
        #expect(try none.status(run) == .failed)
        #expect(try none.output(run).contains(#"cannot sleep for \"soon\""#))

        let long = try RemoteWorld(ScriptedApp { _, _ in .ops(.sleep("s", "400d")) })
        let other = try long.send()
        #expect(try long.output(other).contains("InngestErrTimeoutTooLong"))
    }

    @Test func `a wait gets the event itself, or null when the time is up`() throws {
        let script: ScriptedApp.Script = { _, number in
            number == 0 ? .ops(.wait("w", "paid", "20s", if: "event.data.id == async.data.id")) : .returned("1")
        }
        let met = try RemoteWorld(ScriptedApp(script))
        let run = try met.send("go", #"{"id":7}"#)
        try met.send("paid", #"{"id":8}"#)
        #expect(met.app.requests.count == 1)
        try met.send("paid", #"{"id":7}"#)
        #expect(met.lastSteps.first?.hasPrefix(#"w={"data":{"id":7},"id":""#) == true)
        #expect(try met.status(run) == .completed)

        let late = try RemoteWorld(ScriptedApp(script))
        _ = try late.send()
        late.advance(21)
        #expect(late.lastSteps == ["w=null"])
    }

    @Test func `a wait whose condition is no expression fails its run alone`() throws {
        let world = try RemoteWorld(ScriptedApp { _, _ in .ops(.wait("w", "paid", "20s", if: "async.data.id ==")) })
        let run = try world.send()
        #expect(try world.status(run) == .failed)
        #expect(try world.output(run).contains("InvalidExpression"))
        #expect(try world.output(run).contains("Wait for event If expression failed to compile"))
    }

    @Test func `an invoke has the other function's result, or its error`() throws {
        let functions = [
            RemoteWorld.function(), RemoteWorld.function("shop-good", on: "never"),
            RemoteWorld.function("shop-bad", on: "never", retries: 0),
        ]
        let world = try RemoteWorld(
            functions,
            ScriptedApp { request, _ in
                switch request.function {
                case "shop-good": return .returned(#"{"ok":true}"#)
                case "shop-bad": return .failed("sorry")
                default:
                    return switch request.steps.count {
                    case 0: .ops(.invoke("i", "shop-good", #"{"a":1}"#))
                    case 1: .ops(.invoke("j", "shop-bad"))
                    case 2: .ops(.invoke("k", "shop-none"))
                    default: .returned("1")
                    }
                }
            })
        let run = try world.send()
        #expect(try world.status(run) == .completed)
        #expect(world.lastSteps.first == #"i={"data":{"ok":true}}"#)
        #expect(world.lastSteps.dropFirst().first?.contains(#""message":"sorry""#) == true)
        #expect(world.lastSteps.last?.contains("could not find function with ID: shop-none") == true)
    }

    @Test func `a request that the server makes is tried again like a step, and the app is idle meanwhile`() throws {
        let world = try RemoteWorld(
            ScriptedApp(gateway: { number in
                number == 0
                    ? .failed(error: Array(#"{"name":"GatewayError","message":"x"}"#.utf8))
                    : .completed(Array(#"{"status_code":404}"#.utf8))
            }) { _, number in number == 0 ? .ops(.fetch("f")) : .returned("1") })
        let run = try world.send()
        #expect(world.app.requests.count == 1)
        world.advance(3)
        #expect(world.app.fetches.count == 2)
        #expect(world.lastSteps == [#"f={"data":{"status_code":404}}"#])
        #expect(try world.status(run) == .completed)
    }

    @Test func `a request in the place of a step that takes minutes is waited for, also at a stop`() throws {
        let world = try RemoteWorld(
            ScriptedApp(gateway: { _ in nil }) { request, _ in
                request.steps.isEmpty ? .ops(.fetch("f")) : .returned("1")
            })
        let run = try world.send()
        world.advance(300)
        #expect(world.app.fetches.count == 1)
        world.app.answerRequest(.completed(Array("5".utf8)))
        world.settle()
        #expect(world.lastSteps == [#"f={"data":5}"#])
        #expect(try world.status(run) == .completed)

        let stopped = try world.send()
        world.machine.node.requestDrain()
        world.settle()
        #expect(world.machine.node.hasLoadedRuns)
        world.app.answerRequest(.completed(Array("6".utf8)))
        world.settle()
        #expect(!world.machine.node.hasLoadedRuns)
        try world.restart()
        #expect(world.app.fetches.count == 2)
        #expect(try world.status(stopped) == .completed)
    }

    @Test func `an app that plans one step for ever, or defers for ever, is not called for ever`() throws {
        for ops in [[WireOp.planned("p")], [.deferAdd("d", "shop-none")]] {
            let world = try RemoteWorld(
                [RemoteWorld.function(retries: 0)], ScriptedApp { _, _ in CallOutcome(.ops(ops), version: 2) })
            let run = try world.send()
            #expect(try world.status(run) == .failed)
            #expect(world.app.requests.count < 60)
        }
    }

    // MARK: - Crashes and cold runs

    @Test func `after a crash no recorded step runs again, and what was planned is found again`() throws {
        let world = try RemoteWorld(
            ScriptedApp { request, _ in
                let known = Set(request.steps.map(\.wireID))
                if let target = request.target {
                    return target == "b" && !known.contains("again") ? nil : .ops(.run(target))
                }
                return known.contains("a") ? nil : .ops(.run("a"))
            })
        let run = try world.send()
        #expect(world.app.open.count == 1)
        try world.restart(
            ScriptedApp { request, _ in
                let known = Set(request.steps.map(\.wireID))
                if let target = request.target { return .ops(.run(target)) }
                return known.contains("c") ? .returned("1") : .ops(.planned("b"), .planned("c"))
            })
        #expect(world.app.requests.first?.steps.map(\.wireID) == ["a"])
        #expect(world.app.requests.first?.version == 2)
        #expect(try world.status(run) == .completed)
    }

    @Test func `a run that sleeps for long is not loaded, not even after a restart, and wakes with what it knew`()
        throws
    {
        let script: ScriptedApp.Script = { _, number in
            switch number {
            case 0: .ops(.run("a"))
            case 1: .ops(.sleep("s", "1d"))
            default: .returned("1")
            }
        }
        let app = ScriptedApp(script)
        let world = try RemoteWorld(app)
        let run = try world.send()
        world.advance(60)
        #expect(world.machine.node.core.summary(of: run)?.isParked == true)
        #expect(!world.machine.node.hasLoadedRuns)
        try world.restart()
        #expect(app.requests.count == 2)
        world.advance(86_400)
        #expect(world.lastSteps == [#"a={"data":1}"#, "s=null"])
        #expect(try world.status(run) == .completed)
    }

    @Test func `what comes for a run while its record is read is not lost, nor asked for again`() throws {
        let world = try RemoteWorld(
            [RemoteWorld.function()],
            ScriptedApp { request, _ in
                request.steps.count == 2
                    ? .returned("1") : .ops(.wait("a", "first", "7d"), .wait("b", "second", "7d"))
            }
        ) { $0.batchBytesMax = 1 }
        let run = try world.send()
        world.advance(60)
        #expect(!world.machine.node.hasLoadedRuns)
        try world.post("first")
        try world.post("second")
        world.settle()
        #expect(try world.status(run) == .completed)
        let waits = try world.machine.detail(of: run).steps.filter { $0.status == .completed }
        #expect(waits.count == 2)
    }

    @Test func `a crash while the app works leaves the attempt uncounted`() throws {
        let world = try RemoteWorld(ScriptedApp { _, _ in nil })
        let run = try world.send()
        for _ in 0..<8 { try world.restart() }
        #expect(world.app.calls == Array(repeating: "step#0", count: 9))
        world.app.answer(.returned("1"), at: 8)
        world.settle()
        #expect(try world.status(run) == .completed)
    }

    // MARK: - Limits

    @Test func `a slow app has so many calls under way and no more, and another app is not kept waiting`() throws {
        var other = RemoteWorld.function("other-fn", on: "go")
        other.app = "other"
        let world = try RemoteWorld(
            [RemoteWorld.function()],
            ScriptedApp { request, _ in request.function == "other-fn" ? .returned("1") : nil }
        ) { $0.callsPerAppMax = 3 }
        let app = AppConfig(
            id: "other", url: "http://localhost:9001/", sdk: "x:v1", framework: nil, appVersion: nil, checksum: "1")
        _ = world.machine.submit(.registerApp(app, functions: [other]))
        for _ in 0..<10 { try world.send() }
        #expect(world.app.open.count == 3)
        #expect(world.app.requests.count { $0.function == "other-fn" } == 10)
        for _ in 0..<10 {
            world.app.answer(.returned("1"))
            world.settle()
        }
        #expect(world.app.most == 3)
        #expect(world.machine.node.core.runCount == 0)
    }

    @Test func `calls never exceed the function's limit, and a run that sleeps holds no place`() throws {
        var limited = RemoteWorld.function()
        limited.flow.concurrency = [ConcurrencyLimit(limit: 2)]
        let world = try RemoteWorld([limited], ScriptedApp { _, _ in nil })
        var runs: [ULID] = []
        for _ in 0..<5 { runs.append(try world.send()) }
        #expect(world.app.open.count == 2)
        world.app.answer(.ops(.sleep("s", "1h")))
        world.settle()
        #expect(world.app.open.count == 2)
        for _ in 0..<4 {
            world.app.answer(.returned("1"))
            world.settle()
        }
        #expect(world.app.open.isEmpty)
        world.advance(3_601)
        #expect(world.app.open.count == 1)
        world.app.answer(.returned("1"))
        world.settle()
        #expect(world.app.most == 2)
        #expect(try runs.allSatisfy { try world.status($0) == .completed })
    }

    @Test func `branches of one run count against the limit too`() throws {
        var limited = RemoteWorld.function()
        limited.flow.concurrency = [ConcurrencyLimit(limit: 2)]
        let world = try RemoteWorld(
            [limited],
            ScriptedApp { request, _ in
                if request.target != nil { return nil }
                return request.steps.isEmpty
                    ? .ops(.planned("a"), .planned("b"), .planned("c"), .planned("d")) : .returned("1")
            })
        let run = try world.send()
        for _ in 0..<4 {
            #expect((1...2).contains(world.app.open.count))
            let target = try #require(world.app.open.first?.target)
            world.app.answer(.ops(.run(target)))
            world.settle()
        }
        #expect(world.app.most == 2)
        #expect(try world.status(run) == .completed)
        // All places are free again.
        _ = try world.send()
        #expect(world.app.open.count == 2)
    }

    @Test func `a cancelled run's answer is dropped, and its place is free when the app has answered`() throws {
        var limited = RemoteWorld.function()
        limited.flow.concurrency = [ConcurrencyLimit(limit: 1)]
        let world = try RemoteWorld([limited], ScriptedApp { _, _ in nil })
        let first = try world.send()
        let second = try world.send()
        world.machine.cancel(first, reason: "test")
        world.settle()
        #expect(try world.status(first) == .cancelled)
        #expect(world.app.open.count == 1)
        world.app.answer(.ops(.run("a")))
        world.settle()
        #expect(world.app.open.count == 1)
        #expect(world.app.requests.last?.run == second)
        #expect(try world.status(first) == .cancelled)
    }

    @Test func `an answer with more than a thousand ops fails the run`() throws {
        let world = try RemoteWorld(
            ScriptedApp { _, _ in CallOutcome(.ops((0...1_000).map { WireOp.planned("p\($0)") }), version: 2) })
        let run = try world.send()
        #expect(try world.status(run) == .failed)
        #expect(try world.output(run).contains("InngestErrFunctionOverflowed"))
    }

    @Test func `a paused function is not called, and goes on where it stood`() throws {
        let world = try RemoteWorld(
            ScriptedApp { request, _ in request.steps.isEmpty ? nil : .returned("1") })
        let run = try world.send()
        _ = world.machine.submit(.pause(function: "shop-charge"))
        world.app.answer(.ops(.run("a")))
        world.settle()
        world.advance(60)
        #expect(world.app.requests.count == 1)
        _ = world.machine.submit(.resume(function: "shop-charge"))
        #expect(world.app.requests.last?.steps.map(\.wireID) == ["a"])
        #expect(try world.status(run) == .completed)
    }
}
