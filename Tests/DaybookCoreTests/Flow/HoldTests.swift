import DaybookCore
import DaybookValues
import Testing

struct DebounceTests {
    private func bench(_ debounce: Debounce, _ set: (inout FlowConfig) -> Void = { _ in }) -> Bench {
        Bench([
            limited {
                $0.debounce = debounce
                set(&$0)
            }
        ])
    }

    private func number(_ run: QueuedRun?) -> Int64? {
        guard case .inline(let json)? = run?.input else { return nil }
        return JSONView(json)?.at(path: "data.n")?.integer
    }

    @Test func `one run starts a period after the last event, with that event`() throws {
        let bench = bench(Debounce(period: 5 * second))
        for n in 0..<4 {
            #expect(bench.send(#"{"n":\#(n)}"#).activated.isEmpty)
            bench.wait(until: second)
        }
        // 5 s after the last event, which came 1 s ago.
        #expect(bench.wait(until: 4 * second - 1).queued.isEmpty)
        let fired = bench.wait(until: 1)
        #expect(fired.queued.count == 1)
        #expect(number(fired.queued.first) == 3)
        #expect(fired.activated.count == 1)
        #expect(bench.wait(until: hour).queued.isEmpty)
        try bench.expectSameAfterCrash()
    }

    @Test func `a timeout counted from the first event bounds the wait`() throws {
        let bench = bench(Debounce(period: 5 * second, timeout: 10 * second))
        var starts: [Int64] = []
        for n in 0..<20 {
            bench.send(#"{"n":\#(n)}"#)
            if !bench.wait(until: second).queued.isEmpty { starts.append(Int64(n + 1)) }
        }
        #expect(starts.first == 10)
    }

    @Test func `an event that is older by its ts does not take the place of a newer one, nor put it off`() throws {
        let bench = bench(Debounce(period: 5 * second))
        bench.send(#"{"n":1}"#)
        bench.wait(until: 3 * second)
        #expect(bench.send(#"{"n":0}"#, ts: start + -second).dropped == [.older])
        let fired = bench.wait(until: 2 * second)
        #expect(number(fired.queued.first) == 1)
    }

    @Test func `each value of the key has its own, and failing keys share one`() throws {
        let bench = bench(Debounce(period: 5 * second, key: "event.data.k"))
        for k in ["a", "b", "a"] { bench.send(#"{"k":"\#(k)"}"#) }
        #expect(bench.core.holds().map(\.key).sorted() == ["a", "b"])
        #expect(bench.wait(until: 5 * second).queued.count == 2)
        let failing = self.bench(Debounce(period: 5 * second, key: "date(event.data.k)"))
        failing.send(#"{"k":"x"}"#)
        #expect(failing.core.holds().map(\.key) == ["<invalid>"])
    }

    @Test func `what is held survives a crash and a snapshot, and fires when it is due`() throws {
        let bench = bench(Debounce(period: minute))
        bench.send(#"{"n":7}"#)
        for later in [try bench.replayed(), try bench.restored()] {
            #expect(later.core.holds().count == 1)
            let fired = later.wait(until: minute)
            #expect(number(fired.queued.first) == 7)
        }
    }

    @Test func `event ids do not matter, and the rate limit is asked for each event`() throws {
        let bench = bench(Debounce(period: 5 * second)) { $0.rateLimit = RateLimit(limit: 10, period: minute) }
        #expect(bench.send(key: "same").eventOutcome?.held.count == 1)
        #expect(bench.send(key: "same").eventOutcome?.held.count == 1)
        #expect(bench.send(key: "same").dropped == [.rateLimited])
        try bench.expectSameAfterCrash()
    }

    @Test func `a step that invoked a debounced function gets the result of the run that took its event`() throws {
        let bench = Bench([
            limited("app-caller", on: "call"), limited("app-fn") { $0.debounce = Debounce(period: second) },
        ])
        let a = try #require(bench.send("{}", "call").activated.first)
        let b = try #require(bench.send("{}", "call").activated.first)
        #expect(bench.invoke(a, "ask", "app-fn").answer == .opened)
        #expect(bench.invoke(b, "ask", "app-fn").answer == .opened)
        try bench.expectSameAfterCrash()
        let child = try #require(bench.wait(until: second).activated.first)
        let ended = bench.end(child, #""done""#)
        #expect(Set(ended.delivered) == [a, b])
        try bench.expectSameAfterCrash()
    }

    @Test func `the time of what cancels its run begins when the run is queued`() throws {
        let bench = bench(Debounce(period: minute)) { $0.cancelOn = [CancelOn(event: "stop", timeout: minute)] }
        bench.send()
        let run = try #require(bench.wait(until: minute).activated.first)
        bench.wait(until: minute - 1)
        bench.send("{}", "stop")
        #expect(!bench.core.hasRun(run))
    }

    @Test func `a singleton that is busy when the debounce fires drops it with a record`() throws {
        let bench = bench(Debounce(period: second)) { $0.singleton = Singleton() }
        bench.send()
        let living = try #require(bench.wait(until: second).activated.first)
        bench.send()
        let fired = bench.wait(until: second)
        #expect(fired.kinds == ["hold.dropped"])
        #expect(bench.core.holds().isEmpty)
        bench.finish(living)
        try bench.expectSameAfterCrash()
    }
}

struct BatchTests {
    private func bench(_ batch: Batch, _ set: (inout FlowConfig) -> Void = { _ in }) -> Bench {
        Bench([
            limited {
                $0.batch = batch
                set(&$0)
            }
        ])
    }

    private func numbers(_ run: QueuedRun?) -> [Int64] {
        guard case .inline(let json)? = run?.input, let view = JSONView(json) else { return [] }
        var found: [Int64] = []
        view.forEachElement { event in
            if let n = event.at(path: "data.n")?.integer { found.append(n) }
            return true
        }
        return found
    }

    @Test func `a batch starts when it is full, and the rest when the time is up`() throws {
        let bench = bench(Batch(maxSize: 5, timeout: 10 * second))
        let outcomes = (0..<8).map { bench.send(#"{"n":\#($0)}"#) }
        #expect(outcomes.map(\.queued.count) == [0, 0, 0, 0, 1, 0, 0, 0])
        let full = outcomes[4].queued.first
        #expect(numbers(full) == [0, 1, 2, 3, 4])
        #expect(full?.eventCount == 5)
        #expect(bench.wait(until: 10 * second - 1).queued.isEmpty)
        let rest = bench.wait(until: 1)
        #expect(numbers(rest.queued.first) == [5, 6, 7])
        #expect(rest.activated.count == 1)
        try bench.expectSameAfterCrash()
    }

    @Test func `events in one request fill several batches`() throws {
        let bench = bench(Batch(maxSize: 2, timeout: minute))
        let events = (0..<5).map { bench.event("test/go", #"{"n":\#($0)}"#) }
        let outcome = bench.handle(.publish(events, claim: nil))
        #expect(outcome.queued.map(numbers) == [[0, 1], [2, 3]])
        #expect(bench.core.holds().map(\.eventCount) == [1])
        try bench.expectSameAfterCrash()
    }

    @Test func `there is one batch for each value of the key`() throws {
        let bench = bench(Batch(maxSize: 2, timeout: minute, key: "event.data.shop"))
        bench.send(#"{"shop":"a","n":1}"#)
        bench.send(#"{"shop":"b","n":2}"#)
        #expect(numbers(bench.send(#"{"shop":"a","n":3}"#).queued.first) == [1, 3])
        #expect(bench.core.holds().map(\.key) == ["b"])
    }

    @Test(arguments: [#"{"bulk":false}"#, "{}", #"{"bulk":"yes"}"#])
    func `an event for which the condition is not true runs alone at once`(data: String) throws {
        let bench = bench(Batch(maxSize: 2, timeout: minute, condition: "event.data.bulk"))
        let alone = bench.send(data)
        #expect(alone.activated.count == 1)
        #expect(alone.queued.first?.eventCount == 0)
        #expect(bench.send(#"{"bulk":true}"#).activated.isEmpty)
    }

    @Test func `an event id is taken once in half an hour`() throws {
        let bench = bench(Batch(maxSize: 10, timeout: second))
        bench.send(key: "one")
        #expect(bench.send(key: "one").dropped == [.duplicate])
        bench.wait(until: 30 * minute)
        #expect(bench.send(key: "one").eventOutcome?.held.count == 1)
        try bench.expectSameAfterCrash()
    }

    @Test func `a batch that is under way survives a crash`() throws {
        let bench = bench(Batch(maxSize: 3, timeout: minute, key: "event.data.shop"))
        bench.send(#"{"shop":"a","n":1}"#)
        bench.send(#"{"shop":"a","n":2}"#)
        for later in [try bench.replayed(), try bench.restored()] {
            #expect(numbers(later.send(#"{"shop":"a","n":3}"#).queued.first) == [1, 2, 3])
        }
    }

    @Test func `a batch of a removed function waits until the function is back`() throws {
        let bench = bench(Batch(maxSize: 3, timeout: minute))
        bench.send(#"{"n":1}"#)
        bench.register([])
        #expect(bench.wait(until: hour).queued.isEmpty)
        let back = bench.register([limited { $0.batch = Batch(maxSize: 3, timeout: minute) }])
        let fired = bench.wait(until: 1)
        #expect(back.queued.count + fired.queued.count == 1)
    }

    @Test func `the events of the end of a batch run carry all of them and the first`() throws {
        let bench = Bench([
            limited { $0.batch = Batch(maxSize: 2, timeout: minute) },
            limited("app-listener", on: "inngest/function.finished"),
        ])
        bench.send(#"{"n":1}"#)
        let full = bench.send(#"{"n":2}"#)
        let run = try #require(full.activated.first)
        guard case .inline(let input)? = full.queued.first?.input else {
            Issue.record("the batch is not at hand")
            return
        }
        let ended = bench.handle(.end(run: run, .returned(output: Array("1".utf8)), input: input))
        let event = ended.lines.lazy.compactMap { line in
            if case .eventReceived(let event, _) = line.record { event } else { nil }
        }.first
        let view = JSONView(event?.json ?? [])
        #expect(view?.at(path: "data.event.data.n")?.integer == 1)
        #expect(view?.at(path: "data.events.1.data.n")?.integer == 2)
    }
}
