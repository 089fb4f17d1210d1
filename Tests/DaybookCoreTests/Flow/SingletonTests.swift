import DaybookCore
import DaybookValues
import Testing

struct SingletonTests {
    private func bench(_ mode: Singleton.Mode, key: String? = nil) -> Bench {
        Bench([limited { $0.singleton = Singleton(mode: mode, key: key) }])
    }

    @Test func `while a run lives new events start none, also while it sleeps`() throws {
        let bench = bench(.skip)
        let run = try #require(bench.send().activated.first)
        #expect(bench.send().eventOutcome?.dropped.first?.detail == "run \(run.text) is unfinished")
        bench.handle(.begin(run: run))
        bench.released(bench.sleep(run, "nap", hour))
        #expect(bench.send().dropped == [.singleton])
        try bench.expectSameAfterCrash()
        let later = try bench.replayed()
        #expect(later.send().dropped == [.singleton])
        later.finish(run)
        #expect(later.send().activated.count == 1)
    }

    @Test func `keys are apart, and a key that is false or missing makes no singleton`() throws {
        let bench = bench(.skip, key: "event.data.k")
        #expect(bench.send(#"{"k":"a"}"#).activated.count == 1)
        #expect(bench.send(#"{"k":"b"}"#).activated.count == 1)
        #expect(bench.send(#"{"k":"a"}"#).activated.isEmpty)
        for data in ["{}", "{}", #"{"k":false}"#, #"{"k":false}"#] { #expect(bench.send(data).activated.count == 1) }
    }

    @Test func `in cancel mode the living run ends and the new one starts`() throws {
        let bench = bench(.cancel)
        let first = try #require(bench.send().activated.first)
        let second = bench.send()
        #expect(second.kinds == ["event.received", "run.cancelled", "run.queued"])
        #expect(!bench.core.hasRun(first))
        #expect(second.activated.count == 1)
        try bench.expectSameAfterCrash()
    }

    @Test func `an event that was seen before cancels nothing`() throws {
        let bench = bench(.cancel)
        let first = try #require(bench.send(key: "one").activated.first)
        #expect(bench.send(key: "one").dropped == [.duplicate])
        #expect(bench.core.hasRun(first))
    }

    @Test func `when the end of the old run is listened for, the new one waits until it is over`() throws {
        let bench = Bench([
            limited { $0.singleton = Singleton(mode: .cancel) },
            limited("app-listener", on: "inngest/function.cancelled"),
        ])
        let first = try #require(bench.send().activated.first)
        let second = bench.send()
        #expect(second.kinds == ["event.received", "run.cancelling", "run.queued"])
        #expect(second.activated.isEmpty)
        let new = bench.core.runSummaries[0].id
        #expect(bench.waiting(new) == .singleton(run: first))
        // The process dies over it: the next one asks for the same end.
        let later = try bench.replayed()
        let found = later.core.outstandingEffects(at: later.time)
        #expect(found == [.cancel(run: first, reason: "a newer run of this singleton takes its place")])
        let ended = later.handle(.end(run: first, .cancelled(reason: "x"), input: Array("{}".utf8)))
        #expect(ended.activated.contains(new))
    }

    @Test func `a run that is being cancelled ends cancelled, also when its code returns first`() throws {
        let bench = Bench([
            limited { $0.singleton = Singleton(mode: .cancel) },
            limited("app-listener", on: "inngest/function.cancelled"),
        ])
        let first = try #require(bench.send().activated.first)
        bench.send()
        #expect(bench.end(first).kinds.contains("run.cancelled"))
        #expect(!bench.core.hasRun(first))
    }

    @Test func `an invoke that is skipped fails its step at once`() throws {
        let bench = Bench([limited("app-caller", on: "call"), limited { $0.singleton = Singleton() }])
        bench.send()
        let caller = try #require(bench.send("{}", "call").activated.first)
        guard case .failed(let error) = bench.invoke(caller, "ask", "app-fn").answer else {
            Issue.record("the invoke was not refused")
            return
        }
        #expect(JSONView(error)?.member("message")?.string?.contains("is unfinished") == true)
    }
}
