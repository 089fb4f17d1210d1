import DaybookFakes
import DaybookJournal
import DaybookSystem
import Testing

struct VerifyAfterKillTests {
    @Test func `files that a start was going over when it was killed are not damaged`() throws {
        let world = World()
        func open() throws -> Journal {
            var state = RecordedState()
            // The machine has not been started anew since.
            return try Journal.open(disk: world.disk, clock: world.clock, options: world.options, replay: &state)
        }
        let journal = try open()
        for _ in 0..<10 { try journal.commit([1, 2, 3], count: 3) }
        for number in 1...3 { journal.record(.run(run(number)), final: true) }
        try journal.log.commit()
        try journal.followAll()
        world.disk.crash()
        let second = try open()
        // One piece, which ends in the middle of the runs.
        #expect(try second.follower.step())
        world.disk.crash()
        let report = try Verifier.verify(world.disk)
        #expect(report.isSound, "\(report.findings)")
        try open().followAll()
        #expect(try Verifier.verify(world.disk).findings.isEmpty)
    }
}
