import DaybookCore
import DaybookValues
import Testing

struct CancelOnTests {
    private func bench(_ cancels: CancelOn...) -> Bench { Bench([limited { $0.cancelOn = cancels }]) }
    private let sameOrder = CancelOn(event: "order/cancelled", condition: "event.data.id == async.data.id")

    @Test func `an event that matches cancels the run, others and its own trigger do not`() throws {
        let bench = Bench([
            limited { $0.cancelOn = [CancelOn(event: "test/go", condition: "event.data.id == async.data.id")] }
        ])
        let run = try #require(bench.send(#"{"id":"a"}"#).activated.first)
        bench.send(#"{"id":"b"}"#)
        #expect(bench.core.hasRun(run))
        let outcome = bench.send(#"{"id":"a"}"#)
        #expect(outcome.eventOutcome?.cancelled == [run])
        #expect(!bench.core.hasRun(run))
        #expect(outcome.effects.contains(.close(run: run)))
        try bench.expectSameAfterCrash()
    }

    /// The table of section 19 of the behaviour reference, the defects among it mended.
    static let rows: [(String, String, Bool)] = [
        (#"{"id":"x"}"#, #"{"id":"x"}"#, true), (#"{"id":"x"}"#, #"{"id":"y"}"#, false),
        (#"{"id":5}"#, #"{"id":5}"#, true),
        (#"{"id":1}"#, #"{"id":1.0}"#, true), (#"{"id":"1"}"#, #"{"id":1}"#, false),
        (#"{"id":true}"#, #"{"id":true}"#, true),
        (#"{"id":null}"#, #"{"id":null}"#, true), ("{}", "{}", true), (#"{"id":null}"#, "{}", true),
        ("{}", #"{"id":"x"}"#, false),
        (#"{"id":"x"}"#, "{}", false), (#"{"id":["a",1]}"#, #"{"id":["a",1]}"#, true),
        (#"{"id":{"a":1}}"#, #"{"id":{"a":1}}"#, true),
        (#"{"id":"say \"hi\""}"#, #"{"id":"say \"hi\""}"#, true), (#"{"id":"a\\b\nc"}"#, #"{"id":"a\\b\nc"}"#, true),
        (#"{"id":1000000}"#, #"{"id":1000000}"#, true), (#"{"id":1e21}"#, #"{"id":1e21}"#, true),
        (#"{"id":-1e-7}"#, #"{"id":-1e-7}"#, true),
        (#"{"id":[1000000]}"#, #"{"id":[1000000]}"#, true),
    ]

    @Test(arguments: rows)
    func `values are compared`(trigger: String, incoming: String, isMatch: Bool) throws {
        let bench = bench(sameOrder)
        let run = try #require(bench.send(trigger).activated.first)
        // It makes no difference whether a snapshot lies between.
        for other in [bench, try bench.restored()] {
            other.send(incoming, "order/cancelled")
            #expect(other.core.hasRun(run) == !isMatch)
        }
    }

    @Test func `after its timeout an event cancels no more`() throws {
        let bench = bench(CancelOn(event: "stop", timeout: minute))
        let run = try #require(bench.send().activated.first)
        bench.wait(until: minute)
        bench.send("{}", "stop")
        #expect(bench.core.hasRun(run))
    }

    @Test func `queued and sleeping runs are cancelled too, and their waits go`() throws {
        let bench = bench(sameOrder)
        let run = try #require(bench.send(#"{"id":1}"#).activated.first)
        bench.released(bench.wait(run, "confirmed", "order/confirmed"))
        bench.send(#"{"id":1}"#, "order/cancelled")
        #expect(bench.send("{}", "order/confirmed").eventOutcome?.resumed == [])
        try bench.expectSameAfterCrash()
    }

    @Test func `a condition that fails on an event is no match, and the log says so`() throws {
        let bench = bench(CancelOn(event: "stop", condition: "async.data.n > 'a'"))
        let run = try #require(bench.send().activated.first)
        let outcome = bench.send(#"{"n":5}"#, "stop")
        #expect(bench.core.hasRun(run))
        #expect(outcome.effects.contains { if case .warn(run, _) = $0 { true } else { false } })
    }
}
