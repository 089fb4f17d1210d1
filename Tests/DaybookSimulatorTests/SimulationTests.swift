import DaybookSimulator
import Testing

struct SimulationTests {
    @Test(arguments: 1...20)
    func `in a world where everything goes wrong, every promise holds`(seed: UInt64) {
        #expect(Simulation(seed: seed).run().violations == [])
    }

    /// 2669: a segment that another file took the place of, behind which nothing was left to read.
    @Test(arguments: [2669])
    func `worlds that once ended badly`(seed: UInt64) {
        #expect(Simulation(seed: seed).run().violations == [])
    }

    /// What comes about in some worlds of a hundred is enough to see that limits are not there in vain.
    @Test func `limits, rates, holds, cancellations and pauses come about in few worlds`() {
        var counts = SimulationCounts()
        for seed: UInt64 in 1...120 { counts.merge(Simulation(seed: seed).run().counts) }
        let expected: [FlowKind] = [
            .worldsWithFlow, .runsWaitedForPlace, .limitsReached, .runsWaitedForRuns, .runsWaitedForThrottle,
            .runsAdmitted, .droppedDuplicate, .droppedRateLimited, .droppedSingleton, .droppedPaused,
            .droppedExpression, .eventsDebounced, .runsOfDebounces, .eventsBatched, .runsOfFullBatches,
            .runsOfDueBatches, .triggersNotMet, .cancelledByEvent, .finishTimeouts, .waitsWithCondition,
            .functionsPaused, .functionsResumed, .limitsChanged, .limitsChangedWhileUp, .functionsInvokedByName,
            .followUpsAdded, .followUpsAborted, .followUpsScheduled,
        ]
        for kind in expected { #expect(counts.flow[kind] ?? 0 > 0, "\(kind.name)") }
    }

    @Test func `the same seed gives the same bytes`() {
        for seed: UInt64 in [3, 16, 17, 31] {
            #expect(
                Simulation(seed: seed).run(wantsDigest: true).digest
                    == Simulation(seed: seed).run(wantsDigest: true).digest)
        }
    }
}
