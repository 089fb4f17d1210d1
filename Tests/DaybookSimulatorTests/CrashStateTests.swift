import DaybookFakes
import DaybookSimulator
import Testing

/// Small slices of the sweeps over crash states; the whole of them is `daybook-torture sweep`.
struct CrashStateTests {
    @Test func `whatever a loss of power leaves of the scenario, nothing promised is lost and nothing runs twice`()
        throws
    {
        var sweep = CrashStateSweep()
        sweep.stride = 40
        sweep.finishEvery = 50
        let report = try sweep.run()
        #expect(report.violations == [])
        #expect(report.cases > 300)
        #expect(report.counts["distinct states", default: 0] > 100)
        #expect(report.counts["played to the end", default: 0] > 1)
    }

    @Test func `a journal opens after every crash within a sequence of operations, with whole batches only`() throws {
        var sweep = JournalSequenceSweep()
        sweep.stride = 57
        let report = try sweep.run()
        #expect(sweep.sequences.count == 7 + 49 + 343)
        #expect(report.violations == [])
        #expect(report.counts["distinct states", default: 0] > 100)
    }

    @Test func `a start that dies, and the one after it, take nothing away`() throws {
        var sweep = RecoveryCrashSweep()
        sweep.firstEvery = 300
        sweep.secondEvery = 20
        sweep.thirdEvery = 2
        let report = try sweep.run()
        #expect(report.violations == [])
        #expect(report.counts["second crashes", default: 0] > 20)
        #expect(report.counts["third crashes", default: 0] > 20)
    }

    @Test func `the parts of a sweep have all its states, and the same ones each time`() throws {
        var sweep = CrashStateSweep()
        sweep.stride = 130
        let whole = try sweep.run()
        #expect(try sweep.run().counts == whole.counts)
        sweep.sliceCount = 2
        var merged = try sweep.run()
        sweep.slice = 1
        merged.merge(try sweep.run())
        #expect(merged.cases == whole.cases)
        #expect(merged.counts["boundaries"] == whole.counts["boundaries"])
    }

    @Test func `one state of a sweep can be looked at again`() throws {
        let report = try CrashStateSweep().replay(boundary: 100, policy: .noneKept)
        #expect(report.cases == 1)
        #expect(report.violations == [])
        #expect(report.counts["played to the end"] == 1)
    }
}
