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

    @Test func `the same seed gives the same bytes`() {
        for seed: UInt64 in [3, 17] {
            #expect(
                Simulation(seed: seed).run(wantsDigest: true).digest
                    == Simulation(seed: seed).run(wantsDigest: true).digest)
        }
    }
}
