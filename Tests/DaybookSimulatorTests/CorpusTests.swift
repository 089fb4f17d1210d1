import DaybookSimulator
import Testing

/// The corpus sweep as far as a debug build goes; `daybook-torture sweep` tries all of it.
struct CorpusTests {
    @Test(arguments: CorpusSweep.Target.allCases, CorpusSweep.Situation.allCases)
    func `a cut or a flipped bit is noticed, costs no other run, and never gives out what was not written`(
        target: CorpusSweep.Target, situation: CorpusSweep.Situation
    ) throws {
        let sweep = try CorpusSweep(target, situation)
        // Prime, so that every bit and every kind of line comes up.
        let report = sweep.run(stride: 4_999, verifyStride: 2)
        #expect(report.cases > 25)
        #expect(report.violations == [])
    }

    @Test func `slices of a sweep are the whole sweep`() throws {
        let sweep = try CorpusSweep(.log, .everything)
        var slices = SweepReport(name: "slices")
        for part in 0..<3 { slices.merge(sweep.run(part: part, of: 3, stride: 9_973, verifyStride: 1)) }
        let whole = sweep.run(stride: 9_973, verifyStride: 1)
        #expect(slices.cases == whole.cases)
        #expect(slices.counts == whole.counts)
    }

    @Test(arguments: CorpusSweep.Situation.allCases)
    func `whole openings after damage go on, can be done again, and leave the files of unharmed runs as they were`(
        situation: CorpusSweep.Situation
    ) throws {
        let sweep = try CorpusSweep(.log, situation)
        let report = sweep.runOpenings(stride: 24_989)
        #expect(report.cases > 25)
        #expect(report.violations == [])
    }
}
