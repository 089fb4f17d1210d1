import DaybookFakes
import DaybookJournal
import DaybookSystem
import DaybookValues
import Testing

struct CrashTests {
    /// One life of a directory after the other, each ended by a crash, a loss of power or a failed call, with work of
    /// every kind in between. Whatever was flushed is there at the next start, and nothing is taken for damage.
    @Test(arguments: 0..<60)
    func `whatever happens, what was flushed is there again and nothing else is`(seed: Int) throws {
        let random = SeededRandom(seed: UInt64(seed))
        var world = World(segmentBytes: 4_096)
        world.options.graceMilliseconds = 1_000
        var (acknowledged, attempted) = (UInt64(0), UInt64(0))
        for life in 0..<8 {
            let place: Comment = "seed \(seed), life \(life)"
            var state = RecordedState()
            guard let journal = try? world.open(&state) else {
                // The planned failure struck the start itself.
                world.disk.clearFailures()
                world.disk.powerLoss(random: random)
                continue
            }
            #expect(journal.report.damage.isEmpty, place)
            #expect(state.quarantined.isEmpty, place)
            #expect(journal.flushedQ >= acknowledged && journal.flushedQ <= attempted, place)
            #expect(state.qs.last ?? journal.report.snapshotQ == journal.flushedQ, place)
            #expect(state.qs == Array(journal.report.snapshotQ + 1..<journal.flushedQ + 1), place)
            acknowledged = journal.flushedQ
            attempted = acknowledged
            if random.chance(percent: 30) {
                let operations: [FileError.Operation] = [.write, .sync, .rename, .syncDirectory, .open, .truncate]
                world.disk.fail(
                    operations[random.below(operations.count)], after: random.below(60),
                    errno: random.chance(percent: 30) ? 28 : 5, losesUnflushed: random.chance(percent: 50))
            }
            live(journal, world, random, &acknowledged, &attempted)
            world.disk.clearFailures()
            if random.chance(percent: 50) { world.disk.powerLoss(random: random) } else { world.disk.crash() }
            withExtendedLifetime(journal) {}
        }
        let journal = try world.open()
        #expect(journal.flushedQ >= acknowledged, "seed \(seed)")
        try journal.followAll()
        let report = try Verifier.verify(world.disk)
        #expect(report.isSound, "seed \(seed): \(report.findings)")
    }

    /// Works until something fails or enough is done.
    private func live(
        _ journal: Journal, _ world: World, _ random: SeededRandom, _ acknowledged: inout UInt64,
        _ attempted: inout UInt64
    ) {
        // The runs of this life that have not ended.
        var current: [Int: Int] = [:]
        do {
            for _ in 0..<random.below(60) {
                switch random.below(10) {
                case 0..<6:
                    for _ in 0...random.below(8) {
                        // A run ends now and then, and nothing follows then: ids are never used again.
                        let ends = random.chance(percent: 10)
                        let slot = random.below(7)
                        let id = run(current[slot] ?? Int(journal.log.nextQ))
                        current[slot] = ends ? nil : Int(truncatingIfNeeded: id.low & 0xFFFF_FFFF)
                        attempted = journal.record(.run(id), slot, final: ends)
                    }
                    if random.chance(percent: 20) { attempted = journal.record(.events(day: noon.day)) }
                    try journal.log.commit()
                    acknowledged = journal.flushedQ
                case 6: try journal.follower.step()
                case 7: try journal.follower.checkpoint()
                case 8: try journal.snapshot("\(journal.flushedQ)")
                default:
                    world.clock.advance(milliseconds: Int64(random.below(900)))
                    try journal.keeper.step()
                }
            }
        } catch {
            // A failed call ends the process, as it does for real.
        }
    }
}
