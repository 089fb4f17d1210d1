import DaybookCore
import DaybookValues
import Testing

struct ThrottleTests {
    @Test func `limit and burst start at once, then one each part of the period, and none is lost`() throws {
        let bench = Bench([limited { $0.throttle = Throttle(limit: 2, period: 10 * second, burst: 1) }])
        for _ in 0..<6 { bench.send() }
        bench.wait(until: minute)
        let starts = zip(bench.lines, bench.times).compactMap { line, time in
            line.kind == "run.admitted" ? time - start : nil
        }
        #expect(starts == [0, 0, 0, 5 * second, 10 * second, 15 * second])
        try bench.expectSameAfterCrash()
    }

    @Test func `a throttle that is used up stays so over a crash`() throws {
        let bench = Bench([limited { $0.throttle = Throttle(limit: 1, period: minute) }])
        bench.send()
        bench.send()
        let second = try #require(bench.core.runSummaries.first).id
        #expect(bench.waiting(second) == .throttle(key: nil, until: start + minute))
        let later = try bench.replayed()
        let found = later.core.outstandingEffects(at: later.time)
        #expect(found.count == 1)
        #expect(later.wait(until: minute - 1).activated.isEmpty)
        #expect(later.wait(until: 1).activated == [second])
    }

    @Test func `a run is let pass once, whatever becomes of it`() throws {
        let bench = Bench([
            limited {
                $0.throttle = Throttle(limit: 1, period: hour)
                $0.concurrency = [ConcurrencyLimit(limit: 1)]
            }
        ])
        let run = try #require(bench.send().activated.first)
        bench.handle(.begin(run: run))
        bench.released(bench.sleep(run, "nap", second))
        bench.yield(run)
        #expect(bench.wait(until: 2 * second).delivered == [run])
        #expect(bench.lines.count { $0.kind == "run.admitted" } == 1)
    }

    @Test func `keys are throttled apart, and a run without its field by the bucket false`() throws {
        let bench = Bench([limited { $0.throttle = Throttle(limit: 1, period: hour, key: "event.data.k") }])
        #expect(bench.send(#"{"k":"a"}"#).activated.count == 1)
        #expect(bench.send(#"{"k":"b"}"#).activated.count == 1)
        #expect(bench.send(#"{"k":"a"}"#).activated.isEmpty)
        #expect(bench.send().activated.count == 1)
        #expect(bench.send().activated.isEmpty)
    }

    @Test func `a start timeout counts the time in the throttle`() throws {
        let bench = Bench([
            limited(startTimeout: 5 * second) { $0.throttle = Throttle(limit: 1, period: 2 * second) }
        ])
        for _ in 0..<10 {
            for id in bench.send().activated { bench.handle(.begin(run: id)) }
        }
        for _ in 0..<200 {
            let outcome = bench.wait(until: 100)
            for id in outcome.activated { bench.handle(.begin(run: id)) }
            for effect in outcome.effects {
                if case .cancel(let id, let reason) = effect {
                    bench.handle(.end(run: id, .cancelled(reason: reason), input: []))
                }
            }
        }
        #expect(bench.lines.count { $0.kind == "run.cancelled" } == 7)
        #expect(bench.lines.count { $0.kind == "run.admitted" } == 3)
    }
}

struct RateLimitTests {
    /// Limit, period in seconds, how many at once, milliseconds until the next one.
    static let rows: [(Int, Int64, Int, Int64)] = [
        (1, 14_400, 1, 14_400_000), (5, 60, 1, 12_000), (10, 60, 2, 6_000), (20, 20, 3, 1_000), (100, 60, 11, 600),
    ]

    @Test(arguments: rows)
    func `a rate limit lets a tenth and one through at once, then one each interval`(
        limit: Int, period: Int64, atOnce: Int, interval: Int64
    ) throws {
        let bench = Bench([limited { $0.rateLimit = RateLimit(limit: limit, period: period * second) }])
        let first = (0..<20).map { _ in bench.send() }
        #expect(first.count { !$0.activated.isEmpty } == atOnce)
        #expect(first.last?.dropped == [.rateLimited])
        bench.wait(until: interval - 1)
        #expect(bench.send().activated.isEmpty)
        bench.wait(until: 1)
        #expect(bench.send().activated.count == 1)
        #expect(bench.send().activated.isEmpty)
        try bench.expectSameAfterCrash()
    }

    @Test func `events without the key are not limited, and one whose key fails starts nothing`() throws {
        let bench = Bench([limited { $0.rateLimit = RateLimit(limit: 1, period: hour, key: "event.data.k") }])
        for _ in 0..<3 { #expect(bench.send().activated.count == 1) }
        #expect(bench.send(#"{"k":false}"#).activated.count == 1)
        #expect(bench.send(#"{"k":"a"}"#).activated.count == 1)
        let refused = bench.send(#"{"k":"a"}"#)
        #expect(refused.eventOutcome?.dropped.first?.detail == "rate limit, key a")
        let failing = Bench([limited { $0.rateLimit = RateLimit(limit: 1, period: hour, key: "date(event.data.k)") }])
        #expect(failing.send(#"{"k":"never"}"#).dropped == [.expression])
    }

    @Test func `idempotency is one run a key in 24 hours`() throws {
        let bench = Bench([
            limited {
                $0.idempotency = "event.data.order"
                $0.rateLimit = RateLimit(limit: 100, period: second)
            }
        ])
        #expect(bench.send(#"{"order":"1"}"#).activated.count == 1)
        bench.wait(until: day - 1)
        let later = try bench.replayed()
        #expect(later.send(#"{"order":"1"}"#).dropped == [.rateLimited])
        #expect(later.send(#"{"order":"2"}"#).activated.count == 1)
        later.wait(until: 1)
        #expect(later.send(#"{"order":"1"}"#).activated.count == 1)
    }

    @Test func `a run that is repeated by hand is not limited and uses up nothing`() throws {
        let bench = Bench([limited { $0.rateLimit = RateLimit(limit: 1, period: hour) }])
        let run = try #require(bench.send().activated.first)
        bench.finish(run)
        let again = bench.released(
            bench.handle(
                .retry(
                    origin: run, function: "app-fn", input: .inline(Array(#"{"data":{}}"#.utf8)),
                    eventName: "test/go", copied: [])))
        #expect(again.activated.count == 1)
        #expect(again.queued.first?.flow.rateKey == nil)
    }

    @Test func `an invoke that is limited fails its step at once`() throws {
        let bench = Bench([
            limited("app-caller", on: "call"),
            limited("app-fn") { $0.rateLimit = RateLimit(limit: 1, period: hour) },
        ])
        let caller = try #require(bench.send("{}", "call").activated.first)
        #expect(bench.invoke(caller, "one", "app-fn").answer == .opened)
        let refused = bench.invoke(caller, "two", "app-fn")
        guard case .failed(let error) = refused.answer else {
            Issue.record("the second invoke was not refused: \(refused.answer)")
            return
        }
        #expect(JSONView(error)?.member("message")?.string?.hasPrefix("invoked function is rate limited") == true)
        #expect(refused.eventOutcome?.dropped.map(\.reason) == [.rateLimited])
        try bench.expectSameAfterCrash()
    }
}
