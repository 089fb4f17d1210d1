import DaybookSimulator
import Testing

/// The sweep over failing calls as far as a debug build goes; `daybook-torture sweep` tries all of it.
struct FailingCallsTests {
    @Test func `whichever call to the disk fails, the process goes on or says why not, and nothing is lost`() throws {
        let sweep = try FailingCallSweep()
        #expect(sweep.failures.count > 5_000)
        let report = sweep.run(stride: 307)
        #expect(report.cases >= 19)
        #expect(report.violations == [])
    }
}
